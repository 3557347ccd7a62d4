//! Depthwise convolutions in assembly: the channels of a pixel, tap by tap.

use core::ptr::{null, null_mut};

use microhlo_format::kernels::Rounding;

use super::super::i8_block::{Axis, CHANNELS, Depthwise, Results, Span};
#[cfg(all(cortex_m_dsp, not(cortex_m_mve)))]
use super::dsp_channels::channels;
#[cfg(cortex_m_mve)]
use super::mve_channels::channels;
#[cfg(rv32_tiles)]
use super::rv32_channels::channels;
use super::{BYTES, Wide};

/// Channels of a pixel, and their taps inside the image: lines at equal distances. What goes on with channels is
/// that of the next pixel's only once it is set anew.
#[repr(C)]
pub(super) struct Channels {
    /// The first channel of the first tap, and its weight.
    pub from: *const i8,
    pub weights: *const i8,
    /// Bytes from a tap to the next of its line, and from its weights.
    pub step: usize,
    pub next: usize,
    /// Bytes from behind the taps of a line to those of the next line, and from behind their weights.
    pub skip: usize,
    pub weights_skip: usize,
    /// Taps of a line for vectors, else the bytes of their weights; at least one tap.
    pub line: usize,
    /// Lines, at least one.
    pub lines: usize,
    /// Bias and multiplier of the channels.
    pub records: *const [i32; 2],
    pub shifts: *const u8,
    /// Bytes from a shift to the next: none if channels share one.
    pub shift_step: usize,
    pub output: *mut u8,
    /// Channels, at least one: by vectors of any number, else a multiple of four.
    pub count: usize,
    /// The zero point doubled, plus one.
    pub offset: i32,
    /// Limits: in both halves where two results are limited together.
    pub min: i32,
    pub max: i32,
}

/// An axis with the first tap of a pixel on it, and which of them are inside.
pub(super) type Seen<'a> = (&'a Axis, i32, &'a Span);

impl Channels {
    /// Whether assembly computes the channels of a pixel.
    pub fn exist(conv: &Depthwise, wide: &Wide) -> bool {
        let enough = cfg!(cortex_m_mve) || conv.channels >= CHANNELS;
        enough && wide.results.requant.is_some_and(|r| r.rounding == Rounding::Up)
    }

    /// What an image's pixels have in common, if there are such; `shift` is to be the shared shift.
    pub fn new(conv: &Depthwise, wide: &Wide, shift: &mut u8) -> Option<Channels> {
        let requant = wide.results.requant.filter(|_| Channels::exist(conv, wide))?;
        *shift = requant.shift;
        let limit = |n: i32| {
            let both = cfg!(all(cortex_m_dsp, not(cortex_m_mve)));
            if both { (n << 16) | (n & 0xffff) } else { n }
        };
        Some(Channels {
            from: null(),
            weights: null(),
            step: 0,
            next: 0,
            skip: 0,
            weights_skip: 0,
            line: 0,
            lines: 0,
            records: null(),
            shifts: null(),
            shift_step: usize::from(!wide.results.shifts.is_null()),
            output: null_mut(),
            count: 0,
            offset: requant.zero.wrapping_mul(2).wrapping_add(1),
            min: limit(wide.min),
            max: limit(wide.max),
        })
    }

    /// Computes the channels of a pixel of the image at `input`, whose results are at `output`.
    ///
    /// # Safety
    /// The convolution is that of accepted parameters, with the pixel, which has taps inside the image; those
    /// outside add nothing.
    pub unsafe fn compute(
        &mut self,
        conv: &Depthwise,
        results: &Results,
        (input, output, shift): (*const i8, *mut u8, &u8),
        [across, along]: [Seen<'_>; 2],
    ) {
        // Few lines of many taps: along the longer side of the kernel.
        let swap = across.0.kernel > along.0.kernel;
        let (across, along) = if swap { (along, across) } else { (across, along) };
        let taps = along.2.inside as usize;
        let row = conv.channels.next_multiple_of(CHANNELS);
        let [(from, first), (more, second)] = [across, along].map(|(axis, origin, span)| {
            let at = origin.wrapping_add(span.before.wrapping_mul(axis.dilation));
            (at.wrapping_mul(axis.input_step), span.before.wrapping_mul(axis.weights_step))
        });
        self.from = input.wrapping_offset(from.wrapping_add(more) as isize);
        self.weights = conv.weights.wrapping_add((first + second) as usize * row);
        self.step = along.0.dilation.wrapping_mul(along.0.input_step) as usize;
        self.next = along.0.weights_step as usize * row;
        let line = across.0.dilation.wrapping_mul(across.0.input_step) as usize;
        self.skip = line.wrapping_sub(taps.wrapping_mul(self.step));
        let bytes = taps.wrapping_mul(self.next);
        self.weights_skip = (across.0.weights_step as usize * row).wrapping_sub(bytes);
        self.line = if cfg!(cortex_m_mve) { taps } else { bytes };
        self.lines = across.2.inside as usize;
        let whole = if cfg!(cortex_m_mve) { 1 } else { CHANNELS };
        self.records = results.channels;
        self.shifts = if self.shift_step == 0 { shift } else { results.shifts };
        self.output = output;
        self.count = conv.channels & !(whole - 1);
        let rest = conv.channels - self.count;
        // SAFETY: the caller's promise.
        unsafe { channels(self) };
        if rest > 0 {
            // The last four, some of them once more.
            let (first, again) = (conv.channels - whole, whole - rest);
            self.from = self.from.wrapping_sub(again * BYTES);
            self.weights = self.weights.wrapping_sub(again);
            self.records = results.channels.wrapping_add(first);
            self.shifts = match self.shift_step {
                0 => shift,
                step => results.shifts.wrapping_add(first * step),
            };
            self.output = output.wrapping_add(first * BYTES);
            self.count = whole;
            // SAFETY: the caller's promise; taps and weights have gone on behind the channels before.
            unsafe { channels(self) };
        }
    }
}

const _: () = assert!(BYTES == 2 && CHANNELS == 4);
