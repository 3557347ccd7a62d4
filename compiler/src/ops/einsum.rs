//! `einsum` and `unary_einsum`: contractions in Einstein's notation.
//!
//! Not in the StableHLO specification; the dialect keeps them, and TensorFlow emits them.
use std::sync::Arc;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Attr, Dim, TensorType, Type};
use crate::passes::decompose;

/// A label of a dimension: a letter, or a dimension that an ellipsis stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// A named dimension.
    Letter(char),
    /// Dimension number `.0` from the right of an ellipsis.
    Ellipsis(usize),
}

/// `ab,bc->ac`, read for operands of given ranks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equation {
    /// The labels of each operand's dimensions.
    pub operands: Vec<Vec<Label>>,
    /// The labels of the result's dimensions, each once.
    pub result: Vec<Label>,
}

impl Equation {
    /// Reads an equation for operands of these ranks.
    ///
    /// # Errors
    /// It is malformed, or does not fit the operands.
    pub fn parse(config: &str, ranks: &[usize]) -> Result<Equation, OpError> {
        let fail = |what: String| OpError::new(format!("einsum_config `{config}`: {what}"));
        let (left, right) = config
            .split_once("->")
            .ok_or_else(|| fail("`->` and the result are missing".into()))?;
        let lists: Vec<&str> = left.split(',').collect();
        if lists.len() != ranks.len() {
            return Err(fail(format!("{} operands, not {}", lists.len(), ranks.len())));
        }
        let mut operands = Vec::new();
        let mut widest = 0;
        for (list, &rank) in lists.iter().zip(ranks) {
            let (labels, ellipsis) = Self::labels(list, Some(rank)).map_err(&fail)?;
            widest = widest.max(ellipsis);
            operands.push(labels);
        }
        let named = right.chars().filter(|c| c.is_alphabetic()).count();
        let rank = right.contains("...").then_some(named + widest);
        let (result, _) = Self::labels(right, rank).map_err(&fail)?;
        for (i, label) in result.iter().enumerate() {
            if result[..i].contains(label) {
                return Err(fail("a label of the result is repeated".into()));
            }
            if !operands.iter().any(|o| o.contains(label)) {
                return Err(fail("a label of the result is in no operand".into()));
            }
        }
        Ok(Equation { operands, result })
    }

    /// The labels of one list, and how many dimensions its ellipsis stands for.
    fn labels(list: &str, rank: Option<usize>) -> Result<(Vec<Label>, usize), String> {
        let list: String = list.chars().filter(|c| !c.is_whitespace()).collect();
        let (before, after) = list.split_once("...").unwrap_or((&list, ""));
        let letters = |part: &str| -> Result<Vec<Label>, String> {
            let letter = |c: char| match c.is_alphabetic() {
                true => Ok(Label::Letter(c)),
                false => Err(format!("`{c}` is no label")),
            };
            part.chars().map(letter).collect()
        };
        let (mut labels, after) = (letters(before)?, letters(after)?);
        let named = labels.len() + after.len();
        let rank = rank.unwrap_or(named);
        let hidden = rank.checked_sub(named);
        let hidden = hidden.filter(|&n| n == 0 || list.contains("..."));
        let hidden = hidden.ok_or_else(|| format!("{named} labels for {rank} dimensions"))?;
        labels.extend((0..hidden).rev().map(Label::Ellipsis));
        labels.extend(after);
        Ok((labels, hidden))
    }

    /// The shape of the result for operands of these types.
    fn dims(&self, operands: &[&TensorType]) -> Result<Vec<Dim>, OpError> {
        let mut known: Vec<(Label, Dim)> = Vec::new();
        for (labels, ty) in self.operands.iter().zip(operands) {
            for (&label, &dim) in labels.iter().zip(&ty.dims) {
                match known.iter_mut().find(|(l, _)| *l == label) {
                    Some((_, size)) if !size.accepts(dim) => {
                        let text = format!("{label:?} is of size {size} and {dim}");
                        return Err(OpError::new(text));
                    }
                    Some((_, size)) if size.size().is_none() => *size = dim,
                    Some(_) => {}
                    None => known.push((label, dim)),
                }
            }
        }
        let dim = |label: &Label| known.iter().find(|(l, _)| l == label).map(|(_, d)| *d);
        Ok(self.result.iter().filter_map(dim).collect())
    }
}

