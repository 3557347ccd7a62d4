//! Chains of steps that run row by row.
//!
//! A chain is a loop over what its [`Schedule`] says. A kernel that can be a stage has a second
//! constant, `STAGE`, which is its `ENTRY` with functions for strips; firmware without chains links
//! neither these nor this module.

use core::ops::Range;
use core::ptr::{null, null_mut};
use core::slice;

use microhlo_format::kernels::{ByRows, Chain, Feed, RowTensor, Strip, Sums};
use microhlo_format::rows::{Firing, MAX_STAGES, RowShape, Schedule, Shift, State};
use microhlo_format::{Access, AccessKind, KernelId, Overlap, ParamError, Place};

use super::Memory;
use super::move_::forward;
use crate::error::{RunError, StepError};
use crate::registry::{KernelEntry, StageEntry, Undecodable, Visitor};

/// Links chains: a list of kernels has this, and the `STAGE` of each kernel that is part of one.
pub const ENTRY: KernelEntry = KernelEntry { id: KernelId::rows, check, execute, stage: None };

/// A stage whose turn it is.
pub(crate) struct Turn<'t, 's, 'm> {
    schedule: &'t mut Schedule<'s>,
    stage: u8,
    asked: Asked,
    /// Sums of a pool over all rows.
    pub(super) sums: Option<Sums<Place>>,
    /// The arena; it is not there while a chain is proved.
    memory: Option<&'t Memory<'m>>,
    /// What is moved in the windows of operands once the strip has been computed.
    settling: [Move; 2],
}

/// What a stage is to do.
#[derive(Clone, Copy)]
enum Asked {
    /// To say what its first rows demand.
    Demand,
    /// To compute its next rows.
    Rows,
    /// To move rows of its window.
    Move(Shift),
}

/// Bytes to be moved towards the start of a window.
#[derive(Clone, Copy)]
struct Move {
    to: *mut u8,
    from: *const u8,
    count: usize,
}

impl Move {
    const NONE: Move = Move { to: null_mut(), from: null(), count: 0 };

    /// The rows of a window that a shift says.
    fn new(memory: &Memory<'_>, tensor: &RowTensor<Place>, shift: Shift) -> Move {
        let bytes = |rows: u16| tensor.bytes.wrapping_mul(rows.into()) as usize;
        let window = memory.write(tensor.place);
        let (to, from) = (window.wrapping_add(bytes(shift.to)), window.wrapping_add(bytes(shift.from)));
        Move { to, from, count: bytes(shift.count) }
    }

    /// # Safety
    /// The rows lie in a window of the arena.
    unsafe fn run(self) {
        if self.count != 0 {
            // SAFETY: the caller's promise.
            unsafe { forward(self.to, self.from, self.count) };
        }
    }
}

