//! `constant`: a literal tensor.
//!
//! StableHLO specification, section `constant`.

use std::sync::Arc;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{self, Attr, Type};

/// A literal tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// The value; of quantised constants, with the quantised type.
    pub value: Arc<ir::Constant>,
}

impl StructuralOp for Constant {
    const NAME: &'static str = "stablehlo.constant";
    const SPEC: &'static str = "constant";
    const NAMES: &'static [&'static str] = &[Self::NAME, "chlo.constant"];
    const RESULT: [Option<&'static str>; 2] = [Some("C1"), Some("C1")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        let value = attrs.dense("value")?;
        // The literal of a quantised constant carries the storage type; the result has the real one.
        let value = match attrs.results().first().and_then(Type::tensor) {
            Some(ty)
                if ty.elem != value.ty.elem && ty.elem.storage() == value.ty.elem.storage() =>
            {
                Arc::new(ir::Constant { ty: ty.clone(), data: value.data.clone() })
            }
            _ => value,
        };
        Ok(Constant { value })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.attr("value", Attr::Dense(Arc::clone(&self.value)));
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(0, 1)?;
        let (want, have) = (Type::Tensor(self.value.ty.clone()), op.result(0)?);
        constraint!(*have == want, "C1", "the literal is {want}, the result {have}");
        Ok(Some(vec![want]))
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
        Ok(vec![Tensor::from_constant(&self.value)?])
    }
}
