//! Which model runs.

use core::fmt;
use core::ops::Range;

use embedded_storage::nor_flash::{NorFlash, NorFlashError};

use crate::header::{ANEW, Checksum, Confirmation, MARK, Mark, PROOF};
use crate::{CORE_BYTES, Error, HEADER_BYTES, Header, Layout, MAX_TRIES, Refusal, UNIT, Work};

/// Bytes that are read at once, on the stack.
const PIECE: usize = 128;

/// How often a model runs before it must be confirmed, unless the firmware says otherwise.
const TRIES: u32 = 3;

/// One of the two slots.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut flash = Flash::with_model(microhlo_slots::Trial::Confirmed);
/// use microhlo_slots::{Slot, Slots};
///
/// let model = Slots::open(&mut flash, 0..4096)?.boot()?;
/// assert_eq!(model.slot, Slot::A);
/// assert_eq!(format!("slot {} of {}", model.slot, Slot::B), "slot A of B");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Slot {
    /// The first half of the partition.
    A,
    /// The second half.
    B,
}

impl Slot {
    /// The slot that an update goes to if this one runs.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::with_model(microhlo_slots::Trial::Confirmed);
    /// use microhlo_slots::{Header, Slots};
    ///
    /// let mut slots = Slots::open(&mut flash, 0..4096)?;
    /// let next = slots.boot()?.slot.other();
    /// let mut update = slots.begin(&Header::new(2, b"newer"))?;
    /// update.write(b"newer")?;
    /// update.finish()?;
    /// assert_eq!(slots.examine(next)?.version, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn other(self) -> Slot {
        match self {
            Slot::A => Slot::B,
            Slot::B => Slot::A,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Slot::A => "A",
            Slot::B => "B",
        })
    }
}

/// A model that may run.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut flash = Flash::with_model(microhlo_slots::Trial::Pending);
/// use microhlo_slots::{HEADER_BYTES, Slot, Slots};
///
/// // A programmer has written version 1 to the first slot.
/// let model = Slots::open(&mut flash, 0..4096)?.boot()?;
/// assert_eq!((model.slot, model.version, model.confirmed), (Slot::A, 1, false));
/// assert_eq!((model.offset as usize, model.length), (HEADER_BYTES, 8));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Selected {
    /// Where it lies.
    pub slot: Slot,
    /// Its version.
    pub version: u32,
    /// Where its artifact starts, in bytes from the start of the flash: a multiple of 32.
    pub offset: u32,
    /// Length of its artifact in bytes.
    pub length: u32,
    /// Whether the firmware has confirmed it.
    pub confirmed: bool,
}

impl Selected {
    /// The artifact in flash that is mapped into memory, or `None` if too little of it is. `flash` starts
    /// where the offsets of the flash driver do.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::with_model(microhlo_slots::Trial::Confirmed);
    /// use microhlo_slots::Slots;
    ///
    /// let model = Slots::open(&mut flash, 0..4096)?.boot()?;
    /// let mapped = flash.mapped(); // in a firmware, a slice of memory
    /// assert_eq!(model.artifact(&mapped), Some(&b"artifact"[..]));
    /// assert_eq!(model.artifact(&mapped[..512]), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn artifact<'m>(&self, flash: &'m [u8]) -> Option<&'m [u8]> {
        flash.get(self.offset as usize..)?.get(..self.length as usize)
    }
}

/// A model that could run, and how good the reasons are.
#[derive(Clone, Copy)]
struct Candidate {
    model: Selected,
    /// It was confirmed, every mark that says so may be torn, and there is no word left for another: power was lost
    /// in each. Rather the model before it runs, which was proven when this one was written, for as long as it is
    /// there.
    doubtful: bool,
}

impl Candidate {
    /// The greater one runs.
    fn rank(self) -> (bool, u32, bool) {
        (!self.doubtful, self.model.version, self.model.confirmed)
    }
}

