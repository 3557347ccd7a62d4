//! `rng_bit_generator`: random bits from a state.
//!
//! StableHLO specification, section `rng_bit_generator`. What the bits are is defined by
//! XLA: see [`crate::passes::decompose`].
use microhlo_format::DType;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;
use crate::passes::decompose;

/// Random bits from a state, and the next state.
#[derive(Clone, Debug, PartialEq)]
pub struct RngBitGenerator {
    /// How they are computed.
    pub algorithm: Algorithm,
}

/// A generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// The implementation's choice: Philox, as in XLA.
    Default,
    /// Threefry-2x32 with 20 rounds.
    ThreeFry,
    /// Philox-4x32 with 10 rounds.
    Philox,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Algorithm; 3] = [Algorithm::Default, Algorithm::ThreeFry, Algorithm::Philox];

    /// The spelling in StableHLO text.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Default => "DEFAULT",
            Algorithm::ThreeFry => "THREE_FRY",
            Algorithm::Philox => "PHILOX",
        }
    }
}

impl StructuralOp for RngBitGenerator {
    const NAME: &'static str = "stablehlo.rng_bit_generator";
    const SPEC: &'static str = "rng_bit_generator";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        let text = attrs.enumeration("rng_algorithm")?;
        let algorithm = Algorithm::ALL.into_iter().find(|a| a.name() == &*text);
        let unknown = || OpError::new(format!("unknown algorithm `{text}`"));
        Ok(RngBitGenerator { algorithm: algorithm.ok_or_else(unknown)? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.enumeration("rng_algorithm", "rng_algorithm", self.algorithm.name());
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 2)?;
        Ok(None)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (state, next, output) = (op.tensor(0)?, op.result_tensor(0)?, op.result_tensor(1)?);
        constraint!(
            next.accepts(state),
            "C1",
            "the state is {state}, the next one {next}; both must be of one type"
        );
        let one = state.rank() == 1 && state.elem.plain() == Some(DType::U64);
        constraint!(one, "I2", "the state must be a one-dimensional tensor of ui64, is {state}");
        let sizes: &[u64] = match self.algorithm {
            Algorithm::ThreeFry => &[2],
            Algorithm::Default | Algorithm::Philox => &[2, 3],
        };
        if state.dims[0].size().is_some_and(|n| !sizes.contains(&n)) {
            let text = format!("{} takes a state of {sizes:?} numbers", self.algorithm.name());
            return Err(OpError::new(format!("{text}, not {state}")));
        }
        let plain = output.elem.plain();
        if !plain.is_some_and(|d| d.is_integer() || d.is_float()) {
            return Err(OpError::new(format!(
                "the output must be of integers or floats, is {output}"
            )));
        }
        Ok(())
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        decompose::evaluate(op, inputs, evaluator)
    }
}
