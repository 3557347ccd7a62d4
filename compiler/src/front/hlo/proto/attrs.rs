//! The attributes of an `HloInstructionProto`.

use std::sync::Arc;

use super::super::graph::{Attrs, DotDims, IndexDims, Shape, Window};
use super::literal::literal;
use super::messages as p;

/// The attributes of an instruction; of each opcode, those that it has.
pub(super) fn attributes(
    proto: p::HloInstructionProto,
    opcode: &str,
    shape: &Shape,
    called: Vec<usize>,
) -> Result<Attrs, String> {
    let mut attrs = Attrs { called, ..Attrs::default() };
    match opcode {
        "parameter" => attrs.parameter = u64::try_from(proto.parameter_number).ok(),
        "constant" => {
            let value = proto.literal.ok_or("the constant has no literal")?;
            attrs.literal = Some(literal(value, shape)?);
            return Ok(attrs);
        }
        _ => {}
    }
    structures(&proto, &mut attrs)?;
    enums(&proto, opcode, &mut attrs)?;
    scalars(proto, &mut attrs);
    Ok(attrs)
}

fn structures(proto: &p::HloInstructionProto, attrs: &mut Attrs) -> Result<(), String> {
    if let Some(window) = &proto.window {
        attrs.window = self::window(window);
    }
    if let Some(numbers) = &proto.convolution_dimension_numbers {
        attrs.conv_dims = Some(conv_dims(numbers)?);
    }
    if let Some(d) = &proto.dot_dimension_numbers {
        attrs.dot = DotDims {
            lhs_batch: d.lhs_batch_dimensions.clone(),
            rhs_batch: d.rhs_batch_dimensions.clone(),
            lhs_contracting: d.lhs_contracting_dimensions.clone(),
            rhs_contracting: d.rhs_contracting_dimensions.clone(),
        };
    }
    if let Some(d) = &proto.gather_dimension_numbers {
        attrs.index = IndexDims {
            offset: d.offset_dims.clone(),
            collapsed: d.collapsed_slice_dims.clone(),
            map: d.start_index_map.clone(),
            operand_batching: d.operand_batching_dims.clone(),
            indices_batching: d.start_indices_batching_dims.clone(),
            vector_dim: d.index_vector_dim,
            slice_sizes: proto.gather_slice_sizes.clone(),
        };
    }
    if let Some(d) = &proto.scatter_dimension_numbers {
        attrs.index = IndexDims {
            offset: d.update_window_dims.clone(),
            collapsed: d.inserted_window_dims.clone(),
            map: d.scatter_dims_to_operand_dims.clone(),
            operand_batching: d.input_batching_dims.clone(),
            indices_batching: d.scatter_indices_batching_dims.clone(),
            vector_dim: d.index_vector_dim,
            slice_sizes: Vec::new(),
        };
    }
    if let Some(padding) = &proto.padding_config {
        let one = |d: &p::PaddingConfigDimension| {
            (d.edge_padding_low, d.edge_padding_high, d.interior_padding)
        };
        attrs.padding = padding.dimensions.iter().map(one).collect();
    }
    attrs.slice = proto.slice_dimensions.iter().map(|s| (s.start, s.limit, s.stride)).collect();
    attrs.pairs = proto.source_target_pairs.iter().map(|p| (p.source, p.target)).collect();
    Ok(())
}

/// Numbers of enums to the words of HLO text.
fn enums(proto: &p::HloInstructionProto, opcode: &str, attrs: &mut Attrs) -> Result<(), String> {
    let word = |names: &[&'static str], number: i32, what: &str| {
        let name = usize::try_from(number).ok().and_then(|i| names.get(i).copied());
        name.ok_or_else(|| format!("the {what} {number} is not known"))
    };
    match opcode {
        "fft" => {
            let names = ["FFT", "IFFT", "RFFT", "IRFFT"];
            attrs.fft_type = word(&names, proto.fft_type, "transform")?.to_string();
        }
        "rng" => {
            let names = ["rng_invalid", "rng_uniform", "rng_normal"];
            attrs.distribution = word(&names, proto.distribution, "distribution")?.to_string();
        }
        "rng-bit-generator" => {
            let names = ["rng_default", "rng_three_fry", "rng_philox"];
            attrs.algorithm = word(&names, proto.rng_algorithm, "algorithm")?.to_string();
        }
        "triangular-solve" => {
            let options = proto.triangular_solve_options.as_ref();
            let options = options.ok_or("it has no triangular_solve_options")?;
            let names = ["TRANSPOSE_INVALID", "NO_TRANSPOSE", "TRANSPOSE", "ADJOINT"];
            attrs.transpose = word(&names, options.transpose_a, "transposition")?.to_string();
            attrs.left_side = options.left_side;
            attrs.lower = options.lower;
            attrs.unit_diagonal = options.unit_diagonal;
        }
        "cholesky" => attrs.lower = proto.cholesky_options.as_ref().is_some_and(|o| o.lower),
        _ => {}
    }
    let precisions = proto.precision_config.iter().flat_map(|c| &c.operand_precision);
    for &number in precisions {
        // 3 is `PACKED_NIBBLE`, which no floating-point operand has.
        attrs.precision.push(word(&["DEFAULT", "HIGH", "HIGHEST"], number, "precision")?.into());
    }
    Ok(())
}

