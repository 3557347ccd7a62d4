//! `collective_broadcast`: sends the value of one of a group's processes to all of them.
//!
//! StableHLO specification, section `collective_broadcast`.
use super::groups::{GroupLabels, Rooted, results, zeros};
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Sends the value of one of a group's processes to all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectiveBroadcast(pub Rooted);

const LABELS: GroupLabels = GroupLabels { table: "I2", unique: "C1", range: "C2" };

impl StructuralOp for CollectiveBroadcast {
    const NAME: &'static str = "stablehlo.collective_broadcast";
    const SPEC: &'static str = "collective_broadcast";
    const RESULT: [Option<&'static str>; 2] = [Some("C3"), Some("C3")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Rooted::read(attrs).map(CollectiveBroadcast)
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.0.write(attrs);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        Ok(results(self.0.data(op, "I1")?.into_iter().cloned().collect()))
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        self.0.groups.verify_some(LABELS)
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let member = self.0.groups.on_one_device(Self::NAME)?;
        let sent = inputs.iter().take(op.op.results.len());
        match member {
            true => Ok(sent.cloned().collect()),
            false => sent.map(zeros).collect(),
        }
    }
}
