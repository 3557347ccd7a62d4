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
///
/// ```
/// use microhlo::{Extern, Externs};
///
/// struct Functions;
///
/// impl Externs for Functions {
///     const FUNCTIONS: &'static [Extern] = &[Extern::of_any_types("board.beep", |_| Ok(()))];
/// }
///
/// assert!(Functions::find(b"board.beep").is_some());
/// ```
pub trait Externs {
    /// The functions. A model calls the first of a name.
    const FUNCTIONS: &'static [Extern];

    /// The function of this name, which is UTF-8 if the artifact is not damaged.
    ///
    /// ```
    /// use microhlo::Externs;
    ///
    /// assert!(<()>::find(b"board.beep").is_none()); // `()` has no functions
    /// ```
    fn find(name: &[u8]) -> Option<&'static Extern> {
        Self::FUNCTIONS.iter().find(|function| function.name.as_bytes() == name)
    }
}

/// No functions.
impl Externs for () {
    const FUNCTIONS: &'static [Extern] = &[];
}

/// What a function does, called with operands and results that it is [for](Extern).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use microhlo::{ExternCall, ExternError, ExternFn};
///
/// fn negate(call: &mut ExternCall<'_>) -> Result<(), ExternError> {
///     let (from, to) = (call.operand::<f32>(0)?, call.result::<f32>()?);
///     to.iter_mut().zip(from).for_each(|(to, from)| *to = -from);
///     Ok(())
/// }
///
/// let function: ExternFn = negate;
/// # let y = run_with(function, [1.0, 2.0, -3.0, 0.5])?;
/// // `y` is what a model computes that calls it with 1, 2, -3 and 0.5.
/// assert_eq!(y, [-1.0, -2.0, 3.0, -0.5]);
/// # Ok(())
/// # }
/// ```
pub type ExternFn = fn(&mut ExternCall<'_>) -> Result<(), ExternError>;

/// A function of the firmware: its name, what it is for, and what it does.
///
/// ```
/// use microhlo::{DType, Extern, ExternCall, ExternError};
///
/// fn median(call: &mut ExternCall<'_>) -> Result<(), ExternError> {
///     // ...
/// #     let _ = call;
///     Ok(())
/// }
///
/// // Of floats, with a window of three.
/// const MEDIAN: Extern = Extern::new("board.median3", &[DType::F32], &[DType::F32], median)
///     .accepting(|call| call.integer("window") == Some(3));
/// assert_eq!(MEDIAN.name(), "board.median3");
/// ```
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
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
    /// # fn main() {
    /// use microhlo::kernels::extern_call;
    /// use microhlo::{DType, Extern, ExternFault, Externs, Kernels, LoadError, Model, StepError};
    ///
    /// struct Functions;
    ///
    /// impl Externs for Functions {
    ///     const FUNCTIONS: &'static [Extern] =
    ///         &[Extern::new("board.filter", &[DType::I8], &[DType::I8], |_| Ok(()))];
    /// }
    ///
    /// static KERNELS: Kernels = Kernels { kernels: &[extern_call::entry::<Functions>()], micro: &[] };
    ///
    /// # let artifact = artifact();
    /// let error = Model::load_with(artifact, &KERNELS).expect_err("the model calls it with floats");
    /// let operands = StepError::Extern(ExternFault::Operands);
    /// assert!(matches!(error, LoadError::Step { error, .. } if error == operands));
    /// # }
    /// ```
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
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Extern, ExternCall, ExternError};
    ///
    /// fn clear(call: &mut ExternCall<'_>) -> Result<(), ExternError> {
    ///     call.result::<f32>()?.fill(0.0); // an error if it is not of floats
    ///     Ok(())
    /// }
    ///
    /// const CLEAR: Extern = Extern::of_any_types("board.clear", clear);
    /// assert_eq!(CLEAR.name(), "board.clear");
    /// # let y = run_with(clear, [1.0; 4])?;
    /// assert_eq!(y, [0.0; 4]); // the result of a model that calls it
    /// # Ok(())
    /// # }
    /// ```
    pub const fn of_any_types(name: &'static str, call: ExternFn) -> Extern {
        Extern { name, types: None, accepts: |_| true, call }
    }

    /// The function, for those calls alone that `accepts` says it is for: of certain shapes or settings. Others
    /// are refused when a model is loaded.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
    /// # fn main() {
    /// use microhlo::kernels::extern_call;
    /// use microhlo::{Extern, ExternFault, Externs, Kernels, LoadError, Model, StepError};
    ///
    /// struct Functions;
    ///
    /// impl Externs for Functions {
    ///     const FUNCTIONS: &'static [Extern] = &[Extern::of_any_types("board.filter", |_| Ok(()))
    ///         .accepting(|call| call.integer("window") == Some(5))];
    /// }
    ///
    /// static KERNELS: Kernels = Kernels { kernels: &[extern_call::entry::<Functions>()], micro: &[] };
    ///
    /// # let artifact = artifact();
    /// let error = Model::load_with(artifact, &KERNELS).expect_err("the model calls it with `window = 3`");
    /// let refused = StepError::Extern(ExternFault::Refused);
    /// assert!(matches!(error, LoadError::Step { error, .. } if error == refused));
    /// # }
    /// ```
    pub const fn accepting(self, accepts: fn(&ExternSignature<'_>) -> bool) -> Extern {
        Extern { accepts, ..self }
    }

    /// The name that models call it by.
    ///
    /// ```
    /// use microhlo::Extern;
    ///
    /// let function = Extern::of_any_types("board.beep", |_| Ok(()));
    /// assert_eq!(function.name(), "board.beep");
    /// ```
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
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
/// # fn main() {
/// use microhlo::{ExternCall, ExternError, RunError};
///
/// const BUSY: ExternError = ExternError(7);
///
/// fn sample(_: &mut ExternCall<'_>) -> Result<(), ExternError> {
///     Err(BUSY) // the converter has no sample yet
/// }
///
/// # let result = run_with(sample, [0.0; 4]);
/// // `result` is that of a run of a model that calls it as `board.filter`.
/// assert_eq!(result, Err(RunError::Extern { name: "board.filter", code: 7 }));
/// assert_eq!(BUSY.to_string(), "error 7");
/// # }
/// ```
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
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
/// # fn main() {
/// use microhlo::{ExternFault, LoadError, Model, StepError};
///
/// # let artifact = artifact();
/// // A model that calls a function, loaded without any.
/// let error = Model::load(artifact).expect_err("it is missing");
/// let missing = StepError::Extern(ExternFault::Missing);
/// assert!(matches!(error, LoadError::Step { error, .. } if error == missing));
/// # }
/// ```
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
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
/// # fn main() {
/// use microhlo::Model;
///
/// # let artifact = artifact();
/// // A model that calls `board.filter`, loaded without functions.
/// let error = Model::load(artifact).expect_err("it is missing");
/// let explained = error.explain(artifact);
/// assert_eq!(explained.function(), Some("board.filter"));
/// assert!(explained.to_string().contains("`board.filter`, which the firmware does not provide"));
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Explained<'a> {
    error: LoadError,
    name: Option<&'a str>,
}

