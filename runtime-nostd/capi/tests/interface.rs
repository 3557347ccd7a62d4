//! The C interface, called as C would, and that the header says what the library has.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

use microhlo::DType;
use microhlo_capi::functions::TensorShape;
use microhlo_capi::{
    ModelMemory, RunMemory, Status, microhlo_arena_bytes, microhlo_explain, microhlo_feed,
    microhlo_infer, microhlo_input_bytes, microhlo_input_count, microhlo_load, microhlo_output,
    microhlo_output_bytes, microhlo_output_count, microhlo_reset, microhlo_set_input,
    microhlo_start, microhlo_status_name, microhlo_step,
};

const HEADER: &str = include_str!("../include/microhlo.h");

#[test]
fn the_header_has_every_status() {
    let statuses = HEADER.split("typedef enum microhlo_status {").nth(1).expect("the statuses");
    let statuses = statuses.split("} microhlo_status;").next().expect("their end");
    let entry = |line: &str| {
        let (name, code) = line.trim().trim_end_matches(',').split_once(" = ")?;
        Some((name.starts_with("MICROHLO_").then(|| name.to_owned())?, code.parse().ok()?))
    };
    let written: BTreeSet<(String, i32)> = statuses.lines().filter_map(entry).collect();
    let known = Status::ALL
        .iter()
        .map(|status| (status.name().to_str().unwrap().to_owned(), *status as i32));
    assert_eq!(written, known.collect());
}

#[test]
fn the_header_has_the_sizes() {
    let model = if size_of::<usize>() == 8 { 40 } else { 26 };
    assert_eq!(size_of::<ModelMemory>(), 8 * model);
    assert!(HEADER.contains("uint64_t words[sizeof(void *) == 8 ? 40 : 26];\n} microhlo_model;"));
    let run = format!("uint64_t words[{}];\n}} microhlo_run;", size_of::<RunMemory>() / 8);
    assert!(HEADER.contains(&run), "{run}");
}

#[test]
fn the_header_declares_every_function() {
    let source = [include_str!("../src/lib.rs"), include_str!("../src/functions.rs")].concat();
    // Without those that examples have.
    let code: Vec<&str> =
        source.lines().filter(|line| !line.trim_start().starts_with("///")).collect();
    let source = code.join("\n");
    let names = source.split("extern \"C\" fn ").skip(1).filter_map(|rest| rest.split('(').next());
    let names: Vec<&str> = names.collect();
    assert_eq!(names.len(), 34);
    for name in names {
        assert!(HEADER.contains(&format!("{name}(")), "{name}");
    }
}

#[test]
fn the_header_has_every_element_type() {
    for dtype in DType::ALL {
        let line = format!("MICROHLO_{} = {}", format!("{dtype:?}").to_uppercase(), dtype.code());
        let end = |end| HEADER.contains(&(line.clone() + end));
        assert!(end(",\n") || end("\n"), "{line}");
    }
    assert!(
        HEADER.contains(&format!(
            "#define MICROHLO_MAX_RANK {}\n",
            TensorShape::default().dims.len()
        ))
    );
}

#[test]
fn statuses_have_names() {
    // SAFETY: the result is never null and ends with a zero byte.
    let name = |status| unsafe { CStr::from_ptr(microhlo_status_name(status)) }.to_str().unwrap();
    assert_eq!(name(0), "MICROHLO_OK");
    assert_eq!(name(8), "MICROHLO_ARENA_TOO_SMALL");
    assert_eq!(name(-7), "an unknown status");
}

#[repr(C, align(16))]
struct Aligned<const N: usize>([u8; N]);

#[test]
fn bad_arguments_have_a_status_each() {
    let mut model = MaybeUninit::<ModelMemory>::zeroed();
    let mut run = MaybeUninit::<RunMemory>::zeroed();
    let (model, run) = (model.as_mut_ptr(), run.as_mut_ptr());
    let bytes = Aligned([0_u8; 64]);
    let mut arena = Aligned([0_u8; 64]);
    let arena = arena.0.as_mut_ptr();
    let (mut wanted, mut finished, mut len) = (0, false, 0);
    // SAFETY: each pointer is null or to memory of the size that the function asks for.
    unsafe {
        assert_eq!(microhlo_load(null_mut(), bytes.0.as_ptr(), 64), Status::Null);
        assert_eq!(microhlo_load(model, null(), 64), Status::Null);
        assert_eq!(microhlo_load(model, bytes.0.as_ptr().add(1), 32), Status::ArtifactMisaligned);
        assert_eq!(microhlo_load(model, bytes.0.as_ptr(), 64), Status::BadArtifact);
        assert_eq!(microhlo_infer(model, arena, 64, null(), null()), Status::NotLoaded);
        assert_eq!(microhlo_infer(null(), arena, 64, null(), null()), Status::Null);
        assert_eq!(microhlo_reset(model, arena, 64), Status::NotLoaded);
        assert_eq!(microhlo_start(run, model, arena, 64), Status::NotLoaded);
        assert_eq!(microhlo_start(null_mut(), model, arena, 64), Status::Null);
        assert_eq!(microhlo_set_input(run, 0, bytes.0.as_ptr(), 4), Status::NotLoaded);
        assert_eq!(microhlo_step(run, null_mut()), Status::Null);
        assert_eq!(microhlo_step(run, &mut finished), Status::NotLoaded);
        assert_eq!(microhlo_feed(run, null(), 0, &mut wanted), Status::NotLoaded);
        assert!(microhlo_output(run, 0, &mut len).is_null());
        for function in [microhlo_arena_bytes, microhlo_input_count, microhlo_output_count] {
            assert_eq!((function(model), function(null())), (0, 0));
        }
        for function in [microhlo_input_bytes, microhlo_output_bytes] {
            assert_eq!((function(model, 0), function(null(), 0)), (0, 0));
        }
    }
}

#[test]
fn what_does_not_load_is_explained() {
    let bytes = Aligned([0_u8; 64]);
    let explain = |artifact: *const u8, len, room: usize| {
        let mut text = vec![b'x'; room];
        // SAFETY: the artifact is null or has so many bytes, the text has room.
        let length = unsafe { microhlo_explain(artifact, len, text.as_mut_ptr().cast(), room) };
        (length, text)
    };
    let (length, text) = explain(bytes.0.as_ptr(), 64, 200);
    let whole = CStr::from_bytes_until_nul(&text).unwrap().to_str().unwrap();
    assert!(whole.len() == length && whole.contains("artifact"), "{whole}");
    let (same, part) = explain(bytes.0.as_ptr(), 64, 10);
    assert_eq!((same, &part[..9], part[9]), (length, &text[..9], 0));
    assert_eq!(explain(bytes.0.as_ptr(), 64, 0).0, length);
    assert_eq!(explain(null(), 64, 20).1[..14], *b"MICROHLO_NULL\0");
}
