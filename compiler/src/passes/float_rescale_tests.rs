//! Integer layers that are rescaled in floats, as TensorFlow's quantiser writes them: the
//! evaluator's bits, on the integer kernels.

use super::tests::{kernels, ops, same_bits};

const T: &str = "tensor<40x3xf32>";

/// A product of bytes whose sums, as floats `%f`, become bytes by what `tail` says.
fn product(tail: &str) -> String {
    format!(
        "func.func @main(%x: tensor<40x4xi8>) -> tensor<40x3xi8> {{
  %w = stablehlo.constant dense<[[1, -2, 7], [25, 4, -9], [-128, 5, 77], [3, 127, -1]]> : tensor<4x3xi8>
  %p = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<40x4xi8>, tensor<4x3xi8>) -> tensor<40x3xi32>
  %b = stablehlo.constant dense<[100, -20, 3]> : tensor<3xi32>
  %c = stablehlo.broadcast_in_dim %b, dims = [1] : (tensor<3xi32>) -> tensor<40x3xi32>
  %a = stablehlo.add %p, %c : tensor<40x3xi32>
  %f = stablehlo.convert %a : (tensor<40x3xi32>) -> {T}
  %s = stablehlo.constant dense<[0.0123, 0.00071, 0.125]> : tensor<3xf32>
  %sc = stablehlo.broadcast_in_dim %s, dims = [1] : (tensor<3xf32>) -> {T}
  %low = stablehlo.constant dense<-128.0> : tensor<f32>
  %high = stablehlo.constant dense<127.0> : tensor<f32>
  %z = stablehlo.constant dense<-17.0> : {T}
  %nought = stablehlo.constant dense<0.0> : {T}
  %least = stablehlo.constant dense<-128.0> : {T}
  %most = stablehlo.constant dense<127.0> : {T}
  %third = stablehlo.constant dense<0.3333> : {T}
{tail}
  return %r : tensor<40x3xi8>
}}"
    )
}

const END: &str = "  %7 = stablehlo.round_nearest_even %6 : tensor<40x3xf32>
  %r = stablehlo.convert %7 : (tensor<40x3xf32>) -> tensor<40x3xi8>";

#[test]
fn sums_are_rescaled_in_single_precision() {
    for tail in [
        "  %1 = stablehlo.multiply %f, %sc : T
  %2 = stablehlo.add %1, %z : T
  %6 = stablehlo.clamp %low, %2, %high : (tensor<f32>, T, tensor<f32>) -> T",
        // The rectifier comes before the zero point.
        "  %1 = stablehlo.multiply %sc, %f : T
  %2 = stablehlo.maximum %nought, %1 : T
  %3 = stablehlo.add %z, %2 : T
  %4 = stablehlo.maximum %3, %least : T
  %6 = stablehlo.minimum %most, %4 : T",
        "  %1 = stablehlo.multiply %f, %sc : T
  %2 = stablehlo.subtract %1, %z : T
  %3 = stablehlo.minimum %2, %most : T
  %6 = stablehlo.maximum %3, %third : T",
        "  %1 = stablehlo.multiply %f, %sc : T
  %6 = stablehlo.clamp %low, %1, %high : (tensor<f32>, T, tensor<f32>) -> T",
    ] {
        let text = product(&format!("{tail}\n{END}").replace(" T", &format!(" {T}")));
        let text = text.replace("(T,", &format!("({T},")).replace(", T,", &format!(", {T},"));
        assert_eq!(kernels(&same_bits(&text)), ["conv_i8"], "{tail}");
    }
}

#[test]
fn other_arithmetic_of_floats_is_kept() {
    let clamp = format!(
        "  %6 = stablehlo.clamp %low, %2, %high : (tensor<f32>, {T}, tensor<f32>) -> {T}\n{END}"
    );
    for tail in [
        // Two products are two roundings; a third is no whole number.
        format!(
            "  %1 = stablehlo.multiply %f, %sc : {T}\n  %2 = stablehlo.multiply %1, %third : {T}\n{clamp}"
        ),
        format!(
            "  %1 = stablehlo.multiply %f, %sc : {T}\n  %2 = stablehlo.add %1, %third : {T}\n{clamp}"
        ),
        format!(
            "  %1 = stablehlo.multiply %f, %f : {T}\n  %2 = stablehlo.add %1, %z : {T}\n{clamp}"
        ),
        format!(
            "  %1 = stablehlo.multiply %f, %sc : {T}\n  %2 = stablehlo.subtract %z, %1 : {T}\n{clamp}"
        ),
    ] {
        let compiled = same_bits(&product(&tail));
        assert_eq!(kernels(&compiled), ["conv_i8", "map"], "{tail}");
    }
}

