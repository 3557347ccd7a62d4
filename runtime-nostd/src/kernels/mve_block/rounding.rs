//! Results of sums whose rounding depends on all bits of a product.
//!
//! Such a rounding differs from that of halves up only where the product lies next to halfway between
//! two results. Vectors do all others, and tell where one is not.

use microhlo_format::kernels::Requant;

use super::BLOCK;
#[cfg(cortex_m_mve)]
use super::mve_rounding::finish;
#[cfg(not(cortex_m_mve))]
use super::portable::finish;

/// Sums of channels that become results: what [`finish`] goes through.
#[repr(C)]
pub(super) struct Sums {
    /// A multiple of four of them.
    pub sums: *const i32,
    /// The first channel's record.
    pub records: *const u8,
    /// The first four channels' shifts.
    pub shifts: *const u8,
    pub output: *mut u8,
    /// Channels left.
    pub channels: i32,
    /// Bytes from the shifts of four channels to the next.
    pub shifts_step: usize,
    /// Zero point of the results, doubled, plus one.
    pub offset: i32,
    /// Bytes from the first channel's record to its multiplier.
    pub multiplier: usize,
    /// Bytes from a multiplier to the next channel's; those of four channels are 32 bytes on.
    pub multiplier_step: usize,
    pub min: i32,
    pub max: i32,
}

/// Stores the results of sums.
///
/// # Safety
/// All places have as much as [`Sums`] says.
pub(super) unsafe fn round(requant: &Requant, mut sums: Sums) {
    loop {
        // SAFETY: the caller's promise.
        unsafe { finish(&mut sums) };
        if sums.channels <= 0 {
            return;
        }
        for lane in 0..(sums.channels as usize).min(BLOCK) {
            let at = sums.multiplier + lane * sums.multiplier_step;
            let multiplier = sums.records.wrapping_add(at).cast::<i32>();
            // SAFETY: sum, record, shift and result of a channel.
            unsafe {
                let (sum, shift) = (*sums.sums.add(lane), *sums.shifts.add(lane));
                *sums.output.add(lane) = requant.apply(sum, *multiplier, shift) as u8;
            }
        }
        sums.sums = sums.sums.wrapping_add(BLOCK);
        sums.records = sums.records.wrapping_add(8 * BLOCK);
        sums.shifts = sums.shifts.wrapping_add(sums.shifts_step);
        sums.output = sums.output.wrapping_add(BLOCK);
        sums.channels -= BLOCK as i32;
    }
}

/// The same of results of 16 bits, one by one.
///
/// # Safety
/// As for [`round`].
pub(super) unsafe fn round_wide(requant: &Requant, sums: Sums) {
    let mut output = sums.output.cast::<i16>();
    for channel in 0..sums.channels.max(0) as usize {
        let (block, lane) = (channel / BLOCK, channel % BLOCK);
        let at = block * 8 * BLOCK + sums.multiplier + lane * sums.multiplier_step;
        let multiplier = sums.records.wrapping_add(at).cast::<i32>();
        let shift = sums.shifts.wrapping_add(block * sums.shifts_step + lane);
        // SAFETY: sum, record, shift and result of a channel.
        unsafe {
            let steps = requant.steps(*sums.sums.add(channel), *multiplier, *shift);
            *output = steps.max(sums.min).min(sums.max) as i16;
        }
        output = output.wrapping_add(1);
    }
}
