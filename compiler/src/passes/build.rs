//! Short names for the operations that decompositions are made of.
//!
//! Every operation is emitted through an [`Editor`], in the place of the one being rewritten. The
//! shapes involved are static; a method gives `None` where a value is not a tensor or a shape is
//! only known at run time.

use microhlo_format::DType;

use super::rewrite::Editor;
use crate::diag::Span;
use crate::eval::Element;
use crate::ir::{BlockId, Constant, Dim, TensorType, Type, ValueId};
use crate::ops::broadcast_in_dim::BroadcastInDim;
use crate::ops::compare::{Compare, CompareType, Direction};
use crate::ops::concatenate::Concatenate;
use crate::ops::dynamic_slice::DynamicSlice;
use crate::ops::dynamic_update_slice::DynamicUpdateSlice;
use crate::ops::func::Return;
use crate::ops::if_op::If;
use crate::ops::iota::Iota;
use crate::ops::reduce::Reduce;
use crate::ops::reshape::Reshape;
use crate::ops::slice::Slice;
use crate::ops::sort::Sort;
use crate::ops::transpose::Transpose;
use crate::ops::while_loop::While;
use crate::ops::{ElementwiseOp, OpKind};

/// Emits operations of one source position.
pub struct Build<'e, 'b> {
    /// Where they go.
    pub ed: &'e mut Editor<'b>,
    /// The position of the operation that they replace.
    pub span: Span,
}

impl<'e, 'b> Build<'e, 'b> {
    /// Operations in the place of the one at `span`.
    pub fn new(ed: &'e mut Editor<'b>, span: Span) -> Self {
        Build { ed, span }
    }

    /// The type of a value, if it is a tensor.
    pub fn ty(&self, value: ValueId) -> Option<TensorType> {
        self.ed.body.ty(value).tensor().cloned()
    }

    /// The sizes of a value of static shape.
    pub fn dims(&self, value: ValueId) -> Option<Vec<u64>> {
        self.ed.body.ty(value).tensor()?.static_dims()
    }

    /// Any operation with one result.
    pub fn op(
        &mut self,
        kind: impl Into<OpKind>,
        operands: &[ValueId],
        ty: impl Into<Type>,
    ) -> ValueId {
        self.ed.emit(kind, operands.to_vec(), ty, self.span)
    }

    /// An elementwise operation whose result has the first operand's type.
    pub fn same(&mut self, op: ElementwiseOp, operands: &[ValueId]) -> Option<ValueId> {
        let ty = self.ty(*operands.first()?)?;
        Some(self.op(op, operands, ty))
    }

    /// Converts to another element type; nothing is emitted if it is the same.
    pub fn convert(&mut self, value: ValueId, to: DType) -> Option<ValueId> {
        let ty = self.ty(value)?;
        if ty.dtype() == Some(to) {
            return Some(value);
        }
        Some(self.op(ElementwiseOp::Convert, &[value], ty.with_dtype(to)))
    }

    /// Compares as numbers.
    pub fn compare(&mut self, direction: Direction, a: ValueId, b: ValueId) -> Option<ValueId> {
        let ty = self.ty(a)?.with_dtype(DType::I1);
        Some(self.op(Compare { direction, compare_type: None }, &[a, b], ty))
    }

    /// A constant whose elements are all this one, rounded to the element type.
    pub fn splat(&mut self, ty: &TensorType, value: Element) -> ValueId {
        let dtype = ty.elem.storage();
        let mut bytes = vec![0; dtype.size()];
        value.encode(dtype, &mut bytes);
        self.ed.constant(Constant::splat(ty.clone(), &bytes), self.span)
    }

    /// A constant of a whole number.
    pub fn number(&mut self, ty: &TensorType, value: i64) -> ValueId {
        self.splat(ty, Element::small(ty.elem.storage(), value))
    }

    /// A one-dimensional constant that counts from zero.
    pub fn iota(&mut self, n: u64, dtype: DType) -> ValueId {
        self.op(Iota { dim: 0 }, &[], TensorType::fixed(&[n], dtype))
    }

    /// Repeats a value along the dimensions of `dims` that `at` does not list.
    pub fn broadcast(&mut self, value: ValueId, at: &[i64], dims: &[u64]) -> Option<ValueId> {
        let ty = self.ty(value)?;
        if ty.static_dims()? == dims && at.iter().copied().eq(0..dims.len() as i64) {
            return Some(value);
        }
        Some(self.op(BroadcastInDim { dims: at.to_vec() }, &[value], ty.with_dims(dims)))
    }

    /// The same elements in another shape.
    pub fn reshape(&mut self, value: ValueId, dims: &[u64]) -> Option<ValueId> {
        let ty = self.ty(value)?;
        if ty.static_dims()? == dims {
            return Some(value);
        }
        Some(self.op(Reshape, &[value], ty.with_dims(dims)))
    }

