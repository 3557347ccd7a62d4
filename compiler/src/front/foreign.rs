//! What a program holds of other dialects: the report that lists it.

use std::collections::BTreeMap;

use crate::diag::{Diagnostic, Source, Span};
use crate::ir::{Module, Op, Type};

/// Positions listed per operation.
const MAX_POSITIONS: usize = 8;

/// Operations listed.
const MAX_NAMES: usize = 64;

/// A report that lists the operations of other dialects with their numbers and positions; `None`
/// if there are none. `place` says where an operation is.
pub fn report(module: &Module, place: impl Fn(&Op) -> String) -> Option<Diagnostic> {
    let found = module.foreign_ops();
    let mut names: BTreeMap<&str, Vec<&Op>> = BTreeMap::new();
    for &(body, op) in &found {
        let op = &body.ops[op];
        names.entry(op.kind.spelling()).or_default().push(op);
    }
    let first = found.first().map(|&(body, op)| &body.ops[op])?;
    let message = format!(
        "the program holds {} of other dialects than StableHLO, which cannot be compiled",
        counted(found.len(), "operation")
    );
    let mut report = Diagnostic::unsupported(message).at(first.span);
    for (name, ops) in names.iter().take(MAX_NAMES) {
        let mut places: Vec<String> = ops.iter().take(MAX_POSITIONS).map(|&op| place(op)).collect();
        if ops.len() > MAX_POSITIONS {
            places.push(format!("{} more", ops.len() - MAX_POSITIONS));
        }
        let times = counted(ops.len(), "time");
        report = report.note(format!("`{name}`: {times}, at {}", places.join(", ")));
    }
    if names.len() > MAX_NAMES {
        report = report.note(format!("and {} other names", names.len() - MAX_NAMES));
    }
    Some(report.help(
        "`microhlo partition MODEL -o DIR` cuts out what can be compiled and leaves the rest to \
         the host; or legalise the program to StableHLO before exporting it",
    ))
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Where an operation of a text stands: `line:column`.
pub fn line_column(source: &Source, op: &Op) -> String {
    if op.span == Span::default() {
        return "an unknown place".to_owned();
    }
    let (line, column) = source.line_column(op.span.range().start);
    format!("{line}:{column}")
}

/// Whether a value in use or a result has a type of another dialect.
pub fn has_opaque_types(module: &Module) -> bool {
    let opaque = |ty: &Type| matches!(ty, Type::Opaque(_));
    module.funcs.values().any(|func| {
        let body = &func.body;
        func.results.iter().any(opaque)
            || body.blocks.values().flat_map(|b| &b.args).any(|&v| opaque(body.ty(v)))
            || body
                .walk(body.entry)
                .iter()
                .any(|&op| body.ops[op].results.iter().any(|&v| opaque(body.ty(v))))
    })
}
