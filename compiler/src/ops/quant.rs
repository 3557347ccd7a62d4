//! Constraints of quantised types: which operations take them, and how parameters of operands and
//! results go together.
//!
//! They stand here and not with each operation because most are the same rule under another label.

use super::convolution::Convolution;
use super::dot_general::DotGeneral;
use super::{ElementwiseOp, OpError, OpKind, OpView};
use crate::constraint;
use crate::ir::{Dim, ElementType, QuantType, TensorType, Type};

/// Operations that take parameters per axis. Those that are not StableHLO's carry any type.
const PER_AXIS: &[&str] = &[
    "add",
    "bitcast_convert",
    "broadcast_in_dim",
    "case",
    "composite",
    "constant",
    "convolution",
    "custom_call",
    "dot",
    "dot_general",
    "dynamic_broadcast_in_dim",
    "dynamic_conv",
    "dynamic_reshape",
    "get_dimension_size",
    "get_tuple_element",
    "if",
    "infeed",
    "outfeed",
    "recv",
    "reshape",
    "return",
    "send",
    "transpose",
    "tuple",
    "uniform_dequantize",
    "uniform_quantize",
    "while",
];

/// Operations that take no quantised types.
const PLAIN: &[&str] = &[
    "and",
    "complex",
    "convert",
    "count_leading_zeros",
    "fft",
    "imag",
    "not",
    "or",
    "popcnt",
    "real",
    "rng",
    "rng_bit_generator",
    "shift_left",
    "shift_right_arithmetic",
    "shift_right_logical",
    "xor",
];

/// Checks the constraints on quantised types of an operation.
///
/// # Errors
/// The first that is violated, with its label in the specification's section of the operation.
pub fn verify(kind: &OpKind, op: &OpView<'_>) -> Result<(), OpError> {
    let values = op.op.operands.iter().chain(&op.op.results).map(|&v| op.body.ty(v));
    let mut quantised = values.filter_map(Type::tensor).filter(|t| t.elem.quant().is_some());
    let Some(first) = quantised.next() else { return Ok(()) };
    if let Some(name) = kind.name().strip_prefix("stablehlo.") {
        constraint!(!PLAIN.contains(&name), "I1", "{name} takes no quantised types, has {first}");
        let per_axis = |t: &&TensorType| t.elem.quant().is_some_and(|q| q.axis.is_some());
        if let Some(ty) = [first].into_iter().chain(quantised).find(per_axis) {
            let takes = PER_AXIS.contains(&name);
            constraint!(takes, "I1", "{name} takes parameters per tensor only, has {ty}");
        }
    }
    match kind {
        OpKind::Elementwise(ElementwiseOp::Add) => add(op),
        OpKind::DotGeneral(d) => dot_general(d, op),
        OpKind::Convolution(c) => convolution(c, op),
        OpKind::DynamicConv(d) => convolution(&d.conv, op),
        OpKind::BroadcastInDim(b) => broadcast(&b.dims, op),
        OpKind::DynamicBroadcastInDim(b) => broadcast(&b.dims, op),
        OpKind::Reshape(_) | OpKind::DynamicReshape(_) => reshape(op),
        OpKind::Transpose(t) => transpose(&t.permutation, op),
        _ => baselines(kind, op),
    }
}

/// Whether types are equal but for scales and zero points (`baseline_element_type`).
pub(super) fn same_baseline(a: &ElementType, b: &ElementType) -> bool {
    match (a.quant(), b.quant()) {
        (Some(a), Some(b)) => same_storage(a, b) && a.axis == b.axis,
        _ => a == b,
    }
}

/// Whether storage, its range, and expressed type are equal.
fn same_storage(a: &QuantType, b: &QuantType) -> bool {
    (a.storage, a.storage_range, a.expressed) == (b.storage, b.storage_range, b.expressed)
}

/// Whether scales and zero points are equal.
fn same_parameters(a: &QuantType, b: &QuantType) -> bool {
    a.scales == b.scales && a.zero_points == b.zero_points
}

