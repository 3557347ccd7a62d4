//! Programs with 16-bit activations and 8-bit weights on their kernels: the evaluator's bits, and nothing left
//! beside them.

use proptest::prelude::*;

use super::int8_tests::conv_of;
use super::tests::{kernels, same_bits};

/// Storage, and scale of operand and result.
const WIDE: [&str; 3] = ["i16", "0.0002", "0.0004"];

#[test]
fn convolutions_run_on_one_kernel_with_all_that_follows() {
    for (text, kernel) in [
        (
            conv_of(WIDE, [1, 5, 6, 3], [3, 2, 3, 5], 1, "pad = [[1, 1], [1, 0]]", "1x5x6x5"),
            "conv_i16",
        ),
        (conv_of(WIDE, [1, 5, 6, 4], [1, 1, 4, 6], 1, "stride = [2, 2]", "1x3x3x6"), "conv_i16"),
        (
            conv_of(WIDE, [2, 5, 6, 6], [2, 2, 3, 8], 2, "rhs_dilate = [2, 1]", "2x3x5x8"),
            "conv_i16",
        ),
        (
            conv_of(WIDE, [1, 7, 5, 5], [3, 3, 1, 5], 5, "pad = [[1, 1], [1, 1]]", "1x7x5x5"),
            "depthwise_i16",
        ),
        (conv_of(WIDE, [1, 7, 5, 3], [3, 3, 1, 6], 3, "stride = [1, 2]", "1x5x2x6"), "conv_i16"),
    ] {
        assert_eq!(kernels(&same_bits(&text)), [kernel], "{text}");
        let rectified =
            text.replace("return %2", "%3 = stablehlo.maximum %2, %z : RESULT\n  return %3");
        let result = text.rsplit(" : ").next().and_then(|t| t.strip_suffix("\n}")).expect("a type");
        let zero = format!(
            "  %z = \"stablehlo.constant\"() <{{value = dense<0> : {}}}> : () -> {result}\n  %w =",
            result.replace("!quant.uniform<i16:f32, 0.0004>", "i16"),
        );
        let rectified = rectified.replace("RESULT", result).replacen("  %w =", &zero, 1);
        assert_eq!(kernels(&same_bits(&rectified)), [kernel], "{rectified}");
    }
}

/// Scales that are powers of two make results that lie between two integers.
#[test]
fn ties_are_absorbed_too() {
    let pads = "pad = [[1, 1], [1, 0]]";
    let text =
        conv_of(["i16", "0.000244140625", "0.5"], [1, 5, 6, 3], [3, 2, 3, 1], 1, pads, "1x5x6x1");
    let text = text.replace("0.001", "0.03125").replace("2.44140625e-7", "0.00000762939453125");
    assert_eq!(kernels(&same_bits(&text)), ["conv_i16"]);
}

/// Weights that are no 8-bit integers, and zero points that no kernel adds, are left to the general ones.
#[test]
fn what_the_kernels_do_not_have_is_left_to_others() {
    let text = conv_of(WIDE, [1, 5, 6, 4], [1, 1, 4, 6], 1, "stride = [2, 2]", "1x3x3x6");
    let wide = text.replace("dense<\"0x", "dense<\"0x0080").replace("i16<-128:127>", "i16");
    let (start, end) = wide.split_once("\">").expect("a constant");
    let wide = format!("{}\">{end}", &start[..start.len() - 4]);
    assert!(!kernels(&same_bits(&wide)).contains(&"conv_i16"), "{wide}");
    let far = text.replace("0.0004", "0.0004:700");
    assert_eq!(kernels(&same_bits(&far)), ["conv_i16", "map"]);
}

#[test]
fn residuals_are_sums() {
    let t = |scale: &str| format!("tensor<4x20x!quant.uniform<i16:f32, {scale}>>");
    let (a, b, c) = (t("0.0003"), t("0.0001"), t("0.0007"));
    for op in ["add", "subtract"] {
        let text = format!(
            "func.func @main(%x: {a}, %y: {b}) -> {c} {{
  %0 = stablehlo.{op} %x, %y : ({a}, {b}) -> {c}
  return %0 : {c}
}}"
        );
        assert_eq!(kernels(&same_bits(&text)), ["sum_i16"]);
        // A value that something else needs, too, stays.
        let text = text.replace(&format!("-> {c} {{"), &format!("-> ({c}, {a}) {{"));
        let text = text.replace(&format!("return %0 : {c}"), &format!("return %0, %x : {c}, {a}"));
        assert!(kernels(&same_bits(&text)).contains(&"sum_i16"), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn random_convolutions_have_the_evaluators_bits(
        size in [3usize..8, 3usize..8],
        kernel in [1usize..4, 1usize..4],
        channels in [1usize..6, 1usize..7],
        groups in 1usize..4,
        stride in 1usize..3,
        pad in 0usize..2,
        scales in [1e-5f64..1e-3, 1e-5f64..1e-2],
    ) {
        let out = |d: usize| (size[d] + 2 * pad - kernel[d]) / stride + 1;
        let [in_c, out_c] = channels;
        let dims = [2, size[0], size[1], groups * in_c];
        let window = format!("stride = [{stride}, {stride}], pad = [[{pad}, {pad}], [{pad}, {pad}]]");
        let shape = format!("2x{}x{}x{}", out(0), out(1), groups * out_c);
        let [x, y] = scales.map(|s| format!("{s:?}"));
        let k = [kernel[0], kernel[1], in_c, groups * out_c];
        let text = conv_of(["i16", &x, &y], dims, k, groups, &window, &shape);
        let compiled = same_bits(&text);
        let kinds = kernels(&compiled);
        prop_assert!(kinds.iter().any(|k| k.ends_with("_i16")), "{:?} of {}", kinds, text);
    }
}
