//! Tensor values: a static type and little-endian bytes.

use std::sync::Arc;

use microhlo_format::{DType, float};

use super::EvalError;
use crate::ir::{ConstData, Constant, TensorType};

/// Largest tensor that the evaluator makes, in bytes. Programs of a few bytes can ask for more.
const MAX_BYTES: u64 = 1 << 28;

/// One element, in a form that holds every element type exactly.
///
/// ```
/// use microhlo_compiler::eval::Element;
/// use microhlo_format::DType;
///
/// let mut bytes = [0; 2];
/// Element::Float(1.5).encode(DType::F16, &mut bytes);
/// assert_eq!(Element::decode(DType::F16, &bytes), Element::Float(1.5));
/// // Integers wrap.
/// Element::Int(300).encode(DType::U8, &mut bytes[..1]);
/// assert_eq!(Element::decode(DType::U8, &bytes[..1]).as_int(), Some(44));
/// assert!(Element::Bool(true).fits(DType::I1) && !Element::Bool(true).fits(DType::I8));
/// assert_eq!(Element::zero(DType::C64), Element::Complex(0.0, 0.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Element {
    /// `i1`.
    Bool(bool),
    /// An integer of any width and signedness.
    Int(i128),
    /// A float of any width.
    Float(f64),
    /// A complex number: real and imaginary part.
    Complex(f64, f64),
}

impl Element {
    /// Zero (or false) of an element type. See the example of [`Element`].
    pub fn zero(dtype: DType) -> Element {
        Element::small(dtype, 0)
    }

    /// A small whole number in an element type; booleans are true for all but 0.
    pub(crate) fn small(dtype: DType, value: i64) -> Element {
        match dtype {
            DType::I1 => Element::Bool(value != 0),
            d if d.is_integer() => Element::Int(i128::from(value)),
            d if d.is_complex() => Element::Complex(value as f64, 0.0),
            _ => Element::Float(value as f64),
        }
    }

    /// Whether this form is the one that the element type uses. See the example of [`Element`].
    pub fn fits(self, dtype: DType) -> bool {
        match self {
            Element::Bool(_) => dtype == DType::I1,
            Element::Int(_) => dtype.is_integer(),
            Element::Float(_) => dtype.is_float(),
            Element::Complex(..) => dtype.is_complex(),
        }
    }

    /// The integer, or the boolean as 0 or 1. See the example of [`Element`].
    pub fn as_int(self) -> Option<i128> {
        match self {
            Element::Bool(b) => Some(i128::from(b)),
            Element::Int(v) => Some(v),
            Element::Float(_) | Element::Complex(..) => None,
        }
    }

    /// Reads an element from its bytes, which must be `dtype.size()` long. See the example of [`Element`].
    pub fn decode(dtype: DType, bytes: &[u8]) -> Element {
        match dtype {
            DType::I1 => Element::Bool(bytes[0] != 0),
            DType::C64 => Element::Complex(
                f64::from(f32::from_bits(raw(&bytes[..4]) as u32)),
                f64::from(f32::from_bits(raw(&bytes[4..]) as u32)),
            ),
            DType::C128 => {
                Element::Complex(f64::from_bits(raw(&bytes[..8])), f64::from_bits(raw(&bytes[8..])))
            }
            DType::F32 => Element::Float(f64::from(f32::from_bits(raw(bytes) as u32))),
            DType::F64 => Element::Float(f64::from_bits(raw(bytes))),
            d if d.is_integer() => Element::Int(wrap(d, i128::from(raw(bytes)))),
            d => match float::Format::of(d) {
                Some(format) => Element::Float(format.decode(raw(bytes) as u16)),
                None => Element::Float(f64::NAN),
            },
        }
    }

