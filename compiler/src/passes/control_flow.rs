//! Simplification of control flow: what a loop carries unchanged becomes a value from outside,
//! what nobody needs goes, and a choice that is known is made.
//!
//! Exporters thread weights and other constants through the state of a loop. As state they would
//! be copied and could not be laid out for the kernels; from outside they stay constants.

use std::collections::{HashMap, HashSet};

use super::rewrite::{Editor, Visit, rewrite};
use crate::eval::{Element, Evaluator, Tensor};
use crate::ir::{BlockId, Body, Constant, Def, EntityId, Module, OpId, ValueId};
use crate::ops::OpKind;

/// Evaluation steps of an operation of a condition, after which it is not known.
const MAX_FIRST_STEPS: u64 = 1000;

/// Simplifies every `while`, `if` and `case` once. Returns whether anything changed.
pub fn simplify_control_flow(body: &mut Body) -> bool {
    let uses = body.use_counts();
    let used = |v: ValueId| uses.get(v.index()).is_some_and(|&n| n > 0);
    rewrite(body, |ed, op| match ed.body.ops[op].kind {
        OpKind::While(_) => simplify_while(ed, op, &used),
        OpKind::If(_) | OpKind::Case(_) => simplify_choice(ed, op, &used),
        _ => Visit::Keep,
    })
}

fn simplify_while(ed: &mut Editor<'_>, op: OpId, used: &dyn Fn(ValueId) -> bool) -> Visit {
    let o = ed.body.ops[op].clone();
    let &[cond, body] = o.regions.as_slice() else { return Visit::Keep };
    let returned: Vec<ValueId> = ed.body.returned(body).iter().map(|&v| ed.resolve(v)).collect();
    if first_predicate(ed, cond, &o.operands) == Some(false) {
        // No iteration: the operands are the results.
        for (&result, &operand) in o.results.iter().zip(&o.operands) {
            ed.replace(result, operand);
        }
        return Visit::Drop;
    }
    let mut gone = HashSet::new();
    for (i, &next) in returned.iter().enumerate() {
        if unchanged(ed.body, body, i, o.operands[i], next) {
            for block in [cond, body] {
                let arg = ed.body.blocks[block].args[i];
                ed.replace(arg, o.operands[i]);
            }
            ed.replace(o.results[i], o.operands[i]);
            gone.insert(i);
        }
    }
    let needed = needed_state(ed.body, op, &gone, used);
    gone.extend((0..o.operands.len()).filter(|i| !needed.contains(i)));
    if gone.is_empty() {
        return Visit::Keep;
    }
    drop_state(ed, op, &gone);
    if ed.body.ops[op].results.is_empty() && !has_side_effects(ed.body, op) {
        // It computes nothing; whether it ends is not an effect.
        return Visit::Drop;
    }
    Visit::Keep
}

/// Whether there is a first iteration, if that follows from what is constant.
fn first_predicate(ed: &Editor<'_>, cond: BlockId, operands: &[ValueId]) -> Option<bool> {
    let body = &*ed.body;
    let module = Module::default();
    let constant = |v: ValueId| Tensor::from_constant(body.constant(v)?).ok();
    let mut known: HashMap<ValueId, Tensor> = HashMap::new();
    for (&arg, &operand) in body.blocks[cond].args.iter().zip(operands) {
        known.extend(constant(operand).map(|tensor| (arg, tensor)));
    }
    let value = |known: &HashMap<ValueId, Tensor>, v: ValueId| {
        let v = ed.resolve(v);
        known.get(&v).cloned().or_else(|| constant(v))
    };
    for &op in &body.blocks[cond].ops {
        let o = &body.ops[op];
        if !o.regions.is_empty() || is_terminator(body, op) {
            continue;
        }
        let inputs: Option<Vec<Tensor>> = o.operands.iter().map(|&v| value(&known, v)).collect();
        let Some(inputs) = inputs else { continue };
        let mut evaluator = Evaluator::with_budget(&module, MAX_FIRST_STEPS);
        if let Ok(results) = evaluator.fold(body, op, &inputs, Vec::new()) {
            known.extend(o.results.iter().copied().zip(results));
        }
    }
    let predicate = value(&known, *body.returned(cond).first()?)?;
    Some(predicate.at(0) == Element::Bool(true))
}

/// Whether state `i` is the operand in every iteration.
fn unchanged(body: &Body, block: BlockId, i: usize, operand: ValueId, returned: ValueId) -> bool {
    let same = || match (body.constant(operand), body.constant(returned)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    };
    // Tokens carry nothing but an order, which the order of the steps is.
    let token = body.ty(operand).tensor().is_none() && !is_tuple(body, operand);
    returned == operand || body.values[returned].def == Def::Arg(block, i as u32) || same() || token
}

fn is_tuple(body: &Body, value: ValueId) -> bool {
    matches!(body.ty(value), crate::ir::Type::Tuple(_))
}

/// The state that the condition, side effects or used results depend on.
fn needed_state(
    body: &Body,
    op: OpId,
    gone: &HashSet<usize>,
    used: &dyn Fn(ValueId) -> bool,
) -> HashSet<usize> {
    let o = &body.ops[op];
    let (cond, block) = (o.regions[0], o.regions[1]);
    let returned = body.returned(block).to_vec();
    let mut needed: HashSet<usize> = HashSet::new();
    let mut work: Vec<usize> = arguments_behind(body, cond, body.returned(cond).to_vec());
    work.extend(arguments_behind(body, block, Vec::new()));
    work.extend((0..o.results.len()).filter(|&i| used(o.results[i])));
    while let Some(i) = work.pop() {
        if !gone.contains(&i) && needed.insert(i) {
            work.extend(arguments_behind(body, block, vec![returned[i]]));
        }
    }
    needed
}

