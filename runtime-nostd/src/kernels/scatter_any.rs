//! Scatter by the code of a region.

use microhlo_format::Place;
use microhlo_format::kernels::ScatterAny;

use super::Memory;
use super::odometer::split_last;
use super::region::Region;
use super::scatter::copy_operand;
use super::slices::each_run;
use crate::registry::Undecodable;

entry!(scatter_any, ScatterAny);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &ScatterAny<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let k = p.operands.len();
    let mut region = Region::new(&p.body, 2 * k, memory)?;
    for o in &p.operands {
        let bytes = p.count as usize * o.dtype.size();
        // SAFETY: operand and output are checked for these bytes, and the same or apart.
        unsafe { copy_operand(memory.read(o.operand), memory.write(o.output), bytes) };
    }
    let slice_stride = split_last(&p.slices.slice_window, 0).1;
    let tensor_stride = split_last(&p.slices.tensor_window, 0).1;
    let mut combine = |tensor: i32, slice: i32, n: usize| {
        let mut done = 0;
        while done < n {
            let lanes = n.saturating_sub(done).min(region.lanes as usize);
            for (i, o) in p.operands.iter().enumerate() {
                let size = o.dtype.size() as i32;
                let at = |first: i32, stride: i32| {
                    stride.wrapping_mul(done as i32).wrapping_add(first).wrapping_mul(size) as isize
                };
                let to = memory.write(o.output).wrapping_offset(at(tensor, tensor_stride));
                let from = memory.read(o.updates).wrapping_offset(at(slice, slice_stride));
                region.set(i, to, tensor_stride.wrapping_mul(size));
                region.set(k + i, from, slice_stride.wrapping_mul(size));
            }
            // SAFETY: the run lies inside the checked extents, its elements are distinct, and
            // updates do not overlap the outputs.
            unsafe { region.run(lanes) };
            done += lanes;
        }
    };
    // SAFETY: the caller's promise.
    unsafe { each_run(&p.slices, memory, &mut combine) };
    Ok(())
}
