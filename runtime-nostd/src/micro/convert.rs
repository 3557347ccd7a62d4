//! Rows of `convert`: `FROM_TO`. Integers wrap, floats saturate to integers with NaN as 0,
//! results round to nearest even, `i1` is true for anything but zero, complex numbers lose
//! their imaginary part.
//!
//! Conversions without a row are chains of those that there are and round once: narrow
//! floats by way of `f32`, integers below a byte by way of the byte.

use microhlo_format::complex::{C64, C128};
use microhlo_format::{DType, MicroId, float};

use super::row::{Dst, Src, unary};
use super::table::bit;
use crate::registry::MicroEntry;

/// Conversions from one type to the number types and `i1`.
macro_rules! conversions {
    ($($from:ident $t:ty { $($name:ident: $to:ident $r:ty = $f:expr;)* })*) => {
        $($(
            #[doc = concat!("`", stringify!($from), "` to `", stringify!($to), "`.")]
            pub const $name: MicroEntry = {
                unsafe fn row(dst: Dst, args: &[Src; 3], n: usize) {
                    // SAFETY: the caller's promise is that of the loop.
                    unsafe { unary::<$t, $r>(dst, args, n, $f) }
                }
                MicroEntry { id: MicroId::convert(DType::$from, DType::$to), row, fold: None }
            };
        )*)*
        pub(super) const GROUPS: &[&[MicroEntry]] = &[$(&[$($name),*]),*];
    };
}

/// The format of a narrow float.
macro_rules! format {
    ($dtype:ident) => {
        const {
            match float::Format::of(DType::$dtype) {
                Some(format) => format,
                None => panic!("not a narrow float"),
            }
        }
    };
}

