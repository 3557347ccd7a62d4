//! Runs a model once on inputs of zeros.
//!
//! The exit code is 0 if it ran and its outputs are right. Nothing else is in here, so that the size of
//! this firmware is that of start-up, loader and kernels.
#![no_std]
#![no_main]

mod model {
    //! The compiled model: its bytes, the kernels it needs, its sizes and its signature.
    include!(concat!(env!("OUT_DIR"), "/model.rs"));
}

use core::hint::black_box;
use microhlo::{Arena, Model, RunError};
use static_cell::ConstStaticCell;

microhlo_board::main!(main);

/// The model's memory.
static ARENA: ConstStaticCell<Arena<{ model::ARENA_BYTES }>> = ConstStaticCell::new(Arena::new());

// The section is read-only data apart from the firmware's own.
#[unsafe(link_section = ".microhlo.data")]
static EXPECTED: [u8; EXPECTED_BYTES] = *include_bytes!(concat!(env!("OUT_DIR"), "/expected"));

/// Bytes of all outputs, or none if any are right.
const EXPECTED_BYTES: usize = include_bytes!(concat!(env!("OUT_DIR"), "/expected")).len();

fn main() -> u8 {
    let Ok(model) = Model::load_with(model::ARTIFACT, &model::KERNELS) else { return 2 };
    // Taken here only, so that it is there.
    let Some(arena) = ARENA.try_take() else { return 2 };
    match infer(&model, &mut arena.0) {
        Ok(right) => u8::from(!right),
        Err(_) => 2,
    }
}

/// Whether the outputs are the expected ones. Inputs are left as the zeros that the arena begins with.
fn infer(model: &Model<'_>, arena: &mut [u8]) -> Result<bool, RunError> {
    let mut run = model.start(arena)?;
    for i in 0..model::INPUT_BYTES.len() {
        black_box(run.input_mut(i)?.bytes_mut());
    }
    while run.step()?.is_some() {}
    let (mut expected, mut right) = (EXPECTED.iter(), true);
    for i in 0..model::OUTPUT_BYTES.len() {
        for byte in black_box(run.output(i)?.bytes()) {
            right &= expected.next().is_none_or(|expected| expected == byte);
        }
    }
    Ok(right)
}
