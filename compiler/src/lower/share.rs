//! Buffers that share their memory: results on operands that die, and the two sides of a copy, which
//! then has nothing to do.

use std::collections::{BTreeMap, HashMap, HashSet};

use microhlo_format::{Access, AccessKind, Kernel, Overlap};

use super::liveness::{Flow, Life, lives, whole_copy};
use super::program::{BufferId, Program, Ref, Storage};

/// Lets buffers lie on each other, and records that in `program.shared`; elides copies between
/// buffers that do.
///
/// Two buffers may share memory if neither is written while the contents of the other are still
/// needed, and if no step that touches both minds. A copy of one to the other does not count: they
/// hold the same bytes.
pub fn share_buffers(program: &mut Program) {
    let flow = Flow::new(program);
    let mut copies: Vec<(usize, BufferId, BufferId)> = Vec::new();
    for (i, step) in program.steps.iter().enumerate() {
        if let Some((from, to)) = whole_copy(program, &step.kernel) {
            copies.push((i, from, to));
        }
    }
    let mut classes = Classes::new(program, &flow, &copies);
    // What is repeated most is worth most.
    let mut ordered: Vec<_> = copies.iter().map(|c| (flow.loop_depth(c.0), *c)).collect();
    ordered.sort_by_key(|&(depth, (step, ..))| (std::cmp::Reverse(depth), step));
    for (_, (_, from, to)) in ordered {
        classes.merge(from, to);
    }
    for step in &program.steps {
        for (output, input) in in_place_pairs(program, &step.kernel) {
            classes.merge(input, output);
        }
    }
    let elided: Vec<usize> =
        copies.iter().filter(|c| classes.of(c.1) == classes.of(c.2)).map(|c| c.0).collect();
    let shared = classes.pairs();
    program.shared = shared;
    for step in elided {
        program.steps[step].elided = true;
    }
}

/// Results of a step that could lie on an operand of it, with the operand.
pub(crate) fn in_place_pairs(program: &Program, kernel: &Kernel<Ref>) -> Vec<(BufferId, BufferId)> {
    let mut accesses = Vec::new();
    if kernel.accesses(&mut |a| accesses.push(a)).is_err() {
        return Vec::new();
    }
    let mut pairs = Vec::new();
    for output in accesses.iter().filter(|a| a.kind == AccessKind::Write) {
        for input in accesses.iter().filter(|a| a.kind == AccessKind::Read) {
            if fits(program, kernel, output, input) {
                pairs.push((output.place.buffer, input.place.buffer));
            }
        }
    }
    pairs
}

/// Whether a kernel computes a result in the memory of an operand.
fn fits(
    program: &Program,
    kernel: &Kernel<Ref>,
    output: &Access<Ref>,
    input: &Access<Ref>,
) -> bool {
    let constant =
        |a: &Access<Ref>| matches!(program.buffers[a.place.buffer].storage, Storage::Const(_));
    may_share(kernel, output, input, |overlap| overlap.allows(0))
        && !copies_taps(kernel)
        && !constant(input)
        && whole(program, input).is_some()
        && whole(program, input) == whole(program, output)
        && (input.start, input.end) == (output.start, output.end)
}

/// Whether some core's version of a kernel has to copy what it reads more than once if results lie over
/// it: then they should only where that saves memory, and the planner sees to it.
pub fn copies_taps(kernel: &Kernel<Ref>) -> bool {
    matches!(
        kernel,
        Kernel::conv_i8(_)
            | Kernel::conv_i8_mve(_)
            | Kernel::depthwise_i8(_)
            | Kernel::depthwise_i8_mve(_)
            | Kernel::depthwise_three_i8(_)
            | Kernel::depthwise_taps_i8(_)
            | Kernel::conv_i16(_)
            | Kernel::conv_i16_mve(_)
            | Kernel::depthwise_i16(_)
    )
}

/// Whether a kernel computes the same with this output over this input, where `may` says so of what
/// it allows.
pub fn may_share(
    kernel: &Kernel<Ref>,
    output: &Access<Ref>,
    input: &Access<Ref>,
    may: impl Fn(Overlap) -> bool,
) -> bool {
    input.kind == AccessKind::Read
        && output.kind == AccessKind::Write
        && output.overlap != Overlap::NEVER
        && may(input.overlap)
        && legal(kernel, output.place, input.place)
}

/// Size of the buffer, if the access covers it from its first to its last byte.
fn whole(program: &Program, access: &Access<Ref>) -> Option<u32> {
    let bytes = program.buffers[access.place.buffer].bytes;
    let all = access.place.offset == 0 && (access.start, access.end) == (0, i64::from(bytes));
    all.then_some(bytes)
}

/// Buffers that share their memory.
struct Classes<'a> {
    program: &'a Program,
    lives: BTreeMap<BufferId, Life>,
    /// Source and destination of the copies, by step.
    copies: HashMap<u32, (BufferId, BufferId)>,
    /// The class of each buffer that is not alone: the first of its members.
    of: HashMap<BufferId, BufferId>,
    members: HashMap<BufferId, Vec<BufferId>>,
}

