//! What quantised operations become, and that it is what the specification says.

use microhlo_format::DType;

use super::super::tests::same_bits;
use super::*;
use crate::diag::Source;
use crate::eval::{Evaluator, Tensor};
use crate::front::mlir::parse_module;
use crate::verify::verify;

fn module(text: &str) -> Module {
    match parse_module(&Source::new("test.mlir", text)) {
        Ok(module) => module,
        Err(error) => panic!("{error}"),
    }
}

fn run(text: &str, inputs: &[Tensor]) -> Vec<Tensor> {
    let module = module(text);
    verify(&module).expect("a valid program");
    let plain = legalized(&module).expect("it has quantised types");
    verify(&plain).expect("a legal program");
    assert!(!plain.to_string().contains("!quant"), "{plain}");
    let entry = module.entry().expect("an entry");
    Evaluator::new(&module).run(entry, inputs).expect("it evaluates")
}

fn i8s(values: impl IntoIterator<Item = i64>) -> Tensor {
    let values: Vec<i64> = values.into_iter().collect();
    let ty = TensorType::fixed(&[values.len() as u64], DType::I8);
    Tensor::from_elements(&ty, values.iter().map(|&v| crate::eval::Element::Int(v.into()))).unwrap()
}

fn ints(tensor: &Tensor) -> Vec<i64> {
    tensor.ints().expect("integers")
}

/// `quantize` of the specification in exact arithmetic.
fn quantize(x: f64, scale: f64, zero: i64) -> i64 {
    (x / scale + zero as f64).clamp(-128.0, 127.0).round_ties_even() as i64
}

#[test]
fn the_specifications_example_of_requantisation() {
    let from = "!quant.uniform<i8:f32:0, {0.1:-30, 0.5:-20}>";
    let to = "!quant.uniform<i8:f32:0, {0.1:-20, 0.2:-30}>";
    let text = format!(
        "func.func @main(%x: tensor<2x{from}>) -> (tensor<2xf32>, tensor<2x{to}>) {{
  %0 = stablehlo.uniform_dequantize %x : (tensor<2x{from}>) -> tensor<2xf32>
  %1 = stablehlo.uniform_quantize %x : (tensor<2x{from}>) -> tensor<2x{to}>
  return %0, %1 : tensor<2xf32>, tensor<2x{to}>
}}"
    );
    let out = run(&text, &[i8s([10, 10])]);
    assert_eq!(out[0].to_f32s().unwrap(), [4.0, 15.0]);
    assert_eq!(ints(&out[1]), [20, 45]);
    assert!(out[1].ty().elem.quant().is_some(), "results have the declared type");
}

#[test]
fn ties_give_even_integers() {
    for zero in [0, 3, -128] {
        let to = format!("!quant.uniform<i8:f32, 0.5:{zero}>");
        let text = format!(
            "func.func @main(%x: tensor<256x!quant.uniform<i8:f32, 0.25:5>>) -> tensor<256x{to}> {{
  %0 = stablehlo.uniform_quantize %x : (tensor<256x!quant.uniform<i8:f32, 0.25:5>>) -> tensor<256x{to}>
  return %0 : tensor<256x{to}>
}}"
        );
        let wanted: Vec<i64> =
            (-128..128).map(|q| quantize(0.25 * (q - 5) as f64, 0.5, zero)).collect();
        assert_eq!(ints(&run(&text, &[i8s(-128..128)])[0]), wanted, "zero point {zero}");
    }
}

/// Applies an operation to pairs of `i8` with these scales and zero points.
fn pairs(op: &str, types: [(f64, i64); 3], exact: impl Fn(f64, f64) -> f64) {
    let [a, b, c] = types.map(|(s, z)| format!("tensor<4096x!quant.uniform<i8:f32, {s}:{z}>>"));
    let text = format!(
        "func.func @main(%a: {a}, %b: {b}) -> {c} {{
  %0 = stablehlo.{op} %a, %b : ({a}, {b}) -> {c}
  return %0 : {c}
}}"
    );
    let (lhs, rhs) = ((0..4096).map(|i| i / 64 * 4 - 128), (0..4096).map(|i| i % 64 * 4 - 125));
    let out = run(&text, &[i8s(lhs.clone()), i8s(rhs.clone())]);
    let real = |q: i64, i: usize| types[i].0 * (q - types[i].1) as f64;
    let (scale, zero) = types[2];
    for ((a, b), got) in lhs.zip(rhs).zip(ints(&out[0])) {
        let wanted = quantize(exact(real(a, 0), real(b, 1)), scale, zero);
        // The exact results of products of these scales are next to ties.
        assert!(got.abs_diff(wanted) <= u64::from(op == "divide"), "{op} {a} {b}: {got} {wanted}");
    }
}

