//! Emulator runner.
