//! Targets of `custom_call` whose meaning is known: annotations of XLA's partitioner and placement,
//! which mean nothing to one device, and routines of LAPACK and XLA that exporters call.

use microhlo_format::DType;

use super::rng::threefry_rounds;
use super::{factor, jacobi, linear};
use crate::ir::{Attr, Dict, Op, OpId, ValueId};
use crate::ops::compare::Direction;
use crate::ops::custom_call::CustomCall;
use crate::passes::build::Build;
use crate::passes::rewrite::Editor;

/// Gives the values that replace the results of a call.
type Rule = fn(&mut Build<'_, '_>, &Op, &CustomCall) -> Option<Vec<ValueId>>;

/// Targets that pass their operand on.
const ANNOTATIONS: [&str; 9] = [
    "Sharding",
    "SPMDFullToShardShape",
    "SPMDShardToFullShape",
    "annotate_device_placement",
    "LayoutConstraint",
    "MoveToDevice",
    "MoveToHost",
    "xla.sdy.FuncResultSharding",
    "xla.sdy.GlobalToLocalShape",
];

/// The rule of a target, if it is known.
fn rule(target: &str) -> Option<Rule> {
    if ANNOTATIONS.contains(&target) {
        return Some(annotation);
    }
    // LAPACK's routines come for four element types each.
    if let Some(routine) = target.strip_prefix("lapack_").and_then(|t| t.strip_suffix("_ffi")) {
        return match routine.strip_prefix(['s', 'd', 'c', 'z'])? {
            "potrf" => Some(linear::potrf),
            "trsm" => Some(linear::trsm),
            "getrf" => Some(factor::getrf),
            "geqrf" => Some(factor::geqrf),
            "orgqr" | "ungqr" => Some(factor::orgqr),
            "syevd" | "heevd" => Some(jacobi::eigen),
            "gesdd" | "gesvd" => Some(jacobi::singular),
            _ => None,
        };
    }
    match target {
        "shape_assertion" => Some(shape_assertion),
        "cu_threefry2x32" | "cu_threefry2x32_ffi" | "hip_threefry2x32_ffi" => Some(threefry),
        "LuDecomposition" => Some(factor::lu_call),
        "Qr" | "cusolver_geqrf_ffi" | "hipsolver_geqrf_ffi" => Some(factor::geqrf),
        "ProductOfElementaryHouseholderReflectors"
        | "cusolver_orgqr_ffi"
        | "hipsolver_orgqr_ffi" => Some(factor::orgqr),
        "cusolver_getrf_ffi" | "hipsolver_getrf_ffi" => Some(factor::getrf),
        "Eigh" => Some(jacobi::eigh_call),
        "cusolver_syevd_ffi" | "hipsolver_syevd_ffi" => Some(jacobi::eigen),
        "TopK" => Some(top_k),
        "ApproxTopK" | "PartialReduce" => Some(approximate_top_k),
        _ => None,
    }
}

/// Whether calls of a target are replaced by operations.
pub fn is_known_target(target: &str) -> bool {
    rule(target).is_some()
}

pub(super) fn expand(ed: &mut Editor<'_>, op: OpId, call: &CustomCall) -> Option<Vec<ValueId>> {
    let rule = rule(&call.target)?;
    let o = ed.body.ops[op].clone();
    let known = |v: &ValueId| ed.body.ty(*v).tensor().is_some_and(|t| t.static_dims().is_some());
    if !o.operands.iter().chain(&o.results).all(known) {
        return None;
    }
    let span = o.span;
    rule(&mut Build::new(ed, span), &o, call)
}

/// A setting of a call, which exporters keep in one of several dictionaries.
pub(super) fn setting(op: &Op, call: &CustomCall, name: &str) -> Option<Attr> {
    let dict = |attrs: &Dict, key: &str| match attrs.get(key) {
        Some(Attr::Dict(d)) => d.get(name).cloned(),
        _ => None,
    };
    dict(&call.config, "backend_config")
        .or_else(|| dict(&op.attrs, "mhlo.backend_config"))
        .or_else(|| dict(&op.attrs, "mhlo.attributes"))
}

/// A setting that is a letter's code, as LAPACK's options are.
pub(super) fn letter(op: &Op, call: &CustomCall, name: &str) -> Option<char> {
    match setting(op, call, name)? {
        Attr::Int(code, _) => Some(char::from(u8::try_from(code).ok()?)),
        _ => None,
    }
}

fn annotation(b: &mut Build<'_, '_>, op: &Op, _call: &CustomCall) -> Option<Vec<ValueId>> {
    let (&[operand], &[result]) = (op.operands.as_slice(), op.results.as_slice()) else {
        return None;
    };
    // On one device, a shard is the whole.
    (b.ty(operand)? == b.ty(result)?).then_some(vec![operand])
}

/// Goes if it holds; one that does not is reported on lowering.
fn shape_assertion(b: &mut Build<'_, '_>, op: &Op, _call: &CustomCall) -> Option<Vec<ValueId>> {
    let holds = b.ed.body.constant(*op.operands.first()?)?.splat_bytes()? != [0];
    (holds && op.results.is_empty()).then(Vec::new)
}

