//! The interrupt and the main function.

mod heartbeat {
    //! The compiled model.
    include!(concat!(env!("OUT_DIR"), "/heartbeat.rs"));
}

use core::cell::RefCell;
use core::sync::atomic::{AtomicBool, Ordering};

use cortex_m::Peripherals;
use cortex_m::peripheral::syst::SystClkSource;
use critical_section::Mutex;
use heapless::Deque;
use heartbeat::{Input0, Network, Output0};
use microhlo::bytemuck::pod_read_unaligned;
use microhlo_board::NAME;
use microhlo_board::console::println;
use static_cell::ConstStaticCell;

microhlo_board::main!(main);

/// The model's memory. Only the main function uses it, so that no lock is needed.
static ARENA: ConstStaticCell<heartbeat::Arena> = ConstStaticCell::new(heartbeat::Arena::new());

/// An electrocardiogram, little-endian `f32`.
static SIGNAL: [u8; 6400] = *include_bytes!("../../models/heartbeat_signal.bin");

/// What JAX says of ten samples after the other, as one signal: little-endian `f32`.
static SCORES: [u8; 640] = *include_bytes!("../../models/heartbeat_scores.bin");

/// Cycles between two samples: at 25 MHz, as many as 5000 instructions take in QEMU.
const CYCLES: u32 = 8000;

/// Largest difference of a score: rounding in another order, call after call.
const TOLERANCE: f32 = 1e-4;

/// Exit code if the model does not load or run.
const FAILED: u8 = 2;

/// What the interrupt and the main function share.
struct Sampler {
    /// Samples that have been taken.
    taken: usize,
    /// Those that found no room.
    lost: usize,
    /// Those that came while the network ran.
    meanwhile: usize,
    waiting: Deque<f32, 32>,
}

static SAMPLER: Mutex<RefCell<Sampler>> =
    Mutex::new(RefCell::new(Sampler { taken: 0, lost: 0, meanwhile: 0, waiting: Deque::new() }));

/// Whether the network runs.
static BUSY: AtomicBool = AtomicBool::new(false);

/// Takes a sample. A real board asks its converter here, or gets a block of samples from DMA.
#[cortex_m_rt::exception]
fn SysTick() {
    critical_section::with(|section| {
        let mut sampler = SAMPLER.borrow_ref_mut(section);
        let Some(sample) = SIGNAL.chunks_exact(4).nth(sampler.taken) else { return };
        sampler.taken += 1;
        sampler.meanwhile += usize::from(BUSY.load(Ordering::Relaxed));
        let full = sampler.waiting.push_back(pod_read_unaligned(sample)).is_err();
        sampler.lost += usize::from(full);
    });
}

/// Ten samples, if there are so many.
fn next() -> Option<Input0> {
    critical_section::with(|section| {
        let waiting = &mut SAMPLER.borrow_ref_mut(section).waiting;
        let enough = waiting.len() >= size_of::<Input0>() / size_of::<f32>();
        enough.then(|| [core::array::from_fn(|_| waiting.pop_front().unwrap_or_default())])
    })
}

/// Whether no sample comes any more.
fn ended() -> bool {
    critical_section::with(|section| SAMPLER.borrow_ref(section).taken == SIGNAL.len() / 4)
}

fn main() -> u8 {
    let (Some(arena), Some(core)) = (ARENA.try_take(), Peripherals::take()) else { return FAILED };
    let Ok(mut network) = Network::load(arena) else { return FAILED };
    let mut timer = core.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(CYCLES - 1);
    timer.clear_current();
    timer.enable_interrupt();
    timer.enable_counter();
    let Some(error) = listen(&mut network) else { return FAILED };
    let (lost, meanwhile) = critical_section::with(|section| {
        let sampler = SAMPLER.borrow_ref(section);
        (sampler.lost, sampler.meanwhile)
    });
    println!(
        "interrupt on {NAME}: {lost} of 1600 samples lost, {meanwhile} came while the network ran; scores within {error:.1e}"
    );
    u8::from(lost != 0 || meanwhile == 0 || error > TOLERANCE)
}

/// Hears the whole signal; the largest difference of a score from JAX's.
fn listen(network: &mut Network<'_>) -> Option<f32> {
    let mut most = 0.0;
    for expected in SCORES.chunks_exact(size_of::<Output0>()) {
        let samples = loop {
            // Asked first: the last sample may come in between.
            let ended = ended();
            match next() {
                Some(samples) => break samples,
                // Some were lost, so that the last hop is not whole.
                None if ended => return Some(f32::INFINITY),
                // A real board sleeps here, `cortex_m::asm::wfi`; in QEMU that waits for the computer's clock.
                None => core::hint::spin_loop(),
            }
        };
        let mut score: Output0 = [[0.0]];
        BUSY.store(true, Ordering::Relaxed);
        let result = network.run(&samples, &mut score);
        BUSY.store(false, Ordering::Relaxed);
        result.ok()?;
        let expected: Output0 = pod_read_unaligned(expected);
        // Not a number is no score: the comparison is false then.
        let error = (score[0][0] - expected[0][0]).abs();
        most = if error <= most { most } else { error };
    }
    Some(most)
}
