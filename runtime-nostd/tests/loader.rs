//! What the loader and the runs refuse, and with which error.

mod common;
#[path = "loader/words.rs"]
mod words;

use common::{Aligned, Constants, f32_bytes, f32_values, one_step, run};
use microhlo::{
    Arena, ArtifactError, KernelId, Kernels, LoadError, Model, ParamError, RunError, StepError,
    kernels, micro,
};
use microhlo_format::kernels::{
    Branch, Cholesky, ConvI8, ConvI8Mve, DepthwiseI8, DepthwiseI8Mve, DepthwiseLayout,
    DepthwiseTapsI8, DepthwiseThreeI8, Fft, Fill, Map, MapInstr, MapOperand, Move, Parts, Reduce,
    Requant, Rounding, SoftmaxF32, Switch,
};
use microhlo_format::{ArtifactSpec, DType, Kernel, MicroId, MicroOp, Place, Target, encode, seal};

fn error(spec: &ArtifactSpec) -> LoadError {
    Model::load(Aligned::new(&encode(spec).unwrap()).bytes()).expect_err("the model is bad")
}

/// The error of the only step.
fn step_error(step: Kernel<Place>) -> StepError {
    match error(&one_step(step, 64, (64, 64), vec![0; 64])) {
        LoadError::Step { step: 0, offset: 64, error } => error,
        other => panic!("unexpected {other}"),
    }
}

fn fill(output: Place) -> Fill<Place> {
    Fill { value: Place::constant(0), output, element: 4, count: 16 }
}

fn softmax(input: u32, output: u32) -> Kernel<Place> {
    let (input, output) = (Place::arena(input), Place::arena(output));
    Kernel::softmax_f32(SoftmaxF32 { input, output, rows: 1, n: 16 })
}

fn add(dst: u8, args: [u8; 3]) -> MapInstr {
    MapInstr { op: MicroId::op(MicroOp::add, DType::F32), dst, args }
}

/// `y = x + x` over 16 elements.
fn map() -> Map<Place> {
    let operand =
        |offset| MapOperand { place: Place::arena(offset), strides: [4].into_iter().collect() };
    Map {
        sizes: [16].into_iter().collect(),
        inputs: [operand(0)].into_iter().collect(),
        outputs: [operand(64)].into_iter().collect(),
        scratch: None,
        temps: 0,
        temp_size: 0,
        tile: 16,
        code: [add(1, [0, 0, 0])].into_iter().collect(),
    }
}

#[test]
fn bytes_must_be_aligned() {
    let file = encode(&one_step(Kernel::map(map()), 64, (64, 64), vec![])).unwrap();
    let mut shifted = vec![0; 4];
    shifted.extend_from_slice(&file);
    let shifted = Aligned::new(&shifted);
    assert_eq!(Model::load(&shifted.bytes()[4..]).unwrap_err(), LoadError::Misaligned);
    assert!(Model::load(Aligned::new(&file).bytes()).is_ok());
}

#[test]
fn names_that_are_no_text_are_empty() {
    let spec = ArtifactSpec {
        name: "keyword".into(),
        ..one_step(Kernel::map(map()), 64, (64, 64), vec![])
    };
    let mut bytes = encode(&spec).unwrap();
    let name = |bytes: &[u8]| {
        let file = Aligned::new(bytes);
        Model::load(file.bytes()).expect("it loads").name().to_owned()
    };
    assert_eq!(name(&bytes), "keyword");
    let at = bytes.windows(7).position(|window| window == b"keyword").expect("the name");
    bytes[at + 3] = 0xff;
    seal(&mut bytes);
    assert_eq!(name(&bytes), "");
}

#[test]
fn format_errors_are_passed_on() {
    let artifact = LoadError::Artifact(ArtifactError::Truncated { needed: 64, given: 0 });
    assert_eq!(Model::load(Aligned::new(&[]).bytes()).unwrap_err(), artifact);
}

#[test]
fn missing_kernels_and_micro_operations_are_named() {
    static NONE: Kernels = Kernels { kernels: &[], micro: &[] };
    static NO_MICRO: Kernels = Kernels { kernels: &[kernels::map::ENTRY], micro: &[] };
    static ENOUGH: Kernels = Kernels { kernels: &[kernels::map::ENTRY], micro: &[micro::add::F32] };
    let file = Aligned::new(&encode(&one_step(Kernel::map(map()), 64, (64, 64), vec![])).unwrap());
    let step = |error| LoadError::Step { step: 0, offset: 64, error };
    assert_eq!(
        Model::load_with(file.bytes(), &NONE).unwrap_err(),
        step(StepError::MissingKernel(KernelId::map))
    );
    assert_eq!(
        Model::load_with(file.bytes(), &NO_MICRO).unwrap_err(),
        step(StepError::MissingMicro(MicroId::op(MicroOp::add, DType::F32)))
    );
    assert!(Model::load_with(file.bytes(), &ENOUGH).is_ok());
    for (kernels, name) in [(&NONE, "kernel map"), (&NO_MICRO, "micro-operation add of f32")] {
        let text = Model::load_with(file.bytes(), kernels).unwrap_err().to_string();
        assert_eq!(
            text,
            format!("step 0 at offset 64: {name} is not linked; add it to the kernel set")
        );
    }
    let vectors = StepError::MissingKernel(KernelId::conv_i8_mve).to_string();
    assert!(vectors.ends_with("compiled for Cortex-M55; compile it for this core"), "{vectors}");
    let conversion = MicroId::convert(DType::I8, DType::F32);
    assert_eq!(conversion.to_string(), "convert from i8 to f32");
    assert_eq!(MicroId(0x7fff).to_string(), "0x7fff");
}

