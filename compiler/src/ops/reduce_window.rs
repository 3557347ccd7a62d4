//! `reduce_window`: folds each window with a region.
//!
//! StableHLO specification, section `reduce_window`.
use super::elementwise::convert_element;
use super::reduce::verify_inits;
use super::region::{ScalarRegion, verify_slice_reducer};
use super::window::{Window, WindowLabels};
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor, for_each_index, linear};
use crate::ir::{Dim, ElementType, TensorType, Type};

/// See the specification: folds each window with a region.
#[derive(Clone, Debug, PartialEq)]
pub struct ReduceWindow {
    /// The window.
    pub window: Window,
}

const LABELS: WindowLabels = WindowLabels {
    dimensions: ("C4", "C5"),
    strides: ("C6", "C7"),
    base_dilations: ("C8", "C9"),
    window_dilations: ("C10", "C11"),
    padding: "C12",
};

impl StructuralOp for ReduceWindow {
    const NAME: &'static str = "stablehlo.reduce_window";
    const SPEC: &'static str = "reduce_window";
    const RESULT: [Option<&'static str>; 2] = [Some("C16"), Some("C15")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(ReduceWindow { window: Window::read(attrs)? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.window.write(attrs);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let n = op.op.operands.len() / 2;
        op.expect_arity(2 * n, n)?;
        let inputs = (0..n).map(|i| op.tensor(i)).collect::<Result<Vec<_>, _>>()?;
        constraint!(n > 0, "C1", "expects at least one input");
        let window = self.window.dimensions.iter();
        let window: Vec<Dim> = window.map(|&n| Dim::Static(n.unsigned_abs())).collect();
        let accumulators = verify_slice_reducer(op, 0, &inputs, Some(&window), "C13")?;
        self.window.check(inputs[0].rank(), &LABELS)?;
        let dims = self.window.output(&inputs[0].dims)?;
        Ok(Some(accumulators.iter().map(|t| types::with_dims(t, dims.clone()).into()).collect()))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        verify_inits(op, op.op.operands.len() / 2, ["C2", "C3"])
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
        let shape = inputs[0].dims();
        self.window.check(shape.len(), &LABELS)?;
        let dims = self.window.output(&inputs[0].ty().dims)?;
        Tensor::check_size(&types::with_dims(inputs[0].ty(), dims.clone()))?;
        let sizes: Vec<usize> = dims.iter().map(|d| d.size().unwrap_or(0) as usize).collect();
        let window: Vec<usize> = self.window.dimensions.iter().map(|&d| d as usize).collect();
        let mut start = Vec::new();
        for (i, init) in inits.iter().enumerate() {
            start.push(convert_element(init.at(0), region.arg(i)?));
        }
        let mut sums = Vec::new();
        for_each_index(&sizes, |at| {
            let mut acc = start.clone();
            for_each_index(&window, |tap| {
                evaluator.charge(1)?;
                // A tap in the padding meets the initial value, as the specification pads.
                let source = self.window.source(at, tap, shape).map(|i| linear(shape, &i));
                let element = |(t, init): (&Tensor, &Tensor)| match source {
                    Some(at) => t.at(at),
                    None => init.at(0),
                };
                region.accumulate(evaluator, &mut acc, inputs.iter().zip(inits).map(element))
            })?;
            sums.append(&mut acc);
            Ok::<(), EvalError>(())
        })?;
        let n = inputs.len();
        let result = |i: usize| {
            let ty = TensorType { dims: dims.clone(), elem: ElementType::Plain(region.arg(i)?) };
            Tensor::from_elements(&ty, sums.iter().skip(i).step_by(n).copied())
        };
        (0..n).map(result).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::ElementwiseOp;
    use crate::ops::testing::{binary, eval_regions, floats};
    use microhlo_format::DType;

    fn run(window: Window, op: ElementwiseOp, init: f32, n: u64) -> Vec<f32> {
        let inputs = [floats(&[4], &[1., 2., 3., 4.]), floats(&[], &[init])];
        let scalar = TensorType::scalar(DType::F32);
        let args = [scalar.clone(), scalar];
        let ty = TensorType::fixed(&[n], DType::F32);
        let op = binary(op);
        let out = eval_regions(ReduceWindow { window }, &inputs, &[ty], &[(&args, &op)]);
        out.unwrap()[0].to_f32s().unwrap()
    }

    fn window(size: i64) -> Window {
        Window {
            dimensions: vec![size],
            strides: vec![1],
            base_dilations: vec![1],
            window_dilations: vec![1],
            padding: vec![(0, 0)],
        }
    }

    #[test]
    fn pools() {
        let w = Window { strides: vec![2], ..window(2) };
        assert_eq!(run(w, ElementwiseOp::Maximum, f32::NEG_INFINITY, 2), [2., 4.]);
        let w = Window { padding: vec![(1, 1)], ..window(3) };
        assert_eq!(run(w, ElementwiseOp::Add, 0., 4), [3., 6., 9., 7.]);
        let w = Window { window_dilations: vec![3], ..window(2) };
        assert_eq!(run(w, ElementwiseOp::Add, 0., 1), [5.]);
        let w = Window { base_dilations: vec![2], ..window(2) };
        assert_eq!(run(w, ElementwiseOp::Add, 0., 6), [1., 2., 2., 3., 3., 4.]);
    }
}
