//! `select_and_scatter`: scatters source elements to the selected element of each window.
//!
//! StableHLO specification, section `select_and_scatter`.
use microhlo_format::DType;

use super::elementwise::convert_element;
use super::region::{ScalarRegion, verify_reducer};
use super::window::{Window, WindowLabels};
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{Element, EvalError, Evaluator, Tensor, for_each_index, linear};
use crate::ir::{TensorType, Type};

/// See the specification: scatters source elements to the selected element of each window.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectAndScatter {
    /// The window.
    pub window: Window,
}

/// There are no dilations, so theirs are never used.
const LABELS: WindowLabels = WindowLabels {
    dimensions: ("C4", "C5"),
    strides: ("C6", "C7"),
    base_dilations: ("C2", "C2"),
    window_dilations: ("C2", "C2"),
    padding: "C8",
};

impl StructuralOp for SelectAndScatter {
    const NAME: &'static str = "stablehlo.select_and_scatter";
    const SPEC: &'static str = "select_and_scatter";
    const RESULT: [Option<&'static str>; 2] = [Some("C12"), Some("C11")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(SelectAndScatter { window: Window::read(attrs)? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.window.write(attrs);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(3, 1)?;
        let operand = op.tensor(0)?;
        let accumulators = verify_reducer(op, 1, &[operand], "C10")?;
        Ok(Some(vec![types::with_dims(&accumulators[0], operand.dims.clone()).into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (operand, source, init) = (op.tensor(0)?, op.tensor(1)?, op.tensor(2)?);
        self.window.check(operand.rank(), &LABELS)?;
        let dims = self.window.output(&operand.dims)?;
        constraint!(
            source.elem == operand.elem,
            "C1",
            "source {source} and operand {operand} differ in element type"
        );
        constraint!(
            types::same_dims(&dims, &source.dims),
            "C2",
            "source {source} must have one element per window over {operand}"
        );
        constraint!(init.rank() == 0, "I3", "initial value {init} must be a scalar");
        constraint!(
            init.elem == operand.elem,
            "C3",
            "initial value {init} must have the element type of {operand}"
        );
        let block = op.region(0)?;
        let (args, returns) = (op.region_args(block), op.region_returns(block));
        let scalar = Type::Tensor(types::with_dims(operand, vec![]));
        let boolean = Type::Tensor(TensorType::scalar(DType::I1));
        constraint!(
            args == [&scalar, &scalar] && returns == [&boolean],
            "C9",
            "the selection must take two {scalar} and return {boolean}"
        );
        Ok(())
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let [operand, source, init] = inputs else {
            return Err(OpError::new("expects operand, source and initial value").into());
        };
        let (select, scatter) = (ScalarRegion::new(op, 0)?, ScalarRegion::new(op, 1)?);
        let shape = operand.dims();
        self.window.check(shape.len(), &LABELS)?;
        let window: Vec<usize> = self.window.dimensions.iter().map(|&d| d as usize).collect();
        let dtype = scatter.arg(0)?;
        let mut out = vec![convert_element(init.at(0), dtype); operand.len()];
        let mut updates = source.elements();
        for_each_index(source.dims(), |at| {
            let mut best: Option<(usize, Element)> = None;
            for_each_index(&window, |tap| {
                evaluator.charge(1)?;
                if let Some(index) = self.window.source(at, tap, shape) {
                    let place = linear(shape, &index);
                    let element = operand.at(place);
                    let keep = match best {
                        Some((_, selected)) => select.test(evaluator, &[selected, element])?,
                        None => false,
                    };
                    if !keep {
                        best = Some((place, element));
                    }
                }
                Ok::<(), EvalError>(())
            })?;
            let update = updates.next();
            if let Some((place, _)) = best {
                scatter.accumulate(evaluator, &mut out[place..=place], update.into_iter())?;
            }
            Ok::<(), EvalError>(())
        })?;
        let ty = operand.ty().with_dtype(dtype);
        Ok(vec![Tensor::from_elements(&ty, out)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::ElementwiseOp;
    use crate::ops::compare::{Compare, Direction};
    use crate::ops::testing::{Region, binary, eval_regions, floats};

    #[test]
    fn gradients_flow_to_the_maximum() {
        let inputs =
            [floats(&[4], &[1., 5., 2., 7.]), floats(&[2], &[10., 20.]), floats(&[], &[0.])];
        let window = Window {
            dimensions: vec![2],
            strides: vec![2],
            base_dilations: vec![1],
            window_dilations: vec![1],
            padding: vec![(0, 0)],
        };
        let scalar = TensorType::scalar(DType::F32);
        let args = [scalar.clone(), scalar];
        let ge = binary(Compare { direction: Direction::Ge, compare_type: None });
        let add = binary(ElementwiseOp::Add);
        let ty = inputs[0].ty().clone();
        let regions: [Region<'_>; 2] = [(&args, &ge), (&args, &add)];
        let out = eval_regions(SelectAndScatter { window }, &inputs, &[ty], &regions).unwrap();
        assert_eq!(out[0].to_f32s().unwrap(), [0., 10., 0., 20.]);
    }
}
