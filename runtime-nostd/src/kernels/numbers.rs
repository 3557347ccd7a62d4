//! Memory as the arrays of the algorithms that evaluator and kernels share.

use microhlo_format::algorithms::Array;

/// Elements behind one another in memory.
#[derive(Clone, Copy)]
pub(super) struct Elements<T>(*mut T);

impl<T: Copy> Elements<T> {
    /// Elements from `start`.
    ///
    /// # Safety
    /// While the value or a copy of it is used, every position that is read or written lies in
    /// memory that the loader has proved for it, aligned for `T`.
    pub(super) unsafe fn new(start: *mut u8) -> Elements<T> {
        Elements(start.cast())
    }

    /// The elements from position `at` on, under the same conditions.
    pub(super) fn from(self, at: usize) -> Elements<T> {
        Elements(self.0.wrapping_add(at))
    }
}

impl<T: Copy> Array<T> for Elements<T> {
    #[inline(always)]
    fn get(&self, at: usize) -> T {
        // SAFETY: the promise made to `new`.
        unsafe { *self.0.wrapping_add(at) }
    }

    #[inline(always)]
    fn set(&mut self, at: usize, value: T) {
        // SAFETY: the promise made to `new`; kernels make these for reading from memory that is
        // not written through them.
        unsafe { *self.0.wrapping_add(at) = value }
    }
}
