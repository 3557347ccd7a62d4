//! Reductions by the code of a region.

use microhlo_format::kernels::{
    Decode, MAX_RANK, MAX_REGION_OPERANDS, ReduceOperand, Strides, WindowDim,
};
use microhlo_format::{Fields, Place};

use super::region::Region;
use super::window::{coordinate, next};
use super::{Memory, dst, src};
use crate::registry::Undecodable;

entry_by_fields!(reduce_any, ReduceAny);

/// A reduction with its code found: the fields of `ReduceAny`.
struct Reduction<'b> {
    operands: heapless::Vec<ReduceOperand<Place>, MAX_REGION_OPERANDS>,
    dims: heapless::Vec<WindowDim, MAX_RANK>,
    output_strides: Strides,
    lanes: u32,
    lane_output_stride: i32,
    padding_counts: bool,
    region: Region<'b>,
}

impl<'b> Reduction<'b> {
    #[inline(never)]
    fn prepare(&mut self, body: &'b [u8], memory: &Memory<'b>) -> Result<(), Undecodable> {
        let fields = &mut Fields::new(body);
        self.operands.decode(fields);
        self.dims.decode(fields);
        self.output_strides.decode(fields);
        self.lanes = fields.take();
        self.lane_output_stride = fields.take();
        self.padding_counts = fields.take();
        self.region.prepare(fields, 2 * self.operands.len(), memory)?;
        if fields.good() { Ok(()) } else { Err(Undecodable) }
    }
}

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(body: &[u8], memory: &Memory<'_>) -> Result<(), Undecodable> {
    let mut reduction = Reduction {
        operands: heapless::Vec::new(),
        dims: heapless::Vec::new(),
        output_strides: heapless::Vec::new(),
        lanes: 0,
        lane_output_stride: 0,
        padding_counts: false,
        region: Region::EMPTY,
    };
    let p = &mut reduction;
    p.prepare(body, memory)?;
    let mut out = [0u32; MAX_RANK];
    loop {
        let steps = out.iter().zip(&p.output_strides);
        let result = steps.fold(0i32, |at, (&i, s)| at.wrapping_add(s.wrapping_mul(i as i32)));
        let mut lane = 0;
        while lane < p.lanes {
            let n = p.lanes.saturating_sub(lane).min(p.region.lanes);
            let first = p.lane_output_stride.wrapping_mul(lane as i32).wrapping_add(result);
            // SAFETY: `n` lanes of one output position.
            unsafe {
                start(p, memory, first, n as usize);
                fold(p, memory, &out, (lane, n as usize));
            }
            lane += n;
        }
        if !next(&mut out, &p.dims, 1, |dim| dim.output) {
            return Ok(());
        }
    }
}

/// Sets the accumulator registers to `n` results from element `first`, and these to the initial
/// values.
///
/// # Safety
/// The loader has accepted the parameters, and the results exist.
unsafe fn start(p: &mut Reduction<'_>, memory: &Memory<'_>, first: i32, n: usize) {
    for (i, operand) in p.operands.iter().enumerate() {
        let size = operand.accumulator.size() as u8;
        let bytes = |elements: i32| elements.wrapping_mul(i32::from(size));
        let at = memory.write(operand.output).wrapping_offset(bytes(first) as isize);
        let stride = bytes(p.lane_output_stride);
        p.region.set(i, at, stride);
        // SAFETY: the caller's promise, and one initial value.
        unsafe {
            super::move_::copy_run(size, dst(at, stride), src(memory.read(operand.init), 0), n);
        }
    }
}

/// Runs the code on every element of the windows at `out`, for `n` lanes from `lane`.
///
/// # Safety
/// As for [`start`], which has set the accumulators of these lanes.
unsafe fn fold(
    p: &mut Reduction<'_>,
    memory: &Memory<'_>,
    out: &[u32; MAX_RANK],
    (lane, n): (u32, usize),
) {
    let k = p.operands.len();
    let mut tap = [0u32; MAX_RANK];
    loop {
        let at = position(&p.dims, out, &tap);
        if at.is_some() || p.padding_counts {
            for (i, operand) in p.operands.iter().enumerate() {
                match &at {
                    Some(at) => {
                        let lanes = operand.lane_stride.wrapping_mul(lane as i32);
                        let steps = at.iter().zip(&operand.strides);
                        let offset = steps.fold(lanes, |offset, (&i, s)| {
                            offset.wrapping_add(s.wrapping_mul(i as i32))
                        });
                        let from = memory.read(operand.input).wrapping_offset(offset as isize);
                        p.region.set(k + i, from, operand.lane_stride);
                    }
                    None => p.region.set(k + i, memory.read(operand.init), 0),
                }
            }
            // SAFETY: the lanes' elements at a valid position, or the initial value for each.
            unsafe { p.region.run(n) };
        }
        if !next(&mut tap, &p.dims, 1, |dim| dim.window) {
            return;
        }
    }
}

/// The input index under a window tap, or `None` in the padding.
#[inline(always)]
pub(super) fn position(
    dims: &[WindowDim],
    out: &[u32; MAX_RANK],
    tap: &[u32; MAX_RANK],
) -> Option<[u32; MAX_RANK]> {
    let mut index = [0; MAX_RANK];
    for (((at, dim), &out), &tap) in index.iter_mut().zip(dims).zip(out).zip(tap) {
        *at = coordinate(dim, out, tap)?;
    }
    Some(index)
}
