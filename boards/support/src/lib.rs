//! Everything a firmware needs of its board: start-up, memory, messages to the
//! host, faults and instruction counts.
//!
//! Firmware of an emulated board names its main function with [`main!`] and is linked with
//! `-Tlink.x`. On a real board its `board.rs` sets up the chip with the HAL, names its counter with
//! [`counts_with!`], and calls [`run`]. It ends by returning its exit code; a panic ends it with
//! [`exit::PANIC`] and a processor fault with [`exit::FAULT`].

#![no_std]

#[cfg(counter = "cmsdk-timer")]
mod cmsdk_timer;
#[cfg(all(feature = "real", feature = "emulated"))]
compile_error!(
    "firmware is for an emulated or for a real board: features `emulated` and `real` exclude each other"
);

#[cfg_attr(feature = "emulated", path = "semihosting.rs")]
#[cfg_attr(feature = "real", path = "rtt.rs")]
pub mod console;
pub mod counter;
#[cfg(all(target_arch = "riscv32", any(counter = "minstret", counter = "mcycle")))]
pub mod csr_counter;
#[cfg(counter = "dwt")]
pub mod dwt;
pub mod exit;
mod fault;
mod guard;
#[cfg(feature = "real")]
mod led;
pub mod mark;
pub mod memory;
pub mod stack;
mod start;
#[cfg(counter = "sys-tick")]
pub mod sys_tick;
pub mod uart;

include!(concat!(env!("OUT_DIR"), "/board.rs"));

use memory::Region;
// Linked for what they define: the logger, and how it keeps interrupts out.
#[cfg(all(feature = "defmt", target_arch = "arm"))]
use cortex_m as _;
#[cfg(feature = "defmt")]
use defmt_semihosting as _;
#[cfg(feature = "real")]
pub use {led::ActiveLow, start::run};

/// Names the firmware's main function, a `fn() -> u8` that returns the exit code.
#[macro_export]
macro_rules! main {
    ($main:path) => {
        // SAFETY: the start-up code declares this symbol with the same type,
        // and a second definition does not link.
        #[unsafe(no_mangle)]
        fn microhlo_firmware_main() -> u8 {
            let main: fn() -> u8 = $main;
            main()
        }
    };
}

/// Names the function of a real board that counts, a `fn() -> u64`: cycles executed so far.
#[cfg(feature = "real")]
#[macro_export]
macro_rules! counts_with {
    ($count:path) => {
        // SAFETY: the counter declares this symbol with the same type, and a second definition does not
        // link.
        #[unsafe(no_mangle)]
        fn microhlo_board_count() -> u64 {
            let count: fn() -> u64 = $count;
            count()
        }
    };
}