#[test]
fn arithmetic_of_values_of_one_type_and_of_several() {
    let same = [(0.125, 7); 3];
    let mixed = [(0.1, -128), (0.037, 4), (0.0523, -3)];
    for types in [same, mixed] {
        pairs("add", types, |a, b| a + b);
        pairs("subtract", types, |a, b| a - b);
        pairs("multiply", types, |a, b| a * b);
        pairs("maximum", types, f64::max);
        pairs("minimum", types, f64::min);
        pairs("divide", types, |a, b| if b == 0.0 { a.signum() * 1e9 } else { a / b });
    }
}

#[test]
fn comparison_and_selection() {
    let t = "tensor<3x!quant.uniform<i8:f32, 0.5:100>>";
    let u = "tensor<3x!quant.uniform<i8:f32, 0.25:100>>";
    let text = format!(
        "func.func @main(%a: {t}, %b: {t}, %c: {u}) -> (tensor<3xi1>, tensor<3xi1>, {t}, {t}) {{
  %0 = stablehlo.compare LT, %a, %b, FLOAT : ({t}, {t}) -> tensor<3xi1>
  %1 = stablehlo.compare EQ, %a, %c, FLOAT : ({t}, {u}) -> tensor<3xi1>
  %2 = stablehlo.select %0, %a, %b : (tensor<3xi1>, {t}, {t}) -> {t}
  %3 = stablehlo.clamp %a, %2, %b : {t}
  return %0, %1, %2, %3 : tensor<3xi1>, tensor<3xi1>, {t}, {t}
}}"
    );
    // 1.0, -50.0 and -114.0 of the first type.
    let out = run(&text, &[i8s([102, 0, -128]), i8s([103, -1, -128]), i8s([104, 0, 127])]);
    assert_eq!(out[0].bytes(), [1, 0, 0]);
    assert_eq!(out[1].bytes(), [1, 0, 0]);
    assert_eq!(ints(&out[2]), [102, -1, -128]);
    assert_eq!(ints(&out[3]), [102, -1, -128]);
}

#[test]
fn regions_compute_on_quantised_scalars() {
    let t = "!quant.uniform<i8:f32, 0.5:1>";
    let wide = "!quant.uniform<i32:f32, 0.5>";
    let text = format!(
        "func.func @main(%x: tensor<4x{t}>) -> (tensor<{t}>, tensor<{wide}>, tensor<4x{t}>) {{
  %z = stablehlo.constant() <{{value = dense<1> : tensor<i8>}}> : () -> tensor<{t}>
  %0 = \"stablehlo.reduce\"(%x, %z) ({{
    ^bb0(%a: tensor<{t}>, %b: tensor<{t}>):
      %s = stablehlo.add %a, %b : tensor<{t}>
      stablehlo.return %s : tensor<{t}>
  }}) {{dimensions = array<i64: 0>}} : (tensor<4x{t}>, tensor<{t}>) -> tensor<{t}>
  %1 = \"stablehlo.reduce\"(%x, %z) ({{
    ^bb0(%a: tensor<{wide}>, %b: tensor<{wide}>):
      %s = stablehlo.add %a, %b : tensor<{wide}>
      stablehlo.return %s : tensor<{wide}>
  }}) {{dimensions = array<i64: 0>}} : (tensor<4x{t}>, tensor<{t}>) -> tensor<{wide}>
  %2 = \"stablehlo.sort\"(%x) ({{
    ^bb0(%a: tensor<{t}>, %b: tensor<{t}>):
      %c = stablehlo.compare GT, %a, %b, FLOAT : (tensor<{t}>, tensor<{t}>) -> tensor<i1>
      stablehlo.return %c : tensor<i1>
  }}) {{dimension = 0 : i64, is_stable = true}} : (tensor<4x{t}>) -> tensor<4x{t}>
  return %0, %1, %2 : tensor<{t}>, tensor<{wide}>, tensor<4x{t}>
}}"
    );
    let out = run(&text, &[i8s([100, 101, -5, 3])]);
    // 99 + 100 saturates at 126 above the zero point, then -6 and 2 are added.
    assert_eq!(ints(&out[0]), [1 + 126 - 6 + 2]);
    assert_eq!(ints(&out[1]), [99 + 100 - 6 + 2]);
    assert_eq!(ints(&out[2]), [101, 100, 3, -5]);
}

