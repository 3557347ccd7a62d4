//! Regions that are no scalar code: what becomes of them, and that every bit stays.

use crate::passes::tests::{kernels, refused, same_bits};

/// A region of two `f32` scalars.
fn pair(body: &str) -> String {
    format!("({{\n  ^bb0(%a: tensor<f32>, %b: tensor<f32>):\n{body}\n  }})")
}

/// Halves the larger of both until it is less than the other: a loop.
const LOOP: &str = "    %half = stablehlo.constant dense<0.5> : tensor<f32>
    %small = stablehlo.abs %b : tensor<f32>
    %start = stablehlo.abs %a : tensor<f32>
    %tiny = stablehlo.constant dense<0.125> : tensor<f32>
    %limit = stablehlo.maximum %small, %tiny : tensor<f32>
    %r = stablehlo.while(%x = %start) : tensor<f32> cond {
      %go = stablehlo.compare GT, %x, %limit : (tensor<f32>, tensor<f32>) -> tensor<i1>
      stablehlo.return %go : tensor<i1>
    } do {
      %next = stablehlo.multiply %x, %half : tensor<f32>
      stablehlo.return %next : tensor<f32>
    }
    %s = stablehlo.add %r, %b : tensor<f32>
    stablehlo.return %s : tensor<f32>";

/// The same with tensors of one element and a choice, which scalar code can do.
const CHOICE: &str = "    %c = stablehlo.reshape %a : (tensor<f32>) -> tensor<1xf32>
    %d = stablehlo.broadcast_in_dim %b, dims = [] : (tensor<f32>) -> tensor<3x1xf32>
    %e = stablehlo.slice %d [1:2, 0:1] : (tensor<3x1xf32>) -> tensor<1x1xf32>
    %f = stablehlo.reshape %e : (tensor<1x1xf32>) -> tensor<1xf32>
    %g = stablehlo.add %c, %f : tensor<1xf32>
    %less = stablehlo.compare LT, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %n = stablehlo.convert %less : (tensor<i1>) -> tensor<i32>
    %h = \"stablehlo.if\"(%less) ({
      %i = \"stablehlo.case\"(%n) ({
        stablehlo.return %c : tensor<1xf32>
      }, {
        %j = stablehlo.negate %g : tensor<1xf32>
        stablehlo.return %j : tensor<1xf32>
      }, {
        stablehlo.return %f : tensor<1xf32>
      }) : (tensor<i32>) -> tensor<1xf32>
      stablehlo.return %i : tensor<1xf32>
    }, {
      stablehlo.return %g : tensor<1xf32>
    }) : (tensor<i1>) -> tensor<1xf32>
    %s = stablehlo.reshape %h : (tensor<1xf32>) -> tensor<f32>
    stablehlo.return %s : tensor<f32>";

/// A region of many operations.
fn long(operations: usize) -> String {
    let mut text = "    %v0 = stablehlo.add %a, %b : tensor<f32>\n".to_string();
    for i in 1..operations {
        let name = ["multiply", "subtract", "maximum", "add"][i % 4];
        let other = ["%a", "%b"][i / 4 % 2];
        text += &format!("    %v{i} = stablehlo.{name} %v{}, {other} : tensor<f32>\n", i - 1);
    }
    text + &format!("    stablehlo.return %v{} : tensor<f32>", operations - 1)
}

/// A program that applies all operations that combine `f32` elements, with this region.
fn combine(body: &str) -> String {
    let region = pair(body);
    let inner = region.trim_start_matches('(').trim_end_matches(')');
    let windows = "window_dimensions = array<i64: 2, 2>, window_strides = array<i64: 1, 2>, \
                   window_dilations = array<i64: 2, 1>, base_dilations = array<i64: 1, 2>, \
                   padding = dense<[[1, 0], [0, 1]]> : tensor<2x2xi64>";
    let numbers = "#stablehlo.scatter<update_window_dims = [1], inserted_window_dims = [0], \
                   scatter_dims_to_operand_dims = [0], index_vector_dim = 1>";
    format!(
        "func.func @main(%in_x: tensor<4x3xf32>, %in_z: tensor<f32>, %in_k: tensor<3xf32>) -> \
         (tensor<4xf32>, tensor<3xf32>, tensor<3x3xf32>, tensor<4x3xf32>, tensor<4x3xf32>, \
         tensor<4x3xf32>) {{
  %ten = stablehlo.constant dense<5.0> : tensor<3xf32>
  %scaled = stablehlo.multiply %in_k, %ten : tensor<3xf32>
  %in_i = stablehlo.convert %scaled : (tensor<3xf32>) -> tensor<3xi64>
  %in_u = stablehlo.slice %in_x [0:3, 0:2] : (tensor<4x3xf32>) -> tensor<3x2xf32>
  %in_y = stablehlo.slice %in_x [1:3, 0:2] : (tensor<4x3xf32>) -> tensor<2x2xf32>
  %in_n = stablehlo.negate %in_x : tensor<4x3xf32>
  %0 = \"stablehlo.reduce\"(%in_x, %in_z) <{{dimensions = array<i64: 1>}}> {region} : \
         (tensor<4x3xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = \"stablehlo.reduce\"(%in_x, %in_z) <{{dimensions = array<i64: 0>}}> {region} : \
         (tensor<4x3xf32>, tensor<f32>) -> tensor<3xf32>
  %2 = \"stablehlo.reduce_window\"(%in_x, %in_z) <{{{windows}}}> {region} : (tensor<4x3xf32>, \
         tensor<f32>) -> tensor<3x3xf32>
  %3 = \"stablehlo.scatter\"(%in_x, %in_i, %in_u) <{{scatter_dimension_numbers = {numbers}}}> {region} : \
         (tensor<4x3xf32>, tensor<3xi64>, tensor<3x2xf32>) -> tensor<4x3xf32>
  %4 = \"stablehlo.select_and_scatter\"(%in_x, %in_y, %in_z) <{{window_dimensions = array<i64: 3, 2>, \
         window_strides = array<i64: 2, 1>, padding = dense<[[1, 0], [0, 0]]> : tensor<2x2xi64>}}> \
         ({{\n  ^bb0(%l: tensor<f32>, %r: tensor<f32>):\n    %p = stablehlo.compare GE, %l, %r : \
         (tensor<f32>, tensor<f32>) -> tensor<i1>\n    stablehlo.return %p : tensor<i1>\n  }}, \
         {inner}) : (tensor<4x3xf32>, tensor<2x2xf32>, tensor<f32>) -> tensor<4x3xf32>
  %5 = \"stablehlo.map\"(%in_x, %in_n) <{{dimensions = array<i64: 0, 1>}}> {region} : \
         (tensor<4x3xf32>, tensor<4x3xf32>) -> tensor<4x3xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<4xf32>, tensor<3xf32>, tensor<3x3xf32>, \
         tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3xf32>\n}}"
    )
}

