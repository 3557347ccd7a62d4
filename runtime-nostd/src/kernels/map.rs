//! Fused chains of elementwise operations.

use core::mem::MaybeUninit;

use microhlo_format::kernels::{
    Decode, MAX_MAP_CODE, MAX_MAP_INPUTS, MAX_MAP_OUTPUTS, MAX_RANK, Map, MapInstr, Params, Sizes,
    Strides,
};
use microhlo_format::{Fields, KernelId, Place};

use super::decode::decode;
use super::{Memory, dst, src};
use crate::StepError;
use crate::micro::{Row, Src};
use crate::registry::{KernelEntry, Undecodable, Visitor};

/// Links `map`.
pub const ENTRY: KernelEntry = KernelEntry { id: KernelId::map, check, execute, stage: None };

fn check(body: &[u8], visitor: &mut dyn Visitor) -> Result<(), StepError> {
    let mut params = MaybeUninit::<Map<Place>>::uninit();
    let params = decode(&mut params, body).map_err(|_| StepError::Encoding)?;
    params.accesses(&mut |access| visitor.access(access)).map_err(StepError::Params)?;
    params.micro_ops(&mut |id| visitor.micro(id));
    Ok(())
}

const OPERANDS: usize = MAX_MAP_INPUTS + MAX_MAP_OUTPUTS;

/// An input or output.
struct Operand {
    /// Start of the current tile.
    at: *mut u8,
    /// Byte strides, outermost first.
    strides: Strides,
}

impl Operand {
    fn stride(&self, dimension: usize) -> i32 {
        self.strides.get(dimension).copied().unwrap_or(0)
    }
}

/// One instruction with its row found.
struct Instr {
    row: Row,
    dst: u8,
    args: [u8; 3],
}

/// A map with its rows and pointers found.
struct Tiles {
    sizes: Sizes,
    /// Inputs, then outputs.
    operands: heapless::Vec<Operand, OPERANDS>,
    code: heapless::Vec<Instr, MAX_MAP_CODE>,
    scratch: *mut u8,
    /// Elements of one temporary.
    tile: u32,
    /// Bytes of an element of a temporary.
    temp_size: u8,
}

impl Tiles {
    /// Finds rows and pointers. The fields are decoded one by one: all at once they would take
    /// three times the stack.
    #[inline(never)]
    fn prepare(&mut self, body: &[u8], memory: &Memory<'_>) -> Result<(), Undecodable> {
        let fields = &mut Fields::new(body);
        self.sizes.decode(fields);
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
        for _ in 0..fields.take::<u32>() {
            let mut instr = MapInstr::empty();
            instr.decode(fields);
            let MapInstr { op, dst, args } = instr;
            let instr = Instr { row: memory.row(op)?, dst, args };
            self.code.push(instr).map_err(|_| Undecodable)?;
        }
        if fields.good() { Ok(()) } else { Err(Undecodable) }
    }

    fn add_operand(&mut self, at: *mut u8, fields: &mut Fields<'_>) -> Result<(), Undecodable> {
        let operand = Operand { at, strides: Strides::new() };
        self.operands.push(operand).map_err(|_| Undecodable)?;
        match self.operands.last_mut() {
            Some(operand) => {
                operand.strides.decode(fields);
                Ok(())
            }
            None => Err(Undecodable),
        }
    }

    /// The operand or temporary that a register names, in the innermost dimension `inner`.
    fn register(&self, register: u8, inner: usize) -> Src {
        let register = usize::from(register);
        match self.operands.get(register) {
            Some(operand) => src(operand.at, operand.stride(inner)),
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
    unsafe fn run(&self, inner: usize, n: usize) {
        for instr in &self.code {
            let to = self.register(instr.dst, inner);
            let args = instr.args.map(|register| self.register(register, inner));
            // SAFETY: the caller's promise; the loader has checked that registers exist, have the
            // operation's element sizes, and that only outputs and temporaries are written.
            unsafe { (instr.row)(dst(to.ptr.cast_mut(), to.stride), &args, n) };
        }
    }

    /// Moves all operands by `count` strides of a dimension.
    fn shift(&mut self, dimension: usize, count: i32) {
        for operand in &mut self.operands {
            let bytes = operand.stride(dimension).wrapping_mul(count);
            operand.at = operand.at.wrapping_offset(bytes as isize);
        }
    }

    /// Moves to the next index of the dimensions outside `inner`; false after the last.
    fn advance(&mut self, index: &mut [u32; MAX_RANK], inner: usize) -> bool {
        for (d, i) in index.iter_mut().enumerate().take(inner).rev() {
            let size = self.sizes.get(d).copied().unwrap_or(1);
            *i += 1;
            if *i < size {
                self.shift(d, 1);
                return true;
            }
            *i = 0;
            self.shift(d, 1i32.wrapping_sub(size as i32));
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
        code: heapless::Vec::new(),
        scratch: core::ptr::null_mut(),
        tile: 0,
        temp_size: 0,
    };
    tiles.prepare(body, memory)?;
    let Some(inner) = tiles.sizes.len().checked_sub(1) else { return Ok(()) };
    let size = tiles.sizes.last().copied().unwrap_or(0);
    if tiles.sizes.contains(&0) || tiles.tile == 0 {
        return Ok(());
    }
    let mut index = [0u32; MAX_RANK];
    loop {
        let mut left = size;
        while left > 0 {
            let n = left.min(tiles.tile);
            // SAFETY: the tile lies inside the checked extents.
            unsafe { tiles.run(inner, n as usize) };
            left -= n;
            tiles.shift(inner, n as i32);
        }
        tiles.shift(inner, (size as i32).wrapping_neg());
        if !tiles.advance(&mut index, inner) {
            return Ok(());
        }
    }
}
