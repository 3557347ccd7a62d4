//! Where a kernel's operand lies, before and after memory planning.

use serde::{Serialize, Serializer};

/// A memory region that kernels address. See the example of [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
// A word, so that places have no padding, which would be left out when they are copied.
#[repr(u32)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Region {
    /// The artifact's constant section, read in place. Never written.
    Const = 0,
    /// The caller's arena, the first if there are several.
    Arena = 1,
    /// An input that the caller feeds row by row: nothing but the manifest names it. The offset is that of
    /// its window in the arena.
    Stream = 2,
    /// An input that keeps what the last run left in it: nothing but the manifest names it. The offset is
    /// that in the arena.
    State = 3,
    /// The second of several arenas.
    Arena1 = 4,
    /// The third.
    Arena2 = 5,
    /// The fourth.
    Arena3 = 6,
}

impl Region {
    /// How many there are; their codes go from 0 on.
    pub const COUNT: usize = Region::Arena3 as usize + 1;
    /// The arenas of a model, in the order of the artifact's table.
    pub const ARENAS: [Region; 4] = [Region::Arena, Region::Arena1, Region::Arena2, Region::Arena3];

    /// Which arena it is, or lies in; constants are in none. See the example of [`Place`].
    pub const fn arena(self) -> Option<usize> {
        match self {
            Region::Const => None,
            Region::Arena | Region::Stream | Region::State => Some(0),
            Region::Arena1 => Some(1),
            Region::Arena2 => Some(2),
            Region::Arena3 => Some(3),
        }
    }
}

/// An allegation: a byte offset into a region that nobody has checked yet.
///
/// Only the loader's bounds check turns a place into memory. In the artifact a place is one
/// varint, `offset << 3 | region`; region 7 is reserved.
///
/// ```
/// use microhlo_format::{Place, Region};
///
/// assert_eq!(Place::arena(16), Place { region: Region::Arena, offset: 16 });
/// assert_eq!(Place::constant(0).region, Region::Const);
/// // Inputs that are fed, and those that keep what a run left, lie in the first arena.
/// assert_eq!((Place::stream(64).region, Place::state(0).region), (Region::Stream, Region::State));
/// assert_eq!(Region::Stream.arena(), Some(0));
/// assert_eq!(Region::ARENAS.map(Region::arena), [Some(0), Some(1), Some(2), Some(3)]);
/// assert_eq!((Region::Const.arena(), Region::COUNT), (None, 7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The region.
    pub region: Region,
    /// Byte offset from the region's start.
    pub offset: u32,
}

impl Place {
    /// A place in the arena. See the example of [`Place`].
    pub const fn arena(offset: u32) -> Place {
        Place { region: Region::Arena, offset }
    }

    /// The place of an input that is fed. See the example of [`Place`].
    pub const fn stream(offset: u32) -> Place {
        Place { region: Region::Stream, offset }
    }

    /// The place of an input that keeps what the last run left in it. See the example of [`Place`].
    pub const fn state(offset: u32) -> Place {
        Place { region: Region::State, offset }
    }

    /// A place in the constant section. See the example of [`Place`].
    pub const fn constant(offset: u32) -> Place {
        Place { region: Region::Const, offset }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(u64::from(self.offset) << 3 | self.region as u64)
    }
}

/// How a kernel touches an operand. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// A word, as for regions.
#[repr(u32)]
pub enum AccessKind {
    /// Only read.
    Read,
    /// Written; old contents are not read.
    Write,
    /// Private working memory for the duration of the step.
    Scratch,
}

/// The memory that a kernel touches through one operand.
///
/// An empty access (`start == end`) touches nothing; its place is not checked.
/// See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access<P> {
    /// Read, written or scratch.
    pub kind: AccessKind,
    /// The operand.
    pub place: P,
    /// First byte touched, relative to the place; negative for reversed strides.
    pub start: i64,
    /// One past the last byte touched, relative to the place.
    pub end: i64,
    /// Alignment in bytes that the kernel relies on, a power of two of at most 16.
    pub align: u8,
    /// Of a read operand: where results may share bytes with it. Of a written one: whether it may share
    /// bytes with read ones at all.
    pub overlap: Overlap,
}

