//! Compiles the model that `MICROHLO_MODEL` names for the board's core, and links with the board's
//! script. `MICROHLO_EXPECTED` names a file of the bytes that it shall compute.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use microhlo_compiler::cmd::load::model_name;

/// The model if none is named.
const SHIPPED: &str = "../../examples/models/dsconv_softmax.stablehlo.mlir";

fn main() -> ExitCode {
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rerun-if-env-changed=MICROHLO_MODEL");
    let model = env::var("MICROHLO_MODEL").unwrap_or_else(|_| SHIPPED.to_owned());
    let code = microhlo_build::model(&model).finish();
    // What its outputs shall be, one after the other.
    println!("cargo::rerun-if-env-changed=MICROHLO_EXPECTED");
    let expected = env::var_os("MICROHLO_EXPECTED").map_or(Ok(Vec::new()), fs::read);
    let out = env::var("OUT_DIR").unwrap_or_default();
    let expected = expected.and_then(|bytes| fs::write(Path::new(&out).join("expected"), bytes));
    if let Err(error) = expected {
        println!("cargo::error=MICROHLO_EXPECTED: {error}");
        return ExitCode::FAILURE;
    }
    // The module under a name that does not depend on the model.
    let module = Path::new(&out).join(format!("{}.rs", model_name(Path::new(&model))));
    match fs::copy(module, Path::new(&out).join("model.rs")) {
        Ok(_) => code,
        Err(_) => ExitCode::FAILURE,
    }
}
