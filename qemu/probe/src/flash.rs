//! Flashing: write, compare, reset.

use crate::contents::{Place, slot_origin};
use crate::error::Error;
use crate::plan::Plan;
use crate::select::{Selector, choose};
use crate::target::{Attach, Probes, Progress, Target};
use microhlo_slots::{CORE_BYTES, Header, Slot};

/// Attaches to the chip of a board over the one probe that fits. See the example of [`flash`].
///
/// # Errors
/// No probe fits, or the chip is not the board's or lets nobody in.
pub fn attach(
    probes: &dyn Probes,
    place: &Place,
    selector: Option<&Selector>,
    how: &Attach,
) -> Result<Box<dyn Target>, Error> {
    let probe = choose(probes.list(), selector)?;
    probes.attach(&probe, &place.chip, place.description.as_deref(), how)
}

/// Writes a plan, compares flash with it, and resets the chip so that what was written runs.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/board.rs"));
/// use microhlo_probe::fake::FakeProbes;
/// use microhlo_probe::{Attach, Phase, Place, Plan, Progress, attach, flash, model, other_slot};
/// use microhlo_slots::Slot;
///
/// # fn main() -> Result<(), microhlo_probe::Error> {
/// // A chip in memory; `ProbeRs` are the probes of this computer.
/// let probes = FakeProbes::new(chip());
/// let place = Place::of(&board(), &probes)?;
/// let plan = Plan::new(&place.chip, vec![model(&place.board, "kws.mhlo", &[7; 5000])?])?;
///
/// let mut target = attach(&probes, &place, None, &Attach::default())?;
/// let mut verified = 0;
/// flash(&mut *target, &plan, &mut |progress| {
///     if let Progress::Advanced(Phase::Verify, bytes) = progress {
///         verified += bytes;
///     }
/// })?;
/// assert_eq!((verified, probes.memory.borrow().resets), (5000, 1));
/// assert_eq!(probes.memory.borrow().bytes(0x0800_8000, 2), [7, 7]);
/// // There is no model in the other half of the partition.
/// assert!(other_slot(&mut *target, &place, Slot::A)?.is_none());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The chip refuses or is gone, or flash does not hold what was written.
pub fn flash(
    target: &mut dyn Target,
    plan: &Plan,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    target.write(plan, progress)?;
    target.verify(plan, progress)?;
    target.reset(None)
}

/// The header of what the other slot holds, if it holds a model: of two, the newer one runs.
/// See the example of [`flash`].
///
/// # Errors
/// The chip is gone.
pub fn other_slot(
    target: &mut dyn Target,
    place: &Place,
    slot: Slot,
) -> Result<Option<Header>, Error> {
    let mut core = [0; CORE_BYTES];
    target.read(slot_origin(&place.board, slot.other())?, &mut core)?;
    Ok(Header::decode(&core).ok())
}
