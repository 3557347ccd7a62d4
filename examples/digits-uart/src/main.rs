//! Reads handwritten digits that come over the serial line.
//!
//! An image is the byte 0xa5, 64 pixels from 0 (white) to 16 (black), row by row, and the sum of these modulo 128. The
//! answer is a line: `digit 7`, or `again` if the sum is another.
#![no_std]
#![no_main]

mod digits_cnn {
    //! The compiled model.
    include!(concat!(env!("OUT_DIR"), "/digits_cnn.rs"));
}

use digits_cnn::{Input0, Network, Output0};
use microhlo_board::uart::Uart;
use static_cell::ConstStaticCell;

microhlo_board::main!(main);

/// The model's memory.
static ARENA: ConstStaticCell<digits_cnn::Arena> = ConstStaticCell::new(digits_cnn::Arena::new());

/// What an image begins with; neither a pixel nor a sum is that.
const START: u8 = 0xa5;

/// Exit code if the board has no serial line that is known, or the model does not load.
const NOT_HERE: u8 = 2;

fn main() -> u8 {
    let (Some(mut uart), Some(arena)) = (Uart::open(), ARENA.try_take()) else { return NOT_HERE };
    let Ok(mut network) = Network::load(arena) else { return NOT_HERE };
    say(&mut uart, b"ready\n");
    loop {
        let digit = receive(&mut uart).and_then(|image| {
            let mut logits: Output0 = [[0.0; 10]];
            network.run(&image, &mut logits).ok()?;
            Some(largest(&logits[0]))
        });
        match digit {
            Some(digit) => {
                say(&mut uart, &[b'd', b'i', b'g', b'i', b't', b' ', b'0' + digit, b'\n'])
            }
            None => say(&mut uart, b"again\n"),
        }
    }
}

/// Waits for an image; `None` if it came damaged.
fn receive(uart: &mut Uart) -> Option<Input0> {
    while uart.read() != START {}
    let (mut image, mut sum): (Input0, u8) = ([[[[0.0]; 8]; 8]], 0);
    for [pixel] in image.as_flattened_mut().as_flattened_mut() {
        let byte = uart.read();
        *pixel = f32::from(byte) / 16.0;
        sum = sum.wrapping_add(byte);
    }
    (uart.read() == sum % 128).then_some(image)
}

fn say(uart: &mut Uart, text: &[u8]) {
    text.iter().for_each(|&byte| uart.write(byte));
}

/// The digit with the largest logit.
fn largest(logits: &[f32; 10]) -> u8 {
    let mut best = (0, f32::NEG_INFINITY);
    for (digit, &logit) in (0..).zip(logits) {
        if logit > best.1 {
            best = (digit, logit);
        }
    }
    best.0
}
