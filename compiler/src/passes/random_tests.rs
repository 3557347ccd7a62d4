//! Random programs through the whole pipeline: whatever fuses, shares memory or turns into views,
//! the bits stay those of the parsed program.

use std::fmt::Write as _;

use super::tests::{execute, inputs, parse, same_bits};
use crate::compile::{CompileOptions, compile};
use crate::regions::{Memories, Memory, Others};

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

/// A program in the making.
struct Writer {
    random: Random,
    text: String,
    names: usize,
}

impl Writer {
    fn name(&mut self) -> String {
        self.names += 1;
        format!("%v{}", self.names)
    }

    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "  {line}");
    }

    /// Operations on the values, which are joined by the results.
    fn operations(&mut self, values: &mut Vec<String>, count: usize) {
        for _ in 0..count {
            let name = self.name();
            let line = operation(&mut self.random, values, &name);
            self.line(&line);
            values.push(name);
        }
    }

    /// One number of a value, or of a value before it.
    fn scalar(&mut self, values: &[String]) -> String {
        let (name, from) = (self.name(), self.random.pick(values).clone());
        let (r, c) = (self.random.below(4), self.random.below(4));
        self.line(&format!(
            "{name}e = stablehlo.slice {from} [{r}:{}, {c}:{}] : ({SQUARE}) -> tensor<1x1xf32>\n  \
             {name} = stablehlo.reshape {name}e : (tensor<1x1xf32>) -> tensor<f32>",
            r + 1,
            c + 1
        ));
        name
    }

    fn predicate(&mut self, values: &[String]) -> String {
        let (name, number) = (self.name(), self.scalar(values));
        let direction = *self.random.pick(&["LT", "GE"]);
        self.line(&format!(
            "{name} = stablehlo.compare {direction}, {number}, %zero : (tensor<f32>, tensor<f32>) \
             -> tensor<i1>"
        ));
        name
    }

    /// Blocks of operations or, where there is room for it, of control flow.
    fn block(&mut self, values: &mut Vec<String>, depth: usize, count: usize) {
        for _ in 0..count {
            match self.random.below(6) {
                0 if depth > 0 => self.repeat(values, depth - 1),
                1 if depth > 0 => self.choice(values, depth - 1),
                _ => self.operations(values, 2),
            }
        }
    }

    /// `n` of the values, for a region to return.
    fn picks(&mut self, values: &[String], n: usize) -> Vec<String> {
        let recent = values.len().saturating_sub(4);
        let mut picks = Vec::new();
        for _ in 0..n {
            let from = if self.random.below(3) == 0 { values } else { &values[recent..] };
            picks.push(self.random.pick(from).clone());
        }
        picks
    }

    /// A loop whose state is a counter and some values: computed, swapped, transposed, left alone
    /// or from outside.
    fn repeat(&mut self, values: &mut Vec<String>, depth: usize) {
        let (name, n) = (self.name(), 1 + self.random.below(3));
        let inits = self.picks(values, n);
        let bound = self.random.below(4);
        let args: Vec<String> = (0..n).map(|i| format!("{name}a{i}")).collect();
        let state: String = args.iter().zip(&inits).map(|(a, v)| format!(", {a} = {v}")).collect();
        let types = format!("tensor<i32>{}", format!(", {SQUARE}").repeat(n));
        self.line(&format!(
            "{name}:{} = stablehlo.while({name}i = %i0{state}) : {types} cond {{",
            n + 1
        ));
        self.line(&format!(
            "{name}c = stablehlo.compare LT, {name}i, %i{bound} : (tensor<i32>, tensor<i32>) -> \
             tensor<i1>"
        ));
        let mut go = format!("{name}c");
        if self.random.below(3) == 0 {
            let mut inside = [values.as_slice(), &args].concat();
            self.operations(&mut inside, 1);
            let more = self.predicate(&inside);
            self.line(&format!("{name}d = stablehlo.and {name}c, {more} : tensor<i1>"));
            go = format!("{name}d");
        }
        self.line(&format!("stablehlo.return {go} : tensor<i1>\n  }} do {{"));
        let mut inside = [values.as_slice(), &args].concat();
        let count = self.random.below(3);
        self.block(&mut inside, depth, count);
        self.line(&format!("{name}n = stablehlo.add {name}i, %i1 : tensor<i32>"));
        let mut next = Vec::new();
        for (i, pick) in self.picks(&inside, n).into_iter().enumerate() {
            // Numbers stay small, as a NaN may have either sign.
            let kind = self.random.below(5);
            let line = match kind {
                0 => format!("stablehlo.transpose {pick}, dims = [1, 0] : ({SQUARE}) -> {SQUARE}"),
                _ => format!("stablehlo.tanh {pick} : {SQUARE}"),
            };
            next.push(match kind {
                0 | 1 => {
                    self.line(&format!("{name}n{i} = {line}"));
                    format!("{name}n{i}")
                }
                2 => self.random.pick(&args).clone(),
                3 => args[i].clone(),
                _ => self.random.pick(&inits).clone(),
            });
        }
        self.line(&format!("stablehlo.return {name}n, {} : {types}\n  }}", next.join(", ")));
        values.extend((0..n).map(|i| format!("{name}#{}", i + 1)));
    }

    /// An `if`, or a `case` with some branches.
    fn choice(&mut self, values: &mut Vec<String>, depth: usize) {
        let (name, n) = (self.name(), 1 + self.random.below(2));
        let (head, branches, ty) = if self.random.below(2) == 0 {
            let predicate = self.predicate(values);
            (format!("\"stablehlo.if\"({predicate})"), 2, "i1")
        } else {
            let number = self.scalar(values);
            self.line(&format!(
                "{name}f = stablehlo.multiply {number}, %three : tensor<f32>\n  {name}i = \
                 stablehlo.convert {name}f : (tensor<f32>) -> tensor<i32>"
            ));
            (format!("\"stablehlo.case\"({name}i)"), 1 + self.random.below(4), "i32")
        };
        self.line(&format!("{name}:{n} = {head} ({{"));
        let types = vec![SQUARE; n].join(", ");
        for branch in 0..branches {
            if branch > 0 {
                self.line("}, {");
            }
            let (mut inside, count) = (values.clone(), self.random.below(3));
            self.block(&mut inside, depth, count);
            let returned = self.picks(&inside, n).join(", ");
            self.line(&format!("stablehlo.return {returned} : {types}"));
        }
        self.line(&format!("}}) : (tensor<{ty}>) -> ({types})"));
        values.extend((0..n).map(|i| format!("{name}#{i}")));
    }
}

