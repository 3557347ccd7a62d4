//! Conversions between floats and quantised bytes: the formulas, with and without tables.

mod common;

use common::{Aligned, Constants, one_step, run};
use microhlo::{LoadError, Model, ParamError, StepError};
use microhlo_format::kernels::{DequantizeI8, QuantizeF32};
use microhlo_format::{ArtifactSpec, Kernel, Place, encode};
use proptest::prelude::*;

fn quantize(count: u32, scale: f32, zero: f32, [min, max]: [i8; 2]) -> QuantizeF32<Place> {
    let (input, output) = (Place::arena(0), Place::arena(4 * count));
    QuantizeF32 { input, thresholds: None, output, count, scale, zero, min, max }
}

fn spec(kernel: Kernel<Place>, [input, output]: [u32; 2], constants: Vec<u8>) -> ArtifactSpec {
    let mut spec = one_step(kernel, input, (input, output), constants);
    spec.arena_bytes = input + output;
    spec
}

/// Runs the kernel without thresholds, if it may, and with them.
fn both(p: &QuantizeF32<Place>, input: &[u8]) -> Vec<Vec<u8>> {
    let sizes = [4 * p.count, p.count];
    let mut constants = Constants::default();
    let thresholds = Some(constants.add(&p.pack_thresholds()));
    let tabulated = Kernel::quantize_f32(QuantizeF32 { thresholds, ..*p });
    let mut results = vec![run(&spec(tabulated, sizes, constants.0), input).unwrap()];
    if (p.min, p.max) == (-128, 127) {
        results.push(run(&spec(Kernel::quantize_f32(*p), sizes, vec![]), input).unwrap());
    }
    results
}

fn expected(p: &QuantizeF32<Place>, x: f32) -> u8 {
    let y = x / p.scale + p.zero;
    let y = if y.is_nan() { 0.0 } else { y.max(f32::from(p.min)).min(f32::from(p.max)) };
    y.round_ties_even() as i8 as u8
}

proptest! {
    #[test]
    fn floats_are_quantised_by_the_formula(
        bits in prop::collection::vec(any::<u32>(), 1..40),
        near in prop::collection::vec(-140f32..140.0, 1..40),
        scale in prop_oneof![0.001f32..3.0, Just(0.5), Just(f32::MIN_POSITIVE), Just(1e30)],
        zero in -150i32..150,
        bounds in prop_oneof![Just([-128i8, 127]), Just([-127, 127]), Just([0, 127]), Just([-5, 0])],
    ) {
        let special = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN, 0.0, -0.0, 1e-45];
        let random = bits.into_iter().map(f32::from_bits);
        // Ties and what lies next to them.
        let halves = near.iter().map(|x| (x.floor() + 0.5 - zero as f32) * scale);
        let halves = halves.flat_map(|x| [x, x.next_up(), x.next_down()]);
        let all: Vec<f32> = random.chain(special).chain(halves).collect();
        let p = quantize(all.len() as u32, scale, zero as f32, bounds);
        let input: Vec<u8> = all.iter().flat_map(|x| x.to_le_bytes()).collect();
        let expected: Vec<u8> = all.iter().map(|&x| expected(&p, x)).collect();
        for got in both(&p, &input) {
            prop_assert_eq!(&got, &expected);
        }
    }
}

#[test]
fn bytes_become_floats_by_the_formula_or_by_the_table() {
    let bytes: Vec<u8> = (0..=255).collect();
    let (zero, scale) = (-7, 0.05f32);
    let values: Vec<u8> = bytes
        .iter()
        .flat_map(|&x| ((i32::from(x as i8) - zero) as f32 * scale).to_le_bytes())
        .collect();
    let p = DequantizeI8 {
        input: Place::arena(0),
        table: None,
        output: Place::arena(256),
        count: 256,
        zero,
        scale,
    };
    let sizes = [256, 1024];
    assert_eq!(run(&spec(Kernel::dequantize_i8(p), sizes, vec![]), &bytes).unwrap(), values);
    let table: Vec<u8> = (0..256u32).flat_map(|i| (i as f32 * 1.5 - 3.0).to_le_bytes()).collect();
    let mut constants = Constants::default();
    let p = DequantizeI8 { table: Some(constants.add(&table)), ..p };
    assert_eq!(run(&spec(Kernel::dequantize_i8(p), sizes, constants.0), &bytes).unwrap(), table);
}

#[test]
fn the_loader_checks_conversions() {
    let load = |kernel, constants: Vec<u8>| {
        let artifact = encode(&spec(kernel, [64, 16], constants)).unwrap();
        let bytes = Aligned::new(&artifact);
        Model::load(bytes.bytes()).map(drop).map_err(|error| match error {
            LoadError::Step { error, .. } => error,
            other => panic!("not the step's: {other}"),
        })
    };
    let bad = Err(StepError::Params(ParamError::BadCode));
    let quantizes = |change: &dyn Fn(&mut QuantizeF32<Place>), constants| {
        let mut p = quantize(16, 0.5, 0.0, [-128, 127]);
        change(&mut p);
        load(Kernel::quantize_f32(p), constants)
    };
    assert_eq!(quantizes(&|_| (), vec![]), Ok(()));
    assert_eq!(quantizes(&|p| p.scale = 0.0, vec![]), bad);
    assert_eq!(quantizes(&|p| p.scale = f32::NAN, vec![]), bad);
    assert_eq!(quantizes(&|p| p.min = -127, vec![]), bad);
    assert_eq!(quantizes(&|p| p.count = 17, vec![]), Err(StepError::OutOfBounds));
    assert_eq!(quantizes(&|p| p.output.offset = 60, vec![]), Err(StepError::Overlap));
    assert_eq!(quantizes(&|p| p.input.offset = 2, vec![]), Err(StepError::Misaligned));
    let tabulated = |p: &mut QuantizeF32<Place>| {
        (p.thresholds, p.min, p.max) = (Some(Place::constant(0)), -4, 3);
    };
    assert_eq!(quantizes(&tabulated, vec![0; 255 * 4]), Ok(()));
    assert_eq!(quantizes(&tabulated, vec![0; 255 * 4 - 1]), Err(StepError::OutOfBounds));
    let positive = |p: &mut QuantizeF32<Place>| {
        tabulated(p);
        p.min = 1;
    };
    assert_eq!(quantizes(&positive, vec![0; 255 * 4]), bad);

    let dequantize = |table: Option<Place>, count, constants| {
        let (input, output) = (Place::arena(64), Place::arena(0));
        let p = DequantizeI8 { input, table, output, count, zero: 1, scale: 0.5 };
        load(Kernel::dequantize_i8(p), constants)
    };
    assert_eq!(dequantize(None, 16, vec![]), Ok(()));
    assert_eq!(dequantize(None, 17, vec![]), Err(StepError::OutOfBounds));
    assert_eq!(dequantize(Some(Place::constant(0)), 16, vec![0; 1024]), Ok(()));
    assert_eq!(
        dequantize(Some(Place::constant(0)), 16, vec![0; 1023]),
        Err(StepError::OutOfBounds)
    );
}
