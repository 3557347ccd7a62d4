//! `all_gather`: concatenates the values of a group's processes.
//!
//! StableHLO specification, section `all_gather`.
use super::groups::{Channel, GroupLabels, Groups, data};
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Dim, TensorType, Type};

/// Concatenates the values of a group's processes.
#[derive(Clone, Debug, PartialEq)]
pub struct AllGather {
    /// Dimension that grows.
    pub dim: i64,
    /// The groups.
    pub groups: Groups,
    /// The channel.
    pub channel: Channel,
}

const LABELS: GroupLabels = GroupLabels { table: "I3", unique: "C2", range: "C4" };

impl AllGather {
    fn verify_result(&self, from: &TensorType, to: &TensorType) -> Result<(), OpError> {
        let dim = types::one_dim(Some("C1"), "all_gather_dim", self.dim, from.rank())?;
        constraint!(
            from.elem == to.elem && from.rank() == to.rank(),
            "C6",
            "operand {from} and result {to} must have one element type and rank"
        );
        let others = |t: &TensorType| -> Vec<Dim> {
            let mut dims = t.dims.clone();
            dims.remove(dim);
            dims
        };
        constraint!(
            types::same_dims(&others(from), &others(to)),
            "C6",
            "operand {from} and result {to} may differ in dimension {dim} only"
        );
        let (Some(small), Some(large)) = (from.dims[dim].size(), to.dims[dim].size()) else {
            return Ok(());
        };
        let width = match self.groups.table(LABELS.table)? {
            Some(table) if self.channel.plain_groups()? && table.groups > 0 => Some(table.width),
            _ => None,
        };
        let fits = small > 0
            && match width {
                Some(width) => small.checked_mul(width as u64) == Some(large),
                None => large % small == 0,
            };
        constraint!(
            fits,
            "C6",
            "dimension {dim} of {to} must be that of {from} times the group's size"
        );
        Ok(())
    }
}

impl StructuralOp for AllGather {
    const NAME: &'static str = "stablehlo.all_gather";
    const SPEC: &'static str = "all_gather";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(AllGather {
            dim: attrs.int("all_gather_dim")?,
            groups: Groups::read(attrs)?,
            channel: Channel::read(attrs)?,
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.int("all_gather_dim", self.dim);
        self.groups.write(attrs);
        self.channel.write(attrs);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let n = op.op.operands.len();
        op.expect_arity(n, n)?;
        Ok(None)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        self.groups.verify(LABELS, true)?;
        self.channel.verify("C5")?;
        for (i, from) in data(op, op.op.operands.len(), "I1")?.into_iter().enumerate() {
            self.verify_result(from, op.result_tensor(i)?)?;
        }
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        self.groups.on_one_device(Self::NAME)?;
        Ok(inputs.to_vec())
    }
}
