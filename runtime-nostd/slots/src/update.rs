//! Replacing the model that does not run.

use embedded_storage::nor_flash::NorFlash;

use crate::header::{ERASED, Mark};
use crate::{Error, HEADER_BYTES, Header, Refusal, Slot, Slots, UNIT};

/// An artifact that is being written. Dropped before [`finish`](Update::finish), it leaves its slot empty.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut flash = Flash::with_model(microhlo_slots::Trial::Confirmed);
/// # let mut slots = microhlo_slots::Slots::open(&mut flash, 0..4096)?;
/// # slots.boot()?;
/// use microhlo_slots::{Header, Refusal, Slot};
///
/// // Version 1 runs.
/// let mut update = slots.begin(&Header::new(2, b"newer"))?;
/// update.write(b"new")?;
/// update.write(b"er")?;
/// drop(update); // it was not finished
/// assert_eq!(slots.examine(Slot::B), Err(Refusal::Empty));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Update<'s, F> {
    slots: &'s mut Slots<F>,
    slot: Slot,
    header: Header,
    /// Bytes of the artifact in flash: whole units.
    written: u32,
    /// Bytes that follow, too few to be written yet.
    unit: [u8; UNIT],
    waiting: usize,
    broken: bool,
}

/// An artifact that is written and right, but not yet what runs next. Dropped, it leaves its slot empty.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut flash = Flash::with_model(microhlo_slots::Trial::Confirmed);
/// # let mut slots = microhlo_slots::Slots::open(&mut flash, 0..4096)?;
/// # slots.boot()?;
/// use microhlo_slots::{Header, Refusal, Slot};
///
/// let mut update = slots.begin(&Header::new(2, b"newer"))?;
/// update.write(b"newer")?;
/// let staged = update.stage()?;
/// assert_eq!((staged.offset, staged.length), (2048 + 512, 5));
/// drop(staged); // it was not committed
/// assert_eq!(slots.examine(Slot::B), Err(Refusal::Empty));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Staged<'s, F> {
    slots: &'s mut Slots<F>,
    slot: Slot,
    header: Header,
    /// Where the artifact starts, in bytes from the start of the flash.
    pub offset: u32,
    /// Length of the artifact in bytes.
    pub length: u32,
}

impl<F: NorFlash> Slots<F> {
    /// Begins an update: checks what can be known before anything is erased, then erases the slot that does
    /// not run as far as the artifact needs it.
    ///
    /// # Errors
    /// [`Error::NotBooted`]; [`Error::OnTrial`], [`Error::NotNewer`] or [`Error::TooLong`]; [`Error::Refused`]
    /// if a signature is needed and is not right; [`Error::Flash`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::with_model(microhlo_slots::Trial::Confirmed);
    /// use microhlo_slots::{Error, Header, Slots};
    ///
    /// let mut slots = Slots::open(&mut flash, 0..4096)?;
    /// let header = Header::new(1, b"as old as the one that runs");
    /// assert_eq!(slots.begin(&header).map(|_| ()), Err(Error::NotBooted));
    /// slots.boot()?;
    /// let error = slots.begin(&header).map(|_| ());
    /// assert_eq!(error, Err(Error::NotNewer { offered: 1, running: 1 }));
    /// assert_eq!(slots.begin(&Header { version: 2, ..header })?.given(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn begin(&mut self, header: &Header) -> Result<Update<'_, F>, Error> {
        let slot = match self.running()? {
            Some(running) if !running.confirmed => {
                return Err(Error::OnTrial { version: running.version });
            }
            Some(running) if header.version <= running.version => {
                return Err(Error::NotNewer { offered: header.version, running: running.version });
            }
            Some(running) => running.slot.other(),
            None => Slot::A,
        };
        if header.length == 0 {
            return Err(Error::Refused(Refusal::BadLength(0)));
        }
        if header.length > self.capacity() {
            return Err(Error::TooLong { needed: header.length, available: self.capacity() });
        }
        self.check_signature(header).map_err(Error::Refused)?;
        self.clear(slot, header.length)?;
        let (unit, waiting) = ([ERASED; UNIT], 0);
        Ok(Update { slots: self, slot, header: *header, written: 0, unit, waiting, broken: false })
    }

    /// Erases a slot from the end of an artifact to the start of the header: an old artifact is damaged before
    /// anything that is said of it is, so no half of an erased header can bring it back.
    fn clear(&mut self, slot: Slot, length: u32) -> Result<(), Error> {
        let step = F::ERASE_SIZE as u32;
        let start = self.slot_start(slot);
        let mut sectors = (HEADER_BYTES as u32 + length).div_ceil(step);
        while sectors > 0 {
            sectors -= 1;
            self.erase(start + sectors * step)?;
        }
        Ok(())
    }
}

