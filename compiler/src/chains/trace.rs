//! How the values of a chain of a program may lie over each other.

use microhlo_format::Kernel;
use microhlo_format::kernels::ByRows;
use microhlo_format::rows::{OUTSIDE, RowShape};

use super::kernel::{Over, strips, writes_columns};
use super::windows::{Found, Joint, Read, Windows};
use crate::lower::program::{BufferId, Program, Ref};
use crate::lower::share::copies_taps;

/// What may share memory within a chain.
pub struct Trace {
    near: Vec<Nearby>,
}

/// Two values that may lie over each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nearby {
    /// The one that lies above.
    pub input: BufferId,
    /// The one that lies below.
    pub output: BufferId,
    /// Bytes from the start of the one below to that of the other, at least.
    pub distance: u64,
    /// Whether both may only start at the same byte.
    pub same: bool,
}

impl Trace {
    /// The trace of the chain at a step; `None` if it stalls, or if there is no chain.
    pub fn new(program: &Program, first: usize) -> Option<Trace> {
        let Kernel::rows(chain) = &program.steps.get(first)?.kernel else { return None };
        let steps = program.steps.get(first + 1..)?.get(..chain.steps())?;
        let mut windows = Windows { stages: chain.stages.to_vec(), ..Windows::default() };
        let mut values = Vec::new();
        let size = |buffer: BufferId| u64::from(program.buffers[buffer].bytes);
        if let Some(feed) = &chain.feed {
            push(&mut windows, None, Some(feed.row_bytes), size(feed.place.buffer), [None; 2]);
            values.push(feed.place.buffer);
        }
        let fed = values.len();
        let mut outside = Vec::new();
        for (step, stage) in steps.iter().zip(&chain.stages[fed..]) {
            let by = step.kernel.by_rows(stage.rows.into()).ok()?;
            let output = by.output.place;
            if writes_columns(&step.kernel) {
                let before = program.steps[..first].iter().flat_map(Program::touched);
                let before = before.into_iter().any(|(_, buffer)| buffer == output.buffer);
                join(
                    &mut windows,
                    values.len(),
                    values.iter().position(|&v| v == output.buffer),
                    before,
                );
            } else if output.offset != 0 {
                return None;
            }
            // The size of a sum of all rows is not known here: it is that of its buffer.
            let row = (by.output.bytes > 0).then_some(by.output.bytes);
            outside.extend(reads(&by, stage.operands, values.len()));
            let (_, over) =
                strips(&step.kernel, stage.rows.into(), [stage.strip.into(), stage.lead.into()])?;
            let over =
                if program.keeps_taps && copies_taps(&step.kernel) { [None; 2] } else { over };
            push(&mut windows, Some(by.shape), row, size(output.buffer), over);
            values.push(output.buffer);
        }
        let touched: Vec<BufferId> =
            steps.iter().flat_map(Program::touched).map(|(_, buffer)| buffer).collect();
        for &(buffer, _) in &outside {
            let reads: Vec<Read> =
                outside.iter().filter(|(b, _)| *b == buffer).map(|(_, read)| *read).collect();
            // What is also read otherwise is not read by rows alone.
            let alone = touched.iter().filter(|&&b| b == buffer).count() == reads.len();
            if alone && !values.contains(&buffer) {
                values.push(buffer);
                windows.found.push(Found { bytes: size(buffer), reads });
            }
        }
        let near = windows.near()?.into_iter().map(|near| Nearby {
            input: values[near.input],
            output: values[near.output],
            distance: near.distance,
            same: near.same,
        });
        Some(Trace { near: near.collect() })
    }

    /// All values that may lie over each other.
    pub fn near(&self) -> &[Nearby] {
        &self.near
    }
}

fn push(
    windows: &mut Windows,
    shape: Option<RowShape>,
    row: Option<u32>,
    bytes: u64,
    over: [Option<Over>; 2],
) {
    windows.over.push(over);
    windows.shapes.push(shape);
    windows.rows.push(row);
    windows.bytes.push(bytes);
}

/// Notes that a stage writes some columns of a value, as `with` does, if that is not the first.
pub fn join(windows: &mut Windows, stage: usize, with: Option<usize>, before: bool) {
    let joint = windows.joint.iter_mut().find(|joint| joint.stages.first() == with.as_ref());
    match joint {
        Some(joint) if with.is_some() => joint.stages.push(stage),
        _ => windows.joint.push(Joint { stages: vec![stage], before }),
    }
}

/// What a stage reads that no other makes.
fn reads(by: &ByRows<Ref>, links: [u8; 2], stage: usize) -> Vec<(BufferId, Read)> {
    let outside = by.operands.iter().zip(links).filter(|(_, link)| *link == OUTSIDE);
    let read = outside.filter_map(|(operand, _)| {
        let (Ref { buffer, offset }, row) = ((*operand)?.place, (*operand)?.bytes);
        Some((buffer, Read { stage, offset, row }))
    });
    read.collect()
}
