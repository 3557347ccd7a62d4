//! Lowering of the operations that address memory by indices computed at run time.

use microhlo_format::kernels::{Gather, Scatter, Slices, Start};
use microhlo_format::{DType, Kernel};

use super::program::Ref;
use super::view::{self, Nest, View};
use super::{Lowered, Lowerer, too_deep};
use crate::compile::CompileError;
use crate::diag::Span;
use crate::eval::Tensor;
use crate::ir::{OpId, ValueId};
use crate::ops::gather::GatherDims;
use crate::ops::scatter::ScatterDims;
use crate::ops::types;

/// One component of a start index.
struct Component {
    /// The component for the first batch position.
    index: Ref,
    /// Byte strides along the batch.
    strides: Vec<i64>,
    /// Dimension of the tensor that it moves.
    dim: usize,
}

/// Pairs of a tensor's windows with slices, their dimensions not merged yet. Strides are in
/// elements.
#[derive(Default)]
struct Pairing {
    batch: Vec<u32>,
    tensor_batch: Vec<i64>,
    slice_batch: Vec<i64>,
    window: Vec<u32>,
    /// Dimension of the tensor that each window dimension lies in.
    window_dims: Vec<usize>,
    tensor_window: Vec<i64>,
    slice_window: Vec<i64>,
}

impl Pairing {
    fn add_batch(&mut self, size: u32, tensor: i64, slice: i64) {
        self.batch.push(size);
        self.tensor_batch.push(tensor);
        self.slice_batch.push(slice);
    }

    fn add_window(&mut self, dim: usize, size: u32, tensor: i64, slice: i64) {
        self.window.push(size);
        self.window_dims.push(dim);
        self.tensor_window.push(tensor);
        self.slice_window.push(slice);
    }
}

/// Distances of elements along each dimension, in elements.
pub(super) fn element_strides(view: &View) -> Vec<i64> {
    view.strides.iter().map(|s| s / view.dtype.size() as i64).collect()
}

