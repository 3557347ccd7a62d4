//! Compiles the model for the board's core, and links with the board's script.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    let core = env::var("DEP_MICROHLO_BOARD_CORE").unwrap_or_default();
    microhlo_compiler::firmware::build_script("../models/digits_cnn.stablehlo.mlir", &core)
}
