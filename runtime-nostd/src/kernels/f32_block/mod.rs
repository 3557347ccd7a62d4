//! Register-blocked `f32` convolution: blocks of eight output channels, pixels in pairs.
//!
//! A convolution is cut into segments: pixels along one axis that see the same kernel taps, so
//! that padding costs nothing inside a segment. The microkernels work on one segment; there are
//! portable ones, and assembly for Cortex-M with an FPU, whose VMLA rounds the product and the sum
//! as the portable code does.

#[cfg(all(target_arch = "arm", target_abi = "eabihf", target_os = "none"))]
mod arm;
mod portable;

use microhlo_format::kernels::Activation;
use microhlo_format::scalar;

#[cfg(all(target_arch = "arm", target_abi = "eabihf", target_os = "none"))]
pub(super) use arm::{conv_blocks, depthwise_blocks, dot_blocks};
#[cfg(not(all(target_arch = "arm", target_abi = "eabihf", target_os = "none")))]
pub(super) use portable::{conv_blocks, depthwise_blocks, dot_blocks};

/// Output channels of one block.
pub(super) const BLOCK: usize = 8;

/// What stands in for an absent bias, and where assembly loads zeros from. A sum that starts from
/// +0.0 is never -0.0, so adding +0.0 leaves it as it is.
pub(super) static ZEROS: [f32; 2 * BLOCK] = [0.0; 2 * BLOCK];

/// Pixels that see the same kernel taps. Assembly reads this by field offsets.
///
/// The taps of a pixel are walked as `outer` groups of `rows` rows; a row of a convolution is
/// `run` adjacent input values, a row of a depthwise convolution one pixel's channels. All steps
/// are in bytes; skips apply after the last value of a row or group.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Segment {
    /// First tap of the first pixel.
    pub input: *const u8,
    /// First output channel of the first pixel.
    pub output: *mut u8,
    /// First tap of the first block.
    pub weights: *const u8,
    /// Bias of the first block.
    pub bias: *const u8,
    /// Number of pixels.
    pub pixels: usize,
    /// From a pixel's input to the next one's.
    pub input_step: i32,
    /// From a pixel's output to the next one's.
    pub output_step: i32,
    /// Blocks of eight output channels.
    pub blocks: usize,
    /// From a block's weights to the next one's.
    pub block_weights: i32,
    /// From a block's bias to the next one's.
    pub block_bias: i32,
    /// Groups of rows; 0 when no tap lies inside the input.
    pub outer: usize,
    /// Rows of a group.
    pub rows: usize,
    /// Values of a row.
    pub run: usize,
    pub row_input_skip: i32,
    pub row_weights_skip: i32,
    pub outer_input_skip: i32,
    pub outer_weights_skip: i32,
    /// Whether the result is `maximum(x, +0.0)`.
    pub relu: usize,
    /// Address of [`ZEROS`].
    pub zeros: *const f32,
}

/// One spatial axis.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    pub input: i32,
    pub output: i32,
    pub kernel: i32,
    pub stride: i32,
    pub pad: i32,
    pub dilation: i32,
    /// Bytes from one input coordinate to the next.
    pub input_step: i32,
    /// Bytes from one output coordinate to the next.
    pub output_step: i32,
    /// Bytes from one tap's weights to the next tap's.
    pub weights_step: i32,
}

/// The taps of some adjacent output coordinates.
#[derive(Clone, Copy)]
struct Taps {
    /// First tap inside the input.
    first: i32,
    /// Number of taps inside the input.
    count: i32,
    /// Number of output coordinates.
    outputs: i32,
}

impl Axis {
    /// Input coordinate of tap 0 of an output coordinate.
    fn origin(&self, output: i32) -> i32 {
        output * self.stride - self.pad
    }

    /// The coordinates from `output` on that see the same taps.
    fn taps(&self, output: i32) -> Taps {
        let origin = self.origin(output);
        // Not `clamp`, which panics when the compiler cannot see that the kernel is not negative.
        #[allow(clippy::manual_clamp, reason = "see above")]
        let (first, end) = if self.dilation == 1 {
            ((-origin).max(0), (self.input - origin).max(0).min(self.kernel))
        } else {
            let ceil = |x: i32| (x.max(0) as u32).div_ceil(self.dilation.max(1) as u32) as i32;
            (ceil(-origin), ceil(self.input - origin).min(self.kernel))
        };
        let count = (end - first).max(0);
        let mut outputs = 1;
        if count == self.kernel {
            // The last output coordinate whose last tap lies inside the input.
            let reach = self.input - 1 - (self.kernel - 1) * self.dilation - origin;
            outputs += (reach as u32 / self.stride.max(1) as u32) as i32;
        }
        Taps { first, count, outputs: outputs.min(self.output - output) }
    }
}