    /// Writes an element: integers wrap, floats round to nearest even. An element of another
    /// class is converted as the obvious number. See the example of [`Element`].
    pub fn encode(self, dtype: DType, out: &mut [u8]) {
        match dtype {
            DType::I1 => out[0] = u8::from(self.is_true()),
            DType::C64 => {
                let (re, im) = self.parts();
                out[..4].copy_from_slice(&(re as f32).to_le_bytes());
                out[4..8].copy_from_slice(&(im as f32).to_le_bytes());
            }
            DType::C128 => {
                let (re, im) = self.parts();
                out[..8].copy_from_slice(&re.to_le_bytes());
                out[8..16].copy_from_slice(&im.to_le_bytes());
            }
            DType::F32 => out[..4].copy_from_slice(&(self.parts().0 as f32).to_le_bytes()),
            DType::F64 => out[..8].copy_from_slice(&self.parts().0.to_le_bytes()),
            d if d.is_integer() => {
                let value = self.as_int().unwrap_or_else(|| self.parts().0 as i128);
                // Sub-byte integers are kept sign- or zero-extended to their byte.
                let bytes = wrap(d, value).to_le_bytes();
                out.copy_from_slice(&bytes[..out.len()]);
            }
            d => {
                let bits = float::Format::of(d).map_or(0, |f| f.encode(self.parts().0));
                out.copy_from_slice(&bits.to_le_bytes()[..out.len()]);
            }
        }
    }

    fn is_true(self) -> bool {
        match self {
            Element::Bool(b) => b,
            Element::Int(v) => v != 0,
            Element::Float(v) => v != 0.0,
            // Conversion of a complex number to another class takes its real part.
            Element::Complex(re, _) => re != 0.0,
        }
    }

    fn parts(self) -> (f64, f64) {
        match self {
            Element::Bool(b) => (f64::from(u8::from(b)), 0.0),
            Element::Int(v) => (v as f64, 0.0),
            Element::Float(v) => (v, 0.0),
            Element::Complex(re, im) => (re, im),
        }
    }
}

/// Up to eight little-endian bytes as a number.
fn raw(bytes: &[u8]) -> u64 {
    let mut wide = [0u8; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(wide)
}

/// The value modulo 2^width, in the range of an integer type.
pub(crate) fn wrap(dtype: DType, value: i128) -> i128 {
    let shift = 128 - dtype.bits();
    if dtype.is_signed_integer() {
        value << shift >> shift
    } else {
        ((value as u128) << shift >> shift) as i128
    }
}

/// A tensor value: a static type, and its elements.
///
/// ```
/// use microhlo_compiler::eval::{Element, Tensor};
/// use microhlo_compiler::ir::TensorType;
/// use microhlo_format::DType;
///
/// let tensor = Tensor::f32s(&[2, 2], &[1.0, 2.0, 3.0, 4.0])?;
/// assert_eq!((tensor.dims(), tensor.dtype()), (&[2, 2][..], DType::F32));
/// assert_eq!((tensor.len(), tensor.is_empty(), tensor.bytes().len()), (4, false, 16));
/// assert_eq!(tensor.ty(), &TensorType::fixed(&[2, 2], DType::F32));
/// assert_eq!(tensor.element(&[1, 0]), Element::Float(3.0));
/// assert_eq!(tensor.at(1), tensor.elements().nth(1).expect("an element"));
/// assert_eq!(tensor.to_f32s(), Some(vec![1.0, 2.0, 3.0, 4.0]));
/// # Ok::<(), microhlo_compiler::eval::EvalError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    ty: TensorType,
    dims: Vec<usize>,
    bytes: Arc<[u8]>,
}

impl Tensor {
    /// The value of a constant.
    pub(crate) fn from_constant(constant: &Constant) -> Result<Tensor, EvalError> {
        static_dims(&constant.ty)?;
        Tensor::from_bytes(&constant.ty, constant.to_bytes())
    }

    /// A tensor of row-major little-endian elements.
    ///
    /// ```
    /// use microhlo_compiler::eval::Tensor;
    /// use microhlo_compiler::ir::TensorType;
    /// use microhlo_format::DType;
    ///
    /// let ty = TensorType::fixed(&[2], DType::I16);
    /// assert_eq!(Tensor::from_bytes(&ty, [1, 0, 0xff, 0xff])?.ints(), Some(vec![1, -1]));
    /// assert!(Tensor::from_bytes(&ty, [1, 0, 0xff]).is_err());
    /// # Ok::<(), microhlo_compiler::eval::EvalError>(())
    /// ```
    pub fn from_bytes(ty: &TensorType, bytes: impl Into<Arc<[u8]>>) -> Result<Tensor, EvalError> {
        let bytes = bytes.into();
        let dims = static_dims(ty)?;
        if ty.bytes() != Some(bytes.len() as u64) {
            let text = format!("{} bytes for a value of type {ty}", bytes.len());
            return Err(EvalError::Inputs(text));
        }
        Ok(Tensor { ty: ty.clone(), dims, bytes })
    }

