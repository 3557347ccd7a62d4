//! Sliding windows, as `reduce_window`, `select_and_scatter` and `convolution` use them.

use super::{AttrReader, AttrWriter, OpError, types};
use crate::ir::Dim;

/// A sliding window: one entry per dimension in every list.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Extent of the window before dilation.
    pub dimensions: Vec<i64>,
    /// Distance of neighbouring windows.
    pub strides: Vec<i64>,
    /// Distance of neighbouring operand elements in the padded operand.
    pub base_dilations: Vec<i64>,
    /// Distance of neighbouring window elements.
    pub window_dilations: Vec<i64>,
    /// Elements added before and after; negative ones remove.
    pub padding: Vec<(i64, i64)>,
}

/// Labels of the constraints on a window's lists: of their sizes and of their signs.
pub struct WindowLabels {
    /// Of `window_dimensions`.
    pub dimensions: (&'static str, &'static str),
    /// Of `window_strides`.
    pub strides: (&'static str, &'static str),
    /// Of `base_dilations`.
    pub base_dilations: (&'static str, &'static str),
    /// Of `window_dilations`.
    pub window_dilations: (&'static str, &'static str),
    /// Of the number of paddings.
    pub padding: &'static str,
}

impl Window {
    /// Reads the attributes of `reduce_window`.
    pub fn read(attrs: &mut AttrReader<'_>) -> Result<Window, OpError> {
        let dimensions = attrs.ints("window_dimensions")?;
        let ones = vec![1; dimensions.len()];
        Ok(Window {
            strides: attrs.opt_ints("window_strides")?.unwrap_or_else(|| ones.clone()),
            base_dilations: attrs.opt_ints("base_dilations")?.unwrap_or_else(|| ones.clone()),
            window_dilations: attrs.opt_ints("window_dilations")?.unwrap_or(ones),
            padding: attrs.opt_pairs("padding")?.unwrap_or_else(|| vec![(0, 0); dimensions.len()]),
            dimensions,
        })
    }

    /// Writes the attributes, defaults left out.
    pub fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("window_dimensions", &self.dimensions);
        for (name, list) in [
            ("window_strides", &self.strides),
            ("base_dilations", &self.base_dilations),
            ("window_dilations", &self.window_dilations),
        ] {
            if list.iter().any(|&v| v != 1) {
                attrs.ints(name, list);
            }
        }
        if self.padding.iter().any(|&p| p != (0, 0)) {
            attrs.pairs("padding", &self.padding);
        }
    }
}

/// One dimension of a sliding window over a padded and dilated operand.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    /// Distance of neighbouring windows.
    pub stride: i128,
    /// Elements added before and after.
    pub pad: (i128, i128),
    /// Distance of neighbouring operand elements.
    pub base_dilation: i128,
    /// Distance of neighbouring window elements.
    pub window_dilation: i128,
}

/// Extent of `n` elements at a distance.
fn dilated(n: i128, by: i128) -> i128 {
    if n == 0 { 0 } else { (n - 1) * by + 1 }
}

impl Axis {
    /// Number of windows of `window` elements over `input` elements.
    pub fn output(&self, input: i128, window: i128) -> i128 {
        let padded = self.pad.0 + dilated(input, self.base_dilation) + self.pad.1;
        let window = dilated(window, self.window_dilation);
        if padded <= 0 || window > padded { 0 } else { (padded - window) / self.stride + 1 }
    }

    /// The operand element under element `tap` of window number `at`, unless that is padding or
    /// lies between elements.
    pub fn source(&self, at: usize, tap: usize, input: usize) -> Option<usize> {
        let place = at as i128 * self.stride + tap as i128 * self.window_dilation - self.pad.0;
        if place < 0 || place % self.base_dilation != 0 {
            return None;
        }
        usize::try_from(place / self.base_dilation).ok().filter(|&i| i < input)
    }
}

impl Window {
    /// Dimension `d` of the window.
    pub fn axis(&self, d: usize) -> Axis {
        Axis {
            stride: self.strides[d].into(),
            pad: (self.padding[d].0.into(), self.padding[d].1.into()),
            base_dilation: self.base_dilations[d].into(),
            window_dilation: self.window_dilations[d].into(),
        }
    }

    /// Fails unless every list has `rank` entries and those that must be positive are.
    pub fn check(&self, rank: usize, labels: &WindowLabels) -> Result<(), OpError> {
        for ((len, sign), what, list) in [
            (labels.dimensions, "window_dimensions", &self.dimensions),
            (labels.strides, "window_strides", &self.strides),
            (labels.base_dilations, "base_dilations", &self.base_dilations),
            (labels.window_dilations, "window_dilations", &self.window_dilations),
        ] {
            types::expect_len(Some(len), what, list.len(), rank)?;
            if let Some(v) = list.iter().find(|&&v| v <= 0) {
                return Err(OpError::constraint(sign, format!("{what} must be positive, has {v}")));
            }
        }
        types::expect_len(Some(labels.padding), "padding", self.padding.len(), rank)
    }

    /// Sizes of the result of sliding the window over an operand.
    pub fn output(&self, operand: &[Dim]) -> Result<Vec<Dim>, OpError> {
        let size = |(d, dim): (usize, &Dim)| match dim.size() {
            None => {
                let windows = |n: u64| self.axis(d).output(n.into(), self.dimensions[d].into());
                Ok(dim.map(|n| u64::try_from(windows(n)).ok()))
            }
            Some(n) => {
                let windows = self.axis(d).output(n.into(), self.dimensions[d].into());
                types::sized("a result dimension", windows)
            }
        };
        operand.iter().enumerate().map(size).collect()
    }

    /// Index of the operand element under element `tap` of window `at`, unless that is padding.
    pub fn source(&self, at: &[usize], tap: &[usize], operand: &[usize]) -> Option<Vec<usize>> {
        (0..operand.len()).map(|d| self.axis(d).source(at[d], tap[d], operand[d])).collect()
    }
}
