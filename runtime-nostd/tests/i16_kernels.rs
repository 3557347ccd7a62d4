//! Kernels of `i16` activations against plain loops.

mod common;

use common::i8_cases::{Case, Form, bytes, cases};
use common::{after, one_step, run};
use microhlo_format::kernels::{Rounding, SumI16};
use microhlo_format::{Kernel, Place};
use proptest::prelude::*;

/// Reproducible numbers, the least and the greatest among them.
fn words(seed: u32, n: usize) -> Vec<i16> {
    let raw = bytes(seed, 2 * n);
    let word = |pair: &[i8]| match pair[1] {
        127 => i16::MAX,
        -128 => i16::MIN,
        high => i16::from_le_bytes([pair[0] as u8, high as u8]),
    };
    raw.chunks_exact(2).map(word).collect()
}

fn raw(words: &[i16]) -> Vec<u8> {
    words.iter().flat_map(|n| n.to_le_bytes()).collect()
}

/// Checks the kernel of convolutions, or of depthwise ones.
fn check(case: &Case, form: Form) -> Result<(), TestCaseError> {
    let mut case = case.clone();
    if case.requant.is_some_and(|r| r.rounding == Rounding::Single) {
        // That of 16 bits has no kernel.
        case.requant = None;
        case.shifts = false;
    }
    let input = words(case.seed ^ 1, case.input_len() as usize);
    let step = case.step(form);
    let mut spec = one_step(step.kernel, 2 * case.input_len(), step.output, step.constants);
    spec.arena_bytes = step.arena_bytes;
    prop_assert_eq!(run(&spec, &raw(&input)).unwrap(), case.naive(&input), "{:?}", form);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn convolutions_are_exact(case in cases(1, [9, 20])) {
        check(&case, Form::ConvI16)?;
        check(&case, Form::ConvI16Mve)?;
    }

    #[test]
    fn grouped_convolutions_are_exact(case in cases(4, [6, 5])) {
        check(&case, Form::ConvI16)?;
        check(&case, Form::ConvI16Mve)?;
    }

    #[test]
    fn matrix_products_are_exact(mut case in cases(1, [80, 45]), rows in 1u32..12) {
        (case.batch, case.size, case.output) = (1, [1, rows], [1, rows]);
        (case.kernel, case.stride, case.pad, case.dilation) = ([1, 1], [1, 1], [0, 0], [1, 1]);
        check(&case, Form::ConvI16)?;
        check(&case, Form::ConvI16Mve)?;
    }

    #[test]
    fn long_taps_are_exact(mut case in cases(2, [40, 9])) {
        case.kernel = [1, case.kernel[1]];
        check(&case, Form::ConvI16Mve)?;
    }

    #[test]
    fn depthwise_convolutions_are_exact(mut case in cases(13, [2, 2])) {
        check(&case, Form::DepthwiseI16)?;
        case.kernel = [3, 3];
        check(&case, Form::DepthwiseI16)?;
    }

    #[test]
    fn sums_are_exact(
        seed in any::<u32>(),
        count in 1u32..40,
        factors in [any::<i32>(), any::<i32>()],
        shift in 17u8..=48,
        limits in prop_oneof![Just((-32768, 32767)), (-20000i32..0, 0i32..=30000)],
        in_place in any::<bool>(),
    ) {
        let inputs = words(seed, 2 * count as usize);
        let (lhs, rhs) = inputs.split_at(count as usize);
        let output = if in_place { 0 } else { after(4 * count) };
        let kernel = Kernel::sum_i16(SumI16 {
            lhs: Place::arena(0),
            rhs: Place::arena(2 * count),
            output: Place::arena(output),
            count,
            lhs_multiplier: factors[0],
            rhs_multiplier: factors[1],
            shift,
            min: limits.0,
            max: limits.1,
        });
        let one = |(&a, &b): (&i16, &i16)| {
            let sum = i128::from(a) * i128::from(factors[0]) + i128::from(b) * i128::from(factors[1]);
            let y = (sum + (1i128 << (shift - 1))).div_euclid(1i128 << shift);
            y.clamp(limits.0.into(), limits.1.into()) as i16
        };
        let wanted: Vec<i16> = lhs.iter().zip(rhs).map(one).collect();
        let spec = one_step(kernel, 4 * count, (output, 2 * count), Vec::new());
        prop_assert_eq!(run(&spec, &raw(&inputs)).unwrap(), raw(&wanted));
    }
}
