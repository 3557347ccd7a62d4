//! Mixed precision: values that stay wider than 8 bits because their rounding costs the outputs most.
//!
//! What a value's rounding costs is measured by leaving it out: the outputs' error falls by so much.
//! Values are widened in the order of what that gains for its price, the multiply-accumulates of
//! those that read them, until the outputs are as near as asked for. Without a demand only what is
//! nearly free is widened.

use std::collections::HashMap;

use microhlo_format::DType;

use super::fidelity::Noise;
use super::plan::{self, Plan};
use super::search::{self, Method, Nothing, Trial};
use super::{Options, simulate};
use crate::compile::CompileError;
use crate::eval::Tensor;
use crate::ir::{Body, Func, ValueId};

/// How a value is held. See the example of [`quantize`](super::quantize).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 8-bit integers.
    Int8,
    /// 16-bit integers without zero point.
    Int16,
    /// Floats: so are the layers that read it.
    Float,
}

impl Precision {
    /// The type of stored integers; none for floats.
    pub(crate) fn storage(self) -> Option<DType> {
        match self {
            Precision::Int8 => Some(DType::I8),
            Precision::Int16 => Some(DType::I16),
            Precision::Float => None,
        }
    }
}

/// Most cases that errors are measured on.
const MAX_CASES: usize = 8;

/// Instructions of a wide multiply-accumulate, as the general kernels take.
const PER_MAC: u64 = 20;

/// Instructions of an element's conversions.
const PER_ELEMENT: u64 = 60;

/// Most that all unasked widening may cost, and each of it: parts of the program's price.
const FREE: f64 = 0.015;

/// Least part of the error that widening must take away.
const WORTH: f64 = 0.02;

/// What a group of values costs if it is wide, in 8-bit multiply-accumulates.
struct Prices {
    groups: Vec<u64>,
    all: u64,
}

impl Prices {
    fn of(body: &Body, plan: &Plan) -> Prices {
        let elements = |v: ValueId| elements(body, v);
        let mut prices = Prices { groups: Vec::new(), all: 0 };
        let mut reads: HashMap<ValueId, u64> = HashMap::new();
        for layer in &plan.layers {
            let o = &body.ops[layer.root];
            let macs = macs(body, layer);
            let read: u64 = o.operands.iter().map(|&v| elements(v)).sum();
            let read = if layer.weights.is_some() { elements(o.operands[0]) } else { read };
            prices.all += macs + 2 * elements(o.results[0]);
            for &operand in &o.operands {
                let price = macs * PER_MAC + (read + elements(o.results[0])) * PER_ELEMENT;
                *reads.entry(plan::origin(body, operand)).or_default() += price;
            }
        }
        // Without an integer result, sums and means of integers are sums and means of floats.
        let mut makes: HashMap<ValueId, u64> = HashMap::new();
        for layer in plan.layers.iter().filter(|l| l.weights.is_none()) {
            let read: u64 = body.ops[layer.root].operands.iter().map(|&v| elements(v)).sum();
            makes.insert(layer.result, read * PER_ELEMENT);
        }
        for group in &plan.values {
            let price = |v: &ValueId| {
                let made = body.def_op(*v).is_some();
                let own = u64::from(made) * elements(*v) * PER_ELEMENT;
                let of = |prices: &HashMap<ValueId, u64>| prices.get(v).copied().unwrap_or(0);
                own + of(&reads) + of(&makes)
            };
            prices.groups.push(group.iter().map(price).sum());
        }
        prices
    }
}

fn elements(body: &Body, value: ValueId) -> u64 {
    body.ty(value).tensor().and_then(|t| t.elements()).unwrap_or(0)
}

/// Multiply-accumulates of a layer: only contractions have weights.
fn macs(body: &Body, layer: &plan::Layer) -> u64 {
    let Some(weights) = &layer.weights else { return 0 };
    let dims = body.ty(weights.value).tensor().and_then(|t| t.static_dims()).unwrap_or_default();
    let outputs = dims.get(weights.axis as usize).copied().unwrap_or(1).max(1);
    let per_output = elements(body, weights.value) / outputs;
    elements(body, body.ops[layer.root].results[0]) * per_output
}

/// A method whose most sensitive values are wider.
///
/// # Errors
/// An operation cannot be evaluated.
pub(crate) fn widened(
    func: &Func,
    cases: &[Vec<Tensor>],
    options: &Options,
    mut method: Method,
) -> Result<Method, CompileError> {
    let few = &cases[..cases.len().min(MAX_CASES)];
    let mut func = func.clone();
    let (plan, trial) = search::fitted(&mut func, few, options, &method)?;
    let prices = Prices::of(&func.body, &plan);
    let sensitivity = Sensitivity { func: &func, plan: &plan, trial: &trial, cases: few };
    let now = sensitivity.error(&[])?;
    let affordable =
        |price: u64| options.budget.is_some() || (price as f64) < FREE * prices.all as f64;
    let mut gains = Vec::new();
    for (i, &price) in prices.groups.iter().enumerate() {
        if affordable(price) && method.precisions[i] == Precision::Int8 {
            let gain = now.error - sensitivity.error(&[i])?.error;
            gains.push((gain / price.max(1) as f64, i, gain, price));
        }
    }
    gains.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut wide, mut spent) = (Vec::new(), 0);
    for (_, i, gain, price) in gains {
        let done = match options.budget {
            Some(wanted) => sensitivity.error(&wide)?.ratio() >= wanted,
            None => false,
        };
        if done {
            break;
        }
        let worth = options.budget.is_some() || gain > WORTH * now.error;
        if worth && affordable(spent + price) {
            wide.push(i);
            spent += price;
        }
    }
    for i in wide {
        method.precisions[i] = options.wide;
    }
    Ok(method)
}

/// What the outputs' error is without the rounding of some groups of values.
struct Sensitivity<'s> {
    func: &'s Func,
    plan: &'s Plan,
    trial: &'s Trial,
    cases: &'s [Vec<Tensor>],
}

impl Sensitivity<'_> {
    fn error(&self, wide: &[usize]) -> Result<Noise, CompileError> {
        let body = &self.func.body;
        let mut rounding = self.trial.rounding.clone();
        let values: Vec<ValueId> =
            wide.iter().flat_map(|&i| &self.plan.values[i]).copied().collect();
        for value in &values {
            rounding.types.remove(value);
        }
        for layer in &self.plan.layers {
            let o = &body.ops[layer.root];
            if let Some(weights) = &layer.weights
                && values.contains(&plan::origin(body, o.operands[0]))
            {
                rounding.constants.remove(&weights.value);
                rounding.biases.remove(&o.results[0]);
            }
        }
        let outputs = simulate::run(self.func, self.cases, &mut rounding, &mut Nothing)?;
        let mut noise = Noise::default();
        search::add(&mut noise, &outputs);
        Ok(noise)
    }
}
