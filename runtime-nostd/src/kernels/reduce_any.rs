//! Reductions by the code of a region.

use core::ptr::{null, null_mut};

use microhlo_format::kernels::{Decode, MAX_RANK, MAX_REGION_OPERANDS, WindowDim};
use microhlo_format::{DType, Fields, Place};

use super::region::{Operands, Region};
use super::window::{coordinate, next};
use super::{Memory, dst, src};
use crate::micro::Src;
use crate::registry::Undecodable;

entry_by_fields!(reduce_any, ReduceAny);

/// A tensor that is reduced: what is needed of its fields.
struct Operand {
    input: *const u8,
    init: *const u8,
    output: *mut u8,
    /// Byte strides along lanes and dimensions.
    lane_stride: i32,
    strides: [i32; MAX_RANK],
}

impl Operand {
    const NONE: Operand = Operand {
        input: null(),
        init: null(),
        output: null_mut(),
        lane_stride: 0,
        strides: [0; MAX_RANK],
    };

    /// Becomes the next of the fields, a `ReduceOperand`. Returns the type of initial value and result.
    #[inline(never)]
    fn prepare(&mut self, fields: &mut Fields<'_>, memory: &Memory<'_>) -> DType {
        let [input, init]: [Place; 2] = core::array::from_fn(|_| fields.take());
        (self.input, self.init) = (memory.read(input), memory.read(init));
        self.output = memory.write(fields.take());
        let _element: DType = fields.take();
        let accumulator = fields.take();
        take_strides(&mut self.strides, fields);
        self.lane_stride = fields.take();
        accumulator
    }
}

/// Takes strides along the dimensions.
#[inline(never)]
fn take_strides(strides: &mut [i32; MAX_RANK], fields: &mut Fields<'_>) {
    let count: u32 = fields.take();
    for stride in strides.iter_mut().take(count as usize) {
        *stride = fields.take();
    }
}

/// A reduction with its code found: the fields of `ReduceAny`.
struct Reduction<'b> {
    operands: heapless::Vec<Operand, MAX_REGION_OPERANDS>,
    /// Bytes of initial value and result of each.
    sizes: [u8; MAX_REGION_OPERANDS],
    dims: heapless::Vec<WindowDim, MAX_RANK>,
    output_strides: [i32; MAX_RANK],
    lanes: u32,
    lane_output_stride: i32,
    padding_counts: bool,
    region: Region<'b>,
    /// Where accumulators and elements lie.
    registers: Operands,
}

impl<'b> Reduction<'b> {
    #[inline(never)]
    fn prepare(&mut self, body: &'b [u8], memory: &Memory<'b>) -> Result<(), Undecodable> {
        let fields = &mut Fields::new(body);
        let count: u32 = fields.take();
        for size in self.sizes.iter_mut().take(count as usize) {
            self.operands.push(Operand::NONE).map_err(|_| Undecodable)?;
            let operand = self.operands.last_mut().ok_or(Undecodable)?;
            *size = operand.prepare(fields, memory).size() as u8;
        }
        self.dims.decode(fields);
        take_strides(&mut self.output_strides, fields);
        self.lanes = fields.take();
        self.lane_output_stride = fields.take();
        self.padding_counts = fields.take();
        self.region.prepare(fields)?;
        if fields.good() { Ok(()) } else { Err(Undecodable) }
    }
}

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(body: &[u8], memory: &Memory<'_>) -> Result<(), Undecodable> {
    let mut reduction = Reduction {
        operands: heapless::Vec::new(),
        sizes: [0; _],
        dims: heapless::Vec::new(),
        output_strides: [0; _],
        lanes: 0,
        lane_output_stride: 0,
        padding_counts: false,
        region: Region::new(memory),
        registers: [Src::NONE; _],
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
                start(p, first, n as usize);
                fold(p, &out, (lane, n as usize));
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
#[inline(never)]
unsafe fn start(p: &mut Reduction<'_>, first: i32, n: usize) {
    let operands = p.operands.iter().zip(p.sizes);
    for ((operand, size), register) in operands.zip(&mut p.registers) {
        let bytes = |elements: i32| elements.wrapping_mul(i32::from(size));
        let at = operand.output.wrapping_offset(bytes(first) as isize);
        let stride = bytes(p.lane_output_stride);
        *register = src(at, stride);
        // SAFETY: the caller's promise, and one initial value.
        unsafe {
            super::move_::copy_run(size, dst(at, stride), src(operand.init, 0), n);
        }
    }
}

/// Runs the code on every element of the windows at `out`, for `n` lanes from `lane`.
///
/// # Safety
/// As for [`start`], which has set the accumulators of these lanes.
unsafe fn fold(p: &mut Reduction<'_>, out: &[u32; MAX_RANK], (lane, n): (u32, usize)) {
    let mut tap = [0u32; MAX_RANK];
    loop {
        let inside = elements(p, out, &tap, lane);
        if inside || p.padding_counts {
            let registers = p.registers.get(..2 * p.operands.len()).unwrap_or_default();
            // SAFETY: the lanes' elements at a valid position, or the initial value for each.
            unsafe { p.region.run(registers, n) };
        }
        if !next(&mut tap, &p.dims, 1, |dim| dim.window) {
            return;
        }
    }
}

/// Sets the element registers to those under a window tap, from `lane` on, or to the initial values in the padding;
/// whether it is inside.
#[inline(never)]
fn elements(
    p: &mut Reduction<'_>,
    out: &[u32; MAX_RANK],
    tap: &[u32; MAX_RANK],
    lane: u32,
) -> bool {
    let registers = p.registers.get_mut(p.operands.len()..).unwrap_or_default();
    for (operand, register) in p.operands.iter().zip(&mut *registers) {
        let lanes = operand.lane_stride.wrapping_mul(lane as i32);
        *register = src(operand.input.wrapping_offset(lanes as isize), operand.lane_stride);
    }
    for (d, ((dim, &out), &tap)) in p.dims.iter().zip(out).zip(tap).enumerate() {
        let Some(at) = coordinate(dim, out, tap) else {
            for (operand, register) in p.operands.iter().zip(registers) {
                *register = src(operand.init, 0);
            }
            return false;
        };
        for (operand, register) in p.operands.iter().zip(&mut *registers) {
            let stride = operand.strides.get(d).copied().unwrap_or(0);
            let bytes = stride.wrapping_mul(at as i32);
            register.ptr = register.ptr.wrapping_offset(bytes as isize);
        }
    }
    true
}
