//! The board's first serial line, without interrupts.
//!
//! Registers: Arm Cortex-M System Design Kit, "APB UART"; Texas Instruments PC16550D.

/// A serial line.
pub enum Uart {
    /// CMSDK APB UART at this address, on MPS2 boards.
    Cmsdk(usize),
    /// 16550 at this address, on QEMU's RISC-V machine.
    Ns16550(usize),
}

impl Uart {
    /// The line of the board; `None` if none is known.
    pub fn open() -> Option<Uart> {
        match crate::NAME {
            "mps2-an385" | "mps2-an386" | "mps2-an500" => {
                let base = 0x4000_4000;
                // The least divisor, then transmitter and receiver on.
                write_word(base + 0x10, 16);
                write_word(base + 0x8, 3);
                Some(Uart::Cmsdk(base))
            }
            "virt-rv32" => Some(Uart::Ns16550(0x1000_0000)),
            _ => None,
        }
    }

    /// Waits for the next byte.
    pub fn read(&mut self) -> u8 {
        match *self {
            Uart::Cmsdk(base) => {
                while read_word(base + 0x4) & 2 == 0 {}
                read_word(base) as u8
            }
            Uart::Ns16550(base) => {
                while read_byte(base + 5) & 1 == 0 {}
                read_byte(base)
            }
        }
    }

    /// Sends a byte, and waits until it is gone.
    pub fn write(&mut self, byte: u8) {
        match *self {
            Uart::Cmsdk(base) => {
                write_word(base, byte.into());
                while read_word(base + 0x4) & 1 != 0 {}
            }
            Uart::Ns16550(base) => {
                write_byte(base, byte);
                while read_byte(base + 5) & 0x40 == 0 {}
            }
        }
    }
}

fn read_word(address: usize) -> u32 {
    // SAFETY: `open` knows a register at the address, and nothing else uses the line.
    unsafe { (address as *const u32).read_volatile() }
}

fn write_word(address: usize, value: u32) {
    // SAFETY: as in `read_word`.
    unsafe { (address as *mut u32).write_volatile(value) }
}

fn read_byte(address: usize) -> u8 {
    // SAFETY: as in `read_word`.
    unsafe { (address as *const u8).read_volatile() }
}

fn write_byte(address: usize, value: u8) {
    // SAFETY: as in `read_word`.
    unsafe { (address as *mut u8).write_volatile(value) }
}
