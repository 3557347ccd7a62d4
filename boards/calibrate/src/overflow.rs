//! Uses more stack than there is.
#![no_std]
#![no_main]

use core::hint::black_box;

microhlo_board::main!(main);

fn main() -> u8 {
    let levels = black_box(u32::MAX);
    u8::from(black_box(descend(levels)) == levels)
}

/// Takes at least 1 KiB of stack per level.
#[inline(never)]
fn descend(levels: u32) -> u32 {
    let frame = black_box([levels; 256]);
    if levels == 0 { 0 } else { descend(levels - 1).wrapping_add(frame[0]) }
}
