//! `fft`: discrete Fourier transforms along the last dimensions.
//!
//! StableHLO specification, section `fft`.
use microhlo_format::DType;
use num_complex::Complex64;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::constraint;
use crate::eval::{Element, EvalError, Evaluator, Tensor, strides};
use crate::ir::{Dim, TensorType, Type};

/// Discrete Fourier transforms along the last dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Fft {
    /// Direction and element types.
    pub kind: Kind,
    /// Sizes of the transformed dimensions, those of the real side for real transforms.
    pub length: Vec<i64>,
}

impl StructuralOp for Fft {
    const NAME: &'static str = "stablehlo.fft";
    const SPEC: &'static str = "fft";
    const RESULT: [Option<&'static str>; 2] = [Some("C2"), Some("C5")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Fft { kind: Kind::read(attrs)?, length: attrs.ints("fft_length")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.enumeration("fft_type", "fft_type", self.kind.name());
        attrs.ints("fft_length", &self.length);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        Ok(Some(vec![self.result(op.tensor(0)?)?.into()]))
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let input = &inputs[0];
        let result = self.result(input.ty())?;
        let rank = input.dims().len();
        let (mut dims, mut values) = (input.dims().to_vec(), load(input));
        let first = rank - self.length.len();
        // Real transforms work on the last dimension: first going out, last coming back.
        let mut order: Vec<usize> = (first..rank).rev().collect();
        if self.kind == Kind::Irfft {
            order.reverse();
        }
        for d in order {
            let n = self.length[d - first] as usize;
            evaluator.charge((values.len() * n) as u64)?;
            if self.kind == Kind::Irfft && d + 1 == rank {
                values = mirror(&values, dims[d], n);
                dims[d] = n;
            }
            values = transform(&values, &dims, d, self.kind.inverse());
            if self.kind == Kind::Rfft && d + 1 == rank {
                let half = n / 2 + 1;
                values = values.chunks(n.max(1)).flat_map(|line| line[..half].to_vec()).collect();
                dims[d] = half;
            }
        }
        let real = result.elem.storage().is_float();
        let store = |z: Complex64| match real {
            true => Element::Float(z.re),
            false => Element::Complex(z.re, z.im),
        };
        Ok(vec![Tensor::from_elements(&result, values.into_iter().map(store))?])
    }
}

/// Direction and element types of a transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Complex to complex.
    Fft,
    /// Complex to complex, inverse.
    Ifft,
    /// Real to the non-redundant half of complex.
    Rfft,
    /// The inverse of [`Kind::Rfft`].
    Irfft,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Fft => "FFT",
            Kind::Ifft => "IFFT",
            Kind::Rfft => "RFFT",
            Kind::Irfft => "IRFFT",
        }
    }

    fn inverse(self) -> bool {
        matches!(self, Kind::Ifft | Kind::Irfft)
    }

    fn read(attrs: &mut AttrReader<'_>) -> Result<Kind, OpError> {
        let text = attrs.enumeration("fft_type")?;
        let all = [Kind::Fft, Kind::Ifft, Kind::Rfft, Kind::Irfft];
        let kind = all.into_iter().find(|k| k.name() == &*text);
        kind.ok_or_else(|| OpError::new(format!("unknown transform `{text}`")))
    }
}

