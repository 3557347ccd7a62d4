//! Flashing: write, compare, reset.

use crate::contents::{Place, slot_origin};
use crate::error::Error;
use crate::plan::Plan;
use crate::select::{Selector, choose};
use crate::target::{Attach, Probes, Progress, Target};
use microhlo_slots::{CORE_BYTES, Header, Slot};

/// Attaches to the chip of a board over the one probe that fits.
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
