//! Random programs of operations with run-time indices and of operations with regions: kernels,
//! passes and evaluator agree bit for bit.

use std::fmt::Write as _;

use super::random_tests::Random;
use super::regions::all_as_loops;
use super::tests::{evaluate, inputs, parse, same_bits};
use crate::ir::{Func, Module};

impl Random {
    fn sizes(&mut self, rank: usize, most: usize) -> Vec<usize> {
        (0..rank).map(|_| 1 + self.below(most)).collect()
    }

    /// Ascending numbers below `n`, each with one chance in `of`.
    fn subset(&mut self, n: usize, of: usize) -> Vec<usize> {
        (0..n).filter(|_| self.below(of) == 0).collect()
    }

    fn shuffle(&mut self, items: &mut [usize]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

const INDEX: [&str; 8] = ["i8", "i16", "i32", "i64", "ui8", "ui16", "ui32", "ui64"];

fn ty(sizes: &[usize], element: &str) -> String {
    let dims: String = sizes.iter().map(|n| format!("{n}x")).collect();
    format!("tensor<{dims}{element}>")
}

/// Numbers from about -8 to 8 of an index type, computed from the input of that name.
fn indices(text: &mut String, name: &str, sizes: &[usize], element: &str) {
    let (f, i) = (ty(sizes, "f32"), ty(sizes, element));
    let _ = writeln!(
        text,
        "  %{name}c = stablehlo.constant dense<8.0> : {f}\n  %{name}m = stablehlo.multiply \
         %{name}f, %{name}c : {f}\n  %{name} = stablehlo.convert %{name}m : ({f}) -> {i}"
    );
}

fn check(seed: u64, text: &str) {
    // A failing program is found by its seed, and printed by the panic's output above it.
    println!("seed {seed}\n{text}");
    same_bits(text);
    // Loops take longer than kernels: some of the programs, each in one form.
    if seed.is_multiple_of(4) {
        let loops = as_loops(text, seed.is_multiple_of(8));
        println!("as loops\n{loops}");
        let compiled = same_bits(&loops);
        let inputs = inputs(&compiled.optimized, 7);
        let (want, have) = (evaluate(main(text), &inputs), evaluate(main(&loops), &inputs));
        assert_eq!(want, have, "loops compute the same");
    }
}

fn main(text: &str) -> Func {
    let module = parse(text);
    module.funcs[module.entry().expect("a function")].clone()
}

/// The program with loops in place of operations that combine elements.
fn as_loops(text: &str, lift: bool) -> String {
    let mut func = main(text);
    all_as_loops(&mut func.body, lift);
    let mut module = Module::default();
    module.funcs.push(func);
    module.to_string()
}

/// Names with a prefix, one per dimension.
fn names(prefix: &str, n: usize) -> String {
    (0..n).map(|d| format!(", %{prefix}{d}")).collect()
}

#[test]
fn dynamic_slices_and_updates_of_any_shape() {
    for seed in 1..=60 {
        let mut r = Random::new(seed);
        let rank = 1 + r.below(4);
        let sizes = r.sizes(rank, 5);
        let slice: Vec<usize> = sizes.iter().map(|&n| 1 + r.below(n)).collect();
        let element = *r.pick(&INDEX);
        let (full, part, scalar) = (ty(&sizes, "f32"), ty(&slice, "f32"), ty(&[], element));
        let starts: String = (0..rank).map(|d| format!(", %s{d}f: tensor<f32>")).collect();
        let mut text =
            format!("func.func @main(%x: {full}, %u: {part}{starts}) -> ({part}, {full}) {{\n");
        for d in 0..rank {
            if r.below(4) == 0 {
                let at = r.below(6);
                let _ = writeln!(text, "  %s{d} = stablehlo.constant dense<{at}> : {scalar}");
            } else {
                indices(&mut text, &format!("s{d}"), &[], element);
            }
        }
        let (args, scalars) = (names("s", rank), vec![scalar.as_str(); rank].join(", "));
        let _ = writeln!(
            text,
            "  %0 = stablehlo.dynamic_slice %x{args}, sizes = {slice:?} : ({full}, {scalars}) -> \
             {part}\n  %1 = stablehlo.negate %x : {full}\n  %2 = stablehlo.dynamic_update_slice \
             %1, %u{args} : ({full}, {part}, {scalars}) -> {full}\n  return %0, %2 : {part}, \
             {full}\n}}"
        );
        check(seed, &text);
    }
}

/// Roles of dimensions that `gather` and `scatter` share.
struct Roles {
    operand: Vec<usize>,
    slice: Vec<usize>,
    /// Dimensions without the vectors' one.
    batch: Vec<usize>,
    /// With the vectors' dimension.
    indices: Vec<usize>,
    collapsed: Vec<usize>,
    operand_batching: Vec<usize>,
    index_batching: Vec<usize>,
    map: Vec<usize>,
    vector: usize,
    /// Shape of the slices, and which of its dimensions are window dimensions.
    slices: Vec<usize>,
    windows: Vec<usize>,
}

impl Roles {
    fn new(r: &mut Random) -> Roles {
        let rank = 1 + r.below(4);
        let operand = r.sizes(rank, 5);
        let batch_rank = r.below(3);
        let mut batch = r.sizes(batch_rank, 4);
        let dropped = r.subset(rank, 3);
        let batched = dropped.len().min(batch_rank).min(r.below(3));
        let operand_batching: Vec<usize> = dropped[..batched].to_vec();
        let collapsed: Vec<usize> = dropped[batched..].to_vec();
        let mut index_batching: Vec<usize> = (0..batch_rank).collect();
        r.shuffle(&mut index_batching);
        index_batching.truncate(batched);
        for (&i, &o) in index_batching.iter().zip(&operand_batching) {
            batch[i] = operand[o];
        }
        let mut map: Vec<usize> =
            (0..rank).filter(|d| !operand_batching.contains(d) && r.below(3) > 0).collect();
        r.shuffle(&mut map);
        let vector = r.below(batch_rank + 1);
        let mut indices = batch.clone();
        indices.insert(vector, map.len());
        let shift = |d: usize| if d >= vector { d + 1 } else { d };
        let slice: Vec<usize> = (0..rank)
            .map(|d| if dropped.contains(&d) { 1 } else { 1 + r.below(operand[d]) })
            .collect();
        let kept: Vec<usize> = (0..rank).filter(|d| !dropped.contains(d)).collect();
        let mut places: Vec<usize> = (0..kept.len() + batch_rank).collect();
        r.shuffle(&mut places);
        let mut windows = places[..kept.len()].to_vec();
        windows.sort_unstable();
        let (mut k, mut b) = (kept.iter(), batch.iter());
        let slices = (0..kept.len() + batch_rank)
            .map(|d| match windows.contains(&d) {
                true => k.next().map_or(1, |&d| slice[d]),
                false => b.next().copied().unwrap_or(1),
            })
            .collect();
        let index_batching = index_batching.into_iter().map(shift).collect();
        Roles {
            operand,
            slice,
            batch,
            indices,
            collapsed,
            operand_batching,
            index_batching,
            map,
            vector,
            slices,
            windows,
        }
    }
}

#[test]
fn gathers_of_any_roles() {
    for seed in 1..=120 {
        let mut r = Random::new(seed);
        let roles = Roles::new(&mut r);
        assert_eq!(roles.indices.len(), roles.batch.len() + 1);
        let element = *r.pick(&INDEX);
        let (x, i, y) =
            (ty(&roles.operand, "f32"), ty(&roles.indices, element), ty(&roles.slices, "f32"));
        let indices_f = ty(&roles.indices, "f32");
        let mut text = format!("func.func @main(%x: {x}, %if: {indices_f}) -> {y} {{\n");
        indices(&mut text, "i", &roles.indices, element);
        let _ = writeln!(
            text,
            "  %0 = \"stablehlo.gather\"(%x, %i) <{{dimension_numbers = \
             #stablehlo.gather<offset_dims = {:?}, collapsed_slice_dims = {:?}, \
             operand_batching_dims = {:?}, start_indices_batching_dims = {:?}, start_index_map = \
             {:?}, index_vector_dim = {}>, slice_sizes = array<i64{}>}}> : ({x}, {i}) -> {y}\n  \
             return %0 : {y}\n}}",
            roles.windows,
            roles.collapsed,
            roles.operand_batching,
            roles.index_batching,
            roles.map,
            roles.vector,
            i64s(&roles.slice),
        );
        check(seed, &text);
    }
}

/// The entries of a non-empty `array<i64: ...>`.
fn i64s(list: &[usize]) -> String {
    let list: Vec<String> = list.iter().map(usize::to_string).collect();
    format!(": {}", list.join(", "))
}

/// Regions over one accumulator and one element.
const SINGLES: [&str; 4] = [
    "  ^bb0(%a: tensor<f32>, %b: tensor<f32>):\n    stablehlo.return %b : tensor<f32>\n",
    "  ^bb0(%a: tensor<f32>, %b: tensor<f32>):\n    %v0 = stablehlo.add %a, %b : \
         tensor<f32>\n    stablehlo.return %v0 : tensor<f32>\n",
    "  ^bb0(%a: tensor<f32>, %b: tensor<f32>):\n    %v0 = stablehlo.subtract %b, %a : \
         tensor<f32>\n    %v1 = stablehlo.multiply %v0, %outer : tensor<f32>\n    %v2 = \
         stablehlo.maximum %v1, %b : tensor<f32>\n    stablehlo.return %v2 : tensor<f32>\n",
    "  ^bb0(%a: tensor<f32>, %b: tensor<f32>):\n    %v4 = stablehlo.constant dense<0.5> : \
         tensor<f32>\n    %v3 = stablehlo.compare LT, %a, %v4 : (tensor<f32>, tensor<f32>) -> \
         tensor<i1>\n    %v0 = stablehlo.divide %a, %b : tensor<f32>\n    %v1 = stablehlo.select %v3, \
         %v0, %v4 : tensor<i1>, tensor<f32>\n    stablehlo.return %v1 : tensor<f32>\n",
];

/// A region over one accumulator and one element, with a scalar from outside.
fn region(r: &mut Random) -> &'static str {
    r.pick::<&str>(&SINGLES)
}

/// A region over two accumulators and two elements.
const PAIRS: [&str; 3] = [
    // Whichever is larger, with its partner.
    "  ^bb0(%a: tensor<f32>, %b: tensor<i32>, %c: tensor<f32>, %d: tensor<i32>):\n    %v3 = \
     stablehlo.compare GE, %a, %c : (tensor<f32>, tensor<f32>) -> tensor<i1>\n    %v0 = \
     stablehlo.select %v3, %a, %c : tensor<i1>, tensor<f32>\n    %v1 = stablehlo.select %v3, %b, %d : \
     tensor<i1>, tensor<i32>\n    stablehlo.return %v0, %v1 : tensor<f32>, tensor<i32>\n",
    // The second result needs the first accumulator as it was.
    "  ^bb0(%a: tensor<f32>, %b: tensor<i32>, %c: tensor<f32>, %d: tensor<i32>):\n    %v0 = \
     stablehlo.add %c, %outer : tensor<f32>\n    %v1 = stablehlo.convert %a : (tensor<f32>) -> \
     tensor<i32>\n    %v2 = stablehlo.subtract %v1, %d : tensor<i32>\n    stablehlo.return %v0, %v2 : \
     tensor<f32>, tensor<i32>\n",
    // Both results are arguments.
    "  ^bb0(%a: tensor<f32>, %b: tensor<i32>, %c: tensor<f32>, %d: tensor<i32>):\n    \
     stablehlo.return %a, %d : tensor<f32>, tensor<i32>\n",
];

#[test]
fn scatters_of_any_roles() {
    for seed in 1..=160 {
        let mut r = Random::new(seed);
        let roles = Roles::new(&mut r);
        let element = *r.pick(&INDEX);
        let pair = r.below(3) == 0;
        let (x, i, u) =
            (ty(&roles.operand, "f32"), ty(&roles.indices, element), ty(&roles.slices, "f32"));
        let indices_f = ty(&roles.indices, "f32");
        let (xi, ui) = (ty(&roles.operand, "i32"), ty(&roles.slices, "i32"));
        let mut text = format!(
            "func.func @main(%x: {x}, %if: {indices_f}, %u: {u}, %outer: tensor<f32>) -> ({x}, \
             {xi}) {{\n"
        );
        indices(&mut text, "i", &roles.indices, element);
        let _ = writeln!(
            text,
            "  %xf = stablehlo.negate %x : {x}\n  %uf = stablehlo.negate %u : {u}\n  %k = \
             stablehlo.constant dense<7> : {xi}"
        );
        indices(&mut text, "x", &roles.operand, "i32");
        let text = text.replace("  %x = stablehlo.convert", "  %xi = stablehlo.convert");
        let mut text = text;
        let mut part = String::new();
        indices(&mut part, "u", &roles.slices, "i32");
        text += &part.replace("  %u = stablehlo.convert", "  %ui = stablehlo.convert");
        let (operands, types, body) = match pair {
            true => (
                "%x, %xi, %i, %u, %ui",
                format!("({x}, {xi}, {i}, {u}, {ui}) -> ({x}, {xi})"),
                *r.pick(&PAIRS),
            ),
            false => ("%x, %i, %u", format!("({x}, {i}, {u}) -> {x}"), region(&mut r)),
        };
        let results = if pair { "%0:2" } else { "%0" };
        let returned = if pair { "%0#0, %0#1" } else { "%0, %k" };
        let _ = writeln!(
            text,
            "  {results} = \"stablehlo.scatter\"({operands}) <{{scatter_dimension_numbers = \
             #stablehlo.scatter<update_window_dims = {:?}, inserted_window_dims = {:?}, \
             input_batching_dims = {:?}, scatter_indices_batching_dims = {:?}, \
             scatter_dims_to_operand_dims = {:?}, index_vector_dim = {}>}}> ({{\n{body}  }}) : \
             {types}\n  return {returned} : {x}, {xi}\n}}",
            roles.windows,
            roles.collapsed,
            roles.operand_batching,
            roles.index_batching,
            roles.map,
            roles.vector,
        );
        check(seed, &text);
    }
}

#[test]
fn reductions_of_any_region() {
    for seed in 1..=80 {
        let mut r = Random::new(seed);
        let rank = 1 + r.below(4);
        let sizes = r.sizes(rank, 6);
        let gone = r.subset(rank, 2);
        let kept: Vec<usize> = (0..rank).filter(|d| !gone.contains(d)).map(|d| sizes[d]).collect();
        let (x, xi) = (ty(&sizes, "f32"), ty(&sizes, "i32"));
        let (y, yi) = (ty(&kept, "f32"), ty(&kept, "i32"));
        let (one, body) = (region(&mut r), r.pick(&PAIRS));
        let mut text = format!(
            "func.func @main(%xf: {x}, %outer: tensor<f32>) -> ({y}, {yi}, {y}) {{\n  %k = \
             stablehlo.constant dense<3> : tensor<i32>\n"
        );
        indices(&mut text, "x", &sizes, "i32");
        let _ = writeln!(
            text,
            "  %0:2 = \"stablehlo.reduce\"(%xf, %x, %outer, %k) <{{dimensions = array<i64{dims}>}}> \
             ({{\n{body}  }}) : ({x}, {xi}, tensor<f32>, tensor<i32>) -> ({y}, {yi})\n  %1 = \
             \"stablehlo.reduce\"(%xf, %outer) <{{dimensions = array<i64{dims}>}}> ({{\n{one}  }}) : \
             ({x}, tensor<f32>) -> {y}\n  return %0#0, %0#1, %1 : {y}, {yi}, {y}\n}}",
            dims = if gone.is_empty() { String::new() } else { i64s(&gone) },
        );
        check(seed, &text);
    }
}

#[test]
fn windows_of_any_region() {
    for seed in 1..=80 {
        let mut r = Random::new(seed);
        let rank = 1 + r.below(3);
        let sizes = r.sizes(rank, 6);
        let mut attributes = [const { Vec::new() }; 4];
        let (mut padding, mut out) = (Vec::new(), Vec::new());
        for &size in &sizes {
            let plain = r.below(3) == 0;
            let mut number = |most| if plain { 1 } else { 1 + r.below(most) };
            let (window, stride, base, dilation) = (number(3), number(3), number(2), number(2));
            let reach = (window - 1) * dilation + 1;
            let low = if plain { 0 } else { r.below(3) };
            let high = reach.saturating_sub((size - 1) * base + 1 + low) + r.below(2);
            let high = if plain { 0 } else { high };
            out.push(((size - 1) * base + 1 + low + high - reach) / stride + 1);
            for (list, value) in attributes.iter_mut().zip([window, stride, base, dilation]) {
                list.push(value);
            }
            padding.push([low, high]);
        }
        let [window, stride, base, dilation] = attributes.map(|list| i64s(&list));
        let attributes = format!(
            "window_dimensions = array<i64{window}>, window_strides = array<i64{stride}>, \
             base_dilations = array<i64{base}>, window_dilations = array<i64{dilation}>, padding = \
             dense<{padding:?}> : tensor<{rank}x2xi64>"
        );
        let (x, xi) = (ty(&sizes, "f32"), ty(&sizes, "i32"));
        let (y, yi) = (ty(&out, "f32"), ty(&out, "i32"));
        let (one, body) = (region(&mut r), r.pick(&PAIRS));
        let compare = r.pick(&["GE", "LT", "NE"]);
        let mut text = format!(
            "func.func @main(%xf: {x}, %u: {y}, %outer: tensor<f32>) -> ({y}, {yi}, {y}, {x}) \
             {{\n  %k = stablehlo.constant dense<3> : tensor<i32>\n"
        );
        indices(&mut text, "x", &sizes, "i32");
        let _ = writeln!(
            text,
            "  %0:2 = \"stablehlo.reduce_window\"(%xf, %x, %outer, %k) <{{{attributes}}}> \
             ({{\n{body}  }}) : ({x}, {xi}, tensor<f32>, tensor<i32>) -> ({y}, {yi})\n  %1 = \
             \"stablehlo.reduce_window\"(%xf, %outer) <{{{attributes}}}> ({{\n{one}  }}) : ({x}, \
             tensor<f32>) -> {y}"
        );
        // Windows of this operation have neither base dilation nor other dilation.
        let select = select_and_scatter(&sizes, &mut r, one, compare);
        let _ = writeln!(text, "{select}  return %0#0, %0#1, %1, %2 : {y}, {yi}, {y}, {x}\n}}");
        check(seed, &text);
    }
}

fn select_and_scatter(sizes: &[usize], r: &mut Random, body: &str, compare: &str) -> String {
    let window: Vec<usize> = sizes.iter().map(|&n| 1 + r.below(n)).collect();
    let stride = r.sizes(sizes.len(), 3);
    let padding: Vec<[usize; 2]> = sizes.iter().map(|_| [r.below(2), r.below(2)]).collect();
    let out: Vec<usize> = (0..sizes.len())
        .map(|d| (sizes[d] + padding[d][0] + padding[d][1] - window[d]) / stride[d] + 1)
        .collect();
    let (x, y, rank) = (ty(sizes, "f32"), ty(&out, "f32"), sizes.len());
    format!(
        "  %s = stablehlo.constant dense<0.25> : {y}\n  %2 = \"stablehlo.select_and_scatter\"(%xf, \
         %s, %outer) <{{window_dimensions = array<i64{}>, window_strides = array<i64{}>, padding = \
         dense<{padding:?}> : tensor<{rank}x2xi64>}}> ({{\n  ^bb0(%l: tensor<f32>, %r: \
         tensor<f32>):\n    %p = stablehlo.compare {compare}, %l, %r : (tensor<f32>, tensor<f32>) \
         -> tensor<i1>\n    stablehlo.return %p : tensor<i1>\n  }}, {{\n{body}  }}) : ({x}, {y}, \
         tensor<f32>) -> {x}\n",
        i64s(&window),
        i64s(&stride),
    )
}

/// Comparators of two tensors; the last one is not an order.
const COMPARATORS: [&str; 4] = [
    "    %p = stablehlo.compare LT, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>\n",
    "    %p = stablehlo.compare GE, %a, %b, TOTALORDER : (tensor<f32>, tensor<f32>) -> tensor<i1>\n",
    "    %q = stablehlo.compare GT, %c, %d : (tensor<i32>, tensor<i32>) -> tensor<i1>\n    %e = \
     stablehlo.compare EQ, %c, %d : (tensor<i32>, tensor<i32>) -> tensor<i1>\n    %l = \
     stablehlo.compare LE, %a, %b, TOTALORDER : (tensor<f32>, tensor<f32>) -> tensor<i1>\n    %m = \
     stablehlo.and %e, %l : tensor<i1>\n    %p = stablehlo.or %q, %m : tensor<i1>\n",
    "    %s = stablehlo.add %a, %b : tensor<f32>\n    %p = stablehlo.compare LT, %s, %outer : \
     (tensor<f32>, tensor<f32>) -> tensor<i1>\n",
];

/// What JAX sorts floats by, ascending or descending.
fn jax_comparator(direction: &str) -> String {
    let key = |x: &str| {
        format!(
            "    %{x}q = stablehlo.compare EQ, %{x}, %z, FLOAT : (tensor<f32>, tensor<f32>) -> \
             tensor<i1>\n    %{x}z = stablehlo.select %{x}q, %z, %{x} : tensor<i1>, tensor<f32>\n    \
             %{x}n = stablehlo.compare NE, %{x}, %{x}, FLOAT : (tensor<f32>, tensor<f32>) -> \
             tensor<i1>\n    %{x}k = stablehlo.select %{x}n, %nan, %{x}z : tensor<i1>, \
             tensor<f32>\n"
        )
    };
    format!(
        "    %z = stablehlo.constant dense<0.0> : tensor<f32>\n    %nan = stablehlo.constant \
         dense<0x7FC00000> : tensor<f32>\n{}{}    %p = stablehlo.compare {direction}, %ak, %bk, \
         TOTALORDER : (tensor<f32>, tensor<f32>) -> tensor<i1>\n",
        key("a"),
        key("b")
    )
}

#[test]
fn sorting_by_keys_is_one_comparison() {
    for direction in ["LT", "GT"] {
        let text = format!(
            "func.func @main(%xf: tensor<24xf32>) -> (tensor<24xf32>, tensor<24xi32>) {{\n  %half \
             = stablehlo.constant dense<0.5> : tensor<24xf32>\n  %big = stablehlo.compare GT, %xf, \
             %half : (tensor<24xf32>, tensor<24xf32>) -> tensor<24xi1>\n  %low = \
             stablehlo.negate %half : tensor<24xf32>\n  %small = stablehlo.compare LT, %xf, %low : \
             (tensor<24xf32>, tensor<24xf32>) -> tensor<24xi1>\n  %signed = stablehlo.subtract \
             %xf, %xf : tensor<24xf32>\n  %zeros = stablehlo.multiply %signed, %xf : \
             tensor<24xf32>\n  %nans = stablehlo.sqrt %low : tensor<24xf32>\n  %y = \
             stablehlo.select %big, %nans, %xf : tensor<24xi1>, tensor<24xf32>\n  %w = \
             stablehlo.select %small, %zeros, %y : tensor<24xi1>, tensor<24xf32>\n  %i = \
             stablehlo.iota dim = 0 : tensor<24xi32>\n  %0:2 = \"stablehlo.sort\"(%w, %i) \
             <{{dimension = 0 : i64, is_stable = true}}> ({{\n  ^bb0(%a: tensor<f32>, %b: \
             tensor<f32>, %c: tensor<i32>, %d: tensor<i32>):\n{}    stablehlo.return %p : \
             tensor<i1>\n  }}) : (tensor<24xf32>, tensor<24xi32>) -> (tensor<24xf32>, \
             tensor<24xi32>)\n  return %0#0, %0#1 : tensor<24xf32>, tensor<24xi32>\n}}",
            jax_comparator(direction)
        );
        let compiled = same_bits(&text);
        let micro = &compiled.report.micro_ops;
        assert!(micro.iter().any(|m| m == "sort_lt::F32"), "{micro:?}");
        assert!(!micro.iter().any(|m| m == "total_lt::F32" || m == "ne::F32"), "{micro:?}");
    }
}

#[test]
fn sorts_by_any_comparator() {
    for seed in 1..=60 {
        let mut r = Random::new(seed);
        let rank = 1 + r.below(3);
        let sizes = r.sizes(rank, 12);
        let dim = r.below(rank);
        let (x, xi) = (ty(&sizes, "f32"), ty(&sizes, "i32"));
        let less = r.pick(&COMPARATORS);
        let mut text =
            format!("func.func @main(%xf: {x}, %outer: tensor<f32>) -> ({x}, {xi}, {x}) {{\n");
        indices(&mut text, "x", &sizes, "i32");
        let _ = writeln!(
            text,
            "  %0:2 = \"stablehlo.sort\"(%xf, %x) <{{dimension = {dim} : i64, is_stable = true}}> \
             ({{\n  ^bb0(%a: tensor<f32>, %b: tensor<f32>, %c: tensor<i32>, %d: tensor<i32>):\n\
             {less}    stablehlo.return %p : tensor<i1>\n  }}) : ({x}, {xi}) -> ({x}, {xi})\n  %1 = \
             stablehlo.add %0#0, %xf : {x}\n  return %0#0, %0#1, %1 : {x}, {xi}, {x}\n}}"
        );
        check(seed, &text);
    }
}

#[test]
fn what_is_reduced_may_be_empty() {
    let windows = "window_dimensions = array<i64: 2, 2>, padding = dense<[[1, 2], [1, 1]]> : \
                   tensor<2x2xi64>";
    for body in SINGLES {
        let text = format!(
            "func.func @main(%x: tensor<0x3xf32>, %outer: tensor<f32>) -> (tensor<3xf32>, \
             tensor<2x4xf32>, tensor<0xf32>) {{\n  %0 = \"stablehlo.reduce\"(%x, %outer) \
             <{{dimensions = array<i64: 0>}}> ({{\n{body}  }}) : (tensor<0x3xf32>, tensor<f32>) -> \
             tensor<3xf32>\n  %1 = \"stablehlo.reduce_window\"(%x, %outer) <{{{windows}}}> \
             ({{\n{body}  }}) : (tensor<0x3xf32>, tensor<f32>) -> tensor<2x4xf32>\n  %2 = \
             \"stablehlo.reduce\"(%x, %outer) <{{dimensions = array<i64: 1>}}> ({{\n{body}  }}) : \
             (tensor<0x3xf32>, tensor<f32>) -> tensor<0xf32>\n  return %0, %1, %2 : \
             tensor<3xf32>, tensor<2x4xf32>, tensor<0xf32>\n}}"
        );
        same_bits(&text);
    }
}

#[test]
fn windows_of_a_transposed_operand_keep_their_order() {
    let text = "func.func @main(%x: tensor<1x4x6xf32>, %z: tensor<f32>) -> tensor<3x3x1xf32> {
  %t = stablehlo.transpose %x, dims = [2, 1, 0] : (tensor<1x4x6xf32>) -> tensor<6x4x1xf32>
  %0 = \"stablehlo.reduce_window\"(%t, %z) <{window_dimensions = array<i64: 3, 2, 1>, \
                window_strides = array<i64: 1, 1, 1>, padding = dense<[[-1, 0], [0, 0], [0, 0]]> : \
                tensor<3x2xi64>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %d = stablehlo.divide %a, %b : tensor<f32>
    %s = stablehlo.add %d, %b : tensor<f32>
    stablehlo.return %s : tensor<f32>
  }) : (tensor<6x4x1xf32>, tensor<f32>) -> tensor<3x3x1xf32>
  return %0 : tensor<3x3x1xf32>\n}";
    same_bits(text);
}
