//! NUCLEO-F411RE: runs at 100 MHz from the 8 MHz that the debugger on the board gives, and counts cycles with
//! the trace unit. LD2 is the light.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use microhlo_board::dwt;
use stm32f4xx_hal::pac::Peripherals;
use stm32f4xx_hal::prelude::*;
use stm32f4xx_hal::rcc::Config;

microhlo_board::counts_with!(dwt::cycles);

#[entry]
fn main() -> ! {
    // SAFETY: nothing else takes the peripherals.
    let chip = unsafe { Peripherals::steal() };
    let clocks = Config::hse(8.MHz()).bypass_hse_oscillator().sysclk(100.MHz());
    let mut rcc = chip.RCC.freeze(clocks);
    let mut led = chip.GPIOA.split(&mut rcc).pa5.into_push_pull_output();
    dwt::init();
    microhlo_board::run(&mut led, microhlo_runner::main)
}
