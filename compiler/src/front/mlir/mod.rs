//! StableHLO text, as JAX, TensorFlow and `stablehlo-opt` print it, to the IR in one pass.
//!
//! Every operation, in its short or its generic form, becomes a name, operands, one attribute
//! dictionary, regions and types. The operation table reads the dictionary; what it leaves stays
//! with the operation as discardable attributes. The short forms produce exactly the keys of the
//! generic form, so the table knows one spelling only.

mod attrs;
mod cursor;
pub(crate) mod floats;
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

use crate::diag::{Diagnostics, Source};
use crate::ir::{Attr, Module};

pub(crate) use attrs::{enum_values, function_attr, raw_conv_dims as conv_dims};
pub(crate) use literals::constant_from_bytes;
pub(crate) use op::{canonical, is_known, read_op};
pub(crate) use parser::signature;
pub(crate) use types::{AliasType, NO_BOUND, quant_violation, tensor_violation};

/// Advice for VHLO text.
const VHLO_HELP: &str = "VHLO is StableHLO's serialised form; convert it with \
    `stablehlo-opt --vhlo-legalize-to-stablehlo`, or export StableHLO text";

/// Parses a module.
///
/// Syntax, names and types of values are checked; the operations' own constraints are the
/// verifier's.
///
/// # Errors
/// One diagnostic per operation that does not parse, up to a limit.
pub fn parse_module(source: &Source) -> Result<Module, Diagnostics> {
    parser::Parser::new(source.text()).module().map_err(|items| Diagnostics::new(source, items))
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
