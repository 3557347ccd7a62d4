//! Random bits in terms of integer operations, bit for bit those of XLA.
//!
//! Threefry-2x32 and Philox-4x32 are those of Salmon et al., "Parallel random numbers: as easy as
//! 1, 2, 3" (SC 2011). How a state becomes counters and how words become elements is XLA's
//! choice (`RngBitGeneratorExpander`): a Threefry state is a key and a 64-bit counter, of which
//! each pair of 32-bit elements uses one value; a Philox state is a key and a 128-bit counter, of
//! which four 32-bit elements use one value.

use microhlo_format::DType;

use super::iota::counting;
use crate::eval::Element;
use crate::ir::{OpId, TensorType, ValueId};
use crate::ops::ElementwiseOp::{
    self, Add, And, Cosine, Log, Multiply, Negate, Or, Remainder, ShiftLeft, ShiftRightLogical,
    Sqrt, Subtract, Xor,
};
use crate::ops::bitcast_convert::BitcastConvert;
use crate::ops::compare::Direction;
use crate::ops::rng::Distribution;
use crate::ops::rng_bit_generator::Algorithm;
use crate::passes::build::Build;
use crate::passes::rewrite::Editor;

/// The next state and the bits of `rng_bit_generator`.
pub(super) fn bits(ed: &mut Editor<'_>, op: OpId, algorithm: Algorithm) -> Option<Vec<ValueId>> {
    let o = ed.body.ops[op].clone();
    let (&[state], &[_, output]) = (o.operands.as_slice(), o.results.as_slice()) else {
        return None;
    };
    let ty = ed.body.ty(output).tensor()?.clone();
    let mut b = Build::new(ed, o.span);
    generate(&mut b, state, &ty, algorithm).map(|(state, bits)| vec![state, bits])
}

/// The next state, and random bits as elements of any type.
fn generate(
    b: &mut Build<'_, '_>,
    state: ValueId,
    ty: &TensorType,
    algorithm: Algorithm,
) -> Option<(ValueId, ValueId)> {
    let dtype = ty.dtype()?;
    let dims = ty.static_dims()?;
    if dtype.is_complex() || dtype == DType::I1 || ty.elements()? == 0 {
        return None;
    }
    let wide = dtype.bits() == 64;
    let (state, words) = match (algorithm, wide) {
        (Algorithm::ThreeFry, false) => threefry32(b, state, &dims)?,
        (Algorithm::ThreeFry, true) => threefry64(b, state, &dims)?,
        (Algorithm::Default | Algorithm::Philox, _) => philox(b, state, &dims, wide)?,
    };
    let unsigned = match dtype.size() {
        1 if dtype.is_integer() => dtype,
        1 => DType::U8,
        2 => DType::U16,
        4 => DType::U32,
        _ => DType::U64,
    };
    let narrow = b.convert(words, unsigned)?;
    if unsigned == dtype {
        return Some((state, narrow));
    }
    Some((state, b.op(BitcastConvert, &[narrow], ty.clone())))
}

/// An integer operation with a constant.
pub(super) fn with(
    b: &mut Build<'_, '_>,
    op: ElementwiseOp,
    value: ValueId,
    constant: u64,
) -> Option<ValueId> {
    let ty = b.ty(value)?;
    let constant = b.splat(&ty, Element::Int(constant.into()));
    b.same(op, &[value, constant])
}

/// The low and the high half of 64-bit numbers.
fn halves(b: &mut Build<'_, '_>, value: ValueId) -> Option<[ValueId; 2]> {
    let high = with(b, ShiftRightLogical, value, 32)?;
    Some([b.convert(value, DType::U32)?, b.convert(high, DType::U32)?])
}

/// The 64-bit numbers of low and high halves.
fn joined(b: &mut Build<'_, '_>, low: ValueId, high: ValueId) -> Option<ValueId> {
    let (low, high) = (b.convert(low, DType::U64)?, b.convert(high, DType::U64)?);
    let high = with(b, ShiftLeft, high, 32)?;
    b.same(Or, &[low, high])
}

/// A scalar, repeated.
fn repeat(b: &mut Build<'_, '_>, value: ValueId, dims: &[u64]) -> Option<ValueId> {
    b.broadcast(value, &[], dims)
}

