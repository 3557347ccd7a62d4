//! Exported models, where `shared/` lies beside the workspace.

use std::path::{Path, PathBuf};

use super::super::parse_module;
use crate::diag::Source;

/// Models that use nothing but operations of the table.
const MODELS: &[&str] = &[
    "digits_cnn",
    "digits_cnn_softmax_b8",
    "mlp_16_32_32_4",
    "mlp_tanh_vec",
    "hello_world",
    "kws_jax_nhwc_folded",
    "kws_jax_nchw",
    "kws_tfsm",
    "ad_jax_folded",
    "ic_jax_nhwc_folded",
    "ic_jax_nchw",
    "transformer_block",
    "gru_step",
    "lstm_step",
    "resnet18_args",
];

/// `shared/` beside the workspace.
pub(super) fn shared() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared")
}

pub(super) fn programs(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|e| e.ok().map(|e| e.path()));
    let mut found: Vec<PathBuf> = paths.filter(|p| p.to_string_lossy().ends_with(suffix)).collect();
    found.sort();
    found
}

/// Parses a file; `Err` holds the reports that are not about missing operations.
fn parse_file(path: &Path) -> Result<bool, String> {
    let parsed = Source::read(path).and_then(|source| parse_module(&source));
    let Err(errors) = parsed else { return Ok(true) };
    if errors.items().iter().all(|d| d.unsupported) {
        return Ok(false);
    }
    Err(errors.to_string())
}

#[test]
fn exported_models_parse() {
    let mut failures = Vec::new();
    for path in programs(&shared().join("models"), ".stablehlo.mlir") {
        match parse_file(&path) {
            Ok(true) => {}
            Ok(false) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let name = name.trim_end_matches(".stablehlo.mlir");
                eprintln!("{name}: uses operations that are not in the table");
                if MODELS.contains(&name) {
                    failures.push(format!("{name}: operations are missing"));
                }
            }
            Err(report) => failures.push(report),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn conformance_programs_parse_but_for_missing_operations() {
    let folder = shared().join("conformance/stablehlo");
    let mut failures = Vec::new();
    for kind in ["exec", "interp", "exec-math-ulp", "exec-quant", "exec-quantfile-plain"] {
        for path in programs(&folder.join(kind), ".mlir") {
            failures.extend(parse_file(&path).err());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn other_spellings_of_a_model_parse() {
    let folder = shared().join("models/variants");
    for model in ["digits_cnn", "mlp_16_32_32_4"] {
        for spelling in ["generic", "generic_debug", "dense_resource"] {
            let path = folder.join(format!("{model}.{spelling}.mlir"));
            if path.exists() {
                assert_eq!(parse_file(&path), Ok(true), "{}", path.display());
            }
        }
        let elided = folder.join(format!("{model}.elided.mlir"));
        if elided.exists() {
            let report = parse_file(&elided).expect_err("elided weights are refused");
            assert!(report.contains("their values are lost"), "{report}");
        }
    }
}
