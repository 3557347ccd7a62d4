//! Tests of control flow: what passes and lowering make of it, and that it keeps every bit.

use super::tests::{compiled, kernels, ops, same_bits};

/// How many of a list are `name`.
fn count(list: &[&str], name: &str) -> usize {
    list.iter().filter(|n| **n == name).count()
}

/// A loop of `trips` iterations, with a counter and this state.
fn repeat(trips: u32, state: &str, types: &str, body: &str) -> String {
    format!(
        "  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %n = stablehlo.constant dense<{trips}> : tensor<i32>
  %r:10 = stablehlo.while(%i = %zero, {state}) : tensor<i32>, {types} cond {{
    %go = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %go : tensor<i1>
  }} do {{
    %next = stablehlo.add %i, %one : tensor<i32>
    {body}
  }}"
    )
}

#[test]
fn a_loop_updates_its_state_in_place() {
    let body = "%s = stablehlo.tanh %a : tensor<8xf32>
    stablehlo.return %next, %s : tensor<i32>, tensor<8xf32>";
    let text = repeat(5, "%a = %x", "tensor<8xf32>", body).replace(":10", ":2");
    let compiled = same_bits(&format!(
        "func.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {{\n{text}\n  \
         return %r#1 : tensor<8xf32>\n}}"
    ));
    // The counter is set; the loop is two maps, the condition another, and a branch.
    assert_eq!(kernels(&compiled), ["move_", "branch", "map", "map", "map", "branch"]);
    // The tensor, the counter and the predicate.
    assert_eq!(compiled.report.arena_bytes, 32 + 4 + 1);
}

#[test]
fn swapped_and_transposed_state_is_copied_as_if_at_once() {
    let square = "tensor<3x3xf32>";
    let text = repeat(
        3,
        "%a = %x, %b = %y, %c = %y",
        &format!("{square}, {square}, {square}"),
        &format!(
            "%t = stablehlo.transpose %c, dims = [1, 0] : ({square}) -> {square}
    stablehlo.return %next, %b, %a, %t : tensor<i32>, {square}, {square}, {square}"
        ),
    );
    let compiled = same_bits(&format!(
        "func.func @main(%x: {square}, %y: {square}) -> ({square}, {square}, {square}) {{\n{}\n  \
         return %r#1, %r#2, %r#3 : {square}, {square}, {square}\n}}",
        text.replace(":10", ":4")
    ));
    assert!(count(&kernels(&compiled), "move_") >= 5);
}

#[test]
fn weights_carried_through_a_loop_are_constants() {
    let (row, weights) = ("tensor<1x4xf32>", "tensor<4x4xf32>");
    let body = format!(
        "%s = stablehlo.dot_general %a, %u, contracting_dims = [1] x [0] : ({row}, {weights}) -> {row}
    %dead = stablehlo.add %d, %s : {row}
    stablehlo.return %next, %s, %u, %dead : tensor<i32>, {row}, {weights}, {row}"
    );
    let text = repeat(3, "%a = %x, %u = %w, %d = %x", &format!("{row}, {weights}, {row}"), &body);
    let compiled = same_bits(&format!(
        "func.func @main(%x: {row}) -> {row} {{
  %w = stablehlo.constant dense<[[0.5, -1.0, 2.0, 0.25], [1.0, 0.0, -0.5, 1.5], [-2.0, 1.0, 0.125, \
         0.75], [0.3, -0.7, 0.9, -1.1]]> : {weights}\n{}\n  return %r#1 : {row}\n}}",
        text.replace(":10", ":4")
    ));
    assert_eq!(count(&kernels(&compiled), "conv_f32"), 1, "packed constants");
    let body = &compiled.optimized.body;
    let op =
        body.walk(body.entry).into_iter().find(|&op| body.ops[op].kind.name() == "stablehlo.while");
    assert_eq!(body.ops[op.expect("the loop stays")].operands.len(), 2, "counter and row");
}

