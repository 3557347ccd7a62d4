//! Algorithms that the host's evaluator and the device's kernels share, so that both compute the
//! same bits: one order of operations, each rounded, without fused multiply-add.
//!
//! Memory is reached through [`Array`], which the evaluator implements over slices and a kernel
//! over memory that the loader has checked.

pub mod cholesky;
pub mod fft;
mod number;
pub mod triangular_solve;

pub use number::{Number, Real};

/// Elements in memory. Positions are those that the algorithm's documentation names, no others.
pub trait Array<T> {
    /// The element at a position.
    fn get(&self, at: usize) -> T;

    /// Replaces the element at a position.
    fn set(&mut self, at: usize, value: T);
}

#[cfg(feature = "std")]
impl<T: Copy> Array<T> for std::vec::Vec<T> {
    fn get(&self, at: usize) -> T {
        self[at]
    }

    fn set(&mut self, at: usize, value: T) {
        self[at] = value;
    }
}

impl<T: Copy, A: Array<T>> Array<T> for &mut A {
    fn get(&self, at: usize) -> T {
        (**self).get(at)
    }

    fn set(&mut self, at: usize, value: T) {
        (**self).set(at, value);
    }
}
