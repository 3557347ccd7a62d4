//! Real artifacts in slots: they load where they lie, and one that needs a kernel which the firmware lacks is
//! refused by the kernel's name, as an update and after a reset.

mod common;

use common::{Flash, update};
use microhlo::{Arena, KernelId, Kernels, LoadError, Model, StepError, kernels};
use microhlo_format::kernels::{Fill, SoftmaxF32};
use microhlo_format::{ArtifactSpec, DType, Kernel, Place, TensorSpec, encode};
use microhlo_slots::{HEADER_BYTES, Header, Slot, Slots, Trial};

type Nor = Flash<8, 1024>;

const SLOT: usize = 2048;

/// The kernels of this firmware.
static KERNELS: Kernels = Kernels { kernels: &[kernels::fill::ENTRY], micro: &[] };

/// A model of one step that gives four numbers.
fn model(step: Kernel<Place>, constants: Vec<u8>) -> Vec<u8> {
    let tensor = |name: &str, offset| TensorSpec {
        name: name.into(),
        dtype: DType::F32,
        dims: vec![4],
        place: Place::arena(offset),
    };
    let spec = ArtifactSpec {
        name: "model".into(),
        inputs: vec![tensor("x", 0)],
        outputs: vec![tensor("y", 64)],
        steps: vec![step],
        constants,
        arena_bytes: 128,
        ..ArtifactSpec::default()
    };
    encode(&spec).expect("a model")
}

/// Fills the output with a number.
fn fill(value: f32) -> Vec<u8> {
    let step = Fill { value: Place::constant(0), output: Place::arena(64), element: 4, count: 4 };
    model(Kernel::fill(step), value.to_le_bytes().to_vec())
}

fn softmax() -> Vec<u8> {
    let (input, output) = (Place::arena(0), Place::arena(64));
    model(Kernel::softmax_f32(SoftmaxF32 { input, output, rows: 1, n: 4 }), Vec::new())
}

/// Flash as it is mapped into memory.
#[repr(align(16))]
struct Mapped([u8; 2 * SLOT]);

fn mapped(flash: &Nor) -> Mapped {
    Mapped(flash.bytes.clone().try_into().expect("the size of the flash"))
}

fn open(flash: &mut Nor) -> Slots<&mut Nor> {
    Slots::open(flash, 0..2 * SLOT as u32).expect("two slots")
}

fn flash() -> Nor {
    let mut flash = Flash::new(2 * SLOT, 1);
    let first = fill(1.5);
    flash.program(0, &Header::new(1, &first).image(Trial::Confirmed));
    flash.program(HEADER_BYTES, &first);
    flash
}

/// The output of what runs.
fn run(artifact: &[u8]) -> f32 {
    let model = Model::load_with(artifact, &KERNELS).expect("it loads");
    let (mut arena, mut output) = (Arena::<128>::new(), [0; 16]);
    model.run(&mut arena.0, &[&[0; 16]], &mut [&mut output]).expect("it runs");
    f32::from_le_bytes(*output.first_chunk().expect("a number"))
}

fn names_softmax(error: LoadError) {
    let missing = StepError::MissingKernel(KernelId::softmax_f32);
    assert!(matches!(error, LoadError::Step { step: 0, error, .. } if error == missing), "{error}");
    assert!(error.to_string().contains("kernel softmax_f32 is not linked"), "{error}");
}

#[test]
fn models_load_where_they_lie() {
    let mut flash = flash();
    let mut slots = open(&mut flash);
    let first = slots.boot().expect("version 1");
    update(&mut slots, 2, &fill(2.5)).expect("an update");
    assert_eq!(run(first.artifact(&mapped(&flash).0).expect("inside")), 1.5);
    let second = open(&mut flash).boot().expect("version 2");
    assert_eq!((second.slot, second.version), (Slot::B, 2));
    assert_eq!(run(second.artifact(&mapped(&flash).0).expect("inside")), 2.5);
}

#[test]
fn an_update_that_needs_a_missing_kernel_is_refused_before_it_is_committed() {
    let mut flash = flash();
    let artifact = softmax();
    let mut slots = open(&mut flash);
    slots.boot().expect("version 1");
    let mut update = slots.begin(&Header::new(2, &artifact)).expect("an update");
    update.write(&artifact).expect("a write");
    let staged = update.stage().expect("it is whole");
    let place = staged.offset as usize..(staged.offset + staged.length) as usize;
    let flash = slots.release();
    let memory = mapped(flash);
    names_softmax(Model::load_with(&memory.0[place], &KERNELS).expect_err("a kernel is missing"));
    let selected = open(flash).boot().expect("version 1");
    assert_eq!(run(selected.artifact(&memory.0).expect("inside")), 1.5);
}

#[test]
fn a_model_that_needs_a_missing_kernel_is_rejected_when_it_is_to_run() {
    let mut flash = flash();
    let mut slots = open(&mut flash);
    slots.boot().expect("version 1");
    update(&mut slots, 2, &softmax()).expect("an update");
    let mut slots = open(&mut flash);
    let selected = slots.boot().expect("version 2");
    let memory = mapped(slots.release());
    let artifact = selected.artifact(&memory.0).expect("inside");
    names_softmax(Model::load_with(artifact, &KERNELS).expect_err("a kernel is missing"));
    let mut slots = open(&mut flash);
    slots.boot().expect("version 2");
    slots.reject().expect("a write");
    let selected = slots.boot().expect("version 1");
    assert_eq!(run(selected.artifact(&memory.0).expect("inside")), 1.5);
}
