//! What lies before the artifact in a slot: a core of fixed fields, then marks that are written later.

use crc::{CRC_32_ISO_HDLC, Crc, Digest, NoTable};

use crate::Refusal;

/// What marks lie apart by and writes are multiples of, in bytes: the largest write of a flash that slots work on.
pub const UNIT: usize = 32;

/// Bytes from the start of a slot to the artifact.
pub const HEADER_BYTES: usize = 512;

/// Bytes of the header without marks: what an update starts with.
pub const CORE_BYTES: usize = 160;

/// Bytes at the start of the core that a signature covers.
pub const MESSAGE_BYTES: usize = 88;

/// Most tries that a model may be given.
pub const MAX_TRIES: u32 = 5;

/// Words for marks of tries: two of them are never used for that, and are there to confirm a model with.
const TRY_WORDS: u32 = 7;

const MAGIC: [u8; 8] = *b"mhloslot";
const FORMAT: u16 = 1;
/// The flag of a header with digest and signature.
const SIGNED: u16 = 1;

/// What a mark holds once it is written. A mark of which only some bits are programmed differs from it.
pub(crate) const MARK: [u8; UNIT] = [0x5a; UNIT];

/// What a spare word holds that confirms a model anew, where the mark before it may be torn.
pub(crate) const ANEW: [u8; UNIT] = [0xaf; UNIT];

/// What a spare word holds after one that was written whole: proof of that.
pub(crate) const PROOF: [u8; UNIT] = [0xf5; UNIT];

// Each programs bits of its own, so that one bit of a torn word tells what was being written.
const _: () = assert!(!MARK[0] & !ANEW[0] == 0);
const _: () = assert!((!MARK[0] | !ANEW[0]) & !PROOF[0] == 0);

/// What erased flash reads as.
pub(crate) const ERASED: u8 = 0xff;

/// Something that becomes true of a slot, once, by one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Header and artifact are complete.
    Whole,
    /// The firmware is content with the model.
    Confirmed,
    /// The mark before it was written whole. If that is not known, the word is a spare one.
    ConfirmedAgain,
    /// The firmware is not.
    Rejected,
    /// A try of the model begins.
    Try(u32),
}

impl Mark {
    /// Offset in the slot.
    pub(crate) const fn offset(self) -> usize {
        let number = match self {
            Mark::Whole => 0,
            Mark::Confirmed => 1,
            Mark::ConfirmedAgain => 2,
            Mark::Rejected => 3,
            Mark::Try(number) => 4 + number as usize,
        };
        CORE_BYTES + number * UNIT
    }

    /// The mark's bytes in a header.
    fn of(self, header: &[u8; HEADER_BYTES]) -> &[u8] {
        header.get(self.offset()..).and_then(|rest| rest.get(..UNIT)).unwrap_or(&[])
    }

    /// Whether header and artifact were complete at some time. A mark that was written while power was lost may
    /// read as one thing today and as another tomorrow; the marks that follow it are proof enough.
    pub(crate) fn any_is_whole(header: &[u8; HEADER_BYTES]) -> bool {
        let fixed = [Mark::Whole, Mark::Confirmed];
        fixed.into_iter().any(|mark| mark.is_whole(header))
            || Mark::spares()
                .any(|mark| [MARK, ANEW, PROOF].iter().any(|word| mark.of(header) == word))
    }

    /// The words that a model can be confirmed anew with if they are erased, in order.
    fn spares() -> impl Iterator<Item = Mark> {
        [Mark::ConfirmedAgain].into_iter().chain((0..TRY_WORDS).rev().map(Mark::Try))
    }

    /// The spare words that are erased.
    pub(crate) fn erased_spares(header: &[u8; HEADER_BYTES]) -> impl Iterator<Item = Mark> {
        Mark::spares().filter(|mark| !mark.is_begun(header))
    }

    /// Whether a bit that `word` programs is programmed.
    fn has_bit_of(self, word: &[u8; UNIT], header: &[u8; HEADER_BYTES]) -> bool {
        self.of(header).iter().zip(word).any(|(byte, word)| !byte & !word != 0)
    }

    /// Whether all of the mark is written.
    pub(crate) fn is_whole(self, header: &[u8; HEADER_BYTES]) -> bool {
        self.of(header) == MARK
    }

    /// Whether writing the mark has begun: only a write of this mark changes a bit of it.
    pub(crate) fn is_begun(self, header: &[u8; HEADER_BYTES]) -> bool {
        self.of(header).iter().any(|&byte| byte != ERASED)
    }
}

// The last mark ends where the artifact starts.
const _: () = assert!(Mark::Try(TRY_WORDS - 1).offset() + UNIT <= HEADER_BYTES);
const _: () = assert!(MAX_TRIES + 2 <= TRY_WORDS);

