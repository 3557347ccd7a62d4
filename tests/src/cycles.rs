//! An estimate of cycles on a Cortex-M4F from counted instructions.
//!
//! Instructions are counted, cycles are not: QEMU has no notion of them. The estimate adds to the
//! instructions of each kernel what its inner loop is known to cost beyond one cycle each, by the
//! timings in the Cortex-M4 Technical Reference Manual (r0p1, tables 3-1 and 7-1): VMLA.F32 3
//! cycles, VLDM and LDM of n registers 1 + n, a single load 2, a taken branch 2 to 4. Memory
//! without wait states is assumed; flash without a cache is slower.

use microhlo_compiler::compile::KernelReport;
use microhlo_qemu::Case;

/// Cycles beyond one per instruction for each multiply-accumulate of the register-blocked
/// kernels: VMLA takes 2 more. A block of two pixels and eight channels, 16 multiply-accumulates,
/// loads 8 weights and 2 inputs, a cycle more for each: 2 + 10 / 16.
const BLOCKED: f64 = 2.625;

/// The same for kernels that load both factors for each multiply-accumulate: 2 + 2.
const UNBLOCKED: f64 = 4.0;

/// The same for 8-bit kernels: of the 13 instructions for 16 multiply-accumulates one is a load and two
/// load two words; of the 15 for 18 of a depthwise convolution three are loads.
const BYTES: f64 = 5.0 / 16.0;
const DEPTHWISE_BYTES: f64 = 3.0 / 18.0;

/// Cycles per instruction of other code, a mix of single loads, stores and branches.
const OTHER: f64 = 1.5;

/// Estimated cycles of a profiled inference on a Cortex-M4F.
pub fn estimate(case: &Case, kernels: &[KernelReport]) -> f64 {
    let mut cycles = 0.0;
    let mut rest = case.instructions;
    for step in &case.kernels {
        rest = rest.saturating_sub(step.instructions);
        let instructions = step.instructions as f64;
        let (op, macs) = kernels.get(step.index as usize).map_or(("", 0.0), |kernel| {
            (kernel.op.as_str(), kernel.macs as f64 * step.runs as f64)
        });
        cycles += match op {
            "conv_f32" | "dot_f32" => instructions + BLOCKED * macs,
            "conv_i8" => instructions + BYTES * macs,
            "depthwise_i8" => instructions + DEPTHWISE_BYTES * macs,
            _ if macs > 0.0 => instructions + UNBLOCKED * macs,
            _ => instructions * OTHER,
        };
    }
    cycles + rest as f64 * OTHER
}

#[cfg(test)]
mod tests {
    use super::*;
    use microhlo_qemu::Step;

    #[test]
    fn every_instruction_is_in_the_estimate() {
        let kernel = |op: &str, macs| KernelReport { name: String::new(), op: op.to_owned(), macs };
        let kernels = [kernel("conv_f32", 80), kernel("window", 0)];
        let step = |index, instructions| Step { index, kernel: 0, runs: 1, instructions };
        let steps = vec![step(0, 100), step(1, 200)];
        let case = Case { outputs: vec![], instructions: 310, kernels: steps };
        assert!((estimate(&case, &kernels) - (100.0 + 210.0 + 300.0 + 15.0)).abs() < 1e-9);
    }
}
