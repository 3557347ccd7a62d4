//! Programs that run several times, with what they keep in between.

use microhlo::Model;

use super::tests::{Aligned, parse};
use crate::compile::{CompileError, CompileOptions, Compiled, Kept, compile};
use crate::plan::Room;

/// A moving average, a shift register, and how often it ran: three states of which one is written in
/// place, one is made of its old contents, and one returned as it was beside what it becomes.
const FILTER: &str = r#"
func.func @main(%x: tensor<4xf32>, %mean: tensor<4xf32>, %past: tensor<3x4xf32>, %n: tensor<i32>) -> (tensor<4xf32>, tensor<3x4xf32>, tensor<i32>, tensor<i32>) {
  %half = stablehlo.constant dense<0.5> : tensor<4xf32>
  %0 = stablehlo.subtract %x, %mean : tensor<4xf32>
  %1 = stablehlo.multiply %0, %half : tensor<4xf32>
  %2 = stablehlo.add %mean, %1 : tensor<4xf32>
  %3 = stablehlo.slice %past [1:3, 0:4] : (tensor<3x4xf32>) -> tensor<2x4xf32>
  %4 = stablehlo.reshape %x : (tensor<4xf32>) -> tensor<1x4xf32>
  %5 = stablehlo.concatenate %3, %4, dim = 0 : (tensor<2x4xf32>, tensor<1x4xf32>) -> tensor<3x4xf32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %6 = stablehlo.add %n, %one : tensor<i32>
  return %2, %5, %6, %n : tensor<4xf32>, tensor<3x4xf32>, tensor<i32>, tensor<i32>
}"#;

fn kept(pairs: &[&str]) -> Vec<Kept> {
    pairs.iter().map(|pair| pair.parse().expect("a pair")).collect()
}

fn with_states(text: &str, pairs: &[&str], room: Room) -> Result<Compiled, CompileError> {
    let options = CompileOptions { states: kept(pairs), room, ..CompileOptions::default() };
    compile(&parse(text), &options)
}

fn refused(text: &str, pairs: &[&str]) -> String {
    with_states(text, pairs, Room::default()).expect_err("it is refused").message
}

/// Results of a run that is given `x` alone.
fn step(model: &Model<'_>, arena: &mut [u8], x: [f32; 4]) -> (Vec<f32>, Vec<f32>, i32) {
    let x: Vec<u8> = x.iter().flat_map(|x| x.to_le_bytes()).collect();
    let (mut mean, mut past, mut before) = ([0; 16], [0; 48], [0; 4]);
    model
        .run(arena, &[&x, &[], &[], &[]], &mut [&mut mean, &mut past, &mut [], &mut before])
        .expect("it runs");
    let floats = |bytes: &[u8]| {
        let (words, _) = bytes.as_chunks::<4>();
        words.iter().map(|&word| f32::from_le_bytes(word)).collect()
    };
    (floats(&mean), floats(&past), i32::from_le_bytes(before))
}

fn runs_thrice(model: &Model<'_>, arena: &mut [u8], between: impl Fn(&mut [u8])) {
    model.reset(arena).expect("the arena is large enough");
    let mut mean = 0.0;
    let mut all = vec![0.0; 12];
    for n in 0..4 {
        let x = [1.0, 2.0, 3.0, 4.0].map(|x: f32| x * (n as f32 + 1.0));
        mean += (x[0] - mean) * 0.5;
        all.extend(x);
        let got = step(model, arena, x);
        assert_eq!(got.0, [1.0, 2.0, 3.0, 4.0].map(|k| k * mean));
        assert_eq!(got.1, all[all.len() - 12..]);
        assert_eq!(got.2, n);
        between(arena);
    }
}

const ALL: [&str; 3] = ["in1=out0", "2=1", "in3=2"];

#[test]
fn states_are_what_the_last_run_made_of_them() {
    let compiled = with_states(FILTER, &ALL, Room::default()).expect("it compiles");
    assert_eq!(compiled.report.state_bytes, 80);
    let mut file = Aligned::of(&compiled.artifact);
    let model = Model::load(file.bytes()).expect("it loads");
    let mut arena = Aligned::new(model.arena_bytes());
    runs_thrice(&model, arena.bytes(), |_| ());
    // What is updated element by element needs no copy; the old count is saved and the new one moved.
    let copies = compiled.report.kernels.iter().filter(|k| k.name.ends_with(":state")).count();
    assert_eq!(copies, 3, "{:?}", compiled.report.kernels);
}

