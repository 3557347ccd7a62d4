//! Kernels that compute row after row of an image.

use microhlo_format::kernels::{
    ConvI8, ConvI8Mve, DepthwiseI8, DepthwiseI8Mve, DepthwiseTapsI8, DepthwiseThreeI8, PoolI8,
};
use microhlo_format::{AccessKind, Kernel};

use super::windows::Demand;
use crate::lower::program::Ref;

/// A kernel that computes a row of its result from some rows of its operands.
#[derive(Clone, Debug)]
pub struct RowKernel {
    /// Where the result goes.
    pub output: Ref,
    /// What it reads row by row, with the demand. Those of elementwise kernels know no height.
    pub operands: Vec<(Ref, Demand)>,
    /// How the result lies in rows.
    pub rows: Rows,
}

/// How the result of a kernel lies in rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// So many, of so many bytes each.
    Of(u32, u32),
    /// As those of its operands; so many bytes in all.
    Same(u32),
    /// One, of so many bytes, for which it adds up all rows of its operand in so many bytes of
    /// working memory.
    Sum(u32, u32),
}

/// What a kernel computes row by row, if it does: one image of 8-bit values.
pub fn row_kernel(kernel: &Kernel<Ref>) -> Option<RowKernel> {
    let same = |operands: &[Ref], output: Ref, bytes: u32| RowKernel {
        output,
        operands: operands.iter().map(|&operand| (operand, Demand::same(0))).collect(),
        rows: Rows::Same(bytes),
    };
    match kernel {
        Kernel::conv_i8(c) | Kernel::conv_i8_mve(ConvI8Mve { conv: c }) => conv(c),
        Kernel::depthwise_i8(c)
        | Kernel::depthwise_three_i8(DepthwiseThreeI8 { conv: c })
        | Kernel::depthwise_taps_i8(DepthwiseTapsI8 { conv: c })
        | Kernel::depthwise_i8_mve(DepthwiseI8Mve { conv: c }) => depthwise(c),
        Kernel::pool_i8(p) => pool(p),
        Kernel::sum_i8(s) => Some(same(&[s.lhs, s.rhs], s.output, s.count)),
        Kernel::table_i8(t) => Some(same(&[t.input], t.output, t.count)),
        Kernel::scale_i8(s) => {
            Some(same(&[s.input], s.output, s.rows.checked_mul(s.channels_count)?))
        }
        _ => None,
    }
}

/// Rows from the first to the last tap.
fn reach(kernel: u32, dilation: u32) -> u32 {
    kernel.saturating_sub(1).saturating_mul(dilation).saturating_add(1)
}

fn conv(c: &ConvI8<Ref>) -> Option<RowKernel> {
    let bytes = if c.requant.is_some() { 1 } else { 4 };
    let row = c.out_w.checked_mul(c.groups)?.checked_mul(c.out_c)?.checked_mul(bytes)?;
    let reach = reach(c.kernel_h, c.dilation_h);
    let demand = Demand { height: c.in_h, stride: c.stride_h, reach, pad: c.pad_top };
    (c.batch == 1).then(|| RowKernel {
        output: c.output,
        operands: vec![(c.input, demand)],
        rows: Rows::Of(c.out_h, row),
    })
}

fn depthwise(c: &DepthwiseI8<Ref>) -> Option<RowKernel> {
    let bytes = if c.requant.is_some() { 1 } else { 4 };
    let row =
        c.out_w.checked_mul(c.channels_count)?.checked_mul(c.multiplier)?.checked_mul(bytes)?;
    let reach = reach(c.kernel_h, c.dilation_h);
    let demand = Demand { height: c.in_h, stride: c.stride_h, reach, pad: c.pad_top };
    (c.batch == 1).then(|| RowKernel {
        output: c.output,
        operands: vec![(c.input, demand)],
        rows: Rows::Of(c.out_h, row),
    })
}

fn pool(p: &PoolI8<Ref>) -> Option<RowKernel> {
    let row = p.out_w.checked_mul(p.channels)?;
    let demand = Demand { height: p.in_h, stride: p.stride_h, reach: p.kernel_h, pad: p.pad_top };
    let whole = p.out_h == 1 && p.pad_top == 0 && p.kernel_h >= p.in_h && p.in_h > 1;
    let (rows, demand) = match whole {
        true => (Rows::Sum(row, row.checked_mul(4)?), Demand::same(p.in_h)),
        false => (Rows::Of(p.out_h, row), demand),
    };
    (p.batch == 1).then(|| RowKernel { output: p.output, operands: vec![(p.input, demand)], rows })
}

/// The kernel as it computes only the rows `y..y + n` of its result, from just the rows that these
/// need; places are as they were. Of `height` rows in all, which elementwise kernels do not know.
pub fn restricted(kernel: &Kernel<Ref>, y: u32, n: u32, height: u32) -> Kernel<Ref> {
    let mut kernel = kernel.clone();
    let crop = |demand: Demand, in_h: &mut u32, out_h: &mut u32, pad: &mut i32| {
        let first = demand.first(y);
        *in_h = demand.end(y + n.saturating_sub(1)).saturating_sub(first);
        *pad = pad.wrapping_sub((y * demand.stride) as i32).wrapping_add(first as i32);
        *out_h = n;
    };
    let part = |count: u32| count / height.max(1) * n;
    let demand = row_kernel(&kernel).and_then(|row| row.operands.first().map(|o| o.1));
    let Some(demand) = demand else { return kernel };
    match &mut kernel {
        Kernel::conv_i8(c) | Kernel::conv_i8_mve(ConvI8Mve { conv: c }) => {
            crop(demand, &mut c.in_h, &mut c.out_h, &mut c.pad_top);
        }
        Kernel::depthwise_i8(c)
        | Kernel::depthwise_three_i8(DepthwiseThreeI8 { conv: c })
        | Kernel::depthwise_taps_i8(DepthwiseTapsI8 { conv: c })
        | Kernel::depthwise_i8_mve(DepthwiseI8Mve { conv: c }) => {
            crop(demand, &mut c.in_h, &mut c.out_h, &mut c.pad_top);
            c.fit_lines();
        }
        Kernel::pool_i8(p) if p.out_h > 1 => {
            crop(demand, &mut p.in_h, &mut p.out_h, &mut p.pad_top);
        }
        Kernel::pool_i8(p) => (p.in_h, p.kernel_h) = (n, n),
        Kernel::sum_i8(s) => s.count = part(s.count),
        Kernel::table_i8(t) => t.count = part(t.count),
        Kernel::scale_i8(s) => s.rows = part(s.rows),
        _ => {}
    }
    kernel
}

/// Bytes of working memory that a kernel needs.
pub fn scratch(kernel: &Kernel<Ref>) -> u32 {
    let mut bytes = 0;
    let _ = kernel.accesses(&mut |access| {
        if access.kind == AccessKind::Scratch {
            bytes += (access.end - access.start).clamp(0, i64::from(u32::MAX)) as u32;
        }
    });
    bytes
}

/// Fewest output rows that a firing may have, so that constants are laid out as they are: those of a
/// convolution depend on whether it has four pixels.
pub fn least_strip(kernel: &Kernel<Ref>) -> u32 {
    match kernel {
        Kernel::conv_i8(c) if c.pixels() >= 4 => 4u32.div_ceil(c.out_w.max(1)),
        _ => 1,
    }
}
