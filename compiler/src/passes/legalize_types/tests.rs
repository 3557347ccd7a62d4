//! Every operation on every type: the parsed program, the legalised one and the kernels agree.

use microhlo_format::DType;

use super::super::tests::{compiled, evaluate, execute, parse};
use crate::eval::{Element, Evaluator, Tensor, wrap};
use crate::ir::TensorType;
use crate::ops::ElementwiseOp;
use crate::ops::elementwise::ResultRule;

/// A generator whose numbers repeat from run to run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// An element of any value, small numbers more often.
fn element(random: &mut Random, dtype: DType) -> Vec<u8> {
    let mut bytes = vec![0; dtype.size()];
    let small = (random.next() % 41) as f64 / 4.0 - 5.0;
    let e = match dtype {
        DType::I1 => Element::Bool(random.next() & 1 == 1),
        d if d.is_integer() && random.next() & 1 == 1 => Element::Int(wrap(d, small as i128)),
        d if d.is_integer() => Element::Int(wrap(d, random.next().into())),
        d if d.is_complex() => Element::Complex(small, (random.next() % 17) as f64 / 4.0 - 2.0),
        d if !d.is_narrow_float() || random.next() & 1 == 1 => Element::Float(small),
        d => {
            let bits = (random.next() as u16) & ((1u32 << d.bits()) - 1) as u16;
            bytes.copy_from_slice(&bits.to_le_bytes()[..d.size()]);
            return bytes;
        }
    };
    e.encode(dtype, &mut bytes);
    bytes
}

fn inputs(text: &str, seed: u64) -> Vec<Tensor> {
    let module = parse(text);
    let body = &module.funcs[module.entry().expect("an entry")].body;
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let args = body.blocks[body.entry].args.iter();
    args.map(|&v| {
        let ty = body.ty(v).tensor().expect("a tensor");
        let n = ty.elements().expect("static");
        let dtype = ty.dtype().expect("plain");
        let bytes: Vec<u8> = (0..n).flat_map(|_| element(&mut random, dtype)).collect();
        Tensor::from_bytes(ty, bytes).expect("it fits")
    })
    .collect()
}

/// Equal bits, but for which NaN a NaN is.
fn same(ty: &TensorType, a: &[u8], b: &[u8]) -> bool {
    let dtype = ty.dtype().expect("plain");
    let part = match dtype.is_complex() {
        true => dtype.real_part(),
        false => dtype,
    };
    let nan = |e: &[u8]| matches!(Element::decode(part, e), Element::Float(v) if v.is_nan());
    let mut pairs = a.chunks(part.size()).zip(b.chunks(part.size()));
    a.len() == b.len() && pairs.all(|(a, b)| a == b || nan(a) && nan(b))
}

/// Asserts that all ways of computing the program agree.
fn agree(text: &str) {
    let module = parse(text);
    let entry = module.entry().expect("an entry");
    let compiled = compiled(text);
    for seed in 1..3 {
        let inputs = inputs(text, seed);
        let wanted = Evaluator::new(&module).run(entry, &inputs).expect("it evaluates");
        let passes = evaluate(compiled.optimized.clone(), &inputs);
        let kernels = execute(&compiled, &inputs);
        for (i, tensor) in wanted.iter().enumerate() {
            let ty = tensor.ty();
            assert!(same(ty, tensor.bytes(), &passes[i]), "after the passes: {text}");
            assert!(
                same(ty, tensor.bytes(), &kernels[i]),
                "on the kernels: {text}\n{inputs:?}\n{tensor:?}\n{:?}",
                kernels[i]
            );
        }
    }
}

/// A function of one operation on vectors.
fn program(op: &str, args: &[&str], ty: &str, result: &str) -> String {
    let names = ["%a", "%b", "%c"];
    let list: Vec<String> =
        args.iter().zip(names).map(|(t, name)| format!("{name}: tensor<48x{t}>")).collect();
    let operands = names[..args.len()].join(", ");
    format!(
        "func.func @main({}) -> tensor<48x{result}> {{\n  %r = stablehlo.{op} {operands} : {ty}\n  \
         return %r : tensor<48x{result}>\n}}",
        list.join(", ")
    )
}

fn legalised() -> impl Iterator<Item = DType> {
    DType::ALL.iter().copied()
}

