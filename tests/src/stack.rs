//! Measures the stack that models take on boards, for the table of `microhlo_compiler::stack`.

use std::path::PathBuf;

use microhlo_compiler::chains::{self, Rows};
use microhlo_compiler::cmd::exec::Executor;
use microhlo_compiler::cmd::load::Program;
use microhlo_compiler::compile::{CompileOptions, Target};
use microhlo_compiler::coverage::{Element, probes};
use microhlo_compiler::diag::Source;
use microhlo_compiler::eval::Tensor;
use microhlo_compiler::front::mlir::parse_module;
use microhlo_compiler::quantize::{self, Io, Mode, Precision, RangeChoice, quantize};
use microhlo_compiler::stack::Table;
use microhlo_compiler::verify::verify;
use microhlo_format::{DType, KernelId};
use microhlo_qemu::{Job, JobReport, Outcome};

use crate::networks::{Int8Network, branchy, generated};
use crate::{COMPLETE, Model, Prepared, SAMPLE_MACS, example_models, models, options};

/// A model that runs no kernel.
const EMPTY: &str =
    "func.func @main(%x: tensor<40xf32>) -> tensor<40xf32> { return %x : tensor<40xf32> }";

/// Element types of the small programs: of each kind one, as what differs within a kind is the micro-operation.
const ELEMENTS: [Element; 7] = [
    Element::Plain(DType::F32),
    Element::Plain(DType::F64),
    Element::Plain(DType::I8),
    Element::Plain(DType::I32),
    Element::Plain(DType::C64),
    Element::Plain(DType::C128),
    Element::Quantized,
];

/// How the names of those networks begin whose stack is limited.
pub const LIMITED: &str = "network ";

/// Networks of 8 bits that run on boards which run a sample.
const SAMPLE: [&str; 4] =
    ["kws_int8_quant_int", "kws_int8_quant_qdq", "temporal_64x32", "separable_stream_40x48"];

/// How the names of those programs end whose maps are [deep](Table::DEEP).
const DEEP: &str = ", deep";

/// The sine of a large angle, which takes more than that of a small one.
const ANGLE: &str = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %large = stablehlo.constant dense<1.0e30> : tensor<4xf32>
  %angle = stablehlo.add %x, %large : tensor<4xf32>
  %sine = stablehlo.sine %angle : tensor<4xf32>
  return %sine : tensor<4xf32>
}";

/// A job with its name.
pub type Named = (String, Job);

/// What is measured for a core: networks, whole, row by row and quantised; and the smallest program of every
/// operation. Cores whose boards run a sample have the last networks of each kind, and small models.
///
/// # Panics
/// A network does not compile.
#[must_use]
pub fn jobs(target: Target, sample: bool) -> Vec<Named> {
    let (most, most_macs) = if sample { (2, SAMPLE_MACS) } else { (usize::MAX, u64::MAX) };
    let limited = models().into_iter().map(|m| m.prepare(target));
    let limited: Vec<Prepared> =
        limited.chain(generated().iter().rev().take(most).map(|n| n.prepare(target, 1))).collect();
    let mut others: Vec<Prepared> = example_models().iter().map(|m| m.prepare(target)).collect();
    others.extend(branchy().iter().rev().take(most).map(|n| n.prepare(target, 1)));
    let least = chains::Options { rows: Rows::Least, ..chains::Options::default() };
    let in_sample = |n: &&Int8Network| !sample || SAMPLE.contains(&n.name());
    let by_rows =
        |n: &Int8Network| [chains::Options::default(), least].map(|m| n.prepare(target, m));
    others.extend(Int8Network::all().iter().filter(in_sample).flat_map(by_rows));
    let small = |p: &&Prepared| p.compiled.report.macs <= most_macs;
    let name =
        |what: &'static str| move |p: &Prepared| (format!("{what}{}", p.model.name), first_case(p));
    let networks = limited.iter().filter(small).map(name(LIMITED));
    let networks = networks.chain(others.iter().filter(small).map(name("")));
    networks.chain(quantised(target)).chain(small_programs(target)).collect()
}

/// The first case, measured step by step.
fn first_case(prepared: &Prepared) -> Job {
    let mut job = prepared.job();
    job.cases.truncate(1);
    job.profile = true;
    job
}

/// Networks of the project, quantised in each way.
fn quantised(target: Target) -> Vec<Named> {
    let modes = [Mode::Int8, Mode::Int8Weights, Mode::Int16x8];
    let convolutional = |m: &Model| ["digits_cnn", "dsconv_softmax"].contains(&m.name);
    let shipped = models().into_iter().filter(convolutional).take(2);
    let networks: Vec<Prepared> = shipped.map(|m| m.prepare(target)).collect();
    networks.iter().flat_map(|p| modes.map(|mode| quantised_as(p, mode, target))).collect()
}

