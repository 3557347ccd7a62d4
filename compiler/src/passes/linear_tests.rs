//! Transforms and linear algebra: evaluator and kernels agree bit for bit for every kind, side,
//! triangle and element type.

use super::tests::{kernels, results, same_bits};

/// Programs take `f32`; this makes a value of an element type from two of them.
fn value(name: &str, dims: &str, dtype: &str) -> String {
    let from = |part: &str| format!("%{name}{part}");
    let ty = |dtype: &str| format!("tensor<{dims}x{dtype}>");
    match dtype {
        "f32" => format!("%{name} = stablehlo.negate {} : {}", from("re"), ty("f32")),
        "complex<f32>" => format!(
            "%{name} = stablehlo.complex {}, {} : {}",
            from("re"),
            from("im"),
            ty("complex<f32>")
        ),
        "complex<f64>" => format!(
            "%{name}a = stablehlo.convert {} : ({}) -> {}\n%{name}b = stablehlo.convert {} : ({}) -> {}\n\
             %{name} = stablehlo.complex %{name}a, %{name}b : {}",
            from("re"),
            ty("f32"),
            ty("f64"),
            from("im"),
            ty("f32"),
            ty("f64"),
            ty("complex<f64>")
        ),
        other => {
            format!("%{name} = stablehlo.convert {} : ({}) -> {}", from("re"), ty("f32"), ty(other))
        }
    }
}

fn arguments(name: &str, dims: &str) -> String {
    format!("%{name}re: tensor<{dims}xf32>, %{name}im: tensor<{dims}xf32>")
}

#[test]
fn transforms_of_every_kind_length_and_rank() {
    let (c64, c128) = ("complex<f32>", "complex<f64>");
    for (kind, dims, from, length, result, to) in [
        ("FFT", "64", c64, "64", "64", c64),
        ("IFFT", "2x24", c64, "24", "2x24", c64),
        ("FFT", "3x67", c64, "67", "3x67", c64),
        ("FFT", "4x6x5", c64, "4, 6, 5", "4x6x5", c64),
        ("IFFT", "2x3x7", c128, "3, 7", "2x3x7", c128),
        ("RFFT", "2x40", "f32", "40", "2x21", c64),
        ("RFFT", "3x4x9", "f32", "4, 9", "3x4x5", c64),
        ("RFFT", "134", "f64", "134", "68", c128),
        ("IRFFT", "2x21", c64, "40", "2x40", "f32"),
        ("IRFFT", "4x5", c128, "4, 9", "4x9", "f64"),
        ("IRFFT", "1", c64, "1", "1", "f32"),
    ] {
        let text = format!(
            "func.func @main({}) -> tensor<{result}x{to}> {{
               {}
               %0 = stablehlo.fft %x, type = {kind}, length = [{length}]
                 : (tensor<{dims}x{from}>) -> tensor<{result}x{to}>
               return %0 : tensor<{result}x{to}>
             }}",
            arguments("x", dims),
            value("x", dims, from),
        );
        same_bits(&text);
    }
}

/// The operand is read where it lies, and in place where nothing else needs it.
#[test]
fn transforms_read_views_and_share_memory() {
    let text = "func.func @main(%xre: tensor<8x3xf32>, %xim: tensor<8x3xf32>) -> tensor<3x8xcomplex<f32>> {
      %x = stablehlo.complex %xre, %xim : tensor<8x3xcomplex<f32>>
      %t = stablehlo.transpose %x, dims = [1, 0] : (tensor<8x3xcomplex<f32>>) -> tensor<3x8xcomplex<f32>>
      %0 = stablehlo.fft %t, type = FFT, length = [8] : (tensor<3x8xcomplex<f32>>) -> tensor<3x8xcomplex<f32>>
      %1 = stablehlo.fft %0, type = IFFT, length = [8] : (tensor<3x8xcomplex<f32>>) -> tensor<3x8xcomplex<f32>>
      return %1 : tensor<3x8xcomplex<f32>>
    }";
    let compiled = same_bits(text);
    let kernels: Vec<&str> = compiled.report.kernels.iter().map(|k| k.op.as_str()).collect();
    assert_eq!(kernels, ["map", "fft_f32", "fft_f32"]);
    // Two operands, the complex numbers, one spectrum for both transforms, scratch of 16 numbers.
    assert!(
        compiled.report.arena_bytes <= 2 * 96 + 2 * 192 + 128,
        "{}",
        compiled.report.arena_bytes
    );
}

