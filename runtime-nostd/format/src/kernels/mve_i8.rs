//! Parameters of `i8` convolutions whose constants are laid out for M-profile Vector Extension
//! (Helium), which multiplies 16 taps at once.

use serde::Serialize;

use super::check::{dense, nonzero, product};
use super::conv_i8::{element, rounded};
use super::{ConvI8, Params};
use crate::{Access, AccessKind, ParamError};

/// Taps that are multiplied at once.
pub const VECTOR: u32 = 16;
/// Channels of a block of weights.
pub const BLOCK: u32 = 4;
/// Most output pixels whose taps are gathered together.
const GATHERED: u32 = 8;

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
/// **Scratch.** Unless the input holds the taps of each pixel in order ([`ConvI8Mve::step`]), the taps
/// of up to eight pixels, each at a multiple of four bytes. Behind them, if ties go to even, the sums
/// of two pixels as `i32`, channels filled up to a multiple of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConvI8Mve<P> {
    /// Operands and geometry.
    pub conv: ConvI8<P>,
}

impl<P> ConvI8Mve<P> {
    /// Bytes from a pixel's taps to the next one's where the input holds the taps of each output
    /// pixel in order, without padding, and pixels lie evenly.
    pub fn step(&self) -> Option<u32> {
        let c = &self.conv;
        let whole = (c.stride_h, c.stride_w) == (1, 1)
            && (c.in_h, c.in_w) == (c.out_h, c.out_w)
            && (c.kernel_h, c.kernel_w) == (1, 1);
        let unpadded = (c.pad_top, c.pad_left) == (0, 0);
        if unpadded && whole {
            return c.groups.checked_mul(c.in_c);
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
        let step = stride.checked_mul(across)?.checked_mul(c.in_c)?;
        (plain && inside && even).then_some(step)
    }

    /// Bytes from the taps of a gathered pixel to those of the next, of accepted parameters.
    pub fn pitch(&self) -> u32 {
        self.conv.taps().wrapping_add(3) & !3
    }

    /// Pixels whose taps scratch has room for: none if they are not gathered, one if there is but
    /// one, else an even number.
    pub fn gathered(&self) -> u32 {
        match (self.step(), self.conv.pixels()) {
            (Some(_), _) => 0,
            (None, 1) => 1,
            (None, pixels) => (pixels & !1).min(GATHERED),
        }
    }

    /// Where a weight lies behind the first one of its group.
    pub fn weight_at(&self, channel: u32, tap: u32) -> u32 {
        let taps = self.conv.taps();
        let first = channel / BLOCK * BLOCK;
        let whole = self.conv.out_c.saturating_sub(first) >= BLOCK;
        let (first, lane, lanes) =
            if whole { (first, channel % BLOCK, BLOCK) } else { (channel, 0, 1) };
        let (base, part) = (first * taps, taps % VECTOR);
        if tap < part {
            return base + lane * part + tap;
        }
        let (vector, at) = ((tap - part) / VECTOR, (tap - part) % VECTOR);
        base + lanes * part + (vector * lanes + lane) * VECTOR + at
    }

    /// Where the record of a channel has its bias, in words behind the first one of its group; the
    /// multiplier is four words on.
    pub fn bias_at(channel: u32) -> u32 {
        channel / BLOCK * (2 * BLOCK) + channel % BLOCK
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

impl<P: Copy> Params<P> for ConvI8Mve<P> {
    type With<Q: Copy> = ConvI8Mve<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> ConvI8Mve<Q> {
        ConvI8Mve { conv: self.conv.map_places(f) }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let c = &self.conv;
        nonzero(&[c.batch, c.in_c, c.out_c, c.groups])?;
        for slide in &c.slides() {
            slide.check()?;
        }
        let bytes = element(&c.requant, c.shifts.is_some())?;
        let channels = product(&[c.groups, rounded(c.out_c, BLOCK)?])?;
        let taps = product(&[c.kernel_h, c.kernel_w, c.in_c])?;
        product(&[c.batch, c.out_h, c.out_w])?;
        let input = dense(&[c.batch, c.in_h, c.in_w, c.groups, c.in_c])?;
        let output = dense(&[c.batch, c.out_h, c.out_w, c.groups, c.out_c, bytes])?;
        let mut weights = dense(&[c.groups, c.out_c, taps])?;
        weights.end += if taps < VECTOR { i64::from(VECTOR) } else { 0 };
        visit(input.access(AccessKind::Read, c.input, 1));
        visit(weights.access(AccessKind::Read, c.weights, 4));
        visit(dense(&[channels, 8])?.access(AccessKind::Read, c.channels, 4));
        if let Some(place) = c.shifts {
            visit(dense(&[channels])?.access(AccessKind::Read, place, 1));
        }
        visit(output.access(AccessKind::Write, c.output, bytes as usize));
        let gathered = product(&[self.gathered(), rounded(taps, 4)?])?;
        let scratch = gathered.checked_add(self.sums()?).ok_or(ParamError::Overflow)?;
        visit(dense(&[scratch])?.access(AccessKind::Scratch, c.scratch, 4));
        Ok(())
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

    use super::{BLOCK, ConvI8Mve, VECTOR};

    impl<P> ConvI8Mve<P> {
        /// The packed weights of accepted parameters, from a function that gives the weight of
        /// group, output channel of the group, and tap: `(row * kernel_w + column) * in_c +
        /// channel`.
        pub fn pack_weights(&self, weight: &mut dyn FnMut(u32, u32, u32) -> i8) -> Vec<u8> {
            let (taps, channels) = (self.conv.taps(), self.conv.out_c);
            let spare = if taps < VECTOR { VECTOR } else { 0 };
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

        /// The records of bias and multiplier, from a function that gives those of group and output
        /// channel of the group.
        pub fn pack_channels(&self, channel: &mut dyn FnMut(u32, u32) -> (i32, i32)) -> Vec<u8> {
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
