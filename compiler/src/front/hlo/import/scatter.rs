//! `scatter`, whose windows XLA applies as a whole or not at all.

use microhlo_format::DType;

use super::super::graph::{Instruction, Res};
use super::{Importer, NewOp};
use crate::ir::{Constant, Dim, TensorType, ValueId};

impl Importer<'_> {
    /// Scatter indices for StableHLO, which drops single elements outside of the input where XLA
    /// drops the window that they belong to (XLA, operation semantics of `Scatter`): windows that
    /// reach beyond the input begin behind its end.
    pub(super) fn whole_windows(&mut self, at: &Instruction, operands: &mut [ValueId]) -> Res<()> {
        let n = operands.len() / 2;
        let Some(limits) = self.limits(at, operands) else { return Ok(()) };
        let Some(ty) = self.body.ty(operands[n]).tensor().cloned() else { return Ok(()) };
        if ty.static_dims().is_none() {
            return Ok(());
        }
        let wide = match ty.dtype() {
            Some(DType::I64 | DType::U64 | DType::U32) => DType::I64,
            _ => DType::I32,
        };
        let ty = ty.with_dtype(wide);
        let indices = self.unary(at, "stablehlo.convert", operands[n], ty.clone())?;
        let zero = self.components(at, &ty, &vec![0; limits.len()])?;
        let last: Vec<i64> = limits.iter().map(|l| l.last).collect();
        let last = self.components(at, &ty, &last)?;
        let behind: Vec<i64> = limits.iter().map(|l| l.size).collect();
        let behind = self.components(at, &ty, &behind)?;
        let truth = ty.with_dtype(DType::I1);
        let inside = [("GE", zero), ("LE", last)].map(|(direction, limit)| {
            let mut op = NewOp::new("stablehlo.compare", vec![indices, limit]);
            op.attrs.enumeration("comparison_direction", "comparison_direction", direction);
            self.emit_one(at, op, truth.clone().into())
        });
        let [above, below] = inside;
        let inside = self.binary(at, "stablehlo.and", above?, below?)?;
        operands[n] = self.ternary(at, "stablehlo.select", [inside, indices, behind])?;
        Ok(())
    }

    /// The limits of each component of an index, unless all windows are single elements.
    fn limits(&self, at: &Instruction, operands: &[ValueId]) -> Option<Vec<Limit>> {
        let dims = &at.attrs.index;
        let n = operands.len() / 2;
        let input = self.body.ty(*operands.first()?).tensor()?.static_dims()?;
        let update = self.body.ty(*operands.get(n + 1)?).tensor()?.static_dims()?;
        let single = |d: &i64| dims.collapsed.contains(d) || dims.operand_batching.contains(d);
        let windowed: Vec<i64> = (0..input.len() as i64).filter(|d| !single(d)).collect();
        let limit = |d: &i64| {
            let size = i64::try_from(*input.get(usize::try_from(*d).ok()?)?).ok()?;
            let Some(position) = windowed.iter().position(|w| w == d) else {
                return Some(Limit { last: size - 1, size });
            };
            let in_update = usize::try_from(*dims.offset.get(position)?).ok()?;
            let window = i64::try_from(*update.get(in_update)?).ok()?;
            Some(Limit { last: size - window, size })
        };
        let limits: Vec<Limit> = dims.map.iter().map(limit).collect::<Option<_>>()?;
        limits.iter().any(|l| l.last < l.size - 1).then_some(limits)
    }

    /// A tensor of indices with the same components everywhere.
    fn components(&mut self, at: &Instruction, ty: &TensorType, values: &[i64]) -> Res<ValueId> {
        let wide = ty.dtype() == Some(DType::I64);
        let bytes: Vec<u8> = match wide {
            true => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            false => values.iter().flat_map(|&v| (v as i32).to_le_bytes()).collect(),
        };
        let vector = at.attrs.index.vector_dim;
        let one =
            TensorType { dims: vec![Dim::Static(values.len() as u64)], elem: ty.elem.clone() };
        let scalar = TensorType { dims: Vec::new(), elem: ty.elem.clone() };
        // Without a dimension for components an index is one number.
        let (list, dims) = match vector < ty.rank() as i64 {
            true => (one, vec![vector]),
            false => (scalar, Vec::new()),
        };
        let list = self.splat(at, Constant::dense(list, bytes))?;
        let mut op = NewOp::new("stablehlo.broadcast_in_dim", vec![list]);
        op.attrs.ints("broadcast_dimensions", &dims);
        self.emit_one(at, op, ty.clone().into())
    }
}

/// Where windows may begin in a dimension of the input.
struct Limit {
    last: i64,
    size: i64,
}
