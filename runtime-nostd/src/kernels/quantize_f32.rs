//! `f32` to quantised 8-bit integers.

use microhlo_format::Place;
use microhlo_format::kernels::{INFINITE_KEYS, QuantizeF32, THRESHOLDS, key};

use super::Memory;
use crate::registry::Undecodable;

entry!(quantize_f32, QuantizeF32);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &QuantizeF32<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let input = memory.read(p.input);
    let output = memory.write(p.output).cast::<i8>();
    // SAFETY: `count` elements on both sides, and as many thresholds as there are, were checked.
    unsafe {
        match p.thresholds {
            Some(thresholds) => by_thresholds(p, output, input.cast(), memory.read(thresholds).cast()),
            None => by_floats(p, output, input.cast()),
        }
    }
    Ok(())
}

/// # Safety
/// `count` elements are readable and writable.
#[cfg(not(all(target_arch = "arm", target_abi = "eabihf", target_os = "none")))]
unsafe fn by_floats(p: &QuantizeF32<Place>, output: *mut i8, input: *const f32) {
    for i in 0..p.count as usize {
        // SAFETY: the caller's promise.
        unsafe { *output.add(i) = p.quantized(*input.add(i)) };
    }
}

/// # Safety
/// `count` elements are readable and writable.
#[cfg(all(target_arch = "arm", target_abi = "eabihf", target_os = "none"))]
unsafe fn by_floats(p: &QuantizeF32<Place>, output: *mut i8, input: *const f32) {
    // SAFETY: the caller's promise.
    unsafe { saturated(output, input, p.count, &[p.scale, p.zero]) };
}

/// Bounds are those of bytes, so it is all the same whether what exceeds them is cut before or after
/// rounding; the conversion makes 0 of NaN. Rounds to nearest even, the FPU's mode after reset.
///
/// # Safety
/// `count` elements are readable and writable.
#[cfg(all(target_arch = "arm", target_abi = "eabihf", target_os = "none"))]
#[unsafe(naked)]
unsafe extern "C" fn saturated(
    output: *mut i8,
    input: *const f32,
    count: u32,
    scale_and_zero: &[f32; 2],
) {
    core::arch::naked_asm!(
        // Functions without a body of Rust do not inherit the target's FPU.
        ".fpu fpv4-sp-d16
        push {{r4-r7, lr}}
        vldmia r3, {{s0, s1}}
        subs r2, r2, #4
        blt 3f
        2:
        vldmia r1!, {{s2-s5}}
        vdiv.f32 s2, s2, s0
        vdiv.f32 s3, s3, s0
        vdiv.f32 s4, s4, s0
        vdiv.f32 s5, s5, s0
        vadd.f32 s2, s2, s1
        vadd.f32 s3, s3, s1
        vadd.f32 s4, s4, s1
        vadd.f32 s5, s5, s1
        vcvtr.s32.f32 s2, s2
        vcvtr.s32.f32 s3, s3
        vcvtr.s32.f32 s4, s4
        vcvtr.s32.f32 s5, s5
        vmov r4, r5, s2, s3
        vmov r6, r7, s4, s5
        ssat r4, #8, r4
        ssat r5, #8, r5
        ssat r6, #8, r6
        ssat r7, #8, r7
        strb r4, [r0], #1
        strb r5, [r0], #1
        strb r6, [r0], #1
        strb r7, [r0], #1
        subs r2, r2, #4
        bge 2b
        3:
        adds r2, r2, #4
        beq 5f
        4:
        vldmia r1!, {{s2}}
        vdiv.f32 s2, s2, s0
        vadd.f32 s2, s2, s1
        vcvtr.s32.f32 s2, s2
        vmov r4, s2
        ssat r4, #8, r4
        strb r4, [r0], #1
        subs r2, r2, #1
        bne 4b
        5:
        pop {{r4-r7, pc}}"
    )
}

/// # Safety
/// `count` elements are readable and writable, and all thresholds.
unsafe fn by_thresholds(
    p: &QuantizeF32<Place>,
    output: *mut i8,
    input: *const u32,
    thresholds: *const i32,
) {
    const { assert!(THRESHOLDS == 255) };
    let [low, high] = INFINITE_KEYS;
    for i in 0..p.count as usize {
        // SAFETY: the caller's promise.
        let at = key(unsafe { *input.add(i) });
        let mut q = 0;
        if (low..=high).contains(&at) {
            // SAFETY: the steps add up to as many thresholds as there are: the caller's promise.
            let below = unsafe {
                let below = half::<128>(thresholds, at);
                let below = half::<64>(below, at);
                let below = half::<32>(below, at);
                let below = half::<16>(below, at);
                let below = half::<8>(below, at);
                let below = half::<4>(below, at);
                let below = half::<2>(below, at);
                half::<1>(below, at)
            };
            // SAFETY: both point into the thresholds, or just behind.
            let passed = unsafe { below.offset_from(thresholds) };
            q = (i32::from(p.min) + passed as i32) as i8;
        }
        // SAFETY: the caller's promise.
        unsafe { *output.add(i) = q };
    }
}

/// Skips `N` thresholds if the last of them is at most `at`.
///
/// # Safety
/// There are as many.
#[inline(always)]
unsafe fn half<const N: usize>(from: *const i32, at: i32) -> *const i32 {
    // SAFETY: the caller's promise.
    unsafe { if *from.add(N - 1) <= at { from.add(N) } else { from } }
}
