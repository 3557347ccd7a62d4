//! `collective_reduce`: reduces the values of a group's processes to one of them.
//!
//! StableHLO dialect, `CollectiveReduceOp`: constraints are those of `all_reduce`.
use super::groups::{
    Channel, GroupLabels, Groups, data, reduce_one, reduced, results, without_root,
};
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Attr, Type};

/// Reduces the values of a group's processes to one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectiveReduce {
    /// The groups.
    pub groups: Groups,
    /// The channel.
    pub channel: Channel,
    /// Whether the last operand says which process receives each result.
    pub dynamic_root: bool,
}

const LABELS: GroupLabels = GroupLabels { table: "I2", unique: "C1", range: "C3" };

impl StructuralOp for CollectiveReduce {
    const NAME: &'static str = "stablehlo.collective_reduce";
    const SPEC: &'static str = "collective_reduce";
    const RESULT: [Option<&'static str>; 2] = [Some("C7"), Some("C6")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(CollectiveReduce {
            groups: Groups::read(attrs)?,
            channel: Channel::read(attrs)?,
            dynamic_root: attrs.opt_bool("has_dynamic_root")?.unwrap_or(false),
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.groups.write(attrs);
        self.channel.write(attrs);
        if self.dynamic_root {
            attrs.attr("has_dynamic_root", Attr::Unit);
        }
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let n = without_root(op, self.dynamic_root, "I1")?;
        op.expect_arity(op.op.operands.len(), n)?;
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
