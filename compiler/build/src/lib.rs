#![doc = include_str!("../README.md")]

mod memories;
mod written;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use microhlo_compiler::cmd::CmdError;
use microhlo_compiler::cmd::load::options_for;
use microhlo_compiler::compile::{CompileOptions, Target};
use microhlo_compiler::firmware::{
    Generated, SHARED_MODULE, compile_for_firmware, share_for_firmware,
};

use memories::Asked;

/// A model to compile. [`finish`](Build::finish) does it.
///
/// ```no_run
/// # fn main() -> std::process::ExitCode {
/// let mut build = microhlo_build::model("models/kws.stablehlo.mlir");
/// // A feature of the firmware's package.
/// if std::env::var_os("CARGO_FEATURE_SMALL").is_some() {
///     build = build.arena_limit(16 * 1024);
/// }
/// build.finish()
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is compiled before `finish`"]
pub struct Build {
    model: PathBuf,
    target: Option<String>,
    arena_limit: Option<u32>,
    memories: Asked,
    states: Vec<String>,
    shapes: Vec<String>,
    externs: Vec<String>,
}

/// A program in any form that `microhlo compile` reads. The path is relative to the package's folder.
///
/// ```no_run
/// // A build script that takes the fastest program of a model that fits into 16 KiB.
/// fn main() -> std::process::ExitCode {
///     microhlo_build::model("models/kws.stablehlo.mlir").arena_limit(16 * 1024).finish()
/// }
/// ```
pub fn model(path: impl Into<PathBuf>) -> Build {
    Build {
        model: path.into(),
        target: None,
        arena_limit: None,
        memories: Asked::default(),
        states: Vec::new(),
        shapes: Vec::new(),
        externs: Vec::new(),
    }
}

impl Build {
    /// The core that kernels and the layout of weights are for, for example `cortex-m55`. By default it is that
    /// of the board if the package depends on `microhlo-board`, otherwise the usual one of the target triple
    /// (`thumbv7em-none-eabihf`: Cortex-M4F; `thumbv8m.main-none-eabihf`: Cortex-M33).
    ///
    /// ```no_run
    /// # fn main() -> std::process::ExitCode {
    /// // Firmware for a board that no package describes.
    /// microhlo_build::model("models/kws.stablehlo.mlir").target("cortex-m55").finish()
    /// # }
    /// ```
    pub fn target(mut self, core: &str) -> Build {
        self.target = Some(core.to_owned());
        self
    }

    /// Most bytes of the arena, of all memories together if there are [several](Build::region): the fastest program
    /// that fits is chosen, and if none does, the build fails and says what the smallest needs.
    ///
    /// ```no_run
    /// # fn main() -> std::process::ExitCode {
    /// // What is left of 32 KiB beside the stack and the firmware's own data.
    /// microhlo_build::model("models/kws.stablehlo.mlir").arena_limit(24 * 1024).finish()
    /// # }
    /// ```
    pub fn arena_limit(mut self, bytes: u32) -> Build {
        self.arena_limit = Some(bytes);
        self
    }

    /// A memory that the model may use, with its size in bytes and what an access costs relative to others: what is
    /// accessed most goes to the cheapest that has room. Names have up to eight letters, digits, `_` or `-`. May be
    /// called up to four times; after [`regions`](Build::regions) it gives one of the board's another size and cost.
    ///
    /// The module then has a type for each memory, `DtcmArena` for one that is called `DTCM`, and `Arenas`, a struct
    /// with a field for each, in place of `Arena`. `Network::load` copies constants that are kept there.
    ///
    /// ```no_run
    /// # fn main() -> std::process::ExitCode {
    /// let model = microhlo_build::model("models/kws.stablehlo.mlir");
    /// model.region("SRAM", 64 * 1024, 2).region("DTCM", 16 * 1024, 1).finish()
    /// # }
    /// ```
    pub fn region(mut self, name: &str, bytes: u32, cost: u32) -> Build {
        self.memories.add(name, bytes, cost);
        self
    }

    /// All memories of kind `arena` of the board, with the sizes and costs of its description, if the package
    /// depends on `microhlo-board`.
    ///
    /// ```no_run
    /// # fn main() -> std::process::ExitCode {
    /// microhlo_build::model("models/kws.stablehlo.mlir").regions().finish()
    /// # }
    /// ```
    pub fn regions(mut self) -> Build {
        self.memories.of_board();
        self
    }

