//! Cutting jobs into pieces that fit the model partition, and joining their reports.

use crate::image;
use crate::job::{Job, JobError, JobReport, Outcome};
use microhlo_protocol::Stage;

/// Some consecutive cases of a job.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'j> {
    /// Index of the job.
    pub job: usize,
    /// The artifact.
    pub artifact: &'j [u8],
    /// Per case, the bytes of every input.
    pub cases: &'j [Vec<Vec<u8>>],
    /// Whether to count every kernel.
    pub profile: bool,
    /// Debug information that says which tensors to report.
    pub debug: &'j [u8],
}

/// Cuts a job into as few pieces as the partition's size allows; a job that
/// fits is one piece.
pub fn cut<'j>(
    index: usize,
    job: &'j Job,
    debug: &'j [u8],
    available: u64,
) -> Result<Vec<Piece<'j>>, JobError> {
    let inputs = job.cases.first().map_or(0, Vec::len);
    if job.cases.iter().any(|case| case.len() != inputs) {
        let text = "its cases differ in their number of inputs".to_owned();
        return Err(JobError::Rejected { stage: Stage::Job, text });
    }
    let (artifact, profile) = (&job.artifact, job.profile);
    let piece = |cases| Piece { job: index, artifact, cases, profile, debug };
    let fixed = image::FIXED_SIZE + image::size_of(&piece(&[]));
    if fixed > available {
        return Err(JobError::TooLarge { needed: fixed, available });
    }
    let mut pieces = Vec::new();
    let mut rest = job.cases.as_slice();
    loop {
        let mut size = fixed;
        let fitting = rest.iter().take_while(|case| {
            size += image::size_of_case(case);
            size <= available
        });
        let (cases, after) = rest.split_at(fitting.count());
        if cases.is_empty() && !rest.is_empty() {
            return Err(JobError::TooLarge { needed: size, available });
        }
        pieces.push(piece(cases));
        rest = after;
        if rest.is_empty() {
            return Ok(pieces);
        }
    }
}

/// Joins the outcome of a job's next piece to that of the pieces before it.
pub fn join(before: Option<Outcome>, next: Outcome) -> Outcome {
    match (before, next) {
        (None, next) => next,
        (Some(Err(error)), _) | (Some(Ok(_)), Err(error)) => Err(error),
        (Some(Ok(before)), Ok(next)) => Ok(JobReport {
            load_stack_bytes: before.load_stack_bytes.max(next.load_stack_bytes),
            stack_bytes: before.stack_bytes.max(next.stack_bytes),
            run_stack_bytes: before.run_stack_bytes.max(next.run_stack_bytes),
            cases: before.cases.into_iter().chain(next.cases).collect(),
            ..before
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Case;

    fn job(cases: usize, size: usize) -> Job {
        Job { artifact: vec![0; 100], cases: vec![vec![vec![0; size]]; cases], profile: false }
    }

    #[test]
    fn a_job_that_fits_is_one_piece() {
        assert_eq!(cut(0, &job(10, 100), &[], 10_000).unwrap().len(), 1);
        assert_eq!(cut(0, &job(0, 0), &[], 10_000).unwrap().len(), 1);
    }

    #[test]
    fn pieces_hold_every_case_in_order_and_fit() {
        let mut job = job(10, 1000);
        for (number, case) in job.cases.iter_mut().enumerate() {
            case[0][0] = number as u8;
        }
        let pieces = cut(3, &job, &[], 4000).unwrap();
        assert_eq!(pieces.len(), 4);
        let numbers: Vec<u8> = pieces.iter().flat_map(|p| p.cases).map(|case| case[0][0]).collect();
        assert_eq!(numbers, (0..10).collect::<Vec<u8>>());
        for piece in pieces {
            assert_eq!(piece.job, 3);
            assert!(image::build(&[piece]).len() <= 4000);
        }
    }

    #[test]
    fn what_never_fits_is_an_error() {
        let needed = |result: Result<Vec<Piece<'_>>, _>| match result {
            Err(JobError::TooLarge { needed, available: 4000 }) => needed,
            other => panic!("{other:?}"),
        };
        assert!(needed(cut(0, &job(2, 4000), &[], 4000)) > 4000);
        assert!(
            needed(cut(0, &Job { artifact: vec![0; 4000], ..Job::default() }, &[], 4000)) > 4000
        );
    }

    #[test]
    fn reports_join_in_order_and_errors_win() {
        let report = |instructions, stack_bytes| {
            let case = Case { instructions, ..Case::default() };
            Ok(JobReport { stack_bytes, cases: vec![Ok(case)], ..JobReport::default() })
        };
        let joined = join(Some(report(1, 20)), report(2, 10)).unwrap();
        assert_eq!(joined.stack_bytes, 20);
        let counts: Vec<u64> = joined.cases.iter().flatten().map(|c| c.instructions).collect();
        assert_eq!(counts, [1, 2]);
        let error = || Err(JobError::TooLarge { needed: 2, available: 1 });
        assert!(join(Some(report(1, 0)), error()).is_err());
        assert!(join(Some(error()), report(1, 0)).is_err());
    }
}
