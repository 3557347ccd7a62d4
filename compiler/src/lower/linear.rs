//! Lowering of Fourier transforms and linear algebra to a kernel per element type.

use microhlo_format::algorithms::fft::{Plan, table};
use microhlo_format::kernels::{self, Cholesky, TriangularSolve};
use microhlo_format::{DType, Kernel};

use super::program::{Ref, Storage};
use super::view::{self, Nest, View};
use super::{Lowered, Lowerer, too_deep};
use crate::compile::CompileError;
use crate::eval::native;
use crate::ir::OpId;
use crate::ops;
use crate::ops::triangular_solve::Transform;

impl Lowerer<'_> {
    /// One kernel per transformed dimension.
    pub(super) fn fft(&mut self, op: OpId, fft: &ops::fft::Fft) -> Lowered<()> {
        let span = self.span(op);
        let mut from = self.view(self.body.ops[op].operands[0], span)?;
        let stages = fft.stages(from.sizes.len());
        for (i, &(dim, kind, n)) in stages.iter().enumerate() {
            let too_long =
                || CompileError::unsupported(span, format!("a transform of {n} elements"));
            let plan = Plan::new(kind, n).ok_or_else(too_long)?;
            let to = if i + 1 == stages.len() {
                let (base, dtype, dims) = self.result(self.body.ops[op].results[0], op)?;
                View::dense(base, dtype, &dims)
            } else {
                let mut dims = from.sizes.clone();
                dims[dim] = plan.outputs();
                let dtype = match from.dtype {
                    DType::F32 | DType::C64 => DType::C64,
                    _ => DType::C128,
                };
                let base = self.buffer("spectrum", dtype, &dims, Storage::Temp, span)?;
                View::dense(base, dtype, &dims)
            };
            self.fft_step(&from, &to, dim, &plan, op)?;
            from = to;
        }
        Ok(())
    }

    fn fft_step(
        &mut self,
        from: &View,
        to: &View,
        dim: usize,
        plan: &Plan,
        op: OpId,
    ) -> Lowered<()> {
        let span = self.span(op);
        let deep = || too_deep(span);
        let without = |list: &[i64]| {
            let others = list.iter().enumerate().filter(|(d, _)| *d != dim);
            others.map(|(_, &s)| s).collect::<Vec<i64>>()
        };
        let sizes = to.sizes.iter().enumerate().filter(|(d, _)| *d != dim);
        let sizes: Vec<u32> = sizes.map(|(_, &n)| n).collect();
        let nest = Nest::new(&sizes, &[&without(&from.strides), &without(&to.strides)]);
        let double = matches!(from.dtype, DType::F64 | DType::C128);
        let dtype = if double { DType::F64 } else { DType::F32 };
        let stride = |s: i64| i32::try_from(s).map_err(|_| deep());
        let bytes = plan.stages_len().checked_mul(4 * dtype.size() as u32).ok_or_else(deep)?;
        let scratch = self.buffer("scratch", DType::U8, &[bytes], Storage::Temp, span)?;
        self.program.buffers[scratch.buffer].align = 16;
        let params = kernels::Fft {
            input: from.base,
            output: to.base,
            table: self.roots(plan, dtype),
            scratch,
            dtype,
            kind: plan.kind as u8,
            n: plan.n,
            convolution: plan.convolution,
            radices: plan.radices.clone(),
            input_stride: stride(from.strides[dim])?,
            output_stride: stride(to.strides[dim])?,
            sizes: view::sizes(&nest.sizes).ok_or_else(deep)?,
            input_strides: view::strides(&nest.strides[0]).ok_or_else(deep)?,
            output_strides: view::strides(&nest.strides[1]).ok_or_else(deep)?,
        };
        let kernel = if double { Kernel::fft_f64(params) } else { Kernel::fft_f32(params) };
        self.step(kernel, op);
        Ok(())
    }

    /// The plan's table as a constant.
    fn roots(&mut self, plan: &Plan, dtype: DType) -> Ref {
        let table = table(plan);
        let bytes = match dtype {
            DType::F64 => native::bytes(&table),
            _ => native::bytes(&table.iter().map(|z| z.map(|v| v as f32)).collect::<Vec<_>>()),
        };
        self.constant(bytes.into(), 16)
    }

    pub(super) fn cholesky(&mut self, op: OpId, lower: bool) -> Lowered<()> {
        let input = self.dense(self.body.ops[op].operands[0], self.span(op))?;
        let (output, dtype, dims) = self.result(self.body.ops[op].results[0], op)?;
        let [batch @ .., _, n] = dims.as_slice() else { return Err(self.not_matrices(op)) };
        let batch = batch.iter().product();
        let params = Cholesky { input, output, dtype, batch, n: *n, lower };
        let kernel = match dtype {
            DType::F32 => Kernel::cholesky_f32(params),
            DType::F64 => Kernel::cholesky_f64(params),
            DType::C64 => Kernel::cholesky_c64(params),
            DType::C128 => Kernel::cholesky_c128(params),
            _ => return Err(self.not_matrices(op)),
        };
        self.step(kernel, op);
        Ok(())
    }

    pub(super) fn triangular_solve(
        &mut self,
        op: OpId,
        solve: &ops::triangular_solve::TriangularSolve,
    ) -> Lowered<()> {
        let span = self.span(op);
        let &[a, b] = self.body.ops[op].operands.as_slice() else {
            return Err(self.not_matrices(op));
        };
        let (matrix, rhs) = (self.dense(a, span)?, self.dense(b, span)?);
        let (output, dtype, dims) = self.result(self.body.ops[op].results[0], op)?;
        let [batch @ .., rows, columns] = dims.as_slice() else {
            return Err(self.not_matrices(op));
        };
        let (n, count) = if solve.left_side { (*rows, *columns) } else { (*columns, *rows) };
        let params = TriangularSolve {
            matrix,
            rhs,
            output,
            dtype,
            batch: batch.iter().product(),
            n,
            count,
            left_side: solve.left_side,
            lower: solve.lower,
            unit_diagonal: solve.unit_diagonal,
            transpose: solve.transpose != Transform::None,
            conjugate: solve.transpose == Transform::Adjoint,
        };
        let kernel = match dtype {
            DType::F32 => Kernel::triangular_solve_f32(params),
            DType::F64 => Kernel::triangular_solve_f64(params),
            DType::C64 => Kernel::triangular_solve_c64(params),
            DType::C128 => Kernel::triangular_solve_c128(params),
            _ => return Err(self.not_matrices(op)),
        };
        self.step(kernel, op);
        Ok(())
    }

    fn not_matrices(&self, op: OpId) -> CompileError {
        let name = self.body.ops[op].kind.name();
        CompileError::unsupported(self.span(op), format!("`{name}` of these types has no kernel"))
    }
}
