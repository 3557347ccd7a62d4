//! Chains of layers that run row by row: which rows come next.
//!
//! A chain is a list of *stages* in the order of a program. Of each stage's value only the rows exist
//! that a later one still demands, in a *window*. One rule says which stage computes its next rows, so
//! that nothing about the order is stored:
//!
//! > Of the stages that can go on and whose rows a later stage waits for, or that are kept as a whole, the
//! > last one does.
//!
//! The compiler follows it to find the least windows, the loader to prove a chain, the runtime to run it.

use crate::Place;
use crate::kernels::{ByRows, Strip};

#[cfg(feature = "std")]
mod least;

#[cfg(feature = "std")]
pub use least::{Demands, follow, least_capacities, links};

/// Most stages of a chain.
pub const MAX_STAGES: usize = 64;

/// An operand of a stage that no stage of the chain computes: a whole tensor.
pub const OUTSIDE: u8 = u8::MAX;

/// Bytes of an encoded [`Stage`].
pub const STAGE_BYTES: usize = 8;

/// A value that a chain makes row by row. See the example of [`Schedule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Rows of the value.
    pub rows: u16,
    /// Rows that are computed at once; fewer are left for the last time.
    pub strip: u16,
    /// Rows that are computed the first time, if not as many: where a layer reads a row ahead, so that those
    /// of all layers come to the same rows. They may be more.
    pub lead: u8,
    /// Rows that memory holds: all of them, which are all computed then, or those of a window.
    pub capacity: u16,
    /// The stages whose rows it reads, or [`OUTSIDE`].
    pub operands: [u8; 2],
    /// Whether rows move to the start of their window as soon as those before them are not demanded any
    /// more, rather than when others need the room: what lies behind them is free for something else then.
    pub settles: bool,
    /// Whether rows lie at the end of their window: what lies before those that are kept is free for something
    /// else until others are computed. If they settle, too, they lie where they were computed until stage 0 goes
    /// on again, and then move just so far that the next ones end at the end.
    pub ends: bool,
}

/// The bit of an encoded strip that says that it has all that follows: eight bits of [`Stage::strip`],
/// [`Stage::lead`], and where rows lie in their window. Before format 1.9 it was the strip alone.
const DETAILED: u16 = 1 << 15;
/// The bit of [`Stage::settles`].
const SETTLES: u16 = 1 << 14;
/// The bit of [`Stage::ends`].
const ENDS: u16 = 1 << 13;
/// Most rows of a strip of a stage that has more than that.
pub const MOST_STRIP: u16 = u8::MAX as u16;
/// Most rows of a lead.
pub const MOST_LEAD: u8 = 31;

impl Stage {
    /// The bytes of the artifact: three little-endian halves, two bytes. See the example of [`Schedule`].
    pub const fn to_bytes(self) -> [u8; STAGE_BYTES] {
        let strip = match (self.lead, self.settles, self.ends) {
            (0, false, false) => self.strip,
            (lead, settles, ends) => {
                let strip = if self.strip > MOST_STRIP { MOST_STRIP } else { self.strip };
                let lead = if lead > MOST_LEAD { MOST_LEAD } else { lead };
                let settles = if settles { SETTLES } else { 0 };
                let ends = if ends { ENDS } else { 0 };
                DETAILED | settles | ends | (lead as u16) << 8 | strip
            }
        };
        let [rows, strip, capacity] =
            [self.rows.to_le_bytes(), strip.to_le_bytes(), self.capacity.to_le_bytes()];
        let [first, second] = self.operands;
        [rows[0], rows[1], strip[0], strip[1], capacity[0], capacity[1], first, second]
    }

