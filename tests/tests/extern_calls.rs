//! Functions of the firmware that models call: from the program to a run, and what is said where none is.

use std::fs;
use std::path::Path;
use std::process::Output;

use microhlo::kernels::extern_call;
use microhlo::{DType, Extern, ExternCall, ExternError, Externs, KernelEntry, Kernels, Model};
use microhlo_compiler::cmd::exec::Aligned;
use microhlo_compiler::cmd::load::open_program;
use microhlo_compiler::compile::CompileOptions;
use microhlo_compiler::npz;
use microhlo_tests::{root, stderr, stdout};
use serde_json::{Value, json};

/// As JAX 0.10 prints a function that calls `jax.ffi.ffi_call`.
const JAX: &str = r#"module @jit_f attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<4x16xf32>, %arg1: tensor<16x3xf32>) -> (tensor<4x3xf32> {jax.result_info = "result"}) {
    %0 = stablehlo.custom_call @firmware.median3(%arg0) {backend_config = "", mhlo.backend_config = {flag = true, g64 = 2.500000e-01 : f64, gain = 5.000000e-01 : f32, mode = "edge", window = 3 : i64}, operand_layouts = [dense<[1, 0]> : tensor<2xindex>], result_layouts = [dense<[1, 0]> : tensor<2xindex>]} : (tensor<4x16xf32>) -> tensor<4x16xf32>
    %1 = stablehlo.tanh %0 : tensor<4x16xf32>
    %2 = stablehlo.dot_general %1, %arg1, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<4x16xf32>, tensor<16x3xf32>) -> tensor<4x3xf32>
    return %2 : tensor<4x3xf32>
  }
}
"#;

