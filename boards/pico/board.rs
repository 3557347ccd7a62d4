//! Raspberry Pi Pico: runs at 125 MHz from the crystal, and counts cycles with the system timer and the
//! microseconds of the chip's timer.
#![no_std]
#![no_main]

use core::ptr::read_volatile;
use microhlo_board::sys_tick;
use rp2040_hal as hal;

use hal::clocks::init_clocks_and_plls;
use hal::gpio::Pins;
use hal::pac::Peripherals;
use hal::{Sio, Timer, Watchdog};

/// What the boot ROM starts: sets up the flash chip of the board.
// SAFETY: the section is what the boot ROM reads, and this is made for it.
#[unsafe(link_section = ".boot2")]
#[used]
static BOOT2: [u8; 256] = rp2040_boot2::BOOT_LOADER_W25Q080;

const CRYSTAL_HZ: u32 = 12_000_000;
const CYCLES_PER_US: u64 = 125;

/// Halves of the microseconds, as they are. RP2040 Datasheet, "Timer".
const TIMERAWH: *const u32 = 0x4005_4024 as *const u32;
const TIMERAWL: *const u32 = 0x4005_4028 as *const u32;

microhlo_board::counts_with!(cycles);

fn cycles() -> u64 {
    loop {
        // SAFETY: reading these registers has no side effect.
        let (high, low, again) =
            unsafe { (read_volatile(TIMERAWH), read_volatile(TIMERAWL), read_volatile(TIMERAWH)) };
        // A carry between the reads would pair halves of different times.
        if high == again {
            return sys_tick::cycles((u64::from(high) << 32 | u64::from(low)) * CYCLES_PER_US);
        }
    }
}

/// Sets the chip up.
#[hal::entry]
fn main() -> ! {
    // SAFETY: nothing else takes the peripherals.
    let chip = unsafe { Peripherals::steal() };
    let mut resets = chip.RESETS;
    let mut watchdog = Watchdog::new(chip.WATCHDOG);
    let Ok(clocks) = init_clocks_and_plls(
        CRYSTAL_HZ,
        chip.XOSC,
        chip.CLOCKS,
        chip.PLL_SYS,
        chip.PLL_USB,
        &mut resets,
        &mut watchdog,
    ) else {
        panic!("the crystal does not oscillate");
    };
    Timer::new(chip.TIMER, &mut resets, &clocks);
    let bank = Sio::new(chip.SIO).gpio_bank0;
    let pins = Pins::new(chip.IO_BANK0, chip.PADS_BANK0, bank, &mut resets);
    sys_tick::init();
    microhlo_board::run(&mut pins.gpio25.into_push_pull_output(), microhlo_runner::main)
}
