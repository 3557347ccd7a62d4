//! Lowering of contractions of integers with constant 8-bit weights: of 8-bit activations, or of 16-bit
//! ones, whose weights may be of 16 bits if all of them are 8-bit integers.

use std::sync::Arc;

use microhlo_format::kernels::{
    ConvI8, ConvI8Mve, ConvI16, ConvI16Mve, DepthwiseI8, DepthwiseI8Mve, DepthwiseI16,
    DepthwiseLayout, DepthwiseTapsI8, DepthwiseThreeI8,
};
use microhlo_format::{AccessKind, DType, Kernel};

use super::cluster;
use super::contraction::{channels_last, permuted_values};
use super::costs_i8;
use super::facts::Facts;
use super::geometry::Geometry;
use super::program::{Ref, Storage};
use super::requant::{self, Requant};
use super::transposed_i8::MAX_PHASES;
use super::{Lowered, Lowerer, too_deep};
use crate::compile::{CompileError, Target};
use crate::ir::{Body, OpId, ValueId};
use crate::ops::OpKind;
use crate::ops::convolution::Convolution;
use crate::ops::dot_general::DotGeneral;

/// A contraction that the kernels for 8-bit weights execute, with what surrounds it.
#[derive(Clone, Debug)]
pub struct Int8 {
    /// The convolution or matrix product.
    pub root: OpId,
    /// The `pad` before it that the kernel does itself.
    pub pad: Option<OpId>,
    /// What follows.
    pub requant: Requant,
    /// Whether activations have 16 bits.
    pub wide: bool,
}

/// The contraction `root` with what its kernel absorbs, if the kernels for 8-bit weights execute it: 8-bit
/// or 16-bit activations, 32-bit sums, constant weights; convolutions of one or two spatial dimensions with
/// channels last, matrix products without batch. Also returns the operations absorbed.
pub fn find(facts: &Facts<'_>, root: OpId) -> Option<(Int8, Vec<OpId>)> {
    let body = facts.body;
    let o = &body.ops[root];
    let (&[lhs, rhs], &[sums]) = (o.operands.as_slice(), o.results.as_slice()) else { return None };
    let is = |v: ValueId, dtype| cluster::dtype(body, v) == Some(dtype);
    let wide = is(lhs, DType::I16);
    let to = if wide { DType::I16 } else { DType::I8 };
    let ty = body.ty(sums).tensor()?;
    let empty = ty.elements() == Some(0) || body.ty(lhs).tensor()?.elements() == Some(0);
    let types = is(lhs, to) && (is(rhs, DType::I8) || is(rhs, to)) && is(sums, DType::I32);
    if !types || empty {
        return None;
    }
    body.constant(rhs)?;
    if is(rhs, DType::I16) {
        stored_weights(body, rhs)?;
    }
    let (dim, pad) = match &o.kind {
        OpKind::Convolution(c) if is_plain(c) => {
            // Dilation by a `pad` that the kernels do not have is left to that.
            let has = |pad| dilations(body, c, pad).filter(|d| !wide || *d == [1, 1]);
            let pad = padded(facts, lhs, c).filter(|&p| has(Some(p)).is_some());
            has(pad)?;
            (c.dims.output_feature as usize, pad)
        }
        OpKind::DotGeneral(d) if is_matrix(body, rhs, d) => (ty.rank().checked_sub(1)?, None),
        _ => return None,
    };
    let channels = ty.dims.get(dim)?.size()? as usize;
    let (requant, mut ops) = requant::of_sums_to(facts, sums, dim, channels, to);
    ops.insert(0, root);
    ops.extend(pad);
    Some((Int8 { root, pad, requant, wide }, ops))
}

/// Whether the kernels have this kind of convolution.
fn is_plain(c: &Convolution) -> bool {
    channels_last(c)
        && (1..=2).contains(&c.dims.input_spatial.len())
        && c.batch_group_count == 1
        && c.reversal.iter().all(|&r| !r)
}

