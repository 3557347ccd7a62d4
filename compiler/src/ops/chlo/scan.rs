//! `chlo.scan`: runs a region over the slices of its inputs along one dimension, carrying values.

use super::super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::eval::{EvalError, Evaluator, Tensor, strides};
use crate::ir::{Dim, TensorType, Type};

/// Runs a region over the slices of its inputs along one dimension. The region takes one slice of
/// each input and the carried values; it returns one slice of each output and the next values.
/// Results are the outputs, then the last carried values.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// The dimension that the slices are taken along and the outputs stacked along.
    pub dimension: i64,
    /// Number of inputs, which come first.
    pub inputs: usize,
    /// Number of carried values, whose first ones are the operands after the inputs.
    pub carries: usize,
    /// Whether slices are taken from the last to the first.
    pub reverse: bool,
    /// Whether the region is known to be associative. The order is the same.
    pub associative: Option<bool>,
    /// Size of the dimension, if it is written.
    pub size: Option<i64>,
}

impl Scan {
    /// Number of slices: the size of the dimension of every input.
    pub fn count(&self, inputs: &[&TensorType]) -> Result<Dim, OpError> {
        let mut count = self.size.and_then(|n| u64::try_from(n).ok()).map(Dim::Static);
        for ty in inputs {
            let d = types::one_dim(None, "dimension", self.dimension, ty.rank())?;
            match count {
                Some(n) if !n.accepts(ty.dims[d]) => {
                    let text = format!("dimension {d} of {ty} must have size {n}");
                    return Err(OpError::new(text));
                }
                Some(n) if n.size().is_some() => {}
                _ => count = Some(ty.dims[d]),
            }
        }
        count.ok_or_else(|| OpError::new("without inputs, `scan_dim_size` must be given"))
    }

    /// The type without the dimension.
    pub fn slice_type(&self, ty: &TensorType) -> TensorType {
        let mut dims = ty.dims.clone();
        if let Some(d) = types::dim_index(self.dimension, dims.len()) {
            dims.remove(d);
        }
        types::with_dims(ty, dims)
    }

    fn split<'t, T>(&self, all: &'t [T]) -> Result<(&'t [T], &'t [T]), OpError> {
        let (inputs, carries) = (self.inputs, self.carries);
        let split = all.split_at_checked(inputs).filter(|(_, rest)| rest.len() == carries);
        split.ok_or_else(|| {
            let text = format!("{inputs} inputs and {carries} carried values expected");
            OpError::new(format!("{text}, {} operands found", all.len()))
        })
    }
}

