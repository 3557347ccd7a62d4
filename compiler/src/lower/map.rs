//! Lowering of elementwise clusters to one map kernel each.

use std::collections::{HashMap, HashSet};

use microhlo_format::kernels::{Map, MapInstr, MapOperand};
use microhlo_format::{DType, Kernel, MicroId, MicroOp};

use super::cluster::{Cluster, is_output};
use super::facts::micro_op;
use super::program::{Ref, Storage};
use super::view::{self, Nest, View};
use super::{Lowered, Lowerer, static_tensor, too_deep};
use crate::compile::CompileError;
use crate::ir::{Body, OpId, ValueId};
use crate::ops::compare::{CompareType, Direction};
use crate::ops::{ElementwiseOp, OpKind};

/// Elements of a tile when the kernel needs temporaries.
const TILE: u32 = 64;

/// Where a value of the cluster is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reg {
    Input(usize),
    Output(usize),
    Temp(usize),
}

/// A map under construction.
struct Draft {
    inputs: Vec<View>,
    outputs: Vec<View>,
    regs: HashMap<ValueId, Reg>,
    code: Vec<(MicroId, Reg, Vec<Reg>)>,
    temps: Vec<Option<ValueId>>,
    temp_size: usize,
}

impl Lowerer<'_> {
    pub(super) fn map(&mut self, cluster: &Cluster) -> Lowered<()> {
        let ops = cluster.ops.as_slice();
        let inside: HashSet<OpId> = ops.iter().copied().collect();
        let mut draft = Draft {
            inputs: Vec::new(),
            outputs: Vec::new(),
            regs: HashMap::new(),
            code: Vec::new(),
            temps: Vec::new(),
            temp_size: 1,
        };
        let first = self.body.ops[ops[0]].results[0];
        let (_, sizes) = self.static_tensor(first, self.span(ops[0]))?;
        for &op in ops {
            self.map_inputs(op, &inside, &sizes, &mut draft)?;
        }
        for &op in ops {
            let value = self.body.ops[op].results[0];
            if cluster.peeked.contains(&value) || is_output(self.facts, value, &inside) {
                let (base, dtype, dims) = self.result(value, op)?;
                draft.regs.insert(value, Reg::Output(draft.outputs.len()));
                draft.outputs.push(View::dense(base, dtype, &dims));
            }
        }
        for i in 0..ops.len() {
            self.map_code(&ops[i..], &mut draft)?;
        }
        self.emit_map(draft, &sizes, ops)
    }

    /// Gives every operand from outside a register.
    fn map_inputs(
        &mut self,
        op: OpId,
        inside: &HashSet<OpId>,
        sizes: &[u32],
        draft: &mut Draft,
    ) -> Lowered<()> {
        for &v in &self.body.ops[op].operands.clone() {
            let known = draft.regs.contains_key(&v)
                || self.body.def_op(v).is_some_and(|d| inside.contains(&d));
            if known {
                continue;
            }
            let mut view = self.view(v, self.span(op))?;
            if view.sizes.len() != sizes.len() {
                // The scalar predicate of `select`, the scalar bounds of `clamp`.
                view.sizes = sizes.to_vec();
                view.strides = vec![0; sizes.len()];
            }
            let at = draft.inputs.iter().position(|i| *i == view);
            let at = at.unwrap_or_else(|| {
                draft.inputs.push(view);
                draft.inputs.len() - 1
            });
            draft.regs.insert(v, Reg::Input(at));
        }
        Ok(())
    }

    /// The instruction of the first of the operations that remain.
    fn map_code(&mut self, rest: &[OpId], draft: &mut Draft) -> Lowered<()> {
        let op = rest[0];
        let micro = micro_of(self.body, op)?;
        let args: Vec<Reg> = self.body.ops[op].operands.iter().map(|v| draft.regs[v]).collect();
        let result = self.body.ops[op].results[0];
        // Temporaries whose last reader is this operation are free for its result: a
        // micro-operation reads each element before it writes it.
        let later = |v: &ValueId| rest[1..].iter().any(|&r| self.body.ops[r].operands.contains(v));
        for slot in &mut draft.temps {
            if slot.as_ref().is_some_and(|v| !later(v)) {
                *slot = None;
            }
        }
        let dst = match draft.regs.get(&result) {
            Some(&reg) => reg,
            None => {
                let size = micro.decode().map_or(1, |m| m.result().size());
                let read_later: HashSet<Reg> = rest[1..]
                    .iter()
                    .flat_map(|&r| &self.body.ops[r].operands)
                    .filter_map(|v| draft.regs.get(v).copied())
                    .collect();
                let borrowed = draft.borrow_output(size, &read_later);
                let reg = borrowed.unwrap_or_else(|| draft.temp(result, size));
                draft.regs.insert(result, reg);
                reg
            }
        };
        draft.code.push((micro, dst, args));
        Ok(())
    }

    fn emit_map(&mut self, draft: Draft, sizes: &[u32], ops: &[OpId]) -> Lowered<()> {
        let span = self.span(ops[0]);
        let deep = || too_deep(span);
        let all: Vec<&[i64]> =
            draft.inputs.iter().chain(&draft.outputs).map(|v| v.strides.as_slice()).collect();
        let nest = Nest::new(sizes, &all);
        let operand = |i: usize, v: &View| -> Lowered<MapOperand<Ref>> {
            let strides = view::strides(&nest.strides[i]).ok_or_else(deep)?;
            Ok(MapOperand { place: v.base, strides })
        };
        let inputs = draft.inputs.iter().enumerate().map(|(i, v)| operand(i, v));
        let n = draft.inputs.len();
        let outputs = draft.outputs.iter().enumerate().map(|(i, v)| operand(n + i, v));
        let temps = draft.temps.len();
        let inner = nest.sizes.last().copied().unwrap_or(1);
        let tile = if temps == 0 { inner } else { inner.min(TILE) }.max(1);
        let bytes = temps * tile as usize * draft.temp_size;
        let scratch = match temps {
            0 => None,
            _ => Some(self.buffer("scratch", DType::U8, &[bytes as u32], Storage::Temp, span)?),
        };
        if let Some(s) = scratch {
            self.program.buffers[s.buffer].align = 16;
        }
        let number = |r: Reg| match r {
            Reg::Input(i) => i as u8,
            Reg::Output(i) => (n + i) as u8,
            Reg::Temp(i) => (n + draft.outputs.len() + i) as u8,
        };
        let code = draft.code.iter().map(|(op, dst, args)| {
            let mut regs = [0; 3];
            for (slot, &a) in regs.iter_mut().zip(args) {
                *slot = number(a);
            }
            MapInstr { op: *op, dst: number(*dst), args: regs }
        });
        let kernel = Map {
            sizes: view::sizes(&nest.sizes).ok_or_else(deep)?,
            inputs: collect(inputs, span)?,
            outputs: collect(outputs, span)?,
            scratch,
            temps: temps as u8,
            temp_size: draft.temp_size as u8,
            tile,
            code: collect(code.map(Ok), span)?,
        };
        self.step(Kernel::map(kernel), ops[0]);
        if let Some(step) = self.program.steps.last_mut() {
            for &op in &ops[1..] {
                let name = self.body.ops[op].kind.name();
                step.name.push('+');
                step.name.push_str(name.strip_prefix("stablehlo.").unwrap_or(name));
            }
        }
        Ok(())
    }

    /// The view, converted to another element type by a map of its own.
    pub(super) fn converted(&mut self, view: &View, to: DType, op: OpId) -> Lowered<View> {
        let span = self.span(op);
        let output = self.buffer("converted", to, &view.sizes, Storage::Temp, span)?;
        let output = View::dense(output, to, &view.sizes);
        let micro = MicroId::convert(view.dtype, to);
        let draft = Draft {
            inputs: vec![view.clone()],
            outputs: vec![output.clone()],
            regs: HashMap::new(),
            code: vec![(micro, Reg::Output(0), vec![Reg::Input(0)])],
            temps: Vec::new(),
            temp_size: 1,
        };
        self.emit_map(draft, &view.sizes, &[op])?;
        Ok(output)
    }
}

