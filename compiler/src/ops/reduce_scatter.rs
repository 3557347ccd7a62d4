//! `reduce_scatter`: reduces the values of a group's processes and gives each a part.
//!
//! StableHLO specification, section `reduce_scatter`.
use super::groups::{Channel, GroupLabels, Groups, reduce_one};
use super::region::verify_reducer;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Reduces the values of a group's processes and gives each a part.
#[derive(Clone, Debug, PartialEq)]
pub struct ReduceScatter {
    /// Dimension that is split into the parts.
    pub dim: i64,
    /// The groups.
    pub groups: Groups,
    /// The channel.
    pub channel: Channel,
}

const LABELS: GroupLabels = GroupLabels { table: "I3", unique: "C3", range: "C5" };

impl StructuralOp for ReduceScatter {
    const NAME: &'static str = "stablehlo.reduce_scatter";
    const SPEC: &'static str = "reduce_scatter";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(ReduceScatter {
            dim: attrs.int("scatter_dimension")?,
            groups: Groups::read(attrs)?,
            channel: Channel::read(attrs)?,
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.int("scatter_dimension", self.dim);
        self.groups.write(attrs);
        self.channel.write(attrs);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        Ok(None)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        self.groups.verify(LABELS, true)?;
        self.channel.verify("C6")?;
        let (from, to) = (op.tensor(0)?, op.result_tensor(0)?);
        let acc = verify_reducer(op, 0, &[from], "C7")?;
        let dim = types::one_dim(Some("C2"), "scatter_dimension", self.dim, from.rank())?;
        constraint!(acc[0].elem == to.elem, "C9", "the result {to} must be of {}", acc[0].elem);
        let mut expected = from.dims.clone();
        if let (true, Some(size)) = (from.rank() == to.rank(), to.dims.get(dim)) {
            expected[dim] = *size;
        }
        constraint!(
            types::same_dims(&expected, &to.dims),
            "C8",
            "operand {from} and result {to} may differ in dimension {dim} only"
        );
        let (Some(large), Some(small)) = (from.dims[dim].size(), to.dims[dim].size()) else {
            return Ok(());
        };
        let width = match self.groups.table(LABELS.table)? {
            Some(table) if self.channel.plain_groups()? && table.groups > 0 => {
                Some(table.width as u64)
            }
            _ => None,
        };
        constraint!(
            large > 0 && width.is_none_or(|w| w > 0 && large % w == 0),
            "C1",
            "dimension {dim} of {from} must be a multiple of the group's size"
        );
        constraint!(
            small > 0 && large % small == 0 && width.is_none_or(|w| large / w == small),
            "C8",
            "dimension {dim} of {to} must be that of {from} divided by the group's size"
        );
        Ok(())
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
