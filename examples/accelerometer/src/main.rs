//! Tells by its vibrations when a motor's bearing fails.
//!
//! The accelerometer is read through `embedded-hal`, so that its driver is that of a real one; the device behind it is
//! simulated. The model takes counts as they come and gives one number, which is above 1 where the vibrations are
//! unlike those of any healthy motor. The exit code is 0 if it is what JAX says, window by window.
#![no_std]
#![no_main]

mod adxl345;
mod simulated;
mod vibration {
    //! The compiled model.
    include!(concat!(env!("OUT_DIR"), "/vibration.rs"));
}

use adxl345::Adxl345;
use microhlo::bytemuck::pod_read_unaligned;
use microhlo_board::console::println;
use microhlo_board::{NAME, counter};
use simulated::Simulated;
use static_cell::ConstStaticCell;
use vibration::{Input0, Network, Output0};

microhlo_board::main!(main);

/// The model's memory.
static ARENA: ConstStaticCell<vibration::Arena> = ConstStaticCell::new(vibration::Arena::new());

/// 40 windows of 32 measurements of a motor whose bearing fails.
static RECORDING: [u8; 7680] = *include_bytes!("../../models/vibration_signal.bin");

/// What JAX says of them: little-endian `f32`.
static SCORES: [u8; 160] = *include_bytes!("../../models/vibration_scores.bin");

/// The window in which the bearing begins to fail.
const FAILS_AT: usize = 24;

/// Largest difference of a score, relative to it: rounding in another order, and logarithms.
const TOLERANCE: f32 = 1e-3;

/// Exit code if there is no device, or no model.
const FAILED: u8 = 2;

fn main() -> u8 {
    let Some(arena) = ARENA.try_take() else { return FAILED };
    let (Ok(mut network), Ok(mut device)) =
        (Network::load(arena), Adxl345::start(Simulated::new(&RECORDING)))
    else {
        return FAILED;
    };
    println!("accelerometer on {NAME}: {} bytes of arena", vibration::ARENA_BYTES);
    let (mut wrong, mut most) = (0, 0);
    for (index, expected) in SCORES.chunks_exact(size_of::<Output0>()).enumerate() {
        let (mut window, mut score): (Input0, Output0) = ([[0; 3]; 32], 0.0);
        if device.fill(&mut window).is_err() {
            return FAILED;
        }
        let first = counter::now();
        if network.run(&window, &mut score).is_err() {
            return FAILED;
        }
        most = most.max(counter::between(first, counter::now()));
        let expected: Output0 = pod_read_unaligned(expected);
        let as_in_jax = (score - expected).abs() <= TOLERANCE * expected.max(1.0);
        let right = (score > 1.0) == (index >= FAILS_AT);
        if score > 1.0 && index % 4 == 0 || !right || !as_in_jax {
            println!("window {index}: {score:.2}, {expected:.2} in JAX");
        }
        wrong += usize::from(!right || !as_in_jax);
    }
    println!("{wrong} of 40 windows wrong, {most} instructions per window at most");
    u8::from(wrong != 0)
}