/// The micro-operation of an elementwise operation.
pub(super) fn micro_of(body: &Body, op: OpId) -> Lowered<MicroId> {
    let o = &body.ops[op];
    let span = o.span;
    let (result, _) = static_tensor(body, o.results[0], span)?;
    let (first, _) = static_tensor(body, o.operands[0], span)?;
    let missing = |what: String| CompileError::unsupported(span, what);
    let id = match &o.kind {
        OpKind::Elementwise(ElementwiseOp::Convert | ElementwiseOp::Real) => {
            MicroId::convert(first, result)
        }
        OpKind::Elementwise(ElementwiseOp::Select) => MicroId::op(MicroOp::select, bits(result)),
        OpKind::Elementwise(e) => {
            let micro = micro_op(*e)
                .ok_or_else(|| missing(format!("`{}` is not supported yet", e.name())))?;
            let dtype = if micro.is_predicate() || micro.is_part() { first } else { result };
            MicroId::op(micro, dtype)
        }
        OpKind::Compare(c) => {
            let total = c.compare_type == Some(CompareType::TotalOrder) && first.is_float();
            let micro = match (c.direction, total) {
                (Direction::Lt, true) => MicroOp::total_lt,
                (_, true) => {
                    return Err(missing("this TOTALORDER comparison is not supported yet".into()));
                }
                (Direction::Eq, _) => MicroOp::eq,
                (Direction::Ne, _) => MicroOp::ne,
                (Direction::Lt, _) => MicroOp::lt,
                (Direction::Le, _) => MicroOp::le,
                (Direction::Gt, _) => MicroOp::gt,
                (Direction::Ge, _) => MicroOp::ge,
            };
            MicroId::op(micro, first)
        }
        other => return Err(missing(format!("`{}` is not elementwise", other.name()))),
    };
    Ok(id)
}

