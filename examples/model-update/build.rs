//! Compiles one of the models for the list of its kernels and its sizes, and links with the board's script.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    let core = env::var("DEP_MICROHLO_BOARD_CORE").unwrap_or_default();
    microhlo_compiler::firmware::build_script("../models/mlp_tanh.stablehlo.mlir", &core)
}
