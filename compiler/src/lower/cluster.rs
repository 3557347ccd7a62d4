//! Fusion: which operations one kernel executes together.
//!
//! Every operation of a block that is neither a constant nor a view belongs to exactly
//! one cluster. Clusters form an acyclic graph and are emitted in a topological order that stays
//! as close to the program's as it can.

use std::collections::{HashMap, HashSet};

use microhlo_format::DType;
use microhlo_format::kernels::{Activation, MAX_MAP_CODE, MAX_MAP_INPUTS, MAX_MAP_OUTPUTS};

use super::contraction;
use super::conv_i8::{self, Int8};
use super::epilogue::{self, Epilogue};
use super::exact_sum;
use super::facts::Facts;
use super::hybrid;
use super::pointwise_i8::{self, Pool, Sum};
use super::product_i8::{self, Product};
use super::quantize::{self, Dequantize, Quantize};
use super::scale_i8::{self, Scale};
use super::softmax::{self, Softmax};
use super::sum_i16::{self, WideSum};
use super::table::{self, Table};
use crate::ir::{BlockId, Body, OpId, ValueId};
use crate::ops::{ElementwiseOp, OpKind};

/// Operations executed by one kernel.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// What the kernel is made from.
    pub kind: ClusterKind,
    /// The operations, in program order.
    pub ops: Vec<OpId>,
    /// Results that other clusters read although all users are inside: they look through those.
    pub peeked: HashSet<ValueId>,
}

impl ClusterKind {
    /// Values that the kernel reads in place of operands of its operations.
    fn reads(&self) -> Vec<ValueId> {
        match self {
            ClusterKind::SumI8(sum) => sum.terms.iter().map(|&(value, _)| value).collect(),
            ClusterKind::SumI16(sum) => sum.terms.iter().map(|&(value, _)| value).collect(),
            ClusterKind::PoolI8(pool) => vec![pool.input],
            ClusterKind::Product(product) => product.factors.map(|(value, _)| value).to_vec(),
            _ => Vec::new(),
        }
    }
}

/// The kinds of clusters.
#[derive(Clone, Debug)]
pub enum ClusterKind {
    /// A convolution or matrix product with bias and activation.
    Contraction(OpId, Epilogue),
    /// A contraction of integers with 8-bit weights, with what surrounds it.
    Int8(Int8),
    /// A sum of two tensors of 8-bit integers, with what rescales it.
    SumI8(Sum),
    /// The same of 16-bit integers.
    SumI16(WideSum),
    /// Sums over windows of 8-bit integers, with what rescales them.
    PoolI8(Pool),
    /// A product of two tensors of 8-bit integers, neither constant, with what rescales it.
    Product(Product),
    /// A reduction or window with a final operation on each result.
    Reduction(OpId, Option<epilogue::PostOp>),
    /// Softmax over the innermost dimension.
    Softmax(Softmax),
    /// The same of 8-bit integers.
    SoftmaxI8(softmax::Quantized),
    /// A function of one 8-bit tensor.
    Table(Table),
    /// A linear function of one 8-bit tensor for each channel.
    ScaleI8(Scale),
    /// Floats to 8-bit integers.
    Quantize(Quantize),
    /// 8-bit integers to floats.
    Dequantize(Dequantize),
    /// A chain of elementwise operations.
    Map,
    /// Any other single operation.
    Single(OpId),
}

/// Operations that are views or constants: they are executed where they are used.
pub fn is_transparent(kind: &OpKind) -> bool {
    matches!(
        kind,
        OpKind::Constant(_)
            | OpKind::BitcastConvert(_)
            | OpKind::BroadcastInDim(_)
            | OpKind::Reshape(_)
            | OpKind::Transpose(_)
            | OpKind::Slice(_)
            | OpKind::Reverse(_)
            | OpKind::FuncReturn(_)
            | OpKind::Return(_)
    )
}

pub(super) fn is_elementwise(kind: &OpKind) -> bool {
    matches!(kind, OpKind::Elementwise(_) | OpKind::Compare(_))
}

