//! Reading a program takes at most three times the memory of its file.
//!
//! A process of its own reads each program, so that the system's own account of its largest size
//! is that of the reading alone. Only Linux keeps one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use microhlo_compiler::cmd::load;
use microhlo_tests::shared;

/// Names the file that this process shall read.
const VARIABLE: &str = "MICROHLO_TEST_READS";

/// Names a small file of the same form that is read before, so that the reader's code and tables
/// are in memory already.
const FIRST: &str = "MICROHLO_TEST_READS_FIRST";

/// Memory that the system gives in pieces, used or not.
const SLACK: u64 = 512 << 10;

/// The largest size that this process had, in bytes.
fn largest() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

/// The part of the test that runs in the process of its own.
#[test]
fn reads_what_it_is_told() {
    let Some(path) = std::env::var_os(VARIABLE) else { return };
    if let Some(first) = std::env::var_os(FIRST) {
        load::open_program(Path::new(&first)).expect("a small program");
    }
    let before = largest().expect("the system tells");
    let program = load::open_program(Path::new(&path)).expect("a program");
    let after = largest().expect("the system tells");
    assert!(!program.module.funcs.is_empty());
    println!("grown by {} bytes", after - before);
}

fn growth(path: &Path, first: &Path) -> u64 {
    let this = std::env::current_exe().expect("this test");
    let output = Command::new(this)
        .args(["reads_what_it_is_told", "--exact", "--nocapture", "--test-threads", "1"])
        .env(VARIABLE, path)
        .env(FIRST, first)
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let grown = text.split("grown by ").nth(1).and_then(|t| t.split(' ').next());
    grown.and_then(|t| t.parse().ok()).expect("a number")
}

/// Constants of 1 MiB each.
fn text(name: &str, count: usize, literal: &str) -> (String, String) {
    let mut text = String::from("func.func @main() {\n");
    for i in 0..count {
        let ty = "tensor<262144xf32>";
        writeln!(text, "  %c{i} = stablehlo.constant dense<{literal}> : {ty}").expect("a line");
    }
    text.push_str("  return\n}\n");
    (name.to_owned(), text)
}

#[test]
fn reading_takes_at_most_three_times_the_file() {
    if largest().is_none() {
        eprintln!("not tested: there is no /proc/self/status");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let hex = format!("\"0x{}\"", "2EBF7C3C".repeat(262_144));
    let decimal = format!("[{}2.5e-3]", "-1.64448321, ".repeat(262_143));
    let write = |(name, text): (String, String)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let small = write(text("small.mlir", 1, "2.0"));
    let mut files: Vec<(PathBuf, PathBuf)> = Vec::new();
    files.push((write(text("hex.mlir", 16, &hex)), small.clone()));
    files.push((write(text("decimal.mlir", 16, &decimal)), small));
    match shared() {
        Some(shared) => {
            let model = |name: &str, form: &str| shared.join(format!("models/{name}.{form}"));
            let forms = ["stablehlo.mlir", "mlirbc", "hlo.txt", "hlo.pb"];
            files.extend(forms.map(|form| (model("ad_tfxla", form), model("kws_tfxla", form))));
        }
        None => eprintln!("only text is tested: there is no ../shared"),
    }
    for (path, small) in files {
        let size = std::fs::metadata(&path).expect("the file").len();
        let grown = growth(&path, &small);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        eprintln!("{name}: {size} bytes, {:.2} times in memory", grown as f64 / size as f64);
        assert!(grown <= 3 * size + SLACK, "{name}: {grown} bytes for {size}");
    }
}
