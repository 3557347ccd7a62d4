//! Hears words in 16-bit audio, 20 ms at a time.
//!
//! Front end (window, Fourier transform, mel filters, logarithm) and network are programs of one arena: no signal
//! processing is written here. The exit code is 0 if the words of the clip are heard, each once and where it is, and
//! the front end computes what it computes in JAX.
#![no_std]
#![no_main]

mod shared {
    //! Both programs, and their arena.
    include!(concat!(env!("OUT_DIR"), "/shared.rs"));
}

use microhlo::RunError;
use microhlo::bytemuck::pod_read_unaligned;
use microhlo_board::console::println;
use microhlo_board::{NAME, counter};
use shared::{Arena, keywords_frontend as frontend, keywords_int8 as network};
use static_cell::ConstStaticCell;

microhlo_board::main!(main);

/// The memory of both.
static ARENA: ConstStaticCell<Arena> = ConstStaticCell::new(Arena::new());

/// 3.6 s of audio at 8 kHz, as a microphone's driver would give it: little-endian `i16`.
static CLIP: [u8; 57_600] = *include_bytes!("../../models/keywords_clip.bin");

/// The front end's rows as JAX computes them: 20 little-endian `f32` per hop.
static ROWS: [u8; 14_400] = *include_bytes!("../../models/keywords_rows.bin");

/// The words that are said: two little-endian `u16` each, the hop it begins at and its class.
static WORDS: [u8; 20] = *include_bytes!("../../models/keywords_labels.bin");

/// Classes of the network.
const CLASSES: [&str; 5] = ["silence", "go", "yes", "seven", "no"];

/// Hops that the network looks at, half a second.
const WINDOW: usize = 25;

/// Hops from the beginning of a word within which it has to be heard.
const SOON: usize = 30;

/// Largest difference of a log-mel energy from JAX's, whose Fourier transform adds in another order.
const TOLERANCE: f32 = 1e-3;

/// Exit code if a program does not load or run.
const FAILED: u8 = 2;

/// What the device keeps between hops, beside the front end's samples.
struct Spotter {
    frontend: frontend::Network,
    network: network::Network,
    /// The rows of the last half second.
    window: network::Input0,
    hop: usize,
    last: usize,
    times: usize,
    deaf_until: usize,
    cost: Cost,
}

/// Most instructions that a hop took, by program.
#[derive(Default)]
struct Cost {
    frontend: u64,
    network: u64,
}

impl Spotter {
    /// Takes 20 ms of audio. Returns the front end's row, and the class of a word if one was heard.
    fn hear(
        &mut self,
        arena: &mut Arena,
        samples: &frontend::Input0,
    ) -> Result<(frontend::Output0, Option<usize>), RunError> {
        let mut row: frontend::Output0 = [[0.0; 20]];
        let first = counter::now();
        self.frontend.run(arena, samples, &mut row)?;
        self.cost.frontend = self.cost.frontend.max(counter::between(first, counter::now()));
        let [window] = &mut self.window;
        window.copy_within(1.., 0);
        if let Some(last) = window.last_mut() {
            *last = row[0].map(|energy| [energy]);
        }
        self.hop += 1;
        let due = self.hop >= WINDOW && self.hop % 2 == WINDOW % 2;
        let word = if due { self.ask(arena)? } else { None };
        Ok((row, word))
    }

    /// Asks the network. What it says three times in a row is a word, and the next is listened for half a second
    /// later.
    fn ask(&mut self, arena: &mut Arena) -> Result<Option<usize>, RunError> {
        let mut logits: network::Output0 = [[0.0; CLASSES.len()]];
        let first = counter::now();
        self.network.run(arena, &self.window, &mut logits)?;
        self.cost.network = self.cost.network.max(counter::between(first, counter::now()));
        let class = largest(&logits[0]);
        self.times = if class == self.last { self.times + 1 } else { 1 };
        self.last = class;
        if class == 0 || self.times < 3 || self.hop < self.deaf_until {
            return Ok(None);
        }
        self.deaf_until = self.hop + WINDOW;
        Ok(Some(class))
    }
}

fn main() -> u8 {
    let Some(arena) = ARENA.try_take() else { return FAILED };
    let (frontend, network) = (frontend::Network::load(), network::Network::load());
    let (Ok(frontend), Ok(network)) = (frontend, network) else { return FAILED };
    let window = [[[[0.0]; 20]; WINDOW]];
    let (hop, last, times, deaf_until, cost) = (0, 0, 0, 0, Cost::default());
    let mut spotter = Spotter { frontend, network, window, hop, last, times, deaf_until, cost };
    let Ok((right, error)) = play(&mut spotter, arena) else { return FAILED };
    let Cost { frontend, network } = spotter.cost;
    println!("rows within {error:.1e} of JAX's; one arena of {} bytes", shared::ARENA_BYTES);
    println!(
        "{frontend} instructions of the front end in a hop, {network} of the network in every second"
    );
    u8::from(!right || error > TOLERANCE)
}

/// Plays the clip. Returns whether its words were heard, and no others, and the largest error of a row.
fn play(spotter: &mut Spotter, arena: &mut Arena) -> Result<(bool, f32), RunError> {
    println!("keyword-spotting on {NAME}");
    let (mut words, mut right, mut error) = (WORDS.chunks_exact(4), true, 0f32);
    let hops = CLIP.chunks_exact(size_of::<frontend::Input0>());
    for (samples, expected) in hops.zip(ROWS.chunks_exact(size_of::<frontend::Output0>())) {
        let (row, word) = spotter.hear(arena, &pod_read_unaligned(samples))?;
        let expected: frontend::Output0 = pod_read_unaligned(expected);
        let differences = row[0].iter().zip(&expected[0]).map(|(a, b)| (a - b).abs());
        error = differences.fold(error, |most, d| if d <= most { most } else { d });
        let Some(class) = word else { continue };
        let said = words.next().map(pod_read_unaligned::<[u16; 2]>);
        let hop = spotter.hop;
        println!("{:5} ms: {}", hop * 20, CLASSES.get(class).unwrap_or(&"?"));
        right &= said.is_some_and(|[begin, word]| {
            usize::from(word) == class
                && (usize::from(begin)..usize::from(begin) + SOON).contains(&hop)
        });
    }
    Ok((right && words.next().is_none(), error))
}

/// Index of the largest number.
fn largest(numbers: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, &value) in numbers.iter().enumerate() {
        if value > best.1 {
            best = (index, value);
        }
    }
    best.0
}
