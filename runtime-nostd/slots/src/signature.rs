//! Whether a model is signed.

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha512};

use crate::{Error, Header, Refusal};

/// SHA-512 of an artifact, as a [`Seal`](crate::Seal) has it.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
/// # let mut flash = Flash::erased();
/// use ed25519_dalek::Signer;
/// use microhlo_slots::{Header, Seal, Slots, digest};
///
/// let (header, digest) = (Header::new(1, b"artifact"), digest(b"artifact"));
/// let signature = key.sign(&header.message(&digest)).to_bytes();
/// let header = Header { seal: Some(Seal { digest, signature }), ..header };
/// # let public = key.verifying_key().to_bytes();
/// let mut slots = Slots::open(&mut flash, 0..4096)?.require_signature(&public)?;
/// assert!(slots.boot().is_err()); // nothing was ever written
/// assert_eq!(slots.begin(&header)?.given(), 0);
/// # Ok(())
/// # }
/// ```
pub fn digest(artifact: &[u8]) -> [u8; 64] {
    let mut hash = Hash::new();
    hash.update(artifact);
    hash.value()
}

/// A public key that is known to be one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key([u8; 32]);

impl Key {
    pub(crate) fn new(bytes: &[u8; 32]) -> Result<Key, Error> {
        match VerifyingKey::from_bytes(bytes) {
            // With a weak key, one signature may be that of many messages.
            Ok(key) if !key.is_weak() => Ok(Key(*bytes)),
            _ => Err(Error::BadKey),
        }
    }

    /// Whether the header's signature is one of its version, length and digest.
    pub(crate) fn check(&self, header: &Header) -> Result<(), Refusal> {
        let seal = header.seal.as_ref().ok_or(Refusal::NotSigned)?;
        let message = header.message(&seal.digest);
        let signature = Signature::from_bytes(&seal.signature);
        VerifyingKey::from_bytes(&self.0)
            .and_then(|key| key.verify_strict(&message, &signature))
            .map_err(|_| Refusal::BadSignature)
    }
}

/// A digest of bytes that come piece by piece.
pub(crate) struct Hash(Sha512);

impl Hash {
    pub(crate) fn new() -> Hash {
        Hash(Sha512::new())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn value(self) -> [u8; 64] {
        self.0.finalize().into()
    }
}
