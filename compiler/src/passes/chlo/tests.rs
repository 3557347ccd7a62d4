//! Programs with CHLO operations: results keep every bit through the pass.

use crate::diag::Source;
use crate::eval::{Element, Evaluator, Tensor};
use crate::front::mlir::parse_module;
use crate::ir::{ElementType, Module};
use crate::passes::tests::same_bits;
use crate::verify::verify;

fn parse(text: &str) -> Module {
    let module = match parse_module(&Source::new("test.mlir", text)) {
        Ok(module) => module,
        Err(error) => panic!("{error}\n{text}"),
    };
    if let Err(errors) = verify(&module) {
        panic!("{errors:?}\n{text}");
    }
    module
}

/// Numbers of both signs, and the special ones of floats.
fn inputs(module: &Module) -> Vec<Tensor> {
    let func = &module.funcs[module.entry().expect("a function")];
    let args = &func.body.blocks[func.body.entry].args;
    let types = args.iter().map(|&v| func.body.ty(v).tensor().expect("a tensor"));
    let special = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e-40, 0.5, -3.0];
    types
        .enumerate()
        .map(|(n, ty)| {
            let ElementType::Plain(dtype) = ty.elem else { panic!("{ty}") };
            let count = ty.elements().expect("static") as usize;
            let element = |i: usize| match dtype {
                d if d.is_float() => {
                    Element::Float(special.get(i * (n + 1) % 11).copied().unwrap_or(i as f64 / 4.0))
                }
                d if d.is_complex() => Element::Complex(i as f64 - 2.0, 1.5 * n as f64 - 1.0),
                d => Element::small(d, (37 * i as i64 + 11 * n as i64) % 120 - 30),
            };
            let round = |e| crate::ops::elementwise::round_to(dtype, e);
            Tensor::from_elements(ty, (0..count).map(element).map(round)).expect("it fits")
        })
        .collect()
}

fn evaluate(module: &Module, inputs: &[Tensor]) -> Vec<Vec<u8>> {
    let main = module.entry().expect("a function");
    let outputs = Evaluator::new(module).run(main, inputs).expect("it evaluates");
    outputs.iter().map(|t| t.bytes().to_vec()).collect()
}

/// Legalises the program, and returns it as text, after checking that it computes the same.
fn legalized(text: &str) -> String {
    let mut module = parse(text);
    let inputs = inputs(&module);
    let before = evaluate(&module, &inputs);
    let main = module.entry().expect("a function");
    assert!(super::legalize(&mut module.funcs[main].body), "{text}");
    if let Err(errors) = verify(&module) {
        panic!("{errors:?}\n{module}");
    }
    assert_eq!(evaluate(&module, &inputs), before, "{module}");
    module.to_string()
}

fn gone(text: &str) -> String {
    let after = legalized(text);
    assert!(!after.contains("chlo."), "{after}");
    after
}

fn unary(op: &str, operand: &str, result: &str) -> String {
    format!(
        "func.func @main(%a: tensor<11x{operand}>) -> tensor<11x{result}> {{
           %0 = chlo.{op} %a : tensor<11x{operand}> -> tensor<11x{result}>
           return %0 : tensor<11x{result}>
         }}"
    )
}

#[test]
fn small_elementwise_operations_expand() {
    for ty in ["f16", "bf16", "f32", "f64"] {
        for op in ["is_inf", "is_pos_inf", "is_neg_inf"] {
            gone(&unary(op, ty, "i1"));
        }
        for op in ["square", "tan", "conj"] {
            gone(&unary(op, ty, ty));
        }
        gone(&format!(
            "func.func @main(%a: tensor<88x{ty}>, %b: tensor<88x{ty}>) -> tensor<88x{ty}> {{
               %0 = chlo.next_after %a, %b : tensor<88x{ty}>, tensor<88x{ty}> -> tensor<88x{ty}>
               return %0 : tensor<88x{ty}>
             }}"
        ));
    }
    gone(&unary("conj", "complex<f32>", "complex<f32>"));
    for ty in ["i2", "ui2", "i4", "ui4"] {
        gone(&format!(
            "func.func @main(%a: tensor<40x{ty}>, %b: tensor<40x{ty}>) -> tensor<40x{ty}> {{
               %0 = chlo.mulhi %a, %b : tensor<40x{ty}>, tensor<40x{ty}> -> tensor<40x{ty}>
               return %0 : tensor<40x{ty}>
             }}"
        ));
    }
}

