//! Chains that run row by row compute what their steps do one after another.

mod common;

use common::Aligned;
use common::chains::{Form, Layer, Network, Op, Slides, random};
use microhlo::{Arena, LoadError, Model, RunError, StepError};
use microhlo_format::kernels::Rows;
use microhlo_format::{ArtifactSpec, Kernel, ParamError, Place, encode};
use proptest::prelude::*;

/// All outputs of a model with one input.
fn outputs(spec: &ArtifactSpec, input: &[u8]) -> Result<Vec<Vec<u8>>, LoadError> {
    let file = Aligned::new(&encode(spec).unwrap());
    let model = Model::load(file.bytes())?;
    let mut arena = Box::new(Arena::<{ 1 << 18 }>([0xa5; 1 << 18]));
    let sizes = (0..model.output_count()).map(|i| model.output(i).unwrap().byte_len());
    let mut outputs: Vec<Vec<u8>> = sizes.map(|n| vec![0; n]).collect();
    let mut slices: Vec<&mut [u8]> = outputs.iter_mut().map(|o| &mut o[..]).collect();
    // Twice: what a run leaves is of no importance to the next.
    model.run(&mut arena.0, &[input], &mut slices).unwrap();
    model.run(&mut arena.0, &[input], &mut slices).unwrap();
    Ok(outputs)
}

fn same(network: &Network) {
    let input = common::chains::Random(network.seed ^ 99).bytes(network.input.iter().product());
    let steps = outputs(&network.spec(Form::Steps), &input).unwrap();
    let chain = outputs(&network.spec(Form::Chain), &input).expect("the chain loads");
    assert_eq!(steps, chain, "{network:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn chains_compute_what_their_steps_do(seed in any::<u64>(), mve in any::<bool>()) {
        same(&random(seed, 9, mve));
    }
}

