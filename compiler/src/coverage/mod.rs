//! Which operations are supported, for which element types, and how they are executed.
//!
//! Nothing here is claimed by hand. Every operation has a probe, the smallest program of it, in
//! `probes.txt`; the verifier says for which element types the probe is valid, and the compiler
//! which kernels execute it. `microhlo ops` prints the result, and `docs/operations.md` holds it.

mod probe;
mod table;

#[doc(hidden)]
pub use probe::{Probe, probes};
pub use table::{markdown, text};

use microhlo_format::DType;

use crate::compile::{CompileOptions, compile};
use crate::diag::Source;
use crate::front::mlir::parse_module;
use crate::ops::OpKind;
use crate::verify::verify;

/// What becomes of an operation on one element type. See the example of [`coverage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The specification does not define it.
    Invalid,
    /// It is valid, and this version refuses it for the reason given.
    Refused(String),
    /// It compiles to these kernels, in the order of their ids; none if it is resolved when
    /// compiling.
    Compiles(Vec<&'static str>),
}

/// One operation. See the example of [`coverage`].
#[derive(Clone, Debug)]
pub struct Coverage {
    /// Full name.
    pub name: &'static str,
    /// Section of the specification, or a note why there is none.
    pub spec: &'static str,
    /// Where the operation is read from.
    pub forms: Vec<&'static str>,
    /// A verdict per element type, and one for quantised elements.
    pub verdicts: Vec<(Element, Verdict)>,
}

/// An element type of the table.
///
/// ```
/// use microhlo_compiler::coverage::Element;
/// use microhlo_format::DType;
///
/// assert_eq!(Element::Plain(DType::BF16).spelling(), "bf16");
/// assert!(Element::all().any(|element| element == Element::Quantized));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// A plain one.
    Plain(DType),
    /// `!quant.uniform` of `i8` for `f32`, per tensor.
    Quantized,
}

impl Element {
    /// All element types of the table. See the example of [`Element`].
    pub fn all() -> impl Iterator<Item = Element> {
        DType::ALL.iter().copied().map(Element::Plain).chain([Element::Quantized])
    }

    /// As it is written in a program. See the example of [`Element`].
    pub const fn spelling(self) -> &'static str {
        match self {
            Element::Plain(dtype) => dtype.name(),
            Element::Quantized => "!quant.uniform<i8:f32, 5.000000e-01:1>",
        }
    }
}

/// What becomes of one probe on one element type.
pub(crate) fn verdict(probe: &Probe, element: Element) -> Verdict {
    let source = Source::new(probe.name, probe.program(element));
    let Ok(module) = parse_module(&source) else { return Verdict::Invalid };
    if verify(&module).is_err() {
        return Verdict::Invalid;
    }
    match compile(&module, &CompileOptions::default()) {
        Ok(compiled) => Verdict::Compiles(compiled.kernel_names()),
        Err(error) => Verdict::Refused(error.message),
    }
}

/// The whole table, in the order of names.
///
/// ```
/// use microhlo_compiler::coverage::{Element, Verdict, coverage, markdown, text};
/// use microhlo_format::DType;
///
/// let table = coverage();
/// let add = table.iter().find(|row| row.name == "stablehlo.add").expect("a row");
/// let verdict = |element| &add.verdicts.iter().find(|verdict| verdict.0 == element).unwrap().1;
/// assert_eq!(verdict(Element::Plain(DType::F32)), &Verdict::Compiles(vec!["map"]));
/// // For people, on a terminal and in a document.
/// assert!(text(&table).contains("stablehlo.add") && markdown(&table).contains("| `stablehlo.add`"));
/// ```
pub fn coverage() -> Vec<Coverage> {
    let mut rows: Vec<Coverage> = OpKind::known().filter_map(row).collect();
    rows.sort_by_key(|row| row.name);
    rows
}

/// One operation of the table; `None` for those that only structure a program or test it.
fn row(name: &'static str) -> Option<Coverage> {
    let probe = probes().into_iter().find(|probe| probe.name == name)?;
    let verdicts = Element::all().map(|element| (element, verdict(&probe, element))).collect();
    let spec = OpKind::spec_of(name).unwrap_or("none");
    Some(Coverage { name, spec, forms: table::forms(name), verdicts })
}
