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
    ///
    /// ```
    /// use microhlo::Arena;
    ///
    /// static ZEROS: Arena<1024> = Arena::new();
    /// assert!(ZEROS.0.iter().all(|&byte| byte == 0));
    /// ```
    pub const fn new() -> Self {
        Arena([0; N])
    }

    /// The first `N` bytes of a memory as an arena, such as those of a RAM that the firmware sets up itself; none
    /// if there are fewer or they do not start at a multiple of 16. `N` is a multiple of 16, or this does not
    /// compile.
    ///
    /// ```
    /// use microhlo::Arena;
    ///
    /// let mut memory = Arena::<64>::new();
    /// assert!(Arena::<32>::of(&mut memory.0).is_some_and(|arena| arena.0.len() == 32));
    /// assert!(Arena::<32>::of(&mut memory.0[8..]).is_none()); // not aligned
    /// assert!(Arena::<32>::of(&mut memory.0[48..]).is_none()); // too small
    /// ```
    pub fn of(memory: &mut [u8]) -> Option<&mut Arena<N>> {
        const { assert!(N.is_multiple_of(align_of::<Arena<N>>()), "a multiple of 16") };
        let start = memory.get_mut(..N)?.as_mut_ptr().cast::<Arena<N>>();
        // SAFETY: the pointer is aligned and to `N` bytes that are borrowed for as long as the result, and an
        // arena is just these bytes, without padding.
        start.is_aligned().then(|| unsafe { &mut *start })
    }
}

impl<const N: usize> Default for Arena<N> {
    fn default() -> Self {
        Arena::new()
    }
}

/// What is known of an input or output before running.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use microhlo::{DType, Model};
///
/// let model = Model::load(TOTAL)?; // adds its input to a state
/// let input = model.input(0).expect("the input");
/// assert_eq!((input.name(), input.dtype(), input.dims()), ("in0", DType::F32, &[4][..]));
/// assert_eq!((input.byte_len(), input.is_state(), input.is_streamed()), (16, false, false));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo<'a> {
    pub(crate) tensor: Declared<'a>,
    pub(crate) bytes: usize,
}

impl<'a> TensorInfo<'a> {
    /// Its name.
    ///
    /// See the example of [`TensorInfo`].
    pub fn name(&self) -> &'a str {
        self.tensor.name.as_str()
    }

    /// Element type.
    ///
    /// See the example of [`TensorInfo`].
    pub fn dtype(&self) -> DType {
        self.tensor.dtype
    }

    /// Sizes of its dimensions, outermost first; the layout is dense row-major.
    ///
    /// See the example of [`TensorInfo`].
    pub fn dims(&self) -> &[u32] {
        &self.tensor.dims
    }

    /// Size in bytes.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::Model;
    ///
    /// let model = Model::load(AFFINE)?;
    /// let input = model.input(0).expect("the input");
    /// assert_eq!(input.byte_len(), 4 * size_of::<f32>());
    /// # Ok(())
    /// # }
    /// ```
    pub fn byte_len(&self) -> usize {
        self.bytes
    }

    /// Whether it is an input that keeps what the last run left in it; see
    /// [`Model::reset`](crate::Model::reset).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::Model;
    ///
    /// let model = Model::load(TOTAL)?; // adds its input to a state
    /// let states = [0, 1].map(|i| model.input(i).is_some_and(|input| input.is_state()));
    /// assert_eq!(states, [false, true]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_state(&self) -> bool {
        self.tensor.place.region == Region::State
    }

    /// Whether it is an input that is fed while the model runs; see [`Run::feed`](crate::Run::feed).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::Model;
    ///
    /// let model = Model::load(AFFINE)?;
    /// // Its input is set as a whole, with `Run::set_input`.
    /// assert!(!model.input(0).expect("the input").is_streamed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_streamed(&self) -> bool {
        self.tensor.place.region == Region::Stream
    }
}

/// An output in the arena.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use microhlo::{Arena, DType, Model};
///
/// let model = Model::load(AFFINE)?; // y = 2x + 1
/// let mut arena = Arena::<64>::new();
/// let mut run = model.start(&mut arena.0)?;
/// run.set_input(0, &[0; 16])?;
/// while run.step()?.is_some() {}
/// let y = run.output(0)?;
/// assert_eq!((y.info().name(), y.dtype(), y.dims()), ("out0", DType::F32, &[4][..]));
/// assert_eq!(y.bytes(), [1.0_f32; 4].map(f32::to_le_bytes).as_flattened());
/// assert_eq!(y.as_f32(), Some(&[1.0; 4][..]));
/// assert_eq!(y.as_i32(), None); // nor any other type
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Tensor<'r> {
    pub(crate) info: TensorInfo<'r>,
    pub(crate) bytes: &'r [u8],
}

/// An input in the arena, to be written in place.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use microhlo::{Arena, DType, Model};
///
/// let model = Model::load(AFFINE)?;
/// let mut arena = Arena::<64>::new();
/// let mut run = model.start(&mut arena.0)?;
/// let mut x = run.input_mut(0)?;
/// assert_eq!((x.info().name(), x.dtype(), x.dims()), ("in0", DType::F32, &[4][..]));
/// x.as_f32_mut().expect("floats").fill(1.5);
/// assert_eq!(x.as_i32_mut(), None); // nor any other type
/// assert_eq!(x.bytes_mut()[..4], 1.5_f32.to_le_bytes());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TensorMut<'r> {
    pub(crate) info: TensorInfo<'r>,
    pub(crate) bytes: &'r mut [u8],
}

impl<'r> Tensor<'r> {
    /// Name, type and shape.
    ///
    /// See the example of [`Tensor`].
    pub fn info(&self) -> &TensorInfo<'r> {
        &self.info
    }

    /// Element type.
    ///
    /// See the example of [`Tensor`].
    pub fn dtype(&self) -> DType {
        self.info.dtype()
    }

    /// Sizes of its dimensions, outermost first.
    ///
    /// See the example of [`Tensor`].
    pub fn dims(&self) -> &[u32] {
        self.info.dims()
    }

    /// The elements as little-endian bytes, row-major.
    ///
    /// See the example of [`Tensor`].
    pub fn bytes(&self) -> &'r [u8] {
        self.bytes
    }
}

impl<'r> TensorMut<'r> {
    /// Name, type and shape.
    ///
    /// See the example of [`TensorMut`].
    pub fn info(&self) -> &TensorInfo<'r> {
        &self.info
    }

    /// Element type.
    ///
    /// See the example of [`TensorMut`].
    pub fn dtype(&self) -> DType {
        self.info.dtype()
    }

    /// Sizes of its dimensions, outermost first.
    ///
    /// See the example of [`TensorMut`].
    pub fn dims(&self) -> &[u32] {
        self.info.dims()
    }

    /// The elements as little-endian bytes, row-major.
    ///
    /// See the example of [`TensorMut`].
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes
    }
}

macro_rules! views {
    ($($as_ref:ident, $as_mut:ident: $ty:ty = $dtype:ident;)*) => {
        impl<'r> Tensor<'r> {$(
            #[doc = concat!("The elements, if they are `", stringify!($ty), "`.")]
            ///
            /// See the example of [`Tensor`].
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
            ///
            /// See the example of [`TensorMut`].
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
