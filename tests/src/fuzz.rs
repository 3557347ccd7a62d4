//! What the fuzz targets check, each as a function of bytes. `tests/fuzz` calls them with inputs
//! that a fuzzer makes up, `tests/fuzz_corpus.rs` with those of the corpus.

use std::fmt::Write as _;
use std::time::Duration;

use arbitrary::Unstructured;
use microhlo_compiler::cmd::exec::{Aligned, run_on_host};
use microhlo_compiler::compile::{CompileOptions, Compiled, compile};
use microhlo_compiler::diag::Source;
use microhlo_compiler::eval::{EvalError, Evaluator, Tensor};
use microhlo_compiler::front::{bytecode, hlo, mlir};
use microhlo_compiler::ir::{Func, Module, TensorType};
use microhlo_compiler::plan;
use microhlo_compiler::verify::verify;
use microhlo_format::{DType, float};
use microhlo_qemu::{Job, Options};

use crate::generate;

/// Steps after which an evaluation is given up.
const BUDGET: u64 = 1 << 20;

/// Steps of the memory planner's search, few enough that they are not most of a program's time.
const SEARCH_STEPS: u64 = 100_000;

/// StableHLO text: the parser and the verifier accept or report, and what they accept prints as
/// text that reads as the same program.
///
/// # Panics
/// It does not.
pub fn text(data: &[u8]) {
    let Ok(source) = Source::from_bytes("fuzz.mlir", data.to_vec()) else { return };
    if let Ok(module) = mlir::parse_module(&source) {
        prints_as_itself(&module);
    }
}

/// MLIR bytecode, likewise.
///
/// # Panics
/// It is not read, or read as something that does not print.
pub fn bytecode(data: &[u8]) {
    if let Ok(module) = bytecode::parse("fuzz.mlirbc", data) {
        prints_as_itself(&module);
    }
}

/// An HLO protocol buffer, likewise.
///
/// # Panics
/// It is not read, or read as something that does not print.
pub fn proto(data: &[u8]) {
    if let Ok((_, module)) = hlo::read_proto("fuzz.pb", data.to_vec()) {
        prints_as_itself(&module);
    }
}

/// HLO text, likewise.
///
/// # Panics
/// It is not read, or read as something that does not print.
pub fn hlo_text(data: &[u8]) {
    let Ok(source) = Source::from_bytes("fuzz.hlo.txt", data.to_vec()) else { return };
    if let Ok(module) = hlo::parse_text(&source) {
        prints_as_itself(&module);
    }
}

/// A verified module prints as text that parses to a module that prints the same.
fn prints_as_itself(module: &Module) {
    if verify(module).is_err() {
        return;
    }
    let printed = module.to_string();
    let source = Source::new("printed.mlir", printed.as_str());
    match mlir::parse_module(&source) {
        Ok(again) => {
            assert!(verify(&again).is_ok(), "the printed program does not verify:\n{printed}");
            assert_eq!(again.to_string(), printed, "the printed program reads differently");
        }
        Err(error) => panic!("the printed program does not parse: {error}\n{printed}"),
    }
}

/// A generated program computes the same in the evaluator, before and after all passes, and in
/// the kernels. Programs that the kernels do not support yet end with that answer.
///
/// # Panics
/// Results differ, or a stage refuses the program for another reason.
pub fn programs(data: &[u8]) {
    let Ok(text) = generate::program(&mut Unstructured::new(data)) else { return };
    if let Err(error) = agree(&text, data.len() as u64) {
        panic!("{error}\n{text}");
    }
}

/// Whether a program went through to the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All results agree.
    Agrees,
    /// The device kernels do not support it.
    Unsupported,
    /// Its evaluation takes too long.
    TooLong,
}

/// Compares evaluator and kernels on one program with inputs made from `seed`.
///
/// # Errors
/// What differs, or which stage refused a valid program.
pub fn agree(text: &str, seed: u64) -> Result<Outcome, String> {
    let source = Source::new("generated.mlir", text);
    let module = mlir::parse_module(&source).map_err(|e| format!("does not parse: {e}"))?;
    if let Err(errors) = verify(&module) {
        return Err(format!("does not verify: {}", errors[0]));
    }
    let main = module.entry().ok_or("there is no entry")?;
    let inputs = generate::inputs(&types(&module.funcs[main])?, seed);
    let before = match Evaluator::with_budget(&module, BUDGET).run(main, &inputs) {
        Ok(outputs) => outputs,
        Err(EvalError::Budget(_)) => return Ok(Outcome::TooLong),
        Err(EvalError::Unsupported { .. }) => return Ok(Outcome::Unsupported),
        Err(error) => return Err(format!("does not evaluate: {error}")),
    };
    let plan = plan::Options { search_steps: SEARCH_STEPS, deadline: None };
    let options = CompileOptions { plan, ..CompileOptions::default() };
    let compiled = match compile(&module, &options) {
        Ok(compiled) => compiled,
        Err(error) if error.unsupported => return Ok(Outcome::Unsupported),
        Err(error) => return Err(format!("does not compile: {error}")),
    };
    let after = optimized(&compiled, &inputs)?;
    same(&before, &after).map_err(|e| format!("the passes change results: {e}"))?;
    let job = Job {
        artifact: compiled.artifact,
        cases: vec![inputs.iter().map(|t| t.bytes().to_vec()).collect()],
        profile: false,
    };
    let report = run_on_host(&job, &Options::within(Duration::from_secs(20)));
    let mut cases = report.map_err(|e| e.to_string())?.cases;
    let outputs = cases.pop().ok_or("there is no case")??.outputs;
    for (i, (bytes, want)) in outputs.iter().zip(&before).enumerate() {
        let have = Tensor::from_bytes(want.ty(), bytes.as_slice()).map_err(|e| e.to_string())?;
        same_tensor(want, &have).map_err(|e| format!("kernels differ: result {i}: {e}"))?;
    }
    Ok(Outcome::Agrees)
}

