//! `chlo.ragged_dot`: products of groups of rows, of contracted positions or of batches, whose
//! sizes are an operand.

use std::sync::Arc;

use super::super::dot_general::DotGeneral;
use super::super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use super::by_decomposition;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Attr, Dict, Dim, TensorType, Type};

/// Products of groups whose sizes are an operand. The groups divide one dimension of the left
/// operand:
/// - a free one: each group of rows is multiplied by its own right operand, rows after the last
///   group are zero;
/// - a contracted one: each group has a result of its own, stacked along a new first dimension;
/// - a batch dimension: the sizes do not matter.
#[derive(Clone, Debug, PartialEq)]
pub struct RaggedDot {
    /// Dimensions and precision as of `dot_general`.
    pub dot: DotGeneral,
    /// The dimension of the left operand that groups divide.
    pub ragged: Vec<i64>,
    /// The dimension of the right operand that counts groups, where rows are divided.
    pub group: Vec<i64>,
}

/// What the groups divide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A free dimension of the left operand.
    Free,
    /// A contracted dimension.
    Contracted,
    /// A batch dimension.
    Batch,
}

impl RaggedDot {
    /// What the groups divide, with the dimension of the left operand.
    pub fn mode(&self) -> Result<(Mode, usize), OpError> {
        let &[ragged] = self.ragged.as_slice() else {
            let text = format!("lhs_ragged_dimensions {:?} must name one dimension", self.ragged);
            return Err(OpError::new(text));
        };
        let mode = if self.dot.lhs_batching.contains(&ragged) {
            Mode::Batch
        } else if self.dot.lhs_contracting.contains(&ragged) {
            Mode::Contracted
        } else {
            Mode::Free
        };
        let groups = usize::from(mode == Mode::Free);
        if self.group.len() != groups {
            let text =
                format!("rhs_group_dimensions {:?} must name {groups} dimensions", self.group);
            return Err(OpError::new(text));
        }
        let at = usize::try_from(ragged).map_err(|_| OpError::new("a negative dimension"))?;
        Ok((mode, at))
    }

    /// Dimensions of the left operand that group sizes may differ over, outermost first.
    pub fn outer(&self, lhs_rank: usize) -> Result<Vec<usize>, OpError> {
        let (mode, ragged) = self.mode()?;
        let before = |dims: &[i64]| -> Vec<usize> {
            dims.iter().map(|&d| d as usize).take_while(|&d| d != ragged).collect()
        };
        let mut outer = before(&self.dot.lhs_batching);
        match mode {
            Mode::Batch => {}
            Mode::Contracted => outer.extend(before(&self.dot.lhs_contracting)),
            Mode::Free => {
                let used = |d: &usize| {
                    let d = *d as i64;
                    self.dot.lhs_batching.contains(&d) || self.dot.lhs_contracting.contains(&d)
                };
                outer.extend((0..lhs_rank.min(ragged)).filter(|d| !used(d)));
            }
        }
        Ok(outer)
    }

    fn check_group(&self, rhs: &TensorType) -> Result<(), OpError> {
        let all = [&self.group[..], &self.dot.rhs_batching, &self.dot.rhs_contracting].concat();
        types::dim_list(None, "group, batch and contracted dimensions", &all, rhs.rank())?;
        Ok(())
    }

    fn check_sizes(&self, lhs: &TensorType, sizes: &TensorType) -> Result<Dim, OpError> {
        let outer = self.outer(lhs.rank())?;
        let Some((&groups, batch)) = sizes.dims.split_last() else {
            return Err(OpError::new(format!("group sizes {sizes} must have a dimension")));
        };
        let want: Vec<Dim> = outer.iter().map(|&d| lhs.dims[d]).collect();
        if !batch.is_empty() && !types::same_dims(&want, batch) {
            let want = want.iter().map(|d| d.to_string()).collect::<Vec<_>>().join("x");
            let text = format!("group sizes {sizes} must have leading dimensions {want} or none");
            return Err(OpError::new(text));
        }
        if !sizes.elem.storage().is_integer() {
            return Err(OpError::new(format!("group sizes must be integers, are {sizes}")));
        }
        Ok(groups)
    }

