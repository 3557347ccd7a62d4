//! The runner as firmware of an emulated board. Real boards have firmware of their own around it.
#![no_std]
#![no_main]

microhlo_board::main!(microhlo_runner::main);
