//! Sends images to the firmware of `examples/digits-uart`, and compares its answers with JAX's.

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use microhlo_qemu::{Error, Registry, Serial, build};
use microhlo_tests::on_named_board;

/// Longest time that the firmware takes for an answer, also on a busy computer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Numbers of little-endian bytes.
fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes))
}

fn read(registry: &Registry, name: &str) -> Result<Vec<u8>, Error> {
    let path = registry.root().join("examples").join(name);
    let reason = |error| format!("cannot read {}: {error}", path.display());
    fs::read(&path).map_err(|error| Error::Protocol { reason: reason(error) })
}

/// The next line from the firmware.
fn line(device: &mut Serial) -> Result<String, Error> {
    let mut text = Vec::new();
    loop {
        match device.receive(PATIENCE)? {
            b'\n' => return Ok(String::from_utf8_lossy(&text).into_owned()),
            byte => text.push(byte),
        }
    }
}

/// Sends an image with its sum, or another than that, and compares the answer.
fn ask(device: &mut Serial, pixels: &[u8], off: u8, expected: &str) -> Result<(), Error> {
    let sum = pixels.iter().fold(0u8, |sum, &pixel| sum.wrapping_add(pixel)).wrapping_add(off);
    device.send(&[&[0xa5], pixels, &[sum % 128]].concat())?;
    let answer = line(device)?;
    match answer == expected {
        true => Ok(()),
        false => {
            let reason = format!("the answer is `{answer}`, it should be `{expected}`");
            Err(Error::Protocol { reason })
        }
    }
}

fn story(name: &str) -> Result<(), Error> {
    let registry = Registry::find()?;
    let board = registry.board(name)?;
    let firmware = build(&registry, board, "digits-uart")?;
    let (images, logits) = (
        read(&registry, "models/digits_images.bin")?,
        read(&registry, "digits-cnn/reference_logits.bin")?,
    );
    let mut device = Serial::start(board, &firmware.join("digits-uart"))?;
    while line(&mut device)? != "ready" {}
    let mut sent = 0;
    for (image, logits) in images.chunks_exact(256).zip(logits.chunks_exact(40)) {
        let pixels: Vec<u8> = floats(image).map(|pixel| (pixel * 16.0) as u8).collect();
        let best = floats(logits).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        let expected = format!("digit {}", best.map_or(0, |(digit, _)| digit));
        if sent == 3 {
            ask(&mut device, &pixels, 1, "again")?;
        }
        ask(&mut device, &pixels, 0, &expected)?;
        sent += 1;
    }
    println!("digits-uart on {name}: {sent} images sent and read as in JAX, a damaged one refused");
    Ok(())
}

fn main() -> ExitCode {
    on_named_board("digits-uart", story)
}
