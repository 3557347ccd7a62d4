//! Attributes of VHLO operations in StableHLO's spelling (`VhloLegalizeToStablehlo.cpp`).
//!
//! VHLO spells out every default, flattens structured attributes into their fields, and stores
//! lists of integers as tensors and symbols as strings. Attributes that an old version of an
//! operation lacks are the defaults of those added later, so that nothing else is needed to
//! upgrade it.

use crate::front::mlir::conv_dims;
use crate::ir::{Attr, Dict};
use crate::ops::attrs::ints_of;

/// Lists of integers: `array<i64: ...>` in StableHLO.
const LISTS: &[&str] = &[
    "base_dilations",
    "broadcast_dimensions",
    "broadcast_sizes",
    "dimensions",
    "edge_padding_high",
    "edge_padding_low",
    "fft_length",
    "interior_padding",
    "known_expanding_dimensions",
    "known_nonexpanding_dimensions",
    "lhs_dilation",
    "limit_indices",
    "permutation",
    "rhs_dilation",
    "slice_sizes",
    "start_indices",
    "strides",
    "window_dilations",
    "window_dimensions",
    "window_strides",
];

/// A structured attribute: the operations that have it, its name, the structure's name, the
/// fields that are lists, and the other fields.
struct Structure {
    ops: &'static [&'static str],
    key: &'static str,
    name: &'static str,
    lists: &'static [&'static str],
    numbers: &'static [&'static str],
}

const STRUCTURES: &[Structure] = &[
    Structure {
        ops: &["gather", "dynamic_gather"],
        key: "dimension_numbers",
        name: "stablehlo.gather",
        lists: &[
            "offset_dims",
            "collapsed_slice_dims",
            "operand_batching_dims",
            "start_indices_batching_dims",
            "start_index_map",
        ],
        numbers: &["index_vector_dim"],
    },
    Structure {
        ops: &["scatter"],
        key: "scatter_dimension_numbers",
        name: "stablehlo.scatter",
        lists: &[
            "update_window_dims",
            "inserted_window_dims",
            "input_batching_dims",
            "scatter_indices_batching_dims",
            "scatter_dims_to_operand_dims",
        ],
        numbers: &["index_vector_dim"],
    },
    Structure {
        ops: &["dot_general"],
        key: "dot_dimension_numbers",
        name: "stablehlo.dot",
        lists: &[
            "lhs_batching_dimensions",
            "rhs_batching_dimensions",
            "lhs_contracting_dimensions",
            "rhs_contracting_dimensions",
        ],
        numbers: &[],
    },
    Structure {
        ops: &["dot_general"],
        key: "algorithm",
        name: "stablehlo.dot_algorithm",
        lists: &[],
        numbers: &[
            "lhs_precision_type",
            "rhs_precision_type",
            "accumulation_type",
            "lhs_component_count",
            "rhs_component_count",
            "num_primitive_operations",
            "allow_imprecise_accumulation",
        ],
    },
];

/// Fields of a convolution's dimension numbers.
const CONV_LISTS: &[&str] =
    &["input_spatial_dimensions", "kernel_spatial_dimensions", "output_spatial_dimensions"];
const CONV_NUMBERS: &[&str] = &[
    "input_batch_dimension",
    "input_feature_dimension",
    "kernel_input_feature_dimension",
    "kernel_output_feature_dimension",
    "output_batch_dimension",
    "output_feature_dimension",
];

fn take(attrs: &mut Dict, name: &str) -> Option<Attr> {
    let at = attrs.0.iter().position(|(key, _)| &**key == name)?;
    Some(attrs.0.remove(at).1)
}

/// A list of integers in StableHLO's spelling; other attributes stay.
fn list(attr: Attr) -> Attr {
    ints_of(&attr).map_or(attr, Attr::DenseInts)
}

/// The inherent attributes of the operation `op`, such as `gather`, as StableHLO has them.
pub(crate) fn legalize(op: &str, mut attrs: Dict) -> Dict {
    for structure in STRUCTURES.iter().filter(|s| s.ops.contains(&op)) {
        if let Some(attr) = structured(structure, &mut attrs) {
            attrs.push(structure.key, attr);
        }
    }
    if matches!(op, "convolution" | "dynamic_conv") {
        let fields = fields(&mut attrs, CONV_LISTS, CONV_NUMBERS);
        if let Some(attr) = conv_dims(&fields) {
            attrs.push("dimension_numbers", attr);
        }
    }
    if op == "dynamic_conv" {
        // The first version repeats its operand as an attribute.
        take(&mut attrs, "padding");
    }
    channel_handle(op, &mut attrs);
    layouts(&mut attrs);
    let spelled = attrs.0.into_iter().filter_map(|(name, value)| {
        let value = spell(op, &name, value)?;
        (!is_default(op, &name, &value)).then_some((name, value))
    });
    Dict(spelled.collect())
}

