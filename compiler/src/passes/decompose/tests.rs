//! Random bits against XLA's, and decompositions through text.

use microhlo_format::DType;

use super::*;
use crate::eval::Element;
use crate::ops::rng_bit_generator::{Algorithm, RngBitGenerator};
use crate::ops::testing::eval_regions;
use crate::passes::tests::same_bits;

fn numbers(text: &str) -> Vec<u64> {
    text.split_whitespace().map(|n| n.parse().unwrap()).collect()
}

fn bits_of(t: &Tensor) -> Vec<u64> {
    let raw = |c: &[u8]| c.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b));
    t.bytes().chunks(t.dtype().size()).map(raw).collect()
}

#[test]
fn random_bits_are_those_of_xla() {
    let mut cases = 0;
    for line in include_str!("data/rng_bits.txt").lines() {
        let [generator, dims, dtype, next, bits] =
            line.split(" | ").collect::<Vec<_>>().try_into().unwrap();
        let (name, state) = generator.split_once(' ').unwrap();
        let algorithm = Algorithm::ALL.into_iter().find(|a| a.name() == name).unwrap();
        let state: Vec<i128> = numbers(state).into_iter().map(i128::from).collect();
        let ty = TensorType::fixed(&[state.len() as u64], DType::U64);
        let elements = state.into_iter().map(Element::Int);
        let state = Tensor::from_elements(&ty, elements).unwrap();
        let dtype = DType::ALL.iter().copied().find(|d| d.name() == dtype).unwrap();
        let types = [ty, TensorType::fixed(&numbers(dims), dtype)];
        let out = eval_regions(RngBitGenerator { algorithm }, &[state], &types, &[]).unwrap();
        assert_eq!(bits_of(&out[0]), numbers(next), "{line}");
        // Of many numbers only the last ones are listed.
        let (all, want) = (bits_of(&out[1]), numbers(bits));
        assert_eq!(all[all.len() - want.len()..], want, "{line}");
        cases += 1;
    }
    assert!(cases > 100);
}

fn text(program: &str) -> Vec<Tensor> {
    let module = parse(program);
    crate::verify::verify(&module).unwrap();
    Evaluator::new(&module).call("main", &[]).unwrap()
}

/// Random numbers in a range, with the mean of it, that differ between two operations.
#[test]
fn distributions_have_their_range_and_mean() {
    let program = |kind: &str, a: &str, b: &str, ty: &str| {
        format!(
            "func.func @main() -> (tensor<40x50x{ty}>, tensor<40x50x{ty}>) {{
               %a = stablehlo.constant dense<{a}> : tensor<{ty}>
               %b = stablehlo.constant dense<{b}> : tensor<{ty}>
               %n = stablehlo.constant dense<[40, 50]> : tensor<2xi64>
               %0 = stablehlo.rng %a, %b, %n, distribution = {kind}
                 : (tensor<{ty}>, tensor<{ty}>, tensor<2xi64>) -> tensor<40x50x{ty}>
               %1 = stablehlo.rng %a, %b, %n, distribution = {kind}
                 : (tensor<{ty}>, tensor<{ty}>, tensor<2xi64>) -> tensor<40x50x{ty}>
               return %0, %1 : tensor<40x50x{ty}>, tensor<40x50x{ty}>
             }}"
        )
    };
    let value = |e: Element| match e {
        Element::Float(v) => v,
        other => other.as_int().unwrap() as f64,
    };
    for (kind, a, b, ty, range, mean, deviation) in [
        ("UNIFORM", "-1.0", "3.0", "f32", -1.0..=3.0, 1.0, 4.0 / 12f64.sqrt()),
        ("UNIFORM", "-1.0", "3.0", "f64", -1.0..=3.0, 1.0, 4.0 / 12f64.sqrt()),
        ("UNIFORM", "-1.0", "3.0", "bf16", -1.0..=3.0, 1.0, 4.0 / 12f64.sqrt()),
        ("UNIFORM", "-100", "101", "i8", -100.0..=100.0, 0.0, 200.0 / 12f64.sqrt()),
        ("UNIFORM", "10", "20", "ui32", 10.0..=19.0, 14.5, 10.0 / 12f64.sqrt()),
        ("NORMAL", "5.0", "2.0", "f32", -10.0..=20.0, 5.0, 2.0),
        ("NORMAL", "5.0", "2.0", "f16", -10.0..=20.0, 5.0, 2.0),
    ] {
        let out = text(&program(kind, a, b, ty));
        assert_ne!(out[0], out[1], "{kind} {ty}");
        let v: Vec<f64> = out[0].elements().map(value).collect();
        assert!(v.iter().all(|x| range.contains(x)), "{kind} {ty}");
        let average = v.iter().sum::<f64>() / 2000.0;
        assert!((average - mean).abs() < 0.08 * deviation, "{kind} {ty}: {average}");
        let square = v.iter().map(|x| (x - average).powi(2)).sum::<f64>() / 2000.0;
        assert!((square.sqrt() / deviation - 1.0).abs() < 0.06, "{kind} {ty}: {square}");
    }
}

