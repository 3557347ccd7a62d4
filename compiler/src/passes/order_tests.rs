//! Tests of the order of steps: what it saves, and that it keeps every bit.

use super::tests::{execute, inputs, parse, same_bits};
use crate::compile::{CompileOptions, Compiled, Technique, compile};

/// Compiles in the order of the program.
fn in_order(text: &str) -> Compiled {
    let without = vec![Technique::Scheduling];
    let options = CompileOptions { without, ..CompileOptions::default() };
    compile(&parse(text), &options).expect("it compiles")
}

/// Compares the bits with those of the evaluator, and returns the program in its own order and in the
/// chosen one.
fn both(text: &str) -> (Compiled, Compiled) {
    (in_order(text), same_bits(text))
}

/// Two branches that are wide first and then narrow, both begun before one is finished.
const BRANCHES: &str =
    "%a = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (ROW, WIDE) -> LONG
  %b = stablehlo.dot_general %x, %v, contracting_dims = [1] x [0] : (ROW, WIDE) -> LONG
  %c = stablehlo.dot_general %a, %w, contracting_dims = [1] x [1] : (LONG, WIDE) -> ROW
  %d = stablehlo.dot_general %b, %v, contracting_dims = [1] x [1] : (LONG, WIDE) -> ROW
  %s = stablehlo.add %c, %d : ROW";

fn typed(text: &str) -> String {
    text.replace("ROW", "tensor<1x4xf32>")
        .replace("LONG", "tensor<1x64xf32>")
        .replace("WIDE", "tensor<4x64xf32>")
}

#[test]
fn a_branch_is_finished_before_the_next_begins() {
    let text = typed(&format!(
        "func.func @main(%x: ROW, %w: WIDE, %v: WIDE) -> ROW {{\n  {BRANCHES}\n  return %s : ROW\n}}"
    ));
    let (given, chosen) = both(&text);
    // One long value less is alive; a row takes its place.
    let (before, after) = (given.report.arena_bytes, chosen.report.arena_bytes);
    assert_eq!(before - after, 256 - 16);
    let schedule = &chosen.report.schedule;
    assert!(schedule.reordered && schedule.proven_optimal(), "{schedule:?}");
    // The copy that transposes an operand lies partly over it, which the order does not count on.
    assert!(u64::from(after) <= schedule.peak_bytes, "{after} of {}", schedule.peak_bytes);
    assert!(!given.report.schedule.reordered);
}

#[test]
fn what_a_loop_repeats_is_ordered_by_itself() {
    let text = typed(&format!(
        "func.func @main(%y: ROW, %w: WIDE, %v: WIDE) -> ROW {{
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %n = stablehlo.constant dense<3> : tensor<i32>
  %r:2 = stablehlo.while(%i = %zero, %x = %y) : tensor<i32>, ROW cond {{
    %go = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %go : tensor<i1>
  }} do {{
    %next = stablehlo.add %i, %one : tensor<i32>
    {BRANCHES}
    stablehlo.return %next, %s : tensor<i32>, ROW
  }}
  %t = stablehlo.tanh %r#1 : ROW
  return %t : ROW\n}}"
    ));
    let (given, chosen) = both(&text);
    assert!(chosen.report.schedule.reordered);
    assert!(chosen.report.arena_bytes < given.report.arena_bytes);
    // Branches still end where they should.
    assert_eq!(chosen.report.kernels.len(), given.report.kernels.len());
}

#[test]
fn parts_are_put_side_by_side_as_soon_as_they_are_there() {
    let mut text = String::from("func.func @main(%x: tensor<8x4xf32>) -> tensor<8x12xf32> {\n");
    let back = "stablehlo.constant dense<0.5> : tensor<64x4xf32>";
    text += &format!("  %u = {back}\n");
    for i in 0..3 {
        text += &format!(
            "  %w{i} = stablehlo.constant dense<{i}.25> : tensor<4x64xf32>
  %a{i} = stablehlo.dot_general %x, %w{i}, contracting_dims = [1] x [0] : (tensor<8x4xf32>, tensor<4x64xf32>) -> tensor<8x64xf32>
  %t{i} = stablehlo.FUNCTION{i} %a{i} : tensor<8x64xf32>\n"
        );
    }
    for i in 0..3 {
        text += &format!(
            "  %c{i} = stablehlo.dot_general %t{i}, %u, contracting_dims = [1] x [0] : (tensor<8x64xf32>, tensor<64x4xf32>) -> tensor<8x4xf32>\n"
        );
    }
    text += "  %j = stablehlo.concatenate %c0, %c1, %c2, dim = 1 : (tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x12xf32>
  return %j : tensor<8x12xf32>\n}";
    let functions = [("FUNCTION0", "tanh"), ("FUNCTION1", "abs"), ("FUNCTION2", "negate")];
    let text = functions.iter().fold(text, |text, (from, to)| text.replace(from, to));
    let (given, chosen) = both(&text);
    let schedule = &chosen.report.schedule;
    assert!(schedule.reordered && schedule.proven_optimal(), "{schedule:?}");
    assert!(chosen.report.arena_bytes + 3000 < given.report.arena_bytes);
}

/// What an image of bytes becomes is needed at the beginning and at the end.
#[test]
fn a_conversion_is_repeated_rather_than_kept() {
    let (bytes, image) = ("tensor<1x16x16x4xi8>", "tensor<1x16x16x4xf32>");
    let weights = "tensor<3x3x4x4xf32>";
    let mut text = format!(
        "func.func @main(%b: {bytes}) -> {image} {{
  %w = stablehlo.constant dense<0.125> : {weights}
  %x0 = stablehlo.convert %b : ({bytes}) -> {image}\n"
    );
    for i in 0..4 {
        text += &format!(
            "  %x{} = stablehlo.convolution(%x{i}, %w) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], \
             window = {{pad = [[1, 1], [1, 1]]}} {{batch_group_count = 1 : i64, feature_group_count = 1 : i64}} : \
             ({image}, {weights}) -> {image}\n",
            i + 1
        );
    }
    text += &format!("  %s = stablehlo.add %x0, %x4 : {image}\n  return %s : {image}\n}}");
    same_bits(&text);
    // With results apart from operands: over them both take less.
    let apart = |mut without: Vec<Technique>| {
        without.push(Technique::Overlap);
        let options = CompileOptions { without, ..CompileOptions::default() };
        compile(&parse(&text), &options).expect("it compiles")
    };
    let (given, chosen) = (apart(vec![Technique::Scheduling]), apart(vec![]));
    let (values, bytes) = (4096, 1024);
    assert_eq!(given.report.arena_bytes, 3 * values);
    assert_eq!(chosen.report.arena_bytes, 2 * values + bytes);
    let schedule = &chosen.report.schedule;
    assert_eq!((schedule.repeated, schedule.reordered), (1, true));
    assert_eq!(chosen.report.kernels.len(), given.report.kernels.len() + 1);
    let inputs = inputs(&chosen.optimized, 1);
    assert_eq!(execute(&given, &inputs), execute(&chosen, &inputs));
}
