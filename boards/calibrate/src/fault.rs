//! Executes an instruction that no processor has.
#![no_std]
#![no_main]

use core::arch::asm;

microhlo_board::main!(main);

fn main() -> u8 {
    // SAFETY: the instruction is permanently undefined on both architectures,
    // so that it changes nothing but raises an exception.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("udf #0");
        #[cfg(target_arch = "riscv32")]
        asm!("unimp");
    }
    0
}