impl LoadError {
    /// The error with what is known only of the artifact that was loaded, `artifact`: the name of the function of
    /// the firmware that a step calls. An error holds no text of it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
    /// # fn main() {
    /// use microhlo::Model;
    ///
    /// # let artifact = artifact();
    /// // A model that calls `board.filter`, loaded without functions.
    /// if let Err(error) = Model::load(artifact) {
    ///     assert!(!error.to_string().contains("board.filter"));
    ///     assert!(error.explain(artifact).to_string().contains("board.filter"));
    /// }
    /// # assert!(Model::load(artifact).is_err());
    /// # }
    /// ```
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
    ///
    /// ```
    /// use microhlo::LoadError;
    ///
    /// // An error that is not about a function.
    /// assert_eq!(LoadError::Misaligned.explain(&[]).function(), None);
    /// ```
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
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
/// # fn main() {
/// use microhlo::ExternSignature;
///
/// // Whether a filter is for a call: of one tensor of floats to another, with a window that it has.
/// fn accepts(call: &ExternSignature<'_>) -> bool {
///     (call.operand_count(), call.result_count()) == (1, 1)
///         && call.operand(0).map(|x| x.byte_len()) == call.result(0).map(|y| y.byte_len())
///         && matches!(call.integer("window"), Some(3 | 5))
/// }
/// # with_call(|call| {
/// assert!(accepts(&call)); // a model's call of four floats, with `window = 3`
/// # });
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ExternSignature<'c>(pub(crate) Call<'c>);