impl<'a> Classes<'a> {
    fn new(
        program: &'a Program,
        flow: &Flow,
        copies: &[(usize, BufferId, BufferId)],
    ) -> Classes<'a> {
        let copies = copies.iter().map(|&(step, from, to)| (step as u32, (from, to))).collect();
        let (of, members) = (HashMap::new(), HashMap::new());
        Classes { program, lives: lives(program, flow), copies, of, members }
    }

    fn of(&self, buffer: BufferId) -> BufferId {
        self.of.get(&buffer).copied().unwrap_or(buffer)
    }

    fn members(&self, class: BufferId) -> Vec<BufferId> {
        self.members.get(&class).cloned().unwrap_or_else(|| vec![class])
    }

    /// Puts two buffers into one class, if that changes no result.
    fn merge(&mut self, a: BufferId, b: BufferId) {
        let (a, b) = (self.of(a), self.of(b));
        if a == b || !self.may_merge(a, b) {
            return;
        }
        let mut all = self.members(a);
        all.extend(self.members(b));
        self.members.remove(&b);
        self.of.extend(all.iter().map(|&member| (member, a)));
        self.members.insert(a, all);
    }

    fn may_merge(&self, a: BufferId, b: BufferId) -> bool {
        let (x, y) = (self.members(a), self.members(b));
        let buffers = &self.program.buffers;
        if buffers[a].bytes != buffers[b].bytes {
            return false;
        }
        let inputs =
            |members: &[BufferId]| members.iter().any(|&m| buffers[m].storage == Storage::Input);
        if inputs(&x) && inputs(&y) {
            return false;
        }
        let mut pairs = x.iter().flat_map(|&m| y.iter().map(move |&n| (m, n)));
        if pairs.any(|(m, n)| self.overwrites(m, n) || self.overwrites(n, m)) {
            return false;
        }
        let touches = |members: &[BufferId]| -> HashSet<u32> {
            let lives = members.iter().filter_map(|m| self.lives.get(m));
            lives.flat_map(|life| &life.touches).copied().collect()
        };
        let (in_x, in_y) = (touches(&x), touches(&y));
        let all: HashSet<BufferId> = x.into_iter().chain(y).collect();
        in_x.intersection(&in_y).all(|&step| self.step_allows(step, &all))
    }

    /// Whether a step writes one buffer while the other's contents are needed after it.
    fn overwrites(&self, written: BufferId, other: BufferId) -> bool {
        let (Some(written_life), Some(life)) = (self.lives.get(&written), self.lives.get(&other))
        else {
            return false;
        };
        written_life.writes.iter().any(|&step| {
            life.is_needed_after(step) && self.copies.get(&step) != Some(&(other, written))
        })
    }

    /// Whether a step computes the same when these buffers are one memory.
    fn step_allows(&self, step: u32, all: &HashSet<BufferId>) -> bool {
        if self.copies.get(&step).is_some_and(|(from, to)| all.contains(from) && all.contains(to)) {
            return true;
        }
        let Some(step) = self.program.steps.get(step as usize).filter(|step| !step.elided) else {
            return true;
        };
        let mut accesses = Vec::new();
        if step.kernel.accesses(&mut |a| accesses.push(a)).is_err() {
            return false;
        }
        accesses.retain(|a| all.contains(&a.place.buffer));
        let written = accesses.iter().filter(|a| a.kind != AccessKind::Read).count();
        match accesses.as_slice() {
            _ if written == 0 => true,
            [a, b] if written == 1 => {
                let (output, input) = if a.kind == AccessKind::Read { (b, a) } else { (a, b) };
                output.kind == AccessKind::Write && fits(self.program, &step.kernel, output, input)
            }
            other => other.len() <= 1,
        }
    }

    /// Every member of a class but the first, with the first.
    fn pairs(&self) -> Vec<(BufferId, BufferId)> {
        let mut pairs: Vec<_> =
            self.of.iter().filter(|(a, b)| a != b).map(|(&a, &b)| (a, b)).collect();
        pairs.sort_unstable();
        pairs
    }
}

fn legal(kernel: &Kernel<Ref>, out: Ref, input: Ref) -> bool {
    let map = match kernel {
        Kernel::map(map) => map,
        // Kernels that copy their operands before they begin: each may only lie on its own.
        Kernel::sort(s) => return s.operands.iter().any(|o| (o.output, o.input) == (out, input)),
        Kernel::scatter_any(s) => {
            return s.operands.iter().any(|o| (o.output, o.operand) == (out, input));
        }
        _ => return true,
    };
    let ins = map.inputs.len();
    let (Some(o), Some(i)) = (
        map.outputs.iter().position(|x| x.place == out),
        map.inputs.iter().position(|x| x.place == input),
    ) else {
        return false;
    };
    if map.outputs[o].strides != map.inputs[i].strides {
        return false;
    }
    let (o, i) = ((ins + o) as u8, i as u8);
    let arity = |op: microhlo_format::MicroId| op.decode().map_or(3, |m| m.arity());
    let first_write = map.code.iter().position(|c| c.dst == o);
    let last_read = map.code.iter().rposition(|c| c.args[..arity(c.op)].contains(&i));
    // Element sizes must agree as well: the reading and the writing instruction tell.
    let sizes = || {
        let read = last_read.and_then(|r| {
            let at = map.code[r].args.iter().position(|&a| a == i)?;
            Some(map.code[r].op.decode()?.operand(at).size())
        });
        let written = first_write.and_then(|w| Some(map.code[w].op.decode()?.result().size()));
        read.is_some() && read == written
    };
    first_write >= last_read && sizes()
}
