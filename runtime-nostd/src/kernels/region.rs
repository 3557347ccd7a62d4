//! The code of regions.

use core::ptr::null_mut;

use microhlo_format::kernels::{Decode, MAX_REGION_OPERANDS, MAX_REGION_SCALARS};
use microhlo_format::{Fields, MicroId, Place};

use super::{Memory, dst, src};
use crate::micro::{Row, Src};
use crate::registry::{MicroEntry, Undecodable, find};

/// Bytes of an instruction behind its operation: the register written and those read, as they are encoded.
const REGISTERS: usize = 4;

/// Instructions whose micro-operations are known from the start. Those of the few behind them, in longer code, are
/// searched for whenever they run.
const KNOWN: usize = 10;

// The scalars with a byte for their type, and what is behind them: where instructions begin is a byte. A place takes
// at most six bytes, sizes and counts at most five.
const _: () = assert!(MAX_REGION_SCALARS * 7 + 7 + 2 + 5 + 5 <= u8::MAX as usize);

/// The operands of all tensors that a region combines: two of each.
pub(super) type Operands = [Src; 2 * MAX_REGION_OPERANDS];

/// The code of a region, where it is encoded, with what it refers to found. Decoded it would take three times
/// the stack.
pub(super) struct Region<'b> {
    memory: &'b Memory<'b>,
    /// The encoded scalars, which few regions have, and all behind them.
    encoded: &'b [u8],
    /// Which of the linked micro-operations the first instructions are.
    rows: heapless::Vec<u16, KNOWN>,
    /// Number of instructions.
    count: u8,
    /// Number of scalars.
    scalars: u8,
    /// Bytes of an element of a temporary.
    temp_size: u8,
    /// Where the instructions begin in `encoded`.
    code: u8,
    /// The first temporary.
    temps: *mut u8,
    /// Most lanes of one execution.
    pub(super) lanes: u32,
}

impl<'b> Region<'b> {
    /// No code.
    #[inline(always)]
    pub(super) fn new(memory: &'b Memory<'b>) -> Region<'b> {
        Region {
            memory,
            encoded: &[],
            rows: heapless::Vec::new(),
            count: 0,
            scalars: 0,
            temp_size: 0,
            code: 0,
            temps: null_mut(),
            lanes: 0,
        }
    }

    /// Takes the next of the fields, a `RegionCode`.
    #[inline(never)]
    pub(super) fn prepare(&mut self, fields: &mut Fields<'b>) -> Result<(), Undecodable> {
        let scalars: u32 = fields.take();
        (self.scalars, self.encoded) = (scalars as u8, fields.rest());
        for _ in 0..scalars {
            take_scalar(fields);
        }
        let mut scratch = None::<Place>;
        scratch.decode(fields);
        if let Some(scratch) = scratch {
            self.temps = self.memory.write(scratch);
        }
        let _temporaries: u8 = fields.take();
        self.temp_size = fields.take();
        self.lanes = fields.take();
        let count: u32 = fields.take();
        self.count = count as u8;
        self.code = self.encoded.len().wrapping_sub(fields.rest().len()) as u8;
        let micro = self.memory.kernels.micro;
        for i in 0..count as usize {
            let op: MicroId = fields.take();
            if i < KNOWN {
                let row = micro.element_offset(self.memory.micro(op)?).ok_or(Undecodable)?;
                self.rows.push(row as u16).map_err(|_| Undecodable)?;
            }
            fields.bytes(REGISTERS);
        }
        Ok(())
    }

    /// Where a register lies: operands, scalars, temporaries.
    fn register(&self, operands: &[Src], register: u8) -> Src {
        let register = usize::from(register);
        if let Some(&operand) = operands.get(register) {
            return operand;
        }
        let scalar = register.wrapping_sub(operands.len());
        let temp = scalar.wrapping_sub(self.scalars.into());
        if scalar < self.scalars.into() {
            return src(self.scalar(scalar), 0);
        }
        let bytes = temp.wrapping_mul(self.lanes as usize).wrapping_mul(self.temp_size.into());
        src(self.temps.wrapping_add(bytes), self.temp_size.into())
    }

    /// Where a scalar lies.
    #[inline(never)]
    fn scalar(&self, index: usize) -> *const u8 {
        let fields = &mut Fields::new(self.encoded);
        for _ in 0..index {
            take_scalar(fields);
        }
        self.memory.read(take_scalar(fields))
    }

    /// Runs the code on `n` lanes of operands, all that it has.
    ///
    /// # Safety
    /// The loader has accepted the code for operands of these types, which hold `n` elements;
    /// those that it writes are writable. `n` is at most the region's lanes.
    #[inline(never)]
    pub(super) unsafe fn run(&self, operands: &[Src], n: usize) {
        let mut code = self.encoded.get(usize::from(self.code)..).unwrap_or_default();
        for i in 0..usize::from(self.count) {
            let Some((row, registers)) = self.next(i, &mut code) else { return };
            let mut places = [Src::NONE; REGISTERS];
            for (place, register) in places.iter_mut().zip(registers) {
                *place = self.register(operands, register);
            }
            let [to, args @ ..] = &places;
            // SAFETY: the caller's promise; the loader has checked that registers exist and have
            // the operation's element sizes, and that only operands that may be and temporaries
            // are written.
            unsafe { row(dst(to.ptr.cast_mut(), to.stride), args, n) };
        }
    }

    /// The row and the registers of the next instruction, which is that of this number.
    #[inline(always)]
    fn next(&self, i: usize, code: &mut &[u8]) -> Option<(Row, [u8; REGISTERS])> {
        // All bytes of an operation but the last have the highest bit.
        let last = code.iter().position(|&byte| byte < 0x80)?;
        let (op, rest) = code.split_at_checked(last.wrapping_add(1))?;
        let (&registers, rest) = rest.split_first_chunk()?;
        *code = rest;
        let entry = match self.rows.get(i) {
            Some(&row) => self.memory.kernels.micro.get(usize::from(row)),
            None => self.find(op),
        };
        Some((entry?.row, registers))
    }

    /// The micro-operation that is encoded so.
    #[cold]
    #[inline(never)]
    fn find(&self, op: &[u8]) -> Option<&MicroEntry> {
        let id = op.iter().rfold(0, |id, &byte| id << 7 | u16::from(byte & 0x7f));
        find(self.memory.kernels.micro, MicroId(id))
    }

    /// Runs the code on one lane of operands; whether the boolean in a register is true then.
    ///
    /// # Safety
    /// As for [`Region::run`], and the register holds a byte.
    #[inline(always)]
    pub(super) unsafe fn test(&self, operands: &[Src], result: u8) -> bool {
        // SAFETY: the caller's promise.
        unsafe {
            self.run(operands, 1);
            self.register(operands, result).ptr.read() != 0
        }
    }
}

/// Takes a `RegionScalar`: its place.
fn take_scalar(fields: &mut Fields<'_>) -> Place {
    let place = fields.take();
    // Its type is a byte.
    fields.bytes(1);
    place
}
