//! Equalisation of the ranges of channels.
//!
//! An activation has one scale for all channels, so a channel of small values keeps few of the 256
//! steps. Between two layers, of which the first ends without a limit or with a rectifier, each
//! channel can be scaled as one likes: the first layer's weights and bias by `1 / s`, the weights of
//! those that read it by `s` (Nagel et al., 2019). The first layer does not mind, as its weights
//! have a scale per output channel. Readers do: large factors coarsen the scale of their other
//! weights. `s` is `range^a` with the `a` of the least expected noise.

use std::collections::HashMap;

use super::matrix::Matrix;
use super::plan::{Layer, Plan, Weights};
use super::simulate::{self, Observer, Pair, Rounding, dims, floats};
use crate::compile::CompileError;
use crate::eval::Tensor;
use crate::ir::{Body, Constant, Func, OpId, ValueId, index_along};
use crate::lower::facts::Facts;
use crate::ops::OpKind;

/// Exponents that are tried.
const EXPONENTS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// Least range of a channel that counts, relative to the largest.
const LEAST_RANGE: f64 = 1.0 / 64.0;

/// What is left of the noise of weights when they are rounded together.
const WEIGHT_NOISE: f64 = 0.25;

/// A channel over the calibration.
#[derive(Clone, Copy, Debug, Default)]
struct Channel {
    largest: f64,
    squares: f64,
}

/// Scales channels between layers. Returns whether any were.
///
/// # Errors
/// An operation cannot be evaluated.
pub fn equalise(func: &mut Func, plan: &Plan, cases: &[Vec<Tensor>]) -> Result<bool, CompileError> {
    let links = links(func, plan);
    let mut seen = Channels {
        dims: links.iter().map(|l| (l.value, l.dim)).collect(),
        channels: HashMap::new(),
    };
    if links.is_empty() {
        return Ok(false);
    }
    simulate::run(func, cases, &mut Rounding::default(), &mut seen)?;
    let mut changed = false;
    for link in &links {
        let Some(channels) = seen.channels.get(&link.value) else { continue };
        let Some(factors) = factors(&func.body, link, channels) else { continue };
        let inverse: Vec<f64> = factors.iter().map(|s| s.recip()).collect();
        scale_outputs(func, &link.from, &inverse);
        for reader in &link.readers {
            scale_inputs(func, reader, &factors);
        }
        changed = true;
    }
    Ok(changed)
}

/// A value between layers.
struct Link {
    value: ValueId,
    /// Its dimension of channels.
    dim: usize,
    from: Layer,
    readers: Vec<(OpId, Weights)>,
}

/// The values whose channels can be scaled.
fn links(func: &Func, plan: &Plan) -> Vec<Link> {
    let facts = Facts::new(&func.body);
    let layer = |op: OpId| plan.layers.iter().find(|l| l.root == op)?.weights.map(|w| (op, w));
    let link = |from: &Layer| {
        let weights = from.weights.filter(|_| from.scalable)?;
        let users = facts.users(from.result);
        let readers: Vec<_> = users.iter().map(|&op| layer(op)).collect::<Option<_>>()?;
        let reads = |(op, _): &(OpId, Weights)| {
            func.body.ops[*op].operands[0] == from.result
                && input_feature(&func.body, *op) == Some(weights.feature)
        };
        let own = |w: ValueId| facts.users(w).len() == 1;
        let valid = !readers.is_empty()
            && readers.iter().all(reads)
            && own(weights.value)
            && readers.iter().all(|(_, w)| own(w.value));
        let dim = weights.feature;
        valid.then(|| Link { value: from.result, dim, from: from.clone(), readers })
    };
    plan.layers.iter().filter_map(link).collect()
}

/// The only dimension of a contraction's input that weights vary with.
fn input_feature(body: &Body, op: OpId) -> Option<usize> {
    match &body.ops[op].kind {
        OpKind::Convolution(c) => usize::try_from(c.dims.input_feature).ok(),
        OpKind::DotGeneral(d) => match d.lhs_contracting.as_slice() {
            &[one] => usize::try_from(one).ok(),
            _ => None,
        },
        _ => None,
    }
}

struct Channels {
    dims: HashMap<ValueId, usize>,
    channels: HashMap<ValueId, Vec<Channel>>,
}

impl Observer for Channels {
    fn computed(
        &mut self,
        value: ValueId,
        pairs: &[Pair],
        _how: &mut Rounding,
    ) -> Result<(), CompileError> {
        let Some(&dim) = self.dims.get(&value) else { return Ok(()) };
        for pair in pairs {
            let (n, index) = (pair.float.dims()[dim], index_along(&dims(&pair.float), dim));
            let channels =
                self.channels.entry(value).or_insert_with(|| vec![Channel::default(); n]);
            let elements = floats(&pair.float).unwrap_or_default();
            let each = (elements.len() * pairs.len()) as f64 / n.max(1) as f64;
            for (i, x) in elements.into_iter().enumerate() {
                let channel = &mut channels[index(i)];
                channel.largest = channel.largest.max(f64::from(x.abs()));
                channel.squares += f64::from(x).powi(2) / each;
            }
        }
        Ok(())
    }
}

/// The weights of readers, as seen from channels: every output's weights of a channel.
struct Reader {
    /// `outputs[o]` is a list of channels and magnitudes.
    outputs: Vec<Vec<(usize, f64)>>,
}

