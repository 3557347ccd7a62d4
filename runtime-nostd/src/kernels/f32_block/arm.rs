//! Microkernels for Cortex-M with a single-precision FPU.
pub(in crate::kernels) use super::portable::{conv_blocks, depthwise_blocks};
