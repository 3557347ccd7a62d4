//! Lowering: from StableHLO operations to kernels on buffers.
//!
//! Views (reshape, transpose, slice, broadcast, reverse) are strides until a kernel wants its
//! operand dense. Constants are laid out for the kernel that reads them.

pub mod cluster;
mod contraction;
mod control;
mod conv_i8;
pub mod costs_i8;
mod data;
mod draft;
mod epilogue;
mod exact_sum;
mod extern_call;
pub(crate) mod facts;
pub mod flow_check;
mod geometry;
pub(crate) mod hybrid;
mod linear;
pub mod liveness;
mod map;
pub mod order;
pub mod overlap;
mod pointwise_i8;
mod product_i8;
pub mod program;
mod quantize;
pub mod reason;
mod reduce;
mod reduce_any;
pub(crate) mod region;
mod requant;
mod scale_i8;
mod scatter;
mod scope;
pub mod share;
mod slices;
mod softmax;
mod sort;
pub mod state;
mod sum_i16;
mod table;
mod transposed_i8;
pub mod view;

use std::collections::HashMap;
use std::sync::Arc;

use microhlo_format::kernels::{Fill, Move};
use microhlo_format::{DType, Kernel, Micro};

use crate::compile::{CompileError, Target};
use crate::diag::Span;
use crate::ir::{Attr, BlockId, Body, Func, Op, OpId, TensorType, ValueId};
use crate::ops::OpKind;
use crate::passes::decompose::custom;
use cluster::{Cluster, ClusterKind};
use facts::Facts;
use program::{Buffer, BufferId, Io, Program, Ref, Step, Storage};
use scope::Scope;
use view::{Nest, View};

/// Lowers a function without calls to kernels for a processor. Its shapes must be static. Custom calls of
/// `externs` become calls of the firmware.
pub fn lower(func: &Func, target: Target, externs: &[String]) -> Result<Program, CompileError> {
    let facts = Facts::new(&func.body);
    let mut lowerer = Lowerer {
        body: &func.body,
        facts: &facts,
        target,
        externs,
        program: Program::default(),
        views: Scope::default(),
        dense: Scope::default(),
        placed: HashMap::new(),
        constants: HashMap::new(),
    };
    lowerer.inputs(func)?;
    lowerer.block(func.body.entry)?;
    lowerer.outputs(func)?;
    lowerer.program.elide_idle_steps();
    Ok(lowerer.program)
}

struct Lowerer<'a> {
    body: &'a Body,
    facts: &'a Facts<'a>,
    /// What kernels are chosen for.
    target: Target,
    /// Functions that the firmware has.
    externs: &'a [String],
    program: Program,
    /// Where each value lies.
    views: Scope<View>,
    /// Values of strided views that were copied to be dense.
    dense: Scope<Ref>,
    /// Tables that the concatenations which need them look up.
    placed: HashMap<ValueId, table::Placed>,
    /// Constant buffers by content.
    constants: HashMap<Arc<[u8]>, BufferId>,
}

type Lowered<T> = Result<T, CompileError>;

impl<'a> Lowerer<'a> {
    fn span(&self, op: OpId) -> Span {
        self.body.ops[op].span
    }

    fn inputs(&mut self, func: &Func) -> Lowered<()> {
        for (i, &arg) in self.body.blocks[self.body.entry].args.iter().enumerate() {
            let name = match func.arg_names.get(i) {
                Some(Some(name)) => name.to_string(),
                _ => format!("in{i}"),
            };
            let (dtype, dims) = self.static_tensor(arg, func.span)?;
            let place = self.buffer(&name, dtype, &dims, Storage::Input, func.span)?;
            self.views.insert(arg, View::dense(place, dtype, &dims));
            self.program.inputs.push(Io { name, dtype, dims, place });
        }
        Ok(())
    }

    fn outputs(&mut self, func: &Func) -> Lowered<()> {
        let returned = self.body.returned(self.body.entry).to_vec();
        for (i, value) in returned.into_iter().enumerate() {
            let (dtype, dims) = self.static_tensor(value, func.span)?;
            let place = self.dense(value, func.span)?;
            let name = result_name(func, i);
            self.program.outputs.push(Io { name, dtype, dims, place });
        }
        Ok(())
    }