/// All outputs of a model that is fed as many rows at a time as `portions` say.
fn fed(spec: &ArtifactSpec, input: &[u8], portions: &[u32]) -> Vec<Vec<u8>> {
    let file = Aligned::new(&encode(spec).unwrap());
    let model = Model::load(file.bytes()).expect("the chain loads");
    let mut arena = Box::new(Arena::<{ 1 << 18 }>([0x5a; 1 << 18]));
    let mut run = model.start(&mut arena.0).unwrap();
    let info = model.input(0).unwrap();
    let row = info.byte_len() / info.dims()[0] as usize;
    let (mut left, mut wanted) = (input, None);
    let mut portions = portions.iter().cycle();
    while !left.is_empty() {
        assert_ne!(wanted, Some(0), "rows are left");
        let rows = *portions.next().unwrap() as usize;
        let (given, rest) = left.split_at((rows * row).min(left.len()));
        wanted = Some(run.feed(given).unwrap());
        left = rest;
    }
    assert_eq!(wanted, Some(0), "all rows were fed");
    assert_eq!(run.feed(&[]), Err(RunError::NotFed));
    while run.step().unwrap().is_some() {}
    (0..model.output_count()).map(|i| run.output(i).unwrap().bytes().to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn fed_rows_give_the_same(
        seed in any::<u64>(),
        portions in prop::collection::vec(0u32..4, 1..5),
    ) {
        prop_assume!(portions.iter().any(|&n| n > 0));
        let network = random(seed, 7, false);
        let input = common::chains::Random(seed).bytes(network.input.iter().product());
        let steps = outputs(&network.spec(Form::Steps), &input).unwrap();
        let spec = network.spec(Form::Fed);
        prop_assert_eq!(&steps, &fed(&spec, &input, &portions));
        prop_assert_eq!(&steps, &outputs(&spec, &input).unwrap(), "a whole input is fed too");
    }
}

#[test]
fn what_is_fed_is_checked() {
    let file = Aligned::new(&encode(&block(1).spec(Form::Fed)).unwrap());
    let model = Model::load(file.bytes()).unwrap();
    let mut arena = Box::new(Arena::<{ 1 << 16 }>([0; 1 << 16]));
    let bytes = vec![7; 13 * 15];
    let mut run = model.start(&mut arena.0).unwrap();
    let row = |left, given| Err(RunError::RowSize { row: 15, left, given });
    assert_eq!(run.set_input(0, &bytes), Err(RunError::Streamed { index: 0 }));
    assert_eq!(run.feed(&bytes[..14]), row(195, 14));
    assert_eq!(run.feed(&[&bytes[..], &bytes[..15]].concat()), row(195, 210));
    assert_eq!(run.step(), Err(RunError::Unfed { rows: 3 }));
    assert_eq!(run.feed(&bytes[..30]), Ok(1), "two rows are still demanded");
    assert_eq!(run.feed(&bytes[..180]), row(165, 180));
    assert_eq!(run.step(), Err(RunError::Unfed { rows: 1 }), "a step alone feeds nothing");
    assert_eq!(run.set_input(0, &bytes), Err(RunError::AlreadyStarted));
    assert_eq!(run.output(0).err(), Some(RunError::NotFinished));
    assert_eq!(run.feed(&bytes[30..]), Ok(0));
    assert!(run.is_finished());
    assert_eq!(run.feed(&bytes[..15]), Err(RunError::NotFed));
    let short = model.run(&mut arena.0, &[&bytes[1..]], &mut [&mut [0; 8]]);
    assert_eq!(short, Err(RunError::InputSize { index: 0, needed: 195, given: 194 }));
}

/// A residual block with everything that a network begins and ends with.
fn block(strip: u32) -> Network {
    let layer = |op, of| Layer { op, of, strip, whole: false };
    Network {
        input: [13, 5, 3],
        layers: vec![
            layer(Op::Conv(8, Slides::same([3, 3], 1)), 0),
            layer(Op::Conv(16, Slides::PIXEL), 1),
            layer(Op::Depthwise(Slides::same([3, 3], 1)), 2),
            layer(Op::Product(8), 3),
            layer(Op::Sum(1), 4),
            layer(Op::Table, 5),
            layer(Op::Pool(Slides { kernel: [2, 1], stride: [2, 1], ..Slides::PIXEL }), 6),
            layer(Op::Mean, 7),
        ],
        mve: false,
        plain: false,
        seed: 5,
    }
}

#[test]
fn a_residual_block_runs_in_any_strips() {
    for strip in 1..=13 {
        same(&block(strip));
    }
}

/// Why a chain is refused once its `rows` step has been changed.
fn refused(change: impl FnOnce(&mut Rows<Place>, &mut ArtifactSpec)) -> Option<StepError> {
    let mut spec = block(1).spec(Form::Chain);
    let Kernel::rows(mut rows) = spec.steps[0].clone() else { panic!("a chain") };
    change(&mut rows, &mut spec);
    spec.steps[0] = Kernel::rows(rows);
    let file = Aligned::new(&encode(&spec).unwrap());
    match Model::load(file.bytes()).err()? {
        LoadError::Step { error, .. } => Some(error),
        other => panic!("{other}"),
    }
}

#[test]
fn chains_are_proved() {
    use StepError::{OutOfBounds, Overlap, Params, Stalls};
    assert_eq!(refused(|_, _| ()), None);
    assert_eq!(refused(|rows, _| rows.stages[1].capacity -= 1), Some(Stalls));
    let bad = Some(Params(ParamError::BadCode));
    assert_eq!(refused(|rows, _| rows.stages[2].operands[0] = 5), bad, "a later stage");
    assert_eq!(refused(|rows, _| rows.stages[2].strip = 0), bad);
    assert_eq!(refused(|rows, _| rows.stages[0].rows = u16::MAX), bad, "too many rows");
    let mismatch = Some(Params(ParamError::Mismatch));
    assert_eq!(refused(|rows, _| rows.stages[2].rows = 12), mismatch);
    assert_eq!(refused(|rows, _| rows.sums = None), mismatch, "a pool gathers sums");
    assert_eq!(refused(|rows, spec| spec.arena_bytes = rows.state.offset), Some(OutOfBounds));
    let window = |spec: &ArtifactSpec| match &spec.steps[1] {
        Kernel::conv_i8(conv) => conv.output,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(|rows, spec| rows.state = window(spec)), Some(Overlap));
    // The first window behind everything else, with room for some rows; who reads it sees it some bytes later.
    let behind = |capacity: u16, room: u32, settles: bool, later: u32| {
        refused(|rows, spec| {
            (rows.stages[0].capacity, rows.stages[0].settles) = (capacity, settles);
            let (from, to) = (window(spec), Place::arena(spec.arena_bytes));
            let moved = &mut |place| if place == from { to } else { place };
            spec.steps.iter_mut().for_each(|step| *step = step.map_places(moved));
            spec.arena_bytes += 8 * 5 * room;
            let Kernel::conv_i8(conv) = &mut spec.steps[2] else { panic!("a convolution") };
            conv.input.offset += later;
        })
    };
    assert_eq!(behind(13, 13, false, 0), None);
    assert_eq!(behind(13, 12, false, 0), Some(OutOfBounds), "the last row leaves the arena");
    assert_eq!(behind(12, 11, false, 0), Some(OutOfBounds), "the window leaves the arena");
    // Of rows that settle there are never more than three.
    assert_eq!(behind(12, 12, true, 0), None);
    assert_eq!(behind(12, 11, true, 0), Some(OutOfBounds), "the window leaves the arena");
    assert_eq!(behind(12, 12, true, 1), Some(OutOfBounds), "who reads rows moves them");
}

#[test]
fn kernels_that_are_no_stages_are_missing() {
    use microhlo::kernels::{conv_i8, rows};
    use microhlo::{KernelId, Kernels};
    static SOME: Kernels = Kernels { kernels: &[rows::ENTRY, conv_i8::ENTRY], micro: &[] };
    let file = Aligned::new(&encode(&block(1).spec(Form::Chain)).unwrap());
    let error = Model::load_with(file.bytes(), &SOME).err();
    let missing = StepError::MissingKernel(KernelId::conv_i8);
    assert!(matches!(error, Some(LoadError::Step { error, .. }) if error == missing), "{error:?}");
}

#[test]
fn a_chain_needs_less_memory() {
    let arena = |form| block(1).spec(form).arena_bytes;
    assert!(arena(Form::Chain) * 10 < arena(Form::Steps) * 6, "{}", arena(Form::Chain));
}
