//! The order of steps: of what runs between branches, the order that needs the least memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use microhlo_format::{Access, AccessKind, Kernel, Target};

use super::liveness::{Flow, Life, covers, lives, whole_copy};
use super::program::{Buffer, BufferId, Program, Ref, Step, Storage};
use super::share::in_place_pairs;
use crate::compile::ScheduleReport;
use crate::ir::{EntityId, ValueId};
use crate::schedule::{self, Graph, Order, Task, TaskId, Tensor, TensorId, Variant};

/// A program in another order.
#[derive(Clone, Debug)]
pub struct Ordered {
    /// The program, if it is not the given one.
    pub program: Option<Program>,
    /// What the order is worth.
    pub report: ScheduleReport,
}

/// Steps between branches, as a graph.
struct Region {
    steps: Range<usize>,
    graph: Graph,
    /// The buffer of each tensor.
    buffers: Vec<BufferId>,
}

/// Looks for an order of the steps, and for cheap ones to repeat, that lowers the most that is alive
/// at once. Buffers must not share memory yet; branches stay where they are.
pub fn reorder(program: &Program, options: &schedule::Options) -> Ordered {
    let lives = lives(program, &Flow::new(program));
    let regions: Vec<Region> =
        straight(program).into_iter().filter_map(|steps| region(program, &lives, steps)).collect();
    let given = |region: &Region| region.graph.peak(&region.graph.given()).0;
    let fixed = alive_at_branches(program, &lives);
    let given_peak = regions.iter().map(given).max().unwrap_or(0).max(fixed);
    let bounds = regions.iter().map(|region| schedule::lower_bound(&region.graph, options));
    let floor = bounds.max().unwrap_or(0).max(fixed);
    let orders: Vec<Order> =
        regions.iter().map(|r| schedule::order(&r.graph, floor, options)).collect();
    let mut report = ScheduleReport {
        given_peak_bytes: given_peak,
        peak_bytes: orders.iter().map(|order| order.peak).max().unwrap_or(0).max(fixed),
        lower_bound_bytes: orders.iter().map(|order| order.lower_bound).max().unwrap_or(floor),
        reordered: false,
        repeated: 0,
        tries: orders.iter().map(|order| order.tries).sum(),
    };
    let repeated = repeat(&regions, &orders, &mut report, fixed, options);
    let mut reordered = None;
    if report.peak_bytes < given_peak {
        let peak = report.peak_bytes;
        let choice = |(region, (order, repeated)): (&Region, (&Order, Option<Variant>))| {
            let variant = match repeated {
                _ if given(region) <= peak => return None,
                Some(repeated) if order.peak > peak => repeated,
                _ => Variant::new(&region.graph, &order.tasks),
            };
            Some(variant)
        };
        let variants: Vec<Option<Variant>> =
            regions.iter().zip(orders.iter().zip(repeated)).map(choice).collect();
        let added = |v: &Variant| v.origin.len() - v.origin.iter().collect::<BTreeSet<_>>().len();
        report.repeated = variants.iter().flatten().map(added).sum();
        report.reordered = true;
        reordered = Some(rewritten(program, &regions, &variants));
    }
    Ordered { program: reordered, report }
}

/// Repeats steps in the regions that hold the peak, as far as that lowers it.
fn repeat(
    regions: &[Region],
    orders: &[Order],
    report: &mut ScheduleReport,
    fixed: u64,
    options: &schedule::Options,
) -> Vec<Option<Variant>> {
    let rest = orders.iter().map(|order| order.peak).filter(|&peak| peak < report.peak_bytes).max();
    let floor = rest.unwrap_or(0).max(fixed);
    let (mut peak, mut lower_bound) = (floor, floor);
    let mut variants = Vec::new();
    for (region, order) in regions.iter().zip(orders) {
        let high = order.peak == report.peak_bytes && order.peak > floor;
        let lower =
            high.then(|| schedule::repeated(&region.graph, &order.tasks, floor, options)).flatten();
        if high {
            peak = peak.max(lower.as_ref().map_or(order.peak, |(_, order)| order.peak));
            let bound = lower.as_ref().map_or(order.lower_bound, |(_, order)| order.lower_bound);
            lower_bound = lower_bound.max(bound);
        }
        variants.push(lower.map(|(variant, _)| variant));
    }
    if peak < report.peak_bytes {
        (report.peak_bytes, report.lower_bound_bytes) = (peak, lower_bound.min(peak));
    }
    variants
}

/// Longest runs of steps that are entered at the first and left after the last.
fn straight(program: &Program) -> Vec<Range<usize>> {
    let n = program.steps.len();
    let mut cuts = BTreeSet::from([n]);
    for (i, step) in program.steps.iter().enumerate() {
        cuts.extend(step.kernel.targets().iter().map(|target| target.step as usize));
        if step.is_control() {
            cuts.extend([i, i + 1]);
        }
    }
    let mut runs = Vec::new();
    let mut start = 0;
    for cut in cuts.into_iter().filter(|&cut| cut <= n) {
        if start < cut && !program.steps[start].is_control() {
            runs.push(start..cut);
        }
        start = cut;
    }
    runs
}

