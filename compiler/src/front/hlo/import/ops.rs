//! One row per opcode.

use super::super::graph::{ELIDED_HELP, Instruction, Literal, Res, Shape};
use super::control::flat;
use super::value::Val;
use super::{Importer, NewOp, fail, unsupported};
use crate::ir::{Attr, Constant};

/// Opcodes without attributes whose StableHLO operation has the same name, with `_` for `-`.
const PLAIN: &[&str] = &[
    "abs",
    "add",
    "and",
    "atan2",
    "bitcast-convert",
    "cbrt",
    "ceil",
    "clamp",
    "complex",
    "convert",
    "cosine",
    "count-leading-zeros",
    "divide",
    "dynamic-update-slice",
    "exponential",
    "exponential-minus-one",
    "floor",
    "imag",
    "is-finite",
    "log",
    "log-plus-one",
    "logistic",
    "maximum",
    "minimum",
    "multiply",
    "negate",
    "not",
    "or",
    "popcnt",
    "power",
    "real",
    "remainder",
    "reshape",
    "round-nearest-afz",
    "round-nearest-even",
    "rsqrt",
    "select",
    "shift-left",
    "shift-right-arithmetic",
    "shift-right-logical",
    "sign",
    "sine",
    "sqrt",
    "subtract",
    "tan",
    "tanh",
    "xor",
];

/// Opcodes that are operations of the CHLO dialect.
const CHLO: &[&str] = &["acos", "acosh", "asin", "asinh", "atanh", "cosh", "sinh"];

/// Opcodes whose result is their operand: those of the values' places, and collectives, which one
/// device performs on its own value.
const IDENTITY: &[&str] = &[
    "add-dependency",
    "all-gather",
    "all-gather-done",
    "all-gather-start",
    "all-reduce",
    "all-reduce-done",
    "all-reduce-start",
    "all-to-all",
    "collective-broadcast",
    "copy",
    "domain",
    "reduce-scatter",
];

/// Opcodes that need a host or another device while the program runs.
const FOREIGN: &[&str] =
    &["infeed", "outfeed", "recv", "recv-done", "send", "send-done", "rng-get-and-update-state"];

/// Custom calls that return their operand; they guide partitioning over devices.
const ANNOTATIONS: &[&str] =
    &["Sharding", "SPMDFullToShardShape", "SPMDShardToFullShape", "LayoutConstraint"];