impl<'s, F: NorFlash> Update<'s, F> {
    /// Writes the next bytes of the artifact, of any number.
    ///
    /// # Errors
    /// [`Error::TooLong`] for more than the header says, of which nothing is written; [`Error::Flash`], after
    /// which the update is [broken](Error::Broken).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::with_model(microhlo_slots::Trial::Confirmed);
    /// # let mut slots = microhlo_slots::Slots::open(&mut flash, 0..4096)?;
    /// # slots.boot()?;
    /// use microhlo_slots::{Error, Header};
    ///
    /// let mut update = slots.begin(&Header::new(2, b"newer"))?;
    /// update.write(b"new")?;
    /// // None of these bytes is taken, so the update goes on.
    /// assert_eq!(update.write(b"est"), Err(Error::TooLong { needed: 6, available: 5 }));
    /// update.write(b"er")?;
    /// update.finish()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        let needed = u64::from(self.given()) + bytes.len() as u64;
        if needed > u64::from(self.header.length) {
            let needed = u32::try_from(needed).unwrap_or(u32::MAX);
            return Err(Error::TooLong { needed, available: self.header.length });
        }
        let mut rest = bytes;
        if self.waiting > 0 {
            rest = self.fill_unit(rest);
            if self.waiting < UNIT {
                return Ok(());
            }
            let unit = self.unit;
            self.put(&unit)?;
            self.waiting = 0;
        }
        let (whole, tail) = rest.split_at(rest.len() - rest.len() % UNIT);
        if !whole.is_empty() {
            self.put(whole)?;
        }
        self.fill_unit(tail);
        Ok(())
    }

    /// Bytes of the artifact that were given so far.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::with_model(microhlo_slots::Trial::Confirmed);
    /// # let mut slots = microhlo_slots::Slots::open(&mut flash, 0..4096)?;
    /// # slots.boot()?;
    /// use microhlo_slots::Header;
    ///
    /// let artifact = b"what the compiler made";
    /// let mut update = slots.begin(&Header::new(2, artifact))?;
    /// update.write(&artifact[..4])?;
    /// // Where a sender goes on that has lost its place.
    /// update.write(&artifact[update.given() as usize..])?;
    /// assert_eq!(update.given(), 22);
    /// # Ok(())
    /// # }
    /// ```
    pub fn given(&self) -> u32 {
        self.written + self.waiting as u32
    }

    /// Writes what is left and reads all of it back.
    ///
    /// What is staged can be looked at where it lies, and loaded, before it is committed.
    ///
    /// # Errors
    /// [`Error::Incomplete`], [`Error::Flash`], or [`Error::Refused`] if the artifact is not the header's.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::with_model(microhlo_slots::Trial::Confirmed);
    /// # let mut slots = microhlo_slots::Slots::open(&mut flash, 0..4096)?;
    /// # slots.boot()?;
    /// use microhlo_slots::{Error, Header};
    ///
    /// let header = Header::new(2, b"newer");
    /// let mut update = slots.begin(&header)?;
    /// update.write(b"newer")?;
    /// assert_eq!(update.stage()?.length, header.length);
    /// let update = slots.begin(&header)?;
    /// assert_eq!(update.stage().map(|_| ()), Err(Error::Incomplete { needed: 5, given: 0 }));
    /// # Ok(())
    /// # }
    /// ```
    pub fn stage(mut self) -> Result<Staged<'s, F>, Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        let (needed, given) = (self.header.length, self.given());
        if given < needed {
            return Err(Error::Incomplete { needed, given });
        }
        if self.waiting > 0 {
            let mut unit = self.unit;
            for byte in unit.iter_mut().skip(self.waiting) {
                *byte = ERASED;
            }
            self.put(&unit)?;
        }
        let Update { slots, slot, header, .. } = self;
        slots.check_body(slot, &header).map_err(Error::Refused)?;
        let offset = slots.slot_start(slot) + HEADER_BYTES as u32;
        Ok(Staged { slots, slot, header, offset, length: header.length })
    }

    /// Writes what is left, reads all of it back, and makes it the model that runs after the next reset.
    ///
    /// # Errors
    /// As [`stage`](Update::stage) and [`Staged::commit`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::with_model(microhlo_slots::Trial::Confirmed);
    /// # let mut slots = microhlo_slots::Slots::open(&mut flash, 0..4096)?;
    /// # slots.boot()?;
    /// use microhlo_slots::{Error, Header, Refusal};
    ///
    /// let header = Header::new(2, b"newer");
    /// let mut update = slots.begin(&header)?;
    /// update.write(b"never")?; // a byte changed on its way
    /// assert_eq!(update.finish(), Err(Error::Refused(Refusal::BadBody)));
    /// let mut update = slots.begin(&header)?;
    /// update.write(b"newer")?;
    /// update.finish()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn finish(self) -> Result<(), Error> {
        self.stage()?.commit()
    }

    /// Moves bytes to the unit that waits, and returns those that it has no room for.
    fn fill_unit<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (now, later) = bytes.split_at(bytes.len().min(UNIT - self.waiting.min(UNIT)));
        for (to, from) in self.unit.iter_mut().skip(self.waiting).zip(now) {
            *to = *from;
        }
        self.waiting += now.len();
        later
    }

    /// Writes whole units.
    fn put(&mut self, units: &[u8]) -> Result<(), Error> {
        let offset = self.slots.slot_start(self.slot) + HEADER_BYTES as u32 + self.written;
        let result = self.slots.write(offset, units);
        // No word is written twice.
        self.broken = result.is_err();
        self.written += units.len() as u32;
        result
    }
}

