//! The `microhlo` command.

fn main() {}