/// Partitions a block into clusters, in emission order. Operations of blocks nested in it belong to
/// the operation whose region they are.
pub fn clusters(facts: &Facts<'_>, block: BlockId) -> Vec<Cluster> {
    let ops = &facts.body.blocks[block].ops;
    let position = ops.iter().enumerate().map(|(i, &op)| (op, i)).collect();
    let producers = producers(facts.body, block);
    let (of, peeked) = (HashMap::new(), HashSet::new());
    let mut fuser = Fuser { facts, clusters: Vec::new(), of, peeked, position, producers };
    for &op in ops.iter().rev() {
        fuser.table(op);
    }
    for &op in ops {
        fuser.roots(op);
    }
    // What has a root takes what it can first.
    for &op in ops {
        fuser.conversion(op);
    }
    for &op in ops {
        let kind = &facts.body.ops[op].kind;
        if fuser.of.contains_key(&op) || is_transparent(kind) {
            continue;
        }
        if is_elementwise(kind) {
            fuser.map(op);
        } else {
            fuser.add(ClusterKind::Single(op), vec![op]);
        }
    }
    fuser.ordered()
}

struct Fuser<'a> {
    facts: &'a Facts<'a>,
    clusters: Vec<Option<Cluster>>,
    of: HashMap<OpId, usize>,
    /// Values that clusters read through operations that are not theirs. All are known before the
    /// first map is made: only clusters with a root have any.
    peeked: HashSet<ValueId>,
    /// Position of each operation in the block.
    position: HashMap<OpId, usize>,
    /// Operations whose results each operation reads, through views.
    producers: HashMap<OpId, Vec<OpId>>,
}

/// For every operation of a block, the operations of the block whose results it reads, through
/// views, or that it has to follow: calls of the firmware keep the program's order.
fn producers(body: &Body, block: BlockId) -> HashMap<OpId, Vec<OpId>> {
    let mut producers: HashMap<OpId, Vec<OpId>> = HashMap::new();
    let mut last_call = None;
    for &op in &body.blocks[block].ops {
        let mut found = Vec::new();
        for value in captured(body, op) {
            found.extend(producers_of(body, value, &producers));
        }
        if calls(body, op) {
            found.extend(last_call.replace(op));
        }
        found.sort_unstable();
        found.dedup();
        producers.insert(op, found);
    }
    producers
}

/// Whether an operation calls the firmware, or has a region that does.
fn calls(body: &Body, op: OpId) -> bool {
    let call = |op: OpId| matches!(body.ops[op].kind, OpKind::CustomCall(_));
    call(op) || body.ops[op].regions.iter().any(|&r| body.walk(r).into_iter().any(call))
}

/// The operations that compute a value, through views, given those of the views.
fn producers_of(body: &Body, value: ValueId, producers: &HashMap<OpId, Vec<OpId>>) -> Vec<OpId> {
    match body.def_op(value) {
        Some(def) if is_transparent(&body.ops[def].kind) => {
            producers.get(&def).cloned().unwrap_or_default()
        }
        def => def.into_iter().collect(),
    }
}

/// Operands of an operation and of everything nested in it.
fn captured(body: &Body, op: OpId) -> Vec<ValueId> {
    let mut values = body.ops[op].operands.clone();
    for &region in &body.ops[op].regions {
        for inner in body.walk(region) {
            values.extend(&body.ops[inner].operands);
        }
    }
    values
}

