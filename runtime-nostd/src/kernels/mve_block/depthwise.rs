//! Depthwise convolutions by vectors.
//!
//! A byte of one tap is of little use to a vector of 16, so taps of a channel are brought together:
//! a word holds four taps of one position and channel, and a vector the words of up to four positions.
//! Words are made for 16 channels and one line of outputs at a time, by stores that interleave four
//! vectors; they are gathered again for each output.

use core::mem::MaybeUninit;
use core::ptr::null_mut;

use microhlo_format::Place;
use microhlo_format::kernels::{DepthwiseI8Mve, DepthwiseWords};

use super::super::Memory;
use super::super::i8_block::Depthwise;
#[cfg(cortex_m_mve)]
use super::mve_depthwise::{arrange, expand, line};
#[cfg(not(cortex_m_mve))]
use super::portable::{arrange, expand, line};
use super::rounding::{Sums, round};
use super::{Finish, NONE, fill, finish};

/// Channels whose words are made together.
pub(super) const CHANNELS: usize = 16;
/// Bytes from the words of a position to those of the next.
pub(super) const POSITION: usize = 4 * CHANNELS;

/// A line of outputs of up to 16 channels: what [`line`] computes.
#[repr(C)]
pub(super) struct Line {
    /// The first channel's word of the first position.
    pub words: *const u8,
    /// Vectors of weights, by channels.
    pub weights: *const i8,
    /// Bias and multiplier of each channel.
    pub records: *const [i32; 2],
    /// The first channel's first result.
    pub output: *mut u8,
    /// Where the words of an output lie, in bytes behind its first position, by vectors of four.
    pub offsets: *const u32,
    /// Vectors of an output.
    pub vectors: u32,
    /// Outputs.
    pub count: u32,
    /// Bytes from an output to the next.
    pub step: u32,
    /// Bytes from an output's first position to the next one's.
    pub stride: u32,
    pub channels: u32,
    pub zero: i32,
    /// The first channel's shift.
    pub shifts: *const u8,
    /// One if each channel has its own, else none.
    pub shifts_step: u32,
    pub finish: Finish,
    pub min: i32,
    pub max: i32,
}

/// Bytes of four taps for each position of a line and each channel: where they come from.
#[repr(C)]
pub(super) struct Sources {
    /// Channels of the first position.
    pub from: [*const i8; 4],
    /// Bytes to the next position.
    pub steps: [usize; 4],
    /// Positions, at least one.
    pub count: usize,
    /// Channels, at most 16.
    pub channels: usize,
}

/// How the weights of a channel become vectors.
#[repr(C)]
pub(super) struct Expansion {
    /// For each byte, its tap.
    pub taps: *const u8,
    /// And whether there is one: all bits or none.
    pub masks: *const u8,
    pub vectors: usize,
}

/// Where scratch has what.
struct Scratch {
    words: *mut u8,
    weights: *mut i8,
    offsets: *mut u32,
    taps: *mut u8,
    masks: *mut u8,
    zeros: *mut i8,
    sums: *mut i32,
}

/// Computes a depthwise convolution.
///
/// # Safety
/// The loader has accepted the parameters for this memory.
pub(in crate::kernels) unsafe fn depthwise(p: &DepthwiseI8Mve<Place>, memory: &Memory<'_>) {
    let (mut conv, words) = (MaybeUninit::uninit(), p.words());
    let conv = &*Depthwise::place(&mut conv, &p.conv, memory);
    let scratch = p.conv.scratch.map_or(null_mut(), |place| memory.write(place));
    let scratch = Scratch::new(scratch, &words);
    // SAFETY: scratch of the accepted parameters.
    unsafe {
        scratch.tables(conv, &words);
        scratch.pad(conv, &words);
    }
    for image in 0..conv.batch as usize {
        for first in (0..conv.channels).step_by(CHANNELS) {
            let channels = (conv.channels - first).min(CHANNELS);
            let input = conv.input.wrapping_add(image * conv.image + first);
            let output = (image * conv.results_image + first) * conv.results.bytes();
            let weights = conv.weights.wrapping_add(first * conv.taps());
            let job = job(p, memory, conv, &words, &scratch, first);
            let mut job = Line { channels: channels as u32, ..job };
            job.output = conv.output.wrapping_add(output);
            // SAFETY: these channels' weights, lines and results.
            unsafe {
                expand(scratch.weights, weights, conv.taps(), channels, &scratch.expansion(&words));
                for at in 0..conv.across.output {
                    scratch.arrange(conv, &words, input, at, channels);
                    finish_line(p, &job, &scratch);
                    let step = conv.across.output_step as usize * conv.results.bytes();
                    job.output = job.output.wrapping_add(step);
                }
            }
        }
    }
}

