//! Float layers whose weights are bytes times scales: the evaluator's bits, with bytes in flash.

use super::tests::{execute, inputs, kernels, same_bits};

/// A convolution `[3, 3, i, o]` of weights that are dequantised, and a bias.
fn conv(i: usize, o: usize, groups: usize, scales: &str, after: &str) -> String {
    let (t, w) = (format!("tensor<1x6x5x{o}xf32>"), format!("tensor<3x3x{i}x{o}xf32>"));
    let weights: String = (0..9 * i * o).map(|i| format!("{:02X}", (i * 89 + 41) % 251)).collect();
    let bias: Vec<String> = (0..o).map(|i| format!("{:?}", i as f32 * 0.5 - 1.0)).collect();
    let bias = bias.join(", ");
    format!(
        "func.func @main(%x: tensor<1x6x5x{c}xf32>) -> {t} {{
  %q = stablehlo.constant dense<\"0x{weights}\"> : tensor<3x3x{i}x{o}xi8>
  %s = stablehlo.constant dense<{scales}> : tensor<{o}xf32>
  %b = stablehlo.constant dense<[{bias}]> : tensor<{o}xf32>
  %k = stablehlo.optimization_barrier %q : tensor<3x3x{i}x{o}xi8>
  %0 = stablehlo.convert %k : (tensor<3x3x{i}x{o}xi8>) -> {w}
  %1 = stablehlo.broadcast_in_dim %s, dims = [3] : (tensor<{o}xf32>) -> {w}
  %2 = stablehlo.multiply %0, %1 : {w}
  %3 = stablehlo.convolution(%x, %2) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {{pad = [[1, 1], [1, 1]]}} {{batch_group_count = 1 : i64, feature_group_count = {groups} : i64}} : (tensor<1x6x5x{c}xf32>, {w}) -> {t}
  %4 = stablehlo.broadcast_in_dim %b, dims = [3] : (tensor<{o}xf32>) -> {t}
  %5 = stablehlo.add %3, %4 : {t}
{after}
}}",
        c = i * groups
    )
}

#[test]
fn convolutions_read_bytes() {
    let end = |t: &str| format!("  return %5 : {t}");
    for (i, o, groups, scales) in
        [(3, 4, 1, "[0.01, 0.02, 0.5, 0.25]"), (1, 12, 12, "0.25"), (4, 3, 1, "[0.3, 0.01, 1.5]")]
    {
        let text = conv(i, o, groups, scales, &end(&format!("tensor<1x6x5x{o}xf32>")));
        let compiled = same_bits(&text);
        assert_eq!(kernels(&compiled), ["hybrid_f32"], "{i} {o} {groups}");
        assert!(compiled.artifact.len() < 1000);
    }
}

#[test]
fn products_read_bytes() {
    let weights: String = (0..600).map(|i| format!("{:02X}", (i * 89 + 41) % 251)).collect();
    let text = |dims: &str, k: usize, sd: usize, n: usize| {
        let t = format!("tensor<{dims}xf32>");
        format!(
            "func.func @main(%x: tensor<2x{k}xf32>) -> tensor<2x{n}xf32> {{
  %q = stablehlo.constant dense<\"0x{weights}\"> : tensor<{dims}xi8>
  %s = stablehlo.constant dense<[0.5, 0.25, 0.1, 0.7, 0.3, 0.9]> : tensor<6xf32>
  %0 = stablehlo.convert %q : (tensor<{dims}xi8>) -> {t}
  %1 = stablehlo.broadcast_in_dim %s, dims = [{sd}] : (tensor<6xf32>) -> {t}
  %2 = stablehlo.multiply %1, %0 : {t}
  %3 = stablehlo.dot_general %x, %2, contracting_dims = [1] x [{c}] : (tensor<2x{k}xf32>, {t}) -> tensor<2x{n}xf32>
  return %3 : tensor<2x{n}xf32>
}}",
            c = 1 - usize::from(dims.starts_with(&k.to_string()))
        )
    };
    assert_eq!(kernels(&same_bits(&text("100x6", 100, 1, 6))), ["hybrid_f32"]);
    // The scales are not those of the product's columns, or the columns do not come last.
    assert!(!kernels(&same_bits(&text("6x100", 6, 0, 100))).contains(&"hybrid_f32"));
    assert!(!kernels(&same_bits(&text("6x100", 100, 0, 6))).contains(&"hybrid_f32"));
}

/// Folding changes roundings, so results are close only.
#[test]
fn batch_norms_are_folded_into_scales() {
    let t = "tensor<1x6x5x4xf32>";
    let after = format!(
        "  %m = stablehlo.constant dense<[0.5, -1.5, 2.0, 1.0]> : tensor<4xf32>
  %6 = stablehlo.broadcast_in_dim %m, dims = [3] : (tensor<4xf32>) -> {t}
  %7 = stablehlo.multiply %5, %6 : {t}
  return %7 : {t}"
    );
    let text = conv(3, 4, 1, "[0.01, 0.02, 0.5, 0.25]", &after);
    let folded = super::tests::compiled(&text);
    assert_eq!(kernels(&folded), ["hybrid_f32"]);
    let apart =
        super::tests::compiled(&text.replace("multiply %5, %6", "multiply %6, %8").replace(
            "  %7 = ",
            &format!("  %n = stablehlo.negate %5 : {t}\n  %8 = stablehlo.negate %n : {t}\n  %7 = "),
        ));
    assert!(kernels(&apart).contains(&"map"));
    let given = inputs(&folded.optimized, 3);
    let floats = |bytes: &[u8]| -> Vec<f32> {
        bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
    };
    let (a, b) = (execute(&folded, &given), execute(&apart, &given));
    for (a, b) in floats(&a[0]).iter().zip(floats(&b[0])) {
        assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{a} {b}");
    }
}
