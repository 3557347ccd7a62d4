//! `check.*`: expectations that conformance programs carry.
//!
//! Not in the StableHLO specification: the reference implementation's `check` dialect and the
//! `custom_call` targets of the same names. A failed expectation is recorded by the evaluator; it
//! is not an error.

use std::sync::Arc;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Attr, Constant, Type};

/// Absolute tolerance where none is given.
const TOLERANCE: f64 = 1e-4;

/// Both operands are equal element by element.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectEq;

impl StructuralOp for ExpectEq {
    const NAME: &'static str = "check.expect_eq";
    const SPEC: &'static str = "(check dialect)";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(ExpectEq)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, _op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        Ok(None)
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        _inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Err(EvalError::unsupported(Self::NAME, "not evaluated yet"))
    }
}

/// The operand equals a constant element by element.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectEqConst {
    /// The expected value.
    pub value: Arc<Constant>,
}

impl StructuralOp for ExpectEqConst {
    const NAME: &'static str = "check.expect_eq_const";
    const SPEC: &'static str = "(check dialect)";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(ExpectEqConst { value: attrs.dense("value")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.attr("value", Attr::Dense(Arc::clone(&self.value)));
    }

    fn infer(&self, _op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        Ok(None)
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        _inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Err(EvalError::unsupported(Self::NAME, "not evaluated yet"))
    }
}

/// Both operands differ by at most a tolerance.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectAlmostEq {
    /// Largest absolute difference.
    pub tolerance: f64,
}

impl StructuralOp for ExpectAlmostEq {
    const NAME: &'static str = "check.expect_almost_eq";
    const SPEC: &'static str = "(check dialect)";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(ExpectAlmostEq { tolerance: attrs.opt_float("tolerance")?.unwrap_or(TOLERANCE) })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.attr("tolerance", Attr::Float(self.tolerance, "f64".into()));
    }

    fn infer(&self, _op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        Ok(None)
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        _inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Err(EvalError::unsupported(Self::NAME, "not evaluated yet"))
    }
}

/// The operand differs from a constant by at most a tolerance.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectAlmostEqConst {
    /// The expected value.
    pub value: Arc<Constant>,
    /// Largest absolute difference.
    pub tolerance: f64,
}

impl StructuralOp for ExpectAlmostEqConst {
    const NAME: &'static str = "check.expect_almost_eq_const";
    const SPEC: &'static str = "(check dialect)";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(ExpectAlmostEqConst {
            value: attrs.dense("value")?,
            tolerance: attrs.opt_float("tolerance")?.unwrap_or(TOLERANCE),
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.attr("value", Attr::Dense(Arc::clone(&self.value)));
        attrs.attr("tolerance", Attr::Float(self.tolerance, "f64".into()));
    }

    fn infer(&self, _op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        Ok(None)
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        _inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Err(EvalError::unsupported(Self::NAME, "not evaluated yet"))
    }
}

/// Both operands differ by a bounded number of units in the last place.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectClose {
    /// Least distance.
    pub min_ulp: u64,
    /// Greatest distance.
    pub max_ulp: u64,
}

impl StructuralOp for ExpectClose {
    const NAME: &'static str = "check.expect_close";
    const SPEC: &'static str = "(check dialect)";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(ExpectClose {
            min_ulp: attrs.opt_u64("min_ulp_difference")?.unwrap_or(0),
            max_ulp: attrs.opt_u64("max_ulp_difference")?.unwrap_or(1),
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        for (name, value) in
            [("min_ulp_difference", self.min_ulp), ("max_ulp_difference", self.max_ulp)]
        {
            attrs.attr(name, Attr::Int(i128::from(value), "i64".into()));
        }
    }

    fn infer(&self, _op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        Ok(None)
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        _inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Err(EvalError::unsupported(Self::NAME, "not evaluated yet"))
    }
}