/// Twenty rounds of Threefry on given keys and counters.
fn threefry(b: &mut Build<'_, '_>, op: &Op, _call: &CustomCall) -> Option<Vec<ValueId>> {
    let &[key0, key1, x, y] = op.operands.as_slice() else { return None };
    let ty = b.ty(x)?;
    let one = [key0, key1, y].into_iter().all(|v| b.ty(v).as_ref() == Some(&ty));
    if !one || ty.dtype() != Some(DType::U32) || op.results.len() != 2 {
        return None;
    }
    threefry_rounds(b, [key0, key1], [x, y]).map(|words| words.to_vec())
}

/// The largest elements of the last dimension, and their positions.
fn top_k(b: &mut Build<'_, '_>, op: &Op, _call: &CustomCall) -> Option<Vec<ValueId>> {
    let (&[operand], &[values, indices]) = (op.operands.as_slice(), op.results.as_slice()) else {
        return None;
    };
    let dims = b.dims(operand)?;
    let dim = dims.len().checked_sub(1)?;
    let positions = b.iota(dims[dim], b.ty(indices)?.dtype()?);
    let positions = b.broadcast(positions, &[dim as i64], &dims)?;
    let k = *b.dims(values)?.last()?;
    first_sorted(b, [operand, positions], dim, k, Direction::Gt)
}

/// XLA's approximate selection, computed exactly.
fn approximate_top_k(b: &mut Build<'_, '_>, op: &Op, call: &CustomCall) -> Option<Vec<ValueId>> {
    let &[operand, positions, ..] = op.operands.as_slice() else { return None };
    let Some(Attr::Int(dim, _)) = setting(op, call, "reduction_dim") else { return None };
    let dim =
        usize::try_from(dim).ok().filter(|&d| b.dims(operand).is_some_and(|n| d < n.len()))?;
    let k = *b.dims(*op.results.first()?)?.get(dim)?;
    // The comparator is a function of the module that JAX names by what it does.
    let computations = format!("{:?}", call.config.get("called_computations"));
    let direction = match () {
        () if computations.contains("top_k_gt") => Direction::Gt,
        () if computations.contains("top_k_lt") => Direction::Lt,
        () => return None,
    };
    if op.operands.len() != 4 || op.results.len() != 2 {
        return None;
    }
    first_sorted(b, [operand, positions], dim, k, direction)
}

/// The first `k` of the pairs, sorted stably by the first of them.
fn first_sorted(
    b: &mut Build<'_, '_>,
    pair: [ValueId; 2],
    dim: usize,
    k: u64,
    direction: Direction,
) -> Option<Vec<ValueId>> {
    let sorted = b.sort(&pair, dim, direction)?;
    let mut out = Vec::new();
    for value in sorted {
        out.push(b.slice(value, dim, 0, k)?);
    }
    Some(out)
}

/// What a false `shape_assertion` says: the message, with `{i}` replaced by operand `i + 1`.
pub fn assertion_message(op: &Op, numbers: &[Option<i64>]) -> String {
    let text = match op.attrs.get("error_message") {
        Some(Attr::String(text)) => text.to_string(),
        _ => "a shape assertion does not hold".to_owned(),
    };
    let fill = |text: String, (i, n): (usize, &Option<i64>)| match n {
        Some(n) => text.replace(&format!("{{{i}}}"), &n.to_string()),
        None => text,
    };
    numbers.iter().enumerate().fold(text, fill)
}

/// Why a call that is left cannot run on a device.
pub fn refusal(body: &crate::ir::Body, op: &Op, call: &CustomCall) -> String {
    if &*call.target == "shape_assertion" {
        let number = |v: &ValueId| {
            let values = crate::ops::attrs::dense_ints(body.constant(*v)?)?;
            values.first().copied()
        };
        let holds = op.operands.first().and_then(number);
        let numbers: Vec<Option<i64>> = op.operands.iter().skip(1).map(number).collect();
        return match holds {
            Some(_) => assertion_message(op, &numbers),
            None => "a `shape_assertion` on what is only known at run time".to_owned(),
        };
    }
    match lapack_advice(&call.target) {
        Some(advice) => {
            format!("`stablehlo.custom_call @{}` is not supported: {advice}", call.target)
        }
        None if is_known_target(&call.target) => {
            format!(
                "`stablehlo.custom_call @{}` has operands or settings that are not supported: \
             matrices of 32- or 64-bit floats or complex numbers, for example",
                call.target
            )
        }
        None => format!(
            "the target of `stablehlo.custom_call @{0}` is not known; `microhlo compile --extern {0}` \
             leaves it to the firmware, `microhlo partition` to the host",
            call.target
        ),
    }
}

/// What a routine that is not implemented would need.
fn lapack_advice(target: &str) -> Option<&'static str> {
    let has = |names: &[&str]| names.iter().any(|n| target.contains(n));
    if is_known_target(target) {
        None
    } else if has(&["geqp3"]) {
        Some("it computes a QR decomposition with pivots, which has no StableHLO operation")
    } else if has(&["geev", "geig"]) {
        Some("it computes eigenvalues of matrices that are not symmetric")
    } else if has(&["gehrd", "Hessenberg", "gees", "Schur", "sytrd", "hetrd"]) {
        Some("it computes a Hessenberg, Schur or tridiagonal form")
    } else if has(&["gesvdj", "gesvdp", "gesvd"]) {
        Some("it computes singular values by a routine of a GPU; export for the CPU")
    } else {
        None
    }
}
