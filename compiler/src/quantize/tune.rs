//! Choice of the integers of weights and of biases, layer by layer, on what the quantised layers
//! before really compute.

use std::collections::HashMap;
use std::sync::Arc;

use super::annotate::Integers;
use super::fidelity::Noise;
use super::matrix::Matrix;
use super::plan::{Layer, Weights};
use super::rounding::{Moments, Rounder};
use super::simulate::{Bias, Observer, Pair, Rounding, Values, dims, floats};
use super::values;
use crate::compile::CompileError;
use crate::eval::Tensor;
use crate::ir::{Body, OpId, ValueId, index_along};

/// Most terms of a sum for which weights are rounded together.
const MAX_DEPTH: usize = 1024;

/// Products that the covariance of a layer's inputs may take.
const MAX_PRODUCTS: usize = 1 << 28;

/// Least rows of inputs that are used of many.
const MIN_ROWS: usize = 256;

/// What is done beyond rounding to nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrections {
    /// Weights are rounded such that errors cancel in sums.
    pub rounding: bool,
    /// Biases make up for the mean error.
    pub bias: bool,
}

/// Chooses integers and biases during a run, and keeps the layers' errors.
pub struct Tuner<'p> {
    body: &'p Body,
    corrections: Corrections,
    roots: HashMap<OpId, Weights>,
    sums: HashMap<ValueId, Weights>,
    results: HashMap<ValueId, usize>,
    /// The integers of weights.
    pub integers: Integers,
    /// Errors of the layers' results.
    pub noise: Vec<Noise>,
}

impl<'p> Tuner<'p> {
    /// For these layers.
    pub fn new(body: &'p Body, layers: &[Layer], corrections: Corrections) -> Tuner<'p> {
        let weighted = || layers.iter().filter_map(|l| Some((l.root, l.weights?)));
        Tuner {
            body,
            corrections,
            roots: weighted().collect(),
            sums: weighted().map(|(root, w)| (body.ops[root].results[0], w)).collect(),
            results: layers.iter().enumerate().map(|(i, l)| (l.result, i)).collect(),
            integers: Integers::new(),
            noise: vec![Noise::default(); layers.len()],
        }
    }

    /// The integers of a layer's weights.
    fn choose(
        &self,
        op: OpId,
        weights: &Weights,
        cases: &[Values],
        how: &Rounding,
    ) -> Option<Vec<i64>> {
        let q = how.types.get(&weights.value)?;
        let constant = self.body.constant(weights.value)?;
        let floats = constant.to_f32s()?;
        let nearest = values::stored(&constant.ty, q, &floats);
        if !self.corrections.rounding {
            return Some(nearest);
        }
        let limit = (q.storage_range.1 as f64).min(127.0);
        let Some(matrix) = Matrix::of(self.body, op, weights) else { return Some(nearest) };
        let inputs = self.body.ops[op].operands[0];
        let mut chosen = nearest;
        for (group, moments) in moments(&matrix, inputs, cases).into_iter().enumerate() {
            let Some(rounder) = Rounder::new(&moments) else { continue };
            for output in 0..matrix.outputs {
                let scale = q.scales[(group * matrix.outputs + output) % q.scales.len()];
                let at = |term| matrix.weight(group, output, term);
                let own: Vec<f64> =
                    (0..matrix.depth).map(|term| f64::from(floats[at(term)]) / scale).collect();
                for (term, n) in rounder.round(&own, limit).into_iter().enumerate() {
                    chosen[at(term)] = n;
                }
            }
        }
        Some(chosen)
    }
}

/// Moments of a layer's inputs, by group; none if there would be too many.
fn moments(matrix: &Matrix, inputs: ValueId, cases: &[Values]) -> Vec<Moments> {
    if matrix.depth > MAX_DEPTH {
        return Vec::new();
    }
    let mut moments = vec![Moments::new(matrix.depth); matrix.groups];
    let products = matrix.depth * matrix.depth * matrix.groups;
    let most = (MAX_PRODUCTS / products.max(1)).max(MIN_ROWS);
    let step = (matrix.rows() * cases.len()).div_ceil(most).max(1);
    for case in cases {
        let Some(input) = case.get(&inputs).and_then(|pair| floats(pair.rounded())) else {
            continue;
        };
        matrix.for_rows(&input, step, &mut |group, row| moments[group].add(row));
    }
    moments
}

/// The mean difference of floats and rounded values, per index of a dimension.
fn mean_difference(pairs: &[Pair], dim: usize) -> Option<Bias> {
    let dims = dims(&pairs.first()?.float);
    let index = index_along(&dims, dim);
    let mut sums = vec![0f64; *dims.get(dim)? as usize];
    let mut count = 0;
    for pair in pairs {
        let (wanted, got) = (floats(&pair.float)?, floats(pair.rounded())?);
        for (i, (w, g)) in wanted.iter().zip(&got).enumerate() {
            sums[index(i)] += f64::from(*w) - f64::from(*g);
        }
        count += wanted.len() / sums.len().max(1);
    }
    let numbers = sums.iter().map(|s| (s / count.max(1) as f64) as f32).collect();
    Some(Bias { dim, numbers })
}

impl Observer for Tuner<'_> {
    fn before(
        &mut self,
        op: OpId,
        cases: &[Values],
        how: &mut Rounding,
    ) -> Result<(), CompileError> {
        let Some(weights) = self.roots.get(&op).copied() else { return Ok(()) };
        if self.integers.contains_key(&weights.value) {
            return Ok(());
        }
        let chosen = self.choose(op, &weights, cases, how);
        if let (Some(chosen), Some(q)) = (chosen, how.types.get(&weights.value).map(Arc::clone))
            && let Some(ty) = self.body.ty(weights.value).tensor()
        {
            let dims = ty.static_dims().unwrap_or_default();
            let floats = Tensor::f32s(&dims, &values::floats(ty, &q, &chosen));
            let floats =
                floats.map_err(|e| CompileError::at(self.body.ops[op].span, e.to_string()))?;
            how.constants.insert(weights.value, floats);
            self.integers.insert(weights.value, chosen);
        }
        Ok(())
    }

    fn computed(
        &mut self,
        value: ValueId,
        pairs: &[Pair],
        how: &mut Rounding,
    ) -> Result<(), CompileError> {
        if let Some(weights) = self.sums.get(&value)
            && self.corrections.bias
            && how.constants.contains_key(&weights.value)
            && let Some(bias) = mean_difference(pairs, weights.feature)
        {
            how.biases.insert(value, bias);
        }
        Ok(())
    }

    fn rounded(&mut self, value: ValueId, pairs: &[Pair]) {
        let Some(noise) = self.results.get(&value).and_then(|&i| self.noise.get_mut(i)) else {
            return;
        };
        for pair in pairs {
            if let (Some(wanted), Some(got)) = (floats(&pair.float), floats(pair.rounded())) {
                noise.add(&wanted, &got);
            }
        }
    }
}
