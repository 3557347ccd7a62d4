//! Models that lie in several memories.

mod common;

use common::{Aligned, one_step, sum_of_bytes};
use microhlo::{Arena, ArtifactError, LoadError, Model, RunError, StepError};
use microhlo_format::kernels::Move;
use microhlo_format::{
    ArenaEntry, ArtifactSpec, DType, Kernel, Place, Region, TensorSpec, decode, encode, seal,
};

const N: u32 = 16;

fn entry(name: &str, bytes: u32, constants: (u32, u32)) -> ArenaEntry {
    let mut padded = [0; 8];
    padded[..name.len()].copy_from_slice(name.as_bytes());
    let (constants_offset, constants_bytes) = constants;
    ArenaEntry { name: padded, bytes, align: 16, constants_offset, constants_bytes }
}

fn at(region: Region, offset: u32) -> Place {
    Place { region, offset }
}

fn copy(input: Place, output: Place) -> Kernel<Place> {
    Kernel::move_(Move {
        input,
        output,
        element: 1,
        sizes: [N].into_iter().collect(),
        input_strides: [1].into_iter().collect(),
        output_strides: [1].into_iter().collect(),
    })
}

/// `x + constant`: the input lies in the first arena, the constant at the end of the second and third, a
/// copy of the input in the third, and the output in the fourth.
fn spec() -> ArtifactSpec {
    let constants: Vec<u8> = (0..32).collect();
    let tensor = |name: &str, place| TensorSpec {
        name: name.into(),
        dtype: DType::I8,
        dims: vec![N],
        place,
    };
    let output = at(Region::Arena3, 16);
    ArtifactSpec {
        name: "far".into(),
        compiler: "test".into(),
        inputs: vec![tensor("x", Place::arena(0))],
        outputs: vec![tensor("y", output)],
        steps: vec![
            copy(Place::arena(0), at(Region::Arena2, 0)),
            copy(at(Region::Arena1, 0), output),
            sum_of_bytes(at(Region::Arena2, 0), output, output, N),
        ],
        constants,
        arena_bytes: 16,
        arenas: vec![
            entry("SRAM", 16, (0, 0)),
            entry("DTCM", 16, (16, 16)),
            entry("AXI", 48, (0, 32)),
            entry("PSRAM", 32, (0, 0)),
        ],
        ..ArtifactSpec::default()
    }
}

fn load_error(spec: &ArtifactSpec) -> LoadError {
    Model::load(Aligned::new(&encode(spec).unwrap()).bytes()).expect_err("the model is bad")
}

fn step_error(step: u32, change: impl FnOnce(&mut ArtifactSpec)) -> StepError {
    let mut spec = spec();
    change(&mut spec);
    match load_error(&spec) {
        LoadError::Step { step: found, error, .. } if found == step => error,
        other => panic!("unexpected {other}"),
    }
}

#[test]
fn a_model_runs_in_four_memories() {
    let file = Aligned::new(&encode(&spec()).unwrap());
    let model = Model::load(file.bytes()).unwrap();
    assert_eq!(model.arena_count(), 4);
    let info = model.arena(2).unwrap();
    assert_eq!(
        (info.name(), info.byte_len(), info.align(), info.constant_bytes()),
        ("AXI", 48, 16, 32)
    );
    assert_eq!(model.arena(4), None);
    let mut memories = [Arena([0xa5; 64]); 4];
    let [a, b, c, d] = &mut memories;
    let mut arenas = model.arenas([a, b, c, d].map(|memory| &mut memory.0[..])).unwrap();
    let mut y = [0; N as usize];
    for round in 0..3u8 {
        let x = [round; N as usize];
        arenas.run(&[&x], &mut [&mut y]).unwrap();
        let expected: Vec<u8> = (16..32).map(|i| i + round).collect();
        assert_eq!(y, *expected, "constants of the second memory are bytes 16 to 32");
    }
    let constants: Vec<u8> = (0..32).collect();
    assert_eq!(memories[2].0[16..48], constants);
    assert!(memories.iter().all(|m| m.0[48..] == [0xa5; 16]), "nothing beyond is written");
}

