//! From programs that check their own results to programs that a device can run.
//!
//! Conformance programs compute on constants and compare with `check.*` operations, or with
//! `custom_call`s of the same names. Compiled as they are, nothing of them would be left: constant
//! folding computes it all. [`extract`] therefore turns every constant of more than one element
//! that feeds a checked value into an input, the checked values into outputs, and the expected
//! values into constants on the host, which [`Expectation::check`] compares with what the device
//! computed.

mod compare;

pub use compare::{Disagreement, Rule, compare};

use std::collections::HashSet;
use std::sync::Arc;

use crate::compile::CompileError;
use crate::diag::Span;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Body, Dict, ElementType, Func, FuncId, Module, Op, OpId, ValueId};
use crate::ops::OpKind;
use crate::ops::func::FuncReturn;
use crate::passes;
use crate::verify::verify;

/// Evaluation steps after which a program is taken to run for ever.
const BUDGET: u64 = 1 << 32;

/// A program with its inputs and what it must compute.
#[derive(Clone, Debug)]
pub struct CheckProgram {
    /// Name of the function.
    pub name: String,
    /// The program: one function that takes the inputs and returns the checked values.
    pub module: Module,
    /// The inputs in order.
    pub inputs: Vec<Tensor>,
    /// What the outputs must be.
    pub expectations: Vec<Expectation>,
}

/// One comparison of a program.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Number of the output that is compared.
    pub output: usize,
    /// The expected value.
    pub expected: Tensor,
    /// When elements agree.
    pub rule: Rule,
    /// Name of the operation that computes the value.
    pub op: &'static str,
}

impl Expectation {
    /// Compares the bytes of an output.
    ///
    /// # Errors
    /// What differs, or that the output has another size than expected.
    pub fn check(&self, outputs: &[Vec<u8>]) -> Result<(), String> {
        let Some(actual) = outputs.get(self.output) else {
            return Err(format!("{}: output {} is missing", self.op, self.output));
        };
        let (given, needed) = (actual.len(), self.expected.bytes().len());
        if given != needed {
            return Err(format!("{}: an output of {given} bytes, not {needed}", self.op));
        }
        match compare(self.rule, actual, &self.expected) {
            None => Ok(()),
            Some(found) => Err(self.describe(&found)),
        }
    }

    fn describe(&self, found: &Disagreement) -> String {
        let dims: Vec<u64> = self.expected.dims().iter().map(|&d| d as u64).collect();
        format!(
            "{}, output {}: {} of {} elements differ, first at {}: {} computed, {} expected",
            self.op,
            self.output,
            found.count,
            self.expected.len(),
            crate::cmd::index_text(&dims, found.position),
            crate::cmd::show(self.expected.dtype(), found.actual),
            crate::cmd::show(self.expected.dtype(), found.expected),
        )
    }
}

/// Why a program cannot be checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// The program is valid, but beyond what this version supports.
    #[error("{0}")]
    Unsupported(String),
    /// The program is malformed.
    #[error("{0}")]
    Invalid(String),
}

impl From<CompileError> for ExtractError {
    fn from(error: CompileError) -> Self {
        match error.unsupported {
            true => ExtractError::Unsupported(error.message),
            false => ExtractError::Invalid(error.message),
        }
    }
}

impl From<EvalError> for ExtractError {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Unsupported { .. } | EvalError::DynamicShape { .. } => {
                ExtractError::Unsupported(error.to_string())
            }
            other => ExtractError::Invalid(other.to_string()),
        }
    }
}

/// The functions of a module that are programs of their own: those that nothing calls.
pub fn programs(module: &Module) -> Vec<FuncId> {
    let mut called: Vec<Arc<str>> = Vec::new();
    for func in module.funcs.values() {
        for op in func.body.walk(func.body.entry) {
            match &func.body.ops[op].kind {
                OpKind::Call(call) => called.push(Arc::clone(&call.callee)),
                OpKind::Composite(composite) => called.push(Arc::clone(&composite.decomposition)),
                _ => {}
            }
        }
    }
    let all = module.funcs.iter();
    all.filter(|(_, f)| !called.contains(&f.name)).map(|(id, _)| id).collect()
}

/// A comparison as the program has it.
struct Comparison {
    actual: ValueId,
    expected: Expected,
    rule: Rule,
}

enum Expected {
    Value(ValueId),
    Constant(Tensor),
}

