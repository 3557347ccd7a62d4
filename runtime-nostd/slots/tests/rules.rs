//! What is refused, what an update may look like, and when the model before it is back.

mod common;

use std::collections::BTreeMap;

use common::{Flash, artifact, update};
use embedded_storage::nor_flash::NorFlashErrorKind;
use microhlo_slots::{
    CORE_BYTES, Error, HEADER_BYTES, Header, Layout, Refusal, Slot, Slots, Trial, Work, frame,
};
use proptest::prelude::*;

type Nor = Flash<8, 512>;

const SLOT: usize = 2048;

/// Longest artifact of a slot.
const ROOM: usize = SLOT - HEADER_BYTES;

fn open(flash: &mut Nor) -> Slots<&mut Nor> {
    Slots::open(flash, 0..2 * SLOT as u32).expect("two slots")
}

/// Flash with a confirmed version in slot A.
fn with(version: u32) -> Nor {
    let mut flash = Flash::new(2 * SLOT, 1);
    let artifact = artifact(version, 100);
    flash.program(0, &Header::new(version, &artifact).image(Trial::Confirmed));
    flash.program(HEADER_BYTES, &artifact);
    flash
}

/// Flash with a confirmed version 1 in slot A, and a version 2 in slot B that no boot has seen.
fn updated() -> Nor {
    let mut flash = with(1);
    let mut slots = open(&mut flash);
    slots.boot().expect("version 1");
    update(&mut slots, 2, &artifact(2, 100)).expect("an update");
    flash
}

fn version(flash: &mut Nor) -> Result<u32, Error> {
    open(flash).boot().map(|selected| selected.version)
}

#[test]
fn partitions_that_hold_no_two_slots_are_refused() {
    let mut flash = Flash::<4, 512>::new(8192, 0);
    let mut error = |range| match Slots::open(&mut flash, range) {
        Err(Error::Layout(layout)) => layout,
        other => panic!("{other:?}"),
    };
    assert_eq!(error(0..9216), Layout::Outside { capacity: 8192 });
    #[expect(clippy::reversed_empty_ranges, reason = "that is what must be refused")]
    let reversed = 1024..0;
    assert_eq!(error(reversed), Layout::Outside { capacity: 8192 });
    assert_eq!(error(256..4096), Layout::NotAligned { erase: 512 });
    assert_eq!(error(0..1536), Layout::NotAligned { erase: 512 });
    assert_eq!(error(0..1024), Layout::TooSmall);
    assert_eq!(error(0..0), Layout::TooSmall);
}

#[test]
fn flash_that_was_never_written_has_no_model_and_takes_one() {
    for fill in [None, Some(0xff), Some(0)] {
        let mut flash = Flash::new(2 * SLOT, 3);
        if let Some(fill) = fill {
            flash.program(0, &[fill; 2 * SLOT]);
        }
        let why = if fill == Some(0xff) { Refusal::Empty } else { Refusal::NoHeader };
        assert_eq!(version(&mut flash), Err(Error::NoModel { a: why, b: why }));
        let mut slots = open(&mut flash);
        slots.boot().expect_err("no model");
        update(&mut slots, 7, &artifact(7, ROOM)).expect("an update");
        assert_eq!(version(&mut flash), Ok(7));
    }
}