#[test]
fn operands_stay_inside_their_memory() {
    let far = [Place::arena(68), Place::arena(u32::MAX), Place::constant(4)];
    assert_eq!(step_error(Kernel::fill(fill(far[0]))), StepError::OutOfBounds);
    assert_eq!(step_error(Kernel::fill(fill(far[1]))), StepError::OutOfBounds);
    assert_eq!(step_error(Kernel::fill(fill(Place::constant(0)))), StepError::WritesConstant);
    assert_eq!(step_error(Kernel::fill(fill(Place::arena(62)))), StepError::Misaligned);
    let reversed = |offset| {
        Kernel::move_(Move {
            input: Place::arena(offset),
            output: Place::arena(64),
            element: 4,
            sizes: [16].into_iter().collect(),
            input_strides: [-4].into_iter().collect(),
            output_strides: [4].into_iter().collect(),
        })
    };
    assert_eq!(step_error(reversed(56)), StepError::OutOfBounds);
    let spec = one_step(reversed(60), 64, (64, 64), vec![]);
    let input: Vec<f32> = (0..16).map(|i| i as f32).collect();
    let output = f32_values(&common::run(&spec, &f32_bytes(&input)).unwrap());
    assert_eq!(output, input.into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn written_memory_overlaps_nothing() {
    assert_eq!(step_error(softmax(0, 4)), StepError::Overlap);
    let shared = one_step(softmax(0, 0), 64, (0, 64), vec![]);
    let output = common::run(&shared, &f32_bytes(&[0.0; 16])).unwrap();
    assert_eq!(f32_values(&output), [1.0 / 16.0; 16]);
    let moved = |output| {
        Kernel::move_(Move {
            input: Place::arena(0),
            output: Place::arena(output),
            element: 4,
            sizes: [8].into_iter().collect(),
            input_strides: [4].into_iter().collect(),
            output_strides: [4].into_iter().collect(),
        })
    };
    // What is written lies before what is read next, or on what has just been read.
    assert_eq!(step_error(moved(4)), StepError::Overlap);
    assert_eq!(step_error(moved(28)), StepError::Overlap);
}

#[test]
fn maps_share_memory_only_where_the_order_allows() {
    let in_place = |code: &[MapInstr]| {
        let mut map = map();
        map.outputs[0].place = Place::arena(0);
        map.code = code.iter().copied().collect();
        Model::load(
            Aligned::new(&encode(&one_step(Kernel::map(map), 64, (0, 64), vec![])).unwrap())
                .bytes(),
        )
        .map(|_| ())
    };
    assert_eq!(in_place(&[add(1, [0, 0, 0])]), Ok(()));
    assert_eq!(in_place(&[add(1, [0, 0, 0]), add(1, [1, 1, 0])]), Ok(()));
    let reads_later = in_place(&[add(1, [0, 0, 0]), add(1, [1, 0, 0])]);
    let overlap = LoadError::Step { step: 0, offset: 64, error: StepError::Overlap };
    assert_eq!(reads_later, Err(overlap));
}

#[test]
fn parameters_must_make_sense() {
    let params = |edit: &dyn Fn(&mut Map<Place>)| {
        let mut map = map();
        edit(&mut map);
        step_error(Kernel::map(map))
    };
    let code =
        |instr: MapInstr| move |map: &mut Map<Place>| map.code = [instr].into_iter().collect();
    let bad_code = StepError::Params(ParamError::BadCode);
    let mismatch = StepError::Params(ParamError::Mismatch);
    assert_eq!(params(&code(add(0, [0, 0, 0]))), bad_code, "an input is written");
    assert_eq!(params(&code(add(2, [0, 0, 0]))), bad_code, "no such register");
    assert_eq!(params(&code(add(1, [0, 0, 9]))), bad_code, "an argument too many");
    let unknown = MapInstr { op: MicroId(0x7fff), dst: 1, args: [0; 3] };
    assert_eq!(params(&code(unknown)), bad_code, "no such operation");
    assert_eq!(params(&|map| map.tile = 0), StepError::Params(ParamError::Zero));
    assert_eq!(params(&|map| map.temps = 1), mismatch, "temporaries without scratch");
    assert_eq!(params(&|map| map.sizes.push(1).unwrap()), mismatch, "ranks differ");
    assert_eq!(params(&|map| map.inputs[0].strides[0] = 2), mismatch, "stride and alignment");
    assert_eq!(params(&|map| map.code.clear()), StepError::Params(ParamError::Zero));
    let overflow = |sizes: [u32; 2]| {
        params(&|map| {
            map.sizes = sizes.into_iter().collect();
            map.inputs[0].strides = [0, 0].into_iter().collect();
            map.outputs[0].strides = [0, 0].into_iter().collect();
        })
    };
    assert_eq!(overflow([1 << 16, 1 << 16]), StepError::Params(ParamError::Overflow));
    let compare = Kernel::reduce(Reduce {
        op: MicroId::op(MicroOp::lt, DType::F32),
        input: Place::arena(0),
        init: Place::constant(0),
        output: Place::arena(64),
        post: None,
        sizes: [].into_iter().collect(),
        strides: [].into_iter().collect(),
        reduce: [16].into_iter().collect(),
        reduce_strides: [4].into_iter().collect(),
    });
    assert_eq!(step_error(compare), bad_code, "the result type differs");
}

#[test]
fn inputs_and_outputs_have_valid_places() {
    let step = || Kernel::fill(fill(Place::arena(64)));
    let mut spec = one_step(step(), 64, (64, 64), vec![0; 64]);
    spec.inputs[0].place = Place::constant(0);
    assert_eq!(error(&spec), LoadError::Input { index: 0 });
    spec.inputs[0].place = Place::arena(65);
    assert_eq!(error(&spec), LoadError::Input { index: 0 });
    spec.inputs[0].place = Place::arena(0);
    spec.outputs[0].place = Place::constant(1);
    assert_eq!(error(&spec), LoadError::Output { index: 0 });
    spec.outputs[0].place = Place::constant(0);
    assert_eq!(common::run(&spec, &[0; 64]).unwrap(), [0; 64], "an output may be constant");
    spec.outputs[0].dtype = DType::F32;
    spec.outputs[0].dims = vec![4];
    spec.outputs[0].place = Place::arena(2);
    assert_eq!(error(&spec), LoadError::Output { index: 0 });
}

#[test]
fn runs_check_arena_inputs_and_outputs() {
    let mut constants = Constants::default();
    constants.add_f32(&[3.0]);
    let spec = one_step(Kernel::fill(fill(Place::arena(64))), 64, (64, 64), constants.0);
    let file = Aligned::new(&encode(&spec).unwrap());
    let model = Model::load(file.bytes()).unwrap();
    assert_eq!((model.arena_bytes(), model.step_count()), (128, 1));
    assert_eq!((model.input_index("x"), model.output_index("x")), (Some(0), None));
    let mut arena = Arena([0; 256]);
    let mut y = [0; 64];
    let short = model.run(&mut arena.0[..127], &[&[0; 64]], &mut [&mut y]);
    assert_eq!(short, Err(RunError::ArenaTooSmall { needed: 128, given: 127 }));
    let shifted = model.run(&mut arena.0[4..], &[&[0; 64]], &mut [&mut y]);
    assert_eq!(shifted, Err(RunError::ArenaMisaligned { align: 16 }));
    let inputs = model.run(&mut arena.0, &[], &mut [&mut y]);
    assert_eq!(inputs, Err(RunError::InputCount { needed: 1, given: 0 }));
    let outputs = model.run(&mut arena.0, &[&[0; 64]], &mut []);
    assert_eq!(outputs, Err(RunError::OutputCount { needed: 1, given: 0 }));
    let long = model.run(&mut arena.0, &[&[0; 65]], &mut [&mut y]);
    assert_eq!(long, Err(RunError::InputSize { index: 0, needed: 64, given: 65 }));
    let narrow = model.run(&mut arena.0, &[&[0; 64]], &mut [&mut y[..60]]);
    assert_eq!(narrow, Err(RunError::OutputSize { index: 0, needed: 64, given: 60 }));
    assert_eq!(model.run(&mut arena.0, &[&[0; 64]], &mut [&mut y]), Ok(()));
    assert_eq!(f32_values(&y), [3.0; 16]);
}

#[test]
fn steps_run_one_by_one() {
    let mut spec = one_step(softmax(0, 64), 64, (64, 64), vec![]);
    spec.inputs[0].dtype = DType::F32;
    spec.inputs[0].dims = vec![4, 4];
    spec.outputs[0].dtype = DType::F32;
    spec.outputs[0].dims = vec![16];
    let file = Aligned::new(&encode(&spec).unwrap());
    let model = Model::load(file.bytes()).unwrap();
    let mut arena = Arena([0; 128]);
    let mut run = model.start(&mut arena.0).unwrap();
    assert_eq!(run.output(0).unwrap_err(), RunError::NotFinished);
    assert_eq!(run.input_mut(1).unwrap_err(), RunError::NoSuchTensor { index: 1 });
    let mut x = run.input_mut(0).unwrap();
    assert_eq!(x.dims(), [4, 4]);
    assert!(x.as_i32_mut().is_none(), "the type differs");
    x.as_f32_mut().unwrap().fill(1.0);
    let info = run.step().unwrap().unwrap();
    assert_eq!((info.index, info.kernel), (0, KernelId::softmax_f32));
    assert_eq!(run.set_input(0, &[0; 64]), Err(RunError::AlreadyStarted));
    assert_eq!(run.step(), Ok(None));
    assert_eq!(run.step(), Ok(None));
    assert!(run.is_finished());
    assert_eq!(run.output(0).unwrap().as_f32().unwrap(), [0.0625; 16]);
    assert_eq!(run.output(1).unwrap_err(), RunError::NoSuchTensor { index: 1 });
}

/// A program of `jumps` and then steps that fill the output with 3.
fn with_control(control: Vec<Kernel<Place>>, constants: Vec<u8>) -> ArtifactSpec {
    let mut spec = one_step(Kernel::fill(fill(Place::arena(64))), 64, (64, 64), constants);
    spec.steps.splice(0..0, control);
    spec
}

fn branch(predicate: Option<Place>, when: bool, step: u32) -> Kernel<Place> {
    Kernel::branch(Branch { predicate, when, target: Target::step(step) })
}

/// The error of step 0 after its bytes at `at` in the target have been changed.
fn target_error(spec: &ArtifactSpec, at: usize, value: u8) -> LoadError {
    let mut bytes = encode(spec).unwrap();
    // Kernel, length, no predicate, `when`, then the target.
    bytes[64 + 4 + at] = value;
    seal(&mut bytes);
    Model::load(Aligned::new(&bytes).bytes()).expect_err("the target is bad")
}

#[test]
fn targets_are_steps_of_the_program() {
    let jump = |step| with_control(vec![branch(None, false, step)], vec![0; 64]);
    let bad = LoadError::Step { step: 0, offset: 64, error: StepError::BadTarget };
    assert_eq!(error(&jump(0)), bad, "the first step is no target");
    for step in 1..=2 {
        assert!(Model::load(Aligned::new(&encode(&jump(step)).unwrap()).bytes()).is_ok());
        for (at, value) in [(0, 0), (0, 3 - step as u8), (0, 3), (3, 1), (4, 1), (4, 255), (7, 1)] {
            assert_eq!(target_error(&jump(step), at, value), bad, "{step}: {at} {value}");
        }
    }
    let last = with_control(vec![], vec![0; 64]);
    let mut backward = last.clone();
    backward.steps.push(branch(None, false, 1));
    assert!(Model::load(Aligned::new(&encode(&backward).unwrap()).bytes()).is_ok());
}

#[test]
fn predicates_and_indices_lie_in_memory() {
    let load = |control| {
        let spec = with_control(vec![control], vec![0; 64]);
        Model::load(Aligned::new(&encode(&spec).unwrap()).bytes()).map(|_| ())
    };
    let fails = |error| Err(LoadError::Step { step: 0, offset: 64, error });
    assert_eq!(load(branch(Some(Place::arena(127)), true, 1)), Ok(()));
    assert_eq!(load(branch(Some(Place::constant(63)), true, 1)), Ok(()));
    assert_eq!(load(branch(Some(Place::arena(128)), true, 1)), fails(StepError::OutOfBounds));
    let switch = |index| {
        let targets = [Target::step(1), Target::step(2)].into_iter().collect();
        Kernel::switch(Switch { index, first: 0, targets })
    };
    assert_eq!(load(switch(Place::arena(124))), Ok(()));
    assert_eq!(load(switch(Place::arena(125))), fails(StepError::OutOfBounds));
    assert_eq!(load(switch(Place::arena(122))), fails(StepError::Misaligned));
}

#[test]
fn control_flow_continues_elsewhere() {
    let bytes = |words: [i32; 3]| words.into_iter().flat_map(i32::to_le_bytes).collect::<Vec<_>>();
    let constants = bytes([3, 5, 7]);
    let fill = |value, output, count| {
        let (value, output) = (Place::constant(value), Place::arena(output));
        Kernel::fill(Fill { value, output, element: 4, count })
    };
    // The first word of the input chooses one of three values for the output.
    let targets = [Target::step(3), Target::step(5)].into_iter().collect();
    let switch = Kernel::switch(Switch { index: Place::arena(0), first: 10, targets });
    let steps = vec![
        switch,
        fill(8, 64, 16),
        branch(None, false, 6),
        fill(0, 64, 16),
        branch(Some(Place::arena(4)), true, 6),
        fill(4, 64, 16),
    ];
    let mut spec = one_step(fill(0, 64, 16), 64, (64, 64), constants);
    spec.steps = steps;
    for (index, flag, wanted) in [
        (10, 1, 3),
        (10, 0, 5),
        (11, 1, 5),
        (12, 1, 7),
        (9, 1, 7),
        (-1, 1, 7),
        (i32::MIN, 1, 7),
        (i32::MAX, 1, 7),
    ] {
        let mut input = vec![0; 64];
        input[..12].copy_from_slice(&bytes([index, flag, 0]));
        let output = common::run(&spec, &input).unwrap();
        let wanted: Vec<u8> = std::iter::repeat_n(i32::to_le_bytes(wanted), 16).flatten().collect();
        assert_eq!(output, wanted, "{index} {flag}");
    }
}

#[test]
fn a_loop_returns_to_the_caller_after_every_step() {
    let steps = vec![Kernel::fill(fill(Place::arena(64))), branch(None, false, 1)];
    let mut spec = with_control(steps, vec![0; 64]);
    spec.steps.swap(1, 2);
    // fill, fill, and from there back to the second fill for ever.
    let file = Aligned::new(&encode(&spec).unwrap());
    let model = Model::load(file.bytes()).unwrap();
    assert_eq!(model.step_count(), 3);
    let mut arena = Arena([0; 128]);
    let mut run = model.start(&mut arena.0).unwrap();
    let mut indices = Vec::new();
    for _ in 0..6 {
        indices.push(run.step().unwrap().unwrap().index);
    }
    assert_eq!(indices, [0, 1, 2, 1, 2, 1]);
    assert!(!run.is_finished());
    assert_eq!(run.output(0).unwrap_err(), RunError::NotFinished);
    assert_eq!(run.set_input(0, &[0; 64]), Err(RunError::AlreadyStarted));
}

fn cholesky(dtype: DType, n: u32) -> Cholesky<Place> {
    let (input, output) = (Place::arena(0), Place::arena(0));
    Cholesky { input, output, dtype, batch: 1, n, lower: true }
}

#[test]
fn kernels_of_one_element_type_refuse_others() {
    let wrong = StepError::Params(ParamError::BadCode);
    assert_eq!(step_error(Kernel::cholesky_f64(cholesky(DType::F32, 2))), wrong);
    assert_eq!(step_error(Kernel::cholesky_f32(cholesky(DType::I32, 2))), wrong);
    let zero = StepError::Params(ParamError::Zero);
    assert_eq!(step_error(Kernel::cholesky_f32(cholesky(DType::F32, 0))), zero);
    let fits = one_step(Kernel::cholesky_f32(cholesky(DType::F32, 4)), 64, (0, 64), vec![]);
    assert!(run(&fits, &[0; 64]).is_ok());
}

#[test]
fn transforms_need_factors_that_make_up_their_length() {
    let fft = |radices: &[u8], kind: u8, convolution: u32, table: u32| {
        Kernel::fft_f32(Fft {
            input: Place::arena(0),
            output: Place::arena(0),
            table: Place::constant(table),
            scratch: Place::arena(32),
            dtype: DType::F32,
            kind,
            n: 4,
            convolution,
            radices: radices.iter().copied().collect(),
            input_stride: 8,
            output_stride: 8,
            sizes: Default::default(),
            input_strides: Default::default(),
            output_strides: Default::default(),
        })
    };
    let mismatch = StepError::Params(ParamError::Mismatch);
    assert_eq!(step_error(fft(&[2], 0, 0, 0)), mismatch);
    assert_eq!(step_error(fft(&[4, 0], 0, 0, 0)), mismatch);
    assert_eq!(step_error(fft(&[2, 2], 0, 4, 0)), mismatch, "a convolution is twice as long");
    assert_eq!(step_error(fft(&[4], 4, 0, 0)), StepError::Params(ParamError::BadCode));
    // The table of four roots does not fit behind this place.
    assert_eq!(step_error(fft(&[4], 0, 0, 40)), StepError::OutOfBounds);
    let roots = [[1f32, 0.], [0., -1.], [-1., 0.], [0., 1.]].concat();
    let mut spec = one_step(fft(&[4], 0, 0, 0), 32, (0, 32), f32_bytes(&roots));
    spec.arena_bytes = 96;
    let x = f32_bytes(&[1., 0., 2., 0., 3., 0., 4., 0.]);
    let spectrum = run(&spec, &x).unwrap();
    assert_eq!(spectrum, f32_bytes(&[10., 0., -2., 2., -2., 0., -2., -2.]));
}

const REQUANT: Requant =
    Requant { shift: 33, zero: 0, min: -128, max: 127, rounding: Rounding::Up };

/// Four pixels of five channels to four: 16 bytes of results, then 48 of scratch.
fn conv_i8() -> ConvI8<Place> {
    ConvI8 {
        input: Place::arena(0),
        weights: Place::constant(0),
        channels: Place::constant(0),
        shifts: None,
        output: Place::arena(64),
        scratch: Place::arena(80),
        batch: 1,
        in_h: 1,
        in_w: 4,
        in_c: 5,
        out_h: 1,
        out_w: 4,
        out_c: 4,
        groups: 1,
        kernel_h: 1,
        kernel_w: 1,
        stride_h: 1,
        stride_w: 1,
        pad_top: 0,
        pad_left: 0,
        dilation_h: 1,
        dilation_w: 1,
        input_zero: 0,
        requant: Some(REQUANT),
    }
}

fn depthwise_i8() -> DepthwiseI8<Place> {
    let c = conv_i8();
    DepthwiseI8 {
        input: c.input,
        weights: c.weights,
        channels: c.channels,
        shifts: None,
        output: c.output,
        scratch: Some(Place::arena(68)),
        batch: 1,
        in_h: 1,
        in_w: 1,
        channels_count: 3,
        multiplier: 1,
        out_h: 1,
        out_w: 1,
        kernel_h: 1,
        kernel_w: 1,
        stride_h: 1,
        stride_w: 1,
        pad_top: 0,
        pad_left: 0,
        dilation_h: 1,
        dilation_w: 1,
        input_zero: 0,
        requant: Some(REQUANT),
        layout: DepthwiseLayout::Lines(1),
    }
}

#[test]
fn sums_of_bytes_need_their_memory() {
    let load = |change: &dyn Fn(&mut ConvI8<Place>)| {
        let mut conv = conv_i8();
        change(&mut conv);
        let mut spec = one_step(Kernel::conv_i8(conv), 64, (64, 64), vec![0; 64]);
        spec.arena_bytes = 128;
        Model::load(Aligned::new(&encode(&spec).unwrap()).bytes()).map(|_| ())
    };
    let fails = |error| Err(LoadError::Step { step: 0, offset: 64, error });
    assert_eq!(load(&|_| ()), Ok(()));
    // Taps of four pixels, an even number of 16 bits each.
    assert_eq!(load(&|c| c.scratch = Place::arena(84)), fails(StepError::OutOfBounds));
    assert_eq!(load(&|c| c.scratch = Place::arena(78)), fails(StepError::Misaligned));
    assert_eq!(load(&|c| c.scratch = Place::arena(76)), fails(StepError::Overlap));
    assert_eq!(load(&|c| c.scratch = Place::constant(0)), fails(StepError::WritesConstant));
    // All pixels are read before any of them is written.
    assert_eq!(load(&|c| c.output = Place::arena(0)), Ok(()));
    assert_eq!(load(&|c| c.output = Place::arena(4)), fails(StepError::Overlap));
    // Records of four channels, and weights of four channels and six taps.
    assert_eq!(load(&|c| c.channels = Place::constant(32)), Ok(()));
    assert_eq!(load(&|c| c.channels = Place::constant(36)), fails(StepError::OutOfBounds));
    assert_eq!(load(&|c| c.weights = Place::constant(40)), Ok(()));
    assert_eq!(load(&|c| c.weights = Place::constant(44)), fails(StepError::OutOfBounds));
    assert_eq!(load(&|c| c.shifts = Some(Place::constant(60))), Ok(()));
    assert_eq!(load(&|c| c.shifts = Some(Place::constant(61))), fails(StepError::OutOfBounds));
    // Sums are four bytes.
    assert_eq!(load(&|c| c.requant = None), fails(StepError::Overlap));
    let params = |error| fails(StepError::Params(error));
    assert_eq!(load(&|c| c.groups = 0), params(ParamError::Zero));
    assert_eq!(load(&|c| c.stride_w = 0), params(ParamError::Zero));
    assert_eq!(load(&|c| c.out_c = u32::MAX), params(ParamError::Overflow));
    assert_eq!(load(&|c| (c.kernel_h, c.in_c) = (1 << 20, 1 << 20)), params(ParamError::Overflow));
    let shifts = |c: &mut ConvI8<Place>| {
        (c.shifts, c.requant, c.out_w) = (Some(Place::constant(0)), None, 1);
    };
    assert_eq!(load(&shifts), params(ParamError::Mismatch));
}

#[test]
fn sums_by_vectors_need_their_memory() {
    let load = |change: &dyn Fn(&mut ConvI8<Place>)| {
        let mut conv = conv_i8();
        conv.out_c = 3;
        change(&mut conv);
        let step = Kernel::conv_i8_mve(ConvI8Mve { conv });
        let mut spec = one_step(step, 64, (64, 64), vec![0; 64]);
        spec.arena_bytes = 128;
        Model::load(Aligned::new(&encode(&spec).unwrap()).bytes()).map(|_| ())
    };
    let fails = |error| Err(LoadError::Step { step: 0, offset: 64, error });
    // The taps are read where they lie.
    assert_eq!(load(&|c| c.scratch = Place::arena(128)), Ok(()));
    // Weights of three channels and five taps, and a vector behind them; records of four.
    assert_eq!(load(&|c| c.weights = Place::constant(32)), Ok(()));
    assert_eq!(load(&|c| c.weights = Place::constant(36)), fails(StepError::OutOfBounds));
    assert_eq!(load(&|c| c.channels = Place::constant(32)), Ok(()));
    assert_eq!(load(&|c| c.channels = Place::constant(36)), fails(StepError::OutOfBounds));
    assert_eq!(load(&|c| c.shifts = Some(Place::constant(60))), Ok(()));
    assert_eq!(load(&|c| c.shifts = Some(Place::constant(61))), fails(StepError::OutOfBounds));
    // Whole vectors need nothing behind them.
    let whole = |c: &mut ConvI8<Place>| {
        (c.in_w, c.out_w, c.in_c, c.weights) = (1, 1, 16, Place::constant(16))
    };
    assert_eq!(load(&whole), Ok(()));
    // With padding, the taps of four pixels are gathered, each at a multiple of four bytes.
    let padded = |c: &mut ConvI8<Place>, at| (c.pad_left, c.scratch) = (1, Place::arena(at));
    assert_eq!(load(&|c| padded(c, 96)), Ok(()));
    assert_eq!(load(&|c| padded(c, 100)), fails(StepError::OutOfBounds));
    assert_eq!(load(&|c| padded(c, 94)), fails(StepError::Misaligned));
    assert_eq!(load(&|c| padded(c, 72)), fails(StepError::Overlap));
    // Ties need the sums of two pixels and four channels.
    let ties = |c: &mut ConvI8<Place>, at| {
        c.requant = Some(Requant { rounding: Rounding::Even, ..REQUANT });
        c.scratch = Place::arena(at);
    };
    assert_eq!(load(&|c| ties(c, 96)), Ok(()));
    assert_eq!(load(&|c| ties(c, 100)), fails(StepError::OutOfBounds));
    let params = |error| fails(StepError::Params(error));
    assert_eq!(load(&|c| c.groups = 0), params(ParamError::Zero));
    assert_eq!(load(&|c| c.stride_w = 0), params(ParamError::Zero));
    assert_eq!(load(&|c| c.out_c = u32::MAX), params(ParamError::Overflow));
    assert_eq!(load(&|c| (c.kernel_h, c.in_c) = (1 << 20, 1 << 20)), params(ParamError::Overflow));
}

#[test]
fn results_of_sums_have_a_range() {
    let load = |requant| {
        let mut conv = conv_i8();
        conv.requant = Some(requant);
        let spec = one_step(Kernel::conv_i8(conv), 64, (64, 64), vec![0; 64]);
        Model::load(Aligned::new(&encode(&spec).unwrap()).bytes()).map(|_| ())
    };
    let error = StepError::Params(ParamError::BadCode);
    let bad = Err(LoadError::Step { step: 0, offset: 64, error });
    for (shift, zero, good) in
        [(33, -512, true), (53, 511, true), (32, 0, false), (54, 0, false), (33, 512, false)]
    {
        let loaded = load(Requant { shift, zero, ..REQUANT });
        assert_eq!(loaded, if good { Ok(()) } else { bad }, "{shift} {zero}");
    }
    assert_eq!(load(Requant { min: 3, max: 2, ..REQUANT }), bad);
}

#[test]
fn depthwise_words_need_their_memory() {
    let load = |change: &dyn Fn(&mut DepthwiseI8<Place>)| {
        let mut conv = depthwise_i8();
        change(&mut conv);
        let step = Kernel::depthwise_i8_mve(DepthwiseI8Mve { conv });
        let mut spec = one_step(step, 64, (64, 64), vec![0; 32]);
        spec.arena_bytes = 68 + 256 + 304 + 16;
        Model::load(Aligned::new(&encode(&spec).unwrap()).bytes()).map(|_| ())
    };
    let fails = |error| Err(LoadError::Step { step: 0, offset: 64, error });
    // Words of four positions, a vector of each of 16 channels, tables, and a vector of zero points.
    assert_eq!(load(&|_| ()), Ok(()));
    let at = |offset| load(&|c| c.scratch = Some(Place::arena(offset)));
    assert_eq!(at(72), fails(StepError::OutOfBounds));
    assert_eq!(at(66), fails(StepError::Misaligned));
    assert_eq!(at(0), fails(StepError::Overlap));
    assert_eq!(load(&|c| c.channels = Place::constant(4)), fails(StepError::OutOfBounds));
    // Ties need the sums of 16 channels.
    let ties = Some(Requant { rounding: Rounding::Even, ..REQUANT });
    assert_eq!(load(&|c| c.requant = ties), fails(StepError::OutOfBounds));
    let params = |error| fails(StepError::Params(error));
    assert_eq!(load(&|c| (c.kernel_h, c.kernel_w) = (16, 17)), params(ParamError::Mismatch));
    assert_eq!(load(&|c| c.multiplier = 2), params(ParamError::Mismatch));
    assert_eq!(load(&|c| c.layout = DepthwiseLayout::Taps), params(ParamError::Mismatch));
    assert_eq!(load(&|c| c.scratch = None), params(ParamError::Mismatch));
    assert_eq!(load(&|c| (c.out_w, c.stride_w) = (1 << 20, 1 << 12)), params(ParamError::Overflow));
    assert_eq!(load(&|c| (c.out_w, c.stride_w) = (5, 1 << 24)), params(ParamError::Overflow));
    assert_eq!(load(&|c| c.channels_count = 0), params(ParamError::Zero));
}

#[test]
fn depthwise_lines_need_their_memory() {
    let load = |change: &dyn Fn(&mut DepthwiseI8<Place>)| {
        let mut conv = depthwise_i8();
        change(&mut conv);
        let spec = one_step(Kernel::depthwise_i8(conv), 64, (64, 64), vec![0; 32]);
        Model::load(Aligned::new(&encode(&spec).unwrap()).bytes()).map(|_| ())
    };
    let fails = |error| Err(LoadError::Step { step: 0, offset: 64, error });
    // Four channels with a line of 6 values and room for 8 weights: 112 bytes. More than there are.
    assert_eq!(load(&|_| ()), fails(StepError::OutOfBounds));
    let in_input = |c: &mut DepthwiseI8<Place>| c.scratch = Some(Place::arena(0));
    assert_eq!(load(&in_input), fails(StepError::Overlap));
    let apart = |c: &mut DepthwiseI8<Place>| {
        (c.input, c.scratch) = (Place::arena(112), Some(Place::arena(0)));
        c.output = Place::arena(115);
    };
    assert_eq!(load(&apart), Ok(()));
    let records = |c: &mut DepthwiseI8<Place>| {
        apart(c);
        c.channels = Place::constant(4);
    };
    assert_eq!(load(&records), fails(StepError::OutOfBounds));
    let long = |c: &mut DepthwiseI8<Place>| (c.out_w, c.stride_w) = (1 << 20, 1 << 12);
    assert_eq!(load(&long), fails(StepError::Params(ParamError::Overflow)));
    let zero = |c: &mut DepthwiseI8<Place>| c.channels_count = 0;
    assert_eq!(load(&zero), fails(StepError::Params(ParamError::Zero)));
}

#[test]
fn depthwise_kernels_are_for_their_layouts() {
    let load = |kernel: Kernel<Place>| {
        let spec = one_step(kernel, 512, (512, 64), vec![0; 64]);
        Model::load(Aligned::new(&encode(&spec).unwrap()).bytes()).map(|_| ())
    };
    let mismatch = StepError::Params(ParamError::Mismatch);
    let fails = Err(LoadError::Step { step: 0, offset: 64, error: mismatch });
    let by_lines = DepthwiseI8 {
        input: Place::arena(256),
        output: Place::arena(288),
        scratch: Some(Place::arena(512)),
        channels: Place::constant(0),
        channels_count: 4,
        ..depthwise_i8()
    };
    let square =
        DepthwiseI8 { kernel_h: 3, kernel_w: 3, layout: DepthwiseLayout::Lines(3), ..by_lines };
    let by_taps = DepthwiseI8 { layout: DepthwiseLayout::Taps, scratch: None, ..by_lines };
    let lines = |p| load(Kernel::depthwise_i8(p));
    let three = |depthwise| load(Kernel::depthwise_three_i8(DepthwiseThreeI8 { conv: depthwise }));
    let taps = |depthwise| load(Kernel::depthwise_taps_i8(DepthwiseTapsI8 { conv: depthwise }));
    assert_eq!([lines(by_taps), three(by_lines), taps(by_lines)], [fails, fails, fails]);
    assert_eq!(taps(by_taps), Ok(()));
    let few = DepthwiseI8 { layout: DepthwiseLayout::Lines(2), ..square };
    assert_eq!([lines(few), three(few)], [fails, fails]);
    let twice = DepthwiseI8 { multiplier: 2, ..by_taps };
    assert_eq!(taps(twice), fails);
    for refused in [
        DepthwiseI8 { channels_count: 3, ..square },
        DepthwiseI8 { dilation_h: 2, ..square },
        DepthwiseI8 { requant: None, ..square },
        DepthwiseI8 { stride_w: 3, ..square },
    ] {
        assert_eq!(three(refused), fails);
    }
}

/// What links the parts that four pixels of any number of taps need.
static SOME: Kernels = Kernels {
    kernels: &[kernels::conv_i8::entry::<
        { Parts::FOUR_PIXELS.and(Parts::TAPS_IN_ORDER).and(Parts::BOUNDS).0 },
    >()],
    micro: &[],
};

#[test]
fn parts_of_kernels_that_are_not_linked_are_refused() {
    let load = |conv: ConvI8<Place>| {
        let spec = one_step(Kernel::conv_i8(conv), 64, (64, 64), vec![0; 256]);
        match Model::load_with(Aligned::new(&encode(&spec).unwrap()).bytes(), &SOME) {
            Ok(_) => Parts::NONE,
            Err(LoadError::Step { error: StepError::MissingParts(parts), .. }) => parts,
            Err(error) => panic!("{error}"),
        }
    };
    let few = ConvI8 { in_c: 3, channels: Place::constant(64), ..conv_i8() };
    assert_eq!(load(few), Parts::NONE);
    let by_fours = ConvI8 { in_c: 4, ..few };
    assert_eq!(load(by_fours), Parts::TAPS_BY_FOURS);
    assert_eq!(load(ConvI8 { out_c: 3, ..few }), Parts::CHANNELS_LEFT);
    let rounding = Rounding::Even;
    let even = ConvI8 { requant: Some(Requant { rounding, ..REQUANT }), out_c: 3, ..few };
    let missing = load(even);
    assert_eq!(missing, Parts::ROUNDINGS.and(Parts::CHANNELS_LEFT));
    let text = StepError::MissingParts(missing).to_string();
    assert!(text.ends_with("channels that do not fill a block, sums, and roundings other than up"));
    // Fewer pixels of few products are computed as four.
    assert_eq!(load(ConvI8 { in_w: 1, out_w: 1, ..few }), Parts::NONE);
}
