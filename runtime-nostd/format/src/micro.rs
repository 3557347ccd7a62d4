//! Micro-operations: the scalar functions that map, reduce, window and generic contraction
//! kernels apply to strided runs of elements.
//!
//! A micro-operation is one StableHLO elementwise operation on one element type. Its id is
//! `operation << 5 | type`, or, for conversions, `0x8000 | from << 5 | to`. The numbers are part
//! of the artifact format.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::DType;

/// Calls `$callback!` with one row per micro-operation:
/// `name = code, inputs -> result, "name in StableHLO or CHLO";`; CHLO's codes begin at 64.
///
/// `result` is `same` (the operand type), `i1`, or `part`: the real type of complex operands, else
/// the operand type.
///
/// ```
/// use microhlo_format::{MicroOp, for_each_micro_op};
///
/// macro_rules! arities {
///     ($($(#[$doc:meta])* $name:ident = $code:literal, $inputs:literal, $result:ident, $text:literal;)*) => {
///         [$($inputs),*]
///     };
/// }
/// let arities = for_each_micro_op!(arities);
/// assert!(MicroOp::ALL.iter().map(|op| op.arity()).eq(arities));
/// ```
#[macro_export]
macro_rules! for_each_micro_op {
    ($callback:ident) => {
        $callback! {
            /// Copies.
            copy = 1, 1, same, "copy";
            /// Absolute value; magnitude of a complex number.
            abs = 2, 1, part, "abs";
            /// Sum; logical or on `i1`.
            add = 3, 2, same, "add";
            /// Logical or bitwise and.
            and = 4, 2, same, "and";
            /// Angle of (x, y), operands y, x.
            atan2 = 5, 2, same, "atan2";
            /// Cube root.
            cbrt = 6, 1, same, "cbrt";
            /// Smallest integral value not below.
            ceil = 7, 1, same, "ceil";
            /// Operands min, x, max.
            clamp = 8, 3, same, "clamp";
            /// Cosine.
            cosine = 9, 1, same, "cosine";
            /// Leading zero bits.
            count_leading_zeros = 10, 1, same, "count_leading_zeros";
            /// Quotient.
            divide = 11, 2, same, "divide";
            /// e to the power x.
            exponential = 12, 1, same, "exponential";
            /// e to the power x, less one.
            exponential_minus_one = 13, 1, same, "exponential_minus_one";
            /// Largest integral value not above.
            floor = 14, 1, same, "floor";
            /// Neither infinite nor NaN.
            is_finite = 15, 1, i1, "is_finite";
            /// Natural logarithm.
            log = 16, 1, same, "log";
            /// Natural logarithm of one plus x.
            log_plus_one = 17, 1, same, "log_plus_one";
            /// 1 / (1 + e^-x).
            logistic = 18, 1, same, "logistic";
            /// Larger value, NaN if any is; or on `i1`.
            maximum = 19, 2, same, "maximum";
            /// Smaller value, NaN if any is; and on `i1`.
            minimum = 20, 2, same, "minimum";
            /// Product; logical and on `i1`.
            multiply = 21, 2, same, "multiply";
            /// Negation.
            negate = 22, 1, same, "negate";
            /// Logical or bitwise complement.
            not = 23, 1, same, "not";
            /// Logical or bitwise or.
            or = 24, 2, same, "or";
            /// One bits.
            popcnt = 25, 1, same, "popcnt";
            /// Operands base, exponent.
            power = 26, 2, same, "power";
            /// Remainder with the dividend's sign.
            remainder = 27, 2, same, "remainder";
            /// Nearest integral value, ties away from zero.
            round_nearest_afz = 28, 1, same, "round_nearest_afz";
            /// Nearest integral value, ties to even.
            round_nearest_even = 29, 1, same, "round_nearest_even";
            /// Reciprocal square root.
            rsqrt = 30, 1, same, "rsqrt";
            /// Left shift; zero beyond the width.
            shift_left = 31, 2, same, "shift_left";
            /// Right shift that copies the sign.
            shift_right_arithmetic = 32, 2, same, "shift_right_arithmetic";
            /// Right shift that brings in zeros.
            shift_right_logical = 33, 2, same, "shift_right_logical";
            /// -1, 0 or 1.
            sign = 34, 1, same, "sign";
            /// Sine.
            sine = 35, 1, same, "sine";
            /// Square root.
            sqrt = 36, 1, same, "sqrt";
            /// Difference.
            subtract = 37, 2, same, "subtract";
            /// Tangent.
            tan = 38, 1, same, "tan";
            /// Hyperbolic tangent.
            tanh = 39, 1, same, "tanh";
            /// Logical or bitwise exclusive or.
            xor = 40, 2, same, "xor";
            /// Operands predicate (`i1`), on true, on false; the type is that of the values.
            select = 41, 3, same, "select";
            /// Equal.
            eq = 42, 2, i1, "compare EQ";
            /// Not equal, true for NaN.
            ne = 43, 2, i1, "compare NE";
            /// Less.
            lt = 44, 2, i1, "compare LT";
            /// Less or equal.
            le = 45, 2, i1, "compare LE";
            /// Greater.
            gt = 46, 2, i1, "compare GT";
            /// Greater or equal.
            ge = 47, 2, i1, "compare GE";
            /// Operands a, b, c: c + a * b, each operation rounded.
            multiply_add = 48, 3, same, "multiply_add";
            /// Less in the total order of floats.
            total_lt = 49, 2, i1, "compare LT, TOTALORDER";
            /// Imaginary part.
            imag = 50, 1, part, "imag";
            /// Complex number of two parts; the type is that of the result.
            complex = 51, 2, same, "complex";
            /// Less as sorting understands it: zeros are equal, and NaNs are equal and last.
            sort_lt = 52, 2, i1, "compare LT of sort keys";
            /// Inverse cosine.
            acos = 64, 1, same, "acos";
            /// Inverse hyperbolic cosine.
            acosh = 65, 1, same, "acosh";
            /// Inverse sine.
            asin = 66, 1, same, "asin";
            /// Inverse hyperbolic sine.
            asinh = 67, 1, same, "asinh";
            /// Inverse tangent.
            atan = 68, 1, same, "atan";
            /// Inverse hyperbolic tangent.
            atanh = 69, 1, same, "atanh";
            /// Exponentially scaled modified Bessel function of order one.
            bessel_i1e = 70, 1, same, "bessel_i1e";
            /// Hyperbolic cosine.
            cosh = 71, 1, same, "cosh";
            /// Derivative of the logarithm of the gamma function.
            digamma = 72, 1, same, "digamma";
            /// Error function.
            erf = 73, 1, same, "erf";
            /// Inverse of the error function.
            erf_inv = 74, 1, same, "erf_inv";
            /// One minus the error function.
            erfc = 75, 1, same, "erfc";
            /// Logarithm of the absolute value of the gamma function.
            lgamma = 76, 1, same, "lgamma";
            /// Upper half of a product.
            mulhi = 77, 2, same, "mulhi";
            /// Derivative of `digamma`, operands order and x.
            polygamma = 78, 2, same, "polygamma";
            /// Hyperbolic sine.
            sinh = 79, 1, same, "sinh";
            /// Product of complex numbers with themselves.
            square = 81, 1, same, "square";
            /// Hurwitz zeta function, operands x, q.
            zeta = 80, 2, same, "zeta";
        }
    };
}

