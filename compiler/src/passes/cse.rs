//! Common subexpression elimination.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::rewrite::{Visit, rewrite};
use crate::ir::{Body, ConstData, OpId, ValueId};
use crate::ops::OpKind;

/// Gives operations that compute the same value one common result.
///
/// Only operations of the entry block are merged, so that the kept one dominates all uses.
pub fn cse(body: &mut Body) -> bool {
    let entry: std::collections::HashSet<OpId> =
        body.blocks[body.entry].ops.iter().copied().collect();
    let mut seen: HashMap<u64, Vec<OpId>> = HashMap::new();
    rewrite(body, |editor, op| {
        let o = &editor.body.ops[op];
        if !entry.contains(&op) || !o.regions.is_empty() || has_effects(&o.kind) {
            return Visit::Keep;
        }
        let bucket = seen.entry(key(&o.kind, &o.operands)).or_default();
        let twin = bucket.iter().copied().find(|&t| same(editor.body, t, op));
        let Some(twin) = twin else {
            bucket.push(op);
            return Visit::Keep;
        };
        let pairs: Vec<(ValueId, ValueId)> = {
            let (old, new) = (&editor.body.ops[op].results, &editor.body.ops[twin].results);
            old.iter().copied().zip(new.iter().copied()).collect()
        };
        for (old, new) in pairs {
            editor.replace(old, new);
        }
        Visit::Drop
    })
}

fn has_effects(kind: &OpKind) -> bool {
    matches!(kind, OpKind::CustomCall(_) | OpKind::FuncReturn(_) | OpKind::Return(_))
        || kind.name().starts_with("check.")
}

fn key(kind: &OpKind, operands: &[ValueId]) -> u64 {
    let mut hasher = DefaultHasher::new();
    kind.name().hash(&mut hasher);
    operands.hash(&mut hasher);
    if let OpKind::Constant(c) = kind {
        let bytes: &[u8] = match &c.value.data {
            ConstData::Splat(e) => e,
            ConstData::Dense(d) => d,
        };
        bytes.hash(&mut hasher);
    }
    hasher.finish()
}

fn same(body: &Body, a: OpId, b: OpId) -> bool {
    let (x, y) = (&body.ops[a], &body.ops[b]);
    let types =
        |o: &crate::ir::Op| o.results.iter().map(|&v| body.ty(v).clone()).collect::<Vec<_>>();
    x.operands == y.operands && types(x) == types(y) && x.kind == y.kind
}
