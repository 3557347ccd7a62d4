//! Tensor types: dimensions, element types, quantisation parameters.

use std::fmt;
use std::sync::Arc;

use microhlo_format::DType;

/// The index along a dimension of each element of a tensor, by its place in row-major order.
pub(crate) fn index_along(sizes: &[u64], dim: usize) -> impl Fn(usize) -> usize + use<> {
    let inner = sizes.iter().skip(dim + 1).product::<u64>().max(1) as usize;
    let count = sizes.get(dim).copied().unwrap_or(1).max(1) as usize;
    move |element| element / inner % count
}

/// One dimension of a shape.
///
/// Symbolic dimensions will be a further variant; code that needs a number asks [`Dim::size`] and
/// handles `None`.
///
/// ```
/// use microhlo_compiler::ir::Dim;
///
/// assert_eq!(Dim::Static(3).size(), Some(3));
/// let open = Dim::Dynamic { bound: Some(8) };
/// assert_eq!((open.size(), open.to_string().as_str()), (None, "?"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dim {
    /// A size known at compile time.
    Static(u64),
    /// `?`, with an optional upper bound (`#stablehlo.bounds`).
    Dynamic {
        /// The largest size that the dimension can take, if known.
        bound: Option<u64>,
    },
}

impl Dim {
    /// The size, if it is known at compile time. See the example of [`Dim`].
    pub fn size(self) -> Option<u64> {
        match self {
            Dim::Static(n) => Some(n),
            Dim::Dynamic { .. } => None,
        }
    }
}

impl Dim {
    /// Whether a dimension declared as `self` can be `actual` at run time.
    pub(crate) fn accepts(self, actual: Dim) -> bool {
        match (self, actual) {
            (Dim::Static(a), Dim::Static(b)) => a == b,
            (Dim::Dynamic { bound: Some(max) }, Dim::Static(n))
            | (Dim::Static(n), Dim::Dynamic { bound: Some(max) }) => n <= max,
            (Dim::Dynamic { .. }, _) | (Dim::Static(_), Dim::Dynamic { .. }) => true,
        }
    }
}

impl Dim {
    /// What is known of one dimension that is declared in two ways: its size if either says it,
    /// else the smaller bound.
    pub(crate) fn merge(self, other: Dim) -> Dim {
        match (self, other) {
            (Dim::Static(_), _) => self,
            (_, Dim::Static(_)) => other,
            (Dim::Dynamic { bound: a }, Dim::Dynamic { bound: b }) => {
                Dim::Dynamic { bound: a.into_iter().chain(b).min() }
            }
        }
    }

    /// What is known of a dimension that is one or the other.
    pub(crate) fn either(self, other: Dim) -> Dim {
        match (self.most(), other.most()) {
            _ if self == other => self,
            (Some(a), Some(b)) => Dim::Dynamic { bound: Some(a.max(b)) },
            _ => Dim::Dynamic { bound: None },
        }
    }

    /// The size, or the bound.
    pub(crate) fn most(self) -> Option<u64> {
        match self {
            Dim::Static(n) => Some(n),
            Dim::Dynamic { bound } => bound,
        }
    }

    /// The dimension of another size, or with another bound; nothing is known of one that
    /// overflows or would be negative.
    pub(crate) fn map(self, f: impl Fn(u64) -> Option<u64>) -> Dim {
        match self {
            Dim::Static(n) => f(n).map_or(Dim::Dynamic { bound: None }, Dim::Static),
            Dim::Dynamic { bound } => Dim::Dynamic { bound: bound.and_then(f) },
        }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Static(n) => write!(f, "{n}"),
            Dim::Dynamic { .. } => f.write_str("?"),
        }
    }
}

/// Parameters of a quantised element type, `!quant.uniform<...>`.
///
/// ```
/// use microhlo_compiler::ir::{ElementType, QuantType};
/// use microhlo_format::DType;
///
/// let quant = QuantType {
///     storage: DType::I8,
///     expressed: DType::F32,
///     storage_range: (-128, 127),
///     axis: None,
///     scales: vec![0.5],
///     zero_points: vec![-3],
/// };
/// let elem = ElementType::Quant(quant.into());
/// assert_eq!(elem.to_string(), "!quant.uniform<i8:f32, 0.5:-3>");
/// assert_eq!((elem.plain(), elem.storage()), (None, DType::I8));
/// assert_eq!(elem.quant().map(|quant| quant.zero_points[0]), Some(-3));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct QuantType {
    /// Integer type of the stored values.
    pub storage: DType,
    /// Float type of the values that they stand for.
    pub expressed: DType,
    /// Least and greatest stored value.
    pub storage_range: (i64, i64),
    /// Dimension of per-axis parameters; `None` for per-tensor ones.
    pub axis: Option<u32>,
    /// One scale per tensor, or one per index of `axis`.
    pub scales: Vec<f64>,
    /// As many zero points as scales.
    pub zero_points: Vec<i64>,
}

