//! What a row of the elementwise table says, and the types that follow from it.

use microhlo_format::DType;
use microhlo_format::complex::{C64, C128};

use super::ElementwiseOp;
use super::int::Int;
use crate::constraint;
use crate::ir::{Attr, Dim, ElementType, TensorType, Type};
use crate::ops::{OpError, OpView};

/// A scalar function of one or two operands, if the class of types has one.
#[derive(Clone, Copy)]
pub enum Fun<T: 'static> {
    /// Not defined on this class.
    None,
    /// Of one operand.
    One(fn(T) -> T),
    /// Of two operands.
    Two(fn(T, T) -> T),
}

impl<T> Fun<T> {
    /// Whether the class has a function.
    pub fn is_some(&self) -> bool {
        !matches!(self, Fun::None)
    }
}

/// How the result type follows from the operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultRule {
    /// The operands' type.
    Same,
    /// Booleans of the operands' shape.
    Bool,
    /// The real type of complex operands, else the operands' type.
    RealPart,
    /// The complex type of float operands.
    ComplexOf,
    /// The second operand's type.
    Middle,
    /// Same shape, any element type: the author's choice.
    Chosen,
}

/// Scalar functions and type rules of an operation.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Number of operands.
    pub operands: usize,
    /// How the result type follows.
    pub result: ResultRule,
    /// Whether unsigned integers are allowed among the integers.
    pub unsigned: bool,
    /// Function of booleans.
    pub bools: Fun<bool>,
    /// Function of integers.
    pub ints: Fun<Int>,
    /// Function of `f32`, and of all narrower floats.
    pub f32s: Fun<f32>,
    /// Function of `f64`.
    pub f64s: Fun<f64>,
    /// Function of `complex<f32>`.
    pub c64s: Fun<C64>,
    /// Function of `complex<f64>`.
    pub c128s: Fun<C128>,
}

impl Rule {
    /// An operation with its own evaluation.
    pub const fn special(operands: usize, result: ResultRule) -> Rule {
        Rule {
            operands,
            result,
            unsigned: true,
            bools: Fun::None,
            ints: Fun::None,
            f32s: Fun::None,
            f64s: Fun::None,
            c64s: Fun::None,
            c128s: Fun::None,
        }
    }

    pub(super) const fn unary() -> Rule {
        Rule::special(1, ResultRule::Same)
    }

    pub(super) const fn binary() -> Rule {
        Rule::special(2, ResultRule::Same)
    }

    pub(super) const fn result(mut self, result: ResultRule) -> Rule {
        self.result = result;
        self
    }

    pub(super) const fn signed(mut self) -> Rule {
        self.unsigned = false;
        self
    }

    pub(super) const fn bool(mut self, f: fn(bool) -> bool) -> Rule {
        self.bools = Fun::One(f);
        self
    }

    pub(super) const fn bools(mut self, f: fn(bool, bool) -> bool) -> Rule {
        self.bools = Fun::Two(f);
        self
    }

    pub(super) const fn int(mut self, f: fn(Int) -> Int) -> Rule {
        self.ints = Fun::One(f);
        self
    }

    pub(super) const fn ints(mut self, f: fn(Int, Int) -> Int) -> Rule {
        self.ints = Fun::Two(f);
        self
    }

    pub(super) const fn float(mut self, f: fn(f32) -> f32, g: fn(f64) -> f64) -> Rule {
        self.f32s = Fun::One(f);
        self.f64s = Fun::One(g);
        self
    }

    pub(super) const fn floats(mut self, f: fn(f32, f32) -> f32, g: fn(f64, f64) -> f64) -> Rule {
        self.f32s = Fun::Two(f);
        self.f64s = Fun::Two(g);
        self
    }

    pub(super) const fn complex1(mut self, f: fn(C64) -> C64, g: fn(C128) -> C128) -> Rule {
        self.c64s = Fun::One(f);
        self.c128s = Fun::One(g);
        self
    }

    pub(super) const fn complex(
        mut self,
        f: fn(C64, C64) -> C64,
        g: fn(C128, C128) -> C128,
    ) -> Rule {
        self.c64s = Fun::Two(f);
        self.c128s = Fun::Two(g);
        self
    }