/// The type whose row moves elements of a type: narrow types are moved as bytes.
fn bits(dtype: DType) -> DType {
    let opaque = dtype.size() == 1 && dtype != DType::I1;
    if opaque { DType::U8 } else { dtype }
}

fn collect<T, const N: usize>(
    items: impl Iterator<Item = Lowered<T>>,
    span: crate::diag::Span,
) -> Lowered<heapless::Vec<T, N>> {
    let mut out = heapless::Vec::new();
    for item in items {
        let item = item?;
        let full = "an elementwise operation exceeds the limits of the map kernel";
        out.push(item).map_err(|_| CompileError::unsupported(span, full))?;
    }
    Ok(out)
}

impl Draft {
    /// An output whose own value is not computed yet serves as a temporary, if nothing that the
    /// output could later share memory with is still to be read.
    fn borrow_output(&self, size: usize, read_later: &HashSet<Reg>) -> Option<Reg> {
        let taken = |reg: Reg| self.code.iter().any(|(_, dst, _)| *dst == reg);
        // With one output only: its final write is the last instruction, so every earlier use of
        // it as a temporary ends before.
        let [output] = self.outputs.as_slice() else { return None };
        let fits = output.dtype.size() == size && !taken(Reg::Output(0));
        let in_the_way =
            self.inputs.iter().enumerate().any(|(i, view)| {
                view.strides == output.strides && read_later.contains(&Reg::Input(i))
            });
        (fits && !in_the_way).then_some(Reg::Output(0))
    }

    fn temp(&mut self, value: ValueId, size: usize) -> Reg {
        self.temp_size = self.temp_size.max(size);
        let free = self.temps.iter().position(Option::is_none);
        let at = free.unwrap_or_else(|| {
            self.temps.push(None);
            self.temps.len() - 1
        });
        self.temps[at] = Some(value);
        Reg::Temp(at)
    }
}
