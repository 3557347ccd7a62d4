//! Softmax over rows of 8-bit integers.

use microhlo_format::Place;
use microhlo_format::kernels::SoftmaxI8;

use super::Memory;
use crate::registry::Undecodable;

entry!(softmax_i8, SoftmaxI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &SoftmaxI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let n = p.n as usize;
    let mut input = memory.read(p.input).cast::<i8>();
    let mut output = memory.write(p.output).cast::<i8>();
    let powers = memory.write(p.scratch).cast::<f32>();
    let [min, max] = [p.min, p.max].map(|bound| round(bound).clamp(-128, 127));
    let value = |x: i8| i32::from(x).wrapping_sub(p.input_zero) as f32 * p.input_scale;
    for _ in 0..p.rows {
        let mut largest = i8::MIN;
        for i in 0..n {
            // SAFETY: element `i` of a checked row.
            largest = largest.max(unsafe { *input.add(i) });
        }
        let largest = value(largest);
        let mut sum = 0.0;
        for i in 0..n {
            // SAFETY: element `i` of a checked row, and its place in scratch.
            unsafe {
                let e = exp_below_zero(value(*input.add(i)) - largest);
                *powers.add(i) = e;
                sum += e;
            }
        }
        for i in 0..n {
            // SAFETY: element `i` of scratch and of a checked row, all of which has been read.
            unsafe {
                let y = *powers.add(i) / sum / p.output_scale + p.output_zero;
                *output.add(i) = round(y).max(min).min(max) as i8;
            }
        }
        input = input.wrapping_add(n);
        output = output.wrapping_add(n);
    }
    Ok(())
}

/// The nearest integer, an even one of two, of less than `2^22`; others stay beyond 8 bits. Clamped, that
/// is what the rounded bounds clamp.
fn round(y: f32) -> i32 {
    // Sums from here on have no bits of less than 1.
    const INTEGERS: f32 = 12_582_912.0;
    (y + INTEGERS - INTEGERS) as i32
}

/// `e^x`, of `x` not above zero: the bits that `expf` of musl and of the crate `libm` computes, from
/// FreeBSD's `e_expf.c`, in half of the flash. `x = k ln 2 + r` with `r` of at most half of `ln 2`;
/// `e^r` is the rational approximation given there, and `2^k` exact.
fn exp_below_zero(x: f32) -> f32 {
    const HIGH: f32 = f32::from_bits(0x3f31_7200);
    const LOW: f32 = f32::from_bits(0x35bf_be8e);
    const PER_LN_2: f32 = f32::from_bits(0x3fb8_aa3b);
    const P: [f32; 2] = [f32::from_bits(0x3e2a_aa8f), f32::from_bits(0xbb35_5215)];
    let magnitude = x.to_bits() & 0x7fff_ffff;
    if magnitude >= 0x42cf_f1b5 {
        // Less than half of the least number.
        return 0.0;
    }
    if magnitude <= 0x3900_0000 {
        return 1.0 + x;
    }
    let mut k = match magnitude {
        // Not more than half of ln 2, and than one and a half.
        ..=0x3eb1_7218 => 0,
        ..=0x3f85_1592 => -1,
        _ => (PER_LN_2 * x - 0.5) as i32,
    };
    let high = x - k as f32 * HIGH;
    let low = k as f32 * LOW;
    let r = high - low;
    let square = r * r;
    let c = r - square * (P[0] + square * P[1]);
    let mut y = 1.0 + (r * c / (2.0 - c) - low + high);
    if k < -126 {
        // By a power whose result is exact, so that only the last product is rounded.
        y *= f32::from_bits((127 - 102) << 23);
        k = k.wrapping_add(102);
    }
    y * f32::from_bits((k.wrapping_add(127) as u32) << 23)
}

#[cfg(test)]
mod tests {
    use microhlo_format::scalar;

    use super::{exp_below_zero, round};

    #[test]
    fn exponentials_have_the_bits_of_the_library() {
        let least = (-104.5f32).to_bits();
        for bits in (0x8000_0000..least).step_by(1009).chain([least, 0xff80_0000]) {
            let x = f32::from_bits(bits);
            let (here, there) = (exp_below_zero(x), scalar::exp_f32(x));
            assert_eq!(here.to_bits(), there.to_bits(), "{x:e}: {here:e} and {there:e}");
        }
        // Around the borders of cases.
        for border in [0x42cf_f1b5u32, 0x42ae_ac50, 0x3900_0000, 0x3eb1_7218, 0x3f85_1592, 0x42ae_ac4f] {
            for bits in border - 3..border + 4 {
                let x = f32::from_bits(bits | 1 << 31);
                assert_eq!(exp_below_zero(x).to_bits(), scalar::exp_f32(x).to_bits(), "{x:e}");
            }
        }
    }

    #[test]
    fn integers_are_the_nearest_even_ones() {
        for quarter in -2000..2000 {
            let y = quarter as f32 / 4.0;
            assert_eq!(round(y), scalar::round_even_f32(y) as i32, "{y}");
        }
        for (y, clamped) in [(f32::INFINITY, 127), (-3e9, -128), (2e9, 127), (5e6, 127)] {
            assert_eq!(round(y).clamp(-128, 127), clamped, "{y}");
        }
    }
}
