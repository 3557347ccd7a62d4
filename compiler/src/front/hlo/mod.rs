//! XLA HLO, as text and as protocol buffer, to the IR.
//!
//! Both readers build one graph, which one importer converts to StableHLO operations. Values are
//! logical: layouts matter only where they change what a value is, that is in `bitcast` and in the
//! order of a binary literal's elements. Tuples are taken apart: a tuple is the list of its
//! leaves, so `while`, `conditional`, calls and the entry computation have several operands and
//! results. Tokens have no leaves.
//!
//! Formats: `xla/service/hlo.proto`, `xla/xla_data.proto` and the HLO text grammar of OpenXLA.

mod graph;
mod import;
mod proto;
#[cfg(test)]
mod tests;
mod text;

pub use proto::looks_like_proto;
pub use text::looks_like_text;

use crate::diag::{Diagnostics, Source};
use crate::ir::Module;
use crate::passes::legalize_foreign::legalize_foreign;

/// Whether some HLO opcode means the operation called `name`, such as `stablehlo.add`.
pub(crate) fn knows(name: &str) -> bool {
    import::knows(name)
}

/// Parses HLO text, `HloModule ...`, in the long form with `%` names and operand shapes or in the
/// short form without them.
///
/// The entry computation becomes the public function `main`, the others private functions or
/// regions. Operations' own constraints are the verifier's.
///
/// ```
/// use microhlo_compiler::diag::Source;
/// use microhlo_compiler::front::hlo;
///
/// let text = "HloModule negate
/// ENTRY main {
///   x = f32[4]{0} parameter(0)
///   ROOT y = f32[4]{0} negate(x)
/// }";
/// assert!(hlo::looks_like_text(text.as_bytes()) && !hlo::looks_like_proto(text.as_bytes()));
/// let module = hlo::parse_text(&Source::new("negate.hlo", text))?;
/// assert!(module.to_string().contains("stablehlo.negate"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The first problem found, with its place: syntax, an unknown name, an operation that is not
/// supported, or an elided constant.
pub fn parse_text(source: &Source) -> Result<Module, Diagnostics> {
    text::parse(source.text())
        .and_then(|graph| imported(&graph))
        .map_err(|report| Diagnostics::one(source, *report))
}

/// The module of a graph, in the form that the other readers give it.
fn imported(graph: &graph::Graph) -> graph::Res<Module> {
    let mut module = import::import(graph)?;
    legalize_foreign(&mut module);
    Ok(module)
}

/// Decodes an `HloModuleProto`, or an `HloProto` or `HloSnapshot` around one. The operations'
/// spans point into the returned source, which lists the module's instructions one per line.
///
/// ```
/// use microhlo_compiler::front::hlo;
///
/// // A message that ends in the middle of a field.
/// let error = hlo::read_proto("model.pb", vec![0x0a, 0x20, 0x01]).unwrap_err();
/// assert!(error.has_errors());
/// ```
///
/// # Errors
/// As [`parse_text`]; reports name the instruction and its computation.
pub fn read_proto(name: &str, bytes: Vec<u8>) -> Result<(Source, Module), Diagnostics> {
    let (listing, graph) = proto::read(bytes);
    let source = Source::new(name, listing);
    match graph.and_then(|graph| imported(&graph)) {
        Ok(module) => Ok((source, module)),
        Err(report) => Err(Diagnostics::one(&source, *report)),
    }
}
