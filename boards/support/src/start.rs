//! From the reset code of cortex-m-rt or riscv-rt, or from a board's own start-up, to the firmware's main
//! function.

#[cfg(feature = "real")]
use crate::{CLOCK_HZ, console};
use crate::{counter, exit, fault, guard, stack};
#[cfg(feature = "real")]
use embedded_hal::digital::{OutputPin, PinState};

#[cfg(feature = "emulated")]
unsafe extern "Rust" {
    /// Defined by [`main!`](crate::main).
    safe fn microhlo_firmware_main() -> u8;
}

#[cfg(feature = "emulated")]
#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
fn start() -> ! {
    guard::init();
    stack::repaint();
    counter::init();
    let code = microhlo_firmware_main();
    if stack::exhausted() {
        fault::stack_exhausted();
    }
    exit::exit(code)
}

/// Runs a firmware's main function on a real board, whose clocks run as its description says.
///
/// The LED is on while it runs; once it has returned it blinks, twice a second if all went well and eight
/// times if not.
#[cfg(feature = "real")]
pub fn run(led: &mut impl OutputPin, main: fn() -> u8) -> ! {
    guard::init();
    stack::repaint();
    console::init();
    counter::init();
    // A board without a light works all the same.
    let _ = led.set_high();
    let code = main();
    if stack::exhausted() {
        fault::stack_exhausted();
    }
    let halves = if code == exit::SUCCESS { 4 } else { 16 };
    console::say_exit(code);
    let mut on = true;
    loop {
        let start = counter::now();
        while counter::now().wrapping_sub(start) < CLOCK_HZ / halves {}
        on = !on;
        let _ = led.set_state(PinState::from(on));
    }
}
