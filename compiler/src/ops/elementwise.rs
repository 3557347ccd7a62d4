//! Elementwise operations without attributes: one row each.

use super::{OpError, OpView};
use crate::eval::{EvalError, Tensor};
use crate::ir::Type;

macro_rules! elementwise {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $arity:literal;)*) => {
        /// An elementwise operation without attributes that the result depends on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ElementwiseOp { $($(#[$doc])* $variant,)* }

        impl ElementwiseOp {
            /// All elementwise operations.
            pub const ALL: &'static [ElementwiseOp] = &[$(ElementwiseOp::$variant),*];

            /// Full name, for example `stablehlo.add`.
            pub fn name(self) -> &'static str {
                match self { $(ElementwiseOp::$variant => concat!("stablehlo.", $name),)* }
            }

            /// Section of the specification.
            pub fn spec(self) -> &'static str {
                match self { $(ElementwiseOp::$variant => $name,)* }
            }

            /// Number of operands.
            pub fn operands(self) -> usize {
                match self { $(ElementwiseOp::$variant => $arity,)* }
            }
        }
    };
}

elementwise! {
    /// Absolute value, or magnitude of a complex number.
    Abs, "abs", 1;
    /// Sum; logical or of booleans.
    Add, "add", 2;
    /// Bitwise or logical and.
    And, "and", 2;
    /// Angle of the point (rhs, lhs).
    Atan2, "atan2", 2;
    /// Cube root.
    Cbrt, "cbrt", 1;
    /// Least integer not below.
    Ceil, "ceil", 1;
    /// `min(max(operand, min), max)` with operands `min, operand, max`; the bounds may be scalars.
    Clamp, "clamp", 3;
    /// Complex number of a real and an imaginary part.
    Complex, "complex", 2;
    /// Conversion to another element type.
    Convert, "convert", 1;
    /// Cosine.
    Cosine, "cosine", 1;
    /// Number of leading zero bits.
    CountLeadingZeros, "count_leading_zeros", 1;
    /// Quotient; of integers truncated toward zero.
    Divide, "divide", 2;
    /// `e` to the power of the operand.
    Exponential, "exponential", 1;
    /// `e` to the power of the operand, minus one.
    ExponentialMinusOne, "exponential_minus_one", 1;
    /// Greatest integer not above.
    Floor, "floor", 1;
    /// Imaginary part.
    Imag, "imag", 1;
    /// Whether the operand is neither infinite nor NaN.
    IsFinite, "is_finite", 1;
    /// Natural logarithm.
    Log, "log", 1;
    /// Natural logarithm of the operand plus one.
    LogPlusOne, "log_plus_one", 1;
    /// `1 / (1 + exp(-x))`.
    Logistic, "logistic", 1;
    /// The greater operand; NaN if either is NaN.
    Maximum, "maximum", 2;
    /// The smaller operand; NaN if either is NaN.
    Minimum, "minimum", 2;
    /// Product; logical and of booleans.
    Multiply, "multiply", 2;
    /// Negation.
    Negate, "negate", 1;
    /// Bitwise or logical complement.
    Not, "not", 1;
    /// Bitwise or logical or.
    Or, "or", 2;
    /// Number of one bits.
    Popcnt, "popcnt", 1;
    /// Exponentiation.
    Power, "power", 2;
    /// Real part.
    Real, "real", 1;
    /// Remainder with the sign of the dividend.
    Remainder, "remainder", 2;
    /// Nearest integer, ties away from zero.
    RoundNearestAfz, "round_nearest_afz", 1;
    /// Nearest integer, ties to even.
    RoundNearestEven, "round_nearest_even", 1;
    /// Reciprocal of the square root.
    Rsqrt, "rsqrt", 1;
    /// `on_true` or `on_false` with operands `pred, on_true, on_false`; `pred` may be a scalar.
    Select, "select", 3;
    /// Left shift; 0 beyond the width.
    ShiftLeft, "shift_left", 2;
    /// Sign-extending right shift.
    ShiftRightArithmetic, "shift_right_arithmetic", 2;
    /// Zero-extending right shift.
    ShiftRightLogical, "shift_right_logical", 2;
    /// Sign: -1, 0 or 1; keeps signed zeros and NaN.
    Sign, "sign", 1;
    /// Sine.
    Sine, "sine", 1;
    /// Square root.
    Sqrt, "sqrt", 1;
    /// Difference.
    Subtract, "subtract", 2;
    /// Tangent.
    Tan, "tan", 1;
    /// Hyperbolic tangent.
    Tanh, "tanh", 1;
    /// Bitwise or logical exclusive or.
    Xor, "xor", 2;
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

    /// See [`super::StructuralOp::infer`].
    pub fn infer(self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(self.operands(), 1)?;
        Ok(None)
    }

    /// See [`super::StructuralOp::verify`].
    pub fn verify(self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    /// See [`super::StructuralOp::eval`].
    pub fn eval(self, _op: &OpView<'_>, _inputs: &[Tensor]) -> Result<Tensor, EvalError> {
        Err(EvalError::unsupported(self.name(), "not evaluated yet"))
    }
}
