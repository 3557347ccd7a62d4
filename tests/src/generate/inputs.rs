//! Entropy from a seed, and inputs that contain the values where arithmetic is difficult.

use microhlo_compiler::eval::Tensor;
use microhlo_compiler::ir::TensorType;
use microhlo_format::{DType, float};

/// A sequence of numbers that repeats from run to run (xorshift64).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Bytes for [`super::program`] from a seed.
pub fn entropy(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..len).map(|_| (random.next() >> 24) as u8).collect()
}

/// Values of the given types: small numbers, random bits, and special values.
///
/// # Panics
/// A type has dynamic sizes or no plain element type.
pub fn inputs(types: &[TensorType], seed: u64) -> Vec<Tensor> {
    let mut random = Random::new(seed);
    let tensor = |ty: &TensorType| {
        let dtype = ty.dtype().expect("a plain element type");
        let count = ty.elements().expect("static sizes");
        let bytes: Vec<u8> = (0..count).flat_map(|_| element(dtype, &mut random)).collect();
        Tensor::from_bytes(ty, bytes).expect("as many bytes as the type has")
    };
    types.iter().map(tensor).collect()
}

/// Bytes of one element.
fn element(dtype: DType, random: &mut Random) -> Vec<u8> {
    let real = |part: DType, random: &mut Random| {
        let value = number(random);
        match part {
            DType::F32 => (value as f32).to_le_bytes().to_vec(),
            DType::F64 => value.to_le_bytes().to_vec(),
            other => {
                let bits = float::Format::of(other).map_or(0, |f| f.encode(value));
                bits.to_le_bytes()[..other.size()].to_vec()
            }
        }
    };
    match dtype {
        DType::C64 => [real(DType::F32, random), real(DType::F32, random)].concat(),
        DType::C128 => [real(DType::F64, random), real(DType::F64, random)].concat(),
        d if d.is_float() => real(d, random),
        DType::I1 => vec![(random.next() & 1) as u8],
        d => integer(d, random).to_le_bytes()[..d.size()].to_vec(),
    }
}

/// A float: usually in [-4, 4), sometimes special, sometimes of any magnitude.
fn number(random: &mut Random) -> f64 {
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        1e-40,
        3e38,
        65504.0,
        0.5,
        2.5,
    ];
    match random.next() % 16 {
        0 => special[(random.next() % special.len() as u64) as usize],
        1 => f64::from(f32::from_bits((random.next() >> 8) as u32)),
        2..=4 => (random.next() % 9) as f64 - 4.0,
        _ => (random.next() >> 11) as f64 / (1u64 << 50) as f64 - 4.0,
    }
}

/// An integer of the type, sign- or zero-extended: small, extreme, or of random bits.
fn integer(dtype: DType, random: &mut Random) -> i64 {
    let bits = dtype.bits();
    let raw = match random.next() % 8 {
        0 => random.next() as i64,
        1 => 1i64.wrapping_shl(bits - 1),
        2 => 1i64.wrapping_shl(bits - 1).wrapping_sub(1),
        _ => (random.next() % 13) as i64 - 4,
    };
    let shift = 64 - bits;
    match dtype.is_signed_integer() {
        true => raw << shift >> shift,
        false => ((raw as u64) << shift >> shift) as i64,
    }
}