/// Turns a function into a program with inputs and expected outputs.
///
/// # Errors
/// The function takes arguments, compares nothing, or its expected values cannot be evaluated.
pub fn extract(module: &Module, func: FuncId) -> Result<CheckProgram, ExtractError> {
    let name = module.funcs[func].name.to_string();
    let verified = verify(module).map_err(|errors| {
        let first = errors.first();
        let span = first.map_or(Span::default(), |e| e.span);
        let message = first.map_or_else(String::new, ToString::to_string);
        CompileError::at(span, message)
    })?;
    let func = passes::inline::inline(verified, &name)?;
    if !func.body.blocks[func.body.entry].args.is_empty() {
        return Err(ExtractError::Unsupported("the function takes arguments".to_owned()));
    }
    let comparisons = comparisons(&func.body)?;
    if comparisons.is_empty() {
        return Err(ExtractError::Unsupported("the function carries no expectation".to_owned()));
    }
    let expected = expected_values(&func, &comparisons)?;
    let mut outputs: Vec<ValueId> = Vec::new();
    let mut expectations = Vec::new();
    for (comparison, expected) in comparisons.iter().zip(expected) {
        let known = outputs.iter().position(|&v| v == comparison.actual);
        let output = known.unwrap_or_else(|| {
            outputs.push(comparison.actual);
            outputs.len() - 1
        });
        let op = func.body.def_op(comparison.actual).map_or("argument", |op| {
            let kind: &OpKind = &func.body.ops[op].kind;
            kind.name()
        });
        let rule = comparison.rule;
        expectations.push(Expectation { output, expected, rule, op });
    }
    let mut program = returning(&func, &outputs);
    let inputs = constants_to_inputs(&mut program)?;
    let mut module = Module::default();
    module.funcs.push(program);
    Ok(CheckProgram { name, module, inputs, expectations })
}

fn comparisons(body: &Body) -> Result<Vec<Comparison>, ExtractError> {
    let top = &body.blocks[body.entry].ops;
    let mut all = Vec::new();
    for id in body.walk(body.entry) {
        let Some(comparison) = comparison(body, &body.ops[id])? else { continue };
        if !top.contains(&id) {
            let text = format!("`{}` inside of a region", body.ops[id].kind.name());
            return Err(ExtractError::Unsupported(text));
        }
        all.push(comparison);
    }
    Ok(all)
}

