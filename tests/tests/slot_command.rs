//! `microhlo slot`: what it writes, and what it refuses.

use std::fs;
use std::path::Path;
use std::process::Output;

use microhlo_slots::{CORE_BYTES, HEADER_BYTES, Header, digest};
use microhlo_tests::model_update::{KEY, shared::PUBLIC_KEY};
use microhlo_tests::{microhlo, root, stderr, stdout};

fn run(args: &[&str]) -> Output {
    microhlo(env!("CARGO_BIN_EXE_microhlo-under-test"), args)
}

/// Compiles a model into the folder and returns the artifact's path.
fn artifact(folder: &Path) -> String {
    let model = root().join("examples/models/mlp_tanh.stablehlo.mlir").display().to_string();
    let path = folder.join("mlp.mhlo").display().to_string();
    let output = run(&["compile", &model, "--target", "cortex-m4f", "-o", &path]);
    assert!(output.status.success(), "{}", stderr(&output));
    path
}

#[test]
fn a_slot_holds_header_signature_and_artifact() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (model, key, image, public) =
        (artifact(folder.path()), path("key"), path("slot.bin"), path("key.pub"));
    fs::write(&key, KEY).expect("the key");
    let signed = ["slot", &model, "--version", "7", "--key", &key, "--public-key", &public];
    let output = run(&[&signed[..], &["--trial", "-o", &image]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("version 7, on trial, signed, public key d75a9801"), "{said}");
    assert_eq!(fs::read(&public).expect("the public key"), PUBLIC_KEY);
    let (image, artifact) = (fs::read(&image).expect("the image"), fs::read(&model).expect("it"));
    let core: &[u8; CORE_BYTES] = image.first_chunk().expect("a header");
    let header = Header::decode(core).expect("a header");
    assert_eq!((header.version, header.length as usize), (7, artifact.len()));
    assert_eq!(header.seal.expect("a signature").digest, digest(&artifact));
    assert!(image[HEADER_BYTES..].starts_with(&artifact));

    let image = path("confirmed.bin");
    let output = run(&["slot", &model, "--version", "8", "-o", &image]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("version 8, confirmed, not signed"), "{}", stdout(&output));
    let header = Header::decode(fs::read(image).expect("it").first_chunk().expect("a header"));
    assert_eq!(header, Ok(Header::new(8, &artifact)));
}

#[test]
fn what_makes_no_slot_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (model, bad, image) = (artifact(folder.path()), path("bad"), path("slot.bin"));
    fs::write(&bad, "no key").expect("a file");
    let mut damaged = fs::read(&model).expect("the artifact");
    damaged[100] ^= 1;
    fs::write(path("damaged"), damaged).expect("a file");
    let version = ["--version", "1", "-o", &image];
    let fails = |args: &[&str], code: i32, text: &str| {
        let output = run(&[&["slot"], args, &version].concat());
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(text), "{text} in {}", stderr(&output));
        assert!(!Path::new(&image).exists());
    };
    fails(&[&bad], 2, "is not an artifact");
    fails(&[&path("damaged")], 2, "compile the model again");
    fails(&[&model, "--key", &bad], 2, "openssl genpkey");
    fails(&[&model, "--key", &path("absent")], 2, "absent");
    fails(&[&model, "--public-key", &bad], 2, "--key");
    fails(&[&model, "--slot-bytes", "1024"], 1, "a slot has 1024");
}
