//! Both tasks, and what they measure.

mod digits_cnn {
    //! The compiled model.
    include!(concat!(env!("OUT_DIR"), "/digits_cnn.rs"));
}

use core::cell::Cell;

use cortex_m::Peripherals;
use digits_cnn::{ARTIFACT, Arena, KERNELS, Output0};
use embassy_executor::{Executor, Spawner};
use embassy_futures::yield_now;
use embassy_time::{Duration, Instant, Ticker};
use microhlo::bytemuck::pod_read_unaligned;
use microhlo::{Model, RunError, StepInfo};
use microhlo_board::console::println;
use microhlo_board::{NAME, counter, exit};
use static_cell::{ConstStaticCell, StaticCell};

use crate::tick;

microhlo_board::main!(main);

/// The model's memory.
static ARENA: ConstStaticCell<Arena> = ConstStaticCell::new(Arena::new());

static EXECUTOR: StaticCell<Executor> = StaticCell::new();

static LATE: StaticCell<Lateness> = StaticCell::new();

/// Twenty images, 64 little-endian `f32` each.
static IMAGES: [u8; 5120] = *include_bytes!("../../models/digits_images.bin");

/// What JAX's network says of them: ten little-endian `f32` each.
static LOGITS: [u8; 800] = *include_bytes!("../../digits-cnn/reference_logits.bin");

/// How often the other task has something to do.
const PERIOD: Duration = Duration::from_millis(3);

/// How late it may be.
const DEADLINE: Duration = Duration::from_millis(DEADLINE_MS);
const DEADLINE_MS: u64 = 2;

/// Instructions of a millisecond in QEMU: 64 ns each.
const PER_MS: u64 = 15_625;

/// Largest difference of a logit from JAX's.
const TOLERANCE: f32 = 1e-4;

/// Exit code if the model does not load or run.
const FAILED: u8 = 2;

/// How the other task does.
struct Lateness {
    turns: Cell<u32>,
    most: Cell<Duration>,
}

/// The longest step, and the longest inference with what happens in between.
#[derive(Default)]
struct Longest {
    step: Option<StepInfo>,
    instructions: u64,
    inference: u64,
}

fn main() -> u8 {
    let Some(mut core) = Peripherals::take() else { return FAILED };
    let (Some(arena), Some(executor)) = (ARENA.try_take(), EXECUTOR.try_init_with(Executor::new))
    else {
        return FAILED;
    };
    let lateness = Lateness { turns: Cell::new(0), most: Cell::new(Duration::MIN) };
    let Some(late) = LATE.try_init(lateness) else { return FAILED };
    tick::start(&mut core.SYST);
    executor.run(|spawner| start(spawner, arena, late))
}

fn start(spawner: Spawner, arena: &'static mut Arena, late: &'static Lateness) {
    let (Ok(control), Ok(digits)) = (control(late), digits(arena, late)) else {
        exit::exit(FAILED)
    };
    spawner.spawn(control);
    spawner.spawn(digits);
}

/// Does something every three milliseconds, and notes how late.
#[embassy_executor::task]
async fn control(late: &'static Lateness) {
    let mut ticker = Ticker::every(PERIOD);
    let mut due = Instant::now();
    loop {
        ticker.next().await;
        due += PERIOD;
        late.most.set(late.most.get().max(Instant::now().saturating_duration_since(due)));
        late.turns.set(late.turns.get() + 1);
    }
}

/// Reads the digits, and ends the emulation.
#[embassy_executor::task]
async fn digits(arena: &'static mut Arena, late: &'static Lateness) {
    let Ok(model) = Model::load_with(ARTIFACT, &KERNELS) else { exit::exit(FAILED) };
    let (mut longest, mut wrong) = (Longest::default(), 0);
    for (image, expected) in IMAGES.chunks_exact(256).zip(LOGITS.chunks_exact(40)) {
        let Ok(logits) = infer(&model, arena, image, &mut longest).await else {
            exit::exit(FAILED)
        };
        let expected: Output0 = pod_read_unaligned(expected);
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= TOLERANCE;
        wrong += usize::from(!logits[0].iter().zip(&expected[0]).all(near));
    }
    let missed = late.most.get() > DEADLINE;
    let kernel = longest.step.map_or("none", |step| step.kernel.name());
    println!(
        "embassy on {NAME}: longest step {} instructions ({kernel}), of {} of an inference",
        longest.instructions, longest.inference
    );
    println!(
        "the other task had {} turns, at most {} ms late where {DEADLINE_MS} are allowed; {wrong} digits wrong",
        late.turns.get(),
        late.most.get().as_millis()
    );
    let needed = longest.inference > DEADLINE_MS * PER_MS;
    exit::exit(u8::from(wrong != 0 || missed || !needed || late.turns.get() < 15))
}

/// Runs the model step by step; other tasks run in between.
async fn infer(
    model: &Model<'_>,
    arena: &mut Arena,
    image: &[u8],
    longest: &mut Longest,
) -> Result<Output0, RunError> {
    let mut run = model.start(&mut arena.0)?;
    run.set_input(0, image)?;
    let mut inference = 0;
    loop {
        let first = counter::now();
        let step = run.step()?;
        let instructions = counter::between(first, counter::now());
        if step.is_none() {
            break;
        }
        inference += instructions;
        if instructions > longest.instructions {
            (longest.instructions, longest.step) = (instructions, step);
        }
        yield_now().await;
    }
    longest.inference = longest.inference.max(inference);
    Ok(pod_read_unaligned(run.output(0)?.bytes()))
}