#[test]
fn an_update_is_refused_before_anything_is_erased() {
    let mut flash = updated();
    let before = flash.bytes.clone();
    let header = |version| Header::new(version, &artifact(version, 10));
    let mut slots = open(&mut flash);
    assert_eq!(slots.begin(&header(3)).err(), Some(Error::NotBooted));
    assert_eq!(slots.confirm(), Err(Error::NotBooted));
    assert_eq!(slots.reject(), Err(Error::NotBooted));
    assert!(flash.bytes == before);

    let mut slots = open(&mut flash);
    assert_eq!(slots.boot().map(|s| (s.version, s.confirmed, s.slot)), Ok((2, false, Slot::B)));
    assert_eq!(slots.begin(&header(3)).err(), Some(Error::OnTrial { version: 2 }));
    slots.confirm().expect("a write");
    let tried = slots.release().bytes.clone();
    let mut slots = open(&mut flash);
    slots.boot().expect("version 2");
    for offered in [0, 1, 2] {
        let error = Error::NotNewer { offered, running: 2 };
        assert_eq!(slots.begin(&header(offered)).err(), Some(error));
    }
    let long = Header { length: ROOM as u32 + 1, ..header(3) };
    let error = Error::TooLong { needed: ROOM as u32 + 1, available: ROOM as u32 };
    assert_eq!(slots.begin(&long).err(), Some(error));
    assert!(slots.begin(&Header { length: u32::MAX, ..long }).is_err());
    let nothing = Header { length: 0, ..header(3) };
    assert_eq!(slots.begin(&nothing).err(), Some(Error::Refused(Refusal::BadLength(0))));
    assert!(flash.bytes == tried);
}

#[test]
fn an_update_that_is_too_short_too_long_or_another_does_not_replace_anything() {
    let artifact = artifact(2, 100);
    let header = Header::new(2, &artifact);
    let mut flash = with(1);
    let mut slots = open(&mut flash);
    slots.boot().expect("version 1");
    let mut short = slots.begin(&header).expect("an update");
    short.write(&artifact[..99]).expect("a write");
    assert_eq!(short.given(), 99);
    assert_eq!(short.finish(), Err(Error::Incomplete { needed: 100, given: 99 }));

    let mut long = slots.begin(&header).expect("an update");
    long.write(&artifact[..99]).expect("a write");
    let error = Error::TooLong { needed: 101, available: 100 };
    assert_eq!(long.write(&[0, 0]), Err(error));
    // What is right may still follow.
    long.write(&artifact[99..]).expect("a write");
    long.stage().expect("all of it");

    let mut other = slots.begin(&header).expect("an update");
    let mut damaged = artifact.clone();
    damaged[64] ^= 4;
    other.write(&damaged).expect("a write");
    assert_eq!(other.finish(), Err(Error::Refused(Refusal::BadBody)));
    assert_eq!(version(&mut flash), Ok(1));
}

#[test]
fn a_failing_driver_is_reported_with_its_place_and_breaks_the_update() {
    let artifact = artifact(2, 100);
    let mut flash = with(1);
    let mut slots = open(&mut flash);
    slots.boot().expect("version 1");
    let flash = slots.release();
    // Two sectors are erased, then words of 8 bytes written.
    (flash.fail, flash.operations) = (Some(4), 0);
    let mut slots = open(flash);
    slots.boot().expect("version 1");
    let mut broken = slots.begin(&Header::new(2, &artifact)).expect("an update");
    let offset = (SLOT + HEADER_BYTES) as u32;
    let kind = NorFlashErrorKind::Other;
    assert_eq!(broken.write(&artifact), Err(Error::Flash { work: Work::Write, offset, kind }));
    assert_eq!(broken.write(&[]), Err(Error::Broken));
    assert_eq!(broken.finish(), Err(Error::Broken));
    let flash = slots.release();
    (flash.fail, flash.operations) = (Some(1), 0);
    let mut slots = open(flash);
    slots.boot().expect("version 1");
    let error = slots.begin(&Header::new(2, &artifact)).err();
    assert_eq!(error, Some(Error::Flash { work: Work::Erase, offset: SLOT as u32 + 512, kind }));
    // It works the next time.
    update(&mut slots, 2, &artifact).expect("an update");
}

#[test]
fn a_confirmation_that_the_driver_fails_in_is_not_written_twice() {
    let mut flash = updated();
    let mut slots = open(&mut flash);
    slots.boot().expect("version 2");
    let flash = slots.release();
    // The try is four words, the second confirmation fails after two of its own.
    (flash.fail, flash.operations) = (Some(4 + 4 + 3), 0);
    let mut slots = open(flash);
    slots.boot().expect("version 2");
    assert!(matches!(slots.confirm(), Err(Error::Flash { work: Work::Write, .. })));
    assert_eq!(slots.confirm(), Ok(()));
    assert_eq!(open(flash).boot().map(|s| (s.version, s.confirmed)), Ok((2, true)));
}

