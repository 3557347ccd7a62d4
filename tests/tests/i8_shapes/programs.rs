//! Quantised programs of one operation whose kernels are not convolutions of an operand as it is.

use microhlo_compiler::compile::{CompileOptions, Target, compile};
use microhlo_compiler::diag::Source;
use microhlo_compiler::front::mlir::parse_module;
use microhlo_qemu::Job;

use crate::i8_shapes::Random;

/// A program and what its instructions are counted by.
pub struct Program {
    pub name: String,
    text: String,
    /// Bytes of the inputs.
    inputs: Vec<u32>,
    /// Multiply-accumulate operations, or elements of the result.
    pub work: u64,
}

const X: &str = "!quant.uniform<i8:f32, 0.05:-7>";
const Y: &str = "!quant.uniform<i8:f32, 0.0039:-128>";
const Z: &str = "!quant.uniform<i8:f32, 0.0413:12>";

fn product(dims: &[u32]) -> u32 {
    dims.iter().product()
}

fn shape(dims: &[u32], element: &str) -> String {
    let sizes: Vec<String> = dims.iter().map(|d| format!("{d}x")).collect();
    format!("tensor<{}{element}>", sizes.concat())
}

/// A product with one factor for each channel, for each pixel, or for each element.
fn multiply([h, w, c]: [u32; 3], [gate_h, gate_w, gate_c]: [u32; 3]) -> Program {
    let (all, gate) = ([1, h, w, c], [1, gate_h, gate_w, gate_c]);
    let [x, y, z] = [X, Y, Z].map(|q| shape(&all, q));
    let g = shape(&gate, Y);
    Program {
        name: format!("multiply {gate_h}x{gate_w}x{gate_c} and {h}x{w}x{c}"),
        text: format!(
            "func.func @main(%x: {x}, %g: {g}) -> {z} {{
  %y = stablehlo.broadcast_in_dim %g, dims = [0, 1, 2, 3] : ({g}) -> {y}
  %0 = stablehlo.multiply %x, %y : ({x}, {y}) -> {z}
  return %0 : {z}
}}"
        ),
        inputs: vec![product(&all), product(&gate)],
        work: product(&all).into(),
    }
}

/// Attention's scores, or its results, of heads that lie beside each other.
fn attention(rows: u32, heads: u32, depth: u32, scores: bool) -> Program {
    let (side, square) = ([1, rows, heads, depth], [1, heads, rows, rows]);
    let symmetric = "!quant.uniform<i8:f32, 0.04>";
    let (lhs, out, dims, q, z) = if scores {
        let dims = "batching_dims = [0, 2] x [0, 2], contracting_dims = [3] x [3]";
        (side, square, dims, X, "!quant.uniform<i8:f32, 0.41:9>")
    } else {
        let dims = "batching_dims = [0, 1] x [0, 2], contracting_dims = [3] x [1]";
        (square, [1, heads, rows, depth], dims, Y, Z)
    };
    let (l, r, o) = (shape(&lhs, q), shape(&side, symmetric), shape(&out, z));
    let what = if scores { "scores" } else { "means" };
    Program {
        name: format!("attention {what} {rows} rows {heads}x{depth}"),
        text: format!(
            "func.func @main(%l: {l}, %r: {r}) -> {o} {{
  %0 = stablehlo.dot_general %l, %r, {dims} : ({l}, {r}) -> {o}
  return %0 : {o}
}}"
        ),
        inputs: vec![product(&lhs), product(&side)],
        work: u64::from(product(&square)) * u64::from(depth),
    }
}

/// A convolution of a dilated operand, by products that are not with zeros between its elements.
fn transposed(size: u32, [from, to]: [u32; 2], kernel: u32) -> Program {
    let (pad, out) = ((kernel - 1) / 2, 2 * size);
    let after = out + kernel - 1 - pad - (2 * size - 1);
    let weights: Vec<String> = (0..kernel * kernel * from * to)
        .map(|i| format!("{:02X}", (i.wrapping_mul(89) + 41) % 251))
        .collect();
    let (x, z) = (shape(&[1, size, size, from], X), shape(&[1, out, out, to], Z));
    let dims = [kernel, kernel, from, to];
    let (bytes, w) = (shape(&dims, "i8"), shape(&dims, "!quant.uniform<i8:f32, 0.001>"));
    Program {
        name: format!("transposed {kernel}x{kernel} {from}-{to} on {size}x{size}"),
        text: format!(
            "func.func @main(%x: {x}) -> {z} {{
  %w = stablehlo.constant() <{{value = dense<\"0x{}\"> : {bytes}}}> : () -> {w}
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {{pad = [[{pad}, {after}], [{pad}, {after}]], lhs_dilate = [2, 2]}} {{batch_group_count = 1 : i64, feature_group_count = 1 : i64}} : ({x}, {w}) -> {z}
  return %0 : {z}
}}",
            weights.concat()
        ),
        inputs: vec![product(&[size, size, from])],
        work: u64::from(product(&[size, size, from, to, kernel, kernel])),
    }
}

/// A concatenation of channels, each operand rescaled.
fn concatenate(size: u32, channels: [u32; 2]) -> Program {
    let [a, b] = channels.map(|c| [1, size, size, c]);
    let all = [1, size, size, channels[0] + channels[1]];
    let [x, y] = [shape(&a, X), shape(&b, Y)];
    let [p, q, z] = [a, b, all].map(|dims| shape(&dims, Z));
    Program {
        name: format!("concatenate {}+{} on {size}x{size}", channels[0], channels[1]),
        text: format!(
            "func.func @main(%x: {x}, %y: {y}) -> {z} {{
  %0 = stablehlo.uniform_quantize %x : ({x}) -> {p}
  %1 = stablehlo.uniform_quantize %y : ({y}) -> {q}
  %2 = stablehlo.concatenate %0, %1, dim = 3 : ({p}, {q}) -> {z}
  return %2 : {z}
}}"
        ),
        inputs: vec![product(&a), product(&b)],
        work: product(&all).into(),
    }
}

impl Program {
    /// A job of the program, compiled for a processor, on random input.
    pub fn job(&self, random: &mut Random, target: Target) -> Job {
        let source = Source::new("program.mlir", self.text.as_str());
        let module = parse_module(&source).unwrap_or_else(|e| panic!("{}: {e}", self.name));
        let options = CompileOptions { target, ..CompileOptions::default() };
        let artifact = compile(&module, &options).expect("it compiles").artifact;
        let inputs = self.inputs.iter().map(|&bytes| random.bytes(bytes)).collect();
        Job { artifact, cases: vec![inputs], profile: true }
    }
}

/// All programs.
pub fn programs() -> Vec<Program> {
    vec![
        multiply([12, 12, 64], [1, 1, 64]),
        multiply([12, 12, 64], [12, 12, 1]),
        multiply([12, 12, 32], [12, 12, 32]),
        attention(32, 4, 16, true),
        attention(32, 4, 16, false),
        attention(64, 1, 32, true),
        attention(64, 1, 32, false),
        transposed(8, [32, 16], 2),
        transposed(8, [32, 16], 3),
        transposed(12, [16, 8], 4),
        concatenate(12, [16, 16]),
        concatenate(12, [24, 8]),
    ]
}
