//! What an instruction stands for: one value, or a tuple of them.

use std::rc::Rc;

use super::super::graph::Shape;
use crate::ir::{Body, Type, ValueId};

/// A value or a tuple. Tokens are tuples without parts.
#[derive(Clone, Debug)]
pub(super) enum Val {
    One(ValueId),
    Tuple(Rc<[Val]>),
}

impl Val {
    /// A tuple.
    pub(super) fn tuple(parts: Vec<Val>) -> Val {
        Val::Tuple(parts.into())
    }

    /// A value of a shape whose leaves are taken from `leaves`.
    pub(super) fn build(shape: &Shape, leaves: &mut impl Iterator<Item = ValueId>) -> Val {
        match shape {
            Shape::Array(_) => leaves.next().map_or_else(|| Val::tuple(Vec::new()), Val::One),
            Shape::Tuple(parts) => {
                Val::tuple(parts.iter().map(|p| Val::build(p, leaves)).collect())
            }
            Shape::Token | Shape::Other(_) => Val::tuple(Vec::new()),
        }
    }

    /// Appends all values in order.
    pub(super) fn leaves(&self, out: &mut Vec<ValueId>) {
        match self {
            Val::One(value) => out.push(*value),
            Val::Tuple(parts) => parts.iter().for_each(|p| p.leaves(out)),
        }
    }

    /// Whether the value has the structure and the types of a shape.
    pub(super) fn fits(&self, shape: &Shape, body: &Body) -> bool {
        match (self, shape) {
            (Val::One(value), Shape::Array(array)) => {
                matches!(body.ty(*value), Type::Tensor(ty) if *ty == array.ty)
            }
            (Val::Tuple(parts), Shape::Tuple(shapes)) => {
                parts.len() == shapes.len()
                    && parts.iter().zip(shapes).all(|(p, s)| p.fits(s, body))
            }
            (Val::Tuple(parts), Shape::Token) => parts.is_empty(),
            _ => false,
        }
    }

    /// The types, for reports.
    pub(super) fn show(&self, body: &Body) -> String {
        match self {
            Val::One(value) => body.ty(*value).to_string(),
            Val::Tuple(parts) => {
                let parts: Vec<String> = parts.iter().take(8).map(|p| p.show(body)).collect();
                format!("({})", parts.join(", "))
            }
        }
    }
}
