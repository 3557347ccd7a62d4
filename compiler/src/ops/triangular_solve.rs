//! `triangular_solve`: solves triangular systems of linear equations.
//!
//! StableHLO specification, section `triangular_solve`.
use microhlo_format::DType;

use super::{AttrReader, AttrWriter, ElementwiseOp, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{Element, EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Solves triangular systems of linear equations.
#[derive(Clone, Debug, PartialEq)]
pub struct TriangularSolve {
    /// Whether the unknown stands right of the matrix: `op(a) x = b`.
    pub left_side: bool,
    /// Which triangle of the matrix is used.
    pub lower: bool,
    /// Whether the diagonal is taken as ones.
    pub unit_diagonal: bool,
    /// What is done to the matrix first.
    pub transpose: Transform,
}

impl StructuralOp for TriangularSolve {
    const NAME: &'static str = "stablehlo.triangular_solve";
    const SPEC: &'static str = "triangular_solve";
    const RESULT: [Option<&'static str>; 2] = [Some("C4"), Some("C4")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(TriangularSolve {
            left_side: attrs.opt_bool("left_side")?.unwrap_or(true),
            lower: attrs.opt_bool("lower")?.unwrap_or(true),
            unit_diagonal: attrs.opt_bool("unit_diagonal")?.unwrap_or(false),
            transpose: Transform::read(attrs)?,
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.bool("left_side", self.left_side);
        attrs.bool("lower", self.lower);
        attrs.bool("unit_diagonal", self.unit_diagonal);
        attrs.enumeration("transpose_a", "transpose", self.transpose.name());
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(2, 1)?;
        Ok(Some(vec![op.operand(1)?.clone()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (a, b) = (op.tensor(0)?, op.tensor(1)?);
        types::expect_floats_or_complex("I1", "the matrices", a)?;
        types::expect_floats_or_complex("I2", "the right-hand sides", b)?;
        constraint!(
            super::quant::same_baseline(&a.elem, &b.elem),
            "C1",
            "operands {a} and {b} differ in element type"
        );
        let n = a.rank();
        constraint!(
            n >= 2 && n == b.rank(),
            "C2",
            "operands {a} and {b} must have one rank of 2 or more"
        );
        let side = b.dims[if self.left_side { n - 2 } else { n - 1 }];
        constraint!(
            types::same_dims(&a.dims[..n - 2], &b.dims[..n - 2])
                && a.dims[n - 2].accepts(a.dims[n - 1])
                && a.dims[n - 1].accepts(side),
            "C3",
            "matrices {a} and {b} do not match"
        );
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let (a, b) = (&inputs[0], &inputs[1]);
        let rank = b.dims().len();
        let [.., rows, columns] = *b.dims() else {
            return Err(OpError::constraint("C2", "operands must be matrices").into());
        };
        let n = if self.left_side { rows } else { columns };
        let batches: usize = b.dims()[..rank - 2].iter().product();
        if a.len() != batches * n * n {
            return Err(OpError::constraint("C3", "matrices do not match").into());
        }
        evaluator.charge((b.len() * n) as u64)?;
        let mut out: Vec<Element> = b.elements().collect();
        for batch in 0..batches {
            for line in 0..b.len() / (batches * n).max(1) {
                let at = |i: usize| match self.left_side {
                    true => batch * n * columns + i * columns + line,
                    false => batch * rows * n + line * n + i,
                };
                self.solve(
                    n,
                    &|i, j| self.coefficient(a, batch, n, i, j),
                    &mut out,
                    &at,
                    a.dtype(),
                )?;
            }
        }
        Ok(vec![Tensor::from_elements(b.ty(), out)?])
    }
}

/// What is done to the matrix before solving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// Nothing.
    None,
    /// Transposition.
    Transpose,
    /// Conjugate transposition.
    Adjoint,
}

impl Transform {
    fn name(self) -> &'static str {
        match self {
            Transform::None => "NO_TRANSPOSE",
            Transform::Transpose => "TRANSPOSE",
            Transform::Adjoint => "ADJOINT",
        }
    }

    fn read(attrs: &mut AttrReader<'_>) -> Result<Transform, OpError> {
        let all = [Transform::None, Transform::Transpose, Transform::Adjoint];
        match attrs.opt_enum("transpose_a")? {
            None => Ok(Transform::None),
            Some(text) => all
                .into_iter()
                .find(|t| t.name() == &*text)
                .ok_or_else(|| OpError::new(format!("unknown transposition `{text}`"))),
        }
    }
}

/// The complex conjugate; real elements are their own.
pub(super) fn conjugate(e: Element) -> Element {
    match e {
        Element::Complex(re, im) => Element::Complex(re, -im),
        other => other,
    }
}

impl TriangularSolve {
    /// Whether substitution starts at the first unknown.
    fn forward(&self) -> bool {
        self.lower == ((self.transpose == Transform::None) == self.left_side)
    }

    /// Coefficient of unknown `j` in equation `i`.
    fn coefficient(&self, a: &Tensor, batch: usize, n: usize, i: usize, j: usize) -> Element {
        let swapped = (self.transpose != Transform::None) == self.left_side;
        let (row, column) = if swapped { (j, i) } else { (i, j) };
        let e = a.at((batch * n + row) * n + column);
        if self.transpose == Transform::Adjoint { conjugate(e) } else { e }
    }

    /// Substitutes in place: the right-hand side at `at(i)` becomes unknown `i`.
    fn solve(
        &self,
        n: usize,
        coefficient: &dyn Fn(usize, usize) -> Element,
        values: &mut [Element],
        at: &dyn Fn(usize) -> usize,
        dtype: DType,
    ) -> Result<(), EvalError> {
        let undefined = || EvalError::unsupported(Self::NAME, format!("elements of {dtype}"));
        let binary = |op: ElementwiseOp, a, b| op.apply2(dtype, a, b).ok_or_else(undefined);
        let order = |k: usize| if self.forward() { k } else { n - 1 - k };
        for k in 0..n {
            let i = order(k);
            let mut value = values[at(i)];
            for j in (0..k).map(order) {
                let known = binary(ElementwiseOp::Multiply, coefficient(i, j), values[at(j)])?;
                value = binary(ElementwiseOp::Subtract, value, known)?;
            }
            if !self.unit_diagonal {
                value = binary(ElementwiseOp::Divide, value, coefficient(i, i))?;
            }
            values[at(i)] = value;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{eval_op, floats};

    fn solve(op: TriangularSolve) -> Vec<f32> {
        let a = floats(&[2, 2], &[2., 4., 4., 8.]);
        let b = floats(&[2, 1], &[2., 20.]);
        let b = if op.left_side { b } else { floats(&[1, 2], &[2., 20.]) };
        let ty = b.ty().clone();
        eval_op(op, &[a, b], &ty).unwrap().to_f32s().unwrap()
    }

    #[test]
    fn all_sides_and_triangles() {
        let op = TriangularSolve {
            left_side: true,
            lower: true,
            unit_diagonal: false,
            transpose: Transform::None,
        };
        // 2 x = 2, 4 x + 8 y = 20
        assert_eq!(solve(op.clone()), [1., 2.]);
        // 8 y = 20, 2 x + 4 y = 2
        assert_eq!(solve(TriangularSolve { lower: false, ..op.clone() }), [-4., 2.5]);
        let transposed = TriangularSolve { transpose: Transform::Transpose, ..op.clone() };
        assert_eq!(solve(transposed), [-4., 2.5]);
        assert_eq!(solve(TriangularSolve { left_side: false, ..op.clone() }), [-4., 2.5]);
        assert_eq!(solve(TriangularSolve { unit_diagonal: true, ..op }), [2., 12.]);
    }
}
