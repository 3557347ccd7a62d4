//! Prints counted and known instructions, as `calibrate` does, of a loop that is long enough for every
//! 32-bit timer to wrap.
#![no_std]
#![no_main]

use microhlo_board::console::println;
use microhlo_board::counter;

microhlo_board::main!(main);

fn main() -> u8 {
    let base = counter::of_call(nothing);
    let counted = counter::of_call(loop_wrap) - base;
    println!("loop-4300000000 {counted} {}", LOOP_WRAP_SETUP + 2 * 2_150_000_000);
    0
}

#[allow(dead_code, reason = "the other loops are those of `calibrate`")]
#[cfg_attr(target_arch = "arm", path = "arm.rs")]
#[cfg_attr(target_arch = "riscv32", path = "riscv32.rs")]
mod functions;

use functions::{LOOP_WRAP_SETUP, loop_wrap, nothing};
