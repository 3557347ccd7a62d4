//! `#stablehlo.dot_algorithm`: how a contraction may be computed. It changes no result here, as
//! operands are never rounded to a narrower type, so that it is checked and kept.
//!
//! StableHLO specification, section `dot_general`.
use std::sync::Arc;

use microhlo_format::DType;

use super::OpError;
use crate::constraint;
use crate::ir::{Attr, Dict};

/// Types that no decomposition into components can make more precise.
const WHOLE: [&str; 2] = ["f32", "f64"];

fn ty(fields: &Dict, name: &str, label: &'static str) -> Result<String, OpError> {
    let text = fields.get(name).map(ToString::to_string).unwrap_or_default();
    let float = text == "tf32" || DType::from_name(&text).is_some_and(DType::is_float);
    constraint!(float, label, "{name} must be a float type, is `{text}`");
    Ok(text)
}

fn count(fields: &Dict, name: &str, label: &'static str) -> Result<i64, OpError> {
    let count = match fields.get(name) {
        Some(Attr::Int(n, _)) => i64::try_from(*n).unwrap_or(0),
        _ => 0,
    };
    constraint!(count > 0, label, "{name} must be positive, is {count}");
    Ok(count)
}

/// Checks an algorithm and the precisions beside it.
pub(super) fn verify(algorithm: &Attr, precision: &[Arc<str>]) -> Result<(), OpError> {
    let Attr::Struct(_, fields) = algorithm else {
        return Err(OpError::new(format!("attribute `algorithm` is malformed: {algorithm}")));
    };
    let default = precision.iter().all(|p| &**p == "DEFAULT");
    constraint!(default, "C21", "an algorithm goes with the precision DEFAULT only");
    let lhs = ty(fields, "lhs_precision_type", "I8")?;
    let rhs = ty(fields, "rhs_precision_type", "I9")?;
    ty(fields, "accumulation_type", "I10")?;
    let left = count(fields, "lhs_component_count", "C22")?;
    let right = count(fields, "rhs_component_count", "C23")?;
    count(fields, "num_primitive_operations", "C24")?;
    let imprecise = matches!(fields.get("allow_imprecise_accumulation"), Some(Attr::Bool(true)));
    // What is known to exist: components of narrow types, and fast sums of 8-bit floats.
    let decomposed = |ty: &str, n: i64| n == 1 || !WHOLE.contains(&ty);
    let known = decomposed(&lhs, left)
        && decomposed(&rhs, right)
        && (!imprecise || lhs.starts_with("f8") && rhs.starts_with("f8"));
    if known {
        return Ok(());
    }
    Err(OpError::new(format!("no hardware is known to compute `{algorithm}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn algorithm(lhs: &str, count: i64, imprecise: bool) -> Attr {
        let mut fields = Dict::default();
        for name in ["lhs_precision_type", "rhs_precision_type", "accumulation_type"] {
            fields.push(name, Attr::Opaque(lhs.into()));
        }
        for name in ["lhs_component_count", "rhs_component_count", "num_primitive_operations"] {
            fields.push(name, Attr::i64(count));
        }
        fields.push("allow_imprecise_accumulation", Attr::Bool(imprecise));
        Attr::Struct("stablehlo.dot_algorithm".into(), fields)
    }

    fn label(algorithm: Attr, precision: &str) -> Result<(), Option<&'static str>> {
        verify(&algorithm, &[precision.into()]).map_err(|e| e.constraint)
    }

    #[test]
    fn every_constraint_is_checked() {
        assert_eq!(label(algorithm("tf32", 1, false), "DEFAULT"), Ok(()));
        assert_eq!(label(algorithm("bf16", 3, false), "DEFAULT"), Ok(()));
        assert_eq!(label(algorithm("f8E5M2", 1, true), "DEFAULT"), Ok(()));
        assert_eq!(label(algorithm("tf32", 1, false), "HIGH"), Err(Some("C21")));
        assert_eq!(label(algorithm("i8", 1, false), "DEFAULT"), Err(Some("I8")));
        assert_eq!(label(algorithm("tf32", -1, false), "DEFAULT"), Err(Some("C22")));
        assert_eq!(label(algorithm("f32", 3, false), "DEFAULT"), Err(None));
        assert_eq!(label(algorithm("f32", 1, true), "DEFAULT"), Err(None));
    }
}
