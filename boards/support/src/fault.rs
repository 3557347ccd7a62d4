//! Panics and processor faults end the emulation, never hang it. Without the feature `text` the exit code alone tells
//! which it was: no text is linked.

use crate::exit;
#[cfg(any(arm = "v7m", all(target_arch = "riscv32", feature = "emulated")))]
use crate::guard;
use core::panic::PanicInfo;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    #[cfg(feature = "text")]
    crate::console::say(format_args!("{info}"));
    #[cfg(not(feature = "text"))]
    let _ = info;
    exit::exit(exit::PANIC)
}

/// Reports that the stack was used up.
pub(crate) fn stack_exhausted() -> ! {
    #[cfg(feature = "text")]
    say("fault: the stack is used up; enlarge the board's stack region\n");
    exit::exit(exit::FAULT)
}

/// Writes to the host's standard error without formatting.
#[cfg(feature = "text")]
fn say(text: &str) {
    if let Ok(stream) = crate::console::Stream::stderr() {
        // The exit code that follows tells the host even if this fails.
        let _ = stream.write(text.as_bytes());
    }
}

/// Ends the emulation after a fault of the instruction at `address`.
fn fault(address: u32, cause: u32) -> ! {
    #[cfg(feature = "text")]
    crate::console::say(format_args!("fault at {address:#010x}, cause {cause:#x}"));
    #[cfg(not(feature = "text"))]
    let _ = (address, cause);
    exit::exit(exit::FAULT)
}

#[cfg(target_arch = "arm")]
mod arm {
    use super::fault;

    /// The configurable fault status; Armv6-M tells no cause.
    #[cfg(not(arm = "v6m"))]
    pub(super) fn cause() -> u32 {
        const CFSR: *const u32 = 0xE000_ED28 as *const u32;
        // SAFETY: every Armv7-M core has this register; reading has no effect.
        unsafe { core::ptr::read_volatile(CFSR) }
    }

    #[cfg(arm = "v6m")]
    fn cause() -> u32 {
        0
    }

    #[cortex_m_rt::exception]
    unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
        fault(frame.pc(), cause())
    }

    #[cortex_m_rt::exception]
    unsafe fn DefaultHandler(interrupt: i16) -> ! {
        fault(0, u32::from(interrupt.unsigned_abs()))
    }
}

#[cfg(arm = "v7m")]
mod armv7m {
    //! Registers: Armv7-M Architecture Reference Manual, B3.2.

    use super::arm::cause;
    use super::{fault, guard, stack_exhausted};
    use core::arch::naked_asm;
    use core::ptr::read_volatile;

    const CFSR_MSTKERR: u32 = 1 << 4;
    const CFSR_MMARVALID: u32 = 1 << 7;
    const MMFAR: *const u32 = 0xE000_ED34 as *const u32;

    /// Takes faults of memory protection. The stack may have none left, and
    /// nobody returns to what is on it, so that it starts afresh.
    // SAFETY: the vector table of cortex-m-rt calls this symbol.
    #[unsafe(export_name = "MemoryManagement")]
    #[unsafe(naked)]
    extern "C" fn memory_management() {
        naked_asm!(
            "movw r0, #:lower16:_stack_start",
            "movt r0, #:upper16:_stack_start",
            "mov sp, r0",
            "b {handler}",
            handler = sym memory_fault,
        )
    }

    extern "C" fn memory_fault() -> ! {
        let cause = cause();
        // SAFETY: every Armv7-M core has this register; reading has no effect.
        let address = unsafe { read_volatile(MMFAR) };
        let in_guard = cause & CFSR_MMARVALID != 0 && guard::contains(address as usize);
        if cause & CFSR_MSTKERR != 0 || in_guard {
            stack_exhausted();
        }
        fault(address, cause)
    }
}

#[cfg(arm = "v8m")]
mod armv8m {
    //! Registers: Armv8-M Architecture Reference Manual, UFSR.

    use super::arm::cause;
    use super::{fault, stack_exhausted};
    use core::arch::naked_asm;

    const CFSR_STKOF: u32 = 1 << 20;

    /// Takes faults of an instruction, such as one that exceeds the limit of the stack. Nobody
    /// returns to what is on the stack, so that it starts afresh.
    // SAFETY: the vector table of cortex-m-rt calls this symbol.
    #[unsafe(export_name = "UsageFault")]
    #[unsafe(naked)]
    extern "C" fn usage_fault() {
        naked_asm!(
            // The address of the instruction, if the stack had room for it.
            "ldr r0, [sp, #24]",
            "movw r1, #:lower16:_stack_start",
            "movt r1, #:upper16:_stack_start",
            "mov sp, r1",
            "b {handler}",
            handler = sym instruction_fault,
        )
    }

    extern "C" fn instruction_fault(address: u32) -> ! {
        let cause = cause();
        if cause & CFSR_STKOF != 0 {
            stack_exhausted();
        }
        fault(address, cause)
    }
}

/// On real boards the start-up crate of the HAL takes traps. Which one it is differs, but all of them call
/// this symbol.
#[cfg(all(target_arch = "riscv32", feature = "real"))]
mod riscv32 {
    use super::fault;
    use core::arch::asm;

    // SAFETY: the start-up code calls this symbol with the address of what it has saved.
    #[unsafe(export_name = "ExceptionHandler")]
    extern "C" fn exception(_: *const u8) -> ! {
        let (address, cause): (u32, u32);
        // SAFETY: reading these registers has no effect.
        unsafe {
            asm!(
                "csrr {address}, mepc",
                "csrr {cause}, mcause",
                address = out(reg) address,
                cause = out(reg) cause,
                options(nomem, nostack),
            );
        }
        fault(address, cause)
    }
}

#[cfg(all(target_arch = "riscv32", feature = "emulated"))]
mod riscv32 {
    use super::{fault, guard, stack_exhausted};
    use core::arch::global_asm;
    use riscv::register::{mcause, mepc, mtval};

    // Takes the place of riscv-rt's trap entry. Interrupts pass on to it. The
    // stack may have none left when an exception occurs, and nobody returns to
    // what is on it, so that it starts afresh.
    global_asm!(
        ".section .trap.start, \"ax\"",
        ".balign 4",
        ".global _start_trap",
        "_start_trap:",
        "csrw mscratch, t0",
        "csrr t0, mcause",
        "bltz t0, 1f",
        "la sp, _stack_start",
        "j {exception}",
        "1:",
        "csrr t0, mscratch",
        "j _default_start_trap",
        exception = sym exception,
    );

    #[allow(clippy::cast_possible_truncation, reason = "registers of this target have 32 bits")]
    extern "C" fn exception() -> ! {
        if guard::contains(mtval::read()) {
            stack_exhausted();
        }
        fault(mepc::read() as u32, mcause::read().bits() as u32)
    }

    /// Takes every interrupt that has no handler of its own.
    // SAFETY: riscv-rt calls this symbol without arguments.
    #[unsafe(export_name = "DefaultHandler")]
    fn interrupt() -> ! {
        fault(mepc::read() as u32, mcause::read().bits() as u32)
    }
}
