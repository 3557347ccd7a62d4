//! Sizes of convolutions with channels last, as two-dimensional ones.

use crate::ops::convolution::Convolution;

/// A convolution of two spatial dimensions; one of one dimension has height 1. Pairs are vertical,
/// then horizontal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// Independent images.
    pub batch: u32,
    /// Input sizes.
    pub input: [u32; 2],
    /// Input channels, of all groups.
    pub in_c: u32,
    /// Output sizes.
    pub output: [u32; 2],
    /// Output channels, of all groups.
    pub out_c: u32,
    /// Kernel sizes.
    pub kernel: [u32; 2],
    /// Window strides.
    pub stride: [u32; 2],
    /// Padding before the input; negative crops.
    pub pad: [i32; 2],
    /// Distance of kernel taps.
    pub dilation: [u32; 2],
}

impl Geometry {
    /// The geometry of a convolution of one or two spatial dimensions with these dimensions of
    /// input and output, kernel sizes, and padding before each spatial dimension. `None` if a
    /// number has no place.
    pub fn of(
        c: &Convolution,
        input: &[u32],
        output: &[u32],
        kernel: &[u32],
        lows: &[i64],
    ) -> Option<Geometry> {
        let (&[batch, ref sizes @ .., in_c], &[_, ref outputs @ .., out_c]) = (input, output)
        else {
            return None;
        };
        let size = |v: i64| u32::try_from(v).ok();
        Some(Geometry {
            batch,
            input: pair(sizes.iter().copied(), 1)?,
            in_c,
            output: pair(outputs.iter().copied(), 1)?,
            out_c,
            kernel: pair(kernel.iter().copied(), 1)?,
            stride: pair(c.strides.iter().map_while(|&s| size(s)), 1)?,
            pad: pair(lows.iter().map_while(|&p| i32::try_from(p).ok()), 0)?,
            dilation: pair(c.rhs_dilation.iter().map_while(|&d| size(d)), 1)?,
        })
    }

    /// A matrix product `[rows, depth] x [depth, columns]` as a convolution over a line of rows.
    pub fn of_matrix(rows: u32, depth: u32, columns: u32) -> Geometry {
        let one = [1, 1];
        Geometry {
            batch: 1,
            input: [1, rows],
            in_c: depth,
            output: [1, rows],
            out_c: columns,
            kernel: one,
            stride: one,
            pad: [0, 0],
            dilation: one,
        }
    }
}

/// One or two values as two; a single one is the second.
fn pair<T: Copy>(values: impl Iterator<Item = T>, first: T) -> Option<[T; 2]> {
    let values: Vec<T> = values.collect();
    match *values.as_slice() {
        [one] => Some([first, one]),
        [a, b] => Some([a, b]),
        _ => None,
    }
}
