//! CHLO: operations of clients that are defined by StableHLO operations, beyond the elementwise
//! ones, which are rows of [`super::elementwise`].
//!
//! [`crate::passes::chlo`] replaces them before lowering. Other spellings of them, composites and
//! custom calls, are recognised by [`names`].

pub mod broadcast;
pub mod constant_like;
pub mod names;
pub mod ragged_dot;
pub mod scan;
pub mod top_k;

use super::{OpKind, OpView};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Body, Dict, Func, Module, Type};
use crate::ops::func::FuncReturn;
use crate::passes;

/// Evaluates an operation without regions through the operations that replace it.
pub(crate) fn by_decomposition(
    kind: &OpKind,
    op: &OpView<'_>,
    inputs: &[Tensor],
    evaluator: &mut Evaluator<'_>,
) -> Result<Vec<Tensor>, EvalError> {
    let mut body = Body::new();
    let entry = body.entry;
    let args: Vec<_> = inputs.iter().map(|t| body.add_arg(entry, t.ty().clone().into())).collect();
    // The declared types may be dynamic, those of the inputs are not.
    let declared: Vec<Type> = op.op.results.iter().map(|&v| op.body.ty(v).clone()).collect();
    let id = body.make_op(kind.clone(), args, declared.clone(), vec![], op.op.span);
    let inferred = kind.infer(&OpView { body: &body, op: &body.ops[id] })?;
    for (i, ty) in inferred.into_iter().flatten().enumerate() {
        let result = body.ops[id].results[i];
        body.values[result].ty = ty;
    }
    let results = body.ops[id].results.clone();
    let types = results.iter().map(|&v| body.ty(v).clone()).collect();
    body.blocks[entry].ops.push(id);
    body.append(entry, FuncReturn.into(), results, vec![], op.op.span);
    passes::chlo::legalize(&mut body);
    if body.walk(entry).iter().any(|&o| body.ops[o].kind == *kind) {
        return Err(EvalError::unsupported(kind.name(), "these operand types"));
    }
    let mut module = Module::default();
    let func = module.funcs.push(Func {
        name: "decomposition".into(),
        public: false,
        arg_attrs: vec![Dict::default(); inputs.len()],
        arg_names: vec![None; inputs.len()],
        results: types,
        result_attrs: vec![Dict::default(); declared.len()],
        attrs: Dict::default(),
        body,
        span: op.op.span,
    });
    let mut inner = Evaluator::with_budget(&module, evaluator.left());
    let out = inner.run(func, inputs);
    let used = inner.steps();
    evaluator.charge(used)?;
    out
}

/// The element type's encoding of a small integer.
pub(crate) fn encoded(dtype: microhlo_format::DType, value: i64) -> Vec<u8> {
    let mut bytes = vec![0; dtype.size()];
    crate::eval::Element::small(dtype, value).encode(dtype, &mut bytes);
    bytes
}
