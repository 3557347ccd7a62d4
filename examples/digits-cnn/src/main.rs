//! Reads 20 handwritten digits with a convolutional network.
//!
//! The exit code is 0 if the network computes what JAX computes for the same
//! images. It misreads one of them, as it does in JAX.
#![no_std]
#![no_main]

mod digits_cnn {
    //! The compiled model: its bytes, the kernels it needs and the size of its arena.
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

/// Bytes of an image: 8 rows of 8 pixels, each a little-endian `f32` from 0 (white) to 1 (black).
const IMAGE: usize = 64 * size_of::<f32>();

/// Digits the network tells apart.
const CLASSES: usize = 10;

/// Bytes of the logits.
const LOGITS: usize = CLASSES * size_of::<f32>();

static IMAGES: &[u8] = include_bytes!("../../models/digits_images.bin");

/// The digits that the images show.
static LABELS: &[u8] = include_bytes!("../../models/digits_labels.bin");

/// The logits that JAX computes for the images.
static REFERENCE: &[u8] = include_bytes!("../reference_logits.bin");

/// Largest difference of a logit from JAX's: rounding in another order.
const TOLERANCE: f32 = 1e-4;

const _: () = assert!(IMAGES.len() == LABELS.len() * IMAGE);
const _: () = assert!(REFERENCE.len() == LABELS.len() * LOGITS);

/// What the network says of one image.
pub struct Reading {
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

fn main() -> u8 {
    let Ok(model) = Model::load_with(digits_cnn::ARTIFACT, &digits_cnn::KERNELS) else {
        return report::invalid_model();
    };
    let arena = ARENA.take();
    let references = REFERENCE.chunks_exact(LOGITS);
    let cases = IMAGES.chunks_exact(IMAGE).zip(references).zip(LABELS);
    let mut right = 0;
    for ((image, reference), label) in cases {
        let mut logits = [0; LOGITS];
        let first = counter::now();
        let result = model.run(&mut arena.0, &[image], &mut [&mut logits]);
        let instructions = counter::between(first, counter::now());
        if result.is_err() {
            return report::failed_run();
        }
        let reading = Reading {
            label: *label,
            expected: largest(reference),
            digit: largest(&logits),
            error: difference(&logits, reference),
            instructions,
        };
        right += usize::from(reading.digit == reading.expected && reading.error <= TOLERANCE);
        report::reading(&reading);
    }
    report::end(right, LABELS.len());
    u8::from(right != LABELS.len())
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
