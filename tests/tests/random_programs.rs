//! Generated programs through the whole pipeline: parsed, verified, evaluated before and after the
//! passes, compiled and executed, to the same bits.

use arbitrary::Unstructured;
use microhlo_tests::fuzz::{Outcome, agree};
use microhlo_tests::{generate, number};

/// Programs per run; `MICROHLO_PROGRAMS` overrides. `MICROHLO_SEED` is the first one's seed.
const PROGRAMS: u64 = 600;

/// Failing programs that are printed.
const SHOWN: usize = 3;

#[test]
fn evaluator_and_kernels_agree_on_generated_programs() {
    let count = number("MICROHLO_PROGRAMS").unwrap_or(PROGRAMS);
    let first = number("MICROHLO_SEED").unwrap_or(1);
    let mut agreeing = 0;
    let mut failures = Vec::new();
    for seed in first..first + count {
        let entropy = generate::entropy(seed, 400);
        let text = generate::program(&mut Unstructured::new(&entropy)).expect("entropy suffices");
        match agree(&text, seed) {
            Ok(Outcome::Agrees) => agreeing += 1,
            Ok(Outcome::Unsupported | Outcome::TooLong) => {}
            Err(error) => failures.push(format!("seed {seed}: {error}\n{text}")),
        }
    }
    println!("{agreeing} of {count} programs went through to the kernels");
    let shown = failures.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} programs fail:\n{shown}", failures.len());
    assert!(agreeing > 0, "no program reached the kernels");
}
