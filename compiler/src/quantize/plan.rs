//! Which values of a float program are quantised.

use std::collections::{HashMap, HashSet};

use microhlo_format::{DType, MicroOp};

use crate::ir::{Body, EntityId, Func, OpId, TensorType, ValueId};
use crate::lower::facts::{Facts, region_op};
use crate::ops::{ElementwiseOp, OpKind};

/// Most limits behind a layer's bias.
const MAX_LIMITS: usize = 4;

/// An operation that becomes one of integers.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The convolution, matrix product, sum or mean.
    pub root: OpId,
    /// Its result after bias and limits.
    pub result: ValueId,
    /// The weights, if it has some.
    pub weights: Option<Weights>,
    /// Whether channels of the sums and of the result are scaled alike: no limit but 0.
    pub scalable: bool,
}

/// The constant operand of a contraction.
#[derive(Clone, Copy, Debug)]
pub struct Weights {
    /// The constant.
    pub value: ValueId,
    /// Its dimension of output features.
    pub axis: u32,
    /// The result's dimension of output features.
    pub feature: usize,
    /// Whether a bias follows.
    pub bias: Option<OpId>,
}

/// What is quantised.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The layers, in the program's order.
    pub layers: Vec<Layer>,
    /// Values that get parameters of their own, each with those that share them.
    pub values: Vec<Vec<ValueId>>,
}

/// Finds the layers of a program. With `weights_only`, no activation is quantised; results are only
/// if `results` says so, or if something in the program computes with their integers.
pub fn plan(func: &Func, weights_only: bool, results: bool) -> Plan {
    let facts = Facts::new(&func.body);
    let mut planner = Planner { facts: &facts, layers: Vec::new(), set: HashMap::new() };
    let ops = func.body.blocks[func.body.entry].ops.clone();
    for &op in &ops {
        if let Some(layer) = planner.contraction(op).or_else(|| planner.mean(op)) {
            planner.layers.push(layer);
        }
    }
    if weights_only {
        return Plan { layers: planner.layers, values: Vec::new() };
    }
    for layer in planner.layers.clone() {
        planner.quantise(func.body.ops[layer.root].operands[0]);
        planner.quantise(layer.result);
    }
    for &op in &ops {
        if let Some(layer) = planner.product(op) {
            for &operand in &func.body.ops[op].operands {
                planner.quantise(operand);
            }
            planner.quantise(layer.result);
            planner.layers.push(layer);
        }
    }
    for &op in &ops {
        if let Some(layer) = planner.combined(op) {
            planner.quantise(layer.result);
            planner.layers.push(layer);
        }
    }
    for &op in &ops {
        planner.joined(op);
    }
    let order: HashMap<OpId, usize> = ops.iter().enumerate().map(|(i, &op)| (op, i)).collect();
    planner.layers.sort_by_key(|l| order.get(&l.root).copied());
    let plan = planner.finish();
    Plan { values: used(&facts, &plan.layers, plan.values, results), ..plan }
}

/// Most operations between a layer and the next that a table of 256 bytes replaces.
const MAX_TABLE: usize = 32;

/// Those groups of values whose integers something computes with.
fn used(
    facts: &Facts<'_>,
    layers: &[Layer],
    mut groups: Vec<Vec<ValueId>>,
    results: bool,
) -> Vec<Vec<ValueId>> {
    loop {
        let all: HashSet<ValueId> = groups.iter().flatten().copied().collect();
        let roots = layers.iter().map(|l| l.root).collect();
        let uses = Uses { facts, roots, quantised: &all, results };
        let before = groups.len();
        groups.retain(|group| group.iter().any(|&v| uses.integers(v)));
        if groups.len() == before {
            return groups;
        }
    }
}

struct Uses<'f, 'b> {
    facts: &'f Facts<'b>,
    /// The layers' operations.
    roots: HashSet<OpId>,
    quantised: &'f HashSet<ValueId>,
    results: bool,
}

impl Uses<'_, '_> {
    /// Whether something computes with the integers of a value, or with those of what moves make
    /// of it.
    fn integers(&self, value: ValueId) -> bool {
        let user = |&op: &OpId| self.takes(op, value);
        self.facts.users(value).iter().any(user) || self.table(value)
    }

