//! `all_to_all`: splits values and exchanges the parts within a group.
//!
//! StableHLO specification, section `all_to_all`.
use super::groups::{Channel, GroupLabels, Groups, data};
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{TensorType, Type};

/// Splits values and exchanges the parts within a group.
#[derive(Clone, Debug, PartialEq)]
pub struct AllToAll {
    /// Dimension that is split.
    pub split: i64,
    /// Dimension along which parts are joined.
    pub concat: i64,
    /// Number of parts.
    pub count: i64,
    /// The groups.
    pub groups: Groups,
    /// The channel.
    pub channel: Channel,
}

const LABELS: GroupLabels = GroupLabels { table: "I5", unique: "C5", range: "C7" };

impl AllToAll {
    fn result(&self, from: &TensorType) -> Result<TensorType, OpError> {
        let split = types::one_dim(Some("C1"), "split_dimension", self.split, from.rank())?;
        let concat = types::one_dim(Some("C3"), "concat_dimension", self.concat, from.rank())?;
        constraint!(self.count > 0, "C4", "split_count must be positive, is {}", self.count);
        let count = self.count as u64;
        let divides = from.dims[split].size().is_none_or(|n| n % count == 0);
        constraint!(divides, "C2", "split_count {count} must divide dimension {split} of {from}");
        let mut dims = from.dims.clone();
        if split != concat {
            dims[split] = dims[split].map(|n| n.checked_div(count));
            dims[concat] = dims[concat].map(|n| n.checked_mul(count));
        }
        Ok(types::with_dims(from, dims))
    }
}

impl StructuralOp for AllToAll {
    const NAME: &'static str = "stablehlo.all_to_all";
    const SPEC: &'static str = "all_to_all";
    const RESULT: [Option<&'static str>; 2] = [Some("C9"), Some("C9")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(AllToAll {
            split: attrs.int("split_dimension")?,
            concat: attrs.int("concat_dimension")?,
            count: attrs.int("split_count")?,
            groups: Groups::read(attrs)?,
            channel: Channel::read(attrs)?,
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.int("split_dimension", self.split);
        attrs.int("concat_dimension", self.concat);
        attrs.int("split_count", self.count);
        self.groups.write(attrs);
        self.channel.write(attrs);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let n = op.op.operands.len();
        op.expect_arity(n, n)?;
        let types = data(op, n, "I1")?.into_iter().map(|t| self.result(t).map(Type::Tensor));
        types.collect::<Result<Vec<_>, _>>().map(Some)
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        self.groups.verify(LABELS, true)?;
        if let Some(table) = self.groups.table(LABELS.table)? {
            constraint!(
                table.width as i64 == self.count,
                "C8",
                "groups must have split_count = {} processes, have {}",
                self.count,
                table.width
            );
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
