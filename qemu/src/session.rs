//! Executing jobs on the runner firmware.

use crate::error::Error;
use crate::firmware::build_runner;
use crate::job::{Case, Job, JobError, JobReport, Options, Outcome};
use crate::pieces::{self, Piece};
use crate::process::{self, Guest};
use crate::{elf, image};
use microhlo_boards::{Board, ImageFormat, RegionKind, Registry};
use microhlo_protocol::frame::{self, FrameError};
use microhlo_protocol::{Message, Stage, VERSION};
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// How long QEMU may take to end after the last message.
const GRACE: Duration = Duration::from_secs(10);

/// Executes jobs on a board, as many per start of QEMU as the model partition
/// holds, and returns one outcome per job, in order.
///
/// A job that makes the guest fault or exceed the time-out does not stop the
/// jobs after it: QEMU is started again for them.
///
/// # Errors
/// What concerns all jobs: QEMU or the target is missing, or the runner
/// firmware does not build.
pub fn run_jobs(
    registry: &Registry,
    board: &Board,
    jobs: &[Job],
    options: &Options,
) -> Result<Vec<Outcome>, Error> {
    process::check_version(board)?;
    let firmware = build_runner(registry, board)?;
    run_jobs_on(board, &firmware, jobs, options)
}

/// Executes jobs as [`run_jobs`] does, on a runner firmware that is already
/// built.
///
/// # Errors
/// What concerns all jobs, such as a missing QEMU.
pub fn run_jobs_on(
    board: &Board,
    firmware: &Path,
    jobs: &[Job],
    options: &Options,
) -> Result<Vec<Outcome>, Error> {
    let partition = board.region(RegionKind::Model).map_or(0, |region| region.length);
    let mut outcomes: Vec<Option<Outcome>> = Vec::new();
    let mut pieces = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        match pieces::cut(index, job, partition) {
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
        let mut session = Session::start(board, firmware, batch, options, &[])?;
        let failure = match session.run() {
            Ok(()) => None,
            Err(error) if session.has_begun() => Some(error),
            // A guest that does not get to its first job fails for the others too.
            Err(error) => return Err(error),
        };
        let settled = settle(&mut outcomes, batch, session.done, failure)?;
        rest = rest.get(settled..).unwrap_or_default();
    }
    Ok(outcomes.into_iter().flatten().collect())
}

