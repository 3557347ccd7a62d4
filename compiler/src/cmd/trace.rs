//! `--trace`: what each step computes, in a table.

use std::collections::BTreeMap;

use microhlo::Range;
use microhlo_format::{DebugInfo, Tap};
use microhlo_qemu::Case;
use serde_json::{Value, json};

use super::listing::StepListing;
use super::text::{Table, grouped};

/// The steps of one case with the tensors that they completed.
pub struct Trace<'a> {
    listing: &'a [StepListing],
    case: &'a Case,
    /// What is counted.
    unit: &'static str,
    /// The taps of each step, with their positions in the debug information.
    taps: BTreeMap<u32, Vec<(u32, Tap<'a>)>>,
}

impl<'a> Trace<'a> {
    /// The trace of a case; without results, if there is no debug information.
    pub fn new(
        listing: &'a [StepListing],
        case: &'a Case,
        debug: &'a [u8],
        unit: &'static str,
    ) -> Trace<'a> {
        let mut taps: BTreeMap<u32, Vec<(u32, Tap<'a>)>> = BTreeMap::new();
        let info = DebugInfo::parse(debug).ok();
        for (tap, number) in info.iter().flat_map(DebugInfo::taps).zip(0..) {
            taps.entry(tap.step).or_default().push((number, tap));
        }
        Trace { listing, case, unit, taps }
    }

    /// A line per step, and one for each tensor that it completed beyond the first.
    pub fn table(&self) -> Table {
        let mut table = Table::new(3).ragged();
        table.row([
            "step", "kernel", "result", self.unit, "share", "MACs", "per MAC", "times", "range",
        ]);
        for step in self.listing {
            let Some(number) = step.number else { continue };
            let mut results = self.results(number).map(|(tap, range)| {
                let name = format!("{} {}", tap.tensor.name, ty(&tap));
                [name, range.map_or(String::new(), range_text)]
            });
            let [result, range] = results.next().unwrap_or_default();
            let names = [step.name.clone(), step.op.to_owned(), result];
            table.row(names.into_iter().chain(self.costs(step, number)).chain([range]));
            for [result, range] in results {
                let blank = String::new;
                let names = [blank(), blank(), result];
                let costs = [blank(), blank(), blank(), blank(), blank()];
                table.row(names.into_iter().chain(costs).chain([range]));
            }
        }
        table
    }

    /// What a step costs.
    fn costs(&self, step: &StepListing, number: usize) -> [String; 5] {
        let (runs, count) = self.counts(number);
        let macs = step.macs.saturating_mul(runs);
        let some = |n: u64| if n == 0 { String::new() } else { grouped(n) };
        let share = 100.0 * count as f64 / self.case.instructions.max(1) as f64;
        let share = if count == 0 { String::new() } else { format!("{share:.1} %") };
        let ratio = match (count, macs) {
            (0, _) | (_, 0) => String::new(),
            _ => format!("{:.3}", count as f64 / macs as f64),
        };
        [some(count), share, some(macs), ratio, grouped(runs)]
    }

    /// How often a step ran, and its instructions.
    fn counts(&self, number: usize) -> (u64, u64) {
        let found = self.case.kernels.iter().find(|step| step.index as usize == number);
        found.map_or((0, 0), |step| (step.runs, step.instructions))
    }

    /// The tensors that a step completed.
    fn results(&self, number: usize) -> impl Iterator<Item = (Tap<'a>, Option<Range>)> {
        let taps = u32::try_from(number).ok().and_then(|number| self.taps.get(&number));
        taps.into_iter().flatten().filter_map(|(number, tap)| {
            let bytes = self.case.tensors.get(number)?;
            Some((tap.clone(), Range::of(tap.tensor.dtype, bytes)))
        })
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let result = |(tap, range): (Tap<'_>, Option<Range>)| {
            let [min, max] = range.map_or([Value::Null, Value::Null], bounds);
            let nans = match range {
                Some(Range::Float { nans, .. }) => nans,
                _ => 0,
            };
            json!({
                "name": tap.tensor.name.as_str(), "op": tap.op.as_str(),
                "location": tap.location.as_str(), "dtype": tap.tensor.dtype.name(),
                "dims": tap.tensor.dims.as_slice(), "min": min, "max": max, "nans": nans,
            })
        };
        let step = |step: &StepListing| {
            let number = step.number?;
            let (runs, instructions) = self.counts(number);
            let results: Vec<Value> = self.results(number).map(result).collect();
            Some(json!({
                "step": number, "name": step.name, "kernel": step.op, "runs": runs,
                "instructions": instructions, "macs": step.macs, "results": results,
            }))
        };
        Value::Array(self.listing.iter().filter_map(step).collect())
    }
}

/// Shape and element type as in StableHLO's tensor types.
fn ty(tap: &Tap<'_>) -> String {
    let dims: String = tap.tensor.dims.iter().map(|dim| format!("{dim}x")).collect();
    dims + tap.tensor.dtype.name()
}

fn range_text(range: Range) -> String {
    match range {
        Range::Signed { min, max } => format!("{min} to {max}"),
        Range::Unsigned { min, max } => format!("{min} to {max}"),
        Range::Float { min, max, nans: 0 } => format!("{min:.4e} to {max:.4e}"),
        Range::Float { min, max, nans } => format!("{min:.4e} to {max:.4e}, {nans} NaN"),
    }
}

/// JSON has no infinities: nothing stands for them.
fn bounds(range: Range) -> [Value; 2] {
    match range {
        Range::Signed { min, max } => [json!(min), json!(max)],
        Range::Unsigned { min, max } => [json!(min), json!(max)],
        Range::Float { min, max, .. } => [json!(min), json!(max)],
    }
}