    /// Lowers the operations of a block; what it returns stays where it is computed.
    fn block(&mut self, block: BlockId) -> Lowered<()> {
        for cluster in cluster::clusters(self.facts, block) {
            self.cluster(&cluster)?;
        }
        Ok(())
    }

    fn cluster(&mut self, cluster: &Cluster) -> Lowered<()> {
        let first = self.program.steps.len();
        self.cluster_steps(cluster)?;
        self.check_sizes(first, cluster)?;
        self.check_steps(first, self.span(cluster.ops[0]))
    }

    /// Refuses sizes that a kernel does not have: such a step would be taken for an idle one. Those
    /// of operations without elements to compute are.
    fn check_sizes(&self, first: usize, cluster: &Cluster) -> Lowered<()> {
        let ops = || cluster.ops.iter().map(|&op| &self.body.ops[op]);
        // The steps of blocks have been checked with the operations there.
        let blocks =
            |op: &Op| matches!(op.kind, OpKind::While(_) | OpKind::If(_) | OpKind::Case(_));
        let empty =
            |&v: &ValueId| self.body.ty(v).tensor().is_some_and(|t| t.elements() == Some(0));
        if ops().any(|op| blocks(op) || op.results.iter().any(empty)) {
            return Ok(());
        }
        for step in &self.program.steps[first..] {
            if let Err(error) = step.kernel.accesses(&mut |_| ()) {
                let what = format!("step {} has no kernel for these sizes: {error}", step.name);
                return Err(CompileError::unsupported(self.span(cluster.ops[0]), what));
            }
        }
        Ok(())
    }

    /// Refuses kernels that this runtime does not have for the element type.
    fn check_steps(&self, first: usize, span: Span) -> Lowered<()> {
        for step in &self.program.steps[first..] {
            let mut missing = None;
            step.kernel.micro_ops(&mut |id| {
                if !microhlo::Kernels::ALL.has_micro(id) {
                    missing = Some(id);
                }
            });
            let Some(id) = missing else { continue };
            let what = match id.decode() {
                Some(Micro::Op(op, dtype)) => format!("`{}` on {dtype}", op.text()),
                Some(Micro::Convert(from, to)) => format!("conversion from {from} to {to}"),
                None => format!("micro-operation {:#06x}", id.0),
            };
            let message = format!("{what} has no device kernel yet");
            return Err(CompileError::unsupported(span, message));
        }
        Ok(())
    }

    fn cluster_steps(&mut self, cluster: &Cluster) -> Lowered<()> {
        match &cluster.kind {
            ClusterKind::Contraction(op, epilogue) => self.contraction(*op, epilogue),
            ClusterKind::Int8(int8) => self.int8(int8),
            ClusterKind::SumI8(sum) => self.sum_i8(sum),
            ClusterKind::SumI16(sum) => self.sum_i16(sum),
            ClusterKind::PoolI8(pool) => self.pool_i8(pool),
            ClusterKind::Product(product) => self.product(product),
            ClusterKind::Reduction(op, post) => self.reduction(*op, *post),
            ClusterKind::Softmax(softmax) => self.softmax(softmax, cluster.ops[0]),
            ClusterKind::SoftmaxI8(softmax) => self.softmax_i8(softmax, cluster.ops[0]),
            ClusterKind::Table(table) => self.table(table, cluster.ops[0]),
            ClusterKind::ScaleI8(scale) => self.scale_i8(scale, cluster.ops[0]),
            ClusterKind::Quantize(quantize) => self.quantize(quantize, cluster.ops[0]),
            ClusterKind::Dequantize(dequantize) => self.dequantize(dequantize, cluster.ops[0]),
            ClusterKind::Map => self.map(cluster),
            ClusterKind::Single(op) => self.single(*op),
        }
    }