/// Executes one job with further arguments for QEMU, and returns its outcome. Not all of its cases may be executed: the
/// outcome is of those that fit one image.
pub fn run_one_with(
    board: &Board,
    firmware: &Path,
    job: &Job,
    options: &Options,
    arguments: &[String],
) -> Result<Outcome, Error> {
    process::check_version(board)?;
    let partition = board.region(RegionKind::Model).map_or(0, |region| region.length);
    let pieces = match pieces::cut(0, job, partition) {
        Ok(pieces) => pieces,
        Err(error) => return Ok(Err(error)),
    };
    let batch = pieces.get(..1).unwrap_or_default();
    let mut session = Session::start(board, firmware, batch, options, arguments)?;
    session.run()?;
    let missing = || Error::Protocol { reason: "the guest skipped a job".to_owned() };
    session.done.pop().ok_or_else(missing)
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
            return Err(Error::Protocol { reason: "the guest skipped a job".to_owned() });
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

/// One start of QEMU.
struct Session {
    guest: Guest,
    chunks: Receiver<Vec<u8>>,
    errors: Option<thread::JoinHandle<String>>,
    buffer: Vec<u8>,
    // Bytes at the front of `buffer` that have been handled.
    consumed: usize,
    timeout: Duration,
    deadline: Instant,
    current: Option<Current>,
    done: Vec<Outcome>,
    // Kept until the guest has ended, as QEMU reads it at its start.
    _image: NamedTempFile,
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
    Payload(usize),
    Finished,
}

impl Session {
    fn start(
        board: &Board,
        firmware: &Path,
        batch: &[Piece<'_>],
        options: &Options,
        arguments: &[String],
    ) -> Result<Self, Error> {
        let image = write_image(board, &image::build(batch))?;
        let mut command = process::command(board, firmware);
        command
            .args(["-device", &loader_argument(board, image.path())])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut guest = Guest::start(board, &mut command)?;
        let chunks = read_chunks(guest.child().stdout.take());
        let errors = guest.child().stderr.take().map(process::collect);
        Ok(Self {
            guest,
            chunks,
            errors,
            buffer: Vec::new(),
            consumed: 0,
            timeout: options.timeout,
            deadline: Instant::now() + options.timeout,
            current: None,
            done: Vec::new(),
            _image: image,
        })
    }

    /// Reads messages until the last one.
    fn run(&mut self) -> Result<(), Error> {
        loop {
            match self.message()? {
                Some(Next::Continue) => {}
                Some(Next::Payload(length)) => self.payload(length)?,
                Some(Next::Finished) => return self.end(),
                None => self.receive()?,
            }
        }
    }

    /// Whether the guest has begun a job.
    fn has_begun(&self) -> bool {
        self.current.is_some() || !self.done.is_empty()
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

    /// Takes the bytes of an output.
    fn payload(&mut self, length: usize) -> Result<(), Error> {
        while self.buffer.len() - self.consumed < length {
            self.receive()?;
        }
        let end = self.consumed + length;
        let bytes = self.buffer.get(self.consumed..end).unwrap_or_default().to_vec();
        self.consumed = end;
        if let Some(current) = &mut self.current {
            current.case.outputs.push(bytes);
        }
        Ok(())
    }

    /// Waits for more bytes.
    fn receive(&mut self) -> Result<(), Error> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.chunks.recv_timeout(left) {
            Ok(chunk) => {
                self.buffer.drain(..self.consumed);
                self.consumed = 0;
                self.buffer.extend(chunk);
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => Err(Error::TimedOut { limit: self.timeout }),
            Err(RecvTimeoutError::Disconnected) => Err(self.early_end()),
        }
    }

    /// The reason why the guest's messages end too soon.
    fn early_end(&mut self) -> Error {
        match self.guest.wait_until(Instant::now() + GRACE) {
            Ok(Some(status)) => {
                let errors = self.errors.take().and_then(|thread| thread.join().ok());
                process::ended(status, &errors.unwrap_or_default())
            }
            Ok(None) => Error::TimedOut { limit: GRACE },
            Err(error) => error,
        }
    }

    /// Waits for the guest to end after its last message.
    fn end(&mut self) -> Result<(), Error> {
        match self.guest.wait_until(Instant::now() + GRACE)? {
            Some(status) if status.success() => Ok(()),
            Some(_) => Err(self.early_end()),
            None => Err(Error::TimedOut { limit: GRACE }),
        }
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
            Message::Loaded { arena_bytes, steps, .. } => {
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
            Message::Step { index, kernel, instructions } => {
                self.case.count(index, kernel, instructions);
            }
            Message::Output { index, length } if index as usize == self.case.outputs.len() => {
                return Ok(Next::Payload(length as usize));
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

/// Writes an image to a file in the format the board's machine takes.
fn write_image(board: &Board, image: &[u8]) -> Result<NamedTempFile, Error> {
    let failed = || Error::io("writing the image for the model partition");
    let mut file = NamedTempFile::new().map_err(failed())?;
    match board.qemu.image {
        ImageFormat::Raw => file.write_all(image),
        ImageFormat::Elf => {
            let address = board.region(RegionKind::Model).map_or(0, |region| region.origin);
            let wrapped = elf::wrap(image, address).map_err(|error| Error::Io {
                what: "wrapping the image".to_owned(),
                source: std::io::Error::other(error),
            })?;
            file.write_all(&wrapped)
        }
    }
    .map_err(failed())?;
    Ok(file)
}

/// The argument of `-device` that fills the model partition.
fn loader_argument(board: &Board, image: &Path) -> String {
    // QEMU reads a comma as the end of a value unless it is doubled.
    let path = image.display().to_string().replace(',', ",,");
    let address = board.region(RegionKind::Model).map_or(0, |region| region.origin);
    match board.qemu.image {
        ImageFormat::Raw => format!("loader,file={path},addr={address:#x},force-raw=on"),
        ImageFormat::Elf => format!("loader,file={path}"),
    }
}

/// Reads a stream in chunks on another thread.
pub(crate) fn read_chunks(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    let Some(mut stream) = stream else {
        return receiver;
    };
    thread::spawn(move || {
        let mut chunk = vec![0; 1 << 16];
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            let taken = chunk.get(..length).unwrap_or_default().to_vec();
            if sender.send(taken).is_err() {
                break;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Step;

    /// Takes messages as a session does, without payloads.
    fn take(messages: &[Message<'_>]) -> Result<(Vec<Outcome>, Option<usize>), Error> {
        let (mut current, mut done, mut payload) = (None, Vec::new(), None);
        for message in messages {
            if let Next::Payload(length) = handle(*message, &mut current, &mut done)? {
                payload = Some(length);
            }
        }
        Ok((done, payload))
    }

    const LOADED: Message<'_> =
        Message::Loaded { arena_bytes: 64, steps: 2, inputs: 1, outputs: 1 };
    const STARTED: Message<'_> = Message::JobStarted { job: 0 };
    const DONE: Message<'_> = Message::JobDone { stack_bytes: 900, run_stack_bytes: 300 };

    #[test]
    fn messages_become_a_report() {
        let (done, payload) = take(&[
            Message::Hello { version: VERSION, board: "b", arena_bytes: 1 },
            STARTED,
            LOADED,
            Message::Step { index: 0, kernel: 6, instructions: 30 },
            Message::Step { index: 1, kernel: 12, instructions: 2 },
            Message::Step { index: 0, kernel: 6, instructions: 7 },
            Message::Output { index: 0, length: 12 },
            Message::CaseDone { case: 0, instructions: 40 },
            Message::Failed { stage: Stage::Run, case: 1, text: "why" },
            Message::CaseDone { case: 2, instructions: 50 },
            DONE,
            Message::Finished,
        ])
        .unwrap();
        assert_eq!(payload, Some(12));
        let report = done.into_iter().next().unwrap().unwrap();
        assert_eq!((report.arena_bytes, report.steps), (64, 2));
        assert_eq!((report.stack_bytes, report.run_stack_bytes), (900, 300));
        let [Ok(first), Err(second), Ok(third)] = report.cases.as_slice() else {
            panic!("{:?}", report.cases);
        };
        let steps = [
            Step { index: 0, kernel: 6, runs: 2, instructions: 37 },
            Step { index: 1, kernel: 12, runs: 1, instructions: 2 },
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
    fn a_failure_is_the_outcome_of_the_job_that_was_running() {
        let cases = [vec![]];
        let piece = |job| Piece { job, artifact: &[], cases: &cases, profile: false };
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
