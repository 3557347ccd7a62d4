//! Raspberry Pi Pico 2 on its RISC-V cores: runs at 150 MHz from the crystal, and counts cycles with `mcycle`.
#![no_std]
#![no_main]

use microhlo_board::csr_counter;
use rp235x_hal as hal;

use hal::block::ImageDef;
use hal::clocks::init_clocks_and_plls;
use hal::gpio::Pins;
use hal::pac::Peripherals;
use hal::{Sio, Watchdog};

/// What the boot ROM looks for in the first 4 KiB. It starts at the lowest address, so that this follows the
/// first instructions.
// SAFETY: the section holds what is read only, and this is.
#[unsafe(link_section = ".init.rust")]
#[used]
static IMAGE_DEF: ImageDef = ImageDef::secure_exe();

const CRYSTAL_HZ: u32 = 12_000_000;

microhlo_board::counts_with!(csr_counter::instructions);

/// Sets the chip up.
#[hal::entry]
fn main() -> ! {
    // SAFETY: nothing else takes the peripherals.
    let chip = unsafe { Peripherals::steal() };
    let mut resets = chip.RESETS;
    let mut watchdog = Watchdog::new(chip.WATCHDOG);
    let clocks = init_clocks_and_plls(
        CRYSTAL_HZ,
        chip.XOSC,
        chip.CLOCKS,
        chip.PLL_SYS,
        chip.PLL_USB,
        &mut resets,
        &mut watchdog,
    );
    if clocks.is_err() {
        panic!("the crystal does not oscillate");
    }
    let bank = Sio::new(chip.SIO).gpio_bank0;
    let pins = Pins::new(chip.IO_BANK0, chip.PADS_BANK0, bank, &mut resets);
    csr_counter::init();
    microhlo_board::run(&mut pins.gpio25.into_push_pull_output(), microhlo_runner::main)
}
