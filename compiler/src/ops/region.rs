//! Regions that combine elements: their types, and their evaluation.

use microhlo_format::DType;

use super::elementwise::convert_element;
use super::{ElementwiseOp, OpError, OpKind, OpView};
use crate::eval::{Element, EvalError, Evaluator, Tensor};
use crate::ir::{BlockId, Body, Dim, ElementType, TensorType, Type};

/// A region over scalars, ready to be applied many times.
pub struct ScalarRegion<'a> {
    body: &'a Body,
    block: BlockId,
    args: Vec<DType>,
    /// The region is one binary operation on its two arguments, swapped or not.
    simple: Option<(ElementwiseOp, bool)>,
}

impl<'a> ScalarRegion<'a> {
    /// Region number `index` of an operation; its arguments must be scalars.
    pub fn new(op: &OpView<'a>, index: usize) -> Result<Self, OpError> {
        let block = op.region(index)?;
        let mut args = Vec::new();
        for ty in op.region_args(block) {
            match ty {
                Type::Tensor(t) if t.rank() == 0 => args.push(t.elem.storage()),
                other => return Err(OpError::new(no_scalar(other))),
            }
        }
        let simple = simple_op(op.body, block);
        Ok(ScalarRegion { body: op.body, block, args, simple })
    }

    /// Element type of argument `i`.
    pub fn arg(&self, i: usize) -> Result<DType, OpError> {
        let missing = || OpError::new(format!("the region has no argument {i}"));
        self.args.get(i).copied().ok_or_else(missing)
    }

    /// Applies the region to as many elements as it has arguments.
    pub fn apply(
        &self,
        evaluator: &mut Evaluator<'_>,
        elements: &[Element],
    ) -> Result<Vec<Element>, EvalError> {
        if let (Some((op, swapped)), &[a, b]) = (self.simple, elements) {
            let (a, b) = if swapped { (b, a) } else { (a, b) };
            let dtype = self.args[0];
            let undefined = || EvalError::unsupported(op.name(), format!("elements of {dtype}"));
            return Ok(vec![op.apply2(dtype, a, b).ok_or_else(undefined)?]);
        }
        let scalars = self.args.iter().zip(elements);
        let scalars: Vec<Tensor> = scalars.map(|(&d, &e)| Tensor::scalar(d, e)).collect();
        let results = evaluator.region(self.body, self.block, &scalars)?;
        Ok(results.iter().map(|t| t.at(0)).collect())
    }

    /// Applies the region to accumulators and elements, converted to the region's types, in
    /// place of the accumulators.
    pub fn accumulate(
        &self,
        evaluator: &mut Evaluator<'_>,
        accumulators: &mut [Element],
        elements: impl Iterator<Item = Element>,
    ) -> Result<(), EvalError> {
        let n = accumulators.len();
        let mut all = accumulators.to_vec();
        for (i, e) in elements.enumerate() {
            all.push(convert_element(e, self.arg(n + i)?));
        }
        let results = self.apply(evaluator, &all)?;
        if results.len() != n {
            let text = format!("the region returns {} values for {n}", results.len());
            return Err(OpError::new(text).into());
        }
        accumulators.copy_from_slice(&results);
        Ok(())
    }

    /// Applies a region that returns one boolean.
    pub fn test(
        &self,
        evaluator: &mut Evaluator<'_>,
        elements: &[Element],
    ) -> Result<bool, EvalError> {
        match self.apply(evaluator, elements)?.as_slice() {
            [Element::Bool(b)] => Ok(*b),
            _ => Err(OpError::new("the region must return one boolean").into()),
        }
    }
}

/// Why a region that takes such values is neither evaluated nor compiled: the specification has
/// reductions of scalars only, and says nothing of what the dialect's verifier lets pass.
pub fn no_scalar(ty: &Type) -> String {
    format!("a region that combines {ty} has no meaning: the specification's combine scalars")
}

