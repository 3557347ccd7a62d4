//! Calls of functions of the firmware: what runs, and what is refused.

mod common;

use common::{Aligned, f32_bytes, f32_tensor, f32_values};
use microhlo::kernels::extern_call;
use microhlo::{
    Arena, DType, Extern, ExternCall, ExternError, ExternFault, ExternSignature, Externs, KernelId,
    Kernels, LoadError, Model, RunError, StepError,
};
use microhlo_format::kernels::{
    ExternCall as Params, ExternTensor, MAX_EXTERN_NAME, Setting, Settings,
};
use microhlo_format::{ArtifactSpec, Kernel, Place, encode, seal};
use proptest::prelude::*;

/// Firmware with two functions.
struct Board;

impl Externs for Board {
    const FUNCTIONS: &'static [Extern] = &[
        Extern::new("board.gain", &[DType::F32, DType::F32], &[DType::F32, DType::I32], gain)
            .accepting(alike),
        Extern::of_any_types("board.fails", |_| Err(ExternError(7))),
    ];
}

static KERNELS: Kernels = Kernels { kernels: &[extern_call::entry::<Board>()], micro: &[] };

/// Whether both operands and the first result have one shape.
fn alike(call: &ExternSignature<'_>) -> bool {
    let dims = |info: Option<microhlo::TensorInfo<'_>>| info.map(|info| info.dims().to_vec());
    dims(call.operand(0)) == dims(call.operand(1)) && dims(call.operand(0)) == dims(call.result(0))
}

/// The first operand times the setting `gain`, plus the second, and how many of these are above zero.
fn gain(call: &mut ExternCall<'_>) -> Result<(), ExternError> {
    let gain = call.signature().float("gain").ok_or(ExternError(1))?;
    let (x, y) = (call.operand::<f32>(0)?, call.operand::<f32>(1)?);
    let (sum, count) = (call.result::<f32>()?, call.result::<i32>()?);
    sum.iter_mut().zip(x.iter().zip(y)).for_each(|(sum, (x, y))| *sum = x * gain + y);
    let above = sum.iter().filter(|sum| **sum > 0.0).count() as i32;
    count.iter_mut().for_each(|count| *count = above);
    Ok(())
}

fn tensor(dtype: DType, dims: &[u32], offset: u32) -> ExternTensor<Place> {
    ExternTensor { dtype, dims: dims.iter().copied().collect(), place: Place::arena(offset) }
}

fn settings(gain: f32) -> Vec<u8> {
    let mut bytes = Vec::new();
    Setting::Text("edge".into()).encode("mode", &mut bytes).expect("it encodes");
    Setting::F32(gain).encode("gain", &mut bytes).expect("it encodes");
    bytes
}

/// A call of `board.gain` on 2x2 operands at 0 and 16, results at 32 and 48.
fn call() -> Params<Place> {
    Params {
        name: heapless::Vec::from_slice(b"board.gain").expect("it is short"),
        settings: heapless::Vec::from_slice(&settings(2.0)).expect("they are few"),
        operands: [tensor(DType::F32, &[2, 2], 0), tensor(DType::F32, &[2, 2], 16)]
            .into_iter()
            .collect(),
        results: [tensor(DType::F32, &[2, 2], 32), tensor(DType::I32, &[], 48)]
            .into_iter()
            .collect(),
    }
}

fn model(call: Params<Place>) -> ArtifactSpec {
    let inputs = [("x", 0), ("y", 16)];
    let inputs = inputs.map(|(name, at)| f32_tensor(name, &[2, 2], Place::arena(at)));
    ArtifactSpec {
        inputs: inputs.to_vec(),
        outputs: vec![f32_tensor("sum", &[2, 2], Place::arena(32))],
        steps: vec![Kernel::extern_call(call)],
        arena_bytes: 64,
        ..ArtifactSpec::default()
    }
}

/// Loads and runs a model with `x` 1, -2, 3, -4 and `y` ones.
fn run(spec: &ArtifactSpec) -> Result<Vec<f32>, RunError> {
    let file = Aligned::new(&encode(spec).expect("it encodes"));
    let model = Model::load_with(file.bytes(), &KERNELS).expect("it loads");
    let (x, y) = (f32_bytes(&[1., -2., 3., -4.]), f32_bytes(&[1.; 4]));
    let mut output = [0; 16];
    model.run(&mut Arena::<64>::new().0, &[&x, &y], &mut [&mut output])?;
    Ok(f32_values(&output))
}

