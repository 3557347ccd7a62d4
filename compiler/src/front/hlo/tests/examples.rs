//! The example model that is shipped in every form.

use std::path::{Path, PathBuf};

use super::super::{looks_like_proto, looks_like_text};
use super::*;
use crate::diag::Span;

pub(super) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models").join(name)
}

fn text() -> Module {
    let text = std::fs::read_to_string(path("gru_step.hlo.txt")).unwrap();
    assert!(looks_like_text(text.as_bytes()) && !looks_like_proto(text.as_bytes()));
    parse(&text)
}

fn binary() -> Vec<u8> {
    std::fs::read(path("gru_step.hlo.pb")).unwrap()
}

#[test]
fn text_and_binary_are_the_same_program() {
    let bytes = binary();
    assert!(looks_like_proto(&bytes) && !looks_like_text(&bytes));
    let (_, module) = read_proto("m", bytes).unwrap();
    assert_eq!(module.to_string(), text().to_string());
}

#[test]
fn messages_around_a_module_are_opened() {
    let wrap = |inner: Vec<u8>| {
        let mut out = vec![0x0a];
        prost::encoding::encode_varint(inner.len() as u64, &mut out);
        out.extend(inner);
        out
    };
    let proto = wrap(binary());
    let snapshot = wrap(proto.clone());
    for bytes in [proto, snapshot] {
        assert!(looks_like_proto(&bytes));
        let (_, module) = read_proto("m", bytes).unwrap();
        assert_eq!(module.to_string(), text().to_string());
    }
}

#[test]
fn the_spans_of_a_binary_point_at_its_listing() {
    let (source, module) = read_proto("m.hlo.pb", binary()).unwrap();
    let main = &module.funcs[module.find("main").unwrap()];
    for op in main.body.ops.values().filter(|o| o.span != Span::default()) {
        let shown = source.text().get(op.span.range()).unwrap();
        assert!(!shown.is_empty() && !shown.contains([' ', '\n']), "{shown}");
    }
    assert!(source.text().contains("\n  dot_general"), "{}", source.text());
}

#[test]
fn it_computes_what_the_stablehlo_form_does() {
    let source = Source::read(&path("gru_step.stablehlo.mlir")).unwrap();
    let stablehlo = crate::front::mlir::parse_module(&source).unwrap();
    let input = |n: u64| {
        let values: Vec<f32> = (0..n).map(|i| (i as f32).sin()).collect();
        Tensor::f32s(&[1, n], &values).unwrap()
    };
    let inputs = [input(5), input(12)];
    for (a, b) in run(&stablehlo, &inputs).iter().zip(run(&text(), &inputs)) {
        let close = f32s(a).into_iter().zip(f32s(&b)).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close, "{a:?} {b:?}");
    }
}