/// The lines of channels from `first` on, without their place and number.
fn job(
    p: &DepthwiseI8Mve<Place>,
    memory: &Memory<'_>,
    conv: &Depthwise,
    words: &DepthwiseWords,
    scratch: &Scratch,
    first: usize,
) -> Line {
    let requant = p.conv.requant.as_ref().unwrap_or(&NONE);
    let own = p.conv.shifts.map(|place| memory.read(place).wrapping_add(first));
    Line {
        words: scratch.words,
        weights: scratch.weights,
        records: conv.results.channels.wrapping_add(first),
        output: conv.output,
        offsets: scratch.offsets,
        vectors: words.vectors,
        count: conv.along.output as u32,
        step: (conv.along.output_step as usize * conv.results.bytes()) as u32,
        stride: conv.along.stride as u32 * POSITION as u32,
        channels: 0,
        zero: requant.zero,
        shifts: own.unwrap_or(&requant.shift),
        shifts_step: u32::from(own.is_some()),
        finish: finish(p.conv.requant, p.conv.shifts.is_some()),
        min: i32::from(requant.min),
        max: i32::from(requant.max),
    }
}

/// Computes a line, by way of sums if ties go to even.
///
/// # Safety
/// Words and constants of the line are in their places.
unsafe fn finish_line(p: &DepthwiseI8Mve<Place>, job: &Line, scratch: &Scratch) {
    let Some(requant) = p.conv.requant.filter(|requant| requant.rounding.needs_sums()) else {
        // SAFETY: the caller's promise.
        unsafe { line(job) };
        return;
    };
    let to_sums = Line { output: scratch.sums.cast(), step: POSITION as u32, ..*job };
    // SAFETY: there is room for the sums of a line.
    unsafe { line(&to_sums) };
    // SAFETY: the channels' shift.
    let shared = [unsafe { *job.shifts }; 4];
    let own = job.shifts_step != 0;
    for output in 0..job.count as usize {
        let sums = Sums {
            sums: scratch.sums.wrapping_add(output * CHANNELS),
            records: job.records.cast(),
            shifts: if own { job.shifts } else { shared.as_ptr() },
            output: job.output.wrapping_add(output * job.step as usize),
            channels: job.channels as i32,
            shifts_step: if own { 4 } else { 0 },
            offset: 2 * job.zero + 1,
            multiplier: size_of::<i32>(),
            multiplier_step: size_of::<[i32; 2]>(),
            min: job.min,
            max: job.max,
        };
        // SAFETY: sums, records and results of this output.
        unsafe { round(&requant, sums) };
    }
}

impl Scratch {
    fn new(start: *mut u8, words: &DepthwiseWords) -> Scratch {
        let vectors = words.vectors as usize;
        let weights = start.wrapping_add((words.arrays * words.room) as usize * POSITION);
        let offsets = weights.wrapping_add(vectors * 16 * CHANNELS);
        let taps = offsets.wrapping_add(vectors * 16);
        let masks = taps.wrapping_add(vectors * 16);
        let zeros = masks.wrapping_add(vectors * 16);
        Scratch {
            words: start,
            weights: weights.cast(),
            offsets: offsets.cast(),
            taps,
            masks,
            zeros: zeros.cast(),
            sums: zeros.wrapping_add(16).cast(),
        }
    }

    /// How weights are expanded.
    fn expansion(&self, words: &DepthwiseWords) -> Expansion {
        Expansion { taps: self.taps, masks: self.masks, vectors: words.vectors as usize }
    }

    /// Makes the tables.
    ///
    /// # Safety
    /// Scratch is that of the accepted parameters.
    unsafe fn tables(&self, conv: &Depthwise, words: &DepthwiseWords) {
        let (across, along) = (&conv.across, &conv.along);
        let real = words.arrays * words.columns;
        for word in 0..words.vectors * 4 {
            let (array, column) = (word / words.columns, word % words.columns);
            let apart = if words.along { 4 * column } else { column };
            let position = array * words.room + apart * along.dilation as u32;
            let offset = if word < real { position * POSITION as u32 } else { 0 };
            // SAFETY: a word of the table.
            unsafe { *self.offsets.add(word as usize) = offset };
            for i in 0..4 {
                let (a, b) =
                    if words.along { (array, 4 * column + i) } else { (4 * array + i, column) };
                let exists = a < across.kernel as u32 && b < along.kernel as u32;
                let tap = a * across.weights_step as u32 + b * along.weights_step as u32;
                let at = (4 * word + i) as usize;
                // SAFETY: a byte of each table.
                unsafe {
                    *self.taps.add(at) = if exists { tap as u8 } else { 0 };
                    *self.masks.add(at) = if exists { 0xff } else { 0 };
                }
            }
        }
        for i in 0..16 {
            // SAFETY: a byte of the vector.
            unsafe { *self.zeros.add(i) = conv.zero };
        }
    }

