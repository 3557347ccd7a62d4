//! Parameters of `i8` convolutions whose constants are laid out for M-profile Vector Extension
//! (Helium), which multiplies 16 taps at once.

use serde::Serialize;

use super::check::{dense, nonzero, product};
use super::conv_i8::{element, rounded};
use super::{ConvI8, DepthwiseI8, Params};
use crate::{Access, AccessKind, Overlap, ParamError};

/// Bytes of a vector of taps.
const VECTOR: u32 = 16;
/// Channels of a block of weights.
pub const BLOCK: u32 = 4;
/// Bytes of taps that are gathered together, if those of the fewest pixels are less.
const GATHERED: u32 = 1024;
/// Fewest and most output pixels whose taps are gathered together.
const PIXELS: [u32; 2] = [8, 32];

/// [`ConvI8`] with other layouts of constants and scratch; the results are the same.
///
/// **Weights.** Taps are in their order. The channels of a group are stored in blocks of four; what is
/// left over, one by one. A block holds the first `K mod 16` taps of each of its channels, then the
/// next 16 taps of each, and so on; blocks follow each other. If `K < 16`, 16 more bytes are readable
/// behind the last block.
///
/// **Channels.** For each four channels of a group, filled up, their biases and then their
/// multipliers, as `i32`. `shifts` is a byte for each of them.
///
/// **Scratch.** Unless the input holds the taps of each pixel in order (`Vectors::step`), the taps
/// of some pixels (`Vectors::gathered`), each at a multiple of four bytes. Behind them, for a
/// rounding that needs sums, those of two pixels as `i32`, channels filled up to a multiple of four.
/// See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConvI8Mve<P> {
    /// Operands and geometry.
    pub conv: ConvI8<P>,
}

#[doc(hidden)]
impl<P> ConvI8Mve<P> {
    /// How taps and weights lie.
    pub fn vectors(&self) -> Vectors<'_, P> {
        Vectors { conv: &self.conv, bytes: 1 }
    }

    /// Where the record of a channel has its bias, in words behind the first one of its group; the
    /// multiplier is four words on.
    pub fn bias_at(channel: u32) -> u32 {
        channel / BLOCK * (2 * BLOCK) + channel % BLOCK
    }
}

/// How the taps and weights of a convolution lie for vectors of 16 bytes of taps.
#[doc(hidden)]
pub struct Vectors<'a, P> {
    /// Its geometry, in elements.
    pub conv: &'a ConvI8<P>,
    /// Bytes of an activation: 1 or 2.
    pub bytes: u32,
}

