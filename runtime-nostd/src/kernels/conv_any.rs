//! Convolutions of any element type.

use microhlo_format::Place;
use microhlo_format::kernels::{ConvAny, ConvDim};

use super::{Memory, dst, src};
use crate::micro::Row;
use crate::registry::Undecodable;

entry!(conv_any, ConvAny);

/// Most spatial dimensions.
const MAX_SPATIAL: usize = 3;

/// A convolution with its row and pointers found.
struct Operands {
    row: Row,
    size: usize,
    input: *const u8,
    weights: *const u8,
}

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &ConvAny<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let Some(micro) = p.op.decode() else { return Err(Undecodable) };
    let mut operands = Operands {
        row: memory.row(p.op)?,
        size: micro.result().size(),
        input: memory.read(p.input),
        weights: memory.read(p.weights),
    };
    let pixels: u32 = p.spatial.iter().map(|dim| dim.input).product();
    let image = (pixels * p.groups * p.in_c) as usize * operands.size;
    let mut output = memory.write(p.output);
    for _ in 0..p.batch {
        let mut index = [0u32; MAX_SPATIAL];
        loop {
            for channel in 0..p.groups * p.out_c {
                // SAFETY: one element inside the checked output; zero bytes are zero.
                unsafe { output.write_bytes(0, operands.size) };
                // SAFETY: one result of this image.
                unsafe { taps(p, &operands, &index, channel, output) };
                output = output.wrapping_add(operands.size);
            }
            if !next(&mut index, &p.spatial, |dim| dim.output) {
                break;
            }
        }
        operands.input = operands.input.wrapping_add(image);
    }
    Ok(())
}

/// Counts an index up, last dimension fastest; false when it wraps to zero.
fn next(
    index: &mut [u32; MAX_SPATIAL],
    dims: &[ConvDim],
    size: impl Fn(&ConvDim) -> u32,
) -> bool {
    for (i, dim) in index.iter_mut().zip(dims).rev() {
        *i += 1;
        if *i < size(dim) {
            return true;
        }
        *i = 0;
    }
    false
}

/// The input coordinate under a kernel tap, or `None` outside the input or between its elements.
fn coordinate(dim: &ConvDim, out: u32, tap: u32) -> Option<u32> {
    let at = (out * dim.stride + tap * dim.kernel_dilation) as i32 - dim.pad;
    let at = u32::try_from(at).ok()?;
    let (at, rest) = match dim.input_dilation {
        0 | 1 => (at, 0),
        dilation => (at / dilation, at % dilation),
    };
    (rest == 0 && at < dim.input).then_some(at)
}

/// Adds all taps of one result.
///
/// # Safety
/// The loader has accepted the parameters; `output` is the result at `index` and `channel`.
unsafe fn taps(
    p: &ConvAny<Place>,
    operands: &Operands,
    index: &[u32; MAX_SPATIAL],
    channel: u32,
    output: *mut u8,
) {
    let channels = p.groups * p.out_c;
    let group = channel / p.out_c.max(1);
    let mut tap = [0u32; MAX_SPATIAL];
    let size = operands.size;
    loop {
        let mut at = Some(0);
        let mut position = 0;
        for ((dim, &out), &tap) in p.spatial.iter().zip(index).zip(&tap) {
            let stored = if dim.reverse { dim.kernel - 1 - tap } else { tap };
            position = position * dim.kernel + stored;
            at = match (at, coordinate(dim, out, tap)) {
                (Some(at), Some(i)) => Some(at * dim.input + i),
                _ => None,
            };
        }
        if let Some(at) = at {
            let element = (at * p.groups + group) * p.in_c;
            let weight = position * p.in_c * channels + channel;
            let a = src(operands.input.wrapping_add(element as usize * size), size as i32);
            let b = src(
                operands.weights.wrapping_add(weight as usize * size),
                (channels as usize * size) as i32,
            );
            // SAFETY: `in_c` products from valid coordinates, added to one result.
            unsafe { (operands.row)(dst(output, 0), &[a, b, src(output, 0)], p.in_c as usize) };
        }
        if !next(&mut tap, &p.spatial, |dim| dim.kernel) {
            return;
        }
    }
}