/// A convolution in the form that both kinds share.
pub(super) struct Shape {
    pub batch: u32,
    /// Height and width.
    pub axes: [Axis; 2],
    /// Bytes of one image's input.
    pub input_image: usize,
    /// Output channels.
    pub channels: usize,
    /// Bytes of one block's weights.
    pub block_weights: i32,
    /// Input channels of a convolution; `None` for a depthwise one.
    pub in_c: Option<i32>,
    pub activation: Activation,
}

/// Whether the microkernels apply this activation themselves.
pub(super) fn is_relu(activation: Activation) -> bool {
    matches!(activation, Activation::Max { min } if min.to_bits() == 0)
}

/// The pointers that a convolution starts from.
#[derive(Clone, Copy)]
pub(super) struct Pointers {
    pub input: *const u8,
    pub weights: *const u8,
    pub bias: Option<*const u8>,
    pub output: *mut u8,
}

/// A convolution and where it is.
pub(super) struct Placed {
    pub shape: Shape,
    pub pointers: Pointers,
}

impl Shape {
    /// A segment with everything that is the same for all.
    fn template(&self, pointers: &Pointers, along: &Axis) -> Segment {
        Segment {
            input: pointers.input,
            output: pointers.output,
            weights: pointers.weights,
            bias: pointers.bias.unwrap_or(ZEROS.as_ptr().cast()),
            pixels: 0,
            input_step: along.input_step * along.stride,
            output_step: along.output_step,
            blocks: self.channels / BLOCK,
            block_weights: self.block_weights,
            block_bias: if pointers.bias.is_some() { 4 * BLOCK as i32 } else { 0 },
            outer: 0,
            rows: 0,
            run: 0,
            row_input_skip: 0,
            row_weights_skip: 0,
            outer_input_skip: 0,
            outer_weights_skip: 0,
            relu: is_relu(self.activation) as usize,
            zeros: ZEROS.as_ptr(),
        }
    }

    /// Sets the loops over the taps `h` of the rows and `w` of the columns.
    fn set_taps(&self, segment: &mut Segment, h: Taps, w: Taps) {
        // The microkernels' inner loops run at least once.
        if h.count == 0 || w.count == 0 {
            segment.outer = 0;
            return;
        }
        let [height, width] = &self.axes;
        let (row, tap) = (height.input_step * height.dilation, width.input_step * width.dilation);
        let Some(in_c) = self.in_c else {
            // A row is one tap: the microkernel reads a block of channels and moves on by itself.
            segment.outer = h.count as usize;
            segment.rows = w.count as usize;
            segment.row_input_skip = tap;
            segment.row_weights_skip = width.weights_step;
            segment.outer_input_skip = row - w.count * tap;
            segment.outer_weights_skip = height.weights_step - w.count * width.weights_step;
            return;
        };
        if width.dilation == 1 {
            let run = w.count * in_c;
            segment.outer = 1;
            segment.rows = h.count as usize;
            segment.run = run as usize;
            segment.row_input_skip = row - run * 4;
            segment.row_weights_skip = height.weights_step - w.count * width.weights_step;
        } else {
            segment.outer = h.count as usize;
            segment.rows = w.count as usize;
            segment.run = in_c as usize;
            segment.row_input_skip = tap - in_c * 4;
            segment.row_weights_skip = 0;
            segment.outer_input_skip = row - w.count * tap;
            segment.outer_weights_skip = height.weights_step - w.count * width.weights_step;
        }
    }
}

