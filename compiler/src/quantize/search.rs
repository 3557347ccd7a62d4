//! How to quantise a program, by what it would cost on cases that were held out.

use std::sync::Arc;

use microhlo_format::DType;

use super::annotate::Integers;
use super::fidelity::Noise;
use super::plan::{self, Plan};
use super::precision::Precision;
use super::simulate::{self, Observer, Pair, Rounding, floats};
use super::tune::{Corrections, Tuner};
use super::{Io, Mode, Options, RangeChoice, calibrate, equalise, weight_type};
use crate::compile::CompileError;
use crate::eval::Tensor;
use crate::ir::Func;

/// Most cases that are held out in turn.
const MAX_CASES: usize = 16;

/// Least cases of which some can be held out.
const MIN_CASES: usize = 8;

/// Margins that are tried, in standard errors of a range's ends.
const MARGINS: [f64; 2] = [0.0, 1.0];

/// Ranges that are tried beside that of all values.
const RANGES: [RangeChoice; 2] = [RangeChoice::Mse, RangeChoice::Entropy];

/// Decibels that corrections may lose on few cases: on more they gain, as theory says.
const TRUSTED: f64 = 3.0;

/// Decibels that equalisation must gain: it takes the calibration's word for every channel.
const DOUBTED: f64 = -1.0;

/// A way to quantise.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// How ranges follow from the values seen.
    pub range: RangeChoice,
    /// How much wider they are, in standard errors of their ends.
    pub margin: f64,
    /// Whether channels are equalised first.
    pub equalise: bool,
    /// What weights and biases make up for.
    pub corrections: Corrections,
    /// Of each group of values in the plan.
    pub precisions: Vec<Precision>,
}

/// A way to round a program, and what comes of it.
pub struct Trial {
    /// How values are rounded.
    pub rounding: Rounding,
    /// The integers of weights.
    pub integers: Integers,
    /// Errors of the layers.
    pub noise: Vec<Noise>,
    /// Errors of the outputs.
    pub output: Noise,
}

/// The layers and values of a program that a method quantises.
pub fn planned(func: &Func, options: &Options) -> Plan {
    plan::plan(func, options.mode == Mode::Int8Weights, options.io == Io::Int8)
}

/// Fits a method to cases: the function is equalised, the rest is in the trial.
///
/// # Errors
/// An operation cannot be evaluated, or a value is no number.
pub fn fitted(
    func: &mut Func,
    cases: &[Vec<Tensor>],
    options: &Options,
    method: &Method,
) -> Result<(Plan, Trial), CompileError> {
    let mut plan = planned(func, options);
    if method.equalise && equalise::equalise(func, &plan, cases)? {
        plan = planned(func, options);
    }
    let seen = calibrate(func, &plan, cases)?;
    let mut rounding = Rounding::default();
    for ((group, seen), precision) in plan.values.iter().zip(&seen).zip(&method.precisions) {
        let Some(storage) = precision.storage() else { continue };
        let q = Arc::new(seen.quant_type(method.range, method.margin, storage));
        rounding.types.extend(group.iter().map(|&v| (v, Arc::clone(&q))));
    }
    for layer in &plan.layers {
        let input = plan::origin(&func.body, func.body.ops[layer.root].operands[0]);
        let storage = match options.mode {
            Mode::Int8Weights => Some(DType::I8),
            Mode::Int8 | Mode::Int16x8 => rounding.types.get(&input).map(|q| q.storage),
        };
        if let Some((weights, storage)) = layer.weights.as_ref().zip(storage) {
            let q = weight_type(&func.body, layer, weights, storage)?;
            rounding.types.insert(weights.value, Arc::new(q));
        }
    }
    let mut tuner = Tuner::new(&func.body, &plan.layers, method.corrections);
    let outputs = simulate::run(func, cases, &mut rounding, &mut tuner)?;
    let mut output = Noise::default();
    add(&mut output, &outputs);
    let Tuner { integers, noise, .. } = tuner;
    Ok((plan, Trial { rounding, integers, noise, output }))
}

/// Looks on.
pub struct Nothing;

impl Observer for Nothing {}

