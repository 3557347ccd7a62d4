//! A proof, independent of how memory was planned and shared, that every step reads what was
//! written for it.
//!
//! The arena's contents are followed through the whole program, over every way that its jumps
//! allow: each byte holds what was last written there, for one buffer or, after an elided copy, for
//! several. A byte that may hold different things holds what is common to them. Between the first
//! and the last byte of a strided write, gaps count as written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use microhlo_format::{Access, AccessKind, Overlap};

use super::program::{BufferId, Program, Ref};
use crate::chains::Trace;

/// A step that may read something else than was written for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} reads bytes {bytes:?} of buffer {buffer} ({name}), which may hold something else")]
pub struct Misread {
    /// The reader.
    pub what: String,
    /// What it wants to read.
    pub buffer: BufferId,
    /// Name of the buffer.
    pub name: String,
    /// Bytes of the arena.
    pub bytes: std::ops::Range<u32>,
}

/// Proves a program with its buffers at offsets of the arena; buffers without one are constants.
pub fn check(
    program: &Program,
    offset: &dyn Fn(BufferId) -> Option<u32>,
) -> Result<(), Box<Misread>> {
    let checker = Checker::new(program, offset);
    for chain in program.chains() {
        checker.disjoint(&chain)?;
    }
    for (&leader, contents) in &checker.settle() {
        let mut contents = contents.clone();
        let mut at = leader;
        loop {
            checker.reads(at, &contents)?;
            if at == program.steps.len() {
                break;
            }
            checker.execute(at, &mut contents);
            match checker.continues(at) {
                Some(next) => at = next,
                None => break,
            }
        }
    }
    Ok(())
}

/// What every cell of the arena holds: the buffers whose contents are there, or nothing known.
type Contents = Vec<Set>;
/// A set of buffers, ascending. Nearly all have one member.
type Set = std::rc::Rc<[BufferId]>;

struct Checker<'a> {
    program: &'a Program,
    offset: &'a dyn Fn(BufferId) -> Option<u32>,
    /// Where cells start; a cell is touched as a whole or not at all.
    starts: Vec<u32>,
    /// Steps that follow another one than the one before, or not only that.
    leaders: BTreeSet<usize>,
    /// Whether each step belongs to a chain.
    chained: Vec<bool>,
}

impl<'a> Checker<'a> {
    fn new(program: &'a Program, offset: &'a dyn Fn(BufferId) -> Option<u32>) -> Self {
        let mut leaders = BTreeSet::from([0, program.steps.len()]);
        let mut starts = BTreeSet::from([0]);
        let mut chained = vec![false; program.steps.len()];
        program.chains().for_each(|chain| chained[chain].fill(true));
        let (none, no_leaders) = (Vec::new(), BTreeSet::new());
        let mut checker = Checker { program, offset, starts: none, leaders: no_leaders, chained };
        for (i, step) in program.steps.iter().enumerate() {
            leaders.extend(step.kernel.targets().iter().map(|t| t.step as usize));
            if step.is_control() {
                leaders.insert(i + 1);
            }
            for (_, bytes) in checker.accesses(i) {
                starts.extend([bytes.start, bytes.end]);
            }
        }
        for io in program.inputs.iter().chain(&program.outputs) {
            let bytes = checker.whole(io.place.buffer);
            starts.extend([bytes.start, bytes.end]);
        }
        checker.starts = starts.into_iter().collect();
        checker.leaders = leaders;
        checker
    }

    /// The accesses of a step to the arena, with the bytes of the arena. Those of a step in a chain are
    /// of the rows that its buffers hold.
    fn accesses(&self, at: usize) -> Vec<(Access<Ref>, std::ops::Range<u32>)> {
        let mut all = Vec::new();
        let _ = self.program.steps[at].kernel.accesses(&mut |access| {
            if let Some(offset) = (self.offset)(access.place.buffer) {
                let base = i64::from(offset) + i64::from(access.place.offset);
                let mut bytes = (base + access.start) as u32..(base + access.end) as u32;
                if self.chained[at] {
                    bytes.end = bytes.end.min(self.whole(access.place.buffer).end);
                }
                if access.start < access.end {
                    all.push((access, bytes));
                }
            }
        });
        all
    }

