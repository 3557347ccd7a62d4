//! Functions of the firmware that models call.
//!
//! A program may have operations that only the firmware can compute: a filter in hardware, a table of its own.
//! `microhlo compile --extern NAME` leaves them in the artifact as calls by name. The firmware registers
//! its functions in a table that it links as part of its kernel set:
//!
//! ```
//! use microhlo::{DType, Extern, ExternCall, ExternError, Externs, Kernels};
//!
//! /// Each element times the setting `gain`.
//! fn amplify(call: &mut ExternCall<'_>) -> Result<(), ExternError> {
//!     let gain = call.signature().float("gain").ok_or(ExternError(1))?;
//!     let (from, to) = (call.operand::<f32>(0)?, call.result::<f32>()?);
//!     to.iter_mut().zip(from).for_each(|(to, from)| *to = from * gain);
//!     Ok(())
//! }
//!
//! struct Functions;
//!
//! impl Externs for Functions {
//!     const FUNCTIONS: &'static [Extern] =
//!         &[Extern::new("board.amplify", &[DType::F32], &[DType::F32], amplify)];
//! }
//!
//! static KERNELS: Kernels =
//!     Kernels { kernels: &[microhlo::kernels::extern_call::entry::<Functions>()], micro: &[] };
//! ```
//!
//! Loading a model proves that all its calls are of functions that are there, with operands and results of the
//! types that they are for.

use core::fmt;

use microhlo_format::kernels::{Call, ExternTensor, Setting};
use microhlo_format::{DType, KernelId, Place, Tensor as Declared, Text};

use crate::error::{LoadError, StepError};
use crate::kernels::extern_call::ExternCall;
use crate::tensor::TensorInfo;

/// The functions that a firmware has for its models.
pub trait Externs {
    /// The functions. A model calls the first of a name.
    const FUNCTIONS: &'static [Extern];

    /// The function of this name, which is UTF-8 if the artifact is not damaged.
    fn find(name: &[u8]) -> Option<&'static Extern> {
        Self::FUNCTIONS.iter().find(|function| function.name.as_bytes() == name)
    }
}

/// No functions.
impl Externs for () {
    const FUNCTIONS: &'static [Extern] = &[];
}

/// What a function does, called with operands and results that it is [for](Extern).
pub type ExternFn = fn(&mut ExternCall<'_>) -> Result<(), ExternError>;

/// A function of the firmware: its name, what it is for, and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Extern {
    name: &'static str,
    /// Element types of operands and results, if it is for these alone.
    types: Option<[&'static [DType]; 2]>,
    accepts: fn(&ExternSignature<'_>) -> bool,
    pub(crate) call: ExternFn,
}

impl Extern {
    /// A function for operands and results of these element types, of any shape.
    pub const fn new(
        name: &'static str,
        operands: &'static [DType],
        results: &'static [DType],
        call: ExternFn,
    ) -> Extern {
        Extern { name, types: Some([operands, results]), accepts: |_| true, call }
    }

    /// A function for what [`accepting`](Extern::accepting) says, or for anything: it has to look at what
    /// it is given.
    pub const fn of_any_types(name: &'static str, call: ExternFn) -> Extern {
        Extern { name, types: None, accepts: |_| true, call }
    }

    /// The function, for those calls alone that `accepts` says it is for: of certain shapes or settings. Others
    /// are refused when a model is loaded.
    pub const fn accepting(self, accepts: fn(&ExternSignature<'_>) -> bool) -> Extern {
        Extern { accepts, ..self }
    }

    /// The name that models call it by.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the function is for a call.
    pub(crate) fn check(&self, call: &ExternSignature<'_>) -> Result<(), ExternFault> {
        let ExternSignature(Call { operands, results, .. }) = *call;
        if let Some([read, written]) = self.types {
            let is = |tensors: &microhlo_format::List<'_, ExternTensor<Place>>, types: &[DType]| {
                tensors.iter().map(|tensor| tensor.dtype).eq(types.iter().copied())
            };
            if !is(&operands, read) {
                return Err(ExternFault::Operands);
            }
            if !is(&results, written) {
                return Err(ExternFault::Results);
            }
        }
        if (self.accepts)(call) { Ok(()) } else { Err(ExternFault::Refused) }
    }
}

/// Why a function gave up; the number is its own. It ends the run as
/// [`RunError::Extern`](crate::RunError::Extern).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ExternError(pub u32);

impl ExternError {
    /// The function asked for an operand or result that there is not, or one of another element type.
    pub const NO_SUCH_TENSOR: ExternError = ExternError(u32::MAX);
}

impl fmt::Display for ExternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ExternError::NO_SUCH_TENSOR => f.write_str(
                "it asked for an operand or result that there is not, or of another element type",
            ),
            ExternError(code) => write!(f, "error {code}"),
        }
    }
}

impl core::error::Error for ExternError {}

