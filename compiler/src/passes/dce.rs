//! Dead code elimination.

use super::control_flow::has_side_effects;
use crate::ir::{Body, EntityId, OpId};

/// Removes operations whose results nobody needs. Operations with side effects stay.
pub fn dce(body: &mut Body) -> bool {
    let mut live = vec![false; body.ops.len()];
    mark(body, &mut live);
    let mut changed = false;
    for block in super::rewrite::reachable_blocks(body) {
        let ops = &mut body.blocks[block].ops;
        let before = ops.len();
        ops.retain(|op| live[op.index()]);
        changed |= ops.len() != before;
    }
    changed
}

fn mark(body: &Body, live: &mut [bool]) {
    let roots = body.blocks[body.entry].ops.iter().copied();
    let mut work: Vec<OpId> = roots.filter(|&op| is_root(body, op)).collect();
    while let Some(op) = work.pop() {
        if std::mem::replace(&mut live[op.index()], true) {
            continue;
        }
        work.extend(body.ops[op].operands.iter().filter_map(|&v| body.def_op(v)));
        for &region in &body.ops[op].regions {
            // A live operation's regions keep their terminators and side effects.
            let ops = body.blocks[region].ops.iter().copied();
            work.extend(ops.filter(|&inner| is_root(body, inner)));
        }
    }
}

/// Whether an operation stays whatever becomes of its results: it, or a region of it, has a side
/// effect, or it ends a block.
fn is_root(body: &Body, op: OpId) -> bool {
    body.ops[op].kind.has_side_effect() || has_side_effects(body, op)
}
