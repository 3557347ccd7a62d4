//! Compiles one of the models for the list of its kernels and its sizes, and links with the board's script.

use std::process::ExitCode;

fn main() -> ExitCode {
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    microhlo_build::model("../models/mlp_tanh.stablehlo.mlir").finish()
}
