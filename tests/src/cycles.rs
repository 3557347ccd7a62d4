//! Estimates of cycles from counted instructions.
//!
//! QEMU executes and counts instructions and has no notion of cycles. Where the vendor publishes
//! what an instruction takes, the kinds of instructions that an inference executes give an estimate,
//! for memory without wait states and without what consecutive loads save:
//!
//! - Cortex-M0: Technical Reference Manual r0p0, table 3-1, with the multiplier of one cycle;
//! - Cortex-M3: Technical Reference Manual r2p1, table 3-1, the greatest number where a range is given;
//! - Cortex-M4F: Technical Reference Manual r0p1, tables 3-1 and 7-1, likewise;
//! - Cortex-M55: a vector instruction occupies its unit for two cycles, memory and arithmetic overlap
//!   (Arm Helium Technology Reference Book, "beats"); one cycle for others;
//! - RV32: the Ibex core's documentation, "Pipeline Details", with the multiplier of one cycle and the
//!   branch target ALU.
//!
//! Arm publishes no such table for Cortex-M7 and Cortex-M33.

use microhlo_compiler::compile::Target;
use microhlo_qemu::{InstructionMix, Kind};

/// Estimated cycles of the instructions on a core, if its timings are published.
pub fn estimate(core: Target, mix: &InstructionMix) -> Option<f64> {
    let timing = match core {
        Target::CortexM0 => cortex_m0,
        Target::CortexM3 => cortex_m3,
        Target::CortexM4f => cortex_m4f,
        Target::CortexM55 => return Some(cortex_m55(mix)),
        Target::Rv32imac => ibex,
        _ => return None,
    };
    Some(mix.kinds.iter().map(|kind| kind.runs as f64 + timing(kind, base(&kind.mnemonic))).sum())
}

/// The mnemonic without what says how it is encoded.
fn base(mnemonic: &str) -> &str {
    mnemonic.trim_end_matches(".w").trim_end_matches(".n")
}

/// Whether the mnemonic is one of these, or one of these with a condition or size.
fn is(mnemonic: &str, list: &[&str]) -> bool {
    list.iter().any(|prefix| mnemonic.starts_with(prefix))
}

const LISTS: [&str; 8] = ["ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop"];

/// Cycles beyond one for each execution of a kind.
fn cortex_m0(kind: &Kind, mnemonic: &str) -> f64 {
    let each = if is(mnemonic, &LISTS) {
        f64::from(kind.words)
    } else {
        f64::from(u8::from(is(mnemonic, &["ldr", "str"])))
    };
    let refill = if is(mnemonic, &["bl", "pop"]) { 3.0 } else { 2.0 };
    each * kind.runs as f64 + refill * kind.taken as f64
}

/// Cycles beyond one that both cores share: loads and stores, divisions, refills of the pipeline.
fn cortex_m(kind: &Kind, mnemonic: &str) -> f64 {
    let each = match mnemonic {
        m if is(m, &LISTS) => f64::from(kind.words),
        m if is(m, &["ldrd", "strd"]) => 2.0,
        m if is(m, &["ldr"]) => 1.0,
        m if is(m, &["sdiv", "udiv"]) => 11.0,
        _ => 0.0,
    };
    // A refill takes one to three cycles.
    each * kind.runs as f64 + 2.0 * kind.taken as f64
}

fn cortex_m3(kind: &Kind, mnemonic: &str) -> f64 {
    let each = match mnemonic {
        m if is(m, &["mla", "mls"]) => 1.0,
        m if is(m, &["smull", "umull"]) => 4.0,
        m if is(m, &["smlal", "umlal"]) => 6.0,
        _ => 0.0,
    };
    each * kind.runs as f64 + cortex_m(kind, mnemonic)
}

fn cortex_m4f(kind: &Kind, mnemonic: &str) -> f64 {
    let each = match mnemonic {
        m if is(m, &["vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms", "vfnma", "vfnms"]) => 2.0,
        m if is(m, &["vdiv", "vsqrt"]) => 13.0,
        m if is(m, &["vldr", "vstr"]) => 1.0,
        _ => 0.0,
    };
    each * kind.runs as f64 + cortex_m(kind, mnemonic)
}

/// All cycles: the vector instructions are the coprocessor's in encoding, and some disassemblers know
/// no others.
fn cortex_m55(mix: &InstructionMix) -> f64 {
    let (mut memory, mut arithmetic, mut scalar) = (0.0, 0.0, 0.0);
    for kind in &mix.kinds {
        let runs = kind.runs as f64;
        match base(&kind.mnemonic) {
            m if is(m, &["vldr", "vstr", "vld", "vst", "ldc", "stc"]) => memory += runs,
            m if is(m, &["v", "?", "cdp", "mcr", "mrc"]) => arithmetic += runs,
            _ => scalar += runs + kind.taken as f64,
        }
    }
    scalar + 2.0 * f64::max(memory, arithmetic)
}

fn ibex(kind: &Kind, mnemonic: &str) -> f64 {
    let mnemonic = mnemonic.trim_start_matches("c.");
    let each = match mnemonic {
        "lb" | "lbu" | "lh" | "lhu" | "lw" | "lwsp" | "sb" | "sh" | "sw" | "swsp" => 1.0,
        m if is(m, &["mulh"]) => 1.0,
        m if is(m, &["div", "rem"]) => 36.0,
        _ => 0.0,
    };
    each * kind.runs as f64 + kind.taken as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(kinds: &[(&str, u32, u64, u64)]) -> InstructionMix {
        let kind = |&(mnemonic, words, runs, taken): &(&str, u32, u64, u64)| Kind {
            mnemonic: mnemonic.to_owned(),
            words,
            runs,
            taken,
        };
        InstructionMix { kinds: kinds.iter().map(kind).collect() }
    }

    /// The reference's inner loop: 13 instructions and 18 cycles for 16 products.
    #[test]
    fn the_loop_of_four_pixels_and_two_channels_takes_18_cycles() {
        let kinds = [("ldr", 0, 1, 0), ("ldrd", 0, 2, 0), ("sxtb16", 0, 2, 0), ("smlad", 0, 8, 0)];
        assert_eq!(mix(&kinds).instructions(), 13);
        assert_eq!(estimate(Target::CortexM4f, &mix(&kinds)), Some(18.0));
    }

    #[test]
    fn cores_differ() {
        let kinds = [("mla", 0, 10, 0), ("ldm.w", 4, 10, 0), ("bne", 0, 10, 9)];
        assert_eq!(estimate(Target::CortexM4f, &mix(&kinds)), Some(10.0 + 50.0 + 28.0));
        assert_eq!(estimate(Target::CortexM3, &mix(&kinds)), Some(20.0 + 50.0 + 28.0));
        assert_eq!(estimate(Target::CortexM7, &mix(&kinds)), None);
    }

    /// Eleven instructions of a tile of two pixels and three channels: 12 cycles for 96 products.
    #[test]
    fn vector_loads_overlap_with_products() {
        let kinds = [("vldrb.u8", 0, 5, 0), ("vmladava.s8", 0, 6, 0)];
        assert_eq!(estimate(Target::CortexM55, &mix(&kinds)), Some(12.0));
    }
}