/// Element type of a tensor. See the example of [`QuantType`].
#[derive(Clone, Debug, PartialEq)]
pub enum ElementType {
    /// A plain type.
    Plain(DType),
    /// MLIR's `index`, as `shape` and `arith` leftovers use it.
    Index,
    /// A quantised type.
    Quant(Arc<QuantType>),
}

impl ElementType {
    /// The plain type, or `None` for quantised elements and `index`. See the example of [`QuantType`].
    pub fn plain(&self) -> Option<DType> {
        match self {
            ElementType::Plain(d) => Some(*d),
            ElementType::Index | ElementType::Quant(_) => None,
        }
    }

    /// The parameters of a quantised type. See the example of [`QuantType`].
    pub fn quant(&self) -> Option<&Arc<QuantType>> {
        match self {
            ElementType::Quant(q) => Some(q),
            ElementType::Plain(_) | ElementType::Index => None,
        }
    }

    /// The type of the stored bits: the storage type of a quantised type, `i64` for `index`.
    /// See the example of [`QuantType`].
    pub fn storage(&self) -> DType {
        match self {
            ElementType::Plain(d) => *d,
            ElementType::Index => DType::I64,
            ElementType::Quant(q) => q.storage,
        }
    }
}

/// A ranked tensor type.
///
/// ```
/// use microhlo_compiler::ir::{TensorType, Type};
/// use microhlo_format::DType;
///
/// let ty = TensorType::fixed(&[2, 3], DType::F32);
/// assert_eq!((ty.rank(), ty.static_dims()), (2, Some(vec![2, 3])));
/// assert_eq!((ty.elements(), ty.bytes(), ty.dtype()), (Some(6), Some(24), Some(DType::F32)));
/// assert_eq!(Type::from(ty).to_string(), "tensor<2x3xf32>");
/// assert_eq!(TensorType::scalar(DType::I32).to_string(), "tensor<i32>");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TensorType {
    /// Dimensions, outermost first.
    pub dims: Vec<Dim>,
    /// Element type.
    pub elem: ElementType,
}

impl TensorType {
    /// A tensor with static dimensions of a plain element type. See the example of [`TensorType`].
    pub fn fixed(dims: &[u64], dtype: DType) -> Self {
        TensorType {
            dims: dims.iter().map(|&d| Dim::Static(d)).collect(),
            elem: ElementType::Plain(dtype),
        }
    }

    /// A rank-0 tensor. See the example of [`TensorType`].
    pub fn scalar(dtype: DType) -> Self {
        Self::fixed(&[], dtype)
    }

    /// Number of dimensions. See the example of [`TensorType`].
    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    /// All sizes, or `None` when a dimension is dynamic. See the example of [`TensorType`].
    pub fn static_dims(&self) -> Option<Vec<u64>> {
        self.dims.iter().map(|d| d.size()).collect()
    }

    /// Number of elements, or `None` when a dimension is dynamic or the product overflows.
    /// See the example of [`TensorType`].
    pub fn elements(&self) -> Option<u64> {
        self.dims.iter().try_fold(1u64, |n, d| n.checked_mul(d.size()?))
    }

    /// Size of the densely stored tensor in bytes. See the example of [`TensorType`].
    pub fn bytes(&self) -> Option<u64> {
        self.elements()?.checked_mul(self.elem.storage().size() as u64)
    }

    /// The plain element type, if it is one. See the example of [`TensorType`].
    pub fn dtype(&self) -> Option<DType> {
        self.elem.plain()
    }

    /// Whether the element types are equal and no dimension contradicts the other's.
    pub(crate) fn accepts(&self, actual: &TensorType) -> bool {
        self.elem == actual.elem
            && self.rank() == actual.rank()
            && self.dims.iter().zip(&actual.dims).all(|(a, &b)| a.accepts(b))
    }

    /// The same dimensions with another plain element type.
    pub(crate) fn with_dtype(&self, dtype: DType) -> Self {
        TensorType { dims: self.dims.clone(), elem: ElementType::Plain(dtype) }
    }

