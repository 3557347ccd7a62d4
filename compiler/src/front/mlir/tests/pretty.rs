//! Every short form gives what its generic form gives.

use super::super::op::RawOp;
use super::super::parser::Parser;
use crate::ir::{Attr, Dict, Type, ValueId};
use crate::ops::{AttrReader, OpKind};

/// Argument types, and operations with their operand counts.
type Region = (Vec<Type>, Vec<(OpKind, usize)>);

#[derive(Debug, PartialEq)]
struct Summary {
    name: String,
    operands: Vec<ValueId>,
    attrs: Vec<(String, Attr)>,
    results: Vec<Type>,
    regions: Vec<Region>,
    kind: Option<OpKind>,
}

/// Parses one operation with the given values in scope.
fn op(values: &str, text: &str) -> Summary {
    let source = format!("({values}) {text}");
    let mut parser = Parser::new(&source);
    let parsed = (|| {
        let entry = parser.scope.body.entry;
        for arg in parser.argument_list()? {
            let value = parser.scope.body.add_arg(entry, arg.ty);
            let (name, span) = arg.name.expect("a named value");
            parser.define(name, span, value, 1)?;
        }
        parser.raw_op(false)
    })();
    let raw: RawOp<'_> = match parsed {
        Ok(raw) => raw,
        Err(stop) => panic!("{text}: {stop:?}"),
    };
    assert_eq!(parser.c.peek(), 0, "unread: {}", String::from_utf8_lossy(parser.c.rest()));
    let body = &parser.scope.body;
    let operands: Vec<ValueId> = raw.operands.iter().map(|o| o.value).collect();
    let types: Vec<Type> = operands.iter().map(|&v| body.ty(v).clone()).collect();
    let mut reader = AttrReader::new(raw.attrs.clone(), &types, &raw.results);
    let kind = OpKind::read(&raw.name, &mut reader).map(|kind| kind.expect("readable attributes"));
    let region = |&block: &crate::ir::BlockId| {
        let args = body.blocks[block].args.iter().map(|&v| body.ty(v).clone()).collect();
        let ops = body.blocks[block].ops.iter();
        (args, ops.map(|&o| (body.ops[o].kind.clone(), body.ops[o].operands.len())).collect())
    };
    Summary {
        name: raw.name.to_string(),
        operands,
        attrs: sorted(&raw.attrs),
        regions: raw.regions.iter().map(region).collect(),
        results: raw.results,
        kind,
    }
}