/// A network, quantised on its own vectors.
fn quantised_as(prepared: &Prepared, mode: Mode, target: Target) -> Named {
    let options = CompileOptions { target, ..CompileOptions::default() };
    let func = prepared.program.specialised(&options).expect("a function to quantise");
    let tensors = |case: &Vec<Vec<u8>>| {
        let types =
            func.body.blocks[func.body.entry].args.iter().map(|&v| func.body.ty(v).tensor());
        let tensor = |(ty, bytes): (Option<_>, &Vec<u8>)| {
            Tensor::from_bytes(ty.expect("a tensor"), bytes.as_slice()).expect("bytes of the type")
        };
        types.zip(case).map(tensor).collect::<Vec<_>>()
    };
    let cases: Vec<_> = prepared.inputs.iter().take(4).map(tensors).collect();
    let how = quantize::Options {
        mode,
        io: Io::Float,
        range: RangeChoice::MinMax,
        budget: None,
        wide: Precision::Float,
    };
    let module = quantize(func, &cases, &how).expect("it quantises").module;
    let program = Program { source: Source::new("", ""), module };
    let compiled = program.compile(&options).expect("what was quantised compiles");
    let name = format!("{} as {mode:?}", prepared.model.name);
    let inputs = prepared.inputs.iter().take(1).cloned().collect();
    (name, Job { artifact: compiled.artifact, cases: inputs, profile: true })
}

/// The smallest programs, on zeros.
fn small_programs(target: Target) -> Vec<Named> {
    let mut programs = vec![("no step".to_owned(), EMPTY.to_owned())];
    programs.push(("sine of a large angle".to_owned(), ANGLE.to_owned()));
    for probe in probes() {
        for element in ELEMENTS {
            let name = format!("{}, {}", probe.name, element.spelling());
            let text = probe.program(element);
            if element == Element::Quantized {
                programs.push((format!("{name}, wide"), text.replace("<i8:", "<i16:")));
            }
            programs.push((name, text));
        }
    }
    programs.into_iter().filter_map(|(name, text)| on_zeros(name, text, target)).collect()
}

/// A program on zeros, if there is one for the element type.
fn on_zeros(name: String, text: String, target: Target) -> Option<Named> {
    let source = Source::new(name.as_str(), text.as_str());
    let module = parse_module(&source).ok()?;
    verify(&module).ok()?;
    let options = CompileOptions { target, ..CompileOptions::default() };
    let compiled = Program { source, module }.compile(&options).ok()?;
    let deep = Table::name(KernelId::map.name(), &compiled.report.micro_ops) == Table::DEEP;
    let name = if deep { name + DEEP } else { name };
    let inputs = compiled.report.inputs.iter().map(|input| vec![0; input.bytes()]);
    let cases = vec![inputs.collect()];
    Some((name, Job { artifact: compiled.artifact, cases, profile: true }))
}

/// What these jobs, and those of networks and operations, take of a board's stack.
///
/// # Panics
/// The board does not run, or a job fails for another reason than that the board is too small for it.
#[must_use]
pub fn measure(board: &str, further: Vec<Named>) -> (Target, Vec<(String, JobReport)>) {
    let executor = Executor::find(board).expect("the board exists");
    let target = executor.target().expect("the compiler knows the core");
    let jobs = jobs(target, !COMPLETE.contains(&board)).into_iter().chain(further);
    let (names, jobs): (Vec<String>, Vec<Job>) = jobs.unzip();
    let outcomes = executor.run(&jobs, &options()).expect("the board runs");
    assert_eq!(outcomes.len(), names.len());
    let report = |(name, outcome): (String, Outcome)| match outcome {
        Ok(report) => Some((name, report)),
        Err(error) if error.is_not_on_board() => None,
        Err(error) => panic!("{name} on {board}: {error}"),
    };
    (target, names.into_iter().zip(outcomes).filter_map(report).collect())
}

/// The rows of a core in the table.
#[must_use]
pub fn rows(core: Target, reports: &[(String, JobReport)]) -> Table {
    let mut table = Table::default();
    for (name, report) in reports {
        table.add(core, Table::LOAD, report.load_stack_bytes);
        let steps = || report.cases.iter().flatten().flat_map(|case| &case.kernels);
        for step in steps() {
            let kernel = u16::try_from(step.kernel).ok().and_then(KernelId::from_code);
            let kernel = match kernel {
                Some(KernelId::map) if name.ends_with(DEEP) => Table::DEEP,
                _ => kernel.map_or("unknown", KernelId::name),
            };
            table.add(core, kernel, step.stack_bytes);
        }
        // What no step took was taken by setting inputs, or by seeing that there is no further step.
        let most = steps().map(|step| step.stack_bytes).max().unwrap_or(0);
        if report.run_stack_bytes > most {
            table.add(core, Table::RUN, report.run_stack_bytes);
        }
    }
    table
}

/// The file of the table.
#[must_use]
pub fn path() -> PathBuf {
    crate::root().join("compiler/src/stack/measured.txt")
}

/// Compares the table with what was measured on a core: it may not say less, nor over 5 % more, nor anything that
/// was not met. The latter two are asked where all models are installed.
///
/// # Panics
/// It does.
pub fn compare(written: &Table, measured: &Table, core: Target, command: &str) {
    let all = crate::shared().is_some();
    for (name, bytes) in measured.of(core) {
        let known = written.get(core, name);
        let known = known.unwrap_or_else(|| panic!("{core}: {name} is not known; {command}"));
        assert!(known >= bytes, "{core} {name}: {bytes} B, but {known} are known; {command}");
        let close = u64::from(known) * 100 <= u64::from(bytes) * 105;
        assert!(close || !all, "{core} {name}: {bytes} B of {known}; {command}");
    }
    let gone = written.of(core).find(|(name, _)| measured.get(core, name).is_none());
    assert!(gone.is_none() || !all, "{core}: {gone:?} was not met; {command}");
}
