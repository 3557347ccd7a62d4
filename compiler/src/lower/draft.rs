//! Region bodies as scalar code on registers that are not numbered yet.

use std::collections::{HashMap, HashSet};

use microhlo_format::kernels::{MAX_REGION_CODE, MAX_REGION_SCALARS, MAX_REGION_TEMPS};
use microhlo_format::{DType, MicroId, MicroOp};

use super::facts::Facts;
use super::map::micro_of;
use super::{Lowered, static_tensor};
use crate::compile::CompileError;
use crate::diag::Span;
use crate::ir::{BlockId, Body, OpId, TensorType, ValueId};
use crate::ops::compare::{Compare, CompareType, Direction};
use crate::ops::region::no_scalar;
use crate::ops::{ElementwiseOp, OpKind};

/// What a kernel gives to a region.
pub(super) struct Arguments<'x> {
    /// Element types of the kernel's operand registers.
    pub operands: &'x [DType],
    /// The operand register of each argument of the region, converted where types differ.
    pub of_args: &'x [usize],
    /// Most elements computed together.
    pub lanes: u32,
}

/// A register before temporaries share memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reg {
    Operand(usize),
    Scalar(usize),
    /// Every temporary is written once.
    Temp(usize),
}

/// One instruction.
pub(super) struct Instr {
    pub op: MicroId,
    pub dst: Reg,
    pub args: Vec<Reg>,
}

/// The code of a region under construction.
pub(super) struct Draft {
    pub operands: Vec<DType>,
    /// Constants, and values from outside.
    pub scalars: Vec<(ValueId, DType)>,
    temps: usize,
    values: HashMap<ValueId, Reg>,
    pub code: Vec<Instr>,
    pub span: Span,
}

