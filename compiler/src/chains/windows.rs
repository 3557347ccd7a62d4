//! The values of a chain: how many rows their windows need, and how near to each other they may lie.
//!
//! Of a window only the rows count that are still demanded: where those lie is followed from firing to
//! firing, as the device will. Two values may share bytes if at no time both hold something there: a
//! window with what another holds only before it, or only after; with the rows of a result that are
//! written when nothing reads the window any more; or with the first rows of a window that are no longer
//! demanded whenever others are computed.

use std::ops::Range;

use microhlo_format::rows::{self, Demand, MOST_LEAD, MOST_STRIP, RowShape, Schedule, Stage};

use super::held::{Above, Held};
use super::kernel::Over;

/// A chain by its numbers.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    /// The stages, with how many rows they compute at once and have room for.
    pub stages: Vec<Stage>,
    /// Which rows each stage reads of its operands; none if the caller feeds it.
    pub shapes: Vec<Option<RowShape>>,
    /// Bytes of a row of each stage's result. None if all is written with the last row.
    pub rows: Vec<Option<u32>>,
    /// Bytes of each stage's result if it is there as a whole.
    pub bytes: Vec<u64>,
    /// How rows that a stage computes may lie over those that it reads of each operand.
    pub over: Vec<[Option<Over>; 2]>,
    /// Values from outside that are read row by row.
    pub found: Vec<Found>,
    /// Results of which several stages write some columns each.
    pub joint: Vec<Joint>,
}

/// A result of several stages: it goes by the number of the last of them.
#[derive(Clone, Debug, Default)]
pub struct Joint {
    /// The stages, ascending.
    pub stages: Vec<usize>,
    /// Whether some of its columns were there before the chain.
    pub before: bool,
}

/// Of a strip, rows that are left over are few if they are at most one of so many.
const FEW: u16 = 4;

/// Where rows that are kept lie in their window while other stages go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rest {
    /// Where they were computed, until others need the room.
    #[default]
    There,
    /// At the start.
    Start,
    /// At the end.
    End,
    /// Where they were computed, until stage 0 goes on again: in front of the end from then on, so that the
    /// next ones end there.
    Late,
}

/// A value that is there before the chain begins.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its bytes.
    pub bytes: u64,
    /// The stages that read it.
    pub reads: Vec<Read>,
}

/// How a stage reads a value from outside.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// The stage.
    pub stage: usize,
    /// Where the first row begins, in bytes.
    pub offset: u32,
    /// Bytes of a row.
    pub row: u32,
}

/// How two values may lie over each other, named by number: results of stages first, then those from
/// outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near {
    /// The one that lies above.
    pub input: usize,
    /// The one that lies below.
    pub output: usize,
    /// Bytes from the start of the one below to that of the other, at least.
    pub distance: u64,
    /// Whether they may only start at the same byte.
    pub same: bool,
}

impl Windows {
    fn demand(&self, stage: u8, first: u16, count: u16) -> Option<Demand> {
        match self.shapes.get(usize::from(stage))? {
            Some(shape) => shape.demand(first, count),
            None => Some(Demand::default()),
        }
    }

    /// Gives all stages that are not whole the least rows with which the chain comes to its end.
    pub fn fit(&mut self) -> Option<()> {
        let bytes: Vec<u32> = self.rows.iter().map(|row| row.unwrap_or(0)).collect();
        let demands = &mut |stage, first, count| self.demand(stage, first, count);
        let least = rows::least_capacities(&self.stages, &bytes, demands)?;
        for (stage, capacity) in self.stages.iter_mut().zip(least) {
            stage.capacity = capacity;
        }
        Some(())
    }

    /// Gives all stages leads: as many rows as the first of their operands make possible, so that from then on
    /// no stage waits for a single row. `may` says how many a stage may begin with.
    pub fn lead(&mut self, may: &mut dyn FnMut(usize, u8) -> bool) {
        for at in 0..self.stages.len() {
            let stage = self.stages[at];
            let operands = stage.operands.into_iter().map(usize::from).filter(|&of| of < at);
            let possible = operands.map(|of| self.possible(at as u8, &self.stages[of])).min();
            let lead = possible.unwrap_or(0).min(stage.strip.min(MOST_LEAD.into()));
            if lead < stage.strip && lead > 0 && stage.strip <= MOST_STRIP && may(at, lead as u8) {
                self.stages[at].lead = lead as u8;
            }
        }
    }