fn microhlo(args: &[&str]) -> Output {
    microhlo_tests::microhlo(env!("CARGO_BIN_EXE_microhlo-under-test"), args)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[test]
fn what_jax_calls_is_left_to_the_firmware() {
    let folder = tempfile::tempdir().expect("a folder");
    let [model, artifact] = ["jax.mlir", "jax.mhlo"].map(|name| folder.path().join(name));
    fs::write(&model, JAX).expect("the program");
    let refused = microhlo(&["compile", text(&model)]);
    let message = stderr(&refused);
    assert_eq!(refused.status.code(), Some(2), "{message}");
    for part in ["@firmware.median3", "--extern firmware.median3", "jax.mlir:3"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let name = ["--extern", "firmware.median3"];
    let made = microhlo(&["compile", text(&model), name[0], name[1], "-o", text(&artifact)]);
    assert!(made.status.success(), "{}", stderr(&made));
    let line = "firmware.median3(4x16xf32) {flag = true, g64 = 0.25, gain = 0.5, mode = \"edge\", \
                window = 3} -> (4x16xf32)";
    assert!(stdout(&made).contains(line), "{}", stdout(&made));
    let shown = microhlo(&["inspect", "--json", text(&artifact)]);
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let settings =
        json!({ "flag": "true", "g64": "0.25", "gain": "0.5", "mode": "\"edge\"", "window": "3" });
    let call = json!({ "name": "firmware.median3", "operands": ["4x16xf32"], "results": ["4x16xf32"],
                       "settings": settings });
    assert_eq!(shown["externs"], json!([call]));
    assert_eq!(shown["kernels"][0]["op"], "extern_call");
    // No firmware is here that could run it.
    let ran = microhlo(&["run", text(&artifact)]);
    assert!(
        !ran.status.success() && stderr(&ran).contains("calls `firmware.median3`"),
        "{}",
        stderr(&ran)
    );
    let rust = microhlo(&["compile", text(&model), name[0], name[1], "--emit", "rust"]);
    let entry = "::microhlo::kernels::extern_call::entry::<Externs>(),";
    assert!(stdout(&rust).contains(entry), "{}", stdout(&rust));
}

/// The filter of the example's firmware, as it is defined.
struct Filters;

impl Externs for Filters {
    const FUNCTIONS: &'static [Extern] =
        &[Extern::new("board.median3", &[DType::F32], &[DType::F32], median)];
}

fn median(call: &mut ExternCall<'_>) -> Result<(), ExternError> {
    let (from, to) = (call.operand::<f32>(0)?, call.result::<f32>()?);
    for (i, to) in to.iter_mut().enumerate() {
        let near = [i.saturating_sub(1), i, (i + 1).min(from.len() - 1)];
        let mut near = near.map(|i| from[i]);
        near.sort_by(f32::total_cmp);
        *to = near[1];
    }
    Ok(())
}

/// A composite left to firmware computes what its decomposition does, to the bit.
#[test]
fn a_function_takes_the_place_of_a_decomposition() {
    let path = root().join("examples/models/ripple.stablehlo.mlir");
    let program = open_program(&path).expect("the model");
    let vectors =
        npz::read(&root().join("examples/models/ripple.npz"), |_| true).expect("the vectors");
    let inputs: Vec<&[u8]> = vectors["in0"].bytes.chunks_exact(64 * 4).collect();
    let with = |externs: Vec<String>| {
        let options = CompileOptions { externs, ..CompileOptions::default() };
        program.compile(&options).unwrap_or_else(|error| panic!("{error}")).artifact
    };
    let outputs = |artifact: &[u8], kernels: &'static Kernels| -> Vec<Vec<u8>> {
        let file = Aligned::copy_of(artifact);
        let model = Model::load_with(file.get(), kernels).expect("it loads");
        let mut arena = Aligned::filled(model.arena_bytes(), 0xa5);
        let mut run = |input: &&[u8]| {
            let mut output = vec![0; 12];
            model.run(arena.get_mut(), &[input], &mut [&mut output]).expect("it runs");
            output
        };
        inputs.iter().map(&mut run).collect()
    };
    let own = extern_call::entry::<Filters>();
    let others = Kernels::ALL.kernels.iter().filter(|entry| entry.id() != own.id()).copied();
    let kernels: Vec<KernelEntry> = others.chain([own]).collect();
    let kernels = Kernels { kernels: kernels.leak(), micro: Kernels::ALL.micro };
    let by_firmware =
        outputs(&with(vec!["board.median3".to_owned()]), Box::leak(Box::new(kernels)));
    let by_decomposition = outputs(&with(Vec::new()), Kernels::ALL);
    assert_eq!(by_firmware, by_decomposition);
    assert_eq!(by_firmware.len(), 16);
}

/// Firmware that sees or does things besides computing results is called as often as the program says, in its order.
#[test]
fn calls_keep_the_order_of_the_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("effects.mlir");
    let program = "func.func @main(%x: tensor<64xf32>) -> (tensor<64xf32>, tensor<64xf32>) {
  %r = stablehlo.custom_call @first(%x) {has_side_effect = true} : (tensor<64xf32>) -> tensor<64xf32>
  %0 = stablehlo.custom_call @read(%x) {has_side_effect = true} : (tensor<64xf32>) -> tensor<64xf32>
  stablehlo.custom_call @log(%x) {has_side_effect = true} : (tensor<64xf32>) -> ()
  %1 = stablehlo.custom_call @read(%x) {has_side_effect = true} : (tensor<64xf32>) -> tensor<64xf32>
  %2 = stablehlo.custom_call @pure(%x) : (tensor<64xf32>) -> tensor<64xf32>
  %3 = stablehlo.add %0, %1 : tensor<64xf32>
  return %3, %r : tensor<64xf32>, tensor<64xf32>
}";
    fs::write(&model, program).expect("the program");
    // A call without effects whose results nobody needs goes.
    let names = ["first", "read", "log", "pure"];
    let externs = names.iter().flat_map(|name| ["--extern", name]);
    let args: Vec<&str> =
        ["compile", text(&model), "--json", "-"].into_iter().chain(externs).collect();
    let made = microhlo(&args);
    assert!(made.status.success(), "{}", stderr(&made));
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let names = made["kernels"].as_array().expect("a list").iter();
    let names: Vec<&str> = names.filter_map(|kernel| kernel["name"].as_str()).collect();
    assert_eq!(names, ["0:first", "1:read", "2:log", "3:read", "4:add"]);
}
