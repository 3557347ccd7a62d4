//! What kinds of instructions an inference executes.

use crate::error::Error;
use crate::firmware::build_runner;
use crate::job::{Job, Options};
use crate::process;
use crate::session::run_one_with;
use crate::{Outcome, elf};
use microhlo_boards::{Board, Registry};
use std::env;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::NamedTempFile;

/// Executed instructions by kind.
///
/// ```
/// use microhlo_qemu::{InstructionMix, Kind};
///
/// let kind = |mnemonic: &str, runs| Kind { mnemonic: mnemonic.to_owned(), words: 0, runs, taken: 0 };
/// let mix = InstructionMix { kinds: vec![kind("mla", 640), kind("ldr", 320)] };
/// assert_eq!(mix.instructions(), 960);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstructionMix {
    /// The kinds.
    pub kinds: Vec<Kind>,
}

/// A kind of instruction, as often as it was executed. See the example of [`InstructionMix`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// The mnemonic as QEMU disassembles it, `?` where it cannot.
    pub mnemonic: String,
    /// Words that a list of registers moves; 0 without a list.
    pub words: u32,
    /// Executions.
    pub runs: u64,
    /// Executions after which control went elsewhere than to the next instruction.
    pub taken: u64,
}

impl InstructionMix {
    /// All instructions. See the example of [`InstructionMix`].
    pub fn instructions(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.runs).sum()
    }

    /// Reads what the plugin has written.
    fn parse(text: &str) -> Option<InstructionMix> {
        let kind = |line: &str| {
            let mut words = line.split(' ');
            Some(Kind {
                mnemonic: words.next()?.to_owned(),
                words: words.next()?.parse().ok()?,
                runs: words.next()?.parse().ok()?,
                taken: words.next()?.parse().ok()?,
            })
        };
        let kinds = text.lines().map(kind).collect::<Option<Vec<Kind>>>()?;
        Some(InstructionMix { kinds })
    }
}

/// Counts the instructions of inferences on a board by kind.
///
/// ```no_run
/// use microhlo_qemu::{Job, MixCounter, Options, Registry};
///
/// let registry = Registry::find()?;
/// let counter = MixCounter::new(&registry, registry.board("mps2-an386")?)?;
/// let artifact = std::fs::read("model.mhlo")?;
/// let job = Job { artifact, cases: vec![vec![vec![0; 16]]], profile: false };
/// let (mix, outcome) = counter.count(&job, &Options::default())?;
/// println!("{} instructions in {} cases", mix.instructions(), outcome?.cases.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MixCounter<'b> {
    board: &'b Board,
    firmware: PathBuf,
    plugin: PathBuf,
    /// Addresses of the functions between which instructions are counted.
    begin: u64,
    end: u64,
}

impl<'b> MixCounter<'b> {
    /// Builds the board's runner firmware and the plugin. See the example of [`MixCounter`].
    ///
    /// # Errors
    /// QEMU or the target is missing, or one of the two does not build.
    pub fn new(registry: &Registry, board: &'b Board) -> Result<Self, Error> {
        let firmware = build_runner(registry, board)?;
        let begin = elf::function(&firmware, "microhlo_measure_begin")?;
        let end = elf::function(&firmware, "microhlo_measure_end")?;
        Ok(Self { board, plugin: build_plugin(registry, board)?, firmware, begin, end })
    }

    /// Executes a job and counts the instructions of all cases that the model partition holds at
    /// once, with the few that reading the counter takes. See the example of [`MixCounter`].
    ///
    /// # Errors
    /// QEMU takes no plugins, or the guest fails.
    pub fn count(&self, job: &Job, options: &Options) -> Result<(InstructionMix, Outcome), Error> {
        let out =
            NamedTempFile::new().map_err(Error::io("making a file for the instruction mix"))?;
        let arguments = ["-plugin".to_owned(), self.argument(out.path())];
        let outcome = run_one_with(self.board, &self.firmware, job, options, &arguments)?;
        let text = fs::read_to_string(out.path()).map_err(Error::io("the instruction mix"))?;
        match InstructionMix::parse(&text).filter(|mix| !mix.kinds.is_empty()) {
            Some(mix) => Ok((mix, outcome)),
            None => Err(Error::Protocol { reason: format!("no instruction mix in `{text}`") }),
        }
    }

    /// With what QEMU loads the plugin.
    fn argument(&self, out: &Path) -> String {
        // QEMU reads a comma as the end of a value unless it is doubled.
        let path = |path: &Path| path.display().to_string().replace(',', ",,");
        let (plugin, out) = (path(&self.plugin), path(out));
        format!("{plugin},begin={},end={},out={out}", self.begin, self.end)
    }
}

/// Builds the plugin for the board's QEMU and returns the library.
fn build_plugin(registry: &Registry, board: &Board) -> Result<PathBuf, Error> {
    const PACKAGE: &str = "microhlo-instruction-mix";
    let version = process::check_version(board)?;
    let folder = registry.root().join("target/plugins");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo
        .current_dir(registry.root())
        .args(["build", "--release", "--color", "never", "--package", PACKAGE, "--target-dir"])
        .arg(&folder)
        .env("MICROHLO_QEMU_PLUGIN_API", plugin_api(&version));
    for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_BUILD_DIR", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(name);
    }
    let output = cargo.output().map_err(|source| Error::CargoMissing { source })?;
    if !output.status.success() {
        let output = String::from_utf8_lossy(&output.stderr).into_owned();
        let (package, board) = (PACKAGE.to_owned(), "the host".to_owned());
        return Err(Error::Build { package, board, output });
    }
    Ok(folder.join("release").join(format!("{DLL_PREFIX}microhlo_instruction_mix{DLL_SUFFIX}")))
}

/// The version of the plugin interface that a QEMU takes: 1 before 9.0, 2 from there.
fn plugin_api(version: &str) -> &'static str {
    let major = version.split('.').next().and_then(|major| major.parse().ok());
    if major.is_some_and(|major: u32| major >= 9) { "2" } else { "1" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_plugin_writes_is_read() {
        let mix = InstructionMix::parse("ldm 4 120 0\nbne 0 30 29\n").unwrap();
        let kind = |mnemonic: &str, words, runs, taken| Kind {
            mnemonic: mnemonic.to_owned(),
            words,
            runs,
            taken,
        };
        assert_eq!(mix.kinds, [kind("ldm", 4, 120, 0), kind("bne", 0, 30, 29)]);
        assert_eq!(mix.instructions(), 150);
        assert_eq!(InstructionMix::parse("ldm 4 120\n"), None);
    }

    #[test]
    fn every_qemu_gets_its_interface() {
        assert_eq!(["7.2", "8.2", "9.0", "10.1"].map(plugin_api), ["1", "1", "2", "2"]);
    }
}