#[test]
fn maps_become_operations_on_tensors() {
    let program = "func.func @main(%a: tensor<3xf32>, %s: tensor<f32>) -> tensor<3xi1> {
      %0 = \"stablehlo.map\"(%a, %a) ({
      ^bb0(%x: tensor<f32>, %y: tensor<f32>):
        %c = stablehlo.constant dense<2.0> : tensor<f32>
        %p = stablehlo.multiply %x, %c : tensor<f32>
        %q = stablehlo.add %p, %s : tensor<f32>
        %r = stablehlo.compare GT, %q, %y : (tensor<f32>, tensor<f32>) -> tensor<i1>
        stablehlo.return %r : tensor<i1>
      }) {dimensions = array<i64: 0>} : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
      return %0 : tensor<3xi1>
    }";
    let mut module = parse(program);
    let inputs = [Tensor::f32s(&[3], &[-1., 0., 2.]).unwrap(), Tensor::f32s(&[], &[0.5]).unwrap()];
    let before = Evaluator::new(&module).call("main", &inputs).unwrap();
    let func = module.find("main").unwrap();
    assert!(decompose(&mut module.funcs[func].body));
    crate::verify::verify(&module).unwrap();
    let kinds = module.funcs[func].body.clone();
    assert!(
        kinds.walk(kinds.entry).iter().all(|&op| !matches!(kinds.ops[op].kind, OpKind::Map(_)))
    );
    assert_eq!(Evaluator::new(&module).call("main", &inputs).unwrap(), before);
    assert_eq!(before[0].ints().unwrap(), [0, 1, 1]);
}

#[test]
fn operands_become_constant_before_they_are_needed() {
    let program = "func.func @main() -> tensor<2xf32> {
      %a = stablehlo.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
      %n = stablehlo.constant dense<2> : tensor<i32>
      %0 = stablehlo.set_dimension_size %a, %n, dim = 0 : (tensor<3xf32>, tensor<i32>) -> tensor<2xf32>
      return %0 : tensor<2xf32>
    }";
    assert_eq!(text(program)[0].to_f32s().unwrap(), [1., 2.]);
    let mut module = parse(program);
    let func = module.find("main").unwrap();
    assert!(decompose(&mut module.funcs[func].body));
    assert_eq!(Evaluator::new(&module).call("main", &[]).unwrap()[0].to_f32s().unwrap(), [1., 2.]);
}

fn parse(text: &str) -> crate::ir::Module {
    crate::front::mlir::parse_module(&crate::diag::Source::new("t.mlir", text)).unwrap()
}