    fn whole(&self, buffer: BufferId) -> std::ops::Range<u32> {
        let offset = (self.offset)(buffer);
        offset.map_or(0..0, |offset| offset..offset + self.program.buffers[buffer].bytes)
    }

    fn cells(&self, bytes: &std::ops::Range<u32>) -> std::ops::Range<usize> {
        let cell = |byte: &u32| self.starts.partition_point(|start| start < byte);
        cell(&bytes.start)..cell(&bytes.end)
    }

    /// Fails if buffers of a chain, whose steps run in turns, lie on each other.
    fn disjoint(&self, chain: &std::ops::Range<usize>) -> Result<(), Box<Misread>> {
        let steps = &self.program.steps[chain.clone()];
        let touched: BTreeSet<BufferId> =
            steps.iter().flat_map(Program::touched).map(|(_, buffer)| buffer).collect();
        let mut places: Vec<_> = touched.into_iter().map(|b| (self.whole(b), b)).collect();
        places.retain(|(bytes, _)| bytes.start < bytes.end);
        let trace = Trace::new(self.program, chain.start);
        for (i, (bytes, buffer)) in places.iter().enumerate() {
            for (other, with) in &places[..i] {
                let apart = other.end <= bytes.start || bytes.end <= other.start;
                let proved = |trace: &Trace| {
                    self.are_apart(trace, *buffer, *with) || self.are_apart(trace, *with, *buffer)
                };
                if !apart && !trace.as_ref().is_some_and(proved) {
                    let (what, bytes) = (format!("chain at step {}", chain.start), bytes.clone());
                    let name = self.program.buffers[*buffer].name.clone();
                    return Err(Box::new(Misread { what, buffer: *buffer, name, bytes }));
                }
            }
        }
        Ok(())
    }

    /// Whether a buffer is written in the chain that a step belongs to.
    fn is_written_by_chain(&self, at: usize, buffer: BufferId) -> bool {
        let writes = |&(kind, b): &(AccessKind, BufferId)| kind != AccessKind::Read && b == buffer;
        let mut chains = self.program.chains().filter(|chain| chain.contains(&at)).flatten();
        chains.any(|step| Program::touched(&self.program.steps[step]).iter().any(writes))
    }

    /// Whether of two values of a chain none is held where something of the other is.
    fn are_apart(&self, trace: &Trace, input: BufferId, output: BufferId) -> bool {
        let (above, below) = (self.whole(input).start, self.whole(output).start);
        let distance = u64::from(above).checked_sub(below.into());
        let mut near = trace.near().iter();
        near.any(|near| {
            let far = if near.same { distance == Some(0) } else { distance >= Some(near.distance) };
            (near.input, near.output) == (input, output) && far
        })
    }

    /// What the arena holds whenever control reaches a leader.
    fn settle(&self) -> BTreeMap<usize, Contents> {
        let mut contents: Contents = vec![Set::from([]); self.starts.len()];
        for input in &self.program.inputs {
            let buffer = input.place.buffer;
            contents[self.cells(&self.whole(buffer))].fill(Set::from([buffer]));
        }
        let mut known = BTreeMap::from([(0, contents)]);
        let mut work = BTreeSet::from([0]);
        while let Some(leader) = work.pop_first() {
            let mut contents = known[&leader].clone();
            let mut at = leader;
            while at < self.program.steps.len() {
                self.execute(at, &mut contents);
                let next = self.continues(at);
                let Some(next) = next else {
                    for successor in self.successors(at) {
                        if meet(&mut known, successor, &contents) {
                            work.insert(successor);
                        }
                    }
                    break;
                };
                at = next;
            }
        }
        known
    }

    /// The next step, if it is the only one and follows only this one.
    fn continues(&self, at: usize) -> Option<usize> {
        let only = !self.program.steps[at].is_control() && !self.leaders.contains(&(at + 1));
        only.then_some(at + 1)
    }

