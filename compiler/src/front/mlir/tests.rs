//! Tests of the text front end.

use std::path::{Path, PathBuf};

use super::parse_module;
use crate::diag::Source;
use crate::ir::Module;

/// `shared/` beside the workspace, where the larger test material lives if it is there.
fn shared() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared")
}

fn parse(text: &str) -> Module {
    match parse_module(&Source::new("t.mlir", text)) {
        Ok(module) => module,
        Err(errors) => panic!("{errors}"),
    }
}
