//! Quantised programs on the integer kernels: the evaluator's bits, and nothing left beside them.

use super::tests::{kernels, results, same_bits};

const X: &str = "!quant.uniform<i8:f32, 0.05:-7>";

/// Weights as a hexadecimal constant of `n` bytes.
fn bytes(n: usize) -> String {
    (0..n).map(|i| format!("{:02X}", (i * 89 + 41) % 251)).collect()
}

/// The same as integers of 16 bits.
fn words(n: usize) -> String {
    let word = |i: usize| i16::from(((i * 89 + 41) % 251) as u8 as i8).swap_bytes();
    (0..n).map(|i| format!("{:04X}", word(i))).collect()
}

fn list(n: usize, f: impl Fn(usize) -> f64) -> String {
    let all: Vec<String> = (0..n).map(|i| format!("{:?}", f(i))).collect();
    all.join(", ")
}

/// A convolution of `dims` with kernel `[h, w, i, o]`, bias and requantisation.
fn conv(dims: [usize; 4], k: [usize; 4], groups: usize, window: &str, out: &str) -> String {
    conv_of(["i8", "0.05:-7", "0.11:12"], dims, k, groups, window, out)
}

/// The same of a storage type, with scale and zero point of operand and result.
pub(super) fn conv_of(
    [storage, operand, result]: [&str; 3],
    dims: [usize; 4],
    k: [usize; 4],
    groups: usize,
    window: &str,
    out: &str,
) -> String {
    let o = k[3];
    let scale = |i: usize| 0.001 + 0.0003 * (i % 5) as f64;
    let unit: f64 = operand.split(':').next().and_then(|s| s.parse().ok()).expect("a scale");
    let (ws, accs) = (list(o, scale), list(o, |i| scale(i) * unit));
    let [d, e, f, g] = dims;
    let x = format!("tensor<{d}x{e}x{f}x{g}x!quant.uniform<{storage}:f32, {operand}>>");
    let r = format!("!quant.uniform<{storage}:f32, {result}>");
    let ranged = if storage == "i8" { "i8" } else { "i16<-128:127>" };
    let elem = format!("!quant.uniform<{ranged}:f32:3, {{{ws}}}>");
    let wt = format!("tensor<{}x{}x{}x{o}x{elem}>", k[0], k[1], k[2]);
    let n = k.iter().product();
    let weights = if storage == "i8" { bytes(n) } else { words(n) };
    let acc = format!("!quant.uniform<i32:f32:3, {{{accs}}}>");
    let b = format!("tensor<{o}x!quant.uniform<i32:f32:0, {{{accs}}}>>");
    let bias: Vec<String> = (0..o).map(|i| (700 - 231 * i as i64).to_string()).collect();
    let bias = bias.join(", ");
    format!(
        "func.func @main(%x: {x}) -> tensor<{out}x{r}> {{
  %w = stablehlo.constant() <{{value = dense<\"0x{weights}\"> : tensor<{}x{}x{}x{o}x{storage}>}}> : () -> {wt}
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {{{window}}} {{batch_group_count = 1 : i64, feature_group_count = {groups} : i64}} : ({x}, {wt}) -> tensor<{out}x{acc}>
  %b = stablehlo.constant() <{{value = dense<[{bias}]> : tensor<{o}xi32>}}> : () -> {b}
  %c = stablehlo.broadcast_in_dim %b, dims = [3] : ({b}) -> tensor<{out}x{acc}>
  %1 = stablehlo.add %0, %c : tensor<{out}x{acc}>
  %2 = stablehlo.uniform_quantize %1 : (tensor<{out}x{acc}>) -> tensor<{out}x{r}>
  return %2 : tensor<{out}x{r}>
}}",
        k[0], k[1], k[2]
    )
}