#[test]
fn elementwise_operations_agree_in_every_type() {
    let mut count = 0;
    for &op in ElementwiseOp::ALL {
        let special = op.rule().result == ResultRule::Chosen || op.operands() == 3;
        let special = special || op == ElementwiseOp::Complex;
        for dtype in legalised().filter(|&d| !special && op.rule().accepts(d)) {
            let t = dtype.name();
            let result = match op.rule().result {
                ResultRule::Bool => "i1",
                ResultRule::RealPart => dtype.real_part().name(),
                _ => t,
            };
            let args = vec![t; op.operands()];
            let operands = args.iter().map(|t| format!("tensor<48x{t}>")).collect::<Vec<_>>();
            let ty = format!("({}) -> tensor<48x{result}>", operands.join(", "));
            let text = program("NAME", &args, &ty, result);
            let text = text.replace("stablehlo.NAME ", &format!("\"{}\"(", op.name()));
            agree(&text.replacen(" : (", ") : (", 1));
            count += 1;
        }
    }
    assert!(count > 500, "{count}");
}

#[test]
fn conversions_agree_between_all_types() {
    for from in legalised() {
        for to in legalised() {
            let (a, b) = (from.name(), to.name());
            let ty = format!("(tensor<48x{a}>) -> tensor<48x{b}>");
            agree(&program("convert", &[a], &ty, b));
        }
    }
}

#[test]
fn comparisons_choices_and_bounds_agree_in_every_type() {
    for dtype in legalised() {
        let t = dtype.name();
        let pair = format!("(tensor<48x{t}>, tensor<48x{t}>)");
        for direction in ["EQ", "NE", "LT", "LE", "GT", "GE"] {
            for kind in ["", "TOTALORDER"] {
                if kind == "TOTALORDER" && !dtype.is_float() {
                    continue;
                }
                let comma = if kind.is_empty() { "" } else { ", " };
                let text = format!(
                    "func.func @main(%a: tensor<48x{t}>, %b: tensor<48x{t}>) -> tensor<48xi1> {{\n  \
                     %r = stablehlo.compare {direction}, %a, %b{comma}{kind} : {pair} -> \
                     tensor<48xi1>\n  return %r : tensor<48xi1>\n}}"
                );
                agree(&text);
            }
        }
        let ty = format!("(tensor<48xi1>, tensor<48x{t}>, tensor<48x{t}>) -> tensor<48x{t}>");
        agree(&program("select", &["i1", t, t], &ty, t));
        if dtype != DType::I1 && !dtype.is_complex() {
            let ty = format!("(tensor<48x{t}>, tensor<48x{t}>, tensor<48x{t}>) -> tensor<48x{t}>");
            agree(&program("clamp", &[t, t, t], &ty, t));
        }
    }
    for (part, whole) in [("f32", "complex<f32>"), ("f64", "complex<f64>")] {
        let ty = format!("(tensor<48x{part}>, tensor<48x{part}>) -> tensor<48x{whole}>");
        agree(&program("complex", &[part, part], &ty, whole));
    }
}

fn reduction(op: &str, t: &str, acc: &str) -> String {
    format!(
        "func.func @main(%a: tensor<5x7x{t}>, %i: tensor<{t}>) -> tensor<5x{acc}> {{\n  %r = \
         \"stablehlo.reduce\"(%a, %i) ({{\n  ^bb0(%x: tensor<{acc}>, %y: tensor<{acc}>):\n    %s = \
         stablehlo.{op} %x, %y : tensor<{acc}>\n    stablehlo.return %s : tensor<{acc}>\n  }}) \
         {{dimensions = array<i64: 1>}} : (tensor<5x7x{t}>, tensor<{t}>) -> tensor<5x{acc}>\n  \
         return %r : tensor<5x{acc}>\n}}"
    )
}

#[test]
fn reductions_agree() {
    for dtype in legalised() {
        let t = dtype.name();
        for op in ["add", "multiply", "maximum", "minimum", "and", "or", "xor"] {
            let bitwise = ["and", "or", "xor"].contains(&op);
            let applies = !bitwise || dtype.is_integer() || dtype == DType::I1;
            if applies {
                agree(&reduction(op, t, t));
            }
        }
    }
    for (t, acc) in [("bf16", "f32"), ("i4", "i32"), ("i8", "i32"), ("f8E5M2", "f32")] {
        agree(&reduction("add", t, acc));
    }
}