/// The error of the outputs of a method, each half of the cases with what was fitted to the other.
fn held_out(
    func: &Func,
    cases: &[Vec<Tensor>],
    options: &Options,
    method: &Method,
) -> Result<f64, CompileError> {
    let half = |odd: usize| cases.iter().skip(odd).step_by(2).cloned().collect::<Vec<_>>();
    let mut noise = Noise::default();
    for (fit, test) in [(half(0), half(1)), (half(1), half(0))] {
        let mut func = func.clone();
        let (_, mut trial) = fitted(&mut func, &fit, options, method)?;
        let outputs = simulate::run(&func, &test, &mut trial.rounding, &mut Nothing)?;
        add(&mut noise, &outputs);
    }
    Ok(noise.ratio())
}

/// Adds the errors of outputs.
pub fn add(noise: &mut Noise, outputs: &[Vec<Pair>]) {
    for pair in outputs.iter().flatten() {
        if let (Some(wanted), Some(got)) = (floats(&pair.float), floats(pair.rounded())) {
            noise.add(&wanted, &got);
        }
    }
}

/// The method with the least error on cases that it was not fitted to.
///
/// # Errors
/// As for [`fitted`].
pub fn best(func: &Func, cases: &[Vec<Tensor>], options: &Options) -> Result<Method, CompileError> {
    let own = if options.mode == Mode::Int16x8 { Precision::Int16 } else { Precision::Int8 };
    let best = options.range == RangeChoice::Best;
    let first = Method {
        range: if best { RangeChoice::MinMax } else { options.range },
        margin: 0.0,
        equalise: false,
        corrections: Corrections { rounding: false, bias: false },
        precisions: vec![own; planned(func, options).values.len()],
    };
    let cases = &cases[..cases.len().min(MAX_CASES)];
    if cases.len() < MIN_CASES {
        // Too few to say how those that come will differ.
        let corrections = Corrections { rounding: true, bias: true };
        let method = Method { corrections, ..first };
        let ranges = if best { &[RangeChoice::MinMax, RangeChoice::Mse][..] } else { &[] };
        return nearest(func, cases, options, method, ranges);
    }
    let mut search = Search { func, cases, options, ratio: f64::NEG_INFINITY, best: first.clone() };
    if best && own == Precision::Int8 && options.mode == Mode::Int8 {
        for margin in MARGINS {
            search.attempt(0.0, |method| method.margin = margin)?;
        }
        for range in RANGES {
            search.attempt(0.0, |method| method.range = range)?;
        }
    } else {
        search.attempt(0.0, |_| ())?;
    }
    let corrections = Corrections { rounding: true, bias: true };
    search.attempt(TRUSTED, |method| method.corrections = corrections)?;
    search.attempt(DOUBTED, |method| method.equalise = true)?;
    Ok(search.best)
}

/// The method with that of the ranges whose outputs are nearest on the calibration itself.
fn nearest(
    func: &Func,
    cases: &[Vec<Tensor>],
    options: &Options,
    mut method: Method,
    ranges: &[RangeChoice],
) -> Result<Method, CompileError> {
    let mut best = f64::NEG_INFINITY;
    for &range in ranges {
        let own = Method { range, ..method.clone() };
        let (_, trial) = fitted(&mut func.clone(), cases, options, &own)?;
        if trial.output.ratio() > best {
            (best, method.range) = (trial.output.ratio(), range);
        }
    }
    Ok(method)
}

/// Changes of a method that are kept if they help.
struct Search<'s> {
    func: &'s Func,
    cases: &'s [Vec<Tensor>],
    options: &'s Options,
    ratio: f64,
    best: Method,
}

impl Search<'_> {
    /// Keeps a change if it gains more than so many decibels less.
    fn attempt(
        &mut self,
        trust: f64,
        change: impl FnOnce(&mut Method),
    ) -> Result<(), CompileError> {
        let mut method = self.best.clone();
        change(&mut method);
        let ratio = held_out(self.func, self.cases, self.options, &method)?;
        if ratio + trust > self.ratio {
            (self.ratio, self.best) = (ratio, method);
        }
        Ok(())
    }
}
