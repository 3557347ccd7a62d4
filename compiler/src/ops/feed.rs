//! `infeed` and `outfeed`: queues between a host and a device.
//!
//! StableHLO specification, sections `infeed` and `outfeed`. A compiled program has inputs and
//! outputs instead, so the operations are known and verified, and neither evaluated nor compiled.
use std::sync::Arc;

use super::token::expect_token;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Attr, Type};

pub(super) const WHY: &str = "a device has no queue to its host; make the value an argument or \
    a result of the function";

/// Reads values from the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Infeed {
    /// Meant for the implementation.
    pub config: Arc<str>,
    /// Minor-to-major orders of dimensions, as written.
    pub layout: Option<Attr>,
}

fn config(attrs: &mut AttrReader<'_>, name: &str) -> Result<Arc<str>, OpError> {
    match attrs.take(name) {
        None => Ok("".into()),
        Some(Attr::String(text)) => Ok(text),
        Some(other) => {
            Err(OpError::new(format!("attribute `{name}` must be a string, is `{other}`")))
        }
    }
}

/// Results are tensors and a token at the end.
pub(super) fn verify_received(
    op: &OpView<'_>,
    [some, tensors, token]: [&'static str; 3],
) -> Result<(), OpError> {
    let types = (0..op.op.results.len()).map(|i| op.result(i)).collect::<Result<Vec<_>, _>>()?;
    let Some((last, values)) = types.split_last() else {
        return Err(OpError::constraint(some, "expects at least one result"));
    };
    if let Some(other) = values.iter().find(|t| t.tensor().is_none()) {
        let text = format!("results before the last must be tensors, one is {other}");
        return Err(OpError::constraint(tensors, text));
    }
    match last {
        Type::Token => Ok(()),
        other => {
            let text = format!("the last result must be a token, is {other}");
            Err(OpError::constraint(token, text))
        }
    }
}

/// The result of an operation on tensors and a token at the end.
pub(super) fn infer_sent(op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
    op.expect_arity(op.op.operands.len().max(1), 1)?;
    Ok(Some(vec![Type::Token]))
}

/// Operands are tensors and a token at the end.
pub(super) fn verify_sent(op: &OpView<'_>) -> Result<(), OpError> {
    let values = op.op.operands.len().saturating_sub(1);
    for i in 0..values {
        constraint!(op.operand(i)?.tensor().is_some(), "I1", "operand {i} must be a tensor");
    }
    expect_token(op, values)
}

/// A list of integers for every value.
fn verify_layout(layout: &Attr, values: usize) -> Result<(), OpError> {
    let fail = |text: &str| Err(OpError::new(format!("{text}: `layout = {layout}`")));
    let Attr::Array(items) = layout else { return fail("the layout must be a list of lists") };
    if items.len() != values {
        return fail(&format!("{values} values need as many layouts"));
    }
    for item in items {
        match item {
            Attr::Array(order) if order.iter().all(|a| matches!(a, Attr::Int(..))) => {}
            _ => return fail("layouts must be lists of integers"),
        }
    }
    Ok(())
}

impl StructuralOp for Infeed {
    const NAME: &'static str = "stablehlo.infeed";
    const SPEC: &'static str = "infeed";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Infeed { config: config(attrs, "infeed_config")?, layout: attrs.take("layout") })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.attr("infeed_config", Attr::String(Arc::clone(&self.config)));
        if let Some(layout) = &self.layout {
            attrs.attr("layout", layout.clone());
        }
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, op.op.results.len())?;
        Ok(None)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        expect_token(op, 0)?;
        verify_received(op, ["C1", "C2", "C3"])?;
        match &self.layout {
            Some(layout) => verify_layout(layout, op.op.results.len() - 1),
            None => Ok(()),
        }
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        _inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Err(EvalError::unsupported(Self::NAME, WHY))
    }
}

/// Writes values to the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Outfeed {
    /// Meant for the implementation.
    pub config: Arc<str>,
}

impl StructuralOp for Outfeed {
    const NAME: &'static str = "stablehlo.outfeed";
    const SPEC: &'static str = "outfeed";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Outfeed { config: config(attrs, "outfeed_config")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.attr("outfeed_config", Attr::String(Arc::clone(&self.config)));
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        infer_sent(op)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        verify_sent(op)
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        _inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Err(EvalError::unsupported(Self::NAME, WHY))
    }
}
