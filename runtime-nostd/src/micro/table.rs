//! The table of micro-operations.

use microhlo_format::int::Int;
use microhlo_format::{DType, MicroId, MicroOp, float, scalar};

use super::row::{
    Dst, Fold, Src, Taps, binary, fold, select, short_binary, short_unary, ternary, unary,
};
use crate::registry::MicroEntry;

/// Rows of one operation with a shared shape: `NAME: operand => result = function`.
macro_rules! rows {
    ($op:ident, $id:expr, $shape:ident; $($name:ident: $t:ty => $r:ty = $f:expr;)*) => {
        $(
            #[doc = concat!("`", stringify!($op), "` on `", stringify!($name), "`.")]
            pub const $name: MicroEntry = {
                unsafe fn row(dst: Dst, args: &[Src; 3], n: usize) {
                    // SAFETY: the caller's promise is that of the loop.
                    unsafe { $shape::<$t, $r>(dst, args, n, $f) }
                }
                MicroEntry {
                    id: $id(DType::$name),
                    row,
                    fold: rows!(@fold $op, $name, $shape, $t, $f),
                }
            };
        )*
    };
    (@fold maximum, F32, $shape:ident, $t:ty, $f:expr) => {
        rows!(@keys f32, scalar::max_key_f32, scalar::from_max_key_f32)
    };
    (@fold maximum, F64, $shape:ident, $t:ty, $f:expr) => {
        rows!(@keys f64, scalar::max_key_f64, scalar::from_max_key_f64)
    };
    (@fold minimum, F32, $shape:ident, $t:ty, $f:expr) => {
        rows!(@keys f32, scalar::min_key_f32, scalar::from_min_key_f32)
    };
    (@fold minimum, F64, $shape:ident, $t:ty, $f:expr) => {
        rows!(@keys f64, scalar::min_key_f64, scalar::from_min_key_f64)
    };
    (@fold $op:ident, $name:ident, accumulate, $t:ty, $f:expr) => {
        rows!(@steps $t, (core::convert::identity::<$t>, $f, core::convert::identity))
    };
    (@fold $op:ident, $name:ident, $shape:ident, $t:ty, $f:expr) => { None };
    (@keys $t:ty, $key:path, $from_key:path) => {
        rows!(@steps $t, ($key, |largest, x| largest.max($key(x)), $from_key))
    };
    (@steps $t:ty, $steps:expr) => {{
        unsafe fn folded(dst: Dst, first: Src, taps: &Taps, n: usize) {
            // SAFETY: the caller's promise is that of the loop.
            unsafe { fold::<$t, _>(dst, first, taps, n, $steps) }
        }
        Some(folded as Fold)
    }};
}

/// Operations that reductions use: short loops, and a fold.
use short_binary as accumulate;

/// A module per operation. The groups name the types: `int` stands for all eight integer types
/// and a method of [`Int`] or a function of the scalar type.
macro_rules! ops {
    ($($op:ident $shape:ident {
        $([int $ri:ident] = $int:expr;)?
        $($name:ident: $t:ty => $r:ty = $f:expr;)*
    })*) => {
        $(
            #[doc = concat!("Rows of `", stringify!($op), "`.")]
            pub mod $op {
                use super::*;

                const fn id(dtype: DType) -> MicroId {
                    MicroId::op(MicroOp::$op, dtype)
                }

                $(ops!(@int $op, $shape, $ri, $int);)?
                rows! { $op, id, $shape; $($name: $t => $r = $f;)* }
                pub(super) const GROUPS: &[&[MicroEntry]] =
                    &[$(ops!(@names $ri),)? &[$($name),*]];
            }
        )*
        const GROUPS: &[&[&[MicroEntry]]] = &[$($op::GROUPS,)* convert::GROUPS];
    };
    (@names $ri:ident) => { &[I8, I16, I32, I64, U8, U16, U32, U64] };
    (@int $op:ident, $shape:ident, same, $f:expr) => {
        rows! { $op, id, $shape;
            I8: i8 => i8 = $f; I16: i16 => i16 = $f; I32: i32 => i32 = $f; I64: i64 => i64 = $f;
            U8: u8 => u8 = $f; U16: u16 => u16 = $f; U32: u32 => u32 = $f; U64: u64 => u64 = $f;
        }
    };
    (@int $op:ident, $shape:ident, bool, $f:expr) => {
        rows! { $op, id, $shape;
            I8: i8 => u8 = $f; I16: i16 => u8 = $f; I32: i32 => u8 = $f; I64: i64 => u8 = $f;
            U8: u8 => u8 = $f; U16: u16 => u8 = $f; U32: u32 => u8 = $f; U64: u64 => u8 = $f;
        }
    };
}

