//! Functions that are left to the firmware: custom calls and composites of given names.
//!
//! A composite becomes a custom call of its name, with its attributes as `backend_config`; its
//! decomposition remains what the program means, for the evaluator. A custom call stays as it is: no pass
//! knows its target, and lowering makes a call of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::decompose::custom::is_known_target;
use crate::compile::CompileError;
use crate::ir::{Attr, Body, Dict, Func, Module};
use crate::ops::OpKind;
use crate::ops::custom_call::CustomCall;

/// Makes custom calls of the composites of these names.
pub fn leave_composites(body: &mut Body, names: &[String]) {
    for op in body.walk(body.entry) {
        let OpKind::Composite(composite) = &body.ops[op].kind else { continue };
        if !names.iter().any(|name| **name == *composite.name) {
            continue;
        }
        let mut config = Dict::default();
        config.push("backend_config", Attr::Dict(composite.attributes.clone()));
        let target = Arc::clone(&composite.name);
        body.ops[op].kind = CustomCall { target, has_side_effect: false, config }.into();
    }
}

/// Checks that the function calls all functions that are to be left to the firmware.
///
/// # Errors
/// It does not call one of them, or the compiler knows what a call of it computes.
pub fn check_calls(module: &Module, func: &Func, names: &[String]) -> Result<(), CompileError> {
    let called = called(&func.body);
    for name in names {
        let fail = |why: String| {
            let message = format!("`{name}` is to be left to the firmware (--extern), but {why}");
            Err(CompileError::at(func.span, message))
        };
        if is_known_target(name) {
            return fail(
                "the compiler knows what it computes; leave it to the compiler".to_owned(),
            );
        }
        if !called.contains(&**name) {
            let mut known: BTreeSet<Arc<str>> = called;
            known.extend(module.funcs.values().flat_map(|func| self::called(&func.body)));
            let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            return fail(match known.as_slice() {
                [] => "the program has no custom calls and no composites".to_owned(),
                known => format!("the program does not call it; it calls {}", known.join(", ")),
            });
        }
    }
    Ok(())
}

/// Names of what a body calls.
fn called(body: &Body) -> BTreeSet<Arc<str>> {
    let name = |op| match &body.ops[op].kind {
        OpKind::CustomCall(call) => Some(Arc::clone(&call.target)),
        OpKind::Composite(composite) => Some(Arc::clone(&composite.name)),
        _ => None,
    };
    body.walk(body.entry).into_iter().filter_map(name).collect()
}

/// Whether a function calls another by this name, or a composite of it.
pub fn calls(module: &Module, name: &str) -> bool {
    module.funcs.values().any(|func| called(&func.body).contains(name))
}

#[cfg(test)]
mod tests {
    use crate::compile::{CompileOptions, compile};
    use crate::diag::Source;
    use crate::front::mlir::parse_module;

    fn error(text: &str, names: &[&str]) -> String {
        let module = parse_module(&Source::new("m.mlir", text)).expect("a program");
        let externs = names.iter().map(|name| (*name).to_owned()).collect();
        let options = CompileOptions { externs, ..CompileOptions::default() };
        compile(&module, &options).expect_err("it does not compile").message
    }

    fn program(call: &str) -> String {
        format!(
            "func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {{
               %0 = {call} : (tensor<2x3xf32>) -> tensor<2x3xf32>
               return %0 : tensor<2x3xf32>
             }}"
        )
    }

    #[test]
    fn names_that_the_program_does_not_call_are_refused() {
        let text = program("stablehlo.custom_call @board.filter(%x)");
        let found = error(&text, &["board.filter", "board.filtre"]);
        assert!(
            found.contains("`board.filtre` is to be left")
                && found.contains("it calls `board.filter`"),
            "{found}"
        );
        let none = program("stablehlo.tanh %x").replace("(tensor<2x3xf32>) -> ", "");
        assert!(error(&none, &["x"]).contains("no custom calls"), "{}", error(&none, &["x"]));
        assert!(error(&text, &["Qr"]).contains("the compiler knows"), "{}", error(&text, &["Qr"]));
    }

    #[test]
    fn unknown_calls_say_that_firmware_may_have_them() {
        let found = error(&program("stablehlo.custom_call @board.filter(%x)"), &[]);
        assert!(found.contains("--extern board.filter"), "{found}");
    }
}
