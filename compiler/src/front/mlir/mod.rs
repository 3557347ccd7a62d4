//! StableHLO text, as JAX, TensorFlow and `stablehlo-opt` print it, to the IR in one pass.
//!
//! Every operation, in its short or its generic form, becomes a name, operands, one attribute
//! dictionary, regions and types. The operation table reads the dictionary; what it leaves stays
//! with the operation as discardable attributes. The short forms produce exactly the keys of the
//! generic form, so the table knows one spelling only.

mod attrs;
mod cursor;
mod func;
mod literals;
mod locations;
mod op;
mod parser;
mod pretty;
mod resources;
#[cfg(test)]
mod tests;
mod types;
mod vhlo;

use crate::diag::{Diagnostic, Diagnostics, Source};
use crate::front::foreign;
use crate::ir::{Attr, Module};
use crate::passes::legalize_foreign::legalize_foreign;
use crate::verify::violations_beside_foreign;

pub(crate) use attrs::{enum_values, function_attr, raw_conv_dims as conv_dims};
pub(crate) use literals::constant_from_bytes;
pub(crate) use op::{canonical, is_known, own_dialect, read_op, terminator};
pub(crate) use parser::signature;
pub(crate) use types::{AliasType, NO_BOUND, quant_violation, tensor_violation};

/// Parses a module.
///
/// Syntax, names and types of values are checked; the operations' own constraints are the
/// verifier's.
///
/// ```
/// use microhlo_compiler::diag::Source;
/// use microhlo_compiler::front::mlir::parse_module;
///
/// let text = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
///   %0 = stablehlo.negate %x : tensor<4xf32>
///   return %0 : tensor<4xf32>
/// }";
/// let module = parse_module(&Source::new("negate.mlir", text))?;
/// assert!(module.entry().is_some());
/// // A module prints as a program again.
/// assert!(module.to_string().contains("stablehlo.negate"));
/// assert!(parse_module(&Source::new("half.mlir", &text[..40])).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// One diagnostic per operation that does not parse, up to a limit; one that lists the operations
/// of other dialects, if there are any that cannot be rewritten to StableHLO.
pub fn parse_module(source: &Source) -> Result<Module, Diagnostics> {
    let (module, types) = parse_any(source)?;
    match foreign::report(&module, |op| foreign::line_column(source, op)) {
        Some(report) => {
            let violations = violations_beside_foreign(&module);
            let others = violations.iter().map(Diagnostic::from);
            Err(Diagnostics::new(source, std::iter::once(report).chain(others).collect()))
        }
        None if foreign::has_opaque_types(&module) => Err(Diagnostics::new(source, types)),
        None => Ok(module),
    }
}

/// Parses a module that may hold operations and types of other dialects, which are kept.
/// See the example of [`partition`](crate::partition::partition).
///
/// # Errors
/// One diagnostic per operation that does not parse, up to a limit.
pub fn parse_mixed(source: &Source) -> Result<Module, Diagnostics> {
    parse_any(source).map(|(module, _)| module)
}

fn parse_any(source: &Source) -> Result<(Module, Vec<Diagnostic>), Diagnostics> {
    let parsed = parser::Parser::new(source.text()).module();
    let (mut module, types) = parsed.map_err(|items| Diagnostics::new(source, items))?;
    legalize_foreign(&mut module);
    Ok((module, types))
}

/// An attribute from its text, without aliases.
pub(crate) fn attr_from_text(text: &str) -> Option<Attr> {
    let mut parser = parser::Parser::new(text);
    let attr = parser.parse_attr().ok()?;
    (parser.c.peek() == 0).then_some(attr)
}

/// A type from its text, without aliases.
pub(crate) fn type_from_text(text: &str) -> Option<AliasType> {
    let mut parser = parser::Parser::new(text);
    let ty = parser.alias_type().ok()?;
    (parser.c.peek() == 0).then_some(ty)
}
