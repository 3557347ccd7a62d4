//! Logs with defmt, in every level.
#![no_std]
#![no_main]

use microhlo_board::counter;

microhlo_board::main!(main);

defmt::timestamp!("{=u64}", counter::now());

fn main() -> u8 {
    defmt::println!("board {=str}", microhlo_board::NAME);
    defmt::error!("{=f32} is no probability", -1.5);
    defmt::warn!("arena {=u8} % full", 91);
    defmt::info!("class {=u32}, {}", 7, Some(true));
    0
}
