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

/// Folders of the crates whose public items have examples, and the modules of them that are made by macros.
const SHOWN: [(&str, &[&str]); 10] = [
    ("compiler/src", &[]),
    ("compiler/build/src", &[]),
    ("qemu/src", &[]),
    ("qemu/board-description/src", &[]),
    ("qemu/probe/src", &[]),
    ("qemu/protocol/src", &[]),
    ("runtime-nostd/src", &["kernels", "micro"]),
    ("runtime-nostd/capi/src", &[]),
    ("runtime-nostd/format/src", &[]),
    ("runtime-nostd/slots/src", &[]),
];

/// The lines of a file without items that are hidden, that tests have, or that are in a private module.
fn shown_lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut skipped: Option<usize> = None;
    for line in text.lines() {
        let start = line.trim_start();
        let indent = line.len() - start.len();
        let hidden = ["#[doc(hidden)]", "#[cfg(test)]"].contains(&start);
        if hidden || start.starts_with("mod ") && start.ends_with('{') {
            skipped = skipped.or(Some(indent));
        }
        if skipped.is_none() {
            lines.push(line);
        }
        // The last line of an item: of a type, a function, a field.
        let remark = start.starts_with("//") || start.starts_with("#[");
        if skipped == Some(indent) && !remark && start.ends_with(['}', ';', ',']) {
            skipped = None;
        }
    }
    lines
}

/// A file and those of the modules below it that are public, or of which it makes items public.
fn shown_files(file: PathBuf, without: &[&str]) -> Vec<PathBuf> {
    let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let folder = match file.ends_with("lib.rs") || file.ends_with("mod.rs") {
        true => file.with_file_name(""),
        false => file.with_extension(""),
    };
    let lines = shown_lines(&text);
    let named = |name: &str| {
        let paths = [format!("pub use {name}::"), format!("pub use self::{name}::")];
        lines.iter().any(|line| paths.iter().any(|path| line.starts_with(path)))
    };
    let mut files = vec![file];
    for line in &lines {
        let (path, module) = line.split_once("mod ").unwrap_or_default();
        let Some(name) = module.strip_suffix(';') else { continue };
        let shown = path == "pub " || ["", "pub(crate) "].contains(&path) && named(name);
        if shown && !without.contains(&name) {
            let paths = [format!("{name}.rs"), format!("{name}/mod.rs")];
            let mut found = paths.iter().map(|path| folder.join(path)).filter(|path| path.exists());
            files.extend(shown_files(found.next().expect("the file of a module"), without));
        }
    }
    files
}

/// The name of a public function, type or trait that is declared in a line.
fn declared(line: &str) -> Option<&str> {
    let mut words = line.trim_start().strip_prefix("pub ")?.split([' ', '(', '<', '{', ':', ';']);
    let kind =
        words.find(|word| !["const", "unsafe", "async", "extern", "\"C\""].contains(word))?;
    ["fn", "struct", "enum", "trait", "type", "union"].contains(&kind).then(|| words.next())?
}

#[test]
fn public_items_have_examples() {
    let mut shown = 0;
    for (folder, without) in SHOWN {
        let mut files = shown_files(root().join(folder).join("lib.rs"), without);
        // Functions of models are called with one of its types.
        if folder == "runtime-nostd/src" {
            files.push(root().join(folder).join("kernels/extern_call.rs"));
        }
        for file in files {
            let text = fs::read_to_string(&file).expect("source");
            let mut documentation = String::new();
            for line in shown_lines(&text) {
                let start = line.trim_start();
                if start.starts_with("///") || start.starts_with("#[doc = ") {
                    documentation += start;
                    continue;
                }
                if let Some(name) = declared(line).filter(|name| !name.starts_with('$')) {
                    let example = documentation.contains("```")
                        || documentation.contains("See the example of");
                    assert!(example, "{}: `{name}` has no example", file.display());
                    shown += 1;
                }
                if !start.starts_with("#[") && !start.starts_with("//") && !start.ends_with(")]") {
                    documentation.clear();
                }
            }
        }
    }
    assert!(shown >= 700, "{shown} items");
}