#[test]
fn shapes_may_be_known_at_run_time_only() {
    let from = "tensor<?x!quant.uniform<i8:f32, 0.5:3>>";
    let to = "tensor<?x!quant.uniform<u8:f32, 0.25:3>>";
    let text = format!(
        "func.func @main(%x: {from}) -> (tensor<?xf32>, {to}) {{
  %0 = stablehlo.uniform_dequantize %x : ({from}) -> tensor<?xf32>
  %1 = stablehlo.exponential %x : ({from}) -> {from}
  %2 = stablehlo.uniform_quantize %1 : ({from}) -> {to}
  return %0, %2 : tensor<?xf32>, {to}
}}"
    );
    let out = run(&text, &[i8s([3, 5, -3])]);
    assert_eq!(out[0].to_f32s().unwrap(), [0.0, 1.0, -3.0]);
    // 1, e and e^-3 in steps of one half.
    assert_eq!(ints(&out[1]), [7, 13, 3]);
}

#[test]
fn loops_carry_stored_integers() {
    let t = "tensor<!quant.uniform<i8:f32, 0.5:3>>";
    let text = format!(
        "func.func @main(%x: {t}, %n: tensor<i32>) -> {t} {{
  %one = stablehlo.constant dense<1> : tensor<i32>
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %0:2 = stablehlo.while(%v = %x, %i = %n) : {t}, tensor<i32>
    cond {{
      %c = stablehlo.compare GT, %i, %zero : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %c : tensor<i1>
    }} do {{
      %w = stablehlo.add %v, %v : {t}
      %j = stablehlo.subtract %i, %one : tensor<i32>
      stablehlo.return %w, %j : {t}, tensor<i32>
    }}
  return %0#0 : {t}
}}"
    );
    let scalar = |d, v: i64| Tensor::scalar(d, crate::eval::Element::Int(v.into()));
    let out = run(&text, &[scalar(DType::I8, 5), scalar(DType::I32, 3)]);
    assert_eq!(ints(&out[0]), [3 + 2 * 8]);
}

/// A quantised convolution with bias and requantisation, on floats outside.
fn network(zero: i64, weight_zero: i64, window: &str) -> String {
    let x = format!("tensor<1x5x6x3x!quant.uniform<i8:f32, 0.0078125:{zero}>>");
    let w = format!(
        "tensor<3x2x3x4x!quant.uniform<i8:f32:3, {{0.5:{weight_zero}, 0.25:{weight_zero}, \
         0.75:{weight_zero}, 0.1:{weight_zero}}}>>"
    );
    let acc = "!quant.uniform<i32:f32:3, {0.00390625, 0.001953125, 0.005859375, 0.00078125}>";
    let y = format!("tensor<1x5x6x4x{acc}>");
    let out = "tensor<1x5x6x4x!quant.uniform<i8:f32, 0.13:-7>>";
    format!(
        "func.func @main(%f: tensor<1x5x6x3xf32>, %g: tensor<3x2x3x4xf32>) -> (tensor<1x5x6x4xf32>, {out}) {{
  %x = stablehlo.uniform_quantize %f : (tensor<1x5x6x3xf32>) -> {x}
  %w = stablehlo.uniform_quantize %g : (tensor<3x2x3x4xf32>) -> {w}
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {{{window}}} {{batch_group_count = 1 : i64, feature_group_count = 1 : i64}} : ({x}, {w}) -> {y}
  %b = stablehlo.constant() <{{value = dense<[100, -200, 300, 5]> : tensor<4xi32>}}> : () -> tensor<4x!quant.uniform<i32:f32:0, {{0.00390625, 0.001953125, 0.005859375, 0.00078125}}>>
  %c = stablehlo.broadcast_in_dim %b, dims = [3] : (tensor<4x!quant.uniform<i32:f32:0, {{0.00390625, 0.001953125, 0.005859375, 0.00078125}}>>) -> {y}
  %1 = stablehlo.add %0, %c : {y}
  %2 = stablehlo.uniform_quantize %1 : ({y}) -> {out}
  %xf = stablehlo.uniform_dequantize %x : ({x}) -> tensor<1x5x6x3xf32>
  %wf = stablehlo.uniform_dequantize %w : ({w}) -> tensor<3x2x3x4xf32>
  %3 = stablehlo.convolution(%xf, %wf) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {{{window}}} {{batch_group_count = 1 : i64, feature_group_count = 1 : i64}} : (tensor<1x5x6x3xf32>, tensor<3x2x3x4xf32>) -> tensor<1x5x6x4xf32>
  %cf = stablehlo.uniform_dequantize %c : ({y}) -> tensor<1x5x6x4xf32>
  %4 = stablehlo.add %3, %cf : tensor<1x5x6x4xf32>
  return %4, %2 : tensor<1x5x6x4xf32>, {out}
}}"
    )
}

