//! Parameters of calls of functions that the firmware has, and no kernel.

use core::borrow::Borrow;
use core::fmt;

use serde::Serialize;

use super::Params;
use super::check::{product, read, write};
use super::decode::{Decode, empty};
use crate::program::take_step;
use crate::{
    Access, AccessKind, DType, Field, Fields, KernelId, List, MAX_TENSOR_RANK, Overlap, ParamError,
    Place, Text,
};

/// Longest name of a function, in bytes.
pub const MAX_EXTERN_NAME: usize = 64;
/// Most bytes of the settings of a call, as [`Settings`] are encoded.
pub const MAX_EXTERN_SETTINGS: usize = 256;
/// Most operands of a call.
pub const MAX_EXTERN_OPERANDS: usize = 8;
/// Most results of a call.
pub const MAX_EXTERN_RESULTS: usize = 4;

/// Calls a function of the firmware.
///
/// Operands and results are dense and row-major. The function writes all elements of all results, which
/// lie on no operand and not on each other, and touches no other memory of the model.
/// See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExternCall<P> {
    /// Name of the function, as UTF-8.
    pub name: heapless::Vec<u8, MAX_EXTERN_NAME>,
    /// What the program says besides: see [`Settings`].
    pub settings: heapless::Vec<u8, MAX_EXTERN_SETTINGS>,
    /// What it reads.
    pub operands: heapless::Vec<ExternTensor<P>, MAX_EXTERN_OPERANDS>,
    /// What it writes.
    pub results: heapless::Vec<ExternTensor<P>, MAX_EXTERN_RESULTS>,
}

/// An operand or result of an [`ExternCall`]. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExternTensor<P> {
    /// Element type.
    pub dtype: DType,
    /// Sizes of its dimensions, outermost first.
    pub dims: heapless::Vec<u32, MAX_TENSOR_RANK>,
    /// Where it lies.
    pub place: P,
}

impl<P: Copy> ExternTensor<P> {
    /// Size in bytes. See the example of [`Call`].
    ///
    /// # Errors
    /// It exceeds 2^31 - 1.
    pub fn byte_len(&self) -> Result<u32, ParamError> {
        product(&[product(&self.dims)?, self.dtype.size() as u32])
    }

    fn access(&self, kind: AccessKind, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let align = self.dtype.align() as u32;
        let operand = match kind {
            AccessKind::Read => read(self.place, align),
            // What the function does with its operands while it writes is not known.
            _ => write(self.place, align).over(Overlap::NEVER),
        };
        operand.of(&[self.byte_len()?], visit)
    }
}

impl<'b> Field<'b> for ExternTensor<Place> {
    #[inline(never)]
    fn take(fields: &mut Fields<'b>) -> ExternTensor<Place> {
        let mut tensor: ExternTensor<Place> = empty();
        tensor.decode(fields);
        tensor
    }
}