impl Importer<'_> {
    /// Appends the operations of an instruction.
    pub(super) fn instruction(
        &mut self,
        at: &Instruction,
        operands: Vec<Val>,
        depth: usize,
    ) -> Res<Val> {
        let opcode = at.opcode.as_str();
        if PLAIN.binary_search(&opcode).is_ok() {
            let name = format!("stablehlo.{}", opcode.replace('-', "_"));
            return self.emit_op(at, NewOp::new(&name, flat(&operands)));
        }
        if CHLO.contains(&opcode) {
            let name = format!("chlo.{opcode}");
            return self.emit_op(at, NewOp::new(&name, flat(&operands)));
        }
        if IDENTITY.contains(&opcode) {
            return identity(at, operands);
        }
        match opcode {
            "constant" => self.constant(at),
            "tuple" => Ok(Val::tuple(operands)),
            "after-all" => Ok(Val::tuple(Vec::new())),
            "get-tuple-element" => tuple_element(at, &operands),
            "call" | "fusion" => self.call(at, &operands),
            "while" => self.while_loop(at, &operands, depth),
            "conditional" => self.conditional(at, &operands, depth),
            "map" | "reduce" | "reduce-window" | "scatter" | "select-and-scatter" | "sort" => {
                self.with_regions(at, &operands, depth)
            }
            "bitcast" => self.bitcast(at, &operands),
            "topk" => self.top_k(at, &operands),
            "erf" => self.erf(at, &operands),
            "rng" => self.rng(at, &operands),
            "custom-call" => self.custom_call(at, operands),
            "copy-start" | "copy-done" => self.asynchronous_copy(at, &operands),
            "async-start" | "async-update" | "async-done" => self.asynchronous(at, operands),
            "collective-permute" => self.collective_permute(at, operands),
            "partition-id" | "replica-id" => self.zeros(at),
            "dynamic-slice" => self.dynamic_slice(at, &operands),
            _ if FOREIGN.contains(&opcode) => {
                let message = "it exchanges data with a host while the program runs; make the \
                    data arguments and results of the entry computation";
                Err(fail(at, message))
            }
            _ => self.with_attributes(at, &operands),
        }
    }

    /// Opcodes that are one operation with attributes.
    fn with_attributes(&mut self, at: &Instruction, operands: &[Val]) -> Res<Val> {
        let attrs = &*at.attrs;
        let first = || attrs.dimensions.first().copied().unwrap_or(0);
        let mut op = NewOp::new("", flat(operands));
        op.name = attributed_name(&at.opcode).ok_or_else(|| unsupported(at))?;
        match &*at.opcode {
            "broadcast" => op.attrs.ints("broadcast_dimensions", &attrs.dimensions),
            "transpose" => op.attrs.ints("permutation", &attrs.dimensions),
            "reverse" => op.attrs.ints("dimensions", &attrs.dimensions),
            "iota" => op.attrs.int("iota_dimension", first()),
            "concatenate" | "get-dimension-size" | "set-dimension-size" => {
                op.attrs.int("dimension", first());
            }
            "cholesky" => op.attrs.bool("lower", attrs.lower),
            "compare" => op.compare(attrs),
            "convolution" => op.convolution(attrs),
            "dot" => op.dot(attrs),
            "gather" => op.gather(attrs),
            "pad" => op.pad(attrs),
            "slice" => op.slice(attrs),
            "triangular-solve" => op.triangular_solve(attrs),
            "batch-norm-grad" | "batch-norm-inference" | "batch-norm-training" => {
                op.batch_norm(attrs);
            }
            "fft" => {
                op.attrs.enumeration("fft_type", "fft_type", &attrs.fft_type);
                op.attrs.ints("fft_length", &attrs.fft_length);
            }
            "reduce-precision" => {
                op.attrs.i32("exponent_bits", attrs.exponent_bits);
                op.attrs.i32("mantissa_bits", attrs.mantissa_bits);
            }
            "rng-bit-generator" => {
                let algorithm = attrs.algorithm.trim_start_matches("rng_").to_ascii_uppercase();
                op.attrs.enumeration("rng_algorithm", "rng_algorithm", &algorithm);
            }
            _ => {}
        }
        self.emit_op(at, op)
    }

    /// Opcodes with computations as regions.
    fn with_regions(&mut self, at: &Instruction, operands: &[Val], depth: usize) -> Res<Val> {
        let attrs = &*at.attrs;
        let mut op = NewOp::new("", flat(operands));
        op.name = match &*at.opcode {
            "map" => "stablehlo.map",
            "reduce" => "stablehlo.reduce",
            "reduce-window" => "stablehlo.reduce_window",
            "scatter" => "stablehlo.scatter",
            "select-and-scatter" => "stablehlo.select_and_scatter",
            _ => "stablehlo.sort",
        };
        match &*at.opcode {
            "map" => {
                // Some printers leave the list out, as it always names all dimensions.
                let rank = at.shape.array().map_or(0, |a| a.ty.rank() as i64);
                op.attrs.ints("dimensions", &(0..rank).collect::<Vec<_>>());
            }
            "reduce" => op.attrs.ints("dimensions", &attrs.dimensions),
            "reduce-window" | "select-and-scatter" => op.window(&attrs.window),
            "scatter" => {
                op.scatter(attrs);
                self.whole_windows(at, &mut op.operands)?;
            }
            _ => {
                op.attrs.int("dimension", attrs.dimensions.first().copied().unwrap_or(0));
                op.attrs.bool("is_stable", attrs.stable);
            }
        }
        op.regions.push(self.region(at, 0, depth)?);
        if at.opcode == "select-and-scatter" {
            op.regions.push(self.region(at, 1, depth)?);
        }
        self.emit_op(at, op)
    }

    fn constant(&mut self, at: &Instruction) -> Res<Val> {
        let literal = at.attrs.literal.as_ref();
        let literal = literal.ok_or_else(|| fail(at, "the constant has no value"))?;
        self.literal(at, &at.shape, literal)
    }

    fn literal(&mut self, at: &Instruction, shape: &Shape, literal: &Literal) -> Res<Val> {
        match (literal, shape) {
            (Literal::Elided, _) => {
                let message = format!(
                    "the elements of the constant `{}` were not exported; their values are lost",
                    at.name
                );
                let mut report = super::error(at.span, message);
                report.help = Some(ELIDED_HELP.to_string());
                Err(report)
            }
            (Literal::Array(data), Shape::Array(array)) => {
                let value = Constant { ty: array.ty.clone(), data: data.clone() };
                let mut op = NewOp::new("stablehlo.constant", Vec::new());
                op.attrs.attr("value", Attr::Dense(value.into()));
                self.emit_one(at, op, array.ty.clone().into()).map(Val::One)
            }
            (Literal::Tuple(items), Shape::Tuple(shapes)) => {
                let parts = items.iter().zip(shapes);
                let parts: Res<Vec<Val>> = parts.map(|(l, s)| self.literal(at, s, l)).collect();
                parts.map(Val::tuple)
            }
            _ => Err(fail(at, "the literal does not fit the shape")),
        }
    }

    fn custom_call(&mut self, at: &Instruction, operands: Vec<Val>) -> Res<Val> {
        let target = at.attrs.target.as_str();
        match (target, &operands[..]) {
            (_, [one]) if ANNOTATIONS.contains(&target) && one.fits(&at.shape, &self.body) => {
                Ok(one.clone())
            }
            ("TopK" | "mhlo.topk", [_]) => self.top_k(at, &operands),
            ("mhlo.erf", [_]) => self.erf(at, &operands),
            _ => {
                let mut op = NewOp::new("stablehlo.custom_call", flat(&operands));
                op.custom_call(&at.attrs);
                self.emit_op(at, op)
            }
        }
    }
}