    /// The type of the right operand of one group.
    pub fn rhs_of_group(&self, rhs: &TensorType) -> TensorType {
        let mut dims = rhs.dims.clone();
        for &g in &self.group {
            if let Some(g) = types::dim_index(g, dims.len()) {
                dims.remove(g);
            }
        }
        types::with_dims(rhs, dims)
    }

    /// The product of one group.
    pub fn dot_of_group(&self) -> DotGeneral {
        let moved = |dims: &[i64]| -> Vec<i64> {
            dims.iter().map(|&d| d - self.group.iter().filter(|&&g| g < d).count() as i64).collect()
        };
        DotGeneral {
            rhs_batching: moved(&self.dot.rhs_batching),
            rhs_contracting: moved(&self.dot.rhs_contracting),
            ..self.dot.clone()
        }
    }
}

impl StructuralOp for RaggedDot {
    const NAME: &'static str = "chlo.ragged_dot";
    const SPEC: &'static str = "none; CHLO ragged_dot";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        let mut dims = attrs.fields("ragged_dot_dimension_numbers")?;
        let mut list = |name: &str| Ok::<_, OpError>(dims.opt_ints(name)?.unwrap_or_default());
        let dot = DotGeneral {
            lhs_batching: list("lhs_batching_dimensions")?,
            rhs_batching: list("rhs_batching_dimensions")?,
            lhs_contracting: list("lhs_contracting_dimensions")?,
            rhs_contracting: list("rhs_contracting_dimensions")?,
            precision: attrs.precision()?,
            algorithm: None,
        };
        let (ragged, group) = (list("lhs_ragged_dimensions")?, list("rhs_group_dimensions")?);
        Ok(RaggedDot { dot, ragged, group })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        let mut dims = Dict::default();
        for (name, list) in [
            ("lhs_batching_dimensions", &self.dot.lhs_batching),
            ("rhs_batching_dimensions", &self.dot.rhs_batching),
            ("lhs_contracting_dimensions", &self.dot.lhs_contracting),
            ("rhs_contracting_dimensions", &self.dot.rhs_contracting),
            ("lhs_ragged_dimensions", &self.ragged),
            ("rhs_group_dimensions", &self.group),
        ] {
            dims.push(name, Attr::DenseInts(list.clone()));
        }
        let numbers = Attr::Struct("chlo.ragged_dot".into(), dims);
        attrs.attr("ragged_dot_dimension_numbers", numbers);
        if !self.dot.precision.is_empty() {
            let one = |p: &Arc<str>| Attr::Opaque(format!("#chlo<precision {p}>").into());
            let all = self.dot.precision.iter().map(one).collect();
            attrs.attr("precision_config", Attr::Array(all));
        }
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(3, 1)?;
        let (lhs, rhs, sizes) = (op.tensor(0)?, op.tensor(1)?, op.tensor(2)?);
        types::dim_list(None, "lhs_ragged_dimensions", &self.ragged, lhs.rank())?;
        self.check_group(rhs)?;
        let mut dims = self.dot_of_group().result_dims(lhs, &self.rhs_of_group(rhs))?;
        let (mode, _) = self.mode()?;
        let groups = self.check_sizes(lhs, sizes)?;
        match mode {
            Mode::Contracted => dims.insert(0, groups),
            Mode::Free => {
                let stacked = rhs.dims[self.group[0] as usize];
                if !stacked.accepts(groups) {
                    let text = format!("{groups} group sizes for {stacked} groups of {rhs}");
                    return Err(OpError::new(text));
                }
            }
            Mode::Batch => {}
        }
        let elem = op.result_tensor(0)?.elem.clone();
        Ok(Some(vec![TensorType { dims, elem }.into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (lhs, rhs) = (op.tensor(0)?, op.tensor(1)?);
        if lhs.elem != rhs.elem {
            let text = format!("operands must have one element type, have {lhs} and {rhs}");
            return Err(OpError::new(text));
        }
        Ok(())
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        by_decomposition(&self.clone().into(), op, inputs, evaluator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_op, eval_op, floats, i64s};
    use microhlo_format::DType;

    fn rows() -> RaggedDot {
        let dot =
            DotGeneral { lhs_contracting: vec![1], rhs_contracting: vec![1], ..Default::default() };
        RaggedDot { dot, ragged: vec![0], group: vec![0] }
    }

    #[test]
    fn each_group_of_rows_has_its_right_operand() {
        let lhs = floats(&[4, 2], &[1., 2., 3., 4., 5., 6., f32::NAN, 1.]);
        let rhs = floats(&[2, 2, 1], &[1., 10., 100., 1000.]);
        let sizes = i64s(&[2], &[1, 2]);
        let out = eval_op(rows(), &[lhs, rhs, sizes], &TensorType::fixed(&[4, 1], DType::F32));
        assert_eq!(out.unwrap().to_f32s().unwrap(), [21., 4300., 6500., 0.]);
    }

    #[test]
    fn contracted_groups_are_stacked() {
        let op = RaggedDot {
            dot: DotGeneral {
                lhs_contracting: vec![1],
                rhs_contracting: vec![0],
                ..Default::default()
            },
            ragged: vec![1],
            group: vec![],
        };
        let lhs = floats(&[1, 4], &[1., 2., 3., f32::INFINITY]);
        let rhs = floats(&[4, 1], &[1., 10., 100., 0.]);
        let sizes = i64s(&[2], &[1, 2]);
        let out = eval_op(op, &[lhs, rhs, sizes], &TensorType::fixed(&[2, 1, 1], DType::F32));
        assert_eq!(out.unwrap().to_f32s().unwrap(), [1., 320.]);
    }

    #[test]
    fn sizes_can_differ_per_batch() {
        let dot = DotGeneral {
            lhs_batching: vec![0],
            rhs_batching: vec![1],
            lhs_contracting: vec![2],
            rhs_contracting: vec![2],
            ..Default::default()
        };
        let op = RaggedDot { dot, ragged: vec![1], group: vec![0] };
        let lhs = floats(&[2, 2, 1], &[1., 2., 3., 4.]);
        let rhs = floats(&[2, 2, 1, 1], &[1., 10., 100., 1000.]);
        let sizes = i64s(&[2, 2], &[1, 1, 0, 2]);
        let out = eval_op(op, &[lhs, rhs, sizes], &TensorType::fixed(&[2, 2, 1], DType::F32));
        assert_eq!(out.unwrap().to_f32s().unwrap(), [1., 200., 3000., 4000.]);
    }

    #[test]
    fn constraints() {
        let t = |dims: &[u64]| TensorType::fixed(dims, DType::F32);
        let sizes = |dims: &[u64]| TensorType::fixed(dims, DType::I64);
        let check = |op: RaggedDot, rhs: &[u64], s: &[u64]| {
            check_op(op, &[t(&[11, 5]), t(rhs), sizes(s)], &t(&[11, 7]))
        };
        assert!(check(rows(), &[3, 5, 7], &[3]).is_ok());
        assert!(check(rows(), &[3, 2, 7], &[3]).is_err());
        assert!(check(rows(), &[3, 5, 7], &[4]).is_err());
        assert!(check(rows(), &[3, 5, 7], &[2, 3]).is_err());
        assert!(check(RaggedDot { group: vec![], ..rows() }, &[3, 5, 7], &[3]).is_err());
        assert!(check(RaggedDot { group: vec![1], ..rows() }, &[3, 5, 7], &[3]).is_err());
        assert!(check(RaggedDot { ragged: vec![], ..rows() }, &[3, 5, 7], &[3]).is_err());
        assert!(check(RaggedDot { ragged: vec![2], ..rows() }, &[3, 5, 7], &[3]).is_err());
    }
}
