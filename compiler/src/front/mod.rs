//! Front ends: from a model file to the intermediate representation.
//!
//! [`parse`] tells the forms apart by content. The modules have the reader of each, for programs that are not valid as
//! a whole or hold operations of other dialects.

pub mod bytecode;
mod decimal;
pub(crate) mod foreign;
pub mod hlo;
pub mod mlir;
mod renames;

use crate::diag::{Diagnostics, Source};
use crate::ir::Module;
use crate::verify::verify;

/// Reads and verifies a program in any form: StableHLO as text or bytecode, portable artifacts too, and HLO as text or
/// protocol buffer. `name` is shown in reports, usually a path.
///
/// Also gives the source that places in the program refer to. It is empty for bytecode.
///
/// ```
/// use microhlo_compiler::front;
///
/// let stablehlo = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
///   %0 = stablehlo.negate %x : tensor<4xf32>
///   return %0 : tensor<4xf32>
/// }";
/// let hlo = "HloModule negate
/// ENTRY main {
///   x = f32[4]{0} parameter(0)
///   ROOT y = f32[4]{0} negate(x)
/// }";
/// for text in [stablehlo, hlo] {
///     let (source, module) = front::parse("negate", text)?;
///     assert_eq!(source.text(), text);
///     assert!(module.find("main").is_some());
/// }
/// let error = front::parse("negate", stablehlo.replace("negate", "negative")).unwrap_err();
/// assert!(error.to_string().contains("--> negate:2:8"), "{error}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The program cannot be read, breaks the specification, or holds operations of other dialects.
pub fn parse(name: &str, bytes: impl Into<Vec<u8>>) -> Result<(Source, Module), Diagnostics> {
    let bytes = bytes.into();
    let binary = bytecode::is_bytecode(&bytes);
    let (source, module) = match binary {
        true => (Source::new(name, ""), bytecode::parse(name, &bytes)?),
        false if hlo::looks_like_proto(&bytes) => hlo::read_proto(name, bytes)?,
        false => {
            let source = Source::from_bytes(name, bytes)?;
            let module = parse_text(&source)?;
            (source, module)
        }
    };
    let Some(violations) = verify(&module).err() else { return Ok((source, module)) };
    if !binary {
        return Err(Diagnostics::violations(&source, &violations));
    }
    let (source, module) = printed(name, &module)?;
    match verify(&module).err() {
        Some(violations) => Err(Diagnostics::violations(&source, &violations)),
        None => Ok((source, module)),
    }
}

fn parse_text(source: &Source) -> Result<Module, Diagnostics> {
    match hlo::looks_like_text(source.text().as_bytes()) {
        true => hlo::parse_text(source),
        false => mlir::parse_module(source),
    }
}

/// What takes the place of the text of a program in bytecode when something is wrong with the program itself: its
/// printed form, and the program read back from it, with places in that text.
pub(crate) fn printed(name: &str, module: &Module) -> Result<(Source, Module), Diagnostics> {
    let source = Source::new(&format!("{name} (printed as text)"), module.to_string());
    let module = mlir::parse_module(&source)?;
    Ok((source, module))
}