/// The types of a function's arguments.
///
/// # Errors
/// One is not a tensor.
pub fn types(func: &Func) -> Result<Vec<TensorType>, String> {
    let args = func.body.blocks[func.body.entry].args.iter();
    args.map(|&v| func.body.ty(v).tensor().cloned().ok_or_else(|| "no tensor".to_owned())).collect()
}

/// Evaluates the program as the passes leave it.
fn optimized(compiled: &Compiled, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
    let mut module = Module::default();
    let func = module.funcs.push(compiled.optimized.clone());
    if let Err(errors) = verify(&module) {
        return Err(format!("the passes leave an invalid program: {}\n{module}", errors[0]));
    }
    let result = Evaluator::with_budget(&module, 16 * BUDGET).run(func, inputs);
    result.map_err(|e| format!("the optimised program does not evaluate: {e}\n{module}"))
}

fn same(want: &[Tensor], have: &[Tensor]) -> Result<(), String> {
    if want.len() != have.len() {
        return Err(format!("{} results instead of {}", have.len(), want.len()));
    }
    for (i, (want, have)) in want.iter().zip(have).enumerate() {
        same_tensor(want, have).map_err(|e| format!("result {i}: {e}"))?;
    }
    Ok(())
}

/// The same bits, but any NaN for a NaN.
///
/// # Errors
/// The first element that differs.
pub fn same_tensor(want: &Tensor, have: &Tensor) -> Result<(), String> {
    let dtype = want.dtype();
    let part = match dtype {
        DType::C64 => DType::F32,
        DType::C128 => DType::F64,
        other => other,
    };
    let pairs = want.bytes().chunks(part.size()).zip(have.bytes().chunks(part.size()));
    for (i, (a, b)) in pairs.enumerate() {
        if a != b && !(is_nan(part, a) && is_nan(part, b)) {
            let mut text = format!("element {i} of {}: ", want.ty());
            let _ = write!(text, "{} instead of {}", hex(b), hex(a));
            return Err(text);
        }
    }
    match want.bytes().len() == have.bytes().len() {
        true => Ok(()),
        false => Err(format!("{} bytes of {}", have.bytes().len(), want.ty())),
    }
}

/// Little-endian bytes as a number.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().rev().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

fn is_nan(dtype: DType, bytes: &[u8]) -> bool {
    let bits = bytes.iter().rev().fold(0u64, |all, &byte| all << 8 | u64::from(byte));
    match dtype {
        DType::F32 => f32::from_bits(bits as u32).is_nan(),
        DType::F64 => f64::from_bits(bits).is_nan(),
        other => float::Format::of(other).is_some_and(|f| f.decode(bits as u16).is_nan()),
    }
}

/// An artifact: the loader refuses it, or it runs without a fault for as long as it may.
///
/// The checksum is made right first, so that changes reach the checks behind it.
///
/// # Panics
/// The runtime panics.
pub fn artifact(data: &[u8]) {
    const STEPS: usize = 10_000;
    const LARGEST_ARENA: usize = 1 << 24;
    let mut file = Aligned::copy_of(data);
    microhlo_format::seal(file.get_mut());
    let Ok(model) = microhlo::Model::load(file.get()) else { return };
    let sizes = (0..model.arena_count()).filter_map(|i| model.arena(i)).map(|a| a.byte_len());
    let sizes: Vec<usize> = sizes.collect();
    if sizes.iter().sum::<usize>() > LARGEST_ARENA {
        return;
    }
    let mut memories: Vec<Aligned> =
        sizes.into_iter().map(|bytes| Aligned::filled(bytes, 0xa5)).collect();
    let Ok(mut arenas) = model.arenas(memories.iter_mut().map(Aligned::get_mut)) else { return };
    let mut run = arenas.start();
    for _ in 0..STEPS {
        if !matches!(run.step(), Ok(Some(_))) {
            break;
        }
    }
}