    fn takes(&self, op: OpId, value: ValueId) -> bool {
        let body = self.facts.body;
        let o = &body.ops[op];
        let result = || o.results.first().copied();
        match &o.kind {
            OpKind::Convolution(_) | OpKind::DotGeneral(_) => {
                let constant = body.constant(o.operands[1]).is_some();
                constant && o.operands[0] == value || !constant && self.product(op)
            }
            OpKind::Reduce(_) => self.roots.contains(&op),
            OpKind::ReduceWindow(_) => {
                let moved = || is_max_pool(body, op) && result().is_some_and(|v| self.integers(v));
                self.roots.contains(&op) || moved()
            }
            OpKind::Concatenate(_) => {
                result().is_some_and(|v| self.quantised.contains(&v) || self.integers(v))
            }
            OpKind::Reshape(_) | OpKind::Transpose(_) | OpKind::Slice(_) => {
                result().is_some_and(|v| self.integers(v))
            }
            OpKind::BroadcastInDim(_) => result().is_some_and(|v| {
                let multiplies = |&op: &OpId| body.ops[op].kind == ElementwiseOp::Multiply.into();
                self.facts.users(v).iter().any(|op| multiplies(op) && self.takes(*op, v))
            }),
            OpKind::Elementwise(
                ElementwiseOp::Add | ElementwiseOp::Subtract | ElementwiseOp::Multiply,
            ) => o.operands.iter().all(|&v| {
                let quantised = self.quantised.contains(&factor(body, &o.kind, v));
                quantised && self.facts.splat(v).is_none()
            }),
            OpKind::FuncReturn(_) | OpKind::Return(_) => self.results,
            _ => false,
        }
    }

    /// Whether an operation is a matrix product of two quantised values.
    fn product(&self, op: OpId) -> bool {
        let operands = &self.facts.body.ops[op].operands;
        let quantised = |&v: &ValueId| self.quantised.contains(&origin(self.facts.body, v));
        self.roots.contains(&op) && operands.iter().all(quantised)
    }

    /// Whether elementwise operations on this value alone lead to a quantised one.
    fn table(&self, value: ValueId) -> bool {
        let body = self.facts.body;
        let mut seen = vec![value];
        let mut at = 0;
        while let Some(&v) = seen.get(at).filter(|_| at < MAX_TABLE) {
            at += 1;
            for &op in self.facts.users(v) {
                let o = &body.ops[op];
                let alone = |v: &ValueId| seen.contains(v) || self.facts.splat(*v).is_some();
                let Some(result) = body.result(op) else { continue };
                let steps = matches!(o.kind, OpKind::Elementwise(_) | OpKind::Compare(_));
                if !steps || seen.contains(&result) || !o.operands.iter().all(alone) {
                    continue;
                }
                if self.quantised.contains(&result) {
                    return true;
                }
                seen.push(result);
            }
        }
        false
    }
}

struct Planner<'f, 'b> {
    facts: &'f Facts<'b>,
    layers: Vec<Layer>,
    /// Quantised values, each with the one whose parameters it shares.
    set: HashMap<ValueId, ValueId>,
}

impl Planner<'_, '_> {
    fn body(&self) -> &Body {
        self.facts.body
    }

    fn is_f32(&self, value: ValueId) -> bool {
        self.body().ty(value).tensor().and_then(TensorType::dtype) == Some(DType::F32)
    }

    fn origin(&self, value: ValueId) -> ValueId {
        origin(self.body(), value)
    }

    fn quantise(&mut self, value: ValueId) {
        let origin = self.origin(value);
        if self.body().constant(origin).is_none() {
            self.set.entry(origin).or_insert(origin);
        }
    }

    fn representative(&self, mut value: ValueId) -> ValueId {
        while let Some(&next) = self.set.get(&value).filter(|&&next| next != value) {
            value = next;
        }
        value
    }

