// The flash of the examples in the documentation, which include this: 4 KiB in memory, with sectors of 512 bytes.
// In a firmware, the driver of the chip is in its place.
use std::{cell::RefCell, rc::Rc};

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use embedded_storage::nor_flash::{check_erase, check_read, check_write};

#[derive(Clone, Debug)]
struct Flash {
    // Shared, so that it can be looked at while a driver has it, as memory that flash is mapped into.
    bytes: Rc<RefCell<Vec<u8>>>,
    // Whether erasing fails.
    worn: bool,
}

impl Flash {
    fn erased() -> Flash {
        Flash { bytes: Rc::new(RefCell::new(vec![0xff; 4096])), worn: false }
    }

    // Has version 1 in slot A, as a programmer writes it: the artifact is `b"artifact"`.
    fn with_model(trial: microhlo_slots::Trial) -> Flash {
        let header = microhlo_slots::Header::new(1, b"artifact").image(trial);
        let flash = Flash::erased();
        flash.bytes.borrow_mut()[..520].copy_from_slice(&[&header[..], b"artifact"].concat());
        flash
    }

    fn mapped(&self) -> Vec<u8> {
        self.bytes.borrow().clone()
    }
}

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, at, bytes.len())?;
        bytes.copy_from_slice(&self.bytes.borrow()[at as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.borrow().len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 512;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        if self.worn {
            return Err(NorFlashErrorKind::Other);
        }
        self.bytes.borrow_mut()[from as usize..to as usize].fill(0xff);
        Ok(())
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, at, bytes.len())?;
        // A write makes ones zeros, never the other way round.
        for (to, from) in self.bytes.borrow_mut()[at as usize..].iter_mut().zip(bytes) {
            *to &= from;
        }
        Ok(())
    }
}
