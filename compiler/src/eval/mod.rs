//! The slow exact evaluator: oracle of the kernels and engine of constant folding.
//!
//! Every operation computes one result at a time as the StableHLO specification defines it. Where
//! the specification leaves the order of float additions open, the order is the documented one of
//! the device kernels: contracted indices ascend in row-major order from the initial value, with
//! one rounding per multiplication and one per addition.

mod error;
pub(crate) mod native;
mod scope;
mod tensor;

pub use error::EvalError;
pub use scope::{CheckFailure, Evaluator};
pub use tensor::{Element, Tensor};
pub(crate) use tensor::{Indices, for_each_index, linear, strides, wrap};
