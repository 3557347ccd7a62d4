//! Constraints of the specification, each violated once: the label in the message is the one of
//! the operation's section.

use crate::diag::Source;
use crate::front::mlir::parse_module;
use crate::verify::verify;

/// The label that a program is rejected with; `-` for none, `ok` if it is accepted.
fn label(args: &str, op: &str) -> String {
    let text = format!("func.func @main({args}) {{\n  {op}\n  return\n}}\n");
    let module = match parse_module(&Source::new("m.mlir", text.as_str())) {
        Ok(module) => module,
        Err(reports) => {
            let first = &reports.items()[0];
            let note = first.notes.iter().find_map(|n| n.strip_prefix("constraint "));
            assert!(!first.unsupported, "{reports}");
            return note.map_or("-", |n| n.split(' ').next().unwrap()).to_owned();
        }
    };
    match verify(&module) {
        Ok(_) => "ok".to_owned(),
        Err(violations) => violations[0].constraint.unwrap_or("-").to_owned(),
    }
}

/// Fails unless every operation violates the constraint beside it.
fn check(args: &str, table: &[(&str, &str)]) {
    for (want, op) in table {
        assert_eq!(label(args, op), *want, "{op}");
    }
}

#[test]
fn elementwise() {
    let args = "%f: tensor<2xf32>, %g: tensor<3xf32>, %i: tensor<2xi32>, %c: tensor<2xi1>, \
                %z: tensor<2xcomplex<f32>>, %s: tensor<f32>";
    check(
        args,
        &[
            ("ok", "%0 = stablehlo.add %f, %f : tensor<2xf32>"),
            (
                "C1",
                r#"%0 = "stablehlo.add"(%f, %g) : (tensor<2xf32>, tensor<3xf32>) -> tensor<2xf32>"#,
            ),
            (
                "C1",
                r#"%0 = "stablehlo.add"(%f, %f) : (tensor<2xf32>, tensor<2xf32>) -> tensor<3xf32>"#,
            ),
            ("I1", "%0 = stablehlo.or %f, %f : tensor<2xf32>"),
            ("I1", "%0 = stablehlo.popcnt %f : tensor<2xf32>"),
            ("C2", "%0 = stablehlo.abs %z : (tensor<2xcomplex<f32>>) -> tensor<2xcomplex<f32>>"),
            ("C1", "%0 = stablehlo.real %z : (tensor<2xcomplex<f32>>) -> tensor<3xf32>"),
            ("C1", "%0 = stablehlo.is_finite %f : (tensor<2xf32>) -> tensor<3xi1>"),
            ("C1", "%0 = stablehlo.convert %f : (tensor<2xf32>) -> tensor<3xi1>"),
            (
                "I1",
                r#"%0 = "stablehlo.complex"(%i, %i) : (tensor<2xi32>, tensor<2xi32>) -> tensor<2xcomplex<f32>>"#,
            ),
            (
                "C1",
                r#"%0 = "stablehlo.clamp"(%g, %f, %s) : (tensor<3xf32>, tensor<2xf32>, tensor<f32>) -> tensor<2xf32>"#,
            ),
            (
                "C2",
                r#"%0 = "stablehlo.clamp"(%s, %f, %g) : (tensor<f32>, tensor<2xf32>, tensor<3xf32>) -> tensor<2xf32>"#,
            ),
            (
                "C3",
                r#"%0 = "stablehlo.clamp"(%i, %f, %s) : (tensor<2xi32>, tensor<2xf32>, tensor<f32>) -> tensor<2xf32>"#,
            ),
            (
                "C4",
                r#"%0 = "stablehlo.clamp"(%s, %f, %s) : (tensor<f32>, tensor<2xf32>, tensor<f32>) -> tensor<3xf32>"#,
            ),
            (
                "I1",
                r#"%0 = "stablehlo.select"(%i, %f, %f) : (tensor<2xi32>, tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>"#,
            ),
            (
                "C1",
                r#"%0 = "stablehlo.select"(%c, %g, %g) : (tensor<2xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>"#,
            ),
            (
                "C2",
                r#"%0 = "stablehlo.select"(%c, %f, %i) : (tensor<2xi1>, tensor<2xf32>, tensor<2xi32>) -> tensor<2xf32>"#,
            ),
            (
                "C1",
                "%0 = stablehlo.compare LT, %f, %i : (tensor<2xf32>, tensor<2xi32>) -> tensor<2xi1>",
            ),
            (
                "C2",
                "%0 = stablehlo.compare LT, %f, %g : (tensor<2xf32>, tensor<3xf32>) -> tensor<2xi1>",
            ),
            (
                "C3",
                "%0 = stablehlo.compare LT, %f, %f, SIGNED : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xi1>",
            ),
            ("C2", "%0 = stablehlo.bitcast_convert %z : (tensor<2xcomplex<f32>>) -> tensor<2xf64>"),
            ("C1", "%0 = stablehlo.bitcast_convert %f : (tensor<2xf32>) -> tensor<2xf64>"),
            ("C2", "%0 = stablehlo.reduce_precision %f, format = e0m1 : tensor<2xf32>"),
            ("I1", "%0 = stablehlo.reduce_precision %i, format = e1m1 : tensor<2xi32>"),
        ],
    );
}