/// By how much each spatial dimension of the operand is dilated, by the convolution or by a `pad` before
/// it; `None` if the kernels do not have that: only results next to each other, of taps next to each other,
/// are those of ordinary convolutions.
fn dilations(body: &Body, c: &Convolution, pad: Option<OpId>) -> Option<[u32; 2]> {
    let mut all = c.lhs_dilation.clone();
    if let Some(op) = pad
        && let OpKind::Pad(pad) = &body.ops[op].kind
    {
        for (dilation, &d) in all.iter_mut().zip(&c.dims.input_spatial) {
            *dilation = pad.interior.get(d as usize)?.checked_add(1)?;
        }
    }
    let one = |list: &[i64]| list.iter().all(|&n| n == 1);
    let phases = all.iter().try_fold(1i64, |n, &d| n.checked_mul(d))?;
    let fits = one(&all) || one(&c.strides) && one(&c.rhs_dilation) && phases <= MAX_PHASES;
    let size = |d: &i64| u32::try_from(*d).ok();
    match all.as_slice() {
        [one] if fits => Some([1, size(one)?]),
        [a, b] if fits => Some([size(a)?, size(b)?]),
        _ => None,
    }
}

/// Whether a product has no batch and one free dimension on the right.
fn is_matrix(body: &Body, rhs: ValueId, d: &DotGeneral) -> bool {
    let rank = body.ty(rhs).tensor().map_or(0, |t| t.rank());
    d.lhs_batching.is_empty() && d.rhs_contracting.len() + 1 == rank && rank > 1
}

/// The `pad` that makes a convolution's operand, if only spatial dimensions are padded and nothing
/// else uses it.
fn padded(facts: &Facts<'_>, lhs: ValueId, c: &Convolution) -> Option<OpId> {
    let (op, OpKind::Pad(pad)) = facts.def(lhs)? else { return None };
    facts.only_user(lhs)?;
    let plain = c.padding.iter().all(|&p| p == (0, 0)) && c.lhs_dilation.iter().all(|&d| d == 1);
    let spatial = |d: &usize| c.dims.input_spatial.contains(&(*d as i64));
    let others = (0..pad.low.len()).filter(|d| !spatial(d));
    let untouched =
        others.map(|d| (pad.low[d], pad.high[d], pad.interior[d])).all(|p| p == (0, 0, 0));
    padding(facts, op)?;
    let source = facts.body.ty(facts.body.ops[op].operands[0]).tensor()?;
    (plain && untouched && source.elements() != Some(0)).then_some(op)
}

/// What a `pad` fills with, if it is everywhere the same integer of 8 bits.
fn padding(facts: &Facts<'_>, pad: OpId) -> Option<i8> {
    let value = facts.body.ops[pad].operands[1];
    facts.splat(value)?;
    i8::try_from(*facts.per_channel_ints(value, 0, 1)?.first()?).ok()
}

/// The bytes of constant weights of 8 bits, or of 16 if all of them are 8-bit integers.
fn stored_weights(body: &Body, weights: ValueId) -> Option<Arc<[u8]>> {
    let bytes = body.constant(weights)?.to_bytes();
    if cluster::dtype(body, weights) != Some(DType::I16) {
        return Some(bytes);
    }
    let narrow = |pair: &[u8; 2]| i8::try_from(i16::from_le_bytes(*pair)).map(|n| n as u8).ok();
    bytes.as_chunks::<2>().0.iter().map(narrow).collect()
}

/// Weights as stored integers, and where they lie: `[taps][in_c][out_c]` for a convolution,
/// `[depth][columns]` for a product.
pub(super) struct Weights {
    pub(super) bytes: Arc<[u8]>,
    pub(super) dims: Vec<usize>,
}

impl Weights {
    fn at(&self, row: u32, column: u32) -> i8 {
        let columns = self.dims.last().copied().unwrap_or(1);
        self.bytes.get(row as usize * columns + column as usize).copied().unwrap_or(0) as i8
    }
}

/// Weights, records, and shifts if channels have their own, as parameters lay them out.
struct Constants {
    weights: Vec<u8>,
    records: Vec<u8>,
    shifts: Option<Vec<u8>>,
}