impl Fuser<'_> {
    fn body(&self) -> &Body {
        self.facts.body
    }

    /// Whether an operation is in the block itself, not in one nested in it or around it.
    fn is_here(&self, op: OpId) -> bool {
        self.position.contains_key(&op)
    }

    /// Sorts operations as the program has them.
    fn order(&self) -> impl Fn(&mut Vec<OpId>) {
        |ops: &mut Vec<OpId>| ops.sort_unstable_by_key(|op| self.position.get(op))
    }

    fn add(&mut self, kind: ClusterKind, ops: Vec<OpId>) {
        let index = self.clusters.len();
        for &op in &ops {
            self.of.insert(op, index);
        }
        self.peeked.extend(kind.reads());
        self.clusters.push(Some(Cluster { kind, ops, peeked: HashSet::new() }));
    }

    /// Makes a cluster of the operations that are one function of an 8-bit tensor.
    fn table(&mut self, op: OpId) {
        if self.of.contains_key(&op) {
            return;
        }
        let found = table::find(self.facts, op, self.order());
        if let Some((table, ops)) = found.filter(|(_, ops)| self.are_free(ops)) {
            return self.add(ClusterKind::Table(table), ops);
        }
        let found = scale_i8::find(self.facts, op, self.order());
        if let Some((scale, ops)) = found.filter(|(_, ops)| self.are_free(ops)) {
            self.add(ClusterKind::ScaleI8(scale), ops);
        }
    }

    /// Makes a cluster of what converts floats to 8-bit integers, or back.
    fn conversion(&mut self, op: OpId) {
        let kind = |op: OpId| &self.facts.body.ops[op].kind;
        let is_map = |op: OpId| is_elementwise(kind(op)) && !self.of.contains_key(&op);
        if let Some((found, ops)) = quantize::find(self.facts, op, is_map)
            && self.are_free(&ops)
        {
            return self.add(ClusterKind::Quantize(found), ops);
        }
        if let Some((found, ops)) = quantize::find_inverse(self.facts, op, is_map, self.order())
            && self.are_free(&ops)
        {
            self.add(ClusterKind::Dequantize(found), ops);
        }
    }

    /// Starts clusters that have a root: contractions, reductions, softmax.
    fn roots(&mut self, op: OpId) {
        if self.of.contains_key(&op) {
            return;
        }
        match &self.facts.body.ops[op].kind {
            OpKind::Convolution(_) | OpKind::DotGeneral(_) => {
                let found = conv_i8::find(self.facts, op);
                if let Some((int8, ops)) = found.filter(|(_, ops)| self.are_free(ops)) {
                    return self.add(ClusterKind::Int8(int8), ops);
                }
                if matches!(self.facts.body.ops[op].kind, OpKind::DotGeneral(_)) {
                    let found = product_i8::find_matrices(self.facts, op);
                    if let Some((product, ops)) = found.filter(|(_, ops)| self.are_free(ops)) {
                        return self.add(ClusterKind::Product(product), ops);
                    }
                }
                let (epilogue, mut ops) = epilogue::of_contraction(self.facts, op);
                ops.insert(0, op);
                if contraction::is_packed(self.facts.body, op) {
                    let weights = hybrid::absorbed(self.facts, op);
                    ops.extend(Some(weights).filter(|ops| self.are_free(ops)).unwrap_or_default());
                }
                self.add(ClusterKind::Contraction(op, epilogue), ops);
            }
            OpKind::Elementwise(ElementwiseOp::ShiftRightArithmetic) => {
                let found = pointwise_i8::find_sum(self.facts, op);
                if let Some((sum, ops)) = found.filter(|(_, ops)| self.are_free(ops)) {
                    return self.add(ClusterKind::SumI8(sum), ops);
                }
                let found = sum_i16::find(self.facts, op);
                if let Some((sum, ops)) = found.filter(|(_, ops)| self.are_free(ops)) {
                    self.add(ClusterKind::SumI16(sum), ops);
                }
            }
            OpKind::Elementwise(ElementwiseOp::Add) => {
                let found = exact_sum::find(self.facts, op, self.order());
                if let Some((sum, ops)) = found.filter(|(_, ops)| self.are_free(ops)) {
                    self.add(ClusterKind::SumI8(sum), ops);
                }
            }
            OpKind::Elementwise(ElementwiseOp::Multiply) => {
                let found = product_i8::find(self.facts, op);
                if let Some((product, ops)) = found.filter(|(_, ops)| self.are_free(ops)) {
                    self.add(ClusterKind::Product(product), ops);
                }
            }
            OpKind::Reduce(_) => {
                if let Some((softmax, ops)) = softmax::find(self.facts, op)
                    && self.are_free(&ops)
                {
                    let found = softmax::find_quantized(self.facts, &softmax, &ops, self.order());
                    if let Some((softmax, ops)) = found.filter(|(_, ops)| self.are_free(ops)) {
                        return self.add(ClusterKind::SoftmaxI8(softmax), ops);
                    }
                    return self.add(ClusterKind::Softmax(softmax), ops);
                }
                self.reduction(op);
            }
            OpKind::ReduceWindow(_) => self.reduction(op),
            _ => {}
        }
    }

    /// Whether operations are in this block and in no cluster yet.
    fn are_free(&self, ops: &[OpId]) -> bool {
        ops.iter().all(|&o| !self.of.contains_key(&o) && self.is_here(o))
    }

    fn reduction(&mut self, op: OpId) {
        let found = pointwise_i8::find_pool(self.facts, op);
        if let Some((pool, ops)) = found.filter(|(_, ops)| self.are_free(ops)) {
            return self.add(ClusterKind::PoolI8(pool), ops);
        }
        let mut ops = vec![op];
        let post = epilogue::of_reduction(self.facts, op);
        ops.extend(post.iter().map(|p| p.op));
        self.add(ClusterKind::Reduction(op, post), ops);
    }

    /// Puts an elementwise operation into the cluster of a producer, or into a new one.
    fn map(&mut self, op: OpId) {
        self.add(ClusterKind::Map, vec![op]);
        let operands = self.body().ops[op].operands.clone();
        for v in operands {
            let Some(producer) = self.body().def_op(v).and_then(|d| self.of.get(&d).copied())
            else {
                continue;
            };
            let own = self.of[&op];
            if producer != own && self.can_merge(producer, own) {
                self.merge(producer, own);
            }
        }
    }

    fn can_merge(&self, a: usize, b: usize) -> bool {
        let (Some(x), Some(y)) = (&self.clusters[a], &self.clusters[b]) else { return false };
        let maps = matches!((&x.kind, &y.kind), (ClusterKind::Map, ClusterKind::Map));
        maps && self.dims(x) == self.dims(y)
            && self.fits(x, y)
            && !self.reads_own_view(x, y)
            && !self.reaches(b, a, true)
            && !self.reaches(a, b, true)
    }

    /// Whether an operation of the union reads a view (a transpose, say) of what another one
    /// computes: the kernel would read elements that it has not written yet.
    fn reads_own_view(&self, x: &Cluster, y: &Cluster) -> bool {
        let inside = |op: &OpId| x.ops.contains(op) || y.ops.contains(op);
        let operands = x.ops.iter().chain(&y.ops).flat_map(|&op| &self.body().ops[op].operands);
        let views = operands
            .filter_map(|&v| self.body().def_op(v))
            .filter(|&def| is_transparent(&self.body().ops[def].kind));
        views.flat_map(|def| self.producers.get(&def).into_iter().flatten()).any(inside)
    }

    fn dims(&self, c: &Cluster) -> Option<Vec<u64>> {
        let result = self.body().result(*c.ops.first()?)?;
        self.body().ty(result).tensor()?.static_dims()
    }

    /// Whether the union stays within the limits of one map kernel.
    fn fits(&self, x: &Cluster, y: &Cluster) -> bool {
        let ops: HashSet<OpId> = x.ops.iter().chain(&y.ops).copied().collect();
        let mut inputs = HashSet::new();
        let mut outputs = 0;
        for &op in &ops {
            let o = &self.body().ops[op];
            let inside = |v: &ValueId| self.body().def_op(*v).is_some_and(|d| ops.contains(&d));
            inputs.extend(o.operands.iter().copied().filter(|v| !inside(v)));
            outputs += usize::from(o.results.iter().any(|&v| self.is_stored(v, &ops)));
        }
        ops.len() <= MAX_MAP_CODE && inputs.len() <= MAX_MAP_INPUTS && outputs <= MAX_MAP_OUTPUTS
    }

    /// Whether a value computed inside a set of operations is needed outside it.
    fn is_stored(&self, value: ValueId, inside: &HashSet<OpId>) -> bool {
        self.peeked.contains(&value) || is_output(self.facts, value, inside)
    }

    fn merge(&mut self, a: usize, b: usize) {
        let (Some(x), Some(mut y)) = (self.clusters[a].take(), self.clusters[b].take()) else {
            return;
        };
        let mut ops = x.ops;
        ops.append(&mut y.ops);
        ops.sort_unstable_by_key(|op| self.position.get(op).copied());
        for &op in &ops {
            self.of.insert(op, b);
        }
        self.clusters[b] = Some(Cluster { kind: ClusterKind::Map, ops, peeked: HashSet::new() });
    }

    /// Clusters that a cluster reads from, through views.
    fn sources(&self, index: usize) -> HashSet<usize> {
        let Some(cluster) = &self.clusters[index] else { return HashSet::new() };
        let of_ops = cluster.ops.iter().flat_map(|op| self.producers.get(op).into_iter().flatten());
        let reads = cluster.kind.reads();
        let read = |&v: &ValueId| producers_of(self.body(), v, &self.producers);
        let producers = of_ops.copied().chain(reads.iter().flat_map(read));
        producers.filter_map(|p| self.of.get(&p).copied()).filter(|&c| c != index).collect()
    }

    /// Whether `from` depends on `to`; with `indirect`, only through a third cluster.
    fn reaches(&self, from: usize, to: usize, indirect: bool) -> bool {
        let mut work: Vec<usize> = self.sources(from).into_iter().collect();
        if indirect {
            work.retain(|&c| c != to);
        }
        let mut seen = HashSet::new();
        while let Some(c) = work.pop() {
            if c == to {
                return true;
            }
            if seen.insert(c) {
                work.extend(self.sources(c));
            }
        }
        false
    }

    /// Whether a cluster computes scalars that a region returns and nothing else uses, such as the
    /// next value of a loop's counter: computed last, it can replace the present one in place.
    fn is_only_returned(&self, cluster: &Cluster) -> bool {
        let returns = |user: &OpId| matches!(self.body().ops[*user].kind, OpKind::Return(_));
        let mut values = cluster.ops.iter().flat_map(|&op| &self.body().ops[op].results);
        values.all(|&v| {
            let scalar = self.body().ty(v).tensor().is_some_and(|ty| ty.rank() == 0);
            let users = self.facts.users(v);
            let inside = |user: &OpId| cluster.ops.contains(user);
            scalar && users.iter().all(|user| returns(user) || inside(user))
        })
    }

    /// Clusters in a topological order: of those ready, the one that ends first in the program.
    fn ordered(self) -> Vec<Cluster> {
        let mut waiting: Vec<(usize, usize, HashSet<usize>)> = (0..self.clusters.len())
            .filter_map(|i| {
                let cluster = self.clusters[i].as_ref()?;
                let end = *cluster.ops.iter().filter_map(|o| self.position.get(o)).max()?;
                let last = self.is_only_returned(cluster);
                Some((if last { usize::MAX } else { end }, i, self.sources(i)))
            })
            .collect();
        waiting.sort_by_key(|w| w.0);
        let mut done = HashSet::new();
        let mut order = Vec::new();
        while let Some(next) = waiting.iter().position(|(_, _, s)| s.is_subset(&done)) {
            let (_, index, _) = waiting.remove(next);
            done.insert(index);
            order.push(index);
        }
        // A cycle would leave clusters out: their operations must not be lost silently.
        order.extend(waiting.into_iter().map(|(_, index, _)| index));
        let Fuser { facts, mut clusters, peeked, .. } = self;
        let inside = order.into_iter().filter_map(|i| clusters[i].take());
        let results = |c: &Cluster| {
            let results = c.ops.iter().flat_map(|&op| &facts.body.ops[op].results);
            results.copied().filter(|v| peeked.contains(v)).collect()
        };
        inside.map(|c| Cluster { peeked: results(&c), ..c }).collect()
    }
}

/// Whether a value computed inside a set of operations is needed outside it.
pub fn is_output(facts: &Facts<'_>, value: ValueId, inside: &HashSet<OpId>) -> bool {
    facts.users(value).iter().any(|user| !inside.contains(user))
}

/// The activation that a contraction applies, or none.
pub fn activation_name(activation: &Activation) -> &'static str {
    match activation {
        Activation::None => "",
        Activation::Max { .. } => "+max",
        Activation::Clamp { .. } => "+clamp",
    }
}

/// The element type of a value, if it is a plain tensor.
pub fn dtype(body: &Body, value: ValueId) -> Option<DType> {
    body.ty(value).tensor()?.dtype()
}
