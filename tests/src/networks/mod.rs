//! Quantised networks with random weights: the architectures that microcontrollers run, in any size.
//!
//! Weights are drawn from a fixed seed, so what a network computes means nothing, but every value
//! range is used: scales are chosen as for sums of independent terms. The text is what quantisers
//! emit: `!quant.uniform` types, weights symmetric and per channel, sums of 32 bits.

mod architectures;
mod builder;

use std::path::PathBuf;

use microhlo_compiler::cmd::load::Program;
use microhlo_compiler::compile::{CompileOptions, Target};
use microhlo_compiler::diag::Source;
use microhlo_compiler::front::mlir::parse_module;

use crate::generate::entropy;
use crate::{Model, Prepared};

pub use architectures::{mobilenet_v1, mobilenet_v2, separable_stream, temporal};
pub use builder::{Activation, Conv, Network, Padding, Tensor};

/// A generated network.
#[derive(Clone, Debug)]
pub struct Generated {
    /// Its name.
    pub name: &'static str,
    /// The program, StableHLO text.
    pub text: String,
}

/// Networks of sizes that fit a microcontroller.
pub fn generated() -> Vec<Generated> {
    vec![
        Generated { name: "mobilenet_v1_025_96", text: mobilenet_v1(96, 8) },
        Generated { name: "mobilenet_v2_035_144", text: mobilenet_v2(144, 35) },
        Generated { name: "temporal_64x32", text: temporal(64, 32) },
        Generated { name: "separable_stream_40x48", text: separable_stream(40, 48) },
    ]
}

impl Generated {
    /// Parses the program.
    ///
    /// # Panics
    /// It is not valid.
    pub fn parse(&self) -> Program {
        let source = Source::new(self.name, self.text.as_str());
        match parse_module(&source) {
            Ok(module) => Program { source, module },
            Err(error) => panic!("{}: {}", self.name, error),
        }
    }

    /// Parses and compiles the program, with `cases` random inputs and no expected outputs.
    ///
    /// # Panics
    /// Any of it fails.
    pub fn prepare(&self, target: Target, cases: usize) -> Prepared {
        let options =
            CompileOptions { name: self.name.to_owned(), target, ..CompileOptions::default() };
        let model = Model { name: self.name, program: PathBuf::new(), vectors: PathBuf::new() };
        let mut prepared = Prepared::without_cases(model, self.parse(), &options);
        let case = |case| {
            let sizes = prepared.ports.0.iter().map(|port| port.byte_len());
            sizes.enumerate().map(|(i, len)| entropy(1 + case * 16 + i as u64, len)).collect()
        };
        prepared.inputs = (0..cases as u64).map(case).collect();
        prepared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A network is compiled as a whole to the kernels for 8-bit values, and nothing else runs.
    #[test]
    fn only_8_bit_kernels_run() {
        for network in generated() {
            let prepared = network.prepare(Target::Host, 1);
            let report = &prepared.compiled.report;
            let other: Vec<&str> = report
                .kernels
                .iter()
                .map(|kernel| kernel.op.as_str())
                .filter(|op| !op.ends_with("_i8"))
                .collect();
            assert_eq!(other, Vec::<&str>::new(), "{}", network.name);
        }
    }

    /// Otherwise nothing that is wrong would show in the results.
    #[test]
    fn results_use_their_range() {
        for network in generated() {
            let outputs = network.prepare(Target::Host, 2).run_on_host();
            let bytes: Vec<i8> = outputs.iter().flatten().flatten().map(|&b| b as i8).collect();
            let inside = bytes.iter().filter(|b| (-127..127).contains(*b)).count();
            assert!(2 * inside > bytes.len(), "{}: {bytes:?}", network.name);
            let different = bytes.iter().collect::<std::collections::HashSet<_>>().len();
            assert!(different > bytes.len().min(64) / 2, "{}: {bytes:?}", network.name);
            assert_ne!(outputs[0], outputs[1], "{}", network.name);
        }
    }

    #[test]
    fn the_multiply_accumulates_are_those_of_the_architectures() {
        let macs = |text: String, name| {
            Generated { name, text }.prepare(Target::Host, 0).compiled.report.macs
        };
        assert_eq!(macs(mobilenet_v1(96, 8), "v1"), 7_489_664);
        assert_eq!(macs(mobilenet_v2(144, 35), "v2"), 26_660_752);
    }
}
