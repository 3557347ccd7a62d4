//! The least memory of 8-bit networks, and that it changes no result.

use microhlo_compiler::chains::{Options, Rows};
use microhlo_compiler::compile::{CompileOptions, Target, pareto};
use microhlo_format::{AccessKind, Kernel, Place};
use microhlo_tests::networks::{Int8Network, generated};

/// Rows where they save memory.
const LEAST: Options =
    Options { rows: Rows::Least, arena_limit: None, stream_input: false, recompute: 0 };
/// The same, with an input that is fed.
const FED: Options = Options { stream_input: true, ..LEAST };

/// Least activations, input included, and arena in bytes: with the whole input, and with one that is fed
/// row by row. They may only fall. Without windows that share bytes, and without computing anything twice, what
/// is known to be possible is 6,186 and 5,860; 15,616 and 12,896; 27,750 and 14,592; 66,816 and 28,944 bytes
/// of activations.
const BOUNDS: [(&str, [(u64, u32); 2]); 4] = [
    ("kws_int8_quant_int", [(3_930, 4_666), (3_860, 4_324)]),
    ("ic_int8_quant_int", [(13_504, 15_744), (9_664, 14_096)]),
    ("mobilenet_v1_025_96", [(27_744, 27_968), (11_616, 13_296)]),
    ("mobilenet_v2_035_144", [(66_816, 68_976), (26_064, 28_000)]),
];

#[test]
fn memory_is_at_its_bounds() {
    let mut found = Vec::new();
    for network in Int8Network::all() {
        if BOUNDS.iter().all(|row| row.0 != network.name()) {
            continue;
        }
        let figures = [LEAST, FED].map(|memory| {
            let report = network.prepare(Target::CortexM4f, memory).compiled.report;
            (report.activation_bytes, report.arena_bytes)
        });
        found.push((network.name(), figures));
    }
    let installed = |row: &&(&str, _)| found.iter().any(|other| other.0 == row.0);
    assert_eq!(found, BOUNDS.iter().filter(installed).copied().collect::<Vec<_>>());
}

/// The programs that take 4.9 % and 4.5 % more instructions than the fastest have no more activations than windows
/// apart.
#[test]
fn long_strips_have_few_activations() {
    let limit = Options { arena_limit: Some(7_540), ..Options::default() };
    for network in Int8Network::all().iter().filter(|n| n.name() == "kws_int8_quant_int") {
        for (target, arena) in [(Target::CortexM4f, 7_532), (Target::Rv32imac, 7_020)] {
            let report = network.prepare(target, limit).compiled.report;
            assert_eq!((report.activation_bytes, report.arena_bytes), (6_186, arena), "{target}");
        }
    }
}

/// Sizes of arenas that demand different chains.
fn limits(whole: u32, least: u32) -> Vec<Options> {
    let limit = |part: u32| Some(least + (whole - least) / 4 * part);
    let limited = |part| Options { arena_limit: limit(part), ..Options::default() };
    let limited = [1, 3].into_iter().map(limited);
    limited.filter(|options| options.arena_limit < Some(whole)).chain([LEAST]).collect()
}

#[test]
fn rows_change_no_result() {
    for network in Int8Network::all() {
        let whole = network.prepare(Target::Host, Options::default());
        let expected = whole.run_on_host();
        let arena = |memory| network.prepare(Target::Host, memory).compiled.report.arena_bytes;
        for memory in limits(whole.compiled.report.arena_bytes, arena(LEAST)) {
            let by_rows = network.prepare(Target::Host, memory);
            let limit = memory.arena_limit.unwrap_or(u32::MAX);
            assert!(by_rows.compiled.report.arena_bytes <= limit, "{}", network.name());
            assert_eq!(by_rows.run_on_host(), expected, "{}: {memory:?}", network.name());
        }
    }
}

#[test]
fn fed_inputs_change_no_result() {
    let fed = |bounds: &&(&str, _)| Int8Network::all().into_iter().find(|n| n.name() == bounds.0);
    for network in BOUNDS.iter().filter_map(|bounds| fed(&bounds)) {
        let expected = network.prepare(Target::Host, Options::default()).run_on_host();
        for rows in [Rows::Off, Rows::Least] {
            let memory = Options { rows, ..FED };
            let outputs = network.prepare(Target::Host, memory).run_on_host();
            assert_eq!(outputs, expected, "{}: {memory:?}", network.name());
        }
    }
}

#[test]
fn programs_of_the_front_are_smaller_and_slower_one_after_the_other() {
    for network in generated() {
        let program = network.parse();
        let front = pareto(&program.module, &CompileOptions::default()).expect(network.name);
        for pair in front.windows(2) {
            assert!(pair[1].arena_bytes < pair[0].arena_bytes, "{}", network.name);
            assert!(pair[1].cost > pair[0].cost, "{}", network.name);
        }
    }
}

#[test]
fn what_does_not_fit_is_told_what_does() {
    let network = generated().remove(0);
    let compile = |arena_limit| {
        let memory = Options { arena_limit, ..Options::default() };
        let options = CompileOptions { memory, ..CompileOptions::default() };
        network.parse().compile(&options).map(|compiled| compiled.report.arena_bytes)
    };
    let error = compile(Some(1000)).expect_err("nothing fits").to_string();
    let smallest = error.split("the smallest needs ").nth(1).and_then(|s| s.split(' ').next());
    let smallest: u32 = smallest.and_then(|s| s.parse().ok()).expect("the size is told");
    assert!(error.contains("are alive at"), "{error}");
    assert_eq!(compile(Some(smallest)).expect("the smallest fits"), smallest);
    assert!(compile(Some(smallest - 1)).is_err());
}

/// Whether a convolution computes a result over what it reads.
fn lies_over(kernel: &Kernel<Place>) -> bool {
    let mut read = Vec::new();
    let mut written = Vec::new();
    let convolves = matches!(kernel, Kernel::conv_i8(_) | Kernel::depthwise_i8(_));
    let _ = kernel.accesses(&mut |access| {
        let start = i64::from(access.place.offset) + access.start;
        let range = (access.place.region, start, start + access.end - access.start);
        match access.kind {
            AccessKind::Read => read.push(range),
            AccessKind::Write => written.push(range),
            AccessKind::Scratch => {}
        }
    });
    let mut pairs = read.iter().flat_map(|r| written.iter().map(move |w| (r, w)));
    convolves && pairs.any(|(r, w)| r.0 == w.0 && r.1 < w.2 && w.1 < r.2)
}

/// On RISC-V convolutions that compute over their operands copy them.
#[test]
fn a_limit_that_suffices_without_lets_no_result_lie_over_an_operand() {
    let network = generated().remove(0);
    let compile = |arena_limit| {
        let memory = Options { arena_limit, rows: Rows::Off, ..Options::default() };
        let target = Target::Rv32imac;
        let options = CompileOptions { memory, target, ..CompileOptions::default() };
        let compiled = network.parse().compile(&options).expect("it fits");
        let steps = microhlo_format::decode(&compiled.artifact).expect("it is well-formed").steps;
        (compiled.report.arena_bytes, steps.iter().filter(|step| lies_over(step)).count())
    };
    let (apart, none) = compile(None);
    assert_eq!(none, 0);
    for room in [0, 1, 1 << 20] {
        let (arena, over) = compile(Some(apart + room));
        assert!(arena <= apart && over == 0, "{arena} of {apart} bytes, {over} over operands");
    }
    // With less, as many as it takes.
    let (arena, over) = compile(Some(apart - 16));
    assert!(arena < apart && over > 0, "{arena} of {apart} bytes, {over} over operands");
}
