//! Executes an instruction of every feature that the board's description names, and prints whether
//! its result is right.
//!
//! A line reads `FEATURE right` or `FEATURE wrong`; an instruction that the processor does not have is
//! a fault.
#![no_std]
#![no_main]

use microhlo_board::console::println;

microhlo_board::main!(main);

include!(concat!(env!("OUT_DIR"), "/features.rs"));

fn main() -> u8 {
    let mut all = true;
    for feature in FEATURES {
        let right = works(feature);
        println!("{feature} {}", if right { "right" } else { "wrong" });
        all &= right;
    }
    u8::from(!all)
}

#[cfg(not(target_arch = "arm"))]
fn works(_: &str) -> bool {
    false
}

/// Whether an instruction of a feature computes what it should; no other feature is known.
#[cfg(target_arch = "arm")]
fn works(feature: &str) -> bool {
    match feature {
        #[cfg(dsp)]
        "dsp" => arm::dual_multiply(2 | 3 << 16, 5 | 7 << 16, 100) == 100 + 2 * 5 + 3 * 7,
        #[cfg(fpu_f32)]
        "fpu-f32" => arm::multiply_accumulate(0.5, 3.0, 4.0) == 0.5 + 3.0 * 4.0,
        #[cfg(mve_f32)]
        "mve-f32" => {
            let (mut sum, mut x, y) = ([0; 4], [1.5_f32, -2.0, 0.25, 8.0], [2.0, 3.0, 4.0, 0.5]);
            arm::add_vectors(&[1, -2, 3, i32::MAX], &[10, 20, 30, 1], &mut sum);
            arm::multiply_vectors(&mut x, &y, 2);
            sum == [11, 18, 33, i32::MIN] && x == [6.0, -18.0, 4.0, 2.0]
        }
        _ => false,
    }
}

#[cfg(target_arch = "arm")]
mod arm {
    #[cfg(any(dsp, fpu_f32, mve_f32))]
    use core::arch::naked_asm;

    /// The sum of two products of halves and an accumulator.
    #[cfg(dsp)]
    #[unsafe(naked)]
    pub extern "C" fn dual_multiply(x: u32, y: u32, sum: u32) -> u32 {
        naked_asm!(".cpu cortex-m33", "smlad r0, r0, r1, r2", "bx lr")
    }

    /// An accumulator and a product.
    #[cfg(fpu_f32)]
    #[unsafe(naked)]
    pub extern "C" fn multiply_accumulate(sum: f32, x: f32, y: f32) -> f32 {
        naked_asm!("vmla.f32 s0, s1, s2", "bx lr")
    }

    /// Four sums.
    #[cfg(mve_f32)]
    #[unsafe(naked)]
    pub extern "C" fn add_vectors(x: &[i32; 4], y: &[i32; 4], sum: &mut [i32; 4]) {
        naked_asm!(
            ".cpu cortex-m55",
            "vldrw.u32 q0, [r0]",
            "vldrw.u32 q1, [r1]",
            "vadd.i32 q0, q0, q1",
            "vstrw.32 q0, [r2]",
            "bx lr"
        )
    }

    /// Multiplies four floats by others, so many times, in a low-overhead loop.
    #[cfg(mve_f32)]
    #[unsafe(naked)]
    pub extern "C" fn multiply_vectors(x: &mut [f32; 4], y: &[f32; 4], times: u32) {
        naked_asm!(
            ".cpu cortex-m55",
            "push {{r4, lr}}",
            "vldrw.u32 q0, [r0]",
            "vldrw.u32 q1, [r1]",
            "dls lr, r2",
            "2: vmul.f32 q0, q0, q1",
            "le lr, 2b",
            "vstrw.32 q0, [r0]",
            "pop {{r4, pc}}"
        )
    }
}
