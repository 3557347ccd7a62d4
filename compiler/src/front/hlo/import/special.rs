//! Opcodes that become several operations.

use microhlo_format::DType;

use super::super::graph::{ArrayShape, Instruction, Res, Shape};
use super::control::flat;
use super::value::Val;
use super::{Importer, NewOp, fail};
use crate::ir::{Attr, BlockId, Constant, Dim, TensorType, Type, ValueId};
use crate::ops::OpKind;
use crate::ops::func::Return;

/// The constant of an instruction, all elements of which are zero.
fn zero(ty: &TensorType) -> Constant {
    Constant::splat(ty.clone(), &vec![0; ty.elem.storage().size()])
}

/// The inverse of a permutation.
fn inverse(order: &[usize]) -> Vec<usize> {
    let mut out = vec![0; order.len()];
    for (i, &d) in order.iter().enumerate() {
        if let Some(slot) = out.get_mut(d) {
            *slot = i;
        }
    }
    out
}

/// Dimensions in another order.
fn permuted(ty: &TensorType, order: &[usize]) -> TensorType {
    let dims = order.iter().filter_map(|&d| ty.dims.get(d)).copied().collect();
    TensorType { dims, elem: ty.elem.clone() }
}

/// Coefficients of erf(x) = x P(x^2) / Q(x^2) for |x| <= 4 in `f32`, highest power first, as XLA
/// expands it; the same as in the decomposition that JAX exports with `chlo.erf`.
const ERF_P: [f32; 7] = [
    -2.726_142_4e-10,
    2.770_681_5e-8,
    -2.101_024e-6,
    -5.692_506_2e-5,
    -7.349_906_4e-4,
    -2.954_6e-3,
    -1.609_603_3e-2,
];
const ERF_Q: [f32; 5] =
    [-1.456_607_15e-5, -2.133_740_5e-4, -1.682_827e-3, -7.373_329_3e-3, -1.426_473_9e-2];

