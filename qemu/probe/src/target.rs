//! What is asked of a probe and of the chip at its other end.

use crate::chip::Chip;
use crate::error::Error;
use crate::plan::Plan;
use crate::select::ProbeInfo;
use std::path::Path;

/// How to attach to a chip. See the example of [`flash`](crate::flash()).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attach {
    /// Hold the reset line while attaching, for firmware that would not let a probe in.
    pub under_reset: bool,
    /// Erase a locked chip to unlock it.
    pub allow_erase_all: bool,
    /// Clock of the wire in kHz, if not the probe's own choice.
    pub speed: Option<u32>,
}

/// The probes of this computer. See the example of [`flash`](crate::flash()).
pub trait Probes {
    /// What is plugged in.
    fn list(&self) -> Vec<ProbeInfo>;

    /// The chip of a name, which a file may describe.
    ///
    /// # Errors
    /// [`Error::UnknownChip`] or [`Error::BadDescription`].
    fn chip(&self, name: &str, description: Option<&Path>) -> Result<Chip, Error>;

    /// Attaches to a chip.
    ///
    /// # Errors
    /// The probe cannot be opened; no chip answers, another one, or one that is locked.
    fn attach(
        &self,
        probe: &ProbeInfo,
        chip: &Chip,
        description: Option<&Path>,
        how: &Attach,
    ) -> Result<Box<dyn Target>, Error>;
}

/// A chip at the end of a probe. See the example of [`listen`](crate::listen).
pub trait Target {
    /// Writes a plan: erases its sectors and writes its segments; other bytes in the sectors keep their
    /// value. What is in flash already may be left as it is.
    ///
    /// # Errors
    /// The chip refuses, or is gone.
    fn write(&mut self, plan: &Plan, progress: &mut dyn FnMut(Progress)) -> Result<(), Error>;

    /// Compares flash with a plan.
    ///
    /// # Errors
    /// [`Error::Verify`] if they differ; or the chip is gone.
    fn verify(&mut self, plan: &Plan, progress: &mut dyn FnMut(Progress)) -> Result<(), Error>;

    /// Reads memory at the addresses of the core.
    ///
    /// # Errors
    /// There is none, or the chip is gone.
    fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), Error>;

    /// Resets the chip and lets it run. An RTT control block that an earlier firmware may have left at the
    /// address is cleared before the new one makes its own.
    ///
    /// # Errors
    /// The chip is gone.
    fn reset(&mut self, control_block: Option<u64>) -> Result<(), Error>;

    /// The names of the RTT channels to the host, by number; none as long as the firmware has not set them
    /// up. Without an address, the RAM is searched for the control block.
    ///
    /// # Errors
    /// The chip is gone.
    fn channels(&mut self, control_block: Option<u64>) -> Result<Vec<String>, Error>;

    /// Takes what has come over an RTT channel, at most as much as the buffer holds; returns how much.
    ///
    /// # Errors
    /// The chip is gone.
    fn receive(&mut self, channel: usize, buffer: &mut [u8]) -> Result<usize, Error>;

    /// Whether the core runs.
    ///
    /// # Errors
    /// The chip is gone.
    fn state(&mut self) -> Result<State, Error>;
}

/// Whether a core runs.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/board.rs"));
/// use microhlo_probe::fake::FakeProbes;
/// use microhlo_probe::{Attach, Place, State, attach};
///
/// # fn main() -> Result<(), microhlo_probe::Error> {
/// let probes = FakeProbes::new(chip());
/// let place = Place::of(&board(), &probes)?;
/// let mut target = attach(&probes, &place, None, &Attach::default())?;
/// assert_eq!(target.state()?, State::Running);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It runs or sleeps.
    Running,
    /// It does not, and why.
    Stopped(String),
}

/// How far writing is. See the example of [`flash`](crate::flash()).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A phase begins, with the number of its bytes if that is known.
    Started(Phase, Option<u64>),
    /// Bytes of a phase are done.
    Advanced(Phase, u64),
    /// A phase is over.
    Finished(Phase),
}

/// A part of the work.
///
/// ```
/// use microhlo_probe::Phase;
///
/// assert_eq!(Phase::Erase.name(), "erasing");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading what is to be kept.
    Read,
    /// Erasing sectors.
    Erase,
    /// Writing.
    Write,
    /// Comparing.
    Verify,
}

impl Phase {
    /// What is being done. See the example of [`Phase`].
    pub fn name(self) -> &'static str {
        match self {
            Phase::Read => "reading",
            Phase::Erase => "erasing",
            Phase::Write => "writing",
            Phase::Verify => "verifying",
        }
    }
}