    fn successors(&self, at: usize) -> Vec<usize> {
        let step = &self.program.steps[at];
        let targets = step.kernel.targets().iter().map(|t| t.step as usize);
        targets.chain(step.falls_through().then_some(at + 1)).collect()
    }

    fn execute(&self, at: usize, contents: &mut Contents) {
        let step = &self.program.steps[at];
        let accesses = self.accesses(at);
        if step.elided {
            // A copy within the same memory: it holds the copy as well.
            let read = accesses.iter().find(|(a, _)| a.kind == AccessKind::Read);
            let written = accesses.iter().find(|(a, _)| a.kind == AccessKind::Write);
            if let (Some((_, from)), Some((to, bytes))) = (read, written)
                && from == bytes
            {
                for cell in &mut contents[self.cells(bytes)] {
                    let members = cell.iter().copied().chain([to.place.buffer]);
                    *cell = members.collect::<BTreeSet<_>>().into_iter().collect();
                }
            }
            return;
        }
        for (access, bytes) in accesses.iter().filter(|(a, _)| a.kind != AccessKind::Read) {
            contents[self.cells(bytes)].fill(Set::from([access.place.buffer]));
        }
    }

    /// Fails if a step, or the caller after the last, may not find what it reads.
    fn reads(&self, at: usize, contents: &Contents) -> Result<(), Box<Misread>> {
        let Some(step) = self.program.steps.get(at) else {
            return self.program.outputs.iter().try_for_each(|io| {
                let (buffer, bytes) = (io.place.buffer, self.whole(io.place.buffer));
                self.holds(contents, buffer, bytes, || format!("output `{}`", io.name))
            });
        };
        // An elided step that is no copy does nothing.
        let idle =
            step.elided && !self.accesses(at).iter().any(|(a, _)| a.kind == AccessKind::Write);
        let accesses = self.accesses(at);
        for (access, bytes) in &accesses {
            // What a chain finds must be there when it begins; of what it makes, what is held lies apart.
            if access.kind == AccessKind::Read && !idle && !self.chained[at] {
                let what = || format!("step {at} ({})", step.name);
                self.holds(contents, access.place.buffer, bytes.clone(), what)?;
                let left = |written| spares(written, (access, bytes));
                if !step.elided && !accesses.iter().all(left) {
                    return Err(self.misread(what(), access.place.buffer, bytes.clone()));
                }
            }
        }
        for inner in self.program.chains().filter(|chain| chain.start == at).flatten().skip(1) {
            for (access, bytes) in self.accesses(inner) {
                let found = !self.is_written_by_chain(at, access.place.buffer);
                if access.kind == AccessKind::Read && found {
                    let what = || format!("step {inner} ({})", step.name);
                    self.holds(contents, access.place.buffer, bytes, what)?;
                }
            }
        }
        Ok(())
    }

    fn holds(
        &self,
        contents: &Contents,
        buffer: BufferId,
        bytes: std::ops::Range<u32>,
        what: impl Fn() -> String,
    ) -> Result<(), Box<Misread>> {
        if contents[self.cells(&bytes)].iter().all(|cell| cell.contains(&buffer)) {
            return Ok(());
        }
        Err(self.misread(what(), buffer, bytes))
    }

    fn misread(&self, what: String, buffer: BufferId, bytes: std::ops::Range<u32>) -> Box<Misread> {
        let name = self.program.buffers[buffer].name.clone();
        Box::new(Misread { what, buffer, name, bytes })
    }
}

/// Whether a step that makes the first access leaves what it reads by the second as it is until it
/// has read it.
fn spares(
    written: &(Access<Ref>, std::ops::Range<u32>),
    read: (&Access<Ref>, &std::ops::Range<u32>),
) -> bool {
    let (access, bytes) = written;
    let apart = bytes.end <= read.1.start || read.1.end <= bytes.start;
    let behind = i64::from(read.1.start) - i64::from(bytes.start);
    let allowed = i32::try_from(behind).is_ok_and(|behind| read.0.overlap.allows(behind));
    match access.kind {
        AccessKind::Read => true,
        AccessKind::Write => apart || (allowed && access.overlap != Overlap::NEVER),
        AccessKind::Scratch => apart,
    }
}