    /// Rows of a stage that the first rows of an operand make possible, or as many more of these as it takes.
    fn possible(&self, at: u8, operand: &Stage) -> u16 {
        let (mut there, strip) = (0, self.stages[usize::from(at)].strip);
        while there < operand.rows {
            there += operand.count(there);
            let fits =
                |&count: &u16| self.demand(at, 0, count).is_some_and(|rows| rows.end <= there);
            if let Some(count) = (1..=strip).rev().find(fits) {
                return count;
            }
        }
        0
    }

    /// Gives all stages leads with which the last one begins with a whole strip, and the rows that would be left
    /// over in the end if they are few: of those before it, as many rows as that demands. `may` says whether a
    /// stage may begin with so many. `None` if some may not.
    pub fn lead_all(&mut self, may: &mut dyn FnMut(usize, u8) -> bool) -> Option<()> {
        for at in (0..self.stages.len()).rev() {
            let reads = |stage: &Stage| stage.operands.contains(&(at as u8));
            let Stage { rows, strip, .. } = self.stages[at];
            let left = Some(rows.checked_rem(strip)?).filter(|left| left * FEW <= strip);
            let mut lead = match at + 1 == self.stages.len() {
                true => strip + left.unwrap_or(0),
                false => 0,
            };
            for reader in (at + 1..self.stages.len()).filter(|&i| reads(&self.stages[i])) {
                let count = self.stages[reader].count(0);
                lead = self.demand(reader as u8, 0, count)?.end.max(lead);
            }
            let stage = &mut self.stages[at];
            if lead != 0 && lead != stage.strip {
                let lead = u8::try_from(lead).ok().filter(|&lead| lead <= MOST_LEAD)?;
                if stage.strip > MOST_STRIP || !may(at, lead) {
                    return None;
                }
                stage.lead = lead;
            }
        }
        Some(())
    }

    /// Makes windows so high that rows which are computed in place, at the end of theirs, meet those at the
    /// end of the operand's that they are made of, or the ones before. `None` if one would be a whole value.
    pub fn fit_in_place(&mut self) -> Option<()> {
        for at in (0..self.stages.len()).rev() {
            let Some(shape) = self.shapes[at] else { continue };
            let reach = shape.kernel.saturating_sub(1).saturating_mul(shape.dilation);
            let capacity = u32::from(self.stages[at].capacity).saturating_add(reach);
            for (operand, over) in self.stages[at].operands.into_iter().zip(self.over[at]) {
                let operand = self.stages.get_mut(usize::from(operand));
                let Some(operand) = operand.filter(|operand| !operand.is_whole()) else { continue };
                if matches!(over, Some(Over::InRows(_))) {
                    let least =
                        u16::try_from(capacity).ok().filter(|&least| least < operand.rows)?;
                    operand.capacity = least.max(operand.capacity);
                }
            }
        }
        Some(())
    }

    /// Whether rows of a stage are kept from firing to firing: where a reader sees others beside its own, or
    /// there are several.
    pub fn keeps(&self, at: usize) -> bool {
        let reads = |stage: &Stage| stage.operands.contains(&(at as u8));
        let mut readers = self.stages.iter().zip(&self.shapes).filter(|(stage, _)| reads(stage));
        let first = readers.next().and_then(|(_, shape)| *shape);
        first.is_some_and(|shape| shape.kernel > 1) || readers.next().is_some()
    }

    /// Says where rows rest in each window.
    pub fn rest(&mut self, rests: &[Rest]) {
        for (stage, rest) in self.stages.iter_mut().zip(rests) {
            stage.settles = matches!(rest, Rest::Start | Rest::Late);
            stage.ends = matches!(rest, Rest::End | Rest::Late);
        }
    }

