//! Power is lost again and again: every sequence of two and of three cuts, with every way in which what they tore
//! reads after each of them.

mod common;

use common::{Flash, artifact, update};
use microhlo_slots::{Error, HEADER_BYTES, Header, Slots, Trial};

/// A word is a mark, and a slot is a sector: the fewest operations that an update can have.
const SECTOR: usize = 1024;
type Chip = Flash<32, SECTOR>;

fn open(flash: &mut Chip) -> Slots<&mut Chip> {
    Slots::open(flash, 0..2 * SECTOR as u32).expect("two slots").with_tries(1)
}

fn model(version: u32) -> Vec<u8> {
    artifact(version, 30)
}

/// Version 1, confirmed, in slot A.
fn fresh() -> Chip {
    let mut flash = Flash::new(2 * SECTOR, 7);
    flash.program(0, &Header::new(1, &model(1)).image(Trial::Confirmed));
    flash.program(HEADER_BYTES, &model(1));
    flash
}

/// The version that runs after a reset, which is whole.
fn boot(flash: &mut Chip) -> Result<u32, Error> {
    let selected = open(flash).boot()?;
    let bytes = selected.artifact(&flash.bytes).expect("it is inside");
    assert!(bytes == model(selected.version), "version {} is not whole", selected.version);
    Ok(selected.version)
}

/// A reset and the confirmation of what runs, an update, and the same of that, as far as power lasts. `kept` becomes
/// the newest version that was confirmed.
fn live(flash: &mut Chip, kept: &mut u32) -> Result<(), Error> {
    for last in [false, true] {
        let mut slots = open(flash);
        let runs = slots.boot()?.version;
        slots.confirm()?;
        *kept = runs.max(*kept);
        if !last {
            update(&mut slots, runs + 1, &model(runs + 1))?;
        }
    }
    Ok(())
}

/// For every way in which the torn places read: what was confirmed runs, or what is newer; and so it does after a
/// cut in each operation of what follows, to a number of cuts. Returns how many sequences there are.
fn exhaust(flash: &Chip, kept: u32, cuts: u32, path: &mut Vec<(u64, u32)>) -> u64 {
    let mut count = 0;
    for readings in 0..1 << flash.torn() {
        let mut read = flash.clone();
        read.readings = Some(readings);
        read.power_up(None);
        let runs = boot(&mut read.clone());
        assert!(runs.is_ok_and(|version| version >= kept), "{path:?}, {readings}: {runs:?}");
        if cuts == 0 {
            count += 1;
            continue;
        }
        for cut in 1.. {
            let (mut next, mut newest) = (read.clone(), kept);
            next.cut = Some(cut);
            let result = live(&mut next, &mut newest);
            if result.is_ok() {
                break;
            }
            path.push((readings, cut));
            assert!(next.off, "{path:?}: {result:?}");
            count += exhaust(&next, newest, cuts - 1, path);
            path.pop();
        }
    }
    count
}

#[test]
fn every_sequence_of_cuts_leaves_what_was_confirmed() {
    let pairs = exhaust(&fresh(), 1, 2, &mut Vec::new());
    let triples = exhaust(&fresh(), 1, 3, &mut Vec::new());
    println!("{pairs} sequences of two cuts, {triples} of three");
    assert!(pairs > 500 && triples > 15_000);
}

/// Version 2 on trial in slot B, of which the confirmation and every further one was torn; all read as begun.
fn torn_to_the_end() -> Chip {
    let mut flash = fresh();
    let mut slots = open(&mut flash);
    slots.boot().expect("version 1");
    update(&mut slots, 2, &model(2)).expect("an update");
    // The try, and within the confirmation.
    flash.power_up(Some(2));
    let mut slots = open(&mut flash);
    assert_eq!(slots.boot().map(|selected| selected.version), Ok(2));
    slots.confirm().expect_err("power is lost");
    let mut cuts = 1;
    loop {
        flash.readings = Some(u64::MAX);
        flash.power_up(Some(1));
        match boot(&mut flash) {
            Err(_) => cuts += 1,
            // The one before it.
            Ok(version) => break assert_eq!(version, 1),
        }
    }
    // The second mark of a confirmation, and all words of tries but the one.
    assert_eq!(cuts, 1 + 1 + 6);
    flash
}

#[test]
fn when_no_word_is_left_the_model_before_runs_and_updates_go_on() {
    let flash = torn_to_the_end();
    // As all are torn, they may be silent as well, or some of them.
    for (readings, runs) in
        [(0, 1), (1, 2), (2, 2), (0b1010_1010, 2), (u64::MAX - 1, 1), (u64::MAX, 1)]
    {
        let mut flash = flash.clone();
        flash.readings = Some(readings);
        flash.power_up(None);
        assert_eq!(boot(&mut flash), Ok(runs));
        for later in [0, u64::MAX, 1] {
            flash.readings = Some(later);
            flash.power_up(None);
            let now = boot(&mut flash).expect("a model");
            assert!(runs == 1 || now == 2, "what is proven stays");
        }
        let (mut kept, mut slots) = (1, open(&mut flash));
        let runs = slots.boot().expect("a model").version;
        assert_eq!(live(&mut flash, &mut kept), Ok(()));
        assert_eq!(kept, runs + 1);
    }
}
