//! `map` as the operations of its region on whole tensors.

use crate::ir::{OpId, ValueId};
use crate::passes::build::Build;
use crate::passes::regions::{is_elementwise, lifted};
use crate::passes::rewrite::Editor;

/// Applies the region's operations to whole tensors, if all of them are elementwise.
pub(super) fn inline(ed: &mut Editor<'_>, op: OpId) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let block = *o.regions.first()?;
    if !is_elementwise(ed.body, block) {
        return None;
    }
    let dims = ed.body.ty(*o.operands.first()?).tensor()?.static_dims()?;
    lifted(&mut Build::new(ed, o.span), block, &o.operands, &dims)?.pop()
}
