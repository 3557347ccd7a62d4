//! Evaluation of elementwise operations.

use microhlo_format::complex::C128;
use microhlo_format::{DType, scalar};

use super::int::Int;
use super::rule::{Fun, Rule};
use super::{ElementwiseOp, ResultRule};
use crate::eval::{Element, EvalError, Tensor, wrap};
use crate::ir::{ElementType, TensorType};
use crate::ops::{OpError, OpView, types};

impl ElementwiseOp {
    /// See [`crate::ops::StructuralOp::eval`].
    pub fn eval(self, op: &OpView<'_>, inputs: &[Tensor]) -> Result<Tensor, EvalError> {
        if inputs.iter().any(|t| matches!(t.ty().elem, ElementType::Quant(_))) {
            return Err(EvalError::unsupported(self.name(), "quantised operands"));
        }
        if inputs.len() != self.operands() {
            return Err(OpError::new(format!("has {} operands", inputs.len())).into());
        }
        let chosen = op.result_tensor(0)?;
        match self {
            ElementwiseOp::Select => select(inputs),
            ElementwiseOp::Clamp => clamp(inputs),
            ElementwiseOp::Complex => complex(inputs, chosen),
            ElementwiseOp::NextAfter => next_after(inputs),
            ElementwiseOp::Convert => {
                let ty =
                    TensorType { dims: inputs[0].ty().dims.clone(), elem: chosen.elem.clone() };
                if matches!(ty.elem, ElementType::Quant(_)) {
                    return Err(EvalError::unsupported(self.name(), "quantised results"));
                }
                let to = ty.elem.storage();
                Tensor::from_elements(&ty, inputs[0].elements().map(|e| convert_element(e, to)))
            }
            _ => self.eval_by_rule(inputs),
        }
    }

    fn eval_by_rule(self, inputs: &[Tensor]) -> Result<Tensor, EvalError> {
        let (rule, first) = (self.rule(), &inputs[0]);
        types::same_shapes(inputs)?;
        let dtype = first.dtype();
        let result = match rule.result {
            ResultRule::Bool => first.ty().with_dtype(DType::I1),
            ResultRule::RealPart => first.ty().with_dtype(dtype.real_part()),
            _ => first.ty().clone(),
        };
        if let (DType::F32, ResultRule::Same) = (dtype, rule.result)
            && let Some(out) = f32_fast_path(rule, inputs)
        {
            return Tensor::from_bytes(&result, out);
        }
        let undefined = || EvalError::unsupported(self.name(), format!("elements of type {dtype}"));
        let mut out = Vec::with_capacity(first.len());
        if let [one] = inputs {
            for a in one.elements() {
                out.push(rule.apply1(dtype, a).ok_or_else(undefined)?);
            }
        } else {
            for (a, b) in first.elements().zip(inputs[1].elements()) {
                out.push(rule.apply2(dtype, a, b).ok_or_else(undefined)?);
            }
        }
        Tensor::from_elements(&result, out)
    }

    /// Applies a binary operation to two elements, rounded to the type; `None` where the
    /// operation is not defined on it.
    pub fn apply2(self, dtype: DType, a: Element, b: Element) -> Option<Element> {
        let result = self.rule().apply2(dtype, a, b)?;
        Some(round_to(dtype, result))
    }
}

impl ElementwiseOp {
    /// Applies a unary operation to an element, rounded to the type; `None` where the operation
    /// is not defined on it.
    pub fn apply1(self, dtype: DType, a: Element) -> Option<Element> {
        Some(round_to(dtype, self.rule().apply1(dtype, a)?))
    }
}

/// The value of an element once stored in its type.
pub fn round_to(dtype: DType, e: Element) -> Element {
    match (dtype, e) {
        (DType::F64 | DType::I1 | DType::C128, e) => e,
        (DType::F32, Element::Float(v)) => Element::Float(f64::from(v as f32)),
        (d, Element::Int(v)) => Element::Int(wrap(d, v)),
        (d, e) => {
            let mut bytes = [0u8; 16];
            let bytes = &mut bytes[..d.size()];
            e.encode(d, bytes);
            Element::decode(d, bytes)
        }
    }
}

