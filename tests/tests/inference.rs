//! The result types that StableHLO's own tests expect of inference.

use std::path::Path;

use microhlo_compiler::diag::Source;
use microhlo_compiler::front::mlir::parse_mixed;
use microhlo_compiler::ir::{Body, Op, Type};
use microhlo_compiler::ops::{OpKind, OpView};
use microhlo_tests::shared;

/// `types0 = T, types1 = U` of the expectations, one list per operation that asks for types.
fn expected(text: &str) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = Vec::new();
    for line in text.lines().filter(|line| line.contains("CHECK") && line.contains("types")) {
        for part in line.split("types").skip(1) {
            let Some((number, ty)) = part.split_once(" = ") else { continue };
            let ty = ty.trim().trim_end_matches(',').to_owned();
            match number {
                "0" => all.push(vec![ty]),
                _ => all.last_mut().expect("types0 comes first").push(ty),
            }
        }
    }
    all
}

/// The types that the operation which defines an operand infers, or was given where they are its
/// author's choice.
fn inferred(body: &Body, asks: &Op) -> Vec<Type> {
    let op = &body.ops[body.def_op(asks.operands[0]).expect("an operation")];
    let view = OpView { body, op };
    let declared = || op.results.iter().map(|&v| body.ty(v).clone()).collect();
    op.kind.infer(&view).expect("a valid operation").unwrap_or_else(declared)
}

/// Compares one file; the number of lists compared.
fn compare(file: &Path) -> usize {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).expect("text");
    let module = parse_mixed(&Source::new(&name, text.as_str())).unwrap_or_else(|e| panic!("{e}"));
    let mut expected = expected(&text).into_iter();
    let mut compared = 0;
    for func in module.funcs.values() {
        let body = &func.body;
        for op in body.walk(body.entry).into_iter().map(|id| &body.ops[id]) {
            let OpKind::Foreign(foreign) = &op.kind else { continue };
            let shapes_only = match &*foreign.name {
                "hlo_test_infer.get_return_types" => false,
                "hlo_test_infer.get_return_type_components" => true,
                _ => continue,
            };
            let Some(want) = expected.next() else { continue };
            let have = inferred(body, op);
            assert_eq!(have.len(), want.len(), "{name}");
            for (have, want) in have.iter().zip(&want) {
                let have = match shapes_only {
                    true => have.to_string().replace("xf32", "xindex"),
                    false => have.to_string(),
                };
                // An encoding that is not kept.
                let want = want.replace(", {{.*}}", "");
                assert_eq!(have, want, "{name}");
            }
            compared += 1;
        }
    }
    assert_eq!(expected.count(), 0, "{name}: an expectation is left");
    compared
}

#[test]
fn result_types_are_the_expected_ones() {
    let Some(shared) = shared() else {
        eprintln!("not tested: there is no ../shared");
        return;
    };
    let folder = shared.join("conformance/stablehlo/infer");
    let files = std::fs::read_dir(folder).expect("a folder");
    let compared: usize = files.map(|file| compare(&file.expect("a file").path())).sum();
    assert!(compared >= 55, "only {compared} expectations are compared");
}