fn fields(attrs: &mut Dict, lists: &[&str], numbers: &[&str]) -> Dict {
    let mut fields = Dict::default();
    for key in lists {
        if let Some(value) = take(attrs, key) {
            fields.push(key, list(value));
        }
    }
    for key in numbers {
        if let Some(value) = take(attrs, key) {
            fields.push(key, value);
        }
    }
    fields
}

/// Collects a structure's fields. An algorithm without types is none.
fn structured(structure: &Structure, attrs: &mut Dict) -> Option<Attr> {
    let fields = fields(attrs, structure.lists, structure.numbers);
    let none = |attr: &Attr| matches!(attr, Attr::Opaque(text) if &**text == "none");
    let absent = fields.is_empty() || fields.get("lhs_precision_type").is_some_and(none);
    (!absent).then(|| Attr::Struct(structure.name.into(), fields))
}

/// Layouts are given for operands and results together, or not at all.
fn layouts(attrs: &mut Dict) {
    const LAYOUTS: [&str; 2] = ["operand_layouts", "result_layouts"];
    let empty = |attr: Option<&Attr>| matches!(attr, Some(Attr::Array(items)) if items.is_empty());
    if LAYOUTS.iter().all(|name| empty(attrs.get(name))) {
        attrs.0.retain(|(name, _)| !LAYOUTS.contains(&&**name));
    }
}

/// `channel_id` and `channel_type` as one attribute; without an identity there is no channel.
fn channel_handle(op: &str, attrs: &mut Dict) {
    let number = |attr: Option<Attr>| match attr {
        Some(Attr::Int(value, _)) => i64::try_from(value).unwrap_or(0),
        _ => 0,
    };
    let handle = number(take(attrs, "channel_id"));
    let kind = number(take(attrs, "channel_type"));
    if handle == 0 && !matches!(op, "send" | "recv") {
        return;
    }
    let mut fields = Dict::default();
    fields.push("handle", Attr::i64(handle));
    fields.push("type", Attr::i64(kind));
    attrs.push("channel_handle", Attr::Struct("stablehlo.channel_handle".into(), fields));
}

/// One attribute in StableHLO's spelling; `None` where a flag is not set.
fn spell(op: &str, name: &str, value: Attr) -> Option<Attr> {
    Some(match (op, name, value) {
        (_, "use_global_device_ids", Attr::Bool(set)) => return set.then_some(Attr::Unit),
        ("custom_call", "called_computations", Attr::Array(items)) => {
            Attr::Array(items.into_iter().map(symbol).collect())
        }
        ("call", "callee", name) | ("composite", "decomposition", name) => symbol(name),
        (_, "window_reversal", value) => match ints_of(&value) {
            Some(flags) => Attr::DenseBools(flags.iter().map(|&f| f != 0).collect()),
            None => value,
        },
        (_, name, value) if LISTS.contains(&name) => list(value),
        (_, _, value) => value,
    })
}

fn symbol(attr: Attr) -> Attr {
    match attr {
        Attr::String(name) => Attr::Symbol(name),
        other => other,
    }
}

fn default_enum(attr: &Attr) -> bool {
    matches!(attr, Attr::Enum(_, value) if &**value == "DEFAULT")
}

/// Whether a `result_accuracy` asks for nothing.
pub(in super::super) fn is_default_accuracy(attr: &Attr) -> bool {
    let Attr::Struct(_, fields) = attr else { return false };
    fields.0.len() == 1 && fields.get("mode").is_some_and(default_enum)
}

/// Whether StableHLO leaves the attribute out.
fn is_default(op: &str, name: &str, value: &Attr) -> bool {
    let empty = match value {
        Attr::Array(items) => items.is_empty(),
        Attr::DenseInts(items) => items.is_empty(),
        Attr::Dict(items) => items.is_empty(),
        Attr::String(text) => text.is_empty(),
        Attr::Dense(c) => c.ty.elements() == Some(0),
        _ => false,
    };
    let zero = matches!(value, Attr::Bool(false) | Attr::Int(0, _));
    match (op, name) {
        (_, "compare_type") => matches!(value, Attr::Enum(_, v) if &**v == "NOTYPE"),
        (_, "result_accuracy") => is_default_accuracy(value),
        ("custom_call", "api_version") => matches!(value, Attr::Int(1, _)),
        ("custom_call", "call_target_name" | "operand_layouts" | "result_layouts") => false,
        ("composite", "name") => false,
        ("custom_call" | "composite", _) => empty || zero,
        (_, "known_expanding_dimensions" | "known_nonexpanding_dimensions") => empty,
        (_, "precision_config") => match value {
            Attr::Array(items) => items.iter().all(default_enum),
            _ => false,
        },
        (_, "infeed_config" | "outfeed_config" | "layout") => empty,
        ("send" | "recv", "source_target_pairs") => empty,
        (_, "has_dynamic_root" | "is_stable" | "indices_are_sorted" | "unique_indices") => zero,
        _ => false,
    }
}
