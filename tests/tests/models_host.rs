//! Every model on the host: expected outputs, the planned arena, and the evaluator as oracle.

use microhlo_compiler::compile::Target;
use microhlo_compiler::ir::Module;
use microhlo_tests::{Prepared, evaluated, example_models, models};

#[test]
fn outputs_are_the_expected_ones() {
    for model in models().into_iter().chain(example_models()) {
        let prepared = model.prepare(Target::Host);
        prepared.assert_expected(&prepared.run_on_host());
    }
}

#[test]
fn the_arena_is_the_largest_live_set() {
    for model in models() {
        let report = model.prepare(Target::Host).compiled.report;
        assert_eq!(report.arena_bytes, report.arena_lower_bound_bytes, "{}", model.name);
    }
}

/// The evaluator is slow: above this many multiply-accumulates one case must do.
const FEW_MACS: u64 = 200_000;

#[test]
fn kernels_and_evaluator_agree_to_the_bit() {
    for model in models().into_iter().chain(example_models()) {
        let prepared = model.prepare(Target::Host);
        let outputs = prepared.run_on_host();
        let few = prepared.compiled.report.macs > FEW_MACS;
        let cases = if few { 1 } else { outputs.len() };
        for (case, outputs) in outputs.iter().enumerate().take(cases) {
            let expected = evaluate(&prepared, case);
            assert_eq!(outputs, &expected, "{}, case {case}", model.name);
        }
    }
}

/// What the evaluator computes from the program after all passes. The passes before lowering are
/// included because batch-norm folding changes roundings.
fn evaluate(prepared: &Prepared, case: usize) -> Vec<Vec<u8>> {
    let mut module = Module::default();
    let func = module.funcs.push(prepared.compiled.optimized.clone());
    evaluated(&module, func, &prepared.inputs[case])
}
