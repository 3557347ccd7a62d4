//! `collective_permute`: sends values between pairs of processes.
//!
//! StableHLO specification, section `collective_permute`.
use super::groups::{Channel, several, zeros};
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Sends values between pairs of processes.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectivePermute {
    /// Source and target of each transfer.
    pub pairs: Vec<(i64, i64)>,
    /// The channel.
    pub channel: Channel,
}

impl StructuralOp for CollectivePermute {
    const NAME: &'static str = "stablehlo.collective_permute";
    const SPEC: &'static str = "collective_permute";
    const RESULT: [Option<&'static str>; 2] = [Some("C5"), Some("C5")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        let label = |e: OpError| OpError { constraint: Some("C1"), ..e };
        let pairs = attrs.opt_pairs("source_target_pairs").map_err(label)?;
        let missing = || OpError::new("attribute `source_target_pairs` is missing");
        Ok(CollectivePermute { pairs: pairs.ok_or_else(missing)?, channel: Channel::read(attrs)? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.pairs("source_target_pairs", &self.pairs);
        self.channel.write(attrs);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        Ok(Some(vec![op.tensor(0)?.clone().into()]))
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        for (i, (source, target)) in self.pairs.iter().enumerate() {
            let before = &self.pairs[..i];
            constraint!(
                before.iter().all(|p| p.0 != *source),
                "C2",
                "process {source} is the source of several pairs"
            );
            constraint!(
                before.iter().all(|p| p.1 != *target),
                "C3",
                "process {target} is the target of several pairs"
            );
            constraint!(
                *source >= 0 && *target >= 0,
                "C4",
                "there is no process {}",
                source.min(target)
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
        if let Some(pair) = self.pairs.iter().find(|p| **p != (0, 0)) {
            let what = format!("process {}", pair.0.max(pair.1));
            return Err(several(Self::NAME, &what));
        }
        match self.pairs.is_empty() {
            true => inputs.iter().map(zeros).collect(),
            false => Ok(inputs.to_vec()),
        }
    }
}
