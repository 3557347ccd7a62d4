//! Scattering to the selected element of each window.

use microhlo_format::Place;
use microhlo_format::kernels::{MAX_RANK, SelectAndScatter};

use super::reduce_any::position;
use super::region::Region;
use super::window::next;
use super::{Memory, dst, src};
use crate::registry::Undecodable;

entry!(select_and_scatter, SelectAndScatter);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &SelectAndScatter<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let mut select = Region::new(&p.select, 2, memory)?;
    let mut scatter = Region::new(&p.scatter, 2, memory)?;
    let size = p.accumulator.size();
    let count = p.dims.iter().fold(1, |n, dim| n * dim.input as usize);
    let output = memory.write(p.output);
    // SAFETY: one initial value, and all elements of the output.
    unsafe {
        let to = dst(output, size as i32);
        super::move_::copy_run(size as u8, to, src(memory.read(p.init), 0), count);
    }
    let mut source = memory.read(p.source);
    let mut out = [0u32; MAX_RANK];
    loop {
        // SAFETY: a window of the checked dimensions.
        if let Some(at) = unsafe { selected(p, &mut select, memory, &out) } {
            scatter.set(0, output.wrapping_add(at * size), 0);
            scatter.set(1, source, 0);
            // SAFETY: one element of output and source.
            unsafe { scatter.run(1) };
        }
        source = source.wrapping_add(size);
        if !next(&mut out, &p.dims, 1, |dim| dim.output) {
            return Ok(());
        }
    }
}

/// The element of the operand that the window at `out` selects; `None` if all of it is padding.
///
/// # Safety
/// The loader has accepted the parameters, and `out` is an index of the source.
unsafe fn selected(
    p: &SelectAndScatter<Place>,
    select: &mut Region<'_>,
    memory: &Memory<'_>,
    out: &[u32; MAX_RANK],
) -> Option<usize> {
    let size = p.element.size();
    let operand = memory.read(p.operand);
    let mut best = None;
    let mut tap = [0u32; MAX_RANK];
    loop {
        if let Some(index) = position(&p.dims, out, &tap) {
            let dims = index.iter().zip(&p.dims);
            let at = dims.fold(0, |at, (&i, dim)| at * dim.input as usize + i as usize);
            let keep = match best {
                Some(best) => {
                    select.set(0, operand.wrapping_add(best * size), 0);
                    select.set(1, operand.wrapping_add(at * size), 0);
                    // SAFETY: two elements of the operand, and a byte as the result.
                    unsafe { select.test(p.selected) }
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
