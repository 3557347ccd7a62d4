//! Limits of results that microkernels only saturate.

use core::arch::asm;

use microhlo_format::kernels::Requant;

/// Clamps adjacent results to less than what saturation leaves.
///
/// # Safety
/// So many bytes of results are there.
pub(in crate::kernels) unsafe fn clamp(
    requant: &Option<Requant>,
    mut output: *mut u8,
    bytes: usize,
) {
    let Some(requant) = requant else { return };
    if (requant.min, requant.max) == (i8::MIN, i8::MAX) {
        return;
    }
    for _ in 0..bytes / 4 {
        let word = output.cast::<u32>();
        // SAFETY: four results.
        unsafe { word.write_unaligned(clamp4(word.read_unaligned(), requant)) };
        output = output.wrapping_add(4);
    }
    for _ in 0..bytes % 4 {
        // SAFETY: a result.
        unsafe { *output = clamp4(u32::from(*output), requant) as u8 };
        output = output.wrapping_add(1);
    }
}

/// Clamps four results.
fn clamp4(mut bytes: u32, requant: &Requant) -> u32 {
    let all = |bound: i8| u32::from(bound as u8).wrapping_mul(0x0101_0101);
    let (min, max) = (all(requant.min), all(requant.max));
    // SAFETY: SSUB8 sets a flag for each byte that is at least the other, and SEL chooses by them.
    unsafe {
        asm!(
            dsp!(),
            "ssub8 {t}, {x}, {min}",
            "sel {x}, {x}, {min}",
            "ssub8 {t}, {max}, {x}",
            "sel {x}, {x}, {max}",
            x = inout(reg) bytes,
            t = out(reg) _,
            min = in(reg) min,
            max = in(reg) max,
            options(pure, nomem, nostack),
        );
    }
    bytes
}
