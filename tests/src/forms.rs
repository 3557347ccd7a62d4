//! The shared models in every form that they come in, with their vectors.

use std::path::{Path, PathBuf};

use microhlo_compiler::cmd::difference::{Difference, Tolerance};
use microhlo_compiler::cmd::exec::Executor;
use microhlo_compiler::cmd::load;
use microhlo_compiler::cmd::vectors::{self, Port, Values};
use microhlo_compiler::compile::{CompileOptions, Size, Target};
use microhlo_compiler::eval::Element;
use microhlo_compiler::npz;
use microhlo_format::{Artifact, DType};
use microhlo_qemu::{Job, Outcome};

/// Extensions of the forms, the longest first.
const FORMS: [&str; 6] = [
    ".raw_mlir_bytecode.mlirbc",
    ".stablehlo.mlir",
    ".mixed.mlir",
    ".mlirbc",
    ".hlo.txt",
    ".hlo.pb",
];

/// A model in one form, at one size if its shapes are symbolic.
#[derive(Clone, Debug)]
pub struct Form {
    /// Name of the model.
    pub model: String,
    /// The program.
    pub path: PathBuf,
    /// Inputs and expected outputs, if there are any.
    pub vectors: Option<PathBuf>,
    /// Shapes of the arguments.
    pub sizes: Vec<Size>,
    /// How far outputs may be off.
    pub tolerance: f64,
    /// Steps that integer outputs may be off.
    pub steps: i64,
}

impl Form {
    /// The file's name, and the size.
    pub fn label(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let sizes = self.sizes.iter().map(|s| {
            let dims: Vec<String> = s.dims.iter().map(u64::to_string).collect();
            format!(" {}={}", s.name, dims.join("x"))
        });
        name.into_owned() + &sizes.collect::<String>()
    }

    /// Compiles it, and prepares the job that runs all its cases.
    ///
    /// # Errors
    /// What went wrong.
    pub fn prepare(&self, target: Target) -> Result<Prepared, String> {
        let program = load::open_program(&self.path).map_err(|e| e.to_string())?;
        let mut options: CompileOptions = load::options_for(&self.path, target);
        options.sizes.clone_from(&self.sizes);
        let compiled = program.compile(&options).map_err(|e| e.to_string())?;
        let artifact = Artifact::parse(&compiled.artifact).map_err(|e| e.to_string())?;
        let (inputs, outputs) = load::ports(&artifact);
        let Some(path) = &self.vectors else {
            let job =
                Job { artifact: compiled.artifact.clone(), cases: Vec::new(), profile: false };
            return Ok(Prepared { job, outputs, expected: Vec::new() });
        };
        let text = |e: microhlo_compiler::cmd::CmdError| e.to_string();
        let shaped = vectors::shaped_cases(path, &inputs).map_err(text)?;
        let read = |prefix: &str, ports: &[Port]| match &shaped {
            Some(cases) => vectors::read_cases(path, prefix, ports, cases),
            None => vectors::read(path, prefix, ports),
        };
        let (given, expected) =
            (read("in", &inputs).map_err(text)?, read("out", &outputs).map_err(text)?);
        let cases = vectors::case_count(&given).max(vectors::case_count(&expected));
        let case = |values: &[Values], case: usize| -> Option<Vec<Vec<u8>>> {
            values.iter().map(|v| Some(v.case(case)?.to_vec())).collect()
        };
        let all = |values: &[Values]| {
            let cases = (0..cases).map(|c| case(values, c)).collect::<Option<Vec<_>>>();
            cases.ok_or_else(|| "arrays of different numbers of cases".to_owned())
        };
        let job = Job { artifact: compiled.artifact.clone(), cases: all(&given)?, profile: false };
        Ok(Prepared { job, outputs, expected: all(&expected)? })
    }

    /// Compares what a run gave with the expected outputs.
    ///
    /// # Errors
    /// What differs.
    pub fn judge(&self, prepared: &Prepared, outcome: Outcome) -> Result<(), String> {
        let report = outcome.map_err(|e| e.to_string())?;
        for (i, port) in prepared.outputs.iter().enumerate() {
            let mut difference = Difference::default();
            let atol = match self.model.starts_with("ad_") && port.dtype == DType::F32 {
                // Errors of the autoencoder are relative to what it reconstructs.
                true => 1e-3 * range(prepared, i),
                false => self.tolerance,
            };
            for (case, expected) in prepared.expected.iter().enumerate() {
                let actual = match report.cases.get(case) {
                    Some(Ok(case)) => &case.outputs[i],
                    Some(Err(e)) => return Err(e.clone()),
                    None => return Err("a case did not run".to_owned()),
                };
                if self.steps > 0 && port.dtype.is_integer() {
                    within_steps(port.dtype, actual, &expected[i], self.steps)?;
                    continue;
                }
                let tolerance = Tolerance { atol, rtol: 0.0 };
                difference.add(case, port.dtype, actual, &expected[i], tolerance);
            }
            if difference.beyond > 0 {
                return Err(format!("output {i}: {difference:?}"));
            }
        }
        Ok(())
    }