impl Turn<'_, '_, '_> {
    /// Rows of the stage.
    pub(super) fn rows(&self) -> u32 {
        self.schedule.stage(self.stage).rows.into()
    }

    /// Rows that were computed, those of the strip that was given among them.
    pub(super) fn produced(&self) -> u32 {
        self.schedule.state(self.stage).produced.into()
    }

    /// The strip to restrict the kernel to; none if nothing is to be computed.
    #[inline(never)]
    pub(super) fn strip(
        &mut self,
        by: &ByRows<Place>,
    ) -> Result<Option<Strip<Place>>, Undecodable> {
        if !matches!(self.asked, Asked::Rows) {
            return self.prepare(by).map(|()| None);
        }
        let (strip, shift) = self.schedule.fire(self.stage, by).ok_or(Undecodable)?;
        if shift.from != 0
            && let Some(memory) = self.memory
        {
            // SAFETY: these rows lie in the window, which was checked.
            unsafe { Move::new(memory, &by.output, shift).run() };
        }
        let links = self.schedule.stage(self.stage).operands;
        for ((operand, link), settling) in by.operands.iter().zip(links).zip(&mut self.settling) {
            let shift = self.schedule.settle(link);
            if let (Some(tensor), Some(shift), Some(memory)) = (operand, shift, self.memory) {
                *settling = Move::new(memory, tensor, shift);
            }
        }
        Ok(Some(strip))
    }

    /// Does what is asked if that is not to compute rows.
    #[inline(never)]
    fn prepare(&mut self, by: &ByRows<Place>) -> Result<(), Undecodable> {
        if let Asked::Move(shift) = self.asked {
            if let Some(memory) = self.memory {
                // SAFETY: these rows lie in the window, which was checked.
                unsafe { Move::new(memory, &by.output, shift).run() };
            }
            return Ok(());
        }
        let count = self.schedule.firing(self.stage).count;
        let demand = by.shape.demand(0, count).ok_or(Undecodable)?;
        self.schedule.set_demand(self.stage, demand);
        Ok(())
    }

    /// The same for the loader, which learns at first where rows will be moved.
    pub(super) fn prove(
        &mut self,
        by: &ByRows<Place>,
        visitor: &mut dyn Visitor,
    ) -> Result<Option<Strip<Place>>, StepError> {
        if matches!(self.asked, Asked::Demand) {
            let links = self.schedule.stage(self.stage).operands;
            for (&operand, link) in by.operands.iter().zip(links) {
                if self.schedule.stage(link).settles
                    && let Some(operand) = operand
                {
                    self.window(operand, link, visitor);
                }
            }
            self.window(by.output, self.stage, visitor);
        }
        self.strip(by).map_err(|_| StepError::Params(ParamError::Overflow))
    }

    /// Reports the window of a stage, whose rows are written and moved. The memory of the chain that is no
    /// stage's lies apart from each; windows may lie over each other.
    fn window(&self, tensor: RowTensor<Place>, stage: u8, visitor: &mut dyn Visitor) {
        visitor.forget(own(&self.sums));
        let stage = self.schedule.stage(stage);
        if stage.is_whole() {
            // No row of it ever moves: each strip is checked where it lies.
            return;
        }
        let (kind, place) = (AccessKind::Write, tensor.place);
        let end = i64::from(stage.capacity) * i64::from(tensor.bytes);
        visitor.access(Access { kind, place, start: 0, end, align: 1, overlap: Overlap::NEVER });
    }
}

/// Accesses of a chain that are not its stages': what it keeps for itself. The window of a fed input is a
/// stage's.
fn own(sums: &Option<Sums<Place>>) -> usize {
    1 + usize::from(sums.is_some())
}

/// Numbers of the stages that have steps.
fn steps(chain: &Chain<'_>) -> Range<u8> {
    u8::from(chain.feed.is_some())..chain.table.len() as u8
}

/// A chain that begins, with where the parameters of its steps are and which kernels run them.
fn begin<'s>(
    chain: &Chain<'s>,
    states: &'s mut [State],
    kernels: &[KernelEntry],
) -> Result<Schedule<'s>, StepError> {
    let schedule = Schedule::begin(chain.table, states);
    let mut schedule = schedule.ok_or(StepError::Params(ParamError::BadCode))?;
    let short = |n: usize| u16::try_from(n).map_err(|_| StepError::Encoding);
    let mut at = 0;
    for stage in steps(chain) {
        let (id, body, next) = chain.step(at).ok_or(StepError::Encoding)?;
        let kernel = kernels.iter().position(|entry| entry.id == id && entry.stage.is_some());
        let kernel = kernel.ok_or(StepError::MissingKernel(id))?;
        if let Some(state) = schedule.state_mut(stage) {
            state.kernel = u8::try_from(kernel).map_err(|_| StepError::Encoding)?;
            state.body = [short(next.wrapping_sub(body.len()))?, short(body.len())?];
        }
        at = next;
    }
    if at == chain.steps.len() { Ok(schedule) } else { Err(StepError::Encoding) }
}

/// What runs a stage, and its parameters.
fn step<'a>(
    chain: &Chain<'a>,
    state: State,
    kernels: &'static [KernelEntry],
) -> Option<(&'static StageEntry, &'a [u8])> {
    let [start, len] = state.body.map(usize::from);
    let body = chain.steps.get(start..)?.get(..len)?;
    Some((kernels.get(usize::from(state.kernel))?.stage?, body))
}

