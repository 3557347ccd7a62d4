//! What a chain needs, for the compiler.

use std::vec;
use std::vec::Vec;

use super::{Demand, OUTSIDE, STAGE_BYTES, Schedule, Stage, State};

/// The demand of `count` rows from `first` on of a stage: `demand(stage, first, count)`; `None` if they
/// read no row. See the example of [`least_capacities`].
pub type Demands<'d> = &'d mut dyn FnMut(u8, u16, u16) -> Option<Demand>;

/// Follows the rule to the end and tells `seen` of each state before rows are computed. Whether the
/// chain comes to its end. See the example of [`least_capacities`].
pub fn follow(
    stages: &[Stage],
    demands: Demands<'_>,
    seen: &mut dyn FnMut(&Schedule<'_>, u8),
) -> Option<()> {
    let table: Vec<[u8; STAGE_BYTES]> = stages.iter().map(|stage| stage.to_bytes()).collect();
    let mut states = vec![State::default(); table.len()];
    let mut schedule = begin(&table, &mut states, demands)?;
    run(&mut schedule, demands, seen)?;
    schedule.is_complete().then_some(())
}

/// A chain that begins, with what its first rows demand.
fn begin<'s>(
    table: &'s [[u8; STAGE_BYTES]],
    states: &'s mut [State],
    demands: Demands<'_>,
) -> Option<Schedule<'s>> {
    let mut schedule = Schedule::begin(table, states)?;
    for i in 0..schedule.len() as u8 {
        let count = schedule.stage(i).count(0);
        schedule.set_demand(i, demands(i, 0, count)?);
    }
    Some(schedule)
}

/// Goes on as far as there is room.
fn run(
    schedule: &mut Schedule<'_>,
    demands: Demands<'_>,
    seen: &mut dyn FnMut(&Schedule<'_>, u8),
) -> Option<()> {
    let mut after = None;
    while let Some(firing) = schedule.next(after) {
        if firing.stage == 0 {
            schedule.settle_all();
        }
        seen(schedule, firing.stage);
        schedule.make_room(firing);
        let (first, stage) = (firing.first + firing.count, schedule.stage(firing.stage));
        let next = match stage.count(first) {
            0 => Demand::default(),
            count => demands(firing.stage, first, count)?,
        };
        schedule.fired(firing, next);
        after = Some(firing);
    }
    Some(())
}

impl Schedule<'_> {
    /// The rows that a stage lacks room for, if nothing else keeps it from going on.
    fn missing(&self, i: u8) -> Option<u32> {
        let (stage, state) = (self.stage(i), self.state(i));
        let lacks = |o: u8| o != OUTSIDE && self.state(o).produced < state.demand.end;
        let waits = stage.count(state.produced) > 0 && !stage.operands.into_iter().any(lacks);
        let missing = self.held(i).saturating_sub(stage.capacity.into());
        (waits && self.wanted(i, &state).1 && missing > 0).then_some(missing)
    }
}