    /// Bytes that a value needs.
    pub fn size(&self, value: usize) -> u64 {
        if self.value(value) != value {
            return 0;
        }
        match value.checked_sub(self.stages.len()) {
            Some(found) => self.found[found].bytes,
            None => match self.rows[value] {
                Some(row) => u64::from(row) * u64::from(self.stages[value].capacity),
                None => self.bytes[value],
            },
        }
    }

    fn joint(&self, stage: usize) -> Option<&Joint> {
        self.joint.iter().find(|joint| joint.stages.contains(&stage))
    }

    /// The number of a stage's result, or of a value from outside.
    fn value(&self, stage: usize) -> usize {
        self.joint(stage).and_then(|joint| joint.stages.last()).map_or(stage, |&last| last)
    }

    /// How values may lie over each other; `None` if the chain stalls. What lies above is always read
    /// before the other is written, or the distance is not zero.
    pub fn near(&self) -> Option<Vec<Near>> {
        let held = self.follow()?;
        let mut near = Vec::new();
        let mut add = |input, output, distance| {
            if held.is_same(input, output) {
                near.push(Near { input, output, distance: 0, same: true });
            } else if distance < self.size(output) {
                near.push(Near { input, output, distance, same: false });
            }
        };
        let stages = || (0..self.stages.len()).filter(|&stage| self.value(stage) == stage);
        for later in stages() {
            for found in self.stages.len()..held.count {
                add(found, later, held.distance(later, found));
            }
            for earlier in stages().take_while(|&earlier| earlier < later) {
                let distance = held.distance(later, earlier);
                add(earlier, later, distance);
                // The proof that results are found where they were written follows the order of stages.
                if !self.stages[earlier].is_whole() {
                    let back = held.distance(earlier, later);
                    if back < self.size(earlier) && !held.is_same(earlier, later) {
                        add(later, earlier, if distance > 0 { back.max(1) } else { back });
                    }
                }
            }
        }
        Some(near)
    }

    fn follow(&self) -> Option<Held> {
        let mut held = Held::new(self.stages.len() + self.found.len());
        let late: Vec<usize> =
            (1..self.stages.len()).rev().filter(|&at| self.stages[at].settles_late()).collect();
        let mut last = None;
        let demands = &mut |stage, first, count| self.demand(stage, first, count);
        rows::follow(&self.stages, demands, &mut |schedule, firing| {
            let mut changed = Vec::new();
            match last.replace(firing) {
                Some(last) => self.touched(last, &mut changed),
                None => changed.extend(0..held.count),
            }
            for value in changed {
                let range = match value.checked_sub(self.stages.len()) {
                    Some(found) => self.unread(schedule, &self.found[found]),
                    None => self.kept_of_all(schedule, value, None),
                };
                held.set(value, range, &[]);
            }
            if firing == 0 {
                late.iter().for_each(|&value| held.shift(value, self.kept(schedule, value, false)));
            }
            let value = self.value(firing.into());
            let over = self.over(schedule, firing.into());
            held.set(value, self.kept_of_all(schedule, value, Some(firing.into())), &over);
        })?;
        Some(held)
    }

    /// Operands that rows which are computed may lie over, and how, if rows that are kept do not matter.
    fn over(&self, schedule: &Schedule<'_>, value: usize) -> Vec<Above> {
        let (Some(row), demand) = (self.rows[value], schedule.state(value as u8).demand) else {
            return Vec::new();
        };
        if self.joint(value).is_some() {
            return Vec::new();
        }
        let count = schedule.firing(value as u8).count;
        let range = self.kept(schedule, value, true);
        let first = range.end - (u64::from(count) * u64::from(row)).min(range.end);
        // Only where rows wait for stage 0 are results in place: elsewhere other windows lie better.
        let late = self.stages.iter().any(Stage::settles_late);
        let operands = self.stages[value].operands.into_iter().zip(self.over[value]);
        let over = operands.filter_map(|(operand, over)| {
            let (operand, over) = (usize::from(operand), over?);
            let read = u64::from(*self.rows.get(operand)?.as_ref()?);
            let base = schedule.state(operand as u8).base;
            let read = u64::from(demand.from.wrapping_sub(base)) * read;
            let distance = match over {
                Over::Behind(least) => Some((first + least).saturating_sub(read)),
                Over::InRows(row) if late && range.start == first => {
                    [Some(0), Some(row)].contains(&read.checked_sub(first)).then_some(None)?
                }
                Over::InRows(_) => return None,
            };
            Some(Above { operand, kept: first, distance })
        });
        over.collect()
    }