/// Most bytes alive at a branch. No order changes that.
fn alive_at_branches(program: &Program, lives: &BTreeMap<BufferId, Life>) -> u64 {
    let branches = program.steps.iter().enumerate().filter(|(_, step)| step.is_control());
    let alive = |(at, _): (usize, &Step)| {
        let at = at as u32;
        let hulls = lives.iter().filter_map(|(&b, life)| Some((b, life.hull()?)));
        let inside = hulls.filter(|(_, (lower, upper))| *lower <= at && at < *upper);
        inside.map(|(b, _)| u64::from(program.buffers[b].bytes)).sum()
    };
    branches.map(alive).max().unwrap_or(0)
}

/// The graph of a run of steps; `None` if the parameters of one make no sense.
fn region(
    program: &Program,
    lives: &BTreeMap<BufferId, Life>,
    steps: Range<usize>,
) -> Option<Region> {
    let mut builder = Builder {
        program,
        region: Region { steps: steps.clone(), graph: Graph::default(), buffers: Vec::new() },
        tensors: HashMap::new(),
        earlier: HashMap::new(),
        last_call: None,
    };
    for step in &program.steps[steps] {
        builder.step(step)?;
    }
    builder.mark_repeatable();
    let mut region = builder.region;
    for (&buffer, life) in lives {
        let Some((lower, upper)) = life.hull() else { continue };
        let (first, end) = (region.steps.start as u32, region.steps.end as u32);
        let bytes = u64::from(program.buffers[buffer].bytes);
        let input = program.buffers[buffer].storage == Storage::Input && first == 0;
        let output = program.outputs.iter().any(|io| io.place.buffer == buffer);
        match builder.tensors.get(&buffer) {
            Some(&tensor) => {
                let tensor = &mut region.graph.tensors[tensor];
                tensor.before = lower < first || input;
                tensor.after = upper > end || output;
            }
            None if lower < end && first < upper => region.graph.base += bytes,
            None => {}
        }
    }
    Some(region)
}

struct Builder<'a> {
    program: &'a Program,
    region: Region,
    tensors: HashMap<BufferId, TensorId>,
    /// Accesses so far, by buffer.
    earlier: HashMap<BufferId, Vec<(TaskId, Touch)>>,
    /// The last call of the firmware so far.
    last_call: Option<TaskId>,
}

/// One access of a step.
struct Touch {
    reads: bool,
    /// Whether it is a result of which it leaves nothing of the former contents.
    covers: bool,
    bytes: Footprint,
}

