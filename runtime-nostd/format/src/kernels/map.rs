//! Parameters of the fused elementwise kernel.

use serde::Serialize;

use super::check::{dense, micro, nonzero, product, strided};
use super::{MAX_MAP_CODE, MAX_MAP_INPUTS, MAX_MAP_OUTPUTS, Params, Sizes, Strides};
use crate::{Access, AccessKind, DType, MicroId, Overlap, ParamError};

/// A strided operand of a [`Map`]. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MapOperand<P> {
    /// First element.
    pub place: P,
    /// Byte strides, one per dimension; 0 repeats.
    pub strides: Strides,
}

/// One instruction: `dst = op(args)` on a run of elements.
///
/// Registers number the inputs, then the outputs, then the temporaries. Only outputs and
/// temporaries may be written. Unused arguments are 0. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MapInstr {
    /// The micro-operation.
    pub op: MicroId,
    /// Register written.
    pub dst: u8,
    /// Registers read.
    pub args: [u8; 3],
}

/// A chain of elementwise operations over one index space.
///
/// The innermost dimension is cut into tiles of `tile` elements; each instruction runs over a
/// whole tile before the next. Temporaries live in `scratch`, `temps` buffers of `tile *
/// temp_size` bytes each. An output may lie exactly on an input of the same strides and element
/// size (in place), provided no instruction reads that input after the output's first write.
/// See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Map<P> {
    /// Sizes of the index space, outermost first; at least one dimension.
    pub sizes: Sizes,
    /// Operands read.
    pub inputs: heapless::Vec<MapOperand<P>, MAX_MAP_INPUTS>,
    /// Operands written.
    pub outputs: heapless::Vec<MapOperand<P>, MAX_MAP_OUTPUTS>,
    /// Working memory for temporaries, absent when there are none.
    pub scratch: Option<P>,
    /// Number of temporaries, at most [`MAX_MAP_TEMPS`](super::MAX_MAP_TEMPS).
    pub temps: u8,
    /// Bytes per element of a temporary.
    pub temp_size: u8,
    /// Elements per tile.
    pub tile: u32,
    /// Instructions.
    pub code: heapless::Vec<MapInstr, MAX_MAP_CODE>,
}

/// What one register holds and when it is used, by instruction number.
#[derive(Clone, Copy, Default)]
struct Register {
    /// Bytes and alignment of an element; 0 until the first use.
    size: u8,
    align: u8,
    last_read: u8,
    /// One past the instruction that first writes it; 0 while unwritten.
    first_write: u8,
}

impl Register {
    fn hold(&mut self, dtype: DType) -> Result<(), ParamError> {
        let (size, align) = (dtype.size() as u8, dtype.align() as u8);
        if self.size != 0 && self.size != size {
            return Err(ParamError::Mismatch);
        }
        self.size = size;
        self.align = self.align.max(align);
        Ok(())
    }
}

const REGISTERS: usize = MAX_MAP_INPUTS + MAX_MAP_OUTPUTS;

impl<P: Copy> Map<P> {
    /// Element sizes and use of the input and output registers, from a walk over the code.
    fn registers(&self) -> Result<[Register; REGISTERS], ParamError> {
        let mut registers = [Register::default(); REGISTERS];
        let operands = self.inputs.len() + self.outputs.len();
        let count = operands + usize::from(self.temps);
        for (i, instr) in self.code.iter().enumerate() {
            let op = micro(instr.op)?;
            for (a, &arg) in instr.args.iter().enumerate() {
                let arg = usize::from(arg);
                if a >= op.arity() {
                    if arg != 0 {
                        return Err(ParamError::BadCode);
                    }
                } else if arg >= operands {
                    self.temporary(arg, count, op.operand(a))?;
                } else if let Some(register) = registers.get_mut(arg) {
                    register.hold(op.operand(a))?;
                    register.last_read = i as u8;
                }
            }
            let dst = usize::from(instr.dst);
            if dst < self.inputs.len() {
                return Err(ParamError::BadCode);
            } else if dst >= operands {
                self.temporary(dst, count, op.result())?;
            } else if let Some(register) = registers.get_mut(dst) {
                register.hold(op.result())?;
                if register.first_write == 0 {
                    register.first_write = i as u8 + 1;
                }
            }
        }
        Ok(registers)
    }

    fn temporary(&self, register: usize, count: usize, dtype: DType) -> Result<(), ParamError> {
        if register >= count {
            return Err(ParamError::BadCode);
        }
        let temp_size = usize::from(self.temp_size);
        let fits = dtype.size() <= temp_size && temp_size.is_multiple_of(dtype.align());
        if fits { Ok(()) } else { Err(ParamError::Mismatch) }
    }