#[test]
fn loops_that_do_not_run_and_choices_that_are_known_go() {
    let text = repeat(
        0,
        "%a = %x",
        "tensor<8xf32>",
        "%s = stablehlo.tanh %a : tensor<8xf32>
    stablehlo.return %next, %s : tensor<i32>, tensor<8xf32>",
    );
    let compiled = same_bits(&format!(
        "func.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {{\n{}
  %false = stablehlo.constant dense<false> : tensor<i1>
  %c = \"stablehlo.if\"(%false) ({{
    stablehlo.return %x : tensor<8xf32>
  }}, {{
    %e = stablehlo.exponential %r#1 : tensor<8xf32>
    stablehlo.return %e : tensor<8xf32>
  }}) : (tensor<i1>) -> tensor<8xf32>
  %index = stablehlo.constant dense<-3> : tensor<i32>
  %d = \"stablehlo.case\"(%index) ({{
    stablehlo.return %x : tensor<8xf32>
  }}, {{
    %e = stablehlo.negate %c : tensor<8xf32>
    stablehlo.return %e : tensor<8xf32>
  }}) : (tensor<i32>) -> tensor<8xf32>
  return %d : tensor<8xf32>\n}}",
        text.replace(":10", ":2")
    ));
    assert_eq!(kernels(&compiled), ["map"]);
}

#[test]
fn a_loop_that_depends_on_constants_only_is_a_constant() {
    let text = repeat(
        5,
        "%a = %n",
        "tensor<i32>",
        "%s = stablehlo.multiply %a, %n : tensor<i32>
    stablehlo.return %next, %s : tensor<i32>, tensor<i32>",
    );
    let compiled = same_bits(&format!(
        "func.func @main() -> tensor<i32> {{\n{}\n  return %r#1 : tensor<i32>\n}}",
        text.replace(":10", ":2")
    ));
    assert_eq!(ops(&compiled), ["stablehlo.constant", "func.return"]);
}

#[test]
fn results_that_all_branches_share_come_from_outside() {
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %s = stablehlo.slice %x [0:1] : (tensor<4xf32>) -> tensor<1xf32>
  %h = stablehlo.reshape %s : (tensor<1xf32>) -> tensor<f32>
  %p = stablehlo.compare GT, %h, %zero : (tensor<f32>, tensor<f32>) -> tensor<i1>
  %r:4 = "stablehlo.if"(%p) ({
    %one = stablehlo.constant dense<1.0> : tensor<4xf32>
    %e = stablehlo.exponential %x : tensor<4xf32>
    stablehlo.return %x, %one, %e, %e : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
  }, {
    %one = stablehlo.constant dense<1.0> : tensor<4xf32>
    %e = stablehlo.negate %x : tensor<4xf32>
    stablehlo.return %x, %one, %e, %one : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
  }) : (tensor<i1>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
  return %r#0, %r#1, %r#2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}"#,
    );
    // Each branch computes its result in place.
    assert_eq!(kernels(&compiled), ["map", "branch", "map", "branch", "map", "fill"]);
}

#[test]
fn a_choice_of_many_takes_several_switches() {
    let branch = |i: i32| {
        format!(
            "{{\n    %c{i} = stablehlo.constant dense<{i}.0> : tensor<2xf32>
    %d{i} = stablehlo.add %x, %c{i} : tensor<2xf32>
    stablehlo.return %d{i} : tensor<2xf32>\n  }}"
        )
    };
    let branches: Vec<String> = (0..20).map(branch).collect();
    for scale in [3, 30, 300] {
        let compiled = same_bits(&format!(
            "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {{
  %scale = stablehlo.constant dense<{scale}.0> : tensor<f32>
  %s = stablehlo.slice %x [0:1] : (tensor<2xf32>) -> tensor<1xf32>
  %h = stablehlo.reshape %s : (tensor<1xf32>) -> tensor<f32>
  %f = stablehlo.multiply %h, %scale : tensor<f32>
  %i = stablehlo.convert %f : (tensor<f32>) -> tensor<i32>
  %r = \"stablehlo.case\"(%i) ({}) : (tensor<i32>) -> tensor<2xf32>
  return %r : tensor<2xf32>\n}}",
            branches.join(", ")
        ));
        assert_eq!(count(&kernels(&compiled), "switch"), 2);
    }
}

