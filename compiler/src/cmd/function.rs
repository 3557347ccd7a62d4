//! Which function of a program a command takes: options of all commands that compile or evaluate one.

use crate::compile::{CompileOptions, Size};

/// A function, and the sizes that it is taken with.
#[derive(Debug, Clone, clap::Args)]
pub struct Function {
    /// The function to take; by default `main` or the only public one.
    #[arg(long = "function", alias = "entry", value_name = "NAME")]
    name: Option<String>,
    /// The size of a symbolic dimension, or the shape of an argument by its name or number:
    /// `m=8`, `arg0=8x16`, `arg0.0=8`. May be repeated.
    #[arg(long, value_name = "NAME=SIZE")]
    shape: Vec<Size>,
}

impl Function {
    /// The options with this function.
    pub fn of(&self, options: CompileOptions) -> CompileOptions {
        CompileOptions { entry: self.name.clone(), sizes: self.shape.clone(), ..options }
    }
}
