//! The code of regions.

use core::ptr::null_mut;

use microhlo_format::kernels::{
    Decode, MAX_REGION_CODE, MAX_REGION_OPERANDS, MAX_REGION_SCALARS, RegionScalar,
};
use microhlo_format::{Fields, MicroId, Place};

use super::{Memory, dst, src};
use crate::micro::{Row, Src};
use crate::registry::{MicroEntry, Undecodable};

/// Bytes of an instruction behind its operation: the register written and those read, as they are encoded.
const REGISTERS: usize = 4;

/// The code of a region, where it is encoded, with what it refers to found. Decoded it would take three times
/// the stack.
pub(super) struct Region<'b> {
    /// The encoded instructions.
    code: &'b [u8],
    /// The micro-operations that the rows are of.
    micro: &'b [MicroEntry],
    /// Which of them each instruction is.
    rows: heapless::Vec<u16, MAX_REGION_CODE>,
    operands: heapless::Vec<Src, { 2 * MAX_REGION_OPERANDS }>,
    scalars: heapless::Vec<*const u8, MAX_REGION_SCALARS>,
    /// The first temporary.
    temps: *mut u8,
    /// Bytes of an element of a temporary.
    temp_size: u8,
    /// Most lanes of one execution.
    pub(super) lanes: u32,
}

impl<'b> Region<'b> {
    /// No code.
    pub(super) const EMPTY: Region<'b> = Region {
        code: &[],
        micro: &[],
        rows: heapless::Vec::new(),
        operands: heapless::Vec::new(),
        scalars: heapless::Vec::new(),
        temps: null_mut(),
        temp_size: 0,
        lanes: 0,
    };

    /// Takes the next of the fields, a `RegionCode`, with `operands` operand registers, which are set before
    /// each execution.
    #[inline(never)]
    pub(super) fn prepare(
        &mut self,
        fields: &mut Fields<'b>,
        operands: usize,
        memory: &Memory<'b>,
    ) -> Result<(), Undecodable> {
        for _ in 0..operands {
            self.operands.push(Src::NONE).map_err(|_| Undecodable)?;
        }
        for _ in 0..fields.take::<u32>() {
            let mut scalar = RegionScalar::<Place>::empty();
            scalar.decode(fields);
            self.scalars.push(memory.read(scalar.place)).map_err(|_| Undecodable)?;
        }
        let mut scratch = None::<Place>;
        scratch.decode(fields);
        if let Some(scratch) = scratch {
            self.temps = memory.write(scratch);
        }
        let _temporaries: u8 = fields.take();
        self.temp_size = fields.take();
        self.lanes = fields.take();
        self.micro = memory.kernels.micro;
        let count: u32 = fields.take();
        self.code = fields.rest();
        for _ in 0..count {
            let op: MicroId = fields.take();
            let row = self.micro.element_offset(memory.micro(op)?).ok_or(Undecodable)?;
            self.rows.push(row as u16).map_err(|_| Undecodable)?;
            fields.bytes(REGISTERS);
        }
        Ok(())
    }

    /// Says where an operand lies.
    #[inline(always)]
    pub(super) fn set(&mut self, operand: usize, at: *const u8, stride: i32) {
        if let Some(register) = self.operands.get_mut(operand) {
            *register = src(at, stride);
        }
    }

    /// Where a register lies: operands, scalars, temporaries.
    fn register(&self, register: u8) -> Src {
        let register = usize::from(register);
        if let Some(&operand) = self.operands.get(register) {
            return operand;
        }
        let register = register.wrapping_sub(self.operands.len());
        if let Some(&scalar) = self.scalars.get(register) {
            return src(scalar, 0);
        }
        let temp = register.wrapping_sub(self.scalars.len()).wrapping_mul(self.lanes as usize);
        let bytes = temp.wrapping_mul(usize::from(self.temp_size));
        src(self.temps.wrapping_add(bytes), self.temp_size.into())
    }

    /// Runs the code on `n` lanes.
    ///
    /// # Safety
    /// The loader has accepted the code for operands of the types set, which hold `n` elements;
    /// those that it writes are writable. `n` is at most the region's lanes.
    #[inline(never)]
    pub(super) unsafe fn run(&self, n: usize) {
        let mut code = self.code;
        for &row in &self.rows {
            let Some((row, [to, from @ ..])) = self.next(row, &mut code) else { return };
            let to = self.register(to);
            let args = from.map(|register| self.register(register));
            // SAFETY: the caller's promise; the loader has checked that registers exist and have
            // the operation's element sizes, and that only operands that may be and temporaries
            // are written.
            unsafe { row(dst(to.ptr.cast_mut(), to.stride), &args, n) };
        }
    }

    /// The row and the registers of the next instruction.
    #[inline(always)]
    fn next(&self, row: u16, code: &mut &[u8]) -> Option<(Row, [u8; REGISTERS])> {
        // All bytes of an operation but the last have the highest bit.
        let bytes = code.iter().position(|&byte| byte < 0x80)?;
        let (&registers, rest) = code.get(bytes.wrapping_add(1)..)?.split_first_chunk()?;
        *code = rest;
        Some((self.micro.get(usize::from(row))?.row, registers))
    }

    /// Runs the code on one lane; whether the boolean in a register is true then.
    ///
    /// # Safety
    /// As for [`Region::run`], and the register holds a byte.
    #[inline(always)]
    pub(super) unsafe fn test(&self, result: u8) -> bool {
        // SAFETY: the caller's promise.
        unsafe {
            self.run(1);
            self.register(result).ptr.read() != 0
        }
    }
}
