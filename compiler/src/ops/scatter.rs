//! `scatter`: combines update slices into operands at run-time indices.
//!
//! StableHLO specification, section `scatter`.
use super::elementwise::convert_element;
use super::region::{ScalarRegion, verify_reducer};
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{Element, EvalError, Evaluator, Tensor, for_each_index, linear};
use crate::ir::{Attr, Dict, Dim, TensorType, Type};

/// Roles of dimensions in a scatter, named as in the specification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScatterDims {
    /// Update dimensions that index into windows.
    pub update_window_dims: Vec<i64>,
    /// Operand dimensions of window size 1 that updates lack.
    pub inserted_window_dims: Vec<i64>,
    /// Operand dimensions that are batched with the scatter indices.
    pub input_batching_dims: Vec<i64>,
    /// The matching dimensions of the scatter indices.
    pub scatter_indices_batching_dims: Vec<i64>,
    /// Operand dimension of each component of an index vector.
    pub scatter_dims_to_operand_dims: Vec<i64>,
    /// The dimension of the scatter indices that holds index vectors.
    pub index_vector_dim: i64,
}

/// Operands with update slices combined in by a region.
#[derive(Clone, Debug, PartialEq)]
pub struct Scatter {
    /// Roles of dimensions.
    pub dims: ScatterDims,
    /// A promise about the indices; not used.
    pub indices_are_sorted: bool,
    /// A promise about the indices; not used.
    pub unique_indices: bool,
}

