//! Reads 20 handwritten digits with a convolutional network.
//!
//! The exit code is 0 if the network reads what JAX reads in every image, from the same logits.
//! It misreads one of the images, as it does in JAX.
#![no_std]
#![no_main]

mod digits_cnn {
    //! The compiled model: its bytes, the kernels it needs, its sizes and its signature.
    include!(concat!(env!("OUT_DIR"), "/digits_cnn.rs"));
}
#[cfg_attr(feature = "print", path = "print.rs")]
#[cfg_attr(not(feature = "print"), path = "silent.rs")]
mod report;

use digits_cnn::{Input0, Network, Output0};
use microhlo::bytemuck::pod_read_unaligned;
use microhlo_board::counter;
use static_cell::ConstStaticCell;

microhlo_board::main!(main);

/// The model's memory.
static ARENA: ConstStaticCell<digits_cnn::Arena> = ConstStaticCell::new(digits_cnn::Arena::new());

/// Number of images.
const COUNT: usize = 20;

/// Bytes of an image: 8 rows of 8 pixels, each a little-endian `f32` from 0 (white) to 1 (black).
const IMAGE: usize = size_of::<Input0>();

/// Bytes of the logits, a little-endian `f32` per digit.
const LOGITS: usize = size_of::<Output0>();

// The sections are read-only data apart from the firmware's own.
#[unsafe(link_section = ".microhlo.data")]
static IMAGES: [u8; COUNT * IMAGE] = *include_bytes!("../../models/digits_images.bin");

/// The digits that the images show.
#[unsafe(link_section = ".microhlo.data")]
static LABELS: [u8; COUNT] = *include_bytes!("../../models/digits_labels.bin");

/// The logits that JAX computes for the images.
#[unsafe(link_section = ".microhlo.data")]
static REFERENCE: [u8; COUNT * LOGITS] = *include_bytes!("../reference_logits.bin");

/// Largest difference of a logit from JAX's: rounding in another order.
const TOLERANCE: f32 = 1e-4;

/// What the network says of one image.
pub struct Reading {
    /// The image's number.
    image: usize,
    /// The digit that the image shows.
    label: u8,
    /// The digit that JAX's run of the network reads.
    expected: usize,
    /// The digit read here.
    digit: usize,
    /// Largest difference of a logit from JAX's.
    error: f32,
    /// Instructions the inference took.
    instructions: u64,
}

impl Reading {
    /// Whether the network computes what it computes in JAX.
    fn as_in_jax(&self) -> bool {
        self.digit == self.expected && self.error <= TOLERANCE
    }

    /// Whether the network reads what the image shows.
    fn right(&self) -> bool {
        self.digit == usize::from(self.label)
    }
}

/// Sums over all images.
#[derive(Default)]
pub struct Total {
    /// Images for which the network computes what it computes in JAX.
    as_in_jax: usize,
    /// Images of which the network reads what they show.
    right: usize,
    /// Most instructions of an inference.
    instructions: u64,
}

fn main() -> u8 {
    // Taken here only, so that it is there.
    let Some(arena) = ARENA.try_take() else { return report::FAILED };
    let mut network = match Network::load(arena) {
        Ok(network) => network,
        Err(error) => return report::invalid_model(error),
    };
    report::begin();
    let references = REFERENCE.chunks_exact(LOGITS);
    let cases = IMAGES.chunks_exact(IMAGE).zip(references).zip(LABELS);
    let mut total = Total::default();
    for (image, ((pixels, reference), label)) in cases.enumerate() {
        let (pixels, reference): (Input0, Output0) =
            (pod_read_unaligned(pixels), pod_read_unaligned(reference));
        let mut logits: Output0 = [[0.0; 10]];
        let first = counter::now();
        let result = network.run(&pixels, &mut logits);
        let instructions = counter::between(first, counter::now());
        if let Err(error) = result {
            return report::failed_run(error);
        }
        let (expected, digit) = (largest(&reference[0]), largest(&logits[0]));
        let error = difference(&logits[0], &reference[0]);
        let reading = Reading { image, label, expected, digit, error, instructions };
        total.as_in_jax += usize::from(reading.as_in_jax());
        total.right += usize::from(reading.right());
        total.instructions = total.instructions.max(instructions);
        report::reading(&reading);
    }
    report::end(&total);
    u8::from(total.as_in_jax != COUNT)
}

/// Index of the largest number.
fn largest(numbers: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, &value) in numbers.iter().enumerate() {
        if value > best.1 {
            best = (index, value);
        }
    }
    best.0
}

/// Largest difference of two rows of numbers; infinite if one is not a number.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |most, d| if d.is_nan() { f32::INFINITY } else { most.max(d) })
}
