//! Region bodies as scalar code that kernels run.

use std::collections::{HashMap, HashSet};

use microhlo_format::kernels::{MapInstr, RegionCode, RegionScalar};
use microhlo_format::{DType, MicroId, MicroOp};

use super::program::{Ref, Storage};
use super::{Lowered, Lowerer};
use crate::compile::CompileError;
use crate::diag::Span;
use crate::ir::{BlockId, OpId, ValueId};
use crate::ops::compare::{Compare, CompareType, Direction};
use crate::ops::{ElementwiseOp, OpKind};

/// Most elements that the code of a region computes together.
pub(super) const LANES: u32 = 64;

/// A register before temporaries share memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reg {
    Operand(usize),
    Scalar(usize),
    /// Every temporary is written once.
    Temp(usize),
}

/// One instruction.
struct Instr {
    op: MicroId,
    dst: Reg,
    args: Vec<Reg>,
}

/// The code of a region under construction.
struct Draft {
    operands: Vec<DType>,
    scalars: Vec<(Ref, DType)>,
    temps: usize,
    values: HashMap<ValueId, Reg>,
    code: Vec<Instr>,
    span: Span,
}

/// What a kernel gives to a region.
pub(super) struct Arguments<'x> {
    /// Element types of the kernel's operand registers.
    pub operands: &'x [DType],
    /// The operand register of each argument of the region, converted where types differ.
    pub of_args: &'x [usize],
    /// Most elements computed together.
    pub lanes: u32,
}

impl Draft {
    fn temp(&mut self, op: MicroId, args: Vec<Reg>) -> Reg {
        let dst = Reg::Temp(self.temps);
        self.temps += 1;
        self.code.push(Instr { op, dst, args });
        dst
    }

    /// Removes what nothing needs.
    fn prune(&mut self, result: Option<Reg>) {
        let mut live: HashSet<Reg> = result.into_iter().collect();
        let mut kept = Vec::new();
        for instr in self.code.drain(..).rev() {
            if !matches!(instr.dst, Reg::Temp(_)) || live.contains(&instr.dst) {
                live.extend(&instr.args);
                kept.push(instr);
            }
        }
        kept.reverse();
        self.code = kept;
    }

    /// Numbers of the scalars that are read.
    fn used_scalars(&self, result: Option<Reg>) -> Vec<usize> {
        let used = |i: &usize| result == Some(Reg::Scalar(*i)) || self.reads(0, Reg::Scalar(*i));
        (0..self.scalars.len()).filter(used).collect()
    }

    fn reads(&self, from: usize, reg: Reg) -> bool {
        self.code[from..].iter().any(|instr| instr.args.contains(&reg))
    }

    /// Makes the results of the region the contents of the first operands.
    fn assign(&mut self, results: &[(Reg, DType)]) {
        // What an operand that is overwritten holds may be needed for another one.
        let mut sources = Vec::new();
        for (i, &(reg, dtype)) in results.iter().enumerate() {
            let clobbered = matches!(reg, Reg::Operand(o) if o < results.len() && o != i);
            let copy = MicroId::op(MicroOp::copy, dtype);
            sources.push(if clobbered { self.temp(copy, vec![reg]) } else { reg });
        }
        for (i, &(_, dtype)) in results.iter().enumerate() {
            let (reg, to) = (sources[i], Reg::Operand(i));
            if reg == to {
                continue;
            }
            if self.renamed(reg, to) {
                sources.iter_mut().filter(|s| **s == reg).for_each(|s| *s = to);
                continue;
            }
            let copy = MicroId::op(MicroOp::copy, dtype);
            self.code.push(Instr { op: copy, dst: to, args: vec![reg] });
        }
    }

    /// Computes a temporary in an operand at once, unless what that holds is read later.
    fn renamed(&mut self, temp: Reg, to: Reg) -> bool {
        let Some(at) = self.code.iter().position(|i| i.dst == temp && temp != to) else {
            return false;
        };
        if !matches!(temp, Reg::Temp(_)) || self.reads(at + 1, to) {
            return false;
        }
        for instr in &mut self.code[at..] {
            instr.args.iter_mut().filter(|a| **a == temp).for_each(|a| *a = to);
        }
        self.code[at].dst = to;
        true
    }

