//! The strided loops behind every row.

/// A strided operand that is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Src {
    pub ptr: *const u8,
    /// Bytes from one element to the next.
    pub stride: i32,
}

/// A strided operand that is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dst {
    pub ptr: *mut u8,
    /// Bytes from one element to the next.
    pub stride: i32,
}

impl Src {
    /// An operand that is not there.
    pub const NONE: Src = Src { ptr: core::ptr::null(), stride: 0 };
}

/// Applies a scalar function to `n` elements in order, `dst[i] = f(args[0][i], ...)`. Each element
/// is written after the arguments of the same index are read and before those of the next, so that
/// a destination of stride 0 that is also an argument accumulates.
///
/// # Safety
/// Every argument that the function has is readable and the destination writable for `n` elements
/// of their types at their strides, and all of them are aligned.
pub(crate) type Row = unsafe fn(dst: Dst, args: &[Src; 3], n: usize);

impl Src {
    /// Reads an element and moves to the next.
    ///
    /// # Safety
    /// An aligned `T` is readable at the position.
    #[inline(always)]
    unsafe fn take<T: Copy>(&mut self) -> T {
        // SAFETY: the caller's promise.
        let value = unsafe { self.ptr.cast::<T>().read() };
        self.ptr = self.ptr.wrapping_offset(self.stride as isize);
        value
    }
}

impl Dst {
    /// Writes an element and moves to the next.
    ///
    /// # Safety
    /// An aligned `T` is writable at the position.
    #[inline(always)]
    unsafe fn put<T: Copy>(&mut self, value: T) {
        // SAFETY: the caller's promise.
        unsafe { self.ptr.cast::<T>().write(value) };
        self.ptr = self.ptr.wrapping_offset(self.stride as isize);
    }
}

/// See [`Row`].
///
/// # Safety
/// As for [`Row`].
#[inline(always)]
pub(super) unsafe fn unary<A: Copy, R: Copy>(
    mut dst: Dst,
    &[mut a, ..]: &[Src; 3],
    n: usize,
    f: impl Fn(A) -> R,
) {
    for _ in 0..n {
        // SAFETY: element `i < n` of both operands.
        unsafe { dst.put(f(a.take())) };
    }
}

/// See [`Row`].
///
/// # Safety
/// As for [`Row`].
#[inline(always)]
pub(super) unsafe fn binary<A: Copy, R: Copy>(
    mut dst: Dst,
    &[mut a, mut b, _]: &[Src; 3],
    n: usize,
    f: impl Fn(A, A) -> R,
) {
    for _ in 0..n {
        // SAFETY: element `i < n` of all operands.
        unsafe { dst.put(f(a.take(), b.take())) };
    }
}

/// See [`Row`].
///
/// # Safety
/// As for [`Row`].
#[inline(always)]
pub(super) unsafe fn ternary<A: Copy, R: Copy>(
    mut dst: Dst,
    &[mut a, mut b, mut c]: &[Src; 3],
    n: usize,
    f: impl Fn(A, A, A) -> R,
) {
    for _ in 0..n {
        // SAFETY: element `i < n` of all operands.
        unsafe { dst.put(f(a.take(), b.take(), c.take())) };
    }
}

/// See [`Row`]; the first argument is a predicate.
///
/// # Safety
/// As for [`Row`].
#[inline(always)]
pub(super) unsafe fn select<A: Copy, R: Copy>(
    mut dst: Dst,
    &[mut p, mut a, mut b]: &[Src; 3],
    n: usize,
    f: impl Fn(u8, A, A) -> R,
) {
    for _ in 0..n {
        // SAFETY: element `i < n` of all operands.
        unsafe { dst.put(f(p.take(), a.take(), b.take())) };
    }
}
