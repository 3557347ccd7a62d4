//! `f32` matrix product of two activations.

use microhlo_format::kernels::DotF32;
use microhlo_format::{Place, scalar};

use super::f32_block::activate;
use super::Memory;
use crate::registry::Undecodable;

entry!(dot_f32, DotF32);

/// Columns computed together.
const COLUMNS: usize = 8;

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &DotF32<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let (mut lhs, mut rhs) = (memory.read(p.lhs), memory.read(p.rhs));
    let bias = p.bias.map(|place| memory.read(place).cast::<f32>());
    let mut output = memory.write(p.output).cast::<f32>();
    let n = p.n as usize;
    for _ in 0..p.batch {
        let mut row = lhs;
        for _ in 0..p.m {
            // SAFETY: a row of the checked output and its operands.
            unsafe {
                product_row(p, row, rhs, output);
                if let Some(bias) = bias {
                    for j in 0..n {
                        *output.add(j) = scalar::add_f32(*output.add(j), *bias.add(j));
                    }
                }
                activate(output, n, p.activation);
            }
            row = row.wrapping_offset(p.lhs_row_stride as isize);
            output = output.wrapping_add(n);
        }
        lhs = lhs.wrapping_offset(p.lhs_batch_stride as isize);
        rhs = rhs.wrapping_offset(p.rhs_batch_stride as isize);
    }
    Ok(())
}

/// One row of the result.
///
/// # Safety
/// `row` is a row of the left-hand side, `rhs` a matrix of the right-hand side, `output` a row of
/// the result, all accepted by the loader.
unsafe fn product_row(p: &DotF32<Place>, row: *const u8, rhs: *const u8, output: *mut f32) {
    let n = p.n as usize;
    let row = row.cast::<f32>();
    let mut j = 0;
    while j < n {
        let columns = (n - j).min(COLUMNS);
        let mut acc = [0.0; COLUMNS];
        let mut weights = rhs.cast::<f32>().wrapping_add(j);
        for k in 0..p.k as usize {
            // SAFETY: value `k` of the row.
            let x = unsafe { *row.add(k) };
            if columns == COLUMNS {
                // SAFETY: eight columns of row `k` of the right-hand side.
                let w = unsafe { weights.cast::<[f32; COLUMNS]>().read() };
                for (acc, w) in acc.iter_mut().zip(w) {
                    *acc += x * w;
                }
            } else {
                for (c, acc) in acc.iter_mut().enumerate().take(columns) {
                    // SAFETY: column `j + c < n` of row `k`.
                    *acc += unsafe { x * *weights.add(c) };
                }
            }
            weights = weights.wrapping_byte_offset(p.rhs_row_stride as isize);
        }
        // SAFETY: `columns` results from column `j`.
        unsafe { acc.as_ptr().copy_to_nonoverlapping(output.add(j), columns) };
        j += columns;
    }
}
