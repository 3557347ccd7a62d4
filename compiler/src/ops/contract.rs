//! Sums of products in a documented order, for `dot_general` and `convolution`.
//!
//! The accumulator starts at zero and has the result's element type (`f32` for narrower floats,
//! rounded once at the end); every product and every sum is rounded; terms are added in the order
//! in which they are given. Device kernels follow the same order.

use microhlo_format::DType;
use microhlo_format::complex::{self, C64, C128};

use super::elementwise::convert_element;
use crate::eval::{Element, EvalError, Tensor};
use crate::ir::TensorType;

/// A type to accumulate in.
pub trait Number: Copy {
    /// The empty sum.
    const ZERO: Self;
    /// `self + a * b`, each operation rounded.
    fn add_product(self, a: Self, b: Self) -> Self;
    /// The nearest number of this type.
    fn load(e: Element) -> Self;
    /// The value as an element.
    fn store(self) -> Element;
    /// All elements of a tensor.
    fn load_all(t: &Tensor) -> Vec<Self> {
        t.elements().map(Self::load).collect()
    }
}

fn real(e: Element) -> f64 {
    match e {
        Element::Bool(b) => f64::from(u8::from(b)),
        Element::Int(v) => v as f64,
        Element::Float(v) | Element::Complex(v, _) => v,
    }
}

fn imaginary(e: Element) -> f64 {
    match e {
        Element::Complex(_, im) => im,
        _ => 0.0,
    }
}

impl Number for f32 {
    const ZERO: f32 = 0.0;
    fn add_product(self, a: f32, b: f32) -> f32 {
        self + a * b
    }
    fn load(e: Element) -> f32 {
        // Integers wider than `f64`'s significand round once.
        real(convert_element(e, DType::F32)) as f32
    }
    fn store(self) -> Element {
        Element::Float(f64::from(self))
    }
    fn load_all(t: &Tensor) -> Vec<f32> {
        t.to_f32s().unwrap_or_else(|| t.elements().map(f32::load).collect())
    }
}

impl Number for f64 {
    const ZERO: f64 = 0.0;
    fn add_product(self, a: f64, b: f64) -> f64 {
        self + a * b
    }
    fn load(e: Element) -> f64 {
        real(e)
    }
    fn store(self) -> Element {
        Element::Float(self)
    }
}

/// Integers wrap when they are stored; sums modulo 2^128 agree with sums modulo 2^width.
impl Number for i128 {
    const ZERO: i128 = 0;
    fn add_product(self, a: i128, b: i128) -> i128 {
        self.wrapping_add(a.wrapping_mul(b))
    }
    fn load(e: Element) -> i128 {
        e.as_int().unwrap_or_else(|| real(e) as i128)
    }
    fn store(self) -> Element {
        Element::Int(self)
    }
}

/// The specification's sum of booleans is "or", the product "and".
impl Number for bool {
    const ZERO: bool = false;
    fn add_product(self, a: bool, b: bool) -> bool {
        self | (a & b)
    }
    fn load(e: Element) -> bool {
        matches!(e, Element::Bool(true))
    }
    fn store(self) -> Element {
        Element::Bool(self)
    }
}

impl Number for C64 {
    const ZERO: Self = C64::new(0.0, 0.0);
    fn add_product(self, a: Self, b: Self) -> Self {
        complex::multiply_add_c64(a, b, self)
    }
    fn load(e: Element) -> Self {
        C64::new(f32::load(e), imaginary(e) as f32)
    }
    fn store(self) -> Element {
        Element::Complex(f64::from(self.re), f64::from(self.im))
    }
}

impl Number for C128 {
    const ZERO: Self = C128::new(0.0, 0.0);
    fn add_product(self, a: Self, b: Self) -> Self {
        complex::multiply_add_c128(a, b, self)
    }
    fn load(e: Element) -> Self {
        C128::new(real(e), imaginary(e))
    }
    fn store(self) -> Element {
        Element::Complex(self.re, self.im)
    }
}

/// A sum of products over two operands: fills each output element, in row-major order.
pub trait Contraction {
    /// The sums, generic over the accumulator.
    fn sums<T: Number>(&self, lhs: &[T], rhs: &[T]) -> Vec<T>;
}

/// Runs a contraction in the accumulator that the result type asks for.
pub fn contract(
    contraction: &impl Contraction,
    lhs: &Tensor,
    rhs: &Tensor,
    result: &TensorType,
) -> Result<Tensor, EvalError> {
    fn go<T: Number>(
        contraction: &impl Contraction,
        lhs: &Tensor,
        rhs: &Tensor,
        result: &TensorType,
    ) -> Result<Tensor, EvalError> {
        let sums = contraction.sums(&T::load_all(lhs), &T::load_all(rhs));
        Tensor::from_elements(result, sums.into_iter().map(T::store))
    }
    Tensor::check_size(result)?;
    match result.elem.storage() {
        DType::I1 => go::<bool>(contraction, lhs, rhs, result),
        DType::F64 => go::<f64>(contraction, lhs, rhs, result),
        DType::C64 => go::<C64>(contraction, lhs, rhs, result),
        DType::C128 => go::<C128>(contraction, lhs, rhs, result),
        d if d.is_integer() => go::<i128>(contraction, lhs, rhs, result),
        _ => go::<f32>(contraction, lhs, rhs, result),
    }
}

/// Row-major offsets of all indices of some dimensions, given those dimensions' strides.
pub fn offsets(sizes: &[usize], strides: &[usize]) -> Vec<usize> {
    let mut out = vec![0];
    for (&size, &stride) in sizes.iter().zip(strides) {
        out = out.iter().flat_map(|&base| (0..size).map(move |i| base + i * stride)).collect();
    }
    out
}
