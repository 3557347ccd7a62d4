//! About how many instructions kernels take, to compare programs with each other.
//!
//! What is modelled is how the cost depends on the shape: pixels are computed in fours, lines of a
//! depthwise convolution are widened before they are read, and every execution has a price.

use microhlo_format::Kernel;
use microhlo_format::kernels::{ConvI8, DepthwiseI8};

use crate::compile::Target;
use crate::lower::program::Ref;

/// Instructions that a chain costs beside its stages.
pub const CHAIN: f64 = 500.0;
/// Instructions of an execution of a kernel.
const EXECUTION: f64 = 250.0;

/// By what part copies of single bytes make a convolution slower; those of words hardly do.
pub const COPIED: f64 = 0.5;

/// Costs on a target.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    /// Instructions of a multiply-accumulate of a convolution, and of a depthwise one.
    mac: [f64; 2],
    /// Pixels that are computed together.
    lanes: u64,
    /// As how many of these one, two or three count that are left over.
    left: [f64; 3],
    /// Instructions to gather or widen a byte.
    gather: f64,
    /// Instructions to prepare a channel of a depthwise convolution.
    channel: f64,
    /// Instructions to requantise a result.
    result: f64,
    /// Instructions to move a byte.
    moved: f64,
    /// Instructions of a firing beside its kernel's.
    firing: f64,
    /// Whether three by three taps of a depthwise convolution are read where they lie.
    in_place: bool,
}

/// Those of a core that multiplies one pair at a time.
const PLAIN: Costs = Costs {
    mac: [2.6, 3.2],
    lanes: 4,
    left: [1.4, 2.8, 4.0],
    gather: 2.5,
    channel: 150.0,
    result: 14.0,
    moved: 0.6,
    firing: 1200.0,
    in_place: false,
};

impl Costs {
    /// Those of a target.
    pub fn new(target: Target) -> Costs {
        match target {
            Target::CortexM55 => Costs {
                mac: [0.12, 0.5],
                lanes: 1,
                left: [0.0; 3],
                gather: 0.2,
                channel: 20.0,
                result: 1.0,
                moved: 0.12,
                ..PLAIN
            },
            Target::CortexM4f | Target::CortexM7 | Target::CortexM33 | Target::Host => Costs {
                mac: [0.82, 1.0],
                left: [1.5, 2.5, 4.0],
                gather: 1.2,
                channel: 80.0,
                result: 6.0,
                moved: 0.4,
                ..PLAIN
            },
            Target::Rv32imac => Costs {
                mac: [2.6, 3.1],
                left: [1.7, 3.3, 4.0],
                result: 7.5,
                firing: 2800.0,
                in_place: true,
                ..PLAIN
            },
            _ => PLAIN,
        }
    }

    /// A whole execution of a kernel, if its cost is modelled.
    pub fn modelled(&self, kernel: &Kernel<Ref>) -> Option<u64> {
        let modelled = matches!(
            kernel,
            Kernel::conv_i8(_)
                | Kernel::conv_i8_mve(_)
                | Kernel::depthwise_i8(_)
                | Kernel::depthwise_i8_mve(_)
                | Kernel::depthwise_three_i8(_)
                | Kernel::pool_i8(_)
                | Kernel::sum_i8(_)
                | Kernel::scale_i8(_)
                | Kernel::table_i8(_)
        );
        modelled.then(|| self.kernel(kernel) as u64)
    }

    /// A whole execution of a kernel.
    pub fn kernel(&self, kernel: &Kernel<Ref>) -> f64 {
        EXECUTION
            + match kernel {
                Kernel::conv_i8(c) => self.conv(c),
                Kernel::conv_i8_mve(c) => self.conv(&c.conv),
                Kernel::depthwise_i8(c) => self.depthwise(c),
                Kernel::depthwise_three_i8(c) => self.depthwise(&c.conv),
                Kernel::depthwise_taps_i8(c) => self.depthwise(&c.conv),
                Kernel::depthwise_i8_mve(c) => self.depthwise(&c.conv),
                Kernel::pool_i8(p) => {
                    let taps = f64::from(p.kernel_h) * f64::from(p.kernel_w);
                    let results = f64::from(p.out_h) * f64::from(p.out_w) * f64::from(p.channels);
                    results * (taps * self.gather + 2.0 * self.result)
                }
                Kernel::sum_i8(s) => f64::from(s.count) * 1.5 * self.result,
                Kernel::scale_i8(s) => {
                    f64::from(s.rows) * f64::from(s.channels_count) * 1.5 * self.result
                }
                Kernel::table_i8(t) => f64::from(t.count) * 5.0,
                Kernel::move_(m) => {
                    let elements: f64 = m.sizes.iter().map(|&n| f64::from(n)).product();
                    self.moved * elements * f64::from(m.element)
                }
                other => other.macs() as f64 * 4.0,
            }
    }

    /// An execution for a few rows, as a stage of a chain.
    pub fn firing(&self, kernel: &Kernel<Ref>) -> f64 {
        self.firing + self.kernel(kernel)
    }

    /// Moving so many bytes to the front of a window.
    pub fn moved(&self, bytes: u64) -> f64 {
        bytes as f64 * self.moved
    }

    fn conv(&self, c: &ConvI8<Ref>) -> f64 {
        let pixels = u64::from(c.out_h) * u64::from(c.out_w);
        let left = (pixels % self.lanes) as usize;
        let several = (pixels - left as u64) as f64;
        let counted = several + left.checked_sub(1).map_or(0.0, |i| self.left[i.min(2)]);
        let taps = f64::from(c.taps()) * f64::from(c.groups);
        let pixels = pixels as f64;
        let outputs = f64::from(c.out_c);
        counted * (taps * outputs * self.mac[0] + outputs * f64::from(c.groups) * self.result)
            + pixels * taps * self.gather
    }

    fn depthwise(&self, c: &DepthwiseI8<Ref>) -> f64 {
        let channels = f64::from(c.channels_count) * f64::from(c.multiplier);
        let results = f64::from(c.out_h) * f64::from(c.out_w);
        let taps = f64::from(c.kernel_h) * f64::from(c.kernel_w);
        let (outputs, kernel, stride) = match c.vertical() {
            true => (c.out_w, c.kernel_w, c.stride_w),
            false => (c.out_h, c.kernel_h, c.stride_h),
        };
        let lines = f64::from(outputs.saturating_sub(1)) * f64::from(stride.min(kernel))
            + f64::from(kernel);
        let read = self.in_place && c.is_three_by_three();
        let values = if read { 0 } else { c.line().unwrap_or(0) };
        channels
            * (results * (taps * self.mac[1] + self.result)
                + lines * f64::from(values) * self.gather
                + self.channel)
    }
}
