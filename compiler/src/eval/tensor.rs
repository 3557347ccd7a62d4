//! Tensor values: a static type and little-endian bytes.

use std::sync::Arc;

use microhlo_format::DType;

use super::EvalError;
use crate::ir::{ConstData, Constant, TensorType};

/// One element, in a form that holds every element type exactly.
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

/// A tensor value: a static type, and elements as [`Constant`] stores them.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    ty: TensorType,
    dims: Vec<usize>,
    bytes: Arc<[u8]>,
}

impl Tensor {
    /// The value of a constant.
    pub fn from_constant(constant: &Constant) -> Result<Tensor, EvalError> {
        Tensor::from_bytes(&constant.ty, constant.to_bytes())
    }

    /// A tensor of row-major little-endian elements.
    pub fn from_bytes(ty: &TensorType, bytes: impl Into<Arc<[u8]>>) -> Result<Tensor, EvalError> {
        let bytes = bytes.into();
        let dims = static_dims(ty)?;
        if ty.bytes() != Some(bytes.len() as u64) {
            return Err(EvalError::Inputs(format!(
                "{} bytes for a value of type {ty}",
                bytes.len()
            )));
        }
        Ok(Tensor { ty: ty.clone(), dims, bytes })
    }

    /// The type; all dimensions are static.
    pub fn ty(&self) -> &TensorType {
        &self.ty
    }

    /// Sizes of the dimensions.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Type of the stored elements.
    pub fn dtype(&self) -> DType {
        self.ty.elem.storage()
    }

    /// The elements, row-major and little-endian.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The value as a constant.
    pub fn to_constant(&self) -> Constant {
        Constant { ty: self.ty.clone(), data: ConstData::Dense(Arc::clone(&self.bytes)) }
    }
}

fn static_dims(ty: &TensorType) -> Result<Vec<usize>, EvalError> {
    let dynamic = || EvalError::DynamicShape { ty: ty.to_string() };
    let dims = ty.static_dims().ok_or_else(dynamic)?;
    ty.bytes().and_then(|b| isize::try_from(b).ok()).ok_or_else(dynamic)?;
    dims.into_iter().map(|d| usize::try_from(d).map_err(|_| dynamic())).collect()
}
