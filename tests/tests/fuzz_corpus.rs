//! The corpus of the fuzz targets, replayed. An input that once made a target fail stays there.

use std::path::PathBuf;

use microhlo_tests::fuzz;

/// Runs a target on every file of its folder, and on each cut in half and with one byte changed.
fn replay(name: &str, target: fn(&[u8])) {
    let folder = microhlo_tests::root().join("tests/fuzz/corpus").join(name);
    let files = std::fs::read_dir(&folder).expect("the corpus");
    let mut files: Vec<PathBuf> = files.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        // A failing input is found by the last line of the output.
        println!("{}", file.display());
        let mut bytes = std::fs::read(&file).expect("a file");
        target(&bytes);
        target(&bytes[..bytes.len() / 2]);
        let middle = bytes.len() / 3;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte = byte.wrapping_add(1);
        }
        target(&bytes);
    }
}

#[test]
fn text() {
    replay("text", fuzz::text);
}

#[test]
fn bytecode() {
    replay("bytecode", fuzz::bytecode);
}

#[test]
fn hlo_text() {
    replay("hlo_text", fuzz::hlo_text);
}

#[test]
fn proto() {
    replay("proto", fuzz::proto);
}

#[test]
fn programs() {
    replay("programs", fuzz::programs);
}

#[test]
fn artifact() {
    replay("artifact", fuzz::artifact);
}