#[test]
fn factors_of_both_triangles_and_all_types() {
    for dtype in ["f32", "f64", "complex<f32>", "complex<f64>", "f16", "bf16"] {
        for lower in [true, false] {
            let ty = format!("tensor<2x3x3x{dtype}>");
            let text = format!(
                "func.func @main({}) -> {ty} {{
                   {}
                   %0 = stablehlo.cholesky %x, lower = {lower} : {ty}
                   return %0 : {ty}
                 }}",
                arguments("x", "2x3x3"),
                value("x", "2x3x3", dtype),
            );
            same_bits(&text);
        }
    }
}

/// Random matrices are seldom positive; this one is, so that no NaN hides a difference.
#[test]
fn factors_of_a_positive_matrix_are_numbers() {
    let text = "func.func @main(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
      %0 = stablehlo.dot_general %x, %x, contracting_dims = [1] x [1]
        : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
      %1 = stablehlo.constant dense<0.5> : tensor<4x4xf32>
      %2 = stablehlo.iota dim = 0 : tensor<4x4xi32>
      %3 = stablehlo.iota dim = 1 : tensor<4x4xi32>
      %4 = stablehlo.compare EQ, %2, %3 : (tensor<4x4xi32>, tensor<4x4xi32>) -> tensor<4x4xi1>
      %5 = stablehlo.add %0, %1 : tensor<4x4xf32>
      %6 = stablehlo.select %4, %5, %0 : tensor<4x4xi1>, tensor<4x4xf32>
      %7 = stablehlo.cholesky %6, lower = true : tensor<4x4xf32>
      %8 = stablehlo.dot_general %7, %7, contracting_dims = [1] x [1]
        : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
      %9 = stablehlo.subtract %8, %6 : tensor<4x4xf32>
      return %9 : tensor<4x4xf32>
    }";
    let compiled = same_bits(text);
    for rest in super::tests::results(&compiled) {
        for bytes in rest.chunks(4) {
            let v = f32::from_le_bytes(bytes.try_into().unwrap());
            assert!(v.abs() < 1e-5, "{v}");
        }
    }
}

#[test]
fn systems_of_every_side_triangle_and_type() {
    for (i, dtype) in ["f32", "f64", "complex<f32>", "complex<f64>", "f16"].into_iter().enumerate()
    {
        for case in 0..24 {
            // The other types take every fifth of the cases, all of which are `f32`'s.
            if i > 0 && case % 5 != i {
                continue;
            }
            let (left, lower, unit) = (case & 1 == 0, case & 2 == 0, case & 4 == 0);
            let transpose = ["NO_TRANSPOSE", "TRANSPOSE", "ADJOINT"][case / 8];
            let b = if left { "2x3x4" } else { "2x4x3" };
            let (a_ty, b_ty) = (format!("tensor<2x3x3x{dtype}>"), format!("tensor<{b}x{dtype}>"));
            let text = format!(
                "func.func @main({}, {}) -> {b_ty} {{
                   {}
                   {}
                   %0 = \"stablehlo.triangular_solve\"(%a, %b) {{left_side = {left}, lower = {lower},
                     unit_diagonal = {unit}, transpose_a = #stablehlo<transpose {transpose}>}}
                     : ({a_ty}, {b_ty}) -> {b_ty}
                   return %0 : {b_ty}
                 }}",
                arguments("a", "2x3x3"),
                arguments("b", b),
                value("a", "2x3x3", dtype),
                value("b", b, dtype),
            );
            same_bits(&text);
        }
    }
}