impl Lowerer<'_> {
    pub(super) fn dynamic_slice(&mut self, op: OpId, sizes: &[i64]) -> Lowered<()> {
        let span = self.span(op);
        let operands = self.body.ops[op].operands.clone();
        let mut tensor = self.view(operands[0], span)?;
        let (output, dtype, dims) = self.result(self.body.ops[op].results[0], op)?;
        let mut pairing = Pairing::default();
        let slices = element_strides(&View::dense(output, dtype, &dims));
        for (d, &stride) in element_strides(&tensor).iter().enumerate() {
            pairing.add_window(d, sizes[d] as u32, stride, slices[d]);
        }
        let (starts, index) = self.scalar_starts(&operands[1..], &mut tensor, &dims, span)?;
        let slices = self.slices(index, &tensor, pairing, starts, true, span)?;
        let element = dtype.size() as u8;
        let kernel = Gather { operand: tensor.base, output, element, slices };
        self.step(Kernel::gather(kernel), op);
        Ok(())
    }

    pub(super) fn dynamic_update_slice(&mut self, op: OpId) -> Lowered<()> {
        let span = self.span(op);
        let operands = self.body.ops[op].operands.clone();
        let operand = self.dense(operands[0], span)?;
        let updates = self.view(operands[1], span)?;
        let (output, dtype, dims) = self.result(self.body.ops[op].results[0], op)?;
        let mut tensor = View::dense(output, dtype, &dims);
        let mut pairing = Pairing::default();
        let strides = element_strides(&updates);
        for (d, &stride) in element_strides(&tensor).iter().enumerate() {
            pairing.add_window(d, updates.sizes[d], stride, strides[d]);
        }
        let (starts, index) =
            self.starts_of_scalars(&operands[2..], (0..dims.len()).collect(), span)?;
        let slices = self.slices(index, &tensor, pairing, starts, true, span)?;
        tensor.base = output;
        let element = dtype.size() as u8;
        let count = tensor.elements() as u32;
        let updates = updates.base;
        let kernel = Scatter { operand, updates, output, element, count, slices };
        self.step(Kernel::scatter(kernel), op);
        Ok(())
    }

    /// Start indices given as scalars, one per dimension. Constant ones move the tensor's view.
    fn scalar_starts(
        &mut self,
        values: &[ValueId],
        tensor: &mut View,
        sizes: &[u32],
        span: Span,
    ) -> Lowered<(Vec<Component>, DType)> {
        let mut moving = Vec::new();
        let mut offset = i64::from(tensor.base.offset);
        for (d, &value) in values.iter().enumerate() {
            let known = self.body.constant(value).and_then(|c| Tensor::from_constant(c).ok());
            let Some(start) = known.and_then(|t| t.at(0).as_int()) else {
                moving.push(d);
                continue;
            };
            let last = i128::from(tensor.sizes[d].saturating_sub(sizes[d]));
            offset += start.clamp(0, last) as i64 * tensor.strides[d];
            tensor.sizes[d] = sizes[d];
        }
        tensor.base.offset = u32::try_from(offset)
            .map_err(|_| CompileError::unsupported(span, "the slice exceeds 4 GiB"))?;
        let values: Vec<ValueId> = moving.iter().map(|&d| values[d]).collect();
        self.starts_of_scalars(&values, moving, span)
    }

    /// Components of a start index that are scalars, for these dimensions.
    fn starts_of_scalars(
        &mut self,
        values: &[ValueId],
        dims: Vec<usize>,
        span: Span,
    ) -> Lowered<(Vec<Component>, DType)> {
        let mut starts = Vec::new();
        let mut dtype = DType::I32;
        for (&value, dim) in values.iter().zip(dims) {
            let view = self.view(value, span)?;
            dtype = view.dtype;
            starts.push(Component { index: view.base, strides: Vec::new(), dim });
        }
        Ok((starts, dtype))
    }

    pub(super) fn gather(&mut self, op: OpId, dims: &GatherDims, sizes: &[i64]) -> Lowered<()> {
        let span = self.span(op);
        let (operand, indices) = (self.body.ops[op].operands[0], self.body.ops[op].operands[1]);
        let (tensor, indices_view) = (self.view(operand, span)?, self.view(indices, span)?);
        let (output, dtype, out_dims) = self.result(self.body.ops[op].results[0], op)?;
        if out_dims.contains(&0) {
            return Ok(());
        }
        if tensor.elements() == 0 {
            let what = "`gather` of elements from an operand that has none";
            return Err(CompileError::at(span, what));
        }
        let out = element_strides(&View::dense(output, dtype, &out_dims));
        let strides = element_strides(&tensor);
        let Some(ty) = self.body.ty(indices).tensor() else { return Err(self.not_lowered(op)) };
        let batch_dims = types::batch_dims(ty, dims.index_vector_dim);
        let dropped = [&dims.collapsed_slice_dims[..], &dims.operand_batching_dims].concat();
        let mut kept = (0..strides.len()).filter(|&d| !dropped.contains(&(d as i64)));
        let mut batch = batch_dims.iter();
        let mut pairing = Pairing::default();
        for d in 0..out.len() {
            if dims.offset_dims.contains(&(d as i64)) {
                let Some(from) = kept.next() else { continue };
                pairing.add_window(from, sizes[from] as u32, strides[from], out[d]);
            } else if let Some(&from) = batch.next() {
                let pairs = (&dims.start_indices_batching_dims, &dims.operand_batching_dims);
                let along = batched(pairs, from).map_or(0, |o| strides[o]);
                pairing.add_batch(out_dims[d], along, out[d]);
            }
        }
        // Dropped dimensions have windows of one.
        for &d in &dims.collapsed_slice_dims {
            pairing.add_window(d as usize, 1, strides[d as usize], 0);
        }
        let starts =
            components(&indices_view, &batch_dims, dims.index_vector_dim, &dims.start_index_map);
        let slices = self.slices(indices_view.dtype, &tensor, pairing, starts, true, span)?;
        let element = dtype.size() as u8;
        let kernel = Gather { operand: tensor.base, output, element, slices };
        self.step(Kernel::gather(kernel), op);
        Ok(())
    }

    /// The slices of a scatter whose updates are `updates` and whose inputs have the shape of
    /// `tensor`. Indices outside are skipped, element by element.
    pub(super) fn scatter_slices(
        &mut self,
        dims: &ScatterDims,
        tensor: &View,
        indices: ValueId,
        updates: &View,
        span: Span,
    ) -> Lowered<Slices<Ref>> {
        let indices_view = self.view(indices, span)?;
        let ty = self.body.ty(indices).tensor();
        let batch_dims =
            ty.map(|ty| types::batch_dims(ty, dims.index_vector_dim)).unwrap_or_default();
        let (strides, from) = (element_strides(tensor), element_strides(updates));
        let mut pairing = Pairing::default();
        // Windows of one come first, so that the last dimension makes long runs.
        for &d in &dims.inserted_window_dims {
            pairing.add_window(d as usize, 1, strides[d as usize], 0);
        }
        let mut kept = dims.window_dims(strides.len()).into_iter();
        let mut batch = batch_dims.iter();
        for (d, &stride) in from.iter().enumerate() {
            if dims.update_window_dims.contains(&(d as i64)) {
                let Some(to) = kept.next() else { continue };
                pairing.add_window(to, updates.sizes[d], strides[to], stride);
            } else if let Some(&index_dim) = batch.next() {
                let pairs = (&dims.scatter_indices_batching_dims, &dims.input_batching_dims);
                let along = batched(pairs, index_dim).map_or(0, |o| strides[o]);
                pairing.add_batch(updates.sizes[d], along, stride);
            }
        }
        let map = &dims.scatter_dims_to_operand_dims;
        let starts = components(&indices_view, &batch_dims, dims.index_vector_dim, map);
        self.slices(indices_view.dtype, tensor, pairing, starts, false, span)
    }

    /// Merges dimensions where that changes nothing.
    fn slices(
        &self,
        index: DType,
        tensor: &View,
        pairing: Pairing,
        starts: Vec<Component>,
        clamp: bool,
        span: Span,
    ) -> Lowered<Slices<Ref>> {
        let deep = || too_deep(span);
        let mut operands: Vec<&[i64]> = vec![&pairing.tensor_batch, &pairing.slice_batch];
        let zeros = vec![0; pairing.batch.len()];
        operands.extend(
            starts.iter().map(|s| if s.strides.is_empty() { &zeros[..] } else { &s.strides }),
        );
        let batch = Nest::new(&pairing.batch, &operands);
        let window = Windows::new(&pairing, &starts, clamp);
        let mut list = heapless::Vec::new();
        let strides = element_strides(tensor);
        for (i, start) in starts.iter().enumerate() {
            let size = tensor.sizes[start.dim];
            let moved = pairing.window_dims.iter().position(|&d| d == start.dim);
            let extent = moved.map_or(1, |w| pairing.window[w]);
            let last = size.saturating_sub(if clamp { extent } else { 1 });
            if clamp && last == 0 {
                continue;
            }
            let start = Start {
                index: start.index,
                strides: view::strides(&batch.strides[2 + i]).ok_or_else(deep)?,
                last,
                stride: i32::try_from(strides[start.dim]).map_err(|_| deep())?,
                window: window.moved[i],
            };
            list.push(start).map_err(|_| deep())?;
        }
        let nest = window.nest;
        Ok(Slices {
            index,
            starts: list,
            batch: view::sizes(&batch.sizes).ok_or_else(deep)?,
            tensor_batch: view::strides(&batch.strides[0]).ok_or_else(deep)?,
            slice_batch: view::strides(&batch.strides[1]).ok_or_else(deep)?,
            window: view::sizes(&nest.sizes).ok_or_else(deep)?,
            tensor_window: view::strides(&nest.strides[0]).ok_or_else(deep)?,
            slice_window: view::strides(&nest.strides[1]).ok_or_else(deep)?,
        })
    }
}

