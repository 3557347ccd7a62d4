//! Compiles the model, whose second and third input are states, and links with the board's script.

use std::process::ExitCode;

fn main() -> ExitCode {
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    // Inputs: samples, the last ones before them, the recurrent unit. Outputs: a score, and both anew.
    microhlo_build::model("../models/heartbeat.stablehlo.mlir")
        .state("in1=out1")
        .state("in2=out2")
        .finish()
}
