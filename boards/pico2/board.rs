//! Raspberry Pi Pico 2 on its Arm cores: runs at 150 MHz from the crystal, and counts cycles with the trace unit.
#![no_std]
#![no_main]

use microhlo_board::dwt;
use rp235x_hal as hal;

use hal::block::ImageDef;
use hal::clocks::init_clocks_and_plls;
use hal::gpio::Pins;
use hal::pac::Peripherals;
use hal::{Sio, Watchdog};

/// What the boot ROM looks for.
// SAFETY: the section is what the boot ROM reads, and this is made for it.
#[unsafe(link_section = ".start_block")]
#[used]
static IMAGE_DEF: ImageDef = ImageDef::secure_exe();

const CRYSTAL_HZ: u32 = 12_000_000;

microhlo_board::counts_with!(dwt::cycles);

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
    dwt::init();
    microhlo_board::run(&mut pins.gpio25.into_push_pull_output(), microhlo_runner::main)
}