impl Fft {
    /// Checks the operand and gives the result type.
    fn result(&self, operand: &TensorType) -> Result<TensorType, OpError> {
        let n = self.length.len();
        constraint!((1..=3).contains(&n), "C3", "fft_length must have 1 to 3 entries, has {n}");
        constraint!(n <= operand.rank(), "C1", "{operand} has fewer than {n} dimensions");
        let to = match (self.kind, operand.elem.storage()) {
            (Kind::Fft | Kind::Ifft, d @ (DType::C64 | DType::C128)) => d,
            (Kind::Rfft, DType::F32) | (Kind::Irfft, DType::C64) => match self.kind {
                Kind::Rfft => DType::C64,
                _ => DType::F32,
            },
            (Kind::Rfft, DType::F64) => DType::C128,
            (Kind::Irfft, DType::C128) => DType::F64,
            (kind, d) => {
                let text = format!("{} does not accept elements of type {d}", kind.name());
                return Err(OpError::constraint("C2", text));
            }
        };
        let mut result = operand.with_dtype(to);
        let first = operand.rank() - n;
        for (d, &length) in (first..).zip(&self.length) {
            let length = u64::try_from(length)
                .map_err(|_| OpError::new(format!("fft_length {length} is negative")))?;
            let last = d + 1 == operand.rank();
            let want = if self.kind == Kind::Irfft && last { length / 2 + 1 } else { length };
            constraint!(
                operand.dims[d].accepts(Dim::Static(want)) && length > 0,
                "C4",
                "dimension {d} of {operand} does not fit fft_length {length}"
            );
            let half = self.kind == Kind::Rfft && last;
            result.dims[d] = Dim::Static(if half { length / 2 + 1 } else { length });
        }
        Ok(result)
    }
}

fn load(t: &Tensor) -> Vec<Complex64> {
    let value = |e| match e {
        Element::Complex(re, im) => Complex64::new(re, im),
        Element::Float(v) => Complex64::new(v, 0.0),
        Element::Bool(_) | Element::Int(_) => Complex64::new(0.0, 0.0),
    };
    t.elements().map(value).collect()
}

/// Extends lines of `half` values to `n` by conjugate symmetry.
fn mirror(values: &[Complex64], half: usize, n: usize) -> Vec<Complex64> {
    let lines = values.chunks(half.max(1));
    let at = |line: &[Complex64], i: usize| if i < half { line[i] } else { line[n - i].conj() };
    lines.flat_map(|line| (0..n).map(move |i| at(line, i)).collect::<Vec<_>>()).collect()
}

/// Transforms one dimension by the definition, in double precision; the inverse divides by the
/// size.
fn transform(values: &[Complex64], dims: &[usize], dim: usize, inverse: bool) -> Vec<Complex64> {
    let (n, step) = (dims[dim], strides(dims)[dim]);
    let turn = if inverse { 2.0 } else { -2.0 } * std::f64::consts::PI / n as f64;
    let roots: Vec<Complex64> = (0..n)
        .map(|k| Complex64::new(libm::cos(turn * k as f64), libm::sin(turn * k as f64)))
        .collect();
    let scale = if inverse { 1.0 / n as f64 } else { 1.0 };
    let mut out = vec![Complex64::new(0.0, 0.0); values.len()];
    for (at, slot) in out.iter_mut().enumerate() {
        let k = at / step % n;
        let base = at - k * step;
        let terms = (0..n).map(|j| values[base + j * step] * roots[j * k % n]);
        *slot = terms.fold(Complex64::new(0.0, 0.0), |a, b| a + b) * scale;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{eval_op, floats};

    fn complex(dims: &[u64], values: &[(f64, f64)]) -> Tensor {
        let elements = values.iter().map(|&(re, im)| Element::Complex(re, im));
        Tensor::from_elements(&TensorType::fixed(dims, DType::C64), elements).unwrap()
    }

    #[test]
    fn real_transforms_invert() {
        let a = floats(&[4], &[1., 2., 3., 4.]);
        let op = Fft { kind: Kind::Rfft, length: vec![4] };
        let out = eval_op(op, std::slice::from_ref(&a), &TensorType::fixed(&[3], DType::C64));
        let want = complex(&[3], &[(10., 0.), (-2., 2.), (-2., 0.)]);
        for (x, y) in out.unwrap().elements().zip(want.elements()) {
            let (Element::Complex(a, b), Element::Complex(c, d)) = (x, y) else { panic!("{x:?}") };
            assert!((a - c).abs() < 1e-6 && (b - d).abs() < 1e-6, "{x:?} {y:?}");
        }
        let op = Fft { kind: Kind::Irfft, length: vec![4] };
        let back = eval_op(op, &[want], a.ty()).unwrap().to_f32s().unwrap();
        for (x, y) in back.iter().zip(a.to_f32s().unwrap()) {
            assert!((x - y).abs() < 1e-6);
        }
    }
}
