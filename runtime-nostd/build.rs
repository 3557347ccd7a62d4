//! Tells the kernels which assembly the core has: Rust's `cfg` does not know of the
//! extensions of Cortex-M.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(cortex_m_dsp)");
    println!("cargo::rustc-check-cfg=cfg(armv8m)");
    println!("cargo::rustc-check-cfg=cfg(rv32_tiles)");
    println!("cargo::rustc-check-cfg=cfg(cortex_m_mla)");
    println!("cargo::rustc-check-cfg=cfg(cortex_m_muls)");
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
    if target.starts_with("thumbv7m-") {
        println!("cargo::rustc-cfg=cortex_m_mla");
    }
    if target.starts_with("thumbv6m-") {
        println!("cargo::rustc-cfg=cortex_m_muls");
    }
    println!("cargo::rustc-check-cfg=cfg(cortex_m_mve)");
    println!("cargo::rustc-check-cfg=cfg(mve_kernels)");
    // Kernels for constants laid out for MVE: in assembly, and on computers in Rust.
    let mve = std::env::var_os("CARGO_FEATURE_CORTEX_M55_MVE").is_some() && optional_core;
    if mve {
        println!("cargo::rustc-cfg=cortex_m_mve");
    }
    if mve || std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os != "none") {
        println!("cargo::rustc-cfg=mve_kernels");
    }
    let tiles = target.starts_with("riscv32im");
    if tiles {
        println!("cargo::rustc-cfg=rv32_tiles");
    }
    // Channels of a pixel of 16-bit activations in assembly.
    println!("cargo::rustc-check-cfg=cfg(wide_channels)");
    if mve || tiles || target.starts_with("thumbv7em-") || (optional_core && optional) {
        println!("cargo::rustc-cfg=wide_channels");
    }
}