/// Runs `main` on the evaluator as parsed and as compiled for it, which must agree.
fn both(program: &str, inputs: &[Tensor]) -> Vec<Tensor> {
    let module = parse(program);
    let verified = crate::verify::verify(&module).unwrap();
    let before = Evaluator::new(&module).call("main", inputs).unwrap();
    let mut func = crate::passes::inline::inline(verified, "main").unwrap();
    crate::passes::run(&mut func, &mut |_, _| {});
    let calls = func.body.walk(func.body.entry);
    assert!(calls.iter().all(|&op| !matches!(func.body.ops[op].kind, OpKind::CustomCall(_))));
    let mut flat = crate::ir::Module::default();
    flat.funcs.push(func);
    assert_eq!(Evaluator::new(&flat).call("main", inputs).unwrap(), before);
    before
}

fn f32s(dims: &[u64], values: &[f32]) -> Tensor {
    Tensor::f32s(dims, values).unwrap()
}

#[test]
fn lapack_factorisations_are_operations() {
    let program = "func.func @main(%a: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<i32>) {
      %0:2 = stablehlo.custom_call @lapack_spotrf_ffi(%a) {mhlo.backend_config = {uplo = 76 : ui8}}
        : (tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<i32>)
      return %0#0, %0#1 : tensor<2x2xf32>, tensor<i32>
    }";
    let out = both(program, &[f32s(&[2, 2], &[4., 7., 2., 10.])]);
    // The other triangle is the operand's.
    assert_eq!(out[0].to_f32s().unwrap(), [2., 7., 1., 3.]);
    assert_eq!(out[1].ints().unwrap(), [0]);
    let out = both(program, &[f32s(&[2, 2], &[4., 7., 2., 0.5])]);
    assert_eq!(out[1].ints().unwrap(), [2], "the second minor is not positive");

    let program = "func.func @main(%a: tensor<2x2xf32>, %b: tensor<1x2xf32>) -> tensor<1x2xf32> {
      %0 = stablehlo.custom_call @lapack_strsm_ffi(%a, %b) {mhlo.backend_config =
        {diag = 78 : ui8, side = 82 : ui8, trans_x = 84 : ui8, uplo = 76 : ui8}}
        : (tensor<2x2xf32>, tensor<1x2xf32>) -> tensor<1x2xf32>
      return %0 : tensor<1x2xf32>
    }";
    // x a^T = b with a lower: 2 x0 = 2, 4 x0 + 8 x1 = 20.
    let out = both(program, &[f32s(&[2, 2], &[2., 9., 4., 8.]), f32s(&[1, 2], &[2., 20.])]);
    assert_eq!(out[0].to_f32s().unwrap(), [1., 2.]);
}

#[test]
fn selections_annotations_and_assertions() {
    let program = "func.func @main(%a: tensor<2x3xf32>) -> (tensor<2x2xf32>, tensor<2x2xi32>) {
      %t = stablehlo.constant dense<true> : tensor<i1>
      stablehlo.custom_call @shape_assertion(%t) {error_message = \"no\", has_side_effect = true}
        : (tensor<i1>) -> ()
      %s = stablehlo.custom_call @Sharding(%a) : (tensor<2x3xf32>) -> tensor<2x3xf32>
      %0:2 = stablehlo.custom_call @TopK(%s)
        : (tensor<2x3xf32>) -> (tensor<2x2xf32>, tensor<2x2xi32>)
      return %0#0, %0#1 : tensor<2x2xf32>, tensor<2x2xi32>
    }";
    let out = both(program, &[f32s(&[2, 3], &[1., 3., 2., 5., 5., 7.])]);
    assert_eq!(out[0].to_f32s().unwrap(), [3., 2., 7., 5.]);
    assert_eq!(out[1].ints().unwrap(), [1, 2, 2, 0]);
}