conversions! {
    I8 i8 {
        I8_I1: I1 u8 = |x| bit(x != 0);
        I8_I16: I16 i16 = |x| x as i16;
        I8_I32: I32 i32 = |x| x as i32;
        I8_I64: I64 i64 = |x| x as i64;
        I8_U8: U8 u8 = |x| x as u8;
        I8_U16: U16 u16 = |x| x as u16;
        I8_U32: U32 u32 = |x| x as u32;
        I8_U64: U64 u64 = |x| x as u64;
        I8_F32: F32 f32 = |x| x as f32;
        I8_F64: F64 f64 = |x| x as f64;
        I8_I2: I2 i8 = |x| x << 6 >> 6;
        I8_I4: I4 i8 = |x| x << 4 >> 4;
    }
    I16 i16 {
        I16_I1: I1 u8 = |x| bit(x != 0);
        I16_I8: I8 i8 = |x| x as i8;
        I16_I32: I32 i32 = |x| x as i32;
        I16_I64: I64 i64 = |x| x as i64;
        I16_U8: U8 u8 = |x| x as u8;
        I16_U16: U16 u16 = |x| x as u16;
        I16_U32: U32 u32 = |x| x as u32;
        I16_U64: U64 u64 = |x| x as u64;
        I16_F32: F32 f32 = |x| x as f32;
        I16_F64: F64 f64 = |x| x as f64;
    }
    I32 i32 {
        I32_I1: I1 u8 = |x| bit(x != 0);
        I32_I8: I8 i8 = |x| x as i8;
        I32_I16: I16 i16 = |x| x as i16;
        I32_I64: I64 i64 = |x| x as i64;
        I32_U8: U8 u8 = |x| x as u8;
        I32_U16: U16 u16 = |x| x as u16;
        I32_U32: U32 u32 = |x| x as u32;
        I32_U64: U64 u64 = |x| x as u64;
        I32_F32: F32 f32 = |x| x as f32;
        I32_F64: F64 f64 = |x| x as f64;
        I32_BF16: BF16 u16 = |x| float::bf16_from_f32(float::odd_f32(x < 0, x.unsigned_abs().into()));
        I32_F8E8M0FNU: F8E8M0FNU u8 = |x| format!(F8E8M0FNU).encode_f32(float::odd_f32(x < 0, x.unsigned_abs().into())) as u8;
    }
    I64 i64 {
        I64_I1: I1 u8 = |x| bit(x != 0);
        I64_I8: I8 i8 = |x| x as i8;
        I64_I16: I16 i16 = |x| x as i16;
        I64_I32: I32 i32 = |x| x as i32;
        I64_U8: U8 u8 = |x| x as u8;
        I64_U16: U16 u16 = |x| x as u16;
        I64_U32: U32 u32 = |x| x as u32;
        I64_U64: U64 u64 = |x| x as u64;
        I64_F32: F32 f32 = |x| x as f32;
        I64_F64: F64 f64 = |x| x as f64;
        I64_BF16: BF16 u16 = |x| float::bf16_from_f32(float::odd_f32(x < 0, x.unsigned_abs()));
        I64_F8E8M0FNU: F8E8M0FNU u8 = |x| format!(F8E8M0FNU).encode_f32(float::odd_f32(x < 0, x.unsigned_abs())) as u8;
    }
    U8 u8 {
        U8_I1: I1 u8 = |x| bit(x != 0);
        U8_I8: I8 i8 = |x| x as i8;
        U8_I16: I16 i16 = |x| x as i16;
        U8_I32: I32 i32 = |x| x as i32;
        U8_I64: I64 i64 = |x| x as i64;
        U8_U16: U16 u16 = |x| x as u16;
        U8_U32: U32 u32 = |x| x as u32;
        U8_U64: U64 u64 = |x| x as u64;
        U8_F32: F32 f32 = |x| x as f32;
        U8_F64: F64 f64 = |x| x as f64;
        U8_U2: U2 u8 = |x| x & 3;
        U8_U4: U4 u8 = |x| x & 15;
    }
    U16 u16 {
        U16_I1: I1 u8 = |x| bit(x != 0);
        U16_I8: I8 i8 = |x| x as i8;
        U16_I16: I16 i16 = |x| x as i16;
        U16_I32: I32 i32 = |x| x as i32;
        U16_I64: I64 i64 = |x| x as i64;
        U16_U8: U8 u8 = |x| x as u8;
        U16_U32: U32 u32 = |x| x as u32;
        U16_U64: U64 u64 = |x| x as u64;
        U16_F32: F32 f32 = |x| x as f32;
        U16_F64: F64 f64 = |x| x as f64;
    }
    U32 u32 {
        U32_I1: I1 u8 = |x| bit(x != 0);
        U32_I8: I8 i8 = |x| x as i8;
        U32_I16: I16 i16 = |x| x as i16;
        U32_I32: I32 i32 = |x| x as i32;
        U32_I64: I64 i64 = |x| x as i64;
        U32_U8: U8 u8 = |x| x as u8;
        U32_U16: U16 u16 = |x| x as u16;
        U32_U64: U64 u64 = |x| x as u64;
        U32_F32: F32 f32 = |x| x as f32;
        U32_F64: F64 f64 = |x| x as f64;
        U32_BF16: BF16 u16 = |x| float::bf16_from_f32(float::odd_f32(false, x.into()));
        U32_F8E8M0FNU: F8E8M0FNU u8 = |x| format!(F8E8M0FNU).encode_f32(float::odd_f32(false, x.into())) as u8;
    }
    U64 u64 {
        U64_I1: I1 u8 = |x| bit(x != 0);
        U64_I8: I8 i8 = |x| x as i8;
        U64_I16: I16 i16 = |x| x as i16;
        U64_I32: I32 i32 = |x| x as i32;
        U64_I64: I64 i64 = |x| x as i64;
        U64_U8: U8 u8 = |x| x as u8;
        U64_U16: U16 u16 = |x| x as u16;
        U64_U32: U32 u32 = |x| x as u32;
        U64_F32: F32 f32 = |x| x as f32;
        U64_F64: F64 f64 = |x| x as f64;
        U64_BF16: BF16 u16 = |x| float::bf16_from_f32(float::odd_f32(false, x));
        U64_F8E8M0FNU: F8E8M0FNU u8 = |x| format!(F8E8M0FNU).encode_f32(float::odd_f32(false, x)) as u8;
    }
    F32 f32 {
        F32_I1: I1 u8 = |x| bit(x != 0.0);
        F32_I8: I8 i8 = |x| x as i8;
        F32_I16: I16 i16 = |x| x as i16;
        F32_I32: I32 i32 = |x| x as i32;
        F32_I64: I64 i64 = |x| x as i64;
        F32_U8: U8 u8 = |x| x as u8;
        F32_U16: U16 u16 = |x| x as u16;
        F32_U32: U32 u32 = |x| x as u32;
        F32_U64: U64 u64 = |x| x as u64;
        F32_F64: F64 f64 = |x| x as f64;
        F32_BF16: BF16 u16 = float::bf16_from_f32;
        F32_F16: F16 u16 = float::f16_from_f32;
        F32_F4E2M1FN: F4E2M1FN u8 = |x| format!(F4E2M1FN).encode_f32(x) as u8;
        F32_F6E2M3FN: F6E2M3FN u8 = |x| format!(F6E2M3FN).encode_f32(x) as u8;
        F32_F6E3M2FN: F6E3M2FN u8 = |x| format!(F6E3M2FN).encode_f32(x) as u8;
        F32_F8E3M4: F8E3M4 u8 = |x| format!(F8E3M4).encode_f32(x) as u8;
        F32_F8E4M3: F8E4M3 u8 = |x| format!(F8E4M3).encode_f32(x) as u8;
        F32_F8E4M3FN: F8E4M3FN u8 = |x| format!(F8E4M3FN).encode_f32(x) as u8;
        F32_F8E4M3FNUZ: F8E4M3FNUZ u8 = |x| format!(F8E4M3FNUZ).encode_f32(x) as u8;
        F32_F8E4M3B11FNUZ: F8E4M3B11FNUZ u8 = |x| format!(F8E4M3B11FNUZ).encode_f32(x) as u8;
        F32_F8E5M2: F8E5M2 u8 = |x| format!(F8E5M2).encode_f32(x) as u8;
        F32_F8E5M2FNUZ: F8E5M2FNUZ u8 = |x| format!(F8E5M2FNUZ).encode_f32(x) as u8;
        F32_F8E8M0FNU: F8E8M0FNU u8 = |x| format!(F8E8M0FNU).encode_f32(x) as u8;
        F32_I2: I2 i8 = |x| (x as i8).clamp(-2, 1);
        F32_I4: I4 i8 = |x| (x as i8).clamp(-8, 7);
        F32_U2: U2 u8 = |x| (x as u8).clamp(0, 3);
        F32_U4: U4 u8 = |x| (x as u8).clamp(0, 15);
        F32_C64: C64 C64 = |x| C64::new(x, 0.0);
    }
    F64 f64 {
        F64_I1: I1 u8 = |x| bit(x != 0.0);
        F64_I8: I8 i8 = |x| x as i8;
        F64_I16: I16 i16 = |x| x as i16;
        F64_I32: I32 i32 = |x| x as i32;
        F64_I64: I64 i64 = |x| x as i64;
        F64_U8: U8 u8 = |x| x as u8;
        F64_U16: U16 u16 = |x| x as u16;
        F64_U32: U32 u32 = |x| x as u32;
        F64_U64: U64 u64 = |x| x as u64;
        F64_F32: F32 f32 = |x| x as f32;
        F64_F4E2M1FN: F4E2M1FN u8 = |x| format!(F4E2M1FN).encode(x) as u8;
        F64_F6E2M3FN: F6E2M3FN u8 = |x| format!(F6E2M3FN).encode(x) as u8;
        F64_F6E3M2FN: F6E3M2FN u8 = |x| format!(F6E3M2FN).encode(x) as u8;
        F64_F8E3M4: F8E3M4 u8 = |x| format!(F8E3M4).encode(x) as u8;
        F64_F8E4M3: F8E4M3 u8 = |x| format!(F8E4M3).encode(x) as u8;
        F64_F8E4M3FN: F8E4M3FN u8 = |x| format!(F8E4M3FN).encode(x) as u8;
        F64_F8E4M3FNUZ: F8E4M3FNUZ u8 = |x| format!(F8E4M3FNUZ).encode(x) as u8;
        F64_F8E4M3B11FNUZ: F8E4M3B11FNUZ u8 = |x| format!(F8E4M3B11FNUZ).encode(x) as u8;
        F64_F8E5M2: F8E5M2 u8 = |x| format!(F8E5M2).encode(x) as u8;
        F64_F8E5M2FNUZ: F8E5M2FNUZ u8 = |x| format!(F8E5M2FNUZ).encode(x) as u8;
        F64_F8E8M0FNU: F8E8M0FNU u8 = |x| format!(F8E8M0FNU).encode(x) as u8;
        F64_BF16: BF16 u16 = |x| float::BF16.encode(x);
        F64_F16: F16 u16 = |x| float::F16.encode(x);
        F64_I2: I2 i8 = |x| (x as i8).clamp(-2, 1);
        F64_I4: I4 i8 = |x| (x as i8).clamp(-8, 7);
        F64_U2: U2 u8 = |x| (x as u8).clamp(0, 3);
        F64_U4: U4 u8 = |x| (x as u8).clamp(0, 15);
        F64_C128: C128 C128 = |x| C128::new(x, 0.0);
    }
    I1 u8 {
        I1_I8: I8 i8 = |x| (x != 0) as u8 as i8;
        I1_I16: I16 i16 = |x| (x != 0) as u8 as i16;
        I1_I32: I32 i32 = |x| (x != 0) as u8 as i32;
        I1_I64: I64 i64 = |x| (x != 0) as u8 as i64;
        I1_U8: U8 u8 = |x| bit(x != 0);
        I1_U16: U16 u16 = |x| (x != 0) as u8 as u16;
        I1_U32: U32 u32 = |x| (x != 0) as u8 as u32;
        I1_U64: U64 u64 = |x| (x != 0) as u8 as u64;
        I1_F32: F32 f32 = |x| (x != 0) as u8 as f32;
        I1_F64: F64 f64 = |x| (x != 0) as u8 as f64;
    }
    BF16 u16 {
        BF16_F32: F32 f32 = float::bf16_to_f32;
    }
    F16 u16 {
        F16_F32: F32 f32 = float::f16_to_f32;
    }
    I2 i8 {
        I2_I8: I8 i8 = core::convert::identity;
    }
    I4 i8 {
        I4_I8: I8 i8 = core::convert::identity;
    }
    U2 u8 {
        U2_U8: U8 u8 = core::convert::identity;
    }
    U4 u8 {
        U4_U8: U8 u8 = core::convert::identity;
    }
    F4E2M1FN u8 {
        F4E2M1FN_F32: F32 f32 = |x| format!(F4E2M1FN).decode_f32(x.into());
    }
    F6E2M3FN u8 {
        F6E2M3FN_F32: F32 f32 = |x| format!(F6E2M3FN).decode_f32(x.into());
    }
    F6E3M2FN u8 {
        F6E3M2FN_F32: F32 f32 = |x| format!(F6E3M2FN).decode_f32(x.into());
    }
    F8E3M4 u8 {
        F8E3M4_F32: F32 f32 = |x| format!(F8E3M4).decode_f32(x.into());
    }
    F8E4M3 u8 {
        F8E4M3_F32: F32 f32 = |x| format!(F8E4M3).decode_f32(x.into());
    }
    F8E4M3FN u8 {
        F8E4M3FN_F32: F32 f32 = |x| format!(F8E4M3FN).decode_f32(x.into());
    }
    F8E4M3FNUZ u8 {
        F8E4M3FNUZ_F32: F32 f32 = |x| format!(F8E4M3FNUZ).decode_f32(x.into());
    }
    F8E4M3B11FNUZ u8 {
        F8E4M3B11FNUZ_F32: F32 f32 = |x| format!(F8E4M3B11FNUZ).decode_f32(x.into());
    }
    F8E5M2 u8 {
        F8E5M2_F32: F32 f32 = |x| format!(F8E5M2).decode_f32(x.into());
    }
    F8E5M2FNUZ u8 {
        F8E5M2FNUZ_F32: F32 f32 = |x| format!(F8E5M2FNUZ).decode_f32(x.into());
    }
    F8E8M0FNU u8 {
        F8E8M0FNU_F32: F32 f32 = |x| format!(F8E8M0FNU).decode_f32(x.into());
    }
    C64 C64 {
        C64_F32: F32 f32 = |z| z.re;
        C64_C128: C128 C128 = C64::widen;
    }
    C128 C128 {
        C128_F64: F64 f64 = |z| z.re;
        C128_C64: C64 C64 = C128::narrow;
    }
}
