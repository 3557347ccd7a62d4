//! Tracers: what they are told of a run, and of which tensors.

mod common;

use common::{Aligned, Constants, sum_of_bytes};
use microhlo::{DebugInfo, DebugInfoError, Model, Range, StepInfo, TensorTap, Tracer};
use microhlo_format::{
    ArtifactSpec, DType, KernelId, Place, Region, Tap, Tensor, TensorSpec, encode, encode_debug,
};

const N: u32 = 8;

/// The input and itself, and that and the input: three times the input.
fn tripled() -> Vec<u8> {
    let tensor = |name: &str, place| TensorSpec {
        name: name.into(),
        dtype: DType::I8,
        dims: vec![N],
        place,
    };
    let [x, twice, thrice] = [0, 16, 32].map(Place::arena);
    let spec = ArtifactSpec {
        inputs: vec![tensor("x", x)],
        outputs: vec![tensor("sum", thrice)],
        steps: vec![sum_of_bytes(x, x, twice, N), sum_of_bytes(twice, x, thrice, N)],
        constants: Constants::default().0,
        arena_bytes: 48,
        ..ArtifactSpec::default()
    };
    encode(&spec).expect("an artifact")
}

fn tap<'a>(step: u32, name: &'a str, dtype: DType, count: u32, place: Place) -> Tap<'a> {
    let dims = heapless::Vec::from_iter([count]);
    let tensor = Tensor { name: name.into(), dtype, dims, place };
    Tap { step, op: "stablehlo.add".into(), location: "m.mlir:3:5".into(), tensor }
}

/// Writes down what it is told.
#[derive(Default)]
struct Notes {
    clock: u32,
    all: Vec<String>,
}

impl Tracer for Notes {
    fn ticks(&mut self) -> u32 {
        // Wraps in between.
        self.clock = self.clock.wrapping_add(u32::MAX / 2 + 100);
        self.clock
    }

    fn step_start(&mut self, step: StepInfo) {
        self.all.push(format!("{} starts", step.index));
    }

    fn step_end(&mut self, step: StepInfo, ticks: u32) {
        assert_eq!((step.kernel, ticks), (KernelId::sum_i8, u32::MAX / 2 + 100));
        self.all.push(format!("{} ends", step.index));
    }

    fn tensor(&mut self, step: StepInfo, tap: &TensorTap<'_>) {
        let tensor = tap.tensor();
        let (name, bytes, range) = (tensor.info().name(), tensor.bytes(), tensor.range());
        assert_eq!((tap.op(), tap.location()), ("stablehlo.add", "m.mlir:3:5"));
        self.all.push(format!("{} {name} {bytes:?} {range:?}", step.index));
    }
}

fn noted(model: &Model<'_>, debug: Option<&DebugInfo<'_>>) -> (Vec<String>, Vec<u8>) {
    let (mut arena, mut notes, mut sum) = (microhlo::Arena([0; 48]), Notes::default(), [0; 8]);
    let x = [0, 1, 2, 3, 4, 5, 6, 251];
    model.run_traced(&mut arena.0, &[&x], &mut [&mut sum], debug, &mut notes).expect("a run");
    (notes.all, sum.to_vec())
}

#[test]
fn a_tracer_is_told_of_steps_and_tensors_in_order() {
    let bytes = tripled();
    let taps = [
        tap(0, "%1", DType::I8, N, Place::arena(16)),
        tap(1, "%2", DType::U8, 4, Place::arena(32)),
        tap(1, "%3", DType::I16, 0, Place::constant(999)),
    ];
    let debug = encode_debug(&bytes, &taps).expect("debug information");
    let debug = DebugInfo::parse(&debug).expect("debug information");
    assert_eq!(debug.taps().collect::<Vec<_>>(), taps);
    let artifact = Aligned::new(&bytes);
    let model = Model::load(artifact.bytes()).expect("a model");
    let (notes, sum) = noted(&model, Some(&debug));
    assert_eq!(
        notes,
        [
            "0 starts",
            "0 ends",
            "0 %1 [0, 2, 4, 6, 8, 10, 12, 246] Some(Signed { min: -10, max: 12 })",
            "1 starts",
            "1 ends",
            "1 %2 [0, 3, 6, 9] Some(Unsigned { min: 0, max: 9 })",
            "1 %3 [] None",
        ]
    );
    let mut plain = [0; 8];
    let x = [0, 1, 2, 3, 4, 5, 6, 251];
    model.run(&mut microhlo::Arena([0; 48]).0, &[&x], &mut [&mut plain]).expect("a run");
    assert_eq!(sum, plain);
    let (untold, _) = noted(&model, None);
    assert_eq!(untold, ["0 starts", "0 ends", "1 starts", "1 ends"]);
}

