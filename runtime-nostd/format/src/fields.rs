//! Reading of encoded values one after another.
//!
//! The encoding is postcard's: unsigned integers as varints, signed ones zigzag, bytes as they are,
//! the fields of a struct in declaration order. `serde` would read it as well, with a copy of the code
//! for every type, which is most of a loader's flash.

use core::mem::MaybeUninit;

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

    /// Takes as many varints of up to 32 bits as there is room for.
    #[inline(never)]
    pub fn words(&mut self, to: &mut [MaybeUninit<u32>]) {
        let mut rest = self.rest;
        for word in to {
            // Most are a byte.
            word.write(match rest {
                [byte @ 0..0x80, others @ ..] => {
                    rest = others;
                    (*byte).into()
                }
                _ => {
                    self.rest = rest;
                    let word = self.wide();
                    rest = self.rest;
                    word
                }
            });
        }
        self.rest = rest;
    }

    #[inline(never)]
    fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((&byte, rest)) => {
                self.rest = rest;
                byte
            }
            None => self.bad(),
        }
    }

    /// A varint of up to four bytes, as most are.
    #[inline(always)]
    fn short(&mut self) -> Option<u32> {
        let (mut value, mut shift) = (0, 0);
        let mut bytes = self.rest;
        while shift < 28 {
            let (&byte, rest) = bytes.split_first()?;
            bytes = rest;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                self.rest = bytes;
                return Some(value);
            }
            shift += 7;
        }
        None
    }

    /// A varint of up to 32 bits. Most are a byte, which takes a few instructions.
    #[inline(never)]
    fn word(&mut self) -> u32 {
        match self.rest {
            [byte @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                (*byte).into()
            }
            _ => self.wide(),
        }
    }

    /// A varint of more than one byte and up to 32 bits.
    #[inline(never)]
    fn wide(&mut self) -> u32 {
        if let Some(value) = self.short() {
            return value;
        }
        let value = self.long();
        if value >> 32 == 0 { value as u32 } else { self.bad().into() }
    }

    /// A varint of any length.
    #[inline(never)]
    fn long(&mut self) -> u64 {
        let last = self.rest.iter().take(LONGEST).position(|&byte| byte < 0x80);
        let split = last.and_then(|last| self.rest.split_at_checked(last + 1));
        let Some((bytes, rest)) = split else { return self.bad().into() };
        self.rest = rest;
        // The last byte of the longest has one bit.
        if bytes.len() == LONGEST && bytes.last().is_some_and(|&byte| byte > 1) {
            return self.bad().into();
        }
        bytes.iter().rev().fold(0, |value, &byte| value << 7 | u64::from(byte & 0x7f))
    }

    /// The zero that stands for a value that does not decode.
    #[cold]
    fn bad(&mut self) -> u8 {
        self.fail();
        0
    }
}

/// Most bytes of a varint.
const LONGEST: usize = 10;

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
    u64: |raw| long, raw;
    i64: |raw| long, (raw >> 1) as i64 ^ -((raw & 1) as i64);
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

impl<'b> Field<'b> for Place {
    #[inline(never)]
    fn take(fields: &mut Fields<'b>) -> Place {
        let (region, offset) = match fields.short() {
            Some(code) => (code & 7, code >> 3),
            None => {
                let code = fields.long();
                (if code >> 35 == 0 { code as u32 & 7 } else { 7 }, (code >> 3) as u32)
            }
        };
        let region = match region {
            0 => Region::Const,
            1 => Region::Arena,
            2 => Region::Stream,
            3 => Region::State,
            4 => Region::Arena1,
            5 => Region::Arena2,
            6 => Region::Arena3,
            _ => {
                fields.fail();
                return Place::constant(0);
            }
        };
        Place { region, offset }
    }
}