fn comparison(body: &Body, op: &Op) -> Result<Option<Comparison>, ExtractError> {
    let constant = |c: &Arc<crate::ir::Constant>| Tensor::from_constant(c).map(Expected::Constant);
    let (rule, order, constant) = match &op.kind {
        OpKind::ExpectEq(_) => (Rule::Equal, (0, 1), None),
        OpKind::ExpectEqConst(e) => (Rule::Equal, (0, 0), Some(constant(&e.value)?)),
        OpKind::ExpectAlmostEq(e) => (Rule::Within(e.tolerance), (0, 1), None),
        OpKind::ExpectAlmostEqConst(e) => {
            (Rule::Within(e.tolerance), (0, 0), Some(constant(&e.value)?))
        }
        OpKind::ExpectClose(e) => (Rule::Ulps { min: e.min_ulp, max: e.max_ulp }, (0, 1), None),
        OpKind::CustomCall(call) => match &*call.target {
            "check.expect_eq" => (Rule::Equal, (0, 1), None),
            "check.expect_close" => (Rule::Ulps { min: 0, max: 3 }, (0, 1), None),
            "check.expect_almost_eq" => (Rule::Within(1e-3), (0, 1), None),
            // The operands of this one are the expected and then the actual value.
            "check.eq" => (Rule::EqualOrClose, (1, 0), None),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let operand = |i: usize| {
        op.operands.get(i).copied().ok_or_else(|| {
            ExtractError::Invalid(format!("`{}` needs more operands", op.kind.name()))
        })
    };
    let actual = operand(order.0)?;
    if body.ty(actual).tensor().is_none() {
        let text = format!("a comparison of values of type {}", body.ty(actual));
        return Err(ExtractError::Unsupported(text));
    }
    let expected = match constant {
        Some(constant) => constant,
        None => Expected::Value(operand(order.1)?),
    };
    Ok(Some(Comparison { actual, expected, rule }))
}

/// Evaluates the expected values on the host.
fn expected_values(func: &Func, comparisons: &[Comparison]) -> Result<Vec<Tensor>, ExtractError> {
    let values: Vec<ValueId> = comparisons
        .iter()
        .filter_map(|c| match c.expected {
            Expected::Value(v) => Some(v),
            Expected::Constant(_) => None,
        })
        .collect();
    let mut module = Module::default();
    let id = module.funcs.push(returning(func, &values));
    let mut computed = match values.is_empty() {
        true => Vec::new(),
        false => Evaluator::with_budget(&module, BUDGET).run(id, &[])?,
    }
    .into_iter();
    let missing = || ExtractError::Invalid("an expected value is missing".to_owned());
    let mut all = Vec::new();
    for comparison in comparisons {
        all.push(match &comparison.expected {
            Expected::Constant(tensor) => tensor.clone(),
            Expected::Value(_) => computed.next().ok_or_else(missing)?,
        });
    }
    Ok(all)
}

/// The function without its comparisons, with these results and nothing that they do not need.
fn returning(func: &Func, values: &[ValueId]) -> Func {
    let mut func = func.clone();
    let body = &mut func.body;
    let entry = body.entry;
    let ops: Vec<OpId> = body.blocks[entry].ops.clone();
    let stays = |op: &OpId| {
        let kind = &body.ops[*op].kind;
        !is_check(kind) && !matches!(kind, OpKind::FuncReturn(_))
    };
    body.blocks[entry].ops = ops.into_iter().filter(stays).collect();
    body.append(entry, OpKind::FuncReturn(FuncReturn), values.to_vec(), Vec::new(), func.span);
    passes::dce::dce(body);
    func.results = values.iter().map(|&v| body.ty(v).clone()).collect();
    func.result_attrs = vec![Dict::default(); values.len()];
    func.public = true;
    func
}

fn is_check(kind: &OpKind) -> bool {
    match kind {
        OpKind::CustomCall(call) => call.target.starts_with("check."),
        other => other.name().starts_with("check."),
    }
}

/// Turns the constants of more than one element in the function's own block into arguments.
fn constants_to_inputs(func: &mut Func) -> Result<Vec<Tensor>, ExtractError> {
    let body = &mut func.body;
    let entry = body.entry;
    let mut inputs = Vec::new();
    let mut replaced = std::collections::HashMap::new();
    let mut kept = Vec::new();
    let shapes = shape_operands(body);
    for op in body.blocks[entry].ops.clone() {
        let shape = body.result(op).is_some_and(|v| shapes.contains(&v));
        let constant = match &body.ops[op].kind {
            OpKind::Constant(c) if is_input(&c.value) && !shape => Arc::clone(&c.value),
            _ => {
                kept.push(op);
                continue;
            }
        };
        let argument = body.add_arg(entry, constant.ty.clone().into());
        replaced.extend(body.result(op).map(|old| (old, argument)));
        inputs.push(Tensor::from_constant(&constant)?);
        func.arg_attrs.push(Dict::default());
        func.arg_names.push(None);
    }
    body.blocks[entry].ops = kept;
    body.replace_uses(&replaced);
    Ok(inputs)
}

/// Operands that say how large a result is: a device's program needs them as constants.
fn shape_operands(body: &Body) -> HashSet<ValueId> {
    let shapes = |op: &Op| match &op.kind {
        OpKind::DynamicIota(_) => 0..1,
        OpKind::DynamicReshape(_) | OpKind::DynamicBroadcastInDim(_) => 1..2,
        OpKind::RealDynamicSlice(_) => 1..4,
        OpKind::DynamicConv(_) | OpKind::DynamicGather(_) | OpKind::Rng(_) => 2..3,
        OpKind::DynamicPad(_) => 2..5,
        _ => 0..0,
    };
    let ops = body.walk(body.entry).into_iter().map(|op| &body.ops[op]);
    ops.flat_map(|op| op.operands.get(shapes(op)).unwrap_or_default()).copied().collect()
}

fn is_input(constant: &crate::ir::Constant) -> bool {
    matches!(constant.ty.elem, ElementType::Plain(_))
        && constant.ty.elements().is_some_and(|n| n > 1)
}

impl CheckProgram {
    /// Runs the program on the evaluator.
    ///
    /// # Errors
    /// The evaluator lacks an operation, or the program runs for too long.
    pub fn evaluate(&self) -> Result<Vec<Vec<u8>>, EvalError> {
        let mut evaluator = Evaluator::with_budget(&self.module, BUDGET);
        let results = evaluator.call(&self.name, &self.inputs)?;
        Ok(results.iter().map(|t| t.bytes().to_vec()).collect())
    }

    /// The bytes of the inputs, as a device takes them.
    pub fn input_bytes(&self) -> Vec<Vec<u8>> {
        self.inputs.iter().map(|t| t.bytes().to_vec()).collect()
    }

    /// Compares outputs with all expectations.
    ///
    /// # Errors
    /// One line for every expectation that does not hold.
    pub fn check(&self, outputs: &[Vec<u8>]) -> Result<(), Vec<String>> {
        let failures: Vec<String> =
            self.expectations.iter().filter_map(|e| e.check(outputs).err()).collect();
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }
}

#[cfg(test)]
mod tests;
