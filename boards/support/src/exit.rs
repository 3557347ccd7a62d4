//! Ending with an exit code.

/// Exit code of a firmware that did all it should.
pub const SUCCESS: u8 = 0;

/// Exit code of a firmware that panicked.
pub const PANIC: u8 = 101;

/// Exit code of a firmware whose processor faulted or whose stack ran out.
pub const FAULT: u8 = 102;

/// Ends the emulator, or on a real board all that the firmware does, with an exit code; 0 means that all
/// went well.
pub fn exit(code: u8) -> ! {
    crate::console::exit(code)
}
