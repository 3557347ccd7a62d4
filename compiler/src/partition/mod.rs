//! Partitioning: what can be compiled of a program of several dialects is cut out, the rest stays
//! with the host.
//!
//! In every block, operations are levelled by how many times the way to them changes from device
//! to host: those of one level never depend on each other through the host, so a level is a convex
//! subgraph, and the whole block needs as few of them as possible. Constants are copied into every
//! cluster that uses them.

mod extract;
mod levels;

use std::collections::HashSet;
use std::sync::Arc;

use crate::compile::{CompileError, CompileOptions, compile};
use crate::diag::Span;
use crate::ir::{
    BlockId, Body, Dim, ElementType, EntityId, FuncId, Module, Op, OpId, Type, ValueId,
};
use crate::ops::OpKind;
use crate::passes::rewrite::{Visit, rewrite};

/// Attempts to leave out operations that do not compile, per block.
const MAX_ROUNDS: usize = 64;

/// The prefix of the target by which the host calls a cluster.
pub const TARGET: &str = "microhlo.cluster_";

/// A value that crosses the border of a cluster. See the example of [`partition`].
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// A name, unique among the cluster's live-ins or live-outs.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Type,
}

/// A part of a program that the compiler takes. See the example of [`partition`].
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The function and the block that it was cut out of.
    pub func: FuncId,
    /// The block.
    pub block: BlockId,
    /// Its operations in the original block, without the constants copied into it.
    pub ops: Vec<OpId>,
    /// What it takes, in order.
    pub inputs: Vec<Live>,
    /// What it gives, in order.
    pub outputs: Vec<Live>,
    /// The cluster alone: a function `main`, and the functions that it calls.
    pub module: Module,
    /// Why it cannot be compiled; it can if there is no reason.
    pub refused: Option<CompileError>,
}

/// A partitioned program. See the example of [`partition`].
#[derive(Clone, Debug)]
pub struct Partition {
    /// The program before, with tuples taken apart; [`Cluster::ops`] refers to it.
    pub original: Module,
    /// The clusters; the host calls number N as `custom_call @microhlo.cluster_N`.
    pub clusters: Vec<Cluster>,
    /// What remains.
    pub host: Module,
}

/// Partitions a module.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, compile};
/// use microhlo_compiler::diag::Source;
/// use microhlo_compiler::front::mlir::parse_mixed;
/// use microhlo_compiler::partition::partition;
///
/// let text = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
///   %0 = stablehlo.exponential %x : tensor<4xf32>
///   %1 = \"tf.Print\"(%0) : (tensor<4xf32>) -> tensor<4xf32>
///   %2 = stablehlo.negate %1 : tensor<4xf32>
///   return %2 : tensor<4xf32>
/// }";
/// let parts = partition(&parse_mixed(&Source::new("print.mlir", text))?);
/// // What comes before the operation of TensorFlow, and what comes behind it.
/// let [first, second] = &parts.clusters[..] else { panic!("two clusters") };
/// assert!(first.refused.is_none() && second.refused.is_none());
/// assert_eq!(first.inputs[0].ty.to_string(), "tensor<4xf32>");
/// assert_eq!(compile(&first.module, &CompileOptions::default())?.report.kernels.len(), 1);
/// let host = parts.host.to_string();
/// assert!(host.contains("tf.Print") && host.contains("microhlo.cluster_1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn partition(module: &Module) -> Partition {
    let mut original = module.clone();
    for func in original.funcs.values_mut() {
        take_tuples_apart(&mut func.body);
    }
    let (clusters, host) = cut(&original, false);
    // A constant is no work for a device, unless the program has nothing else for it.
    let (clusters, host) =
        if clusters.is_empty() { cut(&original, true) } else { (clusters, host) };
    Partition { original, clusters, host }
}

/// The clusters and the remaining program. Clusters of constants only are made on request.
fn cut(original: &Module, of_constants: bool) -> (Vec<Cluster>, Module) {
    let pure = pure_functions(original);
    let mut clusters = Vec::new();
    let mut host = original.clone();
    for func in original.funcs.ids() {
        if pure.contains(&original.funcs[func].name) && !original.funcs[func].public {
            // A helper that clusters carry along.
            continue;
        }
        let body = &original.funcs[func].body;
        for block in host_blocks(body) {
            let found = block_clusters(original, &pure, (func, block), of_constants);
            let numbered = found.iter().enumerate().map(|(i, c)| (clusters.len() + i, c));
            extract::replace(&mut host.funcs[func].body, block, numbered);
            clusters.extend(found);
        }
    }
    (clusters, host)
}