    fn single(&mut self, op: OpId) -> Lowered<()> {
        match &self.body.ops[op].kind {
            OpKind::Concatenate(c) => self.concatenate(op, c),
            OpKind::Pad(p) => self.pad(op, p),
            OpKind::While(_) => self.while_loop(op),
            OpKind::If(_) => self.if_else(op),
            OpKind::Case(_) => self.case(op),
            OpKind::Fft(fft) => self.fft(op, fft),
            OpKind::Cholesky(c) => self.cholesky(op, c.lower),
            OpKind::TriangularSolve(solve) => self.triangular_solve(op, solve),
            OpKind::CustomCall(call) if self.externs.iter().any(|name| **name == *call.target) => {
                self.extern_call(op, call)
            }
            OpKind::CustomCall(call) => {
                let message = custom::refusal(self.body, &self.body.ops[op], call);
                Err(CompileError::unsupported(self.span(op), message))
            }
            OpKind::DynamicSlice(s) => self.dynamic_slice(op, &s.sizes),
            OpKind::DynamicUpdateSlice(_) => self.dynamic_update_slice(op),
            OpKind::Gather(g) => self.gather(op, &g.dims, &g.slice_sizes),
            _ => self.with_region(op),
        }
    }

    /// Element type and sizes of a value, which must be a static tensor of a plain type.
    fn static_tensor(&self, value: ValueId, span: Span) -> Lowered<(DType, Vec<u32>)> {
        static_tensor(self.body, value, span)
    }

    fn buffer(
        &mut self,
        name: &str,
        dtype: DType,
        dims: &[u32],
        storage: Storage,
        span: Span,
    ) -> Lowered<Ref> {
        let elements = dims.iter().try_fold(1u32, |n, &d| n.checked_mul(d));
        let bytes = elements.and_then(|n| n.checked_mul(dtype.size() as u32));
        let bytes = bytes.filter(|&b| b < 1 << 31).ok_or_else(|| {
            CompileError::unsupported(span, format!("a tensor of {dims:?} exceeds 2 GiB"))
        })?;
        let align = alignment(dtype, bytes);
        let name = name.to_string();
        let born = self.program.steps.len();
        let buffer = self.program.buffers.push(Buffer { name, bytes, align, storage, born });
        Ok(Ref { buffer, offset: 0 })
    }

    /// A new buffer for the result `value`, which becomes its view.
    fn result(&mut self, value: ValueId, op: OpId) -> Lowered<(Ref, DType, Vec<u32>)> {
        let span = self.span(op);
        let (dtype, dims) = self.static_tensor(value, span)?;
        let name = value.to_string();
        let place = self.buffer(&name, dtype, &dims, Storage::Temp, span)?;
        self.views.insert(value, View::dense(place, dtype, &dims));
        self.program.values.push((place.buffer, value));
        Ok((place, dtype, dims))
    }

    fn step(&mut self, kernel: Kernel<Ref>, op: OpId) {
        let short = self.body.ops[op].kind.name();
        let short = short.strip_prefix("stablehlo.").unwrap_or(short);
        self.program.steps.push(Step::new(kernel, short));
    }

    /// Names the last step, which else has the name of its operation.
    fn name_step(&mut self, name: &str) {
        if let Some(step) = self.program.steps.last_mut() {
            step.name = name.into();
        }
    }

    /// A constant buffer with these bytes; equal ones are stored once.
    fn constant(&mut self, bytes: Arc<[u8]>, align: u32) -> Ref {
        let buffers = &mut self.program.buffers;
        let buffer = *self.constants.entry(Arc::clone(&bytes)).or_insert_with(|| {
            let size = bytes.len() as u32;
            let storage = Storage::Const(bytes);
            buffers.push(Buffer { name: "const".into(), bytes: size, align, storage, born: 0 })
        });
        let align = self.program.buffers[buffer].align.max(align);
        self.program.buffers[buffer].align = align;
        Ref { buffer, offset: 0 }
    }

    fn f32_constant(&mut self, values: &[f32]) -> Ref {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(bytes.into(), 16)
    }

    /// Where a value lies, strided.
    fn view(&mut self, value: ValueId, span: Span) -> Lowered<View> {
        if let Some(view) = self.views.get(&value) {
            return Ok(view.clone());
        }
        let view = self.make_view(value, span)?;
        self.views.insert(value, view.clone());
        Ok(view)
    }

