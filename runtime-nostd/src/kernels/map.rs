//! Fused chains of elementwise operations.

use core::ptr::null_mut;

use microhlo_format::kernels::{
    Decode, MAX_MAP_CODE, MAX_MAP_INPUTS, MAX_MAP_OUTPUTS, MAX_RANK, Sizes,
};
use microhlo_format::{Fields, MicroId, Place};

use super::{Memory, dst, src};
use crate::micro::Src;
use crate::registry::{MicroEntry, Undecodable};

entry_by_fields!(map, Map);

const OPERANDS: usize = MAX_MAP_INPUTS + MAX_MAP_OUTPUTS;

/// An input or output.
struct Operand {
    /// Start of the current tile.
    at: *mut u8,
    /// Byte strides of the innermost dimension and of the one around it.
    strides: [i32; 2],
}

/// Bytes of an instruction behind its operation: the register written and those read, as they are encoded.
const REGISTERS: usize = 4;

/// A map with its rows and pointers found.
struct Tiles<'b> {
    sizes: Sizes,
    /// Inputs, then outputs.
    operands: heapless::Vec<Operand, OPERANDS>,
    /// The encoded operands, for the strides of dimensions further out: all of them would take most of the stack.
    encoded: &'b [u8],
    /// The micro-operations that the rows are of.
    micro: &'b [MicroEntry],
    /// Which of them each instruction is.
    rows: heapless::Vec<u16, MAX_MAP_CODE>,
    /// Where the registers of each instruction begin in `code`: copies would take twice the stack.
    registers: [u8; MAX_MAP_CODE],
    /// The encoded instructions.
    code: &'b [u8],
    scratch: *mut u8,
    /// Elements of one temporary.
    tile: u32,
    /// Bytes of an element of a temporary.
    temp_size: u8,
}

// Instructions of at most three bytes for the operation: their places are bytes.
const _: () = assert!(MAX_MAP_CODE * (3 + REGISTERS) <= u8::MAX as usize);

impl<'b> Tiles<'b> {
    /// Finds rows and pointers. The fields are decoded one by one: all at once they would take
    /// three times the stack.
    #[inline(never)]
    fn prepare(&mut self, body: &'b [u8], memory: &Memory<'b>) -> Result<(), Undecodable> {
        let fields = &mut Fields::new(body);
        self.sizes.decode(fields);
        self.encoded = fields.rest();
        for _ in 0..fields.take::<u32>() {
            let input: Place = fields.take();
            self.add_operand(memory.read(input).cast_mut(), fields)?;
        }
        for _ in 0..fields.take::<u32>() {
            let output: Place = fields.take();
            self.add_operand(memory.write(output), fields)?;
        }
        let mut scratch = None::<Place>;
        scratch.decode(fields);
        if let Some(scratch) = scratch {
            self.scratch = memory.write(scratch);
        }
        let _temporaries: u8 = fields.take();
        self.temp_size = fields.take();
        self.tile = fields.take();
        let count: u32 = fields.take();
        self.code = fields.rest();
        self.micro = memory.kernels.micro;
        for _ in 0..count {
            let op: MicroId = fields.take();
            let at = self.code.len().wrapping_sub(fields.rest().len());
            let place = self.registers.get_mut(self.rows.len()).ok_or(Undecodable)?;
            *place = u8::try_from(at).map_err(|_| Undecodable)?;
            let row = self.micro.element_offset(memory.micro(op)?).ok_or(Undecodable)?;
            self.rows.push(row as u16).map_err(|_| Undecodable)?;
            fields.bytes(REGISTERS);
        }
        if fields.good() { Ok(()) } else { Err(Undecodable) }
    }

    fn add_operand(&mut self, at: *mut u8, fields: &mut Fields<'_>) -> Result<(), Undecodable> {
        let mut operand = Operand { at, strides: [0; 2] };
        for dimension in 0..fields.take::<u32>() {
            let (stride, rank) = (fields.take(), self.sizes.len());
            let outwards = rank.wrapping_sub(dimension as usize).wrapping_sub(1);
            if let Some(place) = operand.strides.get_mut(outwards) {
                *place = stride;
            }
        }
        self.operands.push(operand).map_err(|_| Undecodable)
    }