fn count(names: &[&str], name: &str) -> usize {
    names.iter().filter(|n| **n == name).count()
}

#[test]
fn loops_in_regions_compile() {
    let compiled = same_bits(&combine(LOOP));
    let names = kernels(&compiled);
    let kept = ["reduce_any", "scatter_any", "select_and_scatter"];
    let kept: Vec<&&str> = names.iter().filter(|n| kept.contains(n)).collect();
    assert_eq!(kept, [&"reduce_any"], "the comparisons of select_and_scatter: {names:?}");
}

#[test]
fn choices_and_single_elements_are_scalar_code() {
    let compiled = same_bits(&combine(CHOICE));
    let names = kernels(&compiled);
    assert_eq!(count(&names, "reduce_any"), 3, "{names:?}");
    assert_eq!(count(&names, "scatter_any"), 1, "{names:?}");
    assert_eq!(count(&names, "select_and_scatter"), 1, "{names:?}");
    assert_eq!(count(&names, "branch"), 0, "{names:?}");
}

#[test]
fn long_regions_are_applied_to_all_results_at_once() {
    same_bits(&combine(&long(48)));
    let compiled = same_bits(&combine(&long(60)));
    let names = kernels(&compiled);
    assert_eq!(count(&names, "reduce_any"), 1, "that of select_and_scatter: {names:?}");
    // A loop over the columns and one over the rows, each of whole rows.
    let text = format!(
        "func.func @main(%x: tensor<4x16xf32>, %z: tensor<f32>) -> tensor<16xf32> {{
  %0 = \"stablehlo.reduce\"(%x, %z) <{{dimensions = array<i64: 0>}}> {} : (tensor<4x16xf32>, \
         tensor<f32>) -> tensor<16xf32>
  return %0 : tensor<16xf32>\n}}",
        pair(&long(60))
    );
    let compiled = same_bits(&text);
    assert_eq!(count(&kernels(&compiled), "branch"), 2, "one loop");
}

#[test]
fn regions_use_tensors_from_outside() {
    let text = "func.func @main(%x: tensor<6x4xf32>, %t: tensor<4xf32>, %z: tensor<f32>) -> \
                tensor<4xf32> {
  %0 = \"stablehlo.reduce\"(%x, %z) <{dimensions = array<i64: 0>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %five = stablehlo.constant dense<5.0> : tensor<f32>
    %scaled = stablehlo.multiply %b, %five : tensor<f32>
    %i = stablehlo.convert %scaled : (tensor<f32>) -> tensor<i32>
    %e = stablehlo.dynamic_slice %t, %i, sizes = [2] : (tensor<4xf32>, tensor<i32>) -> \
                tensor<2xf32>
    %s = stablehlo.reduce(%e init: %a) applies stablehlo.add across dimensions = [0] : \
                (tensor<2xf32>, tensor<f32>) -> tensor<f32>
    stablehlo.return %s : tensor<f32>
  }) : (tensor<6x4xf32>, tensor<f32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>\n}";
    same_bits(text);
}

#[test]
fn regions_over_slices_are_not_in_the_specification() {
    let text = "func.func @main(%x: tensor<6x4xf32>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %0 = \"stablehlo.reduce\"(%x, %z) <{dimensions = array<i64: 0>}> ({
  ^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
    %s = stablehlo.add %a, %b : tensor<4xf32>
    stablehlo.return %s : tensor<4xf32>
  }) : (tensor<6x4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>\n}";
    let error = refused(text).to_string();
    assert!(error.contains("combines tensor<4xf32>"), "{error}");
}