/// The first block of the authors' known-answer tests for 20 rounds (Random123, `kat_vectors`).
#[test]
fn threefry_rounds_are_the_published_ones() {
    let program = "func.func @main(%k: tensor<2xui32>, %c: tensor<2xui32>) -> tensor<2xui32> {
      %0:2 = stablehlo.custom_call @cu_threefry2x32_ffi(%k, %k, %c, %c)
        : (tensor<2xui32>, tensor<2xui32>, tensor<2xui32>, tensor<2xui32>)
        -> (tensor<2xui32>, tensor<2xui32>)
      %1 = stablehlo.slice %0#0 [0:1] : (tensor<2xui32>) -> tensor<1xui32>
      %2 = stablehlo.slice %0#1 [0:1] : (tensor<2xui32>) -> tensor<1xui32>
      %3 = stablehlo.concatenate %1, %2, dim = 0 : (tensor<1xui32>, tensor<1xui32>) -> tensor<2xui32>
      return %3 : tensor<2xui32>
    }";
    let ty = TensorType::fixed(&[2], DType::U32);
    for (word, want) in
        [(0, [0x6b20_0159, 0x99ba_4efe]), (0xffff_ffffu32, [0x1cb9_96fc, 0xbb00_2be7])]
    {
        let all = Tensor::from_elements(&ty, [Element::Int(word.into()); 2]).unwrap();
        let out = both(program, &[all.clone(), all]);
        assert_eq!(bits_of(&out[0]), want);
    }
}

#[test]
fn calls_that_are_left_are_refused_with_their_reason() {
    let refusal = |call: &str| {
        let program = format!(
            "func.func @main(%a: tensor<2x2xf32>) -> tensor<2x2xf32> {{
               %f = stablehlo.constant dense<false> : tensor<i1>
               %n = stablehlo.constant dense<3> : tensor<i32>
               {call}
               return %0 : tensor<2x2xf32>
             }}"
        );
        let options = crate::compile::CompileOptions::default();
        crate::compile::compile(&parse(&program), &options).unwrap_err().message
    };
    let same = "(%a) : (tensor<2x2xf32>) -> tensor<2x2xf32>";
    assert!(
        refusal(&format!("%0 = stablehlo.custom_call @mine{same}")).contains("@mine` is not known")
    );
    for (target, message) in [
        ("lapack_sgeev_ffi", "not symmetric"),
        ("lapack_sgehrd_ffi", "Hessenberg"),
        ("lapack_sgees_ffi", "Schur"),
        ("lapack_sgeqp3_ffi", "with pivots"),
        ("lapack_ssyevd_ffi", "operands or settings"),
    ] {
        let text = refusal(&format!("%0 = stablehlo.custom_call @{target}{same}"));
        assert!(text.contains(message), "{text}");
    }
    let assertion = "%0 = stablehlo.negate %a : tensor<2x2xf32>
      stablehlo.custom_call @shape_assertion(%f, %n) {error_message = \"size {0} is odd\",
        has_side_effect = true} : (tensor<i1>, tensor<i32>) -> ()";
    assert_eq!(refusal(assertion), "size 3 is odd");
}

fn product(a: &[f32], b: &[f32], n: usize) -> Vec<f32> {
    let columns = b.len() / n;
    let one = |i: usize, j: usize| (0..n).map(|k| a[i * n + k] * b[k * columns + j]).sum();
    (0..a.len() / n * columns).map(|at| one(at / columns, at % columns)).collect()
}

fn close(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-5), "{a:?} {b:?}");
}