#[doc(hidden)]
impl<P> Vectors<'_, P> {
    /// Taps that are multiplied at once.
    pub fn taps(&self) -> u32 {
        VECTOR.checked_div(self.bytes).unwrap_or(VECTOR)
    }

    /// Bytes from a pixel's taps to the next one's where the input holds the taps of each output
    /// pixel in order, without padding, and pixels lie evenly.
    #[inline(never)]
    pub fn step(&self) -> Option<u32> {
        let c = self.conv;
        let whole = (c.stride_h, c.stride_w) == (1, 1)
            && (c.in_h, c.in_w) == (c.out_h, c.out_w)
            && (c.kernel_h, c.kernel_w) == (1, 1);
        let unpadded = (c.pad_top, c.pad_left) == (0, 0);
        if unpadded && whole {
            return c.groups.checked_mul(c.in_c)?.checked_mul(self.bytes);
        }
        let plain = unpadded && c.groups == 1 && (c.dilation_h, c.dilation_w) == (1, 1);
        // One line of pixels, along either axis; what lies across it belongs to each pixel.
        let (input, output, kernel, stride, across) = if (c.in_h, c.out_h, c.kernel_h) == (1, 1, 1)
        {
            (c.in_w, c.out_w, c.kernel_w, c.stride_w, 1)
        } else if c.out_w == 1 && c.kernel_w == c.in_w {
            (c.in_h, c.out_h, c.kernel_h, c.stride_h, c.in_w)
        } else {
            return None;
        };
        let wide = |a: u32, b: u32| u64::from(a).saturating_mul(u64::from(b));
        let inside = wide(output.saturating_sub(1), stride) + u64::from(kernel) <= u64::from(input);
        let even = c.batch == 1 || wide(output, stride) == u64::from(input);
        let step = stride.checked_mul(across)?.checked_mul(c.in_c)?.checked_mul(self.bytes)?;
        (plain && inside && even).then_some(step)
    }

    /// Bytes from the taps of a gathered pixel to those of the next, of accepted parameters.
    #[inline(always)]
    pub fn pitch(&self) -> u32 {
        self.conv.taps().wrapping_mul(self.bytes).wrapping_add(3) & !3
    }

    /// Pixels whose taps scratch has room for: none if they are not gathered, one if there is but
    /// one, else an even number.
    #[inline(always)]
    pub fn gathered(&self) -> u32 {
        if self.step().is_some() { 0 } else { self.gathered_of_any() }
    }

    /// The same if they are gathered.
    #[inline(always)]
    pub fn gathered_of_any(&self) -> u32 {
        match self.conv.pixels() {
            1 => 1,
            pixels => {
                let fitting = GATHERED.checked_div(self.pitch()).unwrap_or(0) & !1;
                (pixels & !1).min(fitting.clamp(PIXELS[0], PIXELS[1]))
            }
        }
    }

    /// Where a weight lies behind the first one of its group.
    pub fn weight_at(&self, channel: u32, tap: u32) -> u32 {
        let taps = self.conv.taps();
        let first = channel / BLOCK * BLOCK;
        let whole = self.conv.out_c.saturating_sub(first) >= BLOCK;
        let (first, lane, lanes) =
            if whole { (first, channel % BLOCK, BLOCK) } else { (channel, 0, 1) };
        let size = self.taps();
        let (base, part) = (first * taps, taps % size);
        if tap < part {
            return base + lane * part + tap;
        }
        let (vector, at) = ((tap - part) / size, (tap - part) % size);
        base + lanes * part + (vector * lanes + lane) * size + at
    }

    /// How results of so many bytes may lie over the operand. Pixels are computed in pairs, where they lie, and
    /// the last one perhaps once more.
    fn overlap(&self, result: u32) -> Overlap {
        let overlap = self.conv.overlap(&self.conv.slides(), result.min(4), [1, 2]);
        match (self.bytes, result, overlap.least()) {
            (1, ..) => overlap,
            (2, 1, Some((bytes, false))) => Overlap::behind(bytes.saturating_mul(2)),
            _ => Overlap::NEVER,
        }
    }

    /// Bytes of the sums in scratch.
    fn sums(&self) -> Result<u32, ParamError> {
        match self.conv.requant {
            Some(requant) if requant.rounding.needs_sums() => {
                product(&[2, rounded(self.conv.out_c, BLOCK)?, 4])
            }
            _ => Ok(0),
        }
    }
}

impl<P: Copy> Vectors<'_, P> {
    /// Every byte that the kernel touches.
    #[inline(never)]
    pub(super) fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let c = self.conv;
        nonzero(&[c.batch, c.in_c, c.out_c, c.groups])?;
        for slide in &c.slides() {
            slide.check()?;
        }
        let result = element(&c.requant, c.shifts.is_some())?;
        let bytes = if result == 1 { self.bytes } else { result };
        let channels = product(&[c.groups, rounded(c.out_c, BLOCK)?])?;
        let taps = product(&[c.kernel_h, c.kernel_w, c.in_c])?;
        product(&[c.batch, c.out_h, c.out_w])?;
        let input = dense(&[c.batch, c.in_h, c.in_w, c.groups, c.in_c, self.bytes])?;
        let output = dense(&[c.batch, c.out_h, c.out_w, c.groups, c.out_c, bytes])?;
        let mut weights = dense(&[c.groups, c.out_c, taps])?;
        weights.end += if taps < self.taps() { i64::from(self.taps()) } else { 0 };
        let overlap = self.overlap(result);
        visit(input.access(AccessKind::Read, c.input, self.bytes as usize).over(overlap));
        visit(weights.access(AccessKind::Read, c.weights, 4));
        visit(dense(&[channels, 8])?.access(AccessKind::Read, c.channels, 4));
        if let Some(place) = c.shifts {
            visit(dense(&[channels])?.access(AccessKind::Read, place, 1));
        }
        visit(output.access(AccessKind::Write, c.output, bytes as usize));
        let gathered = product(&[self.gathered(), rounded(product(&[taps, self.bytes])?, 4)?])?;
        let scratch = gathered.checked_add(self.sums()?).ok_or(ParamError::Overflow)?;
        visit(dense(&[scratch])?.access(AccessKind::Scratch, c.scratch, 4));
        Ok(())
    }
}

