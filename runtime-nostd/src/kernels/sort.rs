//! Sorting by a comparator.

use microhlo_format::kernels::{Decode, MAX_REGION_OPERANDS, SortOperand};
use microhlo_format::{Fields, Place};

use super::region::{Operands, Region};
use super::{Memory, dst, src};
use crate::micro::Src;
use crate::registry::Undecodable;

entry_by_fields!(sort, Sort);

/// One tensor's part of the line that is sorted.
struct Line {
    /// Bytes per element.
    size: u8,
    /// The line in the output, and the bytes from one element to the next.
    output: (*mut u8, i32),
    /// The line in working memory, likewise.
    scratch: (*mut u8, i32),
}

impl Line {
    /// The line that a merge reads and the one that it writes.
    #[inline(always)]
    fn ends(&self, from_scratch: bool) -> ((*mut u8, i32), (*mut u8, i32)) {
        if from_scratch { (self.scratch, self.output) } else { (self.output, self.scratch) }
    }

    /// Copies `n` elements.
    ///
    /// # Safety
    /// Both ends hold them from these positions on, and the ranges are apart.
    #[inline(always)]
    unsafe fn copy(&self, from_scratch: bool, from: u32, to: u32, n: u32) {
        let (source, target) = self.ends(from_scratch);
        // One element needs no steps, and without them is not taken for a block of memory.
        let stride = |(_, stride): (*mut u8, i32)| if n == 1 { 0 } else { stride };
        let from = src(element(source, from), stride(source));
        // SAFETY: the caller's promise.
        unsafe {
            let to = dst(element(target, to).cast_mut(), stride(target));
            super::move_::copy_run(self.size, to, from, n as usize);
        }
    }
}

/// Element `at` of a line.
#[inline(always)]
fn element((start, stride): (*mut u8, i32), at: u32) -> *const u8 {
    start.wrapping_offset(stride.wrapping_mul(at as i32) as isize)
}

/// A sort with its lines and code found: the fields of `Sort`.
struct Lines<'b> {
    lines: heapless::Vec<Line, MAX_REGION_OPERANDS>,
    outer: u32,
    n: u32,
    inner: u32,
    less: Region<'b>,
    result: u8,
}

impl<'b> Lines<'b> {
    /// Finds lines and code, and copies operands to where they are sorted.
    ///
    /// # Safety
    /// The loader has accepted the parameters for this memory.
    #[inline(never)]
    unsafe fn prepare(&mut self, body: &'b [u8], memory: &Memory<'b>) -> Result<(), Undecodable> {
        let fields = &mut Fields::new(body);
        let mut operands = heapless::Vec::<SortOperand<Place>, MAX_REGION_OPERANDS>::new();
        operands.decode(fields);
        [self.outer, self.n, self.inner] = core::array::from_fn(|_| fields.take());
        self.less.prepare(fields)?;
        self.result = fields.take();
        if !fields.good() {
            return Err(Undecodable);
        }
        let count = self.outer as usize * self.n as usize * self.inner as usize;
        for o in &operands {
            let size = o.dtype.size();
            let output = memory.write(o.output);
            // SAFETY: input and output are checked for these bytes, and the same or apart.
            unsafe { super::scatter::copy_operand(memory.read(o.input), output, count * size) };
            let line = Line {
                size: size as u8,
                output: (output, (self.inner as i32).wrapping_mul(size as i32)),
                scratch: (memory.write(o.scratch), size as i32),
            };
            self.lines.push(line).map_err(|_| Undecodable)?;
        }
        Ok(())
    }

    /// Moves the lines by elements.
    fn shift(&mut self, elements: u32) {
        for line in &mut self.lines {
            line.output.0 = line.output.0.wrapping_add(elements as usize * usize::from(line.size));
        }
    }
}

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(body: &[u8], memory: &Memory<'_>) -> Result<(), Undecodable> {
    let mut lines = Lines {
        lines: heapless::Vec::new(),
        outer: 0,
        n: 0,
        inner: 0,
        less: Region::new(memory),
        result: 0,
    };
    // SAFETY: the caller's promise.
    unsafe { lines.prepare(body, memory)? };
    for _ in 0..lines.outer {
        for _ in 0..lines.inner {
            // SAFETY: the lines of one position, inside the checked extents.
            unsafe { sort_lines(&lines) };
            lines.shift(1);
        }
        lines.shift(lines.n.wrapping_sub(1).wrapping_mul(lines.inner));
    }
    Ok(())
}

/// Merges runs of 1, 2, 4, ... elements, back and forth between output and working memory.
///
/// # Safety
/// The loader has accepted the parameters, and the lines lie inside the checked extents.
unsafe fn sort_lines(p: &Lines<'_>) {
    // Every merge changes sides, and the last must end in the output.
    let merges = 32 - p.n.saturating_sub(1).leading_zeros();
    let mut from_scratch = merges & 1 == 1;
    if from_scratch {
        for line in &p.lines {
            // SAFETY: all elements of the line, to working memory.
            unsafe { line.copy(false, 0, 0, p.n) };
        }
    }
    for merge in 0..merges {
        let width = 1u32 << merge;
        let mut start = 0;
        while start < p.n {
            let middle = start.saturating_add(width).min(p.n);
            let end = middle.saturating_add(width).min(p.n);
            // SAFETY: two runs of the lines.
            unsafe { merge_runs(p, from_scratch, [start, middle, end]) };
            start = end;
        }
        from_scratch = !from_scratch;
    }
}

/// Merges two neighbouring runs, `start..middle` and `middle..end`.
///
/// # Safety
/// As for [`sort_lines`]; the runs lie inside the lines.
unsafe fn merge_runs(p: &Lines<'_>, from_scratch: bool, [start, middle, end]: [u32; 3]) {
    let (mut a, mut b, mut to) = (start, middle, start);
    let mut operands: Operands = [Src::NONE; _];
    let operands = operands.get_mut(..2 * p.lines.len()).unwrap_or_default();
    while a < middle && b < end {
        for (line, [later, earlier]) in p.lines.iter().zip(operands.as_chunks_mut().0) {
            let (source, _) = line.ends(from_scratch);
            (*later, *earlier) = (src(element(source, b), 0), src(element(source, a), 0));
        }
        // SAFETY: one element of each line for either side, and a byte as the result.
        let later_first = unsafe { p.less.test(operands, p.result) };
        let from = if later_first { &mut b } else { &mut a };
        for line in &p.lines {
            // SAFETY: one element, to the other side.
            unsafe { line.copy(from_scratch, *from, to, 1) };
        }
        *from += 1;
        to += 1;
    }
    let (from, n) = if a < middle { (a, middle - a) } else { (b, end - b) };
    for line in &p.lines {
        // SAFETY: the elements left, to the other side.
        unsafe { line.copy(from_scratch, from, to, n) };
    }
}