#[test]
fn broadcasts_become_explicit() {
    let text = gone(
        "func.func @main(%a: tensor<2x1xf32>, %b: tensor<3xf32>) -> tensor<2x3xf32> {
           %0 = chlo.broadcast_next_after %a, %b : (tensor<2x1xf32>, tensor<3xf32>) -> tensor<2x3xf32>
           %1 = \"chlo.constant_like\"(%0) {value = 2.5 : f32} : (tensor<2x3xf32>) -> tensor<2x3xf32>
           %2 = chlo.broadcast_add %0, %1 : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
           return %2 : tensor<2x3xf32>
         }",
    );
    assert_eq!(text.matches("broadcast_in_dim").count(), 2, "{text}");
    gone(
        "func.func @main(%p: tensor<i1>, %a: tensor<2x1xi32>, %b: tensor<3xi32>) -> tensor<2x3xi32> {
           %0 = \"chlo.broadcast_select\"(%p, %a, %b) : (tensor<i1>, tensor<2x1xi32>, tensor<3xi32>) -> tensor<2x3xi32>
           %1 = chlo.broadcast_compare %a, %0 {comparison_direction = #chlo<comparison_direction LT>} : (tensor<2x1xi32>, tensor<2x3xi32>) -> tensor<2x3xi1>
           %2 = stablehlo.convert %1 : (tensor<2x3xi1>) -> tensor<2x3xi32>
           return %2 : tensor<2x3xi32>
         }",
    );
}

#[test]
fn top_k_is_a_sort() {
    for ty in ["f32", "bf16", "i8", "ui16", "i1"] {
        let text = gone(&format!(
            "func.func @main(%a: tensor<2x9x{ty}>) -> (tensor<2x4x{ty}>, tensor<2x4xi32>) {{
               %v, %i = chlo.top_k(%a, k = 4) : tensor<2x9x{ty}> -> (tensor<2x4x{ty}>, tensor<2x4xi32>)
               return %v, %i : tensor<2x4x{ty}>, tensor<2x4xi32>
             }}"
        ));
        assert!(text.contains("stablehlo.sort"), "{text}");
    }
}

#[test]
fn scans_are_loops() {
    for reverse in [false, true] {
        let text = gone(&format!(
            "func.func @main(%a: tensor<4x3xf32>, %k: tensor<4xf32>) -> (tensor<4x3xf32>, tensor<4x3xi1>, tensor<4xf32>) {{
               %0, %1, %2 = chlo.scan(%a) inits(%k) dimension=1 attributes {{is_reverse = {reverse}}} {{
               ^bb0(%x: tensor<4xf32>, %c: tensor<4xf32>):
                 %p = chlo.broadcast_multiply %c, %k : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
                 %s = stablehlo.add %x, %p : tensor<4xf32>
                 %f = chlo.is_inf %s : tensor<4xf32> -> tensor<4xi1>
                 stablehlo.return %s, %f, %s : tensor<4xf32>, tensor<4xi1>, tensor<4xf32>
               }} : (tensor<4x3xf32>, tensor<4xf32>) -> (tensor<4x3xf32>, tensor<4x3xi1>, tensor<4xf32>)
               return %0, %1, %2 : tensor<4x3xf32>, tensor<4x3xi1>, tensor<4xf32>
             }}"
        ));
        assert!(text.contains("stablehlo.while"), "{text}");
    }
}

