//! Lowering of sums of two 8-bit tensors, and of sums over windows of one, with what rescales them.

use microhlo_format::kernels::{PoolI8, SumI8};
use microhlo_format::{DType, Kernel, MicroOp};

use super::cluster;
use super::facts::{Facts, simple_reduction};
use super::requant::{self, Requant};
use super::{Lowered, Lowerer, too_deep};
use crate::ir::{BlockId, OpId, ValueId};
use crate::ops::window::Window;
use crate::ops::{ElementwiseOp, OpKind};

/// Deepest expression that is looked through.
const MAX_DEPTH: usize = 16;

/// A sum of 8-bit tensors, each times a constant, shifted right and limited.
#[derive(Clone, Debug)]
pub struct Sum {
    /// The operation that names it: the shift, or the addition.
    pub root: OpId,
    /// Tensors and what they are multiplied with.
    pub terms: [(ValueId, i32); 2],
    /// Added to the products.
    pub offset: i32,
    /// Bits that the sum is shifted right by.
    pub shift: u8,
    /// Least result.
    pub min: i8,
    /// Greatest result.
    pub max: i8,
    /// The value that the kernel computes.
    pub result: ValueId,
}

/// Sums over windows of an 8-bit tensor.
#[derive(Clone, Debug)]
pub struct Pool {
    /// The reduction.
    pub root: OpId,
    /// The tensor.
    pub input: ValueId,
    /// Batch, height, width, channels.
    sizes: [u32; 4],
    output: [u32; 2],
    kernel: [u32; 2],
    stride: [u32; 2],
    pad: [i32; 2],
    input_zero: i8,
    bias: i32,
    left: u8,
    requant: Requant,
}

/// Constants times 8-bit tensors, plus a constant, in 32 bits.
struct Linear {
    /// The block of its operations: values of other blocks are read as they are.
    home: BlockId,
    terms: Vec<(ValueId, i64)>,
    constant: i64,
    /// The operations of the expression, users before operands.
    ops: Vec<OpId>,
}

impl Linear {
    fn new(home: BlockId) -> Linear {
        Linear { home, terms: Vec::new(), constant: 0, ops: Vec::new() }
    }

    /// Most that the expression, or any part of it, can be.
    fn largest(&self) -> i64 {
        let terms = self.terms.iter().map(|(_, n)| n.saturating_abs().saturating_mul(128));
        terms.fold(self.constant.saturating_abs(), i64::saturating_add)
    }

    /// Adds `factor` times a value to the expression; `None` if it is no such expression, or may
    /// exceed 32 bits.
    fn add(&mut self, facts: &Facts<'_>, value: ValueId, factor: i64, depth: usize) -> Option<()> {
        use ElementwiseOp::{Add, Convert, Multiply, Subtract};
        let depth = depth.checked_sub(1)?;
        if let Some(n) = constant(facts, value) {
            self.constant = self.constant.checked_add(factor.checked_mul(n)?)?;
            return (self.largest() < 1 << 31).then_some(());
        }
        let (op, OpKind::Elementwise(kind)) = facts.def(value)? else { return None };
        if facts.block(op) != self.home {
            return None;
        }
        let operands = facts.body.ops[op].operands.as_slice();
        self.ops.push(op);
        match (kind, operands) {
            (Convert, &[x]) if cluster::dtype(facts.body, x) == Some(DType::I8) => {
                match self.terms.iter_mut().find(|(v, _)| *v == x) {
                    Some((_, n)) => *n += factor,
                    None => self.terms.push((x, factor)),
                }
            }
            (Add, &[a, b]) => {
                self.add(facts, a, factor, depth)?;
                self.add(facts, b, factor, depth)?;
            }
            (Subtract, &[a, b]) => {
                self.add(facts, a, factor, depth)?;
                self.add(facts, b, factor.checked_neg()?, depth)?;
            }
            (Multiply, &[a, b]) => match (constant(facts, a), constant(facts, b)) {
                (_, Some(n)) => self.add(facts, a, factor.checked_mul(n)?, depth)?,
                (Some(n), _) => self.add(facts, b, factor.checked_mul(n)?, depth)?,
                _ => return None,
            },
            _ => return None,
        }
        (self.largest() < 1 << 31).then_some(())
    }

    /// The operations that nothing outside of them and `ops` uses.
    fn absorbed(&self, facts: &Facts<'_>, mut ops: Vec<OpId>) -> Vec<OpId> {
        for &op in &self.ops {
            let users = facts.body.ops[op].results.iter().flat_map(|&v| facts.users(v));
            if !ops.contains(&op) && users.clone().all(|user| ops.contains(user)) {
                ops.push(op);
            }
        }
        ops
    }
}