/// A partition of two slots.
///
/// There is one owner of the slots for as long as the firmware runs: it knows which model does.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut flash = Flash::with_model(microhlo_slots::Trial::Confirmed);
/// use microhlo_slots::{Header, Slots};
///
/// let mut slots = Slots::open(&mut flash, 0..4096)?.with_tries(2);
/// assert_eq!(slots.boot()?.version, 1);
/// let mut update = slots.begin(&Header::new(2, b"newer"))?;
/// update.write(b"newer")?;
/// update.finish()?;
/// assert_eq!(slots.boot()?.version, 1); // and after a reset:
/// assert_eq!(Slots::open(&mut flash, 0..4096)?.boot()?.version, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Slots<F> {
    pub(crate) flash: F,
    start: u32,
    slot_bytes: u32,
    tries: u32,
    booted: bool,
    running: Option<Selected>,
    #[cfg(feature = "signed")]
    key: Option<crate::signature::Key>,
}

impl<F: NorFlash> Slots<F> {
    /// The slots in a partition, from its first byte in `flash` to behind its last: each has one half.
    ///
    /// A flash that cannot write, read or erase multiples of 32 bytes does not compile.
    ///
    /// # Errors
    /// [`Error::Layout`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::erased();
    /// use microhlo_slots::{Error, Layout, Slots};
    ///
    /// let slots = Slots::open(&mut flash, 1024..4096)?; // the first sectors are the firmware's
    /// assert_eq!(slots.capacity(), 1024);
    /// let error = Slots::open(&mut flash, 0..4000).map(|_| ());
    /// assert_eq!(error, Err(Error::Layout(Layout::NotAligned { erase: 512 })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(flash: F, partition: Range<u32>) -> Result<Slots<F>, Error> {
        const {
            assert!(
                UNIT.is_multiple_of(F::WRITE_SIZE),
                "model slots need a WRITE_SIZE that divides 32"
            );
            assert!(
                UNIT.is_multiple_of(F::READ_SIZE),
                "model slots need a READ_SIZE that divides 32"
            );
            assert!(
                F::ERASE_SIZE.is_multiple_of(UNIT),
                "model slots need an ERASE_SIZE that 32 divides"
            );
        }
        let capacity = flash.capacity();
        if partition.start > partition.end || partition.end as usize > capacity {
            return Err(Error::Layout(Layout::Outside { capacity }));
        }
        let slot_bytes = (partition.end - partition.start) / 2;
        let erase = F::ERASE_SIZE;
        let whole = |offset: u32| (offset as usize).is_multiple_of(erase);
        if !whole(partition.start)
            || !whole(slot_bytes)
            || partition.start + 2 * slot_bytes != partition.end
        {
            return Err(Error::Layout(Layout::NotAligned { erase }));
        }
        if slot_bytes as usize <= HEADER_BYTES + UNIT {
            return Err(Error::Layout(Layout::TooSmall));
        }
        Ok(Slots {
            flash,
            start: partition.start,
            slot_bytes,
            tries: TRIES,
            booted: false,
            running: None,
            #[cfg(feature = "signed")]
            key: None,
        })
    }

    /// How often a model is tried before it must be confirmed: 3 times unless set, 1 to [`MAX_TRIES`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::with_model(microhlo_slots::Trial::Pending);
    /// use microhlo_slots::{Refusal, Slot, Slots};
    ///
    /// let mut slots = Slots::open(&mut flash, 0..4096)?.with_tries(1);
    /// assert!(!slots.boot()?.confirmed);
    /// // The next reset comes before the model is confirmed.
    /// let mut slots = Slots::open(&mut flash, 0..4096)?.with_tries(1);
    /// assert_eq!(slots.examine(Slot::A), Err(Refusal::NotConfirmed { tries: 1 }));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_tries(mut self, tries: u32) -> Self {
        self.tries = tries.clamp(1, MAX_TRIES);
        self
    }

    /// Lets no model run that is not signed with the secret key of this Ed25519 public key.
    ///
    /// # Errors
    /// [`Error::BadKey`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::with_model(microhlo_slots::Trial::Confirmed);
    /// # let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
    /// use microhlo_slots::{Error, Refusal, Slots};
    ///
    /// let mut slots = Slots::open(&mut flash, 0..4096)?.require_signature(&key)?;
    /// // The model is whole, but nobody has signed it.
    /// assert_eq!(slots.boot(), Err(Error::NoModel { a: Refusal::NotSigned, b: Refusal::Empty }));
    /// let weak = Slots::open(&mut flash, 0..4096)?.require_signature(&[0; 32]).map(|_| ());
    /// assert_eq!(weak, Err(Error::BadKey));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "signed")]
    pub fn require_signature(mut self, public_key: &[u8; 32]) -> Result<Self, Error> {
        self.key = Some(crate::signature::Key::new(public_key)?);
        Ok(self)
    }

    /// Longest artifact in bytes.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::erased();
    /// use microhlo_slots::{HEADER_BYTES, Slots};
    ///
    /// let slots = Slots::open(&mut flash, 0..4096)?;
    /// assert_eq!(slots.capacity() as usize, 4096 / 2 - HEADER_BYTES);
    /// # Ok(())
    /// # }
    /// ```
    pub fn capacity(&self) -> u32 {
        self.slot_bytes.saturating_sub(HEADER_BYTES as u32)
    }

    /// Picks the model to run: the newest that is whole, and confirmed or still on trial. A try begins with
    /// the first call after a reset; further ones return the same model.
    ///
    /// # Errors
    /// [`Error::NoModel`], or [`Error::Flash`] if the try cannot be counted.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::with_model(microhlo_slots::Trial::Pending);
    /// use microhlo_slots::Slots;
    ///
    /// let mut slots = Slots::open(&mut flash, 0..4096)?; // a new model is tried 3 times
    /// let model = slots.boot()?;
    /// // As often as that is asked, it is one try.
    /// for _ in 0..10 {
    ///     assert_eq!(slots.boot()?, model);
    /// }
    /// assert_eq!(Slots::open(&mut flash, 0..4096)?.boot()?.version, model.version);
    /// # Ok(())
    /// # }
    /// ```
    pub fn boot(&mut self) -> Result<Selected, Error> {
        if let Some(running) = self.running {
            return Ok(running);
        }
        let selected = match self.select() {
            Ok(selected) => selected,
            Err(error) => {
                self.booted = true;
                return Err(error);
            }
        };
        self.note(&selected)?;
        self.booted = true;
        self.running = Some(selected);
        Ok(selected)
    }

    /// Ends the trial of the running model: it stays. Without one on trial, nothing happens.
    ///
    /// # Errors
    /// [`Error::NotBooted`] or [`Error::Flash`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::with_model(microhlo_slots::Trial::Pending);
    /// use microhlo_slots::{Error, Slots};
    ///
    /// let mut slots = Slots::open(&mut flash, 0..4096)?;
    /// assert_eq!(slots.confirm(), Err(Error::NotBooted));
    /// assert!(!slots.boot()?.confirmed);
    /// slots.confirm()?; // once the model has shown that it works
    /// assert!(Slots::open(&mut flash, 0..4096)?.boot()?.confirmed);
    /// # Ok(())
    /// # }
    /// ```
    pub fn confirm(&mut self) -> Result<(), Error> {
        let running = self.running.ok_or(Error::NotBooted)?;
        if running.confirmed {
            return Ok(());
        }
        let (_, marks) = self.header(running.slot).map_err(Error::Refused)?;
        if Confirmation::of(&marks) == Confirmation::None {
            self.mark(running.slot, Mark::Confirmed)?;
            self.mark(running.slot, Mark::ConfirmedAgain)?;
        } else {
            // The driver reported a failure before.
            self.settle(running.slot, &marks)?;
        }
        self.running = Some(Selected { confirmed: true, ..running });
        Ok(())
    }

    /// Gives the running model up for good, as when it does not load. The next [`boot`](Slots::boot), with or
    /// without a reset, picks another.
    ///
    /// # Errors
    /// [`Error::NotBooted`] or [`Error::Flash`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::with_model(microhlo_slots::Trial::Pending);
    /// use microhlo_slots::{Error, Refusal, Slots};
    ///
    /// let mut slots = Slots::open(&mut flash, 0..4096)?;
    /// assert_eq!(slots.boot()?.version, 1);
    /// slots.reject()?;
    /// // There was no model before it.
    /// assert_eq!(slots.boot(), Err(Error::NoModel { a: Refusal::Rejected, b: Refusal::Empty }));
    /// # Ok(())
    /// # }
    /// ```
    pub fn reject(&mut self) -> Result<(), Error> {
        let running = self.running.ok_or(Error::NotBooted)?;
        self.mark_once(running.slot, Mark::Rejected)?;
        self.running = None;
        self.booted = false;
        Ok(())
    }

    /// The model that lies in a slot and could run, from its header and marks alone: the artifact is not read.
    ///
    /// # Errors
    /// Why it may not run.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::with_model(microhlo_slots::Trial::Confirmed);
    /// use microhlo_slots::{Refusal, Slot, Slots};
    ///
    /// let mut slots = Slots::open(&mut flash, 0..4096)?;
    /// assert_eq!(slots.examine(Slot::A)?.version, 1); // no try begins
    /// assert_eq!(slots.examine(Slot::B), Err(Refusal::Empty));
    /// # Ok(())
    /// # }
    /// ```
    pub fn examine(&mut self, slot: Slot) -> Result<Selected, Refusal> {
        self.candidate(slot).map(|candidate| candidate.model)
    }

    /// The flash, when the slots are done with.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut flash = Flash::erased();
    /// # use embedded_storage::nor_flash::ReadNorFlash;
    /// use microhlo_slots::Slots;
    ///
    /// let slots = Slots::open(flash, 0..4096)?;
    /// let mut flash = slots.release(); // for what else lies in it
    /// let mut byte = [0];
    /// assert_eq!((flash.read(4095, &mut byte), byte), (Ok(()), [0xff]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn release(self) -> F {
        self.flash
    }

    /// Picks the model to run, without a try.
    fn select(&mut self) -> Result<Selected, Error> {
        let (a, b) = (self.candidate(Slot::A), self.candidate(Slot::B));
        let swapped = b.map(Candidate::rank).ok() > a.map(Candidate::rank).ok();
        let (first, second) = if swapped { (b, a) } else { (a, b) };
        let first = match first.and_then(|candidate| self.check(candidate.model)) {
            Ok(model) => return Ok(model),
            Err(refusal) => refusal,
        };
        let second = match second.and_then(|candidate| self.check(candidate.model)) {
            Ok(model) => return Ok(model),
            Err(refusal) => refusal,
        };
        let (a, b) = if swapped { (second, first) } else { (first, second) };
        Err(Error::NoModel { a, b })
    }

    /// What lies in a slot and could run, from its header and marks alone.
    fn candidate(&mut self, slot: Slot) -> Result<Candidate, Refusal> {
        let (header, marks) = self.header(slot)?;
        if Mark::Rejected.is_begun(&marks) {
            return Err(Refusal::Rejected);
        }
        let confirmation = Confirmation::of(&marks);
        let confirmed = confirmation != Confirmation::None;
        if !confirmed && self.next_try(&marks).is_none() {
            return Err(Refusal::NotConfirmed { tries: self.tries });
        }
        let doubtful =
            confirmation == Confirmation::Claimed && Mark::erased_spares(&marks).next().is_none();
        let (version, length) = (header.version, header.length);
        let offset = self.slot_start(slot) + HEADER_BYTES as u32;
        Ok(Candidate { model: Selected { slot, version, offset, length, confirmed }, doubtful })
    }

    /// The model if signature and artifact are right.
    fn check(&mut self, model: Selected) -> Result<Selected, Refusal> {
        let (header, _) = self.header(model.slot)?;
        self.check_signature(&header)?;
        self.check_body(model.slot, &header)?;
        Ok(model)
    }

    /// A slot's header and its bytes.
    fn header(&mut self, slot: Slot) -> Result<(Header, [u8; HEADER_BYTES]), Refusal> {
        let mut bytes = [0; HEADER_BYTES];
        let start = self.slot_start(slot);
        self.flash.read(start, &mut bytes).map_err(|error| Refusal::Unreadable(error.kind()))?;
        let core: &[u8; CORE_BYTES] = bytes.first_chunk().ok_or(Refusal::NoHeader)?;
        let header = Header::decode(core)?;
        if !Mark::any_is_whole(&bytes) {
            return Err(Refusal::Unfinished);
        }
        if header.length == 0 || header.length > self.capacity() {
            return Err(Refusal::BadLength(header.length));
        }
        Ok((header, bytes))
    }

    /// Whether the header may be trusted.
    #[cfg(feature = "signed")]
    pub(crate) fn check_signature(&self, header: &Header) -> Result<(), Refusal> {
        self.key.map_or(Ok(()), |key| key.check(header))
    }

    /// Whether the header may be trusted: always, as there are no keys.
    #[cfg(not(feature = "signed"))]
    pub(crate) fn check_signature(&self, _: &Header) -> Result<(), Refusal> {
        Ok(())
    }

    /// Whether the artifact in a slot is the header's.
    pub(crate) fn check_body(&mut self, slot: Slot, header: &Header) -> Result<(), Refusal> {
        let mut checksum = Checksum::new();
        #[cfg(feature = "signed")]
        let mut hash = self.key.map(|_| crate::signature::Hash::new());
        let mut offset = self.slot_start(slot) + HEADER_BYTES as u32;
        let mut left = header.length as usize;
        let mut piece = [0; PIECE];
        while left > 0 {
            let length = left.min(PIECE);
            // A slot is a multiple of what is read at once, so it does not end within.
            let (read, _) = piece.split_at_mut(length.next_multiple_of(UNIT).min(PIECE));
            self.flash.read(offset, read).map_err(|error| Refusal::Unreadable(error.kind()))?;
            let bytes = read.get(..length).unwrap_or(&[]);
            checksum.update(bytes);
            #[cfg(feature = "signed")]
            if let Some(hash) = &mut hash {
                hash.update(bytes);
            }
            left -= length;
            offset += length as u32;
        }
        if checksum.value() != header.checksum {
            return Err(Refusal::BadBody);
        }
        #[cfg(feature = "signed")]
        if let (Some(hash), Some(seal)) = (hash, &header.seal)
            && hash.value() != seal.digest
        {
            return Err(Refusal::BadDigest);
        }
        Ok(())
    }

    /// The number of the first try that has not begun; `None` after the last.
    fn next_try(&self, header: &[u8; HEADER_BYTES]) -> Option<u32> {
        (0..self.tries).find(|&number| !Mark::Try(number).is_begun(header))
    }

    /// Writes that a try begins or, if power was lost while the model was confirmed, that it is once more: the
    /// mark that was being written may read as it likes later.
    fn note(&mut self, selected: &Selected) -> Result<(), Error> {
        let slot = selected.slot;
        let (_, marks) = self.header(slot).map_err(Error::Refused)?;
        if selected.confirmed {
            return self.settle(slot, &marks);
        }
        match self.next_try(&marks) {
            Some(number) => self.mark(slot, Mark::Try(number)),
            None => Ok(()),
        }
    }

    /// Makes sure that a model which was confirmed is so after every reset: a mark that may be torn is followed by
    /// one that is written now and, once it is, by the proof of that.
    fn settle(&mut self, slot: Slot, marks: &[u8; HEADER_BYTES]) -> Result<(), Error> {
        if Confirmation::of(marks) == Confirmation::Proven {
            return Ok(());
        }
        let start = self.slot_start(slot);
        for (spare, word) in Mark::erased_spares(marks).zip([ANEW, PROOF]) {
            self.write(start + spare.offset() as u32, &word)?;
        }
        Ok(())
    }

    /// Writes a mark unless that was begun before, as when the driver reported a failure: no word is written
    /// twice, and what is begun counts.
    fn mark_once(&mut self, slot: Slot, mark: Mark) -> Result<(), Error> {
        let (_, marks) = self.header(slot).map_err(Error::Refused)?;
        if mark.is_begun(&marks) { Ok(()) } else { self.mark(slot, mark) }
    }

    /// Writes a mark, which was erased.
    pub(crate) fn mark(&mut self, slot: Slot, mark: Mark) -> Result<(), Error> {
        self.write(self.slot_start(slot) + mark.offset() as u32, &MARK)
    }

    pub(crate) fn slot_start(&self, slot: Slot) -> u32 {
        match slot {
            Slot::A => self.start,
            Slot::B => self.start + self.slot_bytes,
        }
    }

    /// The running model; an error before it is known.
    pub(crate) fn running(&self) -> Result<Option<Selected>, Error> {
        if self.booted { Ok(self.running) } else { Err(Error::NotBooted) }
    }

    pub(crate) fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        let failed =
            |error: F::Error| Error::Flash { work: Work::Write, offset, kind: error.kind() };
        self.flash.write(offset, bytes).map_err(failed)
    }

    pub(crate) fn erase(&mut self, offset: u32) -> Result<(), Error> {
        let failed =
            |error: F::Error| Error::Flash { work: Work::Erase, offset, kind: error.kind() };
        self.flash.erase(offset, offset + F::ERASE_SIZE as u32).map_err(failed)
    }
}