    /// Whether the operation accepts elements of this type.
    pub fn accepts(&self, dtype: DType) -> bool {
        match dtype {
            DType::I1 => self.bools.is_some(),
            d if d.is_unsigned_integer() => self.unsigned && self.ints.is_some(),
            d if d.is_integer() => self.ints.is_some(),
            d if d.is_complex() => self.c64s.is_some(),
            _ => self.f32s.is_some(),
        }
    }
}

impl ElementwiseOp {
    /// Labels of the constraints that give the result's element type and its shape.
    pub fn result_labels(self) -> [Option<&'static str>; 2] {
        let label = match self {
            ElementwiseOp::Abs | ElementwiseOp::Real | ElementwiseOp::Imag => {
                return [Some("C2"), Some("C1")];
            }
            ElementwiseOp::Complex => return [Some("C3"), Some("C2")],
            ElementwiseOp::IsFinite | ElementwiseOp::Convert => return [None, Some("C1")],
            ElementwiseOp::Clamp => "C4",
            ElementwiseOp::Select => "C2",
            _ => "C1",
        };
        [Some(label); 2]
    }

    /// See [`crate::ops::StructuralOp::infer`].
    pub fn infer(self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let rule = self.rule();
        op.expect_arity(rule.operands, 1)?;
        let first = op.tensor(0)?;
        let ty = match rule.result {
            ResultRule::Chosen => return Ok(None),
            // The last operand of `clamp` may be a scalar.
            ResultRule::Middle if self == ElementwiseOp::Clamp => op.tensor(1)?.clone(),
            ResultRule::Middle => {
                TensorType { dims: merged_dims(op, 1)?, elem: op.tensor(1)?.elem.clone() }
            }
            _ => TensorType { dims: merged_dims(op, 0)?, elem: first.elem.clone() },
        };
        // A quantised result has parameters of its own.
        if matches!(ty.elem, ElementType::Quant(_)) {
            return Ok(None);
        }
        let storage = ty.elem.storage();
        Ok(Some(vec![Type::Tensor(match rule.result {
            ResultRule::Bool => ty.with_dtype(DType::I1),
            ResultRule::RealPart => ty.with_dtype(storage.real_part()),
            ResultRule::ComplexOf => ty.with_dtype(complex_of(storage)?),
            ResultRule::Same | ResultRule::Middle | ResultRule::Chosen => ty,
        })]))
    }

    /// See [`crate::ops::StructuralOp::verify`].
    pub fn verify(self, op: &OpView<'_>) -> Result<(), OpError> {
        if let Some(accuracy) = op.op.attrs.get("result_accuracy") {
            verify_accuracy(accuracy)?;
        }
        match self {
            ElementwiseOp::Select => verify_select(op),
            ElementwiseOp::Clamp => verify_clamp(op),
            ElementwiseOp::Convert => {
                let (a, b) = (op.tensor(0)?, op.result_tensor(0)?);
                constraint!(same_dims(a, b), "C1", "operand {a} and result {b} differ in shape");
                Ok(())
            }
            ElementwiseOp::Complex => same_types(op),
            ElementwiseOp::NextAfter => {
                same_types(op)?;
                let (operand, result) = (op.tensor(0)?, op.result_tensor(0)?);
                if !operand.dtype().is_some_and(super::has_neighbours)
                    || !same_dims(operand, result)
                {
                    let text = format!("{} takes {operand} to {result}", self.name());
                    return Err(OpError::new(text));
                }
                Ok(())
            }
            _ => {
                same_types(op)?;
                let elem = &op.tensor(0)?.elem;
                let dtype = match elem {
                    ElementType::Quant(q) => q.expressed,
                    other => other.storage(),
                };
                if !self.rule().accepts(dtype) {
                    let text = format!("{} does not accept elements of type {elem}", self.name());
                    return Err(OpError::constraint("I1", text));
                }
                let result = op.result_tensor(0)?;
                let operand = op.tensor(0)?;
                constraint!(
                    same_dims(operand, result),
                    "C1",
                    "operand {operand} and result {result} differ in shape"
                );
                Ok(())
            }
        }
    }
}

