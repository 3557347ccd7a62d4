//! Quantised programs: what they are made of, how near they are, and what is refused.

use super::*;
use crate::compile::{CompileOptions, compile, specialised};
use crate::diag::Source;
use crate::front::mlir::parse_module;

/// Two convolutions with a pool, a residual and a mean, a classifier and a softmax.
fn network() -> String {
    let weights = |n: usize, seed: usize| {
        let number = |i: usize| ((i * 37 + seed * 11) % 23) as f32 * 0.04 - 0.4;
        let bytes: Vec<String> =
            (0..n).flat_map(|i| number(i).to_le_bytes()).map(|b| format!("{b:02X}")).collect();
        format!("\"0x{}\"", bytes.concat())
    };
    let conv = "dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {pad = [[1, 1], [1, 1]]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64}";
    let (w0, w1, w2) = (weights(3 * 3 * 2 * 4, 1), weights(3 * 3 * 4 * 4, 2), weights(12, 3));
    format!(
        "func.func @main(%x: tensor<1x8x8x2xf32>) -> tensor<1x3xf32> {{
  %w0 = stablehlo.constant dense<{w0}> : tensor<3x3x2x4xf32>
  %w1 = stablehlo.constant dense<{w1}> : tensor<3x3x4x4xf32>
  %w2 = stablehlo.constant dense<{w2}> : tensor<4x3xf32>
  %b = stablehlo.constant dense<[0.1, -0.2, 0.3, 0.0]> : tensor<4xf32>
  %z = stablehlo.constant dense<0.0> : tensor<f32>
  %inf = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %n = stablehlo.constant dense<16.0> : tensor<1x4xf32>
  %0 = stablehlo.convolution(%x, %w0) {conv} : (tensor<1x8x8x2xf32>, tensor<3x3x2x4xf32>) -> tensor<1x8x8x4xf32>
  %1 = stablehlo.broadcast_in_dim %b, dims = [3] : (tensor<4xf32>) -> tensor<1x8x8x4xf32>
  %2 = stablehlo.add %0, %1 : tensor<1x8x8x4xf32>
  %zs = stablehlo.broadcast_in_dim %z, dims = [] : (tensor<f32>) -> tensor<1x8x8x4xf32>
  %3 = stablehlo.maximum %2, %zs : tensor<1x8x8x4xf32>
  %4 = \"stablehlo.reduce_window\"(%3, %inf) <{{window_dimensions = array<i64: 1, 2, 2, 1>, window_strides = array<i64: 1, 2, 2, 1>}}> ({{
    ^bb0(%p: tensor<f32>, %q: tensor<f32>):
      %m = stablehlo.maximum %p, %q : tensor<f32>
      stablehlo.return %m : tensor<f32>
  }}) : (tensor<1x8x8x4xf32>, tensor<f32>) -> tensor<1x4x4x4xf32>
  %5 = stablehlo.convolution(%4, %w1) {conv} : (tensor<1x4x4x4xf32>, tensor<3x3x4x4xf32>) -> tensor<1x4x4x4xf32>
  %6 = stablehlo.add %5, %4 : tensor<1x4x4x4xf32>
  %7 = stablehlo.reduce(%6 init: %z) applies stablehlo.add across dimensions = [1, 2] : (tensor<1x4x4x4xf32>, tensor<f32>) -> tensor<1x4xf32>
  %8 = stablehlo.divide %7, %n : tensor<1x4xf32>
  %9 = stablehlo.dot_general %8, %w2, contracting_dims = [1] x [0] : (tensor<1x4xf32>, tensor<4x3xf32>) -> tensor<1x3xf32>
  %10 = stablehlo.reduce(%9 init: %inf) applies stablehlo.maximum across dimensions = [1] : (tensor<1x3xf32>, tensor<f32>) -> tensor<1xf32>
  %11 = stablehlo.broadcast_in_dim %10, dims = [0] : (tensor<1xf32>) -> tensor<1x3xf32>
  %12 = stablehlo.subtract %9, %11 : tensor<1x3xf32>
  %13 = stablehlo.exponential %12 : tensor<1x3xf32>
  %14 = stablehlo.reduce(%13 init: %z) applies stablehlo.add across dimensions = [1] : (tensor<1x3xf32>, tensor<f32>) -> tensor<1xf32>
  %15 = stablehlo.broadcast_in_dim %14, dims = [0] : (tensor<1xf32>) -> tensor<1x3xf32>
  %16 = stablehlo.divide %13, %15 : tensor<1x3xf32>
  return %16 : tensor<1x3xf32>
}}"
    )
}

