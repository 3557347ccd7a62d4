//! The inputs of operations, in the order of the specification's tables, so that an error about
//! an attribute names the input, for example `I2`.

/// Section, and names of its inputs from `I1` on, in the dialect's spelling.
const INPUTS: &[(&str, &str)] = &[
    ("all_gather", "operands all_gather_dim replica_groups channel_handle use_global_device_ids"),
    ("all_reduce", "operands replica_groups channel_handle use_global_device_ids computation"),
    (
        "all_to_all",
        "operands split_dimension concat_dimension split_count replica_groups channel_handle",
    ),
    ("batch_norm_grad", "operand scale mean variance grad_output epsilon feature_index"),
    ("batch_norm_inference", "operand scale offset mean variance epsilon feature_index"),
    ("batch_norm_training", "operand scale offset epsilon feature_index"),
    ("broadcast_in_dim", "operand broadcast_dimensions"),
    ("cholesky", "a lower"),
    ("collective_broadcast", "operand replica_groups channel_handle"),
    ("collective_permute", "operand source_target_pairs channel_handle"),
    ("compare", "lhs rhs comparison_direction compare_type"),
    ("composite", "inputs name composite_attributes decomposition version"),
    ("concatenate", "inputs dimension"),
    ("constant", "value"),
    (
        "convolution",
        "lhs rhs window_strides padding lhs_dilation rhs_dilation window_reversal \
         input_batch_dimension input_feature_dimension input_spatial_dimensions \
         kernel_input_feature_dimension kernel_output_feature_dimension \
         kernel_spatial_dimensions output_batch_dimension output_feature_dimension \
         output_spatial_dimensions feature_group_count batch_group_count precision_config",
    ),
    (
        "custom_call",
        "inputs call_target_name has_side_effect backend_config api_version called_computations",
    ),
    (
        "dot_general",
        "lhs rhs lhs_batching_dimensions rhs_batching_dimensions lhs_contracting_dimensions \
         rhs_contracting_dimensions precision_config lhs_precision_type rhs_precision_type \
         accumulation_type lhs_component_count rhs_component_count num_primitive_operations \
         allow_imprecise_accumulation",
    ),
    (
        "dynamic_broadcast_in_dim",
        "operand output_dimensions broadcast_dimensions known_expanding_dimensions \
         known_nonexpanding_dimensions",
    ),
    (
        "dynamic_conv",
        "lhs rhs padding window_strides lhs_dilation rhs_dilation window_reversal \
         input_batch_dimension input_feature_dimension input_spatial_dimensions \
         kernel_input_feature_dimension kernel_output_feature_dimension \
         kernel_spatial_dimensions output_batch_dimension output_feature_dimension \
         output_spatial_dimensions feature_group_count batch_group_count precision_config",
    ),
    (
        "dynamic_gather",
        "operand start_indices slice_sizes offset_dims collapsed_slice_dims start_index_map \
         index_vector_dim indices_are_sorted",
    ),
    ("dynamic_iota", "output_shape iota_dimension"),
    ("dynamic_slice", "operand start_indices slice_sizes"),
    ("fft", "operand fft_type fft_length"),
    (
        "gather",
        "operand start_indices offset_dims collapsed_slice_dims operand_batching_dims \
         start_indices_batching_dims start_index_map index_vector_dim slice_sizes \
         indices_are_sorted",
    ),
    ("get_dimension_size", "operand dimension"),
    ("get_tuple_element", "operand index"),
    ("infeed", "token infeed_config"),
    ("iota", "iota_dimension"),
    ("map", "inputs dimensions computation"),
    ("outfeed", "inputs token outfeed_config"),
    ("pad", "operand padding_value edge_padding_low edge_padding_high interior_padding"),
    ("recv", "token channel_handle channel_handle is_host_transfer"),
    ("reduce", "inputs init_values dimensions body"),
    ("reduce_precision", "operand exponent_bits mantissa_bits"),
    (
        "reduce_scatter",
        "operand scatter_dimension replica_groups channel_handle use_global_device_ids \
         computation",
    ),
    (
        "reduce_window",
        "inputs init_values window_dimensions window_strides base_dilations window_dilations \
         padding body",
    ),
    ("reverse", "operand dimensions"),
    ("rng", "a b shape rng_distribution"),
    ("rng_bit_generator", "rng_algorithm initial_state"),
    (
        "scatter",
        "inputs scatter_indices updates update_window_dims inserted_window_dims \
         input_batching_dims scatter_indices_batching_dims scatter_dims_to_operand_dims \
         index_vector_dim indices_are_sorted unique_indices update_computation",
    ),
    (
        "select_and_scatter",
        "operand source init_value window_dimensions window_strides padding select scatter",
    ),
    ("send", "inputs token channel_handle channel_handle is_host_transfer"),
    ("slice", "operand start_indices limit_indices strides"),
    ("sort", "inputs dimension is_stable comparator"),
    ("transpose", "operand permutation"),
    ("triangular_solve", "a b left_side lower unit_diagonal transpose_a"),
];

/// Labels of inputs.
const LABELS: [&str; 19] = [
    "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "I12", "I13", "I14", "I15",
    "I16", "I17", "I18", "I19",
];

/// The label of an input in a section of the specification.
pub(super) fn label(section: &str, input: &str) -> Option<&'static str> {
    let (_, names) = INPUTS.iter().find(|(name, _)| *name == section)?;
    let at = names.split_whitespace().position(|name| name == input)?;
    LABELS.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_have_the_labels_of_their_sections() {
        assert_eq!(label("transpose", "permutation"), Some("I2"));
        assert_eq!(label("convolution", "precision_config"), Some("I19"));
        assert_eq!(label("transpose", "dims"), None);
        assert_eq!(label("none", "dims"), None);
        let longest = INPUTS.iter().map(|(_, names)| names.split_whitespace().count()).max();
        assert_eq!(longest, Some(LABELS.len()));
        assert!(INPUTS.is_sorted_by_key(|(section, _)| *section));
    }
}
