//! Compile times, from reading the file to the artifact, and those of memory planning.

use std::time::{Duration, Instant};

use microhlo_compiler::cmd::load::{self, Input};
use microhlo_compiler::compile::Target;
use microhlo_tests::{root, shared, sizes};

/// The limits hold for optimised builds; others get more.
const SLACK: u32 = if cfg!(debug_assertions) { 20 } else { 1 };

fn compile_within(path: &std::path::Path, limit: Duration) {
    let started = Instant::now();
    let Ok(Input::Program(program)) = load::open(path) else {
        panic!("{} does not parse", path.display())
    };
    if let Err(error) = program.compile(&load::options_for(path, Target::CortexM4f)) {
        panic!("{}: {error}", path.display());
    }
    let spent = started.elapsed();
    assert!(spent < limit * SLACK, "{} took {spent:?}", path.display());
}

#[test]
fn compiling_is_fast() {
    let shipped = root().join("examples/models/digits_cnn.stablehlo.mlir");
    compile_within(&shipped, Duration::from_millis(100));
    let Some(shared) = shared() else { return };
    let model = |name: &str| shared.join("models").join(format!("{name}.stablehlo.mlir"));
    compile_within(&model("ic_jax_nhwc_folded"), Duration::from_millis(500));
    compile_within(&model("resnet18_args"), Duration::from_secs(2));
}

/// How long making the memory plan of a model may take.
const PLANNING: Duration = Duration::from_millis(50);

/// Every model gets the smallest arena that there is, and the proof that it is that, at once.
#[test]
fn every_model_is_planned_at_its_optimum() {
    let Some(shared) = shared() else { return };
    let folder = std::fs::read_dir(shared.join("models")).expect("the folder");
    let mut models: Vec<_> = folder.map(|entry| entry.expect("an entry").path()).collect();
    models.retain(|path| path.to_string_lossy().ends_with(".stablehlo.mlir"));
    models.sort();
    assert!(models.len() > 60, "{models:?}");
    for path in models {
        let program = load::open_program(&path).unwrap_or_else(|e| panic!("{e}"));
        let module = &program.module;
        let mut options = load::options_for(&path, Target::CortexM4f);
        options.sizes = module.entry().map(|id| sizes(&module.funcs[id], 8)).unwrap_or_default();
        let compiled =
            program.compile(&options).unwrap_or_else(|e| panic!("{}: {e}", options.name));
        let report = compiled.report;
        let planning =
            compiled.timings.iter().find(|(part, _)| *part == "plan").expect("its time").1;
        assert!(report.arena_proven_optimal, "{}: {} bytes", options.name, report.arena_bytes);
        assert!(planning < PLANNING * SLACK, "{}: planned in {planning:?}", options.name);
    }
}
