//! Scattering to the selected element of each window.

use core::ptr::{null, null_mut};

use microhlo_format::kernels::{Decode, MAX_RANK, WindowDim};
use microhlo_format::{DType, Fields, Place};

use super::region::Region;
use super::window::{coordinate, next};
use super::{Memory, dst, src};
use crate::registry::Undecodable;

entry_by_fields!(select_and_scatter, SelectAndScatter);

/// A scatter with its code found: some fields of `SelectAndScatter`.
struct Scatter<'b> {
    operand: *const u8,
    /// Bytes of an element of the operand.
    operand_size: usize,
    /// The window's element of the source.
    source: *const u8,
    init: *const u8,
    output: *mut u8,
    /// Bytes of an element of the others.
    size: usize,
    dims: heapless::Vec<WindowDim, MAX_RANK>,
    select: Region<'b>,
    selected: u8,
    scatter: Region<'b>,
}

impl<'b> Scatter<'b> {
    #[inline(never)]
    fn prepare(&mut self, body: &'b [u8], memory: &Memory<'b>) -> Result<(), Undecodable> {
        let fields = &mut Fields::new(body);
        let [operand, source, init]: [Place; 3] = core::array::from_fn(|_| fields.take());
        self.operand = memory.read(operand);
        self.source = memory.read(source);
        self.init = memory.read(init);
        self.output = memory.write(fields.take());
        self.operand_size = fields.take::<DType>().size();
        self.size = fields.take::<DType>().size();
        self.dims.decode(fields);
        self.select.prepare(fields)?;
        self.selected = fields.take();
        self.scatter.prepare(fields)?;
        if fields.good() { Ok(()) } else { Err(Undecodable) }
    }
}

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(body: &[u8], memory: &Memory<'_>) -> Result<(), Undecodable> {
    let mut scatter = Scatter {
        operand: null(),
        operand_size: 0,
        source: null(),
        init: null(),
        output: null_mut(),
        size: 0,
        dims: heapless::Vec::new(),
        select: Region::new(memory),
        selected: 0,
        scatter: Region::new(memory),
    };
    let p = &mut scatter;
    p.prepare(body, memory)?;
    let count = p.dims.iter().fold(1, |n, dim| n * dim.input as usize);
    // SAFETY: one initial value, and all elements of the output.
    unsafe {
        let to = dst(p.output, p.size as i32);
        super::move_::copy_run(p.size as u8, to, src(p.init, 0), count);
    }
    let mut out = [0u32; MAX_RANK];
    loop {
        // SAFETY: a window of the checked dimensions.
        if let Some(at) = unsafe { selected(p, &out) } {
            let operands = [src(p.output.wrapping_add(at * p.size), 0), src(p.source, 0)];
            // SAFETY: one element of output and source.
            unsafe { p.scatter.run(&operands, 1) };
        }
        p.source = p.source.wrapping_add(p.size);
        if !next(&mut out, &p.dims, 1, |dim| dim.output) {
            return Ok(());
        }
    }
}

/// The element of the operand that the window at `out` selects; `None` if all of it is padding.
///
/// # Safety
/// The loader has accepted the parameters, and `out` is an index of the source.
unsafe fn selected(p: &Scatter<'_>, out: &[u32; MAX_RANK]) -> Option<usize> {
    let mut best = None;
    let mut tap = [0u32; MAX_RANK];
    loop {
        if let Some(at) = position(&p.dims, out, &tap) {
            let keep = match best {
                Some(best) => {
                    let place = |at| src(p.operand.wrapping_add(at * p.operand_size), 0);
                    // SAFETY: two elements of the operand, and a byte as the result.
                    unsafe { p.select.test(&[place(best), place(at)], p.selected) }
                }
                None => false,
            };
            if !keep {
                best = Some(at);
            }
        }
        if !next(&mut tap, &p.dims, 1, |dim| dim.window) {
            return best;
        }
    }
}

/// The element under a window tap, or `None` in the padding.
fn position(dims: &[WindowDim], out: &[u32; MAX_RANK], tap: &[u32; MAX_RANK]) -> Option<usize> {
    let mut at = 0;
    for ((dim, &out), &tap) in dims.iter().zip(out).zip(tap) {
        at = at * dim.input as usize + coordinate(dim, out, tap)? as usize;
    }
    Some(at)
}
