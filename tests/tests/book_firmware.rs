//! The firmware that the book makes from nothing is made to the letter, built, and run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use microhlo_qemu::Registry;
use microhlo_tests::{root, stderr, stdout};

/// The blocks of the page: what follows the language, and the text.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let name = info.split_once(' ').map_or("", |(_, name)| name);
        blocks.push((name.to_owned(), text.join("\n") + "\n"));
    }
    blocks
}

/// Runs commands of the page, with the builds and the dependencies of the boards' firmware, so that little is built.
fn run(commands: &str, folder: &Path, registry: &Registry) -> String {
    let mut shell = Command::new("sh");
    shell.args(["-euc", commands]).current_dir(folder);
    let path = std::env::var("PATH").unwrap_or_default();
    shell.env("PATH", format!("{}:{path}", folder.join("bin").display()));
    shell.env("CARGO_BUILD_BUILD_DIR", registry.build_folder());
    // Settings meant for this build would break or redo that one.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
        shell.env_remove(name);
    }
    let output = shell.output().expect("a shell");
    let text = stdout(&output);
    assert!(output.status.success(), "{commands}\n{text}{}", stderr(&output));
    text
}

#[test]
fn the_firmware_of_the_book_reads_a_digit() {
    let root = root().canonicalize().expect("the project's folder");
    let registry = Registry::open(&root).expect("the boards");
    let page = fs::read_to_string(root.join("docs/firmware.md")).expect("the page");
    let folder = tempfile::tempdir().expect("a folder");
    symlink(&root, folder.path().join("microhlo")).expect("the clone");
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).expect("a folder");
    symlink(env!("CARGO_BIN_EXE_microhlo-under-test"), bin.join("microhlo")).expect("a link");

    let (mut files, mut printed, mut promised) = (Vec::new(), String::new(), String::new());
    for (name, text) in blocks(&page) {
        match name.as_str() {
            "beside" => printed += &run(&text, folder.path(), &registry),
            "" => promised += &text,
            name => {
                files.push(PathBuf::from(name));
                // By a path without links, packages are those that the boards' firmware is built of.
                let text = text.replace("../microhlo/", &format!("{}/", root.display()));
                fs::write(folder.path().join(name), text).expect("a file");
                let locked = folder.path().join("digit/Cargo.lock");
                fs::copy(root.join("boards/Cargo.lock"), locked).expect("versions");
            }
        }
    }
    assert_eq!(files.len(), 5, "{files:?}");
    assert_eq!(promised, "it is a 7\n");
    assert!(printed.starts_with(&promised), "{printed}");
    assert!(printed.contains("kernels"), "{printed}");
}
