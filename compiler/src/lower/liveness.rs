//! When the memory of a buffer is in use, over every way that control can take.

use std::collections::BTreeMap;

use microhlo_format::{Access, AccessKind, Kernel};

use super::program::{BufferId, Program, Ref, Storage};

/// The steps that each step can follow.
#[derive(Debug)]
pub struct Flow {
    before: Vec<Vec<u32>>,
}

impl Flow {
    /// The flow of a program. Its end counts as one more step.
    pub fn new(program: &Program) -> Flow {
        let n = program.steps.len();
        let mut before = vec![Vec::new(); n + 1];
        for (i, step) in program.steps.iter().enumerate() {
            if step.falls_through() {
                before[i + 1].push(i as u32);
            }
            for target in step.kernel.targets() {
                before[target.step as usize].push(i as u32);
            }
        }
        Flow { before }
    }

    /// How many loops a step is in.
    pub fn loop_depth(&self, step: usize) -> usize {
        let jumps = self.before.iter().enumerate().take(step + 1);
        let back = |(to, from): (usize, &Vec<u32>)| {
            let back = from.iter().filter(|&&from| from as usize >= step && from as usize >= to);
            back.count()
        };
        jumps.map(back).sum()
    }
}

/// When one buffer of the arena is in use.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// Steps that write it or use it as scratch, ascending.
    pub writes: Vec<u32>,
    /// Steps that touch it, ascending.
    pub touches: Vec<u32>,
    /// Steps after which its contents are needed, ascending.
    pub needed_after: Vec<u32>,
}

impl Life {
    /// Whether the contents are needed after a step.
    pub fn is_needed_after(&self, step: u32) -> bool {
        self.needed_after.binary_search(&step).is_ok()
    }

    /// First step, and one past the last step, between which the memory is reserved.
    pub fn hull(&self) -> Option<(u32, u32)> {
        let first =
            [self.touches.first(), self.needed_after.first()].into_iter().flatten().min()?;
        let last = [self.touches.last(), self.needed_after.last()].into_iter().flatten().max()?;
        Some((*first, *last + 1))
    }
}

/// Lives of the buffers in the arena that are used at all.
pub fn lives(program: &Program, flow: &Flow) -> BTreeMap<BufferId, Life> {
    let n = program.steps.len();
    let mut uses: BTreeMap<BufferId, Uses> = BTreeMap::new();
    let in_arena = |b: BufferId| !matches!(program.buffers[b].storage, Storage::Const(_));
    for input in program.inputs.iter().filter(|io| in_arena(io.place.buffer)) {
        uses.entry(input.place.buffer).or_default().touches.push(0);
    }
    for (i, step) in program.steps.iter().enumerate() {
        let _ = step.kernel.accesses(&mut |access| {
            if in_arena(access.place.buffer) {
                let uses = uses.entry(access.place.buffer).or_default();
                uses.add(i as u32, &access, covers(program, &step.kernel, &access));
            }
        });
    }
    for chain in program.chains() {
        let (first, last) = (chain.start as u32, chain.end.saturating_sub(1) as u32);
        for uses in uses.values_mut() {
            uses.extend(first, last);
        }
    }
    for output in program.outputs.iter().filter(|io| in_arena(io.place.buffer)) {
        let uses = uses.entry(output.place.buffer).or_default();
        uses.touches.push((n as u32).saturating_sub(1));
        uses.reads.push(n as u32);
    }
    let mut search = Search { flow, entered: vec![0; n + 1], left: vec![0; n + 1], round: 0 };
    let life = |(buffer, uses): (BufferId, Uses)| {
        (buffer, search.life(uses, program.buffers[buffer].born as u32))
    };
    uses.into_iter().map(life).collect()
}

/// Steps that touch one buffer.
#[derive(Default)]
struct Uses {
    touches: Vec<u32>,
    reads: Vec<u32>,
    writes: Vec<u32>,
    /// Steps that leave nothing of the former contents.
    replaces: Vec<u32>,
}

impl Uses {
    fn add(&mut self, step: u32, access: &Access<Ref>, covers: bool) {
        self.touches.push(step);
        match access.kind {
            AccessKind::Read => self.reads.push(step),
            AccessKind::Write | AccessKind::Scratch => self.writes.push(step),
        }
        if access.kind == AccessKind::Write && covers {
            self.replaces.push(step);
        }
    }
}

impl Uses {
    /// Makes what a chain touches its own from its first to its last step: its steps run in turns.
    fn extend(&mut self, first: u32, last: u32) {
        let within = |steps: &[u32]| steps.iter().any(|step| (first..=last).contains(step));
        if within(&self.reads) {
            self.reads.push(last);
        }
        if within(&self.writes) {
            self.writes.push(first);
        }
        if within(&self.touches) {
            self.touches.extend([first, last]);
        }
    }
}

/// A search backwards from the reads, whose marks are good for one buffer.
struct Search<'a> {
    flow: &'a Flow,
    entered: Vec<u32>,
    left: Vec<u32>,
    round: u32,
}