/// Which types must have one baseline: the operands from this one on, whether the results too, and
/// the label. `None` where nothing is said about it.
fn baseline_rule(kind: &OpKind) -> Option<(usize, bool, &'static str)> {
    Some(match kind {
        OpKind::Elementwise(ElementwiseOp::IsFinite) => return None,
        OpKind::Elementwise(ElementwiseOp::Clamp) => (0, true, "C3"),
        OpKind::Elementwise(ElementwiseOp::Select) => (1, true, "C2"),
        OpKind::Elementwise(_) => (0, true, "C1"),
        OpKind::Compare(_) => (0, false, "C1"),
        _ => match kind.name() {
            "stablehlo.cholesky" | "stablehlo.reduce_precision" | "stablehlo.triangular_solve" => {
                (0, true, "C1")
            }
            "stablehlo.batch_norm_inference"
            | "stablehlo.batch_norm_training"
            | "stablehlo.batch_norm_grad" => (0, true, "C2"),
            _ => return None,
        },
    })
}

fn baselines(kind: &OpKind, op: &OpView<'_>) -> Result<(), OpError> {
    let Some((from, results, label)) = baseline_rule(kind) else { return Ok(()) };
    let mut types = Vec::new();
    for i in from..op.op.operands.len() {
        types.push(op.tensor(i)?);
    }
    if results {
        for i in 0..op.op.results.len() {
            types.push(op.result_tensor(i)?);
        }
    }
    match types.iter().find(|t| !same_baseline(&t.elem, &types[0].elem)) {
        None => Ok(()),
        Some(other) => {
            let first = types[0];
            let text = format!("{first} and {other} differ in more than scales and zero points");
            Err(OpError::constraint(label, text))
        }
    }
}

/// The inferred types with the declared parameters, of an operation whose results may have scales
/// and zero points of their own.
pub(super) fn with_parameters(kind: &OpKind, op: &OpView<'_>, mut types: Vec<Type>) -> Vec<Type> {
    if baseline_rule(kind).is_none() {
        return types;
    }
    for (i, ty) in types.iter_mut().enumerate() {
        if let (Type::Tensor(ty), Ok(declared)) = (ty, op.result_tensor(i))
            && ty.elem.quant().is_some()
            && same_baseline(&ty.elem, &declared.elem)
        {
            ty.elem = declared.elem.clone();
        }
    }
    types
}

/// Operands and result as quantised types; fails with the label unless all are.
fn all_quantised<'a>(op: &OpView<'a>, label: &'static str) -> Result<Vec<&'a QuantType>, OpError> {
    let n = op.op.operands.len();
    let mut out = Vec::new();
    for i in 0..=n {
        let ty = if i < n { op.tensor(i)? } else { op.result_tensor(0)? };
        let Some(q) = ty.elem.quant() else {
            let text = format!("operands and result must all be quantised, one is {ty}");
            return Err(OpError::constraint(label, text));
        };
        out.push(&**q);
    }
    Ok(out)
}

fn add(op: &OpView<'_>) -> Result<(), OpError> {
    let all = all_quantised(op, "C2")?;
    let [lhs, rhs, result] = all.as_slice() else {
        return Err(OpError::new("has two operands"));
    };
    let stored = |q: &QuantType| (q.storage, q.storage_range);
    let storage = stored(lhs) == stored(rhs) && stored(rhs) == stored(result);
    constraint!(storage, "C3", "storage types of {lhs}, {rhs} and {result} differ");
    let expressed = lhs.expressed == rhs.expressed && rhs.expressed == result.expressed;
    constraint!(expressed, "C4", "expressed types of {lhs}, {rhs} and {result} differ");
    constraint!(
        (lhs.axis.is_some() || rhs.axis.is_some()) == result.axis.is_some(),
        "C5",
        "{result} must have parameters per axis just if {lhs} or {rhs} has"
    );
    for (operand, label) in [(lhs, "C6"), (rhs, "C7")] {
        if operand.axis.is_some() && operand.axis != result.axis {
            let text = format!("{operand} and {result} have parameters for different axes");
            return Err(OpError::constraint(label, text));
        }
    }
    Ok(())
}