/// Window dimensions, merged except for those that are cut at run time.
struct Windows {
    nest: Nest,
    /// Position of the dimension that each start moves and cuts.
    moved: Vec<Option<u8>>,
}

impl Windows {
    fn new(p: &Pairing, starts: &[Component], clamp: bool) -> Windows {
        let mut moved = vec![None; starts.len()];
        let mut nest = Nest { sizes: Vec::new(), strides: vec![Vec::new(); 2] };
        let mut free: Vec<usize> = Vec::new();
        let flush = |free: &mut Vec<usize>, nest: &mut Nest| {
            let pick = |all: &[i64]| free.iter().map(|&d| all[d]).collect::<Vec<_>>();
            let sizes: Vec<u32> = free.iter().map(|&d| p.window[d]).collect();
            let part = Nest::new(&sizes, &[&pick(&p.tensor_window), &pick(&p.slice_window)]);
            free.clear();
            if part.sizes != [1] {
                nest.sizes.extend(part.sizes);
                for (all, new) in nest.strides.iter_mut().zip(part.strides) {
                    all.extend(new);
                }
            }
        };
        for (d, dim) in p.window_dims.iter().enumerate() {
            let start = starts.iter().position(|s| s.dim == *dim).filter(|_| !clamp);
            let Some(start) = start else {
                free.push(d);
                continue;
            };
            flush(&mut free, &mut nest);
            moved[start] = Some(nest.sizes.len() as u8);
            nest.sizes.push(p.window[d]);
            nest.strides[0].push(p.tensor_window[d]);
            nest.strides[1].push(p.slice_window[d]);
        }
        flush(&mut free, &mut nest);
        Windows { nest, moved }
    }
}

/// The operand's dimension that a batching dimension of the indices goes along.
fn batched((of_indices, of_operand): (&Vec<i64>, &Vec<i64>), dim: usize) -> Option<usize> {
    let at = of_indices.iter().position(|&d| d as usize == dim)?;
    of_operand.get(at).map(|&d| d as usize)
}

/// The components of index vectors, which lie along dimension `vector` of the indices.
fn components(indices: &View, batch_dims: &[usize], vector: i64, map: &[i64]) -> Vec<Component> {
    let along = indices.strides.get(vector as usize).copied().unwrap_or(0);
    let strides: Vec<i64> = batch_dims.iter().map(|&d| indices.strides[d]).collect();
    let component = |(k, &dim): (usize, &i64)| {
        let offset = i64::from(indices.base.offset) + along * k as i64;
        let index = Ref { buffer: indices.base.buffer, offset: offset as u32 };
        Component { index, strides: strides.clone(), dim: dim as usize }
    };
    map.iter().enumerate().map(component).collect()
}
