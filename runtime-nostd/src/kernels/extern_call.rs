//! Calls of functions of the firmware.

use core::slice;

use microhlo_format::kernels::{Call, ExternTensor};
use microhlo_format::{DType, KernelId, Place};

use super::Memory;
use crate::error::{RunError, StepError};
use crate::externs::{ExternError, ExternFault, ExternSignature, Externs};
use crate::registry::{KernelEntry, Undecodable, Visitor};

/// Links calls of no function: a model that has any is refused by the function's name.
pub const ENTRY: KernelEntry = entry::<()>();

/// Links calls of the firmware's functions.
///
/// ```
/// use microhlo::{Extern, Externs, KernelId, kernels::extern_call};
///
/// struct Functions;
///
/// impl Externs for Functions {
///     const FUNCTIONS: &'static [Extern] = &[Extern::of_any_types("board.beep", |_| Ok(()))];
/// }
///
/// assert_eq!(extern_call::entry::<Functions>().id(), KernelId::extern_call); // for the kernel set
/// ```
pub const fn entry<E: Externs>() -> KernelEntry {
    KernelEntry {
        id: KernelId::extern_call,
        check: check::<E>,
        execute: execute::<E>,
        stage: None,
    }
}

fn check<E: Externs>(body: &[u8], visitor: &mut dyn Visitor) -> Result<(), StepError> {
    let call = Call::parse(body).ok_or(StepError::Encoding)?;
    call.accesses(&mut |access| visitor.access(access)).map_err(StepError::Params)?;
    let function = E::find(call.name.as_bytes()).ok_or(StepError::Extern(ExternFault::Missing))?;
    function.check(&ExternSignature(call)).map_err(StepError::Extern)
}

/// # Safety
/// The loader has accepted the call for this memory.
unsafe fn execute<E: Externs>(body: &[u8], memory: &Memory<'_>) -> Result<(), Undecodable> {
    let call = Call::parse(body).ok_or(Undecodable)?;
    let function = E::find(call.name.as_bytes()).ok_or(Undecodable)?;
    let mut call = ExternCall { signature: ExternSignature(call), memory, written: 0 };
    if let Err(ExternError(code)) = (function.call)(&mut call) {
        memory.feeding.stop.set(Some(RunError::Extern { name: function.name(), code }));
    }
    Ok(())
}

/// A call of a function of the firmware, with operands and results where they lie in the model's memory.
///
/// It is made by the runtime alone, for a call that the loader has accepted.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/calls.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use microhlo::{ExternCall, ExternError};
///
/// fn clip(call: &mut ExternCall<'_>) -> Result<(), ExternError> {
///     let limit = call.signature().float("gain").ok_or(ExternError(1))?;
///     assert_eq!(call.operand_bytes(0)?.len(), 16);
///     assert!(call.operand::<i32>(0).is_err()); // they are floats
///     let (from, to) = (call.operand::<f32>(0)?, call.result::<f32>()?);
///     to.iter_mut().zip(from).for_each(|(to, from)| *to = from.min(limit));
///     assert!(call.result_bytes().is_err()); // there is one result
///     Ok(())
/// }
/// # let y = run_with(clip, [0.25, 0.5, 0.75, 1.0])?;
/// // `y` is what a model computes that calls it with 0.25 to 1 and a gain of 0.5.
/// assert_eq!(y, [0.25, 0.5, 0.5, 0.5]);
/// # Ok(())
/// # }
/// ```
pub struct ExternCall<'c> {
    signature: ExternSignature<'c>,
    memory: &'c Memory<'c>,
    /// Results that the function has.
    written: usize,
}

