//! `chlo.broadcast_*`: elementwise operations whose operands are brought to one shape before.
//!
//! Shapes are aligned at their last dimensions, and dimensions of size 1 repeat, as in NumPy.

use super::super::broadcast_in_dim::broadcast;
use super::super::compare::Compare;
use super::super::{AttrReader, AttrWriter, ElementwiseOp, OpError, OpKind, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Attr, Dim, ElementType, TensorType, Type};

/// What is computed of the elements.
#[derive(Clone, Debug, PartialEq)]
pub enum Inner {
    /// An elementwise operation without attributes.
    Elementwise(ElementwiseOp),
    /// A comparison.
    Compare(Compare),
}

/// An elementwise operation with implicit broadcasting.
#[derive(Clone, Debug, PartialEq)]
pub struct Broadcast {
    /// The operation on operands of one shape.
    pub inner: Inner,
    /// For two operands of different rank, the dimension of the larger for each of the smaller.
    pub dims: Option<Vec<i64>>,
}

/// Names of the family, with the operation where it is elementwise.
const FAMILY: [(&str, Option<ElementwiseOp>); 22] = [
    ("chlo.broadcast_add", Some(ElementwiseOp::Add)),
    ("chlo.broadcast_and", Some(ElementwiseOp::And)),
    ("chlo.broadcast_atan2", Some(ElementwiseOp::Atan2)),
    ("chlo.broadcast_compare", None),
    ("chlo.broadcast_complex", Some(ElementwiseOp::Complex)),
    ("chlo.broadcast_divide", Some(ElementwiseOp::Divide)),
    ("chlo.broadcast_maximum", Some(ElementwiseOp::Maximum)),
    ("chlo.broadcast_minimum", Some(ElementwiseOp::Minimum)),
    ("chlo.broadcast_multiply", Some(ElementwiseOp::Multiply)),
    ("chlo.broadcast_next_after", Some(ElementwiseOp::NextAfter)),
    ("chlo.broadcast_or", Some(ElementwiseOp::Or)),
    ("chlo.broadcast_polygamma", Some(ElementwiseOp::Polygamma)),
    ("chlo.broadcast_power", Some(ElementwiseOp::Power)),
    ("chlo.broadcast_remainder", Some(ElementwiseOp::Remainder)),
    ("chlo.broadcast_select", Some(ElementwiseOp::Select)),
    ("chlo.broadcast_shift_left", Some(ElementwiseOp::ShiftLeft)),
    ("chlo.broadcast_shift_right_arithmetic", Some(ElementwiseOp::ShiftRightArithmetic)),
    ("chlo.broadcast_shift_right_logical", Some(ElementwiseOp::ShiftRightLogical)),
    ("chlo.broadcast_subtract", Some(ElementwiseOp::Subtract)),
    ("chlo.broadcast_xor", Some(ElementwiseOp::Xor)),
    ("chlo.broadcast_zeta", Some(ElementwiseOp::Zeta)),
    ("chlo.broadcast_mulhi", Some(ElementwiseOp::MulHi)),
];

const NAMES: [&str; FAMILY.len()] = {
    let mut names = [""; FAMILY.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = FAMILY[i].0;
        i += 1;
    }
    names
};

impl Broadcast {
    /// Dimensions of the result for operands of these types.
    pub fn shape(&self, operands: &[&TensorType]) -> Result<Vec<Dim>, OpError> {
        let rank = operands.iter().map(|t| t.rank()).max().unwrap_or(0);
        let mut dims = vec![Dim::Static(1); rank];
        for ty in operands {
            for (&d, &size) in self.placed(ty.rank(), rank)?.iter().zip(&ty.dims) {
                let dim = &mut dims[d as usize];
                *dim = merged(*dim, size).ok_or_else(|| {
                    let all: Vec<String> = operands.iter().map(|t| t.to_string()).collect();
                    OpError::new(format!("{} cannot be brought to one shape", all.join(", ")))
                })?;
            }
        }
        Ok(dims)
    }

    /// The result's dimension for each dimension of an operand of this rank.
    pub fn placed(&self, rank: usize, of: usize) -> Result<Vec<i64>, OpError> {
        let trailing = || (of as i64 - rank as i64..of as i64).collect::<Vec<_>>();
        let Some(dims) = self.dims.as_ref().filter(|d| rank < of && d.len() == rank) else {
            return Ok(trailing());
        };
        let ascending = dims.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || dims.iter().any(|&d| d < 0 || d >= of as i64) {
            let text = format!("broadcast_dimensions {dims:?} must ascend in 0..{of}");
            return Err(OpError::new(text));
        }
        Ok(dims.clone())
    }

