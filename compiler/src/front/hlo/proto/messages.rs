//! The fields that are read of the messages in `xla/service/hlo.proto` and `xla/xla_data.proto`.
//!
//! Packed floats are declared as lists of byte strings, which are the same on the wire: their
//! bytes are the little-endian elements, and are taken without decoding or copying. XLA always
//! packs, as proto3 does.

use prost::Message;
use prost::bytes::Bytes;

/// `HloProto`; in `HloSnapshot` field 1 is one of these.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HloProto {
    #[prost(message, optional, tag = "1")]
    pub(super) hlo_module: Option<HloModuleProto>,
}

/// `HloSnapshot`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HloSnapshot {
    #[prost(message, optional, tag = "1")]
    pub(super) hlo: Option<HloProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HloModuleProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) computations: Vec<HloComputationProto>,
    #[prost(message, optional, tag = "4")]
    pub(super) host_program_shape: Option<ProgramShapeProto>,
    #[prost(int64, tag = "6")]
    pub(super) entry_computation_id: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HloComputationProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) instructions: Vec<HloInstructionProto>,
    #[prost(int64, tag = "5")]
    pub(super) id: i64,
    #[prost(int64, tag = "6")]
    pub(super) root_id: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ProgramShapeProto {
    #[prost(message, repeated, tag = "1")]
    pub(super) parameters: Vec<ShapeProto>,
    #[prost(message, optional, tag = "2")]
    pub(super) result: Option<ShapeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HloInstructionProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) opcode: String,
    #[prost(message, optional, tag = "3")]
    pub(super) shape: Option<ShapeProto>,
    #[prost(message, optional, tag = "7")]
    pub(super) metadata: Option<OpMetadata>,
    #[prost(message, optional, tag = "8")]
    pub(super) literal: Option<LiteralProto>,
    #[prost(int64, tag = "9")]
    pub(super) parameter_number: i64,
    #[prost(int64, tag = "13")]
    pub(super) tuple_index: i64,
    #[prost(int64, repeated, tag = "14")]
    pub(super) dimensions: Vec<i64>,
    #[prost(message, optional, tag = "15")]
    pub(super) window: Option<Window>,
    #[prost(message, optional, tag = "16")]
    pub(super) convolution_dimension_numbers: Option<ConvolutionDimensionNumbers>,
    #[prost(message, repeated, tag = "17")]
    pub(super) slice_dimensions: Vec<SliceDimensions>,
    #[prost(int32, tag = "18")]
    pub(super) exponent_bits: i32,
    #[prost(int32, tag = "19")]
    pub(super) mantissa_bits: i32,
    #[prost(int64, repeated, tag = "20")]
    pub(super) dynamic_slice_sizes: Vec<i64>,
    #[prost(message, optional, tag = "21")]
    pub(super) padding_config: Option<PaddingConfig>,
    #[prost(int32, tag = "23")]
    pub(super) distribution: i32,
    #[prost(float, tag = "24")]
    pub(super) epsilon: f32,
    #[prost(int64, tag = "25")]
    pub(super) feature_index: i64,
    #[prost(string, tag = "28")]
    pub(super) custom_call_target: String,
    #[prost(message, optional, tag = "30")]
    pub(super) dot_dimension_numbers: Option<DotDimensionNumbers>,
    #[prost(int32, tag = "31")]
    pub(super) fft_type: i32,
    #[prost(int64, repeated, tag = "32")]
    pub(super) fft_length: Vec<i64>,
    #[prost(message, optional, tag = "33")]
    pub(super) gather_dimension_numbers: Option<GatherDimensionNumbers>,
    #[prost(int64, repeated, tag = "34")]
    pub(super) gather_slice_sizes: Vec<i64>,
    #[prost(int64, tag = "35")]
    pub(super) id: i64,
    #[prost(int64, repeated, tag = "36")]
    pub(super) operand_ids: Vec<i64>,
    #[prost(int64, repeated, tag = "38")]
    pub(super) called_computation_ids: Vec<i64>,
    #[prost(bytes = "bytes", tag = "43")]
    pub(super) backend_config: Bytes,
    #[prost(message, optional, tag = "48")]
    pub(super) scatter_dimension_numbers: Option<ScatterDimensionNumbers>,
    #[prost(int64, tag = "50")]
    pub(super) feature_group_count: i64,
    #[prost(message, optional, tag = "51")]
    pub(super) precision_config: Option<PrecisionConfig>,
    #[prost(message, repeated, tag = "52")]
    pub(super) source_target_pairs: Vec<SourceTarget>,
    #[prost(int64, tag = "58")]
    pub(super) batch_group_count: i64,
    #[prost(message, optional, tag = "59")]
    pub(super) triangular_solve_options: Option<TriangularSolveOptions>,
    #[prost(bool, tag = "60")]
    pub(super) is_stable: bool,
    #[prost(message, optional, tag = "62")]
    pub(super) cholesky_options: Option<CholeskyOptions>,
    #[prost(string, tag = "63")]
    pub(super) comparison_direction: String,
    #[prost(bool, tag = "65")]
    pub(super) custom_call_has_side_effect: bool,
    #[prost(bool, tag = "67")]
    pub(super) indices_are_sorted: bool,
    #[prost(bool, tag = "69")]
    pub(super) unique_indices: bool,
    #[prost(int32, tag = "70")]
    pub(super) rng_algorithm: i32,
    #[prost(string, tag = "72")]
    pub(super) comparison_type: String,
    #[prost(int32, tag = "77")]
    pub(super) custom_call_api_version: i32,
    #[prost(int64, tag = "81")]
    pub(super) k: i64,
    #[prost(bool, tag = "85")]
    pub(super) largest: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SliceDimensions {
    #[prost(int64, tag = "1")]
    pub(super) start: i64,
    #[prost(int64, tag = "2")]
    pub(super) limit: i64,
    #[prost(int64, tag = "3")]
    pub(super) stride: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OpMetadata {
    #[prost(string, tag = "2")]
    pub(super) op_name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ShapeProto {
    #[prost(int32, tag = "2")]
    pub(super) element_type: i32,
    #[prost(int64, repeated, tag = "3")]
    pub(super) dimensions: Vec<i64>,
    #[prost(message, repeated, tag = "4")]
    pub(super) tuple_shapes: Vec<ShapeProto>,
    #[prost(message, optional, tag = "5")]
    pub(super) layout: Option<LayoutProto>,
    #[prost(bool, repeated, tag = "6")]
    pub(super) is_dynamic_dimension: Vec<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LayoutProto {
    #[prost(int64, repeated, tag = "1")]
    pub(super) minor_to_major: Vec<i64>,
    #[prost(message, repeated, tag = "6")]
    pub(super) tiles: Vec<TileProto>,
    #[prost(int32, repeated, tag = "9")]
    pub(super) dim_level_types: Vec<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TileProto {
    #[prost(int64, repeated, tag = "1")]
    pub(super) dimensions: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LiteralProto {
    #[prost(message, optional, tag = "1")]
    pub(super) shape: Option<ShapeProto>,
    /// Varints of one byte each.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(super) preds: Vec<Bytes>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) u8s: Bytes,
    #[prost(int32, repeated, tag = "4")]
    pub(super) s32s: Vec<i32>,
    #[prost(int64, repeated, tag = "5")]
    pub(super) s64s: Vec<i64>,
    #[prost(uint32, repeated, tag = "6")]
    pub(super) u32s: Vec<u32>,
    #[prost(uint64, repeated, tag = "7")]
    pub(super) u64s: Vec<u64>,
    #[prost(bytes = "bytes", repeated, tag = "8")]
    pub(super) f32s: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "9")]
    pub(super) f64s: Vec<Bytes>,
    #[prost(message, repeated, tag = "10")]
    pub(super) tuple_literals: Vec<LiteralProto>,
    #[prost(bytes = "bytes", tag = "11")]
    pub(super) f16s: Bytes,
    #[prost(bytes = "bytes", repeated, tag = "12")]
    pub(super) c64s: Vec<Bytes>,
    #[prost(bytes = "bytes", tag = "13")]
    pub(super) bf16s: Bytes,
    #[prost(bytes = "bytes", tag = "15")]
    pub(super) s8s: Bytes,
    #[prost(bytes = "bytes", tag = "16")]
    pub(super) u16s: Bytes,
    #[prost(bytes = "bytes", tag = "17")]
    pub(super) s16s: Bytes,
    #[prost(bytes = "bytes", repeated, tag = "18")]
    pub(super) c128s: Vec<Bytes>,
    #[prost(bytes = "bytes", tag = "19")]
    pub(super) f8e5m2s: Bytes,
    #[prost(bytes = "bytes", tag = "20")]
    pub(super) f8e4m3fns: Bytes,
    #[prost(bytes = "bytes", tag = "21")]
    pub(super) s4s: Bytes,
    #[prost(bytes = "bytes", tag = "22")]
    pub(super) u4s: Bytes,
    #[prost(bytes = "bytes", tag = "23")]
    pub(super) f8e4m3b11fnuzs: Bytes,
    #[prost(bytes = "bytes", tag = "24")]
    pub(super) f8e5m2fnuzs: Bytes,
    #[prost(bytes = "bytes", tag = "25")]
    pub(super) f8e4m3fnuzs: Bytes,
    #[prost(bytes = "bytes", tag = "26")]
    pub(super) s2s: Bytes,
    #[prost(bytes = "bytes", tag = "27")]
    pub(super) u2s: Bytes,
    #[prost(bytes = "bytes", tag = "28")]
    pub(super) f8e4m3s: Bytes,
    #[prost(bytes = "bytes", tag = "29")]
    pub(super) f8e3m4s: Bytes,
    #[prost(bytes = "bytes", tag = "32")]
    pub(super) f4e2m1fns: Bytes,
    #[prost(bytes = "bytes", tag = "33")]
    pub(super) f8e8m0fnus: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct WindowDimension {
    #[prost(int64, tag = "1")]
    pub(super) size: i64,
    #[prost(int64, tag = "2")]
    pub(super) stride: i64,
    #[prost(int64, tag = "3")]
    pub(super) padding_low: i64,
    #[prost(int64, tag = "4")]
    pub(super) padding_high: i64,
    #[prost(int64, tag = "5")]
    pub(super) window_dilation: i64,
    #[prost(int64, tag = "6")]
    pub(super) base_dilation: i64,
    #[prost(bool, tag = "7")]
    pub(super) window_reversal: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Window {
    #[prost(message, repeated, tag = "1")]
    pub(super) dimensions: Vec<WindowDimension>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PaddingConfigDimension {
    #[prost(int64, tag = "1")]
    pub(super) edge_padding_low: i64,
    #[prost(int64, tag = "2")]
    pub(super) edge_padding_high: i64,
    #[prost(int64, tag = "3")]
    pub(super) interior_padding: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PaddingConfig {
    #[prost(message, repeated, tag = "1")]
    pub(super) dimensions: Vec<PaddingConfigDimension>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GatherDimensionNumbers {
    #[prost(int64, repeated, tag = "1")]
    pub(super) offset_dims: Vec<i64>,
    #[prost(int64, repeated, tag = "2")]
    pub(super) collapsed_slice_dims: Vec<i64>,
    #[prost(int64, repeated, tag = "3")]
    pub(super) start_index_map: Vec<i64>,
    #[prost(int64, tag = "4")]
    pub(super) index_vector_dim: i64,
    #[prost(int64, repeated, tag = "5")]
    pub(super) operand_batching_dims: Vec<i64>,
    #[prost(int64, repeated, tag = "6")]
    pub(super) start_indices_batching_dims: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ScatterDimensionNumbers {
    #[prost(int64, repeated, tag = "1")]
    pub(super) update_window_dims: Vec<i64>,
    #[prost(int64, repeated, tag = "2")]
    pub(super) inserted_window_dims: Vec<i64>,
    #[prost(int64, repeated, tag = "3")]
    pub(super) scatter_dims_to_operand_dims: Vec<i64>,
    #[prost(int64, tag = "4")]
    pub(super) index_vector_dim: i64,
    #[prost(int64, repeated, tag = "5")]
    pub(super) input_batching_dims: Vec<i64>,
    #[prost(int64, repeated, tag = "6")]
    pub(super) scatter_indices_batching_dims: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ConvolutionDimensionNumbers {
    #[prost(int64, tag = "3")]
    pub(super) kernel_input_feature_dimension: i64,
    #[prost(int64, tag = "4")]
    pub(super) kernel_output_feature_dimension: i64,
    #[prost(int64, repeated, tag = "6")]
    pub(super) kernel_spatial_dimensions: Vec<i64>,
    #[prost(int64, tag = "7")]
    pub(super) input_batch_dimension: i64,
    #[prost(int64, tag = "8")]
    pub(super) input_feature_dimension: i64,
    #[prost(int64, tag = "9")]
    pub(super) output_batch_dimension: i64,
    #[prost(int64, tag = "10")]
    pub(super) output_feature_dimension: i64,
    #[prost(int64, repeated, tag = "11")]
    pub(super) input_spatial_dimensions: Vec<i64>,
    #[prost(int64, repeated, tag = "12")]
    pub(super) output_spatial_dimensions: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DotDimensionNumbers {
    #[prost(int64, repeated, tag = "1")]
    pub(super) lhs_contracting_dimensions: Vec<i64>,
    #[prost(int64, repeated, tag = "2")]
    pub(super) rhs_contracting_dimensions: Vec<i64>,
    #[prost(int64, repeated, tag = "3")]
    pub(super) lhs_batch_dimensions: Vec<i64>,
    #[prost(int64, repeated, tag = "4")]
    pub(super) rhs_batch_dimensions: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TriangularSolveOptions {
    #[prost(bool, tag = "1")]
    pub(super) left_side: bool,
    #[prost(bool, tag = "2")]
    pub(super) lower: bool,
    #[prost(bool, tag = "3")]
    pub(super) unit_diagonal: bool,
    #[prost(int32, tag = "4")]
    pub(super) transpose_a: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CholeskyOptions {
    #[prost(bool, tag = "1")]
    pub(super) lower: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SourceTarget {
    #[prost(int64, tag = "1")]
    pub(super) source: i64,
    #[prost(int64, tag = "2")]
    pub(super) target: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PrecisionConfig {
    #[prost(int32, repeated, tag = "1")]
    pub(super) operand_precision: Vec<i32>,
}