#[test]
fn convolutions_run_on_one_kernel_with_all_that_follows() {
    for (text, kernel) in [
        (conv([1, 5, 6, 3], [3, 2, 3, 5], 1, "pad = [[1, 1], [1, 0]]", "1x5x6x5"), "conv_i8"),
        (conv([1, 5, 6, 4], [1, 1, 4, 6], 1, "stride = [2, 2]", "1x3x3x6"), "conv_i8"),
        (conv([2, 5, 6, 6], [2, 2, 3, 8], 2, "rhs_dilate = [2, 1]", "2x3x5x8"), "conv_i8"),
        (conv([1, 7, 5, 5], [3, 3, 1, 5], 5, "pad = [[1, 1], [1, 1]]", "1x7x5x5"), "depthwise_i8"),
        (conv([1, 7, 5, 3], [3, 3, 1, 6], 3, "stride = [1, 2]", "1x5x2x6"), "depthwise_i8"),
        (conv([1, 6, 5, 2], [3, 1, 2, 4], 1, "pad = [[-1, 2], [0, 0]]", "1x5x5x4"), "conv_i8"),
    ] {
        let compiled = same_bits(&text);
        assert_eq!(kernels(&compiled), [kernel], "{text}");
    }
}

/// Scales that are powers of two make results that lie between two integers.
#[test]
fn ties_and_single_scales_are_absorbed_too() {
    let text = conv([1, 5, 6, 3], [3, 2, 3, 5], 1, "pad = [[1, 1], [1, 0]]", "1x5x6x5");
    let scales = |factor: f64| list(5, |i| (0.001 + 0.0003 * i as f64) * factor);
    let text = text.replace(&scales(1.0), &list(5, |_| 0.03125)).replace("0.11:12", "0.5:13");
    let text =
        text.replace(&scales(0.05), &list(5, |_| 0.03125 * 0.0625)).replace("0.05:-7", "0.0625:-7");
    assert_eq!(kernels(&same_bits(&text)), ["conv_i8"]);
    assert_eq!(kernels(&same_bits(&text.replace("0.5:13", "0.5:12"))), ["conv_i8"]);
}

#[test]
fn sums_without_requantisation_stay_sums() {
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<3x4xi8>) -> (tensor<3x2xi32>, tensor<2x2xi32>) {
  %w = stablehlo.constant dense<[[1, -2], [25, 4], [-128, 5], [3, 127]]> : tensor<4x2xi8>
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<3x4xi8>, tensor<4x2xi8>) -> tensor<3x2xi32>
  %b = stablehlo.constant dense<[[7, -100000], [7, -100000]]> : tensor<2x2xi32>
  %v = stablehlo.constant dense<[[1, -2], [25, 4], [-128, 5]]> : tensor<3x2xi8>
  %s = stablehlo.slice %x [0:3, 0:2] : (tensor<3x4xi8>) -> tensor<3x2xi8>
  %1 = stablehlo.dot_general %s, %v, contracting_dims = [0] x [0] : (tensor<3x2xi8>, tensor<3x2xi8>) -> tensor<2x2xi32>
  %2 = stablehlo.subtract %1, %b : tensor<2x2xi32>
  return %0, %2 : tensor<3x2xi32>, tensor<2x2xi32>
}"#,
    );
    let kinds = kernels(&compiled);
    assert_eq!(kinds.iter().filter(|k| **k == "conv_i8").count(), 2, "{kinds:?}");
}

#[test]
fn residuals_are_sums_and_functions_are_tables() {
    let (a, b, c) = (X, "!quant.uniform<i8:f32, 0.02:100>", "!quant.uniform<i8:f32, 0.07:-128>");
    let t = |q: &str| format!("tensor<4x20x{q}>");
    let (ta, tb, tc) = (t(a), t(b), t(c));
    for op in ["add", "subtract"] {
        let text = format!(
            "func.func @main(%x: {ta}, %y: {tb}) -> {tc} {{
  %0 = stablehlo.{op} %x, %y : ({ta}, {tb}) -> {tc}
  return %0 : {tc}
}}"
        );
        assert_eq!(kernels(&same_bits(&text)), ["sum_i8"]);
    }
    for body in [
        format!("%0 = stablehlo.uniform_quantize %x : ({ta}) -> {tc}"),
        format!("%0 = stablehlo.tanh %x : ({ta}) -> {tc}"),
        format!(
            "%1 = stablehlo.logistic %x : ({ta}) -> {tb}\n  %0 = stablehlo.uniform_quantize %1 : ({tb}) -> {tc}"
        ),
    ] {
        let text =
            format!("func.func @main(%x: {ta}) -> {tc} {{\n  {body}\n  return %0 : {tc}\n}}");
        assert_eq!(kernels(&same_bits(&text)), ["table_i8"], "{body}");
    }
}

