//! Inputs that keep what the last run left in them.

mod common;

use common::{Aligned, Constants, sum_of_bytes};
use microhlo::{Model, RunError};
use microhlo_format::{ArtifactSpec, DType, Place, TensorSpec, encode};

const N: u32 = 8;

fn tensor(name: &str, place: Place) -> TensorSpec {
    TensorSpec { name: name.into(), dtype: DType::I8, dims: vec![N], place }
}

/// Adds an input to a state at an offset, in place.
fn counter(state: u32, arena_bytes: u32) -> ArtifactSpec {
    let (input, total) = (Place::arena(32), Place::arena(state));
    ArtifactSpec {
        name: "counter".into(),
        compiler: "test".into(),
        inputs: vec![tensor("total", Place::state(state)), tensor("x", input)],
        outputs: vec![tensor("sum", total)],
        steps: vec![sum_of_bytes(total, input, total, N)],
        constants: Constants::default().0,
        arena_bytes,
        ..ArtifactSpec::default()
    }
}

#[test]
fn states_survive_runs_of_their_own_and_of_other_models() {
    let (first, second) = (
        Aligned::new(&encode(&counter(0, 48)).unwrap()),
        Aligned::new(&encode(&counter(16, 48)).unwrap()),
    );
    let (first, second) =
        (Model::load(first.bytes()).unwrap(), Model::load(second.bytes()).unwrap());
    let mut arena = microhlo::Arena([0x55; 48]);
    let arena = &mut arena.0;
    first.reset(arena).unwrap();
    second.reset(arena).unwrap();
    let x: Vec<u8> = (0..N as u8).collect();
    let mut sum = [0; N as usize];
    for i in 1..=3u8 {
        first.run(arena, &[&[], &x], &mut [&mut sum]).unwrap();
        assert_eq!(sum, [0, 1, 2, 3, 4, 5, 6, 7].map(|k| k * i));
        second.run(arena, &[&[], &[i; N as usize]], &mut [&mut []]).unwrap();
    }
    second.run(arena, &[&[], &[0; N as usize]], &mut [&mut sum]).unwrap();
    assert_eq!(sum, [6; N as usize]);
    // A state can be set like any input.
    first.run(arena, &[&[100; N as usize], &x], &mut [&mut sum]).unwrap();
    assert_eq!(sum, [100, 101, 102, 103, 104, 105, 106, 107]);
    first.reset(arena).unwrap();
    first.run(arena, &[&[], &x], &mut [&mut sum]).unwrap();
    assert_eq!(sum, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn only_states_may_be_left_out() {
    let artifact = Aligned::new(&encode(&counter(0, 48)).unwrap());
    let model = Model::load(artifact.bytes()).unwrap();
    assert!(model.input(0).unwrap().is_state() && !model.input(1).unwrap().is_state());
    let mut arena = microhlo::Arena::<48>::new();
    let got = model.run(&mut arena.0, &[&[], &[]], &mut [&mut []]);
    assert_eq!(got, Err(RunError::InputSize { index: 1, needed: 8, given: 0 }));
    let got = model.run(&mut arena.0, &[&[1; 4], &[0; 8]], &mut [&mut []]);
    assert_eq!(got, Err(RunError::InputSize { index: 0, needed: 8, given: 4 }));

    let mut plain = counter(0, 48);
    plain.inputs[0].place = Place::arena(0);
    let artifact = Aligned::new(&encode(&plain).unwrap());
    let model = Model::load(artifact.bytes()).unwrap();
    let got = model.run(&mut arena.0, &[&[0; 8], &[0; 8]], &mut [&mut []]);
    assert_eq!(got, Err(RunError::OutputSize { index: 0, needed: 8, given: 0 }));
}

#[test]
fn states_lie_in_the_arena() {
    let spec = counter(44, 48);
    let artifact = Aligned::new(&encode(&spec).unwrap());
    assert!(Model::load(artifact.bytes()).is_err());
    let mut spec = counter(0, 48);
    spec.inputs[0].place = Place::state(41);
    let artifact = Aligned::new(&encode(&spec).unwrap());
    assert_eq!(
        Model::load(artifact.bytes()).map(drop),
        Err(microhlo::LoadError::Input { index: 0 })
    );
}
