//! Executing jobs, as many per start of the runner as its model partition holds.

use crate::dialogue::{Dialogue, Line};
use crate::error::Error;
use crate::image;
use crate::job::{Job, Options, Outcome};
use crate::pieces::{self, Piece};

/// Executes jobs on a runner that `start` starts, each time with the image of some jobs in its model
/// partition of that many bytes. Returns one outcome per job, in order.
///
/// A job that makes the runner fault or exceed the time-out does not stop the jobs after it: the
/// runner is started again for them.
///
/// ```
/// use microhlo_protocol::frame::{MAX_FRAME, encode};
/// use microhlo_protocol::{Message, VERSION};
/// use microhlo_qemu::{Error, Job, Line, Options, run_jobs_over};
/// use std::time::Instant;
///
/// /// A runner in memory: what it will have sent.
/// struct Recorded(Vec<u8>);
///
/// impl Line for Recorded {
///     fn receive(&mut self, _deadline: Instant) -> Result<Option<Vec<u8>>, Error> {
///         Ok(Some(std::mem::take(&mut self.0)))
///     }
///
///     fn end(&mut self) -> Result<(), Error> {
///         Ok(())
///     }
/// }
///
/// let (version, arena_bytes, stack_bytes) = (VERSION, 64, 0);
/// let mut sent = Vec::new();
/// for message in [
///     Message::Hello { version, board: "memory", arena_bytes },
///     Message::JobStarted { job: 0 },
///     Message::Loaded { arena_bytes, steps: 1, inputs: 0, outputs: 0, stack_bytes },
///     Message::CaseDone { case: 0, instructions: 123 },
///     Message::JobDone { stack_bytes, run_stack_bytes: 0 },
///     Message::Finished,
/// ] {
///     sent.extend_from_slice(encode(&message, &mut [0; MAX_FRAME]).expect("a frame"));
/// }
/// let job = Job { artifact: vec![0; 16], cases: vec![vec![]], profile: false };
/// let outcomes = run_jobs_over(4096, &[job], &Options::default(), |image| {
///     // Where the model partition would be written.
///     assert!(image.starts_with(b"MHLOJOBS"));
///     Ok(Box::new(Recorded(sent.clone())))
/// })?;
/// let report = outcomes[0].as_ref().expect("a report");
/// assert_eq!((report.steps, report.arena_bytes), (1, 64));
/// assert_eq!(report.cases[0].as_ref().map(|case| case.instructions), Ok(123));
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// What concerns all jobs: the runner cannot be started, or does not get to its first job.
pub fn run_jobs_over<'l>(
    partition: u64,
    jobs: &[Job],
    options: &Options,
    mut start: impl FnMut(&[u8]) -> Result<Box<dyn Line + 'l>, Error>,
) -> Result<Vec<Outcome>, Error> {
    let mut outcomes: Vec<Option<Outcome>> = Vec::new();
    let mut pieces = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        match pieces::cut(index, job, &options.debug, partition) {
            Ok(cut) => {
                pieces.extend(cut);
                outcomes.push(None);
            }
            Err(error) => outcomes.push(Some(Err(error))),
        }
    }
    let mut rest = pieces.as_slice();
    while !rest.is_empty() {
        let batch = rest.get(..batch_length(rest, partition)).unwrap_or(rest);
        let mut dialogue = Dialogue::new(start(&image::build(batch))?, options.timeout);
        let failure = match dialogue.run() {
            Ok(()) => None,
            Err(error) if dialogue.has_begun() => Some(error),
            // A runner that does not get to its first job fails for the others too.
            Err(error) => return Err(error),
        };
        let settled = settle(&mut outcomes, batch, dialogue.into_done(), failure)?;
        rest = rest.get(settled..).unwrap_or_default();
    }
    Ok(outcomes.into_iter().flatten().collect())
}

/// How many of the next pieces fit one image; every piece fits on its own.
fn batch_length(pieces: &[Piece<'_>], partition: u64) -> usize {
    let mut size = image::FIXED_SIZE;
    let fitting = pieces.iter().take_while(|piece| {
        size += image::size_of(piece);
        size <= partition
    });
    fitting.count().max(1)
}

/// Enters what a session has done and returns the number of pieces that are
/// settled. Its failure is the outcome of the piece after the last finished one.
fn settle(
    outcomes: &mut [Option<Outcome>],
    batch: &[Piece<'_>],
    mut done: Vec<Outcome>,
    failure: Option<Error>,
) -> Result<usize, Error> {
    match failure {
        Some(failure) if done.len() < batch.len() => done.push(Err(failure.into())),
        Some(failure) => return Err(failure),
        None if done.len() < batch.len() => {
            return Err(Error::Protocol { reason: "the runner skipped a job".to_owned() });
        }
        None => {}
    }
    let settled = done.len();
    for (piece, outcome) in batch.iter().zip(done) {
        if let Some(slot) = outcomes.get_mut(piece.job) {
            *slot = Some(pieces::join(slot.take(), outcome));
        }
    }
    Ok(settled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobError, JobReport};

    #[test]
    fn a_failure_is_the_outcome_of_the_job_that_was_running() {
        let cases = [vec![]];
        let piece = |job| Piece { job, artifact: &[], cases: &cases, profile: false, debug: &[] };
        let batch = [piece(0), piece(1), piece(2)];
        let fault = || Error::Fault { report: String::new() };
        let mut outcomes = vec![None, None, None];
        let done = vec![Ok(JobReport::default())];
        assert_eq!(settle(&mut outcomes, &batch, done, Some(fault())).unwrap(), 2);
        assert!(matches!(outcomes[0], Some(Ok(_))));
        assert!(matches!(outcomes[1], Some(Err(JobError::Emulation(Error::Fault { .. })))));
        assert!(outcomes[2].is_none());
        assert!(settle(&mut outcomes, &batch[2..], vec![], None).is_err());
    }
}