impl<P: Copy> Params<P> for ConvI8Mve<P> {
    type With<Q: Copy> = ConvI8Mve<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> ConvI8Mve<Q> {
        ConvI8Mve { conv: self.conv.map_places(f) }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        self.vectors().accesses(visit)
    }

    fn macs(&self) -> u64 {
        self.conv.macs()
    }
}

/// [`DepthwiseI8`] by lines with another layout of scratch, whose size does not depend on the number of
/// lines; constants and results are the same. At most 256 taps, and a multiplier of 1.
///
/// **Scratch.** Taps are combined to words of four, as [`DepthwiseI8Mve::words`] says. There are, one
/// behind the other: the words of a line of outputs, `[arrays][room][16 channels]`, four bytes each;
/// the weights of 16 channels, `vectors` of 16 bytes each; of 16 bytes for each vector of a channel,
/// four offsets of words, 16 taps, 16 masks; 16 bytes of `input_zero`; and for a rounding that needs
/// them, the sums of 16 channels and a line of outputs as `i32`. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DepthwiseI8Mve<P> {
    /// Operands and geometry.
    pub conv: DepthwiseI8<P>,
}

/// How the taps of a depthwise convolution are combined to words of four, and words to vectors.
///
/// Lines of outputs run along the longer side, as those of [`DepthwiseI8`]. A word holds four taps of
/// one position along it: those of four kernel rows across the line, or four along it, whichever
/// leaves fewer vectors.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthwiseWords {
    /// Whether the taps of a word lie along the line.
    pub along: bool,
    /// Lines of words: for four kernel rows each, or for one if words lie along the line.
    pub arrays: u32,
    /// Words of a line of words in an output.
    pub columns: u32,
    /// Vectors of an output: a quarter of its words.
    pub vectors: u32,
    /// Positions of a line of words.
    pub positions: u32,
    /// Those with room in scratch: for a number of outputs that is a multiple of four.
    pub room: u32,
}

/// Bytes from the words of a position to those of the next: of 16 channels.
const POSITION: u32 = 64;

#[doc(hidden)]
impl<P> DepthwiseI8Mve<P> {
    /// Whether the kernel has such sizes: tables of taps are bytes, and each channel has one result.
    pub fn fits(&self) -> bool {
        let taps = u64::from(self.conv.kernel_h) * u64::from(self.conv.kernel_w);
        taps <= 256 && self.conv.multiplier == 1
    }

    /// How taps become words, of accepted parameters.
    pub fn words(&self) -> DepthwiseWords {
        self.words_of_any().unwrap_or(DepthwiseWords {
            along: false,
            arrays: 0,
            columns: 0,
            vectors: 0,
            positions: 0,
            room: 0,
        })
    }

    fn words_of_any(&self) -> Result<DepthwiseWords, ParamError> {
        let [h, w] = self.conv.slides();
        let (across, along) = if self.conv.vertical() { (w, h) } else { (h, w) };
        let folded = |along_it: bool| {
            let [a, b] = if along_it {
                [across.kernel, along.kernel.div_ceil(4)]
            } else {
                [across.kernel.div_ceil(4), along.kernel]
            };
            (a.saturating_mul(b).div_ceil(4), a, b, along_it)
        };
        let (vectors, arrays, columns, along_it) = folded(false).min(folded(true));
        let apart = along.kernel_dilation.checked_mul(if along_it { 4 } else { 1 });
        let reach = |outputs: u32| {
            let last = outputs.checked_sub(1)?.checked_mul(along.stride)?;
            last.checked_add(columns.checked_sub(1)?.checked_mul(apart?)?)?.checked_add(1)
        };
        let positions = reach(along.output).ok_or(ParamError::Overflow)?;
        let room = reach(rounded(along.output, 4)?).ok_or(ParamError::Overflow)?;
        Ok(DepthwiseWords { along: along_it, arrays, columns, vectors, positions, room })
    }

