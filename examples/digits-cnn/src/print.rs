//! Reports every image on the emulator's standard output.

use crate::{COUNT, Reading, Total, digits_cnn};
use microhlo::{LoadError, RunError};
use microhlo_board::NAME;
use microhlo_board::console::println;

/// Exit code if there is nothing to report on.
pub const FAILED: u8 = 2;

/// Reports that the artifact does not load and returns the exit code.
pub fn invalid_model(error: LoadError) -> u8 {
    println!("the model does not load on {NAME}: {error}");
    FAILED
}

/// Reports that a run failed and returns the exit code.
pub fn failed_run(error: RunError) -> u8 {
    println!("the model does not run on {NAME}: {error}");
    FAILED
}

/// Reports what follows.
pub fn begin() {
    println!(
        "digits-cnn on {NAME}: {COUNT} images; artifact {} bytes, arena {} bytes, {} MACs",
        digits_cnn::ARTIFACT_BYTES,
        digits_cnn::ARENA_BYTES,
        digits_cnn::MACS
    );
    println!("image  label  prediction  JAX's  logits within  instructions");
}

/// Reports one image.
pub fn reading(reading: &Reading) {
    let Reading { image, label, expected, digit, error, instructions } = reading;
    let remark = match (reading.as_in_jax(), reading.right()) {
        (true, true) => "",
        (true, false) => "  misread, as in JAX",
        (false, _) => "  NOT AS IN JAX",
    };
    println!(
        "{image:5}  {label:5}  {digit:10}  {expected:5}  {error:13.1e}  {instructions:12}{remark}"
    );
}

/// Reports the total.
pub fn end(total: &Total) {
    let Total { as_in_jax, right, instructions } = *total;
    // Hundredths, so that cores without floating point do not need its code for this.
    let per_mac = instructions * 100 / digits_cnn::MACS.max(1);
    println!("{as_in_jax} of {COUNT} predictions as JAX's, {right} of {COUNT} as labelled");
    println!(
        "{instructions} instructions per inference at most, {}.{:02} per MAC",
        per_mac / 100,
        per_mac % 100
    );
}
