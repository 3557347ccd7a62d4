//! Parts of kernels that only some of their steps need.

use core::fmt;

use super::{Requant, Rounding};
use crate::KernelId;

/// A set of parts of a kernel. Firmware links those that the steps of its model need.
///
/// ```
/// use microhlo_format::kernels::Parts;
///
/// let parts = Parts::STRIDE_1.and(Parts::DILATION);
/// assert_eq!(parts.to_string(), "a stride of 1, dilation");
/// assert!(parts.has(Parts::DILATION) && !parts.has(Parts::STRIDE_2));
/// assert_eq!(parts.without(Parts::DILATION), Parts::STRIDE_1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Parts(pub u32);

/// Makes a constant for each part: one bit each.
macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $text:literal;)*) => {
        impl Parts {
            $($(#[$doc])* pub const $name: Parts = Parts(1 << $bit);)*

            /// Bits and names of all parts.
            const NAMES: &'static [(Parts, &'static str)] = &[$((Parts::$name, $text)),*];
        }
    };
}

parts! {
    /// Four pixels at a time.
    FOUR_PIXELS = 0, "four pixels at a time";
    /// One pixel at a time.
    ONE_PIXEL = 1, "one pixel at a time";
    /// Two pixels at a time, for the last of few.
    TWO_PIXELS = 2, "two pixels at a time";
    /// Taps that are stored in the order 0, 2, 1, 3.
    TAPS_BY_FOURS = 3, "runs of a multiple of four taps";
    /// Taps that are stored in their order.
    TAPS_IN_ORDER = 4, "runs of any number of taps";
    /// Taps of a kernel row that are not adjacent.
    TAPS_APART = 5, "taps of a row that are apart";
    /// Channels that do not fill a block.
    CHANNELS_LEFT = 6, "channels that do not fill a block";
    /// Sums as results, and roundings other than [`Rounding::Up`].
    ROUNDINGS = 7, "sums, and roundings other than up";
    /// Results clamped to less than what saturation leaves.
    BOUNDS = 8, "bounds of results";
    /// Shifts of other than 33.
    SHIFTS = 9, "shifts";
    /// A stride of 1 along lines.
    STRIDE_1 = 10, "a stride of 1";
    /// A stride of 2 along lines.
    STRIDE_2 = 11, "a stride of 2";
    /// Functions for few pixels and lines that save instructions. No step needs them; stages of chains,
    /// which compute few at a time, link them.
    STRIPS = 12, "functions for strips";
    /// Several groups of channels.
    GROUPS = 13, "groups";
    /// Several results of each channel.
    MULTIPLES = 14, "several results of each channel";
    /// Several images.
    IMAGES = 15, "several images";
    /// Taps of a convolution that are apart in one direction or both.
    DILATION = 16, "dilation";
}

impl Parts {
    /// No part.
    pub const NONE: Parts = Parts(0);
    /// Every part.
    pub const ALL: Parts = Parts(u32::MAX);

    /// Those of both sets. See the example of [`Parts`].
    #[must_use]
    pub const fn and(self, other: Parts) -> Parts {
        Parts(self.0 | other.0)
    }

    /// Those that the other set does not have. See the example of [`Parts`].
    #[must_use]
    pub const fn without(self, other: Parts) -> Parts {
        Parts(self.0 & !other.0)
    }

    /// Whether any part is in both sets. See the example of [`Parts`].
    pub const fn has(self, other: Parts) -> bool {
        self.0 & other.0 != 0
    }

    /// The set if something holds, else none.
    #[must_use]
    #[inline(always)]
    pub(super) const fn only_if(self, holds: bool) -> Parts {
        if holds { self } else { Parts::NONE }
    }

    /// What results need.
    #[inline(never)]
    pub(super) fn of_results(requant: &Option<Requant>) -> Parts {
        let Some(r) = requant else { return Parts::ROUNDINGS };
        let whole = (r.min, r.max) == (i8::MIN, i8::MAX);
        Parts::ROUNDINGS.only_if(r.rounding != Rounding::Up).and(Parts::BOUNDS.only_if(!whole))
    }
}

#[doc(hidden)]
impl KernelId {
    /// Whether firmware can link some parts of the kernel: its module in the runtime has a function
    /// `entry`.
    pub const fn has_parts(self) -> bool {
        matches!(self, KernelId::conv_i8 | KernelId::depthwise_three_i8 | KernelId::pool_i8)
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (_, name) in Parts::NAMES.iter().filter(|(part, _)| self.has(*part)) {
            write!(f, "{separator}{name}")?;
            separator = ", ";
        }
        Ok(())
    }
}
