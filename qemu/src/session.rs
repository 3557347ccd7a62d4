//! Executing jobs on the runner firmware in QEMU.

use crate::batches::run_jobs_over;
use crate::dialogue::{Dialogue, Line};
use crate::error::Error;
use crate::firmware::build_runner;
use crate::job::{Job, Options, Outcome};
use crate::process::{self, Guest};
use crate::{elf, image, pieces};
use microhlo_boards::{Board, ImageFormat, RegionKind, Registry};
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
/// jobs after it: QEMU is started again for them. See the example of [`run_jobs_on`].
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
/// ```no_run
/// use microhlo_qemu::{Job, Options, Registry, build_runner, run_jobs, run_jobs_on};
///
/// let registry = Registry::find()?;
/// let board = registry.board("mps2-an386")?;
/// let artifact = std::fs::read("model.mhlo")?;
/// let jobs = [Job { artifact, cases: vec![vec![vec![0; 16]]], profile: true }];
/// let first = run_jobs(&registry, board, &jobs, &Options::default())?;
/// // Without looking whether the firmware is as it should be.
/// let firmware = build_runner(&registry, board)?;
/// let second = run_jobs_on(board, &firmware, &jobs, &Options::default())?;
/// assert_eq!(first.len(), second.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    run_jobs_over(partition, jobs, options, |image| {
        Ok(Box::new(Emulation::start(board, firmware, image, &[])?))
    })
}

/// Executes one job with further arguments for QEMU, and returns its outcome. Not all of its cases may be executed: the
/// outcome is of those that fit one image.
pub(crate) fn run_one_with(
    board: &Board,
    firmware: &Path,
    job: &Job,
    options: &Options,
    arguments: &[String],
) -> Result<Outcome, Error> {
    process::check_version(board)?;
    let partition = board.region(RegionKind::Model).map_or(0, |region| region.length);
    let pieces = match pieces::cut(0, job, &options.debug, partition) {
        Ok(pieces) => pieces,
        Err(error) => return Ok(Err(error)),
    };
    let image = image::build(pieces.get(..1).unwrap_or_default());
    let line = Box::new(Emulation::start(board, firmware, &image, arguments)?);
    let mut dialogue = Dialogue::new(line, options.timeout);
    dialogue.run()?;
    let missing = || Error::Protocol { reason: "the guest skipped a job".to_owned() };
    dialogue.into_done().pop().ok_or_else(missing)
}

/// Starts a runner in QEMU with these bytes at the start of its model partition, for whoever speaks with it.
///
/// ```no_run
/// use microhlo_qemu::{Registry, build_runner, start_runner};
/// use std::time::{Duration, Instant};
///
/// let registry = Registry::find()?;
/// let board = registry.board("mps2-an386")?;
/// let mut line = start_runner(board, &build_runner(&registry, board)?, b"no image of jobs")?;
/// let bytes = line.receive(Instant::now() + Duration::from_secs(10))?;
/// println!("{} bytes", bytes.map_or(0, |bytes| bytes.len()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// QEMU is missing or does not have the board.
pub fn start_runner(
    board: &Board,
    firmware: &Path,
    partition: &[u8],
) -> Result<Box<dyn Line>, Error> {
    process::check_version(board)?;
    Ok(Box::new(Emulation::start(board, firmware, partition, &[])?))
}

/// One start of QEMU.
struct Emulation {
    guest: Guest,
    chunks: Receiver<Vec<u8>>,
    errors: Option<thread::JoinHandle<String>>,
    // Kept until the guest has ended, as QEMU reads it at its start.
    _image: NamedTempFile,
}

impl Emulation {
    fn start(
        board: &Board,
        firmware: &Path,
        image: &[u8],
        arguments: &[String],
    ) -> Result<Self, Error> {
        let format = process::emulation(board)?.image;
        let image = write_image(board, format, image)?;
        let mut command = process::command(board, firmware)?;
        command
            .args(["-device", &loader_argument(board, format, image.path())])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut guest = Guest::start(&mut command)?;
        let chunks = read_chunks(guest.child().stdout.take());
        let errors = guest.child().stderr.take().map(process::collect);
        Ok(Self { guest, chunks, errors, _image: image })
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
}

impl Line for Emulation {
    fn receive(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, Error> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.chunks.recv_timeout(left) {
            Ok(chunk) => Ok(Some(chunk)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(self.early_end()),
        }
    }

    fn end(&mut self) -> Result<(), Error> {
        match self.guest.wait_until(Instant::now() + GRACE)? {
            Some(status) if status.success() => Ok(()),
            Some(_) => Err(self.early_end()),
            None => Err(Error::TimedOut { limit: GRACE }),
        }
    }
}

/// Writes an image to a file in the format the board's machine takes.
fn write_image(board: &Board, format: ImageFormat, image: &[u8]) -> Result<NamedTempFile, Error> {
    let failed = || Error::io("writing the image for the model partition");
    let mut file = NamedTempFile::new().map_err(failed())?;
    match format {
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
fn loader_argument(board: &Board, format: ImageFormat, image: &Path) -> String {
    // QEMU reads a comma as the end of a value unless it is doubled.
    let path = image.display().to_string().replace(',', ",,");
    let address = board.region(RegionKind::Model).map_or(0, |region| region.origin);
    match format {
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