#[test]
fn random_bits_on_the_kernels() {
    for (algorithm, dtype) in [("THREE_FRY", "ui32"), ("THREE_FRY", "ui64"), ("PHILOX", "ui32")] {
        let text = format!(
            "func.func @main(%x: tensor<2xf32>) -> (tensor<2xui64>, tensor<5x3x{dtype}>) {{
               %0 = stablehlo.bitcast_convert %x : (tensor<2xf32>) -> tensor<2xui32>
               %1 = stablehlo.convert %0 : (tensor<2xui32>) -> tensor<2xui64>
               %2:2 = stablehlo.rng_bit_generator %1, algorithm = {algorithm}
                 : (tensor<2xui64>) -> (tensor<2xui64>, tensor<5x3x{dtype}>)
               return %2#0, %2#1 : tensor<2xui64>, tensor<5x3x{dtype}>
             }}"
        );
        same_bits(&text);
    }
}

#[test]
fn other_decompositions_on_the_kernels() {
    same_bits(
        "func.func @main(%x: tensor<4x3xf32>, %s: tensor<3xf32>, %o: tensor<3xf32>)
           -> (tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>) {
           %0:3 = \"stablehlo.batch_norm_training\"(%x, %s, %o)
             {epsilon = 1.0e-3 : f32, feature_index = 1 : i64}
             : (tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>)
             -> (tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>)
           return %0#0, %0#1, %0#2 : tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>
         }",
    );
    same_bits(
        "func.func @main(%x: tensor<4x3xf32>, %s: tensor<3xf32>, %m: tensor<3xf32>, %g: tensor<4x3xf32>)
           -> (tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>) {
           %v = stablehlo.multiply %m, %m : tensor<3xf32>
           %0:3 = \"stablehlo.batch_norm_grad\"(%x, %s, %m, %v, %g)
             {epsilon = 1.0e-3 : f32, feature_index = 1 : i64}
             : (tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<4x3xf32>)
             -> (tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>)
           return %0#0, %0#1, %0#2 : tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>
         }",
    );
    same_bits(
        "func.func @main(%a: tensor<2x3x3xf32>, %b: tensor<3x4xf32>) -> tensor<4x2xf32> {
           %0 = stablehlo.einsum %a, %b, config = \"abb,bc->ca\"
             : (tensor<2x3x3xf32>, tensor<3x4xf32>) -> tensor<4x2xf32>
           return %0 : tensor<4x2xf32>
         }",
    );
}

#[test]
fn products_of_mixed_types_are_of_the_type_of_their_sum() {
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<2x3xf32>, %y: tensor<3x2xf32>) -> tensor<2x2xf32> {
  %c = stablehlo.constant dense<100.0> : tensor<3x2xf32>
  %0 = stablehlo.multiply %y, %c : tensor<3x2xf32>
  %1 = stablehlo.convert %0 : (tensor<3x2xf32>) -> tensor<3x2xi32>
  %2 = stablehlo.dot_general %x, %1, contracting_dims = [1] x [0]
    : (tensor<2x3xf32>, tensor<3x2xi32>) -> tensor<2x2xf32>
  return %2 : tensor<2x2xf32>
}"#,
    );
    assert_eq!(kernels(&compiled), ["map", "dot_f32"]);
}

#[test]
fn products_of_nothing_are_zeros() {
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<2x0xf32>, %y: tensor<0x3xf32>, %i: tensor<1x0x4xf32>,
    %w: tensor<2x0x3xf32>) -> (tensor<2x3xf32>, tensor<1x2x2xf32>) {
  %0 = stablehlo.dot_general %x, %y, contracting_dims = [1] x [0]
    : (tensor<2x0xf32>, tensor<0x3xf32>) -> tensor<2x3xf32>
  %1 = stablehlo.convolution(%i, %w) dim_numbers = [b, f, 0]x[o, i, 0]->[b, f, 0], window = {}
    {batch_group_count = 1 : i64, feature_group_count = 1 : i64}
    : (tensor<1x0x4xf32>, tensor<2x0x3xf32>) -> tensor<1x2x2xf32>
  return %0, %1 : tensor<2x3xf32>, tensor<1x2x2xf32>
}"#,
    );
    assert!(results(&compiled).iter().flatten().all(|&b| b == 0));
}
