//! `decode(encode(x)) == x`, and every malformation its own error.

use microhlo_format::kernels::{Branch, Chain, Feed, Fill, Rows, SoftmaxF32, Sums, TableI8};
use microhlo_format::rows::Stage;
use microhlo_format::{
    Artifact, ArtifactError, ArtifactSpec, Cursor, DType, EncodeError, Features, HEADER_BYTES,
    Kernel, Place, Section, Target, TensorSpec, decode, encode, seal,
};
use proptest::prelude::*;

#[path = "roundtrip/strategies.rs"]
mod strategies;

use strategies::{arenas, kernels, places};

/// Makes targets steps of the program or its end.
fn retarget(mut steps: Vec<Kernel<Place>>) -> Vec<Kernel<Place>> {
    let n = steps.len() as u32;
    for (i, step) in steps.iter_mut().enumerate() {
        for (k, target) in step.targets_mut().iter_mut().enumerate() {
            *target = Target::step((3 * i + k) as u32 % (n + 1));
        }
    }
    steps
}

fn tensors() -> impl Strategy<Value = Vec<TensorSpec>> {
    let tensor =
        ("[a-z%_0-9]{0,12}", 0..DType::ALL.len(), prop::collection::vec(0u32..12, 0..=8), places())
            .prop_map(|(name, dtype, dims, place)| TensorSpec {
                name,
                dtype: DType::ALL[dtype],
                dims,
                place,
            });
    prop::collection::vec(tensor, 0..5).prop_filter(
        "tensors of 2 GiB and more are refused",
        |tensors| {
            tensors
                .iter()
                .all(|t| t.dims.iter().map(|&d| u64::from(d)).product::<u64>() * 16 < 1 << 31)
        },
    )
}

fn specs() -> impl Strategy<Value = ArtifactSpec> {
    (
        (".{0,20}", "[ -~]{0,20}", tensors(), tensors()),
        prop::collection::vec(kernels(), 0..6),
        prop::collection::vec(any::<u8>(), 0..80),
        (0..=i32::MAX as u32, any::<u32>()).prop_flat_map(|sizes| (Just(sizes), arenas(sizes.0))),
    )
        .prop_map(|((name, compiler, inputs, outputs), steps, constants, (sizes, arenas))| {
            ArtifactSpec {
                name,
                compiler,
                inputs,
                outputs,
                steps: retarget(steps),
                constants,
                arena_bytes: sizes.0,
                arenas,
                arena_lower_bound_bytes: sizes.1,
                features: Features::default(),
            }
        })
}

proptest! {
    #[test]
    fn decode_inverts_encode(spec in specs()) {
        let bytes = encode(&spec).unwrap();
        prop_assert_eq!(decode(&bytes), Ok(spec));
    }

    #[test]
    fn sections_are_where_the_specification_says(spec in specs()) {
        let bytes = encode(&spec).unwrap();
        let artifact = Artifact::parse(&bytes).unwrap();
        let header = artifact.header();
        let program = 64 + 24 * spec.arenas.len() as u32;
        prop_assert_eq!(header.program_offset, program);
        prop_assert_eq!(header.manifest_offset, program + header.program_bytes);
        prop_assert_eq!(header.constants_offset % 16, 0);
        prop_assert_eq!(artifact.constants(), &spec.constants[..]);
        prop_assert_eq!(artifact.manifest().inputs.len(), spec.inputs.len());
        prop_assert_eq!(artifact.program().iter().count(), spec.steps.len());
    }
}

/// A valid artifact with a byte of padding before its constants.
fn sample() -> Vec<u8> {
    for extra in 0..16 {
        let spec = ArtifactSpec {
            name: "n".repeat(extra),
            steps: vec![Kernel::fill(Fill {
                value: Place::constant(0),
                output: Place::arena(0),
                element: 4,
                count: 2,
            })],
            constants: vec![1; 20],
            arena_bytes: 8,
            ..ArtifactSpec::default()
        };
        let bytes = encode(&spec).unwrap();
        let artifact = Artifact::parse(&bytes).unwrap();
        let header = artifact.header();
        if header.manifest_offset + header.manifest_bytes + 1 == header.constants_offset {
            return bytes;
        }
    }
    unreachable!("one of sixteen lengths leaves one byte of padding")
}