#[test]
fn models_that_share_an_arena_keep_their_states_apart() {
    let small = r#"
func.func @main(%x: tensor<8xf32>, %sum: tensor<8xf32>) -> tensor<8xf32> {
  %0 = stablehlo.add %x, %sum : tensor<8xf32>
  %1 = stablehlo.add %0, %0 : tensor<8xf32>
  return %1 : tensor<8xf32>
}"#;
    let room = Room { first: 80, bytes: 112 };
    let first = with_states(FILTER, &ALL, Room { first: 0, ..room }).expect("it compiles");
    let second = with_states(small, &["in1=out0"], room).expect("it compiles");
    assert_eq!((first.report.state_bytes, second.report.state_bytes), (80, 112));
    let (mut a, mut b) = (Aligned::of(&first.artifact), Aligned::of(&second.artifact));
    let (a, b) =
        (Model::load(a.bytes()).expect("it loads"), Model::load(b.bytes()).expect("it loads"));
    let mut arena = Aligned::new(a.arena_bytes().max(b.arena_bytes()));
    b.reset(arena.bytes()).expect("the arena is large enough");
    let ones: Vec<u8> = std::iter::repeat_n(1f32.to_le_bytes(), 8).flatten().collect();
    runs_thrice(&a, arena.bytes(), |arena| {
        b.run(arena, &[&ones, &[]], &mut [&mut []]).expect("it runs");
    });
    let mut sums = [0; 32];
    b.run(arena.bytes(), &[&ones, &[]], &mut [&mut sums]).expect("it runs");
    assert_eq!(sums[..4], 62f32.to_le_bytes());
}

#[test]
fn states_that_change_places_do() {
    let swap = r#"
func.func @main(%a: tensor<2xi32>, %b: tensor<2xi32>) -> (tensor<2xi32>, tensor<2xi32>) {
  return %b, %a : tensor<2xi32>, tensor<2xi32>
}"#;
    let compiled = with_states(swap, &["0=0", "1=1"], Room::default()).expect("it compiles");
    let mut file = Aligned::of(&compiled.artifact);
    let model = Model::load(file.bytes()).expect("it loads");
    let mut arena = Aligned::new(model.arena_bytes());
    let (mut a, mut b) = ([0; 8], [0; 8]);
    model.run(arena.bytes(), &[&[1; 8], &[2; 8]], &mut [&mut a, &mut b]).expect("it runs");
    assert_eq!((a, b), ([2; 8], [1; 8]));
    model.run(arena.bytes(), &[&[], &[]], &mut [&mut a, &mut b]).expect("it runs");
    assert_eq!((a, b), ([1; 8], [2; 8]));
}

#[test]
fn names_of_test_vectors_are_numbers_whatever_the_program_says() {
    let named = "func.func @main(%arg0: tensor<i32>, %arg1: tensor<i32>) -> (tensor<i32>, tensor<i32> {jax.result_info = \"result[1]\"}) {
  %0 = stablehlo.add %arg0, %arg1 : tensor<i32>
  return %arg0, %0 : tensor<i32>, tensor<i32>
}";
    for pair in ["in1=out1", "1=result[1]"] {
        let compiled = with_states(named, &[pair], Room::default()).expect("it compiles");
        assert_eq!(compiled.report.state_bytes, 16, "{pair}");
    }
    assert!(refused(named, &["in1=out2"]).contains("no output `out2`; known are out0, result[1]"));
}

#[test]
fn pairs_that_cannot_be_states_are_refused() {
    assert!(refused(FILTER, &["in9=0"]).contains("no input `in9`; known are in0, in1, in2, in3"));
    assert!(refused(FILTER, &["in1=7"]).contains("no output `7`"));
    assert!(refused(FILTER, &["1=0", "1=2"]).contains("in another pair"));
    let text = refused(FILTER, &["1=1"]);
    assert!(text.contains("the input is [4] of f32, the output [3, 4] of f32"), "{text}");
    for text in ["in1", "=0", "1="] {
        assert!(text.parse::<Kept>().is_err());
    }
}