    /// Bytes of scratch.
    fn scratch(&self) -> Result<u32, ParamError> {
        let (words, c) = (self.words_of_any()?, &self.conv);
        let tables = product(&[words.vectors, 16, 19])?.checked_add(16);
        let ties = c.requant.is_some_and(|requant| requant.rounding.needs_sums());
        let sums = if ties { product(&[c.out_h.max(c.out_w), POSITION])? } else { 0 };
        product(&[words.arrays, words.room, POSITION])?
            .checked_add(tables.ok_or(ParamError::Overflow)?)
            .and_then(|bytes| bytes.checked_add(sums))
            .ok_or(ParamError::Overflow)
    }
}

impl<P: Copy> Params<P> for DepthwiseI8Mve<P> {
    type With<Q: Copy> = DepthwiseI8Mve<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> DepthwiseI8Mve<Q> {
        DepthwiseI8Mve { conv: self.conv.map_places(f) }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        if !self.fits() {
            return Err(ParamError::Mismatch);
        }
        self.conv.accesses(&mut |_| ())?;
        let scratch = dense(&[self.scratch()?])?;
        // Each line of outputs reads all of its taps.
        let overlap = self.conv.overlap(true);
        self.conv.accesses(&mut |access| {
            visit(match access.kind {
                AccessKind::Scratch => scratch.access(AccessKind::Scratch, access.place, 4),
                AccessKind::Read if access.overlap != Overlap::NEVER => access.over(overlap),
                _ => access,
            });
        })
    }

    fn macs(&self) -> u64 {
        self.conv.macs()
    }
}

/// Packing of constants, for the compiler.
#[cfg(feature = "std")]
mod pack {
    use std::vec;
    use std::vec::Vec;

    use super::{BLOCK, ConvI8Mve, Vectors};
    use crate::kernels::ConvI16Mve;

    /// Implements the packing of a convolution's constants.
    macro_rules! pack {
        ($ty:ident) => {
            #[doc(hidden)]
            impl<P> $ty<P> {
                /// The packed weights of accepted parameters, from a function that gives the weight of
                /// group, output channel of the group, and tap: `(row * kernel_w + column) * in_c +
                /// channel`.
                pub fn pack_weights(&self, weight: &mut dyn FnMut(u32, u32, u32) -> i8) -> Vec<u8> {
                    self.vectors().pack_weights(weight)
                }

                /// The records of bias and multiplier, from a function that gives those of group and
                /// output channel of the group.
                pub fn pack_channels(
                    &self,
                    channel: &mut dyn FnMut(u32, u32) -> (i32, i32),
                ) -> Vec<u8> {
                    pack_records(self.conv.groups, self.conv.out_c, channel)
                }

                /// The shifts, from a function that gives that of group and output channel of the group.
                pub fn pack_shifts(&self, shift: &mut dyn FnMut(u32, u32) -> u8) -> Vec<u8> {
                    let channels = self.conv.out_c;
                    (0..self.conv.groups)
                        .flat_map(|g| (0..channels.next_multiple_of(BLOCK)).map(move |c| (g, c)))
                        .map(|(g, c)| shift(g, c.min(channels - 1)))
                        .collect()
                }
            }
        };
    }

    pack!(ConvI8Mve);
    pack!(ConvI16Mve);

    #[doc(hidden)]
    impl<P> Vectors<'_, P> {
        fn pack_weights(&self, weight: &mut dyn FnMut(u32, u32, u32) -> i8) -> Vec<u8> {
            let (taps, channels) = (self.conv.taps(), self.conv.out_c);
            let spare = if taps < self.taps() { self.taps() } else { 0 };
            let mut bytes = vec![0; (self.conv.groups * channels * taps + spare) as usize];
            for group in 0..self.conv.groups {
                for channel in 0..channels {
                    for tap in 0..taps {
                        let at = group * channels * taps + self.weight_at(channel, tap);
                        bytes[at as usize] = weight(group, channel, tap) as u8;
                    }
                }
            }
            bytes
        }
    }

    /// Biases and multipliers of each four channels; the last are copies of their neighbour.
    fn pack_records(
        groups: u32,
        channels: u32,
        record: &mut dyn FnMut(u32, u32) -> (i32, i32),
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        for group in 0..groups {
            for first in (0..channels).step_by(BLOCK as usize) {
                let block = [0, 1, 2, 3].map(|c| record(group, (first + c).min(channels - 1)));
                bytes.extend(block.iter().flat_map(|record| record.0.to_le_bytes()));
                bytes.extend(block.iter().flat_map(|record| record.1.to_le_bytes()));
            }
        }
        bytes
    }
}
