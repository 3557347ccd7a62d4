//! Layouts and aliases of a `custom_call`'s operands and results.
//!
//! StableHLO dialect, `CustomCallOp` and `OutputOperandAliasAttr`; the specification leaves them to
//! the implementation.
use super::OpError;
use super::attrs::ints_of;
use crate::ir::{Attr, Dict, Type};

fn fail<T>(text: String) -> Result<T, OpError> {
    Err(OpError::new(text))
}

/// Checks `operand_layouts`, `result_layouts` and `output_operand_aliases` against the types.
pub(super) fn verify(config: &Dict, operands: &[&Type], results: &[&Type]) -> Result<(), OpError> {
    match (config.get("operand_layouts"), config.get("result_layouts")) {
        (None, None) => {}
        (Some(of_operands), Some(of_results)) => {
            if operands.iter().any(|t| matches!(t, Type::Tuple(_))) {
                return fail("tuples as operands have no layouts".to_owned());
            }
            verify_list("operand", of_operands, operands)?;
            match results {
                // A tuple as the only result stands for several.
                [Type::Tuple(items)] => {
                    verify_list("result", of_results, &items.iter().collect::<Vec<_>>())?;
                }
                _ => verify_list("result", of_results, results)?,
            }
        }
        _ => return fail("operands and results have layouts together or not at all".to_owned()),
    }
    match config.get("output_operand_aliases") {
        None => Ok(()),
        Some(Attr::Array(aliases)) => {
            aliases.iter().try_for_each(|alias| verify_alias(alias, operands, results))
        }
        Some(other) => fail(format!("attribute `output_operand_aliases` is malformed: {other}")),
    }
}

/// One minor-to-major order of dimensions per value, empty for what is no tensor.
fn verify_list(what: &str, layouts: &Attr, types: &[&Type]) -> Result<(), OpError> {
    let Attr::Array(layouts) = layouts else {
        return fail(format!("{what}_layouts must be a list, is {layouts}"));
    };
    if layouts.len() != types.len() {
        return fail(format!("{} {what}s have {} layouts", types.len(), layouts.len()));
    }
    for (i, (layout, ty)) in layouts.iter().zip(types).enumerate() {
        let Some(mut order) = ints_of(layout) else {
            return fail(format!("the layout of {what} {i} must be a list of integers"));
        };
        let rank = ty.tensor().map_or(0, |t| t.rank() as i64);
        order.sort_unstable();
        if !order.iter().copied().eq(0..rank) {
            let text = format!("the layout of {what} {i}, {layout}, is no order of 0..{rank}");
            return fail(text);
        }
    }
    Ok(())
}

/// The type at a path into nested tuples.
fn at_path<'t>(mut ty: &'t Type, path: &[i64]) -> Option<&'t Type> {
    for &index in path {
        ty = match ty {
            Type::Tuple(items) => items.get(usize::try_from(index).ok()?)?,
            _ => return None,
        };
    }
    Some(ty)
}

fn verify_alias(alias: &Attr, operands: &[&Type], results: &[&Type]) -> Result<(), OpError> {
    let Attr::Struct(_, fields) = alias else {
        return fail(format!("an alias is malformed: {alias}"));
    };
    let path = |name: &str| match fields.get(name) {
        None => Some(Vec::new()),
        Some(list) => ints_of(list),
    };
    let index = match fields.get("operand_index") {
        Some(Attr::Int(index, _)) => usize::try_from(*index).ok(),
        _ => None,
    };
    let (Some(from), Some(to)) = (path("operand_tuple_indices"), path("output_tuple_indices"))
    else {
        return fail(format!("an alias has lists that are not of integers: {alias}"));
    };
    let operand = index.and_then(|i| operands.get(i)).and_then(|ty| at_path(ty, &from));
    // Several results are numbered like the elements of a tuple.
    let result = match (results, to.split_first()) {
        ([one], _) => at_path(one, &to),
        (many, Some((&first, rest))) => {
            usize::try_from(first).ok().and_then(|i| many.get(i)).and_then(|ty| at_path(ty, rest))
        }
        _ => None,
    };
    match (operand, result) {
        (None, _) => fail(format!("there is no such operand: {alias}")),
        (_, None) => fail(format!("there is no such result: {alias}")),
        (Some(a), Some(b)) if a.accepts(b) => Ok(()),
        (Some(a), Some(b)) => fail(format!("an alias of a {a} is a {b}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use microhlo_format::DType;

    fn lists(lists: &[&[i64]]) -> Attr {
        Attr::Array(lists.iter().map(|l| Attr::DenseInts(l.to_vec())).collect())
    }

    fn config(operands: Attr, results: Attr) -> Dict {
        Dict(vec![("operand_layouts".into(), operands), ("result_layouts".into(), results)])
    }

    #[test]
    fn layouts_are_orders_of_the_dimensions() {
        let ty = Type::from(TensorType::fixed(&[1, 2], DType::F32));
        let (inputs, outputs) = ([&ty, &Type::Token], [&ty]);
        let good = config(lists(&[&[1, 0], &[]]), lists(&[&[0, 1]]));
        assert_eq!(verify(&good, &inputs, &outputs), Ok(()));
        for bad in [
            config(lists(&[&[1, 0]]), lists(&[&[0, 1]])),
            config(lists(&[&[1, 1], &[]]), lists(&[&[0, 1]])),
            config(lists(&[&[1, 0], &[0]]), lists(&[&[0, 1]])),
            Dict(vec![("operand_layouts".into(), lists(&[]))]),
        ] {
            assert!(verify(&bad, &inputs, &outputs).is_err(), "{bad}");
        }
    }

    #[test]
    fn aliases_have_one_type() {
        let (a, b) = (TensorType::fixed(&[1], DType::F32), TensorType::fixed(&[2], DType::F32));
        let (a, b) = (Type::from(a), Type::from(b));
        let tuple = Type::Tuple(vec![a.clone(), b.clone()]);
        let alias = |operand: i64, from: &[i64], to: &[i64]| {
            let mut fields = Dict::default();
            fields.push("output_tuple_indices", Attr::DenseInts(to.to_vec()));
            fields.push("operand_index", Attr::i64(operand));
            fields.push("operand_tuple_indices", Attr::DenseInts(from.to_vec()));
            let alias = Attr::Struct("stablehlo.output_operand_alias".into(), fields);
            Dict(vec![("output_operand_aliases".into(), Attr::Array(vec![alias]))])
        };
        let check = |config: Dict| verify(&config, &[&tuple, &b], &[&a, &b]).is_ok();
        assert!(check(alias(0, &[1], &[1])) && check(alias(1, &[], &[1])));
        assert!(!check(alias(0, &[2], &[1])) && !check(alias(2, &[], &[1])));
        assert!(!check(alias(0, &[1], &[2])) && !check(alias(0, &[0], &[1])));
    }
}
