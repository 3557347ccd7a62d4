//! Compiles the model for the board's core, and links with the board's script.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

const MODEL: &str = "../models/digits_cnn.stablehlo.mlir";

fn main() {
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rerun-if-changed={MODEL}");
    if let Err(error) = compile() {
        println!("cargo::error={error}");
    }
}

fn compile() -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    let core = env::var("DEP_MICROHLO_BOARD_CORE")?;
    let model = microhlo_compiler::compile_file(Path::new(MODEL), &core)?;
    fs::write(out.join("digits_cnn.mhlo"), &model.artifact)?;
    fs::write(out.join("digits_cnn.rs"), model.to_rust("digits_cnn.mhlo"))?;
    Ok(())
}
