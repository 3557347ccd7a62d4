//! `cross-replica-sum`: sums the values of a group's replicas.
//!
//! StableHLO dialect, `CrossReplicaSumOp`; deprecated in favour of `all_reduce`.
use super::groups::{GroupLabels, Groups};
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Sums the values of a group's replicas.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossReplicaSum {
    /// The groups.
    pub groups: Groups,
}

const LABELS: GroupLabels = GroupLabels { table: "I2", unique: "C1", range: "C3" };

impl StructuralOp for CrossReplicaSum {
    const NAME: &'static str = "stablehlo.cross-replica-sum";
    const SPEC: &'static str = "cross-replica-sum";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(CrossReplicaSum { groups: Groups::read(attrs)? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.groups.write(attrs);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        Ok(Some(vec![op.tensor(0)?.clone().into()]))
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        self.groups.verify(LABELS, false)
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
