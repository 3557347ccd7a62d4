//! `i8` convolutions against plain loops.

mod common;

use common::i8_cases::{Case, Form, bytes, cases, twice};
use common::{one_step, run};
use microhlo_format::kernels::{DepthwiseI8Mve, Requant, Rounding};
use proptest::prelude::*;

/// Checks the kernels of convolutions, or of depthwise ones.
fn check(case: &Case, depthwise: bool) -> Result<(), TestCaseError> {
    let input = bytes(case.seed ^ 1, case.input_len() as usize);
    let raw: Vec<u8> = input.iter().map(|&x| x as u8).collect();
    let mve = DepthwiseI8Mve { conv: case.depthwise() };
    let forms: &[Form] = match depthwise {
        true if mve.fits() && !mve.conv.is_by_taps() => &[Form::Depthwise, Form::DepthwiseMve],
        true => &[Form::Depthwise],
        false => &[Form::Conv, Form::ConvMve],
    };
    for &form in forms {
        let step = case.step(form);
        let mut spec = one_step(step.kernel, case.input_len(), step.output, step.constants);
        spec.arena_bytes = step.arena_bytes;
        prop_assert_eq!(run(&spec, &raw).unwrap(), case.naive(&input), "{:?}", form);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn convolutions_are_exact(case in cases(1, [9, 20])) {
        check(&case, false)?;
    }

    #[test]
    fn grouped_convolutions_are_exact(case in cases(4, [6, 5])) {
        check(&case, false)?;
    }

    /// Shapes whose taps are stored in another order, and rows of many taps.
    #[test]
    fn wide_convolutions_are_exact(mut case in cases(2, [3, 12]), quarter in 1u32..9) {
        case.channels[0] = 4 * quarter;
        check(&case, false)?;
    }

    #[test]
    fn matrix_products_are_exact(mut case in cases(1, [80, 30]), rows in 1u32..12) {
        (case.batch, case.size, case.output) = (1, [1, rows], [1, rows]);
        (case.kernel, case.stride, case.pad, case.dilation) = ([1, 1], [1, 1], [0, 0], [1, 1]);
        check(&case, false)?;
    }

    /// Lines of pixels whose taps follow each other in the input.
    #[test]
    fn lines_without_padding_are_exact(
        mut case in cases(1, [20, 9]),
        vertical in any::<bool>(),
        spare in 0u32..3,
    ) {
        let (along, across) = if vertical { (0, 1) } else { (1, 0) };
        (case.size[across], case.output[across], case.kernel[across]) = (1, 1, 1);
        (case.pad, case.dilation) = ([0, 0], [1, 1]);
        case.size[along] = case.output[along] * case.stride[along] + spare;
        case.kernel[along] = case.kernel[along].min(case.size[along]);
        check(&case, false)?;
    }

    #[test]
    fn depthwise_convolutions_are_exact(mut case in cases(13, [2, 4])) {
        check(&case, true)?;
        case.kernel = [3, 3];
        check(&case, true)?;
    }

    /// Long kernels and lines, in both directions.
    #[test]
    fn depthwise_lines_are_exact(
        mut case in cases(9, [2, 3]),
        length in 1u32..30,
        kernel in 1u32..16,
        vertical in any::<bool>(),
    ) {
        let d = usize::from(!vertical);
        (case.size[d], case.output[d], case.kernel[d]) = (length, length, kernel);
        check(&case, true)?;
    }
}

#[test]
fn a_result_halfway_between_two_integers_rounds_as_asked() {
    let requant = |rounding, zero| Requant { shift: 33, zero, min: -128, max: 127, rounding };
    // Eighths of the sums: -1.5, -0.5, 0.5, 1.5, and two that are not halfway.
    let results = |r: Requant| [-12, -4, 4, 12, -5, 5].map(|acc| r.apply(acc, 1 << 30, 33));
    assert_eq!(results(requant(Rounding::Up, 0)), [-1, 0, 1, 2, -1, 1]);
    assert_eq!(results(requant(Rounding::Even, 0)), [-2, 0, 0, 2, -1, 1]);
    assert_eq!(results(requant(Rounding::Even, 1)), [0, 0, 2, 2, 0, 2]);
    assert_eq!(results(requant(Rounding::Double, 0)), [-2, -1, 1, 2, -1, 1]);
    assert!(Requant::may_tie(1 << 30, 33, 4) && !Requant::may_tie(1 << 30, 33, 3));
    assert!(!Requant::may_tie((1 << 30) + 1, 33, 1 << 31));
}

proptest! {
    #[test]
    fn two_roundings_are_one_of_the_moved_product(
        acc in any::<i32>(),
        small in -300i32..300,
        multiplier in 0i32..=i32::MAX,
        shift in 33u8..=53,
    ) {
        let requant =
            Requant { shift, zero: 0, min: -128, max: 127, rounding: Rounding::Double };
        for (acc, multiplier) in [(acc, multiplier), (small, multiplier), (small, 1 << 30)] {
            let product = i128::from(acc) * i128::from(multiplier);
            let wanted = twice(product, shift).clamp(-128, 127) as i8;
            prop_assert_eq!(requant.apply(acc, multiplier, shift), wanted);
        }
    }
}

proptest! {
    #[test]
    fn single_precision_is_that_of_floats(
        acc in any::<i32>(),
        fraction in 0i32..1 << 23,
        shift in 33u8..=53,
        zero in -128i32..=127,
        wanted in -140i32..140,
        off in -3i32..=3,
    ) {
        let requant =
            Requant { shift, zero, min: -128, max: 127, rounding: Rounding::Single };
        let multiplier = ((1 << 23) + fraction) << 7;
        let scale = (f64::from(multiplier) / 2f64.powi(shift.into())) as f32;
        // Sums about halfway between two results, where every rounding matters.
        let half = (f64::from(wanted - zero) + 0.5) / f64::from(scale);
        let near = (half as i32).saturating_add(off);
        for acc in [acc, near, acc >> 8, (near >> 9) << 9] {
            let float = (acc as f32 * scale + zero as f32).round_ties_even();
            let wanted = float.clamp(-128.0, 127.0) as i8;
            prop_assert_eq!(requant.apply(acc, multiplier, shift), wanted, "{} {}", acc, scale);
        }
    }
}

#[test]
fn results_stay_in_their_range() {
    let requant = Requant { shift: 53, zero: 511, min: -7, max: 9, rounding: Rounding::Even };
    let ends = [(i32::MIN, i32::MAX, -7), (i32::MAX, i32::MAX, 9), (i32::MIN, i32::MIN, 9)];
    for (acc, multiplier, wanted) in ends {
        assert_eq!(requant.apply(acc, multiplier, 33), wanted);
    }
    // The loader does not read constants, so any shift may be there.
    for rounding in [Rounding::Up, Rounding::Even, Rounding::Double, Rounding::Single] {
        let requant = Requant { rounding, ..requant };
        for shift in 0..=u8::MAX {
            for acc in [12345, i32::MIN, i32::MAX, 0] {
                assert!((-7..=9).contains(&requant.apply(acc, 678, shift)));
            }
        }
    }
}
