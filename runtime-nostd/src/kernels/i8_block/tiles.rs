//! Unrolled loops for targets without assembly.
//!
//! Sums stay in registers: 16 of four pixels and four channels where there are enough registers,
//! else eight of four pixels and two channels. Written out, since firmware is built for size and the
//! compiler then unrolls no loop.
#![allow(dead_code, reason = "targets with assembly do not need it")]

use super::{CHANNELS, Taps};

/// A tap.
///
/// # Safety
/// It is there.
#[inline(always)]
unsafe fn at(taps: *const i16, index: usize) -> i32 {
    // SAFETY: the caller's promise.
    i32::from(unsafe { *taps.add(index) })
}

/// A weight.
///
/// # Safety
/// It is there.
#[inline(always)]
unsafe fn byte(weights: *const i8, index: usize) -> i32 {
    // SAFETY: the caller's promise.
    i32::from(unsafe { *weights.add(index) })
}

/// Adds the products of a weight and a tap of each of four pixels.
macro_rules! column {
    ($weight:expr, $x:ident: $a:ident, $b:ident, $c:ident, $d:ident) => {
        // SAFETY: the caller's promise.
        let w = i32::from(unsafe { *$weight });
        $a = $a.wrapping_add($x[0] * w);
        $b = $b.wrapping_add($x[1] * w);
        $c = $c.wrapping_add($x[2] * w);
        $d = $d.wrapping_add($x[3] * w);
    };
}

/// The sums of four pixels and four channels of two blocks, from `bias` on; by pixels.
///
/// # Safety
/// `taps` has `pairs` pairs of each pixel, `weights` those of two blocks of two channels.
#[inline(never)]
pub(super) unsafe fn sums_4x4(
    mut taps: *const i16,
    weights: [*const i8; 2],
    pairs: usize,
    bias: [i32; 4],
    out: &mut [[i32; 4]; 4],
) {
    let [mut first, mut second] = weights;
    let [mut a0, mut a1, mut a2, mut a3] = bias;
    let [mut b0, mut b1, mut b2, mut b3] = bias;
    let [mut c0, mut c1, mut c2, mut c3] = bias;
    let [mut d0, mut d1, mut d2, mut d3] = bias;
    for _ in 0..pairs {
        macro_rules! tap {
            ($k:literal) => {
                // SAFETY: the caller's promise.
                let x = unsafe { [at(taps, $k), at(taps, 2 + $k), at(taps, 4 + $k), at(taps, 6 + $k)] };
                column!(first.add(2 * $k), x: a0, b0, c0, d0);
                column!(first.add(2 * $k + 1), x: a1, b1, c1, d1);
                column!(second.add(2 * $k), x: a2, b2, c2, d2);
                column!(second.add(2 * $k + 1), x: a3, b3, c3, d3);
            };
        }
        tap!(0);
        tap!(1);
        taps = taps.wrapping_add(8);
        first = first.wrapping_add(4);
        second = second.wrapping_add(4);
    }
    *out = [[a0, a1, a2, a3], [b0, b1, b2, b3], [c0, c1, c2, c3], [d0, d1, d2, d3]];
}

/// The sums of four pixels and two channels of a block, as [`sums_4x4`].
///
/// # Safety
/// As for [`sums_4x4`], with one block.
#[inline(never)]
pub(super) unsafe fn sums_4x2(
    mut taps: *const i16,
    mut weights: *const i8,
    pairs: usize,
    bias: [i32; 2],
    out: &mut [[i32; 2]; 4],
) {
    let [mut a0, mut a1] = bias;
    let [mut b0, mut b1] = bias;
    let [mut c0, mut c1] = bias;
    let [mut d0, mut d1] = bias;
    for _ in 0..pairs {
        macro_rules! tap {
            ($k:literal) => {
                // SAFETY: the caller's promise.
                let x = unsafe { [at(taps, $k), at(taps, 2 + $k), at(taps, 4 + $k), at(taps, 6 + $k)] };
                column!(weights.add(2 * $k), x: a0, b0, c0, d0);
                column!(weights.add(2 * $k + 1), x: a1, b1, c1, d1);
            };
        }
        tap!(0);
        tap!(1);
        taps = taps.wrapping_add(8);
        weights = weights.wrapping_add(4);
    }
    *out = [[a0, a1], [b0, b1], [c0, c1], [d0, d1]];
}