macro_rules! micro_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $arity:literal, $result:ident, $text:literal;)*) => {
        /// The operation of a micro-operation, without its element type. See the example of [`MicroId`].
        #[allow(non_camel_case_types, reason = "names are those of StableHLO operations")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum MicroOp { $($(#[$doc])* $name = $code,)* }

        impl MicroOp {
            /// All operations.
            pub const ALL: &'static [MicroOp] = &[$(MicroOp::$name,)*];

            /// The operation with this code. See the example of [`MicroId`].
            pub const fn from_code(code: u16) -> Option<MicroOp> {
                match code { $($code => Some(MicroOp::$name),)* _ => None }
            }

            /// Number of operands, 1 to 3. See the example of [`MicroId`].
            pub const fn arity(self) -> usize {
                (self.facts() & ARITY) as usize
            }

            /// Identifier of the module that holds its rows in the runtime. See the example of [`MicroId`].
            pub const fn ident(self) -> &'static str {
                match self { $(MicroOp::$name => stringify!($name),)* }
            }

            /// What the operation is called in StableHLO. See the example of [`MicroId`].
            pub const fn text(self) -> &'static str {
                match self { $(MicroOp::$name => $text,)* }
            }

            /// Whether the result is `i1` whatever the operand type. See the example of [`MicroId`].
            pub const fn is_predicate(self) -> bool {
                self.facts() & PREDICATE != 0
            }

            /// Whether the result of complex operands is real. See the example of [`MicroId`].
            pub const fn is_part(self) -> bool {
                self.facts() & PART != 0
            }

            const fn facts(self) -> u8 {
                FACTS[(self as u8 & 127) as usize]
            }
        }

        /// What every operation is, by code. A variable rather than one `match` per question:
        /// those would become tables in flash, one for every use.
        static FACTS: [u8; 128] = {
            let mut facts = [0; 128];
            $(facts[$code] = $arity | micro_codes!(@result $result);)*
            facts
        };
    };
    (@result same) => { 0 };
    (@result i1) => { PREDICATE };
    (@result part) => { PART };
}

