//! Chains whose last layers run in stripes of columns, and what they compute more than once.

use std::ops::Range;

use super::block::{Block, Model};
use super::stripes::{Stripes, expand};
use super::{Cut, LONGEST, Plan};
use crate::lower::program::Program;

/// Most layers in stripes.
const DEEPEST: usize = 6;
/// Most layers that come behind those which need most memory.
const BEHIND: usize = 4;
/// Numbers of stripes that are tried.
const COUNTS: [u32; 3] = [2, 3, 4];

/// Chains that end with layers in stripes, each with less memory than the smallest program without, in place
/// of those that need most there, and with at most `limit` multiply-accumulates more. Those that were
/// tried before are left out.
pub fn striped(
    model: &Model<'_>,
    limit: u64,
    smallest: &Plan,
    tried: &mut Vec<Range<usize>>,
) -> Vec<Cut> {
    let most = smallest.bytes();
    let largest = smallest.cuts.iter().filter(|cut| cut.needs.bytes() == most);
    let mut cuts = Vec::new();
    for cut in largest {
        for end in cut.first + 2..=(cut.end + BEHIND).min(model.steps()) {
            for from in (end.saturating_sub(DEEPEST)..end - 1).rev() {
                if model.is_entered(from + 1..end) || model.leaves(end) >= most {
                    break;
                }
                if !tried.contains(&(from..end)) {
                    tried.push(from..end);
                    cuts.extend(counts(model, from..end, limit, most));
                }
            }
        }
    }
    cuts
}

/// The same for some steps in stripes.
fn counts(model: &Model<'_>, range: Range<usize>, limit: u64, most: u64) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for count in COUNTS {
        let Some((program, places)) = expand(model.program, &[(range.clone(), count)]) else {
            break;
        };
        let again = again(model.program, &program);
        if again <= limit {
            let stripes = Stripes { from: range.start, count };
            cuts.extend(chains(model, (&program, &places), &range, stripes, again, most));
        }
    }
    cuts
}

/// Multiply-accumulates that a program has more than another.
pub fn again(program: &Program, expanded: &Program) -> u64 {
    expanded.macs().saturating_sub(program.macs())
}

/// Chains of an expanded program, with some steps before those in stripes and without.
fn chains(
    model: &Model<'_>,
    (program, places): (&Program, &[usize]),
    range: &Range<usize>,
    stripes: Stripes,
    again: u64,
    most: u64,
) -> Vec<Cut> {
    let expanded = model.of(program);
    let mut cuts: Vec<Cut> = Vec::new();
    for first in (range.start.saturating_sub(LONGEST)..=range.start).rev() {
        let Some(block) = Block::new(&expanded, places[first], places[range.end]) else { break };
        let needs = block.needs(&expanded, &block.uniform(1), false);
        if let Some(needs) = needs.filter(|needs| needs.bytes() < most) {
            let (end, stripes) = (range.end, Some(stripes));
            cuts.push(Cut { first, end, needs, stripes, again });
        }
    }
    cuts
}

/// A program with the stripes of a plan, and the plan for its steps.
pub fn expanded(program: &Program, plan: &Plan) -> Option<(Program, Plan)> {
    let stripes: Vec<(Range<usize>, u32)> = plan
        .cuts
        .iter()
        .filter_map(|cut| cut.stripes.map(|stripes| (stripes.from..cut.end, stripes.count)))
        .collect();
    let (expanded, places) = expand(program, &stripes)?;
    let moved = |cut: &Cut| Cut {
        first: places[cut.first],
        end: places[cut.end],
        stripes: None,
        ..cut.clone()
    };
    Some((expanded, Plan { cuts: plan.cuts.iter().map(moved).collect() }))
}
