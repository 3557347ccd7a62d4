//! Tests of the passes and of lowering on small programs: what they turn into, and that results
//! keep every bit from the parsed program through the passes to the runtime's kernels.

use microhlo::Model;

use crate::compile::{CompileError, CompileOptions, Compiled, compile};
use crate::diag::Source;
use crate::eval::{Evaluator, Tensor};
use crate::front::mlir::parse_module;
use crate::ir::{Func, Module};
use crate::verify::verify;

pub(super) fn parse(text: &str) -> Module {
    match parse_module(&Source::new("test.mlir", text)) {
        Ok(module) => module,
        Err(error) => panic!("{error}"),
    }
}

pub(super) fn compiled(text: &str) -> Compiled {
    match compile(&parse(text), &CompileOptions::default()) {
        Ok(compiled) => compiled,
        Err(error) => panic!("{error}"),
    }
}

pub(super) fn refused(text: &str) -> CompileError {
    compile(&parse(text), &CompileOptions::default()).expect_err("the program compiles")
}

/// Values in [-1, 1) that repeat from run to run.
pub(super) fn inputs(func: &Func, seed: u32) -> Vec<Tensor> {
    let mut state = seed;
    let args = &func.body.blocks[func.body.entry].args;
    let types = args.iter().map(|&v| func.body.ty(v).tensor().expect("a tensor"));
    types
        .map(|ty| {
            let n = ty.elements().expect("static");
            let values: Vec<f32> = (0..n)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 8) as f32 / (1 << 23) as f32 - 1.0
                })
                .collect();
            if ty.dtype() == Some(microhlo_format::DType::I8) {
                let bytes: Vec<u8> =
                    values.iter().map(|v| (v * 128.0).floor() as i8 as u8).collect();
                return Tensor::from_bytes(ty, bytes).expect("it fits");
            }
            if ty.dtype() == Some(microhlo_format::DType::I16) {
                let word = |v: &f32| ((v * 32768.0).floor() as i16).to_le_bytes();
                let bytes: Vec<u8> = values.iter().flat_map(word).collect();
                return Tensor::from_bytes(ty, bytes).expect("it fits");
            }
            Tensor::f32s(&ty.static_dims().expect("static"), &values).expect("it fits")
        })
        .collect()
}

pub(super) fn evaluate(func: Func, inputs: &[Tensor]) -> Vec<Vec<u8>> {
    let mut module = Module::default();
    let id = module.funcs.push(func);
    verify(&module).expect("every pass leaves a valid program");
    let outputs = Evaluator::new(&module).run(id, inputs).expect("it evaluates");
    outputs.iter().map(|t| t.bytes().to_vec()).collect()
}

pub(super) fn execute(compiled: &Compiled, inputs: &[Tensor]) -> Vec<Vec<u8>> {
    let mut file = Aligned::of(&compiled.artifact);
    let model = Model::load(file.bytes()).expect("it loads");
    let sizes = (0..model.arena_count()).filter_map(|i| model.arena(i)).map(|a| a.byte_len());
    let mut memories: Vec<Aligned> = sizes.map(Aligned::new).collect();
    let mut arenas = model.arenas(memories.iter_mut().map(Aligned::bytes)).expect("they suffice");
    let inputs: Vec<&[u8]> = inputs.iter().map(Tensor::bytes).collect();
    let mut outputs: Vec<Vec<u8>> = (0..model.output_count())
        .map(|i| vec![0; model.output(i).map_or(0, |t| t.byte_len())])
        .collect();
    let mut views: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    arenas.run(&inputs, &mut views).expect("it runs");
    outputs
}

/// Memory that starts at a multiple of 16.
pub(super) struct Aligned {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    pub(super) fn new(len: usize) -> Self {
        let memory = vec![0; len + 15];
        let start = memory.as_ptr().align_offset(16);
        Aligned { memory, start, len }
    }

    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut aligned = Aligned::new(bytes.len());
        aligned.bytes().copy_from_slice(bytes);
        aligned
    }

    pub(super) fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

