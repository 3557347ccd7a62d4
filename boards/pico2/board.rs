//! Raspberry Pi Pico 2 on its Arm cores: runs at 150 MHz from the crystal, and counts cycles with the trace unit.
#![no_std]
#![no_main]

mod chip;

use microhlo_board::dwt;
use rp235x_hal as hal;

use hal::block::ImageDef;

/// What the boot ROM looks for.
// SAFETY: the section is what the boot ROM reads, and this is made for it.
#[unsafe(link_section = ".start_block")]
#[used]
static IMAGE_DEF: ImageDef = ImageDef::secure_exe();

microhlo_board::counts_with!(dwt::cycles);

/// Sets the chip up.
#[hal::entry]
fn main() -> ! {
    chip::run(dwt::init)
}
