//! Lowering of reductions and windows.

use microhlo_format::kernels::{MAX_RANK, Post, Reduce, Window, WindowDim};
use microhlo_format::{Kernel, MicroId};

use super::epilogue::PostOp;
use super::facts::simple_reduction;
use super::program::Ref;
use super::view::{self, Nest};
use super::{Lowered, Lowerer, too_deep};
use crate::compile::CompileError;
use crate::ir::OpId;
use crate::ops::OpKind;

impl Lowerer<'_> {
    pub(super) fn reduction(&mut self, op: OpId, post: Option<PostOp>) -> Lowered<()> {
        let o = &self.body.ops[op];
        let span = o.span;
        let unsupported = |what: &str| CompileError::unsupported(span, what.to_string());
        let Some(micro) = simple_reduction(self.body, op) else { return self.reduce_any(op) };
        let (&[input, init], &[result]) = (o.operands.as_slice(), o.results.as_slice()) else {
            return Err(self.not_lowered(op));
        };
        let (dtype, _) = self.static_tensor(input, span)?;
        let micro = MicroId::op(micro, dtype);
        let init = self.view(init, span)?.base;
        let post = self.post(post, dtype, span)?;
        let out_value = post.as_ref().map_or(result, |(_, v)| *v);
        let post = post.map(|(p, _)| p);
        match &self.body.ops[op].kind {
            OpKind::Reduce(r) => {
                let dims = r.dims.clone();
                self.reduce(op, micro, (input, init), &dims, post, out_value)
            }
            OpKind::ReduceWindow(w) => {
                let window = w.window.clone();
                self.window(op, micro, (input, init), &window, post, (result, out_value))
            }
            other => Err(unsupported(&format!("`{}` is not a reduction", other.name()))),
        }
    }

    fn post(
        &mut self,
        post: Option<PostOp>,
        dtype: microhlo_format::DType,
        span: crate::diag::Span,
    ) -> Lowered<Option<(Post<Ref>, crate::ir::ValueId)>> {
        let Some(post) = post else { return Ok(None) };
        let operand = self.view(post.operand, span)?.base;
        Ok(Some((Post { op: MicroId::op(post.micro, dtype), operand }, post.result)))
    }

    fn reduce(
        &mut self,
        op: OpId,
        micro: MicroId,
        (input, init): (crate::ir::ValueId, Ref),
        dims: &[i64],
        post: Option<Post<Ref>>,
        out_value: crate::ir::ValueId,
    ) -> Lowered<()> {
        let span = self.span(op);
        let view = self.view(input, span)?;
        let pick = |reduced: bool| -> (Vec<u32>, Vec<i64>) {
            (0..view.sizes.len())
                .filter(|&d| dims.contains(&(d as i64)) == reduced)
                .map(|d| (view.sizes[d], view.strides[d]))
                .unzip()
        };
        let ((kept, kept_strides), (gone, gone_strides)) = (pick(false), pick(true));
        // The result is dense in the order of the kept dimensions.
        let dense = view::dense_strides(&kept, view.dtype.size());
        let kept = Nest::new(&kept, &[&kept_strides, &dense]);
        let gone = Nest::new(&gone, &[&gone_strides]);
        let (output, ..) = self.result(out_value, op)?;
        let deep = || too_deep(span);
        let kernel = Reduce {
            op: micro,
            input: view.base,
            init,
            output,
            post,
            sizes: view::sizes(&kept.sizes).ok_or_else(deep)?,
            strides: view::strides(&kept.strides[0]).ok_or_else(deep)?,
            reduce: view::sizes(&gone.sizes).ok_or_else(deep)?,
            reduce_strides: view::strides(&gone.strides[0]).ok_or_else(deep)?,
        };
        self.step(Kernel::reduce(kernel), op);
        Ok(())
    }

    fn window(
        &mut self,
        op: OpId,
        micro: MicroId,
        (input, init): (crate::ir::ValueId, Ref),
        w: &crate::ops::window::Window,
        post: Option<Post<Ref>>,
        (result, out_value): (crate::ir::ValueId, crate::ir::ValueId),
    ) -> Lowered<()> {
        let span = self.span(op);
        let base = self.dense(input, span)?;
        let (_, in_sizes) = self.static_tensor(input, span)?;
        let (_, out_sizes) = self.static_tensor(result, span)?;
        let size = |v: i64| u32::try_from(v).map_err(|_| too_deep(span));
        let mut dims = heapless::Vec::<WindowDim, MAX_RANK>::new();
        // Trailing dimensions that the window leaves alone form one run.
        let plain = |d: usize| {
            w.dimensions[d] == 1
                && w.strides[d] == 1
                && w.base_dilations[d] == 1
                && w.padding[d] == (0, 0)
        };
        let rank = in_sizes.len();
        let windowed = (0..rank).rev().find(|&d| !plain(d)).map_or(0, |d| d + 1);
        let inner = in_sizes[windowed..].iter().product();
        let first = (0..windowed).find(|&d| !plain(d) || in_sizes[d] != 1).unwrap_or(windowed);
        for d in first..windowed {
            let dim = WindowDim {
                input: in_sizes[d],
                output: out_sizes[d],
                window: size(w.dimensions[d])?,
                stride: size(w.strides[d])?,
                pad: i32::try_from(w.padding[d].0).map_err(|_| too_deep(span))?,
                base_dilation: size(w.base_dilations[d])?,
                window_dilation: size(w.window_dilations[d])?,
            };
            dims.push(dim).map_err(|_| too_deep(span))?;
        }
        let (output, ..) = self.result(out_value, op)?;
        // The specification reduces over padding as well, which holds the initial value: that is
        // free for neutral initial values only.
        let padding_counts = !self.neutral_init(op, micro);
        let kernel =
            Window { op: micro, input: base, init, output, post, dims, inner, padding_counts };
        self.step(Kernel::window(kernel), op);
        Ok(())
    }

    /// Whether applying the reduction to the initial value changes nothing.
    fn neutral_init(&self, op: OpId, micro: MicroId) -> bool {
        use microhlo_format::{Micro, MicroOp};
        let Some((_, bytes)) = self.facts.splat(self.body.ops[op].operands[1]) else {
            return false;
        };
        match micro.decode() {
            // max(x, x) is x, and init is already part of every result.
            Some(Micro::Op(
                MicroOp::maximum | MicroOp::minimum | MicroOp::and | MicroOp::or,
                _,
            )) => true,
            Some(Micro::Op(MicroOp::add, d)) if d.is_float() => {
                // Adding +0 turns -0 into +0, but a sum that began at +0 is never -0; and -0 is
                // neutral itself.
                let magnitude = |b: &[u8]| {
                    b.iter()
                        .rev()
                        .enumerate()
                        .all(|(i, &x)| x & if i == 0 { 0x7f } else { 0xff } == 0)
                };
                magnitude(bytes)
            }
            Some(Micro::Op(MicroOp::add | MicroOp::xor, _)) => bytes.iter().all(|&b| b == 0),
            _ => false,
        }
    }
}
