//! Test support: the models with their vectors, and the command under test.

pub mod cycles;
pub mod figures;
pub mod forms;
pub mod fuzz;
pub mod generate;
pub mod model_update;
pub mod networks;
pub mod stack;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::time::Duration;

use microhlo_compiler::cmd::difference::{Difference, Tolerance};
use microhlo_compiler::cmd::load::{self, Input, Program};
use microhlo_compiler::cmd::vectors::{self, Port, Values};
use microhlo_compiler::compile::{CompileOptions, Compiled, Size, Target};
use microhlo_compiler::eval::{Evaluator, Tensor};
use microhlo_compiler::ir::{Dim, Func, FuncId, Module, Type, ValueId};
use microhlo_format::Artifact;
use microhlo_qemu::{Board, Error, Job, Options, Outcome, Registry};

/// Models in the project itself.
const SHIPPED: [&str; 4] = ["digits_cnn", "dsconv_softmax", "gru_step", "mlp_tanh"];

/// Models of the examples, beside these.
const EXAMPLES: [&str; 5] =
    ["heartbeat", "keywords_frontend", "keywords_net", "ripple", "vibration"];

/// Models that lie beside the project's folder where the full test data are installed.
const SHARED: [&str; 14] = [
    "digits_cnn",
    "digits_cnn_softmax_b8",
    "mlp_16_32_32_4",
    "mlp_tanh_vec",
    "hello_world",
    "kws_jax_nhwc_folded",
    "kws_jax_nchw",
    "kws_tfsm",
    "ad_jax_folded",
    "ic_jax_nhwc_folded",
    "ic_jax_nchw",
    "transformer_block",
    "gru_step",
    "lstm_step",
];

/// Quantised models of that folder.
const INT8: [&str; 6] = [
    "ad_int8_quant_int",
    "kws_int8_quant_int",
    "ic_int8_quant_int",
    "ad_int8_quant_qdq",
    "kws_int8_quant_qdq",
    "ic_int8_quant_qdq",
];

/// Boards that run every program and every case: one core with hardware floating point and one
/// without. Their start-up, the runtime's portable code and its assembly for an FPU are those of the
/// other boards too, and all programs on all boards would take hours.
pub const COMPLETE: [&str; 2] = ["mps2-an386", "virt-rv32"];

/// The number that an environment variable holds, if it holds one.
pub fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The boards that run a sample: the models that they hold with at most [`SAMPLE_MACS`], and one in
/// [`SAMPLE_PROGRAMS`] of the conformance programs.
///
/// # Panics
/// There are none.
pub fn sampled() -> Vec<String> {
    let registry = Registry::find().expect("the boards");
    let names = registry.emulated().map(|board| board.name.clone());
    let sampled: Vec<String> = names.filter(|name| !COMPLETE.contains(&name.as_str())).collect();
    assert!(!sampled.is_empty(), "no board runs a sample");
    sampled
}

/// The emulated board of each core that has the most memory: what is executed depends on the core alone.
pub fn one_of_each_core(registry: &Registry) -> impl Iterator<Item = &str> {
    let of_core = |board: &Board| {
        let same = registry.emulated().filter(move |other| other.core == board.core);
        same.rev().max_by_key(|other| other.arena_bytes()).map(|most| most.name.clone())
    };
    let chosen =
        registry.emulated().filter(move |board| of_core(board) == Some(board.name.clone()));
    chosen.map(|board| board.name.as_str())
}

/// Of the boards that run a sample, those that run all random kernels and generated programs besides: one of each
/// core that no board of [`COMPLETE`] has.
///
/// # Panics
/// There are none.
pub fn sampled_cores() -> Vec<String> {
    let registry = Registry::find().expect("the boards");
    let names = one_of_each_core(&registry).filter(|name| !COMPLETE.contains(name));
    let sampled: Vec<String> = names.map(str::to_owned).collect();
    assert!(!sampled.is_empty(), "every core runs everything");
    sampled
}

/// Multiply-accumulates of one inference up to which a model is in the sample, with one case: without
/// an FPU each takes some 100 instructions.
pub const SAMPLE_MACS: u64 = 3_000_000;

/// One in so many conformance programs is in the sample, which ones is drawn anew for each board.
pub const SAMPLE_PROGRAMS: u64 = 24;

/// The project's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder of the full test data, if it is installed: `MICROHLO_SHARED`, or `shared` beside
/// the project's folder.
pub fn shared() -> Option<PathBuf> {
    let folder = match std::env::var_os("MICROHLO_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => root().join("../shared"),
    };
    folder.is_dir().then_some(folder)
}