fn program(seed: u64, depth: usize) -> String {
    let random = Random::new(seed);
    let head = format!("func.func @main(%x: {SQUARE}, %y: {SQUARE}) -> ({SQUARE}, {SQUARE}) {{\n");
    let mut writer = Writer { random, text: head, names: 0 };
    writer.line("%zero = stablehlo.constant dense<0.0> : tensor<f32>");
    writer.line(&format!(
        "%w = stablehlo.constant dense<[[0.5, -1.0, 2.0, 0.25], [1.0, 0.0, -0.5, 1.5], [-2.0, 1.0, \
         0.125, 0.75], [0.3, -0.7, 0.9, -1.1]]> : {SQUARE}"
    ));
    let mut values = vec!["%x".to_string(), "%y".to_string()];
    if depth == 0 {
        let count = 3 + writer.random.below(22);
        writer.operations(&mut values, count);
    } else {
        writer.line("%three = stablehlo.constant dense<3.0> : tensor<f32>");
        for i in 0..4 {
            writer.line(&format!("%i{i} = stablehlo.constant dense<{i}> : tensor<i32>"));
        }
        let count = 2 + writer.random.below(6);
        writer.block(&mut values, depth, count);
        writer.choice(&mut values, depth - 1);
    }
    let last = values[values.len() - 1].clone();
    let other = writer.random.pick(&values[2..]).clone();
    writer.line(&format!("return {last}, {other} : {SQUARE}, {SQUARE}\n}}"));
    writer.text
}

#[test]
fn random_programs_keep_their_bits() {
    for seed in 1..=400 {
        let text = program(seed, 0);
        // A failing program is found by its seed, and printed by the panic's output above it.
        println!("seed {seed}\n{text}");
        let compiled = same_bits(&text);
        assert_eq!(compiled.report.arena_bytes % 4, 0);
    }
}

/// Programs whose memory is cut in pieces keep their bits: most of them do not fit a small memory as a whole.
#[test]
fn random_programs_in_several_memories_keep_their_bits() {
    let (mut cut, mut copied) = (0, 0);
    for seed in 1..=120 {
        let text = program(seed, seed as usize % 4);
        let module = parse(&text);
        let whole = compile(&module, &CompileOptions::default()).expect("it compiles");
        let bytes = whole.report.arena_bytes;
        let memory = |(name, part, cost): (&str, u32, u32)| {
            let name = name.to_owned();
            Memory { name, bytes: (bytes / part).next_multiple_of(64), cost }
        };
        let arenas = [("A", 2, 3), ("B", 4, 1), ("C", 1, 4), ("D", 3, 2)].map(memory).to_vec();
        let memories = Memories { arenas, artifact_cost: 1 + seed as u32 % 5 };
        // What other models have there, and in every other program a limit of all memories together.
        let others = vec![Others { buffers: bytes / 8, constants: 16 * (seed as u32 % 3) }];
        let mut options = CompileOptions { memories, others, ..CompileOptions::default() };
        options.memory.arena_limit = (seed % 2 == 0).then_some(bytes + bytes / 2 + 64);
        let parts = compile(&module, &options).expect("it fits");
        assert!(options.memory.arena_limit.is_none_or(|most| parts.report.arena_bytes <= most));
        cut += usize::from(parts.report.regions.len() > 1);
        copied += usize::from(parts.report.regions.iter().any(|r| r.constant_bytes > 0));
        for seed in 1..4 {
            let inputs = inputs(&whole.optimized, seed);
            assert_eq!(execute(&parts, &inputs), execute(&whole, &inputs), "seed {seed}\n{text}");
        }
    }
    assert!(cut > 60 && copied > 30, "{cut} {copied}");
}

#[test]
fn random_control_flow_keeps_its_bits() {
    let (mut branches, mut elided) = (0, 0);
    for seed in 1..=600 {
        let text = program(seed, 1 + seed as usize % 3);
        println!("seed {seed}\n{text}");
        let compiled = same_bits(&text);
        let control = |op: &str| op == "branch" || op == "switch";
        branches += compiled.report.kernels.iter().filter(|k| control(&k.op)).count();
        elided += compiled.report.kernels.iter().filter(|k| k.name.ends_with("next")).count();
    }
    assert!(branches > 1000, "{branches}");
    assert!(elided < branches, "{elided} copies to the state remain");
}
