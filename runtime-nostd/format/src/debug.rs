//! Debug information: which tensors the steps of an artifact compute, and where they come from.
//!
//! It is a file of its own beside the artifact, so that a release image holds nothing of it:
//!
//! | at | content |
//! |---|---|
//! | 0 | [`DEBUG_MAGIC`] |
//! | 8 | checksum of the artifact that it describes, little-endian `u32` |
//! | 12 | number of taps, then the taps, encoded as the manifest is |

use core::fmt;

use serde::Serialize;

#[cfg(feature = "std")]
use crate::{ArtifactError, Header};
use crate::{Field, Fields, List, ListIter, Tensor, Text};

/// The first eight bytes of debug information; the last is its version.
pub const DEBUG_MAGIC: [u8; 8] = *b"mhlodbg1";

/// A tensor that lies whole in memory once a step has run, until a later one writes there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tap<'a> {
    /// Number of the step.
    pub step: u32,
    /// The operation that defines the tensor, such as `stablehlo.convolution`.
    pub op: Text<'a>,
    /// Where that is written, such as `model.mlir:14:10`; empty if it is not known.
    pub location: Text<'a>,
    /// The tensor. Its name is that of the value in the program after all passes, such as `%12`.
    pub tensor: Tensor<'a>,
}

impl<'a> Field<'a> for Tap<'a> {
    fn take(fields: &mut Fields<'a>) -> Tap<'a> {
        let (step, op, location) = (fields.take(), fields.take(), fields.take());
        Tap { step, op, location, tensor: fields.take() }
    }
}

/// Why bytes are not debug information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DebugInfoError {
    /// They do not start with [`DEBUG_MAGIC`].
    BadMagic,
    /// They end too soon, go on too long, or do not decode.
    Malformed,
}

impl fmt::Display for DebugInfoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DebugInfoError::BadMagic => "not debug information of this version: wrong magic number",
            DebugInfoError::Malformed => "damaged debug information",
        })
    }
}

impl core::error::Error for DebugInfoError {}

/// Debug information of an artifact. It refers to the bytes that it is read from.
#[derive(Clone, Copy, Debug)]
pub struct DebugInfo<'a> {
    artifact: u32,
    taps: List<'a, Tap<'a>>,
}

impl<'a> DebugInfo<'a> {
    /// Reads debug information, which must fill `bytes` exactly.
    ///
    /// # Errors
    /// The bytes are something else, or damaged.
    pub fn parse(bytes: &'a [u8]) -> Result<DebugInfo<'a>, DebugInfoError> {
        let rest = bytes.strip_prefix(&DEBUG_MAGIC).ok_or(DebugInfoError::BadMagic)?;
        let (artifact, rest) = rest.split_first_chunk().ok_or(DebugInfoError::Malformed)?;
        let mut fields = Fields::new(rest);
        let count: u32 = fields.take();
        let start = fields.rest();
        for _ in 0..count {
            let tap: Tap<'a> = fields.take();
            if !fields.good() || tap.tensor.byte_len().is_none() {
                return Err(DebugInfoError::Malformed);
            }
        }
        if !fields.good() || !fields.rest().is_empty() {
            return Err(DebugInfoError::Malformed);
        }
        let taps = List::new(count as usize, start);
        Ok(DebugInfo { artifact: u32::from_le_bytes(*artifact), taps })
    }

    /// Whether it describes the artifact with this [checksum](crate::Header::checksum).
    pub fn describes(&self, checksum: u32) -> bool {
        self.artifact == checksum
    }

    /// The taps, by rising number of their step.
    pub fn taps(&self) -> ListIter<'a, Tap<'a>> {
        self.taps.iter()
    }
}

/// Encodes the debug information of an artifact.
///
/// # Errors
/// The bytes are no artifact.
#[cfg(feature = "std")]
pub fn encode_debug(artifact: &[u8], taps: &[Tap<'_>]) -> Result<std::vec::Vec<u8>, ArtifactError> {
    let header = Header::decode(artifact)?;
    let mut bytes = DEBUG_MAGIC.to_vec();
    bytes.extend(header.checksum.to_le_bytes());
    // Integers, text and lists all have an encoding.
    bytes.extend(postcard::to_stdvec(taps).unwrap_or_default());
    Ok(bytes)
}
