//! What both readers build: computations of instructions.

use std::sync::Arc;

use microhlo_format::DType;

use crate::diag::{Diagnostic, Span};
use crate::ir::{ConstData, Dim, TensorType, Type};

/// A report on its way up, boxed because it is large and rare.
pub(super) type Res<T> = Result<T, Box<Diagnostic>>;

/// A report with its place.
pub(super) fn error(span: Span, message: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(message).at(span))
}

/// Advice for constants that were printed without their elements.
pub(super) const ELIDED_HELP: &str = "print the module with its large constants, in JAX with \
    `as_hlo_text(print_large_constants=True)`, or pass the binary HloModuleProto";

/// Deepest nesting of shapes, literals and attributes.
pub(super) const MAX_DEPTH: usize = 64;

/// Most leaves of one shape.
pub(super) const MAX_LEAVES: usize = 1 << 16;

/// A module.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) name: String,
    pub(super) computations: Vec<Computation>,
    /// Index of the entry computation.
    pub(super) entry: usize,
    /// The layouts in which the caller passes and receives the entry computation's values, where
    /// the module says so.
    pub(super) entry_parameters: Vec<Shape>,
    pub(super) entry_result: Option<Shape>,
}

/// A computation.
#[derive(Debug, Default)]
pub(super) struct Computation {
    pub(super) name: String,
    /// Operands come before their users.
    pub(super) instructions: Vec<Instruction>,
    /// Index of the instruction that is the result.
    pub(super) root: usize,
    pub(super) span: Span,
}

/// An instruction.
#[derive(Debug)]
pub(super) struct Instruction {
    pub(super) name: String,
    pub(super) opcode: String,
    pub(super) shape: Shape,
    /// Indices of earlier instructions.
    pub(super) operands: Vec<usize>,
    pub(super) attrs: Box<Attrs>,
    pub(super) span: Span,
}

/// The shape of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Array(ArrayShape),
    Tuple(Vec<Shape>),
    Token,
    /// A type that no value in memory has here: `opaque`, buffers, unknown element types.
    Other(String),
}

/// The shape of an array.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ArrayShape {
    pub(super) ty: TensorType,
    /// Dimensions from the fastest varying in memory to the slowest; empty for the default.
    pub(super) minor_to_major: Vec<usize>,
    /// Whether the layout says more than the order of dimensions.
    pub(super) tiled: bool,
}

impl ArrayShape {
    /// Dimensions from the slowest varying in memory to the fastest, if that is not their order.
    pub(super) fn physical(&self) -> Option<Vec<usize>> {
        let major_to_minor: Vec<usize> = self.minor_to_major.iter().rev().copied().collect();
        let default = major_to_minor.iter().copied().eq(0..major_to_minor.len());
        (!default).then_some(major_to_minor)
    }

    /// The layout as HLO spells it, `{0,1}`, if it is not the default.
    pub(super) fn layout_text(&self) -> Option<String> {
        self.physical()?;
        let order: Vec<String> = self.minor_to_major.iter().map(ToString::to_string).collect();
        Some(format!("{{{}}}", order.join(",")))
    }
}

impl Shape {
    /// Calls `f` with every array in the shape, in order.
    pub(super) fn leaves<'a>(&'a self, f: &mut impl FnMut(&'a ArrayShape)) {
        match self {
            Shape::Array(array) => f(array),
            Shape::Tuple(parts) => parts.iter().for_each(|p| p.leaves(f)),
            Shape::Token | Shape::Other(_) => {}
        }
    }

    /// The types of all arrays in the shape.
    pub(super) fn types(&self) -> Vec<Type> {
        let mut all = Vec::new();
        self.leaves(&mut |a| all.push(Type::Tensor(a.ty.clone())));
        all
    }

    /// The array, if it is one.
    pub(super) fn array(&self) -> Option<&ArrayShape> {
        match self {
            Shape::Array(array) => Some(array),
            Shape::Tuple(_) | Shape::Token | Shape::Other(_) => None,
        }
    }

    /// The name of a type in the shape that has no counterpart.
    pub(super) fn foreign(&self) -> Option<&str> {
        match self {
            Shape::Other(name) => Some(name),
            Shape::Tuple(parts) => parts.iter().find_map(Shape::foreign),
            Shape::Array(_) | Shape::Token => None,
        }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shape::Array(a) => {
                let dim = |d: &Dim| match d {
                    Dim::Static(n) => n.to_string(),
                    Dim::Dynamic { bound: Some(n) } => format!("<={n}"),
                    Dim::Dynamic { bound: None } => "?".to_string(),
                };
                let dims: Vec<String> = a.ty.dims.iter().map(dim).collect();
                let layout = a.layout_text().unwrap_or_default();
                write!(f, "{}[{}]{layout}", type_name(a.ty.elem.storage()), dims.join(","))
            }
            Shape::Tuple(parts) => {
                let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
                write!(f, "({})", parts.join(", "))
            }
            Shape::Token => f.write_str("token[]"),
            Shape::Other(name) => write!(f, "{name}[]"),
        }
    }
}