    /// A convolution or matrix product with constant weights.
    fn contraction(&self, op: OpId) -> Option<Layer> {
        let o = &self.body().ops[op];
        let (&[lhs, rhs], &[result]) = (o.operands.as_slice(), o.results.as_slice()) else {
            return None;
        };
        let constant = self.body().constant(rhs).is_some() && self.body().constant(lhs).is_none();
        if ![lhs, rhs, result].iter().all(|&v| self.is_f32(v)) || !constant {
            return None;
        }
        let rank = self.body().ty(rhs).tensor()?.rank();
        let (axis, feature) = match &o.kind {
            OpKind::Convolution(c) if c.batch_group_count == 1 => {
                (c.dims.kernel_output_feature as usize, c.dims.output_feature as usize)
            }
            OpKind::DotGeneral(d) if d.lhs_batching.is_empty() => {
                let mut free = (0..rank).filter(|&i| !d.rhs_contracting.contains(&(i as i64)));
                let axis = free.next().filter(|_| free.next().is_none())?;
                (axis, self.body().ty(result).tensor()?.rank().checked_sub(1)?)
            }
            _ => return None,
        };
        let channels = self.body().ty(result).tensor()?.dims.get(feature)?.size()? as usize;
        let bias = self.biased(result, feature, channels);
        let biased = bias.map_or(result, |op| self.body().ops[op].results[0]);
        let (result, scalable) = self.limited(biased);
        let weights = Weights { value: rhs, axis: axis as u32, feature, bias };
        Some(Layer { root: op, result, weights: Some(weights), scalable })
    }

    /// A matrix product of two values that the program computes. What it takes as an argument is more likely
    /// weights, which should be frozen.
    fn product(&self, op: OpId) -> Option<Layer> {
        let o = &self.body().ops[op];
        let (&[lhs, rhs], &[result]) = (o.operands.as_slice(), o.results.as_slice()) else {
            return None;
        };
        let computed = |v: ValueId| {
            let from = self.origin(v);
            let made = self.body().def_op(from).is_some();
            self.is_f32(v) && made && self.body().constant(from).is_none()
        };
        let fits = matches!(o.kind, OpKind::DotGeneral(_)) && computed(lhs) && computed(rhs);
        fits.then(|| self.layer(op, result))
    }

    /// The addition of a constant per channel to a value, if that is the value's only use.
    fn biased(&self, value: ValueId, dim: usize, channels: usize) -> Option<OpId> {
        let user = self.facts.only_user(value)?;
        let o = &self.body().ops[user];
        let &[a, b] = o.operands.as_slice() else { return None };
        let other = if a == value { b } else { a };
        let adds = o.kind == ElementwiseOp::Add.into();
        (adds && self.facts.per_channel(other, dim, channels).is_some()).then_some(user)
    }

    /// The value after rectifiers and other limits, and whether there are only rectifiers.
    fn limited(&self, mut value: ValueId) -> (ValueId, bool) {
        use ElementwiseOp::{Clamp, Maximum, Minimum};
        let mut scalable = true;
        for _ in 0..MAX_LIMITS {
            let Some(user) = self.facts.only_user(value) else { break };
            let o = &self.body().ops[user];
            let others = o.operands.iter().filter(|&&v| v != value);
            let splats = others.clone().all(|&v| self.facts.splat_f32(v).is_some());
            let limits = matches!(o.kind, OpKind::Elementwise(Maximum | Minimum | Clamp));
            let middle = o.operands.len() != 3 || o.operands[1] == value;
            if !limits || !splats || !middle {
                break;
            }
            let zero = others.clone().all(|&v| self.facts.splat_f32(v) == Some(0.0));
            scalable &= zero && o.kind == Maximum.into();
            value = o.results[0];
        }
        (value, scalable)
    }

    /// A sum over windows or dimensions that is divided by a constant.
    fn mean(&self, op: OpId) -> Option<Layer> {
        let o = &self.body().ops[op];
        let adds = matches!(o.kind, OpKind::Reduce(_) | OpKind::ReduceWindow(_))
            && o.operands.len() == 2
            && region_op(self.body(), *o.regions.first()?) == Some(MicroOp::add);
        let mut value = self.body().result(op).filter(|&v| adds && self.is_f32(v))?;
        // A sum of many terms of a softmax, say, is no mean.
        while let Some(user) = self.facts.only_user(value) {
            let o = &self.body().ops[user];
            let other = o.operands.iter().find(|&&v| v != value);
            let constant = other.is_some_and(|&v| self.facts.splat_f32(v).is_some());
            match &o.kind {
                OpKind::Reshape(_) => value = o.results[0],
                OpKind::Elementwise(ElementwiseOp::Divide) if o.operands[0] == value => {
                    return constant.then(|| self.layer(op, o.results[0]));
                }
                OpKind::Elementwise(ElementwiseOp::Multiply) => {
                    return constant.then(|| self.layer(op, o.results[0]));
                }
                _ => return None,
            }
        }
        None
    }

