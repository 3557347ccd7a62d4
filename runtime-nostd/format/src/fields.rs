//! Reading of encoded values one after another.
//!
//! The encoding is postcard's: unsigned integers as varints, signed ones zigzag, bytes as they are,
//! the fields of a struct in declaration order. `serde` would read it as well, with a copy of the code
//! for every type, which is most of a loader's flash.

use crate::{DType, MicroId, Place, Region, Target};

/// Encoded values, taken one after another.
///
/// What does not decode is a zero, and so is everything after it: whoever takes values asks once at
/// their end whether they were [`good`](Fields::good).
#[derive(Clone, Copy, Debug)]
pub struct Fields<'b> {
    rest: &'b [u8],
    /// How many bytes were left where it failed.
    failed: Option<usize>,
}

impl<'b> Fields<'b> {
    /// The values that `bytes` starts with.
    pub const fn new(bytes: &'b [u8]) -> Fields<'b> {
        Fields { rest: bytes, failed: None }
    }

    /// Whether all values taken so far did decode.
    pub const fn good(&self) -> bool {
        self.failed.is_none()
    }

    /// What has not been taken yet.
    pub const fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// How many bytes have not been taken, or had not been when a value did not decode.
    pub fn left(&self) -> usize {
        self.failed.unwrap_or(self.rest.len())
    }

    /// Notes that a value makes no sense. All others will be zeros.
    #[inline(never)]
    pub fn fail(&mut self) {
        self.failed.get_or_insert(self.rest.len());
        self.rest = &[];
    }

    /// Takes the next value.
    #[inline(always)]
    pub fn take<T: Field<'b>>(&mut self) -> T {
        T::take(self)
    }

    /// So many bytes as they are.
    pub fn bytes(&mut self, count: usize) -> &'b [u8] {
        match self.rest.split_at_checked(count) {
            Some((bytes, rest)) => {
                self.rest = rest;
                bytes
            }
            None => {
                self.fail();
                &[]
            }
        }
    }

    #[inline(never)]
    fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((&byte, rest)) => {
                self.rest = rest;
                byte
            }
            None => {
                self.fail();
                0
            }
        }
    }

    /// A varint of up to 64 bits.
    #[inline(never)]
    fn varint(&mut self) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // The tenth byte has one bit left.
                if shift == 63 && byte > 1 {
                    break;
                }
                return value;
            }
        }
        self.fail();
        0
    }

    /// A varint of up to 32 bits.
    #[inline(never)]
    fn word(&mut self) -> u32 {
        let value = self.varint();
        if value >> 32 != 0 {
            self.fail();
            return 0;
        }
        value as u32
    }
}

/// A value that [`Fields`] hold.
pub trait Field<'b>: Sized {
    /// Takes it.
    fn take(fields: &mut Fields<'b>) -> Self;
}

/// Makes integers fields, from a function of the ones above and what comes of its result.
macro_rules! integers {
    ($($ty:ty: |$raw:ident| $source:ident, $value:expr;)*) => {$(
        impl<'b> Field<'b> for $ty {
            #[inline(always)]
            fn take(fields: &mut Fields<'b>) -> $ty {
                let $raw = fields.$source();
                $value
            }
        }
    )*};
}

integers! {
    u8: |raw| byte, raw;
    i8: |raw| byte, raw as i8;
    u32: |raw| word, raw;
    i32: |raw| word, (raw >> 1) as i32 ^ -((raw & 1) as i32);
    u64: |raw| varint, raw;
}

/// Makes types fields that not every encoded integer is a value of.
macro_rules! checked {
    ($($ty:ty: |$raw:ident: $from:ty| $value:expr, else $zero:expr;)*) => {$(
        impl<'b> Field<'b> for $ty {
            #[inline(never)]
            fn take(fields: &mut Fields<'b>) -> $ty {
                let $raw: $from = fields.take();
                match $value {
                    Some(value) => value,
                    None => {
                        fields.fail();
                        $zero
                    }
                }
            }
        }
    )*};
}

checked! {
    bool: |raw: u8| (raw < 2).then_some(raw == 1), else false;
    u16: |raw: u32| u16::try_from(raw).ok(), else 0;
    DType: |raw: u8| DType::from_code(raw), else DType::I1;
    Place: |raw: u64| Place::from_code(raw), else Place::constant(0);
}

impl<'b> Field<'b> for MicroId {
    #[inline(always)]
    fn take(fields: &mut Fields<'b>) -> MicroId {
        MicroId(fields.take())
    }
}

impl<'b, const N: usize> Field<'b> for [u8; N] {
    fn take(fields: &mut Fields<'b>) -> [u8; N] {
        fields.bytes(N).first_chunk().copied().unwrap_or([0; N])
    }
}

impl<'b> Field<'b> for f32 {
    fn take(fields: &mut Fields<'b>) -> f32 {
        f32::from_le_bytes(fields.take())
    }
}

impl<'b> Field<'b> for Target {
    fn take(fields: &mut Fields<'b>) -> Target {
        let mut word = || u32::from_le_bytes(fields.take());
        Target { step: word(), offset: word() }
    }
}

impl<'b> Field<'b> for &'b str {
    #[inline(never)]
    fn take(fields: &mut Fields<'b>) -> &'b str {
        let count: u32 = fields.take();
        let bytes = fields.bytes(count as usize);
        match core::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) => {
                fields.fail();
                ""
            }
        }
    }
}

impl Place {
    /// The place that a varint of the artifact says.
    fn from_code(code: u64) -> Option<Place> {
        let offset = u32::try_from(code >> 3).ok()?;
        match code as u8 & 7 {
            0 => Some(Place { region: Region::Const, offset }),
            1 => Some(Place { region: Region::Arena, offset }),
            _ => None,
        }
    }
}
