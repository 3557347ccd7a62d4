//! Helpers of the operations' unit tests.

use std::sync::Arc;

use crate::diag::Span;
use crate::eval::{Element, EvalError, Evaluator, Tensor};
use crate::ir::{BlockId, Body, Dict, Func, FuncId, Module, TensorType, Type};
use microhlo_format::DType;

use super::func::{FuncReturn, Return};
use super::{ElementwiseOp, OpError, OpKind, OpView};

/// An `f32` tensor.
pub fn floats(dims: &[u64], values: &[f32]) -> Tensor {
    Tensor::f32s(dims, values).unwrap()
}

/// An integer tensor.
pub fn ints(ty: &TensorType, values: &[i64]) -> Tensor {
    Tensor::from_elements(ty, values.iter().map(|&v| Element::Int(v.into()))).unwrap()
}

/// An `i64` tensor.
pub fn i64s(dims: &[u64], values: &[i64]) -> Tensor {
    ints(&TensorType::fixed(dims, DType::I64), values)
}

/// A region for a test: argument types and the operation that computes the result from them.
pub type Region<'a> = (&'a [TensorType], &'a dyn Fn(&mut Body, BlockId));

/// A module of one function that applies one operation to its arguments.
pub fn module_of(
    kind: OpKind,
    inputs: &[TensorType],
    results: &[TensorType],
    regions: &[Region<'_>],
) -> Module {
    let mut body = Body::new();
    let entry = body.entry;
    let args = inputs.iter().map(|t| body.add_arg(entry, t.clone().into())).collect();
    let types: Vec<Type> = results.iter().cloned().map(Type::from).collect();
    let mut blocks = Vec::new();
    for (arg_types, build) in regions {
        let block = body.add_block();
        for t in *arg_types {
            body.add_arg(block, t.clone().into());
        }
        build(&mut body, block);
        blocks.push(block);
    }
    let op = body.make_op(kind, args, types.clone(), blocks, Span::default());
    body.blocks[entry].ops.push(op);
    let values = body.ops[op].results.clone();
    body.append(entry, FuncReturn.into(), values, vec![], Span::default());
    let mut module = Module::default();
    module.funcs.push(Func {
        name: "main".into(),
        public: true,
        arg_attrs: vec![Dict::default(); inputs.len()],
        arg_names: vec![None; inputs.len()],
        results: types,
        result_attrs: vec![Dict::default(); results.len()],
        attrs: Dict::default(),
        body,
        span: Span::default(),
    });
    module
}

/// Builds a region that applies one binary operation to its two arguments.
pub fn binary(kind: impl Into<OpKind>) -> impl Fn(&mut Body, BlockId) {
    let kind = kind.into();
    move |body, block| {
        let args = body.blocks[block].args.clone();
        let ty = match &kind {
            OpKind::Compare(_) => Type::from(TensorType::scalar(DType::I1)),
            _ => body.ty(args[0]).clone(),
        };
        let op = body.append(block, kind.clone(), args[..2].to_vec(), vec![ty], Span::default());
        let results = body.ops[op].results.clone();
        body.append(block, Return.into(), results, vec![], Span::default());
    }
}

/// Builds a region that applies a binary operation to its arguments and returns the result and
/// the second argument.
pub fn second_unchanged(op: ElementwiseOp) -> impl Fn(&mut Body, BlockId) {
    move |body, block| {
        let args = body.blocks[block].args.clone();
        let ty = body.ty(args[0]).clone();
        let op = body.append(block, op.into(), args.clone(), vec![ty], Span::default());
        let result = body.ops[op].results[0];
        body.append(block, Return.into(), vec![result, args[1]], vec![], Span::default());
    }
}

/// Builds a region without arguments that returns an `f32` scalar.
pub fn returns_constant(value: f32) -> impl Fn(&mut Body, BlockId) {
    move |body, block| {
        let value = Arc::new(crate::ir::Constant::f32s(&[], &[value]));
        let ty = Type::Tensor(value.ty.clone());
        let op = super::constant::Constant { value }.into();
        let op = body.append(block, op, vec![], vec![ty], Span::default());
        let results = body.ops[op].results.clone();
        body.append(block, Return.into(), results, vec![], Span::default());
    }
}

fn first(module: &Module) -> FuncId {
    module.find("main").unwrap()
}

/// Infers, verifies and evaluates one operation without regions.
pub fn eval_op(
    kind: impl Into<OpKind>,
    inputs: &[Tensor],
    result: &TensorType,
) -> Result<Tensor, EvalError> {
    let out = eval_regions(kind, inputs, std::slice::from_ref(result), &[])?;
    Ok(out.into_iter().next().unwrap())
}

/// Infers, verifies and evaluates one operation with regions.
pub fn eval_regions(
    kind: impl Into<OpKind>,
    inputs: &[Tensor],
    results: &[TensorType],
    regions: &[Region<'_>],
) -> Result<Vec<Tensor>, EvalError> {
    let types: Vec<TensorType> = inputs.iter().map(|t| t.ty().clone()).collect();
    let module = module_of(kind.into(), &types, results, regions);
    check_first(&module)?;
    Evaluator::new(&module).run(first(&module), inputs)
}

/// Infers and verifies one operation without regions.
pub fn check_op(
    kind: impl Into<OpKind>,
    inputs: &[TensorType],
    result: &TensorType,
) -> Result<Option<Type>, OpError> {
    let module = module_of(kind.into(), inputs, std::slice::from_ref(result), &[]);
    check_first(&module)
}

fn check_first(module: &Module) -> Result<Option<Type>, OpError> {
    let body = &module.funcs[first(module)].body;
    let op = &body.ops[body.blocks[body.entry].ops[0]];
    let view = OpView { body, op };
    let inferred = op.kind.infer(&view)?;
    if let Some(types) = &inferred {
        for (i, ty) in types.iter().enumerate() {
            let declared = view.result(i)?;
            if !ty.accepts(declared) {
                return Err(OpError::new(format!("inferred {ty}, declared {declared}")));
            }
        }
    }
    op.kind.verify(&view)?;
    Ok(inferred.and_then(|types| types.into_iter().next()))
}
