//! Infers while an interrupt takes samples, without an operating system.
//!
//! The timer's interrupt comes ten times as often as a hop of the network, whatever the network does, and puts a sample
//! into a queue; the main function takes ten at a time and looks for heartbeats. The exit code is 0 if no sample is lost,
//! some came while the network ran, and the scores are those that JAX computes of the whole signal.
#![no_std]
#![no_main]

// Other cores have other timers; nothing is left of it there.
#[cfg(target_arch = "arm")]
mod firmware;
#[cfg(not(target_arch = "arm"))]
use microhlo_board as _;
