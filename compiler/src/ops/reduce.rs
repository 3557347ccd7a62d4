//! `reduce`: folds dimensions with a region.
//!
//! StableHLO specification, section `reduce`.
use super::elementwise::convert_element;
use super::region::{ScalarRegion, verify_slice_reducer};
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{Element, EvalError, Evaluator, Indices, Tensor};
use crate::ir::{TensorType, Type};

/// Folds dimensions with a region.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduce {
    /// Dimensions that disappear.
    pub dims: Vec<i64>,
}

impl StructuralOp for Reduce {
    const NAME: &'static str = "stablehlo.reduce";
    const SPEC: &'static str = "reduce";
    const RESULT: [Option<&'static str>; 2] = [Some("C8"), Some("C7")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Reduce { dims: attrs.ints("dimensions")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("dimensions", &self.dims);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let n = op.op.operands.len() / 2;
        op.expect_arity(2 * n, n)?;
        let inputs = (0..n).map(|i| op.tensor(i)).collect::<Result<Vec<_>, _>>()?;
        constraint!(n > 0, "C3", "expects at least one input");
        let drop = types::dim_list(("C4", "C5"), "dimensions", &self.dims, inputs[0].rank())?;
        let keep = |t: &TensorType| {
            let dims = t.dims.iter().enumerate();
            dims.filter(|(d, _)| !drop.contains(d)).map(|(_, &d)| d).collect::<Vec<_>>()
        };
        let kept = keep(inputs[0]);
        let accumulators = verify_slice_reducer(op, 0, &inputs, Some(&kept), "C6")?;
        let types = inputs.iter().zip(accumulators);
        Ok(Some(types.map(|(t, acc)| types::with_dims(&acc, keep(t)).into()).collect()))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        verify_inits(op, op.op.operands.len() / 2, ["C1", "C2"])
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let region = ScalarRegion::new(op, 0)?;
        let (inputs, inits) = inputs.split_at(inputs.len() / 2);
        types::same_shapes(inputs)?;
        let (n, shape) = (inputs.len(), inputs[0].dims());
        let drop = types::dim_list(Some("C5"), "dimensions", &self.dims, shape.len())?;
        let kept: Vec<usize> = (0..shape.len()).filter(|d| !drop.contains(d)).collect();
        let dims: Vec<usize> = kept.iter().map(|&d| shape[d]).collect();
        let mut start = Vec::new();
        for (i, init) in inits.iter().enumerate() {
            start.push(convert_element(init.at(0), region.arg(i)?));
        }
        let sizes: Vec<u64> = dims.iter().map(|&d| d as u64).collect();
        Tensor::check_size(&TensorType::fixed(&sizes, region.arg(0)?))?;
        let count: usize = dims.iter().product();
        let mut sums: Vec<Element> = start.repeat(count);
        let mut walk = Indices::new(shape);
        evaluator.charge(inputs[0].len() as u64)?;
        let mut elements: Vec<_> = inputs.iter().map(Tensor::elements).collect();
        while !walk.done() {
            let at = kept.iter().zip(&dims).fold(0, |at, (&d, &size)| at * size + walk.index()[d]);
            let next = elements.iter_mut().filter_map(Iterator::next);
            region.accumulate(evaluator, &mut sums[at * n..(at + 1) * n], next)?;
            walk.advance();
        }
        let mut results = Vec::new();
        for i in 0..n {
            let ty = TensorType::fixed(&sizes, region.arg(i)?);
            results.push(Tensor::from_elements(&ty, sums.iter().skip(i).step_by(n).copied())?);
        }
        Ok(results)
    }
}

/// Initial values, the second half of the operands, are scalars of their inputs' element types.
pub(super) fn verify_inits(
    op: &OpView<'_>,
    n: usize,
    [shapes, elements]: [&'static str; 2],
) -> Result<(), OpError> {
    let first = op.tensor(0)?;
    for i in 0..n {
        let (input, init) = (op.tensor(i)?, op.tensor(n + i)?);
        if !types::same_dims(&first.dims, &input.dims) {
            let text = format!("inputs must have one shape, have {first} and {input}");
            return Err(OpError::constraint(shapes, text));
        }
        let block = op.region(0)?;
        let combined = op.region_args(block).get(i).and_then(|t| t.tensor()).map(|t| &t.dims);
        let fits = combined.is_some_and(|dims| types::same_dims(dims, &init.dims));
        constraint!(fits, "I2", "initial value {init} must have the shape of what is combined");
        if init.elem.plain() != input.elem.plain() {
            let text = format!("initial value {init} must have the element type of {input}");
            return Err(OpError::constraint(elements, text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::ElementwiseOp;
    use crate::ops::testing::{binary, eval_regions, floats, ints};
    use microhlo_format::DType;

    #[test]
    fn sums_rows_and_columns_in_order() {
        let a = floats(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
        let z = floats(&[], &[100.]);
        let add = binary(ElementwiseOp::Add);
        let scalar = TensorType::scalar(DType::F32);
        let args = [scalar.clone(), scalar];
        for (dims, n, want) in
            [(vec![1], 2, vec![106., 115.]), (vec![0], 3, vec![105., 107., 109.])]
        {
            let ty = TensorType::fixed(&[n], DType::F32);
            let inputs = [a.clone(), z.clone()];
            let out = eval_regions(Reduce { dims }, &inputs, &[ty], &[(&args, &add)]).unwrap();
            assert_eq!(out[0].to_f32s().unwrap(), want);
        }
    }

    #[test]
    fn integers_promote_to_the_accumulator() {
        let a = ints(&TensorType::fixed(&[3], DType::I8), &[100, 100, 100]);
        let z = ints(&TensorType::scalar(DType::I8), &[0]);
        let args = [TensorType::scalar(DType::I32), TensorType::scalar(DType::I32)];
        let add = binary(ElementwiseOp::Add);
        let ty = TensorType::scalar(DType::I32);
        let out = eval_regions(Reduce { dims: vec![0] }, &[a, z], &[ty], &[(&args, &add)]).unwrap();
        assert_eq!(out[0].ints().unwrap(), [300]);
    }

    #[test]
    fn regions_must_return_what_they_take() {
        let a = floats(&[2], &[1., 2.]);
        let z = floats(&[], &[0.]);
        let args = [TensorType::scalar(DType::F64), TensorType::scalar(DType::F32)];
        let add = binary(ElementwiseOp::Add);
        let ty = TensorType::scalar(DType::F64);
        let e = eval_regions(Reduce { dims: vec![0] }, &[a, z], &[ty], &[(&args, &add)]);
        assert!(e.unwrap_err().to_string().contains("(C6)"));
    }
}
