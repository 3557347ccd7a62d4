//! Micro-operations: one scalar function over a strided run of elements.
//!
//! Every module holds the rows of one operation, one constant per element type; conversions are in
//! [`convert`], named `FROM_TO`. The scalar functions are those of `microhlo-format`, which the
//! host's evaluator uses too.
#![allow(unsafe_code, reason = "rows read and write strided memory that the loader has checked")]

pub mod convert;
mod row;
mod table;

pub(crate) use row::{Dst, Fold, Row, Src, Taps};
pub use table::*;
