//! The runner firmware at the other end of a probe.

use crate::contents::{Place, firmware, model};
use crate::error::Error;
use crate::plan::Plan;
use crate::target::{Progress, State, Target};
use microhlo_boards::RegionKind;
use microhlo_qemu::{Job, Line, Options, Outcome, run_jobs_over};
use object::read::elf::ElfFile32;
use object::{Endianness, Object, ObjectSymbol};
use std::cell::RefCell;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The symbol of the RTT control block, which every implementation has.
const CONTROL_BLOCK: &str = "_SEGGER_RTT";

/// The channel that the runner speaks the protocol on.
const PROTOCOL: &str = "microhlo";

/// The channel on which it tells people of a panic or a fault, and how it ends.
const MESSAGES: &str = "messages";

/// How long firmware may take from its reset to its first RTT channel.
const START: Duration = Duration::from_secs(5);

/// Longest pause between two looks into a channel that was empty.
const PAUSE: Duration = Duration::from_millis(5);

/// Bytes taken from a channel at once.
const CHUNK: usize = 4096;

/// The address of the RTT control block in a firmware, if it has one.
///
/// ```
/// use microhlo_probe::control_block;
///
/// assert_eq!(control_block(b"no ELF file"), None);
/// ```
pub fn control_block(file: &[u8]) -> Option<u64> {
    let elf = ElfFile32::<Endianness>::parse(file).ok()?;
    let symbol = elf.symbols().find(|symbol| symbol.name() == Ok(CONTROL_BLOCK))?;
    Some(symbol.address())
}

/// An RTT channel to the host. See the example of [`listen`].
pub struct Up<'t> {
    target: &'t mut dyn Target,
    ear: Ear,
}

/// What is listened to, apart from the target.
struct Ear {
    channel: usize,
    /// The channel for people, on which firmware says how it ends.
    messages: Option<usize>,
    said: String,
}

/// Waits for a firmware that was reset to open its RTT channels, and takes the one of that name; the first
/// if none has it.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/board.rs"));
/// use microhlo_probe::fake::FakeProbes;
/// use microhlo_probe::{Attach, Place, attach, listen};
/// use std::time::{Duration, Instant};
///
/// /// Firmware that says this, again and again.
/// struct Says(&'static [u8]);
///
/// impl microhlo_qemu::Line for Says {
///     fn receive(&mut self, _: Instant) -> Result<Option<Vec<u8>>, microhlo_qemu::Error> {
///         Ok(Some(self.0.to_vec()))
///     }
///
///     fn end(&mut self) -> Result<(), microhlo_qemu::Error> {
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<(), microhlo_probe::Error> {
/// let probes = FakeProbes::new(chip()).booting(|_| Some(Box::new(Says(b"seven"))));
/// let place = Place::of(&board(), &probes)?;
/// let mut target = attach(&probes, &place, None, &Attach::default())?;
/// target.reset(None)?;
/// let mut channel = listen(&mut *target, None, "defmt")?;
/// let bytes = channel.receive(Instant::now() + Duration::from_secs(1))?;
/// assert_eq!(bytes.as_deref(), Some(&b"seven"[..]));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// It opens none, or stops, or the chip is gone.
pub fn listen<'t>(
    target: &'t mut dyn Target,
    control_block: Option<u64>,
    name: &str,
) -> Result<Up<'t>, Error> {
    let ear = Ear::find(target, control_block, name)?;
    Ok(Up { target, ear })
}

impl Up<'_> {
    /// Waits for bytes, but not beyond `deadline`: `None` if there are none by then. See the example of [`listen`].
    ///
    /// # Errors
    /// The firmware has ended or stopped and all that it sent has been taken, or the chip is gone.
    pub fn receive(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, Error> {
        self.ear.receive(self.target, deadline)
    }
}

impl Ear {
    fn find(target: &mut dyn Target, block: Option<u64>, name: &str) -> Result<Self, Error> {
        let deadline = Instant::now() + START;
        loop {
            let channels = target.channels(block)?;
            if !channels.is_empty() {
                let find = |name: &str| channels.iter().position(|channel| channel == name);
                let channel = find(name).unwrap_or(0);
                let messages = find(MESSAGES).filter(|&messages| messages != channel);
                return Ok(Self { channel, messages, said: String::new() });
            }
            if let State::Stopped(reason) = target.state()? {
                return Err(Error::Stopped { reason });
            }
            if Instant::now() >= deadline {
                return Err(Error::NoRtt { seconds: START.as_secs() });
            }
            thread::sleep(PAUSE);
        }
    }