/// A constant's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    /// An array, its elements row-major as [`crate::ir::Constant`] has them.
    Array(ConstData),
    Tuple(Vec<Literal>),
    /// The elements were not printed.
    Elided,
}

/// The window of a convolution or reduction; lists have one entry per dimension.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Window {
    pub(super) size: Vec<i64>,
    pub(super) stride: Vec<i64>,
    pub(super) padding: Vec<(i64, i64)>,
    pub(super) lhs_dilate: Vec<i64>,
    pub(super) rhs_dilate: Vec<i64>,
    pub(super) reversal: Vec<bool>,
}

/// Dimension numbers of `gather` and `scatter`, by `gather`'s names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct IndexDims {
    pub(super) offset: Vec<i64>,
    pub(super) collapsed: Vec<i64>,
    pub(super) map: Vec<i64>,
    pub(super) operand_batching: Vec<i64>,
    pub(super) indices_batching: Vec<i64>,
    pub(super) vector_dim: i64,
    pub(super) slice_sizes: Vec<i64>,
}

/// Dimension numbers of `dot`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct DotDims {
    pub(super) lhs_batch: Vec<i64>,
    pub(super) rhs_batch: Vec<i64>,
    pub(super) lhs_contracting: Vec<i64>,
    pub(super) rhs_contracting: Vec<i64>,
}

/// Attributes of all opcodes; an instruction has those of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Attrs {
    pub(super) parameter: Option<u64>,
    pub(super) literal: Option<Literal>,
    pub(super) dimensions: Vec<i64>,
    pub(super) tuple_index: i64,
    pub(super) window: Window,
    /// The three lists of `dim_labels`, as StableHLO spells their entries.
    pub(super) conv_dims: Option<[Vec<Arc<str>>; 3]>,
    pub(super) feature_groups: Option<i64>,
    pub(super) batch_groups: Option<i64>,
    /// Start, limit and stride per dimension.
    pub(super) slice: Vec<(i64, i64, i64)>,
    pub(super) slice_sizes: Vec<i64>,
    /// Low, high and interior padding per dimension.
    pub(super) padding: Vec<(i64, i64, i64)>,
    pub(super) exponent_bits: i64,
    pub(super) mantissa_bits: i64,
    pub(super) epsilon: f64,
    pub(super) feature_index: i64,
    pub(super) dot: DotDims,
    pub(super) index: IndexDims,
    pub(super) direction: String,
    pub(super) compare_type: String,
    pub(super) precision: Vec<Arc<str>>,
    pub(super) fft_type: String,
    pub(super) fft_length: Vec<i64>,
    pub(super) left_side: bool,
    pub(super) lower: bool,
    pub(super) unit_diagonal: bool,
    pub(super) transpose: String,
    pub(super) sorted: bool,
    pub(super) unique: bool,
    pub(super) stable: bool,
    pub(super) algorithm: String,
    pub(super) distribution: String,
    pub(super) target: String,
    pub(super) backend_config: String,
    pub(super) api_version: i64,
    pub(super) side_effect: bool,
    pub(super) k: i64,
    pub(super) largest: bool,
    /// Names of the computations called: of `while` the body first, then the condition.
    pub(super) called: Vec<Callee>,
    /// Pairs of `collective-permute`.
    pub(super) pairs: Vec<(i64, i64)>,
    /// What the exporter called the instruction.
    pub(super) op_name: Option<Arc<str>>,
}

/// A computation that an instruction calls: an index, once names and ids are resolved.
pub(super) type Callee = usize;

/// The element type that HLO calls `name`.
pub(super) fn type_of(name: &str) -> Option<DType> {
    Some(match name {
        "pred" => DType::I1,
        "s2" => DType::I2,
        "s4" => DType::I4,
        "s8" => DType::I8,
        "s16" => DType::I16,
        "s32" => DType::I32,
        "s64" => DType::I64,
        "u2" => DType::U2,
        "u4" => DType::U4,
        "u8" => DType::U8,
        "u16" => DType::U16,
        "u32" => DType::U32,
        "u64" => DType::U64,
        "c64" => DType::C64,
        "c128" => DType::C128,
        // The others are floats, whose names differ in case only.
        _ if name.starts_with(['f', 'b']) => {
            let found =
                DType::ALL.iter().find(|d| d.is_float() && d.name().eq_ignore_ascii_case(name));
            return found.copied();
        }
        _ => return None,
    })
}

/// HLO's name of an element type.
pub(super) fn type_name(dtype: DType) -> String {
    match dtype {
        DType::I1 => "pred".to_string(),
        DType::C64 => "c64".to_string(),
        DType::C128 => "c128".to_string(),
        d if d.is_integer() => d.name().replace("ui", "u").replace('i', "s"),
        d => d.name().to_ascii_lowercase(),
    }
}
