//! `dot_general`: sums of products over contracted dimensions.
//!
//! StableHLO specification, section `dot_general`.

use std::sync::Arc;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Attr, Dict, Type};

/// Sums of products of two operands over contracted dimensions, batched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DotGeneral {
    /// Batch dimensions of the left operand.
    pub lhs_batching: Vec<i64>,
    /// Batch dimensions of the right operand.
    pub rhs_batching: Vec<i64>,
    /// Contracted dimensions of the left operand.
    pub lhs_contracting: Vec<i64>,
    /// Contracted dimensions of the right operand.
    pub rhs_contracting: Vec<i64>,
    /// One precision name per operand, or none. Evaluation is always exact to the result type.
    pub precision: Vec<Arc<str>>,
    /// `#stablehlo.dot_algorithm<...>`, kept as written.
    pub algorithm: Option<Attr>,
}

impl StructuralOp for DotGeneral {
    const NAME: &'static str = "stablehlo.dot_general";
    const SPEC: &'static str = "dot_general";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        let mut dims = attrs.fields("dot_dimension_numbers")?;
        Ok(DotGeneral {
            lhs_batching: dims.opt_ints("lhs_batching_dimensions")?.unwrap_or_default(),
            rhs_batching: dims.opt_ints("rhs_batching_dimensions")?.unwrap_or_default(),
            lhs_contracting: dims.opt_ints("lhs_contracting_dimensions")?.unwrap_or_default(),
            rhs_contracting: dims.opt_ints("rhs_contracting_dimensions")?.unwrap_or_default(),
            precision: attrs.precision()?,
            algorithm: attrs.take("algorithm"),
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        let mut dims = Dict::default();
        for (name, list) in [
            ("lhs_batching_dimensions", &self.lhs_batching),
            ("rhs_batching_dimensions", &self.rhs_batching),
            ("lhs_contracting_dimensions", &self.lhs_contracting),
            ("rhs_contracting_dimensions", &self.rhs_contracting),
        ] {
            if !list.is_empty() {
                dims.push(name, Attr::DenseInts(list.clone()));
            }
        }
        attrs.attr("dot_dimension_numbers", Attr::Struct("stablehlo.dot".into(), dims));
        attrs.precision(&self.precision);
        if let Some(algorithm) = &self.algorithm {
            attrs.attr("algorithm", algorithm.clone());
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