    /// The same element type with other static dimensions.
    pub(crate) fn with_dims(&self, dims: &[u64]) -> Self {
        TensorType { dims: dims.iter().map(|&d| Dim::Static(d)).collect(), elem: self.elem.clone() }
    }
}

/// Type of an SSA value. See the example of [`TensorType`].
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// A tensor.
    Tensor(TensorType),
    /// `!stablehlo.token`.
    Token,
    /// `tuple<...>`.
    Tuple(Vec<Type>),
    /// `!stablehlo.future<...>`.
    Future(Vec<Type>),
    /// A type of another dialect or without a rank, kept as text: `!tf_type.string`,
    /// `tensor<*xf32>`, `index`. Only operations of other dialects have values of such types;
    /// verification refuses them.
    Opaque(Arc<str>),
}

impl Type {
    /// The tensor type, if it is one. See the example of [`Module`](super::Module).
    pub fn tensor(&self) -> Option<&TensorType> {
        match self {
            Type::Tensor(t) => Some(t),
            Type::Token | Type::Tuple(_) | Type::Future(_) | Type::Opaque(_) => None,
        }
    }

    /// How many values other than tuples a value of the type consists of.
    pub(crate) fn leaves(&self) -> usize {
        match self {
            Type::Tuple(types) => types.iter().map(Type::leaves).sum(),
            Type::Tensor(_) | Type::Token | Type::Future(_) | Type::Opaque(_) => 1,
        }
    }

    /// Whether the types are equal, `?` matching any size.
    pub(crate) fn accepts(&self, actual: &Type) -> bool {
        match (self, actual) {
            (Type::Tensor(a), Type::Tensor(b)) => a.accepts(b),
            (Type::Tuple(a), Type::Tuple(b)) | (Type::Future(a), Type::Future(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.accepts(b))
            }
            (a, b) => a == b,
        }
    }
}

impl From<TensorType> for Type {
    fn from(t: TensorType) -> Type {
        Type::Tensor(t)
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ElementType::Plain(d) => write!(f, "{d}"),
            ElementType::Index => f.write_str("index"),
            ElementType::Quant(q) => write!(f, "{q}"),
        }
    }
}

impl fmt::Display for QuantType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // MLIR's quant dialect spells unsigned storage `u8`, not `ui8`.
        let storage = self.storage.name().replace("ui", "u");
        write!(f, "!quant.uniform<{storage}")?;
        if self.storage_range != full_range(self.storage) {
            write!(f, "<{}:{}>", self.storage_range.0, self.storage_range.1)?;
        }
        write!(f, ":{}", self.expressed)?;
        let one = |i: usize| match self.zero_points.get(i).copied().unwrap_or(0) {
            0 => format!("{:?}", self.scales[i]),
            zp => format!("{:?}:{zp}", self.scales[i]),
        };
        match self.axis {
            None => write!(f, ", {}>", one(0)),
            Some(axis) => {
                let all: Vec<String> = (0..self.scales.len()).map(one).collect();
                write!(f, ":{axis}, {{{}}}>", all.join(", "))
            }
        }
    }
}

/// Least and greatest value of an integer type of at most 64 bits.
pub(crate) fn full_range(dtype: DType) -> (i64, i64) {
    let bits = dtype.bits().min(63);
    if dtype.is_signed_integer() {
        let bits = dtype.bits();
        (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits))
    } else {
        (0, ((1u64 << bits) - 1) as i64)
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tensor<")?;
        for d in &self.dims {
            write!(f, "{d}x")?;
        }
        write!(f, "{}", self.elem)?;
        if self.dims.iter().any(|d| matches!(d, Dim::Dynamic { bound: Some(_) })) {
            let bounds: Vec<String> = self
                .dims
                .iter()
                .map(|d| match d {
                    Dim::Dynamic { bound: Some(b) } => b.to_string(),
                    Dim::Static(_) | Dim::Dynamic { bound: None } => "?".to_string(),
                })
                .collect();
            write!(f, ", #stablehlo.bounds<{}>", bounds.join(", "))?;
        }
        f.write_str(">")
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |types: &[Type]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Type::Tensor(t) => write!(f, "{t}"),
            Type::Token => f.write_str("!stablehlo.token"),
            Type::Tuple(types) => write!(f, "tuple<{}>", list(types)),
            Type::Future(types) => write!(f, "!stablehlo.future<{}>", list(types)),
            Type::Opaque(text) => f.write_str(text),
        }
    }
}
