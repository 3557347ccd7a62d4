//! `pad`: surrounds and interleaves the operand with a padding value; negative edges crop.
//!
//! StableHLO specification, section `pad`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Surrounds and interleaves the operand with a padding value; negative edges crop.
#[derive(Clone, Debug, PartialEq)]
pub struct Pad {
    /// Elements added before each dimension; negative ones remove.
    pub low: Vec<i64>,
    /// Elements added after each dimension; negative ones remove.
    pub high: Vec<i64>,
    /// Elements added between neighbours of each dimension.
    pub interior: Vec<i64>,
}

impl StructuralOp for Pad {
    const NAME: &'static str = "stablehlo.pad";
    const SPEC: &'static str = "pad";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Pad {
            low: attrs.ints("edge_padding_low")?,
            high: attrs.ints("edge_padding_high")?,
            interior: attrs.ints("interior_padding")?,
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("edge_padding_low", &self.low);
        attrs.ints("edge_padding_high", &self.high);
        attrs.ints("interior_padding", &self.interior);
    }

    fn infer(&self, _op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        Ok(None)
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        _inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Err(EvalError::unsupported(Self::NAME, "not evaluated yet"))
    }
}
