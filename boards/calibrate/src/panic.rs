//! Panics.
#![no_std]
#![no_main]

use core::hint::black_box;

microhlo_board::main!(main);

fn main() -> u8 {
    [1, 2, 3][black_box(3)]
}
