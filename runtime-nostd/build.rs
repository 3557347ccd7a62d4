//! Tells the kernels whether the core has the DSP extension, which Rust's `cfg` does not.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(cortex_m_dsp)");
    let target = std::env::var("TARGET").unwrap_or_default();
    // Armv7E-M is Armv7-M with it; in Armv8-M it is an option of the core.
    let optional = std::env::var_os("CARGO_FEATURE_CORTEX_M33_DSP").is_some();
    if target.starts_with("thumbv7em-") || (target.starts_with("thumbv8m.main-") && optional) {
        println!("cargo::rustc-cfg=cortex_m_dsp");
    }
}