fn with_word(offset: usize, word: u32) -> Vec<u8> {
    let mut bytes = sample();
    bytes[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
    seal(&mut bytes);
    bytes
}

fn word(offset: usize) -> u32 {
    u32::from_le_bytes(sample()[offset..offset + 4].try_into().unwrap())
}

fn error(bytes: &[u8]) -> ArtifactError {
    Artifact::parse(bytes).expect_err("the artifact is malformed")
}

#[test]
fn lengths_are_exact() {
    let bytes = sample();
    for len in 0..bytes.len() {
        assert!(
            matches!(error(&bytes[..len]), ArtifactError::Truncated { given, .. } if given == len)
        );
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(
        error(&longer),
        ArtifactError::TrailingBytes { stated: bytes.len(), given: bytes.len() + 1 }
    );
    assert_eq!(microhlo_format::artifact_len(&longer), Ok(bytes.len()));
}

#[test]
fn every_malformation_has_its_error() {
    let mut bytes = sample();
    bytes[0] ^= 1;
    assert_eq!(error(&bytes), ArtifactError::BadMagic);
    let newer = error(&with_word(8, 2));
    assert_eq!(newer, ArtifactError::UnsupportedVersion { major: 2, minor: 0 });
    assert_eq!(Artifact::parse(&with_word(8, 0x0007_0001)).unwrap().header().minor, 7);
    let mut bytes = sample();
    bytes[70] ^= 1;
    assert!(matches!(error(&bytes), ArtifactError::BadChecksum { .. }));
    assert_eq!(
        error(&with_word(20, 0x8000_0000)),
        ArtifactError::UnknownFeatures { bits: 0x8000_0000 }
    );
    assert_eq!(error(&with_word(24, 1 << 31)), ArtifactError::ArenaTooLarge { bytes: 1 << 31 });
    for align in [0, 3, 32] {
        assert_eq!(error(&with_word(28, align)), ArtifactError::BadArenaAlignment { align });
    }
    let program = Section::Program;
    let far = error(&with_word(32, u32::MAX));
    assert_eq!(far, ArtifactError::SectionOutOfBounds { section: program });
    assert_eq!(error(&with_word(32, 60)), ArtifactError::SectionOverlap { section: program });
    assert_eq!(error(&with_word(32, 65)), ArtifactError::SectionMisplaced { section: program });
    let constants = word(48);
    let section = Section::Constants;
    assert_eq!(error(&with_word(48, constants - 16)), ArtifactError::SectionOverlap { section });
    assert_eq!(error(&with_word(52, 19)), ArtifactError::SectionMisplaced { section });
    assert_eq!(error(&with_word(52, 21)), ArtifactError::SectionOutOfBounds { section });
    assert_eq!(
        error(&with_word(56, 2)),
        ArtifactError::StepCount { stated: 2, offset: word(40) as usize }
    );
    assert_eq!(
        error(&with_word(56, 0)),
        ArtifactError::StepCount { stated: 0, offset: HEADER_BYTES }
    );
    assert_eq!(error(&with_word(60, 1)), ArtifactError::SectionOverlap { section: program });
    assert_eq!(error(&with_word(60, 5)), ArtifactError::TooManyArenas { given: 5 });
}

#[test]
fn program_manifest_and_padding_are_checked() {
    let edit = |offset: usize, value: u8| {
        let mut bytes = sample();
        bytes[offset] = value;
        seal(&mut bytes);
        error(&bytes)
    };
    let padding = word(48) as usize - 1;
    assert_eq!(edit(padding, 1), ArtifactError::NonzeroPadding { offset: padding });
    assert_eq!(edit(64, 99), ArtifactError::UnknownKernel { step: 0, code: 99 });
    assert_eq!(edit(65, 0x7f), ArtifactError::BadStep { step: 0, offset: 64 });
    let manifest = word(40) as usize;
    assert!(matches!(edit(manifest, 0x7f), ArtifactError::BadManifest { .. }));
    let last = manifest + word(44) as usize - 1;
    assert!(matches!(edit(last, 5), ArtifactError::BadManifest { .. }));
}

#[test]
fn targets_are_the_starts_of_steps() {
    let jump = |step| {
        let target = Target::step(step);
        Kernel::branch(Branch { predicate: None, when: false, target })
    };
    let far = Place::arena(1 << 20);
    let fill = Kernel::fill(Fill { value: far, output: far, element: 4, count: 1 });
    let steps = vec![jump(2), fill, jump(1), jump(4)];
    let spec = ArtifactSpec { steps, ..ArtifactSpec::default() };
    let bytes = encode(&spec).unwrap();
    let artifact = Artifact::parse(&bytes).unwrap();
    let program = artifact.program();
    let targets: Vec<Target> = program
        .iter()
        .filter_map(|step| match Kernel::decode(step.kernel, step.body).unwrap() {
            Kernel::branch(branch) => Some(branch.target),
            _ => None,
        })
        .collect();
    let mut offsets: Vec<u32> = program.iter().map(|step| step.offset as u32).collect();
    offsets.push(artifact.header().program_bytes);
    let at = |step: u32| Target { step, offset: offsets[step as usize] };
    assert_eq!(targets, [at(2), at(1), at(4)]);
    let mut cursor = Cursor::default();
    program.next(&mut cursor);
    program.next(&mut cursor);
    for step in 1..=4 {
        assert!(program.has(at(step), Cursor::default()) && program.has(at(step), cursor));
        let shifted = Target { offset: at(step).offset + 1, ..at(step) };
        let other = Target { step: step - 1, ..at(step) };
        assert!(!program.has(shifted, cursor) && !program.has(other, cursor));
    }
    assert!(!program.has(at(0), cursor), "a run does not return to its first step");
    assert!(!program.has(Target { step: 5, ..at(4) }, cursor));
    let spec = ArtifactSpec { steps: vec![jump(2)], ..ArtifactSpec::default() };
    assert_eq!(encode(&spec), Err(EncodeError::Target { step: 2 }));
}

#[test]
fn parameters_with_trailing_bytes_do_not_decode() {
    let step = Kernel::softmax_f32(SoftmaxF32 {
        input: Place::arena(0),
        output: Place::arena(0),
        rows: 1,
        n: 1,
    });
    let mut body = step.encode().unwrap();
    assert_eq!(Kernel::decode(step.id(), &body), Ok(step.clone()));
    body.push(0);
    assert!(Kernel::decode(step.id(), &body).is_err());
}

/// A chain of two steps on a fed input, between other steps.
fn chain_spec() -> ArtifactSpec {
    let table = |at: u32, count| {
        let (input, output) = (Place::arena(at), Place::arena(at + 100));
        Kernel::table_i8(TableI8 { input, table: Place::constant(0), output, count })
    };
    let stage = |operands| Stage {
        rows: 4,
        strip: 1,
        capacity: 4,
        operands,
        lead: 0,
        settles: operands == [1, 255],
        ends: operands[0] == 0,
    };
    let rows = Rows {
        stages: [stage([255; 2]), stage([0, 255]), stage([1, 255])].into_iter().collect(),
        state: Place::arena(400),
        sums: Some(Sums { place: Place::arena(500), count: 3 }),
        feed: Some(Feed { place: Place::arena(0), row_bytes: 5 }),
    };
    let jump = |step| {
        let target = Target::step(step);
        Kernel::branch(Branch { predicate: None, when: false, target })
    };
    let steps = vec![
        jump(1),
        Kernel::rows(rows),
        table(0, 20),
        table(100, 20),
        jump(5),
        table(200, 20),
        jump(7),
    ];
    ArtifactSpec { steps, ..ArtifactSpec::default() }
}

#[test]
fn chains_contain_their_steps() {
    let spec = chain_spec();
    let bytes = encode(&spec).unwrap();
    assert_eq!(decode(&bytes), Ok(spec.clone()));
    let artifact = Artifact::parse(&bytes).unwrap();
    let program = artifact.program();
    let steps: Vec<_> = program.iter().collect();
    assert_eq!(steps.len(), 5, "two steps of seven lie in the chain");
    let chain = Chain::parse(steps[1].body).unwrap();
    assert_eq!(Stage::from_bytes(chain.table[2]).operands, [1, 255]);
    assert_eq!(
        chain.table[1..].iter().map(|b| Stage::from_bytes(*b).settles).collect::<Vec<_>>(),
        [false, true]
    );
    let (id, body, next) = chain.step(0).unwrap();
    assert_eq!(Kernel::decode(id, body), Ok(spec.steps[2].clone()));
    let (id, body, end) = chain.step(next).unwrap();
    assert_eq!(Kernel::decode(id, body), Ok(spec.steps[3].clone()));
    assert_eq!(end, chain.steps.len());
    assert!(chain.step(end).is_none());
}

#[test]
fn nothing_jumps_into_a_chain() {
    let mut spec = chain_spec();
    if let Some(target) = spec.steps[0].targets_mut().first_mut() {
        *target = Target::step(2);
    }
    assert_eq!(encode(&spec), Err(EncodeError::Target { step: 2 }));
    let mut spec = chain_spec();
    spec.steps.swap(3, 4);
    assert_eq!(encode(&spec), Err(EncodeError::Chain { step: 1 }), "a step of it branches");
    let mut spec = chain_spec();
    spec.steps.truncate(3);
    assert_eq!(encode(&spec), Err(EncodeError::Chain { step: 1 }), "a step is missing");
}

#[test]
fn damaged_chains_do_not_decode() {
    let bytes = encode(&chain_spec()).unwrap();
    for i in 64..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[i] = value;
            seal(&mut bytes);
            // No value panics or makes a program of more steps than there are.
            if let Ok(spec) = decode(&bytes) {
                assert!(spec.steps.len() <= 7);
            }
        }
    }
}
