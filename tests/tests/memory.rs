//! Memory of chains: activations at their least, which may only fall.

use microhlo_compiler::chains::{Cuts, Model, Plan};
use microhlo_compiler::compile::Target;
use microhlo_compiler::lower::lower;
use microhlo_compiler::lower::program::Program;
use microhlo_tests::int8_models;
use microhlo_tests::networks::generated;

/// Least activations in bytes, input included: with the whole input, and with one that is fed row by row.
const ACTIVATIONS: [(&str, u64, u64); 4] = [
    ("kws_int8_quant_int", 6_250, 5_860),
    ("ic_int8_quant_int", 15_680, 12_896),
    ("mobilenet_v1_025_96", 40_704, 15_072),
    ("mobilenet_v2_035_144", 89_856, 34_800),
];

/// The lowered programs of the table that are installed.
fn programs() -> Vec<(&'static str, Program)> {
    let installed = int8_models().into_iter().map(|m| (m.name, m.prepare(Target::CortexM4f)));
    let generated = generated().into_iter().map(|g| (g.name, g.prepare(Target::CortexM4f, 0)));
    installed
        .chain(generated)
        .filter(|(name, _)| ACTIVATIONS.iter().any(|row| row.0 == *name))
        .map(|(name, prepared)| {
            (name, lower(&prepared.compiled.optimized, Target::CortexM4f).expect(name))
        })
        .collect()
}

/// The smallest way to execute a program.
fn smallest(model: &Model<'_>) -> Plan {
    Cuts::new(model).front().pop().expect("a way to execute it")
}

#[test]
fn activations_are_at_their_bounds() {
    for (name, program) in programs() {
        let &(_, whole, fed) = ACTIVATIONS.iter().find(|row| row.0 == name).expect(name);
        let start = std::time::Instant::now();
        let model = Model::new(&program, Target::CortexM4f);
        let s = smallest(&model);
        println!(
            "{name} {whole} {} {:?} {:?}",
            s.activations(),
            start.elapsed(),
            s.cuts
                .iter()
                .filter(|c| c.is_chain())
                .map(|c| (c.first, c.end, c.needs.activations))
                .collect::<Vec<_>>()
        );
        let model = model.streamed().expect(name);
        let s = smallest(&model);
        println!(
            "{name} fed {fed} {} {:?} {:?}",
            s.activations(),
            start.elapsed(),
            s.cuts
                .iter()
                .filter(|c| c.is_chain())
                .map(|c| (c.first, c.end, c.needs.activations))
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn ways_on_the_front_are_smaller_and_dearer_one_after_the_other() {
    for (name, program) in programs() {
        let front = Cuts::new(&Model::new(&program, Target::CortexM4f)).front();
        assert!(front.len() > 1, "{name}");
        for pair in front.windows(2) {
            assert!(pair[1].bytes() < pair[0].bytes(), "{name}");
            assert!(pair[1].cost() > pair[0].cost(), "{name}");
        }
    }
}
