//! Literals of every element type and spelling.

use super::{ops, parse, reject};
use crate::diag::Source;
use crate::front::mlir::parse_mixed;
use crate::ir::{ConstData, Constant};
use crate::ops::OpKind;

/// The value of `dense<literal> : ty`.
fn constant(literal: &str, ty: &str) -> Constant {
    let module = parse(&format!(
        "func.func @main() {{\n%c = stablehlo.constant dense<{literal}> : {ty}\nreturn\n}}"
    ));
    let func = module.funcs.values().next().unwrap();
    match &func.body.ops[ops(&module)[0]].kind {
        OpKind::Constant(c) => (*c.value).clone(),
        other => panic!("{other:?}"),
    }
}

fn bytes(literal: &str, ty: &str) -> Vec<u8> {
    constant(literal, ty).to_bytes().to_vec()
}

fn refused(literal: &str, ty: &str) -> String {
    reject(&format!(
        "func.func @main() {{\n%c = stablehlo.constant dense<{literal}> : {ty}\nreturn\n}}"
    ))
}

#[test]
fn floats() {
    let values: [f32; 6] = [-1.644_483_2, 0.566_555, 5.665_55e-1, -0.0, 1.0e3, f32::INFINITY];
    let text = "[-1.64448321, 0.566555, 5.665550e-01, -0.000000e+00, 1.0E+3, 0x7F800000]";
    assert_eq!(constant(text, "tensor<6xf32>").to_f32s().unwrap(), values);
    assert_eq!(
        constant("[[1.0, 2.0], [3., 1.0e+40]]", "tensor<2x2xf32>").to_f32s().unwrap(),
        [1.0, 2.0, 3.0, f32::INFINITY]
    );
    assert_eq!(bytes("3.1415926535897931", "tensor<f64>"), std::f64::consts::PI.to_le_bytes());
    assert_eq!(bytes("[1.0, 0x7F80]", "tensor<2xbf16>"), [0x80, 0x3f, 0x80, 0x7f]);
    assert_eq!(bytes("0x7F", "tensor<f8E4M3FN>"), [0x7f]);
    assert_eq!(bytes("(1.0, -2.0)", "tensor<complex<f32>>"), [0, 0, 128, 63, 0, 0, 0, 192]);
    assert_eq!(bytes("[(1.0, 0.0), (0.0, 1.0)]", "tensor<2xcomplex<f64>>").len(), 32);
}

#[test]
fn integers() {
    assert_eq!(bytes("[-1, 255, 0x10, -0x10]", "tensor<4xi8>"), [255, 255, 16, 240]);
    assert_eq!(bytes("[8, -8, 7]", "tensor<3xi4>"), [0xf8, 0xf8, 7]);
    assert_eq!(bytes("[15, 0]", "tensor<2xui4>"), [15, 0]);
    assert_eq!(bytes("-9223372036854775808", "tensor<i64>"), i64::MIN.to_le_bytes());
    assert_eq!(bytes("18446744073709551615", "tensor<ui64>"), [255; 8]);
    assert_eq!(bytes("[true, false, 1]", "tensor<3xi1>"), [1, 0, 1]);
    assert_eq!(bytes("[1, 0]", "tensor<2xindex>").len(), 16);
}

#[test]
fn blobs() {
    assert_eq!(bytes("\"0x0000803F000000C0\"", "tensor<2xf32>"), [0, 0, 128, 63, 0, 0, 0, 192]);
    let splat = constant("\"0x0000803f\"", "tensor<1000000000xf32>");
    assert_eq!(splat.data, ConstData::Splat(vec![0, 0, 128, 63]));
    assert_eq!(bytes("\"0x08F7\"", "tensor<2xi4>"), [0xf8, 7]);
    assert_eq!(bytes("\"0x0101\"", "tensor<2xi1>"), [1, 1]);
    // Older printers pack booleans, least significant bit first.
    assert_eq!(bytes("\"0x0502\"", "tensor<10xi1>"), [1, 0, 1, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(bytes("", "tensor<0xf32>"), Vec::<u8>::new());
    assert_eq!(bytes("[]", "tensor<0xf32>"), Vec::<u8>::new());
}

#[test]
fn one_element_is_stored_as_a_splat() {
    for literal in ["1.0", "[[1.0]]", "\"0x0000803F\""] {
        assert_eq!(
            constant(literal, "tensor<1x1xf32>").data,
            ConstData::Splat(vec![0, 0, 128, 63])
        );
    }
}

#[test]
fn bad_literals_are_refused() {
    for (literal, ty, message) in [
        ("1", "tensor<f32>", "expected a number of type f32, found 1"),
        (".5", "tensor<f32>", "expected a number of type f32"),
        ("+1.0", "tensor<f32>", "expected a number of type f32"),
        ("0x1FFFFFFFF", "tensor<f32>", "has more bits than f32"),
        ("256", "tensor<i8>", "256 does not fit in i8"),
        ("-129", "tensor<i8>", "-129 does not fit in i8"),
        ("-1", "tensor<ui8>", "-1 does not fit in ui8"),
        ("2", "tensor<i1>", "expected `true` or `false`"),
        ("[1.0, 2.0]", "tensor<3xf32>", "list of 2 items, dimension 0 of the type has size 3"),
        ("[[1.0], [2.0]]", "tensor<2xf32>", "lists are nested deeper than the type's rank 1"),
        ("[1.0, 2.0]", "tensor<2x1xf32>", "element inside 1 lists, the type's rank is 2"),
        ("[1.0,, 2.0]", "tensor<2xf32>", "expected a number"),
        ("[1.0, 2.0", "tensor<2xf32>", "expected `]`, found the end of the literal"),
        ("[1.0, 2.0,", "tensor<2xf32>", "expected a number"),
        ("[1.0] 2", "tensor<1xf32>", "expected `>` after the literal"),
        ("\"0x000080\"", "tensor<f32>", "the blob has 3 bytes, tensor<f32> needs 4"),
        ("\"0x0000803\"", "tensor<f32>", "number of hexadecimal digits is odd"),
        ("\"0x0000803G\"", "tensor<f32>", "expected a hexadecimal digit"),
        ("\"abc\"", "tensor<f32>", "expected `\"0x...\"`"),
        ("", "tensor<2xf32>", "`dense<>` has no elements"),
        ("1.0", "tensor<?xf32>", "has no size"),
        ("1.0", "tensor<4294967296x4294967296xf32>", "overflows 63 bits"),
        ("(1.0)", "tensor<complex<f32>>", "expected `,` of a complex number"),
        ("__elided__", "tensor<2xf32>", "weights of this constant were elided"),
    ] {
        let report = refused(literal, ty);
        assert!(report.contains(message), "{literal} : {ty}: {report}");
    }
}

/// Constants of TensorFlow's strings stand beside programs that can be compiled.
#[test]
fn literals_of_other_dialects_are_kept_as_text() {
    for literal in [
        r#"dense<"mean {}"> : tensor<!tf_type.string>"#,
        r#"dense<["a > b", "\22>", "c"]> : tensor<3x!tf_type.string>"#,
        r#"dense<[["a"], ["b"]]> : tensor<2x1x!tf_type.string>"#,
    ] {
        let text =
            format!("func.func @f() {{ \"tf.Const\"() {{value = {literal}}} : () -> () return }}");
        let module = parse_mixed(&Source::new("t.mlir", text)).unwrap();
        assert!(module.to_string().contains(literal), "{module}");
    }
}