fn infer(config: &str, op: &OpView<'_>, operands: usize) -> Result<Option<Vec<Type>>, OpError> {
    op.expect_arity(operands, 1)?;
    let types = (0..operands).map(|i| op.tensor(i)).collect::<Result<Vec<_>, _>>()?;
    let ranks: Vec<usize> = types.iter().map(|t| t.rank()).collect();
    let dims = Equation::parse(config, &ranks)?.dims(&types)?;
    // As in `dot_general`, the element type of the result is the author's choice.
    Ok(Some(vec![TensorType { dims, elem: op.result_tensor(0)?.elem.clone() }.into()]))
}

macro_rules! einsum {
    ($(#[$doc:meta])* $ty:ident, $name:literal, $operands:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $ty {
            /// The equation, for example `ab,bc->ac`.
            pub config: Arc<str>,
        }

        impl StructuralOp for $ty {
            const NAME: &'static str = $name;
            const SPEC: &'static str = "(StableHLO dialect, deprecated)";

            fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
                Ok($ty { config: attrs.string("einsum_config")? })
            }

            fn write(&self, attrs: &mut AttrWriter) {
                attrs.attr("einsum_config", Attr::String(Arc::clone(&self.config)));
            }

            fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
                infer(&self.config, op, $operands)
            }

            fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
                Ok(())
            }

            fn eval(
                &self,
                op: &OpView<'_>,
                inputs: &[Tensor],
                evaluator: &mut Evaluator<'_>,
            ) -> Result<Vec<Tensor>, EvalError> {
                decompose::evaluate(op, inputs, evaluator)
            }
        }
    };
}

einsum!(
    /// Sums of products of two operands.
    Einsum,
    "stablehlo.einsum",
    2
);
einsum!(
    /// Sums, diagonals and transposes of one operand.
    UnaryEinsum,
    "stablehlo.unary_einsum",
    1
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_op, eval_op, floats};
    use microhlo_format::DType;

    fn two(config: &str, a: &Tensor, b: &Tensor, dims: &[u64]) -> Vec<f32> {
        let ty = TensorType::fixed(dims, DType::F32);
        let op = Einsum { config: config.into() };
        eval_op(op, &[a.clone(), b.clone()], &ty).unwrap().to_f32s().unwrap()
    }

    fn one(config: &str, a: &Tensor, dims: &[u64]) -> Vec<f32> {
        let ty = TensorType::fixed(dims, DType::F32);
        let op = UnaryEinsum { config: config.into() };
        eval_op(op, std::slice::from_ref(a), &ty).unwrap().to_f32s().unwrap()
    }

    #[test]
    fn products_of_two_operands() {
        let (m, v) = (floats(&[2, 2], &[1., 2., 3., 4.]), floats(&[2], &[1., 10.]));
        assert_eq!(two("ab,b->a", &m, &v, &[2]), [21., 43.]);
        assert_eq!(two("ab,cb->ca", &m, &m, &[2, 2]), [5., 11., 11., 25.]);
        assert_eq!(two("ab, ab -> ab", &m, &m, &[2, 2]), [1., 4., 9., 16.]);
        // A label of one operand only is summed; an outer product keeps all.
        assert_eq!(two("ab,c->c", &m, &v, &[2]), [10., 100.]);
        assert_eq!(two("a,b->ba", &v, &v, &[2, 2]), [1., 10., 10., 100.]);
        // The diagonal of the first operand.
        assert_eq!(two("aa,a->a", &m, &v, &[2]), [1., 40.]);
        let batch = floats(&[2, 1, 2], &[1., 2., 3., 4.]);
        assert_eq!(two("...ab,...b->...a", &batch, &m, &[2, 1]), [5., 25.]);
    }

    #[test]
    fn forms_of_one_operand() {
        let m = floats(&[2, 2], &[1., 2., 3., 4.]);
        assert_eq!(one("ab->ba", &m, &[2, 2]), [1., 3., 2., 4.]);
        assert_eq!(one("ab->a", &m, &[2]), [3., 7.]);
        assert_eq!(one("aa->a", &m, &[2]), [1., 4.]);
        assert_eq!(one("aa->", &m, &[]), [5.]);
        assert_eq!(one("...a->a...", &m, &[2, 2]), [1., 3., 2., 4.]);
    }

    #[test]
    fn malformed_equations_are_refused() {
        let m = TensorType::fixed(&[2, 3], DType::F32);
        for config in
            ["ab,bc", "ab->ab", "abc,bc->a", "ab,ab->aa", "ab,ab->d", "a1,ab->b", "ab,bc->ac"]
        {
            let op = Einsum { config: config.into() };
            assert!(check_op(op, &[m.clone(), m.clone()], &m).is_err(), "{config}");
        }
    }
}
