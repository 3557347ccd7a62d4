//! The book: every page is listed, its commands run, and messages that it explains exist.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use microhlo_tests::{stderr, stdout};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the project's folder")
}

fn page(name: &str) -> String {
    let path = root().join("docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names of the pages, in order.
fn pages() -> Vec<String> {
    let summary = page("SUMMARY.md");
    let links = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    links.map(str::to_owned).collect()
}

/// The blocks of a page that are marked as of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.strip_prefix("```") == Some(language) {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(block.join("\n"));
        } else if line.starts_with("```") {
            lines.by_ref().take_while(|line| *line != "```").for_each(drop);
        }
    }
    blocks
}

#[test]
fn the_summary_lists_every_page() {
    let mut listed = pages();
    listed.push("SUMMARY.md".to_owned());
    listed.sort();
    let files = fs::read_dir(root().join("docs")).expect("the documents");
    let names =
        files.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    let mut there: Vec<String> = names.filter(|name| name.ends_with(".md")).collect();
    there.sort();
    assert_eq!(listed, there);
}

/// A folder that commands of the book run in: the project's examples, and what pages call their own model and inputs.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("examples/models");
    fs::create_dir_all(&to).expect("a folder");
    let from = root().join("examples/models");
    for entry in fs::read_dir(&from).expect("the models") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
    let own = ["model.stablehlo.mlir", "inputs.npz", "others.npz"];
    let theirs = ["digits_cnn.stablehlo.mlir", "digits_cnn.npz", "digits_cnn.npz"];
    for (own, theirs) in own.iter().zip(theirs) {
        fs::copy(from.join(theirs), folder.path().join(own)).expect("a copy");
    }
    // The command under its own name.
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).expect("a folder");
    let command = env!("CARGO_BIN_EXE_microhlo-under-test");
    let script = format!("#!/bin/sh\nexec '{command}' \"$@\"\n");
    let path = bin.join("microhlo");
    fs::write(&path, script).expect("a script");
    let made = Command::new("chmod").arg("+x").arg(&path).status().expect("chmod");
    assert!(made.success());
    folder
}

#[test]
fn commands_of_the_book_run() {
    let on_boards = cfg!(feature = "qemu-tests");
    let mut ran = 0;
    for name in pages() {
        let folder = folder();
        let path = std::env::var("PATH").unwrap_or_default();
        for block in blocks(&page(&name), "sh") {
            if block.contains("--on ") && !on_boards {
                continue;
            }
            let mut shell = Command::new("sh");
            shell.args(["-euc", &block]).current_dir(folder.path());
            shell.env("PATH", format!("{}:{path}", folder.path().join("bin").display()));
            // Boards are found from the project's folder.
            shell.env("MICROHLO_ROOT", root());
            let output = shell.output().expect("a shell");
            let text = (stdout(&output), stderr(&output));
            assert!(output.status.success(), "docs/{name}:\n{block}\n{}{}", text.0, text.1);
            ran += 1;
        }
    }
    assert!(ran >= 10, "{ran} blocks");
}

/// The project's Rust source, without tests.
fn source() -> String {
    let mut text = String::new();
    let mut folders: Vec<PathBuf> =
        ["compiler/src", "runtime-nostd", "qemu"].map(|name| root().join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text += &fs::read_to_string(path).expect("source");
            }
        }
    }
    // A text that goes on in the next line.
    text.replace("\\\n", "").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn messages_that_are_explained_exist() {
    let source = source();
    let text = page("troubleshooting.md");
    let messages = text.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    let messages: Vec<&str> = messages.collect();
    assert!(messages.len() >= 15, "{messages:?}");
    for message in messages {
        for part in message.split("...").map(str::trim).filter(|part| part.len() > 2) {
            assert!(source.contains(part), "`{part}` of `{message}` is in no message");
        }
    }
}