/// Asserts that parsed program, optimised program and kernels agree bit for bit, and returns the
/// compiled program.
pub(super) fn same_bits(text: &str) -> Compiled {
    let module = parse(text);
    let compiled = compiled(text);
    let entry = module.entry().expect("an entry");
    for seed in 1..4 {
        let inputs = inputs(&compiled.optimized, seed);
        let wanted = Evaluator::new(&module).run(entry, &inputs).expect("it evaluates");
        let wanted: Vec<Vec<u8>> = wanted.iter().map(|t| t.bytes().to_vec()).collect();
        assert_eq!(evaluate(compiled.optimized.clone(), &inputs), wanted, "after the passes");
        assert_eq!(execute(&compiled, &inputs), wanted, "on the runtime");
    }
    compiled
}

/// What the kernels compute from inputs as in [`same_bits`].
pub(super) fn results(compiled: &Compiled) -> Vec<Vec<u8>> {
    execute(compiled, &inputs(&compiled.optimized, 1))
}

pub(super) fn kernels(compiled: &Compiled) -> Vec<&str> {
    compiled.report.kernels.iter().map(|k| k.op.as_str()).collect()
}

pub(super) fn ops(compiled: &Compiled) -> Vec<&'static str> {
    let body = &compiled.optimized.body;
    body.walk(body.entry).into_iter().map(|op| body.ops[op].kind.name()).collect()
}

#[test]
fn broadcasts_merge_and_bias_and_relu_join_the_matrix_product() {
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<3x4xf32>) -> tensor<3x2xf32> {
  %w = stablehlo.constant dense<[[1.5, -2.0], [0.25, 4.0], [-1.0, 0.5], [3.0, 0.125]]> : tensor<4x2xf32>
  %b = stablehlo.constant dense<[0.5, -0.25]> : tensor<2xf32>
  %z = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<3x4xf32>, tensor<4x2xf32>) -> tensor<3x2xf32>
  %1 = stablehlo.broadcast_in_dim %b, dims = [1] : (tensor<2xf32>) -> tensor<1x2xf32>
  %2 = stablehlo.broadcast_in_dim %1, dims = [0, 1] : (tensor<1x2xf32>) -> tensor<3x2xf32>
  %3 = stablehlo.add %0, %2 : tensor<3x2xf32>
  %4 = stablehlo.broadcast_in_dim %z, dims = [] : (tensor<f32>) -> tensor<3x2xf32>
  %5 = stablehlo.maximum %3, %4 : tensor<3x2xf32>
  return %5 : tensor<3x2xf32>
}"#,
    );
    assert_eq!(kernels(&compiled), ["conv_f32"]);
    assert_eq!(compiled.report.kernels[0].name, "0:dot_general+bias+max");
    assert_eq!(compiled.report.macs, 24);
}

const CONV_CHANNELS_FIRST: &str = r#"func.func @main(%x: tensor<1x2x5x4xf32>) -> tensor<1x3xf32> {
  %w = stablehlo.constant dense<[[[[0.5, -1.0], [2.0, 0.25]], [[1.0, 1.5], [-0.5, 3.0]]], [[[0.1, 0.2], [0.3, 0.4]], [[-0.1, -0.2], [-0.3, -0.4]]], [[[1.0, 0.0], [0.0, 1.0]], [[0.7, -0.7], [0.9, -0.9]]]]> : tensor<3x2x2x2xf32>
  %b = stablehlo.constant dense<[[[[0.5]], [[-1.0]], [[0.125]]]]> : tensor<1x3x1x1xf32>
  %z = stablehlo.constant dense<0.0> : tensor<1x3x5x4xf32>
  %init = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, f, 0, 1]x[o, i, 0, 1]->[b, f, 0, 1], window = {pad = [[0, 1], [1, 0]]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<1x2x5x4xf32>, tensor<3x2x2x2xf32>) -> tensor<1x3x5x4xf32>
  %1 = stablehlo.broadcast_in_dim %b, dims = [0, 1, 2, 3] : (tensor<1x3x1x1xf32>) -> tensor<1x3x5x4xf32>
  %2 = stablehlo.add %0, %1 : tensor<1x3x5x4xf32>
  %3 = stablehlo.maximum %2, %z : tensor<1x3x5x4xf32>
  %4 = "stablehlo.reduce_window"(%3, %init) <{window_dimensions = array<i64: 1, 1, 5, 4>}> ({
    ^bb0(%a: tensor<f32>, %c: tensor<f32>):
      %m = stablehlo.maximum %a, %c : tensor<f32>
      stablehlo.return %m : tensor<f32>
  }) : (tensor<1x3x5x4xf32>, tensor<f32>) -> tensor<1x3x1x1xf32>
  %5 = stablehlo.reshape %4 : (tensor<1x3x1x1xf32>) -> tensor<1x3xf32>
  return %5 : tensor<1x3xf32>
}"#;