/// Reduces what is known at a step to what another way to it agrees with; whether that changed
/// anything.
fn meet(known: &mut BTreeMap<usize, Contents>, at: usize, contents: &Contents) -> bool {
    let Some(old) = known.get_mut(&at) else {
        known.insert(at, contents.clone());
        return true;
    };
    let mut changed = false;
    let mut common: HashMap<(Set, Set), Set> = HashMap::new();
    for (a, b) in old.iter_mut().zip(contents).filter(|(a, b)| a != b) {
        let key = (a.clone(), b.clone());
        let both = common.entry(key).or_insert_with_key(|(a, b)| {
            a.iter().filter(|member| b.contains(member)).copied().collect()
        });
        changed |= *a != *both;
        *a = both.clone();
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::EntityId;
    use crate::lower::program::{Buffer, Io, Step, Storage};
    use microhlo_format::kernels::{Branch, Fill, Move, Rows, TableI8};
    use microhlo_format::rows::{OUTSIDE, Stage};
    use microhlo_format::{DType, Kernel, Target};

    fn place(buffer: usize) -> Ref {
        Ref { buffer: BufferId::new(buffer), offset: 0 }
    }

    fn copy(from: usize, to: usize) -> Step {
        let list = || [4].into_iter().collect();
        let kernel = Kernel::move_(Move {
            input: place(from),
            output: place(to),
            element: 4,
            sizes: list(),
            input_strides: [4].into_iter().collect(),
            output_strides: [4].into_iter().collect(),
        });
        Step::new(kernel, "copy")
    }

    fn fill(to: usize) -> Step {
        let fill = Fill { value: place(0), output: place(to), element: 4, count: 4 };
        Step::new(Kernel::fill(fill), "fill")
    }

    fn jump(predicate: Option<usize>, step: u32) -> Step {
        let predicate = predicate.map(place);
        let branch = Branch { predicate, when: true, target: Target::step(step) };
        Step::new(Kernel::branch(branch), "branch")
    }

    /// Buffer 0 is constant, 1 the input, and the last step's result the output.
    fn program(steps: Vec<Step>, output: usize) -> Program {
        let mut program = Program { steps, ..Program::default() };
        let io = |buffer| Io {
            name: "io".into(),
            dtype: DType::I32,
            dims: vec![4],
            place: place(buffer),
        };
        for i in 0..6 {
            let storage = match i {
                0 => Storage::Const([0; 16].into()),
                1 => Storage::Input,
                _ => Storage::Temp,
            };
            let name = format!("buffer {i}");
            program.buffers.push(Buffer { name, bytes: 16, align: 4, storage, born: 0 });
        }
        program.inputs = vec![io(1)];
        program.outputs = vec![io(output)];
        program
    }

    /// Checks with buffer `i` at `offsets[i]`; 0 has none.
    fn misread(program: &Program, offsets: [u32; 6]) -> Option<BufferId> {
        let offset = |b: BufferId| (b.index() > 0).then(|| offsets[b.index()]);
        check(program, &offset).err().map(|e| e.buffer)
    }

    #[test]
    fn what_lies_apart_is_read_as_written() {
        let program = program(vec![copy(1, 2), copy(2, 3)], 3);
        assert_eq!(misread(&program, [0, 0, 16, 32, 0, 0]), None);
        assert_eq!(misread(&program, [0, 0, 16, 0, 0, 0]), None, "the input is read before");
        assert_eq!(
            misread(&program, [0, 0, 16, 20, 0, 0]),
            Some(BufferId::new(2)),
            "the second copy overwrites what it reads"
        );
    }

    #[test]
    fn what_is_overwritten_or_never_written_is_noticed() {
        let overwritten = program(vec![copy(1, 2), fill(3), copy(2, 4)], 4);
        assert_eq!(misread(&overwritten, [0, 0, 16, 32, 48, 0]), None);
        assert_eq!(misread(&overwritten, [0, 0, 16, 28, 48, 0]), Some(BufferId::new(2)));
        let missing = program(vec![copy(2, 3)], 3);
        assert_eq!(misread(&missing, [0, 0, 16, 32, 0, 0]), Some(BufferId::new(2)));
        let output = program(vec![fill(2), fill(3)], 2);
        assert_eq!(misread(&output, [0, 0, 16, 20, 0, 0]), Some(BufferId::new(2)));
    }

    #[test]
    fn what_a_loop_needs_again_must_last() {
        // The loop reads 2 in every iteration, and then writes 3.
        let steps = vec![fill(2), copy(2, 4), fill(3), jump(Some(0), 1), copy(3, 5)];
        let program = program(steps, 5);
        assert_eq!(misread(&program, [0, 0, 16, 32, 48, 64]), None);
        assert_eq!(misread(&program, [0, 0, 16, 16, 48, 64]), Some(BufferId::new(2)));
    }

    #[test]
    fn every_way_to_a_step_counts() {
        // Only one of the ways writes 2.
        let steps = vec![jump(Some(0), 2), fill(2), copy(2, 3)];
        assert_eq!(misread(&program(steps, 3), [0, 0, 16, 32, 0, 0]), Some(BufferId::new(2)));
        let steps = vec![jump(Some(0), 3), fill(2), jump(None, 4), fill(2), copy(2, 3)];
        assert_eq!(misread(&program(steps, 3), [0, 0, 16, 32, 0, 0]), None);
    }

    #[test]
    fn an_elided_copy_is_good_for_both_until_one_is_written() {
        let elided = |steps| {
            let mut program = program(steps, 4);
            program.steps[0].elided = true;
            program
        };
        let reads = elided(vec![copy(1, 2), copy(2, 3), copy(1, 4)]);
        assert_eq!(misread(&reads, [0, 0, 0, 16, 32, 0]), None);
        assert_eq!(
            misread(&reads, [0, 0, 64, 16, 32, 0]),
            Some(BufferId::new(2)),
            "it was no copy"
        );
        let writes = elided(vec![copy(1, 2), fill(2), copy(1, 4)]);
        assert_eq!(misread(&writes, [0, 0, 0, 16, 32, 0]), Some(BufferId::new(1)));
    }

    /// A chain of two tables, from the input over a window of one row, buffer 2, to buffer 3.
    fn chain() -> Program {
        let table = |input, output| {
            let (input, output) = (place(input), place(output));
            Step::new(Kernel::table_i8(TableI8 { input, output, table: place(0), count: 16 }), "")
        };
        let stage = |capacity, operand| {
            let operands = [operand, OUTSIDE];
            Stage { rows: 4, strip: 1, capacity, operands, lead: 0, settles: false, ends: false }
        };
        let stages = [stage(1, OUTSIDE), stage(4, 0)].into_iter().collect();
        let rows = Rows { stages, state: place(5), sums: None, feed: None };
        let steps = vec![Step::new(Kernel::rows(rows), "rows"), table(1, 2), table(2, 3)];
        let mut program = program(steps, 3);
        program.buffers[BufferId::new(2)].bytes = 4;
        program.buffers[BufferId::new(5)].bytes = 32;
        program
    }

    #[test]
    fn a_chain_writes_only_what_it_has_read() {
        let chain = chain();
        assert_eq!(misread(&chain, [0, 0, 16, 32, 0, 64]), None, "all apart");
        assert_eq!(misread(&chain, [0, 0, 64, 0, 0, 32]), None, "rows over those that were read");
        assert_eq!(misread(&chain, [0, 4, 64, 0, 0, 32]), None, "further behind");
        let ahead = misread(&chain, [0, 0, 64, 4, 0, 32]);
        assert_eq!(ahead, Some(BufferId::new(3)), "rows over those that are still read");
        let window = misread(&chain, [0, 0, 32, 32, 0, 64]);
        assert_eq!(window, Some(BufferId::new(3)), "the window is used to the end");
        let state = misread(&chain, [0, 0, 16, 32, 0, 40]);
        assert_eq!(state, Some(BufferId::new(5)), "so is the state");
    }
}