/// The [`Constants`] of a convolution, from parameters that lay out weights, and those that lay out records.
macro_rules! packed {
    ([$params:expr, $records:expr], $channels:expr, $requant:expr, $weights:expr) => {{
        let per = $channels;
        Constants {
            weights: $params.pack_weights(&mut |g, c, tap| $weights.at(tap, g * per + c)),
            records: $records.pack_channels(&mut |g, c| $requant.record(g * per + c)),
            shifts: $requant
                .own_shifts()
                .then(|| $records.pack_shifts(&mut |g, c| $requant.shift(g * per + c))),
        }
    }};
}

impl Lowerer<'_> {
    /// A contraction of 8-bit integers with what surrounds it.
    pub(super) fn int8(&mut self, int8: &Int8) -> Lowered<()> {
        let span = self.span(int8.root);
        let weights = self.body.ops[int8.root].operands[1];
        let dims = self.body.constant(weights).and_then(|c| c.ty.static_dims());
        let weights = stored_weights(self.body, weights)
            .zip(dims)
            .ok_or_else(|| CompileError::at(span, "the weights are not constant"))?;
        let dims = weights.1.iter().map(|&d| d as usize).collect();
        let weights = Weights { bytes: weights.0, dims };
        match &self.body.ops[int8.root].kind {
            OpKind::Convolution(c) => {
                let c = c.clone();
                self.conv_i8(int8, &c, &weights)?;
            }
            OpKind::DotGeneral(d) => {
                let d = d.clone();
                self.dot_i8(int8, &d, weights)?;
            }
            _ => return Err(CompileError::at(span, "not a contraction")),
        }
        Ok(())
    }

    fn name_int8(&mut self, int8: &Int8) {
        if let Some(step) = self.program.steps.last_mut() {
            if int8.requant.bias.iter().any(|&b| b != 0) {
                step.name.push_str("+bias");
            }
            if int8.requant.scaled.is_some() {
                step.name.push_str("+requantize");
            }
        }
    }

    fn conv_i8(&mut self, int8: &Int8, c: &Convolution, weights: &Weights) -> Lowered<()> {
        let span = self.span(int8.root);
        let deep = || too_deep(span);
        let mut operand = self.body.ops[int8.root].operands[0];
        let mut lows: Vec<i64> = c.padding.iter().map(|p| p.0).collect();
        let mut input_zero = 0;
        if let Some(op) = int8.pad
            && let OpKind::Pad(pad) = &self.body.ops[op].kind
        {
            lows = c.dims.input_spatial.iter().map(|&d| pad.low[d as usize]).collect();
            input_zero = padding(self.facts, op).ok_or_else(deep)?;
            operand = self.body.ops[op].operands[0];
        }
        let input = self.dense(operand, span)?;
        let (_, in_dims) = self.static_tensor(operand, span)?;
        let (_, out_dims) = self.static_tensor(self.body.ops[int8.root].results[0], span)?;
        let spatial = c.dims.kernel_spatial.len();
        let taps: Vec<u32> = weights.dims[..spatial].iter().map(|&k| k as u32).collect();
        let g = Geometry::of(c, &in_dims, &out_dims, &taps, &lows).ok_or_else(deep)?;
        let groups = u32::try_from(c.feature_group_count).map_err(|_| deep())?;
        let dilation = dilations(self.body, c, int8.pad).ok_or_else(deep)?;
        if dilation != [1, 1] {
            return self.transposed_i8(int8, (input, input_zero), &g, dilation, groups, weights);
        }
        self.step_i8(int8, input, input_zero, &g, groups, weights)
    }

    fn dot_i8(&mut self, int8: &Int8, d: &DotGeneral, mut weights: Weights) -> Lowered<()> {
        let product = self.matrix_product(int8.root, d, &weights.dims)?;
        weights.bytes = permuted_values(&weights.bytes, &weights.dims, &product.order).into();
        weights.dims = vec![product.depth as usize, product.columns as usize];
        let g = Geometry::of_matrix(product.rows, product.depth, product.columns);
        self.step_i8(int8, product.input, 0, &g, 1, &weights)
    }

    /// The step of a convolution: a depthwise one if every group has one input channel.
    fn step_i8(
        &mut self,
        int8: &Int8,
        input: Ref,
        input_zero: i8,
        g: &Geometry,
        groups: u32,
        weights: &Weights,
    ) -> Lowered<()> {
        let (output, ..) = self.result(int8.requant.result, int8.root)?;
        self.step_i8_to(int8, (input, input_zero), g, groups, weights, output)
    }

    /// The same to a place.
    pub(super) fn step_i8_to(
        &mut self,
        int8: &Int8,
        (input, input_zero): (Ref, i8),
        g: &Geometry,
        groups: u32,
        weights: &Weights,
        output: Ref,
    ) -> Lowered<()> {
        let empty = Places { input, output, weights: input, channels: input, scratch: input };
        let requant = &int8.requant;
        if int8.wide {
            return self.step_i16(
                int8,
                conv_params(g, empty, input_zero, requant, groups),
                weights,
            );
        }
        // Helium's kernels have one result for each channel.
        let single = g.out_c == groups || !self.target.has_mve();
        let depthwise = groups > 1 && g.in_c == groups && single;
        let kernel = if depthwise {
            let mut p = depthwise_params(g, empty, input_zero, requant);
            p.layout = costs_i8::depthwise_layout(&p, self.target);
            let weights = p.pack_weights(&mut |c, tap| weights.at(tap, c));
            p.weights = self.constant(weights.into(), 4);
            let records = p.pack_channels(&mut |c| requant.record(c));
            p.channels = self.constant(records.into(), 4);
            if requant.own_shifts() {
                let shifts = p.pack_shifts(&mut |c| requant.shift(c));
                p.shifts = Some(self.constant(shifts.into(), 4));
            }
            if p.is_by_taps() {
                p.scratch = None;
            } else {
                p.scratch = Some(self.scratch_i8(&depthwise_kernel(p, self.target), int8.root)?);
            }
            depthwise_kernel(p, self.target)
        } else if self.target.has_mve() {
            let mut p = ConvI8Mve { conv: conv_params(g, empty, input_zero, requant, groups) };
            let constants = packed!([p, p], p.conv.out_c, requant, weights);
            self.conv_constants(&mut p.conv, constants);
            p.conv.scratch = self.scratch_i8(&Kernel::conv_i8_mve(p), int8.root)?;
            Kernel::conv_i8_mve(p)
        } else {
            let mut p = conv_params(g, empty, input_zero, requant, groups);
            let constants = packed!([p, p], p.out_c, requant, weights);
            self.conv_constants(&mut p, constants);
            p.scratch = self.scratch_i8(&Kernel::conv_i8(p), int8.root)?;
            Kernel::conv_i8(p)
        };
        self.step(kernel, int8.root);
        self.name_int8(int8);
        Ok(())
    }

    /// The step of a convolution of 16-bit activations: a depthwise one if every group has one input
    /// channel and one output channel.
    fn step_i16(&mut self, int8: &Int8, conv: ConvI8<Ref>, weights: &Weights) -> Lowered<()> {
        let requant = &int8.requant;
        let (params, [min, max]) = requant.wide_params();
        let conv = ConvI8 { requant: params, ..conv };
        let kernel = if conv.groups > 1 && (conv.in_c, conv.out_c) == (1, 1) {
            let mut conv = conv.depthwise(DepthwiseLayout::Taps);
            let weights = conv.pack_weights(&mut |c, tap| weights.at(tap, c));
            conv.weights = self.constant(weights.into(), 4);
            let records = conv.pack_channels(&mut |c| requant.record(c));
            conv.channels = self.constant(records.into(), 4);
            if requant.own_shifts() {
                let shifts = conv.pack_shifts(&mut |c| requant.shift(c));
                conv.shifts = Some(self.constant(shifts.into(), 4));
            }
            Kernel::depthwise_i16(DepthwiseI16 { conv, min, max })
        } else if self.target.has_mve() {
            let mut p = ConvI16Mve { conv, min, max };
            let constants = packed!([p, p], conv.out_c, requant, weights);
            self.conv_constants(&mut p.conv, constants);
            p.conv.scratch = self.scratch_i8(&Kernel::conv_i16_mve(p), int8.root)?;
            Kernel::conv_i16_mve(p)
        } else {
            let mut p = ConvI16 { conv, min, max };
            let constants = packed!([p, conv], conv.out_c, requant, weights);
            self.conv_constants(&mut p.conv, constants);
            p.conv.scratch = self.scratch_i8(&Kernel::conv_i16(p), int8.root)?;
            Kernel::conv_i16(p)
        };
        self.step(kernel, int8.root);
        self.name_int8(int8);
        Ok(())
    }

    fn conv_constants(&mut self, p: &mut ConvI8<Ref>, constants: Constants) {
        p.weights = self.constant(constants.weights.into(), 4);
        p.channels = self.constant(constants.records.into(), 4);
        p.shifts = constants.shifts.map(|shifts| self.constant(shifts.into(), 4));
    }

    /// A buffer of the scratch bytes that a kernel says it needs.
    pub(super) fn scratch_i8(&mut self, kernel: &Kernel<Ref>, op: OpId) -> Lowered<Ref> {
        let span = self.span(op);
        let mut bytes = 0;
        let valid = kernel.accesses(&mut |access| {
            if access.kind == AccessKind::Scratch {
                bytes = u32::try_from(access.end - access.start).unwrap_or(u32::MAX);
            }
        });
        valid.map_err(|e| {
            CompileError::unsupported(span, format!("no kernel for these sizes: {e}"))
        })?;
        self.buffer("scratch", DType::U8, &[bytes], Storage::Temp, span)
    }
}

