//! The `stablehlo` dialect in raw MLIR bytecode: attributes and types by their codes
//! (`StablehloBytecode.cpp`), properties of operations (`StablehloOps.td`).

use super::entries::{Decoder, Ty};
use super::reader::{Res, fail};
use super::{mhlo, values};
use crate::front::mlir::conv_dims;
use crate::ir::{Attr, Dict, Type};

/// An attribute.
pub(super) fn attr(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let at = d.r.at();
    Ok(match d.r.varint()? {
        1 => values::numbers(d, "stablehlo.channel_handle", &["handle", "type"])?,
        2 => values::enumeration(d, "comparison_direction", 0)?,
        3 => values::enumeration(d, "comparison_type", 0)?,
        4 => conv(d)?,
        5 => lists(d, "stablehlo.dot", DOT, None)?,
        6 => values::enumeration(d, "fft_type", 0)?,
        7 => lists(d, "stablehlo.gather", GATHER, Some("index_vector_dim"))?,
        8 => values::enumeration(d, "precision", 0)?,
        9 => values::enumeration(d, "rng_algorithm", 0)?,
        10 => values::enumeration(d, "rng_distribution", 1)?,
        11 => lists(d, "stablehlo.scatter", SCATTER, Some("index_vector_dim"))?,
        12 => values::enumeration(d, "transpose", 0)?,
        13 => values::bounds(d)?,
        14 => values::output_operand_alias(d)?,
        15 => algorithm(d)?,
        16 => values::enumeration(d, "result_accuracy_mode", 0)?,
        17 => values::result_accuracy(d)?,
        18 => {
            let mut fields = Dict::default();
            fields.push("mesh", d.attr()?);
            fields.push("axes", Attr::Array(d.attrs()?));
            Attr::Struct("stablehlo.replica_group_mesh_axes".into(), fields)
        }
        19 => values::numbers(d, "stablehlo.sub_axis_info", &["pre_size", "size"])?,
        20 => {
            let mut fields = Dict::default();
            fields.push("name", Attr::String(d.string()?));
            if d.r.byte()? != 0 {
                fields.push("sub_axis_info", d.attr()?);
            }
            Attr::Struct("stablehlo.axis_ref".into(), fields)
        }
        21 => {
            let mut fields = Dict::default();
            fields.push("name", Attr::String(d.string()?));
            fields.push("size", Attr::i64(d.svarint()?));
            Attr::Struct("stablehlo.mesh_axis".into(), fields)
        }
        22 => {
            let mut fields = Dict::default();
            fields.push("axes", d.attr()?);
            if d.r.byte()? != 0 {
                fields.push("device_ids", d.attr()?);
            }
            Attr::Struct("stablehlo.mesh".into(), fields)
        }
        code => return d.unknown(at, "StableHLO attribute", code),
    })
}

pub(super) const DOT: &[&str] = &[
    "lhs_batching_dimensions",
    "rhs_batching_dimensions",
    "lhs_contracting_dimensions",
    "rhs_contracting_dimensions",
];

pub(super) const GATHER: &[&str] = &[
    "offset_dims",
    "collapsed_slice_dims",
    "operand_batching_dims",
    "start_indices_batching_dims",
    "start_index_map",
];

pub(super) const SCATTER: &[&str] = &[
    "update_window_dims",
    "inserted_window_dims",
    "input_batching_dims",
    "scatter_indices_batching_dims",
    "scatter_dims_to_operand_dims",
];

/// A structure of lists, and a number at its end. As in text, what is empty or 0 is left out.
pub(super) fn lists(
    d: &mut Decoder<'_, '_>,
    name: &str,
    keys: &[&str],
    number: Option<&str>,
) -> Res<Attr> {
    let mut fields = Dict::default();
    for key in keys {
        let list = d.svarints()?;
        if !list.is_empty() {
            fields.push(key, Attr::DenseInts(list));
        }
    }
    if let Some(key) = number {
        let value = d.svarint()?;
        if value != 0 {
            fields.push(key, Attr::i64(value));
        }
    }
    Ok(Attr::Struct(name.into(), fields))
}

/// Dimension numbers of a convolution.
pub(super) fn conv(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let at = d.r.at();
    let mut fields = Dict::default();
    for (first, second, spatial) in [
        ("input_batch_dimension", "input_feature_dimension", "input_spatial_dimensions"),
        (
            "kernel_input_feature_dimension",
            "kernel_output_feature_dimension",
            "kernel_spatial_dimensions",
        ),
        ("output_batch_dimension", "output_feature_dimension", "output_spatial_dimensions"),
    ] {
        fields.push(first, Attr::i64(d.svarint()?));
        fields.push(second, Attr::i64(d.svarint()?));
        fields.push(spatial, Attr::DenseInts(d.svarints()?));
    }
    match conv_dims(&fields) {
        Some(attr) => Ok(attr),
        None => fail(at, "a convolution's dimension numbers contradict each other"),
    }
}

