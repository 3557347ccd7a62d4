//! Contractions of any element type.

use microhlo_format::Place;
use microhlo_format::kernels::DotAny;

use super::odometer::{Odometer, split_last};
use super::{Memory, dst, src};
use crate::registry::Undecodable;

entry!(dot_any, DotAny);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &DotAny<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let Some(micro) = p.op.decode() else { return Err(Undecodable) };
    let row = memory.row(p.op)?;
    if p.sizes.contains(&0) {
        return Ok(());
    }
    let size = micro.result().size();
    let (sizes, n) = split_last(&p.contract, 1);
    let (lhs_strides, lhs_stride) = split_last(&p.lhs_contract_strides, 0);
    let (rhs_strides, rhs_stride) = split_last(&p.rhs_contract_strides, 0);
    let (lhs, rhs) = (memory.read(p.lhs), memory.read(p.rhs));
    let mut output = memory.write(p.output);
    let mut result = Odometer::new(&p.sizes, [&p.lhs_strides, &p.rhs_strides]);
    loop {
        // SAFETY: one element inside the checked output; all-zero bytes are zero in every type.
        unsafe { output.write_bytes(0, size) };
        if !p.contract.contains(&0) {
            let a = lhs.wrapping_offset(result.offset[0] as isize);
            let b = rhs.wrapping_offset(result.offset[1] as isize);
            let mut at = Odometer::new(sizes, [lhs_strides, rhs_strides]);
            loop {
                let a = src(a.wrapping_offset(at.offset[0] as isize), lhs_stride);
                let b = src(b.wrapping_offset(at.offset[1] as isize), rhs_stride);
                // SAFETY: `n` products inside the checked extents, added to one result.
                unsafe { row(dst(output, 0), &[a, b, src(output, 0)], n as usize) };
                if !at.advance() {
                    break;
                }
            }
        }
        output = output.wrapping_add(size);
        if !result.advance() {
            return Ok(());
        }
    }
}