    fn make_view(&mut self, value: ValueId, span: Span) -> Lowered<View> {
        let (dtype, sizes) = self.static_tensor(value, span)?;
        let Some((op, kind)) = self.facts.def(value) else {
            return Err(CompileError::unsupported(span, "a region argument is used here"));
        };
        let operand = self.body.ops[op].operands.first().copied();
        let source = match (kind, operand) {
            (OpKind::Constant(c), _) => return Ok(self.constant_view(&c.value, dtype, &sizes)),
            (_, Some(v)) => self.view(v, span)?,
            (_, None) => return Err(self.not_lowered(op)),
        };
        match kind {
            OpKind::Reshape(_) => match source.reshaped(&sizes) {
                Some(view) => Ok(view),
                None => {
                    let base = self.dense(self.body.ops[op].operands[0], span)?;
                    Ok(View::dense(base, dtype, &sizes))
                }
            },
            OpKind::BitcastConvert(_) => self.reinterpreted(op, &source, dtype, sizes),
            OpKind::Transpose(t) => Ok(source.permuted(&t.permutation)),
            OpKind::BroadcastInDim(b) => {
                let mut strides = vec![0; sizes.len()];
                for (i, &d) in b.dims.iter().enumerate() {
                    if source.sizes[i] != 1 {
                        strides[d as usize] = source.strides[i];
                    }
                }
                Ok(View { base: source.base, dtype, sizes, strides })
            }
            OpKind::Slice(s) => self.sliced(source, &s.start, &s.strides, sizes, op),
            OpKind::Reverse(r) => {
                let mut start = vec![0; sizes.len()];
                let mut step = vec![1; sizes.len()];
                for &d in &r.dims {
                    start[d as usize] = i64::from(sizes[d as usize].max(1)) - 1;
                    step[d as usize] = -1;
                }
                self.sliced(source, &start, &step, sizes, op)
            }
            _ => Err(self.not_lowered(op)),
        }
    }

    /// The same bytes as elements of another type.
    fn reinterpreted(
        &mut self,
        op: OpId,
        source: &View,
        dtype: DType,
        sizes: Vec<u32>,
    ) -> Lowered<View> {
        let whole_bytes = |d: DType| d.bits() as usize == 8 * d.size();
        // Elements below a byte are stored with zeros above them, but for signed integers.
        let filled = |d: DType| !d.is_signed_integer() || whole_bytes(d);
        let alike = dtype.bits() == source.dtype.bits() && filled(dtype) && filled(source.dtype);
        if !alike && (!whole_bytes(dtype) || !whole_bytes(source.dtype)) {
            let what = format!("a bitcast between {} and {dtype} is not supported", source.dtype);
            return Err(CompileError::unsupported(self.span(op), what));
        }
        if dtype.size() == source.dtype.size() {
            return Ok(View { base: source.base, dtype, sizes, strides: source.strides.clone() });
        }
        let base = self.dense(self.body.ops[op].operands[0], self.span(op))?;
        Ok(View::dense(base, dtype, &sizes))
    }

    fn not_lowered(&self, op: OpId) -> CompileError {
        let name = self.body.ops[op].kind.name();
        CompileError::at(self.span(op), format!("`{name}` is used before it is computed"))
    }

    /// Every `step`-th element of a view from `start`.
    fn sliced(
        &self,
        source: View,
        start: &[i64],
        step: &[i64],
        sizes: Vec<u32>,
        op: OpId,
    ) -> Lowered<View> {
        let offset: i64 = start.iter().zip(&source.strides).map(|(a, b)| a * b).sum();
        let offset = i64::from(source.base.offset) + if sizes.contains(&0) { 0 } else { offset };
        let offset = u32::try_from(offset)
            .map_err(|_| CompileError::unsupported(self.span(op), "the view exceeds 4 GiB"))?;
        // The step of a dimension that keeps one element may be anything.
        let strides = source.strides.iter().zip(step).map(|(a, b)| a.saturating_mul(*b)).collect();
        let base = Ref { buffer: source.base.buffer, offset };
        Ok(View { base, dtype: source.dtype, sizes, strides })
    }

    fn constant_view(&mut self, c: &crate::ir::Constant, dtype: DType, sizes: &[u32]) -> View {
        if let Some(element) = c.splat_bytes() {
            let align = alignment(dtype, element.len() as u32);
            let base = self.constant(element.into(), align);
            let strides = vec![0; sizes.len()];
            return View { base, dtype, sizes: sizes.to_vec(), strides };
        }
        let bytes = c.to_bytes();
        let align = alignment(dtype, bytes.len() as u32);
        View::dense(self.constant(bytes, align), dtype, sizes)
    }

