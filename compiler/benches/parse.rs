//! Speed of the front ends: `cargo bench -p microhlo-compiler --bench parse [-- FILE...]`.
//!
//! Without files, synthetic modules of hexadecimal and decimal weights are parsed.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use microhlo_compiler::diag::{Diagnostics, Source};
use microhlo_compiler::front::mlir::parse_module;
use microhlo_compiler::front::{bytecode, hlo};
use microhlo_compiler::ir::Module;

/// Total time spent on each source.
const BUDGET: Duration = Duration::from_millis(500);

/// A function that returns `count` constants spelled by `literal`.
fn synthetic(name: &str, count: usize, literal: &str, ty: &str) -> Source {
    let mut text = String::from("func.func @main() {\n");
    for i in 0..count {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  %c{i} = stablehlo.constant dense<{literal}> : {ty}");
    }
    text.push_str("  return\n}\n");
    Source::new(name, text)
}

/// The same as HLO text.
fn synthetic_hlo(name: &str, count: usize, literal: &str, shape: &str) -> Source {
    let mut text = String::from("HloModule m\n\nENTRY main {\n");
    for i in 0..count {
        let _ = writeln!(text, "  c{i} = {shape} constant({{{literal}}})");
    }
    text.push_str("}\n");
    Source::new(name, text)
}

/// A program in one of the forms.
enum Input {
    Text(Source),
    Binary(String, Vec<u8>),
    Bytecode(String, Vec<u8>),
}

impl Input {
    fn open(path: &str) -> Result<Input, String> {
        let bytes = std::fs::read(path).map_err(|e| format!("{path}: {e}"))?;
        if bytecode::is_bytecode(&bytes) {
            return Ok(Input::Bytecode(path.to_string(), bytes));
        }
        match hlo::looks_like_proto(&bytes) {
            true => Ok(Input::Binary(path.to_string(), bytes)),
            false => Source::from_bytes(path, bytes).map(Input::Text).map_err(|e| e.to_string()),
        }
    }

    fn name_and_size(&self) -> (&str, usize) {
        match self {
            Input::Text(source) => (source.name(), source.text().len()),
            Input::Binary(name, bytes) | Input::Bytecode(name, bytes) => (name, bytes.len()),
        }
    }

    /// Parses once; a copy that the reader consumes is not part of the time.
    fn parse(&self) -> Result<(Module, Duration), Diagnostics> {
        match self {
            Input::Binary(name, bytes) => {
                let bytes = bytes.clone();
                let once = Instant::now();
                hlo::read_proto(name, black_box(bytes)).map(|(_, m)| (m, once.elapsed()))
            }
            Input::Bytecode(name, bytes) => {
                let once = Instant::now();
                bytecode::parse(name, black_box(bytes)).map(|m| (m, once.elapsed()))
            }
            Input::Text(source) => {
                let once = Instant::now();
                let module = match hlo::looks_like_text(source.text().as_bytes()) {
                    true => hlo::parse_text(black_box(source))?,
                    false => parse_module(black_box(source))?,
                };
                Ok((module, once.elapsed()))
            }
        }
    }
}

/// The shortest of repeated parses.
fn measure(input: &Input) -> Result<Duration, Diagnostics> {
    let mut best = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < BUDGET {
        let (module, time) = input.parse()?;
        black_box(module);
        best = best.min(time);
    }
    Ok(best)
}

fn synthetic_inputs() -> Vec<Input> {
    let hex = format!("\"0x{}\"", "2EBF7C3C".repeat(65_536));
    let decimal = format!("[{}2.5e-3]", "-1.64448321, ".repeat(65_535));
    let integers = format!("[{}7]", "-128, ".repeat(65_535));
    let bare = |list: &str| list.trim_matches(['[', ']']).to_string();
    let texts = [
        synthetic("hexadecimal f32", 16, &hex, "tensor<65536xf32>"),
        synthetic("decimal f32", 16, &decimal, "tensor<65536xf32>"),
        synthetic("decimal i8", 16, &integers, "tensor<65536xi8>"),
        synthetic("small operations", 20_000, "1.0", "tensor<4x4xf32>"),
        synthetic_hlo("HLO, decimal f32", 16, &bare(&decimal), "f32[65536]{0}"),
        synthetic_hlo("HLO, decimal s8", 16, &bare(&integers), "s8[65536]{0}"),
        synthetic_hlo("HLO, small operations", 20_000, "1, 2", "f32[2]{0}"),
    ];
    texts.map(Input::Text).into()
}

fn main() {
    let files: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let inputs: Vec<Input> = match files.is_empty() {
        true => synthetic_inputs(),
        false => {
            let open = |f: &String| Input::open(f).inspect_err(|e| eprintln!("{e}")).ok();
            files.iter().filter_map(open).collect()
        }
    };
    for input in inputs {
        let (name, bytes) = input.name_and_size();
        let bytes = bytes as f64;
        match measure(&input) {
            Ok(time) => println!(
                "{:>9.1} MB/s {:>9.3} ms {:>9.3} MB  {name}",
                bytes / 1e6 / time.as_secs_f64(),
                time.as_secs_f64() * 1e3,
                bytes / 1e6,
            ),
            Err(errors) => eprintln!("{errors}"),
        }
    }
}