/// The row-major position of every element, as `ui64`.
fn positions(b: &mut Build<'_, '_>, dims: &[u64]) -> Option<ValueId> {
    let mut sum = None;
    let mut step = 1;
    for (d, &n) in dims.iter().enumerate().rev().filter(|(_, n)| **n > 1) {
        let count = counting(b, n, DType::U64)?;
        let count = if step == 1 { count } else { with(b, Multiply, count, step)? };
        let spread = b.broadcast(count, &[d as i64], dims)?;
        sum = Some(match sum {
            None => spread,
            Some(rest) => b.same(Add, &[rest, spread])?,
        });
        step *= n;
    }
    sum.or_else(|| Some(b.number(&TensorType::fixed(dims, DType::U64), 0)))
}

/// `[first, second]` as one state.
fn next_state(b: &mut Build<'_, '_>, numbers: &[ValueId]) -> Option<ValueId> {
    let mut parts = Vec::new();
    for &n in numbers {
        parts.push(b.reshape(n, &[1])?);
    }
    b.concatenate(&parts, 0)
}

/// Threefry's words for consecutive counters, one counter per position of `dims`.
fn threefry(
    b: &mut Build<'_, '_>,
    state: ValueId,
    dims: &[u64],
) -> Option<(ValueId, [ValueId; 2])> {
    let (key, counter) = (b.element(state, 0)?, b.element(state, 1)?);
    let count: u64 = dims.iter().product();
    let next = with(b, Add, counter, count)?;
    let next = next_state(b, &[key, next])?;
    let start = repeat(b, counter, dims)?;
    let offset = positions(b, dims)?;
    let counters = b.same(Add, &[start, offset])?;
    let counters = halves(b, counters)?;
    let mut key = halves(b, key)?;
    for half in &mut key {
        *half = repeat(b, *half, dims)?;
    }
    Some((next, threefry_rounds(b, key, counters)?))
}

/// Threefry-2x32 with 20 rounds; keys and counters are of one shape.
pub(super) fn threefry_rounds(
    b: &mut Build<'_, '_>,
    [first, second]: [ValueId; 2],
    [x, y]: [ValueId; 2],
) -> Option<[ValueId; 2]> {
    let third = b.same(Xor, &[first, second])?;
    let third = with(b, Xor, third, 0x1bd1_1bda)?;
    let keys = [first, second, third];
    let mut x = b.same(Add, &[x, keys[0]])?;
    let mut y = b.same(Add, &[y, keys[1]])?;
    for group in 0..5 {
        let rotations = if group % 2 == 0 { [13, 15, 26, 6] } else { [17, 29, 16, 24] };
        for by in rotations {
            x = b.same(Add, &[x, y])?;
            let left = with(b, ShiftLeft, y, by)?;
            let right = with(b, ShiftRightLogical, y, 32 - by)?;
            y = b.same(Or, &[left, right])?;
            y = b.same(Xor, &[x, y])?;
        }
        x = b.same(Add, &[x, keys[(group + 1) % 3]])?;
        y = b.same(Add, &[y, keys[(group + 2) % 3]])?;
        y = with(b, Add, y, group as u64 + 1)?;
    }
    Some([x, y])
}

fn threefry64(b: &mut Build<'_, '_>, state: ValueId, dims: &[u64]) -> Option<(ValueId, ValueId)> {
    let (next, [low, high]) = threefry(b, state, dims)?;
    Some((next, joined(b, low, high)?))
}

/// Both words of a counter go to neighbours along one dimension: the first even one, or else the
/// first of the longest ones, of which the last odd element is dropped.
fn threefry32(b: &mut Build<'_, '_>, state: ValueId, dims: &[u64]) -> Option<(ValueId, ValueId)> {
    let shape = if dims.is_empty() { &[1][..] } else { dims };
    let even = shape.iter().position(|n| n % 2 == 0);
    let longest = shape.iter().max().and_then(|max| shape.iter().position(|n| n == max));
    let split = even.or(longest)?;
    // The halves have a dimension of size one more, so that they can be interleaved.
    let mut half = shape.to_vec();
    half[split] = half[split].div_ceil(2);
    half.insert(split + 1, 1);
    let (next, words) = threefry(b, state, &half)?;
    let pairs = b.concatenate(&words, split + 1)?;
    let mut rounded = shape.to_vec();
    rounded[split] = rounded[split].next_multiple_of(2);
    let all = b.reshape(pairs, &rounded)?;
    let all = b.slice(all, split, 0, shape[split])?;
    Some((next, b.reshape(all, dims)?))
}

