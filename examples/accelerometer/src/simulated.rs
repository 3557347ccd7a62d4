//! An ADXL345 that has been on a motor, behind `embedded_hal::spi::SpiDevice`: QEMU has none.
//!
//! On a real board, the SPI peripheral of its HAL takes this place, with `embedded-hal-bus` for the chip select.

use core::convert::Infallible;

use embedded_hal::spi::{ErrorType, Operation, SpiDevice};

use crate::adxl345::{
    DATA_FORMAT, DATAX0, DEVID, FIFO_DEPTH, FIFO_STATUS, FULL_16_G, IDENTITY, MEASURE, MULTIPLE,
    POWER_CTL, READ,
};

/// Measurements that come between two looks at the FIFO.
const PACE: usize = 5;

/// The device.
pub struct Simulated {
    /// What is measured: x, y and z, each a little-endian `i16`.
    recording: &'static [u8],
    /// Measurements that have left the FIFO.
    read: usize,
    /// Those in it.
    waiting: usize,
    format: u8,
    power: u8,
}

impl Simulated {
    /// A device that measures what was recorded.
    pub fn new(recording: &'static [u8]) -> Simulated {
        Simulated { recording, read: 0, waiting: 0, format: 0, power: 0 }
    }

    /// Answers a transaction that begins with this byte.
    fn answer(&mut self, command: u8, bytes: &mut [u8]) {
        let register = command & !(READ | MULTIPLE);
        if command & READ == 0 || (bytes.len() > 1 && command & MULTIPLE == 0) {
            return bytes.fill(0);
        }
        match register {
            DEVID => bytes.fill(IDENTITY),
            FIFO_STATUS => {
                let left = self.recording.len() / 6 - self.read;
                let more = if self.power & MEASURE == 0 { 0 } else { PACE };
                self.waiting = (self.waiting + more).min(FIFO_DEPTH).min(left);
                bytes.fill(self.waiting as u8);
            }
            // In any other format, counts would mean something else.
            DATAX0 if self.waiting > 0 && self.format == FULL_16_G => {
                let from = self.recording.chunks_exact(6).nth(self.read).unwrap_or(&[]);
                bytes.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                self.read += 1;
                self.waiting -= 1;
            }
            _ => bytes.fill(0),
        }
    }
}

impl ErrorType for Simulated {
    type Error = Infallible;
}

impl SpiDevice for Simulated {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Infallible> {
        match operations {
            [Operation::Write([command]), Operation::Read(bytes)] => self.answer(*command, bytes),
            [Operation::Write([DATA_FORMAT, value])] => self.format = *value,
            [Operation::Write([POWER_CTL, value])] => self.power = *value,
            // Other settings change nothing that is read here.
            _ => {}
        }
        Ok(())
    }
}