/// Operands of a concatenation are rescaled where they go, whether they are quantised between or floats; what has
/// the result's scale already is copied, and what others need, too.
#[test]
fn operands_of_concatenations_are_rescaled_in_their_places() {
    let (a, b, c) = (X, "!quant.uniform<i8:f32, 0.02:100>", "!quant.uniform<i8:f32, 0.07:-128>");
    let t = |d: [usize; 2], q: &str| format!("tensor<{}x{}x{q}>", d[0], d[1]);
    for (dim, x, y, z) in [(1, [6, 16], [6, 20], [6, 36]), (0, [6, 16], [9, 16], [15, 16])] {
        let (tx, ty, tz, out) = (t(x, a), t(y, b), t(x, c), t([z[0], z[1]], c));
        let (fx, fy, fz) = (t(x, "f32"), t(y, "f32"), t(z, "f32"));
        let integers = format!(
            "func.func @main(%x: {tx}, %y: {ty}) -> {out} {{
  %0 = stablehlo.uniform_quantize %x : ({tx}) -> {tz}
  %1 = stablehlo.uniform_quantize %y : ({ty}) -> {}
  %2 = stablehlo.concatenate %0, %1, dim = {dim} : ({tz}, {}) -> {out}
  return %2 : {out}
}}",
            t(y, c),
            t(y, c)
        );
        assert_eq!(kernels(&same_bits(&integers)), ["table_move_i8"; 2], "{integers}");
        let floats = format!(
            "func.func @main(%x: {tx}, %y: {ty}) -> {out} {{
  %0 = stablehlo.uniform_dequantize %x : ({tx}) -> {fx}
  %1 = stablehlo.uniform_dequantize %y : ({ty}) -> {fy}
  %2 = stablehlo.concatenate %0, %1, dim = {dim} : ({fx}, {fy}) -> {fz}
  %3 = stablehlo.uniform_quantize %2 : ({fz}) -> {out}
  return %3 : {out}
}}"
        );
        assert_eq!(kernels(&same_bits(&floats)), ["table_move_i8"; 2], "{floats}");
        let all = t([z[0] + x[0] * (1 - dim), z[1] + x[1] * dim], c);
        let shared = format!(
            "func.func @main(%x: {tx}, %y: {ty}, %z: {tz}) -> ({out}, {tz}, {all}) {{
  %0 = stablehlo.uniform_quantize %x : ({tx}) -> {tz}
  %1 = stablehlo.tanh %y : ({ty}) -> {}
  %2 = stablehlo.concatenate %z, %1, dim = {dim} : ({tz}, {}) -> {out}
  %3 = stablehlo.concatenate %2, %0, dim = {dim} : ({out}, {tz}) -> {all}
  return %2, %0, %3 : {out}, {tz}, {all}
}}",
            t(y, c),
            t(y, c)
        );
        let compiled = same_bits(&shared);
        let mut kinds = kernels(&compiled);
        kinds.sort_unstable();
        assert_eq!(kinds, ["move_", "move_", "move_", "table_i8", "table_move_i8"], "{shared}");
    }
}