fn scalars(proto: p::HloInstructionProto, attrs: &mut Attrs) {
    let count = |n: i64| (n != 0).then_some(n);
    attrs.dimensions = proto.dimensions;
    attrs.tuple_index = proto.tuple_index;
    attrs.feature_groups = count(proto.feature_group_count);
    attrs.batch_groups = count(proto.batch_group_count);
    attrs.slice_sizes = proto.dynamic_slice_sizes;
    attrs.exponent_bits = i64::from(proto.exponent_bits);
    attrs.mantissa_bits = i64::from(proto.mantissa_bits);
    attrs.epsilon = f64::from(proto.epsilon);
    attrs.feature_index = proto.feature_index;
    attrs.direction = proto.comparison_direction;
    attrs.compare_type = proto.comparison_type;
    attrs.fft_length = proto.fft_length;
    attrs.sorted = proto.indices_are_sorted;
    attrs.unique = proto.unique_indices;
    attrs.stable = proto.is_stable;
    attrs.target = proto.custom_call_target;
    attrs.backend_config = String::from_utf8_lossy(&proto.backend_config).into_owned();
    attrs.api_version = i64::from(proto.custom_call_api_version);
    attrs.side_effect = proto.custom_call_has_side_effect;
    attrs.k = proto.k;
    attrs.largest = proto.largest;
    attrs.op_name = proto.metadata.map(|m| m.op_name.into()).filter(|n: &Arc<str>| !n.is_empty());
}

fn window(proto: &p::Window) -> Window {
    let list = |f: fn(&p::WindowDimension) -> i64| proto.dimensions.iter().map(f).collect();
    // Dilations and strides of 1 may be left out, which decodes to 0.
    Window {
        size: list(|d| d.size),
        stride: list(|d| d.stride.max(1)),
        padding: proto.dimensions.iter().map(|d| (d.padding_low, d.padding_high)).collect(),
        lhs_dilate: list(|d| d.base_dilation.max(1)),
        rhs_dilate: list(|d| d.window_dilation.max(1)),
        reversal: proto.dimensions.iter().map(|d| d.window_reversal).collect(),
    }
}

/// The lists of `dim_labels`.
fn conv_dims(d: &p::ConvolutionDimensionNumbers) -> Result<[Vec<Arc<str>>; 3], String> {
    let list = |named: [(i64, &str); 2], spatial: &[i64]| {
        let mut out: Vec<Arc<str>> = vec!["?".into(); spatial.len() + 2];
        let spatial = spatial.iter().enumerate().map(|(i, &at)| (at, i.to_string()));
        for (at, label) in named.into_iter().map(|(at, l)| (at, l.to_string())).chain(spatial) {
            let slot = usize::try_from(at).ok().and_then(|at| out.get_mut(at));
            *slot.ok_or_else(|| format!("the convolution has no dimension {at}"))? = label.into();
        }
        Ok::<_, String>(out)
    };
    Ok([
        list(
            [(d.input_batch_dimension, "b"), (d.input_feature_dimension, "f")],
            &d.input_spatial_dimensions,
        )?,
        list(
            [(d.kernel_input_feature_dimension, "i"), (d.kernel_output_feature_dimension, "o")],
            &d.kernel_spatial_dimensions,
        )?,
        list(
            [(d.output_batch_dimension, "b"), (d.output_feature_dimension, "f")],
            &d.output_spatial_dimensions,
        )?,
    ])
}
