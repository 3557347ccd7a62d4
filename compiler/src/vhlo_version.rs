//! Which version of VHLO, StableHLO's serialised form, a program needs.
//!
//! An exporter that targets an older consumer may only use what that consumer's version knows
//! (StableHLO `VhloDialect.td`, version log, and the version ranges of `VhloOps.td`,
//! `VhloTypes.td` and `VhloAttrs.td`).

use std::fmt;
use std::str::FromStr;

use microhlo_format::DType;

use crate::ir::{Attr, Dict, ElementType, Module, Op, Type};
use crate::ops::OpKind;
use crate::verify::VerifyError;

/// A version of VHLO: major, minor, patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

/// The oldest version that can be read.
pub const OLDEST: Version = Version(0, 9, 0);

/// The newest version that is known.
pub const NEWEST: Version = Version(1, 20, 0);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Version, String> {
        let number = |part: &str| part.parse::<u32>().ok();
        let parts: Option<Vec<u32>> = text.split('.').map(number).collect();
        match parts.as_deref() {
            Some(&[major, minor, patch]) => {
                let version = Version(major, minor, patch);
                match version {
                    v if v < OLDEST => Err(format!("{v} is older than the first, {OLDEST}")),
                    v if v > NEWEST => Err(format!("{v} is newer than the last known, {NEWEST}")),
                    v => Ok(v),
                }
            }
            _ => Err(format!("`{text}` is not like `{NEWEST}`")),
        }
    }
}

const fn minor(n: u32) -> Version {
    Version(1, n, 0)
}

/// Everything in a module that a version does not know, in source order.
pub fn newer_than(module: &Module, version: Version) -> Vec<VerifyError> {
    let mut errors = Vec::new();
    for func in module.funcs.values() {
        let mut needs = Vec::new();
        let body = &func.body;
        let args = body.blocks[body.entry].args.iter().map(|&v| body.ty(v));
        args.chain(&func.results).for_each(|ty| needs.push(of_type(ty)));
        needs.push(of_attrs(&func.attrs));
        report(&mut errors, needs, version, func.span, "func.func");
        for id in body.walk(body.entry) {
            let op = &body.ops[id];
            let types: Vec<&Type> = op.results.iter().map(|&v| body.ty(v)).collect();
            let mut needs: Vec<Need> = types.iter().map(|ty| of_type(ty)).collect();
            needs.push(of_attrs(&op.attrs));
            needs.extend(of_op(op, &op.operands.iter().map(|&v| body.ty(v)).collect::<Vec<_>>()));
            report(&mut errors, needs, version, op.span, op.kind.name());
        }
    }
    errors
}

/// The version that something needs, and what it is.
type Need = (Version, String);

fn report(
    errors: &mut Vec<VerifyError>,
    needs: Vec<Need>,
    version: Version,
    span: crate::diag::Span,
    op: &'static str,
) {
    if let Some((since, what)) = needs.into_iter().find(|(since, _)| *since > version) {
        let message = format!("{what} exists since VHLO {since}, the target is {version}");
        errors.push(VerifyError { span, op, constraint: None, message });
    }
}

fn nothing() -> Need {
    (OLDEST, String::new())
}

fn of_dtype(dtype: DType) -> Version {
    match dtype.name() {
        "f8E4M3FNUZ" | "f8E5M2FNUZ" => Version(0, 10, 0),
        "f8E4M3B11FNUZ" => Version(0, 11, 0),
        "i2" | "ui2" => minor(2),
        "f8E4M3" | "f8E3M4" => minor(7),
        "f4E2M1FN" | "f6E2M3FN" | "f6E3M2FN" | "f8E8M0FNU" => minor(8),
        _ => OLDEST,
    }
}

fn of_type(ty: &Type) -> Need {
    let since = match ty {
        Type::Tensor(t) => match &t.elem {
            ElementType::Plain(d) => of_dtype(*d),
            ElementType::Quant(q) => {
                let parts = of_dtype(q.storage).max(of_dtype(q.expressed));
                parts.max(if q.axis.is_some() { Version(0, 18, 0) } else { OLDEST })
            }
            ElementType::Index => OLDEST,
        },
        Type::Future(_) => minor(15),
        Type::Opaque(text) if text.starts_with("memref<") => minor(13),
        Type::Tuple(items) => {
            return items.iter().map(of_type).max_by_key(|need| need.0).unwrap_or_else(nothing);
        }
        _ => OLDEST,
    };
    (since, format!("the type {ty}"))
}

/// Discardable attributes that hold types or accuracies.
fn of_attrs(attrs: &Dict) -> Need {
    for (name, value) in attrs.iter() {
        if matches!(value, Attr::Opaque(text) if matches!(&**text, "none" | "tf32")) {
            return (minor(6), format!("the value of `{name}`, {value},"));
        }
    }
    nothing()
}