#[test]
fn channels_first_networks_pay_one_transpose() {
    let compiled = same_bits(CONV_CHANNELS_FIRST);
    assert_eq!(kernels(&compiled), ["move_", "conv_f32", "window"]);
    assert_eq!(ops(&compiled).iter().filter(|&&op| op == "stablehlo.transpose").count(), 1);
}

#[test]
fn batch_norm_folds_into_weights_and_bias() {
    let text = r#"func.func @main(%x: tensor<1x4x4x2xf32>) -> tensor<1x4x4x3xf32> {
  %w = stablehlo.constant dense<[[[[0.5, -1.0, 2.0], [0.25, 1.0, 1.5]]]]> : tensor<1x1x2x3xf32>
  %m = stablehlo.constant dense<[0.1, -0.2, 0.3]> : tensor<3xf32>
  %v = stablehlo.constant dense<[4.0, 0.25, 1.0]> : tensor<3xf32>
  %g = stablehlo.constant dense<[1.0, 2.0, 0.5]> : tensor<3xf32>
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<1x4x4x2xf32>, tensor<1x1x2x3xf32>) -> tensor<1x4x4x3xf32>
  %1 = stablehlo.broadcast_in_dim %m, dims = [3] : (tensor<3xf32>) -> tensor<1x4x4x3xf32>
  %2 = stablehlo.subtract %0, %1 : tensor<1x4x4x3xf32>
  %r = stablehlo.rsqrt %v : tensor<3xf32>
  %s = stablehlo.multiply %r, %g : tensor<3xf32>
  %3 = stablehlo.broadcast_in_dim %s, dims = [3] : (tensor<3xf32>) -> tensor<1x4x4x3xf32>
  %4 = stablehlo.multiply %2, %3 : tensor<1x4x4x3xf32>
  return %4 : tensor<1x4x4x3xf32>
}"#;
    let compiled = compiled(text);
    assert_eq!(kernels(&compiled), ["conv_f32"]);
    let inputs = inputs(&compiled.optimized, 7);
    let module = parse(text);
    let entry = module.entry().expect("an entry");
    let wanted = Evaluator::new(&module).run(entry, &inputs).expect("it evaluates");
    let got = execute(&compiled, &inputs);
    // The kernels agree with the folded program to the bit, and with the original closely.
    assert_eq!(got, evaluate(compiled.optimized.clone(), &inputs));
    let f32s = |b: &[u8]| -> Vec<f32> {
        b.as_chunks::<4>().0.iter().map(|w| f32::from_le_bytes(*w)).collect()
    };
    for (a, b) in f32s(&got[0]).iter().zip(f32s(wanted[0].bytes())) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}");
    }
}

#[test]
fn softmax_is_one_kernel_in_place() {
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %lo = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %z = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.reduce(%x init: %lo) applies stablehlo.maximum across dimensions = [1] : (tensor<2x5xf32>, tensor<f32>) -> tensor<2xf32>
  %b = stablehlo.broadcast_in_dim %lo, dims = [] : (tensor<f32>) -> tensor<2xf32>
  %1 = stablehlo.maximum %b, %0 : tensor<2xf32>
  %2 = stablehlo.broadcast_in_dim %1, dims = [0] : (tensor<2xf32>) -> tensor<2x1xf32>
  %3 = stablehlo.broadcast_in_dim %2, dims = [0, 1] : (tensor<2x1xf32>) -> tensor<2x5xf32>
  %4 = stablehlo.subtract %x, %3 : tensor<2x5xf32>
  %5 = stablehlo.exponential %4 : tensor<2x5xf32>
  %6 = stablehlo.reduce(%5 init: %z) applies stablehlo.add across dimensions = [1] : (tensor<2x5xf32>, tensor<f32>) -> tensor<2xf32>
  %7 = stablehlo.broadcast_in_dim %6, dims = [0] : (tensor<2xf32>) -> tensor<2x5xf32>
  %8 = stablehlo.divide %5, %7 : tensor<2x5xf32>
  return %8 : tensor<2x5xf32>
}"#,
    );
    assert_eq!(kernels(&compiled), ["softmax_f32"]);
    assert_eq!(compiled.report.arena_bytes, 40, "the result lies on the operand");
}

