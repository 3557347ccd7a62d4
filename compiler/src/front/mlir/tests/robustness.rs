//! No input panics, overflows the stack or takes unbounded memory.

use super::super::parse_module;
use super::reject;
use crate::diag::Source;

const PROGRAM: &str = r#"#loc = loc("a"(callsite("b" at fused<{}>["f":1:2])))
#al = array<i64: 0>
!t = tensor<2xf32>
module @m attributes {a = [1, -2.5 : f32, true], b = {c = "d\22"}} {
  func.func public @main(%arg0: !t {x} loc("in"), %q: tensor<2x!quant.uniform<i8:f32:0, {0.5:1, 0.25}>>) -> (tensor<f32> {r = @s::@t}) {
    %c = stablehlo.constant dense<"0x0000803F00000040"> : tensor<2xf32> loc(#loc)
    %cst = stablehlo.constant dense<[1.0, -2.5e-3]> : !t
    %z = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %0 = stablehlo.reduce(%c init: %z) applies stablehlo.maximum across dimensions = [0] : (tensor<2xf32>, tensor<f32>) -> tensor<f32>
    %1:2 = stablehlo.while(%i = %0, %j = %arg0) : tensor<f32>, !t
     cond {
      %3 = stablehlo.compare LT, %i, %z, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>
      stablehlo.return %3 : tensor<i1>
    } do {
      stablehlo.return %i, %j : tensor<f32>, tensor<2xf32>
    }
    %2 = "stablehlo.slice"(%1#1) <{start_indices = #al, limit_indices = array<i64: 1>, strides = array<i64: 1>}> : (!t) -> tensor<1xf32>
    %4 = stablehlo.slice %cst [0:2:1] : (!t) -> tensor<2xf32>
    return %0 : tensor<f32> loc(#loc1)
  } loc(unknown)
}
#loc1 = loc("x.py":3:4 to :9)
"#;

/// Parses and renders what is reported.
fn survive(text: &str) {
    if let Err(errors) = parse_module(&Source::new("t.mlir", text)) {
        assert!(!errors.items().is_empty(), "rejected without a report: {text}");
        assert!(errors.to_string().contains("error: "));
    }
}

#[test]
fn the_program_itself_parses() {
    super::parse(PROGRAM);
}

#[test]
fn every_prefix_is_survived() {
    for end in 0..PROGRAM.len() {
        if PROGRAM.is_char_boundary(end) {
            survive(&PROGRAM[..end]);
        }
    }
}

#[test]
fn every_replaced_byte_is_survived() {
    let mut bytes = PROGRAM.as_bytes().to_vec();
    for i in 0..bytes.len() {
        let original = bytes[i];
        for replacement in *b"\0 \"%#()<>[]{}-.0x9\n" {
            bytes[i] = replacement;
            survive(std::str::from_utf8(&bytes).unwrap());
        }
        bytes[i] = original;
    }
}

#[test]
fn every_removed_byte_is_survived() {
    for i in 0..PROGRAM.len() {
        survive(&[&PROGRAM[..i], &PROGRAM[i + 1..]].concat());
    }
}

#[test]
fn deep_nesting_is_refused() {
    let n = 100_000;
    let op = "\"stablehlo.case\"(%x) ({\n";
    for text in [
        format!("#a = {}", "[".repeat(n)),
        format!("#a = {}", "{a = ".repeat(n)),
        format!("!a = {}", "tuple<".repeat(n)),
        format!("#a = loc({}", "callsite(".repeat(n)),
        format!("#a = loc({}", "\"a\"(".repeat(n)),
        format!("module {{}} {{-# a: {}", "{a: ".repeat(n)),
        format!("func.func @f(%x: tensor<i32>) {{\n{}", op.repeat(n)),
    ] {
        let report = reject(&text);
        assert!(report.contains("nesting is deeper than 128 levels"), "{report}");
    }
}

#[test]
fn aliases_cannot_multiply() {
    let mut types = String::from("!a0 = tensor<f32>\n");
    let mut attrs = String::from("#a0 = 1\n");
    for i in 1..100 {
        let p = i - 1;
        types += &format!("!a{i} = tuple<!a{p}, !a{p}, !a{p}, !a{p}>\n");
        attrs += &format!("#a{i} = [#a{p}, #a{p}, #a{p}, #a{p}]\n");
    }
    assert!(reject(&types).contains("holds more than 4096 types"));
    assert!(reject(&attrs).contains("aliases expand to too large a program"));
    assert!(
        parse_module(&Source::new(
            "t",
            "#loc1 = loc(#loc2)\n#loc2 = loc(#loc1)\n\
        func.func private @f(tensor<f32> loc(#loc1))"
        ))
        .is_ok()
    );
}

#[test]
fn a_small_literal_of_a_huge_type_takes_little_memory() {
    let report = reject(
        "func.func @f() { %0 = stablehlo.constant dense<[1.0]> : tensor<1000000000000xf32> return }",
    );
    assert!(report.contains("list of 1 items"), "{report}");
}
