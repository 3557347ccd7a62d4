//! Prints to both streams and exits with a code of its own.
#![no_std]
#![no_main]

use microhlo_board::console::{eprintln, println};

microhlo_board::main!(main);

fn main() -> u8 {
    println!("to standard output");
    eprintln!("to standard error");
    7
}
