// A model that calls a function of the firmware, for the examples in the documentation: `board.filter` of four
// floats, with a setting of every type.

#[allow(dead_code)]
fn artifact() -> &'static [u8] {
    use microhlo_format::kernels::{ExternCall, ExternTensor, Setting};
    use microhlo_format::{ArtifactSpec, DType, Kernel, Place, TensorSpec, encode};

    let mut settings = Vec::new();
    Setting::Int(3).encode("window", &mut settings).expect("it encodes");
    Setting::Bool(true).encode("wraps", &mut settings).expect("it encodes");
    Setting::F32(0.5).encode("gain", &mut settings).expect("it encodes");
    Setting::F64(0.1).encode("rate", &mut settings).expect("it encodes");
    Setting::Text("edge".into()).encode("mode", &mut settings).expect("it encodes");
    Setting::encode_ints("taps", &[1, 2, 1], &mut settings).expect("it encodes");
    let [x, y] = [Place::arena(0), Place::arena(16)];
    let tensor = |place| ExternTensor { dtype: DType::F32, dims: [4].into_iter().collect(), place };
    let call = ExternCall {
        name: heapless::Vec::from_slice(b"board.filter").expect("it is short"),
        settings: heapless::Vec::from_slice(&settings).expect("they are few"),
        operands: [tensor(x)].into_iter().collect(),
        results: [tensor(y)].into_iter().collect(),
    };
    let named = |name: &str, place| TensorSpec {
        name: name.into(),
        dtype: DType::F32,
        dims: vec![4],
        place,
    };
    let bytes = encode(&ArtifactSpec {
        inputs: vec![named("x", x)],
        outputs: vec![named("y", y)],
        steps: vec![Kernel::extern_call(call)],
        arena_bytes: 32,
        ..ArtifactSpec::default()
    })
    .expect("it encodes");
    // Where its bytes start at a multiple of 16.
    let memory = &mut Box::leak(Box::new(microhlo::Arena([0; 1024]))).0;
    memory[..bytes.len()].copy_from_slice(&bytes);
    &memory[..bytes.len()]
}

// Loads the model with a function that looks at the call.
#[allow(dead_code)]
fn with_call(look: fn(microhlo::ExternSignature<'_>)) {
    use microhlo::{Extern, Externs, Kernels, Model, kernels::extern_call};

    static LOOK: std::sync::OnceLock<fn(microhlo::ExternSignature<'_>)> =
        std::sync::OnceLock::new();
    struct Functions;
    impl Externs for Functions {
        const FUNCTIONS: &'static [Extern] = &[Extern::of_any_types("board.filter", |_| Ok(()))
            .accepting(|call| LOOK.get().map(|look| look(*call)).is_some())];
    }
    static KERNELS: Kernels = Kernels { kernels: &[extern_call::entry::<Functions>()], micro: &[] };
    LOOK.set(look).expect("an example looks once");
    Model::load_with(artifact(), &KERNELS).expect("the function has looked");
}

// What the model computes with a function.
#[allow(dead_code)]
fn run_with(function: microhlo::ExternFn, x: [f32; 4]) -> Result<[f32; 4], microhlo::RunError> {
    use microhlo::{
        Arena, Extern, ExternError, ExternFn, Externs, Kernels, Model, kernels::extern_call,
    };

    static FUNCTION: std::sync::OnceLock<ExternFn> = std::sync::OnceLock::new();
    struct Functions;
    impl Externs for Functions {
        const FUNCTIONS: &'static [Extern] = &[Extern::of_any_types("board.filter", |call| {
            FUNCTION.get().ok_or(ExternError(1)).and_then(|function| function(call))
        })];
    }
    static KERNELS: Kernels = Kernels { kernels: &[extern_call::entry::<Functions>()], micro: &[] };
    FUNCTION.set(function).expect("an example has one function");
    let model = Model::load_with(artifact(), &KERNELS).expect("a model");
    let mut arena = Arena::<32>::new();
    let mut run = model.start(&mut arena.0)?;
    run.input_mut(0)?.as_f32_mut().expect("floats").copy_from_slice(&x);
    while run.step()?.is_some() {}
    Ok(run.output(0)?.as_f32().and_then(|y| y.try_into().ok()).expect("four floats"))
}