fn algorithm(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let mut fields = Dict::default();
    for key in ["lhs_precision_type", "rhs_precision_type", "accumulation_type"] {
        fields.push(key, d.ty()?.into_attr());
    }
    for key in ["lhs_component_count", "rhs_component_count", "num_primitive_operations"] {
        fields.push(key, Attr::i64(d.svarint()?));
    }
    fields.push("allow_imprecise_accumulation", Attr::Bool(d.svarint()? != 0));
    Ok(Attr::Struct("stablehlo.dot_algorithm".into(), fields))
}

/// A type.
pub(super) fn ty(d: &mut Decoder<'_, '_>) -> Res<Ty> {
    let at = d.r.at();
    match d.r.varint()? {
        0 => Ok(Ty::Value(Type::Token)),
        1 => Ok(Ty::Value(Type::Future(d.value_types()?))),
        code => d.unknown(at, "StableHLO type", code),
    }
}

/// Operations with properties, and their attributes in the order of the properties. `?` marks
/// those that are optional or have a default, which are stored as optional; `+` such ones that
/// older writers do not know.
const PROPERTIES: &[(&str, &str)] = &[
    ("arith.addi", "overflowFlags?"),
    ("arith.cmpi", "predicate"),
    ("arith.constant", "value"),
    ("arith.index_cast", ""),
    ("arith.muli", "overflowFlags?"),
    ("arith.subi", "overflowFlags?"),
    ("arith.trunci", "overflowFlags?"),
    ("builtin.module", "sym_name? sym_visibility?"),
    ("shape.const_shape", "shape"),
    ("shape.const_witness", "passing"),
    ("func.call", "arg_attrs+ callee no_inline+ res_attrs+"),
    ("func.func", "arg_attrs? function_type no_inline+ res_attrs? sym_name sym_visibility?"),
    (
        "stablehlo.all_gather",
        "all_gather_dim channel_handle? replica_groups use_global_device_ids?",
    ),
    ("stablehlo.all_reduce", "channel_handle? replica_groups use_global_device_ids?"),
    (
        "stablehlo.all_to_all",
        "channel_handle? concat_dimension replica_groups split_count split_dimension",
    ),
    ("stablehlo.batch_norm_grad", "epsilon feature_index"),
    ("stablehlo.batch_norm_inference", "epsilon feature_index"),
    ("stablehlo.batch_norm_training", "epsilon feature_index"),
    ("stablehlo.broadcast", "broadcast_sizes"),
    ("stablehlo.broadcast_in_dim", "broadcast_dimensions"),
    ("stablehlo.cbrt", "result_accuracy?"),
    ("stablehlo.cholesky", "lower?"),
    ("stablehlo.collective_broadcast", "channel_handle? replica_groups"),
    ("stablehlo.collective_permute", "channel_handle? source_target_pairs"),
    ("stablehlo.compare", "compare_type? comparison_direction"),
    ("stablehlo.composite", "composite_attributes? decomposition name version?"),
    ("stablehlo.concatenate", "dimension"),
    ("stablehlo.constant", "value"),
    (
        "stablehlo.convolution",
        "batch_group_count dimension_numbers feature_group_count lhs_dilation? padding? \
         precision_config? rhs_dilation? window_reversal? window_strides?",
    ),
    ("stablehlo.cosine", "result_accuracy?"),
    ("stablehlo.cross-replica-sum", "replica_groups"),
    (
        "stablehlo.custom_call",
        "api_version? backend_config? call_target_name called_computations? has_side_effect? \
         operand_layouts? output_operand_aliases? result_layouts? result_tilings+",
    ),
    ("stablehlo.dot", "precision_config?"),
    ("stablehlo.dot_general", "algorithm? dot_dimension_numbers precision_config?"),
    (
        "stablehlo.dynamic_broadcast_in_dim",
        "broadcast_dimensions known_expanding_dimensions? known_nonexpanding_dimensions?",
    ),
    (
        "stablehlo.dynamic_conv",
        "batch_group_count dimension_numbers feature_group_count lhs_dilation? \
         precision_config? rhs_dilation? window_reversal? window_strides?",
    ),
    ("stablehlo.dynamic_gather", "dimension_numbers indices_are_sorted?"),
    ("stablehlo.dynamic_iota", "iota_dimension"),
    ("stablehlo.dynamic_slice", "slice_sizes"),
    ("stablehlo.einsum", "einsum_config"),
    ("stablehlo.exponential", "result_accuracy?"),
    ("stablehlo.exponential_minus_one", "result_accuracy?"),
    ("stablehlo.fft", "fft_length fft_type"),
    ("stablehlo.gather", "dimension_numbers indices_are_sorted? slice_sizes"),
    ("stablehlo.get_dimension_size", "dimension"),
    ("stablehlo.get_tuple_element", "index"),
    ("stablehlo.infeed", "infeed_config? layout?"),
    ("stablehlo.iota", "iota_dimension"),
    ("stablehlo.log", "result_accuracy?"),
    ("stablehlo.log_plus_one", "result_accuracy?"),
    ("stablehlo.logistic", "result_accuracy?"),
    ("stablehlo.map", "dimensions"),
    ("stablehlo.outfeed", "outfeed_config?"),
    ("stablehlo.pad", "edge_padding_high edge_padding_low interior_padding"),
    ("stablehlo.recv", "channel_handle is_host_transfer? source_target_pairs?"),
    ("stablehlo.reduce", "dimensions"),
    ("stablehlo.reduce_precision", "exponent_bits mantissa_bits"),
    (
        "stablehlo.reduce_scatter",
        "channel_handle? replica_groups scatter_dimension use_global_device_ids?",
    ),
    (
        "stablehlo.reduce_window",
        "base_dilations? padding? window_dilations? window_dimensions window_strides?",
    ),
    ("stablehlo.reverse", "dimensions"),
    ("stablehlo.rng", "rng_distribution"),
    ("stablehlo.rng_bit_generator", "rng_algorithm"),
    ("stablehlo.rsqrt", "result_accuracy?"),
    ("stablehlo.scatter", "indices_are_sorted? scatter_dimension_numbers unique_indices?"),
    ("stablehlo.select_and_scatter", "padding? window_dimensions? window_strides?"),
    ("stablehlo.send", "channel_handle is_host_transfer? source_target_pairs?"),
    ("stablehlo.set_dimension_size", "dimension"),
    ("stablehlo.sine", "result_accuracy?"),
    ("stablehlo.slice", "limit_indices start_indices strides"),
    ("stablehlo.sort", "dimension? is_stable?"),
    ("stablehlo.sqrt", "result_accuracy?"),
    ("stablehlo.tan", "result_accuracy?"),
    ("stablehlo.tanh", "result_accuracy?"),
    ("stablehlo.torch_index_select", "batch_dims dim"),
    ("stablehlo.transpose", "permutation"),
    ("stablehlo.triangular_solve", "left_side lower transpose_a unit_diagonal"),
    ("stablehlo.unary_einsum", "einsum_config"),
    ("tf.NonMaxSuppressionV4", "pad_to_max_output_size?"),
    ("tf.PrintV2", "end? output_stream?"),
    ("tf.StringFormat", "placeholder? strtemplate? summarize?"),
];