impl<'c> ExternSignature<'c> {
    /// Name of the function.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
    /// # fn main() {
    /// # with_call(|call| {
    /// // `call` is a call of a filter.
    /// assert_eq!(call.name(), "board.filter");
    /// # });
    /// # }
    /// ```
    pub fn name(&self) -> &'c str {
        self.0.name.as_str()
    }

    /// Number of operands.
    ///
    /// See the example of [`ExternSignature`].
    pub fn operand_count(&self) -> usize {
        self.0.operands.len()
    }

    /// Number of results.
    ///
    /// See the example of [`ExternSignature`].
    pub fn result_count(&self) -> usize {
        self.0.results.len()
    }

    /// Element type and shape of operand `i`. It has no name.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
    /// # fn main() {
    /// # with_call(|call| {
    /// // `call` is a call of a filter of four floats.
    /// let x = call.operand(0).expect("an operand");
    /// assert_eq!((x.dtype(), x.dims()), (microhlo::DType::F32, &[4][..]));
    /// assert!(call.operand(1).is_none());
    /// # });
    /// # }
    /// ```
    pub fn operand(&self, i: usize) -> Option<TensorInfo<'c>> {
        self.0.operands.get(i).map(info)
    }

    /// Element type and shape of result `i`. It has no name.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
    /// # fn main() {
    /// # with_call(|call| {
    /// // `call` is a call of a filter of four floats.
    /// let y = call.result(0).expect("a result");
    /// assert_eq!((y.dtype(), y.dims()), (microhlo::DType::F32, &[4][..]));
    /// assert!(call.result(1).is_none());
    /// # });
    /// # }
    /// ```
    pub fn result(&self, i: usize) -> Option<TensorInfo<'c>> {
        self.0.results.get(i).map(info)
    }

    /// The setting of this name, if it is a boolean.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
    /// # fn main() {
    /// # with_call(|call| {
    /// // `call` has the settings `wraps = true` and `window = 3`.
    /// assert_eq!((call.boolean("wraps"), call.boolean("window")), (Some(true), None));
    /// # });
    /// # }
    /// ```
    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.0.settings.get(name)? {
            Setting::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The setting of this name, if it is an integer.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
    /// # fn main() {
    /// # with_call(|call| {
    /// // `call` has the settings `window = 3` and `gain = 0.5`.
    /// assert_eq!((call.integer("window"), call.integer("gain")), (Some(3), None));
    /// # });
    /// # }
    /// ```
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.0.settings.get(name)? {
            Setting::Int(value) => Some(value),
            _ => None,
        }
    }

    /// The setting of this name, if it is a float of 32 bits.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
    /// # fn main() {
    /// # with_call(|call| {
    /// // `call` has the settings `gain = 0.5`, of 32 bits, and `rate = 0.1`, of 64.
    /// assert_eq!((call.float("gain"), call.float("rate")), (Some(0.5), None));
    /// # });
    /// # }
    /// ```
    pub fn float(&self, name: &str) -> Option<f32> {
        match self.0.settings.get(name)? {
            Setting::F32(value) => Some(value),
            _ => None,
        }
    }

    /// The setting of this name, if it is a float of 64 bits.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
    /// # fn main() {
    /// # with_call(|call| {
    /// // `call` has the settings `gain = 0.5`, of 32 bits, and `rate = 0.1`, of 64.
    /// assert_eq!((call.double("gain"), call.double("rate")), (None, Some(0.1)));
    /// # });
    /// # }
    /// ```
    pub fn double(&self, name: &str) -> Option<f64> {
        match self.0.settings.get(name)? {
            Setting::F64(value) => Some(value),
            _ => None,
        }
    }

    /// The setting of this name, if it is a string. A call with one string in place of named settings has
    /// that as the setting without a name, `""`.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
    /// # fn main() {
    /// # with_call(|call| {
    /// // `call` has the settings `mode = "edge"` and `window = 3`.
    /// assert_eq!((call.text("mode"), call.text("window")), (Some("edge"), None));
    /// # });
    /// # }
    /// ```
    pub fn text(&self, name: &str) -> Option<&'c str> {
        match self.0.settings.get(name)? {
            Setting::Text(value) => Some(Text::as_str(value)),
            _ => None,
        }
    }

    /// The setting of this name, if it is a list of integers.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
    /// # fn main() {
    /// # with_call(|call| {
    /// // `call` has the setting `taps = [1, 2, 1]`.
    /// assert!(call.integers("taps").is_some_and(|taps| taps.eq([1, 2, 1])));
    /// assert!(call.integers("window").is_none()); // a single one
    /// # });
    /// # }
    /// ```
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
