//! Execution of functions, blocks and regions.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diag::Span;
use crate::ir::{
    BlockId, Body, ElementType, EntityId, Func, FuncId, Module, OpId, TensorType, Type, ValueId,
};
use crate::ops::{OpError, OpKind, OpView};
use crate::passes::legalize_quant;

use super::{EvalError, Tensor};

/// Calls and regions nest at most this deep, so that recursion ends before the stack does.
const MAX_DEPTH: usize = 100;

/// An expectation of a `check` operation that did not hold.
///
/// ```
/// use microhlo_compiler::eval::{Evaluator, Tensor};
/// use microhlo_compiler::front;
///
/// let text = "func.func @main(%x: tensor<2xf32>, %y: tensor<2xf32>) {
///   \"check.expect_eq\"(%x, %y) : (tensor<2xf32>, tensor<2xf32>) -> ()
///   return
/// }";
/// let (_, module) = front::parse("check.mlir", text)?;
/// let mut evaluator = Evaluator::new(&module);
/// evaluator.call("main", &[Tensor::f32s(&[2], &[1.0, 2.0])?, Tensor::f32s(&[2], &[1.0, 3.0])?])?;
/// assert_eq!((evaluator.checks(), evaluator.failures().len()), (1, 1));
/// assert!(!evaluator.failures()[0].message.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckFailure {
    /// The operation.
    pub span: Span,
    /// What was expected and found.
    pub message: String,
}

/// The values of a function's run.
#[derive(Default)]
struct Frame {
    /// Tensors; `None` where not computed.
    tensors: Vec<Option<Tensor>>,
    /// Tuples as their tensors.
    groups: HashMap<ValueId, Vec<Tensor>>,
}

impl Frame {
    fn new(body: &Body) -> Frame {
        Frame { tensors: vec![None; body.values.len()], groups: HashMap::new() }
    }
}

/// The types of the tensors that a value consists of: a tuple is passed on and kept as its
/// elements, one after another; any other value is one tensor.
fn leaves(ty: &Type) -> Vec<&Type> {
    match ty {
        Type::Tuple(types) => types.iter().flat_map(leaves).collect(),
        other => vec![other],
    }
}

/// Runs functions of a module.
///
/// A tuple among arguments, operands and results is its tensors, one after another.
///
/// Quantised types are legalised first, so that what operations on them mean is said once: inside of a
/// run, values have their storage types.
///
/// ```
/// use microhlo_compiler::eval::{Evaluator, Tensor};
/// use microhlo_compiler::front;
///
/// let text = "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
///   %0 = stablehlo.add %x, %x : tensor<2xf32>
///   return %0 : tensor<2xf32>
/// }";
/// let (_, module) = front::parse("twice.mlir", text)?;
/// let input = Tensor::f32s(&[2], &[1.5, -4.0])?;
/// let outputs = Evaluator::new(&module).call("main", &[input])?;
/// assert_eq!(outputs[0].to_f32s(), Some(vec![3.0, -8.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Evaluator<'m> {
    module: &'m Module,
    /// The module with plain types only, if it has others.
    plain: Option<Arc<Module>>,
    /// Values of the function being executed; `None` where not computed, and for tuples.
    frame: Frame,
    depth: usize,
    budget: u64,
    steps: u64,
    failures: Vec<CheckFailure>,
    checks: usize,
}

impl<'m> Evaluator<'m> {
    /// An evaluator of a module's functions. See the example of [`Evaluator`].
    pub fn new(module: &'m Module) -> Self {
        Evaluator::with_budget(module, u64::MAX)
    }

