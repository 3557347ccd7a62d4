//! Exported models and conformance programs, where `shared/` lies beside the workspace.

use std::path::{Path, PathBuf};

use super::super::{parse, parse_readable};
use crate::diag::{Diagnostics, Source};
use crate::front::mlir::{parse_mixed, parse_module};
use crate::ir::Module;
use crate::ops::OpKind;

/// `$MICROHLO_SHARED`, or `shared/` beside the workspace.
fn shared() -> PathBuf {
    match std::env::var_os("MICROHLO_SHARED") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    }
}

fn programs(folder: &str, suffix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(shared().join(folder)) else { return Vec::new() };
    let paths = entries.filter_map(|e| e.ok().map(|e| e.path()));
    let mut found: Vec<PathBuf> = paths.filter(|p| p.to_string_lossy().ends_with(suffix)).collect();
    found.sort();
    found
}

fn read(path: &Path) -> Result<Module, Diagnostics> {
    let bytes = std::fs::read(path).expect("the file was listed");
    parse(&path.file_name().unwrap_or_default().to_string_lossy(), &bytes)
}

fn text(path: &Path) -> Result<Module, Diagnostics> {
    Source::read(path).and_then(|source| parse_module(&source))
}

/// Whether all reports are about operations that the table lacks.
fn only_missing(errors: &Diagnostics) -> bool {
    let missing = |m: &str| m.starts_with("operation `") && m.ends_with("` is not supported");
    errors.items().iter().all(|d| missing(&d.message))
}

/// The printed module without defaults, which artifacts always or never spell out.
fn canonical(module: &Module) -> String {
    let mut module = module.clone();
    for op in module.funcs.values_mut().flat_map(|f| f.body.ops.values_mut()) {
        if let OpKind::Composite(composite) = &mut op.kind {
            composite.attributes.0.sort_by(|a, b| a.0.cmp(&b.0));
        }
    }
    let mut text = module.to_string();
    let default_accuracy = " {result_accuracy = #stablehlo.result_accuracy<mode = \
        #stablehlo<result_accuracy_mode DEFAULT>>}";
    let default = "#stablehlo<precision DEFAULT>";
    let precision = format!("precision_config = [{default}, {default}]");
    for (spelled, short) in [
        (format!(", {precision}").as_str(), ""),
        (format!(" <{{{precision}}}>").as_str(), ""),
        (", api_version = 1 : i32", ""),
        (", backend_config = \"\"", ""),
        ("atol = 0.0e0 : f64, ", ""),
        ("rtol = 0.0e0 : f64, ", ""),
        ("ulps = 0, ", ""),
        (default_accuracy, ""),
    ] {
        text = text.replace(spelled, short);
    }
    text
}

/// The first lines that differ.
fn difference(a: &Module, b: &Module) -> Option<String> {
    let (a, b) = (canonical(a), canonical(b));
    let short = |s: &str| s.chars().take(300).collect::<String>();
    let mut pairs = a.lines().zip(b.lines());
    if let Some((a, b)) = pairs.find(|(a, b)| a != b) {
        return Some(format!("bytecode: {}\ntext:     {}", short(a), short(b)));
    }
    (a.lines().count() != b.lines().count()).then(|| "different numbers of lines".into())
}

/// Compares a file with its text twin; `Ok(false)` if neither can be read.
fn twin(path: &Path, twin: &Path) -> Result<bool, String> {
    let label = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match (read(path), text(twin)) {
        (Ok(a), Ok(b)) => match difference(&a, &b) {
            None => Ok(true),
            Some(found) => Err(format!("{label}:\n{found}")),
        },
        (Err(a), Err(b)) if only_missing(&b) && !only_missing(&a) => Err(format!("{label}: {a}")),
        (Err(_), Err(_)) => Ok(false),
        (Err(a), Ok(_)) => Err(format!("{label}: {a}")),
        (Ok(_), Err(b)) => Err(format!("{label}: read, but its text is not: {b}")),
    }
}

