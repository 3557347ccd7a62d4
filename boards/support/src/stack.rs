//! How much of the stack has been used.
//!
//! Start-up fills the stack with a pattern; what has lost it was used.

use crate::STACK;
use core::ptr::{read_volatile, write_volatile};

const PATTERN: u32 = 0xA5C3_5A3C;
const WORD: usize = size_of::<u32>();

/// Bytes below the frame of [`repaint`] that painting leaves alone.
const MARGIN: usize = 64;

/// Size of the stack in bytes.
pub fn size() -> usize {
    STACK.length
}

/// The most bytes of the stack in use at any time since start-up, or since
/// [`repaint`].
pub fn high_water() -> usize {
    let words = STACK.length / WORD;
    let untouched = (0..words).take_while(|index| word(*index) == PATTERN).count();
    STACK.length - untouched * WORD
}

/// The word at an index counted from the lowest address.
fn word(index: usize) -> u32 {
    let index = index.min(STACK.length / WORD - 1);
    // SAFETY: the address is within the stack region, which is mapped.
    unsafe { read_volatile((STACK.origin as *const u32).add(index)) }
}

/// Fills the unused part of the stack with the pattern again.
#[inline(never)]
pub fn repaint() {
    let marker = 0u32;
    let here = &raw const marker as usize;
    let free = here.saturating_sub(STACK.origin).saturating_sub(MARGIN);
    for word in 0..free / WORD {
        // SAFETY: the address is within the stack region and below every live
        // frame, this function's own included.
        unsafe { write_volatile((STACK.origin as *mut u32).add(word), PATTERN) };
    }
}

/// A point from which the depth of calls is measured.
#[derive(Clone, Copy, Debug)]
pub struct Depth {
    pointer: usize,
}

impl Depth {
    /// From the end of the caller's frame. The stack below is painted.
    #[inline(always)]
    pub fn here() -> Self {
        let pointer;
        // SAFETY: the instruction only reads the stack pointer.
        #[cfg(target_arch = "arm")]
        unsafe {
            core::arch::asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack));
        }
        // SAFETY: the instruction only reads the stack pointer.
        #[cfg(target_arch = "riscv32")]
        unsafe {
            core::arch::asm!("mv {}, sp", out(reg) pointer, options(nomem, nostack));
        }
        repaint();
        Self { pointer }
    }

    /// The most bytes below that point which were in use since then, or since [`repaint`]. What
    /// painting itself needs is the least: some hundred bytes.
    pub fn used(self) -> usize {
        let end = STACK.origin + STACK.length;
        high_water().saturating_sub(end - self.pointer)
    }
}

/// Whether the stack has been used up, and may have run over its end.
pub fn exhausted() -> bool {
    word(0) != PATTERN
}
