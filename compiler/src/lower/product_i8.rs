//! Lowering of products of two computed 8-bit tensors, elementwise and of matrices, with what rescales
//! them.

use microhlo_format::kernels::{DotI8, ProductI8};
use microhlo_format::{DType, Kernel};

use super::cluster;
use super::contraction::Sides;
use super::facts::Facts;
use super::pointwise_i8::difference;
use super::requant::{self, Requant};
use super::view::{self, Nest, View, dense_strides};
use super::{Lowered, Lowerer, too_deep};
use crate::ir::{OpId, ValueId};
use crate::ops::OpKind;
use crate::ops::dot_general::DotGeneral;

/// A product of two 8-bit tensors.
#[derive(Clone, Debug)]
pub struct Product {
    /// The multiplication, or the contraction.
    pub root: OpId,
    /// Tensors and their zero points.
    pub factors: [(ValueId, i8); 2],
    left: u8,
    /// What follows; without scales, sums are stored.
    pub requant: Requant,
}

/// The elementwise product whose multiplication is `root`, and the operations absorbed.
pub fn find(facts: &Facts<'_>, root: OpId) -> Option<(Product, Vec<OpId>)> {
    let (factors, mut ops) = factors(facts, root)?;
    // A function of one value is a table.
    if factors[0].0 == factors[1].0 {
        return None;
    }
    let sums = facts.body.result(root)?;
    let (mut requant, tail) = requant::of_small_sums(facts, sums);
    let left = requant.scaled.as_mut()?.raise_shift();
    if requant.bias != [0] || left > ProductI8::<u8>::MAX_LEFT {
        return None;
    }
    ops.extend(tail);
    Some((Product { root, factors, left, requant }, ops))
}

/// The matrix product whose contraction is `root`, and the operations absorbed.
pub fn find_matrices(facts: &Facts<'_>, root: OpId) -> Option<(Product, Vec<OpId>)> {
    let sums = facts.body.result(root)?;
    let (factors, mut ops) = factors(facts, root)?;
    let elements = |v: ValueId| facts.body.ty(v).tensor()?.elements();
    if [sums, factors[0].0, factors[1].0].iter().any(|&v| elements(v) == Some(0)) {
        return None;
    }
    let (mut requant, tail) = requant::of_sums(facts, sums, 0, 1);
    if requant.bias == [0] {
        ops.extend(tail);
    } else {
        requant = Requant { bias: vec![0], scaled: None, result: sums };
    }
    Some((Product { root, factors, left: 0, requant }, ops))
}

/// Two factors, each with its zero point.
type Factors = [(ValueId, i8); 2];

/// The operands of an operation on 32-bit integers as differences of 8-bit tensors and their zero
/// points, and the operations absorbed, which are the operation and those.
fn factors(facts: &Facts<'_>, root: OpId) -> Option<(Factors, Vec<OpId>)> {
    let o = &facts.body.ops[root];
    let (&[lhs, rhs], &[result]) = (o.operands.as_slice(), o.results.as_slice()) else {
        return None;
    };
    if cluster::dtype(facts.body, result) != Some(DType::I32) {
        return None;
    }
    let mut ops = vec![root];
    let lhs = difference(facts, root, lhs, &mut ops)?;
    let rhs = difference(facts, root, rhs, &mut ops)?;
    Some(([lhs, rhs], ops))
}