    /// The operation on operands of one shape.
    pub fn kind(&self) -> OpKind {
        match &self.inner {
            Inner::Elementwise(e) => (*e).into(),
            Inner::Compare(c) => c.clone().into(),
        }
    }

    /// Number of operands.
    fn operands(&self) -> usize {
        match &self.inner {
            Inner::Elementwise(e) => e.operands(),
            Inner::Compare(_) => 2,
        }
    }

    fn elem(&self, op: &OpView<'_>) -> Result<ElementType, OpError> {
        use microhlo_format::DType;
        let first = op.tensor(0)?;
        Ok(match &self.inner {
            Inner::Compare(_) => ElementType::Plain(DType::I1),
            Inner::Elementwise(ElementwiseOp::Select) => op.tensor(1)?.elem.clone(),
            Inner::Elementwise(ElementwiseOp::Complex) => {
                ElementType::Plain(match first.elem.plain() {
                    Some(DType::F32) => DType::C64,
                    Some(DType::F64) => DType::C128,
                    _ => return Err(OpError::new(format!("no complex type of {first}"))),
                })
            }
            Inner::Elementwise(_) => first.elem.clone(),
        })
    }

    /// Checks the types of elements with the operation that computes them, on scalars.
    fn verify_elements(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let mut body = crate::ir::Body::new();
        let entry = body.entry;
        let scalar = |t: &TensorType| Type::from(TensorType { dims: vec![], elem: t.elem.clone() });
        let mut args = Vec::new();
        for i in 0..op.op.operands.len() {
            let ty = scalar(op.tensor(i)?);
            args.push(body.add_arg(entry, ty));
        }
        let result = scalar(op.result_tensor(0)?);
        let id = body.make_op(self.kind(), args, vec![result], vec![], op.op.span);
        let view = OpView { body: &body, op: &body.ops[id] };
        self.kind().infer(&view)?;
        self.kind().verify(&view)
    }
}

/// The size that two dimensions are brought to.
fn merged(a: Dim, b: Dim) -> Option<Dim> {
    match (a, b) {
        (Dim::Static(1), other) | (other, Dim::Static(1)) => Some(other),
        (Dim::Static(n), Dim::Static(m)) => (n == m).then_some(a),
        (Dim::Static(_), Dim::Dynamic { .. }) => Some(a),
        (Dim::Dynamic { .. }, Dim::Static(_)) => Some(b),
        (Dim::Dynamic { bound: Some(n) }, Dim::Dynamic { bound: Some(m) }) => {
            Some(Dim::Dynamic { bound: Some(n.max(m)) })
        }
        _ => Some(Dim::Dynamic { bound: None }),
    }
}

/// Whether quantised types differ in their parameters only.
fn compatible(a: &ElementType, b: &ElementType) -> bool {
    match (a, b) {
        (ElementType::Quant(a), ElementType::Quant(b)) => {
            a.storage == b.storage && a.expressed == b.expressed
        }
        _ => a == b,
    }
}