/// Whether a `result_accuracy` asks for anything.
fn asks(accuracy: &Attr) -> bool {
    let Attr::Struct(_, fields) = accuracy else { return true };
    !matches!(fields.get("mode"), Some(Attr::Enum(_, mode)) if &**mode == "DEFAULT")
}

fn of_op(op: &Op, operands: &[&Type]) -> Vec<Need> {
    let name = op.kind.name();
    let mut needs = Vec::new();
    let mut need = |since: Version, what: &str| needs.push((since, what.to_owned()));
    match &op.kind {
        OpKind::CollectiveBroadcast(b) => {
            need(Version(0, 16, 0), "the operation");
            if b.0.dynamic || operands.len() != 1 {
                need(minor(20), "a broadcast of several values or from a dynamic root");
            }
        }
        OpKind::CollectiveReduce(_) => need(minor(19), "the operation"),
        OpKind::Composite(_) => need(Version(0, 19, 0), "the operation"),
        OpKind::AsyncStart(_) | OpKind::AsyncDone(_) => need(minor(15), "the operation"),
        OpKind::Elementwise(crate::ops::ElementwiseOp::Tan) => need(minor(4), "the operation"),
        OpKind::AllGather(_) | OpKind::AllReduce(_) | OpKind::AllToAll(_)
            if operands.len() != 1 =>
        {
            need(minor(5), "a collective operation on several values");
        }
        OpKind::DotGeneral(d) if d.algorithm.is_some() => need(minor(6), "`algorithm`"),
        OpKind::Gather(g) if !g.dims.operand_batching_dims.is_empty() => {
            need(minor(1), "a batching dimension");
        }
        OpKind::DynamicGather(g) if !g.dims.operand_batching_dims.is_empty() => {
            need(minor(1), "a batching dimension");
        }
        OpKind::Scatter(s) if !s.dims.input_batching_dims.is_empty() => {
            need(minor(1), "a batching dimension");
        }
        OpKind::Send(crate::ops::transfer::Send(route))
        | OpKind::Recv(crate::ops::transfer::Recv(route))
            if route.pairs.is_some() =>
        {
            need(minor(12), "`source_target_pairs`");
        }
        OpKind::CustomCall(call) => {
            let typed = matches!(call.config.get("api_version"), Some(Attr::Int(4, _)));
            if typed || matches!(call.config.get("backend_config"), Some(Attr::Dict(_))) {
                need(minor(3), "a call with typed attributes");
            }
            if operands.iter().any(|ty| matches!(ty, Type::Future(_))) {
                need(minor(17), "a future as an operand");
            }
            if call.config.get("result_tilings").is_some() {
                need(minor(18), "`result_tilings`");
            }
        }
        _ => {}
    }
    if op.kind.groups().is_some_and(|groups| groups.mesh().is_some()) {
        need(minor(16), "a group of mesh axes");
    }
    if op.attrs.get("result_accuracy").is_some_and(asks) {
        let since = if name == "stablehlo.exponential" { minor(9) } else { minor(10) };
        need(since, "`result_accuracy`");
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Source;
    use crate::front::mlir::parse_module;

    fn needed(text: &str) -> Option<Version> {
        let module = parse_module(&Source::new("m.mlir", text)).unwrap();
        let minors = (9..=20).map(|n| Version(0, n, 0)).chain((0..=20).map(minor));
        minors.into_iter().find(|&v| newer_than(&module, v).is_empty())
    }

    fn unary(op: &str, ty: &str) -> String {
        format!(
            "func.func @main(%x: tensor<2x{ty}>) -> tensor<2x{ty}> {{\n  \
             %0 = {op} : tensor<2x{ty}>\n  return %0 : tensor<2x{ty}>\n}}"
        )
    }

    #[test]
    fn programs_need_the_version_of_what_they_use() {
        assert_eq!(needed(&unary("stablehlo.abs %x", "f32")), Some(OLDEST));
        assert_eq!(needed(&unary("stablehlo.tan %x", "f32")), Some(minor(4)));
        assert_eq!(needed(&unary("stablehlo.negate %x", "i2")), Some(minor(2)));
        assert_eq!(needed(&unary("stablehlo.negate %x", "f6E2M3FN")), Some(minor(8)));
        let mode = |mode: &str| {
            let accuracy = format!(
                "stablehlo.log %x {{result_accuracy = #stablehlo.result_accuracy<mode = \
                 #stablehlo.result_accuracy_mode<{mode}>>}}"
            );
            needed(&unary(&accuracy, "f32"))
        };
        assert_eq!(mode("DEFAULT"), Some(OLDEST));
        assert_eq!(mode("HIGHEST"), Some(minor(10)));
    }

    #[test]
    fn versions_are_three_numbers_of_the_known_range() {
        assert_eq!("1.4.2".parse(), Ok(Version(1, 4, 2)));
        for bad in ["", "1.2", "x.y.z", "0.8.0", "1.21.0", "100.10.10"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }
}
