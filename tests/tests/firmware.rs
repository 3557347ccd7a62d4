//! The example's firmware without its printing: how large it is, that it cannot panic, and that
//! it computes what it should.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use microhlo_compiler::cmd::exec::Executor;
use microhlo_compiler::cmd::load::{open_program, options_for};
use microhlo_compiler::compile::{CompileOptions, Target};
use microhlo_compiler::image::Image;
use microhlo_compiler::ir::Module;
use microhlo_format::{DType, KernelId};
use microhlo_qemu::{Job, Registry, build, build_with, run_firmware};
use microhlo_tests::networks::generated;
use microhlo_tests::{int8_models, options, outputs, root};
use object::read::elf::ElfFile32;
use object::{Endianness, Object, ObjectSection, ObjectSymbol};

/// Most bytes of flash on the Cortex-M4F, without the model.
const FLASH: u64 = 19 * 1024;

/// Bytes of RAM beside arena and stack that the firmware stays under.
const RAM: u64 = 1024;

/// Builds of the same binary with other features replace it.
static BUILDS: Mutex<()> = Mutex::new(());

/// Builds the example without printing, and reads it before it is replaced.
fn silent(board: &str) -> (PathBuf, Vec<u8>) {
    let registry = Registry::find().expect("the boards");
    let board = registry.board(board).expect("the board");
    let folder = build_with(&registry, board, "digits-cnn", &["--no-default-features"])
        .unwrap_or_else(|error| panic!("{error}"));
    let path = folder.join("digits-cnn");
    let bytes = fs::read(&path).expect("the firmware");
    (path, bytes)
}

fn measured(board: &str) -> Image {
    let _one_at_a_time = BUILDS.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, bytes) = silent(board);
    let image = Image::read(&bytes, "ARENA").expect("an ELF file");
    println!("digits-cnn on {board}: {}", image.text());
    assert!(image.model > 9000, "the artifact is in its own section");
    image
}

#[test]
fn the_firmware_is_small_on_the_cortex_m4f() {
    let image = measured("mps2-an386");
    assert!(image.flash <= FLASH, "{} bytes of flash: {}", image.flash, image.text());
    assert!(image.ram < RAM, "{} bytes of RAM", image.ram);
}

#[test]
fn nothing_of_a_panic_is_linked() {
    for board in ["mps2-an386", "virt-rv32"] {
        let image = measured(board);
        assert_eq!(image.panics, Vec::<String>::new(), "{board}");
        assert_eq!(image.texts, Vec::<String>::new(), "{board}");
    }
}

/// Pieces of the texts in the source of runtime, board and example that have a space, such as messages of errors.
fn texts_of_the_source() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = [
        "runtime-nostd/src",
        "runtime-nostd/format/src",
        "boards/support/src",
        "examples/digits-cnn/src",
    ];
    let mut folders = folders.map(|folder| root.join(folder)).to_vec();
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the source") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = fs::read_to_string(&path).expect("the source");
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with(['/', '#']));
            let quoted = lines.flat_map(|line| line.split('"').skip(1).step_by(2));
            let pieces = quoted.flat_map(|text| text.split(['{', '}', '\\']));
            let long = pieces.filter(|text| text.len() >= 8 && text.trim().contains(' '));
            texts.extend(long.map(str::to_owned));
        }
    }
    texts
}

/// Names of kernels that are too long to be there by chance, and of types whose `Debug` would have them.
fn names_of_the_runtime() -> impl Iterator<Item = String> {
    let kernels = KernelId::ALL.iter().map(|kernel| kernel.name().to_owned());
    let types = ["LoadError", "RunError", "ArtifactError", "Misaligned", "MissingKernel"];
    kernels.filter(|name| name.len() >= 7).chain(types.map(str::to_owned))
}

/// What is loaded of a firmware, without the artifact and the board's description.
fn loaded(elf: &ElfFile32<'_, Endianness>) -> Vec<u8> {
    let sections = elf.sections().filter(|section| {
        let name = section.name().expect("its name");
        section.address() != 0 && ![".microhlo.model", ".microhlo.board"].contains(&name)
    });
    sections.flat_map(|section| section.data().expect("its bytes").to_vec()).collect()
}

