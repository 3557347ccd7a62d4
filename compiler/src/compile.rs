//! The pipeline: from a parsed module to an artifact.

use crate::diag::Span;

/// Why a program cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// Where in the source.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// Whether the program is valid and only beyond what this version supports.
    pub unsupported: bool,
}

impl CompileError {
    /// An error in the program.
    pub fn at(span: Span, message: impl Into<String>) -> Self {
        CompileError { span, message: message.into(), unsupported: false }
    }

    /// A valid program that this version does not support.
    pub fn unsupported(span: Span, message: impl Into<String>) -> Self {
        CompileError { span, message: message.into(), unsupported: true }
    }
}
