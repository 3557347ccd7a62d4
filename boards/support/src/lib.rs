//! Everything a firmware needs of its board: start-up, memory, messages to the
//! host, faults and instruction counts.
//!
//! A firmware names its main function with [`main!`] and is linked with
//! `-Tlink.x`. It ends by returning its exit code; a panic ends it with
//! [`exit::PANIC`] and a processor fault with [`exit::FAULT`].

#![no_std]

#[cfg(counter = "cmsdk-timer")]
mod cmsdk_timer;
pub mod console;
pub mod counter;
pub mod exit;
mod fault;
mod guard;
pub mod mark;
pub mod memory;
pub mod stack;
mod start;
pub mod uart;

include!(concat!(env!("OUT_DIR"), "/board.rs"));

use memory::Region;

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
