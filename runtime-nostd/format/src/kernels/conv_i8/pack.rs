//! Packing of constants, for the compiler.

use std::vec;
use std::vec::Vec;

use super::{ConvI8, DepthwiseI8, DepthwiseLayout};
use crate::kernels::ConvI16;

#[doc(hidden)]
impl<P> ConvI16<P> {
    /// As [`ConvI8::pack_weights`].
    pub fn pack_weights(&self, weight: &mut dyn FnMut(u32, u32, u32) -> i8) -> Vec<u8> {
        self.conv.pack_taps(&|tap| tap, weight)
    }
}

#[doc(hidden)]
impl<P> ConvI8<P> {
    /// The packed weights of accepted parameters, from a function that gives the weight of
    /// group, output channel of the group, and tap: `(row * kernel_w + column) * in_c +
    /// channel`.
    pub fn pack_weights(&self, weight: &mut dyn FnMut(u32, u32, u32) -> i8) -> Vec<u8> {
        self.pack_taps(&|tap| self.stored_tap(tap), weight)
    }

    /// The same with taps stored where a function says.
    fn pack_taps(
        &self,
        stored: &dyn Fn(u32) -> u32,
        weight: &mut dyn FnMut(u32, u32, u32) -> i8,
    ) -> Vec<u8> {
        let pairs = self.tap_pairs();
        let packed = self.out_c.next_multiple_of(2);
        let mut bytes = vec![0; (self.groups * packed * pairs * 2) as usize];
        for group in 0..self.groups {
            let mut first = 0;
            while first < self.out_c {
                let block = self.block(first);
                let base = (group * packed + first) * pairs * 2;
                for channel in first..self.out_c.min(first + block) {
                    for tap in 0..self.taps() {
                        let (stored, lane) = (stored(tap), channel - first);
                        let pair = base + (stored / 2 * block + (lane & !1)) * 2;
                        let at = pair + (stored % 2) * 2 + lane % 2;
                        bytes[at as usize] = weight(group, channel, tap) as u8;
                    }
                }
                first += block;
            }
        }
        bytes
    }

    /// The records of bias and multiplier, from a function that gives those of group and
    /// output channel of the group.
    pub fn pack_channels(&self, channel: &mut dyn FnMut(u32, u32) -> (i32, i32)) -> Vec<u8> {
        pack_records(self.groups, self.out_c, &mut |group, c| {
            let (bias, multiplier) = channel(group, c);
            [bias.to_le_bytes(), multiplier.to_le_bytes()].concat()
        })
    }

    /// The shifts, from a function that gives that of group and output channel of the group.
    pub fn pack_shifts(&self, shift: &mut dyn FnMut(u32, u32) -> u8) -> Vec<u8> {
        pack_records(self.groups, self.out_c, &mut |group, c| vec![shift(group, c)])
    }
}

#[doc(hidden)]
impl<P> DepthwiseI8<P> {
    /// Output channels.
    fn outputs(&self) -> u32 {
        self.channels_count * self.multiplier
    }

    /// The packed weights, from a function that gives the weight of output channel and tap:
    /// `row * kernel_w + column`.
    pub fn pack_weights(&self, weight: &mut dyn FnMut(u32, u32) -> i8) -> Vec<u8> {
        let (taps, channels) = (self.kernel_h * self.kernel_w, self.outputs());
        let blocked = channels.next_multiple_of(4);
        let mut bytes = vec![0; (blocked * taps) as usize];
        for c in 0..channels {
            for tap in 0..taps {
                let at = match self.layout {
                    DepthwiseLayout::Lines(_) => c * taps + tap,
                    DepthwiseLayout::Taps => tap * blocked + c,
                };
                bytes[at as usize] = weight(c, tap) as u8;
            }
        }
        bytes
    }

    /// The records of bias and multiplier, from a function that gives those of a channel.
    pub fn pack_channels(&self, channel: &mut dyn FnMut(u32) -> (i32, i32)) -> Vec<u8> {
        pack_records(1, self.outputs(), &mut |_, c| {
            let (bias, multiplier) = channel(c);
            [bias.to_le_bytes(), multiplier.to_le_bytes()].concat()
        })
    }

    /// The shifts, from a function that gives that of a channel.
    pub fn pack_shifts(&self, shift: &mut dyn FnMut(u32) -> u8) -> Vec<u8> {
        pack_records(1, self.outputs(), &mut |_, c| vec![shift(c)])
    }
}

/// Records of channels, an even number for each group; the last may be a copy of its
/// neighbour.
fn pack_records(
    groups: u32,
    channels: u32,
    record: &mut dyn FnMut(u32, u32) -> Vec<u8>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    for group in 0..groups {
        for c in 0..channels.next_multiple_of(2) {
            bytes.extend(record(group, c.min(channels - 1)));
        }
    }
    bytes
}
