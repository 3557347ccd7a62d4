//! The `microhlo` command, as the tests of this package start it.

use std::process::ExitCode;

fn main() -> ExitCode {
    microhlo_compiler::cmd::main()
}
