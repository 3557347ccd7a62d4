//! `check.*`: expectations that conformance programs carry.
//!
//! Not in the StableHLO specification: the reference implementation's `check` dialect and the
//! `custom_call` targets of the same names. A failed expectation is recorded by the evaluator; it
//! is not an error.

use std::sync::Arc;

use microhlo_format::DType;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{Element, EvalError, Evaluator, Tensor};
use crate::ir::{Attr, Constant, Type};

/// Absolute tolerance where none is given.
const TOLERANCE: f64 = 1e-4;

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Equal as numbers: NaN differs from itself, zeros of either sign are equal.
    Equal,
    /// At most this absolute difference; equal infinities and NaN match themselves.
    Almost(f64),
    /// A distance of this many representable numbers, least and greatest.
    Ulps(u64, u64),
    /// Integers equal; anything else within an absolute difference.
    QuantisedEqual(f64),
}

impl Rule {
    /// The expectation that a `custom_call` target of the reference implementation's tests is.
    pub fn of_custom_call(target: &str) -> Option<Rule> {
        match target {
            "check.expect_eq" => Some(Rule::Equal),
            "check.expect_close" => Some(Rule::Ulps(0, 3)),
            "check.expect_almost_eq" => Some(Rule::Almost(1e-3)),
            "check.eq" => Some(Rule::QuantisedEqual(1e-4)),
            _ => None,
        }
    }

    /// What is wrong, or `None` when the expectation holds.
    pub fn compare(self, actual: &Tensor, expected: &Tensor) -> Option<String> {
        if actual.ty() != expected.ty() {
            return Some(format!("is of type {}, expected {}", actual.ty(), expected.ty()));
        }
        let dtype = actual.dtype();
        let pairs = || actual.elements().zip(expected.elements());
        let bad = |&(a, b): &(Element, Element)| !self.holds(dtype, a, b);
        let (at, (a, b)) = pairs().enumerate().find(|(_, pair)| bad(pair))?;
        let n = pairs().filter(bad).count();
        let dims = actual.dims();
        let index: Vec<usize> =
            crate::eval::strides(dims).iter().zip(dims).map(|(s, d)| at / s % d).collect();
        let total = actual.len();
        Some(format!("element {index:?} is {a:?}, expected {b:?} ({n} of {total} elements differ)"))
    }

    fn holds(self, dtype: DType, a: Element, b: Element) -> bool {
        match (self, a, b) {
            (Rule::Equal, a, b) => a == b,
            (Rule::Almost(t) | Rule::QuantisedEqual(t), Element::Float(a), Element::Float(b)) => {
                almost(a, b, t)
            }
            (
                Rule::Almost(t) | Rule::QuantisedEqual(t),
                Element::Complex(a, b),
                Element::Complex(c, d),
            ) => almost(a, c, t) && almost(b, d, t),
            (Rule::Ulps(min, max), Element::Float(a), Element::Float(b)) => {
                (min..=max).contains(&ulps(dtype, a, b))
            }
            (Rule::Ulps(min, max), Element::Complex(a, b), Element::Complex(c, d)) => {
                let part = if dtype == DType::C64 { DType::F32 } else { DType::F64 };
                (min..=max).contains(&ulps(part, a, c).max(ulps(part, b, d)))
            }
            (_, a, b) => a == b,
        }
    }
}

fn almost(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= tolerance
}

/// Number of representable numbers between two floats; NaN is at no distance from NaN and at an
/// infinite one from all else, as infinities are from other numbers.
fn ulps(dtype: DType, a: f64, b: f64) -> u64 {
    if a.is_nan() && b.is_nan() || a == b {
        return 0;
    }
    if !a.is_finite() || !b.is_finite() {
        return u64::MAX;
    }
    let magnitude = |v: f64| {
        let mut bytes = [0u8; 8];
        Element::Float(v.abs()).encode(dtype, &mut bytes[..dtype.size()]);
        u64::from_le_bytes(bytes)
    };
    let (x, y) = (magnitude(a), magnitude(b));
    if a.is_sign_negative() == b.is_sign_negative() { x.abs_diff(y) } else { x.saturating_add(y) }
}

/// Operands of an expectation are of one type, and so is the constant, if there is one.
fn infer(op: &OpView<'_>, constant: Option<&Constant>) -> Result<Option<Vec<Type>>, OpError> {
    op.expect_arity(if constant.is_some() { 1 } else { 2 }, 0)?;
    let actual = op.tensor(0)?;
    let expected = match constant {
        Some(c) => &c.ty,
        None => op.tensor(1)?,
    };
    if !actual.accepts(expected) {
        return Err(OpError::new(format!("compares {actual} with {expected}")));
    }
    Ok(Some(vec![]))
}

fn record(
    rule: Rule,
    op: &OpView<'_>,
    inputs: &[Tensor],
    constant: Option<&Constant>,
    evaluator: &mut Evaluator<'_>,
) -> Result<Vec<Tensor>, EvalError> {
    let expected = match constant {
        Some(c) => Tensor::from_constant(c)?,
        None => inputs.get(1).cloned().ok_or_else(|| OpError::new("has no expected value"))?,
    };
    evaluator.record_check(op.op.span, rule.compare(&inputs[0], &expected));
    Ok(vec![])
}

