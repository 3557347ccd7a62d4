//! From the reset code of cortex-m-rt or riscv-rt to the firmware's main function.

use crate::{counter, exit, fault, guard, stack};

unsafe extern "Rust" {
    /// Defined by [`main!`](crate::main).
    safe fn microhlo_firmware_main() -> u8;
}

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
