//! What the operations of batch normalisation have in common.

use super::{AttrReader, AttrWriter, OpError, OpView, types};
use crate::ir::Type;

/// The attributes of a batch normalisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    /// Added to the variance; an `f32` value.
    pub epsilon: f64,
    /// The feature dimension.
    pub feature_index: i64,
}

impl Normalization {
    pub(super) fn read(attrs: &mut AttrReader<'_>) -> Result<Normalization, OpError> {
        Ok(Normalization {
            epsilon: attrs.float("epsilon")?,
            feature_index: attrs.int("feature_index")?,
        })
    }

    pub(super) fn write(&self, attrs: &mut AttrWriter) {
        attrs.f32("epsilon", self.epsilon);
        attrs.int("feature_index", self.feature_index);
    }

    /// The feature dimension, checked against the rank of operand 0.
    pub(super) fn dim(&self, op: &OpView<'_>) -> Result<usize, OpError> {
        types::one_dim(Some("C1"), "feature_index", self.feature_index, op.tensor(0)?.rank())
    }

    /// The type of operand 0, and twice that of one value per feature.
    pub(super) fn with_statistics(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let operand = op.tensor(0)?;
        let statistic = types::with_dims(operand, vec![operand.dims[self.dim(op)?]]);
        let statistic = Type::from(statistic);
        Ok(Some(vec![operand.clone().into(), statistic.clone(), statistic]))
    }
}
