//! MLIR bytecode: StableHLO's portable artifacts (the VHLO dialect, versions 0.9.0 to 1.20.0),
//! and raw bytecode of the `stablehlo`, `mhlo`, `chlo`, `func` and `builtin` dialects.
//!
//! The file's sections are indexed first; attributes and types are decoded when an operation asks
//! for them. Every operation becomes a name and one attribute dictionary in StableHLO's spelling,
//! which the operation table reads, exactly as in the text front end.
//!
//! Format: MLIR's "BytecodeFormat" document, `BuiltinDialectBytecode.td`, `VhloBytecode.cpp`,
//! `StablehloBytecode.cpp`, `mhlo_bytecode.cc`, `ChloBytecode.cpp`.

mod builtin;
mod container;
mod entries;
mod func;
mod ir;
mod mhlo;
mod op;
mod quant;
mod reader;
mod stablehlo;
#[cfg(test)]
mod tests;
mod values;
mod vhlo;

pub(crate) use vhlo::{
    attributes as vhlo_attributes, base as vhlo_base, legalize as vhlo_legalize,
};

use crate::diag::{Diagnostic, Diagnostics, Source};
use crate::front::foreign;
use crate::ir::{Module, Op};
use crate::ops::OpKind;
use crate::passes::legalize_foreign::legalize_foreign;
use container::File;
use reader::{Failure, Reader};

/// Advice for files by a later StableHLO.
const NEWER_HELP: &str = "the file may come from a StableHLO newer than 1.20.0; export for an \
    older target version, or as text";

/// Whether the bytes are MLIR bytecode. See the example of [`parse`].
pub fn is_bytecode(bytes: &[u8]) -> bool {
    bytes.starts_with(container::MAGIC)
}

/// Whether VHLO can express the operation called `name`, such as `stablehlo.add`.
pub(crate) fn knows(name: &str) -> bool {
    let short = name.strip_prefix("stablehlo.").or(name.strip_prefix("func."));
    short.is_some_and(|short| vhlo::attributes(&format!("{short}_v1")).is_some())
}

/// Reads a module. `name` is shown in diagnostics, usually a path.
///
/// The encoding, and names and types of values are checked; the operations' own constraints are
/// the verifier's.
///
/// ```
/// use microhlo_compiler::front::bytecode;
///
/// let bytes = b"ML\xefR\x0dMLIR";
/// assert!(bytecode::is_bytecode(bytes));
/// // The file is cut off behind its version.
/// let error = bytecode::parse("model.mlirbc", bytes).unwrap_err();
/// assert!(error.to_string().contains("of model.mlirbc"), "{error}");
/// ```
///
/// # Errors
/// One diagnostic for the first malformed byte; otherwise one per operation that cannot be read,
/// up to a limit. Notes give the byte offset, the producer, and the operation's location.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Module, Diagnostics> {
    let module = parse_mixed(name, bytes)?;
    let place = |op: &Op| match &op.kind {
        OpKind::Foreign(foreign) => foreign.place.as_deref().unwrap_or("an unknown place").into(),
        _ => String::new(),
    };
    let source = Source::new(name, "");
    if let Some(report) = foreign::report(&module, place) {
        return Err(Diagnostics::one(&source, report));
    }
    if foreign::has_opaque_types(&module) {
        let report = Diagnostic::error("values of types that no StableHLO operation takes")
            .help("values are tensors, tokens and tuples; legalise the program to StableHLO");
        return Err(Diagnostics::one(&source, report));
    }
    Ok(module)
}

/// Reads a module that may hold operations and types of other dialects, which are kept.
///
/// ```
/// use microhlo_compiler::front::bytecode;
///
/// let error = bytecode::parse_mixed("model.mlirbc", b"module {}").unwrap_err();
/// assert!(error.has_errors());
/// ```
///
/// # Errors
/// As [`parse`], but for those operations.
pub fn parse_mixed(name: &str, bytes: &[u8]) -> Result<Module, Diagnostics> {
    let (mut module, reports) = parse_readable(name, bytes)?;
    if !reports.is_empty() {
        return Err(Diagnostics::new(&Source::new(name, ""), reports));
    }
    legalize_foreign(&mut module);
    Ok(module)
}

/// Reads the functions that can be read, and reports about the others.
fn parse_readable(name: &str, bytes: &[u8]) -> Result<(Module, Vec<Diagnostic>), Diagnostics> {
    let source = Source::new(name, "");
    let mut reader = Reader::new(bytes, 0);
    let (version, producer) = container::header(&mut reader).map_err(|failure| {
        Diagnostics::one(&source, diagnostic(&failure, name, "an unknown producer"))
    })?;
    let one =
        |failure: Box<Failure>| Diagnostics::one(&source, diagnostic(&failure, name, producer));
    let file = File::read(reader, version, producer).map_err(one)?;
    Ok(ir::read(&file, bytes.len(), name))
}

/// The report of a failure.
fn diagnostic(failure: &Failure, name: &str, producer: &str) -> Diagnostic {
    let mut report = Diagnostic::error(&failure.message).note(place(failure.at, name, producer));
    report.unsupported = failure.unsupported;
    match failure.help {
        Some(help) => report.help(help),
        None => report,
    }
}

/// Where something is wrong.
fn place(at: usize, name: &str, producer: &str) -> String {
    format!("at byte {at} of {name}, written by {producer}")
}