/// What the only step is refused for, with the functions of `Board`.
fn refused(call: Params<Place>) -> (StepError, String) {
    let bytes = encode(&model(call)).expect("it encodes");
    let error = Model::load_with(Aligned::new(&bytes).bytes(), &KERNELS).expect_err("it is bad");
    let LoadError::Step { step: 0, error: of_step, .. } = error else { panic!("{error}") };
    (of_step, error.explain(&bytes).to_string())
}

#[test]
fn functions_compute_results_of_operands() {
    assert_eq!(run(&model(call())), Ok(vec![3., -3., 7., -7.]));
}

#[test]
fn a_function_that_fails_is_named() {
    let name = heapless::Vec::from_slice(b"board.fails").expect("it is short");
    let error = run(&model(Params { name, ..call() })).expect_err("it fails");
    assert_eq!(error, RunError::Extern { name: "board.fails", code: 7 });
    assert_eq!(error.to_string(), "the firmware's function `board.fails` failed: error 7");
    let without = Params { settings: heapless::Vec::new(), ..call() };
    let error = run(&model(without)).expect_err("it has no gain");
    assert_eq!(error, RunError::Extern { name: "board.gain", code: 1 });
}

/// A run stays at the step that failed, which may be tried again.
#[test]
fn a_failed_step_can_be_tried_again() {
    let name = heapless::Vec::from_slice(b"board.fails").expect("it is short");
    let bytes = encode(&model(Params { name, ..call() })).expect("it encodes");
    let file = Aligned::new(&bytes);
    let model = Model::load_with(file.bytes(), &KERNELS).expect("it loads");
    let mut arena = Arena::<64>::new();
    let mut run = model.start(&mut arena.0).expect("the arena is large");
    for _ in 0..2 {
        assert_eq!(run.step(), Err(RunError::Extern { name: "board.fails", code: 7 }));
        assert!(!run.is_finished());
    }
}

#[test]
fn functions_that_the_firmware_does_not_have_are_named() {
    let name = heapless::Vec::from_slice(b"other.median").expect("it is short");
    let unknown = Params { name, ..call() };
    let (error, text) = refused(unknown.clone());
    assert_eq!(error, StepError::Extern(ExternFault::Missing));
    let says = "the model calls `other.median`, which the firmware does not provide; register it";
    assert!(text.contains(says), "{text}");
    // Firmware without any function need not link what calls them.
    let bytes = encode(&model(unknown)).expect("it encodes");
    let none = Kernels { kernels: &[], micro: &[] };
    for kernels in [&none, Kernels::ALL] {
        let file = Aligned::new(&bytes);
        let error = Model::load_with(file.bytes(), kernels).expect_err("it is bad");
        assert!(error.explain(&bytes).to_string().contains(says), "{}", error.explain(&bytes));
        assert_eq!(error.explain(&bytes).function(), Some("other.median"));
    }
    let linked = Kernels::ALL.kernels.iter().any(|entry| entry.id() == KernelId::extern_call);
    assert!(linked, "all kernels include it");
}

#[test]
fn other_signatures_are_refused() {
    let types = |change: fn(&mut Params<Place>)| {
        let mut call = call();
        change(&mut call);
        refused(call).0
    };
    let operands = StepError::Extern(ExternFault::Operands);
    assert_eq!(types(|call| call.operands[1].dtype = DType::I32), operands);
    assert_eq!(types(|call| call.operands.truncate(1)), operands);
    let results = StepError::Extern(ExternFault::Results);
    assert_eq!(types(|call| call.results[1].dtype = DType::F32), results);
    assert_eq!(types(|call| call.results.truncate(1)), results);
    let shapes = StepError::Extern(ExternFault::Refused);
    assert_eq!(types(|call| call.operands[1].dims = [4].into_iter().collect()), shapes);
    let text = refused(Params { operands: heapless::Vec::new(), ..call() }).1;
    assert!(text.contains("`board.gain` with operands of other types"), "{text}");
}