/// Names, messages and formats are linked by who prints or logs them alone, and so is what traces.
#[test]
fn a_release_image_holds_no_text_of_ours() {
    let texts = texts_of_the_source();
    let message = microhlo::LoadError::Misaligned.to_string();
    assert!(texts.len() > 50 && texts.iter().any(|text| message.contains(text.as_str())));
    let names: Vec<String> = names_of_the_runtime().collect();
    assert!(names.len() > 30, "{names:?}");
    for board in ["mps2-an386", "virt-rv32"] {
        let _one_at_a_time = BUILDS.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, file) = silent(board);
        let elf = ElfFile32::<Endianness>::parse(file.as_slice()).expect("an ELF file");
        let loaded = loaded(&elf);
        assert!(loaded.len() > 4096, "{board}: what is loaded was not found");
        for text in texts.iter().chain(&names) {
            let found = memchr::memmem::find(&loaded, text.as_bytes()).is_some();
            assert!(!found, "{board}: {text:?}");
        }
        assert!(elf.section_by_name(".defmt").is_none(), "{board}: formats of logs");
        let symbols = elf.symbols().map(|symbol| symbol.name().expect("a name").to_owned());
        let traces: Vec<String> = symbols.filter(|name| name.contains("5trace")).collect();
        assert_eq!(traces, Vec::<String>::new(), "{board}: nothing is traced");
    }
}

#[test]
fn the_measured_firmware_is_right_on_both_boards() {
    let _one_at_a_time = BUILDS.lock().unwrap_or_else(PoisonError::into_inner);
    let registry = Registry::find().expect("the boards");
    for name in ["mps2-an386", "virt-rv32"] {
        let board = registry.board(name).expect("the board");
        let (path, _) = silent(name);
        let code = run_firmware(board, &path, Duration::from_secs(120)).expect("it ends");
        assert_eq!(code, 0, "{name}");
    }
}

#[test]
fn a_firmware_that_panics_is_told_apart() {
    let registry = Registry::find().expect("the boards");
    let board = registry.board("mps2-an386").expect("the board");
    let folder = build(&registry, board, "microhlo-calibrate").expect("it builds");
    let bytes = fs::read(folder.join("panic")).expect("the firmware");
    let image = Image::read(&bytes, "ARENA").expect("an ELF file");
    assert!(!image.panics.is_empty() && !image.texts.is_empty(), "{image:?}");
}

/// Most bytes of flash of runtime and kernels of an 8-bit network on the Cortex-M4F: all of the firmware
/// but the model, start-up code and interrupt vectors.
const INT8_RUNTIME: u64 = 25 * 1024;

/// The same of the keyword spotter.
const SPOTTER_RUNTIME: u64 = 16 * 1024;

/// A firmware that runs a model once and computes what the host does, which has all parts of kernels.
fn single(board: &str, model: &Path) -> Image {
    let registry = Registry::find().expect("the boards");
    let board = registry.board(board).expect("the board");
    let folder = tempfile::tempdir().expect("a folder");
    let expected = folder.path().join("expected");
    fs::write(&expected, of_zeros(&board.name, model)).expect("what is expected");
    let setting = |name: &str, path: &Path| format!("env.{name}={:?}", path.display().to_string());
    let settings = [setting("MICROHLO_MODEL", model), setting("MICROHLO_EXPECTED", &expected)];
    let arguments = ["--config", &settings[0], "--config", &settings[1]];
    let folder = build_with(&registry, board, "microhlo-single", &arguments)
        .unwrap_or_else(|error| panic!("{error}"));
    let path = folder.join("single");
    let code = run_firmware(board, &path, Duration::from_secs(120)).expect("it ends");
    assert_eq!(code, 0, "{} on {}", model.display(), board.name);
    let image = Image::read(&fs::read(path).expect("the firmware"), "ARENA").expect("an ELF file");
    println!("{} on {}: {}", model.display(), board.name, image.text());
    image
}

