//! The conversation with a runner firmware, over whatever line carries its messages.

use crate::error::Error;
use crate::job::{Case, JobError, JobReport, Outcome};
use microhlo_protocol::frame::{self, FrameError};
use microhlo_protocol::{Message, Stage, VERSION};
use std::time::{Duration, Instant};

/// What carries the messages of a runner: the output of an emulator, a channel of a debug probe.
/// See the example of [`run_jobs_over`](crate::run_jobs_over).
pub trait Line {
    /// Waits for more bytes, but not beyond `deadline`: `None` if there are none by then.
    ///
    /// # Errors
    /// The runner can send no more, and why: it faulted, say.
    fn receive(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, Error>;

    /// Sees to it that the runner ends after its last message.
    ///
    /// # Errors
    /// It does not, or not as it should.
    fn end(&mut self) -> Result<(), Error>;
}

/// One run of a runner.
pub(crate) struct Dialogue<'l> {
    line: Box<dyn Line + 'l>,
    buffer: Vec<u8>,
    // Bytes at the front of `buffer` that have been handled.
    consumed: usize,
    timeout: Duration,
    deadline: Instant,
    current: Option<Current>,
    done: Vec<Outcome>,
}

/// The job being executed.
#[derive(Default)]
struct Current {
    report: JobReport,
    case: Case,
    rejected: Option<JobError>,
}

/// What a frame asks of the session beyond itself.
enum Next {
    Continue,
    /// The bytes of an output, or of the tensor with this position in the debug information.
    Payload {
        tensor: Option<u32>,
        length: usize,
    },
    Finished,
}

impl<'l> Dialogue<'l> {
    /// Begins to listen; a job may take as long as `timeout`.
    pub(crate) fn new(line: Box<dyn Line + 'l>, timeout: Duration) -> Self {
        Self {
            line,
            buffer: Vec::new(),
            consumed: 0,
            timeout,
            deadline: Instant::now() + timeout,
            current: None,
            done: Vec::new(),
        }
    }

    /// Reads messages until the last one.
    pub(crate) fn run(&mut self) -> Result<(), Error> {
        loop {
            match self.message()? {
                Some(Next::Continue) => {}
                Some(Next::Payload { tensor, length }) => self.payload(tensor, length)?,
                Some(Next::Finished) => return self.line.end(),
                None => self.receive()?,
            }
        }
    }

    /// Whether the runner has begun a job.
    pub(crate) fn has_begun(&self) -> bool {
        self.current.is_some() || !self.done.is_empty()
    }

    /// The outcomes of the jobs that are over, in order.
    pub(crate) fn into_done(self) -> Vec<Outcome> {
        self.done
    }

    /// Handles the next message, if all of it has been received.
    fn message(&mut self) -> Result<Option<Next>, Error> {
        let bytes = self.buffer.get(self.consumed..).unwrap_or_default();
        let decoded = frame::decode(bytes).map_err(|error| garbage(&error, bytes))?;
        let Some((message, length)) = decoded else {
            return Ok(None);
        };
        if matches!(message, Message::JobStarted { .. }) {
            self.deadline = Instant::now() + self.timeout;
        }
        let next = handle(message, &mut self.current, &mut self.done)?;
        self.consumed += length;
        Ok(Some(next))
    }

    /// Takes the bytes of an output or a tensor.
    fn payload(&mut self, tensor: Option<u32>, length: usize) -> Result<(), Error> {
        while self.buffer.len() - self.consumed < length {
            self.receive()?;
        }
        let end = self.consumed + length;
        let bytes = self.buffer.get(self.consumed..end).unwrap_or_default().to_vec();
        self.consumed = end;
        if let Some(current) = &mut self.current {
            match tensor {
                Some(tap) => drop(current.case.tensors.insert(tap, bytes)),
                None => current.case.outputs.push(bytes),
            }
        }
        Ok(())
    }

