//! `dot_general`: sums of products over contracted dimensions.
//!
//! StableHLO specification, section `dot_general`.
use std::sync::Arc;

use super::contract::{Contraction, Number, contract, offsets};
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor, strides};
use crate::ir::{Attr, Dict, Dim, ElementType, TensorType, Type};

/// Sums of products of two operands over contracted dimensions, batched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DotGeneral {
    /// Batch dimensions of the left operand.
    pub lhs_batching: Vec<i64>,
    /// Batch dimensions of the right operand.
    pub rhs_batching: Vec<i64>,
    /// Contracted dimensions of the left operand.
    pub lhs_contracting: Vec<i64>,
    /// Contracted dimensions of the right operand.
    pub rhs_contracting: Vec<i64>,
    /// One precision name per operand, or none. Evaluation is always exact to the result type.
    pub precision: Vec<Arc<str>>,
    /// `#stablehlo.dot_algorithm<...>`, kept as written.
    pub algorithm: Option<Attr>,
}

impl StructuralOp for DotGeneral {
    const NAME: &'static str = "stablehlo.dot_general";
    const SPEC: &'static str = "dot_general";
    const RESULT: [Option<&'static str>; 2] = [None, Some("C12")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        let mut dims = attrs.fields("dot_dimension_numbers")?;
        Ok(DotGeneral {
            lhs_batching: dims.opt_ints("lhs_batching_dimensions")?.unwrap_or_default(),
            rhs_batching: dims.opt_ints("rhs_batching_dimensions")?.unwrap_or_default(),
            lhs_contracting: dims.opt_ints("lhs_contracting_dimensions")?.unwrap_or_default(),
            rhs_contracting: dims.opt_ints("rhs_contracting_dimensions")?.unwrap_or_default(),
            precision: attrs.precision()?,
            algorithm: attrs.take("algorithm"),
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        let mut dims = Dict::default();
        for (name, list) in [
            ("lhs_batching_dimensions", &self.lhs_batching),
            ("rhs_batching_dimensions", &self.rhs_batching),
            ("lhs_contracting_dimensions", &self.lhs_contracting),
            ("rhs_contracting_dimensions", &self.rhs_contracting),
        ] {
            if !list.is_empty() {
                dims.push(name, Attr::DenseInts(list.clone()));
            }
        }
        attrs.attr("dot_dimension_numbers", Attr::Struct("stablehlo.dot".into(), dims));
        attrs.precision(&self.precision);
        if let Some(algorithm) = &self.algorithm {
            attrs.attr("algorithm", algorithm.clone());
        }
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(2, 1)?;
        let dims = self.result_dims(op.tensor(0)?, op.tensor(1)?)?;
        // The result's element type is the author's choice: it is what sums are rounded to.
        Ok(Some(vec![types::with_dims(op.result_tensor(0)?, dims).into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        types::expect_precision("C11", self.precision.len())?;
        let (lhs, rhs) = (op.tensor(0)?, op.tensor(1)?);
        let plain = lhs.elem.plain().is_some() && rhs.elem.plain().is_some();
        // Integers of two types are not in the specification, but exporters write them and the
        // dialect takes them: each is converted to the result's type.
        let integers = lhs.elem.storage().is_integer() && rhs.elem.storage().is_integer();
        constraint!(
            !plain || integers || lhs.elem == rhs.elem,
            "C13",
            "operands {lhs} and {rhs} differ in element type"
        );
        match &self.algorithm {
            Some(algorithm) => super::dot_algorithm::verify(algorithm, &self.precision),
            None => Ok(()),
        }
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let result = op.result_tensor(0)?;
        Ok(vec![self.apply(&inputs[0], &inputs[1], &result.elem, evaluator)?])
    }
}

/// Dimensions of both operands by role, as indices.
struct Roles {
    lhs_batching: Vec<usize>,
    rhs_batching: Vec<usize>,
    lhs_contracting: Vec<usize>,
    rhs_contracting: Vec<usize>,
    lhs_free: Vec<usize>,
    rhs_free: Vec<usize>,
}

impl DotGeneral {
    /// Dimensions of the result; fails unless the operands fit together.
    pub fn result_dims(&self, lhs: &TensorType, rhs: &TensorType) -> Result<Vec<Dim>, OpError> {
        let roles = self.roles(lhs.rank(), rhs.rank())?;
        for (label, a, b) in [
            ("C9", &roles.lhs_batching, &roles.rhs_batching),
            ("C10", &roles.lhs_contracting, &roles.rhs_contracting),
        ] {
            for (&a, &b) in a.iter().zip(b) {
                if !lhs.dims[a].accepts(rhs.dims[b]) {
                    let text = format!("dimension {a} of {lhs} and {b} of {rhs} differ");
                    return Err(OpError::constraint(label, text));
                }
            }
        }
        let batch = roles.lhs_batching.iter().zip(&roles.rhs_batching);
        let mut dims: Vec<Dim> = batch.map(|(&a, &b)| lhs.dims[a].merge(rhs.dims[b])).collect();
        dims.extend(roles.lhs_free.iter().map(|&d| lhs.dims[d]));
        dims.extend(roles.rhs_free.iter().map(|&d| rhs.dims[d]));
        Ok(dims)
    }

    fn roles(&self, lhs: usize, rhs: usize) -> Result<Roles, OpError> {
        let (nb, nc) = (self.lhs_batching.len(), self.lhs_contracting.len());
        let n = self.rhs_batching.len();
        constraint!(nb == n, "C1", "{nb} batch dimensions of the left operand, {n} of the right");
        let n = self.rhs_contracting.len();
        constraint!(
            nc == n,
            "C2",
            "{nc} contracted dimensions of the left operand, {n} of the right"
        );
        for (label, what, dims, rank) in [
            ("C5", "batch dimensions of the left operand", &self.lhs_batching, lhs),
            ("C6", "contracted dimensions of the left operand", &self.lhs_contracting, lhs),
            ("C7", "batch dimensions of the right operand", &self.rhs_batching, rhs),
            ("C8", "contracted dimensions of the right operand", &self.rhs_contracting, rhs),
        ] {
            let inside = dims.iter().all(|&d| types::dim_index(d, rank).is_some());
            if !inside {
                let text = format!("{what} {dims:?} must lie in 0..{rank}");
                return Err(OpError::constraint(label, text));
            }
        }
        let list = |label, what, dims: &[i64], rank| types::dim_list(Some(label), what, dims, rank);
        let all = |a: &[i64], b: &[i64]| [a, b].concat();
        let left = all(&self.lhs_batching, &self.lhs_contracting);
        let right = all(&self.rhs_batching, &self.rhs_contracting);
        let (left, right) = (
            list("C3", "batch and contracted dimensions", &left, lhs)?,
            list("C4", "batch and contracted dimensions", &right, rhs)?,
        );
        let free = |used: &[usize], rank| (0..rank).filter(|d| !used.contains(d)).collect();
        Ok(Roles {
            lhs_free: free(&left, lhs),
            rhs_free: free(&right, rhs),
            lhs_batching: left[..nb].to_vec(),
            lhs_contracting: left[nb..].to_vec(),
            rhs_batching: right[..nb].to_vec(),
            rhs_contracting: right[nb..].to_vec(),
        })
    }

    /// Contracts two tensors into elements of the given type.
    pub(super) fn apply(
        &self,
        lhs: &Tensor,
        rhs: &Tensor,
        elem: &ElementType,
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Tensor, EvalError> {
        if matches!(elem, ElementType::Quant(_)) {
            return Err(EvalError::unsupported(Self::NAME, "quantised results"));
        }
        let roles = self.roles(lhs.dims().len(), rhs.dims().len())?;
        let size =
            |t: &Tensor, dims: &[usize]| dims.iter().map(|&d| t.dims()[d]).collect::<Vec<_>>();
        let pairs = [
            (&roles.lhs_batching, &roles.rhs_batching),
            (&roles.lhs_contracting, &roles.rhs_contracting),
        ];
        if pairs.iter().any(|(a, b)| size(lhs, a) != size(rhs, b)) {
            return Err(OpError::new(format!("{} and {} do not match", lhs.ty(), rhs.ty())).into());
        }
        let dims = [
            size(lhs, &roles.lhs_batching),
            size(lhs, &roles.lhs_free),
            size(rhs, &roles.rhs_free),
        ];
        let dims = dims.concat().iter().map(|&d| Dim::Static(d as u64)).collect();
        let result = TensorType { dims, elem: elem.clone() };
        let place = |t: &Tensor, dims: &[usize]| {
            let steps = strides(t.dims());
            let steps: Vec<usize> = dims.iter().map(|&d| steps[d]).collect();
            offsets(&size(t, dims), &steps)
        };
        let sums = Sums {
            lhs_batch: place(lhs, &roles.lhs_batching),
            rhs_batch: place(rhs, &roles.rhs_batching),
            lhs_free: place(lhs, &roles.lhs_free),
            rhs_free: place(rhs, &roles.rhs_free),
            lhs_terms: place(lhs, &roles.lhs_contracting),
            rhs_terms: place(rhs, &roles.rhs_contracting),
        };
        let terms = sums.lhs_terms.len() as u64;
        evaluator.charge(result.elements().unwrap_or(0).saturating_mul(terms))?;
        contract(&sums, lhs, rhs, &result)
    }
}

/// Offsets of each role's indices in the operands.
struct Sums {
    lhs_batch: Vec<usize>,
    rhs_batch: Vec<usize>,
    lhs_free: Vec<usize>,
    rhs_free: Vec<usize>,
    lhs_terms: Vec<usize>,
    rhs_terms: Vec<usize>,
}

impl Contraction for Sums {
    fn sums<T: Number>(&self, lhs: &[T], rhs: &[T]) -> Vec<T> {
        let n = self.lhs_batch.len() * self.lhs_free.len() * self.rhs_free.len();
        let mut out = Vec::with_capacity(n);
        for (lb, rb) in self.lhs_batch.iter().zip(&self.rhs_batch) {
            for lf in &self.lhs_free {
                for rf in &self.rhs_free {
                    let terms = self.lhs_terms.iter().zip(&self.rhs_terms);
                    out.push(terms.fold(T::ZERO, |sum, (l, r)| {
                        sum.add_product(lhs[lb + lf + l], rhs[rb + rf + r])
                    }));
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Element;
    use crate::ops::testing::{check_op, eval_op, floats, ints};
    use microhlo_format::DType;

    fn matmul() -> DotGeneral {
        DotGeneral { lhs_contracting: vec![1], rhs_contracting: vec![0], ..Default::default() }
    }

    #[test]
    fn matrix_product() {
        let (a, b) = (floats(&[2, 2], &[1., 2., 3., 4.]), floats(&[2, 1], &[10., 1.]));
        let out = eval_op(matmul(), &[a, b], &TensorType::fixed(&[2, 1], DType::F32)).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [12., 34.]);
    }

    #[test]
    fn batch_dimensions_come_first() {
        let ty = TensorType::fixed(&[2, 2], DType::I8);
        let (a, b) = (ints(&ty, &[1, 2, 3, 4]), ints(&ty, &[5, 6, 7, 8]));
        let op = DotGeneral { lhs_batching: vec![1], rhs_batching: vec![0], ..Default::default() };
        let out = eval_op(op, &[a, b], &TensorType::fixed(&[2, 2, 2], DType::I32)).unwrap();
        assert_eq!(out.ints().unwrap(), [5, 6, 15, 18, 14, 16, 28, 32]);
    }

    #[test]
    fn narrow_integers_wrap_in_the_result_type() {
        let ty = TensorType::fixed(&[1, 2], DType::I8);
        let (a, b) =
            (ints(&ty, &[100, 100]), ints(&TensorType::fixed(&[2, 1], DType::I8), &[2, 1]));
        let out = eval_op(matmul(), &[a, b], &TensorType::fixed(&[1, 1], DType::I8)).unwrap();
        assert_eq!(out.ints().unwrap(), [44]);
    }

    #[test]
    fn half_accumulates_in_single_precision() {
        let row = TensorType::fixed(&[1, 3], DType::F16);
        let e = |ty: &TensorType, v: [f64; 3]| {
            Tensor::from_elements(ty, v.map(Element::Float)).unwrap()
        };
        let column = TensorType::fixed(&[3, 1], DType::F16);
        let (a, b) = (e(&row, [2048.0, 1.0, 1.0]), e(&column, [1.0; 3]));
        let out = eval_op(matmul(), &[a, b], &TensorType::fixed(&[1, 1], DType::F16)).unwrap();
        assert_eq!(out.at(0), Element::Float(2050.0));
    }

    #[test]
    fn sizes_must_match() {
        let t = |dims: &[u64]| TensorType::fixed(dims, DType::F32);
        let e = check_op(matmul(), &[t(&[2, 3]), t(&[2, 3])], &t(&[2, 3])).unwrap_err();
        assert_eq!(e.constraint, Some("C10"));
    }
}