    /// What an access costs where the artifact lies, relative to the memories; 1 by default. Constants are copied to
    /// memories that cost less.
    ///
    /// ```no_run
    /// # fn main() -> std::process::ExitCode {
    /// // Flash behind a bus with wait states.
    /// let model = microhlo_build::model("models/kws.stablehlo.mlir");
    /// model.region("SRAM", 64 * 1024, 1).artifact_cost(3).finish()
    /// # }
    /// ```
    pub fn artifact_cost(mut self, cost: u32) -> Build {
        self.memories.constants_cost(cost);
        self
    }

    /// An input that is an output of the run before, `INPUT=OUTPUT` by names or numbers, and survives in the
    /// arena. May be called repeatedly.
    ///
    /// ```no_run
    /// # fn main() -> std::process::ExitCode {
    /// // `Network::run` then takes the other inputs, and `Network::reset` makes the state zero.
    /// microhlo_build::model("models/heartbeat.stablehlo.mlir").state("in1=out1").finish()
    /// # }
    /// ```
    pub fn state(mut self, pair: &str) -> Build {
        self.states.push(pair.to_owned());
        self
    }

    /// The size of a symbolic dimension, `m=8`, or the shape of an argument, `arg0=8x16`. May be called
    /// repeatedly.
    ///
    /// ```no_run
    /// # fn main() -> std::process::ExitCode {
    /// microhlo_build::model("models/batched.stablehlo.mlir").shape("batch=1").finish()
    /// # }
    /// ```
    pub fn shape(mut self, pair: &str) -> Build {
        self.shapes.push(pair.to_owned());
        self
    }

    /// A custom call or composite of this name is left to the firmware. The module that includes `NAME.rs` has the
    /// table of functions in scope as `Externs`, a type that implements `microhlo::Externs`. May be called
    /// repeatedly.
    ///
    /// ```no_run
    /// # fn main() -> std::process::ExitCode {
    /// // `Externs` has a function for `board.median3`, which the program calls.
    /// microhlo_build::model("models/filter.stablehlo.mlir").external("board.median3").finish()
    /// # }
    /// ```
    pub fn external(mut self, name: &str) -> Build {
        self.externs.push(name.to_owned());
        self
    }

    /// Compiles into `OUT_DIR`: `NAME.rs`, for `include!`, and `NAME.mhlo`, which that includes. `NAME` is the
    /// model's file name up to the first extension that is its form's. Tells cargo when to do so again, and what
    /// went wrong; the result is what the build script's `main` returns.
    ///
    /// ```no_run
    /// // The firmware has `include!(concat!(env!("OUT_DIR"), "/kws.rs"));` in a module.
    /// fn main() -> std::process::ExitCode {
    ///     microhlo_build::model("models/kws.stablehlo.mlir").finish()
    /// }
    /// ```
    #[must_use = "the build script has to fail if the model does not compile"]
    pub fn finish(self) -> ExitCode {
        self.watch();
        finish(|folder| self.compile(folder))
    }

    /// Tells cargo when to compile again.
    fn watch(&self) {
        println!("cargo::rerun-if-changed={}", self.model.display());
    }

    /// Compiles, and returns the files that are there then.
    fn compile(&self, folder: &Path) -> Result<Vec<PathBuf>, CmdError> {
        let options = self.options()?;
        Ok(files(compile_for_firmware(&self.model, &options, folder)?))
    }

    fn options(&self) -> Result<CompileOptions, CmdError> {
        let mut options = options_for(&self.model, self.core()?);
        options.memory.arena_limit = self.arena_limit;
        options.memories = self.memories.memories()?;
        options.externs.clone_from(&self.externs);
        for text in &self.states {
            let pair =
                text.parse().map_err(|e| CmdError::BadInput(format!("state {text}: {e}")))?;
            options.states.push(pair);
        }
        for text in &self.shapes {
            let size =
                text.parse().map_err(|e| CmdError::BadInput(format!("shape {text}: {e}")))?;
            options.sizes.push(size);
        }
        Ok(options)
    }