/// What is wrong with a call of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ExternFault {
    /// The firmware has no function of this name.
    Missing,
    /// The function is for operands of other element types, or another number of them.
    Operands,
    /// The function is for results of other element types, or another number of them.
    Results,
    /// The function is not for such shapes or settings.
    Refused,
}

impl fmt::Display for ExternFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Called(None, *self).fmt(f)
    }
}

/// A fault, with the name of the function if it is known.
struct Called<'a>(Option<&'a str>, ExternFault);

impl fmt::Display for Called<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Called(name, fault) = self;
        f.write_str("the model calls ")?;
        match name {
            Some(name) => write!(f, "`{name}`"),
            None => f.write_str("a function"),
        }?;
        f.write_str(match fault {
            ExternFault::Missing => {
                ", which the firmware does not provide; register it in the `Externs` of its kernel set"
            }
            ExternFault::Operands => {
                " with operands of other types than the firmware's function of this name is for"
            }
            ExternFault::Results => {
                " for results of other types than the firmware's function of this name has"
            }
            ExternFault::Refused => {
                " with shapes or settings that the firmware's function of this name is not for"
            }
        })
    }
}

/// A [`LoadError`] with the name of the function that it is about, if it is about one.
#[derive(Clone, Copy, Debug)]
pub struct Explained<'a> {
    error: LoadError,
    name: Option<&'a str>,
}

impl LoadError {
    /// The error with what is known only of the artifact that was loaded, `artifact`: the name of the function of
    /// the firmware that a step calls. An error holds no text of it.
    pub fn explain(self, artifact: &[u8]) -> Explained<'_> {
        let call = match self {
            LoadError::Step { offset, .. } => Call::at(artifact, offset),
            _ => None,
        };
        Explained { error: self, name: call.map(|call| call.name.as_str()) }
    }
}

impl Explained<'_> {
    /// The function that the error is about.
    pub fn function(&self) -> Option<&str> {
        self.name
    }
}

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (LoadError::Step { step, offset, error }, Some(_)) = (self.error, self.name) else {
            return self.error.fmt(f);
        };
        let fault = match error {
            StepError::Extern(fault) => fault,
            // A firmware without functions does not link what calls them.
            StepError::MissingKernel(KernelId::extern_call) => ExternFault::Missing,
            _ => return self.error.fmt(f),
        };
        write!(f, "step {step} at offset {offset}: {}", Called(self.name, fault))
    }
}

/// What a call of a function is: name, operands, results and settings.
#[derive(Clone, Copy, Debug)]
pub struct ExternSignature<'c>(pub(crate) Call<'c>);

impl<'c> ExternSignature<'c> {
    /// Name of the function.
    pub fn name(&self) -> &'c str {
        self.0.name.as_str()
    }

    /// Number of operands.
    pub fn operand_count(&self) -> usize {
        self.0.operands.len()
    }

    /// Number of results.
    pub fn result_count(&self) -> usize {
        self.0.results.len()
    }

    /// Element type and shape of operand `i`. It has no name.
    pub fn operand(&self, i: usize) -> Option<TensorInfo<'c>> {
        self.0.operands.get(i).map(info)
    }

    /// Element type and shape of result `i`. It has no name.
    pub fn result(&self, i: usize) -> Option<TensorInfo<'c>> {
        self.0.results.get(i).map(info)
    }

    /// The setting of this name, if it is a boolean.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.0.settings.get(name)? {
            Setting::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The setting of this name, if it is an integer.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.0.settings.get(name)? {
            Setting::Int(value) => Some(value),
            _ => None,
        }
    }

    /// The setting of this name, if it is a float of 32 bits.
    pub fn float(&self, name: &str) -> Option<f32> {
        match self.0.settings.get(name)? {
            Setting::F32(value) => Some(value),
            _ => None,
        }
    }

    /// The setting of this name, if it is a float of 64 bits.
    pub fn double(&self, name: &str) -> Option<f64> {
        match self.0.settings.get(name)? {
            Setting::F64(value) => Some(value),
            _ => None,
        }
    }

    /// The setting of this name, if it is a string. A call with one string in place of named settings has
    /// that as the setting without a name, `""`.
    pub fn text(&self, name: &str) -> Option<&'c str> {
        match self.0.settings.get(name)? {
            Setting::Text(value) => Some(Text::as_str(value)),
            _ => None,
        }
    }

    /// The setting of this name, if it is a list of integers.
    pub fn integers(&self, name: &str) -> Option<impl Iterator<Item = i64> + use<'c>> {
        match self.0.settings.get(name)? {
            Setting::Ints(values) => Some(values.iter()),
            _ => None,
        }
    }
}

/// An operand or result as callers see tensors.
fn info<'c>(tensor: ExternTensor<Place>) -> TensorInfo<'c> {
    let bytes = tensor.byte_len().unwrap_or(0) as usize;
    let ExternTensor { dtype, dims, place } = tensor;
    TensorInfo { tensor: Declared { name: Text::default(), dtype, dims, place }, bytes }
}