    /// An evaluator that stops with [`EvalError::Budget`] after about `budget` steps. An
    /// operation costs one step, and one more per result element or multiplication.
    ///
    /// ```
    /// use microhlo_compiler::eval::{EvalError, Evaluator, Tensor};
    /// use microhlo_compiler::front;
    ///
    /// // A loop that does not end.
    /// let text = "func.func @main(%x: tensor<i1>) -> tensor<i1> {
    ///   %0 = stablehlo.while(%a = %x) : tensor<i1>
    ///    cond {
    ///     stablehlo.return %a : tensor<i1>
    ///   } do {
    ///     stablehlo.return %a : tensor<i1>
    ///   }
    ///   return %0 : tensor<i1>
    /// }";
    /// let (_, module) = front::parse("loop.mlir", text)?;
    /// let entry = module.entry().expect("an entry");
    /// let ty = module.funcs[entry].results[0].tensor().expect("a tensor");
    /// let input = Tensor::from_bytes(ty, [1])?;
    /// let stopped = Evaluator::with_budget(&module, 1000).run(entry, &[input]);
    /// assert_eq!(stopped, Err(EvalError::Budget(1000)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_budget(module: &'m Module, budget: u64) -> Self {
        Evaluator {
            module,
            plain: legalize_quant::legalized(module).map(Arc::new),
            frame: Frame::default(),
            depth: 0,
            budget,
            steps: 0,
            failures: Vec::new(),
            checks: 0,
        }
    }

    /// Expectations that did not hold so far. See the example of [`CheckFailure`].
    pub fn failures(&self) -> &[CheckFailure] {
        &self.failures
    }

    /// Number of expectations tested so far. See the example of [`CheckFailure`].
    pub fn checks(&self) -> usize {
        self.checks
    }

    /// Records a tested expectation.
    pub(crate) fn record_check(&mut self, span: Span, failure: Option<String>) {
        self.checks += 1;
        self.failures.extend(failure.map(|message| CheckFailure { span, message }));
    }

    /// Uses up steps of the budget.
    pub(crate) fn charge(&mut self, steps: u64) -> Result<(), EvalError> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.budget { Err(EvalError::Budget(self.budget)) } else { Ok(()) }
    }

    /// Steps used so far.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// What is left of the budget.
    pub(crate) fn left(&self) -> u64 {
        self.budget.saturating_sub(self.steps)
    }

    /// Runs a function. See the example of [`Evaluator::with_budget`].
    pub fn run(&mut self, func: FuncId, inputs: &[Tensor]) -> Result<Vec<Tensor>, EvalError> {
        let unknown = || EvalError::UnknownFunction(func.index().to_string());
        let declared = self.module.funcs.get(func).ok_or_else(unknown)?;
        let outermost = self.depth == 0;
        let Some(plain) = self.plain.clone() else { return self.run_plain(declared, inputs) };
        let stored = |t: &Tensor| match t.ty().elem.quant() {
            Some(q) => retyped(t, ElementType::Plain(q.storage)),
            None => Ok(t.clone()),
        };
        let inputs = inputs.iter().map(stored).collect::<Result<Vec<_>, _>>()?;
        let results = self.run_plain(plain.funcs.get(func).ok_or_else(unknown)?, &inputs)?;
        if !outermost {
            return Ok(results);
        }
        let typed = results.iter().zip(&declared.results).map(|(t, ty)| match ty.tensor() {
            Some(ty) if ty.elem.quant().is_some() => retyped(t, ty.elem.clone()),
            _ => Ok(t.clone()),
        });
        typed.collect()
    }

    fn run_plain(&mut self, func: &Func, inputs: &[Tensor]) -> Result<Vec<Tensor>, EvalError> {
        let body = &func.body;
        if body.blocks[body.entry].ops.is_empty() {
            return Err(EvalError::UnknownFunction(func.name.to_string()));
        }
        let outer = std::mem::replace(&mut self.frame, Frame::new(body));
        let result = self.block(body, body.entry, inputs);
        self.frame = outer;
        result
    }

    /// Runs a body that belongs to no function, on its entry block's arguments.
    pub(crate) fn body(
        &mut self,
        body: &Body,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>, EvalError> {
        let outer = std::mem::replace(&mut self.frame, Frame::new(body));
        let result = self.block(body, body.entry, inputs);
        self.frame = outer;
        result
    }

    /// Runs a body as [`body`](Evaluator::body) does, and gives values of its entry block, too; `None` for
    /// those that were not computed.
    pub(crate) fn values(
        &mut self,
        body: &Body,
        inputs: &[Tensor],
        values: &[ValueId],
    ) -> Result<(Vec<Tensor>, Vec<Option<Tensor>>), EvalError> {
        let outer = std::mem::replace(&mut self.frame, Frame::new(body));
        let result = self.block(body, body.entry, inputs);
        let frame = std::mem::replace(&mut self.frame, outer);
        let value = |value: &ValueId| frame.tensors.get(value.index()).cloned().flatten();
        Ok((result?, values.iter().map(value).collect()))
    }

    /// Runs the function called `name`. See the example of [`Evaluator`].
    pub fn call(&mut self, name: &str, inputs: &[Tensor]) -> Result<Vec<Tensor>, EvalError> {
        let func = self.module.find(name);
        self.run(func.ok_or_else(|| EvalError::UnknownFunction(name.to_string()))?, inputs)
    }

    /// Evaluates one operation outside of a function's run, as constant folding does. Of the
    /// enclosing blocks, its regions can use the values given in `outside`.
    pub(crate) fn fold(
        &mut self,
        body: &Body,
        op: OpId,
        inputs: &[Tensor],
        outside: Vec<(ValueId, Tensor)>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let outer = std::mem::replace(&mut self.frame, Frame::new(body));
        for (value, tensor) in outside {
            if let Some(slot) = self.frame.tensors.get_mut(value.index()) {
                *slot = Some(tensor);
            }
        }
        let result = self.op(body, op, inputs);
        self.frame = outer;
        result
    }

    /// Runs a region of the operation being evaluated.
    pub(crate) fn region(
        &mut self,
        body: &Body,
        block: BlockId,
        args: &[Tensor],
    ) -> Result<Vec<Tensor>, EvalError> {
        self.block(body, block, args)
    }

    /// The value of an operand defined outside of the operation being evaluated.
    pub(crate) fn value(&self, value: ValueId) -> Result<&Tensor, EvalError> {
        let missing = || EvalError::from(OpError::new(format!("the value {value} is not known")));
        self.frame.tensors.get(value.index()).and_then(Option::as_ref).ok_or_else(missing)
    }

    /// The tensors of operands, one after another.
    fn operands(&self, values: &[ValueId]) -> Result<Vec<Tensor>, EvalError> {
        let mut out = Vec::with_capacity(values.len());
        for &v in values {
            match self.frame.groups.get(&v) {
                Some(group) => out.extend(group.iter().cloned()),
                None => out.push(self.value(v)?.clone()),
            }
        }
        Ok(out)
    }

    fn block(
        &mut self,
        body: &Body,
        block: BlockId,
        args: &[Tensor],
    ) -> Result<Vec<Tensor>, EvalError> {
        if self.depth >= MAX_DEPTH {
            return Err(EvalError::Depth(MAX_DEPTH));
        }
        self.depth += 1;
        let result = self.block_inner(body, block, args);
        self.depth -= 1;
        result
    }

    fn block_inner(
        &mut self,
        body: &Body,
        block: BlockId,
        args: &[Tensor],
    ) -> Result<Vec<Tensor>, EvalError> {
        let formal = &body.blocks[block].args;
        let types: Vec<&Type> = formal.iter().flat_map(|&v| leaves(body.ty(v))).collect();
        if types.len() != args.len() {
            let text = format!("{} arguments expected, {} given", types.len(), args.len());
            return Err(EvalError::Inputs(text));
        }
        for (i, (ty, arg)) in types.iter().zip(args).enumerate() {
            if !holds(ty, arg) {
                let text = format!("argument {i} is {}, expected {ty}", arg.ty());
                return Err(EvalError::Inputs(text));
            }
        }
        self.set_all(body, formal, args);
        for &id in &body.blocks[block].ops {
            let op = &body.ops[id];
            let inputs = self.operands(&op.operands)?;
            if matches!(op.kind, OpKind::Return(_) | OpKind::FuncReturn(_)) {
                return Ok(inputs);
            }
            let results = self.op(body, id, &inputs)?;
            self.set_all(body, &op.results, &results);
        }
        Err(OpError::new("a block ends without `return`").into())
    }

    /// Gives values their tensors, of which there are as many as the types say.
    fn set_all(&mut self, body: &Body, values: &[ValueId], mut tensors: &[Tensor]) {
        for &value in values {
            let n = leaves(body.ty(value)).len();
            let (own, rest) = tensors.split_at(n.min(tensors.len()));
            tensors = rest;
            if matches!(body.ty(value), Type::Tuple(_)) {
                self.frame.groups.insert(value, own.to_vec());
            } else if let (Some(slot), [one]) = (self.frame.tensors.get_mut(value.index()), own) {
                *slot = Some(one.clone());
            }
        }
    }

    fn op(&mut self, body: &Body, id: OpId, inputs: &[Tensor]) -> Result<Vec<Tensor>, EvalError> {
        let op = &body.ops[id];
        let view = OpView { body, op };
        let types: Vec<&Type> = op.results.iter().flat_map(|&v| leaves(body.ty(v))).collect();
        let cost: u64 = types.iter().filter_map(|t| t.tensor()?.elements()).sum();
        self.charge(cost.saturating_add(1))?;
        let named = |e: EvalError| e.named(op.kind.name());
        let results = op.kind.eval(&view, inputs, self).map_err(named)?;
        if results.len() != types.len() {
            let (n, m) = (results.len(), types.len());
            return Err(named(OpError::new(format!("has {m} results, gives {n} values")).into()));
        }
        for (ty, tensor) in types.iter().zip(&results) {
            if !holds(ty, tensor) {
                let text = format!("gives {}, its result type is {ty}", tensor.ty());
                return Err(named(OpError::new(text).into()));
            }
        }
        Ok(results)
    }
}