impl<P: Copy> Params<P> for ExternCall<P> {
    type With<Q: Copy> = ExternCall<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> ExternCall<Q> {
        let mut tensor = |t: &ExternTensor<P>| ExternTensor {
            dtype: t.dtype,
            dims: t.dims.clone(),
            place: f(t.place),
        };
        ExternCall {
            name: self.name.clone(),
            settings: self.settings.clone(),
            operands: self.operands.iter().map(&mut tensor).collect(),
            results: self.results.iter().map(&mut tensor).collect(),
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        check(&self.name, Settings(&self.settings))?;
        tensor_accesses(&self.operands, &self.results, visit)
    }
}

/// Operands are read, results are written.
fn tensor_accesses<P: Copy, T: Borrow<ExternTensor<P>>>(
    operands: impl IntoIterator<Item = T>,
    results: impl IntoIterator<Item = T>,
    visit: &mut dyn FnMut(Access<P>),
) -> Result<(), ParamError> {
    for operand in operands {
        operand.borrow().access(AccessKind::Read, visit)?;
    }
    results.into_iter().try_for_each(|result| result.borrow().access(AccessKind::Write, visit))
}

/// Checks what of a call is no tensor.
fn check(name: &[u8], settings: Settings<'_>) -> Result<(), ParamError> {
    if name.is_empty() {
        return Err(ParamError::Zero);
    }
    let mut fields = Fields::new(settings.0);
    while !fields.rest().is_empty() {
        Setting::take(&mut fields);
    }
    if fields.good() { Ok(()) } else { Err(ParamError::BadCode) }
}

/// A call in the artifact: [`ExternCall`], read where it lies.
///
/// ```
/// # #[cfg(not(feature = "std"))]
/// # fn main() {}
/// # #[cfg(feature = "std")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use microhlo_format::kernels::{Call, ExternCall, ExternTensor, Setting};
/// use microhlo_format::{DType, Kernel, Place};
///
/// let mut settings = Vec::new();
/// Setting::F32(0.5).encode("gain", &mut settings)?;
/// Setting::encode_ints("taps", &[1, 2, 1], &mut settings)?;
/// let tensor = |place| ExternTensor { dtype: DType::F32, dims: [4].into_iter().collect(), place };
/// let call = Kernel::extern_call(ExternCall {
///     name: b"board.filter".iter().copied().collect(),
///     settings: settings.iter().copied().collect(),
///     operands: [tensor(Place::arena(0))].into_iter().collect(),
///     results: [tensor(Place::arena(16))].into_iter().collect(),
/// });
///
/// // As a reader of the artifact sees it, without a copy.
/// let body = call.encode()?;
/// let call = Call::parse(&body).expect("a call");
/// assert_eq!((call.name.as_str(), call.operands.len()), ("board.filter", 1));
/// assert_eq!(call.results.get(0).map(|result| result.byte_len()), Some(Ok(16)));
/// let mut touched = 0;
/// call.accesses(&mut |access| touched += access.end)?;
/// assert_eq!(touched, 32);
/// assert!(matches!(call.settings.get("gain"), Some(Setting::F32(0.5))));
/// let names: Vec<&str> = call.settings.iter().map(|(name, _)| name.as_str()).collect();
/// assert_eq!(names, ["gain", "taps"]);
/// let taps = call.settings.get("taps").map(|value| value.to_string());
/// assert_eq!(taps.as_deref(), Some("[1, 2, 1]"));
/// // These bytes are no step of an artifact.
/// assert!(Call::at(&body, 0).is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Name of the function.
    pub name: Text<'a>,
    /// What the program says besides.
    pub settings: Settings<'a>,
    /// What it reads.
    pub operands: List<'a, ExternTensor<Place>>,
    /// What it writes.
    pub results: List<'a, ExternTensor<Place>>,
}

impl<'a> Call<'a> {
    /// Reads the body of an `extern_call` step. See the example of [`Call`].
    pub fn parse(body: &'a [u8]) -> Option<Call<'a>> {
        let mut fields = Fields::new(body);
        let name: Text<'a> = fields.take();
        let settings: Text<'a> = fields.take();
        let operands = tensors(&mut fields, MAX_EXTERN_OPERANDS)?;
        let results = tensors(&mut fields, MAX_EXTERN_RESULTS)?;
        let settings = Settings(settings.as_bytes());
        let fits = name.as_bytes().len() <= MAX_EXTERN_NAME
            && settings.0.len() <= MAX_EXTERN_SETTINGS
            && fields.good()
            && fields.rest().is_empty();
        fits.then_some(Call { name, settings, operands, results })
    }

    /// Reads the step that starts at an offset of an artifact, if it is an `extern_call`.
    /// See the example of [`Call`].
    pub fn at(artifact: &'a [u8], offset: u32) -> Option<Call<'a>> {
        let (kernel, body, _) = take_step(artifact.get(offset as usize..)?).ok()?;
        Call::parse(body).filter(|_| kernel == KernelId::extern_call)
    }

    /// See [`Params::accesses`]. See the example of [`Call`].
    ///
    /// # Errors
    /// The parameters make no sense.
    pub fn accesses(&self, visit: &mut dyn FnMut(Access<Place>)) -> Result<(), ParamError> {
        check(self.name.as_bytes(), self.settings)?;
        tensor_accesses(self.operands, self.results, visit)
    }
}

/// A list of tensors.
fn tensors<'a>(fields: &mut Fields<'a>, most: usize) -> Option<List<'a, ExternTensor<Place>>> {
    let count = fields.take::<u32>() as usize;
    let start = fields.rest();
    if count > most {
        return None;
    }
    for _ in 0..count {
        ExternTensor::take(fields);
    }
    let bytes = start.len().checked_sub(fields.left())?;
    Some(List::new(count, start.get(..bytes)?))
}