impl Rule {
    fn apply1(&self, ty: DType, a: Element) -> Option<Element> {
        Some(match (a, self.f64s) {
            (Element::Bool(a), _) => Element::Bool(one(self.bools, a)?),
            (Element::Int(v), _) => Element::Int(one(self.ints, Int { v, ty })?.v),
            (Element::Float(a), f64s) if ty == DType::F64 => Element::Float(one(f64s, a)?),
            (Element::Float(a), _) => Element::Float(f64::from(one(self.f32s, a as f32)?)),
            (Element::Complex(re, im), _) => {
                let z = C128::new(re, im);
                let z = match ty {
                    DType::C64 => one(self.c64s, z.narrow())?.widen(),
                    _ => one(self.c128s, z)?,
                };
                Element::Complex(z.re, z.im)
            }
        })
    }

    fn apply2(&self, ty: DType, a: Element, b: Element) -> Option<Element> {
        Some(match (a, b) {
            (Element::Bool(a), Element::Bool(b)) => Element::Bool(two(self.bools, a, b)?),
            (Element::Int(a), Element::Int(b)) => {
                Element::Int(two(self.ints, Int { v: a, ty }, Int { v: b, ty })?.v)
            }
            (Element::Float(a), Element::Float(b)) if ty == DType::F64 => {
                Element::Float(two(self.f64s, a, b)?)
            }
            (Element::Float(a), Element::Float(b)) => {
                Element::Float(f64::from(two(self.f32s, a as f32, b as f32)?))
            }
            (Element::Complex(a, b), Element::Complex(c, d)) => {
                let (x, y) = (C128::new(a, b), C128::new(c, d));
                let z = match ty {
                    DType::C64 => two(self.c64s, x.narrow(), y.narrow())?.widen(),
                    _ => two(self.c128s, x, y)?,
                };
                Element::Complex(z.re, z.im)
            }
            _ => return None,
        })
    }
}

fn one<T>(f: Fun<T>, a: T) -> Option<T> {
    match f {
        Fun::One(f) => Some(f(a)),
        Fun::None | Fun::Two(_) => None,
    }
}

fn two<T>(f: Fun<T>, a: T, b: T) -> Option<T> {
    match f {
        Fun::Two(f) => Some(f(a, b)),
        Fun::None | Fun::One(_) => None,
    }
}

/// The same scalar functions over slices, without the detour over [`Element`].
fn f32_fast_path(rule: &Rule, inputs: &[Tensor]) -> Option<Vec<u8>> {
    let a = inputs[0].to_f32s()?;
    match (rule.f32s, inputs.get(1)) {
        (Fun::One(f), None) => Some(a.iter().flat_map(|&a| f(a).to_le_bytes()).collect()),
        (Fun::Two(f), Some(b)) => {
            let b = b.to_f32s()?;
            Some(a.iter().zip(&b).flat_map(|(&a, &b)| f(a, b).to_le_bytes()).collect())
        }
        _ => None,
    }
}

fn select(inputs: &[Tensor]) -> Result<Tensor, EvalError> {
    let [pred, on_true, on_false] = inputs else {
        return Err(OpError::new("select has three operands").into());
    };
    types::same_shapes(&inputs[1..])?;
    if pred.ty().rank() != 0 {
        types::same_shapes(&inputs[..2])?;
    }
    if pred.dtype() != DType::I1 || on_true.ty().elem != on_false.ty().elem {
        return Err(OpError::new("operand types do not match").into());
    }
    let size = on_true.dtype().size();
    let preds = pred.bytes();
    let mut out = Vec::with_capacity(on_true.bytes().len());
    let pairs = on_true.bytes().chunks_exact(size).zip(on_false.bytes().chunks_exact(size));
    for (i, (t, f)) in pairs.enumerate() {
        let p = preds[if preds.len() == 1 { 0 } else { i }];
        out.extend_from_slice(if p != 0 { t } else { f });
    }
    Tensor::from_bytes(on_true.ty(), out)
}