/// The arguments of a block that values, or else its side effects, depend on.
fn arguments_behind(body: &Body, block: BlockId, roots: Vec<ValueId>) -> Vec<usize> {
    let mut work = roots;
    if work.is_empty() {
        let inside = body.walk(block).into_iter();
        let effects =
            inside.filter(|&o| body.ops[o].kind.has_side_effect() && !is_terminator(body, o));
        work.extend(effects.flat_map(|o| body.ops[o].operands.iter().copied()));
    }
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    while let Some(value) = work.pop() {
        if !seen.insert(value) {
            continue;
        }
        match body.values[value].def {
            Def::Arg(b, i) if b == block => found.push(i as usize),
            Def::Arg(..) => {}
            Def::Result(op, _) => {
                work.extend(&body.ops[op].operands);
                for &region in &body.ops[op].regions {
                    work.extend(body.walk(region).iter().flat_map(|&o| &body.ops[o].operands));
                }
            }
        }
    }
    found
}

fn is_terminator(body: &Body, op: OpId) -> bool {
    matches!(body.ops[op].kind, OpKind::Return(_) | OpKind::FuncReturn(_))
}

/// Whether something inside the regions of an operation must stay.
pub(super) fn has_side_effects(body: &Body, op: OpId) -> bool {
    let regions = body.ops[op].regions.iter();
    let mut inside = regions.flat_map(|&region| body.walk(region));
    inside.any(|o| body.ops[o].kind.has_side_effect() && !is_terminator(body, o))
}

/// Removes state variables that nothing refers to any more but the loop itself.
fn drop_state(ed: &mut Editor<'_>, op: OpId, gone: &HashSet<usize>) {
    let regions = ed.body.ops[op].regions.clone();
    if let Some(&last) = regions.get(1).and_then(|&body| ed.body.blocks[body].ops.last()) {
        remove(&mut ed.body.ops[last].operands, gone);
    }
    for block in regions {
        remove(&mut ed.body.blocks[block].args, gone);
        for (i, arg) in ed.body.blocks[block].args.clone().into_iter().enumerate() {
            ed.body.values[arg].def = Def::Arg(block, i as u32);
        }
    }
    remove(&mut ed.body.ops[op].operands, gone);
    drop_results(ed, op, gone);
}

fn drop_results(ed: &mut Editor<'_>, op: OpId, gone: &HashSet<usize>) {
    remove(&mut ed.body.ops[op].results, gone);
    for (i, result) in ed.body.ops[op].results.clone().into_iter().enumerate() {
        ed.body.values[result].def = Def::Result(op, i as u32);
    }
    ed.changed();
}

fn remove(values: &mut Vec<ValueId>, gone: &HashSet<usize>) {
    let mut i = 0;
    values.retain(|_| {
        i += 1;
        !gone.contains(&(i - 1))
    });
}

fn simplify_choice(ed: &mut Editor<'_>, op: OpId, used: &dyn Fn(ValueId) -> bool) -> Visit {
    let o = ed.body.ops[op].clone();
    let known = match o.kind {
        OpKind::If(_) => {
            let predicate = known_predicate(ed.body, o.operands.first().copied());
            predicate.map(|p| usize::from(!p))
        }
        _ => known_branch(ed.body, &o.operands, o.regions.len()),
    };
    let only = (o.regions.len() == 1).then_some(0);
    if let Some(&block) = known.or(only).and_then(|i| o.regions.get(i)) {
        let returned = ed.body.returned(block).to_vec();
        ed.splice(block);
        for (&result, value) in o.results.iter().zip(returned) {
            ed.replace(result, value);
        }
        return Visit::Drop;
    }
    let mut gone = HashSet::new();
    for (i, &result) in o.results.iter().enumerate() {
        if !used(result) {
            gone.insert(i);
        } else if let Some(value) = common_result(ed, &o.regions, i) {
            ed.replace(result, value);
            gone.insert(i);
        }
    }
    if gone.is_empty() {
        return Visit::Keep;
    }
    for &block in &o.regions {
        if let Some(&last) = ed.body.blocks[block].ops.last() {
            remove(&mut ed.body.ops[last].operands, &gone);
        }
    }
    drop_results(ed, op, &gone);
    Visit::Keep
}

/// The value that all branches return as result `i`, if it is one from outside or a constant.
fn common_result(ed: &mut Editor<'_>, branches: &[BlockId], i: usize) -> Option<ValueId> {
    let value = |&b: &BlockId| ed.body.returned(b).get(i).map(|&v| ed.resolve(v));
    let values: Vec<ValueId> = branches.iter().map(value).collect::<Option<_>>()?;
    let (&first, others) = values.split_first()?;
    let constants: Option<Vec<_>> = values.iter().map(|&v| ed.body.constant(v)).collect();
    if let Some(constants) = constants {
        let all: Vec<&Constant> = constants.into_iter().map(|c| &**c).collect();
        if all.windows(2).all(|w| w[0] == w[1]) {
            let (value, def) = (all[0].clone(), ed.body.def_op(first)?);
            let span = ed.body.ops[def].span;
            return Some(ed.constant(value, span));
        }
        return None;
    }
    // What all branches return is visible in all of them, so it is defined around them.
    (branches.len() > 1 && others.iter().all(|&v| v == first)).then_some(first)
}

fn known_predicate(body: &Body, value: Option<ValueId>) -> Option<bool> {
    Some(body.constant(value?)?.to_bytes().first()? != &0)
}

fn known_branch(body: &Body, operands: &[ValueId], branches: usize) -> Option<usize> {
    let bytes = body.constant(*operands.first()?)?.to_bytes();
    let index = i32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let last = branches.checked_sub(1)?;
    Some(usize::try_from(index).map_or(last, |i| i.min(last)))
}
