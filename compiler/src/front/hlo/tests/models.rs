//! Exported models, where the full test data are installed: the outputs of their HLO forms.

use std::path::{Path, PathBuf};

use microhlo_format::Artifact;
use microhlo_qemu::{Job, Options};

use crate::cmd::difference::{Difference, Tolerance};
use crate::cmd::load::{self, Input, Program};
use crate::cmd::vectors::{self, Port, Values};
use crate::compile::Target;
use crate::eval::{Evaluator, Tensor};
use crate::ir::{Func, TensorType, Type};

/// Steps after which evaluation gives up; the models that are larger compile.
const STEPS: u64 = 20_000_000;

/// The models' folder: in `MICROHLO_SHARED`, or in `shared` beside the workspace.
fn models() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    std::env::var_os("MICROHLO_SHARED").map_or(beside, PathBuf::from).join("models")
}

fn files(folder: &Path, suffixes: &[&str]) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|e| e.ok().map(|e| e.path()));
    let matches = |p: &PathBuf| suffixes.iter().any(|s| p.to_string_lossy().ends_with(s));
    let mut found: Vec<PathBuf> = paths.filter(matches).collect();
    found.sort();
    found
}

fn program(path: &Path) -> Result<Program, String> {
    match load::open(path) {
        Ok(Input::Program(program)) => Ok(*program),
        Ok(Input::Artifact(_)) => Err("is an artifact".to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Ports of a function's tensors.
fn ports<'a>(types: impl Iterator<Item = &'a Type>) -> Vec<Port> {
    let port = |ty: &Type| {
        let ty = ty.tensor()?;
        let (dtype, dims) = (ty.dtype()?, ty.static_dims()?);
        Some(Port { name: String::new(), dtype, dims, stored: None })
    };
    types.filter_map(port).collect()
}

/// Inputs and expected outputs of one case.
struct Case {
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
}

fn case(npz: &Path, func: &Func) -> Result<(Case, Vec<Port>, Vec<Port>), String> {
    let args = &func.body.blocks[func.body.entry].args;
    let inputs = ports(args.iter().map(|&v| func.body.ty(v)));
    let outputs = ports(func.results.iter());
    let first = |values: Vec<Values>| -> Option<Vec<Vec<u8>>> {
        values.iter().map(|v| v.case(0).map(<[u8]>::to_vec)).collect()
    };
    let read = |prefix, ports: &[Port]| {
        let values = vectors::read(npz, prefix, ports).map_err(|e| e.to_string())?;
        first(values).ok_or_else(|| "the vectors have no case".to_string())
    };
    let case = Case { inputs: read("in", &inputs)?, outputs: read("out", &outputs)? };
    Ok((case, inputs, outputs))
}

/// The outputs on the host if the program compiles, else the evaluator's.
fn outputs(program: &Program, case: &Case, inputs: &[Port]) -> Result<Vec<Vec<u8>>, String> {
    if let Ok(compiled) = program.compile(&load::options_for(Path::new("m"), Target::Host)) {
        Artifact::parse(&compiled.artifact).map_err(|e| e.to_string())?;
        let cases = vec![case.inputs.clone()];
        let job = Job { artifact: compiled.artifact, cases, profile: false };
        let report = crate::cmd::exec::run_on_host(&job, &Options::default());
        let mut report = report.map_err(|e| e.to_string())?;
        return report.cases.remove(0).map(|c| c.outputs);
    }
    let tensors = inputs.iter().zip(&case.inputs).map(|(port, bytes)| {
        let ty = TensorType::fixed(&port.dims, port.dtype);
        Tensor::from_bytes(&ty, bytes.as_slice()).map_err(|e| e.to_string())
    });
    let tensors: Vec<Tensor> = tensors.collect::<Result<_, _>>()?;
    let main = program.module.find("main").ok_or("there is no main")?;
    let mut evaluator = Evaluator::with_budget(&program.module, STEPS);
    let results = evaluator.run(main, &tensors).map_err(|e| e.to_string())?;
    Ok(results.iter().map(|t| t.bytes().to_vec()).collect())
}

fn check(path: &Path, npz: &Path) -> Result<(), String> {
    let program = program(path)?;
    let main = program.module.find("main").ok_or("there is no main")?;
    let (case, inputs, ports) = case(npz, &program.module.funcs[main])?;
    let actual = outputs(&program, &case, &inputs)?;
    let tolerance = Tolerance { atol: 1e-4, rtol: 0.0 };
    for ((actual, expected), port) in actual.iter().zip(&case.outputs).zip(&ports) {
        let mut difference = Difference::default();
        difference.add(0, port.dtype, actual, expected, tolerance);
        if difference.beyond > 0 {
            return Err(format!("{difference:?}"));
        }
    }
    (actual.len() == case.outputs.len()).then_some(()).ok_or("outputs are missing".to_string())
}

#[test]
fn hlo_forms_give_the_expected_outputs() {
    let mut failures = Vec::new();
    let paths = files(&models(), &[".hlo.txt", ".hlo.pb"]);
    assert!(!paths.is_empty() || !models().exists(), "the models have no HLO forms");
    for path in paths {
        let text = path.to_string_lossy();
        let npz = PathBuf::from(text.trim_end_matches(".hlo.txt").trim_end_matches(".hlo.pb"))
            .with_extension("npz");
        let outcome = match npz.exists() {
            true => check(&path, &npz),
            false => program(&path).map(|_| ()),
        };
        failures.extend(outcome.err().map(|e| format!("{}: {e}", path.display())));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn elided_weights_are_refused_in_both_printers() {
    for path in files(&models().join("variants"), &[".hlo.txt"]) {
        let report = program(&path).err().expect("elided weights are refused");
        assert!(report.contains("their values are lost"), "{report}");
        assert!(report.contains("print_large_constants"), "{report}");
    }
}
