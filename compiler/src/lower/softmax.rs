//! Recognition of softmax: `exp(x - max(x)) / sum(exp(x - max(x)))` over the innermost dimension, and of
//! what makes it one of 8-bit integers.

use microhlo_format::kernels::{SoftmaxF32, SoftmaxI8};
use microhlo_format::{DType, Kernel, MicroOp};

use super::facts::{Facts, region_op};
use super::program::Storage;
use super::{Lowered, Lowerer, cluster, table};
use crate::ir::{OpId, ValueId};
use crate::ops::{ElementwiseOp, OpKind};

/// A softmax over the innermost dimension.
#[derive(Clone, Copy, Debug)]
pub struct Softmax {
    /// The operand.
    pub input: ValueId,
    /// The result of the division.
    pub result: ValueId,
}

/// A softmax of 8-bit integers.
#[derive(Clone, Copy, Debug)]
pub struct Quantized {
    /// The operand.
    pub input: ValueId,
    /// The result.
    pub result: ValueId,
    /// Zero point and scale of the operand.
    from: (i32, f32),
    /// Scale and zero point of the result.
    to: (f32, f32),
    /// Smallest and largest result.
    bounds: (f32, f32),
}

/// Matches what turns the operand of a softmax from 8-bit integers into floats, and its result back.
/// Also returns all operations; `order` sorts them as the program does.
pub fn find_quantized(
    facts: &Facts<'_>,
    softmax: &Softmax,
    inner: &[OpId],
    order: impl Fn(&mut Vec<OpId>),
) -> Option<(Quantized, Vec<OpId>)> {
    let body = facts.body;
    let private = facts.users(softmax.input).iter().all(|user| inner.contains(user));
    let last = body.def_op(softmax.input).filter(|_| private)?;
    let (input, mut ops) = table::grown(facts, last, false, |v| facts.splat(v).is_some())?;
    order(&mut ops);
    (cluster::dtype(body, input)? == DType::I8).then_some(())?;
    let bytes = table::tabulated(facts, &ops, input, softmax.input, None)?;
    let from = affine(&bytes)?;
    let divide = facts.only_user(softmax.result)?;
    let (to, bounds, result) = rounded_result(facts, softmax.result, divide, &mut ops)?;
    ops.extend(inner);
    order(&mut ops);
    Some((Quantized { input, result, from, to, bounds }, ops))
}

/// Zero point and positive scale of a function of bytes `(x - zero) * scale`, from its values in
/// `f32`.
pub(super) fn affine(bytes: &[u8]) -> Option<(i32, f32)> {
    let (values, _) = bytes.as_chunks::<4>();
    let value = |x: i32| values.get((x & 255) as usize).map(|&v| f32::from_le_bytes(v));
    let zero = (-128..128).find(|&x| value(x) == Some(0.0))?;
    let scale = match zero {
        127 => -value(126)?,
        _ => value(zero + 1)?,
    };
    let fits = |x: i32| value(x).map(f32::to_bits) == Some(((x - zero) as f32 * scale).to_bits());
    (scale > 0.0 && scale.is_finite() && (-128..128).all(fits)).then_some((zero, scale))
}

/// Scale and zero point, bounds, and the value.
type Rounded = ((f32, f32), (f32, f32), ValueId);

/// Scale, zero point, bounds and value of `convert(round(clamp(x / scale + zero)))` whose division is
/// `divide`. All operations are appended to `ops`.
pub(super) fn rounded_result(
    facts: &Facts<'_>,
    x: ValueId,
    divide: OpId,
    ops: &mut Vec<OpId>,
) -> Option<Rounded> {
    use ElementwiseOp::{Add, Clamp, Convert, Divide, RoundNearestEven};
    let body = facts.body;
    ops.push(divide);
    let mut next = |value: ValueId, kind: ElementwiseOp| {
        let result = body.result(facts.only_user(value)?)?;
        let op = facts.elementwise(result, kind)?;
        ops.push(op);
        Some((result, body.ops[op].operands.as_slice()))
    };
    let scaled = body.result(divide)?;
    facts.elementwise(scaled, Divide)?;
    let &[numerator, scale] = body.ops[divide].operands.as_slice() else { return None };
    (numerator == x).then_some(())?;
    let (moved, operands) = next(scaled, Add)?;
    let &[a, b] = operands else { return None };
    let zero = if a == scaled { b } else { a };
    let (clamped, operands) = next(moved, Clamp)?;
    let &[min, value, max] = operands else { return None };
    (value == moved).then_some(())?;
    let (round, _) = next(clamped, RoundNearestEven)?;
    let (result, _) = next(round, Convert)?;
    (cluster::dtype(body, result)? == DType::I8).then_some(())?;
    let number = |v| facts.splat_f32(v);
    let bounds = (number(min)?, number(max)?);
    let in_range = bounds.0 >= -128.0 && bounds.0 <= bounds.1 && bounds.1 <= 127.0;
    in_range.then_some(((number(scale)?, number(zero)?), bounds, result))
}