/// Runs a microkernel over all segments of a convolution.
///
/// # Safety
/// The pointers are those of an accepted convolution of this shape, and the microkernel computes
/// its segments.
pub(super) unsafe fn sweep(
    shape: &Shape,
    mut pointers: Pointers,
    blocks: unsafe fn(&Segment),
    lanes: unsafe fn(&mut Segment, usize),
) {
    let [height, width] = &shape.axes;
    // Pixels pair up along the axis with more of them.
    let vertical = height.output > width.output;
    let (across, along) = if vertical { (width, height) } else { (height, width) };
    let output_image = (height.output * height.output_step) as usize;
    for _ in 0..shape.batch {
        // One for all: a copy would take as much stack again.
        let mut segment = shape.template(&pointers, along);
        for i in 0..across.output {
            let across_taps = across.taps(i);
            let mut j = 0;
            while j < along.output {
                let along_taps = along.taps(j);
                segment.pixels = along_taps.outputs as usize;
                let (h, w) =
                    if vertical { (along_taps, across_taps) } else { (across_taps, along_taps) };
                shape.set_taps(&mut segment, h, w);
                let origin = position(across, across_taps, i) + position(along, along_taps, j);
                let taps = h.first * height.weights_step + w.first * width.weights_step;
                let result = i * across.output_step + j * along.output_step;
                segment.input = pointers.input.wrapping_offset(origin as isize);
                segment.weights = pointers.weights.wrapping_offset(taps as isize);
                segment.output = pointers.output.wrapping_offset(result as isize);
                // SAFETY: the segment's taps and results lie inside the checked tensors.
                unsafe { finish(shape, &mut segment, blocks, lanes) };
                j += along_taps.outputs;
            }
        }
        pointers.input = pointers.input.wrapping_add(shape.input_image);
        pointers.output = pointers.output.wrapping_add(output_image);
    }
}

/// Byte offset of the first tap inside the input.
fn position(axis: &Axis, taps: Taps, output: i32) -> i32 {
    (axis.origin(output) + taps.first * axis.dilation).wrapping_mul(axis.input_step)
}

/// Computes a segment: whole blocks, then the channels left over, then the activation.
///
/// # Safety
/// As for [`sweep`].
unsafe fn finish(
    shape: &Shape,
    segment: &mut Segment,
    blocks: unsafe fn(&Segment),
    lanes: unsafe fn(&mut Segment, usize),
) {
    let mut output = segment.output;
    // SAFETY: the caller's promise; `lanes` is given the part after the whole blocks.
    unsafe {
        if segment.blocks > 0 {
            blocks(segment);
        }
        let left = shape.channels % BLOCK;
        if left > 0 {
            let (done, bias, pixels) = (segment.blocks, segment.bias, segment.pixels);
            let weights = (done as i32 * segment.block_weights) as isize;
            segment.blocks = 1;
            segment.weights = segment.weights.wrapping_offset(weights);
            segment.bias = bias.wrapping_offset((done as i32 * segment.block_bias) as isize);
            segment.output = output.wrapping_add(done * BLOCK * 4);
            if shape.in_c.is_none() {
                segment.input = segment.input.wrapping_add(done * BLOCK * 4);
            }
            lanes(segment, left);
            (segment.blocks, segment.bias, segment.pixels) = (done, bias, pixels);
        }
        if !is_relu(shape.activation) && shape.activation != Activation::None {
            for _ in 0..segment.pixels {
                activate(output.cast(), shape.channels, shape.activation);
                output = output.wrapping_offset(segment.output_step as isize);
            }
        }
    }
}

/// Applies an activation to `n` adjacent values.
///
/// # Safety
/// `n` values are readable and writable at `values`.
pub(super) unsafe fn activate(values: *mut f32, n: usize, activation: Activation) {
    for i in 0..n {
        // SAFETY: value `i < n`.
        let value = unsafe { &mut *values.add(i) };
        *value = match activation {
            Activation::None => *value,
            Activation::Max { min } => scalar::max_f32(*value, min),
            Activation::Clamp { min, max } => scalar::clamp_f32(min, *value, max),
        };
    }
}

/// Computes the last, partial block of a convolution by way of a whole block in a buffer.
///
/// # Safety
/// The segment is one of an accepted convolution with one block, of which `lanes` channels exist.
pub(super) unsafe fn conv_lanes(segment: &mut Segment, lanes: usize) {
    let mut buffer = [0f32; BLOCK];
    let (pixels, mut output) = (segment.pixels, segment.output);
    segment.pixels = 1;
    segment.output = buffer.as_mut_ptr().cast();
    for _ in 0..pixels {
        // SAFETY: weights and bias are padded to whole blocks; the buffer has one block, of which
        // the first `lanes` values are copied to the checked output.
        unsafe {
            conv_blocks(segment);
            buffer.as_ptr().copy_to_nonoverlapping(output.cast(), lanes);
        }
        segment.input = segment.input.wrapping_offset(segment.input_step as isize);
        output = output.wrapping_offset(segment.output_step as isize);
    }
}

pub(super) use portable::depthwise_lanes;
