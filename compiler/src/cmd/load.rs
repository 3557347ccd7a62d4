//! Opening a model: an artifact or a program, told apart by content.

use std::path::Path;

use microhlo_format::{Artifact, ArtifactError, DebugInfo, Header, MAGIC};

use super::CmdError;
use super::vectors::Port;
use crate::compile::{
    CompileError, CompileOptions, Compiled, ParetoPoint, Target, compile, pareto, specialised,
};
use crate::diag::{Diagnostic, Diagnostics, Severity, Source};
use crate::front::mlir::parse_mixed;
use crate::front::{self, bytecode, foreign, hlo};
use crate::ir::{Func, Module};
use crate::verify::{verify, verify_mixed};
use crate::vhlo_version::{Version, newer_than};

/// A model file.
pub enum Input {
    /// A compiled one.
    Artifact(Vec<u8>),
    /// A program, parsed.
    Program(Box<Program>),
}

/// A parsed program with its text.
pub struct Program {
    /// The text.
    pub source: Source,
    /// The program.
    pub module: Module,
}

/// Reads a model file.
pub fn open(path: &Path) -> Result<Input, CmdError> {
    let bytes = read(path)?;
    if bytes.starts_with(&MAGIC) {
        return Ok(Input::Artifact(bytes));
    }
    program(path, bytes).map(|p| Input::Program(Box::new(p)))
}

/// Reads a program file. An artifact is an error.
pub fn open_program(path: &Path) -> Result<Program, CmdError> {
    match open(path)? {
        Input::Program(program) => Ok(*program),
        Input::Artifact(_) => Err(CmdError::BadInput(format!(
            "{} is compiled already; pass the StableHLO program it was made from, or use \
             `microhlo inspect`",
            path.display()
        ))),
    }
}

/// Reads an artifact file. A program is an error.
pub fn open_artifact(path: &Path) -> Result<Vec<u8>, CmdError> {
    let bytes = read(path)?;
    match bytes.starts_with(&MAGIC) {
        true => Ok(bytes),
        false => Err(CmdError::BadInput(format!(
            "{} is not an artifact; compile it with `microhlo compile {} -o OUT.mhlo`",
            path.display(),
            path.display()
        ))),
    }
}

/// Reads the debug information of an artifact.
pub(super) fn debug_info(path: &Path, artifact: &[u8]) -> Result<Vec<u8>, CmdError> {
    let bytes = read(path)?;
    let bad = |text: String| CmdError::BadInput(format!("{}: {text}", path.display()));
    let info = DebugInfo::parse(&bytes).map_err(|e| bad(e.to_string()))?;
    match Header::decode(artifact) {
        Ok(header) if info.describes(header.checksum) => Ok(bytes),
        _ => {
            Err(bad("this is the debug information of another artifact; compile the model again \
                      with --debug-info"
                .to_owned()))
        }
    }
}

/// Reads any file, with the path in the error.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CmdError> {
    std::fs::read(path).map_err(|e| {
        CmdError::BadInput(format!("cannot read {}: {e}; check the path", path.display()))
    })
}

/// Refuses what is given for a program by mistake.
fn refuse_no_program(name: &str, bytes: &[u8]) -> Result<(), CmdError> {
    let bad = |text: &str| Err(CmdError::BadInput(format!("{name} {text}")));
    if bytes.is_empty() {
        return bad("is empty; export the program again");
    }
    match bytes.starts_with(b"PK\x03\x04") {
        true => bad("is an .npz file, not a program; give it with --inputs or --calibrate"),
        false => Ok(()),
    }
}

fn program(path: &Path, bytes: Vec<u8>) -> Result<Program, CmdError> {
    let name = path.display().to_string();
    refuse_no_program(&name, &bytes)?;
    let (source, module) = front::parse(&name, bytes).map_err(diagnostics)?;
    Ok(Program { source, module })
}

/// A program that may hold operations of other dialects; nothing of it is verified.
pub fn open_mixed(path: &Path) -> Result<Program, CmdError> {
    let name = path.display().to_string();
    let bytes = read(path)?;
    if bytecode::is_bytecode(&bytes) {
        let module = bytecode::parse_mixed(&name, &bytes).map_err(diagnostics)?;
        return Ok(Program { source: Source::new(&name, ""), module });
    }
    if hlo::looks_like_proto(&bytes) || bytes.starts_with(&MAGIC) {
        return open_program(path);
    }
    let source = Source::from_bytes(&name, bytes).map_err(diagnostics)?;
    let module = match hlo::looks_like_text(source.text().as_bytes()) {
        true => hlo::parse_text(&source),
        false => parse_mixed(&source),
    };
    Ok(Program { module: module.map_err(diagnostics)?, source })
}

/// All that is wrong with a program in a binary form, and what of it is of other dialects.
pub fn check_bytes(name: &str, bytes: Vec<u8>, version: Option<Version>) -> Diagnostics {
    let read = match bytecode::is_bytecode(&bytes) {
        true => bytecode::parse_mixed(name, &bytes).map(|module| (Source::new(name, ""), module)),
        false => hlo::read_proto(name, bytes),
    };
    match read {
        Ok((source, module)) => check_module(&source, &module, version),
        Err(found) => found,
    }
}