/// The least capacities with which the stages never wait in vain: of those that are whole, all rows. If several
/// wait for room, the one gets more that needs the fewest bytes for it; a row of each has so many. `None` if
/// the stages are no chain.
///
/// ```
/// use microhlo_format::rows::{Demand, OUTSIDE, RowShape, Stage, follow, least_capacities, links};
///
/// let kernel = RowShape { out_rows: 4, in_rows: 6, kernel: 3, stride: 1, pad: 0, dilation: 1 };
/// let mut demands = |stage: u8, first: u16, count: u16| match stage {
///     0 => Some(Demand::default()),
///     _ => kernel.demand(first, count),
/// };
/// // The second of two steps reads what the first one writes.
/// let operands = links(&[([Some("x"), None], "y"), ([Some("y"), None], "z")]);
/// assert_eq!(operands, [[OUTSIDE, OUTSIDE], [0, OUTSIDE]]);
/// let (strip, lead, settles, ends) = (1, 0, false, false);
/// let stage = |rows, capacity, operands| Stage {
///     rows, strip, lead, capacity, operands, settles, ends,
/// };
/// let mut stages = [stage(6, 0, operands[0]), stage(4, 4, operands[1])];
/// // A row of the first takes 32 bytes, one of the second 16.
/// let capacities = least_capacities(&stages, &[32, 16], &mut demands);
/// assert_eq!(capacities, Some(vec![3, 4]));
/// stages[0].capacity = 3;
/// let mut order = Vec::new();
/// assert_eq!(follow(&stages, &mut demands, &mut |_, stage| order.push(stage)), Some(()));
/// assert_eq!(order, [0, 0, 0, 1, 0, 1, 0, 1, 0, 1]);
/// ```
pub fn least_capacities(
    stages: &[Stage],
    row_bytes: &[u32],
    demands: Demands<'_>,
) -> Option<Vec<u16>> {
    let (mut capacities, needed) = spans(stages, demands)?;
    let with = |capacities: &[u16]| -> Vec<[u8; STAGE_BYTES]> {
        let sized = stages.iter().zip(capacities);
        sized.map(|(&stage, &capacity)| Stage { capacity, ..stage }.to_bytes()).collect()
    };
    let mut table = with(&capacities);
    let mut states = vec![State::default(); table.len()];
    let mut schedule = begin(&table, &mut states, demands)?;
    // Some rows are demanded only by what nothing needs.
    let mut most = vec![1; stages.len()];
    loop {
        run(&mut schedule, demands, &mut |schedule, i| {
            let held = schedule.held(i).min(u32::from(u16::MAX)) as u16;
            if let Some(most) = most.get_mut(usize::from(i)) {
                *most = held.max(*most);
            }
        })?;
        if schedule.is_complete() {
            let whole =
                |(stage, most): (&Stage, u16)| if stage.is_whole() { stage.rows } else { most };
            return Some(stages.iter().zip(most).map(whole).collect());
        }
        let bytes = |stage: u8, rows: u32| {
            u64::from(rows) * u64::from(row_bytes.get(usize::from(stage)).copied().unwrap_or(1))
        };
        let (stage, rows) = (0..schedule.len() as u8)
            .filter(|&i| {
                needed.get(usize::from(i)).is_some_and(|&n| schedule.state(i).produced < n)
            })
            .filter_map(|i| Some((i, schedule.missing(i)?)))
            .min_by_key(|&(i, rows)| (bytes(i, rows), i))?;
        let capacity = capacities.get_mut(usize::from(stage))?;
        *capacity = u16::try_from(u32::from(*capacity) + rows).ok()?;
        table = with(&capacities);
        schedule = Schedule::resume(&table, &mut states);
    }
}

/// The most rows that a firing of each stage computes, or one of its readers demands; of those that are
/// whole, all. With it, the rows of each that are needed. Rows that neither the last stage nor a whole one
/// needs demand nothing: the chain ends before they are computed.
fn spans(stages: &[Stage], demands: Demands<'_>) -> Option<(Vec<u16>, Vec<u16>)> {
    let mut spans: Vec<u16> = stages.iter().map(|stage| stage.count(0)).collect();
    let end = |stage: &Stage| if stage.is_whole() { stage.rows } else { 0 };
    let mut needed: Vec<u16> = stages.iter().map(end).collect();
    if let (Some(needed), Some(last)) = (needed.last_mut(), stages.last()) {
        *needed = last.rows;
    }
    // Readers come after what they read.
    for (i, stage) in stages.iter().enumerate().rev() {
        let mut first = 0;
        while stage.count(first) > 0 && first < *needed.get(i)? {
            let demand = demands(i as u8, first, stage.count(first))?;
            for operand in stage.operands.into_iter().filter(|&operand| operand != OUTSIDE) {
                let operand = usize::from(operand);
                let (span, needed) = (spans.get_mut(operand)?, needed.get_mut(operand)?);
                *span = demand.end.saturating_sub(demand.from).max(*span);
                *needed = demand.end.max(*needed);
            }
            first += stage.count(first);
        }
    }
    for (stage, span) in stages.iter().zip(&mut spans).filter(|(stage, _)| stage.is_whole()) {
        *span = stage.rows;
    }
    Some((spans, needed))
}

