//! What the documents list is what the code has.

use std::fs;
use std::path::{Path, PathBuf};

use microhlo_compiler::coverage::{coverage, markdown};
use microhlo_compiler::passes::decompose::custom::is_known_target;
use microhlo_format::{KernelId, MicroOp, VERSION_MAJOR, VERSION_MINOR};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_table_of_operations_is_what_verifier_and_compiler_say() {
    let (written, now) = (document("docs/operations.md"), markdown(&coverage()));
    let mut lines = written.lines().zip(now.lines());
    if let Some((old, new)) = lines.find(|(old, new)| old != new) {
        panic!("`microhlo ops --markdown` prints\n{new}\nwhere docs/operations.md has\n{old}");
    }
    assert_eq!(written, now, "`microhlo ops --markdown` prints another number of lines");
}

#[test]
fn the_artifact_format_lists_every_kernel_and_micro_operation() {
    let text = document("docs/artifact-format.md");
    let version = format!("version {VERSION_MAJOR}.{VERSION_MINOR}.");
    assert!(text.contains(&version), "it does not specify {version}");
    assert!(text.contains(&format!("minor version, {VERSION_MINOR} |")), "its header's version");
    for &kernel in KernelId::ALL {
        let entry = format!("**{} `{}`**", kernel as u16, kernel.name());
        assert!(text.contains(&entry), "{entry} is missing");
    }
    for &op in MicroOp::ALL {
        let entry = format!("| {} | {}", op as u16, op.text());
        assert!(text.contains(&entry), "{entry} is missing");
    }
}

#[test]
fn listed_targets_of_custom_calls_are_known() {
    let text = document("docs/custom-calls.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let targets: Vec<&str> = rows.flat_map(|cell| cell.split(['`', ',', ' '])).collect();
    let targets: Vec<&str> = targets.into_iter().filter(|name| !name.is_empty()).collect();
    assert!(targets.len() > 20, "{targets:?}");
    for target in targets {
        // LAPACK's element types: `lapack_?getrf_ffi` is any of four, or of those that there are.
        let any = ["s", "d", "c", "z"].iter().any(|t| is_known_target(&target.replace('?', t)));
        assert!(any, "{target} is listed and not known");
    }
}

#[test]
fn every_example_is_listed() {
    let text = document("docs/examples.md");
    let folders = fs::read_dir(root().join("examples")).expect("the examples");
    for folder in folders.map(|entry| entry.expect("an entry")) {
        let name = folder.file_name().into_string().expect("a name");
        let member = folder.path().join("Cargo.toml").exists();
        let listed = text.contains(&format!("\n| `{name}` |"));
        assert!(listed || name == "models", "docs/examples.md does not list {name}");
        let workspace = document("boards/Cargo.toml");
        assert!(!member || workspace.contains(&format!("../examples/{name}\"")), "{name}");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let docs = fs::read_dir(root().join("docs")).expect("the documents");
    let mut names: Vec<PathBuf> = docs.map(|entry| entry.expect("an entry").path()).collect();
    names.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|n| root().join(n)));
    for name in names {
        let text = fs::read_to_string(&name).expect("a document");
        for rest in text.split("](").skip(1) {
            let target = rest.split(['#', ')']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = name.parent().expect("a folder").join(target);
            assert!(path.exists(), "{}: {target} does not exist", name.display());
        }
    }
}