/// The binary operation that a region consists of, and whether its arguments are swapped.
pub fn simple_op(body: &Body, block: BlockId) -> Option<(ElementwiseOp, bool)> {
    let block = &body.blocks[block];
    let (&[a, b], &[op, ret]) = (block.args.as_slice(), block.ops.as_slice()) else {
        return None;
    };
    let (op, ret) = (&body.ops[op], &body.ops[ret]);
    let OpKind::Elementwise(kind) = op.kind else { return None };
    if body.ty(a).tensor().is_none_or(|t| t.rank() != 0) {
        return None;
    }
    if ret.operands != op.results || kind.operands() != 2 || body.ty(a) != body.ty(b) {
        return None;
    }
    // A comparison-like result of another type cannot be accumulated by `apply2`.
    if op.results.len() != 1 || body.ty(op.results[0]) != body.ty(a) {
        return None;
    }
    match *op.operands.as_slice() {
        [x, y] if (x, y) == (a, b) => Some((kind, false)),
        [x, y] if (x, y) == (b, a) => Some((kind, true)),
        _ => None,
    }
}

/// Checks that a region takes `n` accumulators and `n` elements and returns `n` accumulators, all
/// of them scalars, with accumulators that the `inputs` can be promoted to. Gives the
/// accumulators' element types.
pub fn verify_reducer(
    op: &OpView<'_>,
    region: usize,
    inputs: &[&TensorType],
    label: &'static str,
) -> Result<Vec<TensorType>, OpError> {
    verify_slice_reducer(op, region, inputs, None, label)
}

/// Whether the dimensions of a value that a region combines are some of `kept`, in order.
fn is_slice(value: &TensorType, kept: &[Dim]) -> bool {
    let mut kept = kept.iter();
    value.dims.iter().all(|&d| kept.any(|k| k.accepts(d)))
}

/// As [`verify_reducer`], of a region that may combine slices along `slices`, dimensions that the
/// reduction keeps. The specification has scalars only; the dialect allows slices.
pub fn verify_slice_reducer(
    op: &OpView<'_>,
    region: usize,
    inputs: &[&TensorType],
    slices: Option<&[Dim]>,
    label: &'static str,
) -> Result<Vec<TensorType>, OpError> {
    let block = op.region(region)?;
    let fail = |text: String| Err(OpError::constraint(label, text));
    let (args, returns) = (op.region_args(block), op.region_returns(block));
    let n = inputs.len();
    if args.len() != 2 * n || returns.len() != n {
        return fail(format!(
            "the region must take {} arguments and return {n}, has {} and {}",
            2 * n,
            args.len(),
            returns.len()
        ));
    }
    let mut out = Vec::new();
    for (i, input) in inputs.iter().enumerate() {
        let Some(acc) = returns[i].tensor() else {
            return fail(format!("the region returns {}", returns[i]));
        };
        let same = [args[i], args[n + i]].into_iter().all(|t| t.tensor() == Some(acc));
        if !same {
            return fail(format!(
                "region arguments {} and {} must have the returned type {acc}",
                args[i],
                args[n + i]
            ));
        }
        if acc.rank() != 0 && !slices.is_some_and(|kept| is_slice(acc, kept)) {
            return fail(format!("the region must combine scalars, not {acc}"));
        }
        if !promotable(input, acc) {
            return fail(format!("elements of {input} cannot be promoted to {acc}"));
        }
        out.push(acc.clone());
    }
    Ok(out)
}

/// The specification's `is_promotable`: same class of type and not narrower.
fn promotable(from: &TensorType, to: &TensorType) -> bool {
    if let (ElementType::Quant(a), ElementType::Quant(b)) = (&from.elem, &to.elem) {
        return a.expressed == b.expressed && a.storage.bits() <= b.storage.bits();
    }
    let quantised = |t: &TensorType| matches!(t.elem, ElementType::Quant(_));
    if quantised(from) != quantised(to) {
        return false;
    }
    let (a, b) = (from.elem.storage(), to.elem.storage());
    let class = |d: DType| match d {
        DType::I1 => 0,
        d if d.is_signed_integer() => 1,
        d if d.is_unsigned_integer() => 2,
        d if d.is_complex() => 3,
        _ => 4,
    };
    class(a) == class(b) && a.bits() <= b.bits()
}
