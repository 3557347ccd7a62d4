//! What a program computes on calibration inputs, in floats and with rounded values side by side,
//! operation by operation over all cases at once.

use std::collections::HashMap;
use std::sync::Arc;

use microhlo_format::DType;

use super::values;
use crate::compile::CompileError;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Body, Func, Module, OpId, QuantType, ValueId, index_along};
use crate::ops::OpKind;

/// Parameters of quantised values.
pub type Types = HashMap<ValueId, Arc<QuantType>>;

/// How a program is rounded.
#[derive(Clone, Debug, Default)]
pub struct Rounding {
    /// Values that are rounded to the nearest of a type.
    pub types: Types,
    /// Constants in place of the program's: weights as their integers stand for them.
    pub constants: HashMap<ValueId, Tensor>,
    /// Numbers added to a value, one per index of a dimension.
    pub biases: HashMap<ValueId, Bias>,
}

/// Numbers added to a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Bias {
    /// The dimension that they vary along.
    pub dim: usize,
    /// One per index of it.
    pub numbers: Vec<f32>,
}

/// A value of one case.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What the float program computes.
    pub float: Tensor,
    /// What the rounded one computes, where that can be something else.
    rounded: Option<Tensor>,
}

impl Pair {
    /// What the rounded program computes.
    pub fn rounded(&self) -> &Tensor {
        self.rounded.as_ref().unwrap_or(&self.float)
    }
}

/// The values of one case that are still needed.
pub type Values = HashMap<ValueId, Pair>;

/// Is told of each operation of a run, and may change what comes next.
pub trait Observer {
    /// Before an operation is computed; all cases have its operands.
    fn before(
        &mut self,
        _op: OpId,
        _cases: &[Values],
        _how: &mut Rounding,
    ) -> Result<(), CompileError> {
        Ok(())
    }

    /// A value was computed, and not rounded yet: one pair per case.
    fn computed(
        &mut self,
        _value: ValueId,
        _pairs: &[Pair],
        _how: &mut Rounding,
    ) -> Result<(), CompileError> {
        Ok(())
    }

    /// A value was computed and rounded.
    fn rounded(&mut self, _value: ValueId, _pairs: &[Pair]) {}
}

/// Runs the entry block of a function without calls on all cases, and returns what it returns.
///
/// # Errors
/// An operation cannot be evaluated, or the observer fails; the error has its place in the source.
pub fn run(
    func: &Func,
    cases: &[Vec<Tensor>],
    how: &mut Rounding,
    observer: &mut dyn Observer,
) -> Result<Vec<Vec<Pair>>, CompileError> {
    let body = &func.body;
    let block = &body.blocks[body.entry];
    let last = last_uses(body);
    let mut run = Run { body, how, observer, values: vec![Values::new(); cases.len()] };
    for (i, &arg) in block.args.iter().enumerate() {
        let input = |case: &Vec<Tensor>| {
            let missing = || CompileError::at(func.span, format!("input {i} has no value"));
            let float = case.get(i).cloned().ok_or_else(missing)?;
            Ok(Pair { float, rounded: None })
        };
        let pairs = cases.iter().map(input).collect::<Result<Vec<Pair>, CompileError>>()?;
        run.define(arg, pairs)?;
    }
    for (i, &op) in block.ops.iter().enumerate() {
        let o = &body.ops[op];
        if matches!(o.kind, OpKind::FuncReturn(_) | OpKind::Return(_)) {
            let take = |values: &Values| {
                o.operands.iter().filter_map(|v| values.get(v).cloned()).collect()
            };
            return Ok(run.values.iter().map(take).collect());
        }
        run.observer.before(op, &run.values, run.how)?;
        run.step(op)?;
        for values in &mut run.values {
            values.retain(|v, _| last.get(v).is_some_and(|&l| l > i));
        }
    }
    Ok(Vec::new())
}

/// The position in the entry block of the last operation that needs each value.
fn last_uses(body: &Body) -> HashMap<ValueId, usize> {
    let mut last = HashMap::new();
    for (i, &op) in body.blocks[body.entry].ops.iter().enumerate() {
        let o = &body.ops[op];
        let inner = o.regions.iter().flat_map(|&r| body.walk(r));
        for op in std::iter::once(op).chain(inner) {
            last.extend(body.ops[op].operands.iter().map(|&v| (v, i)));
        }
    }
    last
}

struct Run<'r> {
    body: &'r Body,
    how: &'r mut Rounding,
    observer: &'r mut dyn Observer,
    values: Vec<Values>,
}

