//! Tensors as callers see them: bytes with a type and a shape.
#![allow(unsafe_code, reason = "typed views of aligned bytes, one place for all types")]

use microhlo_format::{DType, Region, Tensor as Declared};

/// A statically allocated arena of `N` bytes, aligned as every model needs.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
/// # fn main() {
/// use microhlo::{Arena, Model, RunError};
///
/// // In a firmware `static_cell::ConstStaticCell` hands it out once.
/// let mut arena = const { Arena::<64>::new() };
/// assert_eq!(arena.0.as_ptr().addr() % 16, 0);
///
/// let model = Model::load(AFFINE).expect("a model");
/// assert!(model.start(&mut arena.0).is_ok());
/// let error = model.start(&mut arena.0[..8]).err();
/// assert!(matches!(error, Some(RunError::ArenaTooSmall { needed: 9.., given: 8 })));
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Arena<const N: usize>(pub [u8; N]);

impl<const N: usize> Arena<N> {
    /// An arena of zeros.
    pub const fn new() -> Self {
        Arena([0; N])
    }
}

impl<const N: usize> Default for Arena<N> {
    fn default() -> Self {
        Arena::new()
    }
}

/// What is known of an input or output before running.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo<'a> {
    pub(crate) tensor: Declared<'a>,
    pub(crate) bytes: usize,
}

impl<'a> TensorInfo<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        self.tensor.name.as_str()
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.tensor.dtype
    }

    /// Sizes of its dimensions, outermost first; the layout is dense row-major.
    pub fn dims(&self) -> &[u32] {
        &self.tensor.dims
    }

    /// Size in bytes.
    pub fn byte_len(&self) -> usize {
        self.bytes
    }

    /// Whether it is an input that keeps what the last run left in it; see
    /// [`Model::reset`](crate::Model::reset).
    pub fn is_state(&self) -> bool {
        self.tensor.place.region == Region::State
    }

    /// Whether it is an input that is fed while the model runs; see [`Run::feed`](crate::Run::feed).
    pub fn is_streamed(&self) -> bool {
        self.tensor.place.region == Region::Stream
    }
}

/// An output in the arena.
#[derive(Clone, Debug)]
pub struct Tensor<'r> {
    pub(crate) info: TensorInfo<'r>,
    pub(crate) bytes: &'r [u8],
}

/// An input in the arena, to be written in place.
#[derive(Debug)]
pub struct TensorMut<'r> {
    pub(crate) info: TensorInfo<'r>,
    pub(crate) bytes: &'r mut [u8],
}

impl<'r> Tensor<'r> {
    /// Name, type and shape.
    pub fn info(&self) -> &TensorInfo<'r> {
        &self.info
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.info.dtype()
    }

    /// Sizes of its dimensions, outermost first.
    pub fn dims(&self) -> &[u32] {
        self.info.dims()
    }

    /// The elements as little-endian bytes, row-major.
    pub fn bytes(&self) -> &'r [u8] {
        self.bytes
    }
}

impl<'r> TensorMut<'r> {
    /// Name, type and shape.
    pub fn info(&self) -> &TensorInfo<'r> {
        &self.info
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.info.dtype()
    }

    /// Sizes of its dimensions, outermost first.
    pub fn dims(&self) -> &[u32] {
        self.info.dims()
    }

    /// The elements as little-endian bytes, row-major.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes
    }
}

macro_rules! views {
    ($($as_ref:ident, $as_mut:ident: $ty:ty = $dtype:ident;)*) => {
        impl<'r> Tensor<'r> {$(
            #[doc = concat!("The elements, if they are `", stringify!($ty), "`.")]
            pub fn $as_ref(&self) -> Option<&'r [$ty]> {
                if self.info.dtype() != DType::$dtype {
                    return None;
                }
                // SAFETY: every bit pattern is a value of a plain number type; `align_to` checks
                // alignment and length.
                match unsafe { self.bytes.align_to::<$ty>() } {
                    ([], elements, []) => Some(elements),
                    _ => None,
                }
            }
        )*}

        impl TensorMut<'_> {$(
            #[doc = concat!("The elements for writing, if they are `", stringify!($ty), "`.")]
            pub fn $as_mut(&mut self) -> Option<&mut [$ty]> {
                if self.info.dtype() != DType::$dtype {
                    return None;
                }
                // SAFETY: every bit pattern is a value of a plain number type, and every value is
                // valid bytes; `align_to_mut` checks alignment and length.
                match unsafe { self.bytes.align_to_mut::<$ty>() } {
                    ([], elements, []) => Some(elements),
                    _ => None,
                }
            }
        )*}
    };
}

views! {
    as_i8, as_i8_mut: i8 = I8;
    as_i16, as_i16_mut: i16 = I16;
    as_i32, as_i32_mut: i32 = I32;
    as_i64, as_i64_mut: i64 = I64;
    as_u8, as_u8_mut: u8 = U8;
    as_u16, as_u16_mut: u16 = U16;
    as_u32, as_u32_mut: u32 = U32;
    as_u64, as_u64_mut: u64 = U64;
    as_f32, as_f32_mut: f32 = F32;
    as_f64, as_f64_mut: f64 = F64;
}