fn sorted(attrs: &Dict) -> Vec<(String, Attr)> {
    let mut all: Vec<(String, Attr)> =
        attrs.iter().map(|(k, v)| (k.to_owned(), v.clone())).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// Asserts that all spellings of an operation are equal.
fn same(values: &str, spellings: &[&str]) {
    let first = op(values, spellings[0]);
    for other in &spellings[1..] {
        assert_eq!(op(values, other), first, "{other}");
    }
}

const AB: &str = "%a: tensor<4xf32>, %b: tensor<4xf32>";

#[test]
fn elementwise() {
    same(
        "%a: tensor<4xf32>",
        &[
            "stablehlo.abs %a : tensor<4xf32>",
            "stablehlo.abs %a : (tensor<4xf32>) -> tensor<4xf32>",
            "mhlo.abs %a : tensor<4xf32>",
            "\"stablehlo.abs\"(%a) : (tensor<4xf32>) -> tensor<4xf32>",
            "stablehlo.abs %a : tensor<4xf32> loc(\"x\"(callsite(\"f\" at \"g.py\":1:2)))",
        ],
    );
    same(
        "%a: tensor<?x4xf32>",
        &[
            "stablehlo.tanh %a : (tensor<?x4xf32>) -> tensor<2x4xf32>",
            "\"stablehlo.tanh\"(%a) : (tensor<?x4xf32>) -> tensor<2x4xf32>",
        ],
    );
    same(
        AB,
        &[
            "stablehlo.add %a, %b : tensor<4xf32>",
            "stablehlo.add %a, %b {} : tensor<4xf32>",
            "\"stablehlo.add\"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>",
        ],
    );
    same(
        "%a: tensor<4xf32>",
        &[
            "stablehlo.convert %a : (tensor<4xf32>) -> tensor<4xi8>",
            "\"stablehlo.convert\"(%a) : (tensor<4xf32>) -> tensor<4xi8>",
        ],
    );
    same(
        AB,
        &[
            "stablehlo.complex %a, %b : tensor<4xcomplex<f32>>",
            "\"stablehlo.complex\"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xcomplex<f32>>",
        ],
    );
    same(
        "%p: tensor<i1>, %a: tensor<4xf32>, %b: tensor<4xf32>",
        &[
            "stablehlo.select %p, %a, %b : tensor<i1>, tensor<4xf32>",
            "stablehlo.select %p, %a, %b : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>",
            "\"stablehlo.select\"(%p, %a, %b) : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) \
            -> tensor<4xf32>",
        ],
    );
    same(
        "%a: tensor<4xf32>",
        &[
            "stablehlo.clamp %a, %a, %a : tensor<4xf32>",
            "\"stablehlo.clamp\"(%a, %a, %a) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) \
            -> tensor<4xf32>",
        ],
    );
    same(
        "%a: tensor<4xf32>",
        &[
            "stablehlo.exponential %a {result_accuracy = #stablehlo.result_accuracy<atol = 1.0e-05, \
            ulps = 1, mode = #stablehlo.result_accuracy_mode<TOLERANCE>>} : tensor<4xf32>",
            "\"stablehlo.exponential\"(%a) <{result_accuracy = #stablehlo.result_accuracy<atol = \
            1.0e-05, ulps = 1, mode = #stablehlo.result_accuracy_mode<TOLERANCE>>}> : \
            (tensor<4xf32>) -> tensor<4xf32>",
        ],
    );
}

#[test]
fn compare() {
    same(
        AB,
        &[
            "stablehlo.compare LT, %a, %b, TOTALORDER : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>",
            "stablehlo.compare  LT, %a, %b,  TOTALORDER : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>",
            "\"stablehlo.compare\"(%a, %b) <{comparison_direction = #stablehlo<comparison_direction LT>, \
            compare_type = #stablehlo<comparison_type TOTALORDER>}> : \
            (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>",
            "\"stablehlo.compare\"(%a, %b) {compare_type = #stablehlo<comparison_type TOTALORDER>, \
            comparison_direction = #stablehlo<comparison_direction LT>} : \
            (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>",
        ],
    );
}

#[test]
fn creation() {
    same(
        "",
        &[
            "stablehlo.constant dense<[1, 2]> : tensor<2xi8>",
            "stablehlo.constant() <{value = dense<[1, 2]> : tensor<2xi8>}> : () -> tensor<2xi8>",
            "\"stablehlo.constant\"() {value = dense<\"0x0102\"> : tensor<2xi8>} : () -> tensor<2xi8>",
        ],
    );
    same(
        "",
        &[
            "stablehlo.constant {a = 1 : i64} dense<1.0> : tensor<2xf32>",
            "\"stablehlo.constant\"() <{value = dense<1.0> : tensor<2xf32>}> {a = 1} : () -> tensor<2xf32>",
        ],
    );
    same(
        "",
        &[
            "stablehlo.iota dim = 1 : tensor<3x4xi4>",
            "\"stablehlo.iota\"() <{iota_dimension = 1 : i64}> : () -> tensor<3x4xi4>",
        ],
    );
    same(
        "%s: tensor<1xi64>",
        &[
            "stablehlo.dynamic_iota %s, dim = 0 : (tensor<1xi64>) -> tensor<?xf32>",
            "\"stablehlo.dynamic_iota\"(%s) <{iota_dimension = 0 : i64}> : (tensor<1xi64>) -> tensor<?xf32>",
        ],
    );
    same(
        "",
        &[
            "stablehlo.create_token : !stablehlo.token",
            "\"stablehlo.create_token\"() : () -> !stablehlo.token",
        ],
    );
    same(
        "",
        &[
            "stablehlo.partition_id : tensor<ui32>",
            "\"stablehlo.partition_id\"() : () -> tensor<ui32>",
        ],
    );
}

#[test]
fn shapes() {
    let a = "%a: tensor<3xi32>";
    same(
        a,
        &[
            "stablehlo.broadcast_in_dim %a, dims = [1] : (tensor<3xi32>) -> tensor<1x3xi32>",
            "\"stablehlo.broadcast_in_dim\"(%a) <{broadcast_dimensions = array<i64: 1>}> : \
            (tensor<3xi32>) -> tensor<1x3xi32>",
        ],
    );
    same(
        a,
        &[
            "stablehlo.broadcast %a, sizes = [1, 2] : (tensor<3xi32>) -> tensor<1x2x3xi32>",
            "\"stablehlo.broadcast\"(%a) <{broadcast_sizes = array<i64: 1, 2>}> : (tensor<3xi32>) \
            -> tensor<1x2x3xi32>",
        ],
    );
    same(
        "%a: tensor<4xf32>, %s: tensor<2xi64>",
        &[
            "stablehlo.dynamic_broadcast_in_dim %a, %s, dims = [1] {known_expanding_dimensions = \
            array<i64: 0>} : (tensor<4xf32>, tensor<2xi64>) -> tensor<?x?xf32>",
            "\"stablehlo.dynamic_broadcast_in_dim\"(%a, %s) <{broadcast_dimensions = array<i64: 1>, \
            known_expanding_dimensions = array<i64: 0>}> : (tensor<4xf32>, tensor<2xi64>) \
            -> tensor<?x?xf32>",
        ],
    );
    same(
        "%a: tensor<i32>",
        &[
            "stablehlo.reshape %a : (tensor<i32>) -> tensor<1xi32>",
            "\"stablehlo.reshape\"(%a) : (tensor<i32>) -> tensor<1xi32>",
        ],
    );
    same(
        "%a: tensor<1x2x3xi32>",
        &[
            "stablehlo.transpose %a, dims = [2, 1, 0] : (tensor<1x2x3xi32>) -> tensor<3x2x1xi32>",
            "\"stablehlo.transpose\"(%a) {permutation = dense<[2, 1, 0]> : tensor<3xi64>} : \
            (tensor<1x2x3xi32>) -> tensor<3x2x1xi32>",
        ]
        .map(|s| s.replace("dense<[2, 1, 0]> : tensor<3xi64>", "array<i64: 2, 1, 0>"))
        .each_ref()
        .map(String::as_str),
    );
    same(
        "%a: tensor<3x2xi32>",
        &[
            "stablehlo.reverse %a, dims = [0, 1] : tensor<3x2xi32>",
            "\"stablehlo.reverse\"(%a) <{dimensions = array<i64: 0, 1>}> : (tensor<3x2xi32>) \
            -> tensor<3x2xi32>",
        ],
    );
    same(
        a,
        &[
            "stablehlo.concatenate %a, %a, dim = 0 : (tensor<3xi32>, tensor<3xi32>) -> tensor<6xi32>",
            "\"stablehlo.concatenate\"(%a, %a) <{dimension = 0 : i64}> : (tensor<3xi32>, \
            tensor<3xi32>) -> tensor<6xi32>",
        ],
    );
    same(
        "%a: tensor<3xi32>, %z: tensor<i32>",
        &[
            "stablehlo.pad %a, %z, low = [-1], high = [4], interior = [1] : (tensor<3xi32>, \
            tensor<i32>) -> tensor<8xi32>",
            "\"stablehlo.pad\"(%a, %z) <{edge_padding_low = array<i64: -1>, edge_padding_high = \
            array<i64: 4>, interior_padding = array<i64: 1>}> : (tensor<3xi32>, tensor<i32>) \
            -> tensor<8xi32>",
        ],
    );
    same(
        "%a: tensor<2x4xf32>",
        &[
            "stablehlo.slice %a [0:2, 0:4:2] : (tensor<2x4xf32>) -> tensor<2x2xf32>",
            "\"stablehlo.slice\"(%a) <{limit_indices = array<i64: 2, 4>, start_indices = array<i64: 0, \
            0>, strides = array<i64: 1, 2>}> : (tensor<2x4xf32>) -> tensor<2x2xf32>",
        ],
    );
    same(
        "%a: tensor<2x4xf32>, %i: tensor<i64>",
        &[
            "stablehlo.dynamic_slice %a, %i, %i, sizes = [1, 4] : (tensor<2x4xf32>, tensor<i64>, \
            tensor<i64>) -> tensor<1x4xf32>",
            "\"stablehlo.dynamic_slice\"(%a, %i, %i) <{slice_sizes = array<i64: 1, 4>}> : \
            (tensor<2x4xf32>, tensor<i64>, tensor<i64>) -> tensor<1x4xf32>",
        ],
    );
    same(
        "%a: tensor<2xf32>, %u: tensor<1xf32>, %i: tensor<i64>",
        &[
            "stablehlo.dynamic_update_slice %a, %u, %i : (tensor<2xf32>, tensor<1xf32>, tensor<i64>) \
            -> tensor<2xf32>",
            "\"stablehlo.dynamic_update_slice\"(%a, %u, %i) : (tensor<2xf32>, tensor<1xf32>, \
            tensor<i64>) -> tensor<2xf32>",
        ],
    );
    same(
        a,
        &[
            "stablehlo.get_dimension_size %a, dim = 0 : (tensor<3xi32>) -> tensor<i32>",
            "\"stablehlo.get_dimension_size\"(%a) <{dimension = 0 : i64}> : (tensor<3xi32>) \
            -> tensor<i32>",
        ],
    );
    same(
        "%a: tensor<3xi32>, %n: tensor<i32>",
        &[
            "stablehlo.set_dimension_size %a, %n, dim = 0 : (tensor<3xi32>, tensor<i32>) \
            -> tensor<?xi32, #stablehlo.bounds<3>>",
            "\"stablehlo.set_dimension_size\"(%a, %n) <{dimension = 0 : i64}> : (tensor<3xi32>, \
            tensor<i32>) -> tensor<?xi32, #stablehlo.type_extensions<bounds = [3]>>",
        ],
    );
}

#[test]
fn contractions() {
    let values = "%a: tensor<2x3x4xf32>, %b: tensor<2x4x5xf32>";
    let types = "(tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>";
    let algorithm = "<lhs_precision_type = tf32, rhs_precision_type = tf32, accumulation_type = \
        f32, lhs_component_count = 1, rhs_component_count = 1, num_primitive_operations = 1, \
        allow_imprecise_accumulation = false>";
    same(
        values,
        &[
            &format!(
                "stablehlo.dot_general %a, %b, batching_dims = [0] x [0], contracting_dims = [2] x \
            [1], precision = [DEFAULT, HIGHEST], algorithm = {algorithm} : {types}"
            ),
            &format!(
                "\"stablehlo.dot_general\"(%a, %b) <{{algorithm = #stablehlo.dot_algorithm\
            {algorithm}, dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [0], \
            rhs_batching_dimensions = [0], lhs_contracting_dimensions = [2], \
            rhs_contracting_dimensions = [1]>, precision_config = [#stablehlo<precision DEFAULT>, \
            #stablehlo<precision HIGHEST>]}}> : {types}"
            ),
        ],
    );
    same(
        "%a: tensor<2x3xf32>",
        &[
            "stablehlo.dot_general %a, %a, contracting_dims = [] x [] : (tensor<2x3xf32>, \
            tensor<2x3xf32>) -> tensor<2x3x2x3xf32>",
            "\"stablehlo.dot_general\"(%a, %a) <{dot_dimension_numbers = #stablehlo.dot<>}> : \
            (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3x2x3xf32>",
        ],
    );
    same(
        "%a: tensor<2x3xf32>, %b: tensor<3xf32>",
        &[
            "stablehlo.dot %a, %b, precision = [DEFAULT, DEFAULT] {x.y = {g = \"f\"}} : \
            (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2xf32>",
            "\"stablehlo.dot\"(%a, %b) <{precision_config = [#stablehlo<precision DEFAULT>, \
            #stablehlo<precision DEFAULT>]}> {x.y = {g = \"f\"}} : (tensor<2x3xf32>, \
            tensor<3xf32>) -> tensor<2xf32>",
        ],
    );
    same(
        "%a: tensor<2x3xf32>, %b: tensor<3xf32>",
        &[
            "stablehlo.einsum %a, %b, config = \"ab,b->a\" : (tensor<2x3xf32>, tensor<3xf32>) \
            -> tensor<2xf32>",
            "\"stablehlo.einsum\"(%a, %b) <{einsum_config = \"ab,b->a\"}> : (tensor<2x3xf32>, \
            tensor<3xf32>) -> tensor<2xf32>",
        ],
    );
    same(
        "%a: tensor<2x3xf32>",
        &[
            "stablehlo.unary_einsum %a, config = \"ab->a\" : (tensor<2x3xf32>) -> tensor<2xf32>",
            "\"stablehlo.unary_einsum\"(%a) <{einsum_config = \"ab->a\"}> : (tensor<2x3xf32>) \
            -> tensor<2xf32>",
        ],
    );
}

#[test]
fn convolution() {
    let values = "%a: tensor<1x8x8x2xf32>, %k: tensor<3x3x2x4xf32>";
    let types = "(tensor<1x8x8x2xf32>, tensor<3x3x2x4xf32>) -> tensor<1x8x8x4xf32>";
    let counts = "batch_group_count = 1 : i64, feature_group_count = 1 : i64";
    let dims = "dimension_numbers = #stablehlo.conv<[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]>";
    same(
        values,
        &[
            &format!(
                "stablehlo.convolution(%a, %k) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, \
            f], window = {{stride = [1, 1], pad = [[1, 1], [0, -1]], lhs_dilate = [1, 1], \
            rhs_dilate = [1, 2], reverse = [true, false]}} {{{counts}}} : {types}"
            ),
            &format!(
                "\"stablehlo.convolution\"(%a, %k) <{{{counts}, {dims}, window_strides = \
            array<i64: 1, 1>, padding = dense<[[1, 1], [0, -1]]> : tensor<2x2xi64>, lhs_dilation = \
            array<i64: 1, 1>, rhs_dilation = array<i64: 1, 2>, window_reversal = array<i1: true, \
            false>}}> : {types}"
            ),
        ],
    );
    same(
        values,
        &[
            &format!(
                "stablehlo.convolution(%a, %k) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, \
            f], window = {{}} {{{counts}}} : {types}"
            ),
            &format!("\"stablehlo.convolution\"(%a, %k) <{{{counts}, {dims}}}> : {types}"),
            &format!(
                "\"stablehlo.convolution\"(%a, %k) <{{{counts}, dimension_numbers = \
            #stablehlo.conv<raw input_batch_dimension = 0, input_feature_dimension = 3, \
            input_spatial_dimensions = [1, 2], kernel_input_feature_dimension = 2, \
            kernel_output_feature_dimension = 3, kernel_spatial_dimensions = [0, 1], \
            output_batch_dimension = 0, output_feature_dimension = 3, output_spatial_dimensions = \
            [1, 2]>}}> : {types}"
            ),
        ],
    );
}

#[test]
fn reductions() {
    let values = "%a: tensor<4x6xf32>, %z: tensor<f32>";
    let types = "(tensor<4x6xf32>, tensor<f32>) -> tensor<4xf32>";
    let body = "{ %s = stablehlo.add %x, %y : tensor<f32> stablehlo.return %s : tensor<f32> }";
    same(
        values,
        &[
            &format!(
                "stablehlo.reduce(%a init: %z) applies stablehlo.add across dimensions = [1] : {types}"
            ),
            &format!(
                "stablehlo.reduce(%a init: %z) applies mhlo.add across dimensions = [1] : {types}"
            ),
            &format!(
                "stablehlo.reduce(%a init: %z) across dimensions = [1] : {types}\n \
            reducer(%x: tensor<f32>, %y: tensor<f32>) {body}"
            ),
            &format!(
                "\"stablehlo.reduce\"(%a, %z) <{{dimensions = array<i64: 1>}}> ({{ \
            ^bb0(%x: tensor<f32>, %y: tensor<f32>): {} }}) : {types}",
                &body[1..body.len() - 1]
            ),
        ],
    );
    let values = "%a: tensor<4xf32>, %b: tensor<4xi32>, %z: tensor<f32>, %n: tensor<i32>";
    let types =
        "(tensor<4xf32>, tensor<4xi32>, tensor<f32>, tensor<i32>) -> (tensor<f32>, tensor<i32>)";
    let give = "stablehlo.return %p, %j : tensor<f32>, tensor<i32>";
    same(
        values,
        &[
            &format!(
                "stablehlo.reduce(%a init: %z), (%b init: %n) across dimensions = [0] {{k = 1}} : {types}\n\
            reducer(%p: tensor<f32>, %q: tensor<f32> loc(\"q\")) (%i: tensor<i32>, %j: tensor<i32>)  \
            {{ {give} }}"
            ),
            &format!(
                "\"stablehlo.reduce\"(%a, %b, %z, %n) <{{dimensions = array<i64: 0>}}> ({{ \
            ^bb0(%p: tensor<f32>, %i: tensor<i32>, %q: tensor<f32>, %j: tensor<i32>): {give} }}) \
            {{k = 1 : i64}} : {types}"
            ),
        ],
    );
}

#[test]
fn control_flow() {
    let values = "%n: tensor<i32>, %x: tensor<f32>, %c: tensor<i1>";
    let types = "tensor<i32>, tensor<f32>";
    let (cond, step) =
        ("stablehlo.return %c : tensor<i1>", "stablehlo.return %i, %v : tensor<i32>, tensor<f32>");
    same(
        values,
        &[
            &format!(
                "stablehlo.while(%i = %n, %v = %x) : {types} attributes {{k = \"v\"}}\n cond {{ {cond} }} do {{ {step} }}"
            ),
            &format!(
                "\"stablehlo.while\"(%n, %x) ({{ ^bb0(%i: tensor<i32>, %v: tensor<f32>): {cond} }}, \
            {{ ^bb0(%i: tensor<i32>, %v: tensor<f32>): {step} }}) {{k = \"v\"}} : ({types}) -> ({types})"
            ),
        ],
    );
    same(
        values,
        &[
            "stablehlo.return %n, %x : tensor<i32>, tensor<f32>",
            "\"stablehlo.return\"(%n, %x) : (tensor<i32>, tensor<f32>) -> ()",
        ],
    );
    same("", &["stablehlo.return", "\"stablehlo.return\"() : () -> ()"]);
    same(
        values,
        &[
            "return %n : tensor<i32>",
            "func.return %n : tensor<i32>",
            "return {} %n : tensor<i32>",
            "\"func.return\"(%n) : (tensor<i32>) -> ()",
        ],
    );
    same(
        values,
        &[
            "call @f.g(%n, %x) : (tensor<i32>, tensor<f32>) -> tensor<f32>",
            "func.call @\"f.g\"(%n, %x) : (tensor<i32>, tensor<f32>) -> tensor<f32>",
            "\"func.call\"(%n, %x) <{callee = @f.g}> : (tensor<i32>, tensor<f32>) -> tensor<f32>",
        ],
    );
    same(
        values,
        &[
            "stablehlo.optimization_barrier %n, %x : tensor<i32>, tensor<f32>",
            "\"stablehlo.optimization_barrier\"(%n, %x) : (tensor<i32>, tensor<f32>) -> (tensor<i32>, \
            tensor<f32>)",
        ],
    );
    same(
        "%t: !stablehlo.token",
        &[
            "stablehlo.after_all %t, %t : !stablehlo.token",
            "\"stablehlo.after_all\"(%t, %t) : (!stablehlo.token, !stablehlo.token) -> !stablehlo.token",
        ],
    );
    same(
        values,
        &[
            "stablehlo.tuple %n, %x : tuple<tensor<i32>, tensor<f32>>",
            "\"stablehlo.tuple\"(%n, %x) : (tensor<i32>, tensor<f32>) -> tuple<tensor<i32>, tensor<f32>>",
        ],
    );
    same(
        "%t: tuple<tensor<i32>, tensor<f32>>",
        &[
            "stablehlo.get_tuple_element %t[1] : (tuple<tensor<i32>, tensor<f32>>) -> tensor<f32>",
            "\"stablehlo.get_tuple_element\"(%t) <{index = 1 : i32}> : (tuple<tensor<i32>, \
            tensor<f32>>) -> tensor<f32>",
        ],
    );
}

#[test]
fn calls_of_foreign_code() {
    let a = "%a: tensor<4xf32>";
    same(
        a,
        &[
            "stablehlo.custom_call @foo(%a) {api_version = 4 : i32, backend_config = {a = 1 : i32}, \
            called_computations = [@f], has_side_effect = true, operand_layouts = [dense<0> : \
            tensor<1xindex>]} : (tensor<4xf32>) -> (tensor<4xf32>, tensor<i32>)",
            "\"stablehlo.custom_call\"(%a) <{api_version = 4 : i32, backend_config = {a = 1 : i32}, \
            call_target_name = \"foo\", called_computations = [@f], has_side_effect = true, \
            operand_layouts = [dense<0> : tensor<1xindex>]}> : (tensor<4xf32>) -> (tensor<4xf32>, \
            tensor<i32>)",
        ],
    );
    same(
        a,
        &[
            "stablehlo.composite \"my.op\" %a {composite_attributes = {n = 1 : i64}, decomposition = @g, \
            version = 2 : i32} : (tensor<4xf32>) -> tensor<4xf32>",
            "\"stablehlo.composite\"(%a) <{composite_attributes = {n = 1 : i64}, decomposition = @g, \
            name = \"my.op\", version = 2 : i32}> : (tensor<4xf32>) -> tensor<4xf32>",
        ],
    );
}

#[test]
fn numerics() {
    same(
        "%a: tensor<3xcomplex<f64>>",
        &[
            "stablehlo.fft %a, type = IRFFT, length = [4] : (tensor<3xcomplex<f64>>) -> tensor<4xf64>",
            "stablehlo.fft %a, type =  IRFFT, length = [4] : (tensor<3xcomplex<f64>>) -> tensor<4xf64>",
            "\"stablehlo.fft\"(%a) <{fft_length = array<i64: 4>, fft_type = #stablehlo<fft_type \
            IRFFT>}> : (tensor<3xcomplex<f64>>) -> tensor<4xf64>",
        ],
    );
    same(
        "%a: tensor<3x3xf32>",
        &[
            "stablehlo.cholesky %a, lower = true : tensor<3x3xf32>",
            "\"stablehlo.cholesky\"(%a) <{lower = true}> : (tensor<3x3xf32>) -> tensor<3x3xf32>",
        ],
    );
    same(
        "%a: tensor<f32>, %s: tensor<1xi64>",
        &[
            "stablehlo.rng %a, %a, %s, distribution = UNIFORM : (tensor<f32>, tensor<f32>, \
            tensor<1xi64>) -> tensor<4xf32>",
            "\"stablehlo.rng\"(%a, %a, %s) <{rng_distribution = #stablehlo<rng_distribution UNIFORM>}> \
            : (tensor<f32>, tensor<f32>, tensor<1xi64>) -> tensor<4xf32>",
        ],
    );
    same(
        "%s: tensor<2xui64>",
        &[
            "stablehlo.rng_bit_generator %s, algorithm =  PHILOX : (tensor<2xui64>) -> \
            (tensor<2xui64>, tensor<10xui32>)",
            "\"stablehlo.rng_bit_generator\"(%s) <{rng_algorithm = #stablehlo<rng_algorithm PHILOX>}> : \
            (tensor<2xui64>) -> (tensor<2xui64>, tensor<10xui32>)",
        ],
    );
    same(
        "%a: tensor<4xf32>",
        &[
            "stablehlo.reduce_precision %a, format = e5m10 : tensor<4xf32>",
            "\"stablehlo.reduce_precision\"(%a) <{exponent_bits = 5 : i32, mantissa_bits = 10 : i32}> : \
            (tensor<4xf32>) -> tensor<4xf32>",
        ],
    );
    same(
        "%a: tensor<2xf32>",
        &[
            "stablehlo.uniform_quantize %a : (tensor<2xf32>) -> tensor<2x!quant.uniform<u8:f32, 34.0:16>>",
            "\"stablehlo.uniform_quantize\"(%a) : (tensor<2xf32>) -> \
            tensor<2x!quant.uniform<ui8<0:255>:f32, 3.4e1:16>>",
        ],
    );
}

#[test]
fn chlo_and_check() {
    same(
        "%a: tensor<16xf32>",
        &[
            "chlo.erf %a : tensor<16xf32> -> tensor<16xf32>",
            "\"chlo.erf\"(%a) : (tensor<16xf32>) -> tensor<16xf32>",
        ],
    );
    same(
        "%a: tensor<16xf32>",
        &[
            "chlo.next_after %a, %a : tensor<16xf32>, tensor<16xf32> -> tensor<16xf32>",
            "\"chlo.next_after\"(%a, %a) : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>",
        ],
    );
    same(
        "%a: tensor<16xf32>",
        &[
            "chlo.top_k(%a, k = 8) : tensor<16xf32> -> (tensor<8xf32>, tensor<8xi32>)",
            "chlo.top_k(%a, k=8) : tensor<16xf32> -> (tensor<8xf32>, tensor<8xi32>)",
            "\"chlo.top_k\"(%a) <{k = 8 : i64}> : (tensor<16xf32>) -> (tensor<8xf32>, tensor<8xi32>)",
        ],
    );
    same(
        "%a: tensor<2xf32>",
        &[
            "chlo.broadcast_compare %a, %a {broadcast_dimensions = array<i64: 0>, comparison_direction = \
            #chlo<comparison_direction LT>} : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xi1>",
            "\"chlo.broadcast_compare\"(%a, %a) <{broadcast_dimensions = array<i64: 0>, \
            comparison_direction = #stablehlo<comparison_direction LT>}> : (tensor<2xf32>, \
            tensor<2xf32>) -> tensor<2xi1>",
        ],
    );
    same(
        AB,
        &[
            "check.expect_eq %a, %b : tensor<4xf32>",
            "\"check.expect_eq\"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> ()",
        ],
    );
    same(
        AB,
        &[
            "check.expect_almost_eq %a, %b, tolerance = 1.0e-3 : tensor<4xf32>",
            "\"check.expect_almost_eq\"(%a, %b) <{tolerance = 1.0e-3}> : (tensor<4xf32>, tensor<4xf32>) -> ()",
        ],
    );
    same(
        "%a: tensor<2xf32>",
        &[
            "check.expect_eq_const %a, dense<1.0> : tensor<2xf32>",
            "\"check.expect_eq_const\"(%a) <{value = dense<1.0> : tensor<2xf32>}> : (tensor<2xf32>) -> ()",
        ],
    );
    same(
        AB,
        &[
            "check.expect_close %a, %b, max_ulp_difference = 18446744073709551615 : tensor<4xf32>, tensor<4xf32>",
            "\"check.expect_close\"(%a, %b) <{max_ulp_difference = 18446744073709551615}> : \
            (tensor<4xf32>, tensor<4xf32>) -> ()",
        ],
    );
}
