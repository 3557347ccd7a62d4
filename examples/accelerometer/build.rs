//! Compiles the model for the board's core, and links with the board's script.

use std::process::ExitCode;

fn main() -> ExitCode {
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    microhlo_build::model("../models/vibration.stablehlo.mlir").finish()
}
