//! Names of functions and of the entry computation's arguments.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::graph::{Computation, Graph, Instruction, Shape};
use crate::ir::{Attr, Dict};

/// Names of arguments, attributes of arguments, attributes of results.
type Signature = (Vec<Option<Arc<str>>>, Vec<Dict>, Vec<Dict>);

/// A name per computation: the entry is `main`, the others keep theirs unless they clash.
pub(super) fn functions(graph: &Graph) -> Vec<Arc<str>> {
    let mut taken: HashSet<String> = HashSet::from(["main".to_string()]);
    let named = |(i, computation): (usize, &Computation)| match i == graph.entry {
        true => "main".into(),
        false => unique(&computation.name, &mut taken).into(),
    };
    graph.computations.iter().enumerate().map(named).collect()
}

/// `name`, or `name_N` if it is taken.
fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let base = if name.is_empty() { "_" } else { name };
    let mut candidate = base.to_string();
    let mut n = 0;
    while !taken.insert(candidate.clone()) {
        n = taken.len().max(n + 1);
        candidate = format!("{base}_{n}");
    }
    candidate
}

/// The entry computation's arguments and results.
///
/// XLA appends `.N` to make names unique in the module; it is dropped again. A layout other than
/// the default is kept as `mhlo.layout_mode`, as JAX spells it: values are logical, so it only
/// tells in which order the original program's caller held them.
pub(super) fn signature(
    graph: &Graph,
    entry: &Computation,
    args: usize,
    results: usize,
) -> Signature {
    let mut parameters: Vec<&Instruction> =
        entry.instructions.iter().filter(|i| i.attrs.parameter.is_some()).collect();
    parameters.sort_by_key(|i| i.attrs.parameter);
    let (mut names, mut taken) = (Vec::new(), HashSet::new());
    for parameter in &parameters {
        let name = without_number(&parameter.name);
        let mut leaves = 0;
        parameter.shape.leaves(&mut |_| leaves += 1);
        for leaf in 0..leaves {
            let name = match parameter.shape {
                Shape::Array(_) => name.to_string(),
                _ => format!("{name}.{leaf}"),
            };
            names.push(Some(unique(&name, &mut taken).into()));
        }
    }
    names.resize(args, None);
    let declared: Vec<&Shape> = match graph.entry_parameters.len() == parameters.len() {
        true => graph.entry_parameters.iter().collect(),
        false => parameters.iter().map(|p| &p.shape).collect(),
    };
    let root = entry.instructions.get(entry.root).map(|i| &i.shape);
    let result = graph.entry_result.as_ref().or(root);
    (names, layouts(declared, args), layouts(result.into_iter().collect(), results))
}

/// One dictionary per leaf, with its layout if that is not the default.
fn layouts(shapes: Vec<&Shape>, count: usize) -> Vec<Dict> {
    let mut all = Vec::new();
    for shape in shapes {
        shape.leaves(&mut |array| {
            let mut dict = Dict::default();
            if let Some(text) = array.layout_text() {
                dict.push("mhlo.layout_mode", Attr::String(text.into()));
            }
            all.push(dict);
        });
    }
    all.resize(count, Dict::default());
    all
}

/// `x` of `x.12`.
fn without_number(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((base, number)) if !base.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => {
            base
        }
        _ => name,
    }
}