/// One size for every open dimension, and for scalars in front that stand for it.
pub fn sizes(func: &Func, size: u64) -> Vec<Size> {
    let body = &func.body;
    let mut all = Vec::new();
    for (i, &arg) in body.blocks[body.entry].args.iter().enumerate() {
        let Type::Tensor(ty) = body.ty(arg) else { continue };
        let name = format!("arg{i}");
        let integer = ty.dtype().is_some_and(|d| d.is_integer());
        if ty.rank() == 0 && integer && i == 0 {
            all.push(Size { name, dims: vec![size] });
        } else if ty.static_dims().is_none() {
            let dim = |d: &Dim| d.size().unwrap_or(size);
            all.push(Size { name, dims: ty.dims.iter().map(dim).collect() });
        }
    }
    all
}

/// A model with inputs and expected outputs.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its name.
    pub name: &'static str,
    /// The program.
    pub program: PathBuf,
    /// Inputs and expected outputs.
    pub vectors: PathBuf,
}

/// All models that are installed: those of the project always, the others where the full test
/// data are.
pub fn models() -> Vec<Model> {
    let shipped = root().join("examples/models");
    let mut models: Vec<Model> = SHIPPED.iter().map(|name| model(&shipped, name)).collect();
    match shared() {
        Some(folder) => {
            models.extend(SHARED.iter().map(|name| model(&folder.join("models"), name)))
        }
        None => eprintln!("only the shipped models are tested: there is no ../shared"),
    }
    models
}

/// Models of the project that are parts of example firmware.
pub fn example_models() -> Vec<Model> {
    let shipped = root().join("examples/models");
    EXAMPLES.iter().map(|name| model(&shipped, name)).collect()
}