fn clamp(inputs: &[Tensor]) -> Result<Tensor, EvalError> {
    let [min, operand, max] = inputs else {
        return Err(OpError::new("clamp has three operands").into());
    };
    for bound in [min, max] {
        if bound.ty().rank() != 0 {
            types::same_shapes(&[bound.clone(), operand.clone()])?;
        }
    }
    let pick = |t: &Tensor, i: usize| t.at(if t.ty().rank() == 0 { 0 } else { i });
    let dtype = operand.dtype();
    let out = operand.elements().enumerate().map(|(i, x)| match (pick(min, i), x, pick(max, i)) {
        (Element::Int(low), Element::Int(x), Element::Int(high)) => {
            Some(Element::Int(x.max(low).min(high)))
        }
        (Element::Float(low), Element::Float(x), Element::Float(high)) => {
            Some(Element::Float(scalar::clamp_f64(low, x, high)))
        }
        _ => None,
    });
    let undefined = || EvalError::unsupported("stablehlo.clamp", format!("elements of {dtype}"));
    let out = out.collect::<Option<Vec<_>>>().ok_or_else(undefined)?;
    Tensor::from_elements(operand.ty(), out)
}

fn complex(inputs: &[Tensor], chosen: &TensorType) -> Result<Tensor, EvalError> {
    types::same_shapes(inputs)?;
    let ty = TensorType { dims: inputs[0].ty().dims.clone(), elem: chosen.elem.clone() };
    let pairs = inputs[0].elements().zip(inputs[1].elements());
    let out = pairs.map(|(re, im)| match (re, im) {
        (Element::Float(re), Element::Float(im)) => Element::Complex(re, im),
        (other, _) => other,
    });
    Tensor::from_elements(&ty, out)
}

/// The neighbour of each element in direction of another, on the encodings.
fn next_after(inputs: &[Tensor]) -> Result<Tensor, EvalError> {
    types::same_shapes(inputs)?;
    let [from, to] = inputs else {
        return Err(OpError::new("next_after has two operands").into());
    };
    let dtype = from.dtype();
    if from.ty().elem != to.ty().elem || !super::has_neighbours(dtype) {
        let why = format!("elements of type {dtype}");
        return Err(EvalError::unsupported("chlo.next_after", why));
    }
    let size = dtype.size();
    let word = |bytes: &[u8]| {
        let mut wide = [0; 8];
        wide[..size].copy_from_slice(bytes);
        u64::from_le_bytes(wide)
    };
    let sign = 1u64 << (dtype.bits() - 1);
    let mut out = Vec::with_capacity(from.bytes().len());
    let pairs = from.bytes().chunks_exact(size).zip(to.bytes().chunks_exact(size));
    for ((a, b), (x, y)) in pairs.zip(from.elements().zip(to.elements())) {
        let (a, b) = (word(a), word(b));
        let (Element::Float(x), Element::Float(y)) = (x, y) else { continue };
        let next = if x.is_nan() {
            a
        } else if y.is_nan() || x == y {
            b
        } else if x == 0.0 {
            b & sign | 1
        } else if (x < y) == (x > 0.0) {
            a + 1
        } else {
            a - 1
        };
        out.extend_from_slice(&next.to_le_bytes()[..size]);
    }
    Tensor::from_bytes(from.ty(), out)
}

/// Converts an element to another type: floats to integers truncate toward zero and saturate,
/// NaN gives 0; everything else rounds to nearest even once; complex numbers lose their
/// imaginary part; anything but zero is true.
pub fn convert_element(e: Element, to: DType) -> Element {
    match (e, to) {
        (e, DType::I1) => Element::Bool(match e {
            Element::Bool(b) => b,
            Element::Int(v) => v != 0,
            Element::Float(v) => v != 0.0,
            Element::Complex(re, _) => re != 0.0,
        }),
        (Element::Complex(re, im), to) if to.is_complex() => Element::Complex(re, im),
        (Element::Complex(re, _), to) => convert_element(Element::Float(re), to),
        (Element::Bool(b), to) => Element::small(to, i64::from(b)),
        (Element::Int(v), to) if to.is_integer() => Element::Int(wrap(to, v)),
        (Element::Int(v), DType::F64) => Element::Float(v as f64),
        (Element::Int(v), DType::C128) => Element::Complex(v as f64, 0.0),
        (Element::Int(v), to) if to.is_complex() => Element::Complex(to_odd(v), 0.0),
        (Element::Int(v), _) => Element::Float(to_odd(v)),
        (Element::Float(v), to) if to.is_integer() => Element::Int(truncate(v, to)),
        (Element::Float(v), to) if to.is_complex() => Element::Complex(v, 0.0),
        (Element::Float(v), _) => Element::Float(v),
    }
}

