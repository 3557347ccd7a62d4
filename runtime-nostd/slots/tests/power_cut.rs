//! Power is lost in every write and every erase of an update, and again while that is recovered from.

mod common;

use common::{Flash, artifact, update};
use microhlo_slots::{Error, HEADER_BYTES, Header, Selected, Slots, Trial};

/// Bytes of the artifacts by version: longer and shorter ones take turns.
fn length(version: u32) -> usize {
    [170, 99, 262][version as usize % 3]
}

fn model(version: u32) -> Vec<u8> {
    artifact(version, length(version))
}

/// What became of an update.
#[derive(Debug, PartialEq)]
struct Life {
    /// The version that ran at first; 0 if power was lost before one did.
    runs: u32,
    /// Whether the next version was written.
    committed: bool,
    result: Result<(), Error>,
}

/// One flash geometry and all that is tested of it.
struct Bench<const WRITE: usize, const ERASE: usize>;

impl<const WRITE: usize, const ERASE: usize> Bench<WRITE, ERASE> {
    /// Bytes of the partition, which starts one sector into the flash.
    const PARTITION: usize = 2 * (HEADER_BYTES + 300).next_multiple_of(ERASE);

    fn open(flash: &mut Flash<WRITE, ERASE>) -> Slots<&mut Flash<WRITE, ERASE>> {
        let start = ERASE as u32;
        Slots::open(flash, start..start + Self::PARTITION as u32).expect("two slots").with_tries(2)
    }

    /// Flash with a confirmed version 1 in slot A. In slot B there is whatever, or a version 5 that was
    /// rejected, or one that was tried and not confirmed.
    fn fresh(seed: u64) -> Flash<WRITE, ERASE> {
        let mut flash = Flash::new(ERASE + Self::PARTITION, seed);
        flash.program(ERASE, &Header::new(1, &model(1)).image(Trial::Confirmed));
        flash.program(ERASE + HEADER_BYTES, &model(1));
        if seed.is_multiple_of(3) {
            return flash;
        }
        let other = ERASE + Self::PARTITION / 2;
        flash.program(other, &Header::new(5, &model(5)).image(Trial::Pending));
        flash.program(other + HEADER_BYTES, &model(5));
        for _ in 0..2 {
            assert_eq!(Self::boot(&mut flash, "before").version, 5);
        }
        if seed % 3 == 1 {
            let mut slots = Self::open(&mut flash).with_tries(4);
            assert_eq!(slots.boot().expect("a model").version, 5);
            slots.reject().expect("a write");
        }
        flash
    }

    /// An update of what runs, a reset, a try, and its confirmation, as far as power lasts.
    fn live(flash: &mut Flash<WRITE, ERASE>) -> Life {
        let mut life = Life { runs: 0, committed: false, result: Ok(()) };
        life.result = Self::steps(flash, &mut life);
        life
    }

    fn steps(flash: &mut Flash<WRITE, ERASE>, life: &mut Life) -> Result<(), Error> {
        let mut slots = Self::open(flash);
        life.runs = slots.boot()?.version;
        slots.confirm()?;
        update(&mut slots, life.runs + 1, &model(life.runs + 1))?;
        life.committed = true;
        let mut slots = Self::open(flash);
        assert_eq!(slots.boot()?.version, life.runs + 1);
        slots.confirm()
    }

    /// What runs after a reset, which is whole.
    fn boot(flash: &mut Flash<WRITE, ERASE>, context: &str) -> Selected {
        let booted = Self::open(flash).boot();
        let selected = booted.unwrap_or_else(|error| panic!("{context}: {error}"));
        let bytes = selected.artifact(&flash.bytes).expect("inside");
        assert!(bytes == model(selected.version), "{context}: version {}", selected.version);
        selected
    }

    /// Cuts power in every operation of an update; in every one of the next update too, if `twice`.
    fn exhaust(seeds: u64, twice: bool) {
        let mut whole = Self::fresh(0);
        whole.power_up(None);
        assert_eq!(Self::live(&mut whole), Life { runs: 1, committed: true, result: Ok(()) });
        let operations = whole.operations;
        assert!(operations as usize > length(2) / WRITE, "{operations}");
        let mut counts = [0, 0];
        for cut in 1..=operations {
            for seed in 0..seeds {
                let context = format!("cut in {cut} of {operations}, seed {seed}");
                let mut flash = Self::fresh(seed);
                let version = Self::cut(&mut flash, cut, &context).expect("power is lost");
                counts[version as usize - 1] += 1;
                match twice {
                    true => Self::recover_with_cuts(&flash, &context),
                    false => Self::recover(&mut flash, version, &context),
                }
            }
        }
        let [old, new] = counts;
        assert!(old > 0 && new > 0);
        println!("{operations} operations, {old} times the old model, {new} times the new one");
    }

    /// Cuts power in an operation, and says what runs when it is back; `None` if it lasted.
    fn cut(flash: &mut Flash<WRITE, ERASE>, cut: u32, context: &str) -> Option<u32> {
        flash.power_up(Some(cut));
        let life = Self::live(flash);
        if life.result.is_ok() {
            return None;
        }
        assert!(flash.off, "{context}: {life:?}");
        flash.power_up(None);
        let version = Self::boot(flash, context).version;
        // Power may be lost before the trial of what runs ends, so that the one before it does.
        let possible = match life {
            Life { runs: 0, .. } => true,
            Life { committed: true, runs, .. } => version == runs + 1,
            Life { runs, .. } => (runs.saturating_sub(1)..=runs + 1).contains(&version),
        };
        assert!(possible, "{context}: {version}, {life:?}");
        Some(version)
    }

    /// The next update works. What runs is that version or, if the write that ended the last update was torn
    /// and reads as another value now, the one that it replaced or was to.
    fn recover(flash: &mut Flash<WRITE, ERASE>, version: u32, context: &str) {
        flash.power_up(None);
        let life = Self::live(flash);
        assert_eq!((life.committed, life.result), (true, Ok(())), "{context}");
        assert!(life.runs.abs_diff(version) <= 1, "{context}: {version}, {life:?}");
        assert_eq!(Self::boot(flash, context).version, life.runs + 1, "{context}");
    }

    /// The next update works as well if power is cut in every operation of it.
    fn recover_with_cuts(flash: &Flash<WRITE, ERASE>, context: &str) {
        for cut in 1.. {
            let context = format!("{context}, then in {cut}");
            let mut flash = flash.clone();
            flash.reseed(u64::from(cut));
            let Some(version) = Self::cut(&mut flash, cut, &context) else { break };
            Self::recover(&mut flash, version, &context);
        }
    }
}

#[test]
fn power_may_be_lost_in_every_operation() {
    Bench::<1, 64>::exhaust(4, false);
    Bench::<4, 512>::exhaust(12, false);
    Bench::<4, 4096>::exhaust(12, false);
    Bench::<8, 256>::exhaust(24, false);
    Bench::<16, 1024>::exhaust(24, false);
    Bench::<32, 128>::exhaust(48, false);
}

#[test]
fn power_may_be_lost_again_in_every_operation_of_the_next_update() {
    Bench::<8, 256>::exhaust(3, true);
    Bench::<8, 2048>::exhaust(3, true);
    Bench::<32, 1024>::exhaust(12, true);
}
