//! The crates to be published can be: their metadata is complete, and cargo packs them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn cargo(arguments: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(arguments).current_dir(root).output().expect("cargo")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The packages that are to be published, as cargo sees them.
fn published() -> Vec<Value> {
    let output = cargo(&["metadata", "--no-deps", "--locked", "--format-version", "1"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata");
    let packages = metadata["packages"].as_array().expect("packages").clone();
    // An empty list of registries is `publish = false`.
    packages.into_iter().filter(|package| package["publish"].is_null()).collect()
}

fn name(package: &Value) -> &str {
    package["name"].as_str().expect("a name")
}

/// What a registry and its readers ask for.
#[test]
fn metadata_is_complete() {
    let packages = published();
    let names: BTreeSet<&str> = packages.iter().map(name).collect();
    for needed in ["microhlo", "microhlo-build", "microhlo-capi", "microhlo-slots"] {
        assert!(names.contains(needed), "{needed} is not to be published");
    }
    for package in &packages {
        let name = name(package);
        for field in ["description", "license", "readme", "rust_version"] {
            assert!(package[field].is_string(), "{name} has no {field}");
        }
        let length = |field: &str| package[field].as_array().map_or(0, Vec::len);
        assert!((1..=5).contains(&length("keywords")), "{name}: one to five keywords");
        assert!((1..=5).contains(&length("categories")), "{name}: one to five categories");
        let folder =
            Path::new(package["manifest_path"].as_str().expect("a path")).with_file_name("");
        let readme = std::fs::read_to_string(folder.join("README.md")).expect("a README");
        assert!(readme.starts_with(&format!("# {name}\n")), "{name}: title of its README");
        assert!(readme.contains("```rust") || readme.contains("```sh"), "{name}: README example");
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let used = dependency["name"].as_str().expect("a name");
            let normal = dependency["kind"] != "dev";
            if normal && !dependency["path"].is_null() {
                assert!(names.contains(used), "{name} needs {used}, which is not published");
                assert_ne!(dependency["req"], "*", "{name} needs {used} of no version");
            }
        }
    }
}

/// What is in the packages: what is needed, and no data of tests.
#[test]
fn packages_hold_what_they_need() {
    for package in published() {
        let name = name(&package);
        let output = cargo(&["package", "--list", "--allow-dirty", "--locked", "--package", name]);
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        let list = text(&output.stdout);
        let files: BTreeSet<&str> = list.lines().collect();
        for needed in ["README.md", "LICENSE-APACHE", "LICENSE-MIT", "src/lib.rs"] {
            assert!(files.contains(needed), "{name} lacks {needed}");
        }
        let folder =
            Path::new(package["manifest_path"].as_str().expect("a path")).with_file_name("");
        for file in files {
            // Some are made while packing.
            let length = std::fs::metadata(folder.join(file)).map_or(0, |metadata| metadata.len());
            assert!(length <= 50_000, "{name} would ship {file} of {length} bytes");
            let foreign = ["py", "mlirbc", "npz", "bin"];
            let extension = Path::new(file).extension().and_then(|extension| extension.to_str());
            assert!(!extension.is_some_and(|e| foreign.contains(&e)), "{name} would ship {file}");
        }
    }
}

/// Cargo packs all of them at once, each on top of the others. It does not build them here: this tree is built
/// anyway, and `cargo package --workspace` does it before they are published.
#[test]
fn cargo_packs_the_workspace() {
    let target = tempfile::tempdir().expect("a folder");
    let folder = target.path().to_str().expect("a path in Unicode");
    let mut arguments = vec!["package", "--workspace", "--no-verify", "--allow-dirty", "--locked"];
    arguments.extend(["--target-dir", folder]);
    // Builds have asked the registry for all that is needed, usually.
    let mut output = cargo(&[&arguments[..], &["--offline"]].concat());
    if !output.status.success() {
        output = cargo(&arguments);
    }
    assert!(output.status.success(), "{}", text(&output.stderr));
    for package in published() {
        let file =
            format!("{}-{}.crate", name(&package), package["version"].as_str().unwrap_or(""));
        let file = target.path().join("package").join(file);
        let length = std::fs::metadata(&file).expect("a package").len();
        assert!((1_000..2_000_000).contains(&length), "{} has {length} bytes", file.display());
    }
}