/// Labels of the constraints that `dot_general` and `convolution` share: both quantised or
/// neither, storage, expressed types, granularity, hybrid.
struct Labels {
    both: &'static str,
    storage: &'static str,
    expressed: &'static str,
    granularity: &'static str,
    hybrid: &'static str,
}

/// Checks what all contractions ask for; gives the right-hand side's and the result's parameters.
fn contraction<'a>(
    op: &OpView<'a>,
    labels: &Labels,
) -> Result<(&'a QuantType, Option<&'a QuantType>), OpError> {
    let (l, r, out) = (op.tensor(0)?, op.tensor(1)?, op.result_tensor(0)?);
    let fail = |label, text: String| Err(OpError::constraint(label, text));
    let (lhs, result) = (l.elem.quant(), out.elem.quant());
    let (Some(rhs), true) = (r.elem.quant(), lhs.is_some() == result.is_some()) else {
        let text = format!("{r} must be quantised, and both of {l} and {out} or neither");
        return fail(labels.both, text);
    };
    let (Some(lhs), Some(result)) = (lhs, result) else {
        if l.dtype() == Some(rhs.expressed) && out.dtype() == l.dtype() {
            return Ok((rhs, None));
        }
        return fail(labels.hybrid, format!("{l} and {out} must have the expressed type of {r}"));
    };
    if lhs.axis.is_some() {
        return fail("I1", format!("{l} must have parameters per tensor"));
    }
    if lhs.storage != rhs.storage {
        return fail(labels.storage, format!("storage types of {l} and {r} differ"));
    }
    if lhs.expressed != rhs.expressed || rhs.expressed != result.expressed {
        return fail(labels.expressed, format!("expressed types of {l}, {r} and {out} differ"));
    }
    if rhs.axis.is_none() && result.axis.is_some() {
        return fail(labels.granularity, format!("{out} must have parameters per tensor, as {r}"));
    }
    Ok((rhs, Some(result)))
}

fn dot_general(d: &DotGeneral, op: &OpView<'_>) -> Result<(), OpError> {
    let r = op.tensor(1)?;
    if let Some(rhs) = r.elem.quant() {
        let zero = rhs.zero_points.iter().all(|&z| z == 0);
        constraint!(zero, "C15", "zero points of {r} must be zero");
        let contracted = rhs.axis.is_some_and(|axis| d.rhs_contracting.contains(&i64::from(axis)));
        constraint!(!contracted, "C16", "the quantised axis of {r} must not be contracted");
    }
    let labels =
        Labels { both: "C14", storage: "C17", expressed: "C18", granularity: "C19", hybrid: "C20" };
    contraction(op, &labels).map(|_| ())
}

fn convolution(c: &Convolution, op: &OpView<'_>) -> Result<(), OpError> {
    let labels =
        Labels { both: "C28", storage: "C31", expressed: "C32", granularity: "C33", hybrid: "C34" };
    let (rhs, result) = contraction(op, &labels)?;
    let is = |axis: Option<u32>, dim: i64| axis.is_none_or(|axis| i64::from(axis) == dim);
    constraint!(
        is(rhs.axis, c.dims.kernel_output_feature),
        "C29",
        "{rhs} must have parameters for the kernel's output features"
    );
    if let Some(result) = result {
        constraint!(
            is(result.axis, c.dims.output_feature),
            "C30",
            "{result} must have parameters for the output features"
        );
    }
    Ok(())
}

