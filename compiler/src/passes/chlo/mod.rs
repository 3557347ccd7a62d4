//! CHLO operations become StableHLO operations.
//!
//! Elementwise ones with a micro-operation of their own stay: they are lowered as those of
//! StableHLO are. The others are replaced, one file per family.

mod broadcast;
mod build;
mod elementwise;
mod ragged_dot;
mod scan;
mod top_k;

use super::rewrite::{Editor, Visit, rewrite};
use crate::ir::{Body, OpId, ValueId};
use crate::ops::OpKind;
use crate::ops::chlo::names::meaning;

/// Replaces CHLO operations whose types are static, in all regions, and gives composites and
/// custom calls that stand for them their names. Returns whether anything changed.
pub fn legalize(body: &mut Body) -> bool {
    let mut changed = recognize(body);
    // A replacement may hold further ones: a broadcast of `next_after`.
    while rewrite(body, replace) {
        changed = true;
    }
    changed
}

/// Gives composites and custom calls that are spellings of CHLO operations their kind.
pub fn recognize(body: &mut Body) -> bool {
    let mut changed = false;
    for op in body.walk(body.entry) {
        if let Some(kind) = meaning(body, &body.ops[op]) {
            body.ops[op].kind = kind;
            changed = true;
        }
    }
    changed
}

fn replace(ed: &mut Editor<'_>, op: OpId) -> Visit {
    let results: Option<Vec<ValueId>> = match ed.body.ops[op].kind.clone() {
        OpKind::Elementwise(e) => elementwise::expand(ed, op, e).map(|v| vec![v]),
        OpKind::ChloBroadcast(b) => broadcast::expand(ed, op, &b).map(|v| vec![v]),
        OpKind::ConstantLike(c) => broadcast::fill(ed, op, &c).map(|v| vec![v]),
        OpKind::TopK(top) => top_k::expand(ed, op, &top),
        OpKind::RaggedDot(dot) => ragged_dot::expand(ed, op, &dot).map(|v| vec![v]),
        OpKind::Scan(s) => scan::expand(ed, op, &s),
        _ => None,
    };
    let Some(results) = results else { return Visit::Keep };
    for (old, new) in ed.body.ops[op].results.clone().into_iter().zip(results) {
        ed.replace(old, new);
    }
    Visit::Drop
}

#[cfg(test)]
mod tests;
