//! Extraction of inputs, outputs and expected values.

use super::*;
use crate::diag::Source;
use crate::front::mlir::parse_module;

fn extracted(text: &str) -> Result<CheckProgram, ExtractError> {
    let module = parse_module(&Source::new("t.mlir", text)).unwrap();
    let programs = programs(&module);
    extract(&module, *programs.last().unwrap())
}

const CALLS: &str = r#"
module {
  func.func public @main() -> tensor<2xi32> {
    %0 = call @inputs() : () -> tensor<2xi32>
    %1 = call @expected() : () -> tensor<2xi32>
    %c = stablehlo.constant dense<1> : tensor<i32>
    %b = stablehlo.broadcast_in_dim %c, dims = [] : (tensor<i32>) -> tensor<2xi32>
    %2 = stablehlo.add %0, %b : tensor<2xi32>
    stablehlo.custom_call @check.expect_eq(%2, %1) {has_side_effect = true} : (tensor<2xi32>, tensor<2xi32>) -> ()
    return %2 : tensor<2xi32>
  }
  func.func private @inputs() -> tensor<2xi32> {
    %c = stablehlo.constant dense<[1, 2]> : tensor<2xi32>
    return %c : tensor<2xi32>
  }
  func.func private @expected() -> tensor<2xi32> {
    %c = stablehlo.constant dense<[2, 3]> : tensor<2xi32>
    return %c : tensor<2xi32>
  }
}
"#;

fn i32s(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn constants_become_inputs_and_scalars_stay() {
    let program = extracted(CALLS).unwrap();
    assert_eq!(program.name, "main");
    assert_eq!(program.input_bytes(), [i32s(&[1, 2])]);
    let func = program.module.funcs.values().next().unwrap();
    let names: Vec<&str> = func.body.blocks[func.body.entry]
        .ops
        .iter()
        .map(|&op| func.body.ops[op].kind.name())
        .collect();
    assert_eq!(
        names,
        ["stablehlo.constant", "stablehlo.broadcast_in_dim", "stablehlo.add", "func.return"]
    );
}

#[test]
fn wrong_outputs_are_found() {
    let program = extracted(CALLS).unwrap();
    assert_eq!(program.check(&[i32s(&[2, 3])]), Ok(()));
    let failures = program.check(&[i32s(&[2, 4])]).unwrap_err();
    assert_eq!(
        failures,
        ["stablehlo.add, output 0: 1 of 2 elements differ, first at [1]: 4 computed, 3 expected"]
    );
    assert!(program.check(&[]).is_err());
    assert!(program.check(&[i32s(&[2])]).is_err());
}

#[test]
fn the_operands_of_check_eq_are_reversed() {
    let text = r#"
func.func @main() {
  %want = stablehlo.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %in = stablehlo.constant dense<[-1.0, 2.0]> : tensor<2xf32>
  %got = stablehlo.abs %in : tensor<2xf32>
  %0 = stablehlo.custom_call @check.eq(%want, %got) : (tensor<2xf32>, tensor<2xf32>) -> tensor<i1>
  func.return
}
"#;
    let program = extracted(text).unwrap();
    assert_eq!(program.expectations[0].op, "stablehlo.abs");
    assert_eq!(program.inputs.len(), 1);
}

#[test]
fn functions_that_cannot_run_alone_are_refused() {
    let with_argument = "func.func @f(%x: tensor<2xf32>) {\n  func.return\n}\n";
    assert!(matches!(extracted(with_argument), Err(ExtractError::Unsupported(_))));
    let without_check = "func.func @f() {\n  func.return\n}\n";
    let error = extracted(without_check).unwrap_err();
    assert!(error.to_string().contains("no expectation"), "{error}");
}