    /// A tensor whose element at each index is what the function gives.
    ///
    /// ```
    /// use microhlo_compiler::eval::{Element, Tensor};
    /// use microhlo_compiler::ir::TensorType;
    /// use microhlo_format::DType;
    ///
    /// let ty = TensorType::fixed(&[2, 3], DType::I32);
    /// let tensor = Tensor::from_fn(&ty, |index| Element::Int((10 * index[0] + index[1]) as i128))?;
    /// assert_eq!(tensor.ints(), Some(vec![0, 1, 2, 10, 11, 12]));
    /// # Ok::<(), microhlo_compiler::eval::EvalError>(())
    /// ```
    pub fn from_fn(
        ty: &TensorType,
        mut element: impl FnMut(&[usize]) -> Element,
    ) -> Result<Tensor, EvalError> {
        Tensor::try_from_fn(ty, |index| Ok(element(index)))
    }

    /// Like [`Tensor::from_fn`] with a function that can fail.
    pub(crate) fn try_from_fn(
        ty: &TensorType,
        mut element: impl FnMut(&[usize]) -> Result<Element, EvalError>,
    ) -> Result<Tensor, EvalError> {
        let (dims, dtype) = (static_dims(ty)?, ty.elem.storage());
        let mut bytes = vec![0u8; ty.bytes().unwrap_or(0) as usize];
        let mut walk = Indices::new(&dims);
        for out in bytes.chunks_exact_mut(dtype.size()) {
            element(walk.index())?.encode(dtype, out);
            walk.advance();
        }
        Ok(Tensor { ty: ty.clone(), dims, bytes: bytes.into() })
    }

    /// A tensor of elements in row-major order; missing ones are zero, surplus ones ignored.
    ///
    /// ```
    /// use microhlo_compiler::eval::{Element, Tensor};
    /// use microhlo_compiler::ir::TensorType;
    /// use microhlo_format::DType;
    ///
    /// let ty = TensorType::fixed(&[3], DType::I8);
    /// let tensor = Tensor::from_elements(&ty, [Element::Int(5), Element::Int(-6)])?;
    /// assert_eq!(tensor.ints(), Some(vec![5, -6, 0]));
    /// assert_eq!(Tensor::scalar(DType::I8, Element::Int(5)).at(0), tensor.at(0));
    /// # Ok::<(), microhlo_compiler::eval::EvalError>(())
    /// ```
    pub fn from_elements(
        ty: &TensorType,
        elements: impl IntoIterator<Item = Element>,
    ) -> Result<Tensor, EvalError> {
        let (dims, dtype) = (static_dims(ty)?, ty.elem.storage());
        let mut bytes = vec![0u8; ty.bytes().unwrap_or(0) as usize];
        for (out, element) in bytes.chunks_exact_mut(dtype.size()).zip(elements) {
            element.encode(dtype, out);
        }
        Ok(Tensor { ty: ty.clone(), dims, bytes: bytes.into() })
    }

    /// Fails unless the evaluator can hold a tensor of this type.
    pub(crate) fn check_size(ty: &TensorType) -> Result<(), EvalError> {
        static_dims(ty).map(|_| ())
    }

    /// A tensor whose elements all have the same bytes.
    pub(crate) fn filled(ty: &TensorType, element: &[u8]) -> Result<Tensor, EvalError> {
        static_dims(ty)?;
        Tensor::from_bytes(ty, element.repeat(ty.elements().unwrap_or(0) as usize))
    }

    /// A rank-0 tensor. See the example of [`Tensor::from_elements`].
    pub fn scalar(dtype: DType, value: Element) -> Tensor {
        let mut bytes = vec![0u8; dtype.size()];
        value.encode(dtype, &mut bytes);
        Tensor { ty: TensorType::scalar(dtype), dims: Vec::new(), bytes: bytes.into() }
    }

