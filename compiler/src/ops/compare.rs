//! `compare`: elementwise comparison.
//!
//! StableHLO specification, section `compare`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

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

    fn infer(&self, _op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        Ok(None)
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        _inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Err(EvalError::unsupported(Self::NAME, "not evaluated yet"))
    }
}