#[test]
fn a_mean_is_one_reduction() {
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<3x4x2xf32>) -> tensor<3x1x2xf32> {
  %z = stablehlo.constant dense<0.0> : tensor<f32>
  %n = stablehlo.constant dense<4.0> : tensor<3x1x2xf32>
  %0 = stablehlo.reduce(%x init: %z) applies stablehlo.add across dimensions = [1] : (tensor<3x4x2xf32>, tensor<f32>) -> tensor<3x2xf32>
  %1 = stablehlo.reshape %0 : (tensor<3x2xf32>) -> tensor<3x1x2xf32>
  %2 = stablehlo.divide %1, %n : tensor<3x1x2xf32>
  return %2 : tensor<3x1x2xf32>
}"#,
    );
    assert_eq!(kernels(&compiled), ["reduce"]);
}

#[test]
fn views_cost_nothing_inside_elementwise_chains() {
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<4x6xf32>, %y: tensor<3x4xf32>) -> (tensor<4x3xf32>, tensor<4x3xf32>) {
  %0 = stablehlo.slice %x [0:4, 0:3] : (tensor<4x6xf32>) -> tensor<4x3xf32>
  %1 = stablehlo.slice %x [0:4, 1:6:2] : (tensor<4x6xf32>) -> tensor<4x3xf32>
  %2 = stablehlo.transpose %y, dims = [1, 0] : (tensor<3x4xf32>) -> tensor<4x3xf32>
  %3 = stablehlo.reverse %2, dims = [0] : tensor<4x3xf32>
  %4 = stablehlo.multiply %0, %1 : tensor<4x3xf32>
  %5 = stablehlo.tanh %4 : tensor<4x3xf32>
  %6 = stablehlo.add %5, %3 : tensor<4x3xf32>
  %7 = stablehlo.subtract %6, %4 : tensor<4x3xf32>
  return %6, %7 : tensor<4x3xf32>, tensor<4x3xf32>
}"#,
    );
    assert_eq!(kernels(&compiled), ["map"]);
}

#[test]
fn elementwise_operations_on_both_sides_of_a_product_stay_apart() {
    // Merging the two additions would make the map depend on itself through the product.
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<2x2xf32>, %y: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %0 = stablehlo.add %x, %y : tensor<2x2xf32>
  %1 = stablehlo.dot_general %0, %y, contracting_dims = [1] x [0] : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %2 = stablehlo.add %0, %1 : tensor<2x2xf32>
  return %2 : tensor<2x2xf32>
}"#,
    );
    assert_eq!(kernels(&compiled), ["map", "dot_f32", "map"]);
}

#[test]
fn attention_orders_its_operands_for_the_kernel() {
    let compiled = same_bits(
        r#"func.func @main(%q: tensor<1x4x2x3xf32>, %k: tensor<1x4x2x3xf32>) -> tensor<1x2x4x4xf32> {
  %0 = stablehlo.dot_general %q, %k, batching_dims = [0, 2] x [0, 2], contracting_dims = [3] x [3] : (tensor<1x4x2x3xf32>, tensor<1x4x2x3xf32>) -> tensor<1x2x4x4xf32>
  return %0 : tensor<1x2x4x4xf32>
}"#,
    );
    assert_eq!(kernels(&compiled), ["move_", "dot_f32"]);
}

