//! Models in two memories: one with memories of its own, and two that use the same by turns.
//!
//! The large memory is what static variables lie in, the fast one is the board's. The exit code is 0 if all networks
//! say what JAX says.
#![no_std]
#![no_main]

mod vibration {
    //! A model with its memories.
    include!(concat!(env!("OUT_DIR"), "/vibration.rs"));
}
mod shared {
    //! Two models, and their memories.
    include!(concat!(env!("OUT_DIR"), "/shared.rs"));
}

use microhlo::bytemuck::pod_read_unaligned;
use microhlo_board::NAME;
use microhlo_board::console::println;
use microhlo_board::memory::take_arenas;
use shared::{digits_cnn, heartbeat};
use static_cell::ConstStaticCell;

microhlo_board::main!(main);

/// The large memories.
static OWN: ConstStaticCell<vibration::LargeArena> =
    ConstStaticCell::new(vibration::LargeArena::new());
static BOTH: ConstStaticCell<shared::LargeArena> = ConstStaticCell::new(shared::LargeArena::new());

/// The board's memories that are fast.
const FAST: [&str; 3] = ["SSRAM23", "DTCM", "FAST"];

/// Where in it the memory of both begins.
const SECOND: usize = 4096;

/// Accelerations, three little-endian `i16` each, and what JAX's network says of 32 of them: little-endian `f32`.
static SIGNAL: [u8; 7680] = *include_bytes!("../../models/vibration_signal.bin");
static VIBRATIONS: [u8; 160] = *include_bytes!("../../models/vibration_scores.bin");

/// Twenty images, 64 little-endian `f32` each, and ten logits for each.
static IMAGES: [u8; 5120] = *include_bytes!("../../models/digits_images.bin");
static LOGITS: [u8; 800] = *include_bytes!("../../digits-cnn/reference_logits.bin");

/// An electrocardiogram at 100 Hz, and a score for ten samples, all little-endian `f32`.
static HEART: [u8; 6400] = *include_bytes!("../../models/heartbeat_signal.bin");
static BEATS: [u8; 640] = *include_bytes!("../../models/heartbeat_scores.bin");

/// Calls of the other networks between two images.
const TURN: usize = 8;
const WINDOWS: usize = 2;

/// Largest difference of an output, relative to those above 1: rounding in another order.
const TOLERANCE: f32 = 1e-3;

/// Exit code if a model does not load or run.
const FAILED: u8 = 2;

fn main() -> u8 {
    let Some(error) = run() else { return FAILED };
    println!(
        "two-memories on {NAME}: outputs within {error:.1e} of JAX's; alone in {:?}, by turns in {} bytes",
        vibration::ARENAS,
        shared::ARENA_BYTES
    );
    u8::from(error > TOLERANCE)
}

/// Gives the networks their memories, and runs them.
fn run() -> Option<f32> {
    let fast = take_arenas()?.into_iter().find(|arena| FAST.contains(&arena.name))?;
    let (own, both) = fast.bytes.split_at_mut_checked(SECOND)?;
    let own = vibration::Arenas { large: OWN.try_take()?, fast: vibration::FastArena::of(own)? };
    let both = shared::Arenas { large: BOTH.try_take()?, fast: shared::FastArena::of(both)? };
    by_turns(vibration::Network::load(own).ok()?, both)
}

/// Runs all networks; the largest difference from what JAX says.
fn by_turns(mut bearing: vibration::Network<'_>, mut arenas: shared::Arenas<'_>) -> Option<f32> {
    let digits = digits_cnn::Network::load(&mut arenas).ok()?;
    let beats = heartbeat::Network::load(&mut arenas).ok()?;
    let mut most = 0.0;
    let images = pairs::<digits_cnn::Input0, digits_cnn::Output0>(&IMAGES, &LOGITS, 1);
    let hearts = pairs::<heartbeat::Input0, heartbeat::Output0>(&HEART, &BEATS, TURN);
    let signals = pairs::<vibration::Input0, vibration::Output0>(&SIGNAL, &VIBRATIONS, WINDOWS);
    for ((image, heart), signal) in images.zip(hearts).zip(signals) {
        for (input, output) in pairs::<heartbeat::Input0, heartbeat::Output0>(heart.0, heart.1, 1) {
            let mut score: heartbeat::Output0 = [[0.0]];
            beats.run(&mut arenas, &pod_read_unaligned(input), &mut score).ok()?;
            most = difference(most, score.as_flattened(), output);
        }
        let mut read: digits_cnn::Output0 = [[0.0; 10]];
        digits.run(&mut arenas, &pod_read_unaligned(image.0), &mut read).ok()?;
        most = difference(most, read.as_flattened(), image.1);
        for (input, output) in pairs::<vibration::Input0, vibration::Output0>(signal.0, signal.1, 1)
        {
            let mut score: vibration::Output0 = 0.0;
            bearing.run(&pod_read_unaligned(input), &mut score).ok()?;
            most = difference(most, &[score], output);
        }
    }
    Some(most)
}

/// Pieces of as many inputs, with their outputs.
fn pairs<'a, I, O>(
    inputs: &'a [u8],
    outputs: &'a [u8],
    count: usize,
) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let inputs = inputs.chunks_exact(count * size_of::<I>());
    inputs.zip(outputs.chunks_exact(count * size_of::<O>()))
}

/// The largest difference from little-endian numbers, or the one given if it is larger; infinite if one is none.
fn difference(most: f32, values: &[f32], expected: &[u8]) -> f32 {
    let expected = expected.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    let differences = values.iter().zip(expected).map(|(a, b)| (a - b).abs() / b.abs().max(1.0));
    differences.fold(most, |most, d| if d.is_nan() { f32::INFINITY } else { most.max(d) })
}
