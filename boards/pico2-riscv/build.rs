//! Links with the scripts of the board's memory, of the chip's interrupts and of the start-up crate, which
//! includes neither.

fn main() {
    println!("cargo::rustc-link-arg-bins=-Tmemory.x");
    println!("cargo::rustc-link-arg-bins=-Tdevice.x");
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
}