#[test]
fn contractions_agree_in_every_type() {
    let same = legalised().map(|d| (d.name(), d.name(), d.name()));
    let mixed = [
        ("i8", "i8", "i32"),
        ("ui8", "ui8", "ui32"),
        ("bf16", "bf16", "f32"),
        ("f8E4M3FN", "f8E4M3FN", "f32"),
        ("i4", "i4", "i32"),
        ("i4", "i4", "i4"),
        ("f32", "f32", "f64"),
        ("i8", "i8", "f32"),
    ];
    for (a, b, r) in same.chain(mixed) {
        agree(&format!(
            "func.func @main(%a: tensor<2x3x5x{a}>, %b: tensor<2x5x4x{b}>) -> tensor<2x3x4x{r}> {{\n  \
             %r = stablehlo.dot_general %a, %b, batching_dims = [0] x [0], contracting_dims = [2] x \
             [1] : (tensor<2x3x5x{a}>, tensor<2x5x4x{b}>) -> tensor<2x3x4x{r}>\n  return %r : \
             tensor<2x3x4x{r}>\n}}"
        ));
    }
    for dtype in legalised() {
        let t = dtype.name();
        for (groups, attributes, input, kernel, output) in [
            ("feature_group_count = 1", "", "2x6x5x2", "3x2x2x4", "2x4x4x4"),
            (
                "feature_group_count = 2",
                ", lhs_dilate = [2, 1], rhs_dilate = [1, 2]",
                "2x6x5x4",
                "3x2x2x6",
                "2x9x3x6",
            ),
            (
                "feature_group_count = 4",
                ", reverse = [true, false]",
                "1x6x5x4",
                "3x2x1x8",
                "1x4x4x8",
            ),
            (
                "batch_group_count = 2",
                ", stride = [2, 1], pad = [[1, 1], [0, 1]]",
                "4x6x5x3",
                "3x2x3x4",
                "2x3x5x4",
            ),
        ] {
            let other = if groups.starts_with("batch") {
                "feature_group_count = 1 : i64"
            } else {
                "batch_group_count = 1 : i64"
            };
            let window = attributes.strip_prefix(", ").unwrap_or_default();
            agree(&format!(
                "func.func @main(%a: tensor<{input}x{t}>, %b: tensor<{kernel}x{t}>) -> \
                 tensor<{output}x{t}> {{\n  %r = stablehlo.convolution(%a, %b) dim_numbers = [b, 0, 1, \
                 f]x[0, 1, i, o]->[b, 0, 1, f], window = {{{window}}} {{{groups} : i64, {other}}} : \
                 (tensor<{input}x{t}>, tensor<{kernel}x{t}>) -> tensor<{output}x{t}>\n  return %r : \
                 tensor<{output}x{t}>\n}}"
            ));
        }
    }
}

#[test]
fn constant_weights_are_converted_when_compiling() {
    let text = "func.func @main(%a: tensor<3x4xbf16>) -> tensor<3x2xbf16> {\n  %w = \
                stablehlo.constant dense<[[1.5, -2.0], [0.25, 4.0], [-1.0, 0.5], [3.0, 0.125]]> : \
                tensor<4x2xbf16>\n  %r = stablehlo.dot_general %a, %w, contracting_dims = [1] x [0] : \
                (tensor<3x4xbf16>, tensor<4x2xbf16>) -> tensor<3x2xbf16>\n  return %r : \
                tensor<3x2xbf16>\n}";
    agree(text);
    let kernels = compiled(text).report.kernels;
    let names: Vec<&str> = kernels.iter().map(|k| k.op.as_str()).collect();
    assert_eq!(names, ["map", "conv_f32", "map"]);
}

#[test]
fn precision_is_reduced_in_every_float_type() {
    for dtype in legalised().filter(|d| d.is_float()) {
        let t = dtype.name();
        for (e, m) in [(1, 0), (2, 1), (4, 3), (5, 10), (8, 7), (8, 23), (11, 52), (3, 60)] {
            agree(&format!(
                "func.func @main(%a: tensor<48x{t}>) -> tensor<48x{t}> {{\n  %r = \
                 stablehlo.reduce_precision %a, format = e{e}m{m} : tensor<48x{t}>\n  return %r : \
                 tensor<48x{t}>\n}}"
            ));
        }
    }
}

#[test]
fn bits_are_reinterpreted_in_every_width() {
    for from in legalised() {
        for to in legalised() {
            let (n, m) = (from.bits(), to.bits());
            let fits = n.max(m) % n.min(m) == 0 && from.is_complex() == to.is_complex();
            if !fits || (n == 6) != (m == 6) {
                continue;
            }
            let dims = |bits: u32| match n.max(m) / bits {
                1 => "6".to_owned(),
                ratio => format!("6x{ratio}"),
            };
            let (a, b) = (
                format!("tensor<{}x{}>", dims(n), from.name()),
                format!("tensor<{}x{}>", dims(m), to.name()),
            );
            agree(&format!(
                "func.func @main(%a: {a}) -> {b} {{\n  %r = stablehlo.bitcast_convert %a : ({a}) -> \
                 {b}\n  return %r : {b}\n}}"
            ));
        }
    }
}