/// Tolerances of `#stablehlo.result_accuracy` go with the mode `TOLERANCE` only.
fn verify_accuracy(accuracy: &Attr) -> Result<(), OpError> {
    let fail = |what: &str| Err(OpError::new(format!("{what}: `result_accuracy = {accuracy}`")));
    let Attr::Struct(_, fields) = accuracy else { return fail("the accuracy is malformed") };
    let number = |name: &str| match fields.get(name) {
        Some(Attr::Float(v, _)) => *v,
        Some(Attr::Int(v, _)) => *v as f64,
        _ => 0.0,
    };
    let tolerances = ["atol", "rtol", "ulps"].map(number);
    let mode = match fields.get("mode") {
        Some(Attr::Enum(_, mode) | Attr::String(mode)) => &**mode,
        _ => "DEFAULT",
    };
    if tolerances.iter().any(|&t| t.is_nan() || t < 0.0) {
        return fail("tolerances must not be negative");
    }
    if mode != "TOLERANCE" && tolerances != [0.0; 3] {
        return fail("tolerances must be zero in this mode");
    }
    Ok(())
}

fn complex_of(dtype: DType) -> Result<DType, OpError> {
    match dtype {
        DType::F32 => Ok(DType::C64),
        DType::F64 => Ok(DType::C128),
        other => {
            Err(OpError::constraint("I1", format!("there is no complex type of {other} parts")))
        }
    }
}

/// Whether the shapes can be equal at run time.
pub(super) fn same_dims(a: &TensorType, b: &TensorType) -> bool {
    a.rank() == b.rank() && a.dims.iter().zip(&b.dims).all(|(a, &b)| a.accepts(b))
}

/// What is known of the dimensions of the operands from number `first` on.
fn merged_dims(op: &OpView<'_>, first: usize) -> Result<Vec<Dim>, OpError> {
    let mut dims = op.tensor(first)?.dims.clone();
    for i in first + 1..op.op.operands.len() {
        for (a, &b) in dims.iter_mut().zip(&op.tensor(i)?.dims) {
            *a = a.merge(b);
        }
    }
    Ok(dims)
}

fn same_types(op: &OpView<'_>) -> Result<(), OpError> {
    let first = op.tensor(0)?;
    for i in 1..op.op.operands.len() {
        let other = op.tensor(i)?;
        let quantised = [first, other].iter().any(|t| matches!(t.elem, ElementType::Quant(_)));
        let elements = quantised || first.elem == other.elem;
        constraint!(
            elements && same_dims(first, other),
            "C1",
            "operands must have equal types, have {first} and {other}"
        );
    }
    Ok(())
}

fn verify_select(op: &OpView<'_>) -> Result<(), OpError> {
    let (pred, on_true, on_false) = (op.tensor(0)?, op.tensor(1)?, op.tensor(2)?);
    if pred.dtype() != Some(DType::I1) {
        return Err(OpError::constraint("I1", format!("the predicate must be boolean, is {pred}")));
    }
    constraint!(
        pred.rank() == 0 || same_dims(pred, on_true),
        "C1",
        "the predicate {pred} must be a scalar or have the shape of {on_true}"
    );
    constraint!(
        on_true.accepts(on_false) || quantised(&[on_true, on_false]),
        "C2",
        "the alternatives must have equal types, have {on_true} and {on_false}"
    );
    Ok(())
}

fn verify_clamp(op: &OpView<'_>) -> Result<(), OpError> {
    let (min, operand, max) = (op.tensor(0)?, op.tensor(1)?, op.tensor(2)?);
    for (bound, label) in [(min, "C1"), (max, "C2")] {
        if bound.rank() != 0 && !same_dims(bound, operand) {
            let text = format!("a bound {bound} must be a scalar or have the shape of {operand}");
            return Err(OpError::constraint(label, text));
        }
    }
    constraint!(
        min.elem == operand.elem && max.elem == operand.elem || quantised(&[min, operand, max]),
        "C3",
        "bounds and operand must have one element type, have {min}, {operand} and {max}"
    );
    if operand.elem.storage() == DType::I1 || operand.elem.storage().is_complex() {
        return Err(OpError::new(format!("clamp does not accept elements of {operand}")));
    }
    Ok(())
}

fn quantised(types: &[&TensorType]) -> bool {
    types.iter().all(|t| matches!(t.elem, ElementType::Quant(_)))
}