impl Importer<'_> {
    /// `erf`, as the operation of CHLO if that is in the table, else expanded.
    pub(super) fn erf(&mut self, at: &Instruction, operands: &[Val]) -> Res<Val> {
        let ([Val::One(x)], Shape::Array(shape)) = (operands, &at.shape) else {
            return Err(fail(at, "it takes one array"));
        };
        let float = |d: DType| matches!(d, DType::F32 | DType::F16 | DType::BF16);
        if OpKind::known().any(|name| name == "chlo.erf") || !shape.ty.dtype().is_some_and(float) {
            return self.emit_op(at, NewOp::new("chlo.erf", vec![*x]));
        }
        let ty = shape.ty.with_dtype(DType::F32);
        let x = self.unary(at, "stablehlo.convert", *x, ty.clone())?;
        let (low, high) = (self.number(at, &ty, -4.0)?, self.number(at, &ty, 4.0)?);
        let x = self.ternary(at, "stablehlo.clamp", [low, x, high])?;
        let square = self.binary(at, "stablehlo.multiply", x, x)?;
        let p = self.polynomial(at, &ERF_P, square)?;
        let q = self.polynomial(at, &ERF_Q, square)?;
        let product = self.binary(at, "stablehlo.multiply", x, p)?;
        let ratio = self.binary(at, "stablehlo.divide", product, q)?;
        let (low, high) = (self.number(at, &ty, -1.0)?, self.number(at, &ty, 1.0)?);
        let result = self.ternary(at, "stablehlo.clamp", [low, ratio, high])?;
        self.unary(at, "stablehlo.convert", result, shape.ty.clone()).map(Val::One)
    }

    /// Horner's rule.
    fn polynomial(&mut self, at: &Instruction, terms: &[f32], x: ValueId) -> Res<ValueId> {
        let ty = self.body.ty(x).tensor().cloned();
        let ty = ty.ok_or_else(|| fail(at, "its operand is no array"))?;
        let mut sum = None;
        for &term in terms {
            let term = self.number(at, &ty, term)?;
            sum = Some(match sum {
                None => term,
                Some(sum) => {
                    let product = self.binary(at, "stablehlo.multiply", sum, x)?;
                    self.binary(at, "stablehlo.add", product, term)?
                }
            });
        }
        Ok(sum.unwrap_or(x))
    }

    fn number(&mut self, at: &Instruction, ty: &TensorType, value: f32) -> Res<ValueId> {
        self.splat(at, Constant::splat(ty.clone(), &value.to_le_bytes()))
    }

    pub(super) fn binary(
        &mut self,
        at: &Instruction,
        name: &str,
        a: ValueId,
        b: ValueId,
    ) -> Res<ValueId> {
        let ty = self.body.ty(a).clone();
        self.emit_one(at, NewOp::new(name, vec![a, b]), ty)
    }

    pub(super) fn ternary(
        &mut self,
        at: &Instruction,
        name: &str,
        operands: [ValueId; 3],
    ) -> Res<ValueId> {
        let ty = self.body.ty(operands[1]).clone();
        self.emit_one(at, NewOp::new(name, operands.to_vec()), ty)
    }

    /// `bitcast`: the same bytes as another shape. To logical values it is a transposition to the
    /// operand's order in memory, a reshape, and a transposition from the result's.
    pub(super) fn bitcast(&mut self, at: &Instruction, operands: &[Val]) -> Res<Val> {
        let ([Val::One(value)], Shape::Array(to)) = (operands, &at.shape) else {
            return Err(fail(at, "it takes one array"));
        };
        let from = self.layout_of(at, *value)?;
        if from.tiled || to.tiled {
            return Err(fail(
                at,
                "tiled layouts are those of another processor's memory; export \
                the module before it is optimised",
            ));
        }
        let mut value = *value;
        if let Some(order) = from.physical() {
            value = self.transpose(at, value, &order)?;
        }
        let physical = match to.physical() {
            Some(order) => permuted(&to.ty, &order),
            None => to.ty.clone(),
        };
        if from.ty.elem.storage().bits() != to.ty.elem.storage().bits() {
            return Err(fail(at, "it changes the width of the elements"));
        }
        let reshaped = TensorType { dims: physical.dims.clone(), elem: from.ty.elem.clone() };
        value = self.unary(at, "stablehlo.reshape", value, reshaped)?;
        if from.ty.elem != to.ty.elem {
            value = self.unary(at, "stablehlo.bitcast_convert", value, physical)?;
        }
        if let Some(order) = to.physical() {
            value = self.transpose(at, value, &inverse(&order))?;
        }
        Ok(Val::One(value))
    }

    /// The shape, with its layout, of the first operand.
    fn layout_of(&self, at: &Instruction, value: ValueId) -> Res<ArrayShape> {
        let ty = self.body.ty(value).tensor();
        let ty = ty.ok_or_else(|| fail(at, "its operand is no array"))?;
        let shape = self.operand_shapes.first().filter(|s| s.ty == *ty).cloned();
        Ok(shape.unwrap_or(ArrayShape { ty: ty.clone(), minor_to_major: vec![], tiled: false }))
    }

    fn transpose(&mut self, at: &Instruction, value: ValueId, order: &[usize]) -> Res<ValueId> {
        let Some(ty) = self.body.ty(value).tensor() else { return Ok(value) };
        let ty = permuted(ty, order);
        let mut op = NewOp::new("stablehlo.transpose", vec![value]);
        let order: Vec<i64> = order.iter().map(|&d| d as i64).collect();
        op.attrs.ints("permutation", &order);
        self.emit_one(at, op, ty.into())
    }

    pub(super) fn unary(
        &mut self,
        at: &Instruction,
        name: &str,
        value: ValueId,
        ty: TensorType,
    ) -> Res<ValueId> {
        if *self.body.ty(value) == Type::Tensor(ty.clone()) {
            return Ok(value);
        }
        self.emit_one(at, NewOp::new(name, vec![value]), ty.into())
    }

    pub(super) fn splat(&mut self, at: &Instruction, value: Constant) -> Res<ValueId> {
        let ty = value.ty.clone();
        let mut op = NewOp::new("stablehlo.constant", Vec::new());
        op.attrs.attr("value", Attr::Dense(value.into()));
        self.emit_one(at, op, ty.into())
    }

    /// The constant 0 of the instruction's shape: the number of the only device.
    pub(super) fn zeros(&mut self, at: &Instruction) -> Res<Val> {
        match &at.shape {
            Shape::Array(array) if array.ty.elements().is_some() => {
                self.splat(at, zero(&array.ty)).map(Val::One)
            }
            _ => Err(fail(at, "its result is no array of static shape")),
        }
    }

    /// `collective-permute` on the device 0 alone: its value if it sends to itself, else zeros.
    pub(super) fn collective_permute(&mut self, at: &Instruction, operands: Vec<Val>) -> Res<Val> {
        match <[Val; 1]>::try_from(operands) {
            Ok([value]) if at.attrs.pairs.contains(&(0, 0)) => Ok(value),
            Ok(_) => self.zeros(at),
            Err(_) => Err(fail(at, "it takes one operand")),
        }
    }

    /// `copy-start` gives the copy, its source and a context; `copy-done` takes the copy.
    pub(super) fn asynchronous_copy(&mut self, at: &Instruction, operands: &[Val]) -> Res<Val> {
        match (&*at.opcode, operands, &at.shape) {
            ("copy-done", [Val::Tuple(parts)], _) if !parts.is_empty() => Ok(parts[0].clone()),
            ("copy-start", [value], Shape::Tuple(shapes)) if shapes.len() == 3 => {
                let context = match &shapes[2] {
                    Shape::Array(array) if array.ty.rank() == 0 => {
                        Val::One(self.splat(at, zero(&array.ty))?)
                    }
                    _ => Val::tuple(Vec::new()),
                };
                Ok(Val::tuple(vec![value.clone(), value.clone(), context]))
            }
            _ => Err(fail(at, "its operand or result has an unexpected shape")),
        }
    }

    /// `async-start` gives its operands, what its computation gives, and contexts; `async-done`
    /// takes the second. On one device nothing happens in between.
    pub(super) fn asynchronous(&mut self, at: &Instruction, mut operands: Vec<Val>) -> Res<Val> {
        match (&*at.opcode, &operands[..], &at.shape) {
            ("async-update", [_], _) => Ok(operands.swap_remove(0)),
            ("async-done", [Val::Tuple(parts)], _) if parts.len() > 1 => Ok(parts[1].clone()),
            ("async-start", _, Shape::Tuple(shapes)) if shapes.len() > 1 => {
                let index = self.called(at, 0)?;
                let callee = self.callee(index);
                let mut op = NewOp::new("func.call", flat(&operands));
                op.attrs.attr("callee", Attr::Symbol(callee));
                let results = self.emit(at, op, shapes[1].types())?;
                let result = Val::build(&shapes[1], &mut results.into_iter());
                let mut parts = vec![Val::tuple(operands), result];
                for context in &shapes[2..] {
                    parts.push(match context {
                        Shape::Array(array) if array.ty.rank() == 0 => {
                            Val::One(self.splat(at, zero(&array.ty))?)
                        }
                        _ => Val::tuple(Vec::new()),
                    });
                }
                Ok(Val::tuple(parts))
            }
            _ => Err(fail(at, "its operand or result has an unexpected shape")),
        }
    }

    /// `dynamic-slice` with an index per dimension, or with one list of them as older modules have.
    pub(super) fn dynamic_slice(&mut self, at: &Instruction, operands: &[Val]) -> Res<Val> {
        let mut values = flat(operands);
        if let [_, list] = values[..]
            && let Some(ty) = self.body.ty(list).tensor().filter(|t| t.rank() == 1).cloned()
        {
            values.truncate(1);
            let scalar = TensorType { dims: Vec::new(), elem: ty.elem.clone() };
            let one = TensorType { dims: vec![Dim::Static(1)], elem: ty.elem.clone() };
            for i in 0..at.attrs.slice_sizes.len() as i64 {
                let mut op = NewOp::new("stablehlo.slice", vec![list]);
                op.attrs.ints("start_indices", &[i]);
                op.attrs.ints("limit_indices", &[i + 1]);
                op.attrs.ints("strides", &[1]);
                let index = self.emit_one(at, op, one.clone().into())?;
                values.push(self.unary(at, "stablehlo.reshape", index, scalar.clone())?);
            }
        }
        let mut op = NewOp::new("stablehlo.dynamic_slice", values);
        op.attrs.ints("slice_sizes", &at.attrs.slice_sizes);
        self.emit_op(at, op)
    }

    /// `rng`, whose shape is an operand in StableHLO.
    pub(super) fn rng(&mut self, at: &Instruction, operands: &[Val]) -> Res<Val> {
        let dims = at.shape.array().and_then(|a| a.ty.static_dims());
        let dims = dims.ok_or_else(|| fail(at, "its result is no array of static shape"))?;
        let bytes: Vec<u8> = dims.iter().flat_map(|d| d.to_le_bytes()).collect();
        let ty = TensorType::fixed(&[dims.len() as u64], DType::I64);
        let shape = self.splat(at, Constant::dense(ty, bytes))?;
        let mut values = flat(operands);
        values.push(shape);
        let mut op = NewOp::new("stablehlo.rng", values);
        let distribution = at.attrs.distribution.trim_start_matches("rng_").to_ascii_uppercase();
        op.attrs.enumeration("rng_distribution", "rng_distribution", &distribution);
        self.emit_op(at, op)
    }

    /// `topk` along the last dimension: a stable sort of values with their indices, and the first
    /// k of each. Equal values stay in the order of their indices.
    pub(super) fn top_k(&mut self, at: &Instruction, operands: &[Val]) -> Res<Val> {
        let ([Val::One(value)], Shape::Tuple(shapes)) = (operands, &at.shape) else {
            return Err(fail(at, "it takes one array and gives two"));
        };
        let input = self.body.ty(*value).tensor().cloned();
        let (Some(input), [Shape::Array(_), Shape::Array(indices)]) = (input, &shapes[..]) else {
            return Err(fail(at, "it takes one array and gives two"));
        };
        let Some(last) = input.rank().checked_sub(1) else {
            return Err(fail(at, "its operand is a scalar"));
        };
        let index_type = TensorType { dims: input.dims.clone(), elem: indices.ty.elem.clone() };
        let mut iota = NewOp::new("stablehlo.iota", Vec::new());
        iota.attrs.int("iota_dimension", last as i64);
        let iota = self.emit_one(at, iota, index_type.clone().into())?;
        let mut sort = NewOp::new("stablehlo.sort", vec![*value, iota]);
        sort.attrs.int("dimension", last as i64);
        sort.attrs.bool("is_stable", true);
        sort.regions.push(self.order(at, &input, &index_type)?);
        let sorted = self.emit(at, sort, vec![input.clone().into(), index_type.into()])?;
        let mut parts = Vec::new();
        for (value, shape) in sorted.into_iter().zip(shapes) {
            let limit: Vec<i64> = shape
                .array()
                .and_then(|a| a.ty.static_dims())
                .map(|d| d.iter().map(|&n| n as i64).collect())
                .ok_or_else(|| fail(at, "its results are no arrays of static shape"))?;
            let mut op = NewOp::new("stablehlo.slice", vec![value]);
            op.attrs.ints("start_indices", &vec![0; limit.len()]);
            op.attrs.ints("strides", &vec![1; limit.len()]);
            op.attrs.ints("limit_indices", &limit);
            let ty = shape.types().remove(0);
            parts.push(Val::One(self.emit_one(at, op, ty)?));
        }
        Ok(Val::tuple(parts))
    }

    /// The region that orders two pairs of a value and an index by their values.
    fn order(&mut self, at: &Instruction, value: &TensorType, index: &TensorType) -> Res<BlockId> {
        let block = self.body.add_block();
        let scalar = |ty: &TensorType| TensorType { dims: Vec::new(), elem: ty.elem.clone() };
        let mut args = Vec::new();
        for ty in [value, value, index, index] {
            args.push(self.body.add_arg(block, scalar(ty).into()));
        }
        args.truncate(2);
        let outer = std::mem::replace(&mut self.block, block);
        let mut op = NewOp::new("stablehlo.compare", args);
        // `TopK` as a custom call has no flag: it is always the largest.
        let largest = at.attrs.largest || at.opcode == "custom-call";
        let direction = if largest { "GT" } else { "LT" };
        op.attrs.enumeration("comparison_direction", "comparison_direction", direction);
        if value.dtype().is_some_and(DType::is_float) {
            op.attrs.enumeration("compare_type", "comparison_type", "TOTALORDER");
        }
        let before = self.emit_one(at, op, TensorType::scalar(DType::I1).into())?;
        self.body.append(block, Return.into(), vec![before], vec![], at.span);
        self.block = outer;
        Ok(block)
    }
}