    /// The core to compile for.
    fn core(&self) -> Result<Target, CmdError> {
        let named = self.target.clone().or_else(|| env::var("DEP_MICROHLO_BOARD_CORE").ok());
        if let Some(name) = named {
            return name.parse().map_err(CmdError::BadInput);
        }
        let triple = env::var("TARGET").unwrap_or_default();
        usual_core(&triple).ok_or_else(|| {
            let known = Target::ALL.map(Target::name).join(", ");
            let text = format!("no core is known for `{triple}`; name one with `target`: {known}");
            CmdError::BadInput(text)
        })
    }
}

/// Models that run in one arena, one after the other. [`finish`](Share::finish) compiles them.
///
/// ```no_run
/// # fn main() -> std::process::ExitCode {
/// let names = ["digits", "heartbeat"];
/// let models = names.map(|name| microhlo_build::model(format!("models/{name}.stablehlo.mlir")));
/// microhlo_build::share(models).finish()
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is compiled before `finish`"]
pub struct Share {
    models: Vec<Build>,
    memories: Asked,
}

/// Models that run in one arena, one after the other: it is as large as the largest of them needs, and what a model
/// keeps between its runs ([`Build::state`]) survives those of the others.
///
/// ```no_run
/// # fn main() -> std::process::ExitCode {
/// let digits = microhlo_build::model("models/digits.stablehlo.mlir");
/// // Its state is kept while the other model runs.
/// let heartbeat = microhlo_build::model("models/heartbeat.stablehlo.mlir").state("in1=out1");
/// microhlo_build::share([digits, heartbeat]).finish()
/// # }
/// ```
pub fn share(models: impl IntoIterator<Item = Build>) -> Share {
    Share { models: models.into_iter().collect(), memories: Asked::default() }
}

impl Share {
    /// A memory that each of the models may use, as [`Build::region`] gives one to a model. `shared.rs` then has the
    /// types of the memories, and the constants of each network have a place that no other touches.
    ///
    /// ```no_run
    /// # fn main() -> std::process::ExitCode {
    /// let models = ["models/digits.stablehlo.mlir", "models/heartbeat.stablehlo.mlir"];
    /// let models = microhlo_build::share(models.map(microhlo_build::model));
    /// models.region("SRAM", 64 * 1024, 2).region("DTCM", 16 * 1024, 1).finish()
    /// # }
    /// ```
    pub fn region(mut self, name: &str, bytes: u32, cost: u32) -> Share {
        self.memories.add(name, bytes, cost);
        self
    }

    /// All memories of the board, as [`Build::regions`].
    ///
    /// ```no_run
    /// # fn main() -> std::process::ExitCode {
    /// let models = ["models/digits.stablehlo.mlir", "models/heartbeat.stablehlo.mlir"];
    /// let models = microhlo_build::share(models.map(microhlo_build::model));
    /// models.regions().finish()
    /// # }
    /// ```
    pub fn regions(mut self) -> Share {
        self.memories.of_board();
        self
    }

    /// What an access costs where the artifacts lie, as [`Build::artifact_cost`].
    ///
    /// ```no_run
    /// # fn main() -> std::process::ExitCode {
    /// let models = ["models/digits.stablehlo.mlir", "models/heartbeat.stablehlo.mlir"];
    /// let models = microhlo_build::share(models.map(microhlo_build::model));
    /// models.region("SRAM", 64 * 1024, 1).artifact_cost(3).finish()
    /// # }
    /// ```
    pub fn artifact_cost(mut self, cost: u32) -> Share {
        self.memories.constants_cost(cost);
        self
    }

    /// Compiles into `OUT_DIR`: `shared.rs`, for `include!`, has the arena as `Arena` and `ARENA_BYTES`, and a module
    /// per model whose `Network` takes that arena in each call of `run`.
    ///
    /// ```no_run
    /// // The firmware includes `shared.rs`, and runs `digits::Network` and `heartbeat::Network`.
    /// fn main() -> std::process::ExitCode {
    ///     let models = ["models/digits.stablehlo.mlir", "models/heartbeat.stablehlo.mlir"];
    ///     microhlo_build::share(models.map(microhlo_build::model)).finish()
    /// }
    /// ```
    #[must_use = "the build script has to fail if a model does not compile"]
    pub fn finish(self) -> ExitCode {
        self.models.iter().for_each(Build::watch);
        finish(|folder| self.compile(folder))
    }

