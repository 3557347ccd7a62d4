//! The passes on StableHLO, each one file with one function, and the order they run in.

pub mod batch_groups;
pub mod batch_norm;
pub mod bind_shapes;
pub mod build;
pub mod canonicalize;
pub mod chlo;
pub mod control_flow;
#[cfg(test)]
mod control_tests;
pub mod cse;
pub mod dce;
pub mod decompose;
pub mod externs;
#[cfg(test)]
mod float_rescale_tests;
pub mod fold;
pub mod fuse_quant;
#[cfg(test)]
mod hybrid_tests;
pub mod inline;
#[cfg(test)]
mod int16_tests;
#[cfg(test)]
mod int8_tests;
pub mod layout;
pub mod legalize_foreign;
pub mod legalize_quant;
pub mod legalize_types;
#[cfg(test)]
mod linear_tests;
#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod random_tests;
pub mod refine_shapes;
#[cfg(test)]
mod region_tests;
pub mod regions;
pub mod rewrite;
mod round_even;
pub mod rounding;
#[cfg(test)]
mod rounding_tests;
pub mod single_device;
#[cfg(test)]
mod state_tests;
#[cfg(test)]
mod tests;
pub mod tuples;

use crate::ir::Func;

/// Most rounds of the clean-up passes; each round ends early when nothing changes.
const MAX_ROUNDS: usize = 16;

/// Called after every pass with its name and the function as it is then.
pub type Observe<'a> = &'a mut dyn FnMut(&'static str, &Func);

/// Names of all passes, in the order in which they run first.
pub const NAMES: &[&str] = &[
    "inline",
    "chlo",
    "single-device",
    "fuse-quant",
    "legalize-quant",
    "decompose",
    "batch-groups",
    "canonicalize",
    "fold-constants",
    "control-flow",
    "cse",
    "dce",
    "rounding",
    "scalar-regions",
    "legalize-types",
    "region-loops",
    "batch-norm",
    "layout",
];

/// Runs all passes on a function without calls.
pub fn run(func: &mut Func, observe: Observe<'_>) {
    chlo::legalize(&mut func.body);
    observe("chlo", func);
    single_device::single_device(func);
    observe("single-device", func);
    fuse_quant::fuse_quant(&mut func.body);
    observe("fuse-quant", func);
    legalize_quant::legalize_quant(func);
    observe("legalize-quant", func);
    decompose::decompose(&mut func.body);
    observe("decompose", func);
    batch_groups::batch_groups(&mut func.body);
    observe("batch-groups", func);
    clean(func, observe);
    let shortened = rounding::shorten_rounding(&mut func.body);
    observe("rounding", func);
    if shortened {
        clean(func, observe);
    }
    for _ in 0..MAX_ROUNDS {
        let changed = regions::scalar::scalar_regions(&mut func.body);
        observe("scalar-regions", func);
        if !changed {
            break;
        }
        clean(func, observe);
    }
    // Folding makes operands constant that some operations need to be.
    if decompose::decompose(&mut func.body) {
        observe("decompose", func);
        batch_groups::batch_groups(&mut func.body);
        observe("batch-groups", func);
        clean(func, observe);
    }
    let legalized = legalize_types::legalize_types(&mut func.body);
    observe("legalize-types", func);
    if legalized {
        clean(func, observe);
    }
    let looped = regions::region_loops(&mut func.body);
    observe("region-loops", func);
    if looped {
        legalize_types::legalize_types(&mut func.body);
        observe("legalize-types", func);
        clean(func, observe);
    }
    let folded = batch_norm::fold_batch_norm(&mut func.body);
    observe("batch-norm", func);
    if folded {
        clean(func, observe);
    }
    // A layout change exposes new inverse pairs of transposes, and these new places to sink to.
    for _ in 0..MAX_ROUNDS {
        let changed = layout::choose_layout(&mut func.body);
        observe("layout", func);
        if !changed {
            break;
        }
        clean(func, observe);
    }
}

/// Canonicalises, folds, merges and removes until nothing changes.
fn clean(func: &mut Func, observe: Observe<'_>) {
    for _ in 0..MAX_ROUNDS {
        let mut changed = canonicalize::canonicalize(&mut func.body);
        observe("canonicalize", func);
        changed |= fold::fold_constants(&mut func.body);
        observe("fold-constants", func);
        changed |= control_flow::simplify_control_flow(&mut func.body);
        observe("control-flow", func);
        changed |= cse::cse(&mut func.body);
        observe("cse", func);
        changed |= dce::dce(&mut func.body);
        observe("dce", func);
        if !changed {
            return;
        }
    }
}