impl StructuralOp for Broadcast {
    const NAME: &'static str = "chlo.broadcast_add";
    const SPEC: &'static str = "none; CHLO broadcast_*";
    const NAMES: &'static [&'static str] = &NAMES;

    fn name(&self) -> &'static str {
        let inner = match &self.inner {
            Inner::Elementwise(e) => Some(*e),
            Inner::Compare(_) => None,
        };
        FAMILY.iter().find(|(_, e)| *e == inner).map_or(Self::NAME, |(name, _)| name)
    }

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Self::read_as(Self::NAME, attrs)
    }

    fn read_as(name: &str, attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        let dims = attrs.opt_ints("broadcast_dimensions")?;
        let inner = match FAMILY.iter().find(|(n, _)| *n == name) {
            Some((_, Some(e))) => Inner::Elementwise(*e),
            _ => Inner::Compare(Compare::read(attrs)?),
        };
        Ok(Broadcast { inner, dims })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        if let Some(dims) = &self.dims {
            attrs.ints("broadcast_dimensions", dims);
        }
        if let Inner::Compare(c) = &self.inner {
            // Enumerations of this dialect are spelled with its name.
            let text =
                |kind: &str, value: &str| Attr::Opaque(format!("#chlo<{kind} {value}>").into());
            attrs.attr("comparison_direction", text("comparison_direction", c.direction.name()));
            if let Some(t) = c.compare_type {
                attrs.attr("compare_type", text("comparison_type", t.name()));
            }
        }
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(self.operands(), 1)?;
        let operands = (0..self.operands()).map(|i| op.tensor(i));
        let operands = operands.collect::<Result<Vec<_>, _>>()?;
        let dims = self.shape(&operands)?;
        let elem = self.elem(op)?;
        if matches!(elem, ElementType::Quant(_)) {
            return Ok(None);
        }
        Ok(Some(vec![TensorType { dims, elem }.into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        if let Some(dims) = &self.dims {
            let ranks = [op.tensor(0)?.rank(), op.tensor(1)?.rank()];
            let (low, high) = (ranks[0].min(ranks[1]), ranks[0].max(ranks[1]));
            let same = low == high && dims.iter().copied().eq(0..low as i64);
            if !same && dims.len() != low || self.operands() != 2 {
                let text = format!("broadcast_dimensions {dims:?} must name {low} dimensions");
                return Err(OpError::new(text));
            }
        }
        let result = op.result_tensor(0)?;
        if let ElementType::Quant(_) = result.elem {
            let operands = (0..self.operands()).map(|i| op.tensor(i));
            let operands = operands.collect::<Result<Vec<_>, _>>()?;
            let shape = self.shape(&operands)?;
            let fits = super::super::types::same_dims(&shape, &result.dims);
            let one = operands.iter().all(|t| compatible(&t.elem, &result.elem));
            let text =
                || format!("element types of operands and result {result} must be compatible");
            return if fits && one { Ok(()) } else { Err(OpError::new(text())) };
        }
        self.verify_elements(op)
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let types: Vec<&TensorType> = inputs.iter().map(Tensor::ty).collect();
        let dims = self.shape(&types)?;
        let spread = |input: &Tensor| {
            let ty = TensorType { dims: dims.clone(), elem: input.ty().elem.clone() };
            let placed = self.placed(input.ty().rank(), dims.len())?;
            if ty == *input.ty() { Ok(input.clone()) } else { broadcast(input, &placed, &ty) }
        };
        let inputs = inputs.iter().map(spread).collect::<Result<Vec<_>, EvalError>>()?;
        self.kind().eval(op, &inputs, evaluator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::compare::Direction;
    use crate::ops::testing::{check_op, eval_op, floats};
    use microhlo_format::DType;

    fn add(dims: Option<Vec<i64>>) -> Broadcast {
        Broadcast { inner: Inner::Elementwise(ElementwiseOp::Add), dims }
    }

    #[test]
    fn every_name_reads_as_itself() {
        for (name, inner) in FAMILY {
            let mut attrs = AttrReader::new(Default::default(), &[], &[]);
            match inner {
                Some(_) => assert_eq!(Broadcast::read_as(name, &mut attrs).unwrap().name(), name),
                None => assert!(Broadcast::read_as(name, &mut attrs).is_err()),
            }
        }
    }

    #[test]
    fn shapes_align_at_the_end() {
        let (a, b) = (floats(&[2, 1], &[1., 2.]), floats(&[3], &[10., 20., 30.]));
        let ty = TensorType::fixed(&[2, 3], DType::F32);
        let out = eval_op(add(None), &[a, b], &ty).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [11., 21., 31., 12., 22., 32.]);
    }

    #[test]
    fn dimensions_can_be_named() {
        let (a, b) = (floats(&[2], &[1., 2.]), floats(&[2, 2], &[10., 20., 30., 40.]));
        let out = eval_op(add(Some(vec![0])), &[a, b.clone()], b.ty()).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [11., 21., 32., 42.]);
        let t = |dims: &[u64]| TensorType::fixed(dims, DType::F32);
        assert!(check_op(add(Some(vec![2])), &[t(&[1, 4]), t(&[4])], &t(&[1, 4])).is_err());
        assert!(check_op(add(Some(vec![0, 1])), &[t(&[1, 4]), t(&[4])], &t(&[1, 4])).is_err());
    }

    #[test]
    fn comparison_and_select() {
        let (a, b) = (floats(&[2], &[1., 2.]), floats(&[], &[1.5]));
        let lt = Compare { direction: Direction::Lt, compare_type: None };
        let op = Broadcast { inner: Inner::Compare(lt), dims: None };
        let out =
            eval_op(op, &[a.clone(), b.clone()], &TensorType::fixed(&[2], DType::I1)).unwrap();
        let op = Broadcast { inner: Inner::Elementwise(ElementwiseOp::Select), dims: None };
        let out = eval_op(op, &[out, a.clone(), b], a.ty()).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [1., 1.5]);
    }

    #[test]
    fn shapes_and_elements_must_match() {
        let t = |dims: &[u64], dtype| TensorType::fixed(dims, dtype);
        let f = DType::F32;
        assert!(check_op(add(None), &[t(&[2], f), t(&[3], f)], &t(&[3], f)).is_err());
        assert!(check_op(add(None), &[t(&[2], f), t(&[2], DType::I32)], &t(&[2], f)).is_err());
    }
}