#[test]
fn ragged_dots_are_dots() {
    gone(
        "func.func @main(%a: tensor<2x4x3xf32>, %b: tensor<2x2x3x2xf32>) -> tensor<2x4x2xf32> {
           %n = stablehlo.constant dense<[1, 2]> : tensor<2xi64>
           %0 = \"chlo.ragged_dot\"(%a, %b, %n) {ragged_dot_dimension_numbers = #chlo.ragged_dot<
             lhs_batching_dimensions = [0], rhs_batching_dimensions = [1],
             lhs_contracting_dimensions = [2], rhs_contracting_dimensions = [2],
             lhs_ragged_dimensions = [1], rhs_group_dimensions = [0]>,
             precision_config = [#chlo<precision DEFAULT>, #chlo<precision DEFAULT>]}
             : (tensor<2x4x3xf32>, tensor<2x2x3x2xf32>, tensor<2xi64>) -> tensor<2x4x2xf32>
           return %0 : tensor<2x4x2xf32>
         }",
    );
}

#[test]
fn other_spellings_are_recognised() {
    let text = legalized(
        "func.func @main(%a: tensor<11xf32>) -> (tensor<11xf32>, tensor<3xf32>, tensor<3xi32>, tensor<11xf32>) {
           %0 = stablehlo.composite \"chlo.erf\" %a {decomposition = @wrong} : (tensor<11xf32>) -> tensor<11xf32>
           %1:2 = stablehlo.custom_call @mhlo.topk(%a) {mhlo.attributes = {k = 3 : i64, largest = false}} : (tensor<11xf32>) -> (tensor<3xf32>, tensor<3xi32>)
           %2 = stablehlo.custom_call @mhlo.tan(%a) {mhlo.version = 1 : i64} : (tensor<11xf32>) -> tensor<11xf32>
           return %0, %1#0, %1#1, %2 : tensor<11xf32>, tensor<3xf32>, tensor<3xi32>, tensor<11xf32>
         }
         func.func private @wrong(%a: tensor<11xf32>) -> tensor<11xf32> { return %a : tensor<11xf32> }",
    );
    assert!(text.contains("chlo.erf") && !text.contains("custom_call"), "{text}");
    let module = parse(
        "func.func @main(%a: tensor<2xf32>) -> tensor<2xf32> {
           %0 = stablehlo.composite \"chlo.mine\" %a {decomposition = @id} : (tensor<2xf32>) -> tensor<2xf32>
           return %0 : tensor<2xf32>
         }
         func.func private @id(%a: tensor<2xf32>) -> tensor<2xf32> { return %a : tensor<2xf32> }",
    );
    let input = Tensor::f32s(&[2], &[1.0, 2.0]).unwrap();
    assert_eq!(evaluate(&module, std::slice::from_ref(&input))[0], input.bytes());
}

#[test]
fn printed_operations_parse_to_themselves() {
    let module = parse(
        "func.func @main(%a: tensor<4x3xf32>, %k: tensor<4xf32>) -> tensor<4x3xi1> {
           %c = chlo.constant dense<1.0> : tensor<f32>
           %l = \"chlo.constant_like\"(%a) {value = 0x7FC00000 : f32} : (tensor<4x3xf32>) -> tensor<4x3xf32>
           %v, %i = chlo.top_k(%a, k=2) : tensor<4x3xf32> -> (tensor<4x2xf32>, tensor<4x2xi32>)
           %0, %1 = chlo.scan(%a) inits(%k) dimension=1 attributes {is_associative = true, scan_dim_size = 3 : i64} {
           ^bb0(%x: tensor<4xf32>, %y: tensor<4xf32>):
             stablehlo.return %x, %y : tensor<4xf32>, tensor<4xf32>
           } : (tensor<4x3xf32>, tensor<4xf32>) -> (tensor<4x3xf32>, tensor<4xf32>)
           %b = chlo.broadcast_compare %k, %0 {broadcast_dimensions = array<i64: 0>, comparison_direction = #chlo<comparison_direction LT>, compare_type = #chlo<comparison_type TOTALORDER>} : (tensor<4xf32>, tensor<4x3xf32>) -> tensor<4x3xi1>
           %d = chlo.lgamma %a : tensor<4x3xf32> -> tensor<4x3xf32>
           return %b : tensor<4x3xi1>
         }",
    );
    let text = module.to_string();
    assert_eq!(parse(&text).to_string(), text);
}