    /// Where the input lies among the positions of a line, if words lie across it.
    fn inside(conv: &Depthwise, words: &DepthwiseWords) -> [i32; 2] {
        let along = &conv.along;
        let end = words.positions as i32;
        let first = along.pad.clamp(0, end);
        [first, along.pad.wrapping_add(along.input).clamp(first, end)]
    }

    /// Makes the words of padding that no line changes.
    ///
    /// # Safety
    /// Scratch is that of the accepted parameters.
    unsafe fn pad(&self, conv: &Depthwise, words: &DepthwiseWords) {
        if words.along {
            return;
        }
        let [first, last] = Self::inside(conv, words).map(|position| position as usize * POSITION);
        let end = words.positions as usize * POSITION;
        for array in 0..words.arrays {
            let line = self.line(words, array).cast::<i8>();
            // SAFETY: positions of the line.
            unsafe {
                fill(line, conv.zero, first);
                fill(line.wrapping_add(last), conv.zero, end - last);
            }
        }
    }

    /// The first word of a line.
    fn line(&self, words: &DepthwiseWords, array: u32) -> *mut u8 {
        self.words.wrapping_add((array * words.room) as usize * POSITION)
    }

    /// Makes the words of the line of outputs `at`, of channels whose input begins at `input`.
    ///
    /// # Safety
    /// They are channels of an image of the convolution, and padding has been made.
    unsafe fn arrange(
        &self,
        conv: &Depthwise,
        words: &DepthwiseWords,
        input: *const i8,
        at: i32,
        channels: usize,
    ) {
        if words.along {
            for array in 0..words.arrays {
                // SAFETY: the caller's promise.
                unsafe { self.arrange_along(conv, words, array, input, at, channels) };
            }
            return;
        }
        let (across, along) = (&conv.across, &conv.along);
        let [first, last] = Self::inside(conv, words);
        if first == last {
            return;
        }
        let start = (first - along.pad).wrapping_mul(along.input_step);
        let (mut row, mut tap) = (across.origin(at), 0);
        for array in 0..words.arrays {
            let mut sources = Sources {
                from: [self.zeros; 4],
                steps: [0; 4],
                count: (last - first) as usize,
                channels,
            };
            for (from, step) in sources.from.iter_mut().zip(&mut sources.steps) {
                if tap < across.kernel && across.has(row) {
                    let bytes = row.wrapping_mul(across.input_step).wrapping_add(start);
                    *from = input.wrapping_offset(bytes as isize);
                    *step = along.input_step as usize;
                }
                tap += 1;
                row = row.wrapping_add(across.dilation);
            }
            let to = self.line(words, array).wrapping_add(first as usize * POSITION);
            // SAFETY: taps inside the input or the vector of zero points; words have room.
            unsafe { arrange(to, &sources) };
        }
    }

    /// Makes the words along a kernel row.
    ///
    /// # Safety
    /// As for [`Scratch::arrange`].
    unsafe fn arrange_along(
        &self,
        conv: &Depthwise,
        words: &DepthwiseWords,
        array: u32,
        input: *const i8,
        at: i32,
        channels: usize,
    ) {
        let along = &conv.along;
        let row = conv.across.origin(at).wrapping_add(array as i32 * conv.across.dilation);
        let line = input.wrapping_offset(row.wrapping_mul(conv.across.input_step) as isize);
        // Where taps are inside the input, as positions.
        let inside = [0, 1, 2, 3].map(|i| {
            let first = along.pad - i * along.dilation;
            if conv.across.has(row) { (first, first + along.input) } else { (0, 0) }
        });
        let mut to = self.line(words, array);
        let (mut position, end) = (0, words.positions as i32);
        while position < end {
            let mut until = end;
            for bound in inside.iter().flat_map(|&(first, last)| [first, last]) {
                until = if bound > position { until.min(bound) } else { until };
            }
            let count = (until - position) as usize;
            let mut sources = Sources { from: [self.zeros; 4], steps: [0; 4], count, channels };
            for (i, &(first, last)) in inside.iter().enumerate() {
                if first <= position && position < last {
                    let bytes = (position - first).wrapping_mul(along.input_step);
                    sources.from[i] = line.wrapping_offset(bytes as isize);
                    sources.steps[i] = along.input_step as usize;
                }
            }
            // SAFETY: taps inside the input or the vector of zero points; words have room.
            unsafe { arrange(to, &sources) };
            to = to.wrapping_add(count * POSITION);
            position = until;
        }
    }
}
