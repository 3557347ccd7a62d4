//! Functions of the firmware that models call: from the program to a run, and what is said where none is.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::ptr::{null, null_mut};
use std::slice;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use microhlo::kernels::extern_call;
use microhlo::{
    DType, Extern, ExternCall, ExternError, Externs, KernelEntry, Kernels, Model, RunError,
};
use microhlo_capi::functions as c;
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

/// A program whose call has a setting of every type.
const SETTINGS: &str = r#"func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = stablehlo.custom_call @board.scale(%x) {backend_config = "", mhlo.backend_config = {flag = true, g64 = 2.500000e-01 : f64, gain = 5.000000e-01 : f32, mode = "edge", taps = array<i64: 1, 2, 1>, window = 3 : i64}} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}
"#;

/// The firmware's table as C has it: one function, and the end.
struct InC;

/// What is asked of the window, so that loading can be refused.
static WINDOW: AtomicI64 = AtomicI64::new(3);

/// What the function comes to.
static CODE: AtomicU32 = AtomicU32::new(0);

impl c::Table for InC {
    fn first() -> *const c::Function {
        struct Static([c::Function; 2]);
        // SAFETY: nothing writes it.
        unsafe impl Sync for Static {}
        static TABLE: Static = Static([
            c::Function {
                name: c"board.scale".as_ptr(),
                accepts: Some(has_settings),
                compute: Some(scale),
            },
            c::Function { name: null(), accepts: None, compute: None },
        ]);
        TABLE.0.as_ptr()
    }
}

unsafe extern "C" fn has_settings(call: *const c::Call<'_, '_>) -> bool {
    let (mut flag, mut window, mut gain, mut g64) = (false, 0, 0.0, 0.0);
    let (mut len, mut taps, mut shape) = (0, [0; 2], c::TensorShape::default());
    // SAFETY: the call is one, names end with a zero byte, and values have their types.
    unsafe {
        let mode = c::microhlo_setting_text(call, c"mode".as_ptr(), &mut len);
        let mode = slice::from_raw_parts(mode.cast::<u8>(), len);
        c::microhlo_setting_boolean(call, c"flag".as_ptr(), &mut flag)
            && c::microhlo_setting_float(call, c"gain".as_ptr(), &mut gain)
            && c::microhlo_setting_double(call, c"g64".as_ptr(), &mut g64)
            && c::microhlo_setting_integers(call, c"taps".as_ptr(), taps.as_mut_ptr(), 2) == 3
            && c::microhlo_setting_integer(call, c"window".as_ptr(), &mut window)
            && !c::microhlo_setting_integer(call, c"gain".as_ptr(), null_mut())
            && !c::microhlo_setting_boolean(call, null(), &mut flag)
            && (flag, gain, g64, mode, taps) == (true, 0.5, 0.25, &b"edge"[..], [1, 2])
            && (c::microhlo_operand_count(call), c::microhlo_result_count(call)) == (1, 1)
            && c::microhlo_result_shape(call, 0, &mut shape)
            && c::microhlo_operand_shape(call, 0, &mut shape)
            && !c::microhlo_operand_shape(call, 1, &mut shape)
            && (shape.dtype, shape.rank, shape.bytes) == (DType::F32.code().into(), 2, 24)
            && shape.dims[..2] == [2, 3]
            // There are no tensors while a model is loaded.
            && c::microhlo_operand(call, 0, &mut len).is_null()
            && window == WINDOW.load(Ordering::Relaxed)
    }
}

unsafe extern "C" fn scale(call: *mut c::Call<'_, '_>) -> u32 {
    let (mut gain, mut len, mut room) = (0.0, 0, 0);
    // SAFETY: as above; operand and result have so many bytes, aligned as floats are.
    unsafe {
        c::microhlo_setting_float(call, c"gain".as_ptr(), &mut gain);
        let from = c::microhlo_operand(call, 0, &mut len).cast::<f32>();
        let to = c::microhlo_next_result(call, &mut room).cast::<f32>();
        assert_eq!((len, room), (24, 24));
        assert!(c::microhlo_operand(call, 1, null_mut()).is_null());
        assert!(c::microhlo_next_result(call, null_mut()).is_null());
        for i in 0..6 {
            to.add(i).write(from.add(i).read() * gain);
        }
    }
    CODE.load(Ordering::Relaxed)
}

/// Functions written in C get what those in Rust get, and refuse and fail as they do.
#[test]
fn functions_in_c_are_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("settings.mlir");
    let compile = |name: &str| {
        let text = SETTINGS.replace("board.scale", name);
        fs::write(&path, text).expect("the program");
        let externs = vec![name.to_owned()];
        let options = CompileOptions { externs, ..CompileOptions::default() };
        open_program(&path).expect("the program").compile(&options).expect("it compiles").artifact
    };
    static KERNELS: Kernels =
        Kernels { kernels: &[extern_call::entry::<c::Functions<InC>>()], micro: &[] };
    let file = Aligned::copy_of(&compile("board.scale"));
    let model = Model::load_with(file.get(), &KERNELS).expect("it loads");
    let mut arena = Aligned::filled(model.arena_bytes(), 0xa5);
    let input = [1.0_f32, -2.0, 3.0, 0.0, 8.0, 1e9].map(f32::to_le_bytes);
    let mut output = [0; 24];
    let mut run = || {
        let result = model.run(arena.get_mut(), &[input.as_flattened()], &mut [&mut output]);
        result.map(|()| output.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    };
    assert_eq!(run(), Ok(vec![0.5, -1.0, 1.5, 0.0, 4.0, 5e8]));
    CODE.store(9, Ordering::Relaxed);
    assert!(matches!(run(), Err(RunError::Extern { code: 9, .. })));
    WINDOW.store(5, Ordering::Relaxed);
    let refused = Model::load_with(file.get(), &KERNELS).expect_err("another window");
    assert!(
        refused.explain(file.get()).to_string().contains("`board.scale` with shapes or settings")
    );
    let other = Aligned::copy_of(&compile("board.other"));
    let missing = Model::load_with(other.get(), &KERNELS).expect_err("no such function");
    assert!(missing.explain(other.get()).to_string().contains("`board.other`, which the firmware"));
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