    /// The operand or temporary that a register names, in the innermost dimension.
    fn register(&self, register: u8) -> Src {
        let register = usize::from(register);
        match self.operands.get(register) {
            Some(operand) => src(operand.at, operand.strides[0]),
            None => {
                let size = usize::from(self.temp_size);
                let temp = register.wrapping_sub(self.operands.len());
                let bytes = temp.wrapping_mul(size).wrapping_mul(self.tile as usize);
                src(self.scratch.wrapping_add(bytes), i32::from(self.temp_size))
            }
        }
    }

    /// Runs all instructions on `n` elements.
    ///
    /// # Safety
    /// All operands hold `n` more elements, and the temporaries have room for them.
    unsafe fn run(&self, n: usize) {
        for (&row, &at) in self.rows.iter().zip(&self.registers) {
            let Some(MicroEntry { row, .. }) = self.micro.get(usize::from(row)) else { return };
            let code = self.code.get(usize::from(at)..).and_then(<[u8]>::first_chunk);
            let Some(registers) = code else { return };
            let mut places = [Src::NONE; REGISTERS];
            let registers: &[u8; REGISTERS] = registers;
            for (place, &register) in places.iter_mut().zip(registers) {
                *place = self.register(register);
            }
            let [to, args @ ..] = &places;
            // SAFETY: the caller's promise; the loader has checked that registers exist, have the
            // operation's element sizes, and that only outputs and temporaries are written.
            unsafe { row(dst(to.ptr.cast_mut(), to.stride), args, n) };
        }
    }

    /// Moves all operands by `count` strides of the innermost dimension, or of the one around it.
    #[inline(always)]
    fn shift(&mut self, outwards: usize, count: i32) {
        for operand in &mut self.operands {
            let stride = operand.strides.get(outwards).copied().unwrap_or(0);
            operand.at = operand.at.wrapping_offset(stride.wrapping_mul(count) as isize);
        }
    }

    /// Moves all operands by `count` strides of a dimension further out.
    #[inline(never)]
    fn shift_far(&mut self, dimension: usize, count: i32) {
        let fields = &mut Fields::new(self.encoded);
        let mut operands = self.operands.iter_mut();
        // Inputs, then outputs.
        for _ in 0..2 {
            for operand in operands.by_ref().take(fields.take::<u32>() as usize) {
                fields.take::<Place>();
                for d in 0..fields.take::<u32>() {
                    let stride: i32 = fields.take();
                    if d as usize == dimension {
                        operand.at = operand.at.wrapping_offset(stride.wrapping_mul(count) as isize);
                    }
                }
            }
        }
    }

    /// Moves from the end of the dimension `inner` to the next index of those outside; false after the last.
    #[inline(never)]
    fn advance(&mut self, index: &mut [u32; MAX_RANK - 1], inner: usize) -> bool {
        let size = self.sizes.last().copied().unwrap_or(0);
        self.shift(0, (size as i32).wrapping_neg());
        for (d, i) in index.iter_mut().enumerate().take(inner).rev() {
            let size = self.sizes.get(d).copied().unwrap_or(1);
            *i += 1;
            let inside = *i < size;
            let count = if inside { 1 } else { 1i32.wrapping_sub(size as i32) };
            if d + 1 == inner { self.shift(1, count) } else { self.shift_far(d, count) }
            if inside {
                return true;
            }
            *i = 0;
        }
        false
    }
}

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(body: &[u8], memory: &Memory<'_>) -> Result<(), Undecodable> {
    let mut tiles = Tiles {
        sizes: Sizes::new(),
        operands: heapless::Vec::new(),
        encoded: &[],
        micro: &[],
        rows: heapless::Vec::new(),
        registers: [0; MAX_MAP_CODE],
        code: &[],
        scratch: null_mut(),
        tile: 0,
        temp_size: 0,
    };
    tiles.prepare(body, memory)?;
    let Some(inner) = tiles.sizes.len().checked_sub(1) else { return Ok(()) };
    let size = tiles.sizes.last().copied().unwrap_or(0);
    if tiles.sizes.contains(&0) || tiles.tile == 0 {
        return Ok(());
    }
    // Of the dimensions outside the innermost.
    let mut index = [0u32; MAX_RANK - 1];
    loop {
        let mut left = size;
        while left > 0 {
            let n = left.min(tiles.tile);
            // SAFETY: the tile lies inside the checked extents.
            unsafe { tiles.run(n as usize) };
            left -= n;
            tiles.shift(0, n as i32);
        }
        if !tiles.advance(&mut index, inner) {
            return Ok(());
        }
    }
}
