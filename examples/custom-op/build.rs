//! Compiles the model, which leaves its filter to the firmware, and links with the board's script.

use std::process::ExitCode;

fn main() -> ExitCode {
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    microhlo_build::model("../models/ripple.stablehlo.mlir").external("board.median3").finish()
}