fn func(text: &str) -> Func {
    let module = match parse_module(&Source::new("test.mlir", text)) {
        Ok(module) => module,
        Err(error) => panic!("{error}"),
    };
    specialised(verify(&module).expect("valid"), &CompileOptions::default()).expect("one function")
}

fn cases(n: usize, f: impl Fn(usize) -> f32) -> Vec<Vec<Tensor>> {
    let case = |k: usize| {
        let values: Vec<f32> = (0..128).map(|i| f(k * 128 + i)).collect();
        vec![Tensor::f32s(&[1, 8, 8, 2], &values).expect("it fits")]
    };
    (0..n).map(case).collect()
}

fn waves(i: usize) -> f32 {
    (i as f32 * 0.7).sin() + 0.3 * (i as f32 * 0.013).cos()
}

const OPTIONS: Options = Options {
    mode: Mode::Int8,
    io: Io::Float,
    range: RangeChoice::MinMax,
    budget: None,
    wide: Precision::Float,
};

fn kernels(module: &Module) -> Vec<String> {
    let compiled = compile(module, &CompileOptions::default()).expect("it compiles");
    compiled.report.kernels.iter().map(|k| k.op.clone()).collect()
}

/// Kernels on floats that a quantised network with float input and output has.
const FLOATS: [&str; 2] = ["quantize_f32", "softmax_f32"];

#[test]
fn a_network_becomes_integer_kernels_and_stays_near() {
    let ranges = [RangeChoice::MinMax, RangeChoice::Mse, RangeChoice::Percentile(0.9999)];
    for range in ranges {
        let quantised = quantize(func(&network()), &cases(6, waves), &Options { range, ..OPTIONS });
        let quantised = quantised.expect("it quantises");
        let kernels = kernels(&quantised.module);
        for kernel in ["conv_i8", "pool_i8", "sum_i8", "window"] {
            assert!(kernels.iter().any(|k| k == kernel), "{kernels:?}");
        }
        assert!(
            kernels.iter().all(|k| !k.ends_with("f32") || FLOATS.contains(&k.as_str())),
            "{kernels:?}"
        );
        assert_eq!(quantised.layers.len(), 5, "{:?}", quantised.layers);
        assert!(quantised.layers.iter().all(|l| l.snr_db > 20.0), "{:?}", quantised.layers);
        // Other inputs than those of the calibration.
        let unseen = cases(5, |i| waves(i + 5000));
        let fidelity = compare(&quantised.float, &quantised.module, &unseen).expect("it runs");
        assert!(fidelity.snr_db > 25.0 && fidelity.largest > 0.0, "{fidelity:?}");
        assert_eq!((fidelity.same_argmax, fidelity.rows, fidelity.cases), (5, 5, 5));
    }
}