#[test]
fn memories_that_have_the_constants_are_taken_as_they_are() {
    let file = Aligned::new(&encode(&spec()).unwrap());
    let model = Model::load(file.bytes()).unwrap();
    let mut memories = [Arena([0; 64]); 4];
    let (mut y, x) = ([0; N as usize], [3; N as usize]);
    let mut run = |memories: &mut [Arena<64>; 4]| {
        let parts = memories.iter_mut().map(|memory| &mut memory.0[..]);
        model.filled_arenas(parts).unwrap().run(&[&x], &mut [&mut y]).unwrap();
        y[0]
    };
    // Bytes of the second memory are those that are added.
    assert_eq!(run(&mut memories), 3, "nothing was copied");
    model.arenas(memories.iter_mut().map(|memory| &mut memory.0[..])).unwrap();
    assert_eq!(run(&mut memories), 3 + 16);
    memories[1].0[0] = 1;
    assert_eq!(run(&mut memories), 3 + 1, "what lies there is taken");
    let few = memories.iter_mut().take(3).map(|memory| &mut memory.0[..]);
    let missing = RunError::ArenaCount { needed: 4, given: 3 };
    assert_eq!(model.filled_arenas(few).map(drop), Err(missing));
}

#[test]
fn an_artifact_with_arenas_is_read_as_written() {
    let file = encode(&spec()).unwrap();
    assert_eq!(decode(&file).unwrap(), spec());
}

#[test]
fn missing_small_and_misaligned_memories_are_named() {
    let file = Aligned::new(&encode(&spec()).unwrap());
    let model = Model::load(file.bytes()).unwrap();
    // Takes these bytes of a memory each.
    let taken = |parts: &[std::ops::Range<usize>]| {
        let mut memories = [Arena([0; 64]); 5];
        let memories = memories.iter_mut().zip(parts);
        model.arenas(memories.map(|(memory, part)| &mut memory.0[part.clone()])).map(drop)
    };
    let missing = |given| RunError::ArenaCount { needed: 4, given };
    let mut arena = Arena([0; 64]);
    assert_eq!(model.start(&mut arena.0).map(drop), Err(missing(1)));
    assert_eq!(model.run(&mut arena.0, &[&[0; 16]], &mut [&mut [0; 16]]), Err(missing(1)));
    let whole = || 0..64;
    assert_eq!(taken(&[whole(), whole(), whole()]), Err(missing(3)));
    assert_eq!(taken(&[whole(), whole(), whole(), whole(), whole()]), Err(missing(5)));
    let small = RunError::RegionTooSmall { index: 2, needed: 48, given: 47 };
    assert_eq!(taken(&[whole(), whole(), 0..47, whole()]), Err(small));
    let off = RunError::RegionMisaligned { index: 3, align: 16 };
    assert_eq!(taken(&[whole(), whole(), whole(), 8..64]), Err(off));
    assert_eq!(taken(&[0..16, 16..32, 16..64, 32..64]), Ok(()));
}

#[test]
fn a_model_of_one_arena_runs_in_arenas_too() {
    let step = copy(Place::arena(0), Place::arena(16));
    let file = Aligned::new(&encode(&one_step(step, 16, (16, 16), vec![])).unwrap());
    let model = Model::load(file.bytes()).unwrap();
    let mut arena = Arena([0; 32]);
    let mut y = [0; 16];
    let mut arenas = model.arenas([&mut arena.0[..]]).unwrap();
    arenas.run(&[&[7; 16]], &mut [&mut y]).unwrap();
    assert_eq!(y, [7; 16]);
}

#[test]
fn no_access_leaves_its_memory() {
    let outside = [
        (0, copy(Place::arena(0), at(Region::Arena2, 33))),
        (0, copy(Place::arena(1), at(Region::Arena2, 0))),
        (1, copy(at(Region::Arena1, 1), at(Region::Arena3, 16))),
        (1, copy(at(Region::Arena1, 0), at(Region::Arena3, 17))),
    ];
    for (step, kernel) in outside {
        let error = step_error(step, |spec| spec.steps[step as usize] = kernel);
        assert_eq!(error, StepError::OutOfBounds);
    }
    // A memory that the table does not have has no bytes.
    let error = step_error(0, |spec| spec.arenas.truncate(2));
    assert_eq!(error, StepError::OutOfBounds);
    let mut few = spec();
    few.steps.clear();
    few.arenas.truncate(3);
    assert_eq!(load_error(&few), LoadError::Output { index: 0 });
    few.inputs[0].place = at(Region::Arena3, 0);
    assert_eq!(load_error(&few), LoadError::Input { index: 0 });
}