    /// Waits for more bytes.
    fn receive(&mut self) -> Result<(), Error> {
        let chunk = self.line.receive(self.deadline)?;
        let chunk = chunk.ok_or(Error::TimedOut { limit: self.timeout })?;
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        self.buffer.extend(chunk);
        Ok(())
    }
}

/// Takes a message into the current job.
fn handle(
    message: Message<'_>,
    current: &mut Option<Current>,
    done: &mut Vec<Outcome>,
) -> Result<Next, Error> {
    match (message, current.as_mut()) {
        (Message::Hello { version, .. }, None) if version != VERSION => Err(Error::Protocol {
            reason: format!("the runner speaks version {version}, the host {VERSION}"),
        }),
        (Message::Hello { .. }, None) => Ok(Next::Continue),
        (Message::JobStarted { job }, None) if job as usize == done.len() => {
            *current = Some(Current::default());
            Ok(Next::Continue)
        }
        (Message::Failed { stage: Stage::Job, text, .. }, None) => {
            Err(Error::Protocol { reason: text.to_owned() })
        }
        (Message::JobDone { stack_bytes, run_stack_bytes }, Some(job)) => {
            job.report.stack_bytes = stack_bytes;
            job.report.run_stack_bytes = run_stack_bytes;
            done.extend(current.take().map(Current::finish));
            Ok(Next::Continue)
        }
        (Message::Finished, None) => Ok(Next::Finished),
        (message, Some(current)) => current.handle(message),
        (message, None) => Err(unexpected(message)),
    }
}

impl Current {
    /// Takes a message about the job itself.
    fn handle(&mut self, message: Message<'_>) -> Result<Next, Error> {
        match message {
            Message::Loaded { arena_bytes, steps, stack_bytes, .. } => {
                self.report.load_stack_bytes = stack_bytes;
                self.report.arena_bytes = arena_bytes;
                self.report.steps = steps;
            }
            Message::Failed { stage: Stage::Run, text, .. } => {
                self.case = Case::default();
                self.report.cases.push(Err(text.to_owned()));
            }
            Message::Failed { stage: Stage::Board, text, .. } => {
                self.rejected = Some(JobError::NotOnBoard { text: text.to_owned() });
            }
            Message::Failed { stage, text, .. } => {
                self.rejected = Some(JobError::Rejected { stage, text: text.to_owned() });
            }
            Message::Step { index, kernel, instructions, stack_bytes } => {
                self.case.count(index, kernel, instructions, stack_bytes);
            }
            Message::Output { index, length } if index as usize == self.case.outputs.len() => {
                return Ok(Next::Payload { tensor: None, length: length as usize });
            }
            Message::Tensor { tap, length } => {
                return Ok(Next::Payload { tensor: Some(tap), length: length as usize });
            }
            Message::CaseDone { case, instructions }
                if case as usize == self.report.cases.len() =>
            {
                self.case.instructions = instructions;
                self.report.cases.push(Ok(std::mem::take(&mut self.case)));
            }
            message => return Err(unexpected(message)),
        }
        Ok(Next::Continue)
    }

    fn finish(self) -> Outcome {
        self.rejected.map_or(Ok(self.report), Err)
    }
}

fn unexpected(message: Message<'_>) -> Error {
    Error::Protocol { reason: format!("unexpected message {message:?}") }
}

