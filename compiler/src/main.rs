//! The `microhlo` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    microhlo_compiler::cmd::main()
}
