//! Short forms that are operands and clauses in a row.

use super::clauses::Field;

/// How the types at the end of a short form are written.
pub(crate) enum TypeForm {
    /// `: T` for all operands and the result.
    Same,
    /// `: P, T`: the predicate's type and the others'.
    Select,
    /// `: A, B`: the operands' types, which are the results'.
    Forward,
    /// `: A, B`: the operands' types; no results.
    Consume,
    /// `: tuple<A, B>`.
    Tuple,
    /// `: T`: only the result's type.
    Produce,
}

/// A short form. A functional type `: (A, B) -> C` is always possible too.
pub(crate) struct Form {
    name: &'static str,
    /// Keyword and meaning of each clause.
    pub(crate) clauses: &'static [(&'static str, Field)],
    pub(crate) types: TypeForm,
}

const fn form(
    name: &'static str,
    clauses: &'static [(&'static str, Field)],
    types: TypeForm,
) -> Form {
    Form { name, clauses, types }
}

use Field::{Algorithm, Bool, Dots, Enum, Format, Int, Ints, Number, Precision, Text};
use TypeForm::{Consume, Forward, Produce, Same, Select, Tuple};

/// What operations without a row have: operands and a type.
const PLAIN: Form = form("", &[], Same);

#[rustfmt::skip]
const FORMS: &[Form] = &[
    form("stablehlo.iota", &[("dim", Int("iota_dimension"))], Produce),
    form("stablehlo.dynamic_iota", &[("dim", Int("iota_dimension"))], Same),
    form("stablehlo.broadcast_in_dim", &[("dims", Ints("broadcast_dimensions"))], Same),
    form("stablehlo.dynamic_broadcast_in_dim", &[
        ("dims", Ints("broadcast_dimensions")),
        ("known_expanding_dimensions", Ints("known_expanding_dimensions")),
        ("known_nonexpanding_dimensions", Ints("known_nonexpanding_dimensions")),
    ], Same),
    form("stablehlo.broadcast", &[("sizes", Ints("broadcast_sizes"))], Same),
    form("stablehlo.transpose", &[("dims", Ints("permutation"))], Same),
    form("stablehlo.reverse", &[("dims", Ints("dimensions"))], Same),
    form("stablehlo.concatenate", &[("dim", Int("dimension"))], Same),
    form("stablehlo.pad", &[
        ("low", Ints("edge_padding_low")),
        ("high", Ints("edge_padding_high")),
        ("interior", Ints("interior_padding")),
    ], Same),
    form("stablehlo.dynamic_slice", &[("sizes", Ints("slice_sizes"))], Same),
    form("stablehlo.dot", &[("precision", Precision)], Same),
    form("stablehlo.dot_general", &[
        ("batching_dims", Dots("batching")),
        ("contracting_dims", Dots("contracting")),
        ("precision", Precision),
        ("algorithm", Algorithm),
    ], Same),
    form("stablehlo.fft", &[
        ("type", Enum("fft_type", "fft_type")),
        ("length", Ints("fft_length")),
    ], Same),
    form("stablehlo.cholesky", &[("lower", Bool("lower"))], Same),
    form("stablehlo.rng", &[("distribution", Enum("rng_distribution", "rng_distribution"))], Same),
    form("stablehlo.rng_bit_generator", &[
        ("algorithm", Enum("rng_algorithm", "rng_algorithm")),
    ], Same),
    form("stablehlo.reduce_precision", &[("format", Format)], Same),
    form("stablehlo.get_dimension_size", &[("dim", Int("dimension"))], Same),
    form("stablehlo.set_dimension_size", &[("dim", Int("dimension"))], Same),
    form("stablehlo.einsum", &[("config", Text("einsum_config"))], Same),
    form("stablehlo.unary_einsum", &[("config", Text("einsum_config"))], Same),
    form("stablehlo.torch_index_select", &[
        ("dim", Int("dim")),
        ("batch_dims", Int("batch_dims")),
    ], Same),
    form("stablehlo.select", &[], Select),
    form("stablehlo.complex", &[], Produce),
    form("stablehlo.optimization_barrier", &[], Forward),
    form("stablehlo.after_all", &[], Same),
    form("stablehlo.create_token", &[], Produce),
    form("stablehlo.partition_id", &[], Produce),
    form("stablehlo.replica_id", &[], Produce),
    form("stablehlo.tuple", &[], Tuple),
    form("stablehlo.return", &[], Consume),
    form("func.return", &[], Consume),
    form("check.expect_eq", &[], Consume),
    form("check.expect_eq_const", &[], Consume),
    form("check.expect_almost_eq", &[("tolerance", Number("tolerance"))], Consume),
    form("check.expect_almost_eq_const", &[("tolerance", Number("tolerance"))], Consume),
    form("check.expect_close", &[
        ("max_ulp_difference", Int("max_ulp_difference")),
        ("min_ulp_difference", Int("min_ulp_difference")),
    ], Consume),
    form("check.expect_serialized_eq", &[
        ("probe_id", Text("probe_id")),
        ("iter", Int("iter")),
    ], Consume),
    form("interpreter.print", &[], Consume),
    form("interpreter.probe", &[("probe_id", Text("probe_id"))], Same),
];

/// The short form of an operation.
pub(crate) fn form_of(name: &str) -> &'static Form {
    FORMS.iter().find(|f| f.name == name).unwrap_or(&PLAIN)
}