    /// Dimension `i` of the result is dimension `permutation[i]`.
    pub fn transpose(&mut self, value: ValueId, permutation: &[usize]) -> Option<ValueId> {
        let ty = self.ty(value)?;
        let dims: Vec<Dim> = permutation.iter().map(|&p| ty.dims[p]).collect();
        if permutation.is_sorted() {
            return Some(value);
        }
        let kind = Transpose { permutation: permutation.iter().map(|&p| p as i64).collect() };
        Some(self.op(kind, &[value], TensorType { dims, elem: ty.elem }))
    }

    /// Elements `start..limit` of dimension `dim`.
    pub fn slice(&mut self, value: ValueId, dim: usize, start: u64, limit: u64) -> Option<ValueId> {
        let ty = self.ty(value)?;
        let sizes = ty.static_dims()?;
        let mut dims = sizes.clone();
        *dims.get_mut(dim)? = limit.checked_sub(start)?;
        let mut kind = Slice {
            start: vec![0; sizes.len()],
            limit: sizes.iter().map(|&n| n as i64).collect(),
            strides: vec![1; sizes.len()],
        };
        (kind.start[dim], kind.limit[dim]) = (start as i64, limit as i64);
        if dims == sizes {
            return Some(value);
        }
        Some(self.op(kind, &[value], ty.with_dims(&dims)))
    }

    /// Element `at` of a one-dimensional value, as a scalar.
    pub fn element(&mut self, value: ValueId, at: u64) -> Option<ValueId> {
        let one = self.slice(value, 0, at, at + 1)?;
        self.reshape(one, &[])
    }

    /// The part of a value that starts at a number in some dimensions, of size one there.
    pub fn pick(&mut self, value: ValueId, at: &[(usize, ValueId)]) -> Option<ValueId> {
        let ty = self.ty(value)?;
        let mut sizes = ty.static_dims()?;
        for &(dim, _) in at {
            *sizes.get_mut(dim)? = 1;
        }
        let mut operands = vec![value];
        operands.extend(self.starts(sizes.len(), at));
        let kind = DynamicSlice { sizes: sizes.iter().map(|&n| n as i64).collect() };
        Some(self.op(kind, &operands, ty.with_dims(&sizes)))
    }

    /// A value with another one in the place of the part that starts at a number in some
    /// dimensions.
    pub fn put(
        &mut self,
        value: ValueId,
        part: ValueId,
        at: &[(usize, ValueId)],
    ) -> Option<ValueId> {
        let ty = self.ty(value)?;
        let mut operands = vec![value, part];
        operands.extend(self.starts(ty.rank(), at));
        Some(self.op(DynamicUpdateSlice, &operands, ty))
    }

    /// Start indices: those given, and zero in other dimensions.
    fn starts(&mut self, rank: usize, at: &[(usize, ValueId)]) -> Vec<ValueId> {
        let zero = self.number(&TensorType::scalar(DType::I32), 0);
        let start = |d| at.iter().find(|(dim, _)| *dim == d).map_or(zero, |&(_, start)| start);
        (0..rank).map(start).collect()
    }

    /// A loop of a number of rounds. `body` maps the round, a scalar `i32` from 0, and the state to
    /// the next state.
    pub fn count_to(
        &mut self,
        rounds: u64,
        state: &[ValueId],
        body: impl FnOnce(&mut Build<'_, 'b>, ValueId, &[ValueId]) -> Option<Vec<ValueId>>,
    ) -> Option<Vec<ValueId>> {
        let counter = TensorType::scalar(DType::I32);
        let rounds = i32::try_from(rounds).ok()?;
        let mut all = vec![self.number(&counter, 0)];
        all.extend(state);
        let more = |b: &mut Build<'_, 'b>, state: &[ValueId]| {
            let rounds = b.number(&TensorType::scalar(DType::I32), rounds.into());
            b.compare(Direction::Lt, *state.first()?, rounds)
        };
        let out = self.repeat(all, more, |b, state| {
            let (&round, state) = state.split_first()?;
            let next = body(b, round, state)?;
            let one = b.number(&counter, 1);
            let mut all = vec![b.same(ElementwiseOp::Add, &[round, one])?];
            all.extend(next);
            Some(all)
        })?;
        Some(out[1..].to_vec())
    }

    /// Values behind one another along dimension `dim`.
    pub fn concatenate(&mut self, values: &[ValueId], dim: usize) -> Option<ValueId> {
        let ty = self.ty(*values.first()?)?;
        let mut dims = ty.static_dims()?;
        dims[dim] = 0;
        for &v in values {
            dims[dim] += self.dims(v)?[dim];
        }
        Some(self.op(Concatenate { dim: dim as i64 }, values, ty.with_dims(&dims)))
    }

