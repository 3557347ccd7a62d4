//! Memory that keeps its contents over a reset, in the role of flash: QEMU's boards have no flash controller.
//!
//! On a real board the driver of its HAL takes this place. This one can lose power in the middle of a write.

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

use crate::shared::PARTITION;

/// Bytes of memory: those of the partition, and how many words are written and sectors erased until power is
/// lost; 0 for never.
const MEMORY: usize = PARTITION as usize + size_of::<u32>();

/// The partition.
pub struct Flash {
    base: *mut u8,
}

impl Flash {
    /// Flash in this memory; `None` if it is too small.
    pub fn new(memory: &'static mut [u8]) -> Option<Flash> {
        let memory = memory.get_mut(..MEMORY)?;
        Some(Flash { base: memory.as_mut_ptr() })
    }

    /// Where the bytes of an artifact lie.
    pub fn mapped(&self) -> Mapped {
        Mapped { base: self.base }
    }

    /// Changes bytes, or half of them if power is lost meanwhile.
    fn change(&mut self, offset: usize, bytes: impl ExactSizeIterator<Item = u8>) {
        let cut = self.mapped().due();
        let length = if cut { bytes.len() / 2 } else { bytes.len() };
        for (at, byte) in (offset..).zip(bytes.take(length)) {
            // SAFETY: callers have checked that the bytes are in the partition, of which nothing but this
            // driver holds a reference, artifacts apart: and the slots never write where one lies that runs.
            unsafe { self.base.add(at).write_volatile(byte) };
        }
        if cut {
            reset();
        }
    }
}

/// The partition as the processor reads it.
#[derive(Clone, Copy)]
pub struct Mapped {
    base: *mut u8,
}

impl Mapped {
    /// Lets power be lost in that write or erase from now, resets that are no loss of power apart. Returns how
    /// many were left of the number given before.
    pub fn cut(self, operation: u32) -> u32 {
        // SAFETY: the number lies behind the partition, and nothing else is there.
        unsafe { self.left().replace(operation) }
    }

    /// Whether power is lost in this write or erase.
    fn due(self) -> bool {
        let left = self.cut(0);
        self.cut(left.saturating_sub(1));
        left == 1
    }

    fn left(self) -> *mut u32 {
        self.base.wrapping_add(PARTITION as usize).cast()
    }

    /// Bytes of the partition that are not written as long as they are used.
    pub fn artifact(self, offset: u32, length: u32) -> &'static [u8] {
        let end = offset.checked_add(length).filter(|&end| end <= PARTITION);
        let length = if end.is_some() { length as usize } else { 0 };
        // SAFETY: they are in the partition, which exists for ever. The slots write them only before they are
        // staged, or when they do not run.
        unsafe {
            core::slice::from_raw_parts(self.base.add(offset as usize % PARTITION as usize), length)
        }
    }
}

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        for (at, byte) in (offset as usize..).zip(bytes) {
            // SAFETY: the bytes are in the partition.
            *byte = unsafe { self.base.add(at).read_volatile() };
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        PARTITION as usize
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 32;
    const ERASE_SIZE: usize = 1024;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        for sector in (from as usize..to as usize).step_by(Self::ERASE_SIZE) {
            self.change(sector, core::iter::repeat_n(0xff, Self::ERASE_SIZE));
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        let words = bytes.chunks(Self::WRITE_SIZE);
        for (at, word) in (offset as usize..).step_by(Self::WRITE_SIZE).zip(words) {
            self.change(at, word.iter().copied());
        }
        Ok(())
    }
}

/// Resets the processor.
pub fn reset() -> ! {
    // Armv7-M Architecture Reference Manual, "AIRCR"; QEMU documentation, "virt": the test device.
    let (register, value) = match cfg!(target_arch = "arm") {
        true => (0xe000_ed0c_usize, 0x05fa_0004_u32),
        false => (0x0010_0000, 0x7777),
    };
    // SAFETY: the register resets the board and does nothing else.
    unsafe { (register as *mut u32).write_volatile(value) };
    loop {
        core::hint::spin_loop();
    }
}