/// All that is wrong with a program in StableHLO text or HLO text, and what of it is of other
/// dialects.
pub fn check_text(source: &Source, version: Option<Version>) -> Diagnostics {
    let read = match hlo::looks_like_text(source.text().as_bytes()) {
        true => hlo::parse_text(source),
        false => parse_mixed(source),
    };
    match read {
        Ok(module) => check_module(source, &module, version),
        Err(found) => found,
    }
}

fn check_module(source: &Source, module: &Module, version: Option<Version>) -> Diagnostics {
    let mut violations = verify_mixed(module);
    if violations.is_empty() {
        violations = version.map_or_else(Vec::new, |version| newer_than(module, version));
    }
    let mut items: Vec<Diagnostic> = violations.iter().map(Diagnostic::from).collect();
    let place = |op: &crate::ir::Op| foreign::line_column(source, op);
    // They are no violation of the specification, which does not know them.
    items.extend(foreign::report(module, place).map(|report| Diagnostic {
        severity: Severity::Warning,
        unsupported: false,
        ..report
    }));
    Diagnostics::new(source, items)
}

fn diagnostics(found: Diagnostics) -> CmdError {
    CmdError::Diagnostic(found.to_string())
}

impl Program {
    /// The function to compile alone, with static shapes and without calls.
    pub fn specialised(&self, options: &CompileOptions) -> Result<Func, CmdError> {
        let failed =
            |e: &CompileError| CmdError::Diagnostic(Diagnostic::from(e).render(&self.source));
        let verified = verify(&self.module)
            .map_err(|found| diagnostics(Diagnostics::violations(&self.source, &found)))?;
        specialised(verified, options).map_err(|e| failed(&e))
    }

    /// A compile error with its place in the program.
    pub fn error(&self, error: &CompileError) -> CmdError {
        CmdError::Diagnostic(Diagnostic::from(error).render(&self.source))
    }

    /// The debug information of the program, compiled.
    pub fn debug_info(&self, compiled: &Compiled) -> Vec<u8> {
        // What the compiler has made is an artifact.
        compiled.taps.debug_info(&self.source, &compiled.artifact).unwrap_or_default()
    }

    /// Compiles the program.
    ///
    /// # Errors
    /// It cannot be compiled; the text shows where.
    pub fn compile(&self, options: &CompileOptions) -> Result<Compiled, CmdError> {
        self.located(|module| compile(module, options))
    }

    /// The programs of which no other is both smaller and faster.
    ///
    /// # Errors
    /// As [`compile`](Program::compile).
    pub fn pareto(&self, options: &CompileOptions) -> Result<Vec<ParetoPoint>, CmdError> {
        self.located(|module| pareto(module, options))
    }

    /// Does something with the module, with errors shown in the source or, without one, in a printed
    /// form.
    fn located<T>(
        &self,
        compile: impl Fn(&Module) -> Result<T, CompileError>,
    ) -> Result<T, CmdError> {
        let failed = match compile(&self.module) {
            Ok(compiled) => return Ok(compiled),
            Err(error) => error,
        };
        let report =
            |e: &CompileError, at: &Source| CmdError::Diagnostic(Diagnostic::from(e).render(at));
        if self.source.text().is_empty()
            && let Ok((source, module)) = front::printed(self.source.name(), &self.module)
            && let Err(error) = compile(&module)
        {
            return Err(report(&error, &source));
        }
        Err(report(&failed, &self.source))
    }
}

/// The options to compile a file with its own name as the model's.
pub fn options_for(path: &Path, target: Target) -> CompileOptions {
    CompileOptions { name: model_name(path), target, ..CompileOptions::default() }
}

/// The file's name without its extensions: `.mhlo`, `.mlir`, `.mlirbc`, `.txt` or `.pb`, and before one of
/// them `.stablehlo` or `.hlo`.
pub fn model_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let without = |name: &str, extensions: &[&str]| {
        extensions.iter().find_map(|e| name.strip_suffix(e)).map(str::to_owned)
    };
    match without(&name, &[".mhlo", ".mlir", ".mlirbc", ".txt", ".pb"]) {
        Some(name) => without(&name, &[".stablehlo", ".hlo"]).unwrap_or(name),
        None => without(&name, &[".stablehlo"]).unwrap_or_else(|| name.into_owned()),
    }
}

/// Inputs and outputs of an artifact.
pub fn ports(artifact: &Artifact<'_>) -> (Vec<Port>, Vec<Port>) {
    let port = |t: microhlo_format::Tensor<'_>| Port {
        name: t.name.as_str().to_owned(),
        dtype: t.dtype,
        dims: t.dims.iter().map(|&d| u64::from(d)).collect(),
        stored: None,
    };
    let manifest = artifact.manifest();
    (manifest.inputs.iter().map(port).collect(), manifest.outputs.iter().map(port).collect())
}

/// Parses an artifact, with the file's name in the error.
pub fn parse_artifact<'a>(path: &Path, bytes: &'a [u8]) -> Result<Artifact<'a>, CmdError> {
    Artifact::parse(bytes).map_err(|e| {
        let advice = match e {
            // Says so itself.
            ArtifactError::UnsupportedVersion { .. } => "",
            _ => "; compile the model again",
        };
        CmdError::BadInput(format!("{}: {e}{advice}", path.display()))
    })
}
