//! Both readers against small modules, the models, and damaged input.

mod examples;
mod models;
mod robustness;
mod snippets;

use super::{parse_text, read_proto};
use crate::diag::Source;
use crate::eval::{Evaluator, Tensor};
use crate::ir::Module;
use crate::verify::verify;

/// Parses text and verifies the module.
fn parse(text: &str) -> Module {
    let source = Source::new("m.hlo.txt", text);
    let module = parse_text(&source).unwrap_or_else(|e| panic!("{e}"));
    if let Err(errors) = verify(&module) {
        panic!("{errors:?}\n{module}");
    }
    module
}

/// The report about a text.
fn reject(text: &str) -> String {
    match parse_text(&Source::new("m.hlo.txt", text)) {
        Ok(module) => panic!("accepted:\n{module}"),
        Err(report) => report.to_string(),
    }
}

/// Runs `main`.
fn run(module: &Module, inputs: &[Tensor]) -> Vec<Tensor> {
    let main = module.find("main").expect("there is a main");
    Evaluator::new(module).run(main, inputs).unwrap_or_else(|e| panic!("{e}"))
}

/// Values of an f32 tensor.
fn f32s(tensor: &Tensor) -> Vec<f32> {
    let (words, _) = tensor.bytes().as_chunks::<4>();
    words.iter().map(|w| f32::from_le_bytes(*w)).collect()
}
