//! The range of a tensor's elements.

use microhlo_format::{DType, float};

use crate::tensor::Tensor;

/// The smallest and the largest element of a tensor.
///
/// ```
/// use microhlo::{DType, Range};
///
/// assert_eq!(Range::of(DType::I8, &[5, 0xff, 3]), Some(Range::Signed { min: -1, max: 5 }));
/// let bytes = [1.5_f32, f32::NAN, -2.0].map(f32::to_le_bytes);
/// let range = Range::Float { min: -2.0, max: 1.5, nans: 1 };
/// assert_eq!(Range::of(DType::F32, bytes.as_flattened()), Some(range));
/// assert_eq!(Range::of(DType::F32, &[]), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Range {
    /// Of signed integers.
    Signed {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// Of unsigned integers and booleans, which are 0 and 1.
    Unsigned {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// Of floats, without those that are not a number. If all are, `min` is positive infinity and `max`
    /// the negative one.
    Float {
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
        /// How many elements are not a number.
        nans: u32,
    },
}

/// The smallest and the largest of integers.
fn of<T: Ord + Copy>(mut elements: impl Iterator<Item = T>) -> Option<(T, T)> {
    let first = elements.next()?;
    Some(elements.fold((first, first), |(min, max), x| (min.min(x), max.max(x))))
}

fn floats(elements: impl Iterator<Item = f64>) -> Option<Range> {
    let (mut min, mut max, mut nans) = (f64::INFINITY, f64::NEG_INFINITY, 0_u32);
    let mut any = false;
    for x in elements {
        any = true;
        nans = nans.saturating_add(x.is_nan().into());
        if x < min {
            min = x;
        }
        if x > max {
            max = x;
        }
    }
    any.then_some(Range::Float { min, max, nans })
}

impl Tensor<'_> {
    /// The smallest and the largest element; none of a tensor without elements, or of complex numbers.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model, Range};
    ///
    /// let model = Model::load(AFFINE)?; // y = 2x + 1
    /// let mut arena = Arena::<64>::new();
    /// let mut run = model.start(&mut arena.0)?;
    /// run.input_mut(0)?.as_f32_mut().expect("floats").copy_from_slice(&[0.0, 0.5, 1.0, 1.5]);
    /// while run.step()?.is_some() {}
    /// assert_eq!(run.output(0)?.range(), Some(Range::Float { min: 1.0, max: 4.0, nans: 0 }));
    /// # Ok(())
    /// # }
    /// ```
    pub fn range(&self) -> Option<Range> {
        Range::of(self.dtype(), self.bytes)
    }
}

impl Range {
    /// The range of elements of a type, as they lie in memory; none if there are none, or of complex
    /// numbers.
    ///
    /// ```
    /// use microhlo::{DType, Range};
    ///
    /// assert_eq!(Range::of(DType::U8, &[5, 0xff, 3]), Some(Range::Unsigned { min: 3, max: 255 }));
    /// assert_eq!(Range::of(DType::C64, &[0; 8]), None); // complex numbers have no order
    /// ```
    pub fn of(dtype: DType, bytes: &[u8]) -> Option<Range> {
        macro_rules! integers {
            ($($ty:ty => $variant:ident;)*) => {
                match dtype.size() {
                    $(size if size == size_of::<$ty>() => {
                        let (elements, _) = bytes.as_chunks();
                        let elements = elements.iter().map(|&bytes| <$ty>::from_le_bytes(bytes));
                        let (min, max) = of(elements)?;
                        Some(Range::$variant { min: min.into(), max: max.into() })
                    })*
                    _ => None,
                }
            };
        }
        match dtype {
            DType::F32 => {
                let elements = bytes.as_chunks().0.iter();
                floats(elements.map(|&bytes| f32::from_le_bytes(bytes).into()))
            }
            DType::F64 => {
                floats(bytes.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)))
            }
            _ if dtype.is_complex() => None,
            _ if dtype.is_float() => {
                let format = float::Format::of(dtype)?;
                let elements = bytes.chunks_exact(dtype.size()).map(|bytes| match *bytes {
                    [low, high] => u16::from_le_bytes([low, high]),
                    [byte] => byte.into(),
                    _ => 0,
                });
                floats(elements.map(|bits| format.decode(bits)))
            }
            _ if dtype.is_signed_integer() => integers! {
                i8 => Signed;
                i16 => Signed;
                i32 => Signed;
                i64 => Signed;
            },
            _ => integers! {
                u8 => Unsigned;
                u16 => Unsigned;
                u32 => Unsigned;
                u64 => Unsigned;
            },
        }
    }
}
