//! Why a step has its kernel, in words.

use microhlo_format::Kernel;

use super::program::Ref;

/// What about an operation led to its kernel.
pub fn reason(kernel: &Kernel<Ref>) -> String {
    match kernel {
        Kernel::conv_i8(c) => window_i8(c.kernel_h, c.kernel_w, "constant weights, packed for it"),
        Kernel::conv_i8_mve(c) => {
            let conv = &c.conv;
            window_i8(conv.kernel_h, conv.kernel_w, "weights in the layout of the vector extension")
        }
        Kernel::depthwise_i8(c) => {
            window_i8(c.kernel_h, c.kernel_w, "one group per channel, constant weights")
        }
        Kernel::depthwise_three_i8(_) => {
            "8-bit 3x3 windows, one group per channel, three rows of a channel at a time".into()
        }
        Kernel::depthwise_taps_i8(_) => {
            "8-bit windows, one group per channel, tap by tap as there are few results".into()
        }
        Kernel::depthwise_i8_mve(c) => window_i8(
            c.conv.kernel_h,
            c.conv.kernel_w,
            "one group per channel, weights in the layout of the vector extension",
        ),
        Kernel::conv_i16(_) => "16-bit values, 8-bit constant weights, packed for it".into(),
        Kernel::conv_i16_mve(_) => {
            "16-bit values, 8-bit constant weights in the layout of the vector extension".into()
        }
        Kernel::depthwise_i16(_) => {
            "16-bit windows, 8-bit weights, one group per channel, tap by tap".into()
        }
        Kernel::sum_i16(_) => "a sum of two 16-bit tensors, rescaled".into(),
        Kernel::conv_f32(_) => "f32 sums with constant weights, packed for it".into(),
        Kernel::depthwise_f32(_) => "f32, one group per channel, constant weights".into(),
        Kernel::hybrid_f32(_) => "f32 values with 8-bit constant weights".into(),
        Kernel::dot_f32(_) => "f32 product of two values, neither constant".into(),
        Kernel::dot_any(_) => "a product for which no other kernel has the types".into(),
        Kernel::conv_any(_) => {
            "a convolution for which no other kernel has the types, or whose weights are not constant".into()
        }
        Kernel::map(m) => format!(
            "{} elementwise operations in one pass over {} operands",
            m.code.len(),
            m.inputs.len()
        ),
        Kernel::sum_i8(_) => "a sum of two 8-bit tensors, rescaled".into(),
        Kernel::product_i8(_) => "a product of two 8-bit tensors, rescaled".into(),
        Kernel::dot_i8(_) => "8-bit sums of products of two values, neither constant".into(),
        Kernel::table_i8(_) => "a function of one 8-bit tensor: a table of its 256 values".into(),
        Kernel::table_move_i8(_) => {
            "a function of one 8-bit tensor, by a table, straight into its part of a concatenation".into()
        }
        Kernel::scale_i8(_) => "a linear function of one 8-bit tensor per channel".into(),
        Kernel::pool_i8(p) => {
            format!("a mean over {}x{} windows of 8-bit values", p.kernel_h, p.kernel_w)
        }
        Kernel::softmax_f32(_) | Kernel::softmax_i8(_) => {
            "a softmax, recognised from its operations".into()
        }
        Kernel::move_(_) => "elements change places, or a kernel wants its operand dense".into(),
        Kernel::fill(_) => "one element everywhere".into(),
        Kernel::rows(_) => "the steps behind it run row by row to save memory".into(),
        Kernel::extern_call(_) => "a function that is left to the firmware".into(),
        Kernel::branch(_) | Kernel::switch(_) => "control flow".into(),
        other => format!("the kernel for this operation: `{}`", other.id().name()),
    }
}

fn window_i8(height: u32, width: u32, why: &str) -> String {
    match (height, width) {
        (1, 1) => format!("8-bit sums of products, {why}"),
        _ => format!("8-bit {height}x{width} windows, {why}"),
    }
}
