//! Depthwise convolutions by vectors.
//!
//! A byte of one tap is of little use to a vector of 16, so taps of a channel are brought together:
//! a word holds four taps of one position and channel, and a vector the words of up to four positions.
//! Words are made for 16 channels and one line of outputs at a time, by stores that interleave four
//! vectors; they are gathered again for each output.

use core::mem::MaybeUninit;
use core::ptr::{null, null_mut};

use microhlo_format::Place;
use microhlo_format::kernels::{DepthwiseI8, DepthwiseI8Mve, Requant};

use super::super::Memory;
use super::super::i8_block::Axis;
#[cfg(cortex_m_mve)]
use super::mve_depthwise::{arrange, expand, line};
#[cfg(not(cortex_m_mve))]
use super::portable::{arrange, expand, line};
use super::rounding::{Sums, round};
use super::{BLOCK, Finish, NONE, fill, finish};

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

impl Line {
    /// None yet.
    const NONE: Line = Line {
        words: null(),
        weights: null(),
        records: null(),
        output: null_mut(),
        offsets: null(),
        vectors: 0,
        count: 0,
        step: 0,
        stride: 0,
        channels: 0,
        zero: 0,
        shifts: null(),
        shifts_step: 0,
        finish: Finish::Upper,
        min: 0,
        max: 0,
    };
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

/// Stands for an axis.
const NO_AXIS: Axis = Axis {
    input: 0,
    output: 0,
    kernel: 0,
    stride: 0,
    pad: 0,
    dilation: 0,
    input_step: 0,
    output_step: 0,
    weights_step: 0,
};

/// A depthwise convolution, and the line of it that is computed next.
pub(in crate::kernels) struct Lines {
    line: Line,
    /// Their steps are in bytes, those of weights in taps.
    across: Axis,
    along: Axis,
    /// What taps outside the input count as.
    zero: i8,
    /// Whether the taps of a word lie along the line.
    words_along: bool,
    /// The shift of channels that have none of their own.
    shift: u8,
    /// How sums become results whose rounding needs them.
    ties: Option<Requant>,
    channels: usize,
    batch: u32,
    /// Bytes of one image's input, and of its results.
    image: usize,
    results_image: usize,
    input: *const i8,
    output: *mut u8,
    weights: *const i8,
    /// Lines of words, and positions with room in each.
    arrays: u32,
    room: u32,
    /// Words of a line of words in an output.
    columns: u32,
    /// Positions of a line.
    positions: i32,
    /// The positions that the input has, if words lie across the line.
    inside: [i32; 2],
}

/// Computes a depthwise convolution.
///
/// # Safety
/// It is that of accepted parameters, whose memory it lies in.
pub(in crate::kernels) unsafe fn depthwise(conv: &mut Lines) {
    let shared = [conv.shift; BLOCK];
    if conv.line.shifts_step == 0 {
        conv.line.shifts = shared.as_ptr();
    }
    // SAFETY: scratch of the accepted parameters.
    unsafe {
        conv.tables();
        conv.pad();
    }
    let (records, shifts) = (conv.line.records, conv.line.shifts);
    for _ in 0..conv.batch {
        (conv.line.records, conv.line.shifts) = (records, shifts);
        for first in (0..conv.channels).step_by(CHANNELS) {
            // SAFETY: channels of an image.
            unsafe { conv.block(first) };
        }
        conv.input = conv.input.wrapping_add(conv.image);
        conv.output = conv.output.wrapping_add(conv.results_image);
    }
}

impl Lines {
    /// The convolution of accepted parameters, where it is to be.
    pub(in crate::kernels) fn place<'v>(
        to: &'v mut MaybeUninit<Lines>,
        p: &DepthwiseI8Mve<Place>,
        memory: &Memory<'_>,
    ) -> &'v mut Lines {
        let (c, words) = (&p.conv, p.words());
        // Axes and line are filled in where they are to be: all at once, they would be made on the stack.
        let conv = to.write(Lines {
            line: Line::NONE,
            across: NO_AXIS,
            along: NO_AXIS,
            zero: c.input_zero,
            words_along: words.along,
            shift: c.requant.map_or(0, |requant| requant.shift),
            ties: c.requant.filter(|requant| requant.rounding.needs_sums()),
            channels: c.channels_count as usize,
            batch: c.batch,
            image: 0,
            results_image: 0,
            input: memory.read(c.input).cast(),
            output: memory.write(c.output),
            weights: memory.read(c.weights).cast(),
            arrays: words.arrays,
            room: words.room,
            columns: words.columns,
            positions: words.positions as i32,
            inside: [0; 2],
        });
        conv.set_axis(c, true);
        conv.set_axis(c, false);
        conv.set_line(c, words.vectors, memory);
        conv
    }

    /// Takes height or width.
    #[inline(never)]
    fn set_axis(&mut self, c: &DepthwiseI8<Place>, height: bool) {
        let channels = c.channels_count as i32;
        let results = channels * if c.requant.is_some() { 1 } else { size_of::<i32>() as i32 };
        let axis = if height == c.vertical() { &mut self.along } else { &mut self.across };
        if height {
            (axis.input, axis.output) = (c.in_h as i32, c.out_h as i32);
            (axis.kernel, axis.weights_step) = (c.kernel_h as i32, c.kernel_w as i32);
            (axis.stride, axis.dilation) = (c.stride_h as i32, c.dilation_h as i32);
            axis.pad = c.pad_top;
            axis.input_step = c.in_w as i32 * channels;
            axis.output_step = c.out_w as i32 * results;
            self.image = c.in_h as usize * axis.input_step as usize;
            self.results_image = c.out_h as usize * axis.output_step as usize;
        } else {
            (axis.input, axis.output) = (c.in_w as i32, c.out_w as i32);
            (axis.kernel, axis.weights_step) = (c.kernel_w as i32, 1);
            (axis.stride, axis.dilation) = (c.stride_w as i32, c.dilation_w as i32);
            axis.pad = c.pad_left;
            (axis.input_step, axis.output_step) = (channels, results);
        }
    }

    /// Takes what all lines have in common, and the constants of the first channels.
    #[inline(never)]
    fn set_line(&mut self, c: &DepthwiseI8<Place>, vectors: u32, memory: &Memory<'_>) {
        let (line, along) = (&mut self.line, &self.along);
        let first = c.scratch.map_or(null_mut(), |place| memory.write(place));
        let weights = first.wrapping_add((self.arrays * self.room) as usize * POSITION);
        let requant = c.requant.as_ref().unwrap_or(&NONE);
        (line.words, line.weights) = (first, weights.cast());
        line.records = memory.read(c.channels).cast();
        line.offsets = weights.wrapping_add(vectors as usize * 16 * CHANNELS).cast();
        (line.vectors, line.count) = (vectors, along.output as u32);
        (line.step, line.stride) =
            (along.output_step as u32, along.stride as u32 * POSITION as u32);
        line.zero = requant.zero;
        line.shifts = c.shifts.map_or(null(), |place| memory.read(place));
        line.shifts_step = u32::from(c.shifts.is_some());
        line.finish = finish(c.requant, c.shifts.is_some());
        (line.min, line.max) = (requant.min.into(), requant.max.into());
        let start = along.pad.max(0).min(self.positions);
        let end = along.pad.wrapping_add(along.input).max(start).min(self.positions);
        self.inside = [start, end];
    }

    /// Bytes of a result.
    fn result(&self) -> usize {
        if self.ties.is_none() && self.line.finish == Finish::Sums { size_of::<i32>() } else { 1 }
    }

    /// Computes the channels from `first` on of an image, and goes on to those behind them.
    ///
    /// # Safety
    /// They are channels of the convolution; tables and padding have been made.
    #[inline(always)]
    unsafe fn block(&mut self, first: usize) {
        let taps = self.across.kernel as usize * self.along.kernel as usize;
        let channels = (self.channels - first).min(CHANNELS);
        let weights = self.weights.wrapping_add(first * taps);
        self.line.channels = channels as u32;
        self.line.output = self.output.wrapping_add(first * self.result());
        // SAFETY: these channels' weights, and room for them.
        unsafe {
            expand(self.line.weights.cast_mut(), weights, taps, channels, &self.expansion());
        }
        let input = self.input.wrapping_add(first);
        for at in 0..self.across.output {
            // SAFETY: a line of these channels.
            unsafe {
                if self.words_along {
                    self.arrange_along(input, at);
                } else {
                    self.arrange_across(input, at);
                }
                match self.ties {
                    Some(requant) => self.by_sums(&requant),
                    None => line(&self.line),
                }
            }
            self.line.output = self.line.output.wrapping_add(self.across.output_step as usize);
        }
        self.line.records = self.line.records.wrapping_add(CHANNELS);
        let shifts = CHANNELS * self.line.shifts_step as usize;
        self.line.shifts = self.line.shifts.wrapping_add(shifts);
    }

    /// Computes a line by way of its sums.
    ///
    /// # Safety
    /// Words and constants of the line are in their places.
    #[inline(never)]
    unsafe fn by_sums(&mut self, requant: &Requant) {
        let sums = self.zeros().wrapping_add(16).cast::<i32>();
        let (output, step) = (self.line.output, self.line.step);
        (self.line.output, self.line.step) = (sums.cast(), POSITION as u32);
        // SAFETY: there is room for the sums of a line.
        unsafe { line(&self.line) };
        (self.line.output, self.line.step) = (output, step);
        // SAFETY: these sums have been computed.
        unsafe { ties(&self.line, requant, sums) };
    }

    /// How weights are expanded.
    fn expansion(&self) -> Expansion {
        let vectors = self.line.vectors as usize;
        let taps = self.line.offsets.cast::<u8>().wrapping_add(16 * vectors);
        Expansion { taps, masks: taps.wrapping_add(16 * vectors), vectors }
    }

    /// A vector of zero points.
    fn zeros(&self) -> *mut i8 {
        self.line.offsets.cast::<i8>().wrapping_add(3 * 16 * self.line.vectors as usize).cast_mut()
    }

    /// Makes the tables.
    ///
    /// # Safety
    /// Scratch is that of accepted parameters.
    #[inline(never)]
    unsafe fn tables(&self) {
        let (across, along) = (&self.across, &self.along);
        let Expansion { taps, masks, vectors } = self.expansion();
        let (mut array, mut column) = (0, 0);
        for word in 0..4 * vectors {
            let apart = if self.words_along { 4 * column } else { column };
            let position = array * self.room + apart * along.dilation as u32;
            let offset = if array < self.arrays { position * POSITION as u32 } else { 0 };
            // SAFETY: a word of the table.
            unsafe { *self.line.offsets.cast_mut().add(word) = offset };
            for i in 0..4 {
                let (a, b) = match self.words_along {
                    true => (array, 4 * column + i),
                    false => (4 * array + i, column),
                };
                let exists = a < across.kernel as u32 && b < along.kernel as u32;
                let tap = a * across.weights_step as u32 + b * along.weights_step as u32;
                let at = 4 * word + i as usize;
                // SAFETY: a byte of each table.
                unsafe {
                    *taps.cast_mut().add(at) = if exists { tap as u8 } else { 0 };
                    *masks.cast_mut().add(at) = if exists { 0xff } else { 0 };
                }
            }
            column += 1;
            if column == self.columns {
                (array, column) = (array + 1, 0);
            }
        }
        // SAFETY: a vector of scratch.
        unsafe { fill(self.zeros(), self.zero, 16) };
    }

    /// Makes the words of padding that no line changes.
    ///
    /// # Safety
    /// Scratch is that of accepted parameters.
    #[inline(never)]
    unsafe fn pad(&self) {
        if self.words_along {
            return;
        }
        let [first, last] = self.inside.map(|position| position as usize * POSITION);
        let end = self.positions as usize * POSITION;
        for array in 0..self.arrays {
            let words = self.words(array).cast::<i8>();
            // SAFETY: positions of the line.
            unsafe {
                fill(words, self.zero, first);
                fill(words.wrapping_add(last), self.zero, end - last);
            }
        }
    }

    /// The first word of a line.
    fn words(&self, array: u32) -> *mut u8 {
        self.line.words.wrapping_add((array * self.room) as usize * POSITION).cast_mut()
    }

    /// Makes the words of the line of outputs `at`, which lie across it, of channels whose input begins at
    /// `input`.
    ///
    /// # Safety
    /// They are the line's channels of an image of the convolution, and padding has been made.
    #[inline(never)]
    unsafe fn arrange_across(&self, input: *const i8, at: i32) {
        let (across, along) = (&self.across, &self.along);
        let [first, last] = self.inside;
        if first == last {
            return;
        }
        let start = (first - along.pad).wrapping_mul(along.input_step);
        let (zeros, mut row, mut tap) = (self.zeros(), across.origin(at), 0);
        let mut to = self.words(0).wrapping_add(first as usize * POSITION);
        for _ in 0..self.arrays {
            let mut sources = Sources {
                from: [zeros; 4],
                steps: [0; 4],
                count: (last - first) as usize,
                channels: self.line.channels as usize,
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
            // SAFETY: taps inside the input or the vector of zero points; words have room.
            unsafe { arrange(to, &sources) };
            to = to.wrapping_add(self.room as usize * POSITION);
        }
    }

    /// The same of words that lie along it.
    ///
    /// # Safety
    /// As for [`Lines::arrange_across`].
    #[inline(never)]
    unsafe fn arrange_along(&self, input: *const i8, at: i32) {
        for array in 0..self.arrays {
            let across = &self.across;
            let row = across.origin(at).wrapping_add(array as i32 * across.dilation);
            let line = input.wrapping_offset(row.wrapping_mul(across.input_step) as isize);
            // SAFETY: the caller's promise.
            unsafe { self.arrange_row(self.words(array), line, across.has(row)) };
        }
    }

    /// Makes the words along a kernel row, whose taps count as zero if it is not in the input.
    ///
    /// # Safety
    /// As for [`Lines::arrange_across`].
    #[inline(never)]
    unsafe fn arrange_row(&self, mut to: *mut u8, line: *const i8, exists: bool) {
        let (along, end, zeros) = (&self.along, self.positions, self.zeros());
        // The first tap's first position inside the input, and how many there are.
        let (pad, input) = if exists { (along.pad, along.input) } else { (i32::MAX, 0) };
        let mut position = 0;
        while position < end {
            let (mut until, mut at) = (end, position.wrapping_sub(pad));
            let channels = self.line.channels as usize;
            let mut sources = Sources { from: [zeros; 4], steps: [0; 4], count: 0, channels };
            for (from, step) in sources.from.iter_mut().zip(&mut sources.steps) {
                let mut left = end;
                if at < 0 {
                    left = at.wrapping_neg();
                } else if at < input {
                    left = input - at;
                    *from = line.wrapping_offset(at.wrapping_mul(along.input_step) as isize);
                    *step = along.input_step as usize;
                }
                until = until.min(position.saturating_add(left));
                at = at.wrapping_add(along.dilation);
            }
            sources.count = (until - position) as usize;
            // SAFETY: taps inside the input or the vector of zero points; words have room.
            unsafe { arrange(to, &sources) };
            to = to.wrapping_add(sources.count * POSITION);
            position = until;
        }
    }
}

/// Makes the results of a line of its sums.
///
/// # Safety
/// They are the sums of the line, and its constants and results are in their places.
#[inline(never)]
unsafe fn ties(line: &Line, requant: &Requant, sums: *const i32) {
    let shifts_step = if line.shifts_step == 0 { 0 } else { BLOCK };
    for output in 0..line.count as usize {
        let sums = Sums {
            sums: sums.wrapping_add(output * CHANNELS),
            records: line.records.cast(),
            // Four, even if all channels have the same.
            shifts: line.shifts,
            output: line.output.wrapping_add(output * line.step as usize),
            channels: line.channels as i32,
            shifts_step,
            offset: 2 * line.zero + 1,
            multiplier: size_of::<i32>(),
            multiplier_step: size_of::<[i32; 2]>(),
            min: line.min,
            max: line.max,
        };
        // SAFETY: sums, records and results of this output.
        unsafe { round(requant, sums) };
    }
}
