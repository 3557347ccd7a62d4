//! No model runs, or replaces another, that is not signed with the firmware's key.

mod common;

use common::{Flash, artifact};
use ed25519_dalek::{Signer, SigningKey};
use microhlo_slots::{Error, HEADER_BYTES, Header, Refusal, Seal, Slot, Slots, Trial, digest};

type Nor = Flash<8, 512>;

const SLOT: usize = 2048;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn signed(version: u32, artifact: &[u8], key: &SigningKey) -> Header {
    let header = Header::new(version, artifact);
    let digest = digest(artifact);
    let signature = key.sign(&header.message(&digest)).to_bytes();
    Header { seal: Some(Seal { digest, signature }), ..header }
}

fn open(flash: &mut Nor) -> Slots<&mut Nor> {
    let slots = Slots::open(flash, 0..2 * SLOT as u32).expect("two slots");
    slots.require_signature(&key(1).verifying_key().to_bytes()).expect("a key")
}

/// Flash with a signed, confirmed version 1 in slot A, and this in slot B.
fn flash(header: &Header, body: &[u8]) -> Nor {
    let mut flash = Flash::new(2 * SLOT, 1);
    let first = artifact(1, 100);
    flash.program(0, &signed(1, &first, &key(1)).image(Trial::Confirmed));
    flash.program(HEADER_BYTES, &first);
    flash.program(SLOT, &header.image(Trial::Pending));
    flash.program(SLOT + HEADER_BYTES, body);
    flash
}

/// Why a model is refused both at the start and as an update; version 1 runs instead, and nothing is erased
/// for a header that is wrong.
fn refusal(header: &Header, body: &[u8]) -> Option<Refusal> {
    let mut flash = flash(header, body);
    let mut slots = open(&mut flash);
    let selected = slots.boot().expect("a model");
    if selected.slot == Slot::B {
        return None;
    }
    assert_eq!(selected.version, 1);
    let begun = slots.begin(header);
    let refusal = match begun {
        Err(Error::Refused(refusal)) => refusal,
        Err(error) => panic!("{error}"),
        Ok(mut update) => {
            update.write(body).expect("a write");
            match update.finish() {
                Err(Error::Refused(refusal)) => refusal,
                other => panic!("{other:?}"),
            }
        }
    };
    // Alone in the flash, it is refused for the same reason.
    let mut alone = Flash::new(2 * SLOT, 2);
    alone.program(0, &header.image(Trial::Confirmed));
    alone.program(HEADER_BYTES, body);
    let error = Error::NoModel { a: refusal, b: Refusal::NoHeader };
    assert_eq!(open(&mut alone).boot(), Err(error));
    Some(refusal)
}

#[test]
fn a_signed_model_runs_and_is_updated() {
    let body = artifact(2, 300);
    let header = signed(2, &body, &key(1));
    assert_eq!(refusal(&header, &body), None);
    let mut flash = flash(&header, &body);
    let mut slots = open(&mut flash);
    slots.boot().expect("version 2");
    slots.confirm().expect("a write");
    let third = artifact(3, 77);
    let mut update = slots.begin(&signed(3, &third, &key(1))).expect("an update");
    update.write(&third).expect("a write");
    update.finish().expect("it is whole");
    assert_eq!(open(&mut flash).boot().map(|s| s.version), Ok(3));
}

#[test]
fn models_without_the_right_signature_are_refused_by_name() {
    let body = artifact(2, 300);
    let good = signed(2, &body, &key(1));
    let seal = good.seal.expect("signed");
    assert_eq!(refusal(&Header::new(2, &body), &body), Some(Refusal::NotSigned));
    assert_eq!(refusal(&signed(2, &body, &key(2)), &body), Some(Refusal::BadSignature));
    // The version, which a thief of an old model would raise, the length and the checksum are signed too.
    for header in [Header { version: 3, ..good }, Header { length: 299, ..good }] {
        let header =
            Header { checksum: Header::new(2, &body[..header.length as usize]).checksum, ..header };
        assert_eq!(refusal(&header, &body[..header.length as usize]), Some(Refusal::BadSignature));
    }
    for bit in 0..512 {
        let mut signature = seal.signature;
        signature[bit / 8] ^= 1 << (bit % 8);
        let header = Header { seal: Some(Seal { signature, ..seal }), ..good };
        assert_eq!(refusal(&header, &body), Some(Refusal::BadSignature), "{bit}");
    }
    let mut digest = seal.digest;
    digest[63] ^= 1;
    let header = Header { seal: Some(Seal { digest, ..seal }), ..good };
    assert_eq!(refusal(&header, &body), Some(Refusal::BadSignature));
}

#[test]
fn an_artifact_with_the_right_checksum_is_not_enough() {
    let body = artifact(2, 300);
    let mut other = body.clone();
    other[200] ^= 1;
    let header = Header::new(2, &other);
    // Signed for the body that was meant, but with the checksum of the other.
    let digest = digest(&body);
    let signature = key(1).sign(&header.message(&digest)).to_bytes();
    let header = Header { seal: Some(Seal { digest, signature }), ..header };
    assert_eq!(refusal(&header, &other), Some(Refusal::BadDigest));
    let good = signed(2, &body, &key(1));
    assert_eq!(refusal(&good, &other), Some(Refusal::BadBody));
}

#[test]
fn only_public_keys_are_taken() {
    let mut flash = Nor::new(2 * SLOT, 1);
    // y = 2 is on no point of the curve; the neutral point has y = 1 and is a weak key.
    for y in [2, 1] {
        let mut bytes = [0; 32];
        bytes[0] = y;
        let slots = Slots::open(&mut flash, 0..2 * SLOT as u32).expect("two slots");
        assert!(matches!(slots.require_signature(&bytes), Err(Error::BadKey)), "{y}");
    }
}

#[test]
fn firmware_without_a_key_runs_signed_models_too() {
    let body = artifact(2, 300);
    let mut flash = flash(&signed(2, &body, &key(9)), &body);
    let mut slots = Slots::open(&mut flash, 0..2 * SLOT as u32).expect("two slots");
    assert_eq!(slots.boot().map(|s| s.version), Ok(2));
}
