//! The dialects `mhlo` and `chlo` in raw MLIR bytecode (`mhlo_bytecode.cc`, `ChloBytecode.cpp`).
//!
//! Their attributes mean what those of `stablehlo` mean and are read as these, as in text; the
//! codes are their own.

use super::entries::{Decoder, Ty};
use super::reader::Res;
use super::{stablehlo, values};
use crate::ir::{Attr, Dict, Type};

/// An attribute of `mhlo`.
pub(super) fn attr(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let at = d.r.at();
    Ok(match d.r.varint()? {
        0 => result_alias(d)?,
        1 => values::numbers(d, "stablehlo.channel_handle", &["handle", "type"])?,
        2 => values::enumeration(d, "comparison_direction", 0)?,
        3 => values::enumeration(d, "comparison_type", 0)?,
        4 => stablehlo::conv(d)?,
        5 => stablehlo::lists(d, "stablehlo.dot", stablehlo::DOT, None)?,
        6 => values::enumeration(d, "fft_type", 0)?,
        7 => indices(d, "stablehlo.gather", stablehlo::GATHER, GATHER)?,
        8 => values::enumeration(d, "precision", 0)?,
        9 => values::enumeration(d, "rng_algorithm", 0)?,
        10 => values::enumeration(d, "rng_distribution", 1)?,
        11 => indices(d, "stablehlo.scatter", stablehlo::SCATTER, SCATTER)?,
        12 => values::enumeration(d, "transpose", 0)?,
        13 => values::bounds(d)?,
        14 => word(d, "kind", &["sharding"])?,
        15 => word(d, "fusion_kind", &["kLoop", "kInput", "kOutput", "kCustom"])?,
        16 => values::output_operand_alias(d)?,
        17 => values::enumeration(d, "result_accuracy_mode", 0)?,
        18 => values::result_accuracy(d)?,
        code => return d.unknown(at, "MHLO attribute", code),
    })
}

/// Dimension numbers of a gather or scatter by older writers, which have no batching dimensions.
const GATHER: &[&str] = &["offset_dims", "collapsed_slice_dims", "start_index_map"];

const SCATTER: &[&str] =
    &["update_window_dims", "inserted_window_dims", "scatter_dims_to_operand_dims"];

/// Dimension numbers of a gather or scatter. What older writers store is too short for the newer
/// form: its last number is taken for the length of a list that is not there.
fn indices(d: &mut Decoder<'_, '_>, name: &str, newer: &[&str], older: &[&str]) -> Res<Attr> {
    let start = d.r.clone();
    let number = Some("index_vector_dim");
    match stablehlo::lists(d, name, newer, number) {
        Ok(attr) if d.r.is_empty() => Ok(attr),
        _ => {
            d.r = start;
            stablehlo::lists(d, name, older, number)
        }
    }
}

/// `#mhlo.result_alias<...>`, which argument a result shares memory with.
fn result_alias(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let mut fields = Dict::default();
    fields.push("tuple_indices", Attr::DenseInts(d.svarints()?));
    let mut result = vec![d.svarint()?];
    result.extend(d.svarints()?);
    fields.push("result_index", Attr::DenseInts(result));
    if d.r.varint()? != 0 {
        fields.push("must_alias", Attr::Unit);
    }
    Ok(Attr::Struct("mhlo.result_alias".into(), fields))
}

/// An enum value that StableHLO does not have.
fn word(d: &mut Decoder<'_, '_>, kind: &str, words: &[&str]) -> Res<Attr> {
    let at = d.r.at();
    let code = d.r.varint()?;
    match usize::try_from(code).ok().and_then(|i| words.get(i)) {
        Some(word) => Ok(Attr::Opaque(format!("#mhlo<{kind} {word}>").into())),
        None => d.unknown(at, &format!("`{kind}`"), code),
    }
}

/// A type of `mhlo`.
pub(super) fn ty(d: &mut Decoder<'_, '_>) -> Res<Ty> {
    let at = d.r.at();
    match d.r.varint()? {
        0 => Ok(Ty::Value(Type::Token)),
        1 => {
            let types: Vec<_> = d.value_types()?.iter().map(ToString::to_string).collect();
            Ok(Ty::Other(format!("!mhlo.async_bundle<{}>", types.join(", ")).into()))
        }
        code => d.unknown(at, "MHLO type", code),
    }
}

/// An attribute of `chlo`. Others than comparisons are stored as text.
pub(super) fn chlo_attr(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let at = d.r.at();
    match d.r.varint()? {
        0 => values::enumeration(d, "comparison_direction", 0),
        1 => values::enumeration(d, "comparison_type", 0),
        code => d.unknown(at, "CHLO attribute", code),
    }
}

/// Operations with properties that `stablehlo` does not have, or has with others; spelled as in
/// [`stablehlo::properties`].
pub(super) const PROPERTIES: &[(&str, &str)] = &[
    ("chlo.broadcast_compare", "broadcast_dimensions? compare_type? comparison_direction"),
    ("chlo.constant", "value"),
    ("chlo.constant_like", "value"),
    ("chlo.ragged_dot", "precision_config? ragged_dot_dimension_numbers"),
    ("chlo.scan", "dimension is_associative? is_reverse? scan_dim_size? <segments>"),
    ("chlo.top_k", "k"),
    (
        "mhlo.all_to_all",
        "channel_handle? concat_dimension? replica_groups split_count? split_dimension?",
    ),
    ("mhlo.async_done", ""),
    ("mhlo.async_start", "called_computation execution_thread?"),
    ("mhlo.copy", "cross_program_prefetch_index?"),
    (
        "mhlo.custom_call",
        "api_version? backend_config? call_target_name called_computations? \
         custom_call_schedule? has_side_effect? operand_layouts? output_operand_aliases? \
         result_layouts?",
    ),
    ("mhlo.domain", "entry_metadata exit_metadata kind"),
    (
        "mhlo.dynamic_conv",
        "batch_group_count dimension_numbers feature_group_count lhs_dilation? padding? \
         precision_config? rhs_dilation? window_reversal? window_strides?",
    ),
    ("mhlo.fusion", "fusion_kind? output_operand_aliases?"),
    ("mhlo.ragged_dot", "precision_config? ragged_dot_dimension_numbers"),
    ("mhlo.scan", "dimension is_associative? is_reverse? scan_dim_size? <segments>"),
    ("mhlo.topk", "k largest?"),
    ("mhlo.trace", "tag"),
    ("mhlo.xla.rng_get_and_update_state", "delta"),
];

/// Whether an operation is one of `chlo.broadcast_*`, which all have the same property.
pub(super) fn broadcasts(op: &str) -> bool {
    op.starts_with("chlo.broadcast_") && op != "chlo.broadcast_select"
}
