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

use microhlo::{Arena, Model};
use microhlo_board::counter;
use static_cell::ConstStaticCell;

microhlo_board::main!(main);

/// The model's memory.
static ARENA: ConstStaticCell<Arena<{ digits_cnn::ARENA_BYTES }>> =
    ConstStaticCell::new(Arena::new());

/// Number of images.
const COUNT: usize = 20;

/// Bytes of an image: 8 rows of 8 pixels, each a little-endian `f32` from 0 (white) to 1 (black).
const IMAGE: usize = digits_cnn::INPUT_BYTES[0];

/// Bytes of the logits, a little-endian `f32` per digit.
const LOGITS: usize = digits_cnn::OUTPUT_BYTES[0];

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
    let model = match Model::load_with(digits_cnn::ARTIFACT, &digits_cnn::KERNELS) {
        Ok(model) => model,
        Err(error) => return report::invalid_model(error),
    };
    // Taken here only, so that it is there.
    let Some(arena) = ARENA.try_take() else { return report::FAILED };
    report::begin();
    let references = REFERENCE.chunks_exact(LOGITS);
    let cases = IMAGES.chunks_exact(IMAGE).zip(references).zip(LABELS);
    let mut total = Total::default();
    for (image, ((pixels, reference), label)) in cases.enumerate() {
        let mut logits = [0; LOGITS];
        let first = counter::now();
        let result = model.run(&mut arena.0, &[pixels], &mut [&mut logits]);
        let instructions = counter::between(first, counter::now());
        if let Err(error) = result {
            return report::failed_run(error);
        }
        let (expected, digit) = (largest(reference), largest(&logits));
        let error = difference(&logits, reference);
        let reading = Reading { image, label, expected, digit, error, instructions };
        total.as_in_jax += usize::from(reading.as_in_jax());
        total.right += usize::from(reading.right());
        total.instructions = total.instructions.max(instructions);
        report::reading(&reading);
    }
    report::end(&total);
    u8::from(total.as_in_jax != COUNT)
}

/// The numbers in little-endian bytes.
fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk))
}

/// Index of the largest number.
fn largest(bytes: &[u8]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, value) in floats(bytes).enumerate() {
        if value > best.1 {
            best = (index, value);
        }
    }
    best.0
}

/// Largest difference of two rows of numbers; infinite if one is not a number.
fn difference(a: &[u8], b: &[u8]) -> f32 {
    let differences = floats(a).zip(floats(b)).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |most, d| if d.is_nan() { f32::INFINITY } else { most.max(d) })
}