#[test]
fn constants_in_memory_are_never_written() {
    let written = |offset| copy(Place::arena(0), at(Region::Arena2, offset));
    let error = step_error(0, |spec| spec.steps[0] = written(1));
    assert_eq!(error, StepError::WritesConstant);
    let mut spec = spec();
    spec.inputs[0].place = at(Region::Arena1, 0);
    assert_eq!(load_error(&spec), LoadError::Input { index: 0 });
}

#[test]
fn memories_are_apart() {
    // Equal offsets of two memories are not the same bytes, those of one are.
    let place = at(Region::Arena3, 0);
    let mut good = spec();
    good.steps[2] = copy(at(Region::Arena2, 0), place);
    assert!(Model::load(Aligned::new(&encode(&good).unwrap()).bytes()).is_ok());
    // A copy may go to before what it reads.
    let behind = at(Region::Arena3, 8);
    let error = step_error(2, |spec| spec.steps[2] = copy(place, behind));
    assert_eq!(error, StepError::Overlap);
}

#[test]
fn a_table_that_makes_no_sense_is_refused() {
    let bad = [
        (0, entry("SRAM", 17, (0, 0))),
        (1, ArenaEntry { align: 32, ..entry("DTCM", 16, (16, 16)) }),
        (1, ArenaEntry { align: 3, ..entry("DTCM", 16, (16, 0)) }),
        (1, ArenaEntry { align: 8, ..entry("DTCM", 16, (16, 16)) }),
        (2, entry("AXI", u32::MAX, (0, 32))),
        (2, entry("AXI", 48, (0, 33))),
        (2, entry("AXI", 48, (16, 32))),
        (2, entry("AXI", 48, (8, 16))),
        (2, entry("AXI", 16, (0, 32))),
        (2, entry("AXI", 40, (0, 32))),
        (3, entry("PSRAM", 32, (u32::MAX - 15, 32))),
    ];
    for (index, entry) in bad {
        let mut spec = spec();
        spec.arenas[index] = entry;
        let expected = LoadError::Artifact(ArtifactError::BadArena { index });
        assert_eq!(load_error(&spec), expected, "{entry:?}");
    }
    let mut many = spec();
    many.arenas.push(entry("MORE", 0, (0, 0)));
    let expected = LoadError::Artifact(ArtifactError::TooManyArenas { given: 5 });
    assert_eq!(load_error(&many), expected);
}

#[test]
fn every_single_bit_error_is_refused_or_harmless() {
    const ROOM: usize = 4096;
    let file = encode(&spec()).unwrap();
    let mut ran = 0;
    for bit in 0..8 * file.len() {
        let mut bytes = file.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        seal(&mut bytes);
        let damaged = Aligned::new(&bytes);
        let Ok(model) = Model::load(damaged.bytes()) else { continue };
        let sizes: Vec<usize> =
            (0..model.arena_count()).map(|i| model.arena(i).unwrap().byte_len()).collect();
        if sizes.iter().any(|&size| size > ROOM) {
            continue;
        }
        let mut memories = vec![Arena([0xa5; ROOM]); sizes.len()];
        let parts = memories.iter_mut().zip(&sizes).map(|(memory, &size)| &mut memory.0[..size]);
        let mut arenas = model.arenas(parts).unwrap();
        let mut run = arenas.start();
        let mut steps = 0;
        while steps < 10 && matches!(run.step(), Ok(Some(_))) {
            steps += 1;
        }
        ran += usize::from(run.is_finished());
        for (memory, &size) in memories.iter().zip(&sizes) {
            assert!(memory.0[size..].iter().all(|&byte| byte == 0xa5), "bit {bit}");
        }
    }
    assert!(ran > 100, "only {ran} damaged models run");
}
