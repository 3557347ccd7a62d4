//! Tells the kernels which assembly the core has: Rust's `cfg` does not know of the DSP extension.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(cortex_m_dsp)");
    println!("cargo::rustc-check-cfg=cfg(armv8m)");
    println!("cargo::rustc-check-cfg=cfg(rv32_tiles)");
    let target = std::env::var("TARGET").unwrap_or_default();
    // Armv7E-M is Armv7-M with it; in Armv8-M it is an option of the core.
    let optional = std::env::var_os("CARGO_FEATURE_CORTEX_M33_DSP").is_some();
    let optional_core = target.starts_with("thumbv8m.main-");
    if target.starts_with("thumbv7em-") || (optional_core && optional) {
        println!("cargo::rustc-cfg=cortex_m_dsp");
        if optional_core {
            println!("cargo::rustc-cfg=armv8m");
        }
    }
    if target.starts_with("riscv32im") {
        println!("cargo::rustc-cfg=rv32_tiles");
    }
}