impl<P> Access<P> {
    /// The access with another overlap.
    ///
    /// ```
    /// use microhlo_format::{Access, AccessKind, Overlap};
    ///
    /// let (start, end, overlap) = (0, 64, Overlap::NEVER);
    /// let read = Access { kind: AccessKind::Read, place: "x", start, end, align: 4, overlap };
    /// assert!(read.over(Overlap::IN_PLACE).overlap.allows(0) && !read.overlap.allows(0));
    /// ```
    pub fn over(self, overlap: Overlap) -> Access<P> {
        Access { overlap, ..self }
    }
}

/// Where a result may lie over an operand: how far the first byte of the operand is behind the first
/// byte of the result. A kernel's writes never overtake its reads then.
///
/// ```
/// use microhlo_format::Overlap;
///
/// // The operand begins 8 bytes behind the result, or more.
/// let behind = Overlap::behind(8);
/// assert!(behind.allows(8) && behind.allows(12) && !behind.allows(0));
/// assert_eq!((behind.least(), behind.row()), (Some((8, false)), None));
/// // In place, or a row of 32 bytes behind.
/// let rows = Overlap::in_rows(32);
/// assert!(rows.allows(0) && rows.allows(32) && !rows.allows(16));
/// assert_eq!((rows.least(), rows.row()), (Some((0, true)), Some(32)));
/// assert_eq!(Overlap::NEVER.least(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap(i32);

impl Overlap {
    /// Nowhere.
    pub const NEVER: Overlap = Overlap(i32::MAX);
    /// Both have the same first byte.
    pub const IN_PLACE: Overlap = Overlap(i32::MIN);

    /// The operand's first byte is so many bytes behind the result's, or more. See the example of [`Overlap`].
    pub const fn behind(bytes: u32) -> Overlap {
        if bytes > i32::MAX as u32 { Overlap::NEVER } else { Overlap(bytes as i32) }
    }

    /// Both have the same first byte, or the operand's is a row of so many bytes, at least one, behind.
    /// See the example of [`Overlap`].
    pub const fn in_rows(bytes: u32) -> Overlap {
        if bytes > i32::MAX as u32 { Overlap::IN_PLACE } else { Overlap(-(bytes as i32)) }
    }

    /// The least distance, unless there is none; whether it is the only one for results that are not rows.
    /// See the example of [`Overlap`].
    pub const fn least(self) -> Option<(u32, bool)> {
        match self.0 {
            i32::MAX => None,
            ..0 => Some((0, true)),
            bytes => Some((bytes as u32, false)),
        }
    }

    /// The bytes of the row that the operand may be behind. See the example of [`Overlap`].
    pub const fn row(self) -> Option<u32> {
        if self.0 < 0 && self.0 != i32::MIN { Some(self.0.unsigned_abs()) } else { None }
    }

    /// Whether an operand may have its first byte so many bytes behind that of a result.
    /// See the example of [`Overlap`].
    pub const fn allows(self, bytes: i32) -> bool {
        if bytes == 0 {
            self.0 <= 0
        } else {
            bytes.wrapping_neg() == self.0 || self.0 >= 0 && bytes >= self.0
        }
    }
}

/// Why parameters of a kernel make no sense, whatever memory they are given.
///
/// ```
/// use microhlo_format::kernels::Fill;
/// use microhlo_format::{Kernel, ParamError, Place};
///
/// // There are no elements of 3 bytes.
/// let (value, output) = (Place::constant(0), Place::arena(0));
/// let fill = Kernel::fill(Fill { value, output, element: 3, count: 4 });
/// assert_eq!(fill.accesses(&mut |_| ()), Err(ParamError::BadCode));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ParamError {
    /// A size that must be at least one is zero.
    Zero,
    /// A product or sum of sizes exceeds 32 bits.
    Overflow,
    /// Two sizes that must agree do not.
    Mismatch,
    /// A register, opcode or enum value is out of range.
    BadCode,
}

impl core::fmt::Display for ParamError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            ParamError::Zero => "a size is zero",
            ParamError::Overflow => "a size exceeds 32 bits",
            ParamError::Mismatch => "two sizes or strides do not agree",
            ParamError::BadCode => "a register, operation or enum value is out of range",
        })
    }
}

impl core::error::Error for ParamError {}
