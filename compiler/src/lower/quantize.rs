//! Lowering of what turns floats into 8-bit integers, and back, at the borders of integer layers.
//!
//! Between elementwise operations it stays part of their kernel, which stores no floats for it.

use microhlo_format::kernels::{DequantizeI8, QuantizeF32};
use microhlo_format::{DType, Kernel};

use super::facts::Facts;
use super::softmax::{affine, rounded_result};
use super::table;
use super::{Lowered, Lowerer, cluster};
use crate::ir::{OpId, ValueId};
use crate::ops::ElementwiseOp;

/// Elements from which on a table is worth its kilobyte.
const MIN_ELEMENTS: u32 = 64;

/// A conversion to 8-bit integers.
#[derive(Clone, Copy, Debug)]
pub struct Quantize {
    input: ValueId,
    result: ValueId,
    scale: f32,
    zero: f32,
    bounds: [i8; 2],
}

/// A conversion of 8-bit integers to floats.
#[derive(Clone, Debug)]
pub struct Dequantize {
    input: ValueId,
    result: ValueId,
    /// Zero point and scale.
    affine: (i32, f32),
    /// The results for the bytes from 0 to 255.
    table: Vec<u8>,
}

/// The conversion that begins with the division `root`, and its operations. `is_map` tells the
/// elementwise operations that are in no kernel of another kind.
pub fn find(
    facts: &Facts<'_>,
    root: OpId,
    is_map: impl Fn(OpId) -> bool,
) -> Option<(Quantize, Vec<OpId>)> {
    let o = &facts.body.ops[root];
    let input = *o.operands.first().filter(|_| o.kind == ElementwiseOp::Divide.into())?;
    if facts.body.def_op(input).is_some_and(is_map)
        || cluster::dtype(facts.body, input)? != DType::F32
    {
        return None;
    }
    let mut ops = Vec::new();
    let ((scale, zero), (min, max), result) = rounded_result(facts, input, root, &mut ops)?;
    // Bounds of whole numbers, in the range of bytes.
    let bounds = [min, max].map(|bound| bound as i8);
    let whole = bounds.map(f32::from) == [min, max];
    let fits = whole && scale > 0.0 && bounds[0] <= 0 && bounds[1] >= 0;
    fits.then_some((Quantize { input, result, scale, zero, bounds }, ops))
}

/// The conversion that ends with the multiplication `last`, and its operations. `is_map` is as in
/// [`find`]; `order` sorts operations as the program does.
pub fn find_inverse(
    facts: &Facts<'_>,
    last: OpId,
    is_map: impl Fn(OpId) -> bool,
    order: impl Fn(&mut Vec<OpId>),
) -> Option<(Dequantize, Vec<OpId>)> {
    let body = facts.body;
    let o = &body.ops[last];
    let result = body.result(last).filter(|_| o.kind == ElementwiseOp::Multiply.into())?;
    let float = cluster::dtype(body, result)? == DType::F32;
    if !float || facts.users(result).iter().any(|&user| is_map(user)) {
        return None;
    }
    let (input, mut ops) = table::grown(facts, last, false, |v| facts.splat(v).is_some())?;
    if body.def_op(input).is_some_and(is_map) || cluster::dtype(body, input)? != DType::I8 {
        return None;
    }
    order(&mut ops);
    let table = table::tabulated(facts, &ops, input, result, None)?;
    let affine = affine(&table)?;
    Some((Dequantize { input, result, affine, table }, ops))
}

impl Lowerer<'_> {
    /// The step of a conversion to 8-bit integers, of which `op` is the first operation.
    pub(super) fn quantize(&mut self, quantize: &Quantize, op: OpId) -> Lowered<()> {
        let &Quantize { input, result, scale, zero, bounds: [min, max] } = quantize;
        let input = self.dense(input, self.span(op))?;
        let (output, _, dims) = self.result(result, op)?;
        let count = dims.iter().product();
        let thresholds = None;
        let mut params = QuantizeF32 { input, thresholds, output, count, scale, zero, min, max };
        let direct = (min, max) == (i8::MIN, i8::MAX);
        if !direct || (!self.target.has_f32() && count >= MIN_ELEMENTS) {
            params.thresholds = Some(self.constant(params.pack_thresholds().into(), 4));
        }
        self.step(Kernel::quantize_f32(params), op);
        self.name_step("quantize");
        Ok(())
    }

    /// The step of a conversion to floats, of which `op` is the first operation.
    pub(super) fn dequantize(&mut self, dequantize: &Dequantize, op: OpId) -> Lowered<()> {
        let input = self.dense(dequantize.input, self.span(op))?;
        let (output, _, dims) = self.result(dequantize.result, op)?;
        let count = dims.iter().product();
        let tabulated = !self.target.has_f32() && count >= MIN_ELEMENTS;
        let table = tabulated.then(|| self.constant(dequantize.table.clone().into(), 4));
        let (zero, scale) = dequantize.affine;
        let params = DequantizeI8 { input, table, output, count, zero, scale };
        self.step(Kernel::dequantize_i8(params), op);
        self.name_step("dequantize");
        Ok(())
    }
}
