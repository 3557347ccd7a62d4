//! The plugin that counts instructions by kind, against the boards' own counters.

use microhlo_compiler::cmd::exec::Executor;
use microhlo_qemu::{InstructionMix, MixCounter};
use microhlo_tests::{models, options};

/// Instructions that two readings of the counter, and the calls around them, take at most: the most on the M0, whose counter is put together from parts.
const READING: u64 = 240;

/// The kinds of instructions of one inference of `dsconv_softmax`, the count of the board, and how many
/// pieces of it were counted.
fn measured(board: &str) -> (InstructionMix, u64, u64) {
    let executor = Executor::find(board).expect("the board");
    let Executor::Board(at) = &executor else { panic!("{board} is no board") };
    let all = models();
    let model = all.iter().find(|m| m.name == "dsconv_softmax").expect("a shipped model");
    let mut job = model.prepare(executor.target().expect("a known core")).job();
    job.cases.truncate(1);
    let counted = MixCounter::new(&at.0, &at.1).and_then(|mixes| mixes.count(&job, &options()));
    let (mix, outcome) = counted.unwrap_or_else(|error| panic!("{board}: {error}"));
    let report = outcome.unwrap_or_else(|error| panic!("{board}: {error}"));
    let case = report.cases[0].as_ref().unwrap_or_else(|error| panic!("{board}: {error}"));
    (mix, case.instructions, u64::from(report.steps) + job.cases[0].len() as u64 + 1)
}

#[test]
fn the_mix_is_of_the_instructions_that_are_counted() {
    for board in ["microbit", "mps2-an386", "mps3-an547", "virt-rv32"] {
        let (mix, counted, pieces) = measured(board);
        let all = mix.instructions();
        let range = counted..=counted + READING * pieces;
        assert!(range.contains(&all), "{board}: {all} by kind, {counted} counted");
        let taken: u64 = mix.kinds.iter().map(|kind| kind.taken).sum();
        assert!((all / 100..all / 2).contains(&taken), "{board}: {taken} jumps of {all}");
    }
}

#[test]
fn kinds_have_the_names_of_the_manuals() {
    let (mix, ..) = measured("mps2-an386");
    let runs = |mnemonic: &str| -> u64 {
        mix.kinds.iter().filter(|k| k.mnemonic.starts_with(mnemonic)).map(|k| k.runs).sum()
    };
    assert!(runs("vmla.f32") + runs("vfma.f32") > 1000, "{mix:?}");
    assert!(runs("ldr") > 1000, "{mix:?}");
    assert_eq!(runs("?"), 0, "{mix:?}");
    let (mix, ..) = measured("virt-rv32");
    assert!(mix.kinds.iter().any(|k| k.mnemonic == "lw" && k.runs > 1000), "{mix:?}");
    assert!(mix.kinds.iter().any(|k| k.mnemonic == "bltu" || k.mnemonic == "bne"), "{mix:?}");
}