#[test]
fn copies_made_in_a_branch_stay_there() {
    // Each use wants the transpose dense; a copy made in the branch is not there otherwise.
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<4x3xf32>) -> (tensor<12xf32>, tensor<12xf32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %s = stablehlo.slice %x [0:1, 0:1] : (tensor<4x3xf32>) -> tensor<1x1xf32>
  %h = stablehlo.reshape %s : (tensor<1x1xf32>) -> tensor<f32>
  %p = stablehlo.compare GT, %h, %zero : (tensor<f32>, tensor<f32>) -> tensor<i1>
  %t = stablehlo.transpose %x, dims = [1, 0] : (tensor<4x3xf32>) -> tensor<3x4xf32>
  %f = stablehlo.reshape %t : (tensor<3x4xf32>) -> tensor<12xf32>
  %r = "stablehlo.if"(%p) ({
    %e = stablehlo.exponential %f : tensor<12xf32>
    stablehlo.return %e : tensor<12xf32>
  }, {
    %e = stablehlo.constant dense<2.0> : tensor<12xf32>
    stablehlo.return %e : tensor<12xf32>
  }) : (tensor<i1>) -> tensor<12xf32>
  %n = stablehlo.negate %f : tensor<12xf32>
  return %r, %n : tensor<12xf32>, tensor<12xf32>
}"#,
    );
    assert_eq!(count(&kernels(&compiled), "move_"), 2);
}

#[test]
fn tokens_in_a_state_take_no_memory_and_barriers_are_nothing() {
    let body = "%s = stablehlo.tanh %a : tensor<4xf32>
    %u:2 = stablehlo.optimization_barrier %s, %next : tensor<4xf32>, tensor<i32>
    %l = stablehlo.after_all %k, %t : !stablehlo.token
    stablehlo.return %u#1, %u#0, %l : tensor<i32>, tensor<4xf32>, !stablehlo.token";
    let text = repeat(3, "%a = %x, %k = %t", "tensor<4xf32>, !stablehlo.token", body);
    let compiled = compiled(&format!(
        "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {{
  %t = stablehlo.create_token : !stablehlo.token\n{}\n  return %r#1 : tensor<4xf32>\n}}",
        text.replace(":10", ":3")
    ));
    assert_eq!(kernels(&compiled), ["move_", "branch", "map", "map", "map", "branch"]);
}

#[test]
fn a_scan_copies_nothing_but_its_slices() {
    // Slice `i` of the input goes in, row `i` of the result comes out, and a state is carried.
    let (rows, row) = ("tensor<5x8xf32>", "tensor<1x8xf32>");
    let body = format!(
        "%s = stablehlo.dynamic_slice %x, %i, %zero, sizes = [1, 8] : ({rows}, tensor<i32>, \
         tensor<i32>) -> {row}
    %sum = stablehlo.add %h, %s : {row}
    %t = stablehlo.tanh %sum : {row}
    %u = stablehlo.dynamic_update_slice %ys, %t, %i, %zero : ({rows}, {row}, tensor<i32>, \
         tensor<i32>) -> {rows}
    stablehlo.return %next, %t, %u : tensor<i32>, {row}, {rows}"
    );
    let text = repeat(5, "%h = %h0, %ys = %ys0", &format!("{row}, {rows}"), &body);
    let compiled = same_bits(&format!(
        "func.func @main(%x: {rows}, %h0: {row}) -> ({row}, {rows}) {{
  %ys0 = stablehlo.constant dense<0.0> : {rows}\n{}\n  return %r#1, %r#2 : {row}, {rows}\n}}",
        text.replace(":10", ":3")
    ));
    let steps = kernels(&compiled);
    let first = steps.iter().position(|k| *k == "branch").expect("the loop is entered");
    assert_eq!(steps[first + 1..], ["gather", "map", "scatter", "map", "map", "branch"]);
}
