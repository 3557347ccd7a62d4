//! Parameters of the fused elementwise kernel.

use serde::{Deserialize, Serialize};

use super::{MAX_MAP_CODE, MAX_MAP_INPUTS, MAX_MAP_OUTPUTS, Params, Sizes, Strides};
use crate::{Access, AccessKind, MicroId, ParamError, Place};

/// A strided operand of a [`Map`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapOperand<P> {
    /// First element.
    pub place: P,
    /// Byte strides, one per dimension; 0 repeats.
    pub strides: Strides,
}

/// One instruction: `dst = op(args)` on a run of elements.
///
/// Registers number the inputs, then the outputs, then the temporaries. Only outputs and
/// temporaries may be written. Unused arguments are 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapInstr {
    /// The micro-operation.
    pub op: MicroId,
    /// Register written.
    pub dst: u8,
    /// Registers read.
    pub args: [u8; 3],
}

/// A chain of elementwise operations over one index space.
///
/// The innermost dimension is cut into tiles of `tile` elements; each instruction runs over a
/// whole tile before the next. Temporaries live in `scratch`, `temps` buffers of `tile *
/// temp_size` bytes each. An output may lie exactly on an input of the same strides and element
/// size (in place), provided no instruction reads that input after the output's first write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Map<P> {
    /// Sizes of the index space, outermost first; at least one dimension.
    pub sizes: Sizes,
    /// Operands read.
    pub inputs: heapless::Vec<MapOperand<P>, MAX_MAP_INPUTS>,
    /// Operands written.
    pub outputs: heapless::Vec<MapOperand<P>, MAX_MAP_OUTPUTS>,
    /// Working memory for temporaries, absent when there are none.
    pub scratch: Option<P>,
    /// Number of temporaries.
    pub temps: u8,
    /// Bytes per element of a temporary.
    pub temp_size: u8,
    /// Elements per tile.
    pub tile: u32,
    /// Instructions.
    pub code: heapless::Vec<MapInstr, MAX_MAP_CODE>,
}
