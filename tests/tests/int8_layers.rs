//! Quantised layers of random shapes against the specification's evaluation, which dequantises,
//! computes in float and quantises: from the same inputs no result is more than a step away, and fewer
//! than one in a thousand are a step away.

use microhlo_compiler::compile::Target;
use microhlo_tests::generate::entropy;
use microhlo_tests::networks::{Activation, Conv, Generated, Network, Padding};
use microhlo_tests::{evaluated, number};

/// Layers of each kind, unless `MICROHLO_INT8_LAYERS` says another number.
const LAYERS: u64 = 40;

/// Numbers that decide what a layer is.
struct Choices(Vec<u8>);

impl Choices {
    fn new(seed: u64) -> Choices {
        Choices(entropy(seed, 64))
    }

    /// A number from `low` to `high`.
    fn range(&mut self, low: u64, high: u64) -> u64 {
        let byte = self.0.pop().expect("few choices for a layer");
        low + u64::from(byte) % (high - low + 1)
    }

    fn pair(&mut self, low: u64, high: u64) -> [u64; 2] {
        [self.range(low, high), self.range(low, high)]
    }

    fn conv(&mut self) -> Conv {
        let kernel = self.pair(1, 5);
        let activation = if self.range(0, 1) == 0 { Activation::Relu } else { Activation::Linear };
        let padding = match self.range(0, 2) {
            0 => Padding::Same,
            1 => Padding::Valid,
            _ => Padding::Causal,
        };
        let (stride, dilation) = (self.pair(1, 3), self.pair(1, 2));
        Conv { kernel, stride, dilation, padding, activation, ..Conv::new(1, 1, self.range(1, 20)) }
    }

    /// An input on which a window of a convolution has its place, with as many channels.
    fn input(&mut self, channels: u64) -> Network {
        let [height, width] = self.pair(9, 14);
        let zero = self.range(0, 255) as i64 - 128;
        Network::with_input(&[1, height, width, channels], 0.05, zero)
    }
}

/// What a layer's results are compared over: elements, and how many are one step away.
#[derive(Default)]
struct Compared {
    elements: usize,
    different: usize,
}

impl Compared {
    /// Runs a network on the kernels and evaluates it.
    fn add(&mut self, text: String) {
        let network = Generated { name: "layer", text };
        let prepared = network.prepare(Target::Host, 2);
        let outputs = prepared.run_on_host();
        let module = &prepared.program.module;
        let (main, _) = module.funcs.iter().next().expect("a function");
        for (inputs, outputs) in prepared.inputs.iter().zip(&outputs) {
            let expected = evaluated(module, main, inputs);
            assert_eq!(expected[0].len(), outputs[0].len());
            for (&a, &b) in expected[0].iter().zip(&outputs[0]) {
                let steps = (i32::from(a as i8) - i32::from(b as i8)).abs();
                assert!(steps <= 1, "{steps} steps apart\n{}", network.text);
                self.elements += 1;
                self.different += usize::from(steps == 1);
            }
        }
    }

    /// Checks how many are a step away.
    fn check(&self, what: &str) {
        println!("{what}: {} of {} are a step away", self.different, self.elements);
        assert!(self.elements > 1000, "{what}: only {} elements", self.elements);
        assert!(self.different * 1000 < self.elements, "{what}: {}", self.different);
    }
}

/// Compares random layers of a kind.
fn compare(what: &str, layer: impl Fn(&mut Choices) -> String) {
    let mut compared = Compared::default();
    for seed in 0..number("MICROHLO_INT8_LAYERS").unwrap_or(LAYERS) {
        compared.add(layer(&mut Choices::new(seed * 8 + 3)));
    }
    compared.check(what);
}

#[test]
fn convolutions_are_as_specified() {
    compare("convolutions", |choices| {
        let conv = choices.conv();
        let channels = choices.range(1, 20);
        let mut net = choices.input(channels);
        let result = net.conv(&net.input(), conv);
        net.finish(&result)
    });
}

#[test]
fn depthwise_convolutions_are_as_specified() {
    compare("depthwise convolutions", |choices| {
        let (conv, multiplier) = (choices.conv(), choices.range(1, 3));
        let channels = choices.range(1, 20);
        let mut net = choices.input(channels);
        let conv = Conv { channels: channels * multiplier, groups: channels, ..conv };
        let result = net.conv(&net.input(), conv);
        net.finish(&result)
    });
}

#[test]
fn grouped_convolutions_are_as_specified() {
    compare("grouped convolutions", |choices| {
        let (conv, groups) = (choices.conv(), choices.range(2, 4));
        let (inputs, outputs) = (choices.range(2, 5), choices.range(1, 5));
        let mut net = choices.input(groups * inputs);
        let conv = Conv { channels: groups * outputs, groups, ..conv };
        let result = net.conv(&net.input(), conv);
        net.finish(&result)
    });
}

#[test]
fn fully_connected_layers_are_as_specified() {
    compare("fully connected layers", |choices| {
        let (rows, inputs) = (choices.range(1, 5), choices.range(1, 120));
        let zero = choices.range(0, 255) as i64 - 128;
        let mut net = Network::with_input(&[rows, inputs], 0.05, zero);
        let result = net.dense(&net.input(), choices.range(1, 40));
        net.finish(&result)
    });
}

#[test]
fn sums_and_means_are_as_specified() {
    compare("sums and means", |choices| {
        let channels = choices.range(1, 20);
        let mut net = choices.input(channels);
        let x = net.input();
        let y = net.pointwise(&x, channels, Activation::Relu);
        let sum = net.add(&x, &y);
        let mean = net.mean(&sum);
        let result = if choices.range(0, 1) == 0 { sum } else { mean };
        net.finish(&result)
    });
}
