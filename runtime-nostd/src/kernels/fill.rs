//! Filling with one element.

use microhlo_format::Place;
use microhlo_format::kernels::Fill;

use super::{Memory, dst, src};
use crate::registry::Undecodable;

entry!(fill, Fill);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &Fill<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let (to, from) = (dst(memory.write(p.output), i32::from(p.element)), memory.read(p.value));
    // SAFETY: `count` elements of this size were checked.
    unsafe { super::move_::copy_run(p.element, to, src(from, 0), p.count as usize) };
    Ok(())
}
