//! Removal of tuples: a value of a tuple type becomes its tensors.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::ir::{Body, Def, Func, OpId, Type, Value, ValueId};
use crate::ops::OpKind;

/// Replaces tuples among a function's arguments, results and operations by their elements, which
/// take the tuple's place in order. Elements of an argument are named `NAME.0`, `NAME.1`.
///
/// Tuples that an operation with regions or an unknown `custom_call` takes or gives stay.
pub fn flatten(func: &mut Func) {
    let has_tuple = |v: &Value| matches!(v.ty, Type::Tuple(_));
    if !func.body.values.values().any(has_tuple) {
        return;
    }
    let mut parts = arguments(func);
    let ops = func.body.walk(func.body.entry);
    let gone: HashSet<OpId> =
        ops.into_iter().filter(|&op| operation(&mut func.body, op, &mut parts)).collect();
    for block in super::rewrite::reachable_blocks(&func.body) {
        func.body.blocks[block].ops.retain(|op| !gone.contains(op));
    }
    results(func);
}

/// The values that each tuple consists of.
type Parts = HashMap<ValueId, Vec<ValueId>>;

/// Splits the arguments of the function.
fn arguments(func: &mut Func) -> Parts {
    let body = &mut func.body;
    let mut parts = Parts::new();
    let old = std::mem::take(&mut body.blocks[body.entry].args);
    let (mut names, mut attrs) = (Vec::new(), Vec::new());
    for (i, &arg) in old.iter().enumerate() {
        let name = func.arg_names.get(i).cloned().flatten();
        let attr = func.arg_attrs.get(i).cloned().unwrap_or_default();
        if !matches!(body.ty(arg), Type::Tuple(_)) {
            let position = body.blocks[body.entry].args.len() as u32;
            body.values[arg].def = Def::Arg(body.entry, position);
            body.blocks[body.entry].args.push(arg);
            names.push(name);
            attrs.push(attr);
            continue;
        }
        let mut pending = vec![(arg, name)];
        while let Some((value, name)) = pending.pop() {
            let Type::Tuple(types) = body.ty(value).clone() else {
                let position = body.blocks[body.entry].args.len() as u32;
                body.values[value].def = Def::Arg(body.entry, position);
                body.blocks[body.entry].args.push(value);
                names.push(name);
                attrs.push(attr.clone());
                continue;
            };
            let part = |ty| Value { ty, def: Def::Arg(body.entry, 0) };
            let elements: Vec<ValueId> =
                types.into_iter().map(|ty| body.values.push(part(ty))).collect();
            for (n, &element) in elements.iter().enumerate().rev() {
                let name = name.as_ref().map(|name| Arc::from(format!("{name}.{n}")));
                pending.push((element, name));
            }
            parts.insert(value, elements);
        }
    }
    (func.arg_names, func.arg_attrs) = (names, attrs);
    parts
}

/// Whether an operation only makes or takes apart tuples; others are passed the elements.
fn operation(body: &mut Body, op: OpId, parts: &mut Parts) -> bool {
    let o = body.ops[op].clone();
    match &o.kind {
        OpKind::Tuple(_) => {
            if let Some(&result) = o.results.first() {
                parts.insert(result, o.operands);
            }
            true
        }
        OpKind::GetTupleElement(get) => {
            let tuple = o.operands.first().and_then(|v| parts.get(v));
            let element = usize::try_from(get.index).ok().and_then(|i| tuple?.get(i).copied());
            let (Some(element), Some(&result)) = (element, o.results.first()) else {
                return false;
            };
            if let Some(inner) = parts.get(&element).cloned() {
                parts.insert(result, inner);
            }
            body.replace_uses(&HashMap::from([(result, element)]));
            true
        }
        OpKind::FuncReturn(_) | OpKind::Return(_) | OpKind::OptimizationBarrier(_) => {
            let operands = o.operands.iter().flat_map(|&v| leaves(v, parts)).collect();
            body.ops[op].operands = operands;
            if matches!(o.kind, OpKind::OptimizationBarrier(_)) {
                split_results(body, op, parts);
            }
            false
        }
        _ => false,
    }
}

/// The tensors of a value, in order.
fn leaves(value: ValueId, parts: &Parts) -> Vec<ValueId> {
    let mut out = Vec::new();
    let mut pending = vec![value];
    while let Some(v) = pending.pop() {
        match parts.get(&v) {
            Some(elements) => pending.extend(elements.iter().rev()),
            None => out.push(v),
        }
    }
    out
}

/// Gives an operation the elements of its tuple results as results.
fn split_results(body: &mut Body, op: OpId, parts: &mut Parts) {
    let mut new = Vec::new();
    for result in body.ops[op].results.clone() {
        let mut pending = vec![result];
        while let Some(v) = pending.pop() {
            let Type::Tuple(types) = body.ty(v).clone() else {
                body.values[v].def = Def::Result(op, new.len() as u32);
                new.push(v);
                continue;
            };
            let part = |ty| Value { ty, def: Def::Result(op, 0) };
            let elements: Vec<ValueId> =
                types.into_iter().map(|ty| body.values.push(part(ty))).collect();
            pending.extend(elements.iter().rev());
            parts.insert(v, elements);
        }
    }
    body.ops[op].results = new;
}

/// Declares the tensors of tuple results as results.
fn results(func: &mut Func) {
    let (mut types, mut attrs) = (Vec::new(), Vec::new());
    for (i, ty) in func.results.iter().enumerate() {
        let attr = func.result_attrs.get(i).cloned().unwrap_or_default();
        let mut pending = vec![ty.clone()];
        while let Some(ty) = pending.pop() {
            match ty {
                Type::Tuple(elements) => pending.extend(elements.into_iter().rev()),
                other => {
                    types.push(other);
                    attrs.push(attr.clone());
                }
            }
        }
    }
    (func.results, func.result_attrs) = (types, attrs);
}
