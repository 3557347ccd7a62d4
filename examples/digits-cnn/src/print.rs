//! Reports every image on the emulator's standard output.

use crate::Reading;
use microhlo_board::NAME;
use microhlo_board::console::println;

/// Reports that the artifact does not load and returns the exit code.
pub fn invalid_model() -> u8 {
    println!("the model does not load on {NAME}");
    2
}

/// Reports that a run failed and returns the exit code.
pub fn failed_run() -> u8 {
    println!("the model does not run on {NAME}");
    2
}

/// Reports one image.
pub fn reading(reading: &Reading) {
    let Reading { label, expected, digit, error, instructions } = reading;
    let mark = if digit == expected { "as in JAX" } else { "WRONG" };
    println!(
        "shows {label}, reads {digit}, {mark} (logits within {error:.1e}), {instructions} instructions"
    );
}

/// Reports the total.
pub fn end(right: usize, all: usize) {
    println!("{NAME}: {right} of {all} images as in JAX");
}
