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
    /// The chain.
    body: &'t [u8],
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
    unsafe fn run(&self) {
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

    /// Sums of a pool over all rows. They are read from the chain each time, as every step would have them on the
    /// stack otherwise.
    #[inline(never)]
    pub(super) fn sums(&self) -> Option<Sums<Place>> {
        Chain::parse(self.body)?.sums
    }

    /// The strip to restrict the kernel to; none if nothing is to be computed.
    #[inline(always)]
    pub(super) fn strip(
        &mut self,
        by: &ByRows<Place>,
    ) -> Result<Option<Strip<Place>>, Undecodable> {
        if matches!(self.asked, Asked::Rows) { self.next(by) } else { self.prepare(by) }
    }

    /// The strip that comes next, for which rows have made room.
    #[inline(never)]
    fn next(&mut self, by: &ByRows<Place>) -> Result<Option<Strip<Place>>, Undecodable> {
        // Looked at where it is: moved, it would take the stack twice.
        let fired = self.schedule.fire(self.stage, by);
        let Some((strip, shift)) = &fired else { return Err(Undecodable) };
        if shift.from != 0
            && let Some(memory) = self.memory
        {
            // SAFETY: these rows lie in the window, which was checked.
            unsafe { Move::new(memory, &by.output, *shift).run() };
        }
        let links = self.schedule.stage(self.stage).operands;
        for ((operand, link), settling) in by.operands.iter().zip(links).zip(&mut self.settling) {
            let shift = self.schedule.settle(link);
            if let (Some(tensor), Some(shift), Some(memory)) = (operand, shift, self.memory) {
                *settling = Move::new(memory, tensor, shift);
            }
        }
        Ok(Some(*strip))
    }

    /// Does what is asked if that is not to compute rows.
    #[inline(never)]
    fn prepare(&mut self, by: &ByRows<Place>) -> Result<Option<Strip<Place>>, Undecodable> {
        if let Asked::Move(shift) = self.asked {
            if let Some(memory) = self.memory {
                // SAFETY: these rows lie in the window, which was checked.
                unsafe { Move::new(memory, &by.output, shift).run() };
            }
            return Ok(None);
        }
        let count = self.schedule.firing(self.stage).count;
        let demand = by.shape.demand(0, count).ok_or(Undecodable)?;
        self.schedule.set_demand(self.stage, demand);
        Ok(None)
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
        visitor.forget(own(&self.sums()));
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
    steps: &'a [u8],
    &State { kernel, body: [start, len], .. }: &State,
    kernels: &'static [KernelEntry],
) -> Option<(&'static StageEntry, &'a [u8])> {
    let body = steps.get(usize::from(start)..)?.get(..usize::from(len))?;
    Some((kernels.get(usize::from(kernel))?.stage?, body))
}

/// A fed input as the rows of a kernel without operands.
fn fed(feed: &Feed<Place>, schedule: &Schedule<'_>) -> ByRows<Place> {
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
        let settling = [Move::NONE; 2];
        let turn = Turn { schedule, stage, asked, body, memory: None, settling };
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
    if let Some(feed) = chain.feed.as_ref().filter(|_| turn.stage == 0) {
        let by = fed(feed, turn.schedule);
        return turn.prove(&by, visitor).map(|_| ());
    }
    let state = turn.schedule.state(turn.stage);
    let kernels = visitor.linked().kernels;
    let (entry, body) = step(chain.steps, &state, kernels).ok_or(StepError::Encoding)?;
    (entry.check)(body, &mut turn, visitor)
}

/// A chain that runs: as much of it as each row needs, as the stack has it while kernels run.
struct Running<'a, 's> {
    schedule: Schedule<'s>,
    body: &'a [u8],
    /// Of it, the steps.
    steps: &'a [u8],
    /// Whether the first stage is an input that the caller gives.
    fed: bool,
}

/// # Safety
/// The loader has accepted the chain for this memory.
unsafe fn execute(body: &[u8], memory: &Memory<'_>) -> Result<(), Undecodable> {
    // SAFETY: the caller's promise.
    let mut chain = unsafe { Running::begin(body, memory) };
    // Looked at where it is: moved, it would take the stack twice.
    let Ok(chain) = &mut chain else { return Err(Undecodable) };
    if !memory.feeding.resumes {
        // SAFETY: the caller's promise.
        unsafe { chain.demand(memory)? };
    }
    let (late, mut after) = (chain.schedule.settles_late(), None);
    while let Some(firing) = chain.schedule.next(after) {
        // SAFETY: the caller's promise.
        unsafe {
            if late && firing.stage == 0 {
                chain.settle(memory)?;
            }
            if !chain.fed || firing.stage != 0 {
                chain.turn(firing.stage, Asked::Rows, memory)?;
            } else if !chain.take(firing, memory)? {
                return Ok(());
            }
        }
        after = Some(firing);
    }
    chain.rest(memory);
    Ok(())
}

impl<'a, 's> Running<'a, 's> {
    /// Begins a chain, whose stages are to be asked then what their first rows demand, or goes on with it.
    ///
    /// # Safety
    /// The loader has accepted the chain for this memory, and nothing else refers to its states.
    #[inline(never)]
    unsafe fn begin(
        body: &'a [u8],
        memory: &'s Memory<'_>,
    ) -> Result<Running<'a, 's>, Undecodable>
    where
        'a: 's,
    {
        let chain = Chain::parse(body).ok_or(Undecodable)?;
        let states = memory.write(chain.state).cast::<State>();
        // SAFETY: the loader has checked this scratch and its alignment, and that no strip touches it; any
        // bytes are states.
        let states = unsafe { slice::from_raw_parts_mut(states, chain.table.len()) };
        let schedule = if memory.feeding.resumes {
            Schedule::resume(chain.table, states)
        } else {
            begin(&chain, states, memory.kernels.kernels).map_err(|_| Undecodable)?
        };
        let (steps, fed) = (chain.steps, chain.feed.is_some());
        Ok(Running { schedule, body, steps, fed })
    }

    /// Asks all stages what their first rows demand.
    ///
    /// # Safety
    /// The loader has accepted the chain for this memory.
    #[inline(never)]
    unsafe fn demand(&mut self, memory: &Memory<'_>) -> Result<(), Undecodable> {
        for stage in u8::from(self.fed)..self.schedule.len() as u8 {
            // SAFETY: the caller's promise.
            unsafe { self.turn(stage, Asked::Demand, memory)? };
        }
        Ok(())
    }

    /// Moves the rows of windows that wait with that until stage 0 goes on.
    ///
    /// # Safety
    /// As for [`Running::turn`], but that it is stage 0's.
    #[inline(never)]
    unsafe fn settle(&mut self, memory: &Memory<'_>) -> Result<(), Undecodable> {
        for stage in (u8::from(self.fed)..self.schedule.len() as u8).rev() {
            let shift = self.schedule.settle_late(stage);
            if let Some(shift) = shift.filter(|shift| shift.count != 0) {
                // SAFETY: the caller's promise.
                unsafe { self.turn(stage, Asked::Move(shift), memory)? };
            }
        }
        Ok(())
    }

    /// Runs a stage, or asks it for its first demand or to move rows.
    ///
    /// # Safety
    /// The loader has accepted the chain for this memory; it is the stage's turn.
    #[inline(never)]
    unsafe fn turn(
        &mut self,
        stage: u8,
        asked: Asked,
        memory: &Memory<'_>,
    ) -> Result<(), Undecodable> {
        let state = self.schedule.state(stage);
        let schedule = &mut self.schedule;
        let kernels = memory.kernels.kernels;
        let (entry, step) = step(self.steps, &state, kernels).ok_or(Undecodable)?;
        let (body, settling) = (self.body, [Move::NONE, Move::NONE]);
        let mut turn = Turn { schedule, stage, asked, body, memory: Some(memory), settling };
        // SAFETY: the caller's promise; the schedule is the one that the loader followed.
        unsafe { (entry.fire)(step, &mut turn, memory)? };
        for settling in &turn.settling {
            // SAFETY: these rows lie in the window of an operand, which was checked.
            unsafe { settling.run() };
        }
        Ok(())
    }

    /// The fed input.
    fn feed(&self) -> Option<Feed<Place>> {
        Chain::parse(self.body)?.feed
    }

    /// Takes rows that the caller has given, if there are any.
    ///
    /// # Safety
    /// The loader has checked the window of the fed input.
    #[inline(never)]
    unsafe fn take(&mut self, firing: Firing, memory: &Memory<'_>) -> Result<bool, Undecodable> {
        let feed = self.feed().ok_or(Undecodable)?;
        let (schedule, body) = (&mut self.schedule, self.body);
        let Some(rows) = given(&feed, firing.count, memory) else {
            wait(memory, schedule);
            return Ok(false);
        };
        let by = fed(&feed, schedule);
        let (asked, settling) = (Asked::Rows, [Move::NONE, Move::NONE]);
        let mut turn = Turn { schedule, stage: 0, asked, body, memory: Some(memory), settling };
        if let Some(strip) = turn.strip(&by)? {
            // SAFETY: the strip has as many bytes in the window.
            unsafe { memory.write(strip.output).copy_from(rows.as_ptr(), rows.len()) };
        }
        Ok(true)
    }

    /// Takes rows that nothing demands, once the chain is complete.
    #[inline(never)]
    fn rest(&mut self, memory: &Memory<'_>) {
        let Some(feed) = self.feed() else { return };
        loop {
            let firing = self.schedule.firing(0);
            if firing.count == 0 {
                return;
            }
            if given(&feed, firing.count, memory).is_none() {
                wait(memory, &self.schedule);
                return;
            }
            self.schedule.fired(firing, Default::default());
        }
    }
}

/// Ends the step until the caller gives more rows.
fn wait(memory: &Memory<'_>, schedule: &Schedule<'_>) {
    let rows = u32::from(schedule.room(0)).max(1);
    memory.feeding.stop.set(Some(RunError::Unfed { rows }));
}

/// Rows that were given and not yet taken.
fn given<'m>(feed: &Feed<Place>, count: u16, memory: &Memory<'m>) -> Option<&'m [u8]> {
    let feeding = memory.feeding;
    let (taken, bytes) = (feeding.taken.get(), feed.row_bytes.wrapping_mul(count.into()) as usize);
    let rows = feeding.rows.get(taken..)?.get(..bytes)?;
    feeding.taken.set(taken + bytes);
    Some(rows)
}