    /// A region of two scalar arguments per type, and the arguments of the first type.
    fn region(&mut self, types: &[TensorType]) -> (BlockId, ValueId, ValueId) {
        let body = &mut self.ed.body;
        let block = body.add_block();
        let mut args = Vec::new();
        for ty in types {
            let scalar = TensorType { dims: Vec::new(), elem: ty.elem.clone() };
            args.push(body.add_arg(block, scalar.clone().into()));
            args.push(body.add_arg(block, scalar.into()));
        }
        (block, args[0], args[1])
    }

    /// Ends a region with the result of one operation on two of its values.
    fn end_region(&mut self, block: BlockId, kind: OpKind, args: Vec<ValueId>, ty: TensorType) {
        let body = &mut self.ed.body;
        let op = body.append(block, kind, args, vec![ty.into()], self.span);
        let returned = body.ops[op].results.clone();
        body.append(block, Return.into(), returned, Vec::new(), self.span);
    }

    /// A block for a region: what `inside` emits for arguments of these types, and returns.
    pub fn block(
        &mut self,
        args: &[Type],
        inside: impl FnOnce(&mut Build<'_, 'b>, &[ValueId]) -> Option<Vec<ValueId>>,
    ) -> Option<BlockId> {
        let span = self.span;
        self.ed.block(args, span, |ed, args| inside(&mut Build { ed, span }, args))
    }

    /// The types of values.
    pub fn types(&self, values: &[ValueId]) -> Vec<Type> {
        values.iter().map(|&v| self.ed.body.ty(v).clone()).collect()
    }

    /// Repeats `body` on the state while `condition` holds for it.
    pub fn repeat(
        &mut self,
        state: Vec<ValueId>,
        condition: impl FnOnce(&mut Build<'_, 'b>, &[ValueId]) -> Option<ValueId>,
        body: impl FnOnce(&mut Build<'_, 'b>, &[ValueId]) -> Option<Vec<ValueId>>,
    ) -> Option<Vec<ValueId>> {
        let types = self.types(&state);
        let condition = self.block(&types, |b, args| condition(b, args).map(|v| vec![v]))?;
        let body = self.block(&types, body)?;
        Some(self.ed.emit_op(While.into(), state, types, vec![condition, body], self.span))
    }

    /// One of two choices of what values become.
    pub fn choose(
        &mut self,
        predicate: ValueId,
        on_true: impl FnOnce(&mut Build<'_, 'b>) -> Option<Vec<ValueId>>,
        on_false: Vec<ValueId>,
    ) -> Option<Vec<ValueId>> {
        let types = self.types(&on_false);
        let yes = self.block(&[], |b, _| on_true(b))?;
        let no = self.block(&[], |_, _| Some(on_false))?;
        Some(self.ed.emit_op(If.into(), vec![predicate], types, vec![yes, no], self.span))
    }

    /// Sorts values together along a dimension, stably, by the first of them in total order.
    pub fn sort(
        &mut self,
        values: &[ValueId],
        dim: usize,
        direction: Direction,
    ) -> Option<Vec<ValueId>> {
        let types = values.iter().map(|&v| self.ty(v)).collect::<Option<Vec<_>>>()?;
        let float = types.first()?.dtype()?.is_float();
        let compare_type = float.then_some(CompareType::TotalOrder);
        let (block, a, b) = self.region(&types);
        let kind = Compare { direction, compare_type };
        self.end_region(block, kind.into(), vec![a, b], TensorType::scalar(DType::I1));
        let types = types.into_iter().map(Type::from).collect();
        let kind = Sort { dim: dim as i64, stable: true };
        Some(self.ed.emit_op(kind.into(), values.to_vec(), types, vec![block], self.span))
    }

    /// Sums over dimensions, from zero; `i1` gives the logical or.
    pub fn sum(&mut self, value: ValueId, dims: &[i64]) -> Option<ValueId> {
        let zero = Element::zero(self.ty(value)?.elem.storage());
        self.fold(ElementwiseOp::Add, zero, value, dims)
    }

    /// Folds dimensions with a binary operation.
    pub fn fold(
        &mut self,
        op: ElementwiseOp,
        init: Element,
        value: ValueId,
        dims: &[i64],
    ) -> Option<ValueId> {
        if dims.is_empty() {
            return Some(value);
        }
        let ty = self.ty(value)?;
        let scalar = TensorType { dims: Vec::new(), elem: ty.elem.clone() };
        let (block, a, b) = self.region(std::slice::from_ref(&ty));
        self.end_region(block, op.into(), vec![a, b], scalar.clone());
        let init = self.splat(&scalar, init);
        let kept = ty.dims.iter().enumerate().filter(|(d, _)| !dims.contains(&(*d as i64)));
        let result = TensorType { dims: kept.map(|(_, &n)| n).collect(), elem: ty.elem };
        let kind = Reduce { dims: dims.to_vec() };
        let (operands, types) = (vec![value, init], vec![result.into()]);
        self.ed.emit_op(kind.into(), operands, types, vec![block], self.span).pop()
    }
}
