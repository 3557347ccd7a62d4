//! Ending the emulation with an exit code.

/// Exit code of a firmware that panicked.
pub const PANIC: u8 = 101;

/// Exit code of a firmware whose processor faulted or whose stack ran out.
pub const FAULT: u8 = 102;

/// Ends the emulator with an exit code; 0 means that all went well.
pub fn exit(code: u8) -> ! {
    semihosting::process::exit(i32::from(code))
}
