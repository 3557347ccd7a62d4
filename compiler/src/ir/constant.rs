//! Constant tensors: little-endian bytes, stored once and shared.

use std::fmt;
use std::sync::Arc;

use microhlo_format::DType;

use super::types::{ElementType, TensorType};

/// The value of a constant. Elements are row-major and little-endian; sub-byte integers are
/// sign- or zero-extended to a byte; complex numbers are the real part, then the imaginary one.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Shape and element type. Quantised types hold their storage values.
    pub ty: TensorType,
    /// The elements.
    pub data: ConstData,
}

/// Storage of a constant's elements.
#[derive(Clone, Debug, PartialEq)]
pub enum ConstData {
    /// Every element has this one value (the bytes of one element).
    Splat(Vec<u8>),
    /// All elements.
    Dense(Arc<[u8]>),
}

impl Constant {
    /// A constant of all elements. `bytes` must be `ty.bytes()` long.
    pub fn dense(ty: TensorType, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        debug_assert_eq!(ty.bytes(), Some(bytes.len() as u64));
        Constant { ty, data: ConstData::Dense(bytes) }
    }

    /// A constant whose elements are all `element` (the bytes of one).
    pub fn splat(ty: TensorType, element: &[u8]) -> Self {
        debug_assert_eq!(ty.elem.storage().size(), element.len());
        Constant { ty, data: ConstData::Splat(element.to_vec()) }
    }

    /// A constant of `f32` values in row-major order.
    pub fn f32s(dims: &[u64], values: &[f32]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Constant::dense(TensorType::fixed(dims, DType::F32), bytes)
    }

    /// The bytes of the single repeated element, if the constant is a splat or has one element.
    pub fn splat_bytes(&self) -> Option<&[u8]> {
        match &self.data {
            ConstData::Splat(e) => Some(e),
            ConstData::Dense(d) if d.len() == self.ty.elem.storage().size() => Some(d),
            ConstData::Dense(_) => None,
        }
    }

    /// All bytes, a splat expanded.
    pub fn to_bytes(&self) -> Arc<[u8]> {
        match &self.data {
            ConstData::Dense(d) => Arc::clone(d),
            ConstData::Splat(e) => {
                let n = self.ty.elements().unwrap_or(0) as usize;
                e.repeat(n).into()
            }
        }
    }

    /// The values of an `f32` constant, a splat expanded; `None` for other types.
    pub fn to_f32s(&self) -> Option<Vec<f32>> {
        if self.ty.dtype() != Some(DType::F32) {
            return None;
        }
        let bytes = self.to_bytes();
        let (words, _) = bytes.as_chunks::<4>();
        Some(words.iter().map(|w| f32::from_le_bytes(*w)).collect())
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One hex spelling serves every type: it is exact, short, and reads back at full speed.
        // Splats are readable where that is as exact; a one-element blob is a splat in MLIR, so
        // both storages print alike. The type of a quantised constant's literal is the storage
        // type's.
        let bytes: &[u8] = match &self.data {
            ConstData::Splat(e) => e,
            ConstData::Dense(d) => d,
        };
        let elem = match &self.ty.elem {
            ElementType::Quant(q) => ElementType::Plain(q.storage),
            other => other.clone(),
        };
        let ty = TensorType { dims: self.ty.dims.clone(), elem };
        if bytes.is_empty() || ty.elements() == Some(0) {
            return write!(f, "dense<> : {ty}");
        }
        if let Some(literal) = super::print::splat_literal(self) {
            return write!(f, "dense<{literal}> : {ty}");
        }
        write!(f, "dense<\"0x{}\"> : {ty}", const_hex::encode_upper(bytes))
    }
}
