//! Speed of the front ends: `cargo bench -p microhlo-tests --bench parse [-- FILE...]`.
//!
//! Without files, synthetic modules of weights are parsed in every form and spelling, and the rates
//! stand beside what is required of them. `--check` fails if one is far below; it allows for slow
//! and busy machines.

mod weights;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use microhlo_compiler::diag::{Diagnostics, Source};
use microhlo_compiler::front::mlir::parse_module;
use microhlo_compiler::front::{bytecode, hlo};
use microhlo_compiler::ir::Module;

/// Total time spent on each source.
const BUDGET: Duration = Duration::from_millis(500);

/// Rate that text of weights is read with at least, in megabytes per second.
const TEXT_RATE: f64 = 200.0;

/// Part of the required rate that a busy machine has to reach.
const CHECKED: f64 = 0.5;

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

/// Time that this thread has run, where the system says so.
fn running() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// The shortest of repeated parses. Where other processes interrupt each of them, it is the mean of
/// the time without interruptions.
fn measure(input: &Input) -> Result<Duration, Diagnostics> {
    let (mut best, mut runs) = (Duration::MAX, 0);
    let (start, ran) = (Instant::now(), running());
    while start.elapsed() < BUDGET {
        let (module, time) = input.parse()?;
        black_box(module);
        best = best.min(time);
        runs += 1;
    }
    let mean = ran.zip(running()).map(|(before, after)| (after - before) / runs);
    Ok(mean.map_or(best, |mean| mean.min(best)))
}

/// What is required of an input.
#[derive(Clone, Copy, PartialEq)]
enum Required {
    /// Nothing.
    Nothing,
    /// A rate of the file, in megabytes per second.
    Rate(f64),
    /// More weights per second than any text.
    FasterThanText,
}

/// A measured input.
struct Row {
    name: String,
    required: Required,
    bytes: f64,
    seconds: f64,
}

impl Row {
    fn measure(input: &Input, required: Required) -> Result<Row, Diagnostics> {
        let (name, bytes) = input.name_and_size();
        let seconds = measure(input)?.as_secs_f64();
        Ok(Row { name: name.to_owned(), required, bytes: bytes as f64, seconds })
    }

    /// Megabytes per second.
    fn rate(&self) -> f64 {
        self.bytes / 1e6 / self.seconds
    }

    /// Whether the requirement is met, or `part` of it; `text` is the time of the fastest text.
    fn holds(&self, part: f64, text: f64) -> bool {
        match self.required {
            Required::Nothing => true,
            Required::Rate(rate) => self.rate() >= part * rate,
            Required::FasterThanText => part * self.seconds < text,
        }
    }

    fn print(&self, text: f64) {
        let required = match self.required {
            Required::Nothing => String::new(),
            Required::Rate(rate) => format!(">= {rate:.0} MB/s"),
            Required::FasterThanText => format!("< {:.3} ms", text * 1e3),
        };
        let verdict = if self.holds(1.0, text) { "" } else { "  MISSED" };
        println!(
            "{:>9.1} MB/s {:>9.3} ms {:>9.3} MB {required:>14}  {}{verdict}",
            self.rate(),
            self.seconds * 1e3,
            self.bytes / 1e6,
            self.name,
        );
    }
}

/// Inputs with what is required of them.
fn synthetic() -> Vec<(Input, Required)> {
    let text = |source| (Input::Text(source), Required::Rate(TEXT_RATE));
    let mut inputs: Vec<_> = weights::texts().into_iter().map(text).collect();
    for (name, bytes) in weights::bytecode() {
        inputs.push((Input::Bytecode(name.to_owned(), bytes), Required::FasterThanText));
    }
    let proto = Input::Binary("HLO proto".to_owned(), weights::proto());
    inputs.push((proto, Required::FasterThanText));
    let small = weights::small_operations().into_iter();
    inputs.extend(small.map(|source| (Input::Text(source), Required::Nothing)));
    inputs
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let check = arguments.iter().any(|a| a == "--check");
    let files: Vec<&String> = arguments.iter().filter(|a| !a.starts_with("--")).collect();
    let open = |f: &&String| Input::open(f).inspect_err(|e| eprintln!("{e}")).ok();
    let inputs = match files.is_empty() {
        true => synthetic(),
        false => files.iter().filter_map(open).map(|i| (i, Required::Nothing)).collect(),
    };
    let mut rows = Vec::new();
    for (input, required) in &inputs {
        match Row::measure(input, *required) {
            Ok(row) => rows.push(row),
            Err(errors) => {
                eprintln!("{errors}");
                return ExitCode::FAILURE;
            }
        }
    }
    // All weights of type f32 are the same ones.
    let texts = rows.iter().filter(|r| matches!(r.required, Required::Rate(_)));
    let fastest = texts.filter(|r| r.name.ends_with("f32")).map(|r| r.seconds);
    let fastest = fastest.fold(f64::INFINITY, f64::min);
    rows.iter().for_each(|row| row.print(fastest));
    match check && !rows.iter().all(|row| row.holds(CHECKED, fastest)) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}
