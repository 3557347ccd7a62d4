//! `compare`: elementwise comparison.
//!
//! StableHLO specification, section `compare`.
use std::cmp::Ordering;

use microhlo_format::DType;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{Element, EvalError, Evaluator, Tensor};
use crate::ir::{ElementType, Type};

/// The relation tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Greater or equal.
    Ge,
    /// Greater.
    Gt,
    /// Less or equal.
    Le,
    /// Less.
    Lt,
}

impl Direction {
    /// All directions.
    pub const ALL: [Direction; 6] =
        [Direction::Eq, Direction::Ne, Direction::Ge, Direction::Gt, Direction::Le, Direction::Lt];

    /// The spelling in StableHLO text.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Eq => "EQ",
            Direction::Ne => "NE",
            Direction::Ge => "GE",
            Direction::Gt => "GT",
            Direction::Le => "LE",
            Direction::Lt => "LT",
        }
    }
}

/// How elements are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareType {
    /// IEEE 754 comparison.
    Float,
    /// IEEE 754 `totalOrder`.
    TotalOrder,
    /// Signed integers.
    Signed,
    /// Unsigned integers and booleans.
    Unsigned,
}

impl CompareType {
    /// All types.
    pub const ALL: [CompareType; 4] =
        [CompareType::Float, CompareType::TotalOrder, CompareType::Signed, CompareType::Unsigned];

    /// The spelling in StableHLO text.
    pub fn name(self) -> &'static str {
        match self {
            CompareType::Float => "FLOAT",
            CompareType::TotalOrder => "TOTALORDER",
            CompareType::Signed => "SIGNED",
            CompareType::Unsigned => "UNSIGNED",
        }
    }
}

/// Elementwise comparison giving booleans.
#[derive(Clone, Debug, PartialEq)]
pub struct Compare {
    /// The relation tested.
    pub direction: Direction,
    /// How elements are ordered; `None` follows from the element type.
    pub compare_type: Option<CompareType>,
}

impl StructuralOp for Compare {
    const NAME: &'static str = "stablehlo.compare";
    const SPEC: &'static str = "compare";
    const RESULT: [Option<&'static str>; 2] = [None, Some("C2")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        let text = attrs.enumeration("comparison_direction")?;
        let direction = Direction::ALL
            .into_iter()
            .find(|d| d.name() == &*text)
            .ok_or_else(|| OpError::new(format!("unknown comparison direction `{text}`")))?;
        let compare_type = match attrs.opt_enum("compare_type")? {
            None => None,
            Some(text) if &*text == "NOTYPE" => None,
            Some(text) => Some(
                CompareType::ALL
                    .into_iter()
                    .find(|t| t.name() == &*text)
                    .ok_or_else(|| OpError::new(format!("unknown comparison type `{text}`")))?,
            ),
        };
        Ok(Compare { direction, compare_type })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.enumeration("comparison_direction", "comparison_direction", self.direction.name());
        if let Some(t) = self.compare_type {
            attrs.enumeration("compare_type", "comparison_type", t.name());
        }
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(2, 1)?;
        let (a, b) = (op.tensor(0)?, op.tensor(1)?);
        let merged = a.dims.iter().zip(&b.dims).map(|(a, &b)| a.merge(b)).collect();
        Ok(Some(vec![types::with_dims(a, merged).with_dtype(DType::I1).into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (a, b) = (op.tensor(0)?, op.tensor(1)?);
        constraint!(
            super::quant::same_baseline(&a.elem, &b.elem),
            "C1",
            "operands differ in element type: {a} and {b}"
        );
        constraint!(types::same_dims(&a.dims, &b.dims), "C2", "operands differ in shape: {a}, {b}");
        let dtype = match &a.elem {
            ElementType::Quant(_) => return Ok(()),
            other => other.storage(),
        };
        let Some(t) = self.compare_type else { return Ok(()) };
        let allowed = match t {
            CompareType::Float => dtype.is_float() || dtype.is_complex(),
            CompareType::TotalOrder => dtype.is_float(),
            CompareType::Signed => dtype.is_signed_integer(),
            CompareType::Unsigned => dtype.is_unsigned_integer() || dtype == DType::I1,
        };
        constraint!(allowed, "C3", "comparison type {} does not fit {a}", t.name());
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        types::same_shapes(inputs)?;
        let (a, b) = (&inputs[0], &inputs[1]);
        let pairs = a.elements().zip(b.elements());
        let out = pairs.map(|(a, b)| Element::Bool(self.holds(a, b)));
        Ok(vec![Tensor::from_elements(&a.ty().with_dtype(DType::I1), out)?])
    }
}

impl Compare {
    /// Whether the relation holds between two elements of one type.
    pub fn holds(&self, a: Element, b: Element) -> bool {
        let order = match (a, b) {
            (Element::Bool(a), Element::Bool(b)) => Some(a.cmp(&b)),
            (Element::Int(a), Element::Int(b)) => Some(a.cmp(&b)),
            (Element::Float(a), Element::Float(b)) => match self.compare_type {
                // Widening to f64 keeps signs, order and NaN-ness, so its total order serves all.
                Some(CompareType::TotalOrder) => Some(a.total_cmp(&b)),
                _ => a.partial_cmp(&b),
            },
            // Complex numbers are only equal or not; the specification orders them
            // lexicographically in the deprecated ordered comparisons.
            (Element::Complex(a, b), Element::Complex(c, d)) => (a, b).partial_cmp(&(c, d)),
            _ => None,
        };
        match self.direction {
            Direction::Eq => order == Some(Ordering::Equal),
            Direction::Ne => order != Some(Ordering::Equal),
            Direction::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            Direction::Gt => order == Some(Ordering::Greater),
            Direction::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Direction::Lt => order == Some(Ordering::Less),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{check_op, eval_op, floats};

    fn run(direction: Direction, t: Option<CompareType>, a: &[f32], b: &[f32]) -> Vec<i64> {
        let n = a.len() as u64;
        let op = Compare { direction, compare_type: t };
        let ty = TensorType::fixed(&[n], DType::I1);
        eval_op(op, &[floats(&[n], a), floats(&[n], b)], &ty).unwrap().ints().unwrap()
    }

    #[test]
    fn nan_and_zeros() {
        let (a, b) = ([f32::NAN, -0.0, 1.0], [f32::NAN, 0.0, f32::NAN]);
        assert_eq!(run(Direction::Eq, None, &a, &b), [0, 1, 0]);
        assert_eq!(run(Direction::Ne, None, &a, &b), [1, 0, 1]);
        assert_eq!(run(Direction::Le, None, &a, &b), [0, 1, 0]);
        let total = Some(CompareType::TotalOrder);
        assert_eq!(run(Direction::Eq, total, &a, &b), [1, 0, 0]);
        assert_eq!(run(Direction::Lt, total, &a, &b), [0, 1, 1]);
        assert_eq!(run(Direction::Lt, total, &[-f32::NAN], &[f32::NEG_INFINITY]), [1]);
    }

    #[test]
    fn type_must_fit_elements() {
        let ty = TensorType::fixed(&[1], DType::U8);
        let op = Compare { direction: Direction::Lt, compare_type: Some(CompareType::Signed) };
        let e = check_op(op, &[ty.clone(), ty], &TensorType::fixed(&[1], DType::I1));
        assert_eq!(e.unwrap_err().constraint, Some("C3"));
    }
}
