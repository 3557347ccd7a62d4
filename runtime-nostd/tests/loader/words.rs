//! What is refused of kernels of 16 bits.

use microhlo::{LoadError, Model, ParamError, StepError};
use microhlo_format::kernels::{
    ConvI8, ConvI16, ConvI16Mve, DepthwiseI8, DepthwiseI16, DepthwiseLayout, Requant, Rounding,
    SumI16,
};
use microhlo_format::{Kernel, Place, encode};

use super::common::{Aligned, one_step};
use super::{conv_i8, depthwise_i8};

#[test]
fn sums_of_sixteen_bits_need_twice_the_memory() {
    type Wide = ConvI16<Place>;
    let load = |change: &dyn Fn(&mut Wide)| {
        let conv = ConvI8 { scratch: Place::arena(96), ..conv_i8() };
        let mut wide = ConvI16 { conv, min: -32768, max: 32767 };
        change(&mut wide);
        let mut spec = one_step(Kernel::conv_i16(wide), 64, (64, 64), vec![0; 64]);
        spec.arena_bytes = 144;
        Model::load(Aligned::new(&encode(&spec).unwrap()).bytes()).map(|_| ())
    };
    let fails = |error| Err(LoadError::Step { step: 0, offset: 64, error });
    assert_eq!(load(&|_| ()), Ok(()));
    // 40 bytes of activations, 32 of results.
    assert_eq!(load(&|c| c.conv.output = Place::arena(66)), fails(StepError::Overlap));
    assert_eq!(load(&|c| c.conv.output = Place::arena(63)), fails(StepError::Misaligned));
    assert_eq!(load(&|c| c.conv.input = Place::arena(108)), fails(StepError::OutOfBounds));
    assert_eq!(load(&|c| c.conv.input = Place::arena(1)), fails(StepError::Misaligned));
    assert_eq!(load(&|c| c.conv.output = Place::arena(0)), Ok(()));
    let params = |error| fails(StepError::Params(error));
    let requant = |c: &mut Wide, change: &dyn Fn(&mut Requant)| {
        c.conv.requant.iter_mut().for_each(change);
    };
    assert_eq!(load(&|c| (c.min, c.max) = (1, 0)), params(ParamError::BadCode));
    assert_eq!(load(&|c| c.max = 32768), params(ParamError::BadCode));
    assert_eq!(load(&|c| c.min = -32769), params(ParamError::BadCode));
    assert_eq!(load(&|c| requant(c, &|r| r.max = 126)), params(ParamError::BadCode));
    let single = |r: &mut Requant| r.rounding = Rounding::Single;
    assert_eq!(load(&|c| requant(c, &single)), params(ParamError::BadCode));
    assert_eq!(load(&|c| c.conv.groups = 0), params(ParamError::Zero));
    let large = |c: &mut Wide| (c.conv.in_h, c.conv.in_w) = (1 << 15, 1 << 13);
    assert_eq!(load(&large), params(ParamError::Overflow));
    // Sums are four bytes, and lie nowhere over the activations.
    assert_eq!(load(&|c| c.conv.requant = None), fails(StepError::Overlap));
}

#[test]
fn sums_of_sixteen_bits_by_vectors_need_twice_the_memory() {
    let load = |change: &dyn Fn(&mut ConvI16Mve<Place>)| {
        let mut wide = ConvI16Mve { conv: ConvI8 { out_c: 3, ..conv_i8() }, min: -9, max: 9 };
        change(&mut wide);
        let mut spec = one_step(Kernel::conv_i16_mve(wide), 64, (64, 64), vec![0; 64]);
        spec.arena_bytes = 144;
        Model::load(Aligned::new(&encode(&spec).unwrap()).bytes()).map(|_| ())
    };
    let fails = |error| Err(LoadError::Step { step: 0, offset: 64, error });
    // The taps are read where they lie.
    assert_eq!(load(&|c| c.conv.scratch = Place::arena(144)), Ok(()));
    assert_eq!(load(&|c| c.conv.input = Place::arena(1)), fails(StepError::Misaligned));
    // Weights of three channels and five taps, and a vector of eight behind them.
    assert_eq!(load(&|c| c.conv.weights = Place::constant(40)), Ok(()));
    assert_eq!(load(&|c| c.conv.weights = Place::constant(44)), fails(StepError::OutOfBounds));
    // With padding, the taps of four pixels are gathered, each at a multiple of four bytes.
    let padded = |c: &mut ConvI16Mve<Place>, at| {
        (c.conv.pad_left, c.conv.scratch) = (1, Place::arena(at));
    };
    assert_eq!(load(&|c| padded(c, 96)), Ok(()));
    assert_eq!(load(&|c| padded(c, 100)), fails(StepError::OutOfBounds));
    let code = fails(StepError::Params(ParamError::BadCode));
    assert_eq!(load(&|c| c.max = 32768), code);
    let single = |c: &mut ConvI16Mve<Place>| {
        c.conv.requant.iter_mut().for_each(|r| r.rounding = Rounding::Single);
    };
    assert_eq!(load(&single), code);
}

#[test]
fn depthwise_convolutions_and_sums_of_sixteen_bits_need_their_memory() {
    let load = |kernel: Kernel<Place>| {
        let spec = one_step(kernel, 64, (64, 64), vec![0; 64]);
        Model::load(Aligned::new(&encode(&spec).unwrap()).bytes()).map(|_| ())
    };
    let fails = |error| Err(LoadError::Step { step: 0, offset: 64, error });
    let (layout, scratch) = (DepthwiseLayout::Taps, None);
    let taps = DepthwiseI8 { layout, scratch, channels: Place::constant(32), ..depthwise_i8() };
    let wide = |conv| load(Kernel::depthwise_i16(DepthwiseI16 { conv, min: -5, max: 5 }));
    assert_eq!(wide(taps), Ok(()));
    assert_eq!(wide(DepthwiseI8 { output: Place::arena(4), ..taps }), fails(StepError::Overlap));
    assert_eq!(wide(DepthwiseI8 { output: Place::arena(0), ..taps }), fails(StepError::Overlap));
    let mismatch = fails(StepError::Params(ParamError::Mismatch));
    assert_eq!(wide(DepthwiseI8 { layout: DepthwiseLayout::Lines(1), ..taps }), mismatch);
    assert_eq!(wide(DepthwiseI8 { scratch: Some(Place::arena(72)), ..taps }), mismatch);
    let sum = SumI16 {
        lhs: Place::arena(0),
        rhs: Place::arena(32),
        output: Place::arena(64),
        count: 16,
        lhs_multiplier: 1 << 30,
        rhs_multiplier: -5,
        shift: 31,
        min: -32768,
        max: 32767,
    };
    let sums = |sum| load(Kernel::sum_i16(sum));
    assert_eq!(sums(sum), Ok(()));
    assert_eq!(sums(SumI16 { output: Place::arena(32), ..sum }), Ok(()));
    assert_eq!(sums(SumI16 { output: Place::arena(34), ..sum }), fails(StepError::Overlap));
    assert_eq!(sums(SumI16 { output: Place::arena(98), ..sum }), fails(StepError::OutOfBounds));
    let code = fails(StepError::Params(ParamError::BadCode));
    assert_eq!(sums(SumI16 { shift: 16, ..sum }), code);
    assert_eq!(sums(SumI16 { shift: 49, ..sum }), code);
    assert_eq!(sums(SumI16 { max: -32769, ..sum }), code);
}
