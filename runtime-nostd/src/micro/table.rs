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
fn bit(value: bool) -> u8 {
    value as u8
}

/// Conversions from one type to the number types and `i1`.
macro_rules! conversions {
    ($($from:ident $t:ty { $($name:ident: $to:ident $r:ty = $f:expr;)* })*) => {
        /// Rows of `convert`: `FROM_TO`. Integers wrap, floats saturate to integers with NaN as 0,
        /// results round to nearest even, `i1` is true for anything but zero, complex numbers lose
        /// their imaginary part.
        ///
        /// Conversions without a row are chains of those that there are and round once: narrow
        /// floats by way of `f32`, integers below a byte by way of the byte.
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