impl Reader {
    fn of(body: &Body, op: OpId, weights: &Weights) -> Option<Reader> {
        let matrix = Matrix::of(body, op, weights)?;
        let values = body.constant(weights.value)?.to_f32s()?;
        let inputs = matrix.inputs();
        let mut outputs = Vec::new();
        for group in 0..matrix.groups {
            for output in 0..matrix.outputs {
                let own = (0..matrix.depth).map(|term| {
                    let channel = group * inputs + term % inputs;
                    (channel, f64::from(values[matrix.weight(group, output, term)]).abs())
                });
                outputs.push(own.collect());
            }
        }
        Some(Reader { outputs })
    }

    /// Expected noise of the outputs, relative to their size, if channels are divided by `factors`.
    fn noise(&self, channels: &[Channel], factors: &[f64]) -> f64 {
        let ranges = channels.iter().zip(factors).map(|(c, s)| c.largest / s);
        let step = ranges.fold(0f64, f64::max) / 255.0;
        let noise = |weights: &Vec<(usize, f64)>| {
            let largest = weights.iter().map(|&(c, w)| w * factors[c]).fold(0f64, f64::max);
            let unit = largest / 127.0;
            let of = |&(c, w): &(usize, f64)| {
                let activation = (step * factors[c] * w).powi(2);
                let weight = channels[c].squares * (unit / factors[c]).powi(2) * WEIGHT_NOISE;
                (activation + weight, channels[c].squares * w * w)
            };
            let sums = weights.iter().map(of).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
            if sums.1 > 0.0 { sums.0 / sums.1 } else { 0.0 }
        };
        self.outputs.iter().map(noise).sum::<f64>() / self.outputs.len().max(1) as f64
    }
}

/// Factors of channels, if any are better than none.
fn factors(body: &Body, link: &Link, channels: &[Channel]) -> Option<Vec<f64>> {
    let readers: Vec<Reader> =
        link.readers.iter().map(|(op, w)| Reader::of(body, *op, w)).collect::<Option<_>>()?;
    let largest = channels.iter().map(|c| c.largest).fold(0f64, f64::max);
    if !(largest.is_normal() && largest > 0.0) {
        return None;
    }
    let of = |exponent: f64| -> Vec<f64> {
        let part = |c: &Channel| (c.largest / largest).max(LEAST_RANGE).powf(exponent);
        channels.iter().map(part).collect()
    };
    let noise = |factors: &[f64]| readers.iter().map(|r| r.noise(channels, factors)).sum::<f64>();
    let all = EXPONENTS.iter().map(|&e| (e, noise(&of(e))));
    let best = all.min_by(|a, b| a.1.total_cmp(&b.1))?;
    (best.0 > 0.0).then(|| of(best.0))
}

fn scale_outputs(func: &mut Func, layer: &Layer, factors: &[f64]) {
    let Some(weights) = layer.weights else { return };
    let sums = func.body.ops[layer.root].results[0];
    let channels = factors.len();
    if let Some(op) = weights.bias {
        let other = func.body.ops[op].operands.iter().copied().find(|&v| v != sums);
        let facts = Facts::new(&func.body);
        let old = other.and_then(|v| facts.per_channel(v, weights.feature, channels));
        let Some(old) = old else { return };
        let numbers = old.iter().zip(factors).map(|(&b, f)| (f64::from(b) * f) as f32).collect();
        super::bias::replace(func, op, sums, &simulate::Bias { dim: weights.feature, numbers });
    }
    let axis = weights.axis as usize;
    rescale(func, weights.value, |index, _| factors[index[axis] % channels]);
}

fn scale_inputs(func: &mut Func, (op, weights): &(OpId, Weights), factors: &[f64]) {
    let (dim, groups) = match &func.body.ops[*op].kind {
        OpKind::Convolution(c) => {
            (c.dims.kernel_input_feature as usize, c.feature_group_count as usize)
        }
        OpKind::DotGeneral(d) => (d.rhs_contracting[0] as usize, 1),
        _ => return,
    };
    let axis = weights.axis as usize;
    rescale(func, weights.value, |index, sizes| {
        let group = index[axis] / (sizes[axis] / groups).max(1);
        factors[(group * sizes[dim] + index[dim]) % factors.len()]
    });
}

/// Multiplies weights, which one operation reads, each by a factor of its index.
fn rescale(func: &mut Func, weights: ValueId, factor: impl Fn(&[usize], &[usize]) -> f64) {
    let Some(constant) = func.body.constant(weights) else { return };
    let (Some(mut values), Some(dims)) = (constant.to_f32s(), constant.ty.static_dims()) else {
        return;
    };
    let sizes: Vec<usize> = dims.iter().map(|&d| d as usize).collect();
    let mut elements = values.iter_mut();
    let _done = crate::eval::for_each_index(&sizes, |index| {
        let element = elements.next().ok_or(())?;
        *element = (f64::from(*element) * factor(index, &sizes)) as f32;
        Ok::<(), ()>(())
    });
    let constant = Constant::f32s(&dims, &values);
    let Some(def) = func.body.def_op(weights) else { return };
    func.body.ops[def].kind = crate::ops::constant::Constant { value: constant.into() }.into();
}
