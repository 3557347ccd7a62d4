//! Raspberry Pi Pico 2 on its RISC-V cores: runs at 150 MHz from the crystal, and counts cycles with `mcycle`.
#![no_std]
#![no_main]

#[path = "../pico2/chip.rs"]
mod chip;

use microhlo_board::csr_counter;
use rp235x_hal as hal;

use hal::block::ImageDef;

/// What the boot ROM looks for in the first 4 KiB. It starts at the lowest address, so that this follows the
/// first instructions.
// SAFETY: the section holds what is read only, and this is.
#[unsafe(link_section = ".init.rust")]
#[used]
static IMAGE_DEF: ImageDef = ImageDef::secure_exe();

microhlo_board::counts_with!(csr_counter::instructions);

/// Sets the chip up.
#[hal::entry]
fn main() -> ! {
    chip::run(csr_counter::init)
}
