//! Cutting clusters out: as modules of their own, and as calls in the host's program.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use super::levels::{has_effects, is_constant};
use super::{Cluster, Live, TARGET, uses};
use crate::diag::Span;
use crate::ir::{Attr, BlockId, Body, Dict, EntityId, Func, FuncId, Module, OpId, Type, ValueId};
use crate::ops::OpKind;
use crate::ops::custom_call::CustomCall;
use crate::ops::func::FuncReturn;
use crate::passes::inline::Copier;

/// The cluster of these operations of a block.
pub(super) fn cluster(module: &Module, func: FuncId, block: BlockId, ops: Vec<OpId>) -> Cluster {
    let body = &module.funcs[func].body;
    let own: HashSet<OpId> = ops.iter().copied().collect();
    let mut constants = Vec::new();
    let mut inputs: Vec<ValueId> = Vec::new();
    for value in ops.iter().flat_map(|&op| uses(body, op)) {
        match body.def_op(value) {
            Some(op) if own.contains(&op) => {}
            Some(op) if is_constant(body, op) => {
                if !constants.contains(&op) {
                    constants.push(op);
                }
            }
            _ if inputs.contains(&value) => {}
            _ => inputs.push(value),
        }
    }
    let outputs = live_outs(body, &own, &ops);
    let mut names = Names::new(&module.funcs[func]);
    let live =
        |names: &mut Names<'_>, v: &ValueId| Live { name: names.of(*v), ty: body.ty(*v).clone() };
    let ins: Vec<Live> = inputs.iter().map(|v| live(&mut names, v)).collect();
    let mut names = Names::new(&module.funcs[func]);
    let outs: Vec<Live> = outputs.iter().map(|v| live(&mut names, v)).collect();
    let main = function(body, &constants, &ops, (&inputs, &outputs), (&ins, &outs));
    let mut cut = Module::default();
    cut.funcs.push(main);
    add_callees(module, &mut cut);
    Cluster { func, block, ops, inputs: ins, outputs: outs, module: cut, refused: None }
}

/// Results that something outside of the cluster uses, in order.
fn live_outs(body: &Body, own: &HashSet<OpId>, ops: &[OpId]) -> Vec<ValueId> {
    let mut used = HashSet::new();
    let mut pending = vec![body.entry];
    while let Some(block) = pending.pop() {
        for &op in body.blocks[block].ops.iter().filter(|op| !own.contains(op)) {
            used.extend(body.ops[op].operands.iter().copied());
            pending.extend(&body.ops[op].regions);
        }
    }
    let results = ops.iter().flat_map(|&op| body.ops[op].results.iter().copied());
    results.filter(|v| used.contains(v)).collect()
}

/// Names of values: those of arguments, and operations with their numbers.
struct Names<'m> {
    func: &'m Func,
    taken: HashSet<Arc<str>>,
}

impl<'m> Names<'m> {
    fn new(func: &'m Func) -> Self {
        Names { func, taken: HashSet::new() }
    }

    fn of(&mut self, value: ValueId) -> Arc<str> {
        let body = &self.func.body;
        let arg = body.blocks[body.entry].args.iter().position(|&a| a == value);
        let base = match (arg, body.def_op(value)) {
            (Some(i), _) => match self.func.arg_names.get(i) {
                Some(Some(name)) => name.to_string(),
                _ => format!("arg{i}"),
            },
            (None, Some(op)) => {
                let name = body.ops[op].kind.spelling();
                let short = name.rsplit('.').next().unwrap_or(name);
                let result = body.ops[op].results.iter().position(|&r| r == value).unwrap_or(0);
                match body.ops[op].results.len() {
                    1 => format!("{short}_{}", op.index()),
                    _ => format!("{short}_{}_{result}", op.index()),
                }
            }
            (None, None) => format!("value_{}", value.index()),
        };
        let mut name: Arc<str> = base.as_str().into();
        let mut copy = 1;
        while !self.taken.insert(Arc::clone(&name)) {
            name = format!("{base}_{copy}").into();
            copy += 1;
        }
        name
    }
}

/// The cluster as a function `main`.
fn function(
    body: &Body,
    constants: &[OpId],
    ops: &[OpId],
    (inputs, outputs): (&[ValueId], &[ValueId]),
    (ins, outs): (&[Live], &[Live]),
) -> Func {
    let mut new = Body::new();
    let entry = new.entry;
    let mut copy = Copier { from: body, values: HashMap::new() };
    for &value in inputs {
        let arg = new.add_arg(entry, body.ty(value).clone());
        copy.values.insert(value, arg);
    }
    for &op in constants.iter().chain(ops) {
        let first = new.ops.len();
        let copied = copy.op(&mut new, op);
        // Errors are traced back by the operation's number.
        let span = Span::new(op.index() + 1, op.index() + 2);
        new.ops.values_mut().skip(first).for_each(|o| o.span = span);
        new.blocks[entry].ops.push(copied);
    }
    let returned = outputs.iter().map(|v| copy.values.get(v).copied().unwrap_or(*v)).collect();
    new.append(entry, FuncReturn.into(), returned, Vec::new(), Span::default());
    let named = |key: &str, value: Attr| Dict(vec![(key.into(), value)]);
    let text = |live: &Live| Attr::String(Arc::clone(&live.name));
    let arg = |l: &Live| named("tf_saved_model.index_path", Attr::Array(vec![text(l)]));
    Func {
        name: "main".into(),
        public: true,
        arg_attrs: ins.iter().map(arg).collect(),
        arg_names: ins.iter().map(|l| Some(Arc::clone(&l.name))).collect(),
        results: outs.iter().map(|l| l.ty.clone()).collect(),
        result_attrs: outs.iter().map(|l| named("jax.result_info", text(l))).collect(),
        attrs: Dict::default(),
        body: new,
        span: Span::default(),
    }
}

