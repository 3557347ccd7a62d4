//! Parameters of data movement and row kernels.

use serde::{Deserialize, Serialize};

use super::{Params, Sizes, Strides};
use crate::{Access, AccessKind, ParamError};

/// Strided copy of elements of `element` bytes (1, 2, 4, 8 or 16): for every index,
/// `output[index * output_strides] = input[index * input_strides]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Move<P> {
    /// First element read.
    pub input: P,
    /// First element written.
    pub output: P,
    /// Bytes per element.
    pub element: u8,
    /// Sizes of the index space, outermost first.
    pub sizes: Sizes,
    /// Byte strides of the source; 0 broadcasts, negative reverses.
    pub input_strides: Strides,
    /// Byte strides of the destination. Distinct indices write distinct bytes.
    pub output_strides: Strides,
}

/// Fills `count` elements of `element` bytes with the one at `value`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fill<P> {
    /// The element.
    pub value: P,
    /// First element written.
    pub output: P,
    /// Bytes per element: 1, 2, 4, 8 or 16.
    pub element: u8,
    /// Number of elements.
    pub count: u32,
}

/// `f32` softmax of each of `rows` dense rows of `n` elements: `m` is the row's maximum from
/// -inf, `e_i = exp(x_i - m)`, `s` the sum of `e_i` ascending from +0.0, `y_i = e_i / s`. In place
/// when `output` is `input`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SoftmaxF32<P> {
    /// Operand.
    pub input: P,
    /// Result.
    pub output: P,
    /// Number of rows.
    pub rows: u32,
    /// Elements per row.
    pub n: u32,
}
