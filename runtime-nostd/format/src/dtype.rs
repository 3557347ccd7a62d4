//! Element types, shared by the compiler's IR and the artifact.
//!
//! The discriminants are part of the artifact format: they never change, new types get new numbers.

use serde::{Deserialize, Serialize};

macro_rules! dtypes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal, $bits:literal;)*) => {
        /// The type of one tensor element, named as StableHLO text spells it.
        ///
        /// ```
        /// use microhlo_format::{DType, UnknownDType};
        ///
        /// assert_eq!((DType::U8.name(), DType::from_name("ui8")), ("ui8", Some(DType::U8)));
        /// assert_eq!(DType::from_code(DType::F32.code()), Some(DType::F32));
        /// assert_eq!(DType::try_from(255), Err(UnknownDType(255)));
        /// // A 4-bit integer has a byte of its own, a complex number the alignment of its parts.
        /// assert_eq!((DType::I4.bits(), DType::I4.size(), DType::C64.size(), DType::C64.align()), (4, 1, 8, 4));
        /// assert!(DType::I4.is_integer() && DType::I4.is_signed_integer() && DType::I4.is_narrow_integer());
        /// assert!(DType::U8.is_unsigned_integer() && !DType::I1.is_integer());
        /// assert!(DType::BF16.is_float() && DType::BF16.is_narrow_float() && !DType::F32.is_narrow_float());
        /// assert!(DType::C64.is_complex() && DType::C64.real_part() == DType::F32);
        /// assert_eq!(DType::ALL.len(), 30);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "u8", into = "u8")]
        #[repr(u8)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub enum DType { $($(#[$doc])* $variant = $code,)* }

        impl DType {
            /// All element types, in code order.
            pub const ALL: &'static [DType] = &[$(DType::$variant,)*];

            /// The spelling in StableHLO text, for example `f32` or `ui8`. See the example of [`DType`].
            pub const fn name(self) -> &'static str {
                match self { $(DType::$variant => $name,)* }
            }

            /// Width of the value in bits. A complex number counts both parts; `i1` is 1.
            /// See the example of [`DType`].
            pub const fn bits(self) -> u32 {
                match self { $(DType::$variant => $bits,)* }
            }

            /// The type with this artifact code, or `None` for a code of a later format.
            /// See the example of [`DType`].
            pub const fn from_code(code: u8) -> Option<DType> {
                match code { $($code => Some(DType::$variant),)* _ => None }
            }
        }
    };
}

dtypes! {
    /// Boolean, one byte per element, 0 or 1.
    I1 = 1, "i1", 1;
    /// Signed 2-bit integer, one byte per element (sign-extended).
    I2 = 2, "i2", 2;
    /// Signed 4-bit integer, one byte per element (sign-extended).
    I4 = 3, "i4", 4;
    /// Signed 8-bit integer.
    I8 = 4, "i8", 8;
    /// Signed 16-bit integer.
    I16 = 5, "i16", 16;
    /// Signed 32-bit integer.
    I32 = 6, "i32", 32;
    /// Signed 64-bit integer.
    I64 = 7, "i64", 64;
    /// Unsigned 2-bit integer, one byte per element.
    U2 = 8, "ui2", 2;
    /// Unsigned 4-bit integer, one byte per element.
    U4 = 9, "ui4", 4;
    /// Unsigned 8-bit integer.
    U8 = 10, "ui8", 8;
    /// Unsigned 16-bit integer.
    U16 = 11, "ui16", 16;
    /// Unsigned 32-bit integer.
    U32 = 12, "ui32", 32;
    /// Unsigned 64-bit integer.
    U64 = 13, "ui64", 64;
    /// OCP MX 4-bit float, one byte per element.
    F4E2M1FN = 14, "f4E2M1FN", 4;
    /// OCP MX 6-bit float, one byte per element.
    F6E2M3FN = 15, "f6E2M3FN", 6;
    /// OCP MX 6-bit float, one byte per element.
    F6E3M2FN = 16, "f6E3M2FN", 6;
    /// 8-bit float, IEEE-like.
    F8E3M4 = 17, "f8E3M4", 8;
    /// 8-bit float, IEEE-like.
    F8E4M3 = 18, "f8E4M3", 8;
    /// 8-bit float without infinities.
    F8E4M3FN = 19, "f8E4M3FN", 8;
    /// 8-bit float without infinities and negative zero.
    F8E4M3FNUZ = 20, "f8E4M3FNUZ", 8;
    /// 8-bit float with exponent bias 11, without infinities and negative zero.
    F8E4M3B11FNUZ = 21, "f8E4M3B11FNUZ", 8;
    /// 8-bit float, IEEE-like.
    F8E5M2 = 22, "f8E5M2", 8;
    /// 8-bit float without infinities and negative zero.
    F8E5M2FNUZ = 23, "f8E5M2FNUZ", 8;
    /// 8-bit exponent-only float.
    F8E8M0FNU = 24, "f8E8M0FNU", 8;
    /// Brain float.
    BF16 = 25, "bf16", 16;
    /// IEEE 754 binary16.
    F16 = 26, "f16", 16;
    /// IEEE 754 binary32.
    F32 = 27, "f32", 32;
    /// IEEE 754 binary64.
    F64 = 28, "f64", 64;
    /// Complex number of two `f32`, real part first.
    C64 = 29, "complex<f32>", 64;
    /// Complex number of two `f64`, real part first.
    C128 = 30, "complex<f64>", 128;
}

