//! Random programs through the whole pipeline: whatever fuses, shares memory or turns into views,
//! the bits stay those of the parsed program.

use std::fmt::Write as _;

use super::tests::same_bits;

/// A small generator whose numbers repeat from run to run.
pub(super) struct Random(u64);

impl Random {
    /// Numbers that depend on the seed.
    pub(super) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number less than `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    /// One of the items.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

const SQUARE: &str = "tensor<4x4xf32>";

/// One operation on 4x4 values that were computed before.
fn operation(random: &mut Random, values: &[String], name: &str) -> String {
    // Recent values are used more often, so that chains form.
    let recent = values.len().saturating_sub(5);
    let a = random.pick(&values[recent..]).clone();
    let b = random.pick(values).clone();
    let unary = ["tanh", "negate", "abs", "logistic", "floor"];
    let binary = ["add", "subtract", "multiply", "maximum", "minimum"];
    match random.below(12) {
        0..=2 => format!("{name} = stablehlo.{} {a} : {SQUARE}", random.pick(&unary)),
        3..=6 => format!("{name} = stablehlo.{} {a}, {b} : {SQUARE}", random.pick(&binary)),
        7 => format!("{name} = stablehlo.transpose {a}, dims = [1, 0] : ({SQUARE}) -> {SQUARE}"),
        8 => format!("{name} = stablehlo.reverse {a}, dims = [{}] : {SQUARE}", random.below(2)),
        // Only here are constants used: scaled by another constant, a product's weights would
        // take up the scale, which is the one rewrite that rounds differently.
        9 => format!(
            "{name} = stablehlo.dot_general {a}, {}, contracting_dims = [{}] x [{}] : \
             ({SQUARE}, {SQUARE}) -> {SQUARE}",
            random.pick(&[b.as_str(), "%w"]),
            random.below(2),
            random.below(2)
        ),
        10 => format!(
            "{name}r = stablehlo.reduce({a} init: %zero) applies stablehlo.{} across dimensions = \
             [{}] : ({SQUARE}, tensor<f32>) -> tensor<4xf32>\n  {name} = \
             stablehlo.broadcast_in_dim {name}r, dims = [{}] : (tensor<4xf32>) -> {SQUARE}",
            random.pick(&["add", "maximum"]),
            random.below(2),
            random.below(2)
        ),
        _ => format!(
            "{name}s = stablehlo.slice {a} [0:4:2, 1:4] : ({SQUARE}) -> tensor<2x3xf32>\n  \
             {name} = stablehlo.pad {name}s, %zero, low = [1, 0], high = [0, 1], interior = [1, 0] \
             : (tensor<2x3xf32>, tensor<f32>) -> {SQUARE}"
        ),
    }
}

fn program(seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut text =
        format!("func.func @main(%x: {SQUARE}, %y: {SQUARE}) -> ({SQUARE}, {SQUARE}) {{\n");
    let _ = writeln!(text, "  %zero = stablehlo.constant dense<0.0> : tensor<f32>");
    let _ = writeln!(
        text,
        "  %w = stablehlo.constant dense<[[0.5, -1.0, 2.0, 0.25], [1.0, 0.0, -0.5, 1.5], \
         [-2.0, 1.0, 0.125, 0.75], [0.3, -0.7, 0.9, -1.1]]> : {SQUARE}"
    );
    let mut values = vec!["%x".to_string(), "%y".to_string()];
    for i in 0..3 + random.below(22) {
        let name = format!("%v{i}");
        let line = operation(&mut random, &values, &name);
        let _ = writeln!(text, "  {line}");
        values.push(name);
    }
    let last = values[values.len() - 1].clone();
    let other = random.pick(&values[2..]).clone();
    let _ = writeln!(text, "  return {last}, {other} : {SQUARE}, {SQUARE}\n}}");
    text
}

#[test]
fn random_programs_keep_their_bits() {
    for seed in 1..=400 {
        let text = program(seed);
        // A failing program is found by its seed, and printed by the panic's output above it.
        println!("seed {seed}\n{text}");
        let compiled = same_bits(&text);
        assert_eq!(compiled.report.arena_bytes % 4, 0);
    }
}
