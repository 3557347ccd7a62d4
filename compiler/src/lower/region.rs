//! Region bodies as scalar code that kernels run.

use microhlo_format::DType;
use microhlo_format::kernels::{MAX_REGION_OPERANDS, MapInstr, RegionCode, RegionScalar};

use super::draft::{Arguments, Draft, Drafter, Layout, Reg, too_long};
use super::facts::{Facts, simple_reduction};
use super::program::{Ref, Storage};
use super::scatter::returns_updates;
use super::{Lowered, Lowerer, static_tensor};
use crate::diag::Span;
use crate::ir::{BlockId, Op, OpId, ValueId};
use crate::ops::OpKind;

/// Most elements that the code of a region computes together.
pub(super) const LANES: u32 = 64;

/// Whether the kernels run all regions of an operation that combines elements.
pub fn is_scalar_code(facts: &Facts<'_>, op: OpId) -> bool {
    let o = &facts.body.ops[op];
    if simple_reduction(facts.body, op).is_some() {
        return true;
    }
    let n = o.results.len();
    let twice = |values: &[ValueId]| [values, values].concat();
    let fits = |block: BlockId, operands: &[ValueId], test: bool| {
        n <= MAX_REGION_OPERANDS && region_fits(facts, o, block, operands, test).is_ok()
    };
    match (&o.kind, o.regions.as_slice()) {
        (OpKind::Reduce(_) | OpKind::ReduceWindow(_), &[region]) => {
            fits(region, &[&o.results, &o.operands[..n]].concat(), false)
        }
        (OpKind::Scatter(_), &[region]) => {
            returns_updates(facts.body, region, n) || fits(region, &twice(&o.results), false)
        }
        (OpKind::Sort(_), &[region]) => {
            let pairs: Vec<ValueId> = o.operands.iter().flat_map(|&v| [v, v]).collect();
            fits(region, &pairs, true)
        }
        (OpKind::SelectAndScatter(_), &[select, scatter]) => {
            fits(select, &twice(&o.operands[..1]), true) && fits(scatter, &twice(&o.results), false)
        }
        _ => true,
    }
}

/// Fails unless a region is scalar code on elements of these tensors. It returns a boolean or what
/// the first ones become.
fn region_fits(
    facts: &Facts<'_>,
    op: &Op,
    block: BlockId,
    operands: &[ValueId],
    test: bool,
) -> Lowered<()> {
    let dtype = |&v: &ValueId| static_tensor(facts.body, v, op.span).map(|(dtype, _)| dtype);
    let types = operands.iter().map(dtype).collect::<Lowered<Vec<_>>>()?;
    let of_args: Vec<usize> = (0..types.len()).collect();
    let arguments = Arguments { operands: &types, of_args: &of_args, lanes: 1 };
    let (mut draft, results) = Drafter { facts }.draft(block, &arguments, op.span)?;
    let result = results.first().map(|r| r.0).filter(|_| test);
    if !test {
        draft.assign(&results);
    }
    draft.layout(result).map(|_| ())
}

impl Lowerer<'_> {
    /// Code that replaces the first operand registers by what the region returns.
    pub(super) fn region_code(
        &mut self,
        block: BlockId,
        arguments: &Arguments<'_>,
        span: Span,
    ) -> Lowered<RegionCode<Ref>> {
        let (mut draft, results) = Drafter { facts: self.facts }.draft(block, arguments, span)?;
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
        let (mut draft, results) = Drafter { facts: self.facts }.draft(block, arguments, span)?;
        let result = results.first().map(|r| r.0);
        self.finish_region(&mut draft, result, arguments.lanes)
    }

    fn finish_region(
        &mut self,
        draft: &mut Draft,
        result: Option<Reg>,
        lanes: u32,
    ) -> Lowered<(RegionCode<Ref>, u8)> {
        let Layout { scalars, numbers, temps, temp_size } = draft.layout(result)?;
        let operands = draft.operands.len();
        let number = |reg: Reg| match reg {
            Reg::Operand(i) => i as u8,
            Reg::Scalar(i) => (operands + scalars.iter().position(|&s| s == i).unwrap_or(0)) as u8,
            Reg::Temp(i) => (operands + scalars.len() + numbers[i]) as u8,
        };
        let mut code = heapless::Vec::new();
        for instr in &draft.code {
            let mut args = [0; 3];
            for (slot, &arg) in args.iter_mut().zip(&instr.args) {
                *slot = number(arg);
            }
            let instr = MapInstr { op: instr.op, dst: number(instr.dst), args };
            code.push(instr).map_err(|_| too_long(draft.span))?;
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
            let (value, dtype) = draft.scalars[i];
            let place = self.view(value, draft.span)?.base;
            list.push(RegionScalar { place, dtype }).map_err(|_| too_long(draft.span))?;
        }
        let (temps, temp_size) = (temps as u8, temp_size as u8);
        let code = RegionCode { scalars: list, scratch, temps, temp_size, lanes, code };
        Ok((code, result.map_or(0, number)))
    }
}