    /// Compiles and runs it on the host and compares.
    ///
    /// # Errors
    /// What went wrong.
    pub fn run_on_host(&self) -> Result<(), String> {
        let prepared = self.prepare(Target::Host)?;
        let mut outcomes =
            Executor::Host.run(std::slice::from_ref(&prepared.job), &super::options())?;
        let outcome = outcomes.pop().ok_or("no outcome")?;
        self.judge(&prepared, outcome)
    }
}

/// A form ready to run.
pub struct Prepared {
    /// All its cases.
    pub job: Job,
    /// Outputs in order.
    pub outputs: Vec<Port>,
    /// Per case, the bytes of every expected output.
    pub expected: Vec<Vec<Vec<u8>>>,
}

fn range(prepared: &Prepared, output: usize) -> f64 {
    let values = prepared.expected.iter().flat_map(|case| case[output].as_chunks::<4>().0);
    let values = values.map(|&b| f64::from(f32::from_le_bytes(b)));
    let (min, max) = values.fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(x), b.max(x)));
    max - min
}

fn within_steps(dtype: DType, actual: &[u8], expected: &[u8], steps: i64) -> Result<(), String> {
    let decode = |b: &[u8]| Element::decode(dtype, b).as_int().unwrap_or(i128::MAX);
    let size = dtype.size();
    let pairs = actual.chunks_exact(size).zip(expected.chunks_exact(size));
    let most = pairs.map(|(a, e)| (decode(a) - decode(e)).abs()).max().unwrap_or(0);
    match most <= i128::from(steps) {
        true => Ok(()),
        false => Err(format!("{most} steps off, {steps} allowed")),
    }
}

/// Every model of the folder in every form, variants included.
pub fn forms(shared: &Path) -> Vec<Form> {
    let folder = shared.join("models");
    let manifest = std::fs::read_to_string(folder.join("manifest.json")).expect("the manifest");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let mut found = Vec::new();
    for entry in manifest.as_array().expect("a list of models") {
        let model = entry["name"].as_str().expect("a name");
        for form in FORMS {
            let path = folder.join(format!("{model}{form}"));
            if path.exists() {
                found.extend(sized(&folder, model, entry, path));
            }
        }
    }
    found
}

/// A form, once per size of its cases.
fn sized(folder: &Path, model: &str, entry: &serde_json::Value, path: PathBuf) -> Vec<Form> {
    let vectors = Some(folder.join(format!("{model}.npz"))).filter(|p| p.exists());
    let (tolerance, steps) = match (model, &entry["tol"]) {
        (_, serde_json::Value::Number(n)) => (n.as_f64().expect("a number"), 0),
        // Ties of rounding add up over eight layers and a softmax; the producers' own
        // implementations are this far apart.
        (_, serde_json::Value::String(_)) if model.starts_with("ic_") => (0.0, 42),
        (_, serde_json::Value::String(_)) => (0.0, 1),
        // The expected outputs are those of a runtime that quantises activations too.
        ("kws_tfq_uq_hybrid", _) => (5e-2, 0),
        _ => (1e-4, 0),
    };
    let sizes = Vec::new();
    let form = Form { model: model.to_owned(), path, vectors, sizes, tolerance, steps };
    let Some(path) = form.vectors.clone().filter(|_| model.starts_with("dyn_")) else {
        return vec![form];
    };
    let arrays = npz::read(&path, |name| name.contains("_in")).expect("the vectors");
    let case = |k: usize| {
        let shape = |i: usize| arrays.get(&format!("case{k}_in{i}")).map(|a| a.dims.clone());
        let sized = |(i, dims)| Size { name: format!("arg{i}"), dims };
        let sizes: Vec<Size> = (0..).map_while(shape).enumerate().map(sized).collect();
        (!sizes.is_empty()).then(|| Form { sizes, ..form.clone() })
    };
    (0..).map_while(case).collect()
}