/// An operand of `root` as an 8-bit tensor less a zero point; adds the operations absorbed with those in
/// `ops`.
pub fn difference(
    facts: &Facts<'_>,
    root: OpId,
    operand: ValueId,
    ops: &mut Vec<OpId>,
) -> Option<(ValueId, i8)> {
    if cluster::dtype(facts.body, operand) == Some(DType::I8) {
        return Some((operand, 0));
    }
    if !is_i32(facts, operand) {
        return None;
    }
    let mut linear = Linear::new(facts.block(root));
    linear.add(facts, operand, 1, MAX_DEPTH)?;
    let &[(tensor, 1)] = linear.terms.as_slice() else { return None };
    let zero = i8::try_from(linear.constant.checked_neg()?).ok()?;
    *ops = linear.absorbed(facts, std::mem::take(ops));
    Some((tensor, zero))
}

/// The integer that all elements of a value are.
fn constant(facts: &Facts<'_>, value: ValueId) -> Option<i64> {
    facts.splat(value)?;
    facts.per_channel_ints(value, 0, 1)?.first().copied()
}

fn is_i32(facts: &Facts<'_>, value: ValueId) -> bool {
    cluster::dtype(facts.body, value) == Some(DType::I32)
}

/// The sum whose shift is `root`, and the operations absorbed.
pub fn find_sum(facts: &Facts<'_>, root: OpId) -> Option<(Sum, Vec<OpId>)> {
    let o = &facts.body.ops[root];
    let (&[value, by], &[result]) = (o.operands.as_slice(), o.results.as_slice()) else {
        return None;
    };
    if o.kind != ElementwiseOp::ShiftRightArithmetic.into() || !is_i32(facts, value) {
        return None;
    }
    let shift = constant(facts, by).filter(|s| (0..=31).contains(s))?;
    let mut linear = Linear::new(facts.block(root));
    linear.add(facts, value, 1, MAX_DEPTH)?;
    let (limits, tail) = requant::limits_of(facts, result, DType::I8)?;
    let offset = linear.constant.checked_add(limits.zero << shift)?;
    let moved = Linear { constant: offset, ..linear };
    // One term is a function of a byte, which is a table with all else of its kind.
    let &[(lhs, l), (rhs, r)] = moved.terms.as_slice() else { return None };
    if moved.largest() >= 1 << 31 {
        return None;
    }
    let sum = Sum {
        root,
        terms: [(lhs, l as i32), (rhs, r as i32)],
        offset: offset as i32,
        shift: shift as u8,
        min: i8::try_from(limits.min).ok()?,
        max: i8::try_from(limits.max).ok()?,
        result: limits.result,
    };
    let ops = moved.absorbed(facts, [vec![root], tail].concat());
    Some((sum, ops))
}

/// The windowed sum whose reduction is `root`, and the operations absorbed.
pub fn find_pool(facts: &Facts<'_>, root: OpId) -> Option<(Pool, Vec<OpId>)> {
    let body = facts.body;
    let o = &body.ops[root];
    let (&[operand, init], &[sums]) = (o.operands.as_slice(), o.results.as_slice()) else {
        return None;
    };
    if simple_reduction(body, root) != Some(MicroOp::add) || !is_i32(facts, operand) {
        return None;
    }
    let mut linear = Linear::new(facts.block(root));
    linear.add(facts, operand, 1, MAX_DEPTH)?;
    let &[(input, 1)] = linear.terms.as_slice() else { return None };
    let dims: Option<Vec<u32>> = body.ty(operand).tensor()?.dims.iter().map(size).collect();
    let dims = dims.filter(|d| !d.contains(&0))?;
    let start = constant(facts, init)?;
    let shape = match &o.kind {
        OpKind::Reduce(r) => reduced(&dims, &r.dims)?,
        OpKind::ReduceWindow(r) => windowed(&dims, &r.window, body.ty(sums).tensor()?)?,
        _ => return None,
    };
    let terms = i64::from(shape.kernel[0]) * i64::from(shape.kernel[1]);
    let largest = linear.constant.checked_abs()?.checked_add(128)?.checked_mul(terms)?;
    let (mut requant, tail) = match requant::of_small_sums(facts, sums) {
        (requant, tail) if requant.scaled.is_some() => (requant, tail),
        _ => requant::of_mean(facts, sums, largest)?,
    };
    let left = requant.scaled.as_mut()?.raise_shift();
    let mut pool = shape.pool(root, input, requant);
    pool.input_zero = i8::try_from(linear.constant.checked_neg()?).ok()?;
    let bias = start + linear.constant.checked_mul(terms)? + pool.requant.bias.first()?;
    pool.bias = i32::try_from(bias).ok()?;
    if start != 0 || terms.checked_mul(256)? + bias.abs() >= 1 << (31 - left) {
        return None;
    }
    pool.left = left;
    let ops = linear.absorbed(facts, [vec![root], tail].concat());
    Some((pool, ops))
}

