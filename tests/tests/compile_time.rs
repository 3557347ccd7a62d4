//! Compile times, from reading the file to the artifact.

use std::time::{Duration, Instant};

use microhlo_compiler::cmd::load::{self, Input};
use microhlo_compiler::compile::Target;
use microhlo_tests::{root, shared};

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
