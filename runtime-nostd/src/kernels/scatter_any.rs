//! Scatter by the code of a region.

use microhlo_format::kernels::{Decode, MAX_REGION_OPERANDS, ScatterOperand, Slices, empty};
use microhlo_format::{Fields, Place};

use super::Memory;
use super::odometer::split_last;
use super::region::Region;
use super::scatter::copy_operand;
use super::slices::each_run;
use crate::registry::Undecodable;

entry_by_fields!(scatter_any, ScatterAny);

/// A scatter with its code found: the fields of `ScatterAny`.
struct Scatter<'b> {
    operands: heapless::Vec<ScatterOperand<Place>, MAX_REGION_OPERANDS>,
    count: u32,
    slices: Slices<Place>,
    region: Region<'b>,
}

impl<'b> Scatter<'b> {
    #[inline(never)]
    fn prepare(&mut self, body: &'b [u8], memory: &Memory<'b>) -> Result<(), Undecodable> {
        let fields = &mut Fields::new(body);
        self.operands.decode(fields);
        self.count = fields.take();
        self.slices.decode(fields);
        self.region.prepare(fields, 2 * self.operands.len(), memory)?;
        if fields.good() { Ok(()) } else { Err(Undecodable) }
    }
}

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(body: &[u8], memory: &Memory<'_>) -> Result<(), Undecodable> {
    let mut scatter = Scatter {
        operands: heapless::Vec::new(),
        count: 0,
        slices: empty(),
        region: Region::EMPTY,
    };
    scatter.prepare(body, memory)?;
    let Scatter { operands, count, slices, region } = &mut scatter;
    let k = operands.len();
    for o in operands.iter() {
        let bytes = *count as usize * o.dtype.size();
        // SAFETY: operand and output are checked for these bytes, and the same or apart.
        unsafe { copy_operand(memory.read(o.operand), memory.write(o.output), bytes) };
    }
    let slice_stride = split_last(&slices.slice_window, 0).1;
    let tensor_stride = split_last(&slices.tensor_window, 0).1;
    let mut combine = |tensor: i32, slice: i32, n: usize| {
        let mut done = 0;
        while done < n {
            let lanes = n.saturating_sub(done).min(region.lanes as usize);
            for (i, o) in operands.iter().enumerate() {
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
    unsafe { each_run(slices, memory, &mut combine) };
    Ok(())
}
