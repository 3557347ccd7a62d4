//! What reports look like.

use super::super::parse_module;
use super::reject;
use crate::diag::Source;

#[test]
fn an_unknown_operation_names_itself_its_place_and_what_there_is() {
    let report = reject(
        "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {\n  \
         %0 = stablehlo.reduce_frobnicate %x : tensor<2xf32>\n  \
         return %0 : tensor<2xf32>\n}\n",
    );
    let expected = "\
error: operation `stablehlo.reduce_frobnicate` is not supported
 --> t.mlir:2:8
  |
2 |   %0 = stablehlo.reduce_frobnicate %x : tensor<2xf32>
  |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: supported operations with similar names: stablehlo.reduce, stablehlo.reduce_precision, \
stablehlo.reduce_scatter, stablehlo.reduce_window";
    assert_eq!(report, expected);
}

#[test]
fn expected_and_found_are_named() {
    let report =
        reject("func.func @main(%x: tensor<2xf32>) {\n  %0 = stablehlo.transpose %x, dims = 1\n}");
    let expected = "\
error: expected `[`, found `1`
 --> t.mlir:2:39
  |
2 |   %0 = stablehlo.transpose %x, dims = 1
  |                                       ^";
    assert_eq!(report, expected);
}

#[test]
fn operands_of_other_types_are_pointed_at() {
    let report = reject(
        "func.func @main(%x: tensor<2xf32>, %y: tensor<3xf32>) {\n  \
         %0 = stablehlo.add %x, %y : tensor<2xf32>\n  return\n}",
    );
    let expected = "\
error: expected an operand of type tensor<2xf32>, found one of type tensor<3xf32>
 --> t.mlir:2:26
  |
2 |   %0 = stablehlo.add %x, %y : tensor<2xf32>
  |                          ^^";
    assert_eq!(report, expected);
}

#[test]
fn a_bad_element_of_a_long_literal_is_found() {
    let row = "1.5, ".repeat(100_000);
    let text = format!(
        "func.func @main() {{\n  %c = stablehlo.constant dense<[{row}oops, {row}2.5]> : \
         tensor<200002xf32>\n  return\n}}"
    );
    let report = reject(&text);
    let place = text.lines().nth(1).unwrap().find("oops").unwrap() + 1;
    assert!(report.contains(&format!(" --> t.mlir:2:{place}\n")), "{report}");
    assert!(report.contains("2 | ... "), "{report}");
    assert!(report.len() < 700, "{report}");
    let mut lines = report.lines().skip(3);
    let (code, caret) = (lines.next().unwrap(), lines.next().unwrap());
    assert_eq!(code.find("oops"), caret.find('^'), "{report}");
}

#[test]
fn each_operation_reports_once_and_uses_of_its_results_are_silent() {
    let source = Source::new(
        "t.mlir",
        "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {\n\
         %0 = stablehlo.frob %x {\n a = \"}\" } : tensor<2xf32>\n\
         %1 = stablehlo.add %0, %0 : tensor<2xf32>\n\
         %2 = stablehlo.add %x, %nope : tensor<2xf32>\n\
         %3 = \"stablehlo.zorp\"(%1) ({\n ^bb0(%z: tensor<f32>):\n stablehlo.return %z : tensor<f32>\n }) : \
         (tensor<2xf32>) -> tensor<2xf32>\n\
         return %1 : tensor<2xf32>\n}\n\
         func.func @other() { %0 = chlo.frob : tensor<2xf32>\n return }",
    );
    let errors = parse_module(&source).unwrap_err();
    let messages: Vec<&str> = errors.items().iter().map(|d| d.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "operation `stablehlo.frob` is not supported",
            "`%nope` is not defined here",
            "operation `stablehlo.zorp` is not supported",
            "operation `chlo.frob` is not supported",
        ]
    );
}

#[test]
fn reports_stop_at_a_limit() {
    let body = "%0 = stablehlo.frob : tensor<f32>\n".repeat(1000);
    let source = Source::new("t.mlir", format!("func.func @main() {{\n{body}return }}"));
    assert_eq!(parse_module(&source).unwrap_err().items().len(), 20);
}

#[test]
fn misuse_is_refused_with_advice() {
    for (text, message) in [
        ("func.func @f() { vhlo.return_v1 }", "written in the generic form"),
        ("func.func @f() { \"vhlo.zorp_v9\"() : () -> () }", "unknown operation `vhlo.zorp_v9`"),
        ("func.func @f() {} func.func @f() {}", "function `@f` is defined twice"),
        ("func.func @f(%a: tensor<f32>, %a: tensor<f32>) {}", "`%a` is defined twice"),
        ("func.func @f() { return %x : tensor<f32> }", "`%x` is not defined here"),
        ("func.func @f(%x: tensor<f32>) { return %x#1 : tensor<f32> }", "there is no `#1`"),
        ("func.func @f() { ^bb1: return ^bb2: return }", "expected one block per region"),
        ("module { module { } }", "nested modules"),
        ("module { } module { }", "expected the end of the file after the module"),
        ("#a = #b", "`#b` is not defined"),
        ("#a = #stablehlo.mode-x<HIGH>", "`mode-x` names no attribute"),
        ("#a = 1 #a = 2", "`#a` is defined twice"),
        ("module @\"x", "never closed"),
        (
            "func.func @f() -> tensor<f32> { %0 = stablehlo.iota dim = : tensor<f32> }",
            "expected an integer",
        ),
        (
            "func.func @f() { %a, %b = stablehlo.iota dim = 0 : tensor<1xf32> return }",
            "has 1 results, 2 are named",
        ),
        (
            "func.func @f() { %0 = \"stablehlo.iota\"() : () -> tensor<f32> return }",
            "`iota_dimension` is missing",
        ),
        (
            "func.func @f(%x: tensor<f32>) { tf.Print %x : tensor<f32> return }",
            "its short form cannot be read",
        ),
        ("func.func @f(tensor<f32>) { return }", "has no name"),
        (
            "func.func @f(%a: tensor<2xf32>) { %0 = stablehlo.dot %a, %a, precision = [MOST] : \
            (tensor<2xf32>, tensor<2xf32>) -> tensor<f32> return }",
            "expected DEFAULT, HIGH, HIGHEST, found `MOST`",
        ),
        ("#a = #stablehlo<precision LOW>", "expected DEFAULT, HIGH, HIGHEST, found `LOW`"),
    ] {
        let report = reject(text);
        assert!(report.contains(message), "{text}: {report}");
    }
}
