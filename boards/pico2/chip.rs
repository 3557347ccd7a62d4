//! Start-up of the chip, whichever of its cores run: 150 MHz from the crystal.

use rp235x_hal as hal;

use hal::clocks::init_clocks_and_plls;
use hal::gpio::Pins;
use hal::pac::Peripherals;
use hal::{Sio, Watchdog};

const CRYSTAL_HZ: u32 = 12_000_000;

/// Sets the chip up, starts the counter and runs jobs.
pub fn run(start_counter: fn()) -> ! {
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
    start_counter();
    microhlo_board::run(&mut pins.gpio25.into_push_pull_output(), microhlo_runner::main)
}
