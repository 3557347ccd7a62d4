//! Parameters of reductions.

use serde::{Deserialize, Serialize};

use super::{Params, Sizes, Strides};
use crate::{Access, AccessKind, MicroId, ParamError};

/// A binary operation applied to each finished reduction: `result = op(sum, operand)`.
///
/// The mean is a sum followed by `divide`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Post<P> {
    /// The micro-operation, of two operands.
    pub op: MicroId,
    /// Its second operand, one element.
    pub operand: P,
}

/// Reduction of some dimensions by one micro-operation.
///
/// For every index of `sizes`, `output` (dense, row-major) is `op(...op(op(init, x0), x1)...)`
/// over the elements of `reduce`, ascending row-major.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reduce<P> {
    /// The micro-operation, of two operands and the same result type.
    pub op: MicroId,
    /// Operand.
    pub input: P,
    /// Initial value, one element.
    pub init: P,
    /// Dense result.
    pub output: P,
    /// What is applied to each result.
    pub post: Option<Post<P>>,
    /// Sizes of the kept dimensions.
    pub sizes: Sizes,
    /// Byte strides of `input` along the kept dimensions.
    pub strides: Strides,
    /// Sizes of the reduced dimensions.
    pub reduce: Sizes,
    /// Byte strides of `input` along the reduced dimensions.
    pub reduce_strides: Strides,
}

/// One dimension of a [`Window`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowDim {
    /// Input size.
    pub input: u32,
    /// Output size.
    pub output: u32,
    /// Window size.
    pub window: u32,
    /// Window stride.
    pub stride: u32,
    /// Padding before the first element; negative crops.
    pub pad: i32,
    /// Distance of input elements.
    pub base_dilation: u32,
    /// Distance of window elements.
    pub window_dilation: u32,
}

/// `reduce_window` of a dense tensor by one micro-operation.
///
/// `input` is `[dims[0].input, dims[1].input, ..., inner]`, `output` likewise: `inner` is the
/// number of trailing elements that the window does not extend over. Per output element: `init`,
/// then window elements ascending row-major, padding skipped (the padding value is `init`, which
/// must be neutral). Then `post`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window<P> {
    /// The micro-operation, of two operands and the same result type.
    pub op: MicroId,
    /// Operand.
    pub input: P,
    /// Initial value, one element.
    pub init: P,
    /// Dense result.
    pub output: P,
    /// What is applied to each result.
    pub post: Option<Post<P>>,
    /// Windowed dimensions, outermost first.
    pub dims: heapless::Vec<WindowDim, { super::MAX_RANK }>,
    /// Elements of the trailing dimensions with a window of one.
    pub inner: u32,
    /// Whether taps in the padding count: `op(acc, init)` is then applied for each.
    pub padding_counts: bool,
}
