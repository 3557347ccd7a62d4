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
    const RESULT: [Option<&'static str>; 2] = [Some("C1"), Some("C1")];

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Tuple)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let n = op.op.operands.len();
        op.expect_arity(n, 1)?;
        let types = (0..n).map(|i| op.operand(i).cloned()).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(vec![Type::Tuple(types)]))
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
        Err(EvalError::unsupported(Self::NAME, "tuples are not tensors"))
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
    const RESULT: [Option<&'static str>; 2] = [Some("C2"), Some("C2")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(GetTupleElement { index: attrs.int("index")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.i32("index", self.index);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        let ty = op.operand(0)?;
        let Type::Tuple(types) = ty else {
            let text = format!("the operand must be a tuple, is {ty}");
            return Err(OpError::constraint("I1", text));
        };
        let element = usize::try_from(self.index).ok().and_then(|i| types.get(i));
        let missing = || OpError::constraint("C1", format!("{ty} has no element {}", self.index));
        Ok(Some(vec![element.ok_or_else(missing)?.clone()]))
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
        Err(EvalError::unsupported(Self::NAME, "tuples are not tensors"))
    }
}