#[test]
fn tensors_outside_of_memory_and_of_other_artifacts_are_not_shown() {
    let bytes = tripled();
    let artifact = Aligned::new(&bytes);
    let model = Model::load(artifact.bytes()).expect("a model");
    let place = |region, offset| Place { region, offset };
    let outside = [
        tap(0, "a", DType::I8, 33, Place::arena(16)),
        tap(0, "b", DType::I8, 1, Place::arena(u32::MAX)),
        tap(0, "c", DType::I32, 1, Place::arena(18)),
        tap(0, "d", DType::I8, 1, place(Region::Arena1, 0)),
        tap(0, "e", DType::I8, 1, place(Region::Stream, 0)),
        tap(0, "f", DType::I8, 1, Place::constant(1 << 20)),
    ];
    let steps = ["0 starts", "0 ends", "1 starts", "1 ends"];
    for tap in &outside {
        let debug = encode_debug(&bytes, std::slice::from_ref(tap)).expect("debug information");
        let debug = DebugInfo::parse(&debug).expect("debug information");
        assert_eq!(noted(&model, Some(&debug)).0, steps, "{tap:?}");
    }
    let mut other = bytes.clone();
    other[16] ^= 1;
    let inside = [tap(0, "%1", DType::I8, N, Place::arena(16))];
    let debug = encode_debug(&other, &inside).expect("debug information");
    let debug = DebugInfo::parse(&debug).expect("debug information");
    assert_eq!(noted(&model, Some(&debug)).0, steps);
}

#[test]
fn damaged_debug_information_is_refused() {
    let bytes = tripled();
    let taps = [tap(0, "%1", DType::I8, N, Place::arena(16))];
    let debug = encode_debug(&bytes, &taps).expect("debug information");
    for end in 0..debug.len() {
        assert!(DebugInfo::parse(&debug[..end]).is_err(), "{end} bytes");
    }
    let mut longer = debug.clone();
    longer.push(0);
    assert_eq!(DebugInfo::parse(&longer).err(), Some(DebugInfoError::Malformed));
    assert_eq!(DebugInfo::parse(&bytes).err(), Some(DebugInfoError::BadMagic));
    // More dimensions and elements than there can be, and whatever else a byte makes of it.
    for at in 0..debug.len() {
        for flip in 1..=255 {
            let mut damaged = debug.clone();
            damaged[at] ^= flip;
            let artifact = Aligned::new(&bytes);
            let model = Model::load(artifact.bytes()).expect("a model");
            let Ok(info) = DebugInfo::parse(&damaged) else { continue };
            let mut arena = microhlo::Arena([0; 48]);
            let mut run = model.start(&mut arena.0).expect("a run");
            while let Some(step) = run.step().expect("a step") {
                run.taps(step, Some(&info)).for_each(|tap| {
                    std::hint::black_box(tap.tensor().range());
                });
            }
        }
    }
}

/// The range of bytes as a tensor of a type.
fn range(dtype: DType, bytes: &[u8]) -> Option<Range> {
    let count = (bytes.len() / dtype.size()) as u32;
    let constants = Aligned::new(bytes).bytes().to_vec();
    let output =
        TensorSpec { name: "y".into(), dtype, dims: vec![count], place: Place::constant(0) };
    let spec = ArtifactSpec { outputs: vec![output], constants, ..ArtifactSpec::default() };
    let artifact = Aligned::new(&encode(&spec).expect("an artifact"));
    let model = Model::load(artifact.bytes()).expect("a model");
    let run = model.start(&mut []).expect("a run");
    run.output(0).expect("the output").range()
}

#[test]
fn ranges_are_of_every_kind_of_element() {
    let floats = common::f32_bytes(&[1.5, f32::NAN, -2.0, 0.25]);
    let all_nan = common::f32_bytes(&[f32::NAN]);
    let float = |min, max, nans| Some(Range::Float { min, max, nans });
    assert_eq!(range(DType::F32, &floats), float(-2.0, 1.5, 1));
    assert_eq!(range(DType::F32, &all_nan), float(f64::INFINITY, f64::NEG_INFINITY, 1));
    assert_eq!(range(DType::F64, &0.1_f64.to_le_bytes()), float(0.1, 0.1, 0));
    assert_eq!(range(DType::BF16, &[0x80, 0x3f, 0x00, 0xc0]), float(-2.0, 1.0, 0));
    assert_eq!(range(DType::F8E5M2, &[0x3c, 0xbc]), float(-1.0, 1.0, 0));
    let signed = |min, max| Some(Range::Signed { min, max });
    assert_eq!(range(DType::I4, &[0xf8, 7]), signed(-8, 7));
    assert_eq!(range(DType::I16, &[0xff, 0xff, 0, 1]), signed(-1, 256));
    assert_eq!(range(DType::I64, &i64::MIN.to_le_bytes()), signed(i64::MIN, i64::MIN));
    let unsigned = |min, max| Some(Range::Unsigned { min, max });
    assert_eq!(range(DType::I1, &[0, 1]), unsigned(0, 1));
    assert_eq!(range(DType::U64, &u64::MAX.to_le_bytes()), unsigned(u64::MAX, u64::MAX));
    assert_eq!(range(DType::C64, &[0; 8]), None);
    assert_eq!(range(DType::I8, &[]), None);
}