impl StructuralOp for Scatter {
    const NAME: &'static str = "stablehlo.scatter";
    const SPEC: &'static str = "scatter";
    const RESULT: [Option<&'static str>; 2] = [Some("C25"), Some("C24")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        let mut f = attrs.fields("scatter_dimension_numbers")?;
        let dims = ScatterDims {
            update_window_dims: f.opt_ints("update_window_dims")?.unwrap_or_default(),
            inserted_window_dims: f.opt_ints("inserted_window_dims")?.unwrap_or_default(),
            input_batching_dims: f.opt_ints("input_batching_dims")?.unwrap_or_default(),
            scatter_indices_batching_dims: f
                .opt_ints("scatter_indices_batching_dims")?
                .unwrap_or_default(),
            scatter_dims_to_operand_dims: f
                .opt_ints("scatter_dims_to_operand_dims")?
                .unwrap_or_default(),
            index_vector_dim: f.opt_int("index_vector_dim")?.unwrap_or(0),
        };
        Ok(Scatter {
            dims,
            indices_are_sorted: attrs.opt_bool("indices_are_sorted")?.unwrap_or(false),
            unique_indices: attrs.opt_bool("unique_indices")?.unwrap_or(false),
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        let mut fields = Dict::default();
        for (name, list) in [
            ("update_window_dims", &self.dims.update_window_dims),
            ("inserted_window_dims", &self.dims.inserted_window_dims),
            ("input_batching_dims", &self.dims.input_batching_dims),
            ("scatter_indices_batching_dims", &self.dims.scatter_indices_batching_dims),
            ("scatter_dims_to_operand_dims", &self.dims.scatter_dims_to_operand_dims),
        ] {
            if !list.is_empty() {
                fields.push(name, Attr::DenseInts(list.clone()));
            }
        }
        fields.push("index_vector_dim", Attr::i64(self.dims.index_vector_dim));
        let numbers = Attr::Struct("stablehlo.scatter".into(), fields);
        attrs.attr("scatter_dimension_numbers", numbers);
        attrs.bool("indices_are_sorted", self.indices_are_sorted);
        attrs.bool("unique_indices", self.unique_indices);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let n = op.op.operands.len().saturating_sub(1) / 2;
        op.expect_arity(2 * n.max(1) + 1, n.max(1))?;
        let inputs = (0..n).map(|i| op.tensor(i)).collect::<Result<Vec<_>, _>>()?;
        let accumulators = verify_reducer(op, 0, &inputs, "C23")?;
        let results = inputs.iter().zip(accumulators);
        Ok(Some(results.map(|(t, acc)| types::with_dims(&acc, t.dims.clone()).into()).collect()))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let n = op.op.operands.len() / 2;
        let (first, indices) = (op.tensor(0)?, op.tensor(n)?);
        for i in 0..n {
            let (input, update) = (op.tensor(i)?, op.tensor(n + 1 + i)?);
            constraint!(
                types::same_dims(&first.dims, &input.dims),
                "C1",
                "inputs must have one shape, have {first} and {input}"
            );
            constraint!(
                types::same_dims(&op.tensor(n + 1)?.dims, &update.dims),
                "C3",
                "updates must have one shape, have {} and {update}",
                op.tensor(n + 1)?
            );
            constraint!(
                update.elem == input.elem,
                "C6",
                "update {update} and input {input} differ in element type"
            );
        }
        types::expect_integers("I2", indices)?;
        self.dims.check(first, indices, op.tensor(n + 1)?)
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let region = ScalarRegion::new(op, 0)?;
        let n = inputs.len() / 2;
        let (inputs, rest) = inputs.split_at(n);
        let (indices, updates) = (&rest[0], &rest[1..]);
        types::same_shapes(inputs)?;
        types::same_shapes(updates)?;
        let (shape, update_shape) = (inputs[0].dims(), updates[0].dims());
        self.dims.check(inputs[0].ty(), indices.ty(), updates[0].ty())?;
        let mut out: Vec<Vec<Element>> = Vec::new();
        for (i, t) in inputs.iter().enumerate() {
            let dtype = region.arg(i)?;
            out.push(t.elements().map(|e| convert_element(e, dtype)).collect());
        }
        // Windows in the order of the indices, each row-major: the order of the device kernels.
        let is_window = |d: &usize| self.dims.update_window_dims.contains(&(*d as i64));
        let (windows, batch): (Vec<usize>, Vec<usize>) =
            (0..update_shape.len()).partition(is_window);
        let order = [batch, windows].concat();
        let sizes: Vec<usize> = order.iter().map(|&d| update_shape[d]).collect();
        let mut index = vec![0; order.len()];
        for_each_index(&sizes, |ordered| {
            evaluator.charge(1)?;
            order.iter().zip(ordered).for_each(|(&d, &i)| index[d] = i);
            // Updates outside of the input are dropped.
            if let Some(at) = self.dims.target(&index, indices, shape) {
                let (at, position) = (linear(shape, &at), linear(update_shape, &index));
                let mut acc: Vec<Element> = out.iter().map(|o| o[at]).collect();
                let next = updates.iter().map(|u| u.at(position));
                region.accumulate(evaluator, &mut acc, next)?;
                for (o, e) in out.iter_mut().zip(acc) {
                    o[at] = e;
                }
            }
            Ok::<(), EvalError>(())
        })?;
        let results = inputs.iter().zip(out).enumerate();
        results
            .map(|(i, (t, o))| Tensor::from_elements(&t.ty().with_dtype(region.arg(i)?), o))
            .collect()
    }
}

const BATCHING: types::BatchingLabels =
    types::BatchingLabels { unique: "C14", range: "C15", vector: "C16", size: "C17", dims: "C18" };

impl ScatterDims {
    fn check(
        &self,
        input: &TensorType,
        indices: &TensorType,
        update: &TensorType,
    ) -> Result<(), OpError> {
        let rank = input.rank();
        let (inserted, batching) = (&self.inserted_window_dims, &self.input_batching_dims);
        let windows = self.update_window_dims.len();
        constraint!(
            rank == windows + inserted.len() + batching.len(),
            "C2",
            "{input} has {rank} dimensions, the roles account for {}",
            windows + inserted.len() + batching.len()
        );
        let vector = self.index_vector_dim;
        constraint!(
            0 <= vector && vector <= indices.rank() as i64,
            "C22",
            "index_vector_dim {vector} must lie in 0..={}",
            indices.rank()
        );
        types::sorted(Some("C7"), "update_window_dims", &self.update_window_dims)?;
        types::dim_list(
            ("C8", "C7"),
            "update_window_dims",
            &self.update_window_dims,
            update.rank(),
        )?;
        let both = [&inserted[..], batching].concat();
        for (label, what, list) in
            [("C11", "inserted_window_dims", inserted), ("C13", "input_batching_dims", batching)]
        {
            let inside = list.iter().all(|&d| types::dim_index(d, rank).is_some());
            if !inside {
                let text = format!("{what} {list:?} must lie in 0..{rank}");
                return Err(OpError::constraint(label, text));
            }
        }
        types::dim_list(Some("C9"), "inserted and batching dimensions", &both, rank)?;
        types::sorted(Some("C10"), "inserted_window_dims", inserted)?;
        types::sorted(Some("C12"), "input_batching_dims", batching)?;
        let pairs = [&self.scatter_indices_batching_dims[..], batching];
        types::batching(&BATCHING, indices, input, pairs, vector)?;
        let mapped = self.scatter_dims_to_operand_dims.len();
        let components = types::vector_size(indices, vector);
        constraint!(
            components.is_none_or(|n| n == mapped as u64),
            "C19",
            "index vectors have {components:?} components, scatter_dims_to_operand_dims {mapped}"
        );
        let targets = [&self.scatter_dims_to_operand_dims[..], batching].concat();
        types::dim_list(("C21", "C20"), "scatter_dims_to_operand_dims", &targets, rank)?;
        self.check_update(input, indices, update)
    }

    /// The update's shape is made of index positions and windows that fit the input.
    fn check_update(
        &self,
        input: &TensorType,
        indices: &TensorType,
        update: &TensorType,
    ) -> Result<(), OpError> {
        let batch = types::batch_dims(indices, self.index_vector_dim);
        let mut batch = batch.into_iter().map(|d| indices.dims[d]);
        let kept = self.window_dims(input.rank());
        let mut windows = kept.into_iter().map(|d| input.dims[d]);
        let want = batch.len() + windows.len();
        constraint!(update.rank() == want, "C4", "updates of {update} must have {want} dimensions");
        for (d, dim) in update.dims.iter().enumerate() {
            let window = self.update_window_dims.contains(&(d as i64));
            let limit = if window { windows.next() } else { batch.next() };
            let fits = match (limit, dim.size(), limit.and_then(Dim::size)) {
                (None, ..) => false,
                (Some(_), Some(n), Some(max)) if window => n <= max,
                (Some(limit), ..) => window || limit.accepts(*dim),
            };
            constraint!(
                fits,
                "C4",
                "dimension {d} of updates {update} fits neither {input} nor {indices}"
            );
        }
        Ok(())
    }

    /// Input dimensions that windows extend in.
    pub(crate) fn window_dims(&self, rank: usize) -> Vec<usize> {
        let dropped = |d: i64| {
            self.inserted_window_dims.contains(&d) || self.input_batching_dims.contains(&d)
        };
        (0..rank).filter(|&d| !dropped(d as i64)).collect()
    }

    /// Input index that an update element goes to, unless that lies outside.
    fn target(&self, index: &[usize], indices: &Tensor, shape: &[usize]) -> Option<Vec<usize>> {
        let (mut batch, mut window) = (Vec::new(), Vec::new());
        for (d, &i) in index.iter().enumerate() {
            let is_window = self.update_window_dims.contains(&(d as i64));
            if is_window { window.push(i) } else { batch.push(i) }
        }
        let mut at = vec![0i128; shape.len()];
        for (k, &d) in self.scatter_dims_to_operand_dims.iter().enumerate() {
            let position = types::vector_index(&batch, self.index_vector_dim, k);
            at[d as usize] = indices.element(&position).as_int()?;
        }
        let batch_dims = types::batch_dims(indices.ty(), self.index_vector_dim);
        let pairs = self.input_batching_dims.iter().zip(&self.scatter_indices_batching_dims);
        for (&to, &from) in pairs {
            let position = batch_dims.iter().position(|&d| d as i64 == from)?;
            at[to as usize] = batch[position] as i128;
        }
        for (d, &w) in self.window_dims(shape.len()).into_iter().zip(&window) {
            at[d] += w as i128;
        }
        let inside = |(&i, &n): (&i128, &usize)| usize::try_from(i).ok().filter(|&i| i < n);
        at.iter().zip(shape).map(inside).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::ElementwiseOp;
    use crate::ops::testing::{binary, eval_regions, floats, i64s};
    use microhlo_format::DType;

    #[test]
    fn rows_accumulate_and_outside_ones_are_dropped() {
        let a = floats(&[2, 2], &[1., 2., 3., 4.]);
        let updates = floats(&[3, 2], &[10., 20., 100., 200., 7., 7.]);
        let op = Scatter {
            dims: ScatterDims {
                update_window_dims: vec![1],
                inserted_window_dims: vec![0],
                scatter_dims_to_operand_dims: vec![0],
                index_vector_dim: 1,
                ..ScatterDims::default()
            },
            indices_are_sorted: false,
            unique_indices: false,
        };
        let scalar = TensorType::scalar(DType::F32);
        let args = [scalar.clone(), scalar];
        let add = binary(ElementwiseOp::Add);
        let ty = a.ty().clone();
        let inputs = [a, i64s(&[3, 1], &[1, 1, 5]), updates];
        let out = eval_regions(op, &inputs, &[ty], &[(&args, &add)]).unwrap();
        assert_eq!(out[0].to_f32s().unwrap(), [1., 2., 113., 224.]);
    }
}
