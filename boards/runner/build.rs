//! Links with the script of the board's start-up crate, and writes what the runner leaves out.

use std::path::Path;
use std::{env, error::Error, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    let names = |key: &str| env::var(key).unwrap_or_default();
    let list = |key: &str, item: fn(&str) -> String| {
        names(key).split(',').filter(|name| !name.is_empty()).map(item).collect::<String>()
    };
    let types = list("DEP_MICROHLO_BOARD_WITHOUT_TYPES", |name| {
        format!("DType::{}, ", name.to_uppercase())
    });
    let operations =
        list("DEP_MICROHLO_BOARD_WITHOUT_OPERATIONS", |name| format!("MicroOp::{name}, "));
    let kernels = list("DEP_MICROHLO_BOARD_WITHOUT_KERNELS", |name| format!("KernelId::{name}, "));
    let source = format!(
        "const WITHOUT_TYPES: &[DType] = &[{types}];\n\
         const WITHOUT_OPERATIONS: &[MicroOp] = &[{operations}];\n\
         const WITHOUT_KERNELS: &[KernelId] = &[{kernels}];\n"
    );
    fs::write(Path::new(&env::var("OUT_DIR")?).join("without.rs"), source)?;
    Ok(())
}