#[test]
fn the_model_before_is_back_after_as_many_tries_as_are_allowed() {
    for tries in 1..=microhlo_slots::MAX_TRIES {
        let mut flash = updated();
        for _ in 0..tries {
            let mut slots = open(&mut flash).with_tries(tries);
            assert_eq!(slots.boot().map(|s| s.version), Ok(2));
            // Once is enough until the next reset.
            assert_eq!(slots.boot().map(|s| s.version), Ok(2));
        }
        for _ in 0..3 {
            let mut slots = open(&mut flash).with_tries(tries);
            assert_eq!(slots.boot().map(|s| (s.version, s.confirmed)), Ok((1, true)));
            assert_eq!(slots.examine(Slot::B), Err(Refusal::NotConfirmed { tries }));
        }
        // The same version may be sent again.
        let mut slots = open(&mut flash).with_tries(tries);
        slots.boot().expect("version 1");
        update(&mut slots, 2, &artifact(2, 30)).expect("an update");
        assert_eq!(version(&mut flash), Ok(2));
    }
}

#[test]
fn a_confirmed_model_stays_and_a_rejected_one_is_gone() {
    let mut flash = updated();
    let mut slots = open(&mut flash);
    slots.boot().expect("version 2");
    slots.confirm().expect("a write");
    for _ in 0..10 {
        assert_eq!(version(&mut flash), Ok(2));
    }
    let mut slots = open(&mut flash);
    slots.boot().expect("version 2");
    slots.reject().expect("a write");
    // Until it is known what runs, nothing may be erased.
    assert_eq!(slots.begin(&Header::new(3, &[1])).err(), Some(Error::NotBooted));
    assert_eq!(slots.boot().map(|s| s.version), Ok(1));
    assert_eq!(slots.examine(Slot::B), Err(Refusal::Rejected));
    assert_eq!(version(&mut flash), Ok(1));
}

#[test]
fn without_another_model_a_trial_ends_with_none() {
    let mut flash = Flash::new(2 * SLOT, 5);
    let mut slots = open(&mut flash);
    slots.boot().expect_err("no model");
    update(&mut slots, 1, &artifact(1, 20)).expect("an update");
    for _ in 0..3 {
        assert_eq!(version(&mut flash), Ok(1));
    }
    let a = Refusal::NotConfirmed { tries: 3 };
    assert_eq!(version(&mut flash), Err(Error::NoModel { a, b: Refusal::NoHeader }));
}

#[test]
fn any_damage_to_core_or_artifact_brings_the_other_model_back() {
    let flash = updated();
    let core = SLOT..SLOT + CORE_BYTES;
    let body = SLOT + HEADER_BYTES..SLOT + HEADER_BYTES + 100;
    for at in core.chain(body) {
        for bit in 0..8 {
            let mut flash = flash.clone();
            flash.bytes[at] ^= 1 << bit;
            let mut slots = open(&mut flash);
            assert_eq!(slots.boot().map(|s| (s.version, s.slot)), Ok((1, Slot::A)), "{at}");
            assert!(update(&mut slots, 2, &artifact(2, 1)).is_ok());
        }
    }
}

