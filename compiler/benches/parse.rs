//! Speed of the front ends: `cargo bench -p microhlo-compiler --bench parse [-- FILE...]`.
//!
//! Without files, a synthetic module of hexadecimal and decimal weights is parsed, and the
//! portable artifact of a small network.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use microhlo_compiler::diag::{Diagnostics, Source};
use microhlo_compiler::front::bytecode;
use microhlo_compiler::front::mlir::parse_module;
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

/// A program in one of the forms that are read.
enum Input {
    Text(Source),
    Bytecode(String, Vec<u8>),
}

impl Input {
    /// Reads a file; one that cannot be read is reported and left out.
    fn read(path: &Path) -> Option<Input> {
        let name = path.display().to_string();
        match std::fs::read(path) {
            Ok(bytes) if bytecode::is_bytecode(&bytes) => Some(Input::Bytecode(name, bytes)),
            Ok(bytes) => Source::from_bytes(&name, bytes)
                .inspect_err(|e| eprintln!("{e}"))
                .ok()
                .map(Input::Text),
            Err(error) => {
                eprintln!("{name}: {error}");
                None
            }
        }
    }

    fn name(&self) -> &str {
        match self {
            Input::Text(source) => source.name(),
            Input::Bytecode(name, _) => name,
        }
    }

    fn len(&self) -> usize {
        match self {
            Input::Text(source) => source.text().len(),
            Input::Bytecode(_, bytes) => bytes.len(),
        }
    }

    fn parse(&self) -> Result<Module, Diagnostics> {
        match self {
            Input::Text(source) => parse_module(source),
            Input::Bytecode(name, bytes) => bytecode::parse(name, bytes),
        }
    }
}

/// The shortest of repeated parses.
fn measure(source: &Input) -> Result<Duration, Diagnostics> {
    let mut best = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < BUDGET {
        let once = Instant::now();
        black_box(black_box(source).parse()?);
        best = best.min(once.elapsed());
    }
    Ok(best)
}

fn main() {
    let files: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let sources: Vec<Input> = if files.is_empty() {
        let hex = format!("\"0x{}\"", "2EBF7C3C".repeat(65_536));
        let decimal = format!("[{}2.5e-3]", "-1.64448321, ".repeat(65_535));
        let integers = format!("[{}7]", "-128, ".repeat(65_535));
        let artifact =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models/digits_cnn.mlirbc");
        let texts = [
            synthetic("hexadecimal f32", 16, &hex, "tensor<65536xf32>"),
            synthetic("decimal f32", 16, &decimal, "tensor<65536xf32>"),
            synthetic("decimal i8", 16, &integers, "tensor<65536xi8>"),
            synthetic("small operations", 20_000, "1.0", "tensor<4x4xf32>"),
        ];
        texts.map(Input::Text).into_iter().chain(Input::read(&artifact)).collect()
    } else {
        files.iter().filter_map(|f| Input::read(Path::new(f))).collect()
    };
    for source in sources {
        let bytes = source.len() as f64;
        match measure(&source) {
            Ok(time) => println!(
                "{:>9.1} MB/s {:>9.3} ms {:>9.3} MB  {}",
                bytes / 1e6 / time.as_secs_f64(),
                time.as_secs_f64() * 1e3,
                bytes / 1e6,
                source.name()
            ),
            Err(errors) => eprintln!("{errors}"),
        }
    }
}