#[test]
fn rounding_to_even_may_be_spelled_with_floors() {
    let test = "tensor<40x3xi1>";
    let tail = format!(
        "  %1 = stablehlo.multiply %f, %sc : {T}
  %2 = stablehlo.add %1, %z : {T}
  %x1 = stablehlo.maximum %2, %least : {T}
  %y = stablehlo.minimum %x1, %most : {T}
  %half = stablehlo.constant dense<0.5> : {T}
  %one = stablehlo.constant dense<1.0> : {T}
  %two = stablehlo.constant dense<2.0> : {T}
  %fl = stablehlo.floor %y : {T}
  %rest = stablehlo.subtract %y, %fl : {T}
  %gt = stablehlo.compare GT, %rest, %half : ({T}, {T}) -> {test}
  %eq = stablehlo.compare EQ, %rest, %half : ({T}, {T}) -> {test}
  %h = stablehlo.multiply %y, %half : {T}
  %hf = stablehlo.floor %h : {T}
  %ev = stablehlo.multiply %hf, %two : {T}
  %di = stablehlo.subtract %fl, %ev : {T}
  %od = stablehlo.compare EQ, %di, %one : ({T}, {T}) -> {test}
  %an = stablehlo.and %eq, %od : {test}
  %up = stablehlo.or %gt, %an : {test}
  %mo = stablehlo.add %fl, %one : {T}
  %q = stablehlo.select %up, %mo, %fl : {test}, {T}
  %is = stablehlo.compare EQ, %q, %nought : ({T}, {T}) -> {test}
  %7 = stablehlo.select %is, %nought, %q : {test}, {T}
  %r = stablehlo.convert %7 : ({T}) -> tensor<40x3xi8>"
    );
    let compiled = same_bits(&product(&tail));
    assert_eq!(kernels(&compiled), ["conv_i8"]);
    assert!(!ops(&compiled).contains(&"stablehlo.floor"));
    let swapped =
        tail.replace("or %gt, %an", "or %an, %gt").replace("and %eq, %od", "and %od, %eq");
    assert_eq!(kernels(&same_bits(&product(&swapped))), ["conv_i8"]);
    for (from, to) in [
        ("compare GT, %rest, %half", "compare GE, %rest, %half"),
        ("compare EQ, %di, %one", "compare NE, %di, %one"),
        ("subtract %fl, %ev", "subtract %y, %ev"),
        ("add %fl, %one", "add %fl, %two"),
    ] {
        let text = tail.replace(from, to);
        assert!(text.contains(to));
        assert!(ops(&same_bits(&product(&text))).contains(&"stablehlo.floor"), "{to}");
    }
}

/// A batch norm between two quantised layers.
fn between(last: &str) -> String {
    let (t, i) = ("tensor<9x4x5xf32>", "tensor<9x4x5xi32>");
    format!(
        "func.func @main(%x: tensor<9x4x5xi8>) -> tensor<9x4x5xi8> {{
  %z = stablehlo.constant dense<30> : {i}
  %s = stablehlo.constant dense<0.0466> : {t}
  %g = stablehlo.constant dense<[0.5, -1.25, 3.0, 0.001, 1.0]> : tensor<5xf32>
  %b = stablehlo.constant dense<[0.1, -0.7, 2.5, -0.3, 40.0]> : tensor<5xf32>
  %n = stablehlo.constant dense<0.0> : {t}
  %o = stablehlo.constant dense<0.029> : {t}
  %zo = stablehlo.constant dense<-128.0> : {t}
  %low = stablehlo.constant dense<-128.0> : tensor<f32>
  %high = stablehlo.constant dense<127.0> : tensor<f32>
  %0 = stablehlo.convert %x : (tensor<9x4x5xi8>) -> {i}
  %1 = stablehlo.subtract %0, %z : {i}
  %2 = stablehlo.convert %1 : ({i}) -> {t}
  %3 = stablehlo.multiply %2, %s : {t}
  %gs = stablehlo.broadcast_in_dim %g, dims = [2] : (tensor<5xf32>) -> {t}
  %4 = stablehlo.multiply %3, %gs : {t}
  %bs = stablehlo.broadcast_in_dim %b, dims = [2] : (tensor<5xf32>) -> {t}
  %5 = stablehlo.add %4, %bs : {t}
  %6 = stablehlo.{last} : {t}
  %7 = stablehlo.divide %6, %o : {t}
  %8 = stablehlo.add %7, %zo : {t}
  %9 = stablehlo.clamp %low, %8, %high : (tensor<f32>, {t}, tensor<f32>) -> {t}
  %10 = stablehlo.round_nearest_even %9 : {t}
  %r = stablehlo.convert %10 : ({t}) -> tensor<9x4x5xi8>
  return %r : tensor<9x4x5xi8>
}}"
    )
}

#[test]
fn channels_between_layers_are_scaled_as_integers() {
    assert_eq!(kernels(&same_bits(&between("maximum %5, %n"))), ["scale_i8"]);
    assert_eq!(kernels(&same_bits(&between("negate %5"))), ["scale_i8"]);
    // No line.
    assert!(kernels(&same_bits(&between("multiply %5, %5"))).contains(&"map"));
    // Not the last dimension.
    let other = between("negate %5").replace("9x4x5", "9x5x4").replace("dims = [2]", "dims = [1]");
    assert!(kernels(&same_bits(&other)).contains(&"map"));
}

#[test]
fn sums_of_constant_weights_are_constants() {
    let weights: Vec<String> = (0..600).map(|i| (i * 7 % 251 - 125).to_string()).collect();
    let weights = weights.join(", ");
    let compiled = same_bits(&format!(
        "func.func @main(%y: tensor<3xi8>) -> tensor<3xi32> {{
  %w = stablehlo.constant dense<[{weights}]> : tensor<600xi8>
  %v = stablehlo.reshape %w : (tensor<600xi8>) -> tensor<200x3xi8>
  %0 = stablehlo.convert %v : (tensor<200x3xi8>) -> tensor<200x3xi32>
  %i = stablehlo.constant dense<0> : tensor<i32>
  %1 = stablehlo.reduce(%0 init: %i) applies stablehlo.add across dimensions = [0] : (tensor<200x3xi32>, tensor<i32>) -> tensor<3xi32>
  %x = stablehlo.convert %y : (tensor<3xi8>) -> tensor<3xi32>
  %2 = stablehlo.add %x, %1 : tensor<3xi32>
  return %2 : tensor<3xi32>
}}"
    ));
    assert_eq!(kernels(&compiled), ["map"]);
}
