//! What is printed parses again to an equal module.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::super::parse_module;
use super::files::{programs, shared};
use super::parse;
use crate::diag::Source;
use crate::ir::{BlockId, Body, Func, Module, ValueId};

/// Everything in a module but names of values and places in the text. `Debug` tells values apart
/// that compare unequal to themselves, such as NaN.
fn structure(module: &Module) -> String {
    let mut out = format!("{:?} {:?}\n", module.name, module.attrs);
    for func in module.funcs.values() {
        let Func { name, public, arg_attrs, results, result_attrs, attrs, body, .. } = func;
        let header = (name, public, arg_attrs, results, result_attrs, attrs);
        let _ = writeln!(out, "{header:?}");
        block(body, body.entry, &mut HashMap::new(), &mut out);
    }
    out
}

fn block(body: &Body, id: BlockId, numbers: &mut HashMap<ValueId, usize>, out: &mut String) {
    for &arg in &body.blocks[id].args {
        let n = numbers.len();
        numbers.insert(arg, n);
        let _ = writeln!(out, "arg {n}: {}", body.ty(arg));
    }
    for &op in &body.blocks[id].ops {
        let op = &body.ops[op];
        let operands: Vec<Option<&usize>> = op.operands.iter().map(|v| numbers.get(v)).collect();
        let types: Vec<String> = op.results.iter().map(|&v| body.ty(v).to_string()).collect();
        let _ = writeln!(out, "{:?} {operands:?} {types:?} {:?}", op.kind, op.attrs);
        for &region in &op.regions {
            let _ = writeln!(out, "region");
            block(body, region, numbers, out);
        }
        for &result in &op.results {
            let n = numbers.len();
            numbers.insert(result, n);
        }
    }
}

/// What differs after printing and parsing, if anything.
fn difference(module: &Module) -> Option<String> {
    let printed = module.to_string();
    let again = match parse_module(&Source::new("printed.mlir", printed.clone())) {
        Ok(again) => again,
        Err(errors) => return Some(errors.to_string()),
    };
    let (want, have) = (structure(module), structure(&again));
    if let Some((a, b)) = want.lines().zip(have.lines()).find(|(a, b)| a != b) {
        let cut = |s: &str| s.chars().take(600).collect::<String>();
        return Some(format!("before: {}\nafter:  {}", cut(a), cut(b)));
    }
    (again.to_string() != printed).then(|| "the second printing differs".to_owned())
}

#[test]
fn a_module_of_many_forms_survives() {
    let module = parse(
        r#"
module @m attributes {a = [1 : i32, -2.5 : f32, true, "s\22\\", @x::@y], b = {c, "odd key" = unit}, d = tensor<2xf32>,
    e = array<i64>, f = array<i1: true>, g = #stablehlo<precision HIGH>, h = #other.thing<"x>y">, i = dense<[1, 2]> : tensor<2xi8>,
    j = 0x7FC00000 : f32, k = 1.0e-300} {
  func.func public @"main x"(%arg0: tensor<1x4x4x2xf32> {q = 1 : i64}, %arg1: tensor<i32>) -> (tensor<1x4x4x3xf32> {r}, tensor<2xi1>) attributes {z} {
    %k = stablehlo.constant {w = 1 : i8} dense<"0x0000803F000000400000C0FF"> : tensor<1x1x1x3xf32>
    %w = stablehlo.constant dense<1.0> : tensor<1x1x2x3xf32>
    %i = stablehlo.constant dense<[-1, 7]> : tensor<2xi4>
    %b = stablehlo.constant dense<[true, false]> : tensor<2xi1>
    %e = stablehlo.constant dense<> : tensor<0x3xf32>
    %c = stablehlo.constant dense<[(1.0, -0.0), (0x7FC00001, 0x7F800000)]> : tensor<2xcomplex<f32>>
    %q = stablehlo.constant() <{value = dense<[3, -4]> : tensor<2xi8>}> : () -> tensor<2x!quant.uniform<i8:f32, 0.1:3>>
    %0 = stablehlo.convolution(%arg0, %w) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {pad = [[0, 0], [0, 0]], rhs_dilate = [1, 1]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision HIGHEST>], mhlo.x = "y"} : (tensor<1x4x4x2xf32>, tensor<1x1x2x3xf32>) -> tensor<1x4x4x3xf32>
    %z = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %1 = stablehlo.reduce(%0 init: %z) applies stablehlo.maximum across dimensions = [1, 2] : (tensor<1x4x4x3xf32>, tensor<f32>) -> tensor<1x3xf32>
    %2:2 = stablehlo.while(%x = %arg1, %y = %1) : tensor<i32>, tensor<1x3xf32> attributes {t = 1 : i64}
     cond {
      %5 = stablehlo.compare LT, %x, %arg1, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %5 : tensor<i1>
    } do {
      stablehlo.return %x, %y : tensor<i32>, tensor<1x3xf32>
    }
    %3 = stablehlo.slice %2#1 [0:1, 0:3:2] : (tensor<1x3xf32>) -> tensor<1x2xf32>
    %4 = stablehlo.custom_call @"a b"(%3) {api_version = 2 : i32, backend_config = "\00\FF"} : (tensor<1x2xf32>) -> tensor<1x2xf32>
    return {v = 1 : i64} %0, %b : tensor<1x4x4x3xf32>, tensor<2xi1>
  }
  func.func private @decl(tensor<?x2xf32, #stablehlo.bounds<5, ?>> {o}, !stablehlo.token) -> tuple<tensor<f32>>
}
"#,
    );
    assert_eq!(difference(&module), None);
}

/// Reports about the programs of a folder that parse but do not survive.
fn casualties(folder: &str, suffix: &str) -> Vec<String> {
    let mut failures = Vec::new();
    for path in programs(&shared().join(folder), suffix) {
        let parsed = Source::read(&path).and_then(|source| parse_module(&source));
        if let Ok(module) = parsed
            && let Some(report) = difference(&module)
        {
            failures.push(format!("{}: {report}", path.display()));
        }
    }
    failures
}

#[test]
fn exported_models_survive() {
    let failures = casualties("models", ".stablehlo.mlir");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn conformance_programs_survive() {
    for kind in ["exec", "interp", "valid", "exec-math-ulp", "compile-dynamic", "roundtrip"] {
        let failures = casualties(&format!("conformance/stablehlo/{kind}"), ".mlir");
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}