ops! {
    copy short_unary {
        [int same] = core::convert::identity;
        I1: u8 => u8 = core::convert::identity;
        BF16: u16 => u16 = core::convert::identity;
        F16: u16 => u16 = core::convert::identity;
        F32: u32 => u32 = core::convert::identity;
        F64: u64 => u64 = core::convert::identity;
    }
    abs short_unary {
        [int same] = Int::abs;
        F32: f32 => f32 = scalar::abs_f32;
        F64: f64 => f64 = scalar::abs_f64;
    }
    add accumulate {
        [int same] = Int::add;
        I1: u8 => u8 = |a, b| bit(a != 0 || b != 0);
        F32: f32 => f32 = scalar::add_f32;
        F64: f64 => f64 = scalar::add_f64;
    }
    and accumulate {
        [int same] = Int::and;
        I1: u8 => u8 = |a, b| bit(a != 0 && b != 0);
    }
    atan2 binary {
        F32: f32 => f32 = scalar::atan2_f32;
        F64: f64 => f64 = scalar::atan2_f64;
    }
    cbrt unary {
        F32: f32 => f32 = scalar::cbrt_f32;
        F64: f64 => f64 = scalar::cbrt_f64;
    }
    ceil unary {
        F32: f32 => f32 = scalar::ceil_f32;
        F64: f64 => f64 = scalar::ceil_f64;
    }
    clamp ternary {
        [int same] = Int::clamp;
        F32: f32 => f32 = scalar::clamp_f32;
        F64: f64 => f64 = scalar::clamp_f64;
    }
    cosine unary {
        F32: f32 => f32 = scalar::cos_f32;
        F64: f64 => f64 = scalar::cos_f64;
    }
    count_leading_zeros unary {
        [int same] = Int::count_leading_zeros;
    }
    divide binary {
        [int same] = Int::divide;
        F32: f32 => f32 = scalar::div_f32;
        F64: f64 => f64 = scalar::div_f64;
    }
    exponential unary {
        F32: f32 => f32 = scalar::exp_f32;
        F64: f64 => f64 = scalar::exp_f64;
    }
    exponential_minus_one unary {
        F32: f32 => f32 = scalar::expm1_f32;
        F64: f64 => f64 = scalar::expm1_f64;
    }
    floor unary {
        F32: f32 => f32 = scalar::floor_f32;
        F64: f64 => f64 = scalar::floor_f64;
    }
    is_finite unary {
        F32: f32 => u8 = |x| bit(scalar::is_finite_f32(x));
        F64: f64 => u8 = |x| bit(scalar::is_finite_f64(x));
    }
    log unary {
        F32: f32 => f32 = scalar::log_f32;
        F64: f64 => f64 = scalar::log_f64;
    }
    log_plus_one unary {
        F32: f32 => f32 = scalar::log1p_f32;
        F64: f64 => f64 = scalar::log1p_f64;
    }
    logistic unary {
        F32: f32 => f32 = scalar::logistic_f32;
        F64: f64 => f64 = scalar::logistic_f64;
    }
    maximum accumulate {
        [int same] = Int::maximum;
        I1: u8 => u8 = |a, b| bit(a != 0 || b != 0);
        F32: u32 => u32 = |a, b| scalar::max_f32(f32::from_bits(a), f32::from_bits(b)).to_bits();
        F64: u64 => u64 = |a, b| scalar::max_f64(f64::from_bits(a), f64::from_bits(b)).to_bits();
    }
    minimum accumulate {
        [int same] = Int::minimum;
        I1: u8 => u8 = |a, b| bit(a != 0 && b != 0);
        F32: u32 => u32 = |a, b| scalar::min_f32(f32::from_bits(a), f32::from_bits(b)).to_bits();
        F64: u64 => u64 = |a, b| scalar::min_f64(f64::from_bits(a), f64::from_bits(b)).to_bits();
    }
    multiply accumulate {
        [int same] = Int::multiply;
        I1: u8 => u8 = |a, b| bit(a != 0 && b != 0);
        F32: f32 => f32 = scalar::mul_f32;
        F64: f64 => f64 = scalar::mul_f64;
    }
    negate short_unary {
        [int same] = Int::negate;
        F32: f32 => f32 = scalar::neg_f32;
        F64: f64 => f64 = scalar::neg_f64;
    }
    not unary {
        [int same] = Int::not;
        I1: u8 => u8 = |x| bit(x == 0);
    }
    or accumulate {
        [int same] = Int::or;
        I1: u8 => u8 = |a, b| bit(a != 0 || b != 0);
    }
    popcnt unary {
        [int same] = Int::popcnt;
    }
    power binary {
        [int same] = Int::power;
        F32: f32 => f32 = scalar::pow_f32;
        F64: f64 => f64 = scalar::pow_f64;
    }
    remainder binary {
        [int same] = Int::remainder;
        F32: f32 => f32 = scalar::rem_f32;
        F64: f64 => f64 = scalar::rem_f64;
    }
    round_nearest_afz unary {
        F32: f32 => f32 = scalar::round_away_f32;
        F64: f64 => f64 = scalar::round_away_f64;
    }
    round_nearest_even unary {
        F32: f32 => f32 = scalar::round_even_f32;
        F64: f64 => f64 = scalar::round_even_f64;
    }
    rsqrt unary {
        F32: f32 => f32 = scalar::rsqrt_f32;
        F64: f64 => f64 = scalar::rsqrt_f64;
    }
    shift_left binary {
        [int same] = Int::shift_left;
    }
    shift_right_arithmetic binary {
        [int same] = Int::shift_right_arithmetic;
    }
    shift_right_logical binary {
        [int same] = Int::shift_right_logical;
    }
    sign unary {
        [int same] = Int::sign;
        F32: f32 => f32 = scalar::sign_f32;
        F64: f64 => f64 = scalar::sign_f64;
    }
    sine unary {
        F32: f32 => f32 = scalar::sin_f32;
        F64: f64 => f64 = scalar::sin_f64;
    }
    sqrt unary {
        F32: f32 => f32 = scalar::sqrt_f32;
        F64: f64 => f64 = scalar::sqrt_f64;
    }
    subtract short_binary {
        [int same] = Int::subtract;
        F32: f32 => f32 = scalar::sub_f32;
        F64: f64 => f64 = scalar::sub_f64;
    }
    tan unary {
        F32: f32 => f32 = scalar::tan_f32;
        F64: f64 => f64 = scalar::tan_f64;
    }
    tanh unary {
        F32: f32 => f32 = scalar::tanh_f32;
        F64: f64 => f64 = scalar::tanh_f64;
    }
    xor binary {
        [int same] = Int::xor;
        I1: u8 => u8 = |a, b| bit((a != 0) != (b != 0));
    }
    select select {
        [int same] = |p, a, b| if p != 0 { a } else { b };
        I1: u8 => u8 = |p, a, b| if p != 0 { a } else { b };
        BF16: u16 => u16 = |p, a, b| if p != 0 { a } else { b };
        F16: u16 => u16 = |p, a, b| if p != 0 { a } else { b };
        F32: u32 => u32 = |p, a, b| if p != 0 { a } else { b };
        F64: u64 => u64 = |p, a, b| if p != 0 { a } else { b };
    }
    eq binary {
        [int bool] = |a, b| bit(a == b);
        I1: u8 => u8 = |a, b| bit((a != 0) == (b != 0));
        F32: f32 => u8 = |a, b| bit(a == b);
        F64: f64 => u8 = |a, b| bit(a == b);
    }
    ne binary {
        [int bool] = |a, b| bit(a != b);
        I1: u8 => u8 = |a, b| bit((a != 0) != (b != 0));
        F32: f32 => u8 = |a, b| bit(a != b);
        F64: f64 => u8 = |a, b| bit(a != b);
    }
    lt binary {
        [int bool] = |a, b| bit(a < b);
        I1: u8 => u8 = |a, b| bit(a == 0 && b != 0);
        F32: f32 => u8 = |a, b| bit(a < b);
        F64: f64 => u8 = |a, b| bit(a < b);
    }
    le binary {
        [int bool] = |a, b| bit(a <= b);
        I1: u8 => u8 = |a, b| bit(a == 0 || b != 0);
        F32: f32 => u8 = |a, b| bit(a <= b);
        F64: f64 => u8 = |a, b| bit(a <= b);
    }
    gt binary {
        [int bool] = |a, b| bit(a > b);
        I1: u8 => u8 = |a, b| bit(a != 0 && b == 0);
        F32: f32 => u8 = |a, b| bit(a > b);
        F64: f64 => u8 = |a, b| bit(a > b);
    }
    ge binary {
        [int bool] = |a, b| bit(a >= b);
        I1: u8 => u8 = |a, b| bit(a != 0 || b == 0);
        F32: f32 => u8 = |a, b| bit(a >= b);
        F64: f64 => u8 = |a, b| bit(a >= b);
    }
    multiply_add ternary {
        [int same] = Int::multiply_add;
        I1: u8 => u8 = |a, b, c| bit((a != 0 && b != 0) || c != 0);
        F32: f32 => f32 = |a, b, c| scalar::add_f32(c, scalar::mul_f32(a, b));
        F64: f64 => f64 = |a, b, c| scalar::add_f64(c, scalar::mul_f64(a, b));
    }
    total_lt binary {
        F32: f32 => u8 = |a, b| bit(a.total_cmp(&b).is_lt());
        F64: f64 => u8 = |a, b| bit(a.total_cmp(&b).is_lt());
    }
}