/// A draft with what is left of it, and registers numbered.
pub(super) struct Layout {
    /// Numbers of the scalars that are read.
    pub scalars: Vec<usize>,
    /// Numbers of temporaries such that those needed at the same time differ.
    pub numbers: Vec<usize>,
    /// How many temporaries there are, and bytes of one.
    pub temps: usize,
    pub temp_size: usize,
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
    pub(super) fn assign(&mut self, results: &[(Reg, DType)]) {
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

    /// What the kernels are to run, if they have room for it.
    pub(super) fn layout(&mut self, result: Option<Reg>) -> Lowered<Layout> {
        self.prune(result);
        let (numbers, temps, temp_size) = self.allocate(result);
        let scalars = self.used_scalars(result);
        let fits = self.code.len() <= MAX_REGION_CODE
            && temps <= usize::from(MAX_REGION_TEMPS)
            && scalars.len() <= MAX_REGION_SCALARS;
        if !fits {
            return Err(too_long(self.span));
        }
        Ok(Layout { scalars, numbers, temps, temp_size })
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

/// Why a region is no scalar code of the kernels: it is too long.
pub(super) fn too_long(span: Span) -> CompileError {
    let what = "a region that combines elements is too long for the device kernels";
    CompileError::unsupported(span, what)
}

/// Reads regions as scalar code.
pub(super) struct Drafter<'a> {
    /// The body that they are in.
    pub facts: &'a Facts<'a>,
}

impl Drafter<'_> {
    fn body(&self) -> &Body {
        self.facts.body
    }

    fn span(&self, op: OpId) -> Span {
        self.body().ops[op].span
    }

    /// All operations of the region, and where its results are.
    pub(super) fn draft(
        &self,
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
        let args = self.body().blocks[block].args.clone();
        for (&arg, &operand) in args.iter().zip(arguments.of_args) {
            let (dtype, dims) = static_tensor(self.body(), arg, span)?;
            if !dims.is_empty() {
                return Err(CompileError::unsupported(span, no_scalar(self.body().ty(arg))));
            }
            let from = arguments.operands[operand];
            let mut reg = Reg::Operand(operand);
            if from != dtype {
                reg = draft.temp(MicroId::convert(from, dtype), vec![reg]);
            }
            draft.values.insert(arg, reg);
        }
        let mut results = Vec::new();
        for op in self.body().blocks[block].ops.clone() {
            match &self.body().ops[op].kind {
                OpKind::Return(_) => {
                    for value in self.body().ops[op].operands.clone() {
                        let dtype = static_tensor(self.body(), value, span)?.0;
                        results.push((self.value(value, &mut draft)?, dtype));
                    }
                }
                _ => self.op(op, &mut draft)?,
            }
        }
        Ok((draft, results))
    }

    fn op(&self, op: OpId, draft: &mut Draft) -> Lowered<()> {
        let body = self.body();
        let o = &body.ops[op];
        let scalar = |v: &ValueId| body.ty(*v).tensor().is_some_and(|t| t.rank() == 0);
        let scalars = o.operands.iter().chain(&o.results).all(scalar);
        let (true, &[result]) = (scalars, o.results.as_slice()) else {
            return Err(self.not_scalar_code(op));
        };
        let reg = match &o.kind {
            OpKind::Constant(_) => return Ok(()),
            OpKind::Reshape(_) | OpKind::BroadcastInDim(_) | OpKind::Transpose(_) => {
                self.value(o.operands[0], draft)?
            }
            OpKind::BitcastConvert(_) if self.same_bytes(o.operands[0], result) => {
                self.value(o.operands[0], draft)?
            }
            OpKind::Elementwise(_) | OpKind::Compare(_) => {
                let mut args = Vec::new();
                for &v in &o.operands {
                    args.push(self.value(v, draft)?);
                }
                match &o.kind {
                    OpKind::Compare(c) => self.compare(op, c, args, draft)?,
                    _ => draft.temp(micro_of(self.body(), op)?, args),
                }
            }
            _ => return Err(self.not_scalar_code(op)),
        };
        draft.values.insert(result, reg);
        Ok(())
    }

    /// Whether a register of one value's type can be read as the other's.
    fn same_bytes(&self, a: ValueId, b: ValueId) -> bool {
        let dtype = |v: ValueId| self.body().ty(v).tensor().and_then(TensorType::dtype);
        let whole = |d: DType| d.bits() as usize == 8 * d.size() && !d.is_complex();
        let both = dtype(a).zip(dtype(b));
        both.is_some_and(|(a, b)| a.size() == b.size() && whole(a) && whole(b))
    }

    fn not_scalar_code(&self, op: OpId) -> CompileError {
        let what = format!(
            "`{}` inside of a region that combines elements is no scalar code",
            self.body().ops[op].kind.name()
        );
        CompileError::unsupported(self.span(op), what)
    }

    /// Comparisons, those in total order by `total_lt` or by the bits.
    fn compare(
        &self,
        op: OpId,
        c: &Compare,
        mut args: Vec<Reg>,
        draft: &mut Draft,
    ) -> Lowered<Reg> {
        let (dtype, _) =
            static_tensor(self.body(), self.body().ops[op].operands[0], self.span(op))?;
        if c.compare_type != Some(CompareType::TotalOrder) || !dtype.is_float() {
            return Ok(draft.temp(micro_of(self.body(), op)?, args));
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
        &self,
        op: OpId,
        c: &Compare,
        dtype: DType,
        draft: &mut Draft,
    ) -> Lowered<Option<Reg>> {
        let operands = &self.body().ops[op].operands;
        let wide = matches!(dtype, DType::F32 | DType::F64);
        let (true, Some(a), Some(b)) =
            (wide, self.sort_key(operands[0]), self.sort_key(operands[1]))
        else {
            return Ok(None);
        };
        let mut args = vec![self.value(a, draft)?, self.value(b, draft)?];
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
        let bytes = |v: ValueId| self.body().constant(v)?.splat_bytes();
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
                <[ValueId; 2]>::try_from(&self.body().ops[op].operands[..]).ok().filter(|_| !total)
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
        match *self.body().ops[op].operands.as_slice() {
            [test, on_true, on_false] => Some((test, on_true, on_false)),
            _ => None,
        }
    }

    /// The register of a value of the region, of a constant, or of a scalar from outside.
    fn value(&self, value: ValueId, draft: &mut Draft) -> Lowered<Reg> {
        if let Some(&reg) = draft.values.get(&value) {
            return Ok(reg);
        }
        let (dtype, _) = static_tensor(self.body(), value, draft.span)?;
        let bytes = |v: ValueId| self.body().constant(v)?.splat_bytes();
        let same = |&(other, ty): &(ValueId, DType)| {
            other == value
                || (ty == dtype && bytes(value).is_some() && bytes(other) == bytes(value))
        };
        let at = draft.scalars.iter().position(same).unwrap_or_else(|| {
            draft.scalars.push((value, dtype));
            draft.scalars.len() - 1
        });
        let reg = Reg::Scalar(at);
        draft.values.insert(value, reg);
        Ok(reg)
    }
}