/// Bytes of an element by artifact code. A variable rather than a `match`: that would become a
/// table in flash for every use of it.
static SIZES: [u8; 32] = {
    let mut sizes = [0; 32];
    let mut i = 0;
    while i < DType::ALL.len() {
        sizes[DType::ALL[i] as usize] = DType::ALL[i].bits().div_ceil(8) as u8;
        i += 1;
    }
    sizes
};

impl DType {
    /// The artifact code. See the example of [`DType`].
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Storage of one element in memory, in bytes. Sub-byte types occupy one byte. See the example of [`DType`].
    pub const fn size(self) -> usize {
        SIZES[(self.code() & 31) as usize] as usize
    }

    /// Alignment of an element in memory, in bytes: that of its scalar part. See the example of [`DType`].
    pub const fn align(self) -> usize {
        self.size() >> self.is_complex() as u32
    }

    /// A signed or unsigned integer; `i1` is neither. See the example of [`DType`].
    pub const fn is_integer(self) -> bool {
        self.code() >= DType::I2.code() && self.code() <= DType::U64.code()
    }

    /// A signed integer. See the example of [`DType`].
    pub const fn is_signed_integer(self) -> bool {
        self.code() >= DType::I2.code() && self.code() <= DType::I64.code()
    }

    /// An unsigned integer. See the example of [`DType`].
    pub const fn is_unsigned_integer(self) -> bool {
        self.code() >= DType::U2.code() && self.code() <= DType::U64.code()
    }

    /// A real floating-point type of any width. See the example of [`DType`].
    pub const fn is_float(self) -> bool {
        self.code() >= DType::F4E2M1FN.code() && self.code() <= DType::F64.code()
    }

    /// `complex<f32>` or `complex<f64>`. See the example of [`DType`].
    pub const fn is_complex(self) -> bool {
        matches!(self, DType::C64 | DType::C128)
    }

    /// The type of a complex number's parts; every other type itself. See the example of [`DType`].
    pub const fn real_part(self) -> DType {
        match self {
            DType::C64 => DType::F32,
            DType::C128 => DType::F64,
            other => other,
        }
    }

    /// A float narrower than `f32`. See the example of [`DType`].
    pub const fn is_narrow_float(self) -> bool {
        self.is_float() && !matches!(self, DType::F32 | DType::F64)
    }

    /// An integer narrower than a byte. See the example of [`DType`].
    pub const fn is_narrow_integer(self) -> bool {
        self.is_integer() && self.bits() < 8
    }

    /// The type with this StableHLO spelling (`i8`, `ui8`, `u8`, `f32`, ...). See the example of [`DType`].
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.iter().copied().find(|d| d.name() == name)
    }
}

impl TryFrom<u8> for DType {
    type Error = UnknownDType;

    fn try_from(code: u8) -> Result<DType, UnknownDType> {
        DType::from_code(code).ok_or(UnknownDType(code))
    }
}

impl From<DType> for u8 {
    fn from(dtype: DType) -> u8 {
        dtype.code()
    }
}

impl core::fmt::Display for DType {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// An element type code that this version of the format does not define. See the example of [`DType`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownDType(pub u8);

impl core::fmt::Display for UnknownDType {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "unknown element type code {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::DType;

    #[test]
    fn sizes_follow_from_widths() {
        for dtype in DType::ALL {
            assert_eq!(dtype.size(), dtype.bits().div_ceil(8).next_power_of_two() as usize);
        }
    }
}