#[test]
fn headers_say_what_is_wrong_with_them() {
    let good = Header { version: 3, length: 4, checksum: 5, seal: None };
    let core = good.encode();
    assert_eq!(Header::decode(&core), Ok(good));
    assert_eq!(Header::decode(&[0xff; CORE_BYTES]), Err(Refusal::Empty));
    assert_eq!(Header::decode(&[0; CORE_BYTES]), Err(Refusal::NoHeader));
    let mut newer = core;
    newer[8] = 2;
    assert_eq!(Header::decode(&newer), Err(Refusal::BadHeader));
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let sum = crc.checksum(&newer[..CORE_BYTES - 4]).to_le_bytes();
    newer[CORE_BYTES - 4..].copy_from_slice(&sum);
    assert_eq!(Header::decode(&newer), Err(Refusal::UnknownFormat(2)));
    // The check value that the algorithm is catalogued with.
    assert_eq!(Header::new(1, b"123456789").checksum, 0xcbf4_3926);

    let mut flash = with(1);
    flash.program(0, &Header { length: ROOM as u32 + 1, ..good }.image(Trial::Confirmed));
    flash.program(SLOT, &good.image(Trial::Pending)[..CORE_BYTES]);
    flash.program(SLOT + CORE_BYTES, &[0xff; HEADER_BYTES - CORE_BYTES]);
    let a = Refusal::BadLength(ROOM as u32 + 1);
    assert_eq!(version(&mut flash), Err(Error::NoModel { a, b: Refusal::Unfinished }));
}

#[test]
fn errors_are_sentences() {
    let kind = NorFlashErrorKind::Other;
    let flash = Error::Flash { work: Work::Erase, offset: 0x1_0000, kind };
    let no_model = Error::NoModel { a: Refusal::Empty, b: Refusal::Rejected };
    for (error, parts) in [
        (flash, ["erasing flash at 0x10000 failed", "specific error"]),
        (no_model, ["slot A: empty", "slot B: the firmware has rejected the model"]),
        (Error::NotNewer { offered: 1, running: 2 }, ["version 1", "exceed version 2"]),
        (Error::Layout(Layout::NotAligned { erase: 64 }), ["multiple of 64", "twice as many"]),
    ] {
        let text = error.to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

/// Frames on a line that changes, loses and adds bytes.
#[test]
fn frames_arrive_whole_or_not_at_all() {
    use frame::{Kind, MAX_FRAME, MAX_PAYLOAD, Received, Receiver, encode};
    let payload: Vec<u8> = (0..MAX_PAYLOAD).map(|i| i as u8).collect();
    let mut buffer = [0; MAX_FRAME];
    assert!(encode(Kind::DATA, &[&payload, &[0]], &mut buffer).is_none());
    for length in [0, 1, 5, MAX_PAYLOAD] {
        let (start, rest) = payload[..length].split_at(length / 2);
        let bytes = encode(Kind::DATA, &[start, rest], &mut buffer).expect("it fits").to_vec();
        let mut receiver = Receiver::new();
        for byte in [b'o', b'k'].iter().chain(&bytes[..bytes.len() - 1]) {
            assert_eq!(receiver.push(*byte), Received::More);
        }
        let frame = frame::Frame { kind: Kind::DATA, payload: &payload[..length] };
        assert_eq!(receiver.push(bytes[bytes.len() - 1]), Received::Frame);
        assert_eq!(receiver.frame(), frame);
        for (at, bit) in (0..bytes.len()).zip((0..8).cycle()) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let mut receiver = Receiver::new();
            for &byte in &damaged {
                assert_ne!(receiver.push(byte), Received::Frame, "{length}, {at}");
            }
            // A length that was too high has the next frames swallowed, until time is up.
            receiver.reset();
            let last = bytes.iter().map(|&byte| receiver.push(byte)).last();
            assert_eq!(last, Some(Received::Frame));
        }
    }
}

/// What may happen to a firmware.
#[derive(Clone, Debug)]
enum Event {
    Reset,
    Confirm,
    Reject,
    /// An update to so many versions more, of a length, in pieces of a length.
    Update(u32, usize, usize),
    /// Power is lost that many operations from now.
    Cut(u32),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Reset),
        3 => Just(Event::Confirm),
        1 => Just(Event::Reject),
        6 => (0u32..3, 1usize..=ROOM, 1usize..200).prop_map(|(v, l, p)| Event::Update(v, l, p)),
        2 => (1u32..240).prop_map(Event::Cut),
    ]
}