/// Whether a chain with the capacities it has comes to its end.
#[cfg(test)]
pub(super) fn completes(stages: &[Stage], demands: Demands<'_>) -> bool {
    follow(stages, demands, &mut |_, _| ()).is_some()
}

/// The operands of stages, from what each reads and what it writes: that of the nearest earlier stage.
/// See the example of [`least_capacities`].
pub fn links<P: PartialEq>(stages: &[([Option<P>; 2], P)]) -> Vec<[u8; 2]> {
    let find = |before: usize, read: &Option<P>| {
        let Some(read) = read else { return OUTSIDE };
        let earlier = stages.get(..before).unwrap_or_default();
        earlier.iter().rposition(|(_, written)| written == read).map_or(OUTSIDE, |at| at as u8)
    };
    stages
        .iter()
        .enumerate()
        .map(|(i, (reads, _))| [find(i, &reads[0]), find(i, &reads[1])])
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::RowShape;
    use super::*;

    /// Stages with the shape of what each reads.
    #[derive(Clone, Debug)]
    struct Chain(Vec<(Stage, RowShape)>);

    impl Chain {
        fn stages(&self) -> Vec<Stage> {
            self.0.iter().map(|(stage, _)| *stage).collect()
        }

        fn demand(&self, i: u8, first: u16, count: u16) -> Option<Demand> {
            self.0[usize::from(i)].1.demand(first, count)
        }

        fn with(&self, capacities: &[u16]) -> Vec<Stage> {
            let stages = self.stages();
            let with = stages.iter().zip(capacities);
            with.map(|(&stage, &capacity)| Stage { capacity, ..stage }).collect()
        }

        fn least(&self) -> Vec<u16> {
            let bytes = vec![1; self.0.len()];
            least_capacities(&self.stages(), &bytes, &mut |i, y, n| self.demand(i, y, n)).unwrap()
        }

        fn completes(&self, capacities: &[u16]) -> bool {
            completes(&self.with(capacities), &mut |i, y, n| self.demand(i, y, n))
        }
    }

    /// What a stage is made from: kernel rows, stride, padding, dilation, strip, and whether a sum with
    /// the stage's operand follows, as at the end of a residual block.
    type Layer = (u32, u32, u32, u32, u16, bool);

    fn chain(height: u32, layers: &[Layer]) -> Chain {
        let mut stages: Vec<(Stage, RowShape)> = Vec::new();
        let mut rows = height;
        let mut push = |rows: u32, strip: u16, operands, shape| {
            let (rows, strip) = (rows as u16, strip.min(rows as u16));
            let (settles, ends) = (stages.len() % 3 == 1, stages.len() % 3 == 2);
            let lead = (stages.len() % 4) as u8;
            stages.push((Stage { rows, strip, capacity: 0, operands, lead, settles, ends }, shape));
            stages.len() as u8 - 1
        };
        let mut last = OUTSIDE;
        for &(kernel, stride, pad, dilation, strip, residual) in layers {
            let reach = (kernel - 1) * dilation + 1;
            let pad = pad.min(reach - 1);
            let (stride, below) = if residual { (1, reach - 1 - pad) } else { (stride, pad) };
            if rows + pad + below < reach {
                break;
            }
            let out = (rows + pad + below - reach) / stride + 1;
            let pad = pad as i32;
            let shape = RowShape { out_rows: out, in_rows: rows, kernel, stride, pad, dilation };
            let of = last;
            last = push(out, strip, [of, OUTSIDE], shape);
            if residual && of != OUTSIDE {
                last = push(out, strip, [of, last], RowShape::elementwise(out));
            }
            rows = out;
        }
        if let Some((stage, _)) = stages.last_mut() {
            stage.capacity = stage.rows;
        }
        Chain(stages)
    }

    fn chains(residual: impl Strategy<Value = bool>) -> impl Strategy<Value = Chain> {
        let layer = (1u32..5, 1u32..4, 0u32..4, 1u32..3, 1u16..4, residual);
        (1u32..40, prop::collection::vec(layer, 1..8))
            .prop_map(|(height, layers)| chain(height, &layers))
            .prop_filter("no row lies in padding alone", |chain| {
                chain
                    .0
                    .iter()
                    .all(|(stage, shape)| (0..stage.rows).all(|y| shape.demand(y, 1).is_some()))
            })
    }

    proptest! {
        #[test]
        fn least_capacities_suffice(chain in chains(any::<bool>())) {
            prop_assert!(chain.completes(&chain.least()));
        }

        #[test]
        fn one_row_less_stalls(chain in chains(Just(false))) {
            let least = chain.least();
            for at in (0..least.len().saturating_sub(1)).filter(|&at| least[at] > 1) {
                let mut less = least.clone();
                less[at] -= 1;
                prop_assert!(!chain.completes(&less), "stage {at} of {least:?}");
            }
        }

        #[test]
        fn windows_hold_what_is_read(chain in chains(any::<bool>())) {
            let stages = chain.with(&chain.least());
            let demands = &mut |i, y, n| chain.demand(i, y, n);
            let mut bad = false;
            follow(&stages, demands, &mut |schedule, i| {
                let demand = schedule.state(i).demand;
                for operand in schedule.stage(i).operands {
                    let state = schedule.state(operand);
                    bad |= operand != OUTSIDE
                        && !(demand.from.wrapping_sub(state.base) < 1 << 15
                            && demand.end <= state.produced);
                }
                let (stage, state) = (schedule.stage(i), schedule.state(i));
                bad |= !stage.is_whole() && state.produced.wrapping_sub(state.base) > stage.capacity;
            }).unwrap();
            prop_assert!(!bad);
        }
    }

    #[test]
    fn a_three_row_kernel_holds_three_rows() {
        let layers = [(10, 2, 4, 1, 1, false), (3, 1, 1, 1, 1, false), (1, 1, 0, 1, 1, false)];
        let mut chain = chain(25, &layers);
        let rows = chain.0[2].0.rows;
        chain.0.iter_mut().for_each(|(stage, _)| stage.lead = 0);
        assert_eq!(chain.least(), [3, 1, rows]);
        // The last one begins with two rows, made of two.
        chain.0[2].0.lead = 2;
        assert_eq!(chain.least(), [3, 2, rows]);
        assert!(!chain.completes(&[3, 1, rows]));
    }

    #[test]
    fn stages_that_read_later_ones_are_no_chain() {
        let operands = [1, OUTSIDE];
        let stage =
            Stage { rows: 2, strip: 1, capacity: 2, operands, lead: 0, settles: true, ends: false };
        let table = [stage.to_bytes(); 2];
        assert!(Schedule::begin(&table, &mut [State::default(); 2]).is_none());
        assert!(Schedule::begin(&table[..1], &mut [State::default(); 2]).is_none());
        assert_eq!(Stage::from_bytes(stage.to_bytes()), stage);
    }

    #[test]
    fn operands_are_found_by_place() {
        let stages = [
            ([Some(0), None], 1),
            ([Some(1), None], 2),
            ([Some(1), Some(2)], 1),
            ([Some(1), None], 3),
        ];
        assert_eq!(links(&stages), [[OUTSIDE; 2], [0, OUTSIDE], [0, 1], [2, OUTSIDE]]);
    }
}
