//! Panics and processor faults end the emulation, never hang it.

use crate::exit;
use core::panic::PanicInfo;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    #[cfg(feature = "text")]
    semihosting::eprintln!("{info}");
    #[cfg(not(feature = "text"))]
    say(if info.can_unwind() {
        "panic\n"
    } else {
        "abort\n"
    });
    exit::exit(exit::PANIC)
}

/// Reports that the stack was used up.
pub(crate) fn stack_exhausted() -> ! {
    say("fault: the stack is used up; enlarge the board's stack region\n");
    exit::exit(exit::FAULT)
}

/// Writes to the host's standard error without formatting.
fn say(text: &str) {
    if let Ok(stream) = crate::console::Stream::stderr() {
        // The exit code that follows tells the host even if this fails.
        let _ = stream.write(text.as_bytes());
    }
}

/// Ends the emulation after a fault at `address` for the given reason.
fn fault(address: u32, cause: u32) -> ! {
    #[cfg(feature = "text")]
    semihosting::eprintln!("fault at {address:#010x}, cause {cause:#x}");
    #[cfg(not(feature = "text"))]
    {
        let _ = (address, cause);
        say("fault\n");
    }
    exit::exit(exit::FAULT)
}

#[cfg(target_arch = "arm")]
mod arm {
    use super::fault;
    use core::ptr::read_volatile;

    /// Configurable Fault Status Register, Armv7-M Architecture Reference Manual B3.2.15.
    const CFSR: *const u32 = 0xE000_ED28 as *const u32;

    #[cortex_m_rt::exception]
    unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
        // SAFETY: every Armv7-M core has this register; reading has no effect.
        let cause = unsafe { read_volatile(CFSR) };
        fault(frame.pc(), cause)
    }

    #[cortex_m_rt::exception]
    unsafe fn DefaultHandler(interrupt: i16) -> ! {
        fault(0, u32::from(interrupt.unsigned_abs()))
    }
}

#[cfg(target_arch = "riscv32")]
mod riscv32 {
    use super::fault;
    use riscv::register::{mcause, mepc};

    /// Takes every exception and interrupt, as no other handler is defined.
    // SAFETY: riscv-rt calls this symbol with a trap frame, which is not used.
    #[unsafe(export_name = "ExceptionHandler")]
    fn exception(_frame: &riscv_rt::TrapFrame) -> ! {
        trap()
    }

    // SAFETY: riscv-rt calls this symbol without arguments.
    #[unsafe(export_name = "DefaultHandler")]
    fn interrupt() -> ! {
        trap()
    }

    fn trap() -> ! {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "registers of this target have 32 bits"
        )]
        fault(mepc::read() as u32, mcause::read().bits() as u32)
    }
}
