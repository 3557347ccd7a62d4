//! Links with the script of the board's start-up crate, and tells `features` what the board has.

use std::path::Path;
use std::{env, error::Error, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    if env::var_os("CARGO_FEATURE_LOGS").is_some() {
        println!("cargo::rustc-link-arg-bin=logs=-Tdefmt.x");
        println!("cargo::rustc-env=DEFMT_LOG=trace");
    }
    for known in ["dsp", "fpu_f32", "mve_f32"] {
        println!("cargo::rustc-check-cfg=cfg({known})");
    }
    let features = env::var("DEP_MICROHLO_BOARD_FEATURES").unwrap_or_default();
    let features: Vec<&str> = features.split(',').filter(|name| !name.is_empty()).collect();
    for feature in &features {
        println!("cargo::rustc-cfg={}", feature.replace('-', "_"));
    }
    let source = format!("const FEATURES: &[&str] = &{features:?};\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("features.rs"), source)?;
    Ok(())
}
