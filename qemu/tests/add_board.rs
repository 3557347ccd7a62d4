//! What `CONTRIBUTING.md` says of adding a board is done to the letter, in a copy of the project.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use microhlo_qemu::{Registry, build, check_version, run_firmware};

/// The heading of the section.
const SECTION: &str = "## Add a board";

/// Files that the section shows in full: a block's first line names its language and the file.
fn files(text: &str) -> Vec<(PathBuf, String)> {
    let (_, rest) = text.split_once(SECTION).expect("the section");
    let section = rest.split("\n## ").next().expect("its text");
    let mut files = Vec::new();
    let mut lines = section.lines();
    while let Some(line) = lines.next() {
        // Within a list, blocks are indented.
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let indent = line.len() - line.trim_start().len();
        let block: Vec<&str> = lines.by_ref().take_while(|l| l.trim() != "```").collect();
        let Some((_, path)) = info.split_once(' ') else { continue };
        let line = |l: &&str| format!("{}\n", l.get(indent..).unwrap_or_default());
        files.push((PathBuf::from(path), block.iter().map(line).collect()));
    }
    files
}

/// Copies a folder with what is in it, but builds, history and what no build of firmware reads.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let left_out = ["target", ".git", "docs", "fuzz"];
        if left_out.iter().any(|out| name == *out) {
            continue;
        }
        match kind.is_dir() {
            true => copy(&entry.path(), &to.join(name))?,
            false => fs::copy(entry.path(), to.join(name)).map(|_| ())?,
        }
    }
    Ok(())
}

#[test]
#[cfg(unix)]
fn a_board_added_as_the_documentation_says_reads_digits() {
    let project = Registry::find().expect("the project").root().to_owned();
    let text = fs::read_to_string(project.join("CONTRIBUTING.md")).expect("the documentation");
    let files = files(&text);
    let names: Vec<_> = files.iter().filter_map(|(path, _)| path.file_name()).collect();
    assert_eq!(names, ["board.toml", "board.rs"], "the section shows a whole board");
    let folder = files[0].0.parent().expect("its folder");
    let name = folder.file_name().expect("its name").to_str().expect("a name");

    // Always the same folder, with the builds of the project, so that dependencies are not built again.
    let copied = project.join("target/add-board");
    if copied.exists() {
        fs::remove_file(copied.join("target")).expect("the link to the builds");
        fs::remove_dir_all(&copied).expect("a former copy");
    }
    copy(&project, &copied).expect("a copy of the project");
    std::os::unix::fs::symlink(project.join("target"), copied.join("target")).expect("a link");
    let registry = Registry::open(&copied).expect("its boards");
    assert!(registry.board(name).is_err(), "{name} is a new board");

    for (path, text) in &files {
        let path = copied.join(path);
        fs::create_dir_all(path.parent().expect("its folder")).expect("the board's folder");
        fs::write(path, text).expect("the board's file");
    }
    let registry = Registry::open(&copied).unwrap_or_else(|error| panic!("{error}"));
    let board = registry.board(name).expect("the new board");
    check_version(board).unwrap_or_else(|error| panic!("{error}"));
    for (package, binary) in [("microhlo-calibrate", "calibrate"), ("digits-cnn", "digits-cnn")] {
        let firmware = build(&registry, board, package).unwrap_or_else(|error| panic!("{error}"));
        let code = run_firmware(board, &firmware.join(binary), Duration::from_secs(60));
        assert_eq!(code.unwrap_or_else(|error| panic!("{error}")), 0, "{binary}");
    }
}