    /// Whether the output may lie on the input: same elements in the same order, and the input is
    /// not read after the output's first write.
    fn may_share(&self, input: (&Strides, &Register), output: (&Strides, &Register)) -> bool {
        let strides = input.0.iter().zip(output.0.iter());
        let same = self.sizes.iter().zip(strides).all(|(&n, (a, b))| n == 1 || a == b);
        let (read, written) = (input.1, output.1);
        same && read.size == written.size && read.last_read < written.first_write
    }

    /// How outputs may lie over an input that they share the order of: elements are passed as they lie, from
    /// the first to the last, unless strides say otherwise.
    fn overlap(&self, strides: &Strides, element: u8) -> Overlap {
        let mut reach = i32::from(element);
        for (&size, &stride) in self.sizes.iter().zip(strides).rev().filter(|(n, _)| **n > 1) {
            if stride < reach {
                return Overlap::IN_PLACE;
            }
            reach = reach.wrapping_add(stride.wrapping_mul(size.wrapping_sub(1) as i32));
        }
        Overlap::behind(0)
    }

    fn scratch_access(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        match (self.scratch, self.temps) {
            (None, 0) => Ok(()),
            (Some(place), 1..=super::MAX_MAP_TEMPS) => {
                if !matches!(self.temp_size, 1 | 2 | 4 | 8 | 16) {
                    return Err(ParamError::BadCode);
                }
                let bytes = [u32::from(self.temps), self.tile, u32::from(self.temp_size)];
                let align = usize::from(self.temp_size).min(8);
                visit(dense(&bytes)?.access(AccessKind::Scratch, place, align));
                Ok(())
            }
            _ => Err(ParamError::Mismatch),
        }
    }
}

impl<P: Copy> MapOperand<P> {
    fn with<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> MapOperand<Q> {
        MapOperand { place: f(self.place), strides: self.strides.clone() }
    }

    fn access(
        &self,
        sizes: &Sizes,
        register: &Register,
        kind: AccessKind,
    ) -> Result<Access<P>, ParamError> {
        let (size, align) = (usize::from(register.size), usize::from(register.align));
        if size == 0 {
            return Err(ParamError::Mismatch);
        }
        Ok(strided(&[(sizes, &self.strides)], size, align)?.access(kind, self.place, align))
    }
}

impl<P: Copy> Params<P> for Map<P> {
    type With<Q: Copy> = Map<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Map<Q> {
        Map {
            sizes: self.sizes.clone(),
            inputs: self.inputs.iter().map(|operand| operand.with(f)).collect(),
            outputs: self.outputs.iter().map(|operand| operand.with(f)).collect(),
            scratch: self.scratch.map(&mut *f),
            temps: self.temps,
            temp_size: self.temp_size,
            tile: self.tile,
            code: self.code.clone(),
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        nonzero(&[self.tile, self.sizes.len() as u32, self.code.len() as u32])?;
        product(&self.sizes)?;
        let registers = self.registers()?;
        let (reads, writes) =
            registers.split_at_checked(self.inputs.len()).ok_or(ParamError::Mismatch)?;
        let outputs = || self.outputs.iter().zip(writes).map(|(o, r)| (&o.strides, r));
        let mut shared = [false; MAX_MAP_INPUTS];
        for ((input, register), share) in self.inputs.iter().zip(reads).zip(&mut shared) {
            let mut access = input.access(&self.sizes, register, AccessKind::Read)?;
            *share = outputs().any(|output| self.may_share((&input.strides, register), output));
            if *share {
                access.overlap = self.overlap(&input.strides, register.size);
            }
            visit(access);
        }
        for (output, register) in self.outputs.iter().zip(writes) {
            if register.first_write == 0 {
                return Err(ParamError::Mismatch);
            }
            let mut access = output.access(&self.sizes, register, AccessKind::Write)?;
            let all = self.inputs.iter().zip(reads).zip(&shared).all(|((input, read), share)| {
                !share || self.may_share((&input.strides, read), (&output.strides, register))
            });
            if !all {
                access.overlap = Overlap::NEVER;
            }
            visit(access);
        }
        self.scratch_access(visit)
    }

    fn micro_ops(&self, visit: &mut dyn FnMut(MicroId)) {
        self.code.iter().for_each(|instr| visit(instr.op));
    }
}