#[test]
fn memory_is_checked_as_that_of_kernels() {
    let at = |change: fn(&mut Params<Place>)| {
        let mut call = call();
        change(&mut call);
        refused(call).0
    };
    assert_eq!(at(|call| call.results[0].place = Place::arena(0)), StepError::Overlap);
    assert_eq!(at(|call| call.results[0].place = Place::arena(4)), StepError::Overlap);
    assert_eq!(at(|call| call.results[1].place = Place::arena(44)), StepError::Overlap);
    assert_eq!(at(|call| call.results[1].place = Place::arena(64)), StepError::OutOfBounds);
    assert_eq!(at(|call| call.operands[0].place = Place::arena(2)), StepError::Misaligned);
    assert_eq!(at(|call| call.results[1].place = Place::constant(0)), StepError::OutOfBounds);
    let large =
        |call: &mut Params<Place>| call.operands[0].dims = [1 << 20, 1 << 20].into_iter().collect();
    let overflow = StepError::Params(microhlo::ParamError::Overflow);
    assert_eq!(at(large), overflow);
    let nameless = StepError::Params(microhlo::ParamError::Zero);
    assert_eq!(at(|call| call.name.clear()), nameless);
    let settings = StepError::Params(microhlo::ParamError::BadCode);
    assert_eq!(at(|call| call.settings[5] = 9), settings);
}

/// Every type of setting is read by its name and type alone.
#[test]
fn settings_have_types() {
    let mut bytes = settings(0.5);
    Setting::Bool(true).encode("on", &mut bytes).expect("it encodes");
    Setting::Int(i64::MIN).encode("n", &mut bytes).expect("it encodes");
    Setting::F64(0.1).encode("wide", &mut bytes).expect("it encodes");
    Setting::encode_ints("taps", &[1, -2, i64::MAX], &mut bytes).expect("it encodes");
    let shown: Vec<String> =
        Settings(&bytes).iter().map(|(name, value)| format!("{name}={value}")).collect();
    let taps = format!("taps=[1, -2, {}]", i64::MAX);
    let n = format!("n={}", i64::MIN);
    assert_eq!(shown, ["mode=\"edge\"", "gain=0.5", "on=true", &n, "wide=0.1", &taps]);
    assert!(matches!(Settings(&bytes).get("on"), Some(Setting::Bool(true))));
    assert!(Settings(&bytes).get("off").is_none());
}

/// Loads a damaged artifact, and runs it if it is one; bytes beside the arena stay as they are.
fn harmless(bytes: &[u8]) -> bool {
    let file = Aligned::new(bytes);
    let Ok(model) = Model::load_with(file.bytes(), &KERNELS) else { return false };
    let mut memory = Arena::<{ 1 << 12 }>([0x5a; 1 << 12]);
    let needed = model.arena_bytes();
    if needed > 1 << 11 {
        return false;
    }
    let arena = &mut memory.0[1 << 10..];
    let mut run = model.start(&mut arena[..needed]).expect("it is large and aligned");
    let end = loop {
        match run.step() {
            Ok(Some(_)) => {}
            Ok(None) => break true,
            Err(RunError::Extern { .. }) => break true,
            Err(error) => panic!("{error}"),
        }
    };
    let guards = [&memory.0[..1 << 10], &memory.0[(1 << 10) + needed..]];
    assert!(guards.iter().all(|guard| guard.iter().all(|&b| b == 0x5a)), "written outside");
    end
}

#[test]
fn damaged_calls_are_refused_or_harmless() {
    let good = encode(&model(call())).expect("it encodes");
    let (mut refused, mut ran) = (0, 0);
    for at in 0..good.len() {
        for flip in 1..=255 {
            let mut bad = good.clone();
            bad[at] ^= flip;
            seal(&mut bad);
            if harmless(&bad) { ran += 1 } else { refused += 1 }
        }
    }
    assert!(refused > 10_000 && ran > 1000, "{refused} refused, {ran} ran");
}

proptest! {
    #[test]
    fn random_edits_of_calls_are_refused_or_harmless(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bad = encode(&model(call())).expect("it encodes");
        for (at, value) in edits {
            let at = at.index(bad.len());
            bad[at] = value;
        }
        seal(&mut bad);
        harmless(&bad);
    }
}

#[test]
fn names_have_a_most() {
    let long = [b'a'; MAX_EXTERN_NAME];
    let name = heapless::Vec::from_slice(&long).expect("it is the longest");
    assert_eq!(refused(Params { name, ..call() }).0, StepError::Extern(ExternFault::Missing));
}
