//! Sliding windows, as `reduce_window`, `select_and_scatter` and `convolution` use them.

use super::{AttrReader, AttrWriter, OpError};

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

impl Window {
    /// Reads the attributes of `reduce_window`; `rank` is the number of dimensions for defaults.
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
