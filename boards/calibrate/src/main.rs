//! Prints counted and known instructions of functions of known length.
//!
//! A line reads `NAME counted known`. The functions are written in assembly,
//! so that their length does not depend on the compiler.
#![no_std]
#![no_main]

use core::arch::naked_asm;
use microhlo_board::console::println;
use microhlo_board::counter;

microhlo_board::main!(main);

fn main() -> u8 {
    let base = counter::of_call(nothing);
    let cases: [(&str, extern "C" fn(), u64); 4] = [
        ("one", one, 1),
        ("seven", seven, 7),
        ("loop-1000", loop_1000, 1 + 2 * 1000),
        ("loop-1000003", loop_1000003, LOOP_1000003_SETUP + 2 * 1_000_003),
    ];
    for (name, body, known) in cases {
        let counted = counter::of_call(body) - base;
        println!("{name} {counted} {known}");
    }
    0
}

#[allow(dead_code, reason = "the longest loop is that of `wrap`")]
#[cfg_attr(target_arch = "arm", path = "arm.rs")]
#[cfg_attr(target_arch = "riscv32", path = "riscv32.rs")]
mod functions;

use functions::{LOOP_1000003_SETUP, loop_1000, loop_1000003, nothing};

/// One instruction.
#[unsafe(naked)]
extern "C" fn one() {
    #[cfg(target_arch = "arm")]
    naked_asm!("nop", "bx lr");
    #[cfg(target_arch = "riscv32")]
    naked_asm!("nop", "ret");
}

/// Seven instructions.
#[unsafe(naked)]
extern "C" fn seven() {
    #[cfg(target_arch = "arm")]
    naked_asm!("nop", "nop", "nop", "nop", "nop", "nop", "nop", "bx lr");
    #[cfg(target_arch = "riscv32")]
    naked_asm!("nop", "nop", "nop", "nop", "nop", "nop", "nop", "ret");
}