impl<'c> ExternCall<'c> {
    /// Name, shapes and settings of the call.
    ///
    /// See the example of [`ExternCall`].
    pub fn signature(&self) -> ExternSignature<'c> {
        self.signature
    }

    /// The elements of operand `i`, row-major.
    ///
    /// See the example of [`ExternCall`].
    ///
    /// # Errors
    /// There is no such operand, or its elements are of another type.
    pub fn operand<T: Element>(&self, i: usize) -> Result<&'c [T], ExternError> {
        let tensor = self.signature.0.operands.get(i).ok_or(ExternError::NO_SUCH_TENSOR)?;
        let (start, count) = self.place::<T>(&tensor)?;
        if count == 0 {
            return Ok(&[]);
        }
        // SAFETY: the loader has proved that so many elements lie in their memory, aligned, and that no
        // result lies on them; the memory is borrowed for as long as the call. Any bytes are elements.
        Ok(unsafe { slice::from_raw_parts(start, count) })
    }

    /// The elements of the next result, row-major, to be written: the first one when called first. What they
    /// hold before is of no meaning.
    ///
    /// See the example of [`ExternCall`].
    ///
    /// # Errors
    /// The function has all results, or the elements of this one are of another type.
    pub fn result<T: Element>(&mut self) -> Result<&'c mut [T], ExternError> {
        let results = self.signature.0.results;
        let tensor = results.get(self.written).ok_or(ExternError::NO_SUCH_TENSOR)?;
        let (start, count) = self.place::<T>(&tensor)?;
        self.written += 1;
        if count == 0 {
            return Ok(&mut []);
        }
        // SAFETY: as for operands. The loader has proved that a result lies on no other and on no operand, and
        // each is given away once.
        Ok(unsafe { slice::from_raw_parts_mut(start, count) })
    }

    /// The bytes of operand `i`: its elements, row-major and little-endian, of any type.
    ///
    /// See the example of [`ExternCall`].
    ///
    /// # Errors
    /// There is no such operand.
    pub fn operand_bytes(&self, i: usize) -> Result<&'c [u8], ExternError> {
        let tensor = self.signature.0.operands.get(i).ok_or(ExternError::NO_SUCH_TENSOR)?;
        let (start, count) = self.bytes(&tensor)?;
        if count == 0 {
            return Ok(&[]);
        }
        // SAFETY: as for `operand`, of which these are the bytes.
        Ok(unsafe { slice::from_raw_parts(start, count) })
    }

    /// The bytes of the next result, as [`ExternCall::result`] has its elements.
    ///
    /// See the example of [`ExternCall`].
    ///
    /// # Errors
    /// The function has all results.
    pub fn result_bytes(&mut self) -> Result<&'c mut [u8], ExternError> {
        let results = self.signature.0.results;
        let tensor = results.get(self.written).ok_or(ExternError::NO_SUCH_TENSOR)?;
        let (start, count) = self.bytes(&tensor)?;
        self.written += 1;
        if count == 0 {
            return Ok(&mut []);
        }
        // SAFETY: as for `result`, of which these are the bytes.
        Ok(unsafe { slice::from_raw_parts_mut(start, count) })
    }

    /// Where a tensor starts, and how many bytes it has.
    fn bytes(&self, tensor: &ExternTensor<Place>) -> Result<(*mut u8, usize), ExternError> {
        let bytes = tensor.byte_len().map_err(|_| ExternError::NO_SUCH_TENSOR)?;
        Ok((self.memory.write(tensor.place), bytes as usize))
    }

    /// Where a tensor starts, and how many elements it has.
    fn place<T: Element>(
        &self,
        tensor: &ExternTensor<Place>,
    ) -> Result<(*mut T, usize), ExternError> {
        let (start, bytes) = self.bytes(tensor)?;
        let start = start.cast::<T>();
        // The places of empty tensors are not looked at.
        if !T::holds(tensor.dtype) || (bytes != 0 && !start.is_aligned()) {
            return Err(ExternError::NO_SUCH_TENSOR);
        }
        Ok((start, bytes / tensor.dtype.size()))
    }
}

/// A Rust type of elements: of 8 to 64 bits. Floats that Rust does not have are their bits, a boolean is a byte of
/// 0 or 1, a complex number its two parts.
///
/// ```
/// use microhlo::{Element, ExternCall, ExternError};
///
/// /// Operand 0 as the result, whatever its type is.
/// fn copied<T: Element>(call: &mut ExternCall<'_>) -> Result<(), ExternError> {
///     call.result::<T>()?.copy_from_slice(call.operand(0)?);
///     Ok(())
/// }
///
/// let of_floats: microhlo::ExternFn = copied::<f32>;
/// # let _ = of_floats;
/// ```
pub trait Element: sealed::Element {}

impl<T: sealed::Element> Element for T {}

mod sealed {
    use super::DType;

    /// Plain numbers, of which all bit patterns are values.
    pub trait Element: Copy + 'static {
        /// Whether elements of a tensor are of this type.
        fn holds(dtype: DType) -> bool;
    }
}

macro_rules! elements {
    ($($ty:ty: $($dtype:ident)|*;)*) => {$(
        impl sealed::Element for $ty {
            fn holds(dtype: DType) -> bool {
                matches!(dtype, $(DType::$dtype)|*)
            }
        }
    )*};
}

elements! {
    i8: I2 | I4 | I8;
    i16: I16;
    i32: I32;
    i64: I64;
    u16: U16 | BF16 | F16;
    u32: U32;
    u64: U64;
    f32: F32;
    f64: F64;
    [f32; 2]: C64;
    [f64; 2]: C128;
}

impl sealed::Element for u8 {
    fn holds(dtype: DType) -> bool {
        dtype.size() == 1 && !dtype.is_signed_integer()
    }
}

#[cfg(test)]
mod tests {
    use super::sealed::Element;
    use super::*;

    #[test]
    fn every_element_type_has_one_rust_type_of_its_size() {
        for &dtype in DType::ALL {
            let types: [(bool, usize); 12] = [
                (u8::holds(dtype), 1),
                (i8::holds(dtype), 1),
                (i16::holds(dtype), 2),
                (u16::holds(dtype), 2),
                (i32::holds(dtype), 4),
                (u32::holds(dtype), 4),
                (f32::holds(dtype), 4),
                (i64::holds(dtype), 8),
                (u64::holds(dtype), 8),
                (f64::holds(dtype), 8),
                (<[f32; 2]>::holds(dtype), 8),
                (<[f64; 2]>::holds(dtype), 16),
            ];
            let mut sizes = types.iter().filter(|(holds, _)| *holds).map(|(_, size)| *size);
            assert_eq!((sizes.next(), sizes.next()), (Some(dtype.size()), None), "{dtype}");
        }
    }
}
