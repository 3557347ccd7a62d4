//! Operations of other dialects that are spelled otherwise in StableHLO and mean the same.
//!
//! MHLO is StableHLO's predecessor inside XLA: its operations have the same names and attributes,
//! apart from those in the table (`mhlo/IR/hlo_ops.td`).

use std::borrow::Cow;

/// Other spellings of operations.
const RENAMES: &[(&str, &str)] = &[
    ("return", "func.return"),
    ("call", "func.call"),
    ("mhlo.acos", "chlo.acos"),
    ("mhlo.acosh", "chlo.acosh"),
    ("mhlo.asin", "chlo.asin"),
    ("mhlo.asinh", "chlo.asinh"),
    ("mhlo.atanh", "chlo.atanh"),
    ("mhlo.cosh", "chlo.cosh"),
    ("mhlo.erf", "chlo.erf"),
    ("mhlo.ragged_dot", "chlo.ragged_dot"),
    ("mhlo.sinh", "chlo.sinh"),
    ("mhlo.topk", "chlo.top_k"),
];

/// The name by which the operation table knows an operation, or the name as it is.
pub(crate) fn renamed<'a>(name: Cow<'a, str>, known: impl Fn(&str) -> bool) -> Cow<'a, str> {
    if let Some((_, new)) = RENAMES.iter().find(|(old, new)| *old == name && known(new)) {
        return Cow::Borrowed(new);
    }
    if let Some(rest) = name.strip_prefix("mhlo.") {
        let spelled = format!("stablehlo.{rest}");
        if known(&spelled) {
            return Cow::Owned(spelled);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_only() {
        let known = |name: &str| matches!(name, "stablehlo.add" | "func.call");
        let rename = |name: &'static str| renamed(name.into(), known).into_owned();
        assert_eq!(rename("mhlo.add"), "stablehlo.add");
        assert_eq!(rename("call"), "func.call");
        assert_eq!(rename("mhlo.erf"), "mhlo.erf");
        assert_eq!(rename("tf.Add"), "tf.Add");
    }
}