/// The operation of an opcode with attributes.
fn attributed_name(opcode: &str) -> Option<&'static str> {
    Some(match opcode {
        "batch-norm-grad" => "stablehlo.batch_norm_grad",
        "batch-norm-inference" => "stablehlo.batch_norm_inference",
        "batch-norm-training" => "stablehlo.batch_norm_training",
        "broadcast" => "stablehlo.broadcast_in_dim",
        "cholesky" => "stablehlo.cholesky",
        "compare" => "stablehlo.compare",
        "concatenate" => "stablehlo.concatenate",
        "convolution" => "stablehlo.convolution",
        "dot" => "stablehlo.dot_general",
        "fft" => "stablehlo.fft",
        "gather" => "stablehlo.gather",
        "get-dimension-size" => "stablehlo.get_dimension_size",
        "iota" => "stablehlo.iota",
        "opt-barrier" => "stablehlo.optimization_barrier",
        "pad" => "stablehlo.pad",
        "reduce-precision" => "stablehlo.reduce_precision",
        "reverse" => "stablehlo.reverse",
        "rng-bit-generator" => "stablehlo.rng_bit_generator",
        "set-dimension-size" => "stablehlo.set_dimension_size",
        "slice" => "stablehlo.slice",
        "transpose" => "stablehlo.transpose",
        "triangular-solve" => "stablehlo.triangular_solve",
        _ => return None,
    })
}

/// Opcodes with computations as regions, and control flow.
const WITH_COMPUTATIONS: &[&str] =
    &["map", "reduce", "reduce-window", "scatter", "select-and-scatter", "sort", "while"];

/// Opcodes whose operation has another name.
const RENAMED: &[(&str, &str)] = &[
    ("conditional", "stablehlo.case"),
    ("conditional", "stablehlo.if"),
    ("constant", "stablehlo.constant"),
    ("custom-call", "stablehlo.custom_call"),
    ("dynamic-slice", "stablehlo.dynamic_slice"),
    ("erf", "chlo.erf"),
    ("get-tuple-element", "stablehlo.get_tuple_element"),
    ("rng", "stablehlo.rng"),
    ("topk", "chlo.top_k"),
    ("tuple", "stablehlo.tuple"),
];

/// Whether some opcode means the operation called `name`. Collectives are executed by the importer.
pub(in super::super) fn knows(name: &str) -> bool {
    if let Some(short) = name.strip_prefix("chlo.")
        && CHLO.contains(&short)
    {
        return true;
    }
    let opcode = name.trim_start_matches("stablehlo.").replace('_', "-");
    let opcode = opcode.as_str();
    let attributed = [opcode, "broadcast", "dot", "opt-barrier"];
    PLAIN.contains(&opcode)
        || IDENTITY.contains(&opcode)
        || FOREIGN.contains(&opcode)
        || WITH_COMPUTATIONS.contains(&opcode)
        || RENAMED.iter().any(|(_, renamed)| *renamed == name)
        || attributed.iter().any(|opcode| attributed_name(opcode) == Some(name))
        || matches!(opcode, "after-all" | "collective-permute" | "partition-id" | "replica-id")
}

/// The operand, or the tuple of several.
fn identity(at: &Instruction, mut operands: Vec<Val>) -> Res<Val> {
    // `domain`, `copy` and the like have one operand; `add-dependency` has a token besides.
    let several = matches!(at.shape, Shape::Tuple(_)) && at.opcode != "add-dependency";
    let first = operands.first().cloned();
    match first {
        Some(Val::One(_)) if several => Ok(Val::tuple(operands)),
        Some(_) => Ok(operands.swap_remove(0)),
        None => Err(fail(at, "it has no operand")),
    }
}

fn tuple_element(at: &Instruction, operands: &[Val]) -> Res<Val> {
    let [Val::Tuple(parts)] = operands else {
        return Err(fail(at, "its operand is no tuple"));
    };
    let index = usize::try_from(at.attrs.tuple_index).ok();
    index.and_then(|i| parts.get(i)).cloned().ok_or_else(|| {
        let (index, count) = (at.attrs.tuple_index, parts.len());
        fail(at, format!("the tuple has {count} parts, none with the index {index}"))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn plain_opcodes_are_sorted() {
        assert!(super::PLAIN.is_sorted());
    }
}
