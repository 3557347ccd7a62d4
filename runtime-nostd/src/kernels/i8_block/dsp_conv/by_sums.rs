//! Results that come by way of 32-bit sums: in memory, for what the assembly does not do with them.

use microhlo_format::kernels::Rounding;

use super::super::super::{Parts, has};
use super::super::{Conv, Group, LANES, dsp_double};
use super::{DOUBLE, Job, Tail};

/// Computes channels from `first` on of four pixels by way of their sums, as long as there are so many, if
/// they are rounded twice. Returns the first one that is left.
///
/// # Safety
/// As for `products`.
#[inline(never)]
pub(super) unsafe fn double_sums<const PARTS: u32>(
    conv: &Conv,
    group: &Group,
    job: &mut Job,
    mut first: usize,
) -> usize {
    let double = group.results.requant.filter(|r| r.rounding == Rounding::Double);
    let Some(requant) = double else { return first };
    let (output, records, weights) = (job.output[0], job.records, job.weights);
    job.records = records.wrapping_add(first);
    job.weights = weights.wrapping_add(first * conv.pairs * 2);
    let mut acc = [0i32; DOUBLE * LANES];
    let sums = acc.as_mut_ptr();
    let results = &group.results;
    let mut results = dsp_double::Sums::new(results, &requant, (sums, DOUBLE), first, &job.output);
    job.output[0] = sums.cast();
    while first + DOUBLE <= conv.out_c {
        job.records_end = job.records.wrapping_add(DOUBLE);
        // SAFETY: so many channels, of which the assembly stores the sums.
        unsafe {
            job.run::<PARTS>(conv, LANES);
            results.finish();
        }
        job.records = job.records_end;
        job.weights = job.weights.wrapping_add(DOUBLE * conv.pairs * 2);
        first += DOUBLE;
    }
    (job.output[0], job.records, job.weights) = (output, records, weights);
    first
}

/// What sums need.
const SUMS: u32 = Parts::ROUNDINGS.and(Parts::FOUR_PIXELS).and(Parts::ONE_PIXEL).0;

/// The sums of blocks of channels from `first` on: of two channels by pixels, or of eight if there is one
/// pixel.
///
/// # Safety
/// Convolution and group are those of accepted parameters, the taps of pixels are in scratch, and there is at
/// least one whole block, and so many.
pub(in crate::kernels) unsafe fn block_sums(
    conv: &Conv,
    group: &Group,
    first: usize,
    sums: &mut [[i32; 8]],
) {
    let mut job = Job::new::<SUMS>(conv, group, first);
    let block = if conv.lanes == LANES { 2 } else { 8 };
    job.tail = Tail::Sums as u32;
    job.output[0] = sums.as_mut_ptr().cast();
    job.records_end = job.records.wrapping_add(block * sums.len());
    // SAFETY: so many channels, of which the assembly stores the sums.
    unsafe { job.run::<SUMS>(conv, conv.lanes) };
}

/// Computes a block by way of its sums.
///
/// # Safety
/// As for `products`; there is such a block, of eight channels if there is one pixel, else of two.
#[inline(never)]
pub(super) unsafe fn sums<const PARTS: u32>(
    conv: &Conv,
    group: &Group,
    job: &mut Job,
    count: usize,
    first: usize,
) {
    let mut acc = [0i32; 8];
    let (output, records, weights, tail) = (job.output[0], job.records, job.weights, job.tail);
    job.records = records.wrapping_add(first);
    job.weights = weights.wrapping_add(first * conv.pairs * 2);
    let block = if has(PARTS, Parts::ONE_PIXEL) && count == 1 { 8 } else { 2 };
    job.tail = Tail::Sums as u32;
    job.output[0] = acc.as_mut_ptr().cast();
    job.records_end = job.records.wrapping_add(block);
    // SAFETY: one block, which has at most eight sums.
    unsafe { job.run::<PARTS>(conv, count) };
    (job.output[0], job.records, job.weights, job.tail) = (output, records, weights, tail);
    let results = &group.results;
    for (acc, output) in acc.chunks(block).zip(&job.output).take(count) {
        for (channel, &acc) in (first..conv.out_c).zip(acc) {
            let place = output.wrapping_add(channel * results.bytes());
            // SAFETY: a channel of a pixel.
            unsafe { results.store_of::<PARTS>(channel, acc, place) };
        }
    }
}