/// The stored form of a truth value.
#[inline]
fn bit(value: bool) -> u8 {
    value as u8
}

/// Conversions from one type to the number types and `i1`.
macro_rules! conversions {
    ($($from:ident $t:ty { $($name:ident: $to:ident $r:ty = $f:expr;)* })*) => {
        /// Rows of `convert`: `FROM_TO`. Integers wrap, floats saturate to integers with NaN as 0,
        /// results round to nearest even, `i1` is true for anything but zero.
        pub mod convert {
            use super::*;

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
}

const COUNT: usize = {
    let (mut total, mut op) = (0, 0);
    while op < GROUPS.len() {
        let mut group = 0;
        while group < GROUPS[op].len() {
            total += GROUPS[op][group].len();
            group += 1;
        }
        op += 1;
    }
    total
};

/// Every micro-operation of this runtime, in the order of their ids so that they are found by
/// halving.
pub static ALL: [MicroEntry; COUNT] = {
    let mut all = [copy::F32; COUNT];
    let (mut at, mut op) = (0, 0);
    while op < GROUPS.len() {
        let mut group = 0;
        while group < GROUPS[op].len() {
            let mut i = 0;
            while i < GROUPS[op][group].len() {
                // Insertion sort: the table is nearly in order.
                let row = GROUPS[op][group][i];
                let mut hole = at;
                while hole > 0 && all[hole - 1].id.0 > row.id.0 {
                    all[hole] = all[hole - 1];
                    hole -= 1;
                }
                all[hole] = row;
                at += 1;
                i += 1;
            }
            group += 1;
        }
        op += 1;
    }
    all
};