impl Run<'_> {
    fn step(&mut self, op: OpId) -> Result<(), CompileError> {
        let o = &self.body.ops[op];
        let failed = |e| CompileError::at(o.span, format!("`{}`: {e}", o.kind.name()));
        let mut results: Vec<Vec<Pair>> = vec![Vec::new(); o.results.len()];
        for values in &self.values {
            let pairs = self.pairs(op, values).map_err(failed)?;
            for (slot, pair) in results.iter_mut().zip(pairs) {
                slot.push(pair);
            }
        }
        for (&value, pairs) in o.results.iter().zip(results) {
            self.define(value, pairs)?;
        }
        Ok(())
    }

    /// The results of an operation in one case.
    fn pairs(&self, op: OpId, values: &Values) -> Result<Vec<Pair>, EvalError> {
        let float = evaluate(self.body, op, &|v| Some(&values.get(&v)?.float))?;
        let differs = needed(self.body, op).iter().any(|v| {
            self.how.constants.contains_key(v)
                || values.get(v).is_some_and(|pair| pair.rounded.is_some())
        });
        let rounded = match differs {
            true => evaluate(self.body, op, &|v| {
                self.how.constants.get(&v).or_else(|| values.get(&v).map(Pair::rounded))
            })?
            .into_iter()
            .map(Some)
            .collect(),
            false => vec![None; float.len()],
        };
        Ok(float.into_iter().zip(rounded).map(|(float, rounded)| Pair { float, rounded }).collect())
    }

    /// Rounds a value that was computed, and keeps it.
    fn define(&mut self, value: ValueId, mut pairs: Vec<Pair>) -> Result<(), CompileError> {
        self.observer.computed(value, &pairs, self.how)?;
        if let Some(bias) = self.how.biases.get(&value) {
            for pair in &mut pairs {
                pair.rounded = added(pair.rounded(), bias);
            }
        }
        if let Some(q) = self.how.types.get(&value) {
            for pair in &mut pairs {
                pair.rounded = nearest(pair.rounded(), q);
            }
        }
        self.observer.rounded(value, &pairs);
        for (values, pair) in self.values.iter_mut().zip(pairs) {
            values.insert(value, pair);
        }
        Ok(())
    }
}

/// Operands of an operation, and values from outside that its regions use.
fn needed(body: &Body, op: OpId) -> Vec<ValueId> {
    let o = &body.ops[op];
    let inner = o.regions.iter().flat_map(|&r| body.walk(r));
    let captured = inner.flat_map(|op| body.ops[op].operands.iter().copied());
    o.operands.iter().copied().chain(captured).collect()
}

fn evaluate<'v>(
    body: &Body,
    op: OpId,
    value: &dyn Fn(ValueId) -> Option<&'v Tensor>,
) -> Result<Vec<Tensor>, EvalError> {
    let o = &body.ops[op];
    let known = |v: &ValueId| {
        let missing = || EvalError::UnknownFunction(format!("the value {v}"));
        value(*v).cloned().ok_or_else(missing)
    };
    let inputs: Vec<Tensor> = o.operands.iter().map(known).collect::<Result<_, _>>()?;
    let outside = match o.regions.is_empty() {
        true => Vec::new(),
        false => needed(body, op)
            .into_iter()
            .filter_map(|v| Some((v, value(v)?.clone())))
            .collect::<Vec<_>>(),
    };
    let module = Module::default();
    Evaluator::with_budget(&module, u64::MAX).fold(body, op, &inputs, outside)
}

/// The elements of a float tensor, or `None` for another type.
pub fn floats(tensor: &Tensor) -> Option<Vec<f32>> {
    (tensor.ty().dtype() == Some(DType::F32)).then(|| tensor.to_f32s()).flatten()
}

/// The nearest floats that a quantised type has.
fn nearest(x: &Tensor, q: &QuantType) -> Option<Tensor> {
    let stored = values::stored(x.ty(), q, &floats(x)?);
    Tensor::f32s(&dims(x), &values::floats(x.ty(), q, &stored)).ok()
}

fn added(x: &Tensor, bias: &Bias) -> Option<Tensor> {
    let mut elements = floats(x)?;
    let index = index_along(&dims(x), bias.dim);
    for (i, e) in elements.iter_mut().enumerate() {
        *e += bias.numbers[index(i)];
    }
    Tensor::f32s(&dims(x), &elements).ok()
}

/// The sizes of a tensor.
pub fn dims(x: &Tensor) -> Vec<u64> {
    x.dims().iter().map(|&d| d as u64).collect()
}
