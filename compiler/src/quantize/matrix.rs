//! A contraction with constant weights as products of matrices: each element of its result is the
//! sum over `depth` of a row of inputs times the weights of an output.

use super::plan::Weights;
use crate::eval::for_each_index;
use crate::ir::{Body, OpId, TensorType};
use crate::ops::OpKind;
use crate::ops::convolution::Convolution;
use crate::ops::dot_general::DotGeneral;

/// A contraction, as one matrix product per group.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// Independent products.
    pub groups: usize,
    /// Outputs of a group.
    pub outputs: usize,
    /// Terms of a sum.
    pub depth: usize,
    /// Position in the weights of the first term of each output, group by group.
    starts: Vec<usize>,
    /// Position of each term relative to the first.
    terms: Vec<usize>,
    rows: Rows,
}

/// Where rows of inputs come from.
#[derive(Clone, Debug)]
enum Rows {
    /// Sizes of input and result.
    Windows(Box<Convolution>, Vec<usize>, Vec<usize>, Vec<usize>),
    /// Positions of rows, and of terms relative to them.
    Strided(Vec<usize>, Vec<usize>),
}

fn sizes(ty: &TensorType) -> Option<Vec<usize>> {
    Some(ty.static_dims()?.into_iter().map(|d| d as usize).collect())
}

/// The positions of all indices of some dimensions, the last one fastest.
fn positions(dims: &[usize], which: &[usize]) -> Vec<usize> {
    let strides = crate::eval::strides(dims);
    let extents: Vec<usize> = which.iter().map(|&d| dims[d]).collect();
    let mut out = Vec::new();
    let _done = for_each_index(&extents, |index| {
        out.push(index.iter().zip(which).map(|(i, &d)| i * strides[d]).sum());
        Ok::<(), ()>(())
    });
    out
}

impl Matrix {
    /// The contraction `root`, if its rows are plain: no dilated input, no reversed window.
    pub fn of(body: &Body, root: OpId, weights: &Weights) -> Option<Matrix> {
        let o = &body.ops[root];
        let input = sizes(body.ty(*o.operands.first()?).tensor()?)?;
        let kernel = sizes(body.ty(weights.value).tensor()?)?;
        let result = sizes(body.ty(*o.results.first()?).tensor()?)?;
        let starts = positions(&kernel, &[weights.axis as usize]);
        match &o.kind {
            OpKind::Convolution(c) => Matrix::of_windows(c, input, &kernel, result, starts),
            OpKind::DotGeneral(d) => Matrix::of_product(d, &input, &kernel, starts),
            _ => None,
        }
    }

    fn of_windows(
        c: &Convolution,
        input: Vec<usize>,
        kernel: &[usize],
        result: Vec<usize>,
        starts: Vec<usize>,
    ) -> Option<Matrix> {
        let plain = c.lhs_dilation.iter().all(|&d| d == 1) && c.reversal.iter().all(|&r| !r);
        let groups = usize::try_from(c.feature_group_count).ok().filter(|&g| plain && g > 0)?;
        let mut which: Vec<usize> = c.dims.kernel_spatial.iter().map(|&d| d as usize).collect();
        which.push(c.dims.kernel_input_feature as usize);
        let terms = positions(kernel, &which);
        let taps = which.iter().map(|&d| kernel[d]).collect();
        let rows = Rows::Windows(Box::new(c.clone()), taps, input, result);
        let outputs = starts.len() / groups;
        Some(Matrix { groups, outputs, depth: terms.len(), starts, terms, rows })
    }

    fn of_product(
        d: &DotGeneral,
        input: &[usize],
        kernel: &[usize],
        starts: Vec<usize>,
    ) -> Option<Matrix> {
        let dims = |list: &[i64]| list.iter().map(|&d| d as usize).collect::<Vec<usize>>();
        let (summed, own) = (dims(&d.lhs_contracting), dims(&d.rhs_contracting));
        let free: Vec<usize> = (0..input.len()).filter(|i| !summed.contains(i)).collect();
        let terms = positions(kernel, &own);
        let rows = Rows::Strided(positions(input, &free), positions(input, &summed));
        let outputs = starts.len();
        Some(Matrix { groups: 1, outputs, depth: terms.len(), starts, terms, rows })
    }

    /// Position in the weights of a term of an output of a group.
    pub fn weight(&self, group: usize, output: usize, term: usize) -> usize {
        self.starts[group * self.outputs + output] + self.terms[term]
    }

    /// Channels of the input that a group reads; a term's is its number modulo this.
    pub fn inputs(&self) -> usize {
        match &self.rows {
            Rows::Windows(_, taps, ..) => taps.last().copied().unwrap_or(1).max(1),
            Rows::Strided(..) => self.depth.max(1),
        }
    }

    /// Rows that an input has in each group.
    pub fn rows(&self) -> usize {
        match &self.rows {
            Rows::Windows(c, _, _, result) => {
                let spatial = c.dims.output_spatial.iter().map(|&d| result[d as usize]);
                spatial.product::<usize>() * result[c.dims.output_batch as usize]
            }
            Rows::Strided(starts, _) => starts.len(),
        }
    }

    /// Calls `f` with group and terms of every `step`th row.
    pub fn for_rows(&self, input: &[f32], step: usize, f: &mut dyn FnMut(usize, &[f32])) {
        let mut row = vec![0f32; self.depth];
        match &self.rows {
            Rows::Strided(starts, terms) => {
                for &start in starts.iter().step_by(step.max(1)) {
                    for (slot, term) in row.iter_mut().zip(terms) {
                        *slot = input.get(start + term).copied().unwrap_or(0.0);
                    }
                    f(0, &row);
                }
            }
            Rows::Windows(c, taps, sizes, result) => {
                let dims = &c.dims;
                let mut extents = vec![result[dims.output_batch as usize]];
                extents.extend(dims.output_spatial.iter().map(|&d| result[d as usize]));
                let mut count = 0;
                let _done = for_each_index(&extents, |at| {
                    if count % step.max(1) == 0 {
                        for group in 0..self.groups {
                            window(c, taps, sizes, at, group, input, &mut row);
                            f(group, &row);
                        }
                    }
                    count += 1;
                    Ok::<(), ()>(())
                });
            }
        }
    }
}

/// The inputs under a window, of one group, zeros where it is over padding.
fn window(
    c: &Convolution,
    taps: &[usize],
    sizes: &[usize],
    at: &[usize],
    group: usize,
    input: &[f32],
    row: &mut [f32],
) {
    let strides = crate::eval::strides(sizes);
    let (spatial, features) = taps.split_at(taps.len().saturating_sub(1));
    let features = features.first().copied().unwrap_or(1);
    let stride = |d: i64| strides[d as usize];
    let start =
        at[0] * stride(c.dims.input_batch) + group * features * stride(c.dims.input_feature);
    let mut slots = row.chunks_mut(features.max(1));
    let _done = for_each_index(spatial, |tap| {
        let Some(slots) = slots.next() else { return Err(()) };
        let mut from = Some(start);
        for (i, &d) in c.dims.input_spatial.iter().enumerate() {
            let x = at[i + 1] as i64 * c.strides[i] + tap[i] as i64 * c.rhs_dilation[i]
                - c.padding[i].0;
            let x = usize::try_from(x).ok().filter(|&x| x < sizes[d as usize]);
            from = from.zip(x).map(|(from, x)| from + x * stride(d));
        }
        for (i, slot) in slots.iter_mut().enumerate() {
            let value = from.and_then(|f| input.get(f + i * stride(c.dims.input_feature)));
            *slot = value.copied().unwrap_or(0.0);
        }
        Ok(())
    });
}
