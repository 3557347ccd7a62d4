//! `all_reduce`: reduces the values of a group's processes.
//!
//! StableHLO specification, section `all_reduce`.
use super::groups::{Channel, GroupLabels, Groups, data, reduce_one, reduced, results};
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Reduces the values of a group's processes.
#[derive(Clone, Debug, PartialEq)]
pub struct AllReduce {
    /// The groups, of any sizes.
    pub groups: Groups,
    /// The channel.
    pub channel: Channel,
}

const LABELS: GroupLabels = GroupLabels { table: "I2", unique: "C1", range: "C3" };

impl StructuralOp for AllReduce {
    const NAME: &'static str = "stablehlo.all_reduce";
    const SPEC: &'static str = "all_reduce";
    const RESULT: [Option<&'static str>; 2] = [Some("C7"), Some("C6")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(AllReduce { groups: Groups::read(attrs)?, channel: Channel::read(attrs)? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.groups.write(attrs);
        self.channel.write(attrs);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let n = op.op.operands.len();
        op.expect_arity(n, n)?;
        Ok(results(reduced(op, &data(op, n, "I1")?, "C5")?))
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        self.groups.verify(LABELS, false)?;
        self.channel.verify("C4")
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        self.groups.on_one_device(Self::NAME)?;
        reduce_one(op, inputs)
    }
}
