//! Elementwise operations without attributes: one row each.
//!
//! A row names the operation and gives its scalar functions: a class of element types without a
//! function is a class that the operation does not accept. Inference, verification and evaluation
//! follow from the row.

mod eval;
mod int;
mod rule;

use microhlo_format::complex::{self as c, C64, C128};
use microhlo_format::{DType, scalar as s, special as sp};

pub use eval::{convert_element, round_to};
pub use rule::{ResultRule, Rule};

macro_rules! elementwise {
    (
        $($(#[$doc:meta])* $variant:ident, $name:literal, $rule:expr;)*
        @chlo $($(#[$chlo_doc:meta])* $chlo:ident, $chlo_name:literal, $chlo_rule:expr;)*
    ) => {
        /// An elementwise operation without attributes that the result depends on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ElementwiseOp {
            $($(#[$doc])* $variant,)*
            $($(#[$chlo_doc])* $chlo,)*
        }

        impl ElementwiseOp {
            /// All elementwise operations.
            pub const ALL: &'static [ElementwiseOp] = &[$(ElementwiseOp::$variant,)* $(ElementwiseOp::$chlo,)*];

            /// Full name, for example `stablehlo.add`.
            pub fn name(self) -> &'static str {
                match self {
                    $(ElementwiseOp::$variant => concat!("stablehlo.", $name),)*
                    $(ElementwiseOp::$chlo => concat!("chlo.", $chlo_name),)*
                }
            }

            /// Section of the specification.
            pub fn spec(self) -> &'static str {
                match self {
                    $(ElementwiseOp::$variant => $name,)*
                    $(ElementwiseOp::$chlo => concat!("none; CHLO ", $chlo_name),)*
                }
            }

            /// Scalar functions and type rules.
            pub fn rule(self) -> &'static Rule {
                match self {
                    $(ElementwiseOp::$variant => const { &$rule },)*
                    $(ElementwiseOp::$chlo => const { &$chlo_rule },)*
                }
            }
        }
    };
}

elementwise! {
    /// Absolute value, or magnitude of a complex number.
    Abs, "abs",
        Rule::unary()
        .int(int::abs)
        .signed()
        .float(s::abs_f32, s::abs_f64)
        .complex1(|z| C64::new(c::abs_c64(z), 0.0), |z| C128::new(c::abs_c128(z), 0.0))
        .result(ResultRule::RealPart);
    /// Sum; logical or of booleans.
    Add, "add",
        Rule::binary()
        .bools(|a, b| a | b)
        .ints(int::add)
        .floats(s::add_f32, s::add_f64)
        .complex(c::add_c64, c::add_c128);
    /// Bitwise or logical and.
    And, "and",
        Rule::binary().bools(|a, b| a & b).ints(int::and);
    /// Angle of the point (rhs, lhs).
    Atan2, "atan2",
        Rule::binary()
        .floats(s::atan2_f32, s::atan2_f64)
        .complex(c::atan2_c64, c::atan2_c128);
    /// Cube root.
    Cbrt, "cbrt",
        Rule::unary().float(s::cbrt_f32, s::cbrt_f64).complex1(c::cbrt_c64, c::cbrt_c128);
    /// Least integer not below.
    Ceil, "ceil",
        Rule::unary().float(s::ceil_f32, s::ceil_f64);
    /// `min(max(operand, min), max)` with operands `min, operand, max`; the bounds may be scalars.
    Clamp, "clamp",
        Rule::special(3, ResultRule::Middle);
    /// Complex number of a real and an imaginary part.
    Complex, "complex",
        Rule::special(2, ResultRule::ComplexOf);
    /// Conversion to another element type.
    Convert, "convert",
        Rule::special(1, ResultRule::Chosen);
    /// Cosine.
    Cosine, "cosine",
        Rule::unary().float(s::cos_f32, s::cos_f64).complex1(c::cos_c64, c::cos_c128);
    /// Number of leading zero bits.
    CountLeadingZeros, "count_leading_zeros",
        Rule::unary().int(int::count_leading_zeros);
    /// Quotient; of integers truncated toward zero.
    Divide, "divide",
        Rule::binary()
        .ints(int::divide)
        .floats(s::div_f32, s::div_f64)
        .complex(c::div_c64, c::div_c128);
    /// `e` to the power of the operand.
    Exponential, "exponential",
        Rule::unary().float(s::exp_f32, s::exp_f64).complex1(c::exp_c64, c::exp_c128);
    /// `e` to the power of the operand, minus one.
    ExponentialMinusOne, "exponential_minus_one",
        Rule::unary()
        .float(s::expm1_f32, s::expm1_f64)
        .complex1(c::expm1_c64, c::expm1_c128);
    /// Greatest integer not above.
    Floor, "floor",
        Rule::unary().float(s::floor_f32, s::floor_f64);
    /// Imaginary part.
    Imag, "imag",
        Rule::unary()
        .float(|_| 0.0, |_| 0.0)
        .complex1(|z| C64::new(z.im, 0.0), |z| C128::new(z.im, 0.0))
        .result(ResultRule::RealPart);
    /// Whether the operand is neither infinite nor NaN.
    IsFinite, "is_finite",
        Rule::unary()
        .float(|x| f32::from(x.is_finite()), |x| f64::from(x.is_finite()))
        .result(ResultRule::Bool);
    /// Natural logarithm.
    Log, "log",
        Rule::unary().float(s::log_f32, s::log_f64).complex1(c::log_c64, c::log_c128);
    /// Natural logarithm of the operand plus one.
    LogPlusOne, "log_plus_one",
        Rule::unary()
        .float(s::log1p_f32, s::log1p_f64)
        .complex1(c::log1p_c64, c::log1p_c128);
    /// `1 / (1 + exp(-x))`.
    Logistic, "logistic",
        Rule::unary()
        .float(s::logistic_f32, s::logistic_f64)
        .complex1(c::logistic_c64, c::logistic_c128);
    /// The greater operand; NaN if either is NaN.
    Maximum, "maximum",
        Rule::binary()
        .bools(|a, b| a | b)
        .ints(int::maximum)
        .floats(s::max_f32, s::max_f64)
        .complex(c::max_c64, c::max_c128);
    /// The smaller operand; NaN if either is NaN.
    Minimum, "minimum",
        Rule::binary()
        .bools(|a, b| a & b)
        .ints(int::minimum)
        .floats(s::min_f32, s::min_f64)
        .complex(c::min_c64, c::min_c128);
    /// Product; logical and of booleans.
    Multiply, "multiply",
        Rule::binary()
        .bools(|a, b| a & b)
        .ints(int::multiply)
        .floats(s::mul_f32, s::mul_f64)
        .complex(c::mul_c64, c::mul_c128);
    /// Negation.
    Negate, "negate",
        Rule::unary()
        .int(int::negate)
        .float(s::neg_f32, s::neg_f64)
        .complex1(c::neg_c64, c::neg_c128);
    /// Bitwise or logical complement.
    Not, "not",
        Rule::unary().bool(|a| !a).int(int::not);
    /// Bitwise or logical or.
    Or, "or",
        Rule::binary().bools(|a, b| a | b).ints(int::or);
    /// Number of one bits.
    Popcnt, "popcnt",
        Rule::unary().int(int::popcnt);
    /// Exponentiation.
    Power, "power",
        Rule::binary()
        .ints(int::power)
        .floats(s::pow_f32, s::pow_f64)
        .complex(c::pow_c64, c::pow_c128);
    /// Real part.
    Real, "real",
        Rule::unary()
        .float(|x| x, |x| x)
        .complex1(|z| z, |z| z)
        .result(ResultRule::RealPart);
    /// Remainder with the sign of the dividend.
    Remainder, "remainder",
        Rule::binary().ints(int::remainder).floats(s::rem_f32, s::rem_f64);
    /// Nearest integer, ties away from zero.
    RoundNearestAfz, "round_nearest_afz",
        Rule::unary().float(s::round_away_f32, s::round_away_f64);
    /// Nearest integer, ties to even.
    RoundNearestEven, "round_nearest_even",
        Rule::unary().float(s::round_even_f32, s::round_even_f64);
    /// Reciprocal of the square root.
    Rsqrt, "rsqrt",
        Rule::unary()
        .float(s::rsqrt_f32, s::rsqrt_f64)
        .complex1(c::rsqrt_c64, c::rsqrt_c128);
    /// `on_true` or `on_false` with operands `pred, on_true, on_false`; `pred` may be a scalar.
    Select, "select",
        Rule::special(3, ResultRule::Middle);
    /// Left shift; 0 beyond the width.
    ShiftLeft, "shift_left",
        Rule::binary().ints(int::shift_left);
    /// Sign-extending right shift.
    ShiftRightArithmetic, "shift_right_arithmetic",
        Rule::binary().ints(int::shift_right_arithmetic);
    /// Zero-extending right shift.
    ShiftRightLogical, "shift_right_logical",
        Rule::binary().ints(int::shift_right_logical);
    /// Sign: -1, 0 or 1; keeps signed zeros and NaN.
    Sign, "sign",
        Rule::unary()
        .int(int::sign)
        .signed()
        .float(s::sign_f32, s::sign_f64)
        .complex1(c::sign_c64, c::sign_c128);
    /// Sine.
    Sine, "sine",
        Rule::unary().float(s::sin_f32, s::sin_f64).complex1(c::sin_c64, c::sin_c128);
    /// Square root.
    Sqrt, "sqrt",
        Rule::unary().float(s::sqrt_f32, s::sqrt_f64).complex1(c::sqrt_c64, c::sqrt_c128);
    /// Difference.
    Subtract, "subtract",
        Rule::binary()
        .ints(int::subtract)
        .floats(s::sub_f32, s::sub_f64)
        .complex(c::sub_c64, c::sub_c128);
    /// Tangent.
    Tan, "tan",
        Rule::unary().float(s::tan_f32, s::tan_f64).complex1(c::tan_c64, c::tan_c128);
    /// Hyperbolic tangent.
    Tanh, "tanh",
        Rule::unary().float(s::tanh_f32, s::tanh_f64).complex1(c::tanh_c64, c::tanh_c128);
    /// Bitwise or logical exclusive or.
    Xor, "xor",
        Rule::binary().bools(|a, b| a ^ b).ints(int::xor);

    @chlo

    /// Inverse cosine.
    Acos, "acos",
        Rule::unary()
        .float(sp::acos_f32, sp::acos_f64)
        .complex1(sp::acos_c64, sp::acos_c128);
    /// Inverse hyperbolic cosine.
    Acosh, "acosh",
        Rule::unary()
        .float(sp::acosh_f32, sp::acosh_f64)
        .complex1(sp::acosh_c64, sp::acosh_c128);
    /// Inverse sine.
    Asin, "asin",
        Rule::unary()
        .float(sp::asin_f32, sp::asin_f64)
        .complex1(sp::asin_c64, sp::asin_c128);
    /// Inverse hyperbolic sine.
    Asinh, "asinh",
        Rule::unary()
        .float(sp::asinh_f32, sp::asinh_f64)
        .complex1(sp::asinh_c64, sp::asinh_c128);
    /// Inverse tangent.
    Atan, "atan",
        Rule::unary()
        .float(sp::atan_f32, sp::atan_f64)
        .complex1(sp::atan_c64, sp::atan_c128);
    /// Inverse hyperbolic tangent.
    Atanh, "atanh",
        Rule::unary()
        .float(sp::atanh_f32, sp::atanh_f64)
        .complex1(sp::atanh_c64, sp::atanh_c128);
    /// Exponentially scaled modified Bessel function of order one.
    BesselI1e, "bessel_i1e",
        Rule::unary().float(sp::bessel_i1e_f32, sp::bessel_i1e_f64);
    /// Complex conjugate.
    Conj, "conj",
        Rule::unary().float(|x| x, |x| x).complex1(|z| C64::new(z.re, -z.im), |z| C128::new(z.re, -z.im));
    /// Hyperbolic cosine.
    Cosh, "cosh",
        Rule::unary()
        .float(sp::cosh_f32, sp::cosh_f64)
        .complex1(sp::cosh_c64, sp::cosh_c128);
    /// Derivative of the logarithm of the gamma function.
    Digamma, "digamma",
        Rule::unary().float(sp::digamma_f32, sp::digamma_f64);
    /// Error function.
    Erf, "erf",
        Rule::unary().float(sp::erf_f32, sp::erf_f64);
    /// Inverse of the error function.
    ErfInv, "erf_inv",
        Rule::unary().float(sp::erf_inv_f32, sp::erf_inv_f64);
    /// One minus the error function.
    Erfc, "erfc",
        Rule::unary().float(sp::erfc_f32, sp::erfc_f64);
    /// Whether the operand is infinite.
    IsInf, "is_inf",
        Rule::unary()
        .float(|x| f32::from(x.is_infinite()), |x| f64::from(x.is_infinite()))
        .result(ResultRule::Bool);
    /// Whether the operand is minus infinity.
    IsNegInf, "is_neg_inf",
        Rule::unary()
        .float(|x| f32::from(x < 0.0 && x.is_infinite()), |x| f64::from(x < 0.0 && x.is_infinite()))
        .result(ResultRule::Bool);
    /// Whether the operand is plus infinity.
    IsPosInf, "is_pos_inf",
        Rule::unary()
        .float(|x| f32::from(x > 0.0 && x.is_infinite()), |x| f64::from(x > 0.0 && x.is_infinite()))
        .result(ResultRule::Bool);
    /// Logarithm of the absolute value of the gamma function.
    Lgamma, "lgamma",
        Rule::unary().float(sp::lgamma_f32, sp::lgamma_f64);
    /// Upper half of the product of integers.
    MulHi, "mulhi",
        Rule::binary().ints(int::mulhi);
    /// The number next to the first operand in direction of the second.
    NextAfter, "next_after",
        Rule::special(2, ResultRule::Same);
    /// Derivative number `lhs` of `digamma` at `rhs`.
    Polygamma, "polygamma",
        Rule::binary().floats(sp::polygamma_f32, sp::polygamma_f64);
    /// Hyperbolic sine.
    Sinh, "sinh",
        Rule::unary()
        .float(sp::sinh_f32, sp::sinh_f64)
        .complex1(sp::sinh_c64, sp::sinh_c128);
    /// Product of the operand with itself.
    Square, "square",
        Rule::unary()
        .int(|a| int::multiply(a, a))
        .float(|x| x * x, |x| x * x)
        .complex1(sp::square_c64, sp::square_c128);
    /// Tangent; `stablehlo.tan` under the name that it had before.
    ChloTan, "tan",
        Rule::unary().float(s::tan_f32, s::tan_f64).complex1(c::tan_c64, c::tan_c128);
    /// Hurwitz zeta function.
    Zeta, "zeta",
        Rule::binary().floats(sp::zeta_f32, sp::zeta_f64);
}

/// Whether `next_after` knows the neighbours of numbers of this type: IEEE 754 encodings.
pub fn has_neighbours(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16 | DType::F32 | DType::F64)
}

impl ElementwiseOp {
    /// Full names of all elementwise operations.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|op| op.name())
    }

    /// The operation with this full name.
    pub fn from_name(name: &str) -> Option<ElementwiseOp> {
        Self::ALL.iter().copied().find(|op| op.name() == name)
    }

    /// Number of operands.
    pub fn operands(self) -> usize {
        self.rule().operands
    }

    /// Whether swapping the two operands leaves the result as it is.
    pub fn is_commutative(self) -> bool {
        use ElementwiseOp::{Add, And, Maximum, Minimum, Multiply, Or, Xor};
        matches!(self, Add | And | Maximum | Minimum | Multiply | Or | Xor)
    }
}