/// Whether a value of this type can be held by the tensor: tokens and futures are no tensors, and
/// what stands for them is that of [`crate::ops::token`] and the awaited value itself.
fn holds(ty: &Type, tensor: &Tensor) -> bool {
    match ty {
        Type::Token => *tensor == crate::ops::token::token(),
        Type::Future(types) => matches!(types.as_slice(), [one] if holds(one, tensor)),
        _ => ty.accepts(&Type::Tensor(tensor.ty().clone())),
    }
}

/// The same bytes with another element type of the same storage.
fn retyped(tensor: &Tensor, elem: ElementType) -> Result<Tensor, EvalError> {
    tensor.with_type(&TensorType { dims: tensor.ty().dims.clone(), elem })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::ElementwiseOp;
    use crate::ops::custom_call::CustomCall;
    use crate::ops::func::Call;
    use crate::ops::testing::{floats, module_of};

    #[test]
    fn recursion_ends_with_an_error() {
        let ty = floats(&[], &[1.0]).ty().clone();
        let call = Call { callee: "main".into() };
        let module =
            module_of(call.into(), std::slice::from_ref(&ty), std::slice::from_ref(&ty), &[]);
        let out = Evaluator::new(&module).call("main", &[floats(&[], &[1.0])]);
        assert_eq!(out, Err(EvalError::Depth(MAX_DEPTH)));
    }

    #[test]
    fn failed_expectations_are_recorded() {
        let ty = floats(&[], &[1.0]).ty().clone();
        let check = CustomCall {
            target: "check.expect_eq".into(),
            has_side_effect: true,
            config: Default::default(),
        };
        let module = module_of(check.into(), &[ty.clone(), ty], &[], &[]);
        let mut evaluator = Evaluator::new(&module);
        let (one, two) = (floats(&[], &[1.0]), floats(&[], &[2.0]));
        evaluator.call("main", &[one.clone(), one.clone()]).unwrap();
        assert_eq!((evaluator.checks(), evaluator.failures().len()), (1, 0));
        evaluator.call("main", &[one, two]).unwrap();
        assert_eq!((evaluator.checks(), evaluator.failures().len()), (2, 1));
    }

    #[test]
    fn inputs_and_shapes_are_checked() {
        let ty = floats(&[2], &[1.0; 2]).ty().clone();
        let mut dynamic = ty.clone();
        dynamic.dims[0] = crate::ir::Dim::Dynamic { bound: None };
        let types = [dynamic.clone(), dynamic.clone()];
        let module = module_of(ElementwiseOp::Add.into(), &types, &[dynamic], &[]);
        assert!(crate::verify::verify(&module).is_ok());
        let run = |a: usize, b: usize| {
            let inputs = [floats(&[a as u64], &vec![1.0; a]), floats(&[b as u64], &vec![2.0; b])];
            Evaluator::new(&module).call("main", &inputs)
        };
        assert_eq!(run(3, 3).unwrap()[0].to_f32s().unwrap(), [3.0; 3]);
        assert!(matches!(run(3, 2), Err(EvalError::Op { op: "stablehlo.add", .. })));
        assert!(matches!(Evaluator::new(&module).call("main", &[]), Err(EvalError::Inputs(_))));
    }
}