    /// A tensor of `f32` values in row-major order. See the example of [`Tensor`].
    pub fn f32s(dims: &[u64], values: &[f32]) -> Result<Tensor, EvalError> {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Tensor::from_bytes(&TensorType::fixed(dims, DType::F32), bytes)
    }

    /// A tensor whose elements are copied, bit by bit, from this one: `source` gives the
    /// row-major position of the element for each result index. Positions beyond the end copy
    /// nothing and leave zero.
    pub(crate) fn rearrange(
        &self,
        ty: &TensorType,
        mut source: impl FnMut(&[usize]) -> usize,
    ) -> Result<Tensor, EvalError> {
        let dims = static_dims(ty)?;
        let size = self.dtype().size();
        let mut bytes = vec![0u8; ty.bytes().unwrap_or(0) as usize];
        let mut walk = Indices::new(&dims);
        for out in bytes.chunks_exact_mut(size) {
            let at = source(walk.index()).saturating_mul(size);
            if let Some(from) = self.bytes.get(at..at.saturating_add(size)) {
                out.copy_from_slice(from);
            }
            walk.advance();
        }
        Ok(Tensor { ty: ty.clone(), dims, bytes: bytes.into() })
    }

    /// The same bytes with another type of the same size in bytes.
    pub(crate) fn with_type(&self, ty: &TensorType) -> Result<Tensor, EvalError> {
        Tensor::from_bytes(ty, Arc::clone(&self.bytes))
    }

    /// The type; all dimensions are static. See the example of [`Tensor`].
    pub fn ty(&self) -> &TensorType {
        &self.ty
    }

    /// Sizes of the dimensions. See the example of [`Tensor`].
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Number of elements. See the example of [`Tensor`].
    pub fn len(&self) -> usize {
        self.bytes.len() / self.dtype().size()
    }

    /// Whether there is no element. See the example of [`Tensor`].
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Type of the stored elements. See the example of [`Tensor`].
    pub fn dtype(&self) -> DType {
        self.ty.elem.storage()
    }

    /// The elements, row-major and little-endian. See the example of [`Tensor`].
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The element at a row-major position; zero beyond the end. See the example of [`Tensor`].
    pub fn at(&self, position: usize) -> Element {
        let size = self.dtype().size();
        match self.bytes.chunks_exact(size).nth(position) {
            Some(bytes) => Element::decode(self.dtype(), bytes),
            None => Element::zero(self.dtype()),
        }
    }

    /// The element at an index. See the example of [`Tensor`].
    pub fn element(&self, index: &[usize]) -> Element {
        self.at(linear(&self.dims, index))
    }

    /// All elements in row-major order. See the example of [`Tensor`].
    pub fn elements(&self) -> impl ExactSizeIterator<Item = Element> + '_ {
        let dtype = self.dtype();
        self.bytes.chunks_exact(dtype.size()).map(move |b| Element::decode(dtype, b))
    }

    /// All elements as integers; `None` for floats and complex numbers. Values of `ui64` beyond
    /// the range saturate. See the example of [`Tensor::from_bytes`].
    pub fn ints(&self) -> Option<Vec<i64>> {
        let int = |e: Element| {
            e.as_int().map(|v| v.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
        };
        self.elements().map(int).collect()
    }

    /// The values of an `f32` tensor; `None` for other types. See the example of [`Tensor`].
    pub fn to_f32s(&self) -> Option<Vec<f32>> {
        if self.dtype() != DType::F32 {
            return None;
        }
        let (words, _) = self.bytes.as_chunks::<4>();
        Some(words.iter().map(|w| f32::from_le_bytes(*w)).collect())
    }

    /// The value as a constant; repeated equal elements become a splat.
    pub(crate) fn to_constant(&self) -> Constant {
        let size = self.dtype().size();
        let mut chunks = self.bytes.chunks_exact(size);
        let data = match chunks.next() {
            Some(first) if self.len() > 1 && chunks.all(|c| c == first) => {
                ConstData::Splat(first.to_vec())
            }
            _ => ConstData::Dense(Arc::clone(&self.bytes)),
        };
        Constant { ty: self.ty.clone(), data }
    }
}

/// Row-major position of an index.
pub(crate) fn linear(dims: &[usize], index: &[usize]) -> usize {
    dims.iter().zip(index).fold(0, |at, (&d, &i)| at * d + i)
}

