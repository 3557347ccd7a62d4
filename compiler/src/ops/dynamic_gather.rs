//! `dynamic_gather`: gathers slices of run-time sizes.
//!
//! StableHLO specification, section `dynamic_gather`.
use super::gather::GatherDims;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Dim, Type};

/// Gathers slices of run-time sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicGather {
    /// Roles of dimensions.
    pub dims: GatherDims,
    /// A promise about the start indices; not used.
    pub indices_are_sorted: bool,
}

/// The slice sizes as far as they are known.
fn slice_sizes(op: &OpView<'_>, rank: usize) -> Result<Vec<Dim>, OpError> {
    let Some(sizes) = op.constant_ints(2) else {
        return Ok(vec![Dim::Dynamic { bound: None }; rank]);
    };
    let sized = |&n: &i64| types::sized("a slice size", n.into());
    let label = |e| OpError { constraint: Some("C12"), ..e };
    sizes.iter().map(sized).collect::<Result<_, _>>().map_err(label)
}

impl StructuralOp for DynamicGather {
    const RESULT: [Option<&'static str>; 2] = [Some("C14"), Some("C13")];
    const NAME: &'static str = "stablehlo.dynamic_gather";
    const SPEC: &'static str = "dynamic_gather";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(DynamicGather {
            dims: GatherDims::read(attrs)?,
            indices_are_sorted: attrs.opt_bool("indices_are_sorted")?.unwrap_or(false),
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.dims.write(attrs);
        attrs.bool("indices_are_sorted", self.indices_are_sorted);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(3, 1)?;
        let (operand, indices) = (op.tensor(0)?, op.tensor(1)?);
        let sizes = slice_sizes(op, operand.rank())?;
        self.dims.check(operand, indices, &sizes)?;
        let dims = self.dims.result(indices, &sizes)?;
        Ok(Some(vec![types::with_dims(operand, dims).into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let operand = op.tensor(0)?;
        types::verify_list(op, 2, operand.rank(), ["I3", "C11"])
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let sizes = types::int_list(&inputs[2])?;
        Ok(vec![self.dims.eval(&inputs[0], &inputs[1], &sizes)?])
    }
}