/// Saturating truncation. `as` saturates at the ends of `i128` and maps NaN to 0.
fn truncate(v: f64, to: DType) -> i128 {
    let bits = to.bits();
    let (low, high) = if to.is_signed_integer() {
        (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
    } else {
        (0, (1i128 << bits) - 1)
    };
    (v as i128).clamp(low, high)
}

/// The integer rounded to odd in 53 bits, so that rounding again to a narrower type is as if
/// done once.
fn to_odd(v: i128) -> f64 {
    let magnitude = v.unsigned_abs();
    let drop = (128 - magnitude.leading_zeros()).saturating_sub(53);
    let kept = magnitude >> drop;
    let sticky = u128::from(kept << drop != magnitude);
    let value = ((kept | sticky) << drop) as f64;
    if v < 0 { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{eval_op, floats, ints};

    #[test]
    fn every_row_evaluates_on_a_type_it_accepts() {
        for &op in ElementwiseOp::ALL {
            let rule = op.rule();
            for &dtype in DType::ALL.iter().filter(|&&d| rule.accepts(d)) {
                let a = Element::small(dtype, 1);
                let result = match rule.operands {
                    1 => rule.apply1(dtype, a),
                    _ => rule.apply2(dtype, a, a),
                };
                assert!(result.is_some(), "{} on {dtype}", op.name());
            }
        }
    }

    #[test]
    fn conversions_saturate_truncate_and_round_once() {
        let f = |v: f64, to| convert_element(Element::Float(v), to);
        assert_eq!(f(-3.9, DType::I32), Element::Int(-3));
        assert_eq!(f(f64::NAN, DType::I8), Element::Int(0));
        assert_eq!(f(1e30, DType::I8), Element::Int(127));
        assert_eq!(f(-5.0, DType::U16), Element::Int(0));
        assert_eq!(f(f64::INFINITY, DType::U64), Element::Int(u64::MAX.into()));
        assert_eq!(f(f64::NAN, DType::I1), Element::Bool(true));
        // 2^24 + 1 is a tie in f32; one more unit far below must decide upward.
        let big = (1i128 << 62) + (1 << 38) + 1;
        let e = round_to(DType::F32, convert_element(Element::Int(big), DType::F32));
        assert_eq!(e, Element::Float(((1i128 << 62) + (1 << 39)) as f64));
        let tie = (1i128 << 62) + (1 << 38);
        let e = round_to(DType::F32, convert_element(Element::Int(tie), DType::F32));
        assert_eq!(e, Element::Float((1i128 << 62) as f64));
    }

    #[test]
    fn select_and_clamp_take_scalars() {
        let pred = Tensor::scalar(DType::I1, Element::Bool(false));
        let (a, b) = (floats(&[2], &[1.0, 2.0]), floats(&[2], &[3.0, 4.0]));
        let out = eval_op(ElementwiseOp::Select, &[pred, a.clone(), b.clone()], a.ty());
        assert_eq!(out.unwrap(), b);
        let (low, high) = (floats(&[], &[1.5]), floats(&[], &[3.5]));
        let out = eval_op(ElementwiseOp::Clamp, &[low, b, high], a.ty()).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [3.0, 3.5]);
    }

    #[test]
    fn integers_wrap() {
        let ty = TensorType::fixed(&[2], DType::I8);
        let (a, b) = (ints(&ty, &[127, -128]), ints(&ty, &[1, -1]));
        let out = eval_op(ElementwiseOp::Add, &[a.clone(), b], &ty).unwrap();
        assert_eq!(out.ints().unwrap(), [-128, 127]);
        let out = eval_op(ElementwiseOp::Abs, &[a], &ty).unwrap();
        assert_eq!(out.ints().unwrap(), [127, -128]);
    }

    #[test]
    fn half_results_round_once() {
        let ty = TensorType::fixed(&[1], DType::BF16);
        let e = |v| Tensor::from_elements(&ty, [Element::Float(v)]).unwrap();
        let out = eval_op(ElementwiseOp::Add, &[e(256.0), e(1.0)], &ty).unwrap();
        assert_eq!(out.at(0), Element::Float(256.0));
        let out = eval_op(ElementwiseOp::Multiply, &[e(1.0078125), e(1.0078125)], &ty).unwrap();
        assert_eq!(out.at(0), Element::Float(1.015625));
    }
}