    /// The stage that these bytes say. See the example of [`Schedule`].
    #[inline(always)]
    pub const fn from_bytes(bytes: [u8; STAGE_BYTES]) -> Stage {
        // Two loads where memory need not be aligned.
        let all = u64::from_le_bytes(bytes);
        let (low, high) = (all as u32, (all >> 32) as u32);
        let strip = (low >> 16) as u16;
        let detailed = strip & DETAILED != 0;
        Stage {
            rows: low as u16,
            strip: if detailed { strip & MOST_STRIP } else { strip },
            lead: if detailed { (strip >> 8) as u8 & MOST_LEAD } else { 0 },
            capacity: high as u16,
            operands: [(high >> 16) as u8, (high >> 24) as u8],
            settles: detailed && strip & SETTLES != 0,
            ends: detailed && strip & ENDS != 0,
        }
    }

    /// Whether the value is there as a whole at the end. See the example of [`Schedule`].
    pub const fn is_whole(&self) -> bool {
        self.capacity == self.rows
    }

    /// Whether rows that are kept move when stage 0 goes on.
    ///
    /// ```
    /// use microhlo_format::rows::{OUTSIDE, Stage};
    ///
    /// let (rows, strip, lead, capacity, operands) = (8, 1, 0, 3, [OUTSIDE; 2]);
    /// let stage = Stage { rows, strip, lead, capacity, operands, settles: true, ends: false };
    /// assert!(!stage.settles_late());
    /// assert!(Stage { ends: true, ..stage }.settles_late());
    /// ```
    pub const fn settles_late(&self) -> bool {
        self.settles && self.ends
    }

    /// Rows from `first` on that are computed at once. See the example of [`Schedule`].
    pub fn count(&self, first: u16) -> u16 {
        let strip = if first == 0 && self.lead != 0 { self.lead.into() } else { self.strip };
        strip.min(self.rows.saturating_sub(first))
    }
}

/// The rows of an operand that some rows of a result are made of. See the example of [`RowShape`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// The first one.
    pub from: u16,
    /// One past the last one.
    pub end: u16,
}

/// How the rows of a kernel's result depend on those of an operand.
///
/// ```
/// use microhlo_format::rows::{Demand, RowShape};
///
/// // A kernel of three rows with one of padding above and below.
/// let shape = RowShape { out_rows: 6, in_rows: 6, kernel: 3, stride: 1, pad: 1, dilation: 1 };
/// assert_eq!(shape.demand(0, 1), Some(Demand { from: 0, end: 2 }));
/// assert_eq!(shape.demand(1, 2), Some(Demand { from: 0, end: 4 }));
/// assert_eq!((shape.padding(0), shape.padding(1)), (1, 0));
/// assert_eq!(RowShape::elementwise(6).demand(2, 1), Some(Demand { from: 2, end: 3 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowShape {
    /// Rows of the result.
    pub out_rows: u32,
    /// Rows of the operand.
    pub in_rows: u32,
    /// Rows of the kernel.
    pub kernel: u32,
    /// Rows of the operand from a row of the result to the next.
    pub stride: u32,
    /// Rows of padding above; negative crops.
    pub pad: i32,
    /// Distance of the kernel's rows.
    pub dilation: u32,
}

impl RowShape {
    /// That of a kernel whose rows do not see each other. See the example of [`RowShape`].
    pub const fn elementwise(rows: u32) -> RowShape {
        RowShape { out_rows: rows, in_rows: rows, kernel: 1, stride: 1, pad: 0, dilation: 1 }
    }

    /// The rows that `count` rows from `first` on read; `None` if they read none. Sizes are those of
    /// accepted parameters, whose sums do not overflow. See the example of [`RowShape`].
    pub fn demand(&self, first: u16, count: u16) -> Option<Demand> {
        let last = u32::from(first).wrapping_add(count.into()).wrapping_sub(1);
        let reach = self.kernel.wrapping_sub(1).wrapping_mul(self.dilation);
        let end = self.origin(last).wrapping_add(reach as i32).wrapping_add(1);
        let from = self.origin(first.into()).max(0);
        let end = end.min(self.in_rows as i32);
        let rows = Demand { from: u16::try_from(from).ok()?, end: u16::try_from(end).ok()? };
        (count != 0 && rows.from < rows.end).then_some(rows)
    }