/// Operand and result of an operation that moves elements: equal types, or both per axis with
/// equal storage.
fn moved<'a>(op: &OpView<'a>) -> Result<Option<(u32, &'a QuantType, u32, &'a QuantType)>, OpError> {
    let (operand, out) = (op.tensor(0)?, op.result_tensor(0)?);
    let fail = || {
        let text = format!("{operand} and {out} must agree in their parameters");
        Err(OpError::constraint("C1", text))
    };
    let (Some(from), Some(to)) = (operand.elem.quant(), out.elem.quant()) else { return fail() };
    match (from.axis, to.axis) {
        (None, None) if from == to => Ok(None),
        (Some(a), Some(b)) if same_storage(from, to) => Ok(Some((a, &**from, b, &**to))),
        _ => fail(),
    }
}

fn broadcast(dims: &[i64], op: &OpView<'_>) -> Result<(), OpError> {
    let Some((axis, from, result_axis, to)) = moved(op)? else { return Ok(()) };
    constraint!(
        dims.get(axis as usize) == Some(&i64::from(result_axis)),
        "C6",
        "axis {axis} of {from} does not become axis {result_axis} of {to}"
    );
    let one = op.tensor(0)?.dims.get(axis as usize).is_some_and(|d| d.size() == Some(1));
    let repeated = one
        && to.scales.iter().all(|s| Some(s) == from.scales.first())
        && to.zero_points.iter().all(|z| Some(z) == from.zero_points.first());
    let ok = repeated || !one && same_parameters(from, to);
    constraint!(ok, "C6", "parameters of {to} are not those of {from}");
    Ok(())
}

fn transpose(permutation: &[i64], op: &OpView<'_>) -> Result<(), OpError> {
    let Some((axis, from, result_axis, to)) = moved(op)? else { return Ok(()) };
    constraint!(same_parameters(from, to), "C1", "parameters of {to} are not those of {from}");
    constraint!(
        permutation.get(result_axis as usize) == Some(&i64::from(axis)),
        "C4",
        "axis {axis} of {from} does not become axis {result_axis} of {to}"
    );
    Ok(())
}

