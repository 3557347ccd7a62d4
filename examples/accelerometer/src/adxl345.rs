//! Driver of an ADXL345 accelerometer, for any SPI bus.
//!
//! Registers: Analog Devices ADXL345 data sheet, "Register map" and "FIFO". SPI mode 3, at most 5 MHz.

use embedded_hal::spi::{Operation, SpiDevice};

/// The device's identity.
pub const DEVID: u8 = 0x00;
/// Output data rate.
pub const BW_RATE: u8 = 0x2c;
/// Measuring or standing by.
pub const POWER_CTL: u8 = 0x2d;
/// Range and resolution.
pub const DATA_FORMAT: u8 = 0x31;
/// The first of six bytes of a measurement: x, y and z, little-endian.
pub const DATAX0: u8 = 0x32;
/// What the FIFO does.
pub const FIFO_CTL: u8 = 0x38;
/// Measurements in the FIFO.
pub const FIFO_STATUS: u8 = 0x39;

/// What the identity register holds.
pub const IDENTITY: u8 = 0xe5;
/// In front of an address: a register is read.
pub const READ: u8 = 0x80;
/// In front of an address: more than one byte.
pub const MULTIPLE: u8 = 0x40;
/// Measurements that the FIFO holds.
pub const FIFO_DEPTH: usize = 32;

/// 400 measurements a second.
const RATE_400: u8 = 0x0c;
/// Measure.
pub const MEASURE: u8 = 0x08;
/// Full resolution, 16 g either way: 256 counts are 1 g.
pub const FULL_16_G: u8 = 0x0b;
/// The FIFO keeps the newest measurements.
const STREAM: u8 = 0x80;

/// Why there are no measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// The bus.
    Spi(E),
    /// Another device answers, with this identity.
    OtherDevice(u8),
    /// The FIFO was full: measurements have been lost.
    Overrun,
}

/// An accelerometer.
pub struct Adxl345<S> {
    spi: S,
}

impl<S: SpiDevice> Adxl345<S> {
    /// Lets the device measure 400 times a second.
    pub fn start(spi: S) -> Result<Self, Error<S::Error>> {
        let mut device = Adxl345 { spi };
        let [identity] = device.read(DEVID)?;
        if identity != IDENTITY {
            return Err(Error::OtherDevice(identity));
        }
        let settings = [
            (DATA_FORMAT, FULL_16_G),
            (BW_RATE, RATE_400),
            (FIFO_CTL, STREAM),
            (POWER_CTL, MEASURE),
        ];
        for (register, value) in settings {
            device.spi.write(&[register, value]).map_err(Error::Spi)?;
        }
        Ok(device)
    }

    /// Waits until there are as many measurements as there is room for.
    pub fn fill(&mut self, window: &mut [[i16; 3]]) -> Result<(), Error<S::Error>> {
        let mut rest = window.iter_mut();
        while !rest.as_slice().is_empty() {
            let [status] = self.read(FIFO_STATUS)?;
            let count = usize::from(status & 0x3f);
            if count >= FIFO_DEPTH {
                return Err(Error::Overrun);
            }
            for to in rest.by_ref().take(count) {
                let [x0, x1, y0, y1, z0, z1] = self.read(DATAX0)?;
                *to = [[x0, x1], [y0, y1], [z0, z1]].map(i16::from_le_bytes);
            }
        }
        Ok(())
    }

    /// Registers from this one on.
    fn read<const N: usize>(&mut self, register: u8) -> Result<[u8; N], Error<S::Error>> {
        let multiple = if N > 1 { MULTIPLE } else { 0 };
        let (command, mut bytes) = ([READ | multiple | register], [0; N]);
        let mut operations = [Operation::Write(&command), Operation::Read(&mut bytes)];
        self.spi.transaction(&mut operations).map_err(Error::Spi)?;
        Ok(bytes)
    }
}