    fn receive(
        &mut self,
        target: &mut dyn Target,
        deadline: Instant,
    ) -> Result<Option<Vec<u8>>, Error> {
        let mut buffer = vec![0; CHUNK];
        let mut pause = Duration::from_micros(100);
        loop {
            let mut length = target.receive(self.channel, &mut buffer)?;
            if length == 0 {
                let end = self.end(target)?;
                // What it sent before it ended.
                length = target.receive(self.channel, &mut buffer)?;
                if let (0, Some(reason)) = (length, end) {
                    return Err(Error::Stopped { reason });
                }
            }
            if length > 0 {
                buffer.truncate(length);
                return Ok(Some(buffer));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(PAUSE);
        }
    }

    /// How the firmware has ended, if it has: it says so, or its core stopped.
    fn end(&mut self, target: &mut dyn Target) -> Result<Option<String>, Error> {
        let mut buffer = [0; 256];
        while let Some(channel) = self.messages {
            let length = target.receive(channel, &mut buffer)?;
            if length == 0 {
                break;
            }
            self.said += &String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
        }
        // The last line is `exit` and a code of three digits, once all of it has come.
        let lines = self.said.trim_end().rsplit_once('\n');
        let (before, last) = lines.unwrap_or(("", self.said.trim_end()));
        if let Some(code) = last.strip_prefix("exit ").filter(|code| code.len() == 3) {
            let said = if before.is_empty() { "it said nothing more" } else { before.trim() };
            return Ok(Some(format!(
                "it ended with exit code {}: {said}",
                code.trim_start_matches('0')
            )));
        }
        Ok(match target.state()? {
            State::Running => None,
            State::Stopped(reason) => Some(reason),
        })
    }
}

/// Executes jobs on a real board, as `microhlo_qemu::run_jobs_on` does on an emulated one: writes the
/// runner firmware, then the image of jobs into the model partition, as often as it takes.
///
/// ```no_run
/// use microhlo_probe::{Attach, Place, ProbeRs, attach, run_jobs};
/// use microhlo_qemu::{Job, Options, Registry, build_runner};
///
/// let registry = Registry::find()?;
/// let board = registry.board("nrf52840-dk")?;
/// let place = Place::of(board, &ProbeRs)?;
/// let mut target = attach(&ProbeRs, &place, None, &Attach::default())?;
/// let runner = build_runner(&registry, board)?;
/// let artifact = std::fs::read("model.mhlo")?;
/// let jobs = [Job { artifact, cases: vec![vec![vec![0; 16]]], profile: false }];
/// let options = Options::default();
/// let outcomes = run_jobs(&mut *target, &place, &runner, &jobs, &options, &mut |_| ())?;
/// assert_eq!(outcomes.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// What concerns all jobs: the runner does not fit the board, or the chip is gone.
pub fn run_jobs(
    target: &mut dyn Target,
    place: &Place,
    runner: &Path,
    jobs: &[Job],
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Outcome>, Error> {
    let bad = |reason: String| Error::BadFirmware { path: runner.to_owned(), reason };
    let file = std::fs::read(runner).map_err(|error| bad(error.to_string()))?;
    let code = firmware(&place.board, runner, &file)?;
    let block = control_block(&file);
    let partition = place.board.region(RegionKind::Model).map_or(0, |region| region.length);
    let (target, mut is_there) = (RefCell::new(target), false);
    let mut start = |image: &[u8]| -> Result<Box<dyn Line + '_>, Error> {
        let mut chip = target.borrow_mut();
        if !std::mem::replace(&mut is_there, true) {
            write_firmware(&mut **chip, &Plan::new(&place.chip, code.clone())?, progress)?;
        }
        let plan = Plan::new(&place.chip, vec![model(&place.board, "jobs", image)?])?;
        chip.write(&plan, progress)?;
        chip.verify(&plan, progress)?;
        chip.reset(block)?;
        let ear = Ear::find(&mut **chip, block, PROTOCOL)?;
        Ok(Box::new(Channel { target: &target, ear }))
    };
    let outcomes = run_jobs_over(partition, jobs, options, |image| start(image).map_err(carried));
    outcomes.map_err(|error| match error {
        microhlo_qemu::Error::Line(error) => match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::Other { during: RUNNING, reason: error.to_string() },
        },
        error => Error::Other { during: RUNNING, reason: error.to_string() },
    })
}

/// Writes a firmware unless it is there already: flash wears out.
fn write_firmware(
    target: &mut dyn Target,
    plan: &Plan,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    match target.verify(plan, progress) {
        Err(Error::Verify { .. }) => {
            target.write(plan, progress)?;
            target.verify(plan, progress)
        }
        result => result,
    }
}

const RUNNING: &str = "running on the board";

fn carried(error: Error) -> microhlo_qemu::Error {
    microhlo_qemu::Error::Line(Box::new(error))
}

/// The channel of the protocol, to the runner.
struct Channel<'c, 't> {
    target: &'c RefCell<&'t mut dyn Target>,
    ear: Ear,
}

impl Line for Channel<'_, '_> {
    fn receive(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, microhlo_qemu::Error> {
        self.ear.receive(&mut **self.target.borrow_mut(), deadline).map_err(carried)
    }

    fn end(&mut self) -> Result<(), microhlo_qemu::Error> {
        // It waits for the next reset.
        Ok(())
    }
}