#[test]
fn convolutions_sum_integers_and_padding_stands_for_zero() {
    for (zero, weight_zero) in [(0, 0), (-128, 0), (5, -3)] {
        let window = "pad = [[1, 1], [1, 0]]";
        let text = network(zero, weight_zero, window);
        let compiled = same_bits(&text);
        let body = &compiled.optimized.body;
        let sums = body.walk(body.entry).into_iter().any(|op| {
            matches!(body.ops[op].kind, OpKind::Convolution(_))
                && body.ty(body.ops[op].results[0]).tensor().unwrap().dtype() == Some(DType::I32)
        });
        assert!(sums, "the convolution is one of integers");
        let f = |n: usize| (0..n).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<f32>>();
        let x = Tensor::f32s(&[1, 5, 6, 3], &f(90)).unwrap();
        let w: Vec<f32> = f(72).iter().map(|v| 20.0 * v).collect();
        let w = Tensor::f32s(&[3, 2, 3, 4], &w).unwrap();
        let out = run(&text, &[x, w]);
        for (float, got) in out[0].to_f32s().unwrap().iter().zip(ints(&out[1])) {
            let wanted = quantize(f64::from(*float), 0.13, -7);
            assert!(got.abs_diff(wanted) <= 1, "{got} for {float}");
        }
    }
}

#[test]
fn other_contractions_keep_their_bits_on_the_device() {
    let q = "!quant.uniform<i8:f32, 0.0078125:-3>";
    let r = "!quant.uniform<i8:f32:2, {0.25, 0.5, 0.125}>";
    let s = "!quant.uniform<i8:f32:2, {0.1:1, 0.2:2, 0.3:3}>";
    same_bits(&format!(
        "func.func @main(%f: tensor<2x4x5xf32>, %g: tensor<2x5x3xf32>) -> (tensor<2x4x3x{s}>, tensor<2x4x3xf32>) {{
  %x = stablehlo.uniform_quantize %f : (tensor<2x4x5xf32>) -> tensor<2x4x5x{q}>
  %w = stablehlo.uniform_quantize %g : (tensor<2x5x3xf32>) -> tensor<2x5x3x{r}>
  %0 = stablehlo.dot_general %x, %w, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x4x5x{q}>, tensor<2x5x3x{r}>) -> tensor<2x4x3x{s}>
  %1 = stablehlo.dot_general %f, %w, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x4x5xf32>, tensor<2x5x3x{r}>) -> tensor<2x4x3xf32>
  return %0, %1 : tensor<2x4x3x{s}>, tensor<2x4x3xf32>
}}"
    ));
    same_bits(
        &network(
            -128,
            0,
            "stride = [1, 1], pad = [[0, 0], [-2, 2]], lhs_dilate = [1, 1], rhs_dilate = [1, 1]",
        )
        .replace("5x6x4", "3x5x4"),
    );
}

#[test]
fn what_floats_do_is_done_in_floats() {
    let q = "tensor<8x!quant.uniform<i8:f32, 0.0078125:-3>>";
    let r = "tensor<8x!quant.uniform<i8:f32, 0.015:7>>";
    let compiled = same_bits(&format!(
        "func.func @main(%f: tensor<8xf32>) -> ({r}, {r}) {{
  %x = stablehlo.uniform_quantize %f : (tensor<8xf32>) -> {q}
  %0 = stablehlo.tanh %x : ({q}) -> {r}
  %1 = stablehlo.divide %x, %0 : ({q}, {r}) -> {r}
  return %0, %1 : {r}, {r}
}}"
    ));
    assert_eq!(compiled.report.outputs[0].dtype, "i8");
}
