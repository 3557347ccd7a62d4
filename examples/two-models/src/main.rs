//! Reads digits and finds heartbeats, by turns and in one arena.
//!
//! The heartbeats' network remembers what it has heard while the digits' network uses the same memory. The exit
//! code is 0 if both say what JAX says.
#![no_std]
#![no_main]

mod shared {
    //! Both models, and their arena.
    include!(concat!(env!("OUT_DIR"), "/shared.rs"));
}

use microhlo::bytemuck::pod_read_unaligned;
use microhlo_board::NAME;
use microhlo_board::console::println;
use shared::{digits_cnn, heartbeat};
use static_cell::ConstStaticCell;

microhlo_board::main!(main);

/// The memory of both.
static ARENA: ConstStaticCell<shared::Arena> = ConstStaticCell::new(shared::Arena::new());

/// Twenty images, 64 little-endian `f32` each.
static IMAGES: [u8; 5120] = *include_bytes!("../../models/digits_images.bin");

/// What JAX's network says of them: ten little-endian `f32` each.
static LOGITS: [u8; 800] = *include_bytes!("../../digits-cnn/reference_logits.bin");

/// An electrocardiogram at 100 Hz, little-endian `f32`.
static SIGNAL: [u8; 6400] = *include_bytes!("../../models/heartbeat_signal.bin");

/// What JAX's network says of ten samples after the other, as one signal: little-endian `f32`.
static SCORES: [u8; 640] = *include_bytes!("../../models/heartbeat_scores.bin");

/// Calls of the heartbeats' network between two images.
const TURN: usize = 8;

/// Largest difference of an output: rounding in another order.
const TOLERANCE: f32 = 1e-4;

/// Exit code if a model does not load or run.
const FAILED: u8 = 2;

fn main() -> u8 {
    let Some(arena) = ARENA.try_take() else { return FAILED };
    match by_turns(arena) {
        Some(error) => {
            let (both, kept) = (shared::ARENA_BYTES, shared::STATE_BYTES);
            let apart = digits_cnn::ARENA_BYTES + heartbeat::ARENA_BYTES - kept;
            println!(
                "two-models on {NAME}: outputs within {error:.1e} of JAX's, by turns in {both} bytes, of which \
                 {kept} keep states ({apart} apart)"
            );
            u8::from(error > TOLERANCE)
        }
        None => FAILED,
    }
}

/// Runs both networks; the largest difference from what JAX says.
fn by_turns(arena: &mut shared::Arena) -> Option<f32> {
    let digits = digits_cnn::Network::load().ok()?;
    let beats = heartbeat::Network::load().ok()?;
    let mut most = 0.0;
    let images = IMAGES.chunks_exact(size_of::<digits_cnn::Input0>());
    let logits = LOGITS.chunks_exact(size_of::<digits_cnn::Output0>());
    let turns = SIGNAL.chunks_exact(TURN * size_of::<heartbeat::Input0>());
    let scores = SCORES.chunks_exact(TURN * size_of::<heartbeat::Output0>());
    for (((image, logits), turn), scores) in images.zip(logits).zip(turns).zip(scores) {
        let pieces = turn.chunks_exact(size_of::<heartbeat::Input0>());
        for (samples, expected) in pieces.zip(scores.chunks_exact(size_of::<heartbeat::Output0>()))
        {
            let mut score: heartbeat::Output0 = [[0.0]];
            beats.run(arena, &pod_read_unaligned(samples), &mut score).ok()?;
            let expected: heartbeat::Output0 = pod_read_unaligned(expected);
            most = difference(most, &score[0], &expected[0]);
        }
        let mut read: digits_cnn::Output0 = [[0.0; 10]];
        digits.run(arena, &pod_read_unaligned(image), &mut read).ok()?;
        let expected: digits_cnn::Output0 = pod_read_unaligned(logits);
        most = difference(most, &read[0], &expected[0]);
    }
    Some(most)
}

/// The largest difference of two rows of numbers, or the one given if it is larger; infinite if one is none.
fn difference(most: f32, a: &[f32], b: &[f32]) -> f32 {
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(most, |most, d| if d.is_nan() { f32::INFINITY } else { most.max(d) })
}