/// A gate for each channel, as of squeeze and excite, and a product of two values, as of attention.
#[test]
fn products_of_values_become_integer_kernels() {
    let text = "func.func @main(%x: tensor<1x8x8x2xf32>) -> tensor<1x64x64xf32> {
  %w = stablehlo.constant dense<[[0.5, -0.25, 0.75, 0.3], [0.2, 0.6, -0.4, 0.1]]> : tensor<2x4xf32>
  %v = stablehlo.constant dense<[[0.5, -0.2, 0.7, 0.3], [0.2, 0.6, -0.4, 0.1], [0.4, 0.1, 0.3, 0.2], [-0.5, 0.3, 0.2, 0.9]]> : tensor<4x4xf32>
  %z = stablehlo.constant dense<0.0> : tensor<f32>
  %n = stablehlo.constant dense<64.0> : tensor<1x4xf32>
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [3] x [0] : (tensor<1x8x8x2xf32>, tensor<2x4xf32>) -> tensor<1x8x8x4xf32>
  %1 = stablehlo.reduce(%0 init: %z) applies stablehlo.add across dimensions = [1, 2] : (tensor<1x8x8x4xf32>, tensor<f32>) -> tensor<1x4xf32>
  %2 = stablehlo.divide %1, %n : tensor<1x4xf32>
  %3 = stablehlo.dot_general %2, %v, contracting_dims = [1] x [0] : (tensor<1x4xf32>, tensor<4x4xf32>) -> tensor<1x4xf32>
  %4 = stablehlo.broadcast_in_dim %3, dims = [0, 3] : (tensor<1x4xf32>) -> tensor<1x8x8x4xf32>
  %5 = stablehlo.multiply %0, %4 : tensor<1x8x8x4xf32>
  %6 = stablehlo.reshape %5 : (tensor<1x8x8x4xf32>) -> tensor<1x64x4xf32>
  %7 = stablehlo.dot_general %6, %v, contracting_dims = [2] x [0] : (tensor<1x64x4xf32>, tensor<4x4xf32>) -> tensor<1x64x4xf32>
  %8 = stablehlo.dot_general %6, %7, batching_dims = [0] x [0], contracting_dims = [2] x [2] : (tensor<1x64x4xf32>, tensor<1x64x4xf32>) -> tensor<1x64x64xf32>
  return %8 : tensor<1x64x64xf32>
}";
    let quantised = quantize(func(text), &cases(6, waves), &OPTIONS).expect("it quantises");
    let kernels = kernels(&quantised.module);
    for kernel in ["product_i8", "dot_i8"] {
        assert!(kernels.iter().any(|k| k == kernel), "{kernels:?}");
    }
    let unseen = cases(5, |i| waves(i + 5000));
    let fidelity = compare(&quantised.float, &quantised.module, &unseen).expect("it runs");
    // Of a product of two rounded values, each of which is one of such.
    assert!(fidelity.snr_db > 15.0, "{fidelity:?}");
}

#[test]
fn the_result_reads_back_and_takes_integers_if_asked() {
    let options = Options { io: Io::Int8, ..OPTIONS };
    let quantised = quantize(func(&network()), &cases(4, waves), &options).expect("it quantises");
    let text = quantised.module.to_string();
    let again = parse_module(&Source::new("q.mlir", text.as_str())).expect("it parses");
    verify(&again).expect("it is valid");
    assert_eq!(again.to_string(), text);
    let entry = &again.funcs[again.entry().expect("an entry")];
    let arg = entry.body.blocks[entry.body.entry].args[0];
    assert!(entry.body.ty(arg).to_string().contains("!quant.uniform<i8:f32"), "{text}");
    let fidelity = compare(&quantised.float, &quantised.module, &cases(4, waves)).expect("it runs");
    assert!(fidelity.snr_db > 25.0, "{fidelity:?}");
}

#[test]
fn weights_alone_leave_the_arithmetic_to_floats() {
    let options = Options { mode: Mode::Int8Weights, ..OPTIONS };
    let quantised = quantize(func(&network()), &cases(3, waves), &options).expect("it quantises");
    let text = quantised.module.to_string();
    assert!(text.contains("uniform_dequantize") && !text.contains("uniform_quantize"), "{text}");
    let fidelity = compare(&quantised.float, &quantised.module, &cases(3, waves)).expect("it runs");
    assert!(fidelity.snr_db > 35.0, "{fidelity:?}");
}

