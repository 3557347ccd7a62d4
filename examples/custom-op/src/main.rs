//! Measures the ripple of a supply voltage, with a median filter that is the firmware's own.
//!
//! The model calls the filter by name; what the compiler does not know, the firmware provides. The exit code is 0 if
//! the values are those that JAX computes with the filter's definition.
#![no_std]
#![no_main]

mod median;

mod ripple {
    //! The compiled model.
    use super::median::Functions as Externs;
    include!(concat!(env!("OUT_DIR"), "/ripple.rs"));
}

use microhlo::bytemuck::pod_read_unaligned;
use microhlo::{Kernels, Model};
use microhlo_board::NAME;
use microhlo_board::console::println;
use ripple::{Input0, Network, Output0};
use static_cell::ConstStaticCell;

microhlo_board::main!(main);

/// The model's memory.
static ARENA: ConstStaticCell<ripple::Arena> = ConstStaticCell::new(ripple::Arena::new());

/// Sixteen signals of 64 samples in volts, with glitches: little-endian `f32`.
static SIGNALS: [u8; 4096] = *include_bytes!("../../models/ripple_signals.bin");

/// Mean, root mean square about it and largest distance from it, of each signal: little-endian `f32`.
static VALUES: [u8; 192] = *include_bytes!("../../models/ripple_values.bin");

/// Largest difference of a value: rounding in another order.
const TOLERANCE: f32 = 1e-5;

/// Exit code if the model does not load or run.
const FAILED: u8 = 2;

fn main() -> u8 {
    let Some(arena) = ARENA.try_take() else { return FAILED };
    let mut network = match Network::load(arena) {
        Ok(network) => network,
        Err(error) => {
            println!("the model does not load on {NAME}: {}", error.explain(ripple::ARTIFACT));
            return FAILED;
        }
    };
    let Ok(measured) = measure(&mut network) else { return FAILED };
    println!(
        "custom-op on {NAME}: values within {:.1e} of JAX's, by the firmware's median filter",
        measured.error
    );
    u8::from(!is_refused_without() || !measured.right)
}

/// How values compare with JAX's.
struct Measured {
    /// Their largest difference.
    error: f32,
    /// Whether all are within the tolerance.
    right: bool,
}

/// Measures all signals.
fn measure(network: &mut Network<'_>) -> Result<Measured, microhlo::RunError> {
    let mut measured = Measured { error: 0.0, right: true };
    let signals = SIGNALS.chunks_exact(size_of::<Input0>());
    for (signal, expected) in signals.zip(VALUES.chunks_exact(size_of::<Output0>())) {
        let (signal, expected): (Input0, Output0) =
            (pod_read_unaligned(signal), pod_read_unaligned(expected));
        let mut values: Output0 = [0.0; 3];
        network.run(&signal, &mut values)?;
        for (value, expected) in values.iter().zip(expected) {
            let error = (value - expected).abs();
            measured.error = measured.error.max(error);
            measured.right &= error <= TOLERANCE;
        }
    }
    Ok(measured)
}

/// Whether a firmware without the filter would refuse the model, by the filter's name.
fn is_refused_without() -> bool {
    static NONE: Kernels =
        Kernels { kernels: &[microhlo::kernels::extern_call::ENTRY], micro: &[] };
    let refused = Model::load_with(ripple::ARTIFACT, &NONE).err();
    refused.is_some_and(|error| {
        println!("without the filter: {}", error.explain(ripple::ARTIFACT));
        error.explain(ripple::ARTIFACT).function() == Some("board.median3")
    })
}
