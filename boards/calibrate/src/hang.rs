//! Never ends.
#![no_std]
#![no_main]

microhlo_board::main!(main);

fn main() -> u8 {
    loop {
        core::hint::spin_loop();
    }
}
