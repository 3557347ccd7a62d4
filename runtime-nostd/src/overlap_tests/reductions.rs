//! Reductions of whole dimensions and of windows.

use microhlo_format::kernels::{Reduce, Window, WindowDim};
use microhlo_format::{Kernel, MicroId};

use super::{CONSTANTS, INPUT, OUTPUT, check, distance};
use crate::micro;

/// Of bytes: one that folds, and one that does not.
const ADD: MicroId = micro::add::I8.id;
const XOR: MicroId = micro::xor::I8.id;

/// A reduction of bytes with these sizes and strides.
fn reduce(
    op: MicroId,
    (sizes, strides): (&[u32], &[i32]),
    (reduced, reduced_strides): (&[u32], &[i32]),
) -> Kernel<u8> {
    Kernel::reduce(Reduce {
        op,
        input: INPUT,
        init: CONSTANTS,
        output: OUTPUT,
        post: None,
        sizes: sizes.iter().copied().collect(),
        strides: strides.iter().copied().collect(),
        reduce: reduced.iter().copied().collect(),
        reduce_strides: reduced_strides.iter().copied().collect(),
    })
}

#[test]
fn reductions_at_their_distance() {
    type Dims = (&'static [u32], &'static [i32]);
    let cases: [(MicroId, Dims, Dims, u32); 10] = [
        // The outer dimension, and one in the middle.
        (ADD, (&[6], &[1]), (&[5], &[6]), 0),
        (ADD, (&[3, 4], &[20, 1]), (&[5], &[4]), 0),
        // Read from the end, and more than once.
        (ADD, (&[4], &[-1]), (&[3], &[4]), 3),
        (ADD, (&[4, 3], &[0, 1]), (&[2], &[3]), 9),
        // Elements from the end.
        (ADD, (&[4], &[2]), (&[2], &[-1]), 0),
        // Three dimensions: the row is read again when all of it has been written.
        (ADD, (&[4], &[8]), (&[2, 2, 2], &[4, 2, 1]), 0),
        (ADD, (&[4], &[8]), (&[2, 2, 2], &[1, 4, 2]), 3),
        (ADD, (&[2, 4], &[32, 8]), (&[2, 2, 2], &[-1, 4, 2]), 4),
        // Rows of initial values first.
        (XOR, (&[5], &[1]), (&[3], &[5]), 5),
        (XOR, (&[2, 3], &[9, 1]), (&[3], &[3]), 3),
    ];
    for (op, kept, reduced, bytes) in cases {
        let kernel = reduce(op, kept, reduced);
        assert_eq!(distance(&kernel), Some((bytes, false)), "{kernel:?}");
        if bytes > 0 || kept.1 == [1] {
            check(&kernel);
        }
    }
    // No memory of a microcontroller is as large.
    assert_eq!(distance(&reduce(ADD, (&[1 << 20], &[1]), (&[1 << 10], &[1 << 20]))), None);
}

/// A dimension with a window.
fn slide(input: u32, window: u32, stride: u32, pad: i32) -> WindowDim {
    let output = (input as i32 + 2 * pad - window as i32) as u32 / stride + 1;
    WindowDim { input, output, window, stride, pad, base_dilation: 1, window_dilation: 1 }
}

fn window<const N: usize>(op: MicroId, dims: [WindowDim; N], inner: u32) -> Window<u8> {
    Window {
        op,
        input: INPUT,
        init: CONSTANTS,
        output: OUTPUT,
        post: None,
        dims: dims.into_iter().collect(),
        inner,
        padding_counts: false,
    }
}

#[test]
fn windows_at_their_distance() {
    let pool = [slide(6, 2, 2, 0), slide(8, 2, 2, 0)];
    let same = [slide(5, 3, 1, 1), slide(7, 3, 1, 1)];
    let line = [slide(20, 5, 1, 2)];
    let three = [slide(3, 2, 1, 0), slide(4, 2, 1, 0), slide(5, 2, 1, 0)];
    for (kernel, bytes) in [
        (window(ADD, pool, 4), 0),
        // A row and a column of padding before the first window.
        (window(ADD, same, 3), (7 + 1) * 3),
        (window(XOR, same, 3), (7 + 2) * 3),
        (Window { padding_counts: true, ..window(ADD, same, 3) }, (7 + 2) * 3),
        (Window { padding_counts: true, ..window(ADD, pool, 4) }, 0),
        (window(ADD, line, 1), 2),
        (window(XOR, line, 6), 3 * 6),
        (window(XOR, pool, 4), 4),
        // More than two dimensions at once.
        (window(ADD, three, 2), 2),
        // More results than operands, and some of the input left out.
        (window(ADD, [slide(5, 3, 1, 2)], 2), 4),
        (window(ADD, [WindowDim { pad: -2, output: 4, ..slide(6, 1, 1, 0) }], 2), 0),
    ] {
        let kernel = Kernel::window(kernel);
        assert_eq!(distance(&kernel), Some((bytes, false)), "{kernel:?}");
        if bytes > 0 {
            check(&kernel);
        }
    }
    let apart = WindowDim { base_dilation: 2, ..slide(5, 1, 1, 0) };
    assert_eq!(distance(&Kernel::window(window(ADD, [apart], 1))), None);
}