    /// Rows of padding above those that a row demands. See the example of [`RowShape`].
    pub fn padding(&self, first: u16) -> u32 {
        self.origin(first.into()).min(0).unsigned_abs()
    }

    /// The first row that a row would read, were there rows before and behind the operand's.
    fn origin(&self, row: u32) -> i32 {
        (row.wrapping_mul(self.stride) as i32).wrapping_sub(self.pad)
    }
}

/// How far a stage is. See the example of [`Schedule`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(4))]
pub struct State {
    /// Rows computed so far.
    pub produced: u16,
    /// The first row that memory holds: that which lies at the start of the window, or would, modulo 2^16.
    pub base: u16,
    /// What the next rows demand; from the highest number on if none are left.
    pub demand: Demand,
    /// The last stage that reads the value; 0 if none does.
    pub reader: u8,
    /// For the runtime: which kernel it is.
    pub kernel: u8,
    /// For the runtime: where its parameters are.
    pub body: [u16; 2],
}

/// Rows to be computed. See the example of [`Schedule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firing {
    /// Of which stage.
    pub stage: u8,
    /// The first one.
    pub first: u16,
    /// How many.
    pub count: u16,
}

/// Rows that have to move in their window, so that there is room behind them. See the example of [`Schedule`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// Where the first one is, counted from the start.
    pub from: u16,
    /// Where it goes, before that.
    pub to: u16,
    /// How many.
    pub count: u16,
}

/// A chain on its way.
///
/// ```
/// use microhlo_format::rows::{Demand, OUTSIDE, RowShape, Schedule, Shift, Stage, State};
///
/// // A value of six rows, of which three are kept, and what a kernel of three rows makes of it.
/// let first = Stage {
///     rows: 6,
///     strip: 1,
///     lead: 0,
///     capacity: 3,
///     operands: [OUTSIDE; 2],
///     settles: false,
///     ends: false,
/// };
/// let second = Stage { rows: 4, capacity: 4, operands: [0, OUTSIDE], ..first };
/// assert!(second.is_whole() && Stage::from_bytes(second.to_bytes()) == second);
/// let shape = RowShape { out_rows: 4, in_rows: 6, kernel: 3, stride: 1, pad: 0, dilation: 1 };
///
/// let table = [first.to_bytes(), second.to_bytes()];
/// let mut states = [State::default(); 2];
/// let mut schedule = Schedule::begin(&table, &mut states).expect("a chain");
/// assert!(schedule.len() == 2 && !schedule.is_empty());
/// schedule.set_demand(1, shape.demand(0, 1).expect("rows"));
/// let (mut order, mut shifts, mut after) = (Vec::new(), Vec::new(), None);
/// while let Some(firing) = schedule.next(after) {
///     assert_eq!(firing, schedule.firing(firing.stage));
///     let capacity = schedule.stage(firing.stage).capacity;
///     assert!(schedule.held(firing.stage) <= capacity.into());
///     assert!(firing.count <= schedule.room(firing.stage));
///     // Where rows have to move before the next ones are computed.
///     let shift = schedule.make_room(firing);
///     if shift != Shift::default() {
///         shifts.push((shift.from, shift.to, shift.count));
///     }
///     let next = firing.first + firing.count;
///     let demand = match schedule.stage(firing.stage).count(next) {
///         count @ 1.. if firing.stage == 1 => shape.demand(next, count).expect("rows"),
///         _ => Demand::default(),
///     };
///     schedule.fired(firing, demand);
///     order.push((firing.stage, firing.first));
///     after = Some(firing);
/// }
/// assert!(schedule.is_complete() && schedule.state(0).produced == 6);
/// let (begins, then) = ([(0, 0), (0, 1), (0, 2), (1, 0)], [(0, 3), (1, 1), (0, 4), (1, 2)]);
/// assert_eq!(order, [&begins[..], &then, &[(0, 5), (1, 3)]].concat());
/// // Two rows go to the start of the window whenever the third is computed.
/// assert_eq!(shifts, [(1, 0, 2); 3]);
/// ```
#[derive(Debug)]
pub struct Schedule<'s> {
    table: &'s [[u8; STAGE_BYTES]],
    states: &'s mut [State],
}

