//! `i8` depthwise convolution.

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseI8;

use super::Memory;
use super::i8_block::{Block, CHANNELS, Depthwise, line_outputs, load_line};
use crate::registry::Undecodable;

entry!(depthwise_i8, DepthwiseI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &DepthwiseI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let conv = Depthwise::new(p, memory);
    for image in 0..conv.batch {
        let mut channel = 0;
        while channel < conv.channels {
            // SAFETY: a block of the accepted parameters.
            unsafe { channels(&conv, &conv.block(image, channel)) };
            channel += CHANNELS;
        }
    }
    Ok(())
}

/// Computes a block of channels, line by line.
///
/// # Safety
/// Convolution and block are those of accepted parameters.
unsafe fn channels(conv: &Depthwise, block: &Block) {
    let across = &conv.across;
    // SAFETY: the caller's promise.
    unsafe { widen_weights(conv, block) };
    let mut output = block.output;
    // The end of the lines that are in their slots.
    let mut loaded = across.origin(0);
    for o in 0..across.output {
        let first = across.origin(o);
        for tap in 0..across.kernel {
            let line = first + tap * across.dilation;
            if across.dilation != 1 || line >= loaded {
                // SAFETY: the caller's promise.
                unsafe { load_line(conv, block, line, conv.slot(line, tap)) };
            }
        }
        loaded = first + across.kernel;
        // SAFETY: all lines of these outputs are in their slots.
        unsafe { line_outputs(conv, block, first, output) };
        output = output.wrapping_add(across.output_step as usize * conv.results.bytes());
    }
}

/// Widens the weights of a block's channels, by lines, and fills the lines up.
///
/// # Safety
/// Convolution and block are those of accepted parameters.
unsafe fn widen_weights(conv: &Depthwise, block: &Block) {
    let (across, along) = (&conv.across, &conv.along);
    let mut to = conv.rows;
    for channel in 0..block.lanes {
        let taps = block.weights.wrapping_add(channel * conv.taps());
        for tap in 0..across.kernel as usize {
            let line = taps.wrapping_add(tap * across.weights_step as usize);
            for i in 0..conv.row {
                let weight = line.wrapping_add(i * along.weights_step as usize);
                // SAFETY: a weight of the channel, and its place in scratch.
                unsafe {
                    *to = if i < along.kernel as usize { i16::from(*weight) } else { 0 };
                }
                to = to.wrapping_add(1);
            }
        }
    }
}
