//! The operations that say which values of a float program are quantised, and how.

use std::collections::HashMap;
use std::sync::Arc;

use super::simulate::Types;
use super::values;
use crate::diag::Span;
use crate::ir::{Body, Constant, ElementType, Func, OpId, TensorType, ValueId};
use crate::ops::OpKind;
use crate::ops::uniform_dequantize::UniformDequantize;
use crate::ops::uniform_quantize::UniformQuantize;

/// The stored integers of constants.
pub type Integers = HashMap<ValueId, Vec<i64>>;

/// Puts a `uniform_quantize` and a `uniform_dequantize` behind every value that has parameters, and
/// makes constants that have some constants of a quantised type.
pub fn annotate(func: &mut Func, types: &Types, integers: &Integers) {
    let entry = func.body.entry;
    let ops = std::mem::take(&mut func.body.blocks[entry].ops);
    let span = ops.first().map_or_else(Span::default, |&op| func.body.ops[op].span);
    let body = &mut func.body;
    let mut editor = Annotator { body, types, integers, out: Vec::new(), made: HashMap::new() };
    for arg in editor.body.blocks[entry].args.clone() {
        editor.pair(arg, span);
    }
    for op in ops {
        editor.resolve(op);
        editor.out.push(op);
        let o = &editor.body.ops[op];
        let (results, span) = (o.results.clone(), o.span);
        for result in results {
            editor.pair(result, span);
        }
    }
    func.body.blocks[entry].ops = editor.out;
}

struct Annotator<'b> {
    body: &'b mut Body,
    types: &'b Types,
    integers: &'b Integers,
    out: Vec<OpId>,
    made: HashMap<ValueId, ValueId>,
}

impl Annotator<'_> {
    /// Makes an operation and those nested in it use what stands for their operands.
    fn resolve(&mut self, op: OpId) {
        let regions = self.body.ops[op].regions.clone();
        let inner = regions.into_iter().flat_map(|r| self.body.walk(r)).collect::<Vec<_>>();
        for op in std::iter::once(op).chain(inner) {
            for operand in &mut self.body.ops[op].operands {
                *operand = self.made.get(operand).copied().unwrap_or(*operand);
            }
        }
    }

    fn emit(
        &mut self,
        kind: OpKind,
        operands: Vec<ValueId>,
        ty: TensorType,
        span: Span,
    ) -> ValueId {
        let op = self.body.make_op(kind, operands, vec![ty.into()], Vec::new(), span);
        self.out.push(op);
        self.body.ops[op].results[0]
    }

    /// What stands for a value from here on, if it has parameters.
    fn pair(&mut self, value: ValueId, span: Span) {
        let Some(q) = self.types.get(&value) else { return };
        let Some(ty) = self.body.ty(value).tensor().cloned() else { return };
        let elem = ElementType::Quant(Arc::clone(q));
        let quantised = TensorType { dims: ty.dims.clone(), elem };
        let stored = match self.integers.get(&value) {
            Some(integers) => {
                let constant = Constant::dense(quantised.clone(), values::bytes(q, integers));
                let kind = crate::ops::constant::Constant { value: constant.into() };
                self.emit(kind.into(), Vec::new(), quantised, span)
            }
            None => self.emit(UniformQuantize.into(), vec![value], quantised, span),
        };
        let float = self.emit(UniformDequantize.into(), vec![stored], ty, span);
        self.made.insert(value, float);
    }
}