/// Products of two values: all elements, with a gate for each channel, and with a mask for each pixel; where
/// results cannot lie between two integers, where they can, and where the ratio of scales is large.
#[test]
fn products_of_two_values_run_on_one_kernel() {
    let types = |b: &str, c: &str| {
        (format!("!quant.uniform<i8:f32, {b}>"), format!("!quant.uniform<i8:f32, {c}>"))
    };
    for (b, c) in [
        types("0.0039:-128", "0.0413:12"),
        types("0.00390625:-128", "0.04:12"),
        types("0.9:5", "0.11:0"),
    ] {
        for gate in ["1x3x4x5", "1x1x1x5", "1x3x4x1", "1x1x1x1"] {
            let (ta, tb) = (format!("tensor<1x3x4x5x{X}>"), format!("tensor<1x3x4x5x{b}>"));
            let (tg, tc) = (format!("tensor<{gate}x{b}>"), format!("tensor<1x3x4x5x{c}>"));
            for operands in ["%x, %g", "%g, %x"] {
                let types = if operands == "%x, %g" { [&ta, &tb] } else { [&tb, &ta] };
                let text = format!(
                    "func.func @main(%x: {ta}, %y: {tg}) -> {tc} {{
  %g = stablehlo.broadcast_in_dim %y, dims = [0, 1, 2, 3] : ({tg}) -> {tb}
  %0 = stablehlo.multiply {operands} : ({}, {}) -> {tc}
  return %0 : {tc}
}}",
                    types[0], types[1]
                );
                assert_eq!(kernels(&same_bits(&text)), ["product_i8"], "{text}");
            }
        }
    }
}

/// Attention's products of two values, of heads that lie beside each other.
#[test]
fn batched_products_of_two_values_run_on_one_kernel() {
    let product = |[l, r, out]: [&str; 3], [lb, rb, lc, rc]: [&str; 4], zero: i32| {
        let (l, r) =
            (format!("tensor<{l}x{X}>"), format!("tensor<{r}x!quant.uniform<i8:f32, 0.04>>"));
        let out = format!("tensor<{out}x!quant.uniform<i8:f32, 0.41:{zero}>>");
        format!(
            "func.func @main(%x: {l}, %y: {r}) -> {out} {{
  %0 = stablehlo.dot_general %x, %y, batching_dims = [{lb}] x [{rb}], contracting_dims = [{lc}] x [{rc}] : ({l}, {r}) -> {out}
  return %0 : {out}
}}"
        )
    };
    for text in [
        product(["1x6x2x5", "1x7x2x5", "1x2x6x7"], ["0, 2", "0, 2", "3", "3"], 9),
        product(["1x2x6x7", "1x7x2x5", "1x2x6x5"], ["0, 1", "0, 2", "3", "1"], -20),
        product(["2x3x4", "2x9x4", "2x3x9"], ["0", "0", "2", "2"], 0),
    ] {
        assert_eq!(kernels(&same_bits(&text)), ["dot_i8"], "{text}");
    }
    let sums = "func.func @main(%x: tensor<2x5x6xi8>, %y: tensor<2x6x3xi8>) -> tensor<2x5x3xi32> {
  %0 = stablehlo.dot_general %x, %y, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x5x6xi8>, tensor<2x6x3xi8>) -> tensor<2x5x3xi32>
  return %0 : tensor<2x5x3xi32>
}";
    assert_eq!(kernels(&same_bits(sums)), ["dot_i8"]);
}

/// Operands are dilated by the convolution where zero is stored as 0, else by a `pad` with the zero point.
#[test]
fn transposed_convolutions_are_ordinary_ones_of_their_phases() {
    for (window, k, out) in [
        ("pad = [[1, 2], [1, 2]], lhs_dilate = [2, 2]", [3, 3, 4, 5], "1x10x14x5"),
        ("pad = [[2, 2], [0, 1]], lhs_dilate = [2, 3]", [4, 2, 4, 3], "1x10x19x3"),
        ("pad = [[-1, 3], [0, 0]], lhs_dilate = [3, 1]", [2, 1, 4, 6], "1x14x7x6"),
        ("pad = [[0, 0], [0, 0]], lhs_dilate = [2, 2]", [1, 1, 4, 2], "1x9x13x2"),
    ] {
        let text = conv([1, 5, 7, 4], k, 1, window, out);
        for text in [text.clone(), text.replace("0.05:-7", "0.05:0")] {
            let compiled = same_bits(&text);
            let kinds = kernels(&compiled);
            let only = kinds.iter().all(|k| ["conv_i8", "move_"].contains(k));
            assert!(only, "{kinds:?}: {text}");
        }
    }
    let text = conv(
        [1, 5, 7, 4],
        [3, 3, 1, 4],
        4,
        "pad = [[1, 1], [1, 1]], lhs_dilate = [2, 2]",
        "1x9x13x4",
    );
    assert!(kernels(&same_bits(&text)).iter().any(|k| k.starts_with("depthwise")));
    // A stride as well is left to the general kernels.
    same_bits(&conv(
        [1, 5, 7, 4],
        [3, 3, 4, 2],
        1,
        "stride = [2, 1], lhs_dilate = [2, 2]",
        "1x4x11x2",
    ));
}