impl Lowerer<'_> {
    /// Rows and elements of a row.
    fn rows(dims: &[u32]) -> (u32, u32) {
        (dims.iter().rev().skip(1).product(), dims.last().copied().unwrap_or(1))
    }

    /// The step of a softmax, of which `op` is the first operation.
    pub(super) fn softmax(&mut self, softmax: &Softmax, op: OpId) -> Lowered<()> {
        let input = self.dense(softmax.input, self.span(op))?;
        let (output, _, dims) = self.result(softmax.result, op)?;
        let (rows, n) = Self::rows(&dims);
        self.step(Kernel::softmax_f32(SoftmaxF32 { input, output, rows, n }), op);
        self.name_step("softmax");
        Ok(())
    }

    /// The step of a softmax of 8-bit integers, of which `op` is the first operation.
    pub(super) fn softmax_i8(&mut self, softmax: &Quantized, op: OpId) -> Lowered<()> {
        let input = self.dense(softmax.input, self.span(op))?;
        let (output, _, dims) = self.result(softmax.result, op)?;
        let (rows, n) = Self::rows(&dims);
        let scratch = self.buffer("scratch", DType::F32, &[n], Storage::Temp, self.span(op))?;
        let &Quantized { from, to, bounds, .. } = softmax;
        let params = SoftmaxI8 {
            input,
            output,
            scratch,
            rows,
            n,
            input_zero: from.0,
            input_scale: from.1,
            output_scale: to.0,
            output_zero: to.1,
            min: bounds.0,
            max: bounds.1,
        };
        self.step(Kernel::softmax_i8(params), op);
        self.name_step("softmax+requantize");
        Ok(())
    }
}

/// Matches a softmax whose maximum is the reduction `max`; also returns its operations.
pub fn find(facts: &Facts<'_>, max: OpId) -> Option<(Softmax, Vec<OpId>)> {
    let body = facts.body;
    let input = *body.ops[max].operands.first()?;
    let last = body.ty(input).tensor()?.rank().checked_sub(1)?;
    is_row_reduction(facts, max, MicroOp::maximum, f32::NEG_INFINITY, last)?;
    let spread = spread_to(facts, body.result(max)?, input)?;
    let subtract = facts.only_user(spread)?;
    is(facts, subtract, ElementwiseOp::Subtract, input, spread)?;
    let exponent = facts.only_user(body.result(subtract)?)?;
    facts.elementwise(body.result(exponent)?, ElementwiseOp::Exponential)?;
    let e = body.result(exponent)?;
    let &[u1, u2] = facts.users(e) else { return None };
    let (sum, divide) =
        if matches!(body.ops[u1].kind, OpKind::Reduce(_)) { (u1, u2) } else { (u2, u1) };
    is_row_reduction(facts, sum, MicroOp::add, 0.0, last)?;
    let total = spread_to(facts, body.result(sum)?, e)?;
    is(facts, divide, ElementwiseOp::Divide, e, total)?;
    (facts.only_user(total)? == divide).then_some(())?;
    let softmax = Softmax { input, result: body.result(divide)? };
    Some((softmax, vec![max, subtract, exponent, sum, divide]))
}

fn is(facts: &Facts<'_>, op: OpId, kind: ElementwiseOp, a: ValueId, b: ValueId) -> Option<()> {
    facts.elementwise(facts.body.result(op)?, kind)?;
    (facts.body.ops[op].operands == [a, b]).then_some(())
}

fn is_row_reduction(
    facts: &Facts<'_>,
    op: OpId,
    micro: MicroOp,
    init: f32,
    last: usize,
) -> Option<()> {
    let o = &facts.body.ops[op];
    let OpKind::Reduce(r) = &o.kind else { return None };
    let &[x, start] = o.operands.as_slice() else { return None };
    let f32s = facts.body.ty(x).tensor()?.dtype() == Some(DType::F32);
    // -0.0 starts a sum as well as +0.0 does: exponentials are never -0.
    let starts = facts.splat_f32(start)? == init;
    let fits = r.dims == [last as i64] && region_op(facts.body, o.regions[0])? == micro;
    (f32s && starts && fits).then_some(())
}

/// Follows a row value through views of single use to the broadcast with the shape of `like`.
fn spread_to(facts: &Facts<'_>, mut value: ValueId, like: ValueId) -> Option<ValueId> {
    let body = facts.body;
    let shape = body.ty(like).tensor()?;
    let row_rank = body.ty(value).tensor()?.rank();
    loop {
        let user = facts.only_user(value)?;
        value = body.result(user)?;
        match &body.ops[user].kind {
            OpKind::Reshape(_) => {}
            OpKind::BroadcastInDim(b) if body.ty(value).tensor()? == shape => {
                // The row index must map to the same row: leading dimensions in order.
                let dims = b.dims.iter().take(row_rank).copied();
                return dims.eq(0..row_rank as i64).then_some(value);
            }
            _ => return None,
        }
    }
}
