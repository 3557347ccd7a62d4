//! `microhlo plan` on instance files: answers, exit codes, and the time limit.

use std::fs;
use std::process::Output;
use std::time::{Duration, Instant};

use microhlo_tests::{microhlo, shared, stderr, stdout};

/// Buffers of which the two largest live sets cannot both be packed tightly: 4 bytes are alive
/// together, 5 are needed.
const GAP: &str = "id,lower,upper,size\n0,0,3,2\n1,2,5,1\n2,4,7,2\n3,6,9,1\n4,8,9,2\n5,0,2,1\n";

fn plan(args: &[&str]) -> Output {
    microhlo(env!("CARGO_BIN_EXE_microhlo-under-test"), &[&["plan"], args].concat())
}

/// Writes an instance and returns its path, in a folder that is kept as long as the result.
fn instance(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("instance.csv");
    fs::write(&path, text).expect("the instance");
    let path = path.display().to_string();
    (folder, path)
}

#[test]
fn the_smallest_arena_is_found_and_written() {
    let (folder, path) = instance(GAP);
    let out = folder.path().join("out.csv").display().to_string();
    let output = plan(&[&path, "-o", &out]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("no placement is smaller"), "{}", stdout(&output));
    let solved = fs::read_to_string(out).expect("the solved instance");
    assert!(solved.starts_with("id,lower,upper,size,offset\n"), "{solved}");
    assert_eq!(solved.lines().count(), 7, "{solved}");
}

#[test]
fn what_does_not_fit_is_an_error_with_its_proof() {
    let (_folder, path) = instance(GAP);
    let output = plan(&[&path, "--capacity", "2"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("at least 3 bytes"), "{}", stderr(&output));
    assert_eq!(plan(&[&path, "--capacity", "9", "--minimize"]).status.code(), Some(0));
}

#[test]
fn bad_input_is_named() {
    let (_folder, path) = instance("id,lower,upper,size\n0,5,5,1\n");
    let output = plan(&[&path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("line 2"), "{}", stderr(&output));
    let output = plan(&["absent.csv"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("absent.csv"), "{}", stderr(&output));
    let (_folder, path) = instance(GAP);
    assert_eq!(plan(&[&path, "--time=-1"]).status.code(), Some(2));
}

/// Nobody has closed this one, so that it takes all the time there is.
#[test]
fn the_time_limit_is_respected() {
    let Some(folder) = shared() else { return };
    let path = folder.join("allocation/D.1048576.csv").display().to_string();
    let start = Instant::now();
    let output = plan(&[&path, "--capacity", "986112", "--time", "1"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stderr(&output).contains("not decided"), "{}", stderr(&output));
    // The heuristics before the search, and a busy machine.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(stdout(&output).contains("a gap of"), "{}", stdout(&output));
}
