//! `fft`: discrete Fourier transforms along the last dimensions.
//!
//! StableHLO specification, section `fft`.
use microhlo_format::DType;
use microhlo_format::algorithms::Real;
use microhlo_format::algorithms::fft::{self as algorithm, Plan};

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::constraint;
use crate::eval::native::{self, Native};
use crate::eval::{EvalError, Evaluator, Tensor};
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
        for (_, _, n) in self.stages(input.dims().len()) {
            // About as many operations per element as a length has bits, and some more.
            evaluator.charge(input.len() as u64 * 16 * u64::from(n.ilog2() + 1))?;
        }
        let out = match input.dtype() {
            DType::F32 | DType::C64 => self.transformed::<f32>(input)?,
            _ => self.transformed::<f64>(input)?,
        };
        Ok(vec![Tensor::from_bytes(&result, out)?])
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

impl Fft {
    /// Dimensions in the order of their transforms, each with its kind and length.
    ///
    /// Transforms of real numbers are of the last dimension: first going out, last coming back.
    pub fn stages(&self, rank: usize) -> Vec<(usize, algorithm::Kind, u32)> {
        let first = rank.saturating_sub(self.length.len());
        let mut dims: Vec<usize> = (first..rank).rev().collect();
        if self.kind == Kind::Irfft {
            dims.reverse();
        }
        let stage = |d: usize| {
            let kind = match self.kind {
                Kind::Rfft if d + 1 == rank => algorithm::Kind::RealForward,
                Kind::Irfft if d + 1 == rank => algorithm::Kind::RealInverse,
                Kind::Fft | Kind::Rfft => algorithm::Kind::Forward,
                Kind::Ifft | Kind::Irfft => algorithm::Kind::Inverse,
            };
            (d, kind, u32::try_from(self.length[d - first]).unwrap_or(u32::MAX))
        };
        dims.into_iter().map(stage).collect()
    }

    /// The bytes of the transform, computed with real numbers of type `T`.
    fn transformed<T: Real + Native>(&self, input: &Tensor) -> Result<Vec<u8>, EvalError>
    where
        [T; 2]: Native,
    {
        let mut dims = input.dims().to_vec();
        let mut values: Vec<[T; 2]> = match input.dtype().is_complex() {
            true => native::vector(input),
            false => native::vector(input).into_iter().map(|re| [re, T::ZERO]).collect(),
        };
        for (dim, kind, n) in self.stages(dims.len()) {
            let too_long = || EvalError::unsupported(Self::NAME, format!("{n} elements"));
            let plan = Plan::new(kind, n).ok_or_else(too_long)?;
            values = lines(&plan, &values, &mut dims, dim);
        }
        Ok(match self.kind {
            Kind::Irfft => native::bytes(&values.iter().map(|z| z[0]).collect::<Vec<T>>()),
            _ => native::bytes(&values),
        })
    }
}

/// Transforms all lines along a dimension, whose size becomes that of the result.
fn lines<T: Real>(plan: &Plan, values: &[[T; 2]], dims: &mut [usize], dim: usize) -> Vec<[T; 2]> {
    let table = algorithm::table(plan);
    let table: Vec<[T; 2]> = table.into_iter().map(|z| z.map(T::from_f64)).collect();
    let work = vec![[T::ZERO; 2]; plan.stages_len() as usize];
    let inner: usize = dims[dim + 1..].iter().product();
    let outer: usize = dims[..dim].iter().product();
    let (from, to) = (dims[dim], plan.outputs() as usize);
    dims[dim] = to;
    let mut out = vec![[T::ZERO; 2]; outer * to * inner];
    for o in 0..outer {
        for i in 0..inner {
            let input = |k: usize| values[(o * from + k) * inner + i];
            let output = |k: usize, z| out[(o * to + k) * inner + i] = z;
            algorithm::line(plan, &table, work.clone(), work.clone(), input, output);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Element;
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