/// Attention and a gate as floats between pairs, which become products of integers.
#[test]
fn pairs_around_products_of_two_values_become_integer_kernels() {
    let (q, p) = ("!quant.uniform<i8:f32, 0.05:-7>", "!quant.uniform<i8:f32, 0.0039:-128>");
    let s = "!quant.uniform<i8:f32, 0.3:11>";
    let text = format!(
        "func.func @main(%x: tensor<2x5x8x{q}>, %y: tensor<2x6x8x{p}>, %g: tensor<2x1x6x{p}>) -> tensor<2x5x6x{s}> {{
  %0 = stablehlo.uniform_dequantize %x : (tensor<2x5x8x{q}>) -> tensor<2x5x8xf32>
  %1 = stablehlo.uniform_dequantize %y : (tensor<2x6x8x{p}>) -> tensor<2x6x8xf32>
  %2 = stablehlo.dot_general %0, %1, batching_dims = [0] x [0], contracting_dims = [2] x [2] : (tensor<2x5x8xf32>, tensor<2x6x8xf32>) -> tensor<2x5x6xf32>
  %3 = stablehlo.uniform_quantize %2 : (tensor<2x5x6xf32>) -> tensor<2x5x6x{s}>
  %4 = stablehlo.uniform_dequantize %3 : (tensor<2x5x6x{s}>) -> tensor<2x5x6xf32>
  %5 = stablehlo.uniform_dequantize %g : (tensor<2x1x6x{p}>) -> tensor<2x1x6xf32>
  %6 = stablehlo.broadcast_in_dim %5, dims = [0, 1, 2] : (tensor<2x1x6xf32>) -> tensor<2x5x6xf32>
  %7 = stablehlo.multiply %4, %6 : tensor<2x5x6xf32>
  %8 = stablehlo.uniform_quantize %7 : (tensor<2x5x6xf32>) -> tensor<2x5x6x{s}>
  return %8 : tensor<2x5x6x{s}>
}}"
    );
    assert_eq!(kernels(&same_bits(&text)), ["dot_i8", "product_i8"]);
}

/// The float operations read the conversion that the sum looks through, so its operand has no user
/// outside of their kernel, which must store it all the same.
#[test]
fn a_summand_that_floats_read_too_is_stored() {
    let (a, b, c) = (X, "!quant.uniform<i8:f32, 0.02:100>", "!quant.uniform<i8:f32, 0.07:-128>");
    let [tf, ta, tb, tc] = ["f32", a, b, c].map(|t| format!("tensor<4x20x{t}>"));
    let text = format!(
        "func.func @main(%x: {tf}, %y: {tb}) -> ({tc}, {tf}) {{
  %f = stablehlo.add %x, %x : {tf}
  %q = stablehlo.uniform_quantize %f : ({tf}) -> {ta}
  %0 = stablehlo.add %q, %y : ({ta}, {tb}) -> {tc}
  %d = stablehlo.uniform_dequantize %q : ({ta}) -> {tf}
  %e = stablehlo.multiply %d, %d : {tf}
  return %0, %e : {tc}, {tf}
}}"
    );
    assert_eq!(kernels(&same_bits(&text)), ["map", "sum_i8"]);
}

