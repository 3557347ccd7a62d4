//! `collective_reduce`: reduces the values of a group's processes to one of them.
//!
//! StableHLO dialect, `CollectiveReduceOp`: constraints are those of `all_reduce`.
use super::groups::{GroupLabels, Rooted, reduce_one, reduced, results};
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Reduces the values of a group's processes to one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectiveReduce(pub Rooted);

const LABELS: GroupLabels = GroupLabels { table: "I2", unique: "C1", range: "C3" };

impl StructuralOp for CollectiveReduce {
    const NAME: &'static str = "stablehlo.collective_reduce";
    const SPEC: &'static str = "collective_reduce";
    const RESULT: [Option<&'static str>; 2] = [Some("C7"), Some("C6")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Rooted::read(attrs).map(CollectiveReduce)
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.0.write(attrs);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        Ok(results(reduced(op, &self.0.data(op, "I1")?, "C5")?))
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        self.0.groups.verify(LABELS, false)?;
        self.0.channel.verify("C4")
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        self.0.groups.on_one_device(Self::NAME)?;
        reduce_one(op, inputs)
    }
}
