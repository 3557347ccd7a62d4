//! NUCLEO-H743ZI: runs at 480 MHz from the 8 MHz that the debugger on the board gives, with caches, and counts
//! cycles with the trace unit. LD1 is the light.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use embedded_hal_compat::ForwardCompat;
use microhlo_board::dwt;
use stm32h7xx_hal::pac::{CorePeripherals, Peripherals};
use stm32h7xx_hal::prelude::*;

microhlo_board::counts_with!(dwt::cycles);

#[entry]
fn main() -> ! {
    // SAFETY: nothing else takes the peripherals.
    let (chip, mut core) = unsafe { (Peripherals::steal(), CorePeripherals::steal()) };
    // The highest voltage, which more than 400 MHz need.
    let power = chip.PWR.constrain().vos0(&chip.SYSCFG).freeze();
    let clocks = chip.RCC.constrain().use_hse(8.MHz()).bypass_hse().sys_ck(480.MHz());
    let clocks = clocks.freeze(power, &chip.SYSCFG);
    core.SCB.enable_icache();
    core.SCB.enable_dcache(&mut core.CPUID);
    let led = chip.GPIOB.split(clocks.peripheral.GPIOB).pb0.into_push_pull_output();
    dwt::init();
    microhlo_board::run(&mut led.forward(), microhlo_runner::main)
}