/// The same network in floats between pairs, and the result of the integers beside it.
#[test]
fn pairs_around_float_operations_become_integer_kernels() {
    let (q, r) = ("!quant.uniform<i8:f32, 0.05:-7>", "!quant.uniform<i8:f32, 0.02:-128>");
    let weights = bytes(3 * 3 * 4 * 8);
    let text = format!(
        "func.func @main(%x: tensor<1x8x8x4x{q}>) -> tensor<1x8x{r}> {{
  %w = stablehlo.constant() <{{value = dense<\"0x{weights}\"> : tensor<3x3x4x8xi8>}}> : () -> tensor<3x3x4x8x!quant.uniform<i8:f32, 0.001>>
  %b = stablehlo.constant dense<[0.1, -0.2, 0.3, 0.0, 0.5, 0.05, -0.7, 1.5]> : tensor<8xf32>
  %z = stablehlo.constant dense<0.0> : tensor<f32>
  %six = stablehlo.constant dense<6.0> : tensor<1x8x8x8xf32>
  %n = stablehlo.constant dense<64.0> : tensor<1x8xf32>
  %0 = stablehlo.uniform_dequantize %x : (tensor<1x8x8x4x{q}>) -> tensor<1x8x8x4xf32>
  %1 = stablehlo.uniform_dequantize %w : (tensor<3x3x4x8x!quant.uniform<i8:f32, 0.001>>) -> tensor<3x3x4x8xf32>
  %2 = stablehlo.convolution(%0, %1) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {{pad = [[1, 1], [1, 1]]}} {{batch_group_count = 1 : i64, feature_group_count = 1 : i64}} : (tensor<1x8x8x4xf32>, tensor<3x3x4x8xf32>) -> tensor<1x8x8x8xf32>
  %3 = stablehlo.broadcast_in_dim %b, dims = [3] : (tensor<8xf32>) -> tensor<1x8x8x8xf32>
  %4 = stablehlo.add %2, %3 : tensor<1x8x8x8xf32>
  %5 = stablehlo.broadcast_in_dim %z, dims = [] : (tensor<f32>) -> tensor<1x8x8x8xf32>
  %6 = stablehlo.maximum %4, %5 : tensor<1x8x8x8xf32>
  %7 = stablehlo.minimum %6, %six : tensor<1x8x8x8xf32>
  %8 = stablehlo.uniform_quantize %7 : (tensor<1x8x8x8xf32>) -> tensor<1x8x8x8x{r}>
  %9 = stablehlo.uniform_dequantize %8 : (tensor<1x8x8x8x{r}>) -> tensor<1x8x8x8xf32>
  %10 = stablehlo.reduce(%9 init: %z) applies stablehlo.add across dimensions = [1, 2] : (tensor<1x8x8x8xf32>, tensor<f32>) -> tensor<1x8xf32>
  %11 = stablehlo.divide %10, %n : tensor<1x8xf32>
  %12 = stablehlo.uniform_quantize %11 : (tensor<1x8xf32>) -> tensor<1x8x{r}>
  return %12 : tensor<1x8x{r}>
}}"
    );
    let fused = super::tests::compiled(&text);
    assert_eq!(kernels(&fused), ["conv_i8", "pool_i8"]);
    // Kept apart by a barrier, the groups are floats.
    let apart = text.replace(
        "%2 = stablehlo.convolution(%0,",
        "%20 = stablehlo.negate %0 : tensor<1x8x8x4xf32>\n  %21 = stablehlo.negate %20 : tensor<1x8x8x4xf32>\n  %2 = stablehlo.convolution(%21,",
    );
    let apart = super::tests::compiled(&apart);
    assert!(kernels(&apart).contains(&"hybrid_f32"), "{:?}", kernels(&apart));
    let (ints, floats) = (results(&fused), results(&apart));
    for (a, b) in ints[0].iter().zip(&floats[0]) {
        assert!((*a as i8).abs_diff(*b as i8) <= 1, "{ints:?} {floats:?}");
    }
}

