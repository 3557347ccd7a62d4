//! A flash that power can be cut from, and models to put into it.
#![allow(dead_code, reason = "every test uses its own part")]

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};
use microhlo_slots::{Error, Header, Slots};

/// NOR flash in memory, as strict as any: a word is written once after an erase, and what is written or erased
/// when power is cut is neither old nor new, and may read differently after each time that power comes back.
#[derive(Clone, Debug)]
pub struct Flash<const WRITE: usize, const ERASE: usize> {
    /// What it reads as.
    pub bytes: Vec<u8>,
    /// Words written and sectors erased.
    pub operations: u32,
    /// The operation that power is cut in.
    pub cut: Option<u32>,
    /// Whether power is off.
    pub off: bool,
    /// The next write that fails though power is on.
    pub fail: Option<u32>,
    /// What torn places read as, a bit for each, lowest first: 0 for old. Anything between if there is none.
    pub readings: Option<u64>,
    /// Bytes that may be written.
    erased: Vec<bool>,
    torn: Vec<Torn>,
    random: u64,
}

/// A word or sector that was changed when power was lost: it reads as old, new or anything between.
#[derive(Clone, Debug)]
struct Torn {
    offset: usize,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl<const WRITE: usize, const ERASE: usize> Flash<WRITE, ERASE> {
    /// Flash of a size, with arbitrary contents.
    pub fn new(bytes: usize, seed: u64) -> Self {
        let (erased, random) = (vec![false; bytes], seed.wrapping_mul(2).wrapping_add(0x9e37_79b9));
        let (operations, torn) = (0, Vec::new());
        let (cut, off, fail, readings) = (None, false, None, None);
        let bytes_of = vec![0; bytes];
        let mut flash =
            Flash { bytes: bytes_of, operations, cut, off, fail, readings, erased, torn, random };
        for i in 0..bytes {
            flash.bytes[i] = flash.next() as u8;
        }
        flash
    }

    /// Other random numbers from here on.
    pub fn reseed(&mut self, seed: u64) {
        self.random ^= seed.wrapping_mul(0xd6e8_feb8_6659_fd93) | 1;
    }

    /// Power comes back, to be cut in that operation from now if at all.
    pub fn power_up(&mut self, cut: Option<u32>) {
        (self.off, self.operations, self.cut) = (false, 0, cut);
        for torn in self.torn.clone() {
            self.settle(&torn);
        }
    }

    /// How many places are torn.
    pub fn torn(&self) -> usize {
        self.torn.len()
    }

    /// Writes bytes as a programmer does.
    pub fn program(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        self.bytes[offset..end].copy_from_slice(bytes);
        for at in offset..end {
            self.erased[at] = self.bytes[at] == 0xff;
        }
    }

    fn next(&mut self) -> u64 {
        // xorshift64*, Vigna 2016.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 24
    }

    /// Gives a torn place one of the values it may have.
    fn settle(&mut self, torn: &Torn) {
        let way = match &mut self.readings {
            None => self.next() % 5,
            Some(bits) => {
                let way = *bits & 1;
                *bits >>= 1;
                way
            }
        };
        let border = self.next() as usize % torn.old.len();
        for (i, (&old, &new)) in torn.old.iter().zip(&torn.new).enumerate() {
            let bits = self.next() as u8;
            self.bytes[torn.offset + i] = match way {
                0 => old,
                1 => new,
                2 => (old & bits) | (new & !bits),
                3 if i < border => old,
                4 if i >= border => old,
                _ => new,
            };
        }
    }

    /// Changes bytes at once, or tears them if it is time. The next operation finds power off then.
    fn change(&mut self, offset: usize, new: &[u8]) -> Result<(), NorFlashErrorKind> {
        self.operations += 1;
        if self.fail == Some(self.operations) {
            return Err(NorFlashErrorKind::Other);
        }
        let range = offset..offset + new.len();
        self.torn.retain(|torn| !range.contains(&torn.offset));
        if self.cut == Some(self.operations) {
            let torn = Torn { offset, old: self.bytes[range].to_vec(), new: new.to_vec() };
            self.settle(&torn);
            self.torn.push(torn);
            self.off = true;
            return Err(NorFlashErrorKind::Other);
        }
        self.bytes[range.clone()].copy_from_slice(new);
        for at in range {
            self.erased[at] = new[at - offset] == 0xff;
        }
        Ok(())
    }

    fn powered(&self) -> Result<(), NorFlashErrorKind> {
        if self.off { Err(NorFlashErrorKind::Other) } else { Ok(()) }
    }
}

impl<const WRITE: usize, const ERASE: usize> ErrorType for Flash<WRITE, ERASE> {
    type Error = NorFlashErrorKind;
}

impl<const WRITE: usize, const ERASE: usize> ReadNorFlash for Flash<WRITE, ERASE> {
    const READ_SIZE: usize = if WRITE < 4 { WRITE } else { 4 };

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len()).expect("a read is inside and aligned");
        self.powered()?;
        bytes.copy_from_slice(&self.bytes[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const WRITE: usize, const ERASE: usize> NorFlash for Flash<WRITE, ERASE> {
    const WRITE_SIZE: usize = WRITE;
    const ERASE_SIZE: usize = ERASE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to).expect("an erase is inside and aligned");
        for sector in (from as usize..to as usize).step_by(ERASE) {
            self.powered()?;
            // What is erased by half is not to be written to, whatever it reads as.
            self.erased[sector..sector + ERASE].fill(false);
            self.change(sector, &[0xff; ERASE])?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len()).expect("a write is inside and aligned");
        for (at, word) in (offset as usize..).step_by(WRITE).zip(bytes.chunks(WRITE)) {
            self.powered()?;
            // A torn word that reads as erased cannot be told from one that is.
            let blank = self.bytes[at..at + WRITE].iter().all(|&byte| byte == 0xff);
            let writable = blank && self.erased[at..at + WRITE].iter().all(|&erased| erased);
            assert!(writable, "the word at {at:#x} is written twice");
            self.change(at, word)?;
        }
        Ok(())
    }
}

/// An artifact of a version: bytes that differ for each. The slots do not look into it.
pub fn artifact(version: u32, length: usize) -> Vec<u8> {
    (0..length as u32).map(|i| (i.wrapping_mul(31) ^ version.wrapping_mul(167)) as u8).collect()
}

/// Writes a version as an update does.
pub fn update<F: NorFlash>(
    slots: &mut Slots<F>,
    version: u32,
    artifact: &[u8],
) -> Result<(), Error> {
    let mut update = slots.begin(&Header::new(version, artifact))?;
    // Neither as long as a write nor as a unit.
    for piece in artifact.chunks(45) {
        update.write(piece)?;
    }
    update.finish()
}