impl Builder<'_> {
    fn step(&mut self, step: &Step) -> Option<()> {
        let mut accesses: Vec<Access<Ref>> = Vec::new();
        step.kernel.accesses(&mut |access| accesses.push(access)).ok()?;
        let constant = |b: BufferId| matches!(self.program.buffers[b].storage, Storage::Const(_));
        let bytes = accesses.iter().map(|a| (a.end - a.start).max(0) as u64).sum();
        accesses.retain(|a| !constant(a.place.buffer) && a.start < a.end);
        let id = TaskId::new(self.region.graph.tasks.len());
        let mut task = Task { work: step.kernel.macs().max(bytes), ..Task::default() };
        let mut touches = Vec::new();
        for access in &accesses {
            let buffer = access.place.buffer;
            let tensor = self.tensor(buffer);
            if !task.touches.contains(&tensor) {
                task.touches.push(tensor);
            }
            let touch = Touch {
                reads: access.kind == AccessKind::Read,
                covers: access.kind == AccessKind::Write
                    && covers(self.program, &step.kernel, access),
                bytes: Footprint::new(&step.kernel, access),
            };
            let earlier = self.earlier.get(&buffer).map_or(&[][..], Vec::as_slice);
            let waits = |t: &Touch| !(t.reads && touch.reads || t.bytes.apart(&touch.bytes));
            task.needs.extend(earlier.iter().filter(|(_, t)| waits(t)).map(|(other, _)| *other));
            touches.push((buffer, touch));
        }
        if step.calls_firmware() {
            // What firmware does besides computing its results stays in the program's order.
            task.needs.extend(self.last_call.replace(id));
        }
        task.needs.sort_unstable();
        task.needs.dedup();
        let copies = whole_copy(self.program, &step.kernel).map(|(from, to)| (to, from));
        let pairs = in_place_pairs(self.program, &step.kernel).into_iter().chain(copies);
        let tensor = |b: BufferId| self.tensors.get(&b).copied();
        task.in_place = pairs.filter_map(|(to, from)| Some((tensor(to)?, tensor(from)?))).collect();
        self.region.graph.tasks.push(task);
        for (buffer, touch) in touches {
            self.earlier.entry(buffer).or_default().push((id, touch));
        }
        Some(())
    }

    fn tensor(&mut self, buffer: BufferId) -> TensorId {
        let region = &mut self.region;
        *self.tensors.entry(buffer).or_insert_with(|| {
            let bytes = u64::from(self.program.buffers[buffer].bytes);
            region.buffers.push(buffer);
            region.graph.tensors.push(Tensor { bytes, before: false, after: false })
        })
    }

    /// Marks the tasks that may run twice: they compute one result, wholly, element by element of
    /// operands that together are smaller than it and that nobody writes after.
    fn mark_repeatable(&mut self) {
        for id in self.region.graph.tasks.ids() {
            let step = &self.program.steps[self.region.steps.start + id.index()];
            if is_cheap(&step.kernel) && !step.elided {
                self.region.graph.tasks[id].repeats = self.repeatable(id);
            }
        }
    }

    fn repeatable(&self, id: TaskId) -> Option<TensorId> {
        let mut result = None;
        let mut read = 0;
        for &tensor in &self.region.graph.tasks[id].touches {
            let buffer = self.region.buffers[tensor.index()];
            let all = &self.earlier[&buffer];
            let mut own = all.iter().filter(|(task, _)| *task == id).map(|(_, touch)| touch);
            if own.clone().all(|touch| touch.reads) {
                read += self.region.graph.tensors[tensor].bytes;
                if all.iter().any(|(task, touch)| *task > id && !touch.reads) {
                    return None;
                }
                continue;
            }
            let alone = all.iter().all(|(task, touch)| *task == id || touch.reads);
            let makes = own.clone().all(|touch| !touch.reads) && own.any(|touch| touch.covers);
            if makes && alone && result.is_none() {
                result = Some(tensor);
            } else if all.len() > 1 {
                return None;
            }
        }
        result.filter(|&tensor| read < self.region.graph.tensors[tensor].bytes)
    }
}

/// Whether a kernel only moves elements, or computes each from one of every operand.
fn is_cheap(kernel: &Kernel<Ref>) -> bool {
    matches!(
        kernel,
        Kernel::fill(_)
            | Kernel::move_(_)
            | Kernel::map(_)
            | Kernel::table_i8(_)
            | Kernel::table_move_i8(_)
            | Kernel::scale_i8(_)
            | Kernel::sum_i8(_)
            | Kernel::product_i8(_)
    )
}

/// The bytes of a buffer that an access may touch.
struct Footprint {
    /// All of them lie in this range.
    hull: Range<i64>,
    /// Of every `period` bytes from the start of the buffer, they are among these.
    comb: Option<(i64, Range<i64>)>,
}

impl Footprint {
    fn new(kernel: &Kernel<Ref>, access: &Access<Ref>) -> Footprint {
        let start = i64::from(access.place.offset);
        let hull = start + access.start..start + access.end;
        let comb = match kernel {
            // Parts that are put side by side along the last dimensions alternate.
            Kernel::move_(m) if access.kind == AccessKind::Write => {
                comb(start, m.element, &m.sizes, &m.output_strides)
            }
            Kernel::table_move_i8(t) if access.kind == AccessKind::Write => {
                comb(start, 1, &t.sizes, &t.output_strides)
            }
            _ => None,
        };
        Footprint { hull, comb }
    }

    /// Whether no byte is in both.
    fn apart(&self, other: &Footprint) -> bool {
        if self.hull.end <= other.hull.start || other.hull.end <= self.hull.start {
            return true;
        }
        match (&self.comb, &other.comb) {
            (Some((period, a)), Some((same, b))) if period == same => {
                a.end <= b.start || b.end <= a.start
            }
            _ => false,
        }
    }
}

/// The part of every row that strided elements lie in, if all outer strides are multiples of a row.
fn comb(start: i64, element: u8, sizes: &[u32], strides: &[i32]) -> Option<(i64, Range<i64>)> {
    let mut dims: Vec<(i64, i64)> = sizes
        .iter()
        .zip(strides)
        .filter(|(size, _)| **size > 1)
        .map(|(&size, &stride)| (i64::from(size), i64::from(stride)))
        .collect();
    dims.sort_by_key(|&(_, stride)| stride);
    let mut run = i64::from(element);
    let mut dims = dims.into_iter().peekable();
    while let Some((size, _)) = dims.next_if(|&(_, stride)| stride == run) {
        run *= size;
    }
    let (_, period) = *dims.peek()?;
    let whole = period > 0 && dims.all(|(_, stride)| stride % period == 0);
    let first = start.rem_euclid(period.max(1));
    (whole && first + run <= period).then_some((period, first..first + run))
}

