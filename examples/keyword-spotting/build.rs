//! Compiles front end and network for one arena, and links with the board's script.

use std::process::ExitCode;

fn main() -> ExitCode {
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    // The last samples of a hop are part of the next window.
    let frontend = microhlo_build::model("../models/keywords_frontend.stablehlo.mlir");
    let network = microhlo_build::model("../models/keywords_int8.stablehlo.mlir");
    microhlo_build::share([frontend.state("in1=out1"), network]).finish()
}