/// Philox's words in order, as elements of 32 or 64 bits.
fn philox(
    b: &mut Build<'_, '_>,
    state: ValueId,
    dims: &[u64],
    wide: bool,
) -> Option<(ValueId, ValueId)> {
    let elements: u64 = dims.iter().product();
    let words = if wide { elements.checked_mul(2)? } else { elements };
    let counters = words.div_ceil(4);
    let key = b.element(state, 0)?;
    // A state of two numbers is a key that is the counter's high half too.
    let long = b.dims(state)? == [3];
    let low = b.element(state, 1)?;
    let high = if long { b.element(state, 2)? } else { key };
    let n = b.splat(&TensorType::scalar(DType::U64), Element::Int(counters.into()));
    let [next_low, next_high] = plus(b, low, high, n)?;
    let next = match long {
        true => next_state(b, &[key, next_low, next_high])?,
        false => next_state(b, &[key, next_low])?,
    };
    let shape = [counters];
    let (low, high) = (repeat(b, low, &shape)?, repeat(b, high, &shape)?);
    let offset = positions(b, &shape)?;
    let [low, high] = plus(b, low, high, offset)?;
    let ([a, c], [d, e]) = (halves(b, low)?, halves(b, high)?);
    let key = halves(b, key)?;
    let out = philox_rounds(b, [a, c, d, e], key)?;
    let columns: Vec<ValueId> = match wide {
        false => out.to_vec(),
        true => vec![joined(b, out[0], out[1])?, joined(b, out[2], out[3])?],
    };
    let mut table = Vec::new();
    for column in &columns {
        table.push(b.reshape(*column, &[counters, 1])?);
    }
    let all = b.concatenate(&table, 1)?;
    let all = b.reshape(all, &[counters * columns.len() as u64])?;
    let all = b.slice(all, 0, 0, elements)?;
    Some((next, b.reshape(all, dims)?))
}

/// The sum of a 128-bit number and a 64-bit one.
fn plus(b: &mut Build<'_, '_>, low: ValueId, high: ValueId, n: ValueId) -> Option<[ValueId; 2]> {
    let low = b.same(Add, &[low, n])?;
    let carry = b.compare(Direction::Lt, low, n)?;
    let carry = b.convert(carry, DType::U64)?;
    Some([low, b.same(Add, &[high, carry])?])
}

fn philox_rounds(
    b: &mut Build<'_, '_>,
    mut x: [ValueId; 4],
    mut key: [ValueId; 2],
) -> Option<[ValueId; 4]> {
    let dims = b.dims(x[0])?;
    for round in 0..10 {
        if round > 0 {
            key = [with(b, Add, key[0], 0x9e37_79b9)?, with(b, Add, key[1], 0xbb67_ae85)?];
        }
        let product = |b: &mut Build<'_, '_>, x: ValueId, by: u64| {
            let wide = b.convert(x, DType::U64)?;
            let product = with(b, Multiply, wide, by)?;
            halves(b, product)
        };
        let [low0, high0] = product(b, x[0], 0xd251_1f53)?;
        let [low1, high1] = product(b, x[2], 0xcd9e_8d57)?;
        let mixed = |b: &mut Build<'_, '_>, high: ValueId, word: ValueId, key: ValueId| {
            let key = repeat(b, key, &dims)?;
            let mixed = b.same(Xor, &[high, word])?;
            b.same(Xor, &[mixed, key])
        };
        x = [mixed(b, high1, x[1], key[0])?, low1, mixed(b, high0, x[3], key[1])?, low0];
    }
    Some(x)
}

/// The numbers of `rng` for the given Philox key.
pub(super) fn distributed(
    ed: &mut Editor<'_>,
    op: OpId,
    distribution: Distribution,
    key: u64,
) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let (&[from, to, _], &[result]) = (o.operands.as_slice(), o.results.as_slice()) else {
        return None;
    };
    let ty = ed.body.ty(result).tensor()?.clone();
    let (dtype, dims) = (ty.dtype()?, ty.static_dims()?);
    let mut b = Build::new(ed, o.span);
    if dtype.is_integer() {
        return uniform_integers(&mut b, [from, to], &ty, key);
    }
    if !dtype.is_float() {
        return None;
    }
    // Numbers of narrow types are those of `f32`, rounded.
    let work = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let (from, to) = (b.convert(from, work)?, b.convert(to, work)?);
    let (from, to) = (repeat(&mut b, from, &dims)?, repeat(&mut b, to, &dims)?);
    let ty = ty.with_dtype(work);
    let numbers = match distribution {
        Distribution::Uniform => {
            let unit = unit_interval(&mut b, &ty, [key, 0])?;
            let span = b.same(Subtract, &[to, from])?;
            let scaled = b.same(Multiply, &[unit, span])?;
            b.same(Add, &[scaled, from])?
        }
        Distribution::Normal => {
            let unit = standard_normal(&mut b, &ty, key)?;
            let scaled = b.same(Multiply, &[unit, to])?;
            b.same(Add, &[scaled, from])?
        }
    };
    b.convert(numbers, dtype)
}