    /// The value, dense and row-major; copied if its view is strided.
    fn dense(&mut self, value: ValueId, span: Span) -> Lowered<Ref> {
        let view = self.view(value, span)?;
        if view.is_dense() {
            return Ok(view.base);
        }
        if let Some(&copy) = self.dense.get(&value) {
            return Ok(copy);
        }
        let copy = self.copied(&view, &value.to_string(), span)?;
        self.program.values.push((copy.buffer, value));
        self.dense.insert(value, copy);
        Ok(copy)
    }

    /// Copies a view to a new dense buffer.
    fn copied(&mut self, view: &View, name: &str, span: Span) -> Lowered<Ref> {
        let output = self.buffer(name, view.dtype, &view.sizes, Storage::Temp, span)?;
        self.copy(view, output, "copy", span)?;
        Ok(output)
    }

    /// Copies a view to dense memory.
    fn copy(&mut self, view: &View, output: Ref, name: &str, span: Span) -> Lowered<()> {
        let element = view.dtype.size() as u8;
        let kernel = if view.is_splat() && !view.is_dense() {
            let count = view.elements() as u32;
            Kernel::fill(Fill { value: view.base, output, element, count })
        } else {
            self.move_kernel(view, &View::dense(output, view.dtype, &view.sizes), span)?
        };
        self.program.steps.push(Step::new(kernel, name));
        Ok(())
    }

    /// The kernel that copies `from` to `to`, of equal sizes.
    fn move_kernel(&self, from: &View, to: &View, span: Span) -> Lowered<Kernel<Ref>> {
        Ok(Kernel::move_(self.copy_of(from, to, span)?))
    }

    /// The copy from `from` to `to`, of equal sizes.
    fn copy_of(&self, from: &View, to: &View, span: Span) -> Lowered<Move<Ref>> {
        let nest = Nest::new(&from.sizes, &[&from.strides, &to.strides]);
        Ok(Move {
            input: from.base,
            output: to.base,
            element: from.dtype.size() as u8,
            sizes: view::sizes(&nest.sizes).ok_or_else(|| too_deep(span))?,
            input_strides: view::strides(&nest.strides[0]).ok_or_else(|| too_deep(span))?,
            output_strides: view::strides(&nest.strides[1]).ok_or_else(|| too_deep(span))?,
        })
    }
}

/// Element type and sizes of a value, which must be a static tensor of a plain type.
fn static_tensor(body: &Body, value: ValueId, span: Span) -> Lowered<(DType, Vec<u32>)> {
    let ty = body.ty(value);
    let tensor = ty.tensor().ok_or_else(|| {
        CompileError::unsupported(span, format!("values of type {ty} are not supported yet"))
    })?;
    let dims = static_dims(tensor, span)?;
    let dtype = tensor.dtype().ok_or_else(|| {
        CompileError::unsupported(
            span,
            format!("elements of type {} are not supported yet", tensor.elem),
        )
    })?;
    Ok((dtype, dims))
}

/// Sizes of a static tensor, each within 32 bits.
fn static_dims(ty: &TensorType, span: Span) -> Lowered<Vec<u32>> {
    let dims = ty.static_dims().ok_or_else(|| {
        let message = format!("dynamic shapes are not supported yet: {ty}");
        CompileError::unsupported(span, message)
    })?;
    let too_large = |_| CompileError::unsupported(span, format!("{ty} is too large"));
    dims.into_iter().map(|d| u32::try_from(d).map_err(too_large)).collect()
}

fn too_deep(span: Span) -> CompileError {
    CompileError::unsupported(span, "the access pattern needs more than 8 loop dimensions")
}

/// Buffers of some size are aligned for vector loads. A copy moves a complex number as one element.
fn alignment(dtype: DType, bytes: u32) -> u32 {
    if bytes >= 16 { 16 } else { (dtype.size() as u32).clamp(4, 8) }
}

fn result_name(func: &Func, i: usize) -> String {
    let attrs = func.result_attrs.get(i);
    let info = attrs.and_then(|a| a.get("jax.result_info"));
    let path = attrs.and_then(|a| a.get("tf_saved_model.index_path"));
    match (info, path) {
        (Some(Attr::String(s)), _) if !s.is_empty() => s.to_string(),
        (_, Some(Attr::Array(items))) => match items.first() {
            Some(Attr::String(s)) => s.to_string(),
            _ => format!("out{i}"),
        },
        _ => format!("out{i}"),
    }
}
