//! Levels of a block's operations: how often the way to them changes from device to host.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::uses;
use crate::ir::{BlockId, Body, OpId, Type};
use crate::ops::OpKind;

/// The device operations of each level, in program order, constants left out. With `of_constants`,
/// where there is nothing else, the constants.
pub(super) fn groups(
    body: &Body,
    block: BlockId,
    device: &HashSet<OpId>,
    of_constants: bool,
) -> Vec<Vec<OpId>> {
    let mut level: HashMap<OpId, usize> = HashMap::new();
    let mut effects = 0;
    let mut groups: BTreeMap<usize, Vec<OpId>> = BTreeMap::new();
    let mut constants = Vec::new();
    for &op in &body.blocks[block].ops {
        let on_device = device.contains(&op);
        if is_constant(body, op) {
            constants.extend(on_device.then_some(op));
            continue;
        }
        let sources = uses(body, op).into_iter().filter_map(|v| body.def_op(v));
        let step = |source: OpId| {
            let from_device = usize::from(device.contains(&source) && !on_device);
            level.get(&source).map_or(0, |l| l + from_device)
        };
        let mut own = sources.map(step).max().unwrap_or(0);
        if !on_device && has_effects(body, op) {
            // Effects stay in their order.
            own = own.max(effects);
            effects = own;
        }
        level.insert(op, own);
        if on_device {
            groups.entry(own).or_default().push(op);
        }
    }
    match of_constants && groups.is_empty() && !constants.is_empty() {
        true => vec![constants],
        false => groups.into_values().collect(),
    }
}

pub(super) fn is_constant(body: &Body, op: OpId) -> bool {
    matches!(body.ops[op].kind, OpKind::Constant(_))
}

/// Whether an operation of another dialect may do more than compute its results: that is not
/// known, so it is assumed of those on anything but tensors and of those named for it.
pub(super) fn has_effects(body: &Body, op: OpId) -> bool {
    let o = &body.ops[op];
    let OpKind::Foreign(foreign) = &o.kind else { return o.kind.has_side_effect() };
    let opaque = |ty: &Type| match ty {
        Type::Opaque(text) => text.contains('!'),
        _ => false,
    };
    let mut values = o.operands.iter().chain(&o.results);
    o.results.is_empty()
        || values.any(|&v| opaque(body.ty(v)))
        || ["Stateful", "Random", "Print"].iter().any(|word| foreign.name.contains(word))
}