impl Lowerer<'_> {
    /// A product of two 8-bit tensors.
    pub(super) fn product(&mut self, product: &Product) -> Lowered<()> {
        match &self.body.ops[product.root].kind {
            OpKind::DotGeneral(d) => {
                let d = d.clone();
                self.product_of_matrices(product, &d)
            }
            _ => self.product_i8(product),
        }
    }

    fn product_i8(&mut self, product: &Product) -> Lowered<()> {
        let span = self.span(product.root);
        let deep = || too_deep(span);
        let [(lhs, mut lhs_zero), (rhs, mut rhs_zero)] = product.factors;
        let (mut lhs, mut rhs) = (self.view(lhs, span)?, self.view(rhs, span)?);
        let (output, _, dims) = self.result(product.requant.result, product.root)?;
        // The kernel is fast where the second factor is the one that repeats.
        let inner = |v: &View| {
            let last = v.sizes.iter().zip(&v.strides).rev().find(|(size, _)| **size != 1);
            last.map_or(0, |(_, &stride)| stride)
        };
        if inner(&lhs) != 1 && inner(&rhs) == 1 {
            (lhs, rhs, lhs_zero, rhs_zero) = (rhs, lhs, rhs_zero, lhs_zero);
        }
        let nest = Nest::new(&dims, &[&lhs.strides, &rhs.strides, &dense_strides(&dims, 1)]);
        let (_, multiplier) = product.requant.record(0);
        let params = ProductI8 {
            lhs: lhs.base,
            rhs: rhs.base,
            output,
            sizes: view::sizes(&nest.sizes).ok_or_else(deep)?,
            lhs_strides: view::strides(&nest.strides[0]).ok_or_else(deep)?,
            rhs_strides: view::strides(&nest.strides[1]).ok_or_else(deep)?,
            lhs_zero,
            rhs_zero,
            left: product.left,
            multiplier,
            requant: product.requant.params().ok_or_else(deep)?,
        };
        self.step(Kernel::product_i8(params), product.root);
        self.name_step("multiply+requantize");
        Ok(())
    }

    fn product_of_matrices(&mut self, product: &Product, d: &DotGeneral) -> Lowered<()> {
        let span = self.span(product.root);
        let [(lhs, lhs_zero), (rhs, rhs_zero)] = product.factors;
        let lhs = Sides::of(self.view(lhs, span)?, &d.lhs_batching, &d.lhs_contracting);
        let rhs = Sides::of(self.view(rhs, span)?, &d.rhs_batching, &d.rhs_contracting);
        // Contracted dimensions correspond as they are listed.
        let (l, r) = (self.matrices(&lhs, span)?, self.matrices(&rhs, span)?);
        let (output, ..) = self.result(product.requant.result, product.root)?;
        let stride = |v: &View, d: usize| i32::try_from(v.strides[d]).map_err(|_| too_deep(span));
        let (_, multiplier) = product.requant.record(0);
        let mut params = DotI8 {
            lhs: l.base,
            rhs: r.base,
            output,
            scratch: output,
            batch: l.sizes[0],
            rows: l.sizes[1],
            columns: r.sizes[1],
            depth: l.sizes[2],
            lhs_batch_stride: stride(&l, 0)?,
            lhs_row_stride: stride(&l, 1)?,
            lhs_depth_stride: stride(&l, 2)?,
            rhs_batch_stride: stride(&r, 0)?,
            rhs_column_stride: stride(&r, 1)?,
            rhs_depth_stride: stride(&r, 2)?,
            lhs_zero,
            rhs_zero,
            multiplier,
            requant: product.requant.params(),
        };
        params.scratch = self.scratch_i8(&Kernel::dot_i8(params), product.root)?;
        self.step(Kernel::dot_i8(params), product.root);
        if params.requant.is_some() {
            self.name_step("dot_general+requantize");
        }
        Ok(())
    }

    /// An operand as three dimensions, those of the batch, free and contracted ones; copied where
    /// strides cannot express that.
    fn matrices(&mut self, side: &Sides, span: crate::diag::Span) -> Lowered<View> {
        let (b, f) = (side.batch, side.batch + side.free);
        let product = |range: &[u32]| range.iter().product::<u32>();
        let all = &side.view.sizes;
        let sizes = [product(&all[..b]), product(&all[b..f]), product(&all[f..])];
        if let Some(view) = side.view.reshaped(&sizes) {
            return Ok(view);
        }
        let base = self.copied(&side.view, "operand", span)?;
        Ok(View::dense(base, side.view.dtype, &sizes))
    }
}