/// What the marks say of the firmware's consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// Nothing.
    None,
    /// The model was confirmed, but the mark that says so may be torn, and silent after the next reset.
    Claimed,
    /// A mark that says so was written whole: it stays.
    Proven,
}

impl Confirmation {
    pub(crate) fn of(header: &[u8; HEADER_BYTES]) -> Confirmation {
        if Mark::ConfirmedAgain.has_bit_of(&MARK, header)
            || Mark::spares().any(|mark| mark.has_bit_of(&PROOF, header))
        {
            return Confirmation::Proven;
        }
        let anew = Mark::spares().any(|mark| mark.has_bit_of(&ANEW, header));
        match anew || Mark::Confirmed.is_begun(header) {
            true => Confirmation::Claimed,
            false => Confirmation::None,
        }
    }
}

/// What is said of an artifact in front of it.
///
/// ```
/// use microhlo_slots::{Header, Refusal, Trial};
///
/// let artifact = b"what the compiler made";
/// let header = Header::new(7, artifact);
/// let core = header.encode(); // what an update begins with
/// assert_eq!(Header::decode(&core), Ok(header));
/// assert_eq!(Header::decode(&[0xff; 160]), Err(Refusal::Empty));
/// // A slot as a programmer writes it: the model runs after a reset and need not be confirmed.
/// let slot = [&header.image(Trial::Confirmed)[..], artifact].concat();
/// assert_eq!(slot[..160], core);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The model's version: an update has a higher one than what runs.
    pub version: u32,
    /// Length of the artifact in bytes.
    pub length: u32,
    /// CRC-32/ISO-HDLC of the artifact.
    pub checksum: u32,
    /// What makes sure who made the model.
    pub seal: Option<Seal>,
}

/// What a signed header has besides.
///
/// ```
/// use microhlo_slots::{Header, Seal};
///
/// // Of a model that was signed elsewhere; the feature `signed` checks it.
/// let seal = Seal { digest: [1; 64], signature: [2; 64] };
/// let header = Header { seal: Some(seal), ..Header::new(7, b"artifact") };
/// let read = Header::decode(&header.encode()).map(|header| header.seal);
/// assert_eq!(read, Ok(Some(seal)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// SHA-512 of the artifact.
    pub digest: [u8; 64],
    /// Ed25519 signature of [`Header::message`].
    pub signature: [u8; 64],
}

/// Whether a model that is written by a programmer has yet to prove itself.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut flash = Flash::with_model(microhlo_slots::Trial::Pending);
/// use microhlo_slots::{Header, Slots, Trial};
///
/// let header = Header::new(1, b"artifact");
/// assert_ne!(header.image(Trial::Pending), header.image(Trial::Confirmed));
/// // The flash has the first of them.
/// let model = Slots::open(&mut flash, 0..4096)?.boot()?;
/// assert!(!model.confirmed);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It is to be confirmed by the firmware, as after an update.
    Pending,
    /// It runs until another one takes its place.
    Confirmed,
}

impl Header {
    /// The header of an artifact without a signature.
    ///
    /// ```
    /// use microhlo_slots::Header;
    ///
    /// let header = Header::new(7, b"123456789");
    /// assert_eq!((header.version, header.length), (7, 9));
    /// assert_eq!(header.checksum, 0xcbf4_3926); // what the CRC of these digits is known to be
    /// assert_eq!(header.seal, None);
    /// ```
    pub fn new(version: u32, artifact: &[u8]) -> Header {
        let mut checksum = Checksum::new();
        checksum.update(artifact);
        // An artifact is shorter than 4 GiB; a longer one does not fit into a slot, and is refused there.
        let length = u32::try_from(artifact.len()).unwrap_or(u32::MAX);
        Header { version, length, checksum: checksum.value(), seal: None }
    }

    /// What a signature is made of and covers: the start of the core, up to the digest.
    ///
    /// ```
    /// use microhlo_slots::{Header, MESSAGE_BYTES, Seal};
    ///
    /// let (header, digest) = (Header::new(7, b"artifact"), [1; 64]);
    /// let message = header.message(&digest); // what is signed
    /// let seal = Some(Seal { digest, signature: [2; 64] });
    /// assert_eq!(Header { seal, ..header }.encode()[..MESSAGE_BYTES], message);
    /// ```
    pub fn message(&self, digest: &[u8; 64]) -> [u8; MESSAGE_BYTES] {
        let seal = Some(Seal { digest: *digest, signature: [0; 64] });
        let mut message = [0; MESSAGE_BYTES];
        for (to, from) in message.iter_mut().zip(Header { seal, ..*self }.encode()) {
            *to = from;
        }
        message
    }