impl<F: NorFlash> Staged<'_, F> {
    /// The artifact in flash that is mapped into memory, as for [`Selected`](crate::Selected::artifact).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::with_model(microhlo_slots::Trial::Confirmed);
    /// # let memory = flash.clone();
    /// # let mut slots = microhlo_slots::Slots::open(&mut flash, 0..4096)?;
    /// # slots.boot()?;
    /// use microhlo_slots::Header;
    ///
    /// let mut update = slots.begin(&Header::new(2, b"newer"))?;
    /// update.write(b"newer")?;
    /// let staged = update.stage()?;
    /// let mapped = memory.mapped(); // in a firmware, a slice of memory
    /// assert_eq!(staged.artifact(&mapped), Some(&b"newer"[..]));
    /// staged.commit()?; // as the model loads from there
    /// # Ok(())
    /// # }
    /// ```
    pub fn artifact<'m>(&self, flash: &'m [u8]) -> Option<&'m [u8]> {
        flash.get(self.offset as usize..)?.get(..self.length as usize)
    }

    /// Writes the header and, last of all, the mark that the slot is whole. The model runs after the next reset,
    /// on trial.
    ///
    /// # Errors
    /// [`Error::Flash`], or [`Error::Refused`] if the header does not read back.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::with_model(microhlo_slots::Trial::Confirmed);
    /// # let mut slots = microhlo_slots::Slots::open(&mut flash, 0..4096)?;
    /// # slots.boot()?;
    /// use microhlo_slots::{Header, Slots};
    ///
    /// let mut update = slots.begin(&Header::new(2, b"newer"))?;
    /// update.write(b"newer")?;
    /// update.stage()?.commit()?;
    /// // After the next reset:
    /// let model = Slots::open(&mut flash, 0..4096)?.boot()?;
    /// assert_eq!((model.version, model.confirmed), (2, false));
    /// # Ok(())
    /// # }
    /// ```
    pub fn commit(self) -> Result<(), Error> {
        let start = self.slots.slot_start(self.slot);
        self.slots.write(start, &self.header.encode())?;
        self.slots.mark(self.slot, Mark::Whole)?;
        self.slots.examine(self.slot).map_err(Error::Refused)?;
        Ok(())
    }
}
