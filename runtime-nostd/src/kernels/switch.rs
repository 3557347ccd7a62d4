//! Choice of a step by an index.

use microhlo_format::kernels::Switch;
use microhlo_format::{Cursor, Place};

use super::Memory;
use crate::registry::Undecodable;

entry!(switch, Switch, targets);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &Switch<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    // SAFETY: the word was checked, alignment included.
    let index = unsafe { memory.read(p.index).cast::<u32>().read() };
    // A negative index is beyond every target, as is one below `first`: a step has 16 at most.
    let target = p.targets.get(index.wrapping_sub(p.first) as usize);
    if let Some(&target) = target {
        memory.next.set(Cursor::at(target));
    }
    Ok(())
}