/// A fed input as the rows of a kernel without operands.
fn fed(feed: Feed<Place>, schedule: &Schedule<'_>) -> ByRows<Place> {
    ByRows {
        shape: RowShape::elementwise(schedule.stage(0).rows.into()),
        operands: [None; 2],
        output: RowTensor { place: feed.place, bytes: feed.row_bytes },
    }
}

fn check(body: &[u8], visitor: &mut dyn Visitor) -> Result<(), StepError> {
    let chain = Chain::parse(body).ok_or(StepError::Encoding)?;
    chain.accesses(&mut |access| visitor.access(access)).map_err(StepError::Params)?;
    let mut states = [State::default(); MAX_STAGES];
    let states = states.get_mut(..chain.table.len()).ok_or(StepError::TooManyOperands)?;
    let mut schedule = begin(&chain, states, visitor.linked().kernels)?;
    let (mut waiting, mut after) = (0..schedule.len() as u8, None);
    loop {
        visitor.forget(own(&chain.sums));
        let (stage, asked) = match waiting.next() {
            Some(stage) => (stage, Asked::Demand),
            None => match schedule.next(after) {
                Some(firing) => {
                    after = Some(firing);
                    if firing.stage == 0 {
                        // What moves stays in windows that have been checked.
                        schedule.settle_all();
                    }
                    (firing.stage, Asked::Rows)
                }
                None => break,
            },
        };
        let schedule = &mut schedule;
        let (sums, settling) = (chain.sums, [Move::NONE; 2]);
        let turn = Turn { schedule, stage, asked, sums, memory: None, settling };
        prove(&chain, turn, visitor)?;
    }
    if schedule.is_complete() { Ok(()) } else { Err(StepError::Stalls) }
}

/// Checks what a stage touches: its window at first, later a strip.
fn prove(
    chain: &Chain<'_>,
    mut turn: Turn<'_, '_, '_>,
    visitor: &mut dyn Visitor,
) -> Result<(), StepError> {
    if let Some(feed) = chain.feed.filter(|_| turn.stage == 0) {
        let by = fed(feed, turn.schedule);
        return turn.prove(&by, visitor).map(|_| ());
    }
    let state = turn.schedule.state(turn.stage);
    let (entry, body) = step(chain, state, visitor.linked().kernels).ok_or(StepError::Encoding)?;
    (entry.check)(body, &mut turn, visitor)
}

/// # Safety
/// The loader has accepted the chain for this memory.
unsafe fn execute(body: &[u8], memory: &Memory<'_>) -> Result<(), Undecodable> {
    let chain = Chain::parse(body).ok_or(Undecodable)?;
    let states = memory.write(chain.state).cast::<State>();
    // SAFETY: the loader has checked this scratch and its alignment, and that no strip touches it; any
    // bytes are states.
    let states = unsafe { slice::from_raw_parts_mut(states, chain.table.len()) };
    let mut schedule = if memory.feeding.resumes {
        Schedule::resume(chain.table, states)
    } else {
        let kernels = memory.kernels.kernels;
        let mut schedule = begin(&chain, states, kernels).map_err(|_| Undecodable)?;
        for stage in steps(&chain) {
            // SAFETY: the caller's promise.
            unsafe { turn(&chain, &mut schedule, stage, Asked::Demand, memory)? };
        }
        schedule
    };
    let (late, mut after) = (schedule.settles_late(), None);
    while let Some(firing) = schedule.next(after) {
        if late && firing.stage == 0 {
            // SAFETY: the caller's promise.
            unsafe { settle(&chain, &mut schedule, memory)? };
        }
        let feed = chain.feed.filter(|_| firing.stage == 0);
        if let Some(feed) = feed {
            // SAFETY: the window of the feed was checked.
            if !unsafe { take(feed, &mut schedule, firing, memory)? } {
                return Ok(());
            }
        } else {
            // SAFETY: the caller's promise.
            unsafe { turn(&chain, &mut schedule, firing.stage, Asked::Rows, memory)? };
        }
        after = Some(firing);
    }
    rest(&chain, &mut schedule, memory);
    Ok(())
}

