// Debug information for the artifact AFFINE of `models.rs`, for the examples in the documentation. The compiler
// writes such a file with `--debug-info`.
fn debug_info() -> microhlo::DebugInfo<'static> {
    let artifact = microhlo_format::Artifact::parse(AFFINE).expect("an artifact");
    let y = artifact.manifest().outputs.get(0).expect("the output");
    let tap = microhlo_format::Tap {
        step: 0,
        op: "stablehlo.add".into(),
        location: "affine.mlir:7:10".into(),
        tensor: microhlo_format::Tensor { name: "%y".into(), ..y },
    };
    let bytes = microhlo_format::encode_debug(AFFINE, &[tap]).expect("debug information");
    microhlo::DebugInfo::parse(bytes.leak()).expect("debug information")
}
