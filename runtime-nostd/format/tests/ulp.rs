//! Every transcendental function in every float and complex type is within 3 ULP of the correctly
//! rounded result, each part of a complex number for itself. `ulp/make.py` makes the cases.

use microhlo_format::complex::{C64, C128};
use microhlo_format::{complex, float, scalar};

/// Greatest distance allowed, in units in the last place.
const MAX_ULP: u64 = 3;

static CASES: &[u8] = include_bytes!("ulp/ulp.bin");

/// A function in `f32`, `f64`, `complex<f32>` and `complex<f64>`.
struct Function {
    name: &'static str,
    f32s: fn(f32, f32) -> f32,
    f64s: fn(f64, f64) -> f64,
    c64s: fn(C64, C64) -> C64,
    c128s: fn(C128, C128) -> C128,
}

macro_rules! unary {
    ($name:literal, $f32:ident, $f64:ident, $c64:ident, $c128:ident) => {
        Function {
            name: $name,
            f32s: |x, _| scalar::$f32(x),
            f64s: |x, _| scalar::$f64(x),
            c64s: |z, _| complex::$c64(z),
            c128s: |z, _| complex::$c128(z),
        }
    };
}

macro_rules! binary {
    ($name:literal, $f32:ident, $f64:ident, $c64:ident, $c128:ident) => {
        Function {
            name: $name,
            f32s: scalar::$f32,
            f64s: scalar::$f64,
            c64s: complex::$c64,
            c128s: complex::$c128,
        }
    };
}

const FUNCTIONS: [Function; 15] = [
    unary!("cbrt", cbrt_f32, cbrt_f64, cbrt_c64, cbrt_c128),
    unary!("cosine", cos_f32, cos_f64, cos_c64, cos_c128),
    unary!("exponential", exp_f32, exp_f64, exp_c64, exp_c128),
    unary!("exponential_minus_one", expm1_f32, expm1_f64, expm1_c64, expm1_c128),
    unary!("log", log_f32, log_f64, log_c64, log_c128),
    unary!("log_plus_one", log1p_f32, log1p_f64, log1p_c64, log1p_c128),
    unary!("logistic", logistic_f32, logistic_f64, logistic_c64, logistic_c128),
    unary!("rsqrt", rsqrt_f32, rsqrt_f64, rsqrt_c64, rsqrt_c128),
    unary!("sine", sin_f32, sin_f64, sin_c64, sin_c128),
    unary!("sqrt", sqrt_f32, sqrt_f64, sqrt_c64, sqrt_c128),
    unary!("tan", tan_f32, tan_f64, tan_c64, tan_c128),
    unary!("tanh", tanh_f32, tanh_f64, tanh_c64, tanh_c128),
    binary!("power", pow_f32, pow_f64, pow_c64, pow_c128),
    binary!("atan2", atan2_f32, atan2_f64, atan2_c64, atan2_c128),
    binary!("divide", div_f32, div_f64, div_c64, div_c128),
];

fn f32s(x: u64) -> f32 {
    f32::from_bits(x as u32)
}

fn f64s(x: u64) -> f64 {
    f64::from_bits(x)
}

