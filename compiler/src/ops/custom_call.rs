//! `custom_call`: an operation known by its target's name only.
//!
//! StableHLO specification, section `custom_call`.

use std::sync::Arc;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Attr, Dict, Type};

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
