//! Infers in one embassy task while another keeps its deadlines.
//!
//! Both tasks share a thread: inference yields after each step of the model, so that the other waits for no more than the
//! longest one. The exit code is 0 if all digits are read as in JAX, no deadline is missed, and some would be by
//! inferences in one piece.
#![no_std]
#![no_main]

// Other cores have other timers; nothing is left of it there.
#[cfg(target_arch = "arm")]
mod firmware;
#[cfg(target_arch = "arm")]
mod tick;
#[cfg(not(target_arch = "arm"))]
use microhlo_board as _;
