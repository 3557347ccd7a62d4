//! The host compiler: StableHLO in, a statically planned flat artifact for microcontrollers out.

pub mod diag;
pub mod eval;
pub mod front;
pub mod ir;
pub mod ops;
pub mod verify;
