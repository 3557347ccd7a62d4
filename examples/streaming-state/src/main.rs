//! Finds heartbeats in a signal that comes ten samples at a time.
//!
//! The network's states stay in the arena from call to call: the last samples, which its convolution reads again,
//! and a recurrent unit. The exit code is 0 if the scores are those that JAX computes of the whole signal at once.
#![no_std]
#![no_main]

mod heartbeat {
    //! The compiled model.
    include!(concat!(env!("OUT_DIR"), "/heartbeat.rs"));
}

use heartbeat::{Input0, Network, Output0};
use microhlo::bytemuck::pod_read_unaligned;
use microhlo_board::NAME;
use microhlo_board::console::println;
use static_cell::ConstStaticCell;

microhlo_board::main!(main);

/// The model's memory; its states begin as zeros.
static ARENA: ConstStaticCell<heartbeat::Arena> = ConstStaticCell::new(heartbeat::Arena::new());

/// An electrocardiogram at 100 Hz, little-endian `f32`.
static SIGNAL: [u8; 6400] = *include_bytes!("../../models/heartbeat_signal.bin");

/// A score per ten samples, of the whole signal: little-endian `f32`, above 0 where a beat is.
static SCORES: [u8; 640] = *include_bytes!("../../models/heartbeat_scores.bin");

/// Largest difference of a score: rounding in another order, call after call.
const TOLERANCE: f32 = 1e-4;

/// Exit code if the model does not load or run.
const FAILED: u8 = 2;

/// What became of the signal.
#[derive(Default)]
struct Outcome {
    beats: usize,
    error: f32,
}

fn main() -> u8 {
    let Some(arena) = ARENA.try_take() else { return FAILED };
    let mut network = match Network::load(arena) {
        Ok(network) => network,
        Err(error) => {
            println!("the model does not load on {NAME}: {error}");
            return FAILED;
        }
    };
    let first = listen(&mut network);
    // The states as they were in the beginning: what comes then is another signal to the network.
    let again = network.reset().and_then(|()| listen(&mut network));
    let (Ok(first), Ok(again)) = (first, again) else { return FAILED };
    println!(
        "streaming-state on {NAME}: {} beats in {} calls, scores within {:.1e} of the whole signal's",
        first.beats,
        SCORES.len() / size_of::<Output0>(),
        first.error
    );
    let right = |outcome: &Outcome| outcome.error <= TOLERANCE && outcome.beats == 14;
    u8::from(!right(&first) || !right(&again))
}

/// Gives the signal to the network piece by piece.
fn listen(network: &mut Network<'_>) -> Result<Outcome, microhlo::RunError> {
    let mut outcome = Outcome::default();
    let pieces = SIGNAL.chunks_exact(size_of::<Input0>());
    for (samples, expected) in pieces.zip(SCORES.chunks_exact(size_of::<Output0>())) {
        let (samples, expected): (Input0, Output0) =
            (pod_read_unaligned(samples), pod_read_unaligned(expected));
        let mut score: Output0 = [[0.0]];
        network.run(&samples, &mut score)?;
        let ([[score]], [[expected]]) = (score, expected);
        outcome.beats += usize::from(score > 0.0);
        // Not a number is no score: the comparison is false then.
        let error = (score - expected).abs();
        outcome.error = if error <= outcome.error { outcome.error } else { error };
    }
    Ok(outcome)
}