/// Adds the functions that those of `cut` call.
fn add_callees(module: &Module, cut: &mut Module) {
    let mut pending: Vec<FuncId> = cut.funcs.ids().collect();
    while let Some(func) = pending.pop() {
        let body = &cut.funcs[func].body;
        let callee = |op: &OpId| match &body.ops[*op].kind {
            OpKind::Call(call) => Some(Arc::clone(&call.callee)),
            OpKind::Composite(composite) => Some(Arc::clone(&composite.decomposition)),
            _ => None,
        };
        let called: Vec<Arc<str>> = body.walk(body.entry).iter().filter_map(callee).collect();
        for name in called {
            if cut.find(&name).is_none()
                && let Some(found) = module.find(&name)
            {
                let mut func = module.funcs[found].clone();
                func.public = false;
                pending.push(cut.funcs.push(func));
            }
        }
    }
}

/// Replaces clusters of a block by calls, numbered as given.
pub(super) fn replace<'c>(
    body: &mut Body,
    block: BlockId,
    clusters: impl Iterator<Item = (usize, &'c Cluster)>,
) {
    let mut node: HashMap<OpId, OpId> = HashMap::new();
    let mut calls = Vec::new();
    let mut results: HashMap<ValueId, ValueId> = HashMap::new();
    for (number, cluster) in clusters {
        let own: HashSet<OpId> = cluster.ops.iter().copied().collect();
        let outputs = live_outs(body, &own, &cluster.ops);
        let types: Vec<Type> = outputs.iter().map(|&v| body.ty(v).clone()).collect();
        let mut inputs = Vec::new();
        for value in cluster.ops.iter().flat_map(|&op| uses(body, op)) {
            let inside =
                body.def_op(value).is_some_and(|op| own.contains(&op) || is_constant(body, op));
            if !inside && !inputs.contains(&value) {
                inputs.push(value);
            }
        }
        let call = CustomCall {
            target: format!("{TARGET}{number}").into(),
            has_side_effect: false,
            config: Dict::default(),
        };
        let call = body.make_op(call.into(), inputs, types, Vec::new(), Span::default());
        let new = body.ops[call].results.clone();
        results.extend(outputs.into_iter().zip(new));
        node.extend(cluster.ops.iter().map(|&op| (op, call)));
        calls.push(call);
    }
    schedule(body, block, &node, &calls);
    body.replace_uses(&results);
    drop_unused_constants(body, block);
}

/// Puts calls in the place of their operations, everything after what it uses. Effects keep their
/// order, and the terminator stays the last.
fn schedule(body: &mut Body, block: BlockId, node: &HashMap<OpId, OpId>, calls: &[OpId]) {
    if calls.is_empty() {
        return;
    }
    let old = body.blocks[block].ops.clone();
    let place = |op: OpId| node.get(&op).copied().unwrap_or(op);
    let mut order: HashMap<OpId, usize> = HashMap::new();
    for (i, &op) in old.iter().enumerate() {
        order.entry(place(op)).or_insert(i);
    }
    let mut waits: HashMap<OpId, HashSet<OpId>> = HashMap::new();
    let mut effect = None;
    let last = old.last().copied();
    for &op in &old {
        let mut before: HashSet<OpId> =
            uses(body, op).iter().filter_map(|&v| body.def_op(v)).map(place).collect();
        if !node.contains_key(&op) && has_effects(body, op) {
            before.extend(effect.replace(op));
        }
        if Some(op) == last {
            before.extend(old.iter().map(|&op| place(op)));
        }
        before.retain(|o| *o != place(op) && order.contains_key(o));
        waits.entry(place(op)).or_default().extend(before);
    }
    let mut users: HashMap<OpId, Vec<OpId>> = HashMap::new();
    for (&op, before) in &waits {
        before.iter().for_each(|&b| users.entry(b).or_default().push(op));
    }
    let mut left: HashMap<OpId, usize> = waits.iter().map(|(&op, b)| (op, b.len())).collect();
    let mut ready: BinaryHeap<Reverse<(usize, OpId)>> =
        left.iter().filter(|(_, n)| **n == 0).map(|(op, _)| Reverse((order[op], *op))).collect();
    let mut new = Vec::new();
    while let Some(Reverse((_, op))) = ready.pop() {
        new.push(op);
        for &user in users.get(&op).map_or(&[][..], |u| u) {
            if let Some(n) = left.get_mut(&user) {
                *n -= 1;
                if *n == 0 {
                    ready.push(Reverse((order[&user], user)));
                }
            }
        }
    }
    body.blocks[block].ops = new;
}

/// Removes constants that only clusters used.
fn drop_unused_constants(body: &mut Body, block: BlockId) {
    let counts = body.use_counts();
    let ops = std::mem::take(&mut body.blocks[block].ops);
    let unused = |op: &OpId| {
        is_constant(body, *op) && body.ops[*op].results.iter().all(|v| counts[v.index()] == 0)
    };
    let kept = ops.into_iter().filter(|op| !unused(op)).collect();
    body.blocks[block].ops = kept;
}
