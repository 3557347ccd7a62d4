//! The smallest firmware: what start-up and support take.
#![no_std]
#![no_main]

microhlo_board::main!(main);

fn main() -> u8 {
    0
}
