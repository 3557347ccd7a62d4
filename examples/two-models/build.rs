//! Compiles two models for one arena, and links with the board's script.

use std::process::ExitCode;

fn main() -> ExitCode {
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    let digits = microhlo_build::model("../models/digits_cnn.stablehlo.mlir");
    let heartbeat = microhlo_build::model("../models/heartbeat.stablehlo.mlir");
    microhlo_build::share([digits, heartbeat.state("in1=out1").state("in2=out2")]).finish()
}