/// What a program says to a function besides its operands: named values, one after the other.
///
/// Each is encoded as its name (string), its kind (u8) and the value: 0 a boolean, 1 an integer (zigzag
/// varint of 64 bits), 2 an f32, 3 an f64 (eight little-endian bytes), 4 a string, 5 a list of integers.
/// See the example of [`Call`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings<'a>(pub &'a [u8]);

/// One value of [`Settings`]. See the example of [`Call`].
#[derive(Clone, Copy, Debug)]
pub enum Setting<'a> {
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float of 32 bits.
    F32(f32),
    /// A float of 64 bits.
    F64(f64),
    /// A string.
    Text(Text<'a>),
    /// Integers.
    Ints(List<'a, i64>),
}

impl<'a> Setting<'a> {
    /// Takes a name and a value.
    fn take(fields: &mut Fields<'a>) -> (Text<'a>, Setting<'a>) {
        let name = fields.take();
        let kind: u8 = fields.take();
        let value = match kind {
            0 => Setting::Bool(fields.take()),
            1 => Setting::Int(fields.take()),
            2 => Setting::F32(fields.take()),
            3 => Setting::F64(f64::from_le_bytes(fields.take())),
            4 => Setting::Text(fields.take()),
            5 => Setting::Ints(ints(fields)),
            _ => {
                fields.fail();
                Setting::Bool(false)
            }
        };
        (name, value)
    }
}

/// A list of integers.
fn ints<'a>(fields: &mut Fields<'a>) -> List<'a, i64> {
    let count: u32 = fields.take();
    let start = fields.rest();
    for _ in 0..count {
        if !fields.good() {
            break;
        }
        let _: i64 = fields.take();
    }
    let bytes = start.get(..start.len().saturating_sub(fields.left())).unwrap_or(&[]);
    List::new(count as usize, bytes)
}

impl<'a> Settings<'a> {
    /// All values with their names, in the order of the program. See the example of [`Call`].
    pub fn iter(self) -> impl Iterator<Item = (Text<'a>, Setting<'a>)> {
        let mut fields = Fields::new(self.0);
        core::iter::from_fn(move || {
            let more = !fields.rest().is_empty();
            more.then(|| Setting::take(&mut fields)).filter(|_| fields.good())
        })
    }

    /// The value of this name. See the example of [`Call`].
    pub fn get(self, name: &str) -> Option<Setting<'a>> {
        self.iter().find(|(other, _)| *other == name.into()).map(|(_, value)| value)
    }
}

impl fmt::Display for Setting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Bool(value) => value.fmt(f),
            Setting::Int(value) => value.fmt(f),
            Setting::F32(value) => value.fmt(f),
            Setting::F64(value) => value.fmt(f),
            Setting::Text(value) => write!(f, "{:?}", value.as_str()),
            Setting::Ints(values) => f.debug_list().entries(values.iter()).finish(),
        }
    }
}

#[cfg(feature = "std")]
impl Setting<'_> {
    /// Appends the value with its name to encoded settings. See the example of [`Call`].
    ///
    /// # Errors
    /// None that can happen: there is room for any value.
    pub fn encode(&self, name: &str, out: &mut std::vec::Vec<u8>) -> Result<(), postcard::Error> {
        let ints = |list: &List<'_, i64>| list.iter().collect::<std::vec::Vec<i64>>();
        out.extend(match self {
            Setting::Bool(value) => postcard::to_stdvec(&(name, 0u8, value)),
            Setting::Int(value) => postcard::to_stdvec(&(name, 1u8, value)),
            Setting::F32(value) => postcard::to_stdvec(&(name, 2u8, value)),
            Setting::F64(value) => postcard::to_stdvec(&(name, 3u8, value)),
            Setting::Text(value) => postcard::to_stdvec(&(name, 4u8, value.as_str())),
            Setting::Ints(list) => postcard::to_stdvec(&(name, 5u8, ints(list))),
        }?);
        Ok(())
    }

    /// Appends a list of integers with its name to encoded settings. See the example of [`Call`].
    ///
    /// # Errors
    /// None that can happen: there is room for any value.
    pub fn encode_ints(
        name: &str,
        values: &[i64],
        out: &mut std::vec::Vec<u8>,
    ) -> Result<(), postcard::Error> {
        out.extend(postcard::to_stdvec(&(name, 5u8, values))?);
        Ok(())
    }
}