/// The outputs of a model, compiled for a board, on the host for inputs of zeros.
fn of_zeros(board: &str, model: &Path) -> Vec<u8> {
    let target = Executor::find(board).and_then(|e| e.target()).expect("the board's processor");
    let how = options_for(model, target);
    let compiled = open_program(model).and_then(|program| program.compile(&how));
    let compiled = compiled.unwrap_or_else(|error| panic!("{error}"));
    let sizes = compiled.report.inputs.iter().map(|input| {
        let dtype = DType::ALL.iter().find(|d| d.name() == input.dtype).expect("an element type");
        input.dims.iter().map(|&d| d as usize).product::<usize>() * dtype.size()
    });
    let inputs = sizes.map(|bytes| vec![0; bytes]).collect();
    let job = Job { artifact: compiled.artifact, cases: vec![inputs], profile: false };
    let host = Executor::find("host").expect("the host");
    let outcome = host.run(&[job], &options()).expect("it runs").remove(0);
    outputs("host", outcome).concat().concat()
}

/// Loader, depthwise and other convolutions, mean and softmax: the keyword spotter of the examples, another one where
/// the full test data are, and a generated network of the same layers.
#[test]
fn the_firmware_of_an_8_bit_network_is_small_on_the_cortex_m4f() {
    let _one_at_a_time = BUILDS.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a folder");
    let network = generated().into_iter().find(|g| g.name.starts_with("separable"));
    let network = network.expect("a generated network");
    let path = folder.path().join(format!("{}.mlir", network.name));
    fs::write(&path, &network.text).expect("the model");
    let spotter = int8_models().into_iter().find(|m| m.name == "kws_int8_quant_int");
    let spotter = spotter.map(|m| (m.program, SPOTTER_RUNTIME));
    let example = root().join("examples/models/keywords_int8.stablehlo.mlir");
    let here = [(path, INT8_RUNTIME), (example, INT8_RUNTIME)];
    for (model, most) in here.into_iter().chain(spotter) {
        let image = single("mps2-an386", &model);
        assert!(image.runtime <= most, "{}", image.text());
        assert!(image.ram < RAM, "{} bytes of RAM", image.ram);
        assert_eq!(image.panics, Vec::<String>::new());
    }
}

/// Most bytes of flash of loader and run loop on the Cortex-M4F, without a kernel.
const EMPTY_RUNTIME: u64 = 4 * 1024;

/// A model without a step, which returns its input.
#[test]
fn a_runtime_without_kernels_is_small_on_the_cortex_m4f() {
    let _one_at_a_time = BUILDS.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("empty.mlir");
    let text = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }";
    fs::write(&path, text).expect("the model");
    let image = single("mps2-an386", &path);
    assert!(image.runtime <= EMPTY_RUNTIME, "{}", image.text());
    assert_eq!(image.panics, Vec::<String>::new());
}

/// Packing pads weights to the tiles of a target's kernels; a channel has a bias and a multiplier besides.
#[test]
fn packed_weights_are_hardly_larger_than_bytes() {
    let networks = generated().into_iter().map(|g| g.parse());
    let models = int8_models().into_iter().filter(|m| m.name.ends_with("_quant_int"));
    for program in networks.chain(models.map(|m| m.parse())) {
        let (weights, channels) = constants(&program.module);
        for target in Target::ALL {
            let options = CompileOptions { target, ..CompileOptions::default() };
            let compiled = program.compile(&options).unwrap_or_else(|error| panic!("{error}"));
            let bytes = u64::from(compiled.report.const_bytes).saturating_sub(8 * channels);
            let name = program.source.name();
            println!("{name} for {target}: {bytes} bytes for {weights} weights");
            assert!(bytes * 100 <= weights * 102 + 100 * 256, "{name} for {target}: {bytes}");
        }
    }
}

/// 8-bit and 32-bit elements of a program's constants.
fn constants(module: &Module) -> (u64, u64) {
    let mut counts = (0, 0);
    for (_, func) in module.funcs.iter() {
        for op in func.body.ops.ids() {
            let Some(constant) = func.body.result(op).and_then(|v| func.body.constant(v)) else {
                continue;
            };
            let elements = constant.ty.elements().unwrap_or(0);
            match constant.ty.elem.storage() {
                DType::I8 => counts.0 += elements,
                DType::I32 => counts.1 += elements,
                _ => {}
            }
        }
    }
    counts
}