#[test]
fn accumulators_may_be_wider_than_elements() {
    let region = "({
  ^bb0(%a: tensor<f64>, %b: tensor<f64>):
    %n = stablehlo.constant dense<3> : tensor<i32>
    %zero = stablehlo.constant dense<0> : tensor<i32>
    %one = stablehlo.constant dense<1> : tensor<i32>
    %r:2 = stablehlo.while(%i = %zero, %s = %a) : tensor<i32>, tensor<f64> cond {
      %go = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %go : tensor<i1>
    } do {
      %next = stablehlo.add %i, %one : tensor<i32>
      %t = stablehlo.add %s, %b : tensor<f64>
      stablehlo.return %next, %t : tensor<i32>, tensor<f64>
    }
    stablehlo.return %r#1 : tensor<f64>
  })";
    same_bits(&format!(
        "func.func @main(%x: tensor<3x4xf32>, %z: tensor<f32>) -> (tensor<3xf64>, tensor<2x4xf64>) \
         {{
  %0 = \"stablehlo.reduce\"(%x, %z) <{{dimensions = array<i64: 1>}}> {region} : \
         (tensor<3x4xf32>, tensor<f32>) -> tensor<3xf64>
  %1 = \"stablehlo.reduce_window\"(%x, %z) <{{window_dimensions = array<i64: 2, 1>}}> {region} : \
         (tensor<3x4xf32>, tensor<f32>) -> tensor<2x4xf64>
  return %0, %1 : tensor<3xf64>, tensor<2x4xf64>\n}}"
    ));
}

/// A sort of `n` tensors of 3 lines of 7 elements, the first of which `%x` is.
fn sort(n: usize, comparator: &str) -> String {
    let (line, scalar) = ("tensor<7x3xf32>", "tensor<f32>");
    let repeat = |text: &str| vec![text; n].join(", ");
    let mut text = format!("func.func @main(%x0: {line}) -> ({}) {{\n", repeat(line));
    for i in 1..n {
        let name = ["negate", "abs", "tanh", "floor"][i % 4];
        text += &format!("  %x{i} = stablehlo.{name} %x{} : {line}\n", i - 1);
    }
    let list = |f: &dyn Fn(usize) -> String| (0..n).map(f).collect::<Vec<_>>().join(", ");
    text + &format!(
        "  %r:{n} = \"stablehlo.sort\"({}) <{{dimension = 0 : i64, is_stable = true}}> ({{\n  \
         ^bb0({}):\n{comparator}\n    stablehlo.return %p : tensor<i1>\n  }}) : ({}) -> ({})\n  \
         return {} : {}\n}}",
        list(&|i| format!("%x{i}")),
        list(&|i| format!("%a{i}: {scalar}, %b{i}: {scalar}")),
        repeat(line),
        repeat(line),
        list(&|i| format!("%r#{i}")),
        repeat(line),
    )
}

#[test]
fn sorting_many_tensors_sorts_their_keys() {
    let less = "    %p = stablehlo.compare LT, %a1, %b1 : (tensor<f32>, tensor<f32>) -> tensor<i1>";
    let compiled = same_bits(&sort(6, less));
    let names = kernels(&compiled);
    assert_eq!((count(&names, "sort"), count(&names, "gather")), (1, 6), "{names:?}");
}

#[test]
fn sorting_by_many_keys_is_a_loop() {
    // The last key is not an order, so that the merges themselves show.
    let mut less = String::new();
    for i in 0..6 {
        less += &format!(
            "    %e{i} = stablehlo.floor %a{i} : tensor<f32>\n    %f{i} = stablehlo.floor %b{i} : \
             tensor<f32>\n    %l{i} = stablehlo.compare LT, %e{i}, %f{i} : (tensor<f32>, \
             tensor<f32>) -> tensor<i1>\n"
        );
    }
    less += "    %o0 = stablehlo.xor %l0, %l1 : tensor<i1>\n";
    for i in 1..5 {
        less += &format!("    %o{i} = stablehlo.xor %o{}, %l{} : tensor<i1>\n", i - 1, i + 1);
    }
    less += "    %p = stablehlo.not %o4 : tensor<i1>";
    let compiled = same_bits(&sort(6, &less));
    let names = kernels(&compiled);
    assert!(!names.contains(&"sort"), "{names:?}");
}

#[test]
fn comparators_may_loop() {
    let mut less = LOOP.replace("%a ", "%a0 ").replace("%b ", "%b0 ");
    less = less.replace("%b :", "%b0 :").replace("%a :", "%a0 :");
    less = less.replace(
        "    stablehlo.return %s : tensor<f32>",
        "    %p = stablehlo.compare LT, %s, %b0 : (tensor<f32>, tensor<f32>) -> tensor<i1>",
    );
    let compiled = same_bits(&sort(2, &less));
    let names = kernels(&compiled);
    assert!(!names.contains(&"sort"), "{names:?}");
}