#[test]
fn data_movement() {
    let args = "%m: tensor<2x3xf32>, %v: tensor<3xf32>, %s: tensor<f32>, %n: tensor<i32>, \
                %i: tensor<i64>, %u: tensor<1x4xf32>, %w: tensor<2x2xi32>";
    check(
        args,
        &[
            (
                "ok",
                "%0 = stablehlo.transpose %m, dims = [1, 0] : (tensor<2x3xf32>) -> tensor<3x2xf32>",
            ),
            (
                "C2",
                "%0 = stablehlo.transpose %m, dims = [0, 0] : (tensor<2x3xf32>) -> tensor<3x2xf32>",
            ),
            (
                "C3",
                "%0 = stablehlo.transpose %m, dims = [1, 0] : (tensor<2x3xf32>) -> tensor<2x3xf32>",
            ),
            ("I2", r#"%0 = "stablehlo.transpose"(%m) : (tensor<2x3xf32>) -> tensor<3x2xf32>"#),
            (
                "C1",
                "%0 = stablehlo.broadcast_in_dim %v, dims = [1] : (tensor<3xf32>) -> tensor<2x3xi32>",
            ),
            (
                "C2",
                "%0 = stablehlo.broadcast_in_dim %v, dims = [0, 1] : (tensor<3xf32>) -> tensor<2x3xf32>",
            ),
            (
                "C3",
                "%0 = stablehlo.broadcast_in_dim %v, dims = [2] : (tensor<3xf32>) -> tensor<2x3xf32>",
            ),
            (
                "C4",
                "%0 = stablehlo.broadcast_in_dim %m, dims = [1, 1] : (tensor<2x3xf32>) -> tensor<2x3xf32>",
            ),
            (
                "C5",
                "%0 = stablehlo.broadcast_in_dim %v, dims = [0] : (tensor<3xf32>) -> tensor<2x3xf32>",
            ),
            ("C2", "%0 = stablehlo.reshape %m : (tensor<2x3xf32>) -> tensor<5xf32>"),
            ("C1", "%0 = stablehlo.reshape %m : (tensor<2x3xf32>) -> tensor<6xi32>"),
            ("C2", "%0 = stablehlo.reverse %m, dims = [0, 0] : tensor<2x3xf32>"),
            ("C3", "%0 = stablehlo.reverse %m, dims = [2] : tensor<2x3xf32>"),
            (
                "C1",
                "%0 = stablehlo.concatenate %m, %w, dim = 1 : (tensor<2x3xf32>, tensor<2x2xi32>) -> tensor<2x5xf32>",
            ),
            (
                "C2",
                "%0 = stablehlo.concatenate %m, %u, dim = 1 : (tensor<2x3xf32>, tensor<1x4xf32>) -> tensor<2x7xf32>",
            ),
            ("C3", r#"%0 = "stablehlo.concatenate"() {dimension = 0 : i64} : () -> tensor<2xf32>"#),
            ("C4", "%0 = stablehlo.concatenate %m, dim = 2 : (tensor<2x3xf32>) -> tensor<2x3xf32>"),
            (
                "C6",
                "%0 = stablehlo.concatenate %m, %m, dim = 1 : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x5xf32>",
            ),
            (
                "C2",
                "%0 = stablehlo.pad %v, %s, low = [0, 0], high = [0], interior = [0] : (tensor<3xf32>, tensor<f32>) -> tensor<3xf32>",
            ),
            (
                "C1",
                "%0 = stablehlo.pad %v, %n, low = [0], high = [0], interior = [0] : (tensor<3xf32>, tensor<i32>) -> tensor<3xf32>",
            ),
            (
                "C3",
                "%0 = stablehlo.pad %v, %s, low = [0], high = [0], interior = [-1] : (tensor<3xf32>, tensor<f32>) -> tensor<3xf32>",
            ),
            (
                "C4",
                "%0 = stablehlo.pad %v, %s, low = [1], high = [0], interior = [0] : (tensor<3xf32>, tensor<f32>) -> tensor<3xf32>",
            ),
            ("C2", "%0 = stablehlo.slice %m [0:1] : (tensor<2x3xf32>) -> tensor<1xf32>"),
            ("C3", "%0 = stablehlo.slice %v [2:5] : (tensor<3xf32>) -> tensor<3xf32>"),
            ("C4", "%0 = stablehlo.slice %v [0:2:0] : (tensor<3xf32>) -> tensor<3xf32>"),
            ("C5", "%0 = stablehlo.slice %v [0:2] : (tensor<3xf32>) -> tensor<3xf32>"),
            (
                "C2",
                "%0 = stablehlo.dynamic_slice %m, %i, sizes = [1, 1] : (tensor<2x3xf32>, tensor<i64>) -> tensor<1x1xf32>",
            ),
            (
                "C3",
                "%0 = stablehlo.dynamic_slice %m, %i, %n, sizes = [1, 1] : (tensor<2x3xf32>, tensor<i64>, tensor<i32>) -> tensor<1x1xf32>",
            ),
            (
                "C4",
                "%0 = stablehlo.dynamic_slice %m, %i, %i, sizes = [3, 1] : (tensor<2x3xf32>, tensor<i64>, tensor<i64>) -> tensor<3x1xf32>",
            ),
            (
                "C5",
                "%0 = stablehlo.dynamic_slice %m, %i, %i, sizes = [1, 1] : (tensor<2x3xf32>, tensor<i64>, tensor<i64>) -> tensor<2x1xf32>",
            ),
            (
                "C3",
                "%0 = stablehlo.dynamic_update_slice %m, %v, %i, %i : (tensor<2x3xf32>, tensor<3xf32>, tensor<i64>, tensor<i64>) -> tensor<2x3xf32>",
            ),
            (
                "C4",
                "%0 = stablehlo.dynamic_update_slice %m, %m, %i : (tensor<2x3xf32>, tensor<2x3xf32>, tensor<i64>) -> tensor<2x3xf32>",
            ),
            (
                "C5",
                "%0 = stablehlo.dynamic_update_slice %m, %m, %i, %n : (tensor<2x3xf32>, tensor<2x3xf32>, tensor<i64>, tensor<i32>) -> tensor<2x3xf32>",
            ),
            (
                "C6",
                "%0 = stablehlo.dynamic_update_slice %m, %u, %i, %i : (tensor<2x3xf32>, tensor<1x4xf32>, tensor<i64>, tensor<i64>) -> tensor<2x3xf32>",
            ),
            (
                "C1",
                "%0 = stablehlo.get_dimension_size %m, dim = 2 : (tensor<2x3xf32>) -> tensor<i32>",
            ),
        ],
    );
}

#[test]
fn gather_and_scatter() {
    let args = "%m: tensor<4x5xf32>, %i: tensor<3x2xi64>, %f: tensor<3x2xf32>";
    let gather = |numbers: &str, sizes: &str| {
        format!(
            r#"%0 = "stablehlo.gather"(%m, %i) {{dimension_numbers = #stablehlo.gather<{numbers}>, slice_sizes = array<i64: {sizes}>}} : (tensor<4x5xf32>, tensor<3x2xi64>) -> tensor<3x1xf32>"#
        )
    };
    let good = "offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0, 1], index_vector_dim = 1";
    let with = |from: &str, to: &str| good.replace(from, to);
    let table = [
        ("ok", gather(good, "1, 1")),
        ("C1", gather(&with("collapsed_slice_dims = [0], ", ""), "1, 1")),
        ("C2", gather(&with("index_vector_dim = 1", "index_vector_dim = 3"), "1, 1")),
        ("C3", gather(&with("[0, 1]", "[0]"), "1, 1")),
        ("C5", gather(&with("offset_dims = [1]", "offset_dims = [2]"), "1, 1")),
        ("C8", gather(&with("slice_dims = [0]", "slice_dims = [2]"), "1, 1")),
        ("C9", gather(good, "2, 1")),
        ("C18", gather(&with("[0, 1]", "[0, 0]"), "1, 1")),
        ("C19", gather(&with("[0, 1]", "[0, 2]"), "1, 1")),
        ("C20", gather(good, "1")),
        ("C21", gather(good, "1, 6")),
        ("C22", gather(good, "1, 2")),
        ("I2", gather(good, "1, 1").replace("%m, %i", "%m, %f").replace("3x2xi64", "3x2xf32")),
    ];
    for (want, op) in &table {
        assert_eq!(label(args, op), *want, "{op}");
    }
}

const SUM: &str = "({ ^bb0(%a: tensor<f32>, %b: tensor<f32>):\n %s = stablehlo.add %a, %b : \
    tensor<f32>\n stablehlo.return %s : tensor<f32> })";

#[test]
fn reductions_and_windows() {
    let args = "%m: tensor<4x5xf32>, %n: tensor<4x6xf32>, %z: tensor<f32>, %i: tensor<i32>, \
                %v: tensor<2xf32>";
    let reduce = |operands: &str, types: &str, dims: &str, result: &str| {
        format!(
            r#"%0 = "stablehlo.reduce"({operands}) {SUM} {{dimensions = array<i64: {dims}>}} : ({types}) -> {result}"#
        )
    };
    let window = |attrs: &str, result: &str| {
        format!(
            r#"%0 = "stablehlo.reduce_window"(%m, %z) {SUM} {{{attrs}}} : (tensor<4x5xf32>, tensor<f32>) -> {result}"#
        )
    };
    let one = "tensor<4x5xf32>, tensor<f32>";
    let size = "window_dimensions = array<i64: 2, 2>";
    let table = [
        ("ok", reduce("%m, %z", one, "0", "tensor<5xf32>")),
        ("C2", reduce("%m, %i", "tensor<4x5xf32>, tensor<i32>", "0", "tensor<5xf32>")),
        ("C4", reduce("%m, %z", one, "2", "tensor<5xf32>")),
        ("C5", reduce("%m, %z", one, "0, 0", "tensor<5xf32>")),
        ("C7", reduce("%m, %z", one, "0", "tensor<4xf32>")),
        ("C8", reduce("%m, %z", one, "0", "tensor<5xf64>")),
        ("I2", reduce("%m, %v", "tensor<4x5xf32>, tensor<2xf32>", "0", "tensor<5xf32>")),
        (
            "C6",
            reduce("%m, %z", one, "0", "tensor<5xf32>")
                .replace("%b: tensor<f32>", "%b: tensor<f64>")
                .replace("add %a, %b", "add %a, %a"),
        ),
        ("ok", window(size, "tensor<3x4xf32>")),
        ("C4", window("window_dimensions = array<i64: 2>", "tensor<3x4xf32>")),
        ("C5", window("window_dimensions = array<i64: 2, 0>", "tensor<3x4xf32>")),
        ("C6", window(&format!("{size}, window_strides = array<i64: 1>"), "tensor<3x4xf32>")),
        ("C7", window(&format!("{size}, window_strides = array<i64: 1, 0>"), "tensor<3x4xf32>")),
        ("C8", window(&format!("{size}, base_dilations = array<i64: 1>"), "tensor<3x4xf32>")),
        ("C9", window(&format!("{size}, base_dilations = array<i64: 1, 0>"), "tensor<3x4xf32>")),
        ("C10", window(&format!("{size}, window_dilations = array<i64: 1>"), "tensor<3x4xf32>")),
        ("C11", window(&format!("{size}, window_dilations = array<i64: 1, 0>"), "tensor<3x4xf32>")),
        (
            "C12",
            window(&format!("{size}, padding = dense<0> : tensor<1x2xi64>"), "tensor<3x4xf32>"),
        ),
        ("C15", window(size, "tensor<3x5xf32>")),
        ("C16", window(size, "tensor<3x4xf64>")),
    ];
    for (want, op) in &table {
        assert_eq!(label(args, op), *want, "{op}");
    }
}

#[test]
fn contractions_and_linear_algebra() {
    let args = "%a: tensor<2x3xf32>, %b: tensor<3x4xf32>, %i: tensor<3x4xi32>, %q: tensor<3x3xf32>, \
                %z: tensor<2x8xcomplex<f32>>";
    check(
        args,
        &[
            (
                "ok",
                "%0 = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0] : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>",
            ),
            (
                "C1",
                "%0 = stablehlo.dot_general %a, %b, batching_dims = [0] x [], contracting_dims = [1] x [0] : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>",
            ),
            (
                "C2",
                "%0 = stablehlo.dot_general %a, %b, contracting_dims = [1] x [] : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>",
            ),
            (
                "C3",
                "%0 = stablehlo.dot_general %a, %b, batching_dims = [1] x [1], contracting_dims = [1] x [0] : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>",
            ),
            (
                "C4",
                "%0 = stablehlo.dot_general %a, %b, batching_dims = [0] x [0], contracting_dims = [1] x [0] : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>",
            ),
            (
                "C5",
                "%0 = stablehlo.dot_general %a, %b, batching_dims = [2] x [1], contracting_dims = [1] x [0] : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>",
            ),
            (
                "C6",
                "%0 = stablehlo.dot_general %a, %b, contracting_dims = [2] x [0] : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>",
            ),
            (
                "C8",
                "%0 = stablehlo.dot_general %a, %b, contracting_dims = [1] x [2] : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>",
            ),
            (
                "C9",
                "%0 = stablehlo.dot_general %a, %b, batching_dims = [0] x [0] : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x3x4xf32>",
            ),
            (
                "C10",
                "%0 = stablehlo.dot_general %a, %b, contracting_dims = [0] x [0] : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>",
            ),
            (
                "C12",
                "%0 = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0] : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<4x2xf32>",
            ),
            (
                "C13",
                "%0 = stablehlo.dot_general %a, %i, contracting_dims = [1] x [0] : (tensor<2x3xf32>, tensor<3x4xi32>) -> tensor<2x4xi32>",
            ),
            (
                "C11",
                "%0 = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0], precision = [HIGH, HIGH, HIGH] : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>",
            ),
            ("I1", "%0 = stablehlo.cholesky %i, lower = true : tensor<3x4xi32>"),
            ("C3", "%0 = stablehlo.cholesky %a, lower = true : tensor<2x3xf32>"),
            (
                "C1",
                "%0 = stablehlo.cholesky %q, lower = true : (tensor<3x3xf32>) -> tensor<3x3xf64>",
            ),
            (
                "C1",
                "%0 = stablehlo.fft %z, type = FFT, length = [2, 2, 8] : tensor<2x8xcomplex<f32>>",
            ),
            ("C2", "%0 = stablehlo.fft %a, type = FFT, length = [3] : tensor<2x3xf32>"),
            (
                "C5",
                "%0 = stablehlo.fft %z, type = FFT, length = [8] : (tensor<2x8xcomplex<f32>>) -> tensor<2x7xcomplex<f32>>",
            ),
        ],
    );
}

#[test]
fn control_flow_and_tuples() {
    let args = "%p: tensor<i1>, %n: tensor<i32>, %x: tensor<2xf32>, %t: tuple<tensor<2xf32>>";
    let give = "stablehlo.return %x : tensor<2xf32>";
    let table = [
        ("ok", format!(r#"%0 = "stablehlo.if"(%p) ({{ {give} }}, {{ {give} }}) : (tensor<i1>) -> tensor<2xf32>"#)),
        ("I1", format!(r#"%0 = "stablehlo.if"(%n) ({{ {give} }}, {{ {give} }}) : (tensor<i32>) -> tensor<2xf32>"#)),
        ("C2", format!(r#"%0 = "stablehlo.if"(%p) ({{ {give} }}, {{ stablehlo.return }}) : (tensor<i1>) -> tensor<2xf32>"#)),
        ("C1", format!(r#"%0 = "stablehlo.if"(%p) ({{ {give} }}, {{ ^bb0(%a: tensor<i1>): {give} }}) : (tensor<i1>) -> tensor<2xf32>"#)),
        ("C3", format!(r#"%0 = "stablehlo.if"(%p) ({{ {give} }}, {{ {give} }}) : (tensor<i1>) -> tensor<3xf32>"#)),
        ("I1", format!(r#"%0 = "stablehlo.case"(%p) ({{ {give} }}) : (tensor<i1>) -> tensor<2xf32>"#)),
        ("C3", format!(r#"%0 = "stablehlo.case"(%n) ({{ {give} }}, {{ stablehlo.return }}) : (tensor<i32>) -> tensor<2xf32>"#)),
        ("C4", format!(r#"%0 = "stablehlo.case"(%n) ({{ {give} }}) : (tensor<i32>) -> tensor<3xf32>"#)),
        ("C1", r#"%0 = "stablehlo.get_tuple_element"(%t) {index = 1 : i32} : (tuple<tensor<2xf32>>) -> tensor<2xf32>"#.to_owned()),
        ("C2", r#"%0 = "stablehlo.get_tuple_element"(%t) {index = 0 : i32} : (tuple<tensor<2xf32>>) -> tensor<3xf32>"#.to_owned()),
        ("I1", r#"%0 = "stablehlo.get_tuple_element"(%x) {index = 0 : i32} : (tensor<2xf32>) -> tensor<2xf32>"#.to_owned()),
        ("C1", r#"stablehlo.composite "nodot" %x {decomposition = @main} : (tensor<2xf32>) -> ()"#.to_owned()),
        ("C2", r#"stablehlo.composite "my.op" %x {decomposition = @none} : (tensor<2xf32>) -> ()"#.to_owned()),
        ("C3", r#"stablehlo.composite "my.op" %x {decomposition = @main} : (tensor<2xf32>) -> ()"#.to_owned()),
    ];
    for (want, op) in &table {
        assert_eq!(label(args, op), *want, "{op}");
    }
}

#[test]
fn collectives() {
    let args = "%x: tensor<4x4xf32>";
    let groups = "replica_groups = dense<[[0, 1]]> : tensor<1x2xi64>";
    let op = |name: &str, region: &str, attrs: &str, result: &str| {
        format!(
            r#"%0 = "stablehlo.{name}"(%x) {region} {{{attrs}}} : (tensor<4x4xf32>) -> {result}"#
        )
    };
    let gather = |attrs: &str, result: &str| op("all_gather", "", attrs, result);
    let sum = |attrs: &str, result: &str| op("all_reduce", SUM, attrs, result);
    let part = |attrs: &str, result: &str| op("reduce_scatter", SUM, attrs, result);
    let swap = |attrs: &str, result: &str| op("all_to_all", "", attrs, result);
    let permute = |pairs: &str| {
        let attrs = format!("source_target_pairs = dense<{pairs}> : tensor<2x2xi64>");
        op("collective_permute", "", &attrs, "tensor<4x4xf32>")
    };
    let dims = "split_dimension = 0 : i64, concat_dimension = 1 : i64, split_count = 2 : i64";
    let bad = |ids: &str| format!("replica_groups = dense<{ids}> : tensor<1x2xi64>");
    let table = [
        ("ok", gather(&format!("all_gather_dim = 0 : i64, {groups}"), "tensor<8x4xf32>")),
        ("C1", gather(&format!("all_gather_dim = 2 : i64, {groups}"), "tensor<8x4xf32>")),
        ("C2", gather(&format!("all_gather_dim = 0 : i64, {}", bad("1")), "tensor<8x4xf32>")),
        (
            "C4",
            gather(&format!("all_gather_dim = 0 : i64, {}", bad("[[0, 2]]")), "tensor<8x4xf32>"),
        ),
        (
            "C5",
            gather(
                &format!("all_gather_dim = 0 : i64, {groups}, use_global_device_ids"),
                "tensor<8x4xf32>",
            ),
        ),
        ("C6", gather(&format!("all_gather_dim = 0 : i64, {groups}"), "tensor<12x4xf32>")),
        (
            "I3",
            gather(
                "all_gather_dim = 0 : i64, replica_groups = dense<0> : tensor<1xi64>",
                "tensor<8x4xf32>",
            ),
        ),
        ("ok", sum(groups, "tensor<4x4xf32>")),
        ("C1", sum(&bad("1"), "tensor<4x4xf32>")),
        ("C3", sum(&bad("[[0, 2]]"), "tensor<4x4xf32>")),
        ("C4", sum(&format!("{groups}, use_global_device_ids"), "tensor<4x4xf32>")),
        ("C6", sum(groups, "tensor<4x5xf32>")),
        ("C7", sum(groups, "tensor<4x4xf64>")),
        ("ok", part(&format!("scatter_dimension = 1 : i64, {groups}"), "tensor<4x2xf32>")),
        (
            "C1",
            part(
                &format!(
                    "scatter_dimension = 1 : i64, {}",
                    "replica_groups = dense<[[0, 1, 2]]> : tensor<1x3xi64>"
                ),
                "tensor<4x2xf32>",
            ),
        ),
        ("C2", part(&format!("scatter_dimension = 2 : i64, {groups}"), "tensor<4x2xf32>")),
        (
            "C6",
            part(
                &format!("scatter_dimension = 1 : i64, {groups}, use_global_device_ids"),
                "tensor<4x2xf32>",
            ),
        ),
        ("C8", part(&format!("scatter_dimension = 1 : i64, {groups}"), "tensor<4x4xf32>")),
        ("C9", part(&format!("scatter_dimension = 1 : i64, {groups}"), "tensor<4x2xf64>")),
        ("ok", swap(&format!("{dims}, {groups}"), "tensor<2x8xf32>")),
        (
            "C2",
            swap(
                &format!("{}, {groups}", dims.replace("count = 2", "count = 3")),
                "tensor<2x8xf32>",
            ),
        ),
        (
            "C3",
            swap(
                &format!(
                    "{}, {groups}",
                    dims.replace("concat_dimension = 1", "concat_dimension = 2")
                ),
                "tensor<2x8xf32>",
            ),
        ),
        (
            "C4",
            swap(
                &format!("{}, {groups}", dims.replace("count = 2", "count = 0")),
                "tensor<2x8xf32>",
            ),
        ),
        (
            "C8",
            swap(
                &format!("{}, {groups}", dims.replace("count = 2", "count = 4")),
                "tensor<1x16xf32>",
            ),
        ),
        ("C9", swap(&format!("{dims}, {groups}"), "tensor<4x4xf32>")),
        ("ok", permute("[[0, 1], [1, 0]]")),
        ("C2", permute("[[0, 1], [0, 0]]")),
        ("C3", permute("[[0, 1], [2, 1]]")),
        ("C4", permute("[[0, -1], [1, 0]]")),
    ];
    for (want, op) in &table {
        assert_eq!(label(args, op), *want, "{op}");
    }
}

#[test]
fn tokens_and_transfers() {
    let args = "%t: !stablehlo.token, %x: tensor<2xf32>";
    check(
        args,
        &[
            ("ok", "%0 = stablehlo.after_all %t, %t : !stablehlo.token"),
            ("-", r#"%0 = "stablehlo.after_all"(%x) : (tensor<2xf32>) -> !stablehlo.token"#),
            (
                "ok",
                r#"%0:2 = "stablehlo.infeed"(%t) : (!stablehlo.token) -> (tensor<2xf32>, !stablehlo.token)"#,
            ),
            ("C1", r#""stablehlo.infeed"(%t) : (!stablehlo.token) -> ()"#),
            (
                "C2",
                r#"%0:2 = "stablehlo.infeed"(%t) : (!stablehlo.token) -> (!stablehlo.token, !stablehlo.token)"#,
            ),
            ("C3", r#"%0 = "stablehlo.infeed"(%t) : (!stablehlo.token) -> tensor<2xf32>"#),
            (
                "C1",
                r#"%0 = "stablehlo.send"(%x, %t) {channel_handle = #stablehlo.channel_handle<handle = 1, type = 1>, is_host_transfer = true} : (tensor<2xf32>, !stablehlo.token) -> !stablehlo.token"#,
            ),
            (
                "C4",
                r#"%0 = "stablehlo.recv"(%t) {channel_handle = #stablehlo.channel_handle<handle = 1, type = 3>, is_host_transfer = true} : (!stablehlo.token) -> tensor<2xf32>"#,
            ),
        ],
    );
}
