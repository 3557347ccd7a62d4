//! The table of micro-operations.

use microhlo_format::complex::{self as complexes, C64, C128};
use microhlo_format::int::Int;
use microhlo_format::{DType, MicroId, MicroOp, float, scalar, special};

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
        const GROUPS: &[&[&[MicroEntry]]] = &[$($op::GROUPS,)* super::convert::GROUPS];
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

/// A function of `f32` on two elements of a narrower float, rounded to it.
macro_rules! in_f32 {
    ($format:expr, $f:expr, $a:ident, $b:ident) => {
        $format.encode_f32($f($format.decode_f32($a), $format.decode_f32($b)))
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
        C64: C64 => C64 = core::convert::identity;
        C128: C128 => C128 = core::convert::identity;
    }
    abs short_unary {
        [int same] = Int::abs;
        F32: f32 => f32 = scalar::abs_f32;
        F64: f64 => f64 = scalar::abs_f64;
        C64: C64 => f32 = complexes::abs_c64;
        C128: C128 => f64 = complexes::abs_c128;
    }
    add accumulate {
        [int same] = Int::add;
        I1: u8 => u8 = |a, b| bit(a != 0 || b != 0);
        F32: f32 => f32 = scalar::add_f32;
        F64: f64 => f64 = scalar::add_f64;
        C64: C64 => C64 = complexes::add_c64;
        C128: C128 => C128 = complexes::add_c128;
        BF16: u16 => u16 = |a, b| in_f32!(float::BF16, scalar::add_f32, a, b);
        F16: u16 => u16 = |a, b| in_f32!(float::F16, scalar::add_f32, a, b);
    }
    and accumulate {
        [int same] = Int::and;
        I1: u8 => u8 = |a, b| bit(a != 0 && b != 0);
    }
    atan2 binary {
        F32: f32 => f32 = scalar::atan2_f32;
        F64: f64 => f64 = scalar::atan2_f64;
        C64: C64 => C64 = complexes::atan2_c64;
        C128: C128 => C128 = complexes::atan2_c128;
    }
    cbrt unary {
        F32: f32 => f32 = scalar::cbrt_f32;
        F64: f64 => f64 = scalar::cbrt_f64;
        C64: C64 => C64 = complexes::cbrt_c64;
        C128: C128 => C128 = complexes::cbrt_c128;
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
        C64: C64 => C64 = complexes::cos_c64;
        C128: C128 => C128 = complexes::cos_c128;
    }
    count_leading_zeros unary {
        [int same] = Int::count_leading_zeros;
    }
    divide binary {
        [int same] = Int::divide;
        F32: f32 => f32 = scalar::div_f32;
        F64: f64 => f64 = scalar::div_f64;
        C64: C64 => C64 = complexes::div_c64;
        C128: C128 => C128 = complexes::div_c128;
    }
    exponential unary {
        F32: f32 => f32 = scalar::exp_f32;
        F64: f64 => f64 = scalar::exp_f64;
        C64: C64 => C64 = complexes::exp_c64;
        C128: C128 => C128 = complexes::exp_c128;
    }
    exponential_minus_one unary {
        F32: f32 => f32 = scalar::expm1_f32;
        F64: f64 => f64 = scalar::expm1_f64;
        C64: C64 => C64 = complexes::expm1_c64;
        C128: C128 => C128 = complexes::expm1_c128;
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
        C64: C64 => C64 = complexes::log_c64;
        C128: C128 => C128 = complexes::log_c128;
    }
    log_plus_one unary {
        F32: f32 => f32 = scalar::log1p_f32;
        F64: f64 => f64 = scalar::log1p_f64;
        C64: C64 => C64 = complexes::log1p_c64;
        C128: C128 => C128 = complexes::log1p_c128;
    }
    logistic unary {
        F32: f32 => f32 = scalar::logistic_f32;
        F64: f64 => f64 = scalar::logistic_f64;
        C64: C64 => C64 = complexes::logistic_c64;
        C128: C128 => C128 = complexes::logistic_c128;
    }
    maximum accumulate {
        [int same] = Int::maximum;
        I1: u8 => u8 = |a, b| bit(a != 0 || b != 0);
        F32: u32 => u32 = |a, b| scalar::max_f32(f32::from_bits(a), f32::from_bits(b)).to_bits();
        F64: u64 => u64 = |a, b| scalar::max_f64(f64::from_bits(a), f64::from_bits(b)).to_bits();
        C64: C64 => C64 = complexes::max_c64;
        C128: C128 => C128 = complexes::max_c128;
        BF16: u16 => u16 = |a, b| in_f32!(float::BF16, scalar::max_f32, a, b);
        F16: u16 => u16 = |a, b| in_f32!(float::F16, scalar::max_f32, a, b);
    }
    minimum accumulate {
        [int same] = Int::minimum;
        I1: u8 => u8 = |a, b| bit(a != 0 && b != 0);
        F32: u32 => u32 = |a, b| scalar::min_f32(f32::from_bits(a), f32::from_bits(b)).to_bits();
        F64: u64 => u64 = |a, b| scalar::min_f64(f64::from_bits(a), f64::from_bits(b)).to_bits();
        C64: C64 => C64 = complexes::min_c64;
        C128: C128 => C128 = complexes::min_c128;
        BF16: u16 => u16 = |a, b| in_f32!(float::BF16, scalar::min_f32, a, b);
        F16: u16 => u16 = |a, b| in_f32!(float::F16, scalar::min_f32, a, b);
    }
    multiply accumulate {
        [int same] = Int::multiply;
        I1: u8 => u8 = |a, b| bit(a != 0 && b != 0);
        F32: f32 => f32 = scalar::mul_f32;
        F64: f64 => f64 = scalar::mul_f64;
        C64: C64 => C64 = complexes::mul_c64;
        C128: C128 => C128 = complexes::mul_c128;
        BF16: u16 => u16 = |a, b| in_f32!(float::BF16, scalar::mul_f32, a, b);
        F16: u16 => u16 = |a, b| in_f32!(float::F16, scalar::mul_f32, a, b);
    }
    negate short_unary {
        [int same] = Int::negate;
        F32: f32 => f32 = scalar::neg_f32;
        F64: f64 => f64 = scalar::neg_f64;
        C64: C64 => C64 = complexes::neg_c64;
        C128: C128 => C128 = complexes::neg_c128;
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
        C64: C64 => C64 = complexes::pow_c64;
        C128: C128 => C128 = complexes::pow_c128;
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
        C64: C64 => C64 = complexes::rsqrt_c64;
        C128: C128 => C128 = complexes::rsqrt_c128;
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
        C64: C64 => C64 = complexes::sign_c64;
        C128: C128 => C128 = complexes::sign_c128;
    }
    sine unary {
        F32: f32 => f32 = scalar::sin_f32;
        F64: f64 => f64 = scalar::sin_f64;
        C64: C64 => C64 = complexes::sin_c64;
        C128: C128 => C128 = complexes::sin_c128;
    }
    sqrt unary {
        F32: f32 => f32 = scalar::sqrt_f32;
        F64: f64 => f64 = scalar::sqrt_f64;
        C64: C64 => C64 = complexes::sqrt_c64;
        C128: C128 => C128 = complexes::sqrt_c128;
    }
    subtract short_binary {
        [int same] = Int::subtract;
        F32: f32 => f32 = scalar::sub_f32;
        F64: f64 => f64 = scalar::sub_f64;
        C64: C64 => C64 = complexes::sub_c64;
        C128: C128 => C128 = complexes::sub_c128;
    }
    tan unary {
        F32: f32 => f32 = scalar::tan_f32;
        F64: f64 => f64 = scalar::tan_f64;
        C64: C64 => C64 = complexes::tan_c64;
        C128: C128 => C128 = complexes::tan_c128;
    }
    tanh unary {
        F32: f32 => f32 = scalar::tanh_f32;
        F64: f64 => f64 = scalar::tanh_f64;
        C64: C64 => C64 = complexes::tanh_c64;
        C128: C128 => C128 = complexes::tanh_c128;
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
        C64: C64 => C64 = |p, a, b| if p != 0 { a } else { b };
        C128: C128 => C128 = |p, a, b| if p != 0 { a } else { b };
    }
    eq binary {
        [int bool] = |a, b| bit(a == b);
        I1: u8 => u8 = |a, b| bit((a != 0) == (b != 0));
        F32: f32 => u8 = |a, b| bit(a == b);
        F64: f64 => u8 = |a, b| bit(a == b);
        C64: C64 => u8 = |a, b| bit(a == b);
        C128: C128 => u8 = |a, b| bit(a == b);
    }
    ne binary {
        [int bool] = |a, b| bit(a != b);
        I1: u8 => u8 = |a, b| bit((a != 0) != (b != 0));
        F32: f32 => u8 = |a, b| bit(a != b);
        F64: f64 => u8 = |a, b| bit(a != b);
        C64: C64 => u8 = |a, b| bit(a != b);
        C128: C128 => u8 = |a, b| bit(a != b);
    }
    lt binary {
        [int bool] = |a, b| bit(a < b);
        I1: u8 => u8 = |a, b| bit(a == 0 && b != 0);
        F32: f32 => u8 = |a, b| bit(a < b);
        F64: f64 => u8 = |a, b| bit(a < b);
        C64: C64 => u8 = |a, b| bit((a.re, a.im) < (b.re, b.im));
        C128: C128 => u8 = |a, b| bit((a.re, a.im) < (b.re, b.im));
    }
    le binary {
        [int bool] = |a, b| bit(a <= b);
        I1: u8 => u8 = |a, b| bit(a == 0 || b != 0);
        F32: f32 => u8 = |a, b| bit(a <= b);
        F64: f64 => u8 = |a, b| bit(a <= b);
        C64: C64 => u8 = |a, b| bit((a.re, a.im) <= (b.re, b.im));
        C128: C128 => u8 = |a, b| bit((a.re, a.im) <= (b.re, b.im));
    }
    gt binary {
        [int bool] = |a, b| bit(a > b);
        I1: u8 => u8 = |a, b| bit(a != 0 && b == 0);
        F32: f32 => u8 = |a, b| bit(a > b);
        F64: f64 => u8 = |a, b| bit(a > b);
        C64: C64 => u8 = |a, b| bit((a.re, a.im) > (b.re, b.im));
        C128: C128 => u8 = |a, b| bit((a.re, a.im) > (b.re, b.im));
    }
    ge binary {
        [int bool] = |a, b| bit(a >= b);
        I1: u8 => u8 = |a, b| bit(a != 0 || b == 0);
        F32: f32 => u8 = |a, b| bit(a >= b);
        F64: f64 => u8 = |a, b| bit(a >= b);
        C64: C64 => u8 = |a, b| bit((a.re, a.im) >= (b.re, b.im));
        C128: C128 => u8 = |a, b| bit((a.re, a.im) >= (b.re, b.im));
    }
    multiply_add ternary {
        [int same] = Int::multiply_add;
        I1: u8 => u8 = |a, b, c| bit((a != 0 && b != 0) || c != 0);
        F32: f32 => f32 = |a, b, c| scalar::add_f32(c, scalar::mul_f32(a, b));
        F64: f64 => f64 = |a, b, c| scalar::add_f64(c, scalar::mul_f64(a, b));
        C64: C64 => C64 = complexes::multiply_add_c64;
        C128: C128 => C128 = complexes::multiply_add_c128;
    }
    imag unary {
        C64: C64 => f32 = |z| z.im;
        C128: C128 => f64 = |z| z.im;
    }
    complex binary {
        C64: f32 => C64 = C64::new;
        C128: f64 => C128 = C128::new;
    }
    total_lt binary {
        F32: f32 => u8 = |a, b| bit(a.total_cmp(&b).is_lt());
        F64: f64 => u8 = |a, b| bit(a.total_cmp(&b).is_lt());
    }
    sort_lt binary {
        F32: f32 => u8 = |a, b| bit(a < b || (b.is_nan() && !a.is_nan()));
        F64: f64 => u8 = |a, b| bit(a < b || (b.is_nan() && !a.is_nan()));
    }
    acos unary {
        F32: f32 => f32 = special::acos_f32;
        F64: f64 => f64 = special::acos_f64;
        C64: C64 => C64 = special::acos_c64;
        C128: C128 => C128 = special::acos_c128;
    }
    acosh unary {
        F32: f32 => f32 = special::acosh_f32;
        F64: f64 => f64 = special::acosh_f64;
        C64: C64 => C64 = special::acosh_c64;
        C128: C128 => C128 = special::acosh_c128;
    }
    asin unary {
        F32: f32 => f32 = special::asin_f32;
        F64: f64 => f64 = special::asin_f64;
        C64: C64 => C64 = special::asin_c64;
        C128: C128 => C128 = special::asin_c128;
    }
    asinh unary {
        F32: f32 => f32 = special::asinh_f32;
        F64: f64 => f64 = special::asinh_f64;
        C64: C64 => C64 = special::asinh_c64;
        C128: C128 => C128 = special::asinh_c128;
    }
    atan unary {
        F32: f32 => f32 = special::atan_f32;
        F64: f64 => f64 = special::atan_f64;
        C64: C64 => C64 = special::atan_c64;
        C128: C128 => C128 = special::atan_c128;
    }
    atanh unary {
        F32: f32 => f32 = special::atanh_f32;
        F64: f64 => f64 = special::atanh_f64;
        C64: C64 => C64 = special::atanh_c64;
        C128: C128 => C128 = special::atanh_c128;
    }
    bessel_i1e unary {
        F32: f32 => f32 = special::bessel_i1e_f32;
        F64: f64 => f64 = special::bessel_i1e_f64;
    }
    cosh unary {
        F32: f32 => f32 = special::cosh_f32;
        F64: f64 => f64 = special::cosh_f64;
        C64: C64 => C64 = special::cosh_c64;
        C128: C128 => C128 = special::cosh_c128;
    }
    digamma unary {
        F32: f32 => f32 = special::digamma_f32;
        F64: f64 => f64 = special::digamma_f64;
    }
    erf unary {
        F32: f32 => f32 = special::erf_f32;
        F64: f64 => f64 = special::erf_f64;
    }
    erf_inv unary {
        F32: f32 => f32 = special::erf_inv_f32;
        F64: f64 => f64 = special::erf_inv_f64;
    }
    erfc unary {
        F32: f32 => f32 = special::erfc_f32;
        F64: f64 => f64 = special::erfc_f64;
    }
    lgamma unary {
        F32: f32 => f32 = special::lgamma_f32;
        F64: f64 => f64 = special::lgamma_f64;
    }
    mulhi binary {
        [int same] = Int::mulhi;
    }
    polygamma binary {
        F32: f32 => f32 = special::polygamma_f32;
        F64: f64 => f64 = special::polygamma_f64;
    }
    sinh unary {
        F32: f32 => f32 = special::sinh_f32;
        F64: f64 => f64 = special::sinh_f64;
        C64: C64 => C64 = special::sinh_c64;
        C128: C128 => C128 = special::sinh_c128;
    }
    square unary {
        C64: C64 => C64 = special::square_c64;
        C128: C128 => C128 = special::square_c128;
    }
    zeta binary {
        F32: f32 => f32 = special::zeta_f32;
        F64: f64 => f64 = special::zeta_f64;
    }
}

/// The stored form of a truth value.
#[inline]
pub(super) fn bit(value: bool) -> u8 {
    value as u8
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
