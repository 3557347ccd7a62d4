//! The slow exact evaluator: oracle of the kernels and engine of constant folding.

mod error;
mod tensor;

pub use error::EvalError;
pub use tensor::{Element, Tensor};

use crate::ir::Module;

/// Runs functions of a module.
pub struct Evaluator<'m> {
    module: &'m Module,
}

impl<'m> Evaluator<'m> {
    /// An evaluator of a module's functions.
    pub fn new(module: &'m Module) -> Self {
        Evaluator { module }
    }

    /// The module.
    pub fn module(&self) -> &'m Module {
        self.module
    }
}