/// Tells a story on the board that the first argument names: the main function of programs that talk to an
/// example's firmware.
pub fn on_named_board(program: &str, story: fn(&str) -> Result<(), Error>) -> ExitCode {
    let Some(board) = std::env::args().nth(1) else {
        eprintln!("usage: {program} BOARD");
        return ExitCode::from(2);
    };
    match story(&board) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The quantised models, where the full test data are.
pub fn int8_models() -> Vec<Model> {
    let folder = shared().map(|folder| folder.join("models"));
    folder.iter().flat_map(|folder| INT8.iter().map(|name| model(folder, name))).collect()
}

fn model(folder: &Path, name: &'static str) -> Model {
    let program = folder.join(format!("{name}.stablehlo.mlir"));
    Model { name, program, vectors: folder.join(format!("{name}.npz")) }
}

/// A compiled model with its vectors.
pub struct Prepared {
    /// The model.
    pub model: Model,
    /// The program.
    pub program: Program,
    /// The program, compiled.
    pub compiled: Compiled,
    /// Inputs and outputs.
    pub ports: (Vec<Port>, Vec<Port>),
    /// Per case, the bytes of every input.
    pub inputs: Vec<Vec<Vec<u8>>>,
    /// Per case, the bytes of every expected output.
    pub expected: Vec<Vec<Vec<u8>>>,
}

impl Model {
    /// Parses and compiles the model and reads its vectors.
    ///
    /// # Panics
    /// Any of it fails.
    pub fn prepare(&self, target: Target) -> Prepared {
        self.prepare_with(&load::options_for(&self.program, target))
    }

    /// The same with options.
    ///
    /// # Panics
    /// Any of it fails.
    pub fn prepare_with(&self, options: &CompileOptions) -> Prepared {
        let mut prepared = Prepared::without_cases(self.clone(), self.parse(), options);
        prepared.inputs = self.values("in", &prepared.ports.0);
        prepared.expected = self.values("out", &prepared.ports.1);
        assert_eq!(prepared.inputs.len(), prepared.expected.len(), "{}: cases", self.name);
        prepared
    }

    /// Parses the model.
    ///
    /// # Panics
    /// It does not parse.
    pub fn parse(&self) -> Program {
        match load::open(&self.program) {
            Ok(Input::Program(program)) => *program,
            Ok(Input::Artifact(_)) => panic!("{}: not a program", self.name),
            Err(error) => panic!("{}: {error}", self.name),
        }
    }

    fn values(&self, prefix: &str, ports: &[Port]) -> Vec<Vec<Vec<u8>>> {
        let values = match vectors::read(&self.vectors, prefix, ports) {
            Ok(values) => values,
            Err(error) => panic!("{}: {error}", self.name),
        };
        let case = |case| {
            let bytes = |v: &Values| v.case(case).expect("a value per case").to_vec();
            values.iter().map(bytes).collect()
        };
        (0..vectors::case_count(&values)).map(case).collect()
    }
}

impl Prepared {
    /// Compiles a program.
    ///
    /// # Panics
    /// It does not compile.
    pub fn without_cases(model: Model, program: Program, options: &CompileOptions) -> Prepared {
        let compiled = match program.compile(options) {
            Ok(compiled) => compiled,
            Err(error) => panic!("{}: {error}", model.name),
        };
        let artifact = Artifact::parse(&compiled.artifact).expect("a well-formed artifact");
        let ports = load::ports(&artifact);
        let (inputs, expected) = (Vec::new(), Vec::new());
        Prepared { model, program, compiled, ports, inputs, expected }
    }

    /// The job that runs every case.
    pub fn job(&self) -> Job {
        let artifact = self.compiled.artifact.clone();
        Job { artifact, cases: self.inputs.clone(), profile: false }
    }

    /// Runs every case on the host and returns the bytes of every output.
    ///
    /// # Panics
    /// A case fails.
    pub fn run_on_host(&self) -> Vec<Vec<Vec<u8>>> {
        let outcome = microhlo_compiler::cmd::exec::run_on_host(&self.job(), &options());
        outputs(self.model.name, outcome)
    }

    /// Compares outputs with the expected ones: to 1e-4, the autoencoder's to 1e-3 of the range
    /// of its outputs.
    ///
    /// # Panics
    /// An element is beyond the tolerance.
    pub fn assert_expected(&self, outputs: &[Vec<Vec<u8>>]) {
        assert_eq!(outputs.len(), self.expected.len(), "{}", self.model.name);
        for (i, port) in self.ports.1.iter().enumerate() {
            let atol = match self.model.name.starts_with("ad_") {
                true => 1e-3 * self.range(i),
                false => 1e-4,
            };
            let mut difference = Difference::default();
            for (case, (actual, expected)) in outputs.iter().zip(&self.expected).enumerate() {
                let tolerance = Tolerance { atol, rtol: 0.0 };
                assert_eq!(actual[i].len(), expected[i].len(), "{}", self.model.name);
                difference.add(case, port.dtype, &actual[i], &expected[i], tolerance);
            }
            assert!(difference.elements > 0, "{}: nothing compared", self.model.name);
            assert_eq!(difference.beyond, 0, "{}: {difference:?}", self.model.name);
        }
    }

    /// Range of the expected values of an `f32` output.
    fn range(&self, output: usize) -> f64 {
        let bytes = self.expected.iter().flat_map(|case| case[output].as_chunks::<4>().0);
        let values = bytes.map(|&b| f64::from(f32::from_le_bytes(b)));
        let (min, max) =
            values.fold((f64::MAX, f64::MIN), |(min, max), x| (min.min(x), max.max(x)));
        max - min
    }
}

/// What the evaluator computes from the bytes of a function's inputs: those of its results.
///
/// # Panics
/// An input has another size than its type, or evaluation fails.
pub fn evaluated(module: &Module, func: FuncId, inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let body = &module.funcs[func].body;
    let arguments = body.blocks[body.entry].args.iter().zip(inputs);
    let tensor = |(&value, bytes): (&ValueId, &Vec<u8>)| {
        let ty = body.ty(value).tensor().expect("a tensor");
        Tensor::from_bytes(ty, bytes.as_slice()).expect("bytes of the type")
    };
    let inputs: Vec<Tensor> = arguments.map(tensor).collect();
    match Evaluator::new(module).run(func, &inputs) {
        Ok(results) => results.iter().map(|result| result.bytes().to_vec()).collect(),
        Err(error) => panic!("{error}"),
    }
}

/// Options with ample time.
pub fn options() -> Options {
    Options::within(Duration::from_secs(300))
}

/// Leaves the jobs that the board could hold, with their outcomes, and prints how many it could not.
///
/// # Panics
/// More than half of them, or any on a board of [`COMPLETE`], are not on the board.
pub fn on_board<T>(board: &str, jobs: Vec<(T, Outcome)>) -> Vec<(T, Outcome)> {
    let all = jobs.len();
    let held = |outcome: &Outcome| !matches!(outcome, Err(e) if e.is_not_on_board());
    let on_board: Vec<_> = jobs.into_iter().filter(|(_, outcome)| held(outcome)).collect();
    let absent = all - on_board.len();
    eprintln!("{board}: {} of {all} jobs ran, {absent} are not on this board", on_board.len());
    assert!(absent == 0 || !COMPLETE.contains(&board), "{absent} jobs are not on {board}");
    assert!(absent <= all / 2, "{absent} jobs of {all} are not on {board}");
    on_board
}

/// The outputs of every case of an outcome.
///
/// # Panics
/// The job or a case failed.
pub fn outputs(name: &str, outcome: microhlo_qemu::Outcome) -> Vec<Vec<Vec<u8>>> {
    let report = outcome.unwrap_or_else(|e| panic!("{name}: {e}"));
    let case = |case: Result<microhlo_qemu::Case, String>| match case {
        Ok(case) => case.outputs,
        Err(error) => panic!("{name}: {error}"),
    };
    report.cases.into_iter().map(case).collect()
}

/// Runs the command `executable` with arguments.
///
/// # Panics
/// It cannot be started.
pub fn microhlo(executable: &str, args: &[&str]) -> Output {
    Command::new(executable).args(args).output().expect("the command starts")
}

/// Standard output of a finished command.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error of a finished command.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
