//! Why an evaluation stopped.

use crate::ops::OpError;

/// Why an evaluation stopped.
///
/// ```
/// use microhlo_compiler::eval::{EvalError, Evaluator};
/// use microhlo_compiler::front;
///
/// let text = "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
///   return %x : tensor<2xf32>
/// }";
/// let (_, module) = front::parse("same.mlir", text)?;
/// let mut evaluator = Evaluator::new(&module);
/// assert_eq!(evaluator.call("other", &[]), Err(EvalError::UnknownFunction("other".to_owned())));
/// let error = evaluator.call("main", &[]).unwrap_err();
/// assert_eq!(error.to_string(), "input mismatch: 1 arguments expected, 0 given");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The evaluator does not define this operation on these types.
    #[error("`{op}` cannot be evaluated: {why}")]
    Unsupported {
        /// Full name of the operation.
        op: &'static str,
        /// What is not supported.
        why: String,
    },
    /// The operation is malformed.
    #[error("`{op}`: {error}")]
    Op {
        /// Full name of the operation, empty until the evaluator knows it.
        op: &'static str,
        /// What is wrong.
        error: OpError,
    },
    /// A shape is only known at run time where a static one is needed.
    #[error("the type {ty} has no static shape of a supported size")]
    DynamicShape {
        /// The type as text.
        ty: String,
    },
    /// Inputs differ in number or type from the function's arguments.
    #[error("input mismatch: {0}")]
    Inputs(String),
    /// A called function is not in the module or has no body.
    #[error("the module has no function `@{0}` with a body")]
    UnknownFunction(String),
    /// Calls nest too deeply.
    #[error("calls and regions nest deeper than {0}")]
    Depth(usize),
    /// The step budget is used up.
    #[error("evaluation stopped after its budget of {0} steps")]
    Budget(u64),
}

impl EvalError {
    /// An operation that the evaluator does not define on these types.
    pub(crate) fn unsupported(op: &'static str, why: impl Into<String>) -> Self {
        EvalError::Unsupported { op, why: why.into() }
    }

    /// The same error, naming the operation where it does not yet.
    pub(crate) fn named(self, name: &'static str) -> Self {
        match self {
            EvalError::Op { op: "", error } => EvalError::Op { op: name, error },
            other => other,
        }
    }
}

impl From<OpError> for EvalError {
    fn from(error: OpError) -> Self {
        EvalError::Op { op: "", error }
    }
}