fn garbage(error: &FrameError, bytes: &[u8]) -> Error {
    let shown = bytes.get(..bytes.len().min(60)).unwrap_or_default();
    Error::Protocol { reason: format!("{error:?} in `{}`", shown.escape_ascii()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Step;

    /// The tensor that a payload is of, or `None` if it is an output, and its length.
    type Payload = (Option<u32>, usize);

    /// Takes messages as a session does, without payloads.
    fn take(messages: &[Message<'_>]) -> Result<(Vec<Outcome>, Vec<Payload>), Error> {
        let (mut current, mut done, mut payloads) = (None, Vec::new(), Vec::new());
        for message in messages {
            if let Next::Payload { tensor, length } = handle(*message, &mut current, &mut done)? {
                payloads.push((tensor, length));
            }
        }
        Ok((done, payloads))
    }

    const LOADED: Message<'_> =
        Message::Loaded { arena_bytes: 64, steps: 2, inputs: 1, outputs: 1, stack_bytes: 400 };
    const STARTED: Message<'_> = Message::JobStarted { job: 0 };
    const DONE: Message<'_> = Message::JobDone { stack_bytes: 900, run_stack_bytes: 300 };

    #[test]
    fn messages_become_a_report() {
        let (done, payloads) = take(&[
            Message::Hello { version: VERSION, board: "b", arena_bytes: 1 },
            STARTED,
            LOADED,
            Message::Step { index: 0, kernel: 6, instructions: 30, stack_bytes: 200 },
            Message::Tensor { tap: 3, length: 5 },
            Message::Step { index: 1, kernel: 12, instructions: 2, stack_bytes: 100 },
            Message::Step { index: 0, kernel: 6, instructions: 7, stack_bytes: 280 },
            Message::Output { index: 0, length: 12 },
            Message::CaseDone { case: 0, instructions: 40 },
            Message::Failed { stage: Stage::Run, case: 1, text: "why" },
            Message::CaseDone { case: 2, instructions: 50 },
            DONE,
            Message::Finished,
        ])
        .unwrap();
        assert_eq!(payloads, [(Some(3), 5), (None, 12)]);
        let report = done.into_iter().next().unwrap().unwrap();
        assert_eq!((report.arena_bytes, report.steps), (64, 2));
        assert_eq!((report.stack_bytes, report.run_stack_bytes), (900, 300));
        assert_eq!(report.load_stack_bytes, 400);
        let [Ok(first), Err(second), Ok(third)] = report.cases.as_slice() else {
            panic!("{:?}", report.cases);
        };
        let steps = [
            Step { index: 0, kernel: 6, runs: 2, instructions: 37, stack_bytes: 280 },
            Step { index: 1, kernel: 12, runs: 1, instructions: 2, stack_bytes: 100 },
        ];
        assert_eq!(first.kernels, steps);
        assert_eq!((first.instructions, third.instructions), (40, 50));
        assert_eq!(second, "why");
    }

    #[test]
    fn a_rejected_artifact_is_the_outcome_of_its_job() {
        let failed = Message::Failed { stage: Stage::Load, case: 0, text: "bad magic" };
        let (done, _) = take(&[STARTED, failed, DONE, Message::Finished]).unwrap();
        let [Err(JobError::Rejected { stage: Stage::Load, text })] = done.as_slice() else {
            panic!("{done:?}");
        };
        assert_eq!(text, "bad magic");
    }

    #[test]
    fn what_the_board_lacks_is_no_failure_of_the_artifact() {
        let failed = |case| Message::Failed { stage: Stage::Board, case, text: "arena" };
        let (done, _) = take(&[STARTED, LOADED, failed(0), failed(1), DONE]).unwrap();
        let [Err(error)] = done.as_slice() else { panic!("{done:?}") };
        assert!(error.is_not_on_board());
        assert_eq!(error.to_string(), "not on this board: arena");
    }

    #[test]
    fn messages_out_of_order_are_garbage() {
        let case = Message::CaseDone { case: 1, instructions: 0 };
        let hello = Message::Hello { version: VERSION + 1, board: "", arena_bytes: 0 };
        for messages in [
            &[LOADED][..],
            &[DONE],
            &[STARTED, STARTED],
            &[STARTED, Message::Finished],
            &[STARTED, LOADED, case],
            &[STARTED, LOADED, Message::Output { index: 1, length: 0 }],
            &[Message::JobStarted { job: 1 }],
            &[hello],
        ] {
            let error = take(messages).unwrap_err();
            assert!(matches!(error, Error::Protocol { .. }), "{messages:?}: {error}");
        }
    }
}