/// What is demanded when nothing is left to compute.
const DONE: Demand = Demand { from: u16::MAX, end: 0 };

impl<'s> Schedule<'s> {
    /// A chain that begins; the demands of all first rows are to be [set](Schedule::set_demand).
    /// `None` if a stage has no rows or reads a later one, if there is not one state for each, or if all
    /// have more than 65,535 rows together. See the example of [`Schedule`].
    pub fn begin(table: &'s [[u8; STAGE_BYTES]], states: &'s mut [State]) -> Option<Schedule<'s>> {
        if table.len() != states.len() || table.len() > MAX_STAGES {
            return None;
        }
        states.fill(State::default());
        let mut total = 0u16;
        for (i, &bytes) in table.iter().enumerate() {
            let stage = Stage::from_bytes(bytes);
            if stage.rows == 0 || stage.strip == 0 {
                return None;
            }
            total = total.checked_add(stage.rows)?;
            if stage.ends
                && !stage.is_whole()
                && let Some(state) = states.get_mut(i)
            {
                state.base = stage.count(0).wrapping_sub(stage.capacity);
            }
            for operand in stage.operands.into_iter().filter(|&operand| operand != OUTSIDE) {
                let operand = usize::from(operand);
                states.get_mut(operand).filter(|_| operand < i)?.reader = i as u8;
            }
        }
        Some(Schedule { table, states })
    }

    /// A chain that goes on.
    #[doc(hidden)]
    pub fn resume(table: &'s [[u8; STAGE_BYTES]], states: &'s mut [State]) -> Schedule<'s> {
        Schedule { table, states }
    }

    /// Number of stages. See the example of [`Schedule`].
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are no stages. See the example of [`Schedule`].
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// A stage; one without rows if there is none of this number. See the example of [`Schedule`].
    pub fn stage(&self, i: u8) -> Stage {
        Stage::from_bytes(self.table.get(usize::from(i)).copied().unwrap_or_default())
    }

    /// How far a stage is. See the example of [`Schedule`].
    pub fn state(&self, i: u8) -> State {
        self.states.get(usize::from(i)).copied().unwrap_or_default()
    }

    /// How far a stage is, to be changed.
    #[doc(hidden)]
    pub fn state_mut(&mut self, i: u8) -> Option<&mut State> {
        self.states.get_mut(usize::from(i))
    }

    /// The rows of a stage that come next. See the example of [`Schedule`].
    pub fn firing(&self, i: u8) -> Firing {
        let first = self.state(i).produced;
        Firing { stage: i, first, count: self.stage(i).count(first) }
    }

    /// Says what the next rows of a stage demand. See the example of [`Schedule`].
    pub fn set_demand(&mut self, i: u8, demand: Demand) {
        let left = self.firing(i).count != 0;
        if let Some(state) = self.state_mut(i) {
            state.demand = if left { demand } else { DONE };
        }
    }

    /// The first row that is still demanded of a stage, and whether one is that is not there yet.
    fn wanted(&self, i: u8, state: &State) -> (u16, bool) {
        let (mut keep, mut lacking) = (state.produced, state.reader == 0);
        let mut reader = usize::from(i);
        while reader < usize::from(state.reader) {
            reader += 1;
            let table = self.table.get(reader).zip(self.states.get(reader));
            let Some((&[.., first, second], State { demand, .. })) = table else { break };
            if first == i || second == i {
                keep = keep.min(demand.from);
                lacking |= demand.end > state.produced;
            }
        }
        (keep, lacking)
    }

    /// Rows that memory holds at most while the next ones of a stage are computed. See the example of [`Schedule`].
    pub fn held(&self, i: u8) -> u32 {
        let Firing { first, count, .. } = self.firing(i);
        u32::from(first - self.wanted(i, &self.state(i)).0) + u32::from(count)
    }

    /// Rows of a stage that there is room for. See the example of [`Schedule`].
    pub fn room(&self, i: u8) -> u16 {
        let (stage, state) = (self.stage(i), self.state(i));
        let produced = state.produced;
        let left = stage.rows.saturating_sub(produced);
        if stage.is_whole() {
            return left;
        }
        stage.capacity.saturating_sub(produced - self.wanted(i, &state).0).min(left)
    }

    /// The next rows of a stage, if it can compute them, and should.
    #[inline(never)]
    fn ready(&self, i: u8) -> Option<Firing> {
        let (stage, state) = (self.stage(i), self.states.get(usize::from(i))?);
        let count = stage.count(state.produced);
        let lacks =
            |o: u8| self.states.get(usize::from(o)).is_some_and(|o| o.produced < state.demand.end);
        // There is no state for what is outside.
        if count == 0 || lacks(stage.operands[0]) || lacks(stage.operands[1]) {
            return None;
        }
        if !stage.is_whole() {
            let (keep, lacking) = self.wanted(i, state);
            let held = u32::from(state.produced.wrapping_sub(keep)) + u32::from(count);
            if !lacking || held > stage.capacity.into() {
                return None;
            }
        }
        Some(Firing { stage: i, first: state.produced, count })
    }

    /// The rows that come next, of which `after` are the last ones. `None` if no stage can go on.
    /// See the example of [`Schedule`].
    pub fn next(&self, after: Option<Firing>) -> Option<Firing> {
        // Nothing that does not read a stage can go on because that one has.
        let last = match after.map(|firing| (self.state(firing.stage).reader, firing.stage)) {
            // Some rows may be left that nothing needs.
            Some((_, stage)) if self.firing(stage).count == 0 && self.is_complete() => return None,
            Some((reader, stage)) => reader.max(stage),
            None => (self.len() as u8).checked_sub(1)?,
        };
        (0..=last).rev().find_map(|i| self.ready(i))
    }

    /// Makes room for rows: what has to be moved before they are computed, if anything. Row `r` lies
    /// `r - base` rows behind the start, afterwards, modulo 2^16. See the example of [`Schedule`].
    pub fn make_room(&mut self, firing: Firing) -> Shift {
        let stage = self.stage(firing.stage);
        self.room_for(firing.stage, &stage, firing.count).unwrap_or_default()
    }

    /// The same for so many rows of a stage; `None` if nothing has to be moved.
    #[inline(always)]
    fn room_for(&mut self, i: u8, stage: &Stage, count: u16) -> Option<Shift> {
        let state = self.states.get(usize::from(i))?;
        let held = state.produced.wrapping_sub(state.base);
        if stage.is_whole() || u32::from(held) + u32::from(count) <= stage.capacity.into() {
            return None;
        }
        let keep = self.wanted(i, state).0;
        let from = keep.wrapping_sub(state.base).min(held);
        let kept = held.wrapping_sub(from);
        let room = stage.capacity.saturating_sub(kept).saturating_sub(count);
        let to = if stage.ends { room } else { 0 };
        let state = self.states.get_mut(usize::from(i))?;
        state.base = state.base.wrapping_add(from).wrapping_sub(to);
        Some(Shift { from, to, count: kept })
    }

    /// Drops rows of an operand that are not demanded any more once a stage has gone on, if the operand
    /// settles: what has to be moved in its window behind that.
    #[doc(hidden)]
    #[inline(always)]
    pub fn settle(&mut self, operand: u8) -> Option<Shift> {
        let stage = Stage::from_bytes(*self.table.get(usize::from(operand))?);
        if !stage.settles || stage.ends {
            return None;
        }
        let state = self.states.get(usize::from(operand))?;
        let held = state.produced.wrapping_sub(state.base);
        let from = self.wanted(operand, state).0.wrapping_sub(state.base).min(held);
        if stage.is_whole() || from == 0 {
            return None;
        }
        let state = self.states.get_mut(usize::from(operand))?;
        state.base = state.base.wrapping_add(from);
        Some(Shift { from, to: 0, count: held.wrapping_sub(from) })
    }

    /// Whether rows of some stage wait until stage 0 goes on.
    #[doc(hidden)]
    pub fn settles_late(&self) -> bool {
        self.table.iter().any(|&bytes| Stage::from_bytes(bytes).settles_late())
    }

    /// Makes room in all windows whose rows wait for stage 0, as it goes on.
    #[doc(hidden)]
    pub fn settle_all(&mut self) {
        for i in (0..self.len() as u8).rev() {
            let _ = self.settle_late(i);
        }
    }

    /// Makes room for the next rows of a stage before stage 0 goes on, if they wait for that. All stages do so,
    /// the last one first; stage 0 does when it goes on.
    #[doc(hidden)]
    pub fn settle_late(&mut self, i: u8) -> Option<Shift> {
        let stage = Stage::from_bytes(*self.table.get(usize::from(i))?);
        let count = stage.count(self.states.get(usize::from(i))?.produced);
        if !stage.settles_late() || i == 0 || count == 0 {
            return None;
        }
        self.room_for(i, &stage, count)
    }

    /// Begins with the next rows of a stage whose kernel has these rows: the strip to restrict the kernel
    /// to, and what has to be moved in the window of the result before. `None` if an offset overflows or
    /// some rows read none.
    #[doc(hidden)]
    pub fn fire(&mut self, i: u8, by: &ByRows<Place>) -> Option<(Strip<Place>, Shift)> {
        let stage = self.stage(i);
        let first = self.states.get(usize::from(i))?.produced;
        let count = stage.count(first);
        let shift = self.room_for(i, &stage, count).unwrap_or_default();
        let end = first.checked_add(count)?;
        let next = match stage.count(end) {
            0 => DONE,
            count => by.shape.demand(end, count)?,
        };
        let at = self.states.get_mut(usize::from(i))?;
        let (demand, base) = (at.demand, at.base);
        (at.produced, at.demand) = (end, next);
        let mut operands = [by.output.place; 2];
        for ((place, operand), link) in operands.iter_mut().zip(&by.operands).zip(stage.operands) {
            if let Some(tensor) = operand {
                // What is outside begins with row 0.
                let base = self.states.get(usize::from(link)).map_or(0, |state| state.base);
                *place = tensor.row(demand.from.wrapping_sub(base))?;
            }
        }
        let strip = Strip {
            count: count.into(),
            demand: demand.end.checked_sub(demand.from)?.into(),
            pad: by.shape.padding(first),
            operands,
            output: by.output.row(first.wrapping_sub(base))?,
        };
        Some((strip, shift))
    }

    /// Notes that rows have been computed, and what the next ones demand. See the example of [`Schedule`].
    pub fn fired(&mut self, firing: Firing, next: Demand) {
        if let Some(state) = self.state_mut(firing.stage) {
            state.produced = state.produced.saturating_add(firing.count);
        }
        self.set_demand(firing.stage, next);
        for operand in self.stage(firing.stage).operands {
            self.settle(operand);
        }
    }

    /// Whether the chain has made all rows of what it leaves. See the example of [`Schedule`].
    pub fn is_complete(&self) -> bool {
        let window = |i| self.state(i).reader != 0 && !self.stage(i).is_whole();
        (0..self.len() as u8).all(|i| window(i) || self.firing(i).count == 0)
    }
}
