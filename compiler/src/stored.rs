//! What the integers of quantised inputs and outputs stand for.

use microhlo_format::{DType, scalar};
use serde::Serialize;

use crate::compile::Report;
use crate::eval::Element;
use crate::ir::{Func, TensorType, Type};

/// Integers `q` that stand for `(q - zero_point) * scale`.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, compile};
/// use microhlo_compiler::front;
/// use microhlo_format::DType;
///
/// let text = "func.func @main(%x: tensor<4x!quant.uniform<i8:f32, 0.5:-3>>) -> tensor<4xf32> {
///   %0 = stablehlo.uniform_dequantize %x
///     : (tensor<4x!quant.uniform<i8:f32, 0.5:-3>>) -> tensor<4xf32>
///   return %0 : tensor<4xf32>
/// }";
/// let (_, module) = front::parse("floats.mlir", text)?;
/// let report = compile(&module, &CompileOptions::default())?.report;
/// let stored = report.inputs[0].stored.expect("a quantised input");
/// assert_eq!((stored.scale, stored.zero_point), (0.5, -3));
/// assert_eq!((stored.quantize(1.0), stored.dequantize(-1)), (-1, 1.0));
/// let bytes = stored.quantize_bytes(DType::I8, &1.0_f32.to_le_bytes());
/// assert_eq!(bytes, [(-1_i8) as u8]);
/// assert_eq!(stored.dequantize_bytes(DType::I8, &bytes), 1.0_f32.to_le_bytes());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stored {
    /// How far apart the values of neighbouring integers are.
    pub scale: f32,
    /// The integer that stands for zero.
    pub zero_point: i64,
    /// Least and greatest integer.
    #[serde(skip)]
    range: (i64, i64),
}

impl Stored {
    /// Those of a tensor with one scale; `None` if it has several, or is not quantised.
    pub(crate) fn of(ty: &TensorType) -> Option<Stored> {
        let quant = ty.elem.quant()?;
        let (&[scale], &[zero_point]) = (&quant.scales[..], &quant.zero_points[..]) else {
            return None;
        };
        let range = quant.storage_range;
        Some(Stored { scale: scale as f32, zero_point, range })
    }

    /// The integer that stands for the nearest float, as `uniform_quantize` computes it.
    /// See the example of [`Stored`].
    pub fn quantize(&self, x: f32) -> i64 {
        let y = x / self.scale + self.zero_point as f32;
        let (min, max) = self.range;
        scalar::round_even_f32(scalar::clamp_f32(min as f32, y, max as f32)) as i64
    }

    /// The float that an integer stands for. See the example of [`Stored`].
    pub fn dequantize(&self, q: i64) -> f32 {
        (q - self.zero_point) as f32 * self.scale
    }

    /// Little-endian integers of a type for little-endian `f32`. See the example of [`Stored`].
    pub fn quantize_bytes(&self, dtype: DType, floats: &[u8]) -> Vec<u8> {
        let stored = |bytes: &[u8]| match Element::decode(DType::F32, bytes) {
            Element::Float(x) => self.quantize(x as f32),
            _ => 0,
        };
        let each = |bytes| stored(bytes).to_le_bytes().into_iter().take(dtype.size());
        floats.chunks_exact(DType::F32.size()).flat_map(each).collect()
    }

    /// Little-endian `f32` for little-endian integers of a type. See the example of [`Stored`].
    pub fn dequantize_bytes(&self, dtype: DType, integers: &[u8]) -> Vec<u8> {
        let integer = |bytes: &[u8]| {
            let integer = Element::decode(dtype, bytes).as_int();
            integer.and_then(|q| i64::try_from(q).ok()).unwrap_or(self.zero_point)
        };
        let each = |bytes| self.dequantize(integer(bytes)).to_le_bytes();
        integers.chunks_exact(dtype.size()).flat_map(each).collect()
    }

    /// As text.
    pub(crate) fn text(&self) -> String {
        format!("scale {:?}, zero point {}", self.scale, self.zero_point)
    }
}

/// Those of a function's arguments and of its results.
#[derive(Debug)]
pub(crate) struct Signature {
    inputs: Vec<Option<Stored>>,
    outputs: Vec<Option<Stored>>,
}

impl Signature {
    /// Reads the types, which are lowered to integers later.
    pub(crate) fn of(func: &Func) -> Signature {
        let stored = |ty: &Type| ty.tensor().and_then(Stored::of);
        let inputs = func.arguments().map(stored);
        Signature { inputs: inputs.collect(), outputs: func.results.iter().map(stored).collect() }
    }

    /// Adds them to a report of the compiled function.
    pub(crate) fn note(self, report: &mut Report) {
        let inputs = report.inputs.iter_mut().zip(self.inputs);
        let outputs = report.outputs.iter_mut().zip(self.outputs);
        for (tensor, stored) in inputs.chain(outputs) {
            tensor.stored = stored;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_stand_for_the_nearest_float() {
        let stored = Stored { scale: 0.5, zero_point: -3, range: (-128, 127) };
        let floats = [0.0_f32, 0.25, 0.75, -1.1, 1000.0, -1000.0, f32::NAN];
        let bytes: Vec<u8> = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
        let integers = stored.quantize_bytes(DType::I8, &bytes);
        // Ties go to even: -2.5 to -2, -1.5 to -2.
        let expected = [-3_i8, -2, -2, -5, 127, -128, 0].map(|q| q as u8);
        assert_eq!(integers, expected);
        let back = stored.dequantize_bytes(DType::I8, &integers);
        let back: Vec<f32> =
            back.chunks(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        assert_eq!(back, [0.0, 0.5, 0.5, -1.0, 65.0, -62.5, 1.5]);
        assert_eq!(stored.quantize_bytes(DType::I16, &bytes[..4]), (-3_i16).to_le_bytes());
        assert_eq!(stored.text(), "scale 0.5, zero point -3");
    }
}