    /// The values of which something else is held after a stage has gone on.
    fn touched(&self, stage: u8, values: &mut Vec<usize>) {
        let stage = usize::from(stage);
        let operands = self.stages[stage].operands.into_iter().map(usize::from);
        values.extend(operands.filter(|&operand| operand < stage));
        for (at, found) in self.found.iter().enumerate() {
            if found.reads.iter().any(|read| read.stage == stage) {
                values.push(self.stages.len() + at);
            }
        }
        // Rows that it computed may lie over those of operands that it read for the last time.
        values.push(self.value(stage));
    }

    /// The bytes of a value that are held while a stage goes on.
    fn kept_of_all(
        &self,
        schedule: &Schedule<'_>,
        value: usize,
        firing: Option<usize>,
    ) -> Range<u64> {
        let Some(joint) = self.joint(value) else {
            return self.kept(schedule, value, firing == Some(value));
        };
        if self.value(value) != value {
            return 0..0;
        }
        let written =
            joint.stages.iter().map(|&stage| self.kept(schedule, stage, firing == Some(stage)));
        let end = written.map(|range| range.end).max().unwrap_or(0);
        0..if joint.before { self.bytes[value] } else { end }
    }

    /// The bytes of a stage's result that are held: while it goes on, those of the rows that it computes
    /// among them.
    fn kept(&self, schedule: &Schedule<'_>, value: usize, goes_on: bool) -> Range<u64> {
        let (stage, state) = (schedule.stage(value as u8), schedule.state(value as u8));
        let firing = schedule.firing(value as u8);
        let produced = u32::from(firing.first);
        let keep = produced + u32::from(firing.count) - schedule.held(value as u8);
        let computed = produced + if goes_on { u32::from(firing.count) } else { 0 };
        let Some(row) = self.rows[value] else {
            return 0..if computed == u32::from(stage.rows) { self.bytes[value] } else { 0 };
        };
        let base = state.base;
        let at = |row: u32| u32::from((row as u16).wrapping_sub(base));
        let (mut first, mut end) = (if stage.is_whole() { 0 } else { at(keep) }, at(computed));
        let capacity = u32::from(stage.capacity);
        if !stage.is_whole() && end > capacity {
            // There is room for what is computed once rows have moved.
            let rows = computed - keep;
            first = if stage.ends { capacity - rows } else { 0 };
            end = first + rows;
        }
        u64::from(first) * u64::from(row)..u64::from(end) * u64::from(row)
    }

    /// The bytes of a value from outside that are still to be read.
    fn unread(&self, schedule: &Schedule<'_>, found: &Found) -> Range<u64> {
        let left = found.reads.iter().filter(|read| schedule.firing(read.stage as u8).count > 0);
        let first = left.map(|read| {
            let row = schedule.state(read.stage as u8).demand.from;
            u64::from(read.offset) + u64::from(row) * u64::from(read.row)
        });
        first.min().unwrap_or(found.bytes)..found.bytes
    }
}

#[cfg(test)]
mod tests {
    use microhlo_format::rows::OUTSIDE;
    use proptest::prelude::*;

    use super::*;

