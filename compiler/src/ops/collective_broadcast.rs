//! `collective_broadcast`: sends the value of one of a group's processes to all of them.
//!
//! StableHLO specification, section `collective_broadcast`.
use super::groups::{Channel, GroupLabels, Groups, data, results, without_root, zeros};
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Attr, Type};

/// Sends the value of one of a group's processes to all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectiveBroadcast {
    /// The groups; the first process of each is the source.
    pub groups: Groups,
    /// The channel.
    pub channel: Channel,
    /// Whether the last operand says which process is the source.
    pub dynamic_root: bool,
}

const LABELS: GroupLabels = GroupLabels { table: "I2", unique: "C1", range: "C2" };

impl StructuralOp for CollectiveBroadcast {
    const NAME: &'static str = "stablehlo.collective_broadcast";
    const SPEC: &'static str = "collective_broadcast";
    const RESULT: [Option<&'static str>; 2] = [Some("C3"), Some("C3")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(CollectiveBroadcast {
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
        Ok(results(data(op, n, "I1")?.into_iter().cloned().collect()))
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        self.groups.verify_some(LABELS)
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let member = self.groups.on_one_device(Self::NAME)?;
        let sent = inputs.iter().take(op.op.results.len());
        match member {
            true => Ok(sent.cloned().collect()),
            false => sent.map(zeros).collect(),
        }
    }
}
