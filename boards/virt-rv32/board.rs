//! QEMU virt RV32: counts instructions with `minstret`.
//!
//! At `-icount shift=0` QEMU's `minstret` is the number of instructions
//! executed. The counter is 64 bits wide in two registers (RISC-V privileged
//! architecture, "Hardware Performance Monitor").

use core::arch::asm;

/// The counter always runs.
pub fn init() {}

/// Instructions executed since the machine started.
#[inline(never)]
pub fn instructions() -> u64 {
    loop {
        let (high, low, again): (u32, u32, u32);
        // SAFETY: reading a counter has no side effect.
        unsafe {
            asm!(
                "csrr {high}, minstreth",
                "csrr {low}, minstret",
                "csrr {again}, minstreth",
                high = out(reg) high,
                low = out(reg) low,
                again = out(reg) again,
                options(nomem, nostack),
            );
        }
        // A carry between the reads would pair halves of different counts.
        if high == again {
            return (u64::from(high) << 32) | u64::from(low);
        }
    }
}
