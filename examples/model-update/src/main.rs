//! Runs a model from a slot in flash, and takes new ones over the serial line.
//!
//! A model is asked for its signature, its version and the kernels that this firmware links before it replaces
//! another. It is on trial then: the first input that it answers confirms it.
#![no_std]
#![no_main]

mod mlp {
    //! The kernels of the models that this firmware runs, and how much memory they need.
    #![allow(dead_code, reason = "the artifact comes over the line")]
    include!(concat!(env!("OUT_DIR"), "/mlp_tanh.rs"));
}
mod flash;
mod line;
mod shared;

use core::fmt;

use flash::{Flash, Mapped};
use line::Line;
use microhlo::{Arena, LoadError, Model};
use microhlo_board::memory::take_arenas;
use microhlo_board::uart::Uart;
use microhlo_slots::frame::{Frame, Kind};
use microhlo_slots::{Error, Header, Slots};
use static_cell::ConstStaticCell;

microhlo_board::main!(main);

/// Exit code if the board has no serial line that this example knows, or too little memory.
const NOT_HERE: u8 = 2;

/// The model's memory.
static ARENA: ConstStaticCell<Arena<{ mlp::ARENA_BYTES }>> = ConstStaticCell::new(Arena::new());

/// Why an update is refused.
enum Refused {
    Slots(Error),
    Model(LoadError),
    Frame,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        Refused::Slots(error)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Slots(error) => error.fmt(f),
            Refused::Model(error) => error.fmt(f),
            Refused::Frame => f.write_str("that frame is not what comes next"),
        }
    }
}

/// What runs, and what it takes to replace it.
struct Device {
    slots: Slots<Flash>,
    mapped: Mapped,
    line: Line,
    model: Option<Model<'static>>,
}

fn main() -> u8 {
    let (Some(uart), Some(arena)) = (Uart::open(), ARENA.try_take()) else { return NOT_HERE };
    let memories = take_arenas().into_iter().flatten();
    let Some(flash) = memories.map(|memory| memory.bytes).find_map(Flash::new) else {
        return NOT_HERE;
    };
    let mapped = flash.mapped();
    let slots = Slots::open(flash, 0..shared::PARTITION);
    match slots.and_then(|slots| slots.require_signature(&shared::PUBLIC_KEY)) {
        Ok(slots) => {
            Device { slots, mapped, line: Line::new(uart), model: None }.serve(&mut arena.0)
        }
        Err(_) => NOT_HERE,
    }
}

impl Device {
    fn serve(mut self, arena: &mut [u8]) -> ! {
        self.start();
        loop {
            match self.line.receive() {
                Some(Frame { kind: Kind::BEGIN, payload }) => {
                    let header = payload.try_into().map(Header::decode);
                    match header.map_err(|_| Refused::Frame).and_then(|h| self.update(h)) {
                        Ok(()) => flash::reset(),
                        Err(refused) => self.line.say(Kind::REFUSED, &[], &refused),
                    }
                }
                Some(Frame { kind: shared::RUN, .. }) => self.run(arena),
                Some(Frame { kind: shared::CUT, payload }) => {
                    let left = self.mapped.cut(number(payload));
                    self.line.ready(left);
                }
                _ => self.line.say(Kind::REFUSED, &[], &Refused::Frame),
            }
        }
    }

    /// Picks the model to run and says hello.
    fn start(&mut self) {
        let mut rejected = None;
        loop {
            let selected = match self.slots.boot() {
                Ok(selected) => selected,
                Err(error) => return self.line.say(shared::HELLO, &[0; 4], &error),
            };
            let artifact = self.mapped.artifact(selected.offset, selected.length);
            match Model::load_with(artifact, &mlp::KERNELS) {
                Ok(model) => {
                    self.model = Some(model);
                    let version = selected.version.to_le_bytes();
                    return match rejected {
                        None => self.line.send(shared::HELLO, &[&version]),
                        Some(error) => {
                            self.line.say(shared::HELLO, &version, &Refused::Model(error))
                        }
                    };
                }
                Err(error) => rejected = Some(error),
            }
            if let Err(error) = self.slots.reject() {
                return self.line.say(shared::HELLO, &[0; 4], &error);
            }
        }
    }

    /// Takes an artifact, piece by piece.
    fn update(&mut self, header: Result<Header, microhlo_slots::Refusal>) -> Result<(), Refused> {
        let header = header.map_err(Error::Refused)?;
        let mut update = self.slots.begin(&header)?;
        self.line.ready(0);
        loop {
            match self.line.receive() {
                Some(Frame { kind: Kind::DATA, payload: [a, b, c, d, bytes @ ..] })
                    if u32::from_le_bytes([*a, *b, *c, *d]) == update.given() =>
                {
                    update.write(bytes)?;
                }
                // What came before, because the answer was lost, is not written again.
                Some(Frame { kind: Kind::DATA, payload: [_, _, _, _, ..] }) => {}
                Some(Frame { kind: Kind::COMMIT, .. }) => break,
                Some(_) => return Err(Refused::Frame),
                None => {}
            }
            self.line.ready(update.given());
        }
        let staged = update.stage()?;
        let artifact = self.mapped.artifact(staged.offset, staged.length);
        // Names the kernel that this firmware lacks, if that is what it needs.
        Model::load_with(artifact, &mlp::KERNELS).map_err(Refused::Model)?;
        staged.commit()?;
        self.line.ready(header.length);
        Ok(())
    }

    /// Runs the model on the input of the last frame, and confirms it.
    fn run(&mut self, arena: &mut [u8]) {
        let mut input = [0; mlp::INPUT_BYTES[0]];
        let mut output = [0; mlp::OUTPUT_BYTES[0]];
        let payload = self.line.last().payload;
        let whole = payload.len() == input.len();
        for (to, from) in input.iter_mut().zip(payload) {
            *to = *from;
        }
        let Some(model) = self.model.as_ref().filter(|_| whole) else {
            return self.line.say(Kind::REFUSED, &[], &Refused::Frame);
        };
        if let Err(error) = model.run(arena, &[&input], &mut [&mut output]) {
            return self.line.say(Kind::REFUSED, &[], &error);
        }
        match self.slots.confirm() {
            Ok(()) => self.line.send(shared::OUTPUT, &[&output]),
            Err(error) => self.line.say(Kind::REFUSED, &[], &error),
        }
    }
}

/// A number of four bytes; 0 if there are too few.
fn number(payload: &[u8]) -> u32 {
    payload.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