/// Elements of tuples that are made in the same function are used directly.
fn take_tuples_apart(body: &mut Body) {
    rewrite(body, |ed, op| {
        let OpKind::GetTupleElement(get) = &ed.body.ops[op].kind else { return Visit::Keep };
        let index = usize::try_from(get.index).ok();
        let source = ed.body.ops[op].operands.first().and_then(|&v| ed.body.def_op(v));
        let made = source.filter(|&s| matches!(ed.body.ops[s].kind, OpKind::Tuple(_)));
        let item = made.and_then(|s| ed.body.ops[s].operands.get(index?).copied());
        match (item, ed.body.result(op)) {
            (Some(item), Some(result)) => {
                ed.replace(result, item);
                Visit::Drop
            }
            _ => Visit::Keep,
        }
    });
    let counts = body.use_counts();
    rewrite(body, |ed, op| {
        let o = &ed.body.ops[op];
        let unused = o.results.iter().all(|v| counts[v.index()] == 0);
        if matches!(o.kind, OpKind::Tuple(_)) && unused { Visit::Drop } else { Visit::Keep }
    });
}

/// The blocks whose operations the host steps through: those of functions, and those inside of
/// operations of other dialects.
fn host_blocks(body: &Body) -> Vec<BlockId> {
    let mut blocks = vec![body.entry];
    let mut next = 0;
    while let Some(&block) = blocks.get(next) {
        next += 1;
        for &op in &body.blocks[block].ops {
            if matches!(body.ops[op].kind, OpKind::Foreign(_)) {
                blocks.extend(&body.ops[op].regions);
            }
        }
    }
    blocks
}

/// Names of the functions of which everything, calls included, could run on the device.
fn pure_functions(module: &Module) -> HashSet<Arc<str>> {
    let mut pure: HashSet<Arc<str>> = module.funcs.values().map(|f| Arc::clone(&f.name)).collect();
    loop {
        let before = pure.len();
        for func in module.funcs.values() {
            let body = &func.body;
            let ops = &body.blocks[body.entry].ops;
            let fine = |&op: &OpId| {
                matches!(body.ops[op].kind, OpKind::FuncReturn(_)) || supported(body, op, &pure)
            };
            if func.is_declaration() || !ops.iter().all(fine) {
                pure.remove(&func.name);
            }
        }
        if pure.len() == before {
            return pure;
        }
    }
}

/// Whether the device could compute an operation: all of it is StableHLO on static tensors.
fn supported(body: &Body, op: OpId, pure: &HashSet<Arc<str>>) -> bool {
    let o = &body.ops[op];
    let terminator = matches!(o.kind, OpKind::Return(_) | OpKind::FuncReturn(_));
    if terminator || o.kind.has_side_effect() || !o.operands.iter().all(|&v| fits(body.ty(v))) {
        return false;
    }
    let inner = |op: &Op| {
        let called = match &op.kind {
            OpKind::Call(call) => pure.contains(&call.callee),
            OpKind::Composite(composite) => pure.contains(&composite.decomposition),
            OpKind::Foreign(_) => false,
            _ => true,
        };
        let returns = matches!(op.kind, OpKind::Return(_));
        called
            && (returns || !op.kind.has_side_effect())
            && op.results.iter().all(|&v| fits(body.ty(v)))
    };
    let regions = o.regions.iter().flat_map(|&r| body.walk(r));
    inner(o) && regions.into_iter().all(|op| inner(&body.ops[op]))
}

fn fits(ty: &Type) -> bool {
    let fixed = |d: &Dim| matches!(d, Dim::Static(_));
    ty.tensor().is_some_and(|t| t.elem != ElementType::Index && t.dims.iter().all(fixed))
}

/// The clusters of a block. What turns out not to compile is left to the host.
fn block_clusters(
    module: &Module,
    pure: &HashSet<Arc<str>>,
    (func, block): (FuncId, BlockId),
    of_constants: bool,
) -> Vec<Cluster> {
    let body = &module.funcs[func].body;
    let ops = &body.blocks[block].ops;
    let mut device: HashSet<OpId> =
        ops.iter().copied().filter(|&op| supported(body, op, pure)).collect();
    for round in 0.. {
        let groups = levels::groups(body, block, &device, of_constants);
        let mut clusters: Vec<Cluster> =
            groups.into_iter().map(|ops| extract::cluster(module, func, block, ops)).collect();
        let mut changed = false;
        for cluster in &mut clusters {
            let Err(error) = compile(&cluster.module, &CompileOptions::default()) else { continue };
            // The spans of a cluster's operations are their numbers.
            let op = OpId::new((error.span.start as usize).saturating_sub(1));
            if error.span != Span::default() && cluster.ops.contains(&op) && round < MAX_ROUNDS {
                changed |= device.remove(&op);
            } else {
                cluster.refused = Some(error);
            }
        }
        if !changed {
            return clusters;
        }
    }
    Vec::new()
}

/// The values that an operation uses, those of its regions included, as far as they are defined
/// outside of it.
fn uses(body: &Body, op: OpId) -> Vec<ValueId> {
    let mut used = body.ops[op].operands.clone();
    let mut inside = HashSet::new();
    for &region in &body.ops[op].regions {
        inside.extend(body.blocks[region].args.iter().copied());
        for inner in body.walk(region) {
            let inner = &body.ops[inner];
            used.extend(&inner.operands);
            inside.extend(inner.results.iter().copied());
            for &block in &inner.regions {
                inside.extend(body.blocks[block].args.iter().copied());
            }
        }
    }
    used.retain(|v| !inside.contains(v));
    used
}

#[cfg(test)]
mod tests;