/// Name and bits of an element type, and how a function on it maps the parts' bits.
type Apply = fn(&Function, &[u64]) -> Vec<u64>;
const TYPES: [(&str, u32, usize, Apply); 6] = [
    ("f16", 16, 1, |f, x| {
        let decode = |i: usize| float::f16_to_f32(x.get(i).copied().unwrap_or(0) as u16);
        vec![float::f16_from_f32((f.f32s)(decode(0), decode(1))).into()]
    }),
    ("bf16", 16, 1, |f, x| {
        let decode = |i: usize| float::bf16_to_f32(x.get(i).copied().unwrap_or(0) as u16);
        vec![float::bf16_from_f32((f.f32s)(decode(0), decode(1))).into()]
    }),
    ("f32", 32, 1, |f, x| {
        let y = x.get(1).copied().unwrap_or(0);
        vec![(f.f32s)(f32s(x[0]), f32s(y)).to_bits().into()]
    }),
    ("f64", 64, 1, |f, x| {
        let y = x.get(1).copied().unwrap_or(0);
        vec![(f.f64s)(f64s(x[0]), f64s(y)).to_bits()]
    }),
    ("complex<f32>", 32, 2, |f, x| {
        let z =
            |i: usize| x.get(i..i + 2).map_or(C64::default(), |z| C64::new(f32s(z[0]), f32s(z[1])));
        let w = (f.c64s)(z(0), z(2));
        vec![w.re.to_bits().into(), w.im.to_bits().into()]
    }),
    ("complex<f64>", 64, 2, |f, x| {
        let z = |i: usize| {
            x.get(i..i + 2).map_or(C128::default(), |z| C128::new(f64s(z[0]), f64s(z[1])))
        };
        let w = (f.c128s)(z(0), z(2));
        vec![w.re.to_bits(), w.im.to_bits()]
    }),
];

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (head, tail) = bytes.split_at(n);
    *bytes = tail;
    head
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b))
}

/// Representable numbers between two, with both zeros as one.
fn distance(bits: u32, nan: impl Fn(u64) -> bool, a: u64, b: u64) -> u64 {
    if nan(a) || nan(b) {
        return if nan(a) && nan(b) { 0 } else { u64::MAX };
    }
    let sign = 1u64 << (bits - 1);
    let (m, n) = (a & !sign, b & !sign);
    if a & sign == b & sign { m.abs_diff(n) } else { m.saturating_add(n) }
}

/// One function on one type: the greatest distance and where.
fn measure(bytes: &mut &[u8]) -> (String, u64, String) {
    let length = usize::from(take(bytes, 1)[0]);
    let name = std::str::from_utf8(take(bytes, length)).unwrap();
    let function = FUNCTIONS.iter().find(|f| f.name == name).expect("a known function");
    let (type_name, bits, parts, apply) = TYPES[usize::from(take(bytes, 1)[0])];
    let arity = usize::from(take(bytes, 1)[0]);
    let count = number(take(bytes, 4)) as usize;
    let element = parts * bits as usize / 8;
    let columns: Vec<&[u8]> = (0..=arity).map(|_| take(bytes, count * element)).collect();
    let infinity = match type_name {
        "f16" => 0x7c00,
        "bf16" => 0x7f80,
        _ if bits == 32 => u64::from(f32::INFINITY.to_bits()),
        _ => f64::INFINITY.to_bits(),
    };
    let nan = |x: u64| x & !(1 << (bits - 1)) > infinity;
    let mut worst = (0, String::new());
    for i in 0..count {
        let words = |column: &[u8]| -> Vec<u64> {
            let one = &column[i * element..][..element];
            one.chunks(bits as usize / 8).map(number).collect()
        };
        let arguments: Vec<u64> = columns[..arity].iter().flat_map(|c| words(c)).collect();
        let (got, expected) = (apply(function, &arguments), words(columns[arity]));
        for (g, e) in got.iter().zip(&expected) {
            let ulps = distance(bits, nan, *g, *e);
            if ulps > worst.0 {
                worst = (ulps, format!("of {arguments:x?}: {got:x?}, not {expected:x?}"));
            }
        }
    }
    (format!("{name} in {type_name}"), worst.0, worst.1)
}

#[test]
fn functions_are_within_three_ulp() {
    let mut bytes = CASES;
    let mut blocks = 0;
    let mut failures = Vec::new();
    while !bytes.is_empty() {
        let (what, ulps, place) = measure(&mut bytes);
        println!("{ulps:>4} ULP: {what}");
        if ulps > MAX_ULP {
            failures.push(format!("{what}: {ulps} ULP {place}"));
        }
        blocks += 1;
    }
    assert_eq!(blocks, FUNCTIONS.len() * TYPES.len());
    assert!(failures.is_empty(), "{failures:#?}");
}
