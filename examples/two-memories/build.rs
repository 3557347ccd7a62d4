//! Compiles a model for two memories of its own, and two for memories that both use; links with the board's script.

use std::process::ExitCode;

/// Bytes of what is fast and small here, and of the rest.
const FAST: u32 = 1024;
const LARGE: u32 = 12 * 1024;

fn main() -> ExitCode {
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    let model = |name| microhlo_build::model(format!("../models/{name}.stablehlo.mlir"));
    let own = model("vibration").region("LARGE", LARGE, 3).region("FAST", FAST, 1).artifact_cost(4);
    // A model that does not compile is an error of the build, whatever this says.
    let own = own.finish();
    let heartbeat = model("heartbeat").state("in1=out1").state("in2=out2");
    let both = microhlo_build::share([model("digits_cnn"), heartbeat]);
    let both = both.region("LARGE", LARGE, 3).region("FAST", FAST, 1).artifact_cost(4).finish();
    if own == ExitCode::SUCCESS { both } else { own }
}
