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
    let cases: [(&str, extern "C" fn(), u64); 5] = [
        ("one", one, 1),
        ("seven", seven, 7),
        ("loop-1000", loop_1000, 1 + 2 * 1000),
        ("loop-1000003", loop_1000003, LOOP_1000003_SETUP + 2 * 1_000_003),
        ("loop-3000000000", loop_3e9, LOOP_3E9_SETUP + 2 * 1_500_000_000),
    ];
    for (name, body, known) in cases {
        let counted = counter::of_call(body) - base;
        println!("{name} {counted} {known}");
    }
    0
}

#[cfg(target_arch = "arm")]
#[path = "arm.rs"]
mod functions;
#[cfg(target_arch = "riscv32")]
#[path = "riscv32.rs"]
mod functions;

use functions::*;

/// Returns at once.
#[unsafe(naked)]
extern "C" fn nothing() {
    #[cfg(target_arch = "arm")]
    naked_asm!("bx lr");
    #[cfg(target_arch = "riscv32")]
    naked_asm!("ret");
}

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
