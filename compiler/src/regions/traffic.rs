//! How much a program accesses what.

use std::collections::HashMap;

use microhlo_format::{AccessKind, Kernel};

use crate::lower::program::{BufferId, Program, Ref, Step};

/// Bytes of a word.
const WORD: u64 = 4;
/// How often tiles of registers use an element that a kernel of matrix products or convolutions has loaded,
/// about. What matters is the order that it gives.
const USES: u64 = 4;

/// About how many words of four bytes an inference reads and writes of every buffer. Steps in loops count
/// once, as multiply-accumulates do.
#[derive(Clone, Debug, Default)]
pub struct Traffic(HashMap<BufferId, u64>);

impl Traffic {
    /// The traffic of a program.
    pub fn new(program: &Program) -> Traffic {
        let mut traffic = Traffic::default();
        for step in program.executed() {
            for (buffer, words) in of_step(step) {
                *traffic.0.entry(buffer).or_default() += words;
            }
        }
        for io in program.inputs.iter().chain(&program.outputs) {
            let buffer = io.place.buffer;
            let bytes = u64::from(program.buffers[buffer].bytes);
            *traffic.0.entry(buffer).or_default() += bytes.div_ceil(WORD);
        }
        traffic
    }

    /// Words of a buffer.
    pub fn of(&self, buffer: BufferId) -> u64 {
        self.0.get(&buffer).copied().unwrap_or(0)
    }
}

/// Elements in a word of a factor of multiplications.
fn elements_per_word(kernel: &Kernel<Ref>) -> u64 {
    match kernel {
        Kernel::conv_i8(_)
        | Kernel::conv_i8_mve(_)
        | Kernel::depthwise_i8(_)
        | Kernel::depthwise_i8_mve(_)
        | Kernel::depthwise_taps_i8(_)
        | Kernel::depthwise_three_i8(_)
        | Kernel::dot_i8(_) => 4,
        Kernel::conv_i16(_) | Kernel::conv_i16_mve(_) | Kernel::depthwise_i16(_) => 2,
        _ => 1,
    }
}

/// Words that a step accesses: all once, and the two largest operands of multiplications as often as its
/// multiply-accumulates need them.
fn of_step(step: &Step) -> Vec<(BufferId, u64)> {
    let mut words: Vec<(AccessKind, BufferId, u64)> = Vec::new();
    let _ = step.kernel.accesses(&mut |access| {
        let bytes = u64::try_from(access.end - access.start).unwrap_or(0);
        words.push((access.kind, access.place.buffer, bytes.div_ceil(WORD)));
    });
    let repeated = step.kernel.macs() / (USES * elements_per_word(&step.kernel));
    let mut read: Vec<usize> =
        (0..words.len()).filter(|&i| words[i].0 == AccessKind::Read).collect();
    read.sort_by_key(|&i| std::cmp::Reverse(words[i].2));
    for i in read.into_iter().take(2) {
        words[i].2 = words[i].2.max(repeated);
    }
    // What is worked in is written and read.
    let times = |kind| if kind == AccessKind::Scratch { 2 } else { 1 };
    words.into_iter().map(|(kind, buffer, n)| (buffer, n * times(kind))).collect()
}
