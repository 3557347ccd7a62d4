//! `tuple` and `get_tuple_element`.
//!
//! StableHLO specification, sections `tuple` and `get_tuple_element`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Groups values.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuple;

impl StructuralOp for Tuple {
    const NAME: &'static str = "stablehlo.tuple";
    const SPEC: &'static str = "tuple";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Tuple)
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

/// Takes one value of a tuple.
#[derive(Clone, Debug, PartialEq)]
pub struct GetTupleElement {
    /// Position in the tuple.
    pub index: i64,
}

impl StructuralOp for GetTupleElement {
    const NAME: &'static str = "stablehlo.get_tuple_element";
    const SPEC: &'static str = "get_tuple_element";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(GetTupleElement { index: attrs.int("index")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.i32("index", self.index);
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