fn reshape(op: &OpView<'_>) -> Result<(), OpError> {
    let Some((axis, from, result_axis, to)) = moved(op)? else { return Ok(()) };
    constraint!(same_parameters(from, to), "C1", "parameters of {to} are not those of {from}");
    let product = |dims: &[Dim]| dims.iter().map(|d| d.size()).product::<Option<u64>>();
    let around = |t: &TensorType, axis: u32| {
        let (before, rest) = t.dims.split_at_checked(axis as usize)?;
        let (_, after) = rest.split_first()?;
        Some((product(before)?, product(after)?))
    };
    let (operand, out) = (op.tensor(0)?, op.result_tensor(0)?);
    if let (Some(a), Some(b)) = (around(operand, axis), around(out, result_axis)) {
        constraint!(
            a == b,
            "C3",
            "dimensions before and after the quantised axes of {operand} and {out} differ in size"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::diag::Source;
    use crate::front::mlir::parse_module;

    /// The label of what is wrong with one operation; `None` if nothing is.
    fn label(op: &str, operands: &[&str], result: &str) -> Option<&'static str> {
        let names: Vec<String> = (0..operands.len()).map(|i| format!("%{i}")).collect();
        let args: Vec<String> =
            names.iter().zip(operands).map(|(n, t)| format!("{n}: tensor<{t}>")).collect();
        let types: Vec<String> = operands.iter().map(|t| format!("tensor<{t}>")).collect();
        let (op, attrs) = op.split_once(' ').unwrap_or((op, ""));
        let text = format!(
            "func.func @main({}) {{\n  %r = \"stablehlo.{op}\"({}) {attrs} : ({}) -> tensor<{result}>\n  \
             func.return\n}}",
            args.join(", "),
            names.join(", "),
            types.join(", ")
        );
        let module = match parse_module(&Source::new("t.mlir", text.as_str())) {
            Ok(module) => module,
            Err(error) => panic!("{error}"),
        };
        let errors = crate::verify::verify(&module).err()?;
        Some(errors[0].constraint.unwrap_or("none"))
    }

    const Q: &str = "!quant.uniform<i8:f32, 0.5:3>";
    const R: &str = "!quant.uniform<i8:f32, 0.25>";
    const WIDE: &str = "!quant.uniform<i16:f32, 0.25>";
    const HALF: &str = "!quant.uniform<i8:f16, 0.25>";
    const AXIS0: &str = "!quant.uniform<i8:f32:0, {0.1, 0.2}>";
    const AXIS1: &str = "!quant.uniform<i8:f32:1, {0.1, 0.2}>";

    fn t(dims: &str, elem: &str) -> String {
        format!("{dims}x{elem}")
    }

    #[test]
    fn operations_take_what_the_specification_lists() {
        assert_eq!(label("tanh", &[&t("2", Q)], &t("2", R)), None);
        assert_eq!(label("tanh", &[&t("2", AXIS0)], &t("2", AXIS0)), Some("I1"));
        assert_eq!(label("convert", &[&t("2", Q)], "2xf32"), Some("I1"));
        assert_eq!(label("and", &[&t("2", Q), &t("2", Q)], &t("2", Q)), Some("I1"));
    }

    #[test]
    fn elementwise_operations_keep_all_but_scales_and_zero_points() {
        assert_eq!(label("multiply", &[&t("2", Q), &t("2", R)], &t("2", Q)), None);
        assert_eq!(label("multiply", &[&t("2", Q), &t("2", WIDE)], &t("2", Q)), Some("C1"));
        assert_eq!(label("negate", &[&t("2", Q)], "2xf32"), Some("C1"));
        let pred = "2xi1";
        assert_eq!(label("select", &[pred, &t("2", Q), &t("2", R)], &t("2", HALF)), Some("C2"));
        assert_eq!(label("clamp", &[Q, &t("2", Q), HALF], &t("2", Q)), Some("C3"));
        let less = "compare {comparison_direction = #stablehlo<comparison_direction LT>}";
        assert_eq!(label(less, &[&t("2", Q), &t("2", R)], "2xi1"), None);
        assert_eq!(label(less, &[&t("2", Q), &t("2", WIDE)], "2xi1"), Some("C1"));
        let norm = "batch_norm_inference {epsilon = 0.1 : f32, feature_index = 1 : i64}";
        let norm = |a: &str, mean: &str, out: &str| {
            let (features, a) = (t("3", R), t("2x3", a));
            label(norm, &[&a, &features, &features, &t("3", mean), &features], &t("2x3", out))
        };
        assert_eq!(norm(Q, Q, R), None);
        assert_eq!(norm(Q, HALF, Q), Some("C2"));
        assert_eq!(norm(Q, Q, WIDE), Some("C2"));
        let (a, b) = (t("2x2", Q), t("2x2", R));
        assert_eq!(label("cholesky {lower = true}", &[&a], &b), None);
        let solve = "triangular_solve {left_side = true, lower = true, unit_diagonal = false, \
                     transpose_a = #stablehlo<transpose NO_TRANSPOSE>}";
        assert_eq!(label(solve, &[&a, &b], &a), None);
        assert_eq!(label(solve, &[&a, &t("2x2", HALF)], &a), Some("C1"));
        let narrow = "reduce_precision {exponent_bits = 5 : i32, mantissa_bits = 10 : i32}";
        assert_eq!(label(narrow, &[&a], &b), None);
    }

    #[test]
    fn sums_may_have_parameters_per_axis() {
        let add =
            |a: &str, b: &str, c: &str| label("add", &[&t("2x2", a), &t("2x2", b)], &t("2x2", c));
        assert_eq!(add(Q, R, Q), None);
        assert_eq!(add(AXIS0, Q, AXIS0), None);
        assert_eq!(add(Q, "f32", Q), Some("C2"));
        assert_eq!(add(Q, Q, WIDE), Some("C3"));
        assert_eq!(add(Q, HALF, Q), Some("C4"));
        assert_eq!(add(Q, Q, AXIS0), Some("C5"));
        assert_eq!(add(AXIS1, Q, AXIS0), Some("C6"));
        assert_eq!(add(Q, AXIS1, AXIS0), Some("C7"));
    }

    #[test]
    fn products_of_matrices() {
        let dot = |a: &str, b: &str, c: &str| {
            let op = "dot_general {dot_dimension_numbers = #stablehlo.dot<\
                      lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>}";
            label(op, &[&t("2x2", a), &t("2x2", b)], &t("2x2", c))
        };
        assert_eq!(dot(Q, R, Q), None);
        assert_eq!(dot(Q, AXIS1, AXIS1), None);
        assert_eq!(dot("f32", AXIS1, "f32"), None);
        assert_eq!(dot(Q, "f32", Q), Some("C14"));
        assert_eq!(dot(Q, R, "f32"), Some("C14"));
        assert_eq!(dot(Q, Q, Q), Some("C15"));
        assert_eq!(dot(Q, AXIS0, Q), Some("C16"));
        assert_eq!(dot(Q, WIDE, Q), Some("C17"));
        assert_eq!(dot(Q, HALF, Q), Some("C18"));
        assert_eq!(dot(Q, R, AXIS1), Some("C19"));
        assert_eq!(dot("f32", HALF, "f32"), Some("C20"));
    }

    #[test]
    fn convolutions() {
        let conv = |a: &str, b: &str, c: &str| {
            let op = "convolution {dimension_numbers = #stablehlo.conv<[b, f, 0]x[i, o, 0]->[b, f, 0]>, \
                      feature_group_count = 1 : i64, batch_group_count = 1 : i64}";
            label(op, &[&t("2x2x3", a), &t("2x2x3", b)], &t("2x2x1", c))
        };
        assert_eq!(conv(Q, AXIS1, AXIS1), None);
        assert_eq!(conv("f32", AXIS1, "f32"), None);
        assert_eq!(conv(Q, R, "f32"), Some("C28"));
        assert_eq!(conv(Q, AXIS0, AXIS1), Some("C29"));
        assert_eq!(conv(Q, AXIS1, AXIS0), Some("C30"));
        assert_eq!(conv(WIDE, R, Q), Some("C31"));
        assert_eq!(conv(HALF, R, Q), Some("C32"));
        assert_eq!(conv(Q, R, AXIS1), Some("C33"));
        assert_eq!(conv("f32", HALF, "f32"), Some("C34"));
    }

    #[test]
    fn axes_move_with_their_dimensions() {
        let transpose = "transpose {permutation = array<i64: 1, 0>}";
        assert_eq!(label(transpose, &[&t("2x3", AXIS0)], &t("3x2", AXIS1)), None);
        assert_eq!(label(transpose, &[&t("2x2", AXIS0)], &t("2x2", AXIS0)), Some("C4"));
        assert_eq!(label(transpose, &[&t("2x2", Q)], &t("2x2", R)), Some("C1"));
        assert_eq!(label("reshape", &[&t("2x3x2", AXIS0)], &t("2x6", AXIS0)), None);
        assert_eq!(label("reshape", &[&t("2x2x3", AXIS0)], &t("2x2x3", AXIS1)), Some("C3"));
        let broadcast = "broadcast_in_dim {broadcast_dimensions = array<i64: 1>}";
        assert_eq!(label(broadcast, &[&t("2", AXIS0)], &t("3x2", AXIS1)), None);
        assert_eq!(label(broadcast, &[&t("2", AXIS0)], &t("2x2", AXIS0)), Some("C6"));
        let one = "1x!quant.uniform<i8:f32:0, {0.1:5}>";
        let (same, other) = ("{0.1:5, 0.1:5}", "{0.1:5, 0.1:6}");
        let to = |list: &str| format!("3x2x!quant.uniform<i8:f32:1, {list}>");
        assert_eq!(label(broadcast, &[one], &to(same)), None);
        assert_eq!(label(broadcast, &[one], &to(other)), Some("C6"));
    }
}