/// The functions of a text, each as a source of its own.
fn functions(text: &str) -> Vec<Source> {
    let mut starts: Vec<usize> =
        memchr::memmem::find_iter(text.as_bytes(), "\nfunc.func").collect();
    starts.push(text.len());
    let pieces = starts.windows(2).map(|w| Source::new("twin.mlir", &text[w[0]..w[1]]));
    pieces.collect()
}

/// Only the function called `name`.
fn alone(module: &Module, name: &str) -> Option<Module> {
    let mut found = Module::default();
    found.funcs.push(module.funcs[module.find(name)?].clone());
    Some(found)
}

/// Every function of the conformance artifacts is one attribute, type or operation. Those of
/// operations that the table lacks are read by neither front end.
#[test]
fn conformance_artifacts_equal_their_text() {
    let mut failures = Vec::new();
    let (mut equal, mut total, mut whole) = (0, 0, 0);
    let paths = programs("conformance/stablehlo/vhlo-bytecode", ".mlir.bc");
    for path in &paths {
        let label = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = std::fs::read(path).expect("the file was listed");
        let (module, reports) = match parse_readable(&label, &bytes) {
            Ok(parts) => parts,
            Err(report) => {
                failures.push(report.to_string());
                continue;
            }
        };
        whole += usize::from(reports.is_empty());
        let text = std::fs::read_to_string(path.with_extension("")).expect("the twin exists");
        for source in functions(&text) {
            let Ok(twin) = parse_mixed(&source) else { continue };
            let name = twin.funcs.values().next().map_or("".into(), |f| f.name.clone());
            total += 1;
            match alone(&module, &name) {
                None => failures.push(format!("{label}: @{name} was not read")),
                Some(found) => match difference(&found, &twin) {
                    None => equal += 1,
                    Some(lines) => failures.push(format!("{label}: @{name}\n{lines}")),
                },
            }
        }
        let known = functions(&text).iter().filter(|s| parse_mixed(s).is_ok()).count();
        if module.funcs.len() > known {
            failures.push(format!("{label}: more functions were read than from text"));
        }
    }
    eprintln!("{equal} of {total} functions equal their text; {whole} of {} complete", paths.len());
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn models_equal_their_text() {
    let mut failures = Vec::new();
    let mut equal = 0;
    let mut paths = programs("models", ".mlirbc");
    paths.extend(programs("models/tf_mixed", ".mlirbc"));
    for path in &paths {
        let name = path.to_string_lossy();
        let name = name
            .trim_end_matches(".mlirbc")
            .trim_end_matches(".raw_mlir_bytecode")
            .trim_end_matches(".raw");
        let Some(text) = [format!("{name}.stablehlo.mlir"), format!("{name}.mlir")]
            .into_iter()
            .map(PathBuf::from)
            .find(|p| p.exists())
        else {
            continue;
        };
        match twin(path, &text) {
            Ok(true) => equal += 1,
            Ok(false) => eprintln!("{}: neither can be read", path.display()),
            Err(report) => failures.push(report),
        }
    }
    eprintln!("{equal} of {} models equal their text", paths.len());
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// The files in `data/`.
pub(super) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/front/bytecode/tests/data").join(name)
}

/// The shipped artifacts of `features.mlir`.
pub(super) const FEATURES: [&str; 7] = [
    "features.v0.9.0.mlirbc",
    "features.v0.10.0.mlirbc",
    "features.v0.12.0.mlirbc",
    "features.v0.14.0.mlirbc",
    "features.v1.0.0.mlirbc",
    "features.v1.16.0.mlirbc",
    "features.raw.mlirbc",
];

#[test]
fn every_bytecode_version_equals_its_text() {
    for name in FEATURES {
        assert_eq!(twin(&data(name), &data("features.mlir")), Ok(true), "{name}");
    }
}

#[test]
fn other_dialects_equal_their_text() {
    assert_eq!(twin(&data("dialects.raw.mlirbc"), &data("dialects.mlir")), Ok(true));
}

#[test]
fn vhlo_text_equals_the_program() {
    let [vhlo, program] =
        ["features.vhlo.mlir", "features.mlir"].map(|name| text(&data(name)).expect("it reads"));
    assert_eq!(difference(&vhlo, &program), None);
}

/// Attributes and types of operations that nobody registered survive.
#[test]
fn foreign_operations_keep_their_properties() {
    let bytes = std::fs::read(data("foreign.raw.mlirbc")).expect("it is in the repository");
    let read = crate::front::bytecode::parse_mixed("foreign.raw.mlirbc", &bytes).expect("it reads");
    let source = Source::read(&data("foreign.mlir")).expect("it is in the repository");
    let text = parse_mixed(&source).expect("it reads");
    assert_eq!(difference(&read, &text), None);
    assert!(read.to_string().contains("shape = array<i64: 2, 3>"), "{read}");
}

#[test]
fn attributes_of_other_dialects_are_kept_unread() {
    let module = read(&data("shardings.raw.mlirbc")).unwrap_or_else(|e| panic!("{e}"));
    let text = module.to_string();
    assert!(text.contains("sdy.sharding_rule = #sdy<\"0x"), "{text}");
    assert!(text.contains("trans_x = 78 : ui8"), "{text}");
    assert!(parse_module(&Source::new("shardings", &text)).is_ok(), "{text}");
}

#[test]
fn variants_equal_their_text() {
    let mut failures = Vec::new();
    let folder = shared().join("models");
    for path in programs("models/variants", ".mlirbc") {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let model = name.split('.').next().unwrap_or_default();
        let text = match name.contains("dense_resource") {
            true => folder.join(format!("variants/{model}.dense_resource.mlir")),
            false => folder.join(format!("{model}.stablehlo.mlir")),
        };
        failures.extend(twin(&path, &text).err());
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// `NAME.vhlo.mlir` in a folder of the developer's: the text of `NAME.mlir.bc`, function by function.
#[test]
fn extra_vhlo_text_equals_the_artifact() {
    let Some(folder) = std::env::var_os("MICROHLO_VHLO_TEXT") else { return };
    let mut failures = Vec::new();
    for path in programs(&folder.to_string_lossy(), ".vhlo.mlir") {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let artifact = name.replace(".vhlo.mlir", ".mlir.bc");
        let bytes =
            std::fs::read(shared().join("conformance/stablehlo/vhlo-bytecode").join(artifact));
        let (module, _) =
            parse_readable(&name, &bytes.expect("the artifact")).expect("the artifact reads");
        let text = std::fs::read_to_string(&path).expect("the file was listed");
        for piece in text.split("\n  vhlo.func_v1 ").skip(1) {
            let piece = piece.strip_suffix("\n}\n").unwrap_or(piece);
            let source = Source::new(&name, format!("vhlo.func_v1 {piece}"));
            let twin = match parse_mixed(&source) {
                Ok(twin) => twin,
                Err(report) => {
                    failures.push(report.to_string());
                    continue;
                }
            };
            let func = twin.funcs.values().next().map_or("".into(), |f| f.name.clone());
            match alone(&module, &func) {
                Some(found) => failures.extend(difference(&found, &twin)),
                None => eprintln!("{name}: @{func} is in the text only"),
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// `NAME.VERSION.mlirbc` beside `NAME.mlir`, in a folder of the developer's.
#[test]
fn extra_twins_equal_their_text() {
    let Some(folder) = std::env::var_os("MICROHLO_TWINS") else { return };
    let folder = folder.to_string_lossy().into_owned();
    let mut failures = Vec::new();
    let (mut equal, mut total) = (0, 0);
    for path in programs(&folder, ".mlirbc") {
        let name = path.to_string_lossy().into_owned();
        let cut = name.rfind(".raw.mlirbc").or_else(|| name.rfind(".v"));
        let text = cut.map(|at| PathBuf::from(format!("{}.mlir", &name[..at])));
        let Some(text) = text.filter(|t| t.exists()) else { continue };
        total += 1;
        match twin(&path, &text) {
            Ok(same) => equal += usize::from(same),
            Err(report) => failures.push(report),
        }
    }
    eprintln!("{equal} of {total} extra artifacts equal their text");
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}