impl StructuralOp for Scan {
    const NAME: &'static str = "chlo.scan";
    const SPEC: &'static str = "none; CHLO scan";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        attrs.take("resultSegmentSizes");
        let operands = attrs.operands().len();
        let sizes = match attrs.opt_ints("operandSegmentSizes")?.as_deref() {
            Some(&[inputs, carries]) => usize::try_from(inputs).ok().zip(carries.try_into().ok()),
            Some(_) => None,
            None => Some((operands / 2, operands - operands / 2)),
        };
        let Some((inputs, carries)) = sizes else {
            return Err(OpError::new("attribute `operandSegmentSizes` must hold two sizes"));
        };
        Ok(Scan {
            dimension: attrs.int("dimension")?,
            inputs,
            carries,
            reverse: attrs.opt_bool("is_reverse")?.unwrap_or(false),
            associative: attrs.opt_bool("is_associative")?,
            size: attrs.opt_int("scan_dim_size")?,
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.int("dimension", self.dimension);
        if self.reverse {
            attrs.bool("is_reverse", true);
        }
        if let Some(associative) = self.associative {
            attrs.bool("is_associative", associative);
        }
        if let Some(size) = self.size {
            attrs.int("scan_dim_size", size);
        }
        attrs.ints("operandSegmentSizes", &[self.inputs as i64, self.carries as i64]);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let operands = (0..op.op.operands.len()).map(|i| op.tensor(i));
        let operands = operands.collect::<Result<Vec<_>, _>>()?;
        let (inputs, carries) = self.split(&operands)?;
        let count = self.count(inputs)?;
        let returns = op.region_returns(op.region(0)?);
        let Some(outputs) = returns.len().checked_sub(carries.len()) else {
            let text = format!("the region returns {} values for {}", returns.len(), carries.len());
            return Err(OpError::new(text));
        };
        let mut out = Vec::new();
        for ty in &returns[..outputs] {
            let Some(ty) = ty.tensor() else {
                return Err(OpError::new(format!("the region returns {ty}")));
            };
            let mut dims = ty.dims.clone();
            if self.dimension < 0 || self.dimension as usize > dims.len() {
                let text = format!("slices of {ty} cannot be stacked along {}", self.dimension);
                return Err(OpError::new(text));
            }
            dims.insert(self.dimension as usize, count);
            out.push(types::with_dims(ty, dims).into());
        }
        out.extend(carries.iter().map(|&t| Type::from(t.clone())));
        op.expect_arity(operands.len(), out.len())?;
        Ok(Some(out))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let block = op.region(0)?;
        let mut want = Vec::new();
        for i in 0..op.op.operands.len() {
            let ty = op.tensor(i)?;
            want.push(Type::from(if i < self.inputs { self.slice_type(ty) } else { ty.clone() }));
        }
        let args = op.region_args(block);
        if args.len() != want.len() || want.iter().zip(&args).any(|(w, a)| !w.accepts(a)) {
            let list = want.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(", ");
            return Err(OpError::new(format!("the region must take {list}")));
        }
        let returns = op.region_returns(block);
        let carried = returns.iter().rev().zip(want.iter().skip(self.inputs).rev());
        match carried.into_iter().find(|(r, w)| !w.accepts(r)) {
            Some((have, want)) => {
                Err(OpError::new(format!("the region must carry on {want}, returns {have}")))
            }
            None => Ok(()),
        }
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let block = op.region(0)?;
        let (inputs, carries) = self.split(inputs)?;
        let types: Vec<&TensorType> = inputs.iter().map(Tensor::ty).collect();
        let count = self.count(&types)?.size().unwrap_or(0);
        let mut carries = carries.to_vec();
        let outputs = op.region_returns(block).len().saturating_sub(carries.len());
        let mut steps: Vec<Vec<Tensor>> = vec![Vec::new(); outputs];
        for i in 0..count {
            evaluator.charge(1)?;
            let i = if self.reverse { count - 1 - i } else { i } as usize;
            let mut args = Vec::new();
            for input in inputs {
                args.push(slice(input, self.dimension as usize, i, &self.slice_type(input.ty()))?);
            }
            args.append(&mut carries);
            let mut returned = evaluator.region(op.body, block, &args)?;
            if returned.len() < outputs {
                return Err(OpError::new("the region returns too few values").into());
            }
            carries = returned.split_off(outputs);
            for (all, one) in steps.iter_mut().zip(returned) {
                all.push(one);
            }
        }
        let mut results = Vec::new();
        for (i, mut slices) in steps.into_iter().enumerate() {
            if self.reverse {
                slices.reverse();
            }
            let declared = op.result_tensor(i)?;
            results.push(stack(&slices, self.dimension as usize, declared, count)?);
        }
        results.extend(carries);
        Ok(results)
    }
}

/// Slice `i` along dimension `d`.
fn slice(input: &Tensor, d: usize, i: usize, ty: &TensorType) -> Result<Tensor, EvalError> {
    let steps = strides(input.dims());
    input.rearrange(ty, |index| {
        let outer: usize = index[..d].iter().zip(&steps).map(|(i, s)| i * s).sum();
        let inner: usize = index[d..].iter().zip(&steps[d + 1..]).map(|(i, s)| i * s).sum();
        outer + i * steps[d] + inner
    })
}

/// Slices stacked along dimension `d`.
fn stack(
    slices: &[Tensor],
    d: usize,
    declared: &TensorType,
    count: u64,
) -> Result<Tensor, EvalError> {
    let mut dims = match slices.first() {
        Some(first) => first.ty().dims.clone(),
        None => {
            let mut dims = declared.dims.clone();
            dims.remove(d);
            dims
        }
    };
    dims.insert(d, Dim::Static(count));
    let ty = types::with_dims(declared, dims);
    Tensor::from_fn(&ty, |index| {
        let inner = [&index[..d], &index[d + 1..]].concat();
        slices[index[d]].element(&inner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Span;
    use crate::ir::{BlockId, Body};
    use crate::ops::ElementwiseOp;
    use crate::ops::func::Return;
    use crate::ops::testing::{eval_regions, floats};
    use microhlo_format::DType;

    fn sum(reverse: bool) -> Scan {
        Scan { dimension: 1, inputs: 1, carries: 1, reverse, associative: None, size: None }
    }

    /// Adds the slice to the carried value, and returns it as slice of the output too.
    fn add(body: &mut Body, block: BlockId) {
        let args = body.blocks[block].args.clone();
        let ty = body.ty(args[1]).clone();
        let op = body.append(block, ElementwiseOp::Add.into(), args, vec![ty], Span::default());
        let total = body.ops[op].results[0];
        body.append(block, Return.into(), vec![total, total], vec![], Span::default());
    }

    fn run(scan: Scan, dims: &[u64]) -> Result<Vec<Tensor>, EvalError> {
        let input = floats(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
        let init = floats(&[2], &[10., 20.]);
        let (column, all) = (TensorType::fixed(dims, DType::F32), input.ty().clone());
        let args = [column.clone(), column.clone()];
        eval_regions(scan, &[input, init], &[all, column], &[(&args, &add)])
    }

    #[test]
    fn sums_along_a_dimension() {
        let out = run(sum(false), &[2]).unwrap();
        assert_eq!(out[0].to_f32s().unwrap(), [11., 13., 16., 24., 29., 35.]);
        assert_eq!(out[1].to_f32s().unwrap(), [16., 35.]);
        let out = run(sum(true), &[2]).unwrap();
        assert_eq!(out[0].to_f32s().unwrap(), [16., 15., 13., 35., 31., 26.]);
    }

    #[test]
    fn types_and_sizes_must_match() {
        assert!(run(sum(false), &[3]).is_err());
        assert!(run(Scan { dimension: 2, ..sum(false) }, &[2]).is_err());
        assert!(run(Scan { size: Some(4), ..sum(false) }, &[2]).is_err());
        assert!(run(Scan { carries: 2, ..sum(false) }, &[2]).is_err());
    }
}