/// Every function that has a micro-operation, on the runtime.
#[test]
fn functions_run_to_the_same_bits() {
    for op in [
        "acos",
        "acosh",
        "asin",
        "asinh",
        "atan",
        "atanh",
        "bessel_i1e",
        "cosh",
        "digamma",
        "erf",
        "erf_inv",
        "erfc",
        "lgamma",
        "sinh",
        "square",
        "tan",
        "conj",
    ] {
        for ty in ["f32", "f64"] {
            same_bits(&format!(
                "func.func @main(%a: tensor<9xf32>) -> tensor<9x{ty}> {{
                   %0 = stablehlo.convert %a : (tensor<9xf32>) -> tensor<9x{ty}>
                   %1 = chlo.{op} %0 : tensor<9x{ty}> -> tensor<9x{ty}>
                   return %1 : tensor<9x{ty}>
                 }}"
            ));
        }
    }
    for op in ["acos", "acosh", "asin", "asinh", "atan", "atanh", "cosh", "sinh", "square", "conj"]
    {
        same_bits(&format!(
            "func.func @main(%a: tensor<9xf32>, %b: tensor<9xf32>) -> tensor<9xcomplex<f32>> {{
               %0 = stablehlo.complex %a, %b : tensor<9xcomplex<f32>>
               %1 = chlo.{op} %0 : tensor<9xcomplex<f32>> -> tensor<9xcomplex<f32>>
               return %1 : tensor<9xcomplex<f32>>
             }}"
        ));
    }
}

#[test]
fn replacements_run_to_the_same_bits() {
    same_bits(
        "func.func @main(%a: tensor<2x9xf32>, %b: tensor<9xf32>) -> (tensor<2x9xf32>, tensor<2x9xi1>, tensor<2x9xf32>) {
           %0 = chlo.broadcast_next_after %a, %b : (tensor<2x9xf32>, tensor<9xf32>) -> tensor<2x9xf32>
           %1 = chlo.is_inf %0 : tensor<2x9xf32> -> tensor<2x9xi1>
           %2 = chlo.broadcast_zeta %a, %b : (tensor<2x9xf32>, tensor<9xf32>) -> tensor<2x9xf32>
           return %0, %1, %2 : tensor<2x9xf32>, tensor<2x9xi1>, tensor<2x9xf32>
         }",
    );
    same_bits(
        "func.func @main(%a: tensor<2x9xf32>) -> (tensor<2x4xf32>, tensor<2x4xi32>) {
           %v, %i = chlo.top_k(%a, k = 4) : tensor<2x9xf32> -> (tensor<2x4xf32>, tensor<2x4xi32>)
           return %v, %i : tensor<2x4xf32>, tensor<2x4xi32>
         }",
    );
    same_bits(
        "func.func @main(%a: tensor<5x3xf32>, %b: tensor<2x3x2xf32>) -> tensor<5x2xf32> {
           %n = stablehlo.constant dense<[1, 3]> : tensor<2xi64>
           %0 = \"chlo.ragged_dot\"(%a, %b, %n) {ragged_dot_dimension_numbers = #chlo.ragged_dot<
             lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [1],
             lhs_ragged_dimensions = [0], rhs_group_dimensions = [0]>}
             : (tensor<5x3xf32>, tensor<2x3x2xf32>, tensor<2xi64>) -> tensor<5x2xf32>
           return %0 : tensor<5x2xf32>
         }",
    );
}