    /// Numbers of temporaries such that those needed at the same time differ, and their bytes.
    fn allocate(&self, result: Option<Reg>) -> (Vec<usize>, usize, usize) {
        let last_use = |t: usize| {
            let reg = Reg::Temp(t);
            let read = self.code.iter().rposition(|i| i.args.contains(&reg) || i.dst == reg);
            if result == Some(reg) { self.code.len() } else { read.unwrap_or(0) }
        };
        let (mut numbers, mut size) = (vec![0; self.temps], 1);
        let mut until: Vec<usize> = Vec::new();
        for (at, instr) in self.code.iter().enumerate() {
            let Reg::Temp(t) = instr.dst else { continue };
            size = size.max(instr.op.decode().map_or(1, |m| m.result().size()));
            // An instruction may write over what it reads for the last time: element by element,
            // it reads first.
            let free = until.iter().position(|&end| end <= at);
            let number = free.unwrap_or(until.len());
            if free.is_none() {
                until.push(0);
            }
            until[number] = last_use(t).max(at + 1);
            numbers[t] = number;
        }
        (numbers, until.len(), size)
    }
}

impl Lowerer<'_> {
    /// Code that replaces the first operand registers by what the region returns.
    pub(super) fn region_code(
        &mut self,
        block: BlockId,
        arguments: &Arguments<'_>,
        span: Span,
    ) -> Lowered<RegionCode<Ref>> {
        let (mut draft, results) = self.region_draft(block, arguments, span)?;
        draft.assign(&results);
        self.finish_region(&mut draft, None, arguments.lanes).map(|(code, _)| code)
    }

    /// Code of a region that returns a boolean, and the register that holds it.
    pub(super) fn region_test(
        &mut self,
        block: BlockId,
        arguments: &Arguments<'_>,
        span: Span,
    ) -> Lowered<(RegionCode<Ref>, u8)> {
        let (mut draft, results) = self.region_draft(block, arguments, span)?;
        let result = results.first().map(|r| r.0);
        self.finish_region(&mut draft, result, arguments.lanes)
    }

    /// All operations of the region, and where its results are.
    fn region_draft(
        &mut self,
        block: BlockId,
        arguments: &Arguments<'_>,
        span: Span,
    ) -> Lowered<(Draft, Vec<(Reg, DType)>)> {
        let mut draft = Draft {
            operands: arguments.operands.to_vec(),
            scalars: Vec::new(),
            temps: 0,
            values: HashMap::new(),
            code: Vec::new(),
            span,
        };
        let args = self.body.blocks[block].args.clone();
        for (&arg, &operand) in args.iter().zip(arguments.of_args) {
            let (dtype, _) = self.static_tensor(arg, span)?;
            let from = arguments.operands[operand];
            let mut reg = Reg::Operand(operand);
            if from != dtype {
                reg = draft.temp(MicroId::convert(from, dtype), vec![reg]);
            }
            draft.values.insert(arg, reg);
        }
        let mut results = Vec::new();
        for op in self.body.blocks[block].ops.clone() {
            match &self.body.ops[op].kind {
                OpKind::Return(_) => {
                    for value in self.body.ops[op].operands.clone() {
                        let dtype = self.static_tensor(value, span)?.0;
                        results.push((self.region_value(value, &mut draft)?, dtype));
                    }
                }
                _ => self.region_op(op, &mut draft)?,
            }
        }
        Ok((draft, results))
    }

    fn region_op(&mut self, op: OpId, draft: &mut Draft) -> Lowered<()> {
        let body = self.body;
        let o = &body.ops[op];
        let scalar = |v: &ValueId| body.ty(*v).tensor().is_some_and(|t| t.rank() == 0);
        let scalars = o.operands.iter().chain(&o.results).all(scalar);
        let (true, &[result]) = (scalars, o.results.as_slice()) else {
            return Err(self.not_scalar_code(op));
        };
        let reg = match &o.kind {
            OpKind::Constant(_) => return Ok(()),
            OpKind::Reshape(_) | OpKind::BroadcastInDim(_) | OpKind::Transpose(_) => {
                self.region_value(o.operands[0], draft)?
            }
            OpKind::Elementwise(_) | OpKind::Compare(_) => {
                let mut args = Vec::new();
                for &v in &o.operands {
                    args.push(self.region_value(v, draft)?);
                }
                match &o.kind {
                    OpKind::Compare(c) => self.region_compare(op, c, args, draft)?,
                    _ => draft.temp(self.micro_of(op)?, args),
                }
            }
            _ => return Err(self.not_scalar_code(op)),
        };
        draft.values.insert(result, reg);
        Ok(())
    }

    fn not_scalar_code(&self, op: OpId) -> CompileError {
        let what = format!(
            "`{}` inside of a region that combines elements is not supported yet",
            self.body.ops[op].kind.name()
        );
        CompileError::unsupported(self.span(op), what)
    }

    /// Comparisons, those in total order by `total_lt` or by the bits.
    fn region_compare(
        &mut self,
        op: OpId,
        c: &Compare,
        mut args: Vec<Reg>,
        draft: &mut Draft,
    ) -> Lowered<Reg> {
        let (dtype, _) = self.static_tensor(self.body.ops[op].operands[0], self.span(op))?;
        if c.compare_type != Some(CompareType::TotalOrder) || !dtype.is_float() {
            return Ok(draft.temp(self.micro_of(op)?, args));
        }
        if let Some(reg) = self.sort_compare(op, c, dtype, draft)? {
            return Ok(reg);
        }
        let bits = match dtype.size() {
            1 => DType::U8,
            2 => DType::U16,
            4 => DType::U32,
            _ => DType::U64,
        };
        let (micro, negated) = match c.direction {
            Direction::Eq => (MicroId::op(MicroOp::eq, bits), false),
            Direction::Ne => (MicroId::op(MicroOp::ne, bits), false),
            Direction::Lt | Direction::Ge => {
                (MicroId::op(MicroOp::total_lt, dtype), c.direction == Direction::Ge)
            }
            Direction::Gt | Direction::Le => {
                args.reverse();
                (MicroId::op(MicroOp::total_lt, dtype), c.direction == Direction::Le)
            }
        };
        let reg = draft.temp(micro, args);
        let not = MicroId::op(MicroOp::not, DType::I1);
        Ok(if negated { draft.temp(not, vec![reg]) } else { reg })
    }

    /// A comparison as exporters sort with it: in total order, after both sides have been brought
    /// into a form that has one zero and one NaN.
    fn sort_compare(
        &mut self,
        op: OpId,
        c: &Compare,
        dtype: DType,
        draft: &mut Draft,
    ) -> Lowered<Option<Reg>> {
        let operands = &self.body.ops[op].operands;
        let wide = matches!(dtype, DType::F32 | DType::F64);
        let (true, Some(a), Some(b)) =
            (wide, self.sort_key(operands[0]), self.sort_key(operands[1]))
        else {
            return Ok(None);
        };
        let mut args = vec![self.region_value(a, draft)?, self.region_value(b, draft)?];
        match c.direction {
            Direction::Lt => {}
            Direction::Gt => args.reverse(),
            _ => return Ok(None),
        }
        Ok(Some(draft.temp(MicroId::op(MicroOp::sort_lt, dtype), args)))
    }

    /// The value `x` behind `select(x != x, NaN, select(x == 0, 0, x))`.
    fn sort_key(&self, value: ValueId) -> Option<ValueId> {
        let (nan_test, nan, rest) = self.selection(value)?;
        let (zero_test, zero, x) = self.selection(rest)?;
        let bytes = |v: ValueId| self.body.constant(v)?.splat_bytes();
        let is_zero = |v: ValueId| bytes(v).is_some_and(|b| b.iter().all(|&b| b == 0));
        let positive_nan = match *bytes(nan)? {
            [a, b, c, d] => i32::from_le_bytes([a, b, c, d]) > 0x7f80_0000,
            [a, b, c, d, e, f, g, h] => {
                i64::from_le_bytes([a, b, c, d, e, f, g, h]) > 0x7ff0_0000_0000_0000
            }
            _ => false,
        };
        let compared = |test: ValueId, direction: Direction| match self.facts.def(test)? {
            (op, OpKind::Compare(c)) if c.direction == direction => {
                let total = c.compare_type == Some(CompareType::TotalOrder);
                <[ValueId; 2]>::try_from(&self.body.ops[op].operands[..]).ok().filter(|_| !total)
            }
            _ => None,
        };
        let [a, b] = compared(zero_test, Direction::Eq)?;
        let zeros = is_zero(zero) && ((a == x && is_zero(b)) || (b == x && is_zero(a)));
        let nans = positive_nan && compared(nan_test, Direction::Ne)? == [x, x];
        (zeros && nans).then_some(x)
    }

    /// Predicate and values of a `select`.
    fn selection(&self, value: ValueId) -> Option<(ValueId, ValueId, ValueId)> {
        let op = self.facts.elementwise(value, ElementwiseOp::Select)?;
        match *self.body.ops[op].operands.as_slice() {
            [test, on_true, on_false] => Some((test, on_true, on_false)),
            _ => None,
        }
    }

    /// The register of a value of the region, of a constant, or of a scalar from outside.
    fn region_value(&mut self, value: ValueId, draft: &mut Draft) -> Lowered<Reg> {
        if let Some(&reg) = draft.values.get(&value) {
            return Ok(reg);
        }
        let view = match self.body.constant(value) {
            Some(c) => {
                let (dtype, dims) = self.static_tensor(value, draft.span)?;
                self.constant_view(c, dtype, &dims)
            }
            None => self.view(value, draft.span)?,
        };
        let scalar = (view.base, view.dtype);
        let at = draft.scalars.iter().position(|s| *s == scalar);
        let at = at.unwrap_or_else(|| {
            draft.scalars.push(scalar);
            draft.scalars.len() - 1
        });
        let reg = Reg::Scalar(at);
        draft.values.insert(value, reg);
        Ok(reg)
    }

    fn finish_region(
        &mut self,
        draft: &mut Draft,
        result: Option<Reg>,
        lanes: u32,
    ) -> Lowered<(RegionCode<Ref>, u8)> {
        draft.prune(result);
        let (numbers, temps, temp_size) = draft.allocate(result);
        let (operands, scalars) = (draft.operands.len(), draft.used_scalars(result));
        let number = |reg: Reg| match reg {
            Reg::Operand(i) => i as u8,
            Reg::Scalar(i) => (operands + scalars.iter().position(|&s| s == i).unwrap_or(0)) as u8,
            Reg::Temp(i) => (operands + scalars.len() + numbers[i]) as u8,
        };
        let full = || {
            let what = "a region that combines elements is too long for the device kernels";
            CompileError::unsupported(draft.span, what)
        };
        let mut code = heapless::Vec::new();
        for instr in &draft.code {
            let mut args = [0; 3];
            for (slot, &arg) in args.iter_mut().zip(&instr.args) {
                *slot = number(arg);
            }
            let instr = MapInstr { op: instr.op, dst: number(instr.dst), args };
            code.push(instr).map_err(|_| full())?;
        }
        if temps > usize::from(microhlo_format::kernels::MAX_REGION_TEMPS) {
            return Err(full());
        }
        let bytes = temps as u32 * lanes * temp_size as u32;
        let scratch = match temps {
            0 => None,
            _ => Some(self.buffer("scratch", DType::U8, &[bytes], Storage::Temp, draft.span)?),
        };
        if let Some(s) = scratch {
            self.program.buffers[s.buffer].align = 16;
        }
        let mut list = heapless::Vec::new();
        for &i in &scalars {
            let (place, dtype) = draft.scalars[i];
            list.push(RegionScalar { place, dtype }).map_err(|_| full())?;
        }
        let (temps, temp_size) = (temps as u8, temp_size as u8);
        let code = RegionCode { scalars: list, scratch, temps, temp_size, lanes, code };
        Ok((code, result.map_or(0, number)))
    }
}