    fn layer(&self, root: OpId, result: ValueId) -> Layer {
        Layer { root, result: self.limited(result).0, weights: None, scalable: false }
    }

    /// `add`, `subtract` or `multiply` of two different quantised values.
    fn combined(&self, op: OpId) -> Option<Layer> {
        use ElementwiseOp::{Add, Multiply, Subtract};
        let o = &self.body().ops[op];
        let &[a, b] = o.operands.as_slice() else { return None };
        let kind = matches!(o.kind, OpKind::Elementwise(Add | Subtract | Multiply));
        let [from_a, from_b] = [a, b].map(|v| factor(self.body(), &o.kind, v));
        let quantised = |v: ValueId| self.set.contains_key(&v);
        let result = self.body().result(op).filter(|&v| self.is_f32(v))?;
        // A function of one value is a table, or a part of one.
        let different = from_a != from_b;
        let fits = kind && different && quantised(from_a) && quantised(from_b);
        fits.then(|| self.layer(op, result))
    }

    /// A concatenation of quantised values, whose parameters become one.
    fn joined(&mut self, op: OpId) {
        let o = &self.body().ops[op];
        if !matches!(o.kind, OpKind::Concatenate(_)) {
            return;
        }
        let parts: Vec<ValueId> = o.operands.iter().map(|&v| self.origin(v)).collect();
        if !parts.iter().all(|v| self.set.contains_key(v)) {
            return;
        }
        let result = o.results[0];
        let first = self.representative(parts[0]);
        for part in parts {
            let other = self.representative(part);
            self.set.insert(other, first);
        }
        let own = self.set.get(&result).map(|_| self.representative(result));
        if let Some(own) = own {
            self.set.insert(own, first);
        }
    }

    fn finish(self) -> Plan {
        let mut groups: HashMap<ValueId, Vec<ValueId>> = HashMap::new();
        for &value in self.set.keys() {
            groups.entry(self.representative(value)).or_default().push(value);
        }
        let mut values: Vec<Vec<ValueId>> = groups.into_values().collect();
        for group in &mut values {
            group.sort_by_key(|v| v.index());
        }
        values.sort_by_key(|g| g[0].index());
        Plan { layers: self.layers, values }
    }
}

/// The value that a value is moved from: moves keep parameters.
pub fn origin(body: &Body, mut value: ValueId) -> ValueId {
    while let Some(op) = body.def_op(value) {
        let o = &body.ops[op];
        match o.kind {
            OpKind::Reshape(_) | OpKind::Transpose(_) | OpKind::Slice(_) => value = o.operands[0],
            OpKind::ReduceWindow(_) if is_max_pool(body, op) => value = o.operands[0],
            _ => break,
        }
    }
    value
}

/// The value that an operand of an elementwise operation is moved from, or repeated from as the gates of
/// channels are, if it is a factor. What is repeated to be added, such as a mean, stays as precise as it is.
fn factor(body: &Body, kind: &OpKind, value: ValueId) -> ValueId {
    let op = body.def_op(value).filter(|_| *kind == ElementwiseOp::Multiply.into());
    match op.map(|op| &body.ops[op]) {
        Some(o) if matches!(o.kind, OpKind::BroadcastInDim(_)) => origin(body, o.operands[0]),
        _ => origin(body, value),
    }
}

/// Whether an operation takes maxima over windows.
fn is_max_pool(body: &Body, op: OpId) -> bool {
    let o = &body.ops[op];
    let region = o.regions.first().and_then(|&r| region_op(body, r));
    o.operands.len() == 2 && region == Some(MicroOp::maximum)
}