/// The sums of four rows and two columns, by rows.
///
/// # Safety
/// There are so many pairs of factors of each row and column, by pairs.
#[inline(never)]
pub(in crate::kernels) unsafe fn dot_4x2(
    mut rows: *const i16,
    mut columns: *const i16,
    pairs: usize,
) -> [i32; 8] {
    let [mut a0, mut a1, mut b0, mut b1, mut c0, mut c1, mut d0, mut d1] = [0i32; 8];
    for _ in 0..pairs {
        macro_rules! factor {
            ($k:literal) => {
                // SAFETY: the caller's promise.
                let x = unsafe { [at(rows, $k), at(rows, 2 + $k), at(rows, 4 + $k), at(rows, 6 + $k)] };
                column!(columns.add($k), x: a0, b0, c0, d0);
                column!(columns.add(2 + $k), x: a1, b1, c1, d1);
            };
        }
        factor!(0);
        factor!(1);
        rows = rows.wrapping_add(8);
        columns = columns.wrapping_add(4);
    }
    [a0, a1, b0, b1, c0, c1, d0, d1]
}

/// The sums of one pixel and eight channels of a block, as [`sums_4x4`].
///
/// # Safety
/// As for [`sums_4x4`], with one block of eight channels.
#[inline(never)]
pub(super) unsafe fn sums_1x8(
    mut taps: *const i16,
    mut weights: *const i8,
    pairs: usize,
    acc: &mut [i32; 8],
) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *acc;
    for _ in 0..pairs {
        // SAFETY: the caller's promise.
        let (x, y) = unsafe { (i32::from(*taps), i32::from(*taps.add(1))) };
        macro_rules! two {
            ($at:literal, $first:ident, $second:ident) => {
                // SAFETY: as above.
                let w = unsafe {
                    [
                        byte(weights, $at),
                        byte(weights, $at + 1),
                        byte(weights, $at + 2),
                        byte(weights, $at + 3),
                    ]
                };
                $first = $first.wrapping_add(x * w[0]).wrapping_add(y * w[2]);
                $second = $second.wrapping_add(x * w[1]).wrapping_add(y * w[3]);
            };
        }
        two!(0, a, b);
        two!(4, c, d);
        two!(8, e, f);
        two!(12, g, h);
        taps = taps.wrapping_add(2);
        weights = weights.wrapping_add(16);
    }
    *acc = [a, b, c, d, e, f, g, h];
}

/// Adds the products of taps of four channels, the first of which are at `from`, with weights to their sums.
///
/// # Safety
/// There are four channels of each tap and of each weight, of all lines.
#[inline(never)]
pub(in crate::kernels) unsafe fn add_taps<T: Copy + Into<i32>>(
    acc: &mut [i32; CHANNELS],
    mut from: *const T,
    mut weights: *const i8,
    taps: &Taps,
) {
    let [mut a, mut b, mut c, mut d] = *acc;
    for _ in 0..taps.lines {
        let end = weights.wrapping_add(taps.bytes);
        while weights != end {
            macro_rules! lane {
                ($lane:literal, $acc:ident) => {
                    // SAFETY: the caller's promise.
                    $acc = $acc.wrapping_add(unsafe {
                        let x: i32 = (*from.add($lane)).into();
                        x * byte(weights, $lane)
                    });
                };
            }
            lane!(0, a);
            lane!(1, b);
            lane!(2, c);
            lane!(3, d);
            from = from.wrapping_byte_add(taps.step);
            weights = weights.wrapping_add(taps.next);
        }
        from = from.wrapping_byte_add(taps.skip);
        weights = weights.wrapping_add(taps.weights_skip);
    }
    *acc = [a, b, c, d];
}

/// Two neighbouring sums of a depthwise kernel of three lines of three taps.
///
/// # Safety
/// The lines have the taps of both, which are `STRIDE` apart, 1 or 2.
#[inline(always)]
pub(super) unsafe fn pair_3x3<const STRIDE: usize>(
    lines: [*const i16; 3],
    weights: &[i32; 9],
    bias: i32,
) -> [i32; 2] {
    let [mut first, mut second] = [bias; 2];
    let w = weights;
    macro_rules! line {
        ($line:literal) => {
            // SAFETY: the caller's promise.
            let x = unsafe {
                let line = lines[$line];
                let last = if STRIDE == 2 { at(line, 4) } else { 0 };
                [at(line, 0), at(line, 1), at(line, 2), at(line, 3), last, 0]
            };
            let (w0, w1, w2) = (w[3 * $line], w[3 * $line + 1], w[3 * $line + 2]);
            first = first.wrapping_add(x[0] * w0).wrapping_add(x[1] * w1);
            first = first.wrapping_add(x[2] * w2);
            second = second.wrapping_add(x[STRIDE & 3] * w0).wrapping_add(x[(STRIDE & 3) + 1] * w1);
            second = second.wrapping_add(x[(STRIDE & 3) + 2] * w2);
        };
    }
    line!(0);
    line!(1);
    line!(2);
    [first, second]
}