/// What a test knows of the history of a flash.
#[derive(Default)]
struct History {
    /// The artifacts that were ever written, by version and length.
    artifacts: BTreeMap<u32, Vec<Vec<u8>>>,
    /// The newest version that was confirmed or written by a programmer, if not rejected since.
    good: Option<u32>,
}

impl History {
    /// Boots, and checks what runs.
    fn boot(&self, slots: &mut Slots<&mut Nor>) -> Option<u32> {
        let booted = slots.boot();
        let Ok(selected) = booted else {
            let cut = matches!(booted, Err(Error::Flash { .. }));
            assert!(cut || self.good.is_none(), "{booted:?}, {:?}", self.good);
            return None;
        };
        assert!(self.good.is_none_or(|good| selected.version >= good), "{selected:?}");
        Some(selected.version)
    }

    fn update(&mut self, slots: &mut Slots<&mut Nor>, version: u32, bytes: &[u8], piece: usize) {
        let Ok(mut update) = slots.begin(&Header::new(version, bytes)) else { return };
        self.artifacts.entry(version).or_default().push(bytes.to_vec());
        if bytes.chunks(piece).all(|piece| update.write(piece).is_ok()) {
            let _ = update.finish();
        }
    }

    fn happen(&mut self, slots: &mut Slots<&mut Nor>, running: Option<u32>, event: &Event) {
        match *event {
            Event::Reset | Event::Cut(_) => {}
            Event::Confirm => {
                if slots.confirm().is_ok() {
                    self.good = running;
                }
            }
            Event::Reject => {
                // Power may be lost when it is written: then it may be rejected or not.
                self.good = None;
                let _ = slots.reject();
            }
            Event::Update(more, length, piece) => {
                let version = running.unwrap_or(0) + more;
                self.update(slots, version, &artifact(version, length), piece);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever happens, a model that was confirmed and not rejected runs, or one that is newer.
    #[test]
    fn no_history_loses_a_good_model(
        seed: u64,
        events in prop::collection::vec(event(), 1..24),
    ) {
        let mut flash = with(1);
        flash.reseed(seed);
        let mut history = History { good: Some(1), ..History::default() };
        history.artifacts.insert(1, vec![artifact(1, 100)]);
        let mut cut = None;
        for event in &events {
            flash.power_up(cut.take());
            let mut slots = open(&mut flash);
            let running = history.boot(&mut slots);
            history.happen(&mut slots, running, event);
            if let Some(selected) = running.and_then(|_| slots.boot().ok()) {
                let bytes = selected.artifact(&flash.bytes).expect("inside");
                let known = history.artifacts.get(&selected.version);
                prop_assert!(known.is_some_and(|known| known.iter().any(|k| k == bytes)));
            }
            if let Event::Cut(operation) = *event {
                cut = Some(operation);
            }
        }
    }

    /// Pieces of any length make the same artifact.
    #[test]
    fn pieces_are_put_together(
        bytes in prop::collection::vec(any::<u8>(), 1..=ROOM),
        pieces in prop::collection::vec(0usize..100, 1..100),
    ) {
        let mut flash = with(1);
        let mut slots = open(&mut flash);
        slots.boot().expect("version 1");
        let mut update = slots.begin(&Header::new(2, &bytes)).expect("an update");
        let mut rest = &bytes[..];
        for length in pieces {
            let (piece, later) = rest.split_at(length.min(rest.len()));
            update.write(piece).expect("a write");
            prop_assert_eq!(update.given() as usize, bytes.len() - later.len());
            rest = later;
        }
        update.write(rest).expect("a write");
        let staged = update.stage().expect("it is whole");
        prop_assert_eq!((staged.length as usize, staged.offset % 16), (bytes.len(), 0));
        staged.commit().expect("a write");
        let selected = open(&mut flash).boot().expect("version 2");
        prop_assert_eq!(selected.artifact(&flash.bytes), Some(&bytes[..]));
    }
}
