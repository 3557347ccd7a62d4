//! Dead code elimination.

use crate::ir::{Body, EntityId, OpId};
use crate::ops::OpKind;

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
    let mut work: Vec<OpId> = roots.filter(|&op| is_root(&body.ops[op].kind)).collect();
    while let Some(op) = work.pop() {
        if std::mem::replace(&mut live[op.index()], true) {
            continue;
        }
        work.extend(body.ops[op].operands.iter().filter_map(|&v| body.def_op(v)));
        for &region in &body.ops[op].regions {
            // A live operation's regions keep their terminators and side effects.
            let ops = body.blocks[region].ops.iter().copied();
            work.extend(ops.filter(|&inner| is_root(&body.ops[inner].kind)));
        }
    }
}

/// Whether an operation is needed although no one may use its results.
pub fn is_root(kind: &OpKind) -> bool {
    match kind {
        OpKind::FuncReturn(_) | OpKind::Return(_) => true,
        OpKind::CustomCall(call) => call.has_side_effect,
        other => other.name().starts_with("check."),
    }
}