/// Number of operands in `FACTS`.
const ARITY: u8 = 3;
/// In `FACTS`: the result is `i1`.
const PREDICATE: u8 = 4;
/// In `FACTS`: the result of complex operands is real.
const PART: u8 = 8;

for_each_micro_op!(micro_codes);

/// Id of a micro-operation: an operation on an element type, or a conversion between two.
///
/// ```
/// use microhlo_format::{DType, Micro, MicroId, MicroOp};
///
/// let less = MicroId::op(MicroOp::lt, DType::F32);
/// assert_eq!(less.to_string(), "lt of f32");
/// let micro = less.decode().expect("an operation");
/// assert_eq!((micro, micro.arity()), (Micro::Op(MicroOp::lt, DType::F32), 2));
/// // A comparison of floats is a boolean.
/// assert_eq!((micro.operand(1), micro.result()), (DType::F32, DType::I1));
/// assert!(MicroOp::lt.is_predicate() && MicroOp::abs.is_part() && !MicroOp::add.is_part());
/// assert_eq!((MicroOp::lt.ident(), MicroOp::lt.text(), MicroOp::lt.arity()), ("lt", "compare LT", 2));
/// assert_eq!(MicroOp::from_code(MicroOp::lt as u16), Some(MicroOp::lt));
/// let widened = MicroId::convert(DType::I8, DType::I32).decode();
/// assert_eq!(widened, Some(Micro::Convert(DType::I8, DType::I32)));
/// assert_eq!(MicroId(0x7fff).decode(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MicroId(pub u16);

/// A decoded [`MicroId`]. See the example of [`MicroId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Micro {
    /// An operation on an element type (for `select`, the type of the values; for `complex`, that
    /// of the result).
    Op(MicroOp, DType),
    /// A conversion.
    Convert(DType, DType),
}

impl MicroId {
    const CONVERT: u16 = 0x8000;

    /// The id of an operation on a type. See the example of [`MicroId`].
    pub const fn op(op: MicroOp, dtype: DType) -> MicroId {
        MicroId((op as u16) << 5 | dtype.code() as u16)
    }

    /// The id of a conversion. See the example of [`MicroId`].
    pub const fn convert(from: DType, to: DType) -> MicroId {
        MicroId(Self::CONVERT | (from.code() as u16) << 5 | to.code() as u16)
    }

    /// What the id stands for, or `None` for a code that this format version does not define.
    /// See the example of [`MicroId`].
    pub const fn decode(self) -> Option<Micro> {
        let Some(low) = DType::from_code((self.0 & 31) as u8) else { return None };
        if self.0 & Self::CONVERT != 0 {
            return match DType::from_code((self.0 >> 5 & 31) as u8) {
                Some(from) if self.0 >> 10 & 31 == 0 => Some(Micro::Convert(from, low)),
                _ => None,
            };
        }
        match MicroOp::from_code(self.0 >> 5) {
            Some(op) => Some(Micro::Op(op, low)),
            None => None,
        }
    }
}

/// The operation with its type, or the number that this version does not know.
impl fmt::Display for MicroId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.decode() {
            Some(Micro::Op(op, dtype)) => write!(f, "{op:?} of {}", dtype.name()),
            Some(Micro::Convert(from, to)) => {
                write!(f, "convert from {} to {}", from.name(), to.name())
            }
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

impl Micro {
    /// Number of operands. See the example of [`MicroId`].
    pub const fn arity(self) -> usize {
        match self {
            Micro::Op(op, _) => op.arity(),
            Micro::Convert(..) => 1,
        }
    }

    /// Whether reductions read all elements of a result before they write it, rather than combining rows of
    /// results with rows of elements.
    #[doc(hidden)]
    pub const fn folds(self) -> bool {
        use MicroOp::{add, and, maximum, minimum, multiply, or};
        matches!(self, Micro::Op(add | and | maximum | minimum | multiply | or, _))
    }

    /// Element type of operand `i`. See the example of [`MicroId`].
    pub const fn operand(self, i: usize) -> DType {
        match self {
            Micro::Op(MicroOp::select, _) if i == 0 => DType::I1,
            Micro::Op(MicroOp::complex, dtype) => dtype.real_part(),
            Micro::Op(_, dtype) => dtype,
            Micro::Convert(from, _) => from,
        }
    }

    /// Element type of the result. See the example of [`MicroId`].
    pub const fn result(self) -> DType {
        match self {
            Micro::Op(op, _) if op.is_predicate() => DType::I1,
            Micro::Op(op, dtype) if op.is_part() => dtype.real_part(),
            Micro::Op(_, dtype) => dtype,
            Micro::Convert(_, to) => to,
        }
    }
}
