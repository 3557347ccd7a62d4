//! Every program that is accepted prints as text that parses to an equal one.

use std::path::{Path, PathBuf};

use microhlo_compiler::diag::Source;
use microhlo_compiler::front::mlir::parse_module;
use microhlo_compiler::ir::Module;
use microhlo_compiler::verify::verify;
use microhlo_tests::shared;

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        match path.is_dir() {
            true => collect(&path, files),
            false if path.extension().is_some_and(|e| e == "mlir") => files.push(path),
            false => {}
        }
    }
}

/// What is wrong with the printed form of a program; `None` if the program is not accepted.
fn trouble(name: &str, text: &str) -> Option<Result<(), String>> {
    let module = parse_module(&Source::new(name, text)).ok()?;
    verify(&module).ok()?;
    Some(print_and_read(name, &module).map_or(Ok(()), Err))
}

fn print_and_read(name: &str, module: &Module) -> Option<String> {
    let printed = module.to_string();
    let again = match parse_module(&Source::new(name, printed.clone())) {
        Ok(again) => again,
        Err(reports) => return Some(format!("{name} prints as what does not parse: {reports}")),
    };
    if let Err(violations) = verify(&again) {
        return Some(format!("{name} prints as an invalid program: {violations:?}"));
    }
    let reprinted = again.to_string();
    let differs = printed.lines().zip(reprinted.lines()).find(|(a, b)| a != b);
    match (differs, printed == reprinted) {
        (_, true) => None,
        (Some((a, b)), _) => Some(format!("{name}:\n  {a}\n  {b}")),
        (None, _) => Some(format!("{name}: the lengths differ")),
    }
}

#[test]
fn printed_programs_read_back() {
    let Some(shared) = shared() else {
        eprintln!("not tested: there is no ../shared");
        return;
    };
    let mut files = Vec::new();
    collect(&shared.join("conformance/stablehlo"), &mut files);
    assert!(files.len() > 3000);
    let (mut accepted, mut found) = (0, Vec::new());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("text");
        let name = file.display().to_string();
        for outcome in text.split("\n// -----").filter_map(|part| trouble(&name, part)) {
            accepted += 1;
            found.extend(outcome.err());
        }
    }
    assert!(accepted >= 2350, "only {accepted} programs are accepted");
    assert!(found.is_empty(), "{} programs:\n{}", found.len(), found.join("\n"));
}