/// A property: the name of the attribute, and how it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Property {
    /// An attribute's number.
    Attr(&'static str),
    /// An attribute's number that may be missing.
    Optional(&'static str),
    /// How many operands and how many results each group has: two lists.
    Segments,
}

/// The word under which tables list [`Property::Segments`].
const SEGMENTS: &str = "<segments>";

/// The properties of the operation `op` in the order in which they are stored, of which there are
/// `stored` numbers; `None` if no version of the operation has that many. `spelled` is the name as
/// it stands in the file.
pub(super) fn properties(op: &str, spelled: &str, stored: usize) -> Option<Vec<Property>> {
    let tables = || mhlo::PROPERTIES.iter().chain(PROPERTIES);
    let find = |wanted: &str| tables().find(|(name, _)| *name == wanted).map(|(_, list)| *list);
    let row = find(spelled).or_else(|| find(op));
    let row = row.or_else(|| mhlo::broadcasts(op).then_some("broadcast_dimensions?"));
    let words: Vec<&str> = row.unwrap_or_default().split_whitespace().collect();
    let split = |word: &&'static str| match word.strip_suffix(['?', '+']) {
        Some(name) => Property::Optional(name),
        None if *word == SEGMENTS => Property::Segments,
        None => Property::Attr(word),
    };
    let old: Vec<_> = words.iter().filter(|w| !w.ends_with('+')).map(split).collect();
    match stored {
        // The lengths of lists are checked when they are read.
        _ if words.contains(&SEGMENTS) => Some(old),
        n if n == words.len() => Some(words.iter().map(split).collect()),
        n if n == old.len() => Some(old),
        _ => None,
    }
}