impl Search<'_> {
    fn life(&mut self, uses: Uses, born: u32) -> Life {
        self.round += 1;
        let Uses { mut touches, reads, mut writes, replaces } = uses;
        let mut needed_after = Vec::new();
        let mut work = reads;
        while let Some(step) = work.pop() {
            let seen = std::mem::replace(&mut self.entered[step as usize], self.round);
            if seen == self.round || step == born {
                continue;
            }
            for &before in &self.flow.before[step as usize] {
                let seen = std::mem::replace(&mut self.left[before as usize], self.round);
                if seen == self.round {
                    continue;
                }
                needed_after.push(before);
                if replaces.binary_search(&before).is_err() {
                    work.push(before);
                }
            }
        }
        needed_after.sort_unstable();
        touches.sort_unstable();
        touches.dedup();
        writes.sort_unstable();
        writes.dedup();
        Life { writes, touches, needed_after }
    }
}

/// Whether a write leaves no byte of its buffer as it was. Where that is not known, it does not.
pub(super) fn covers(program: &Program, kernel: &Kernel<Ref>, access: &Access<Ref>) -> bool {
    let bytes = i64::from(program.buffers[access.place.buffer].bytes);
    if access.place.offset != 0 || (access.start, access.end) != (0, bytes) {
        return false;
    }
    let elements = |sizes: &[u32]| sizes.iter().map(|&n| i64::from(n)).product::<i64>();
    match kernel {
        // Distinct elements are distinct bytes.
        Kernel::move_(m) => elements(&m.sizes) * i64::from(m.element) == bytes,
        Kernel::table_move_i8(t) => elements(&t.sizes) == bytes,
        Kernel::map(m) => {
            let output = m.outputs.iter().position(|o| o.place == access.place);
            let register = output.map(|o| (m.inputs.len() + o) as u8);
            let code = m.code.iter().find(|c| Some(c.dst) == register);
            let element = code.and_then(|c| c.op.decode()).map_or(0, |op| op.result().size());
            elements(&m.sizes) * element as i64 == bytes
        }
        // Their results are dense, and they write all of them.
        Kernel::conv_f32(_)
        | Kernel::depthwise_f32(_)
        | Kernel::conv_i8(_)
        | Kernel::conv_i8_mve(_)
        | Kernel::depthwise_i8(_)
        | Kernel::depthwise_i8_mve(_)
        | Kernel::depthwise_three_i8(_)
        | Kernel::depthwise_taps_i8(_)
        | Kernel::conv_i16(_)
        | Kernel::conv_i16_mve(_)
        | Kernel::depthwise_i16(_)
        | Kernel::sum_i16(_)
        | Kernel::hybrid_f32(_)
        | Kernel::scale_i8(_)
        | Kernel::sum_i8(_)
        | Kernel::table_i8(_)
        | Kernel::pool_i8(_)
        | Kernel::product_i8(_)
        | Kernel::dot_i8(_)
        | Kernel::dot_f32(_)
        | Kernel::dot_any(_)
        | Kernel::conv_any(_)
        | Kernel::reduce(_)
        | Kernel::window(_)
        | Kernel::fill(_)
        | Kernel::gather(_)
        | Kernel::scatter(_)
        | Kernel::scatter_any(_)
        | Kernel::sort(_)
        | Kernel::reduce_any(_)
        | Kernel::select_and_scatter(_)
        | Kernel::softmax_f32(_)
        | Kernel::softmax_i8(_)
        | Kernel::quantize_f32(_)
        | Kernel::dequantize_i8(_)
        | Kernel::extern_call(_)
        | Kernel::fft_f32(_)
        | Kernel::fft_f64(_)
        | Kernel::cholesky_f32(_)
        | Kernel::cholesky_f64(_)
        | Kernel::cholesky_c64(_)
        | Kernel::cholesky_c128(_)
        | Kernel::triangular_solve_f32(_)
        | Kernel::triangular_solve_f64(_)
        | Kernel::triangular_solve_c64(_)
        | Kernel::triangular_solve_c128(_) => true,
        _ => false,
    }
}

/// The buffers that a step copies between, if it copies one whole buffer to another unchanged.
pub fn whole_copy(program: &Program, kernel: &Kernel<Ref>) -> Option<(BufferId, BufferId)> {
    let Kernel::move_(m) = kernel else { return None };
    let (from, to) = (m.input.buffer, m.output.buffer);
    if from == to || m.input_strides != m.output_strides {
        return None;
    }
    if matches!(program.buffers[from].storage, Storage::Const(_)) {
        return None;
    }
    let (mut reads, mut writes) = (false, false);
    kernel
        .accesses(&mut |access| {
            let whole = covers(program, kernel, &access);
            match access.kind {
                AccessKind::Read => reads = whole,
                _ => writes = whole,
            }
        })
        .ok()?;
    (reads && writes).then_some((from, to))
}
