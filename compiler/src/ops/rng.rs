//! `rng`: random numbers of a distribution.
//!
//! StableHLO specification, section `rng`.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Dim, Type};
use crate::passes::decompose;

/// Random numbers of a distribution with parameters `a` and `b`.
///
/// The specification leaves the numbers to the implementation. Here they are Philox bits of a
/// constant key: the first `rng` of a program has key 0, the next one key 1, and so on. A device
/// has no other source, so they are the same in every run; a program that needs new ones takes a
/// state as an input and uses `rng_bit_generator`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rng {
    /// The distribution.
    pub distribution: Distribution,
}

/// A distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Uniform in `a..b`.
    Uniform,
    /// Normal with mean `a` and standard deviation `b`.
    Normal,
}

impl Distribution {
    /// All distributions.
    pub const ALL: [Distribution; 2] = [Distribution::Uniform, Distribution::Normal];

    /// The spelling in StableHLO text.
    pub fn name(self) -> &'static str {
        match self {
            Distribution::Uniform => "UNIFORM",
            Distribution::Normal => "NORMAL",
        }
    }
}

impl StructuralOp for Rng {
    const NAME: &'static str = "stablehlo.rng";
    const SPEC: &'static str = "rng";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        let text = attrs.enumeration("rng_distribution")?;
        let found = Distribution::ALL.into_iter().find(|d| d.name() == &*text);
        let unknown = || OpError::new(format!("unknown distribution `{text}`"));
        Ok(Rng { distribution: found.ok_or_else(unknown)? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.enumeration("rng_distribution", "rng_distribution", self.distribution.name());
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(3, 1)?;
        let (a, shape) = (op.tensor(0)?, op.tensor(2)?);
        constraint!(shape.rank() == 1, "I3", "the shape must be one-dimensional, is {shape}");
        let rank = shape.dims[0].size();
        let Some(rank) = rank else { return Ok(None) };
        let result = op.result_tensor(0)?;
        constraint!(
            result.rank() as u64 == rank,
            "C3",
            "a shape of {rank} numbers does not describe {result}"
        );
        let sized = |&n: &i64| types::sized("a dimension", n.into());
        let label = |e| OpError { constraint: Some("C3"), ..e };
        let dims = match op.constant_ints(2) {
            Some(sizes) => sizes.iter().map(sized).collect::<Result<_, _>>().map_err(label)?,
            None => vec![Dim::Dynamic { bound: None }; result.rank()],
        };
        Ok(Some(vec![types::with_dims(a, dims).into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (a, b) = (op.tensor(0)?, op.tensor(1)?);
        for (label, t) in [("I1", a), ("I2", b)] {
            let numbers = t.elem.plain().is_some_and(|d| !d.is_complex());
            if t.rank() != 0 || !numbers {
                let text = format!("a parameter must be a scalar, is {t}");
                return Err(OpError::constraint(label, text));
            }
        }
        constraint!(a.elem == b.elem, "C1", "parameters {a} and {b} differ in type");
        let float = a.elem.storage().is_float();
        constraint!(
            float || self.distribution == Distribution::Uniform,
            "C2",
            "a normal distribution is of floats, not of {a}"
        );
        types::verify_shape(op, 2, ["I3", "C3"])
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let dims = types::shape_of(&inputs[2])?;
        let declared = op.result_tensor(0)?;
        if !types::same_dims(&declared.dims, &dims) {
            let text = format!("the shape operand does not give {declared}");
            return Err(OpError::constraint("C3", text).into());
        }
        decompose::random(op, inputs, dims, evaluator)
    }
}