fn size(dim: &crate::ir::Dim) -> Option<u32> {
    u32::try_from(dim.size()?).ok()
}

/// The geometry of a pool.
struct Shape {
    sizes: [u32; 4],
    output: [u32; 2],
    kernel: [u32; 2],
    stride: [u32; 2],
    pad: [i32; 2],
}

impl Shape {
    fn pool(self, root: OpId, input: ValueId, requant: Requant) -> Pool {
        let Shape { sizes, output, kernel, stride, pad } = self;
        let (input_zero, bias, left) = (0, 0, 0);
        Pool { root, input, sizes, output, kernel, stride, pad, input_zero, bias, left, requant }
    }
}

/// A reduction over adjacent dimensions, as one window per image of height 1.
fn reduced(dims: &[u32], over: &[i64]) -> Option<Shape> {
    let mut over: Vec<usize> = over.iter().map(|&d| d as usize).collect();
    over.sort_unstable();
    let (&first, &last) = (over.first()?, over.last()?);
    let adjacent = last - first + 1 == over.len() && last < dims.len();
    let count = |range: &[u32]| range.iter().try_fold(1u32, |n, &d| n.checked_mul(d));
    let n = count(dims.get(first..=last)?)?;
    adjacent.then_some(Shape {
        sizes: [count(&dims[..first])?, 1, n, count(&dims[last + 1..])?],
        output: [1, 1],
        kernel: [1, n],
        stride: [1, 1],
        pad: [0, 0],
    })
}

/// Windows over the two middle dimensions of four.
fn windowed(dims: &[u32], w: &Window, result: &crate::ir::TensorType) -> Option<Shape> {
    let &[batch, height, width, channels] = dims else { return None };
    let one = |list: &[i64], d: usize| list.get(d) == Some(&1);
    let plain = [0, 3]
        .iter()
        .all(|&d| one(&w.dimensions, d) && one(&w.strides, d) && w.padding.get(d) == Some(&(0, 0)));
    let dense = w.base_dilations.iter().chain(&w.window_dilations).all(|&d| d == 1);
    if !plain || !dense {
        return None;
    }
    let pair = |list: &[i64]| -> Option<[u32; 2]> {
        Some([u32::try_from(*list.get(1)?).ok()?, u32::try_from(*list.get(2)?).ok()?])
    };
    let low = |d: usize| i32::try_from(w.padding.get(d)?.0).ok();
    Some(Shape {
        sizes: [batch, height, width, channels],
        output: [size(result.dims.get(1)?)?, size(result.dims.get(2)?)?],
        kernel: pair(&w.dimensions)?,
        stride: pair(&w.strides)?,
        pad: [low(1)?, low(2)?],
    })
}

impl Lowerer<'_> {
    /// A sum of two 8-bit tensors.
    pub(super) fn sum_i8(&mut self, sum: &Sum) -> Lowered<()> {
        let span = self.span(sum.root);
        let [(lhs, lhs_multiplier), (rhs, rhs_multiplier)] = sum.terms;
        let (lhs, rhs) = (self.dense(lhs, span)?, self.dense(rhs, span)?);
        let (output, _, dims) = self.result(sum.result, sum.root)?;
        let count = dims.iter().product();
        let Sum { offset, shift, min, max, .. } = *sum;
        #[rustfmt::skip]
        let params = SumI8 {
            lhs, rhs, output, count, lhs_multiplier, rhs_multiplier, offset, shift, min, max,
        };
        self.step(Kernel::sum_i8(params), sum.root);
        self.name_step("add+requantize");
        Ok(())
    }

    /// Sums over windows of an 8-bit tensor.
    pub(super) fn pool_i8(&mut self, pool: &Pool) -> Lowered<()> {
        let input = self.dense(pool.input, self.span(pool.root))?;
        let (output, ..) = self.result(pool.requant.result, pool.root)?;
        let [batch, in_h, in_w, channels] = pool.sizes;
        let ([out_h, out_w], [kernel_h, kernel_w]) = (pool.output, pool.kernel);
        let ([stride_h, stride_w], [pad_top, pad_left]) = (pool.stride, pool.pad);
        let (_, multiplier) = pool.requant.record(0);
        let requant = pool.requant.params().ok_or_else(|| too_deep(self.span(pool.root)))?;
        #[rustfmt::skip]
        let params = PoolI8 {
            input, output, batch, in_h, in_w, channels, out_h, out_w, kernel_h, kernel_w, stride_h,
            stride_w, pad_top, pad_left, input_zero: pool.input_zero, bias: pool.bias, left: pool.left,
            multiplier, requant,
        };
        self.step(Kernel::pool_i8(params), pool.root);
        if let Some(step) = self.program.steps.last_mut() {
            step.name.push_str("+requantize");
        }
        Ok(())
    }
}
