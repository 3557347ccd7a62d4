//! Instruction counts, or those of cycles: per inference and per kernel.

use microhlo_qemu::{Case, JobReport, Step};
use serde_json::{Value, json};

use super::listing::StepListing;
use super::text::{Table, grouped};

/// The counts of the case that took the most instructions.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Instructions of that inference.
    pub instructions: u64,
    /// Instructions of the fastest case.
    pub least: u64,
    /// What is counted; where this says instructions it may be cycles.
    pub unit: &'static str,
    /// The steps that ran, by index, if the job was profiled.
    pub steps: Option<Vec<Step>>,
}

impl Profile {
    /// The profile of a report, counted in `unit`; `None` if no case ran or instructions are not counted.
    pub fn of(report: &JobReport, profiled: bool, unit: &'static str) -> Option<Profile> {
        let worst = Profile::slowest(report)?;
        let least = report.cases.iter().flatten().map(|c| c.instructions).min()?;
        if worst.instructions == 0 {
            return None;
        }
        let steps = profiled.then(|| worst.kernels.clone());
        Some(Profile { instructions: worst.instructions, least, unit, steps })
    }

    /// The case that took the most instructions; the last one where they are not counted.
    pub fn slowest(report: &JobReport) -> Option<&Case> {
        report.cases.iter().flatten().max_by_key(|c| c.instructions)
    }

    /// Multiply-accumulates of all steps as often as they ran, if the job was profiled.
    pub fn macs(&self, listing: &[StepListing]) -> Option<u64> {
        let macs = |s: &Step| {
            let step = listing.iter().find(|step| step.number == Some(s.index as usize));
            step.map_or(0, |step| step.macs.saturating_mul(s.runs))
        };
        self.steps.as_ref().map(|steps| steps.iter().map(macs).sum())
    }

    /// The counts in one line.
    pub fn summary(&self, macs: u64) -> String {
        let mut text = format!("{} {} per inference", grouped(self.instructions), self.unit);
        if self.least != self.instructions {
            text += &format!(" at most, {} at least", grouped(self.least));
        }
        if macs > 0 {
            text += &format!(", {}", per_mac(self.instructions, macs));
        }
        text
    }

    /// The counts of every kernel.
    pub fn table(&self, listing: &[StepListing]) -> Table {
        let mut table = Table::new(2);
        let Some(steps) = &self.steps else { return table };
        let looped = steps.iter().any(|s| s.runs > 1);
        // What the steps of a chain take is counted with the step that runs them.
        for step in listing.iter().filter(|step| step.number.is_some()) {
            let (runs, count) = find(steps, step).map_or((0, 0), |s| (s.runs, s.instructions));
            let share = 100.0 * count as f64 / self.instructions.max(1) as f64;
            let macs = step.macs.saturating_mul(runs);
            let ratio = if macs == 0 { String::new() } else { per_mac(count, macs) };
            let macs = if macs == 0 { String::new() } else { grouped(macs) + " MACs" };
            let count = format!("{} {}", grouped(count), self.unit);
            let share = format!("{share:.1} %");
            let runs = if looped { format!("{} times", grouped(runs)) } else { String::new() };
            table.row([&step.name, step.op, &count, &share, &macs, &ratio, &runs]);
        }
        table
    }
}

/// What is known of a step; one that control flow passed over did not run, and one of a chain is not
/// counted by itself.
fn find<'s>(steps: &'s [Step], step: &StepListing) -> Option<&'s Step> {
    let at = steps.binary_search_by_key(&step.number?, |s| s.index as usize).ok()?;
    steps.get(at)
}

fn per_mac(instructions: u64, macs: u64) -> String {
    format!("{:.3} per MAC", instructions as f64 / macs as f64)
}

/// Adds the counts to the result for machines.
pub fn add_json(value: &mut Value, profile: Option<&Profile>, listing: &[StepListing], macs: u64) {
    let steps = profile.and_then(|p| p.steps.as_ref());
    let kernel = |step: &StepListing| {
        let ran = steps.map(|s| find(s, step).map_or((0, 0), |s| (s.runs, s.instructions)));
        json!({
            "name": step.name, "op": step.op, "macs": step.macs,
            "runs": ran.map(|r| r.0), "instructions": ran.map(|r| r.1),
        })
    };
    let kernels: Vec<Value> = listing.iter().map(kernel).collect();
    let Value::Object(map) = value else { return };
    let instructions = profile.map(|p| p.instructions);
    map.insert("instructions".to_owned(), json!(instructions));
    map.insert("unit".to_owned(), json!(profile.map(|p| p.unit)));
    map.insert("macs".to_owned(), json!(macs));
    let macs = profile.and_then(|p| p.macs(listing)).unwrap_or(macs);
    let ratio = instructions.filter(|_| macs > 0).map(|n| n as f64 / macs as f64);
    map.insert("instructions_per_mac".to_owned(), json!(ratio));
    map.insert("kernels".to_owned(), Value::Array(kernels));
}