#[test]
fn concatenate_and_pad_are_strided_copies() {
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<2x3xf32>, %y: tensor<2x2xf32>) -> tensor<3x9xf32> {
  %v = stablehlo.constant dense<7.0> : tensor<f32>
  %0 = stablehlo.concatenate %x, %y, dim = 1 : (tensor<2x3xf32>, tensor<2x2xf32>) -> tensor<2x5xf32>
  %1 = stablehlo.pad %0, %v, low = [1, -1], high = [0, 2], interior = [0, 1] : (tensor<2x5xf32>, tensor<f32>) -> tensor<3x10xf32>
  %2 = stablehlo.slice %1 [0:3, 1:10] : (tensor<3x10xf32>) -> tensor<3x9xf32>
  return %2 : tensor<3x9xf32>
}"#,
    );
    assert_eq!(kernels(&compiled), ["move_", "move_", "fill", "move_", "move_"]);
}

#[test]
fn calls_and_composites_are_inlined() {
    let compiled = same_bits(
        r#"module {
  func.func public @main(%x: tensor<4xf32>) -> tensor<4xf32> {
    %0 = call @twice(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %1 = stablehlo.composite "my.square" %0 {decomposition = @square} : (tensor<4xf32>) -> tensor<4xf32>
    return %1 : tensor<4xf32>
  }
  func.func private @twice(%x: tensor<4xf32>) -> tensor<4xf32> {
    %0 = stablehlo.add %x, %x : tensor<4xf32>
    return %0 : tensor<4xf32>
  }
  func.func private @square(%x: tensor<4xf32>) -> tensor<4xf32> {
    %0 = call @twice(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %1 = stablehlo.multiply %0, %x : tensor<4xf32>
    return %1 : tensor<4xf32>
  }
}"#,
    );
    assert_eq!(kernels(&compiled), ["map"]);
}

#[test]
fn recursion_is_refused_with_its_name() {
    let error = refused(
        r#"module {
  func.func public @main(%x: tensor<4xf32>) -> tensor<4xf32> {
    %0 = call @main(%x) : (tensor<4xf32>) -> tensor<4xf32>
    return %0 : tensor<4xf32>
  }
}"#,
    );
    assert!(error.message.contains("@main"), "{error}");
    assert!(!error.unsupported);
}

#[test]
fn what_no_kernel_does_is_refused_by_name_and_place() {
    let text = r#"func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.custom_call @mystery(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}"#;
    let error = refused(text);
    assert!(error.unsupported && error.message.contains("stablehlo.custom_call"), "{error}");
    assert_eq!(&text[error.span.range()], "stablehlo.custom_call");
}

#[test]
fn results_may_be_inputs_constants_and_each_other() {
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<2x2xf32>, tensor<4xf32>) {
  %c = stablehlo.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %0 = stablehlo.negate %x : tensor<4xf32>
  %1 = stablehlo.reshape %0 : (tensor<4xf32>) -> tensor<2x2xf32>
  return %x, %c, %1, %0 : tensor<4xf32>, tensor<4xf32>, tensor<2x2xf32>, tensor<4xf32>
}"#,
    );
    assert_eq!(compiled.report.outputs.len(), 4);
}

#[test]
fn a_program_may_have_no_step() {
    let compiled = same_bits(
        "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n  return %x : tensor<4xf32>\n}",
    );
    assert!(compiled.report.kernels.is_empty());
    assert_eq!(compiled.memory.peak(), None);
}

#[test]
fn the_arena_is_the_largest_live_set() {
    let report = compiled(CONV_CHANNELS_FIRST).report;
    assert_eq!(report.arena_bytes, report.arena_lower_bound_bytes);
    assert!(report.arena_proven_optimal);
}

#[test]
fn dumps_are_programs_that_parse_again() {
    let options = CompileOptions {
        dump_after: vec!["layout".into(), "lower".into()],
        ..CompileOptions::default()
    };
    let compiled = compile(&parse(CONV_CHANNELS_FIRST), &options).expect("it compiles");
    let (_, layout) = compiled.dumps.iter().find(|(n, _)| n == "layout").expect("a dump");
    assert_eq!(parse(layout).funcs.len(), 1);
    let (_, lower) = compiled.dumps.iter().find(|(n, _)| n == "lower").expect("a dump");
    assert!(lower.contains("ConvF32"), "{lower}");
}

