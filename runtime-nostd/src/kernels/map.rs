//! Fused chains of elementwise operations.

use microhlo_format::Place;
use microhlo_format::kernels::{
    MAX_MAP_CODE, MAX_MAP_INPUTS, MAX_MAP_OUTPUTS, MAX_RANK, Map, MapInstr, MapOperand,
};

use super::{Memory, dst, src};
use crate::micro::{Row, Src};
use crate::registry::Undecodable;

entry!(map, Map);

const OPERANDS: usize = MAX_MAP_INPUTS + MAX_MAP_OUTPUTS;

/// A map with its rows and pointers found.
struct Tiles<'p> {
    code: &'p [MapInstr],
    rows: heapless::Vec<Row, MAX_MAP_CODE>,
    /// Inputs, then outputs, at the start of the current tile.
    operands: heapless::Vec<Src, OPERANDS>,
    scratch: *mut u8,
    /// Bytes of one temporary.
    temp_bytes: usize,
    temp_size: i32,
}

impl Tiles<'_> {
    /// The operand or temporary that a register names.
    fn register(&self, register: u8) -> Src {
        let register = usize::from(register);
        match self.operands.get(register) {
            Some(&operand) => operand,
            None => {
                let temp = register.wrapping_sub(self.operands.len());
                let start = self.scratch.wrapping_add(temp.wrapping_mul(self.temp_bytes));
                src(start, self.temp_size)
            }
        }
    }

    /// Runs all instructions on `n` elements.
    ///
    /// # Safety
    /// All operands hold `n` more elements, and the temporaries have room for them.
    unsafe fn run(&self, n: usize) {
        for (instr, row) in self.code.iter().zip(&self.rows) {
            let to = self.register(instr.dst);
            let args = instr.args.map(|register| self.register(register));
            // SAFETY: the caller's promise; the loader has checked that registers exist, have the
            // operation's element sizes, and that only outputs and temporaries are written.
            unsafe { row(dst(to.ptr.cast_mut(), to.stride), &args, n) };
        }
    }

    /// Moves all operands by `count` strides, each of which `stride` gives.
    fn shift(&mut self, p: &Map<Place>, count: i32, stride: impl Fn(&MapOperand<Place>) -> i32) {
        let operands = p.inputs.iter().chain(&p.outputs);
        for (operand, declared) in self.operands.iter_mut().zip(operands) {
            let bytes = stride(declared).wrapping_mul(count);
            operand.ptr = operand.ptr.wrapping_offset(bytes as isize);
        }
    }
}

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &Map<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let mut tiles = prepare(p, memory)?;
    let Some((&inner, outer)) = p.sizes.split_last() else { return Ok(()) };
    if p.sizes.contains(&0) {
        return Ok(());
    }
    let last = outer.len();
    let inner_stride =
        move |operand: &MapOperand<Place>| operand.strides.get(last).copied().unwrap_or(0);
    let mut index = [0u32; MAX_RANK];
    loop {
        let mut left = inner;
        while left > 0 {
            let n = left.min(p.tile);
            // SAFETY: the tile lies inside the checked extents.
            unsafe { tiles.run(n as usize) };
            left -= n;
            tiles.shift(p, n as i32, inner_stride);
        }
        tiles.shift(p, (inner as i32).wrapping_neg(), inner_stride);
        if !advance(&mut tiles, p, outer, &mut index) {
            return Ok(());
        }
    }
}

/// Finds rows and pointers.
fn prepare<'p>(p: &'p Map<Place>, memory: &Memory<'_>) -> Result<Tiles<'p>, Undecodable> {
    let temp_size = usize::from(p.temp_size);
    let mut tiles = Tiles {
        code: &p.code,
        rows: heapless::Vec::new(),
        operands: heapless::Vec::new(),
        scratch: p.scratch.map_or(core::ptr::null_mut(), |place| memory.write(place)),
        temp_bytes: temp_size.wrapping_mul(p.tile as usize),
        temp_size: temp_size as i32,
    };
    for instr in &p.code {
        tiles.rows.push(memory.row(instr.op)?).map_err(|_| Undecodable)?;
    }
    let inner = |operand: &MapOperand<Place>| operand.strides.last().copied().unwrap_or(0);
    for input in &p.inputs {
        let operand = src(memory.read(input.place), inner(input));
        tiles.operands.push(operand).map_err(|_| Undecodable)?;
    }
    for output in &p.outputs {
        let operand = src(memory.write(output.place), inner(output));
        tiles.operands.push(operand).map_err(|_| Undecodable)?;
    }
    Ok(tiles)
}

/// Moves to the next index of the outer dimensions; false after the last.
fn advance(
    tiles: &mut Tiles<'_>,
    p: &Map<Place>,
    outer: &[u32],
    index: &mut [u32; MAX_RANK],
) -> bool {
    for (d, (i, &size)) in index.iter_mut().zip(outer).enumerate().rev() {
        let stride = move |operand: &MapOperand<Place>| operand.strides.get(d).copied().unwrap_or(0);
        *i += 1;
        if *i < size {
            tiles.shift(p, 1, stride);
            return true;
        }
        *i = 0;
        tiles.shift(p, 1i32.wrapping_sub(size as i32), stride);
    }
    false
}
