//! ESP32-C3-DevKit-RUST-1: runs at 160 MHz, maps the model's flash to memory, and counts cycles with the core's
//! performance counter.
#![no_std]
#![no_main]

use core::arch::asm;
use core::ptr::write_volatile;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use esp_hal::clock::CpuClock;
use esp_hal::gpio::{Level, Output, OutputConfig};

esp_bootloader_esp_idf::esp_app_desc!();

microhlo_board::counts_with!(cycles);

/// Entries of the cache's memory management unit, a word for each 64 KiB of addresses; its content is the
/// number of 64 KiB of flash. ESP32-C3 Technical Reference Manual, "System and Memory", external memory.
const MMU_TABLE: *mut u32 = 0x600C_5000 as *mut u32;
const PAGE: usize = 0x1_0000;
/// What an address is taken modulo of to find its entry.
const MMU_SPAN: usize = 128 * PAGE;

/// Where the model lies, as `board.toml` says: address, length, and address in flash.
const MODEL: (usize, usize, usize) = (0x3C40_0000, 0x10_0000, 0x30_0000);

/// Lets the data bus read the model. Nothing has read these addresses before, so that the cache holds none
/// of them.
fn map_model() {
    let (address, length, flash) = MODEL;
    for page in 0..length / PAGE {
        let entry = address % MMU_SPAN / PAGE + page;
        // SAFETY: the entry is one of the table's 128, and of addresses that nothing else uses.
        unsafe { write_volatile(MMU_TABLE.add(entry), (flash / PAGE + page) as u32) };
    }
}

/// The latest count and how often it has wrapped.
static LAST: AtomicU32 = AtomicU32::new(0);
static WRAPS: AtomicU32 = AtomicU32::new(0);

/// Lets the performance counter count cycles. ESP32-C3 Technical Reference Manual, "ESP-RISC-V CPU", `mpcer`,
/// `mpcmr` and `mpccr`.
fn start_counter() {
    // SAFETY: these registers only select what is counted, and that it is.
    unsafe { asm!("csrwi 0x7E0, 1", "csrwi 0x7E1, 1", "csrwi 0x7E2, 0", options(nomem, nostack)) };
}

/// Cycles since [`start_counter`], for readings that are less than 2^32 cycles apart.
fn cycles() -> u64 {
    let count: u32;
    // SAFETY: reading the register has no side effect.
    unsafe { asm!("csrr {}, 0x7E2", out(reg) count, options(nomem, nostack)) };
    // One core and no interrupt: loads and stores suffice.
    let wraps = WRAPS.load(Relaxed) + u32::from(count < LAST.load(Relaxed));
    WRAPS.store(wraps, Relaxed);
    LAST.store(count, Relaxed);
    u64::from(wraps) << 32 | u64::from(count)
}

/// Sets the chip up.
#[esp_hal::main]
fn main() -> ! {
    let chip = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));
    let mut led = Output::new(chip.GPIO7, Level::Low, OutputConfig::default());
    map_model();
    start_counter();
    microhlo_board::run(&mut led, microhlo_runner::main)
}