/// Moves the rows of windows that wait with that until stage 0 goes on.
///
/// # Safety
/// As for [`turn`], but that it is stage 0's.
#[inline(never)]
unsafe fn settle(
    chain: &Chain<'_>,
    schedule: &mut Schedule<'_>,
    memory: &Memory<'_>,
) -> Result<(), Undecodable> {
    for stage in steps(chain).rev() {
        if let Some(shift) = schedule.settle_late(stage).filter(|shift| shift.count != 0) {
            // SAFETY: the caller's promise.
            unsafe { turn(chain, schedule, stage, Asked::Move(shift), memory)? };
        }
    }
    Ok(())
}

/// Runs a stage, or asks it for its first demand or to move rows.
///
/// # Safety
/// The loader has accepted the chain for this memory; it is the stage's turn.
#[inline(always)]
unsafe fn turn(
    chain: &Chain<'_>,
    schedule: &mut Schedule<'_>,
    stage: u8,
    asked: Asked,
    memory: &Memory<'_>,
) -> Result<(), Undecodable> {
    let state = schedule.state(stage);
    let (entry, body) = step(chain, state, memory.kernels.kernels).ok_or(Undecodable)?;
    let (sums, settling) = (chain.sums, [Move::NONE; 2]);
    let mut turn = Turn { schedule, stage, asked, sums, memory: Some(memory), settling };
    // SAFETY: the caller's promise; the schedule is the one that the loader followed.
    unsafe { (entry.fire)(body, &mut turn, memory)? };
    for settling in turn.settling {
        // SAFETY: these rows lie in the window of an operand, which was checked.
        unsafe { settling.run() };
    }
    Ok(())
}

/// Takes rows that the caller has given, if there are any.
///
/// # Safety
/// The loader has checked the window.
unsafe fn take(
    feed: Feed<Place>,
    schedule: &mut Schedule<'_>,
    firing: Firing,
    memory: &Memory<'_>,
) -> Result<bool, Undecodable> {
    let Some(rows) = given(feed, firing.count, memory) else {
        wait(memory, schedule);
        return Ok(false);
    };
    let by = fed(feed, schedule);
    let memory = Some(memory);
    let (sums, settling) = (None, [Move::NONE; 2]);
    let mut turn = Turn { schedule, stage: 0, asked: Asked::Rows, sums, memory, settling };
    let strip = turn.strip(&by)?;
    if let (Some(strip), Some(memory)) = (strip, memory) {
        // SAFETY: the strip has as many bytes in the window.
        unsafe { memory.write(strip.output).copy_from(rows.as_ptr(), rows.len()) };
    }
    Ok(true)
}

/// Ends the step until the caller gives more rows.
fn wait(memory: &Memory<'_>, schedule: &Schedule<'_>) {
    let rows = u32::from(schedule.room(0)).max(1);
    memory.feeding.stop.set(Some(RunError::Unfed { rows }));
}

/// Rows that were given and not yet taken.
fn given<'m>(feed: Feed<Place>, count: u16, memory: &Memory<'m>) -> Option<&'m [u8]> {
    let feeding = memory.feeding;
    let (taken, bytes) = (feeding.taken.get(), feed.row_bytes.wrapping_mul(count.into()) as usize);
    let rows = feeding.rows.get(taken..)?.get(..bytes)?;
    feeding.taken.set(taken + bytes);
    Some(rows)
}

/// Takes rows that nothing demands, once the chain is complete.
fn rest(chain: &Chain<'_>, schedule: &mut Schedule<'_>, memory: &Memory<'_>) {
    let Some(feed) = chain.feed else { return };
    loop {
        let firing = schedule.firing(0);
        if firing.count == 0 {
            return;
        }
        if given(feed, firing.count, memory).is_none() {
            wait(memory, schedule);
            return;
        }
        schedule.fired(firing, Default::default());
    }
}