#[test]
fn extreme_padding_and_steps_do_not_overflow() {
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<3xf32>) -> (tensor<2xf32>, tensor<1xf32>) {
  %v = stablehlo.constant dense<7.0> : tensor<f32>
  %0 = stablehlo.pad %x, %v, low = [-9223372036854775807], high = [9223372036854775806], interior = [0] : (tensor<3xf32>, tensor<f32>) -> tensor<2xf32>
  %1 = stablehlo.slice %x [2:3:9223372036854775807] : (tensor<3xf32>) -> tensor<1xf32>
  return %0, %1 : tensor<2xf32>, tensor<1xf32>
}"#,
    );
    assert_eq!(kernels(&compiled), ["fill"]);
}

#[test]
fn batch_norm_inference_is_elementwise() {
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<2x3xf32>, %s: tensor<3xf32>, %o: tensor<3xf32>, %m: tensor<3xf32>) -> tensor<2x3xf32> {
  %v = stablehlo.constant dense<[0.25, 2.0, 9.5]> : tensor<3xf32>
  %0 = "stablehlo.batch_norm_inference"(%x, %s, %o, %m, %v) <{epsilon = 1.0e-3 : f32, feature_index = 1 : i64}> : (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}"#,
    );
    assert_eq!(kernels(&compiled), ["map"]);
}

#[test]
fn bitcasts_are_views() {
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4x2xui16>) {
  %sign = stablehlo.constant dense<2147483647> : tensor<4xui32>
  %0 = stablehlo.bitcast_convert %x : (tensor<4xf32>) -> tensor<4xui32>
  %1 = stablehlo.and %0, %sign : tensor<4xui32>
  %2 = stablehlo.bitcast_convert %1 : (tensor<4xui32>) -> tensor<4xf32>
  %3 = stablehlo.bitcast_convert %2 : (tensor<4xf32>) -> tensor<4x2xui16>
  return %2, %3 : tensor<4xf32>, tensor<4x2xui16>
}"#,
    );
    assert_eq!(kernels(&compiled), ["map"]);
}

#[test]
fn indices_become_a_table() {
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<2x50xf32>) -> tensor<2x50xf32> {
  %0 = stablehlo.iota dim = 1 : tensor<2x50xf32>
  %1 = stablehlo.multiply %x, %0 : tensor<2x50xf32>
  return %1 : tensor<2x50xf32>
}"#,
    );
    assert_eq!(kernels(&compiled), ["map"]);
    assert_eq!(compiled.report.const_bytes, 400);
}

#[test]
fn a_value_and_its_own_transpose_do_not_meet_in_one_kernel() {
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<3x3xf32>, %y: tensor<3x3xf32>) -> tensor<3x3xf32> {
  %0 = stablehlo.add %x, %y : tensor<3x3xf32>
  %1 = stablehlo.transpose %0, dims = [1, 0] : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %2 = stablehlo.multiply %0, %1 : tensor<3x3xf32>
  %3 = stablehlo.tanh %2 : tensor<3x3xf32>
  return %3 : tensor<3x3xf32>
}"#,
    );
    assert_eq!(kernels(&compiled), ["map", "map"]);
}

#[test]
fn in_place_results_leave_values_that_views_still_read() {
    // The second map reads its operand twice, once through a view: it may not write over it.
    let compiled = same_bits(
        r#"func.func @main(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = stablehlo.tanh %x : tensor<4x4xf32>
  %1 = stablehlo.reverse %0, dims = [0] : tensor<4x4xf32>
  %2 = stablehlo.subtract %0, %1 : tensor<4x4xf32>
  return %2 : tensor<4x4xf32>
}"#,
    );
    assert_eq!(compiled.report.arena_bytes, 128);
}

#[test]
fn a_reduction_with_swapped_arguments_is_taken_only_if_they_commute() {
    let reduction = |op: &str| {
        format!(
            r#"func.func @main(%x: tensor<2x3xf32>) -> tensor<2xf32> {{
  %i = stablehlo.constant dense<2.0> : tensor<f32>
  %0 = "stablehlo.reduce"(%x, %i) <{{dimensions = array<i64: 1>}}> ({{
    ^bb0(%a: tensor<f32>, %b: tensor<f32>):
      %r = stablehlo.{op} %b, %a : tensor<f32>
      stablehlo.return %r : tensor<f32>
  }}) : (tensor<2x3xf32>, tensor<f32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}}"#
        )
    };
    assert_eq!(kernels(&same_bits(&reduction("add"))), ["reduce"]);
    assert_eq!(kernels(&same_bits(&reduction("power"))), ["reduce_any"]);
}

