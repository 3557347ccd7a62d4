//! Links with the script of the board's start-up crate.

fn main() {
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
}
