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

/// The elements that are folded into each of several runs of results: a grid of two dimensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taps {
    /// First element of the first result.
    pub ptr: *const u8,
    /// Number of runs; their results follow one another.
    pub runs: u32,
    /// Bytes from the elements of one run to those of the next.
    pub run_stride: i32,
    /// Bytes from the elements of one result to those of the next.
    pub stride: i32,
    /// Sizes of the grid, outer dimension first.
    pub counts: [u32; 2],
    /// Byte strides of the grid.
    pub strides: [i32; 2],
}

/// Folds a grid of elements into each of `n` results per run, row-major:
/// `dst[i] = f(...f(f(first[i], taps[i][0]), taps[i][1])...)`.
///
/// # Safety
/// `first` and all taps are readable and `dst` is writable for all results, aligned. The taps of a result
/// do not overlap results before it; `first` overlaps `dst` exactly or not at all.
pub(crate) type Fold = unsafe fn(dst: Dst, first: Src, taps: &Taps, n: usize);

/// Elements that the unrolled loops handle at a time.
const BLOCK: usize = 4;

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

/// Bytes from one `T` to the next in an array.
const fn size<T>() -> i32 {
    size_of::<T>() as i32
}

impl Src {
    /// Reads a block of adjacent elements and moves past it.
    ///
    /// # Safety
    /// A block of aligned `T` is readable at the position.
    #[inline(always)]
    unsafe fn take_block<T: Copy>(&mut self) -> [T; BLOCK] {
        // SAFETY: the caller's promise.
        let block = unsafe { self.ptr.cast::<[T; BLOCK]>().read() };
        self.ptr = self.ptr.wrapping_add(size_of::<[T; BLOCK]>());
        block
    }
}

impl Dst {
    /// Writes a block of adjacent elements and moves past it.
    ///
    /// # Safety
    /// A block of aligned `T` is writable at the position.
    #[inline(always)]
    unsafe fn put_block<T: Copy>(&mut self, block: [T; BLOCK]) {
        // SAFETY: the caller's promise.
        unsafe { self.ptr.cast::<[T; BLOCK]>().write(block) };
        self.ptr = self.ptr.wrapping_add(size_of::<[T; BLOCK]>());
    }
}

/// [`unary`] for functions of few instructions: unrolled where elements are adjacent.
///
/// A block is read before it is written: operands overlap exactly or not at all.
///
/// # Safety
/// As for [`Row`].
#[inline(always)]
pub(super) unsafe fn short_unary<A: Copy, R: Copy>(
    mut dst: Dst,
    &[mut a, ..]: &[Src; 3],
    n: usize,
    f: impl Fn(A) -> R,
) {
    let mut left = n;
    if dst.stride == size::<R>() && a.stride == size::<A>() {
        while left >= BLOCK {
            // SAFETY: a block of both operands.
            unsafe {
                let x = a.take_block();
                dst.put_block([f(x[0]), f(x[1]), f(x[2]), f(x[3])]);
            }
            left -= BLOCK;
        }
    }
    // SAFETY: the caller's promise, for the elements left.
    unsafe { unary(dst, &[a, Src::NONE, Src::NONE], left, f) }
}

/// [`binary`] for functions of few instructions: unrolled where elements are adjacent, the second
/// argument's also where it repeats one element.
///
/// A block is read before it is written: operands overlap exactly or not at all.
///
/// # Safety
/// As for [`Row`].
#[inline(always)]
pub(super) unsafe fn short_binary<A: Copy, R: Copy>(
    mut dst: Dst,
    &[mut a, mut b, _]: &[Src; 3],
    n: usize,
    f: impl Fn(A, A) -> R,
) {
    let mut left = n;
    let adjacent = dst.stride == size::<R>() && a.stride == size::<A>();
    if adjacent && b.stride == size::<A>() {
        while left >= BLOCK {
            // SAFETY: a block of all operands.
            unsafe {
                let (x, y) = (a.take_block(), b.take_block());
                dst.put_block([f(x[0], y[0]), f(x[1], y[1]), f(x[2], y[2]), f(x[3], y[3])]);
            }
            left -= BLOCK;
        }
    } else if adjacent && b.stride == 0 && n >= BLOCK {
        // SAFETY: the one element of the second argument.
        let y = unsafe { b.take() };
        while left >= BLOCK {
            // SAFETY: a block of the other operands.
            unsafe {
                let x = a.take_block();
                dst.put_block([f(x[0], y), f(x[1], y), f(x[2], y), f(x[3], y)]);
            }
            left -= BLOCK;
        }
    }
    // SAFETY: the caller's promise, for the elements left.
    unsafe { binary(dst, &[a, b, Src::NONE], left, f) }
}

impl Taps {
    /// Calls `f` with every position of the grid of the result at `from`.
    #[inline(always)]
    fn each(&self, from: *const u8, mut f: impl FnMut(*const u8)) {
        let mut row = from;
        for _ in 0..self.counts[0] {
            let mut at = row;
            for _ in 0..self.counts[1] {
                f(at);
                at = at.wrapping_offset(self.strides[1] as isize);
            }
            row = row.wrapping_offset(self.strides[0] as isize);
        }
    }
}

/// See [`Fold`]: `f` is `leave` of the last `step(...step(enter(first), x0)..., x1)`.
///
/// # Safety
/// As for [`Fold`].
#[inline(always)]
pub(super) unsafe fn fold<T: Copy, A: Copy>(
    mut dst: Dst,
    mut first: Src,
    taps: &Taps,
    n: usize,
    (enter, step, leave): (impl Fn(T) -> A, impl Fn(A, T) -> A, impl Fn(A) -> T),
) {
    let mut run = taps.ptr;
    for _ in 0..taps.runs {
        let mut from = Src { ptr: run, stride: taps.stride };
        let mut left = n;
        while left >= BLOCK && from.stride == size::<T>() && dst.stride == size::<T>() {
            // SAFETY: a block of results, and of their elements at every tap.
            unsafe {
                let x = [first.take(), first.take(), first.take(), first.take()];
                let mut acc = [enter(x[0]), enter(x[1]), enter(x[2]), enter(x[3])];
                taps.each(from.ptr, |at| {
                    let x = at.cast::<[T; BLOCK]>().read();
                    acc = [
                        step(acc[0], x[0]),
                        step(acc[1], x[1]),
                        step(acc[2], x[2]),
                        step(acc[3], x[3]),
                    ];
                });
                dst.put_block([leave(acc[0]), leave(acc[1]), leave(acc[2]), leave(acc[3])]);
            }
            from.ptr = from.ptr.wrapping_add(size_of::<[T; BLOCK]>());
            left -= BLOCK;
        }
        for _ in 0..left {
            // SAFETY: one result, and its element at every tap.
            unsafe {
                let mut acc = enter(first.take());
                taps.each(from.ptr, |at| acc = step(acc, at.cast::<T>().read()));
                dst.put(leave(acc));
            }
            from.ptr = from.ptr.wrapping_offset(from.stride as isize);
        }
        run = run.wrapping_offset(taps.run_stride as isize);
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
