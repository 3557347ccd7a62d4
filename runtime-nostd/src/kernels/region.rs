//! The code of regions.

use microhlo_format::Place;
use microhlo_format::kernels::{
    MAX_REGION_CODE, MAX_REGION_OPERANDS, MAX_REGION_SCALARS, MAX_REGION_TEMPS, MapInstr,
    RegionCode,
};

use super::{Memory, dst, src};
use crate::micro::{Row, Src};
use crate::registry::Undecodable;

const REGISTERS: usize = 2 * MAX_REGION_OPERANDS + MAX_REGION_SCALARS + MAX_REGION_TEMPS as usize;

/// The code of a region with its rows and registers found.
pub(super) struct Region<'p> {
    code: &'p [MapInstr],
    rows: heapless::Vec<Row, MAX_REGION_CODE>,
    /// Where the registers lie: operands, scalars, temporaries.
    registers: heapless::Vec<Src, REGISTERS>,
    /// Most lanes of one execution.
    pub(super) lanes: u32,
}

impl<'p> Region<'p> {
    /// The code with `operands` operand registers, which are set before each execution.
    pub(super) fn new(
        p: &'p RegionCode<Place>,
        operands: usize,
        memory: &Memory<'_>,
    ) -> Result<Self, Undecodable> {
        let mut region = Region {
            code: &p.code,
            rows: heapless::Vec::new(),
            registers: heapless::Vec::new(),
            lanes: p.lanes,
        };
        for instr in &p.code {
            region.rows.push(memory.row(instr.op)?).map_err(|_| Undecodable)?;
        }
        for _ in 0..operands {
            region.add(Src::NONE)?;
        }
        for scalar in &p.scalars {
            region.add(src(memory.read(scalar.place), 0))?;
        }
        if let Some(scratch) = p.scratch {
            let size = u32::from(p.temp_size);
            let mut at = memory.write(scratch).cast_const();
            for _ in 0..p.temps {
                region.add(src(at, size as i32))?;
                at = at.wrapping_add(p.lanes.wrapping_mul(size) as usize);
            }
        }
        Ok(region)
    }

    fn add(&mut self, register: Src) -> Result<(), Undecodable> {
        self.registers.push(register).map_err(|_| Undecodable)
    }

    /// Says where an operand lies.
    #[inline(always)]
    pub(super) fn set(&mut self, operand: usize, at: *const u8, stride: i32) {
        if let Some(register) = self.registers.get_mut(operand) {
            *register = src(at, stride);
        }
    }

    /// Where a register lies.
    #[inline(always)]
    fn register(&self, register: u8) -> Src {
        self.registers.get(usize::from(register)).copied().unwrap_or(Src::NONE)
    }

    /// Runs the code on `n` lanes.
    ///
    /// # Safety
    /// The loader has accepted the code for operands of the types set, which hold `n` elements;
    /// those that it writes are writable. `n` is at most the region's lanes.
    #[inline(never)]
    pub(super) unsafe fn run(&self, n: usize) {
        for (instr, row) in self.code.iter().zip(&self.rows) {
            let to = self.register(instr.dst);
            let args = instr.args.map(|register| self.register(register));
            // SAFETY: the caller's promise; the loader has checked that registers exist and have
            // the operation's element sizes, and that only operands that may be and temporaries
            // are written.
            unsafe { row(dst(to.ptr.cast_mut(), to.stride), &args, n) };
        }
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
