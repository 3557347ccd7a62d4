//! Tests of the text front end.

mod diagnostics;
mod files;
mod literals;
mod modules;
mod pretty;
mod robustness;
mod roundtrip;

use super::parse_module;
use crate::diag::Source;
use crate::ir::{Module, OpId};

/// Parses a text that must parse.
fn parse(text: &str) -> Module {
    match parse_module(&Source::new("t.mlir", text)) {
        Ok(module) => module,
        Err(errors) => panic!("{errors}"),
    }
}

/// The reports about a text that must not parse, rendered.
fn reject(text: &str) -> String {
    match parse_module(&Source::new("t.mlir", text)) {
        Ok(_) => panic!("accepted: {text}"),
        Err(errors) => errors.to_string(),
    }
}

/// The operations of the first function's body, outermost block.
fn ops(module: &Module) -> Vec<OpId> {
    let func = module.funcs.values().next().expect("a function");
    func.body.blocks[func.body.entry].ops.clone()
}
