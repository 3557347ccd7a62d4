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
/// See the example of [`encode_debug`].
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
///
/// ```
/// use microhlo_format::{DEBUG_MAGIC, DebugInfo, DebugInfoError};
///
/// assert_eq!(DebugInfo::parse(b"microhlo").err(), Some(DebugInfoError::BadMagic));
/// // The checksum of the artifact is missing.
/// assert_eq!(DebugInfo::parse(&DEBUG_MAGIC).err(), Some(DebugInfoError::Malformed));
/// ```
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
/// See the example of [`DebugInfoError`].
#[derive(Clone, Copy, Debug)]
pub struct DebugInfo<'a> {
    artifact: u32,
    taps: List<'a, Tap<'a>>,
}

impl<'a> DebugInfo<'a> {
    /// Reads debug information, which must fill `bytes` exactly. See the example of [`DebugInfoError`].
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
    ///
    /// ```
    /// use microhlo_format::{DEBUG_MAGIC, DebugInfo};
    ///
    /// // Debug information without taps, of an artifact with this checksum.
    /// let bytes = [&DEBUG_MAGIC[..], &0x1234_5678_u32.to_le_bytes(), &[0]].concat();
    /// let info = DebugInfo::parse(&bytes)?;
    /// assert!(info.describes(0x1234_5678) && !info.describes(0));
    /// assert_eq!(info.taps().count(), 0);
    /// # Ok::<(), microhlo_format::DebugInfoError>(())
    /// ```
    pub fn describes(&self, checksum: u32) -> bool {
        self.artifact == checksum
    }

    /// The taps, by rising number of their step. See the example of [`DebugInfo::describes`].
    pub fn taps(&self) -> ListIter<'a, Tap<'a>> {
        self.taps.iter()
    }
}

/// Encodes the debug information of an artifact.
///
/// ```
/// use microhlo_format::{ArtifactSpec, DType, DebugInfo, Header, Place, Tap, Tensor};
/// use microhlo_format::{encode, encode_debug};
///
/// let artifact = encode(&ArtifactSpec { arena_bytes: 16, ..ArtifactSpec::default() })?;
/// let dims = [4].into_iter().collect();
/// let tensor = Tensor { name: "%3".into(), dtype: DType::F32, dims, place: Place::arena(0) };
/// let (op, location) = ("stablehlo.tanh".into(), "model.mlir:4:8".into());
/// let bytes = encode_debug(&artifact, &[Tap { step: 2, op, location, tensor }])?;
///
/// let info = DebugInfo::parse(&bytes)?;
/// assert!(info.describes(Header::decode(&artifact)?.checksum));
/// let tap = info.taps().next().expect("a tap");
/// assert_eq!((tap.step, tap.op.as_str(), tap.tensor.byte_len()), (2, "stablehlo.tanh", Some(16)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
