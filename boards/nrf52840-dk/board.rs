//! nRF52840 DK: starts the crystal oscillator, and counts cycles with the trace unit. LED1 is the light.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use microhlo_board::{ActiveLow, dwt};
use nrf52840_hal::clocks::Clocks;
use nrf52840_hal::gpio::{Level, p0};
use nrf52840_hal::pac::Peripherals;

microhlo_board::counts_with!(dwt::cycles);

#[entry]
fn main() -> ! {
    // SAFETY: nothing else takes the peripherals.
    let chip = unsafe { Peripherals::steal() };
    Clocks::new(chip.CLOCK).enable_ext_hfosc();
    let led = p0::Parts::new(chip.P0).p0_13.into_push_pull_output(Level::High);
    dwt::init();
    microhlo_board::run(&mut ActiveLow(led), microhlo_runner::main)
}