/// Indices of a large tensor are a small table, repeated or added to another one.
#[test]
fn large_tables_of_indices_are_computed() {
    for (dims, dim, ty) in [
        ("200x300", 0, "i32"),
        ("200x300", 1, "f32"),
        ("40000", 0, "i32"),
        ("20000x2", 0, "f64"),
        ("70000", 0, "i8"),
        ("33000", 0, "f16"),
    ] {
        let tensor = format!("tensor<{dims}x{ty}>");
        let compiled = same_bits(&format!(
            "func.func @main(%f: tensor<f32>) -> {tensor} {{
               %x = stablehlo.convert %f : (tensor<f32>) -> tensor<{ty}>
               %0 = stablehlo.iota dim = {dim} : {tensor}
               %1 = stablehlo.broadcast_in_dim %x, dims = [] : (tensor<{ty}>) -> {tensor}
               %2 = stablehlo.add %0, %1 : {tensor}
               return %2 : {tensor}
             }}"
        ));
        assert!(compiled.artifact.len() < 8000, "{dims} {ty}: {}", compiled.artifact.len());
    }
}

/// The first spatial dimension of four becomes a sum, as strided, padded, dilated and flipped.
#[test]
fn convolutions_of_four_and_five_spatial_dimensions() {
    for ty in ["f32", "f16", "i8"] {
        same_bits(&format!(
            "func.func @main(%f: tensor<2x5x3x3x2x4xf32>, %g: tensor<3x2x2x1x2x6xf32>)
                 -> tensor<2x6x2x2x2x2x{ty}> {{
               %c = stablehlo.constant dense<9.0> : tensor<2x5x3x3x2x4xf32>
               %d = stablehlo.constant dense<9.0> : tensor<3x2x2x1x2x6xf32>
               %cf = stablehlo.multiply %c, %f : tensor<2x5x3x3x2x4xf32>
               %dg = stablehlo.multiply %d, %g : tensor<3x2x2x1x2x6xf32>
               %x = stablehlo.convert %cf : (tensor<2x5x3x3x2x4xf32>) -> tensor<2x5x3x3x2x4x{ty}>
               %w = stablehlo.convert %dg : (tensor<3x2x2x1x2x6xf32>) -> tensor<3x2x2x1x2x6x{ty}>
               %0 = stablehlo.convolution(%x, %w)
                 dim_numbers = [b, 0, 1, 2, 3, f]x[0, 1, 2, 3, i, o]->[b, f, 0, 1, 2, 3],
                 window = {{stride = [2, 1, 1, 1], pad = [[1, 2], [0, 0], [0, 0], [0, 0]],
                   rhs_dilate = [2, 1, 1, 1], reverse = [true, false, true, false]}}
                 {{batch_group_count = 1 : i64, feature_group_count = 2 : i64}}
                 : (tensor<2x5x3x3x2x4x{ty}>, tensor<3x2x2x1x2x6x{ty}>) -> tensor<2x6x2x2x2x2x{ty}>
               return %0 : tensor<2x6x2x2x2x2x{ty}>
             }}"
        ));
    }
    same_bits(
        "func.func @main(%x: tensor<1x2x3x2x2x3x2xf32>, %w: tensor<2x2x1x2x2x2x3xf32>)
             -> tensor<1x4x2x2x1x2x3xf32> {
           %0 = stablehlo.convolution(%x, %w)
             dim_numbers = [b, 0, 1, 2, 3, 4, f]x[0, 1, 2, 3, 4, i, o]->[b, 0, 1, 2, 3, 4, f],
             window = {lhs_dilate = [3, 1, 1, 1, 1], pad = [[1, 0], [0, 0], [0, 0], [0, 0], [0, 0]]}
             {batch_group_count = 1 : i64, feature_group_count = 1 : i64}
             : (tensor<1x2x3x2x2x3x2xf32>, tensor<2x2x1x2x2x2x3xf32>) -> tensor<1x4x2x2x1x2x3xf32>
           return %0 : tensor<1x4x2x2x1x2x3xf32>
         }",
    );
}
