//! Quantised networks with random weights: the architectures that microcontrollers run, in any size.
//!
//! Weights are drawn from a fixed seed, so what a network computes means nothing, but every value
//! range is used: scales are chosen as for sums of independent terms. The text is what quantisers
//! emit: `!quant.uniform` types, weights symmetric and per channel, sums of 32 bits.

mod architectures;
mod branchy;
mod builder;

use std::path::PathBuf;

use microhlo_compiler::chains;
use microhlo_compiler::cmd::load::Program;
use microhlo_compiler::compile::{CompileOptions, Target, Technique};
use microhlo_compiler::diag::Source;
use microhlo_compiler::front::mlir::parse_module;

use crate::generate::entropy;
use crate::{Model, Prepared, int8_models};

pub use architectures::{mobilenet_v1, mobilenet_v2, separable_stream, temporal};
pub use branchy::{inception, nasnet, randwire, swiftnet};
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

/// Networks with branches, for which an order of the layers has to be found.
pub fn branchy() -> Vec<Generated> {
    vec![
        Generated { name: "randwire_16", text: randwire(16, 16, 16, 1) },
        Generated { name: "randwire_24", text: randwire(24, 16, 16, 2) },
        Generated { name: "randwire_32", text: randwire(32, 16, 16, 3) },
        Generated { name: "nasnet_2x24", text: nasnet(2, 16, 24) },
        Generated { name: "swiftnet_2x16", text: swiftnet(2, 16, 16) },
        Generated { name: "inception_2x16", text: inception(2, 16, 16) },
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

    /// What it is compiled with.
    pub fn options(&self, target: Target) -> CompileOptions {
        CompileOptions { name: self.name.to_owned(), target, ..CompileOptions::default() }
    }

    /// Parses and compiles the program, with `cases` random inputs and no expected outputs.
    ///
    /// # Panics
    /// Any of it fails.
    pub fn prepare(&self, target: Target, cases: usize) -> Prepared {
        self.prepare_without(target, cases, &[])
    }

    /// The same without some ways to save memory.
    ///
    /// # Panics
    /// Any of it fails.
    pub fn prepare_without(&self, target: Target, cases: usize, without: &[Technique]) -> Prepared {
        let options = CompileOptions { without: without.to_vec(), ..self.options(target) };
        self.prepare_with(&options, cases)
    }

    /// The same with options.
    ///
    /// # Panics
    /// Any of it fails.
    pub fn prepare_with(&self, options: &CompileOptions, cases: usize) -> Prepared {
        let model = Model { name: self.name, program: PathBuf::new(), vectors: PathBuf::new() };
        let mut prepared = Prepared::without_cases(model, self.parse(), options);
        let case = |case| {
            let sizes = prepared.ports.0.iter().map(|port| port.byte_len());
            sizes.enumerate().map(|(i, len)| entropy(1 + case * 16 + i as u64, len)).collect()
        };
        prepared.inputs = (0..cases as u64).map(case).collect();
        prepared
    }
}

/// A network of 8 bits.
#[derive(Clone, Debug)]
pub enum Int8Network {
    /// One of the full test data.
    Installed(Model),
    /// One with random weights.
    Generated(Generated),
}

impl Int8Network {
    /// All that are there.
    pub fn all() -> Vec<Int8Network> {
        let installed = int8_models().into_iter().map(Int8Network::Installed);
        installed.chain(generated().into_iter().map(Int8Network::Generated)).collect()
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Int8Network::Installed(model) => model.name,
            Int8Network::Generated(network) => network.name,
        }
    }

    /// The options to compile it with so much memory.
    pub fn options(&self, target: Target, memory: chains::Options) -> CompileOptions {
        let name = self.name().to_owned();
        CompileOptions { name, target, memory, ..CompileOptions::default() }
    }

    /// Compiles it with so much memory; generated ones have two cases.
    ///
    /// # Panics
    /// It does not compile.
    pub fn prepare(&self, target: Target, memory: chains::Options) -> Prepared {
        self.prepare_as(&self.options(target, memory))
    }

    /// The same with options.
    ///
    /// # Panics
    /// It does not compile.
    pub fn prepare_as(&self, options: &CompileOptions) -> Prepared {
        match self {
            Int8Network::Installed(model) => model.prepare_with(options),
            Int8Network::Generated(network) => network.prepare_with(options, 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use microhlo_compiler::schedule;

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

    /// Bytes of arena in the order of the program and in the chosen one, and the least that the steps of
    /// any order need with results apart from operands, where the exact search ends (with three million tries).
    const ORDERED: [(&str, u32, u32, Option<u64>); 6] = [
        ("randwire_16", 45_056, 36_864, Some(36_864)),
        ("randwire_24", 69_632, 53_248, Some(54_496)),
        ("randwire_32", 86_016, 61_440, None),
        ("nasnet_2x24", 73_728, 57_024, Some(61_440)),
        ("swiftnet_2x16", 78_080, 61_696, Some(67_744)),
        ("inception_2x16", 32_832, 32_832, Some(35_328)),
    ];

    #[test]
    fn branches_run_in_the_order_that_needs_the_least_memory() {
        for (network, (name, given, ordered, least)) in branchy().iter().zip(ORDERED) {
            assert_eq!(network.name, name);
            let without = network.prepare_without(Target::CortexM4f, 1, &[Technique::Scheduling]);
            let prepared = network.prepare(Target::CortexM4f, 1);
            let report = &prepared.compiled.report;
            let schedule = &report.schedule;
            assert!(without.compiled.report.arena_bytes <= given, "{name}");
            assert!(report.arena_bytes <= ordered, "{name}: {}", report.arena_bytes);
            let (here, there) = (report.arena_bytes, without.compiled.report.arena_bytes);
            assert!(here <= there, "{name}: {here} and {there} bytes");
            assert!(schedule.lower_bound_bytes <= schedule.peak_bytes, "{name}");
            if let Some(least) = least {
                assert!(schedule.lower_bound_bytes <= least, "{name}: {schedule:?}");
                // An order that needs no less with results over operands is not taken.
                let over = !schedule.reordered && u64::from(report.arena_bytes) <= least;
                assert!(over || schedule.peak_bytes * 100 <= least * 101, "{name}: {schedule:?}");
            }
            assert_eq!(prepared.run_on_host(), without.run_on_host(), "{name}");
        }
    }

    /// The exact search alone, for who wants to know: it takes minutes in a build for tests.
    #[test]
    #[ignore = "takes minutes"]
    fn the_least_is_what_an_exhaustive_search_finds() {
        for (network, (name, .., least)) in branchy().iter().zip(ORDERED) {
            let schedule = schedule::Options { tries: 3_000_000, ..schedule::Options::default() };
            let options = CompileOptions { schedule, ..network.options(Target::CortexM4f) };
            let report =
                network.parse().compile(&options).expect("a valid network").report.schedule;
            println!("{name}: {report:?}");
            assert_eq!(report.proven_optimal(), least.is_some(), "{name}");
            assert!(least.is_none_or(|least| report.peak_bytes == least), "{name}");
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
