//! Commands of the book that build firmware of this project do, and run it where that is emulated.

use std::fs;
use std::path::Path;
use std::process::Command;

use microhlo_qemu::Registry;

/// How the book starts the command that these tests have built.
const BOARD_CARGO: &str = "cargo run --release -p microhlo-qemu --bin board-cargo --";

/// The blocks of a page that are marked so.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "```sh firmware" {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

fn run(block: &str, page: &Path, registry: &Registry) {
    let command = block.replace(BOARD_CARGO, env!("CARGO_BIN_EXE_board-cargo"));
    let mut shell = Command::new("sh");
    shell.args(["-euc", &command]).current_dir(registry.root());
    // With what other tests have built of the boards' firmware.
    shell.env("CARGO_BUILD_BUILD_DIR", registry.build_folder());
    let runner = "CARGO_TARGET_THUMBV7EM_NONE_EABIHF_RUNNER";
    shell.env(runner, env!("CARGO_BIN_EXE_microhlo-qemu"));
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
        shell.env_remove(name);
    }
    let output = shell.output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}:\n{block}\n{text}", page.display());
    // What was built for a board, as continuous integration shows it for each.
    if block.contains(BOARD_CARGO) {
        let report = text.lines().find(|line| line.starts_with("runner on nrf52840-dk: "));
        let parts = report.is_some_and(|line| line.contains(" B of FLASH, "));
        assert!(parts, "{block}\n{text}");
    }
}

#[test]
fn firmware_of_the_book_builds_and_runs() {
    let registry = Registry::find().expect("the project");
    let mut ran = 0;
    for entry in fs::read_dir(registry.root().join("docs")).expect("the book") {
        let page = entry.expect("an entry").path();
        if page.extension().is_some_and(|extension| extension == "md") {
            for block in blocks(&fs::read_to_string(&page).expect("a page")) {
                run(&block, &page, &registry);
                ran += 1;
            }
        }
    }
    assert!(ran >= 2, "{ran} blocks");
}