/// The program with the steps of some regions as variants say.
fn rewritten(program: &Program, regions: &[Region], variants: &[Option<Variant>]) -> Program {
    let mut new = program.clone();
    new.steps.clear();
    let mut positions: Vec<usize> = Vec::with_capacity(program.steps.len() + 1);
    let changed: HashMap<usize, (&Region, &Variant)> = regions
        .iter()
        .zip(variants)
        .filter_map(|(region, variant)| Some((region.steps.start, (region, variant.as_ref()?))))
        .collect();
    // Where temporaries that the regions touch first become alive.
    let mut born: HashMap<BufferId, usize> = HashMap::new();
    let mut at = 0;
    while at < program.steps.len() {
        let Some((region, variant)) = changed.get(&at) else {
            positions.push(new.steps.len());
            new.steps.push(program.steps[at].clone());
            at += 1;
            continue;
        };
        // Nothing jumps into a region, and what is born in it and not touched may be born anywhere.
        positions.resize(region.steps.end, new.steps.len());
        at = region.steps.end;
        let copies = copies(&mut new, region, variant);
        for (task, origin) in variant.origin.iter().enumerate() {
            let mut step = program.steps[region.steps.start + origin.index()].clone();
            let renamed: HashMap<BufferId, BufferId> = variant.renamed[task]
                .iter()
                .map(|&(from, to)| (region.buffers[from.index()], copies[&to]))
                .collect();
            step.kernel = step.kernel.map_places(&mut |place| Ref {
                buffer: renamed.get(&place.buffer).copied().unwrap_or(place.buffer),
                ..place
            });
            for (_, buffer) in Program::touched(&step) {
                let own =
                    region.steps.contains(&program.buffers.get(buffer).map_or(at - 1, |b| b.born));
                if own {
                    born.entry(buffer).or_insert(new.steps.len());
                }
            }
            new.steps.push(step);
        }
    }
    positions.push(new.steps.len());
    settle(&mut new, &positions, &born);
    new
}

/// Buffers for the tensors that a variant adds.
fn copies(new: &mut Program, region: &Region, variant: &Variant) -> HashMap<TensorId, BufferId> {
    let first = region.buffers.len();
    let mut copies = HashMap::new();
    for (i, original) in variant.added.iter().enumerate() {
        let like = new.buffers[region.buffers[original.index()]].clone();
        let buffer = Buffer { storage: Storage::Temp, ..like };
        let copy = new.buffers.push(buffer);
        let held = |&(buffer, value): &(BufferId, ValueId)| {
            (buffer == region.buffers[original.index()]).then_some((copy, value))
        };
        let held: Vec<(BufferId, ValueId)> = new.values.iter().filter_map(held).collect();
        new.values.extend(held);
        copies.insert(TensorId::new(first + i), copy);
    }
    copies
}

/// Corrects what names steps by number: targets of branches, and where buffers are born.
fn settle(new: &mut Program, positions: &[usize], born: &HashMap<BufferId, usize>) {
    let moved = |at: usize| positions.get(at).copied().unwrap_or(at);
    for step in &mut new.steps {
        for target in step.kernel.targets_mut() {
            *target = Target::step(moved(target.step as usize) as u32);
        }
    }
    for id in new.buffers.ids() {
        let buffer = &mut new.buffers[id];
        buffer.born = born.get(&id).copied().unwrap_or_else(|| moved(buffer.born));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_rows_are_told_apart() {
        let row = |start: i64, sizes: &[u32], strides: &[i32]| comb(start, 1, sizes, strides);
        // Rows of 12 bytes: the first four, the rest, and all.
        assert_eq!(row(0, &[8, 4], &[12, 1]), Some((12, 0..4)));
        assert_eq!(row(4, &[8, 8], &[12, 1]), Some((12, 4..12)));
        assert_eq!(row(16, &[7, 8], &[12, 1]), Some((12, 4..12)));
        // A part that crosses the end of a row is in two.
        assert_eq!(row(8, &[8, 8], &[12, 1]), None);
        assert_eq!(row(0, &[2, 3, 2, 2], &[48, 12, 2, 1]), Some((12, 0..4)));
        assert_eq!(row(0, &[8, 4], &[-12, 1]), None);
        assert_eq!(row(0, &[8, 4], &[12, 2]), Some((2, 0..1)), "every second byte");
        let comb = |first: i64, end: i64| Footprint { hull: 0..96, comb: Some((12, first..end)) };
        assert!(comb(0, 4).apart(&comb(4, 12)));
        assert!(!comb(0, 5).apart(&comb(4, 12)));
        assert!(!comb(0, 4).apart(&Footprint { hull: 0..96, comb: None }));
        assert!(comb(0, 4).apart(&Footprint { hull: 96..97, comb: None }));
    }
}