macro_rules! expectation {
    ($ty:ident, $name:literal, $constant:expr, $rule:expr, |$attrs:ident| $read:expr,
     $write:expr) => {
        impl StructuralOp for $ty {
            const NAME: &'static str = $name;
            const SPEC: &'static str = "(check dialect)";

            fn read($attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
                Ok($read)
            }

            fn write(&self, attrs: &mut AttrWriter) {
                let write: fn(&Self, &mut AttrWriter) = $write;
                write(self, attrs);
            }

            fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
                let constant: fn(&Self) -> Option<&Constant> = $constant;
                infer(op, constant(self))
            }

            fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
                Ok(())
            }

            fn eval(
                &self,
                op: &OpView<'_>,
                inputs: &[Tensor],
                evaluator: &mut Evaluator<'_>,
            ) -> Result<Vec<Tensor>, EvalError> {
                let constant: fn(&Self) -> Option<&Constant> = $constant;
                let rule: fn(&Self) -> Rule = $rule;
                record(rule(self), op, inputs, constant(self), evaluator)
            }
        }
    };
}

/// Both operands are equal element by element.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectEq;

expectation!(ExpectEq, "check.expect_eq", |_| None, |_| Rule::Equal, |_attrs| ExpectEq, |_, _| {});

/// The operand equals a constant element by element.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectEqConst {
    /// The expected value.
    pub value: Arc<Constant>,
}

expectation!(
    ExpectEqConst,
    "check.expect_eq_const",
    |this| Some(&*this.value),
    |_| Rule::Equal,
    |attrs| ExpectEqConst { value: attrs.dense("value")? },
    |this, out| out.attr("value", Attr::Dense(Arc::clone(&this.value)))
);

/// Both operands differ by at most a tolerance.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectAlmostEq {
    /// Largest absolute difference.
    pub tolerance: f64,
}

expectation!(
    ExpectAlmostEq,
    "check.expect_almost_eq",
    |_| None,
    |this| Rule::Almost(this.tolerance),
    |attrs| ExpectAlmostEq { tolerance: attrs.opt_float("tolerance")?.unwrap_or(TOLERANCE) },
    |this, out| out.attr("tolerance", Attr::Float(this.tolerance, "f64".into()))
);

/// The operand differs from a constant by at most a tolerance.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectAlmostEqConst {
    /// The expected value.
    pub value: Arc<Constant>,
    /// Largest absolute difference.
    pub tolerance: f64,
}

expectation!(
    ExpectAlmostEqConst,
    "check.expect_almost_eq_const",
    |this| Some(&*this.value),
    |this| Rule::Almost(this.tolerance),
    |attrs| ExpectAlmostEqConst {
        value: attrs.dense("value")?,
        tolerance: attrs.opt_float("tolerance")?.unwrap_or(TOLERANCE),
    },
    |this, out| {
        out.attr("value", Attr::Dense(Arc::clone(&this.value)));
        out.attr("tolerance", Attr::Float(this.tolerance, "f64".into()))
    }
);

/// Both operands differ by a bounded number of units in the last place.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectClose {
    /// Least distance.
    pub min_ulp: u64,
    /// Greatest distance.
    pub max_ulp: u64,
}

expectation!(
    ExpectClose,
    "check.expect_close",
    |_| None,
    |this| Rule::Ulps(this.min_ulp, this.max_ulp),
    |attrs| ExpectClose {
        min_ulp: attrs.opt_u64("min_ulp_difference")?.unwrap_or(0),
        max_ulp: attrs.opt_u64("max_ulp_difference")?.unwrap_or(1),
    },
    |this, out| {
        out.attr("min_ulp_difference", Attr::Int(this.min_ulp.into(), "i64".into()));
        out.attr("max_ulp_difference", Attr::Int(this.max_ulp.into(), "i64".into()))
    }
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::floats;

    #[test]
    fn distances_in_units_of_the_last_place() {
        let next = f64::from(f32::from_bits(1f32.to_bits() + 2));
        assert_eq!(ulps(DType::F32, 1.0, next), 2);
        assert_eq!(ulps(DType::F32, 0.0, -0.0), 0);
        assert_eq!(ulps(DType::F16, -5.960464477539063e-8, 5.960464477539063e-8), 2);
        assert_eq!(ulps(DType::F32, f64::NAN, f64::NAN), 0);
        assert_eq!(ulps(DType::F32, f64::INFINITY, 1.0), u64::MAX);
    }

    #[test]
    fn rules_accept_and_refuse() {
        let (a, b) = (floats(&[2], &[1.0, f32::NAN]), floats(&[2], &[1.00005, f32::NAN]));
        assert!(Rule::Equal.compare(&a, &a).unwrap().contains("[1]"), "NaN differs from itself");
        assert_eq!(Rule::Almost(1e-4).compare(&a, &b), None);
        assert!(Rule::Ulps(0, 3).compare(&a, &b).unwrap().contains("1 of 2"));
        assert!(Rule::Equal.compare(&a, &floats(&[1], &[1.0])).is_some());
    }
}