    fn compile(&self, folder: &Path) -> Result<Vec<PathBuf>, CmdError> {
        let member = |build: &Build| {
            let mut options = build.options()?;
            if self.memories != Asked::default() {
                options.memories = self.memories.memories()?;
            }
            Ok((build.model.clone(), options))
        };
        let models = self.models.iter().map(member).collect::<Result<Vec<_>, CmdError>>()?;
        let made = share_for_firmware(models, folder)?;
        let shared = folder.join(format!("{SHARED_MODULE}.rs"));
        Ok(made.into_iter().flat_map(files).chain([shared]).collect())
    }
}

/// The files of a model.
fn files(made: Generated) -> Vec<PathBuf> {
    vec![made.artifact, made.module]
}

/// Compiles into `OUT_DIR`, and tells cargo what went wrong.
fn finish(compile: impl FnOnce(&Path) -> Result<Vec<PathBuf>, CmdError>) -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    let out_dir = env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| {
        CmdError::BadInput("OUT_DIR is not set; this is for build scripts".to_owned())
    });
    let done = out_dir.and_then(|folder| {
        written::forget_former(&folder)?;
        written::note(&folder, compile(&folder)?)
    });
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    for line in error_lines(&error.to_string()) {
        println!("cargo::error={line}");
    }
    ExitCode::FAILURE
}

/// The lines of an error. Cargo takes one per error, and writes `error: ` before each itself.
fn error_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.strip_prefix("error: ").unwrap_or(line))
}

