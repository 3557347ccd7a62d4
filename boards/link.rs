//! Links firmware of a real board with the script of its start-up crate.

fn main() {
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
}