/// The kernel for a depthwise convolution: one of several, so that firmware links what it needs.
fn depthwise_kernel(depthwise: DepthwiseI8<Ref>, target: Target) -> Kernel<Ref> {
    let vectors = DepthwiseI8Mve { conv: depthwise };
    if target.has_mve() && vectors.fits() {
        Kernel::depthwise_i8_mve(vectors)
    } else if depthwise.is_by_taps() {
        Kernel::depthwise_taps_i8(DepthwiseTapsI8 { conv: depthwise })
    } else if target.has_dsp() && depthwise.is_three_by_three() {
        Kernel::depthwise_three_i8(DepthwiseThreeI8 { conv: depthwise })
    } else {
        Kernel::depthwise_i8(depthwise)
    }
}

/// Operands of a step.
struct Places {
    input: Ref,
    weights: Ref,
    channels: Ref,
    output: Ref,
    scratch: Ref,
}

fn conv_params(
    g: &Geometry,
    places: Places,
    input_zero: i8,
    requant: &Requant,
    groups: u32,
) -> ConvI8<Ref> {
    let Places { input, weights, channels, output, scratch } = places;
    let ([in_h, in_w], [out_h, out_w]) = (g.input, g.output);
    let ([kernel_h, kernel_w], [stride_h, stride_w]) = (g.kernel, g.stride);
    let ([pad_top, pad_left], [dilation_h, dilation_w]) = (g.pad, g.dilation);
    let share = |channels: u32| channels.checked_div(groups).unwrap_or(0);
    #[rustfmt::skip]
    let params = ConvI8 {
        input, weights, channels, shifts: None, output, scratch, batch: g.batch, in_h, in_w,
        in_c: share(g.in_c), out_h, out_w, out_c: share(g.out_c), groups, kernel_h, kernel_w,
        stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w, input_zero,
        requant: requant.params(),
    };
    params
}

fn depthwise_params(
    g: &Geometry,
    places: Places,
    input_zero: i8,
    requant: &Requant,
) -> DepthwiseI8<Ref> {
    let Places { input, weights, channels, output, scratch } = places;
    let ([in_h, in_w], [out_h, out_w]) = (g.input, g.output);
    let ([kernel_h, kernel_w], [stride_h, stride_w]) = (g.kernel, g.stride);
    let ([pad_top, pad_left], [dilation_h, dilation_w]) = (g.pad, g.dilation);
    #[rustfmt::skip]
    let params = DepthwiseI8 {
        input, weights, channels, shifts: None, output, scratch: Some(scratch), batch: g.batch, in_h,
        in_w, channels_count: g.in_c, multiplier: g.out_c.checked_div(g.in_c).unwrap_or(0), out_h,
        out_w, kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w,
        input_zero, requant: requant.params(), layout: DepthwiseLayout::Lines(0),
    };
    params
}
