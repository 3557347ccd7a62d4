//! `composite`: a named operation with a function that decomposes it.
//!
//! StableHLO specification, section `composite`.
use std::sync::Arc;

use super::chlo::names::meaning;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Attr, Dict, Type};

/// A named operation with a function that decomposes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Composite {
    /// Name of the composite operation.
    pub name: Arc<str>,
    /// The function of the module that computes it.
    pub decomposition: Arc<str>,
    /// Attributes of the composite operation.
    pub attributes: Dict,
    /// Version of the composite operation.
    pub version: i64,
}

impl StructuralOp for Composite {
    const NAME: &'static str = "stablehlo.composite";
    const SPEC: &'static str = "composite";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Composite {
            name: attrs.string("name")?,
            decomposition: attrs.symbol("decomposition")?,
            attributes: match attrs.take("composite_attributes") {
                None => Dict::default(),
                Some(Attr::Dict(d)) => d,
                Some(other) => {
                    let what = "attribute `composite_attributes` must be a dictionary";
                    return Err(OpError::new(format!("{what}, is `{other}`")));
                }
            },
            version: attrs.opt_int("version")?.unwrap_or(0),
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.attr("name", Attr::String(Arc::clone(&self.name)));
        attrs.attr("decomposition", Attr::Symbol(Arc::clone(&self.decomposition)));
        if !self.attributes.is_empty() {
            attrs.attr("composite_attributes", Attr::Dict(self.attributes.clone()));
        }
        attrs.i32("version", self.version);
    }

    fn infer(&self, _op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        // The decomposition is not visible from the body; module verification compares types.
        Ok(None)
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '-');
        let word = |w: &str| !w.is_empty() && w.chars().all(plain);
        let first = self.name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let namespaced = first && self.name.contains('.') && self.name.split('.').all(word);
        constraint!(namespaced, "C1", "the name `{}` must be like `dialect.operation`", self.name);
        Ok(())
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
        evaluator.call(&self.decomposition, inputs)
    }
}
