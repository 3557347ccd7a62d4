//! Runs a model once on inputs of zeros.
//!
//! The exit code is 0 if it ran. Nothing else is in here, so that the size of this firmware is that
//! of start-up, loader and kernels.
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

/// Bytes of the largest input.
const LARGEST: usize = {
    let (mut largest, mut i) = (0, 0);
    while i < model::INPUT_BYTES.len() {
        if model::INPUT_BYTES[i] > largest {
            largest = model::INPUT_BYTES[i];
        }
        i += 1;
    }
    largest
};

// The section is read-only data apart from the firmware's own.
#[unsafe(link_section = ".microhlo.data")]
static ZEROS: [u8; LARGEST] = [0; LARGEST];

fn main() -> u8 {
    let Ok(model) = Model::load_with(model::ARTIFACT, &model::KERNELS) else { return 2 };
    // Taken here only, so that it is there.
    let Some(arena) = ARENA.try_take() else { return 2 };
    u8::from(infer(&model, &mut arena.0).is_err())
}

fn infer(model: &Model<'_>, arena: &mut [u8]) -> Result<(), RunError> {
    let mut run = model.start(arena)?;
    let mut rows: &[u8] = &[];
    for (i, &bytes) in model::INPUT_BYTES.iter().enumerate() {
        let zeros = ZEROS.get(..bytes).unwrap_or_default();
        match run.set_input(i, zeros) {
            Err(RunError::Streamed { .. }) => rows = zeros,
            result => result?,
        }
    }
    while run.step_fed(rows)?.is_some() {}
    for i in 0..model::OUTPUT_BYTES.len() {
        black_box(run.output(i)?);
    }
    Ok(())
}
