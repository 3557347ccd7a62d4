//! Common subexpression elimination.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use crate::ir::{BlockId, Body, ConstData, OpId, ValueId};
use crate::ops::OpKind;

/// Gives operations that compute the same value one common result.
///
/// The kept operation comes earlier in the same block or in one around it, so that it dominates all
/// uses. Regions that combine elements keep their constants to themselves: they are merged within
/// the region only.
pub fn cse(body: &mut Body) -> bool {
    let mut merger = Merger::default();
    merger.block(body, body.entry);
    body.replace_uses(&merger.replaced);
    merger.changed
}

#[derive(Default)]
struct Merger {
    /// Operations that can stand for others, by a hash of what they compute.
    seen: HashMap<u64, Vec<OpId>>,
    replaced: HashMap<ValueId, ValueId>,
    changed: bool,
}

impl Merger {
    /// Merges what is in a block and in blocks nested in it, and forgets what is in it.
    fn block(&mut self, body: &mut Body, block: BlockId) {
        let mut added = Vec::new();
        let mut kept = Vec::new();
        for op in std::mem::take(&mut body.blocks[block].ops) {
            self.resolve(body, op);
            if let Some(twin) = self.twin(body, op, &mut added) {
                let (old, new) = (&body.ops[op].results, &body.ops[twin].results);
                self.replaced.extend(old.iter().copied().zip(new.iter().copied()));
                self.changed = true;
            } else {
                self.regions(body, op);
                kept.push(op);
            }
        }
        body.blocks[block].ops = kept;
        for key in added {
            self.seen.entry(key).and_modify(|bucket| {
                bucket.pop();
            });
        }
    }

    fn regions(&mut self, body: &mut Body, op: OpId) {
        let control =
            matches!(body.ops[op].kind, OpKind::While(_) | OpKind::If(_) | OpKind::Case(_));
        for region in body.ops[op].regions.clone() {
            let outside = (!control).then(|| std::mem::take(&mut self.seen));
            self.block(body, region);
            if let Some(outside) = outside {
                self.seen = outside;
            }
        }
    }

    fn resolve(&self, body: &mut Body, op: OpId) {
        for operand in &mut body.ops[op].operands {
            while let Some(&new) = self.replaced.get(operand) {
                *operand = new;
            }
        }
    }

    /// An operation that computes the same. If there is none, this one is for others to find.
    fn twin(&mut self, body: &Body, op: OpId, added: &mut Vec<u64>) -> Option<OpId> {
        let o = &body.ops[op];
        if !o.regions.is_empty() || has_effects(&o.kind) {
            return None;
        }
        let key = key(&o.kind, &o.operands);
        let bucket = self.seen.entry(key).or_default();
        let twin = bucket.iter().copied().find(|&t| same(body, t, op));
        if twin.is_none() {
            bucket.push(op);
            added.push(key);
        }
        twin
    }
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
