//! `custom_call`: an operation known by its target's name only.
//!
//! StableHLO specification, section `custom_call`.
use std::sync::Arc;

use microhlo_format::DType;

use super::check::Rule;
use super::chlo::names::meaning;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, layouts};
use crate::eval::{Element, EvalError, Evaluator, Tensor};
use crate::ir::{Attr, Dict, Type};
use crate::passes::decompose::{self, custom};

/// An operation known by its target's name only.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomCall {
    /// Name of the target.
    pub target: Arc<str>,
    /// Whether the call may not be removed or repeated.
    pub has_side_effect: bool,
    /// `backend_config` (a string or a dictionary), `api_version`, layouts and aliases, as
    /// written.
    pub config: Dict,
}

const KEPT: [&str; 8] = [
    "backend_config",
    "api_version",
    "called_computations",
    "operand_layouts",
    "result_layouts",
    "output_operand_aliases",
    "result_tilings",
    "operand_tilings",
];

impl StructuralOp for CustomCall {
    const NAME: &'static str = "stablehlo.custom_call";
    const SPEC: &'static str = "custom_call";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        let target = attrs.string("call_target_name")?;
        let has_side_effect = attrs.opt_bool("has_side_effect")?.unwrap_or(false);
        let mut config = Dict::default();
        for name in KEPT {
            if let Some(value) = attrs.take(name) {
                config.push(name, value);
            }
        }
        Ok(CustomCall { target, has_side_effect, config })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.attr("call_target_name", Attr::String(Arc::clone(&self.target)));
        if self.has_side_effect {
            attrs.bool("has_side_effect", true);
        }
        for (name, value) in self.config.iter() {
            attrs.attr(name, value.clone());
        }
    }

    fn infer(&self, _op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        Ok(None)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let operands = (0..op.op.operands.len()).map(|i| op.operand(i));
        let operands = operands.collect::<Result<Vec<_>, _>>()?;
        let results = (0..op.op.results.len()).map(|i| op.result(i));
        let results = results.collect::<Result<Vec<_>, _>>()?;
        layouts::verify(&self.config, &operands, &results)
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        if let Some(kind) = meaning(op.body, op.op) {
            return kind.eval(op, inputs, evaluator);
        }
        let Some(rule) = Rule::of_custom_call(&self.target) else {
            if &*self.target == "shape_assertion" {
                return self.assert(op, inputs);
            }
            if custom::is_known_target(&self.target) {
                return decompose::evaluate(op, inputs, evaluator);
            }
            let why = format!(
                "the target `{}` is not known; if firmware computes it, only a firmware with it can run \
                 the program (a composite has a decomposition that runs everywhere)",
                self.target
            );
            return Err(EvalError::unsupported(Self::NAME, why));
        };
        let [actual, expected] = inputs else {
            return Err(OpError::new("an expectation has two operands").into());
        };
        let failure = rule.compare(actual, expected);
        let holds = failure.is_none();
        evaluator.record_check(op.op.span, failure);
        match op.op.results.len() {
            0 => Ok(vec![]),
            _ => Ok(vec![Tensor::scalar(DType::I1, Element::Bool(holds))]),
        }
    }
}

impl CustomCall {
    /// A `shape_assertion`: its first operand must be true.
    fn assert(&self, op: &OpView<'_>, inputs: &[Tensor]) -> Result<Vec<Tensor>, EvalError> {
        let number = |t: &Tensor| t.ints().and_then(|v| v.first().copied());
        let holds = inputs.first().and_then(number);
        if holds == Some(1) && op.op.results.is_empty() {
            return Ok(vec![]);
        }
        let numbers: Vec<Option<i64>> = inputs.iter().skip(1).map(number).collect();
        Err(OpError::new(custom::assertion_message(op.op, &numbers)).into())
    }
}