#[test]
fn lu_factors_multiply_to_the_permuted_matrix() {
    let program = "func.func @main(%a: tensor<2x3x3xf32>)
        -> (tensor<2x3x3xf32>, tensor<2x3xi32>, tensor<2xi32>) {
      %0:3 = stablehlo.custom_call @lapack_sgetrf_ffi(%a) {mhlo.backend_config = {}}
        : (tensor<2x3x3xf32>) -> (tensor<2x3x3xf32>, tensor<2x3xi32>, tensor<2xi32>)
      return %0#0, %0#1, %0#2 : tensor<2x3x3xf32>, tensor<2x3xi32>, tensor<2xi32>
    }";
    let a = [1f32, 2., 3., 4., -5., 6., 7., 8., 10.];
    let singular = [1f32, 2., 3., 2., 4., 6., 0., 0., 5.];
    let out = both(program, &[f32s(&[2, 3, 3], &[a, singular].concat())]);
    let (lu, pivots) = (out[0].to_f32s().unwrap(), out[1].ints().unwrap());
    assert_eq!(pivots[..2], [3, 2]);
    assert_eq!(out[2].ints().unwrap()[0], 0);
    assert_ne!(out[2].ints().unwrap()[1], 0, "the second matrix is singular");
    let part = |keep: fn(usize, usize) -> bool| -> Vec<f32> {
        (0..9).map(|at| if keep(at / 3, at % 3) { lu[at] } else { 0.0 }).collect()
    };
    let mut lower = part(|i, j| i > j);
    (0..3).for_each(|i| lower[4 * i] = 1.0);
    let mut rows: Vec<&[f32]> = a.chunks(3).collect();
    (0..3).for_each(|k| rows.swap(k, pivots[k] as usize - 1));
    close(&product(&lower, &part(|i, j| i <= j), 3), &rows.concat());
}

#[test]
fn qr_factors_multiply_to_the_matrix() {
    let program = "func.func @main(%a: tensor<4x3xf32>) -> (tensor<4x3xf32>, tensor<4x3xf32>) {
      %0:2 = stablehlo.custom_call @lapack_sgeqrf_ffi(%a) {mhlo.backend_config = {}}
        : (tensor<4x3xf32>) -> (tensor<4x3xf32>, tensor<3xf32>)
      %1 = stablehlo.custom_call @lapack_sorgqr_ffi(%0#0, %0#1) {mhlo.backend_config = {}}
        : (tensor<4x3xf32>, tensor<3xf32>) -> tensor<4x3xf32>
      return %0#0, %1 : tensor<4x3xf32>, tensor<4x3xf32>
    }";
    let a = [1f32, 2., 3., 4., -5., 6., 7., 8., 10., 0., 1., -2.];
    let out = both(program, &[f32s(&[4, 3], &a)]);
    let (r, q) = (out[0].to_f32s().unwrap(), out[1].to_f32s().unwrap());
    let upper: Vec<f32> = (0..9).map(|at| if at / 3 <= at % 3 { r[at] } else { 0.0 }).collect();
    assert!(upper[0] < 0.0, "LAPACK's sign");
    close(&product(&q, &upper, 3), &a);
    let transposed: Vec<f32> = (0..12).map(|at| q[at % 4 * 3 + at / 4]).collect();
    close(&product(&transposed, &q, 4), &[1., 0., 0., 0., 1., 0., 0., 0., 1.]);
}

#[test]
fn large_tables_of_indices_are_made_of_small_ones() {
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<20001xf32>, %y: tensor<100x300xf32>)
    -> (tensor<20001xf32>, tensor<100x300xi32>, tensor<100x300xbf16>) {
  %0 = stablehlo.iota dim = 0 : tensor<20001xf32>
  %1 = stablehlo.add %x, %0 : tensor<20001xf32>
  %2 = stablehlo.iota dim = 1 : tensor<100x300xi32>
  %3 = stablehlo.convert %y : (tensor<100x300xf32>) -> tensor<100x300xi32>
  %4 = stablehlo.add %2, %3 : tensor<100x300xi32>
  %5 = stablehlo.iota dim = 0 : tensor<100x300x2xbf16>
  %6 = stablehlo.slice %5 [0:100, 0:300, 0:1] : (tensor<100x300x2xbf16>) -> tensor<100x300x1xbf16>
  %7 = stablehlo.reshape %6 : (tensor<100x300x1xbf16>) -> tensor<100x300xbf16>
  return %1, %4, %7 : tensor<20001xf32>, tensor<100x300xi32>, tensor<100x300xbf16>
}"#,
    );
    assert!(compiled.report.const_bytes < 8192, "{} bytes", compiled.report.const_bytes);
}
