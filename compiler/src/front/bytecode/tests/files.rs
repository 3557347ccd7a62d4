//! Exported models and conformance programs, where `shared/` lies beside the workspace.

use std::path::{Path, PathBuf};

use super::super::parse;
use crate::diag::{Diagnostics, Source};
use crate::front::mlir::parse_module;
use crate::ir::Module;

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

/// The first lines that differ.
fn difference(a: &Module, b: &Module) -> Option<String> {
    let (a, b) = (a.to_string(), b.to_string());
    let short = |s: &str| s.chars().take(300).collect::<String>();
    let mut pairs = a.lines().zip(b.lines());
    if let Some((a, b)) = pairs.find(|(a, b)| a != b) {
        return Some(format!("bytecode: {}\ntext:     {}", short(a), short(b)));
    }
    (a.lines().count() != b.lines().count()).then(|| "different numbers of lines".into())
}

/// Compares a file with its text twin; `Ok(false)` if both lack operations.
fn twin(path: &Path, twin: &Path) -> Result<bool, String> {
    let label = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match (read(path), text(twin)) {
        (Ok(a), Ok(b)) => match difference(&a, &b) {
            None => Ok(true),
            Some(found) => Err(format!("{label}:\n{found}")),
        },
        (Err(a), Err(b)) if only_missing(&a) && only_missing(&b) => Ok(false),
        (Err(a), Ok(_)) => Err(format!("{label}: {a}")),
        (Ok(_), Err(b)) => Err(format!("{label}: read, but its text is not: {b}")),
        (Err(a), Err(b)) => Err(format!("{label}: {a}\ntext: {b}")),
    }
}

#[test]
fn models_equal_their_text() {
    let mut failures = Vec::new();
    let mut equal = 0;
    let paths = programs("models", ".mlirbc");
    for path in &paths {
        let name = path.to_string_lossy();
        let name = name.trim_end_matches(".mlirbc").trim_end_matches(".raw_mlir_bytecode");
        let Some(text) = [format!("{name}.stablehlo.mlir"), format!("{name}.mlir")]
            .into_iter()
            .map(PathBuf::from)
            .find(|p| p.exists())
        else {
            continue;
        };
        match twin(path, &text) {
            Ok(same) => equal += usize::from(same),
            Err(report) => failures.push(report),
        }
    }
    eprintln!("{equal} of {} models equal their text", paths.len());
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}
