//! `triangular_solve`: solves triangular systems of linear equations.
//!
//! StableHLO specification, section `triangular_solve`.
use microhlo_format::DType;
use microhlo_format::algorithms::Number;
use microhlo_format::algorithms::triangular_solve::{System, solve};

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::native::{self, Native};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;
use crate::passes::decompose;

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
        op: &OpView<'_>,
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
        let system = System {
            n,
            count: if self.left_side { columns } else { rows },
            left_side: self.left_side,
            lower: self.lower,
            unit_diagonal: self.unit_diagonal,
            transpose: self.transpose != Transform::None,
            conjugate: self.transpose == Transform::Adjoint,
        };
        let out = match a.dtype() {
            DType::F32 => unknowns::<f32>(&system, a, b, batches),
            DType::F64 => unknowns::<f64>(&system, a, b, batches),
            DType::C64 => unknowns::<[f32; 2]>(&system, a, b, batches),
            DType::C128 => unknowns::<[f64; 2]>(&system, a, b, batches),
            _ => return decompose::evaluate(op, inputs, evaluator),
        };
        Ok(vec![Tensor::from_bytes(b.ty(), out)?])
    }
}

/// The unknowns of `batches` systems.
fn unknowns<T: Native + Number>(
    system: &System,
    a: &Tensor,
    b: &Tensor,
    batches: usize,
) -> Vec<u8> {
    let (a, b): (Vec<T>, Vec<T>) = (native::vector(a), native::vector(b));
    let (matrix, values) = (system.n * system.n, system.n * system.count);
    let mut out = Vec::with_capacity(b.len());
    for batch in 0..batches {
        let mut lines = b[batch * values..][..values].to_vec();
        solve(system, |at| a[batch * matrix + at], &mut lines);
        out.extend(lines);
    }
    native::bytes(&out)
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
