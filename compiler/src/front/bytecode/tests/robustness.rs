//! Damaged files give reports, never a panic.

use super::super::parse;
use super::files::{FEATURES, data};

fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(data(name)).expect("shipped with the tests")
}

/// Replaces the only occurrence of `from` by `to`, which is as long.
fn patched(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = memchr::memmem::find(bytes, from.as_bytes()).expect("it occurs");
    let mut patched = bytes.to_vec();
    patched[at..at + to.len()].copy_from_slice(to.as_bytes());
    patched
}

#[test]
fn truncated_files_are_refused() {
    for name in FEATURES {
        let bytes = bytes_of(name);
        for len in 0..bytes.len() {
            let report = parse(name, &bytes[..len]).expect_err("part of a file");
            assert!(report.to_string().contains("at byte "), "{name}, {len} bytes: {report}");
        }
    }
}

#[test]
fn damaged_files_do_not_panic() {
    for name in FEATURES {
        let mut bytes = bytes_of(name);
        for at in 0..bytes.len() {
            let original = bytes[at];
            let flips = [0, 3, 7].map(|bit| original ^ 1 << bit);
            for byte in flips.into_iter().chain([0, 0xff, original.wrapping_add(2)]) {
                bytes[at] = byte;
                // Some damage leaves a valid file: only the absence of a panic is certain.
                if let Ok(module) = parse(name, &bytes) {
                    let _ = crate::verify::verify(&module);
                }
            }
            bytes[at] = original;
        }
    }
}

#[test]
fn operations_of_the_future_are_named() {
    let bytes = patched(&bytes_of("features.v1.0.0.mlirbc"), "constant_v1", "constant_v9");
    let bytes = patched(&bytes, "StableHLO_v1.0.0", "StableHLO_v2.0.0");
    let report = parse("future.mlirbc", &bytes).expect_err("no such operation").to_string();
    for part in
        ["`vhlo.constant_v9`", "StableHLO_v2.0.0", "at byte ", "future.mlirbc", "older target"]
    {
        assert!(report.contains(part), "no {part} in: {report}");
    }
    assert_eq!(report.matches("error:").count(), 1, "{report}");
}

#[test]
fn newer_bytecode_versions_are_refused() {
    let mut bytes = bytes_of("features.v1.0.0.mlirbc");
    bytes[4] = 0x0f;
    let report = parse("new.mlirbc", &bytes).expect_err("version 7").to_string();
    assert!(report.contains("version 7 is newer than 6"), "{report}");
}

#[test]
fn foreign_operations_are_named() {
    let bytes = patched(&bytes_of("features.raw.mlirbc"), "negate\0", "negats\0");
    let report = parse("m.mlirbc", &bytes).expect_err("no such operation").to_string();
    assert!(report.contains("operation `stablehlo.negats` is not supported"), "{report}");
    assert!(report.contains("stablehlo.negate"), "{report}");
}

#[test]
fn codes_of_the_future_are_named() {
    // 199 is the integer 99. Put at every place, it is the code of every attribute and type once.
    let original = bytes_of("features.v1.0.0.mlirbc");
    let mut reports = String::new();
    for at in 0..original.len() {
        let mut bytes = original.clone();
        bytes[at] = 199;
        if let Err(report) = parse("future.mlirbc", &bytes) {
            reports.push_str(&report.to_string());
        }
    }
    for what in ["VHLO attribute", "VHLO type", "builtin attribute"] {
        let expected = format!("unknown {what} code 99 in a file by StableHLO_v1.0.0");
        assert!(reports.contains(&expected), "{expected}");
    }
}

/// Every single reference is replaced by every other; some are to the entry itself.
#[test]
fn entries_that_contain_themselves_are_refused() {
    let original = bytes_of("features.v1.0.0.mlirbc");
    let mut reports = String::new();
    for at in 0..original.len() {
        for byte in (1..0x60).step_by(2) {
            let mut bytes = original.clone();
            bytes[at] = byte;
            if let Err(report) = parse("cycle.mlirbc", &bytes) {
                reports.push_str(&report.items()[0].message);
            }
        }
    }
    assert!(reports.contains("an attribute contains itself"));
    assert!(reports.contains("a type contains itself"));
}
