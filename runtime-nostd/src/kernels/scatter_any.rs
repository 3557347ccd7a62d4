//! Scatter by the code of a region.

use microhlo_format::kernels::{Decode, MAX_REGION_OPERANDS, ScatterOperand};
use microhlo_format::{Fields, Place};

use super::odometer::split_last;
use super::region::{Operands, Region};
use super::scatter::copy_operand;
use super::slices::{Slices, each_run};
use super::{Memory, src};
use crate::micro::Src;
use crate::registry::Undecodable;

entry_by_fields!(scatter_any, ScatterAny);

/// A tensor that is scattered to.
struct Operand {
    output: *mut u8,
    updates: *const u8,
    /// Bytes of an element.
    size: u8,
}

/// A scatter with its code found: the fields of `ScatterAny`.
struct Scatter<'b> {
    operands: heapless::Vec<Operand, MAX_REGION_OPERANDS>,
    slices: Slices<'b>,
    region: Region<'b>,
}

impl<'b> Scatter<'b> {
    /// Finds operands and code, and copies operands to where they are scattered to.
    ///
    /// # Safety
    /// The loader has accepted the parameters for this memory.
    #[inline(never)]
    unsafe fn prepare(&mut self, body: &'b [u8], memory: &Memory<'b>) -> Result<(), Undecodable> {
        let fields = &mut Fields::new(body);
        let mut operands = heapless::Vec::<ScatterOperand<Place>, MAX_REGION_OPERANDS>::new();
        operands.decode(fields);
        let count = fields.take::<u32>() as usize;
        self.slices.prepare(fields)?;
        self.region.prepare(fields)?;
        if !fields.good() {
            return Err(Undecodable);
        }
        for o in &operands {
            let (size, output) = (o.dtype.size(), memory.write(o.output));
            // SAFETY: operand and output are checked for these bytes, and the same or apart.
            unsafe { copy_operand(memory.read(o.operand), output, count * size) };
            let operand = Operand { output, updates: memory.read(o.updates), size: size as u8 };
            self.operands.push(operand).map_err(|_| Undecodable)?;
        }
        Ok(())
    }
}

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(body: &[u8], memory: &Memory<'_>) -> Result<(), Undecodable> {
    let mut scatter = Scatter {
        operands: heapless::Vec::new(),
        slices: Slices::EMPTY,
        region: Region::new(memory),
    };
    // SAFETY: the caller's promise.
    unsafe { scatter.prepare(body, memory)? };
    let Scatter { operands, slices, region } = &scatter;
    let k = operands.len();
    let slice_stride = split_last(&slices.slice_window, 0).1;
    let tensor_stride = split_last(&slices.tensor_window, 0).1;
    let mut registers: Operands = [Src::NONE; _];
    let mut combine = |tensor: i32, slice: i32, n: usize| {
        let mut done = 0;
        while done < n {
            let lanes = n.saturating_sub(done).min(region.lanes as usize);
            let (outputs, updates) = registers.split_at_mut_checked(k).unwrap_or_default();
            for ((o, to), from) in operands.iter().zip(outputs).zip(updates) {
                let size = i32::from(o.size);
                let at = |first: i32, stride: i32| {
                    stride.wrapping_mul(done as i32).wrapping_add(first).wrapping_mul(size) as isize
                };
                let output = o.output.wrapping_offset(at(tensor, tensor_stride));
                *to = src(output, tensor_stride.wrapping_mul(size));
                let update = o.updates.wrapping_offset(at(slice, slice_stride));
                *from = src(update, slice_stride.wrapping_mul(size));
            }
            // SAFETY: the run lies inside the checked extents, its elements are distinct, and
            // updates do not overlap the outputs.
            unsafe { region.run(registers.get(..2 * k).unwrap_or_default(), lanes) };
            done += lanes;
        }
    };
    // SAFETY: the caller's promise.
    unsafe { each_run(slices, memory, &mut combine) };
    Ok(())
}