    /// A stage: its rows, bytes of a row, and what it reads: stages, kernel rows, stride and padding.
    type Row<'a> = (u16, u32, &'a [u8], [u32; 3]);

    /// A chain of one row at a time whose last stage is whole. Stages without operands are fed, but the first
    /// reads a value from outside if `found`.
    fn chain(table: &[Row<'_>], found: bool) -> Windows {
        let mut windows = Windows::default();
        for (at, &(rows, row, reads, [kernel, stride, pad])) in table.iter().enumerate() {
            let operands = [0, 1].map(|i| reads.get(i).copied().unwrap_or(OUTSIDE));
            let capacity = if at + 1 == table.len() { rows } else { 0 };
            let height = match reads.first() {
                Some(&of) => u32::from(windows.stages[usize::from(of)].rows),
                None => rows.into(),
            };
            let settles = false;
            windows.over.push([None; 2]);
            windows.stages.push(Stage {
                rows,
                strip: 1,
                lead: 0,
                capacity,
                operands,
                settles,
                ends: false,
            });
            windows.shapes.push((found || at > 0).then_some(RowShape {
                out_rows: rows.into(),
                in_rows: height,
                kernel,
                stride,
                pad: pad as i32,
                dilation: 1,
            }));
            windows.rows.push(Some(row));
            windows.bytes.push(u64::from(row) * u64::from(rows));
        }
        if found {
            let bytes = windows.bytes[0];
            let read = Read { stage: 0, offset: 0, row: windows.rows[0].unwrap_or(0) };
            windows.found.push(Found { bytes, reads: vec![read] });
        }
        windows.fit().expect("a chain");
        windows
    }

    fn distance(windows: &Windows, input: usize, output: usize) -> Option<u64> {
        let near = windows.near().expect("a chain");
        near.iter().find(|n| (n.input, n.output) == (input, output)).map(|n| n.distance)
    }

    const POINT: [u32; 3] = [1, 1, 0];
    const THREE: [u32; 3] = [3, 1, 1];

    #[test]
    fn of_two_branches_the_one_with_smaller_rows_waits() {
        let wide: [Row<'_>; 4] = [
            (20, 4, &[], POINT),
            (20, 1, &[0], POINT),
            (20, 1, &[0], [9, 1, 4]),
            (20, 1, &[1, 2], POINT),
        ];
        let capacities = |table| -> Vec<u16> {
            chain(table, false).stages.iter().map(|stage| stage.capacity).collect()
        };
        assert_eq!(capacities(&wide), [9, 1, 1, 20]);
        let mut narrow = wide;
        (narrow[0].1, narrow[1].1) = (1, 4);
        assert_eq!(capacities(&narrow), [9, 1, 1, 20]);
    }

    #[test]
    fn a_residual_waits_for_what_lies_between() {
        let between = |depth: u8| {
            let operands: Vec<[u8; 1]> = (0..depth).map(|i| [i]).collect();
            let mut table: Vec<Row<'_>> = vec![(20, 1, &[], POINT)];
            table.extend(operands.iter().map(|of| (20, 1, of.as_slice(), THREE)));
            let ends = [0, depth];
            table.push((20, 1, &ends, POINT));
            chain(&table, false).stages[0].capacity
        };
        assert_eq!([1, 2, 3, 4].map(between), [3, 3, 4, 5]);
    }

    #[test]
    fn what_is_held_only_before_another_may_lie_anywhere() {
        // A row of 0 is not needed any more when one of 2 is computed; that of 1 was made from it.
        let table: [Row<'_>; 5] = [
            (8, 4, &[], POINT),
            (8, 4, &[0], POINT),
            (8, 4, &[1], THREE),
            (8, 4, &[2], POINT),
            (8, 4, &[3], POINT),
        ];
        let windows = chain(&table, false);
        assert_eq!(windows.stages.iter().map(|s| s.capacity).collect::<Vec<_>>(), [1, 3, 1, 1, 8]);
        assert_eq!((distance(&windows, 0, 2), distance(&windows, 2, 0)), (Some(0), Some(0)));
        assert_eq!((distance(&windows, 0, 1), distance(&windows, 1, 0)), (None, None));
    }

    #[test]
    fn a_row_may_lie_over_one_that_was_read_for_the_last_time() {
        // When a row of 3 is computed, 2 has read the first of the three rows that 1 has room for.
        let table = |kernel, rows| -> [Row<'static>; 5] {
            [
                (8, 4, &[], POINT),
                (8, 4, &[0], POINT),
                (rows, 4, &[1], kernel),
                (rows, 4, &[2], POINT),
                (rows, 4, &[3], POINT),
            ]
        };
        let windows = chain(&table([3, 1, 0], 6), false);
        assert_eq!((distance(&windows, 1, 3), distance(&windows, 3, 1)), (Some(0), None));
        // With padding the second row needs it, too.
        let windows = chain(&table(THREE, 8), false);
        assert_eq!((distance(&windows, 1, 3), distance(&windows, 3, 1)), (None, None));
    }

    #[test]
    fn a_window_may_lie_over_rows_of_the_result_that_are_written_when_it_is_not_needed() {
        let table: [Row<'_>; 3] = [(8, 2, &[], POINT), (8, 4, &[0], THREE), (8, 4, &[1], POINT)];
        // Row 6 of the result is written before row 7 of the one before it is made of the last two of
        // three rows of the first.
        assert_eq!(distance(&chain(&table, false), 0, 2), Some(7 * 4 - 2));
    }

    #[test]
    fn columns_of_several_stages_are_one_value() {
        let table: [Row<'_>; 4] =
            [(8, 4, &[], POINT), (8, 4, &[0], THREE), (8, 8, &[1], POINT), (8, 8, &[1], POINT)];
        let mut windows = chain(&table, false);
        windows.stages[2].capacity = 8;
        let joint = |before| Joint { stages: vec![2, 3], before };
        windows.joint = vec![joint(false)];
        assert_eq!((windows.size(2), windows.size(3)), (0, 64));
        let with = |windows: &Windows, value| {
            let near = windows.near().expect("a chain");
            near.into_iter().filter(|n| n.input == value || n.output == value).count()
        };
        assert_eq!(with(&windows, 2), 0);
        assert!(distance(&windows, 0, 3).is_some(), "rows to come lie over the first window");
        // What was there before stays.
        windows.joint = vec![joint(true)];
        assert_eq!((with(&windows, 2), with(&windows, 3)), (0, 0));
    }

    /// Which row of which value lies in each byte.
    struct Memory<'a> {
        windows: &'a Windows,
        offsets: Vec<u64>,
        bytes: Vec<Option<(usize, u32)>>,
    }

    impl Memory<'_> {
        /// The bytes of a row of a value, if its memory begins with row `base`, modulo 2^16.
        fn place(&self, value: usize, row: u32, base: u16) -> Range<usize> {
            let bytes = match value.checked_sub(self.windows.stages.len()) {
                Some(found) => self.windows.found[found].reads[0].row,
                None => self.windows.rows[value].expect("rows"),
            };
            let row = (row as u16).wrapping_sub(base) as usize;
            let at = self.offsets[value] as usize + row * bytes as usize;
            at..at + bytes as usize
        }

        fn write(&mut self, value: usize, row: u32, base: u16) {
            let place = self.place(value, row, base);
            self.bytes[place].fill(Some((value, row)));
        }

        fn holds(&self, value: usize, row: u32, base: u16) -> bool {
            self.bytes[self.place(value, row, base)].iter().all(|b| *b == Some((value, row)))
        }

        /// Moves rows to where they lie if memory begins with row `base`. Whether they were there before.
        fn moved(
            &mut self,
            at: usize,
            rows: Range<u32>,
            known: &mut Option<u16>,
            base: u16,
        ) -> bool {
            let Some(before) = known.replace(base).filter(|&before| before != base) else {
                return true;
            };
            let there = rows.clone().all(|row| self.holds(at, row, before));
            rows.for_each(|row| self.write(at, row, base));
            there
        }

        /// Runs the chain. Whether all rows that are read are there, and all of the last result in the end.
        fn run(&mut self) -> bool {
            let windows = self.windows;
            let count = windows.stages.len();
            for (at, found) in windows.found.iter().enumerate() {
                let rows = found.bytes as u32 / found.reads[0].row;
                (0..rows).for_each(|row| self.write(count + at, row, 0));
            }
            let mut right = true;
            let mut bases: Vec<Option<u16>> = vec![None; count];
            let demands = &mut |stage, first, rows| windows.demand(stage, first, rows);
            rows::follow(&windows.stages, demands, &mut |schedule, stage| {
                // Rows of windows that settle have moved.
                for (at, known) in bases.iter_mut().enumerate().rev() {
                    let (base, firing) = (schedule.state(at as u8).base, schedule.firing(at as u8));
                    let produced = u32::from(firing.first);
                    let keep = produced + u32::from(firing.count) - schedule.held(at as u8);
                    right &= self.moved(at, keep..produced, known, base);
                }
                let (at, firing) = (usize::from(stage), schedule.firing(stage));
                let (state, held) = (schedule.state(stage), schedule.held(stage));
                let (first, rows) = (u32::from(firing.first), u32::from(firing.count));
                let (mut base, of) = (state.base, schedule.stage(stage));
                if ((first + rows) as u16).wrapping_sub(base) > of.capacity {
                    let keep = first + rows - held;
                    let to = if of.ends { of.capacity - held as u16 } else { 0 };
                    base = (keep as u16).wrapping_sub(to);
                    right &= self.moved(at, keep..first, &mut bases[at], base);
                }
                let demand = state.demand;
                let read = u32::from(demand.from)..u32::from(demand.end);
                let operands = of.operands.into_iter().zip(windows.over[at]);
                for (operand, _) in operands.clone().filter(|&(o, _)| o != OUTSIDE) {
                    let base = schedule.state(operand).base;
                    right &= read.clone().all(|row| self.holds(operand.into(), row, base));
                }
                for (found, value) in windows.found.iter().enumerate() {
                    if value.reads.iter().any(|read| read.stage == at) {
                        right &= read.clone().all(|row| self.holds(count + found, row, 0));
                    }
                }
                (first..first + rows).for_each(|row| self.write(at, row, base));
                // What was written must not have been where operands lie, unless it may.
                for (operand, over) in operands.filter(|&(o, _)| o != OUTSIDE) {
                    let from = schedule.state(operand).base;
                    right &= match over {
                        None => read.clone().all(|row| self.holds(operand.into(), row, from)),
                        Some(over) => {
                            let written = self.place(at, first, base).start as u64;
                            let end = self.place(at, first + rows - 1, base).end;
                            let start = self.place(operand.into(), demand.from.into(), from).start;
                            let behind = (start as u64).checked_sub(written);
                            let may = match over {
                                Over::Behind(least) => behind >= Some(least),
                                Over::InRows(row) => [Some(0), Some(row)].contains(&behind),
                            };
                            start >= end
                                || may
                                || read.clone().all(|row| self.holds(operand.into(), row, from))
                        }
                    };
                }
            })
            .expect("a chain");
            let last = u32::from(windows.stages[count - 1].rows);
            right && (0..last).all(|row| self.holds(count - 1, row, 0))
        }
    }

    /// Kernel rows, stride, padding, bytes of a row, and whether a sum with the operand follows.
    type Layer = (u32, u32, u32, u32, bool);

    fn layers() -> impl Strategy<Value = Vec<Layer>> {
        let layer = (1u32..5, 1u32..3, 0u32..3, 1u32..5, any::<bool>());
        prop::collection::vec(layer, 1..6)
    }

    fn rest() -> impl Strategy<Value = (Rest, bool)> {
        let rests = vec![Rest::There, Rest::Start, Rest::End, Rest::Late];
        (prop::sample::select(rests), any::<bool>())
    }

    /// The chain in longer strips with leads, with rows that rest where these say, and some over those that they
    /// see: behind them if that is one at a time, else in place.
    fn varied(mut windows: Windows, strip: u16, rests: &[(Rest, bool)]) -> Windows {
        for (at, (_, over)) in (0..windows.stages.len()).zip(rests) {
            windows.stages[at].strip = strip.min(windows.stages[at].rows);
            let least = windows.rows[at].map(|row| Over::Behind(row.into())).filter(|_| *over);
            let alone = windows.shapes[at].is_some_and(|shape| shape.kernel == 1);
            let of = usize::from(windows.stages[at].operands[0]);
            let even = windows.rows.get(of).copied().flatten().filter(|_| *over);
            let in_rows = even
                .filter(|&row| Some(row) == windows.rows[at])
                .map(|row| Over::InRows(row.into()));
            windows.over[at] = if alone { [least; 2] } else { [in_rows, None] };
        }
        let last = windows.stages.len() - 1;
        windows.stages[..last].iter_mut().for_each(|stage| stage.capacity = 0);
        let late = rests[..=last].iter().any(|(rest, _)| *rest == Rest::Late);
        match late {
            true => windows.lead_all(&mut |_, _| true).expect("few rows"),
            false => windows.lead(&mut |_, _| true),
        }
        windows.rest(&rests.iter().map(|(rest, _)| *rest).collect::<Vec<_>>());
        windows.fit().expect("a chain");
        let capacities: Vec<u16> = windows.stages.iter().map(|stage| stage.capacity).collect();
        if late && windows.fit_in_place().is_none() {
            let stages = windows.stages.iter_mut().zip(capacities);
            stages.for_each(|(stage, capacity)| stage.capacity = capacity);
        }
        windows
    }

    /// Of two windows, rows that are kept rest at the start of one and at the end of the other.
    #[test]
    fn two_windows_share_the_bytes_between_rows_that_rest() {
        let table: [Row<'_>; 5] = [
            (24, 1, &[], POINT),
            (24, 1, &[0], THREE),
            (24, 1, &[1], POINT),
            (24, 1, &[2], THREE),
            (24, 1, &[3], POINT),
        ];
        let rests = [Rest::Start, Rest::There, Rest::End, Rest::There, Rest::There];
        let windows = varied(chain(&table, true), 4, &rests.map(|rest| (rest, false)));
        let sizes: Vec<(u16, u8)> =
            windows.stages.iter().map(|stage| (stage.capacity, stage.lead)).collect();
        assert_eq!(sizes, [(6, 0), (4, 3), (6, 3), (4, 2), (24, 2)]);
        // Two rows of the first are kept while others of the second are there, and vice versa.
        assert_eq!(distance(&windows, 2, 0), Some(2));
        assert_eq!(distance(&windows, 1, 0), None, "they are read as it is computed");
        assert_eq!(distance(&windows, 3, 0), Some(2), "computed when two rows are kept");
    }

    proptest! {
        /// Any two values lie at the least distance, all others apart.
        #[test]
        fn values_at_their_distance_are_read_as_written(
            height in 4u16..14,
            layers in layers(),
            strip in 1u16..4,
            rests in prop::collection::vec(rest(), 12),
        ) {
            let mut table: Vec<(u16, u32, Vec<u8>, [u32; 3])> = vec![(height, 2, vec![], POINT)];
            for (kernel, stride, pad, row, residual) in layers {
                let (of, rows) = (table.len() as u8 - 1, table[table.len() - 1].0);
                let pad = pad.min(kernel - 1);
                let stride = if residual { 1 } else { stride };
                // As many rows as begin in the operand, so that some may end in padding.
                let out = if residual { rows } else { rows.div_ceil(stride as u16) };
                table.push((out, row, vec![of], [kernel, stride, pad]));
                if residual {
                    table.push((out, row, vec![of, of + 1], POINT));
                }
            }
            let table: Vec<Row<'_>> =
                table.iter().map(|(rows, row, of, shape)| (*rows, *row, of.as_slice(), *shape)).collect();
            let windows = varied(chain(&table, true), strip, &rests);
            let count = windows.stages.len() + 1;
            let near = windows.near().expect("a chain");
            for Near { input, output, distance, same } in near {
                for further in 0..if same { 1 } else { 2 } {
                    let mut offsets: Vec<u64> = (0..count as u64).map(|i| (i + 1) * 1000).collect();
                    offsets[output] = 0;
                    offsets[input] = distance + further;
                    let bytes = vec![None; (count + 1) * 1000];
                    let mut memory = Memory { windows: &windows, offsets, bytes };
                    prop_assert!(memory.run(), "{input} behind {output} by {distance}: {windows:?}");
                }
            }
        }
    }
}
