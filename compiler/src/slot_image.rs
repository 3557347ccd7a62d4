//! The contents of a model slot: a header, signed or not, and the artifact.
//!
//! `docs/model-slots.md` has the layout. A programmer writes an image to the start of a slot; a firmware that
//! updates itself takes the header's core and then the artifact from it.

use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer, SigningKey};
use microhlo_slots::{Header, Seal, Trial, UNIT, digest};

/// The header of an artifact, signed if there is a key. See the example of [`image`].
pub fn header(artifact: &[u8], version: u32, key: Option<&SigningKey>) -> Header {
    let header = Header::new(version, artifact);
    let seal = key.map(|key| {
        let digest = digest(artifact);
        Seal { digest, signature: key.sign(&header.message(&digest)).to_bytes() }
    });
    Header { seal, ..header }
}

/// A slot's contents from its start to the end of the artifact, a multiple of what is written at once.
///
/// ```
/// use microhlo_compiler::slot_image::{header, image, secret_key};
/// use microhlo_slots::{HEADER_BYTES, Trial};
///
/// let artifact = [7; 48];
/// let key = secret_key(&[1; 32]).expect("a seed");
/// let header = header(&artifact, 3, Some(&key));
/// assert!(header.version == 3 && header.seal.is_some());
/// // What a programmer writes to the start of a slot.
/// let image = image(&header, &artifact, Trial::Pending);
/// assert!(image.len() >= HEADER_BYTES + 48 && image[HEADER_BYTES..].starts_with(&artifact));
/// ```
pub fn image(header: &Header, artifact: &[u8], trial: Trial) -> Vec<u8> {
    let mut image = header.image(trial).to_vec();
    image.extend_from_slice(artifact);
    image.resize(image.len().next_multiple_of(UNIT), 0xff);
    image
}

/// Reads an Ed25519 secret key: PKCS #8 in PEM, as `openssl genpkey -algorithm ed25519` writes it, or the 32
/// bytes of a seed (RFC 8032), raw or as hexadecimal digits. `None` if it is none of them.
///
/// ```
/// use microhlo_compiler::slot_image::secret_key;
///
/// // A seed as hexadecimal digits, as a file has it.
/// assert_eq!(secret_key("5a".repeat(32).as_bytes()), secret_key(&[0x5a; 32]));
/// assert!(secret_key(b"no key").is_none());
/// ```
pub fn secret_key(file: &[u8]) -> Option<SigningKey> {
    if let Ok(seed) = file.try_into() {
        return Some(SigningKey::from_bytes(&seed));
    }
    let text = str::from_utf8(file).ok()?.trim();
    if text.starts_with("-----BEGIN") {
        return SigningKey::from_pkcs8_pem(text).ok();
    }
    let seed = const_hex::decode_to_array(text).ok()?;
    Some(SigningKey::from_bytes(&seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first key of RFC 8032, section 7.1.
    const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    /// The same in PEM; the base64 of a fixed prefix (RFC 8410, section 7) and the seed.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";

    #[test]
    fn keys_are_read_in_every_form() {
        let raw = const_hex::decode(SEED).unwrap();
        for file in [&raw[..], SEED.as_bytes(), format!("{SEED}\n").as_bytes(), PEM.as_bytes()] {
            let key = secret_key(file).expect("a key");
            assert_eq!(const_hex::encode(key.verifying_key().to_bytes()), PUBLIC);
        }
        for bad in
            [&raw[1..], b"", &[0xff; 33], b"-----BEGIN PRIVATE KEY-----\n", &SEED.as_bytes()[1..]]
        {
            assert!(secret_key(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn an_image_is_the_header_and_the_artifact_in_whole_units() {
        let artifact = [7; 45];
        let key = secret_key(SEED.as_bytes());
        let header = header(&artifact, 3, key.as_ref());
        let image = image(&header, &artifact, Trial::Pending);
        assert_eq!(image.len(), 512 + 64);
        assert_eq!(Header::decode(image.first_chunk().unwrap()), Ok(header));
        assert!(image[512..].starts_with(&artifact) && image.ends_with(&[0xff; 19]));
    }
}