/// The usual core of a target triple.
fn usual_core(triple: &str) -> Option<Target> {
    let cores = [
        ("thumbv6m-", Target::CortexM0),
        ("thumbv7m-", Target::CortexM3),
        ("thumbv7em-none-eabihf", Target::CortexM4f),
        ("thumbv8m.main-none-eabihf", Target::CortexM33),
        ("riscv32imac-", Target::Rv32imac),
        ("riscv32imc-", Target::Rv32imac),
        ("x86_64-", Target::Host),
        ("aarch64-", Target::Host),
    ];
    cores.iter().find(|(start, _)| triple.starts_with(start)).map(|&(_, core)| core)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const COUNTER: &str =
        "func.func @main(%x: tensor<4xf32>, %sum: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.add %x, %sum : tensor<4xf32>
  return %0 : tensor<4xf32>
}";

    #[test]
    fn options_reach_the_compiler() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("counter.mlir");
        fs::write(&path, COUNTER).expect("the program");
        let build = model(&path).target("cortex-m4f").state("in1=out0");
        build.compile(folder.path()).expect("it compiles");
        let source = fs::read_to_string(folder.path().join("counter.rs")).expect("the module");
        let run = "pub fn run(&mut self, in0: &Input0)";
        assert!(source.contains(run) && source.contains("fn reset"), "{source}");
        let error = build.clone().arena_limit(8).compile(folder.path()).expect_err("too little");
        assert!(error.to_string().contains("arena"), "{error}");
        let error = build.state("in9").compile(folder.path()).expect_err("no pair");
        assert!(error.to_string().contains("state in9"), "{error}");
    }

    #[test]
    fn models_in_several_memories_have_a_type_for_each() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("counter.mlir");
        fs::write(&path, COUNTER).expect("the program");
        let read = |name| fs::read_to_string(folder.path().join(name)).expect("a module");
        let build = model(&path).target("cortex-m7").state("in1=out0");
        let two = build.clone().region("SRAM", 64, 2).region("DTCM", 16, 1);
        two.compile(folder.path()).expect("it compiles");
        let source = read("counter.rs");
        for part in [
            "pub type DtcmArena = ::microhlo::Arena<16>;",
            "pub sram: &'m mut SramArena,",
            "pub fn load(arenas: Arenas<'m>)",
            "self.model.filled_arenas([&mut self.arenas.sram.0[..], &mut self.arenas.dtcm.0[..]])?",
            "pub fn reset(&mut self)",
        ] {
            assert!(source.contains(part), "{part} in\n{source}");
        }
        // A memory that nothing lies in has a type, too.
        let large = build.clone().region("SRAM", 64, 1).region("DTCM", 16, 2);
        large.compile(folder.path()).expect("it compiles");
        assert!(read("counter.rs").contains("pub type DtcmArena = ::microhlo::Arena<0>;"));
        let error = build.clone().regions().compile(folder.path()).expect_err("no board");
        assert!(error.to_string().contains("microhlo-board"), "{error}");
        let error = build.region("SRAM", 16, 1).compile(folder.path()).expect_err("too little");
        assert!(error.to_string().contains("no program fits the memories SRAM"), "{error}");
    }

    #[test]
    fn models_that_share_memories_are_given_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = ["first.mlir", "second.mlir"].map(|name| folder.path().join(name));
        for path in &paths {
            fs::write(path, COUNTER).expect("the program");
        }
        let [first, second] = paths.map(|path| model(path).target("cortex-m7"));
        let second = second.state("in1=out0");
        let both = share([first.clone(), second.clone()]);
        both.region("SRAM", 64, 2).region("DTCM", 16, 1).compile(folder.path()).expect("it fits");
        let read = |name| fs::read_to_string(folder.path().join(name)).expect("a module");
        assert!(read("shared.rs").contains("pub dtcm: &'m mut DtcmArena,"));
        let run = "pub fn run(&self, arenas: &mut Arenas<'_>, in0: &Input0)";
        assert!(read("second.rs").contains(run), "{}", read("second.rs"));
        let error = share([first, second.region("SRAM", 64, 2)]).compile(folder.path());
        let error = error.expect_err("other memories").to_string();
        assert!(error.contains("second.mlir: it is given other memories"), "{error}");
    }

    #[test]
    fn models_that_share_an_arena_keep_their_own_options() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = ["first.mlir", "second.mlir"].map(|name| folder.path().join(name));
        for path in &paths {
            fs::write(path, COUNTER).expect("the program");
        }
        let [first, second] = paths.map(|path| model(path).target("cortex-m4f"));
        let both = share([first, second.state("in1=out0")]);
        both.compile(folder.path()).expect("they compile");
        let read = |name| fs::read_to_string(folder.path().join(name)).expect("a module");
        assert!(read("shared.rs").contains("pub mod second {"));
        assert!(!read("first.rs").contains("fn reset") && read("second.rs").contains("fn reset"));
    }

    #[test]
    fn errors_are_called_so_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bad.mlir");
        fs::write(&path, "func.func @main() { %0 = stablehlo.nothing }").expect("the program");
        let error = model(&path).target("cortex-m4f").compile(folder.path()).expect_err("unknown");
        let text = error.to_string();
        assert!(text.starts_with("error: "), "{text}");
        let lines: Vec<&str> = error_lines(&text).collect();
        assert!(lines.len() > 1 && lines.iter().all(|line| !line.starts_with("error: ")), "{text}");
    }

    #[test]
    fn a_renamed_model_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let (models, out) = (folder.path().join("models"), folder.path().join("out"));
        for folder in [&models, &out] {
            fs::create_dir(folder).expect("a folder");
        }
        let made = |name: &str| {
            let path = models.join(name);
            fs::write(&path, COUNTER).expect("the program");
            let files = model(path).target("cortex-m4f").compile(&out).expect("it compiles");
            written::note(&out, files).expect("it is noted");
        };
        let there = || {
            let entries = fs::read_dir(&out).expect("the folder");
            let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("it").file_name();
            let mut names: Vec<_> = entries.map(name).collect();
            names.sort();
            names
        };
        fs::write(out.join("of_others.rs"), "").expect("a file of another generator");
        // Two models of one build script.
        for name in ["a.mlir", "b.mlir"] {
            made(name);
        }
        let files = ["a.mhlo", "a.rs", "b.mhlo", "b.rs", "microhlo.files", "of_others.rs"];
        assert_eq!(there(), files);
        written::remove_listed(&out).expect("they are removed");
        made("c.mlir");
        assert_eq!(there(), ["c.mhlo", "c.rs", "microhlo.files", "of_others.rs"]);
        // Names that lead out of the folder are none of ours.
        fs::write(out.join("microhlo.files"), "../models/a.mlir\n/etc/none\n..\n").expect("it");
        written::remove_listed(&out).expect("nothing is removed");
        assert!(models.join("a.mlir").exists());
    }

    #[test]
    fn triples_have_cores() {
        assert_eq!(usual_core("thumbv7em-none-eabihf"), Some(Target::CortexM4f));
        assert_eq!(usual_core("avr-none"), None);
        let error = model("x.mlir").target("cortex-m9").core().expect_err("none such");
        assert!(error.to_string().contains("cortex-m9"), "{error}");
    }
}