/// What converters of integer-only programs write.
#[test]
fn integer_arithmetic_is_recognised() {
    let text = |tail: &str| {
        format!(
            r#"func.func @main(%x: tensor<6x4xi8>) -> tensor<6x2xi8> {{
  %w = stablehlo.constant dense<[[1, -2], [25, 4], [-128, 5], [3, 127]]> : tensor<4x2xi8>
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<6x4xi8>, tensor<4x2xi8>) -> tensor<6x2xi32>
  %b = stablehlo.constant dense<[[100, -20]]> : tensor<1x2xi32>
  %c = stablehlo.broadcast_in_dim %b, dims = [0, 1] : (tensor<1x2xi32>) -> tensor<6x2xi32>
  %1 = stablehlo.add %0, %c : tensor<6x2xi32>
  %2 = stablehlo.convert %1 : (tensor<6x2xi32>) -> tensor<6x2xi64>
  %m = stablehlo.constant dense<1185020333> : tensor<6x2xi64>
  %3 = stablehlo.multiply %2, %m : tensor<6x2xi64>
  %h = stablehlo.constant dense<34359738368> : tensor<6x2xi64>
  %4 = stablehlo.add %3, %h : tensor<6x2xi64>
  %s = stablehlo.constant dense<36> : tensor<6x2xi64>
  %5 = stablehlo.shift_right_arithmetic %4, %s : tensor<6x2xi64>
  %6 = stablehlo.convert %5 : (tensor<6x2xi64>) -> tensor<6x2xi32>
  %z = stablehlo.constant dense<-100> : tensor<6x2xi32>
  %7 = stablehlo.add %6, %z : tensor<6x2xi32>
  %low = stablehlo.constant dense<-128> : tensor<6x2xi32>
  %high = stablehlo.constant dense<{tail}> : tensor<6x2xi32>
  %8 = stablehlo.maximum %7, %low : tensor<6x2xi32>
  %9 = stablehlo.minimum %8, %high : tensor<6x2xi32>
  %10 = stablehlo.convert %9 : (tensor<6x2xi32>) -> tensor<6x2xi8>
  return %10 : tensor<6x2xi8>
}}"#
        )
    };
    assert_eq!(kernels(&same_bits(&text("127"))), ["conv_i8"]);
    assert_eq!(kernels(&same_bits(&text("50"))), ["conv_i8"]);
    // Beyond 8 bits, the conversion wraps, which the kernel does not.
    assert_eq!(kernels(&same_bits(&text("500"))), ["conv_i8", "map"]);
    // Not half of the divisor.
    let odd = text("127").replace("34359738368", "34359738367");
    assert_eq!(kernels(&same_bits(&odd)), ["conv_i8", "map"]);
}

/// A softmax between 8-bit integers, as frameworks write it.
fn softmax_of_bytes(from: &str, to: &str) -> String {
    let (q, r) = (
        format!("tensor<3x10x!quant.uniform<{from}>>"),
        format!("tensor<3x10x!quant.uniform<{to}>>"),
    );
    let t = "tensor<3x10xf32>";
    format!(
        "func.func @main(%q: {q}) -> {r} {{
  %x = stablehlo.uniform_dequantize %q : ({q}) -> {t}
  %lo = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %z = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.reduce(%x init: %lo) applies stablehlo.maximum across dimensions = [1] : ({t}, tensor<f32>) -> tensor<3xf32>
  %1 = stablehlo.broadcast_in_dim %0, dims = [0] : (tensor<3xf32>) -> {t}
  %2 = stablehlo.subtract %x, %1 : {t}
  %3 = stablehlo.exponential %2 : {t}
  %4 = stablehlo.reduce(%3 init: %z) applies stablehlo.add across dimensions = [1] : ({t}, tensor<f32>) -> tensor<3xf32>
  %5 = stablehlo.broadcast_in_dim %4, dims = [0] : (tensor<3xf32>) -> {t}
  %6 = stablehlo.divide %3, %5 : {t}
  %7 = stablehlo.uniform_quantize %6 : ({t}) -> {r}
  return %7 : {r}
}}"
    )
}

#[test]
fn a_softmax_between_bytes_is_one_kernel() {
    let one = "i8:f32, 3.906250e-03:-128";
    for from in ["i8:f32, 0.1:14", "i8:f32, 0.37:-128", "i8:f32, 0.004:127", "i8:f32, 2.0:-3"] {
        for to in [one, "i8<-100:90>:f32, 7.0e-03:-100"] {
            let compiled = same_bits(&softmax_of_bytes(from, to));
            assert_eq!(kernels(&compiled), ["softmax_i8"], "{from} {to}");
        }
    }
    // Results that are no bytes take the kernels of floats.
    let wide = same_bits(&softmax_of_bytes("i8:f32, 0.1:14", "u8:f32, 3.906250e-03:0"));
    assert!(kernels(&wide).contains(&"softmax_f32"));
}