#[test]
fn what_calibration_cannot_use_is_said() {
    let fails = |cases: &[Vec<Tensor>]| match quantize(func(&network()), cases, &OPTIONS) {
        Ok(_) => panic!("it quantised"),
        Err(error) => error.to_string(),
    };
    let nan = fails(&cases(2, |i| if i == 200 { f32::NAN } else { waves(i) }));
    assert!(nan.contains("input 0 of the calibration holds NaN"), "{nan}");
    let same = fails(&cases(2, |_| 0.5));
    assert!(same.contains("input 0 never changes over the calibration inputs"), "{same}");
    let large = fails(&cases(1, |i| waves(i) * 2e38));
    assert!(large.contains("computes inf on the calibration inputs"), "{large}");
    let none = fails(&[]);
    assert!(none.contains("the calibration has no cases"), "{none}");
    let text = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.tanh %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}";
    let x = Tensor::f32s(&[4], &[1.0, 2.0, 3.0, 4.0]).expect("it fits");
    let error = quantize(func(text), &[vec![x]], &OPTIONS).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("there is nothing to quantise"), "{error}");
}

#[test]
fn layers_that_never_speak_are_said() {
    let dead = network().replace("dense<[0.1, -0.2, 0.3, 0.0]>", "dense<-1000.0>");
    let error = quantize(func(&dead), &cases(3, waves), &OPTIONS).map(|_| ()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("computes the same number everywhere"), "{text}");
    assert!(text.contains("tensor<1x8x8x4xf32>"), "{text}");
}

#[test]
fn sixteen_bits_are_nearer_than_eight() {
    let options = Options { mode: Mode::Int16x8, ..OPTIONS };
    let quantised = quantize(func(&network()), &cases(4, waves), &options).expect("it quantises");
    let text = quantised.module.to_string();
    assert!(text.contains("!quant.uniform<i16:f32"), "{text}");
    let near = compare(&quantised.float, &quantised.module, &cases(4, waves)).expect("it runs");
    let eight = quantize(func(&network()), &cases(4, waves), &OPTIONS).expect("it quantises");
    let far = compare(&eight.float, &eight.module, &cases(4, waves)).expect("it runs");
    assert!(near.snr_db > far.snr_db + 6.0, "{near:?} {far:?}");
    kernels(&quantised.module);
}

#[test]
fn a_budget_is_kept() {
    let cases = cases(4, waves);
    let ratio = |budget| {
        let options = Options { budget, ..OPTIONS };
        let quantised = quantize(func(&network()), &cases, &options).expect("it quantises");
        let wide = quantised.layers.iter().filter(|l| l.held == "float").count();
        let near = compare(&quantised.float, &quantised.module, &cases).expect("it runs");
        (near.snr_db, wide)
    };
    let (own, narrow) = ratio(None);
    let (asked, wide) = ratio(Some(own + 8.0));
    assert!(asked >= own + 6.0, "{own} became {asked}");
    assert!(wide > narrow, "{wide} of {narrow}");
}

#[test]
fn weights_that_are_arguments_can_be_frozen() {
    let text = "func.func @main(%x: tensor<2x4xf32>, %w: tensor<4x3xf32>) -> tensor<2x3xf32> {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}";
    let numbers = |n: usize, f: f32| (0..n).map(|i| (i as f32 * f).sin()).collect::<Vec<_>>();
    let x = |k: usize| Tensor::f32s(&[2, 4], &numbers(8, 0.3 + k as f32)).expect("it fits");
    let w = Tensor::f32s(&[4, 3], &numbers(12, 0.9)).expect("it fits");
    let all: Vec<_> = (0..3).map(|k| vec![x(k), w.clone()]).collect();
    let error = quantize(func(text), &all, &OPTIONS).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("--freeze"), "{error}");
    let mut frozen = func(text);
    freeze(&mut frozen, vec![(1, w)]);
    let cases: Vec<_> = (0..3).map(|k| vec![x(k)]).collect();
    let quantised = quantize(frozen, &cases, &OPTIONS).expect("it quantises");
    assert_eq!(quantised.layers.len(), 1);
    let near = compare(&quantised.float, &quantised.module, &cases).expect("it runs");
    assert!(near.snr_db > 30.0, "{near:?}");
}