    /// The bytes of the core.
    ///
    /// ```
    /// use microhlo_slots::{CORE_BYTES, Header};
    ///
    /// let core = Header::new(7, b"artifact").encode();
    /// assert_eq!(core.len(), CORE_BYTES);
    /// assert_eq!(core[..8], *b"mhloslot");
    /// ```
    pub fn encode(&self) -> [u8; CORE_BYTES] {
        let flags = if self.seal.is_some() { SIGNED } else { 0 };
        let Seal { digest, signature } =
            self.seal.unwrap_or(Seal { digest: [0; 64], signature: [0; 64] });
        let [format, flags] = [FORMAT, flags].map(u16::to_le_bytes);
        let numbers = [self.version, self.length, self.checksum].map(u32::to_le_bytes);
        let fields = MAGIC.iter().chain(&format).chain(&flags).chain(numbers.as_flattened());
        let fields = fields.chain(&digest).chain(&signature).chain(&[0; 4]);
        let mut core = [0; CORE_BYTES];
        let mut checksum = Checksum::new();
        for (to, &from) in core.iter_mut().zip(fields) {
            *to = from;
            checksum.update(&[from]);
        }
        if let Some(last) = core.last_chunk_mut() {
            *last = checksum.value().to_le_bytes();
        }
        core
    }

    /// Reads the bytes of a core.
    ///
    /// # Errors
    /// [`Refusal::Empty`], [`Refusal::NoHeader`], [`Refusal::UnknownFormat`] or [`Refusal::BadHeader`].
    ///
    /// ```
    /// use microhlo_slots::{Header, Refusal};
    ///
    /// let header = Header::new(7, b"artifact");
    /// let mut core = header.encode();
    /// assert_eq!(Header::decode(&core), Ok(header));
    /// core[12] ^= 1; // in the version
    /// assert_eq!(Header::decode(&core), Err(Refusal::BadHeader));
    /// ```
    pub fn decode(core: &[u8; CORE_BYTES]) -> Result<Header, Refusal> {
        if core.iter().all(|&byte| byte == ERASED) {
            return Err(Refusal::Empty);
        }
        let mut fields = Fields(core);
        if fields.take() != MAGIC {
            return Err(Refusal::NoHeader);
        }
        let format = u16::from_le_bytes(fields.take());
        let flags = u16::from_le_bytes(fields.take());
        let [version, length, checksum] = [(); 3].map(|()| u32::from_le_bytes(fields.take()));
        let [digest, signature] = [(); 2].map(|()| fields.take());
        let (reserved, sum): ([u8; 4], [u8; 4]) = (fields.take(), fields.take());
        let mut computed = Checksum::new();
        computed.update(core.split_last_chunk::<4>().map_or(&[], |(start, _)| start));
        if computed.value() != u32::from_le_bytes(sum) {
            return Err(Refusal::BadHeader);
        }
        // What is known to be whole says which format it has.
        if format != FORMAT || flags & !SIGNED != 0 || reserved != [0; 4] {
            return Err(Refusal::UnknownFormat(format));
        }
        let seal = (flags == SIGNED).then_some(Seal { digest, signature });
        Ok(Header { version, length, checksum, seal })
    }

    /// All that lies before the artifact in a slot that a programmer writes.
    ///
    /// ```
    /// use microhlo_slots::{CORE_BYTES, HEADER_BYTES, Header, Trial};
    ///
    /// let artifact = b"what the compiler made";
    /// let header = Header::new(1, artifact);
    /// let slot = [&header.image(Trial::Pending)[..], artifact].concat();
    /// assert_eq!(slot[..CORE_BYTES], header.encode());
    /// assert_eq!(slot[HEADER_BYTES..], artifact[..]);
    /// ```
    pub fn image(&self, trial: Trial) -> [u8; HEADER_BYTES] {
        let mut header = [ERASED; HEADER_BYTES];
        let mut put = |offset: usize, bytes: &[u8]| {
            for (to, from) in header.iter_mut().skip(offset).zip(bytes) {
                *to = *from;
            }
        };
        put(0, &self.encode());
        put(Mark::Whole.offset(), &MARK);
        if trial == Trial::Confirmed {
            put(Mark::Confirmed.offset(), &MARK);
            put(Mark::ConfirmedAgain.offset(), &MARK);
        }
        header
    }
}

/// Fields of fixed sizes, one after another.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// The next field; zeros behind the end, which no reader comes to.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((field, rest)) = self.0.split_first_chunk() else { return [0; N] };
        self.0 = rest;
        *field
    }
}

/// The CRC-32 that headers have of artifacts, without a table: one would be larger than all of this.
static CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// A checksum of bytes that come piece by piece.
pub(crate) struct Checksum(Digest<'static, u32, NoTable>);

impl Checksum {
    pub(crate) fn new() -> Checksum {
        Checksum(CRC.digest())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn value(self) -> u32 {
        self.0.finalize()
    }
}