/// Row-major distances of neighbours in each dimension.
pub(crate) fn strides(dims: &[usize]) -> Vec<usize> {
    let mut out = vec![1; dims.len()];
    for d in (1..dims.len()).rev() {
        out[d - 1] = out[d] * dims[d];
    }
    out
}

/// Walks all indices of a shape in row-major order.
pub(crate) struct Indices {
    dims: Vec<usize>,
    index: Vec<usize>,
    done: bool,
}

impl Indices {
    /// Starts at the first index.
    pub(crate) fn new(dims: &[usize]) -> Self {
        Indices { dims: dims.to_vec(), index: vec![0; dims.len()], done: dims.contains(&0) }
    }

    /// The present index; meaningless when [`Indices::done`].
    pub(crate) fn index(&self) -> &[usize] {
        &self.index
    }

    /// Whether all indices were visited.
    pub(crate) fn done(&self) -> bool {
        self.done
    }

    /// Moves to the next index.
    pub(crate) fn advance(&mut self) {
        for d in (0..self.dims.len()).rev() {
            self.index[d] += 1;
            if self.index[d] < self.dims[d] {
                return;
            }
            self.index[d] = 0;
        }
        self.done = true;
    }
}

/// Calls a function with every index of a shape in row-major order.
pub(crate) fn for_each_index<E>(
    dims: &[usize],
    mut f: impl FnMut(&[usize]) -> Result<(), E>,
) -> Result<(), E> {
    let mut walk = Indices::new(dims);
    while !walk.done() {
        f(walk.index())?;
        walk.advance();
    }
    Ok(())
}

/// The sizes of a static shape that the evaluator can hold.
///
/// Sizes beside a zero count as well: index tables are made of them.
fn static_dims(ty: &TensorType) -> Result<Vec<usize>, EvalError> {
    let refuse = || EvalError::DynamicShape { ty: ty.to_string() };
    let dims = ty.static_dims().ok_or_else(refuse)?;
    let size = ty.elem.storage().size() as u64;
    let bytes = dims.iter().try_fold(size, |n, &d| n.checked_mul(d.max(1)));
    if bytes.is_none_or(|b| b > MAX_BYTES) {
        return Err(refuse());
    }
    Ok(dims.into_iter().map(|d| d as usize).collect())
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_wrap_and_round_on_encoding() {
        let mut byte = [0u8];
        Element::Int(-1).encode(DType::U4, &mut byte);
        assert_eq!(byte, [15]);
        Element::Int(8).encode(DType::I4, &mut byte);
        assert_eq!(byte, [0xf8]);
        assert_eq!(Element::decode(DType::I4, &byte), Element::Int(-8));
        let mut half = [0u8; 2];
        Element::Float(1.0 + 1.0 / 2048.0).encode(DType::F16, &mut half);
        assert_eq!(half, 0x3c00u16.to_le_bytes());
    }

    #[test]
    fn indices_are_row_major() {
        let t = Tensor::from_fn(&TensorType::fixed(&[2, 3], DType::I32), |i| {
            Element::Int((10 * i[0] + i[1]) as i128)
        })
        .unwrap();
        assert_eq!(t.ints().unwrap(), [0, 1, 2, 10, 11, 12]);
        assert_eq!(t.element(&[1, 2]), Element::Int(12));
        assert_eq!(strides(&[2, 3, 4]), [12, 4, 1]);
    }

    #[test]
    fn huge_and_dynamic_types_are_refused() {
        let huge = TensorType::fixed(&[1 << 40], DType::F32);
        assert!(Tensor::from_fn(&huge, |_| Element::Float(0.0)).is_err());
        let empty = TensorType::fixed(&[0, 1 << 60], DType::F32);
        assert!(Tensor::from_fn(&empty, |_| Element::Float(0.0)).is_err());
    }

    #[test]
    fn equal_elements_become_a_splat() {
        let t = Tensor::f32s(&[3], &[2.5; 3]).unwrap();
        assert!(matches!(t.to_constant().data, ConstData::Splat(_)));
        assert_eq!(Tensor::from_constant(&t.to_constant()).unwrap(), t);
    }
}
