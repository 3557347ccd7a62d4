//! Facts about a body that pattern matching asks for.

use std::ops::Deref;

use microhlo_format::{DType, MicroOp};

use crate::eval::Tensor;
use crate::ir::{BlockId, Body, Constant, Def, EntityId, OpId, TensorType, ValueId};
use crate::ops::region::simple_op;
use crate::ops::{ElementwiseOp, OpKind};

/// What the constants of a body are, seen through broadcasts.
#[derive(Clone, Copy)]
pub struct Constants<'a> {
    /// The body.
    pub body: &'a Body,
}

/// Constants, uses of values, and the blocks of operations.
pub struct Facts<'a> {
    constants: Constants<'a>,
    uses: Vec<Vec<OpId>>,
    blocks: Vec<BlockId>,
}

impl<'a> Deref for Facts<'a> {
    type Target = Constants<'a>;

    fn deref(&self) -> &Constants<'a> {
        &self.constants
    }
}

impl<'a> Facts<'a> {
    /// Collects the facts.
    pub fn new(body: &'a Body) -> Self {
        let mut uses = vec![Vec::new(); body.values.len()];
        let mut blocks = vec![body.entry; body.ops.len()];
        for op in body.walk(body.entry) {
            for &v in &body.ops[op].operands {
                uses[v.index()].push(op);
            }
            for &region in &body.ops[op].regions {
                for inner in &body.blocks[region].ops {
                    blocks[inner.index()] = region;
                }
            }
        }
        Facts { constants: Constants { body }, uses, blocks }
    }

    /// The block that an operation is in.
    pub fn block(&self, op: OpId) -> BlockId {
        self.blocks[op.index()]
    }

    /// Operations that use a value, one entry per use.
    pub fn users(&self, value: ValueId) -> &[OpId] {
        &self.uses[value.index()]
    }

    /// The only user of a value, if it is in the same block: a kernel does not compute ahead what
    /// a branch may not need, nor repeat what is outside of a loop.
    pub fn only_user(&self, value: ValueId) -> Option<OpId> {
        let home = match self.body.values[value].def {
            Def::Result(op, _) => self.block(op),
            Def::Arg(block, _) => block,
        };
        match self.users(value) {
            [one] if self.block(*one) == home => Some(*one),
            _ => None,
        }
    }
}

impl<'a> Constants<'a> {
    /// The operation that defines a value, with its kind.
    pub fn def(&self, value: ValueId) -> Option<(OpId, &'a OpKind)> {
        let op = self.body.def_op(value)?;
        Some((op, &self.body.ops[op].kind))
    }

    /// The defining operation if it is this elementwise one.
    pub fn elementwise(&self, value: ValueId, kind: ElementwiseOp) -> Option<OpId> {
        match self.def(value)? {
            (op, OpKind::Elementwise(e)) if *e == kind => Some(op),
            _ => None,
        }
    }

    /// The constant behind a value, looking through broadcasts of scalars.
    pub fn splat(&self, value: ValueId) -> Option<(&'a Constant, &'a [u8])> {
        if let Some(c) = self.body.constant(value) {
            return Some((c, c.splat_bytes()?));
        }
        match self.def(value)? {
            (op, OpKind::BroadcastInDim(_) | OpKind::Reshape(_)) => {
                self.splat(self.body.ops[op].operands[0])
            }
            _ => None,
        }
    }

    /// The repeated `f32` behind a value.
    pub fn splat_f32(&self, value: ValueId) -> Option<f32> {
        let (c, bytes) = self.splat(value)?;
        let word: [u8; 4] = bytes.try_into().ok()?;
        (c.ty.dtype() == Some(DType::F32)).then(|| f32::from_le_bytes(word))
    }

    /// Values of an `f32` constant that varies along dimension `dim` of `value` only.
    pub fn per_channel(&self, value: ValueId, dim: usize, channels: usize) -> Option<Vec<f32>> {
        if let Some(v) = self.splat_f32(value) {
            return Some(vec![v; channels]);
        }
        let values = self.channel_constant(value, dim)?.to_f32s()?;
        (values.len() == channels).then_some(values)
    }

    /// Values of an integer constant that varies along dimension `dim` of `value` only.
    pub fn per_channel_ints(
        &self,
        value: ValueId,
        dim: usize,
        channels: usize,
    ) -> Option<Vec<i64>> {
        let ints = |c: &Constant| -> Option<Vec<i64>> {
            let elements = Tensor::from_constant(c).ok()?;
            elements.elements().map(|e| i64::try_from(e.as_int()?).ok()).collect()
        };
        if let Some((c, bytes)) = self.splat(value) {
            let scalar = TensorType { dims: Vec::new(), elem: c.ty.elem.clone() };
            let one = ints(&Constant::splat(scalar, bytes))?;
            return Some(vec![*one.first()?; channels]);
        }
        let values = ints(self.channel_constant(value, dim)?)?;
        (values.len() == channels).then_some(values)
    }

    /// The bytes of a constant that varies along dimension `dim` of `value` only, one element for
    /// each of so many channels.
    pub fn channel_bytes(&self, value: ValueId, dim: usize, channels: usize) -> Option<Vec<u8>> {
        let c = self.channel_constant(value, dim)?;
        let bytes = c.to_bytes();
        (bytes.len() == channels * c.ty.dtype()?.size()).then(|| bytes.to_vec())
    }

    /// The constant behind a value that varies along one of its dimensions only.
    fn channel_constant(&self, value: ValueId, dim: usize) -> Option<&'a Constant> {
        let (source, dims): (ValueId, Vec<usize>) = match self.def(value)? {
            (op, OpKind::BroadcastInDim(b)) => {
                let dims = b.dims.iter().map(|&d| d as usize).collect();
                (self.body.ops[op].operands[0], dims)
            }
            (_, OpKind::Constant(c)) => (value, (0..c.value.ty.rank()).collect()),
            _ => return None,
        };
        let c = self.body.constant(source)?;
        let mut sizes = c.ty.dims.iter().zip(&dims);
        if !sizes.all(|(size, &d)| size.size() == Some(1) || d == dim) {
            return None;
        }
        Some(c)
    }
}

/// The binary operation that a reduction region performs on its two arguments, if it is one.
pub fn region_op(body: &Body, block: BlockId) -> Option<MicroOp> {
    let (op, swapped) = simple_op(body, block)?;
    (!swapped || op.is_commutative()).then(|| micro_op(op)).flatten()
}

/// The binary operation of a reduction of one tensor to its own element type, if its region is
/// one. Windows over nothing but padding are left to the general kernel.
pub fn simple_reduction(body: &Body, op: OpId) -> Option<MicroOp> {
    let o = &body.ops[op];
    let (&[input, _], &[result]) = (o.operands.as_slice(), o.results.as_slice()) else {
        return None;
    };
    let dtype = |v: ValueId| body.ty(v).tensor().and_then(|t| t.dtype());
    let empty = body.ty(input).tensor().is_some_and(|t| t.elements() == Some(0));
    if dtype(input) != dtype(result) || (empty && matches!(o.kind, OpKind::ReduceWindow(_))) {
        return None;
    }
    region_op(body, *o.regions.first()?)
}

/// The micro-operation that implements an elementwise operation.
pub fn micro_op(e: ElementwiseOp) -> Option<MicroOp> {
    let (_dialect, short) = e.name().split_once('.')?;
    MicroOp::ALL.iter().copied().find(|m| m.text() == short)
}