/// Philox bits of a constant state of key and counter.
fn constant_bits(b: &mut Build<'_, '_>, ty: &TensorType, [key, high]: [u64; 2]) -> Option<ValueId> {
    let bytes: Vec<u8> = [key, 0, high].iter().flat_map(|n| n.to_le_bytes()).collect();
    let state = crate::ir::Constant::dense(TensorType::fixed(&[3], DType::U64), bytes);
    let state = b.ed.constant(state, b.span);
    generate(b, state, ty, Algorithm::Philox).map(|(_, bits)| bits)
}

/// Numbers of at least 0 and below 1: as many leading random bits as the significand has.
fn unit_interval(b: &mut Build<'_, '_>, ty: &TensorType, state: [u64; 2]) -> Option<ValueId> {
    let (bits, dropped, kept) = match ty.dtype()? {
        DType::F64 => (DType::U64, 11, 53),
        _ => (DType::U32, 8, 24),
    };
    let bits = constant_bits(b, &ty.with_dtype(bits), state)?;
    let whole = with(b, ShiftRightLogical, bits, dropped)?;
    let whole = b.convert(whole, ty.dtype()?)?;
    let scale = b.splat(ty, Element::Float(libm::exp2(-f64::from(kept))));
    b.same(Multiply, &[whole, scale])
}

/// Box and Muller's transform of two uniform numbers: `sqrt(-2 ln(1 - u)) cos(2 pi v)`.
fn standard_normal(b: &mut Build<'_, '_>, ty: &TensorType, key: u64) -> Option<ValueId> {
    let (u, v) = (unit_interval(b, ty, [key, 0])?, unit_interval(b, ty, [key, 1])?);
    let one = b.number(ty, 1);
    let u = b.same(Subtract, &[one, u])?;
    let log = b.same(Log, &[u])?;
    let minus_log = b.same(Negate, &[log])?;
    let two = b.number(ty, 2);
    let square = b.same(Multiply, &[minus_log, two])?;
    let radius = b.same(Sqrt, &[square])?;
    let turn = b.splat(ty, Element::Float(2.0 * std::f64::consts::PI));
    let angle = b.same(Multiply, &[v, turn])?;
    let cosine = b.same(Cosine, &[angle])?;
    b.same(Multiply, &[radius, cosine])
}

/// `from + bits mod (to - from)` with 64 bits per number.
fn uniform_integers(
    b: &mut Build<'_, '_>,
    [from, to]: [ValueId; 2],
    ty: &TensorType,
    key: u64,
) -> Option<ValueId> {
    let wide = ty.with_dtype(DType::U64);
    let dims = ty.static_dims()?;
    let bits = constant_bits(b, &wide, [key, 0])?;
    // Conversion to `i64` and then to `ui64` extends the sign; differences wrap.
    let signed = ty.dtype()?.is_signed_integer();
    let extended = |b: &mut Build<'_, '_>, v: ValueId| {
        let v = if signed { b.convert(v, DType::I64)? } else { v };
        let v = if signed {
            let scalar = TensorType::scalar(DType::U64);
            b.op(BitcastConvert, &[v], scalar)
        } else {
            b.convert(v, DType::U64)?
        };
        repeat(b, v, &dims)
    };
    let (from, to) = (extended(b, from)?, extended(b, to)?);
    let span = b.same(Subtract, &[to, from])?;
    let inside = b.same(Remainder, &[bits, span])?;
    let number = b.same(Add, &[inside, from])?;
    let narrow = ty.dtype()?.bits();
    let mask = if narrow == 64 { u64::MAX } else { (1 << narrow) - 1 };
    let number = with(b, And, number, mask)?;
    let unsigned = match ty.dtype()?.size() {
        1 => DType::U8,
        2 => DType::U16,
        4 => DType::U32,
        _ => DType::U64,
    };
    let number = b.convert(number, unsigned)?;
    match ty.dtype()? {
        d if d == unsigned => Some(number),
        d if d.bits() < 8 => b.convert(number, d),
        _ => Some(b.op(BitcastConvert, &[number], ty.clone())),
    }
}
