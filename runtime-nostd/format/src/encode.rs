//! Encoding of artifacts, and decoding into owned data, for the host.

use core::ops::Range;
use std::collections::BTreeSet;
use std::string::String;
use std::vec::Vec;

use crate::header::seal;
use crate::kernels::Chain;
use crate::rows::Stage;
use crate::{
    ALIGN, ARENA_ENTRY_BYTES, ArenaEntry, Artifact, ArtifactError, DType, Features, HEADER_BYTES,
    Header, Kernel, KernelId, MAX_TENSOR_RANK, MicroId, Place, Target, Tensor, VERSION_MAJOR,
    VERSION_MINOR,
};

/// Everything that an artifact holds. See the example of [`encode`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArtifactSpec {
    /// Name of the model.
    pub name: String,
    /// Name and version of the compiler.
    pub compiler: String,
    /// Inputs in order.
    pub inputs: Vec<TensorSpec>,
    /// Outputs in order.
    pub outputs: Vec<TensorSpec>,
    /// Steps in order.
    pub steps: Vec<Kernel<Place>>,
    /// The constant section.
    pub constants: Vec<u8>,
    /// Size of the arena in bytes.
    pub arena_bytes: u32,
    /// The table of arenas: none if there is only the one of `arena_bytes`, which else is the first.
    pub arenas: Vec<ArenaEntry>,
    /// Largest live set of the schedule in bytes.
    pub arena_lower_bound_bytes: u32,
    /// Target features needed beyond those that the kernels imply.
    pub features: Features,
}

/// An input or output. See the example of [`encode`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Sizes of its dimensions, outermost first.
    pub dims: Vec<u32>,
    /// Where it lies: an input before the first step, an output after the last.
    pub place: Place,
}

/// Why an artifact cannot be encoded.
///
/// ```
/// use microhlo_format::kernels::Branch;
/// use microhlo_format::{ArtifactSpec, EncodeError, Kernel, Target, encode};
///
/// // A branch to a step that does not exist.
/// let branch = Branch { predicate: None, when: true, target: Target::step(7) };
/// let spec = ArtifactSpec { steps: vec![Kernel::branch(branch)], ..ArtifactSpec::default() };
/// assert_eq!(encode(&spec), Err(EncodeError::Target { step: 7 }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// An input or output has more dimensions than a manifest can hold.
    Rank {
        /// Its name.
        name: String,
        /// Its number of dimensions.
        rank: usize,
    },
    /// Control flow continues at a step that the program does not have.
    Target {
        /// Number of the step.
        step: u32,
    },
    /// A chain is not followed by its steps, or one of them branches or is a chain.
    Chain {
        /// Number of the `rows` step.
        step: u32,
    },
    /// The artifact would exceed 2^31 - 1 bytes.
    TooLarge,
    /// Serialisation failed.
    Postcard(postcard::Error),
}

impl core::fmt::Display for EncodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            EncodeError::Rank { name, rank } => write!(
                f,
                "`{name}` has {rank} dimensions; an artifact's inputs and outputs have at most \
                 {MAX_TENSOR_RANK}"
            ),
            EncodeError::Target { step } => write!(f, "a target is step {step}, which is missing"),
            EncodeError::Chain { step } => {
                write!(f, "the chain at step {step} is not followed by plain steps for its stages")
            }
            EncodeError::TooLarge => f.write_str("the artifact exceeds 2 GiB"),
            EncodeError::Postcard(error) => write!(f, "encoding failed: {error}"),
        }
    }
}

impl std::error::Error for EncodeError {}

impl From<postcard::Error> for EncodeError {
    fn from(error: postcard::Error) -> EncodeError {
        EncodeError::Postcard(error)
    }
}

/// Encodes an artifact. The kernels', micro-operations' and MAC entries of its manifest are
/// derived from the steps.
///
/// ```
/// use microhlo_format::{ArtifactSpec, DType, Features, Place, TensorSpec, decode, encode};
///
/// // A program without steps, whose output is its input.
/// let port = |name: &str| TensorSpec {
///     name: name.to_owned(),
///     dtype: DType::F32,
///     dims: vec![2, 3],
///     place: Place::arena(0),
/// };
/// let spec = ArtifactSpec {
///     name: "identity".to_owned(),
///     inputs: vec![port("x")],
///     outputs: vec![port("y")],
///     arena_bytes: 24,
///     features: Features::default(),
///     ..ArtifactSpec::default()
/// };
/// assert_eq!(decode(&encode(&spec)?)?, spec);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encode(spec: &ArtifactSpec) -> Result<Vec<u8>, EncodeError> {
    let blocks = blocks(&spec.steps)?;
    let program = encode_program(&spec.steps, &blocks)?;
    let manifest = encode_manifest(spec)?;
    let program_start = HEADER_BYTES + spec.arenas.len() * ARENA_ENTRY_BYTES;
    let program_end = program_start + program.len();
    let manifest_end = program_end + manifest.len();
    let constants_offset = manifest_end.next_multiple_of(ALIGN);
    let total = constants_offset + spec.constants.len();
    if total > i32::MAX as usize {
        return Err(EncodeError::TooLarge);
    }
    let header = Header {
        major: VERSION_MAJOR,
        minor: VERSION_MINOR,
        total_bytes: total as u32,
        checksum: 0,
        features: spec.features.union(implied_features(&spec.steps)),
        arena_bytes: spec.arena_bytes,
        arena_align: ALIGN as u32,
        program_offset: program_start as u32,
        program_bytes: program.len() as u32,
        manifest_offset: program_end as u32,
        manifest_bytes: manifest.len() as u32,
        constants_offset: constants_offset as u32,
        constants_bytes: spec.constants.len() as u32,
        steps: blocks.len() as u32,
        arenas: spec.arenas.len() as u32,
    };
    let mut bytes = Vec::with_capacity(total);
    bytes.extend_from_slice(&header.encode());
    bytes.extend(spec.arenas.iter().flat_map(ArenaEntry::encode));
    bytes.extend_from_slice(&program);
    bytes.extend_from_slice(&manifest);
    bytes.resize(constants_offset, 0);
    bytes.extend_from_slice(&spec.constants);
    seal(&mut bytes);
    Ok(bytes)
}

/// Target features that a program needs because of its kernels.
fn implied_features(steps: &[Kernel<Place>]) -> Features {
    let packed =
        |step: &Kernel<Place>| matches!(step.id(), KernelId::conv_f32 | KernelId::depthwise_f32);
    let late = |step: &Kernel<Place>| matches!(step, Kernel::rows(rows) if rows.stages.iter().any(Stage::settles_late));
    let needed = |some: bool, feature: Features| if some { feature } else { Features::default() };
    needed(steps.iter().any(packed), Features::F32_BLOCK8)
        .union(needed(steps.iter().any(late), Features::LATE_ROWS))
}

/// The steps of the artifact: a chain with those that it runs is one.
fn blocks(steps: &[Kernel<Place>]) -> Result<Vec<Range<usize>>, EncodeError> {
    let mut blocks = Vec::new();
    let mut start = 0;
    while let Some(step) = steps.get(start) {
        let within = match step {
            Kernel::rows(rows) => rows.steps(),
            _ => 0,
        };
        let end = start + 1 + within;
        let inner = steps.get(start + 1..end).unwrap_or_default();
        let plain = |step: &Kernel<Place>| step.targets().is_empty() && step.id() != KernelId::rows;
        if inner.len() != within || !inner.iter().all(plain) {
            return Err(EncodeError::Chain { step: start as u32 });
        }
        blocks.push(start..end);
        start = end;
    }
    Ok(blocks)
}

fn encode_program(
    steps: &[Kernel<Place>],
    blocks: &[Range<usize>],
) -> Result<Vec<u8>, EncodeError> {
    let offsets = step_offsets(steps, blocks)?;
    let number = |target: Target| {
        let at = |block: &Range<usize>| block.start == target.step as usize;
        let end = (target.step as usize == steps.len()).then_some(blocks.len());
        blocks.iter().position(at).or(end).ok_or(EncodeError::Target { step: target.step })
    };
    let mut bytes = Vec::new();
    for block in blocks {
        let mut steps = steps.get(block.clone()).unwrap_or_default().to_vec();
        for target in steps.iter_mut().flat_map(Kernel::targets_mut) {
            let step = number(*target)?;
            let offset = offsets.get(step).copied();
            *target = Target {
                step: step as u32,
                offset: offset.ok_or(EncodeError::Target { step: target.step })?,
            };
        }
        encode_block(&steps, &mut bytes)?;
    }
    Ok(bytes)
}

/// Appends a step, whose parameters are followed by the steps that it runs.
fn encode_block(steps: &[Kernel<Place>], bytes: &mut Vec<u8>) -> Result<(), EncodeError> {
    let Some((first, inner)) = steps.split_first() else { return Ok(()) };
    let mut body = first.encode()?;
    for step in inner {
        encode_step(step.id(), &step.encode()?, &mut body)?;
    }
    encode_step(first.id(), &body, bytes)
}

fn encode_step(id: KernelId, body: &[u8], bytes: &mut Vec<u8>) -> Result<(), EncodeError> {
    let len = u32::try_from(body.len()).map_err(|_| EncodeError::TooLarge)?;
    *bytes = postcard::to_extend(&(id as u16, len), core::mem::take(bytes))?;
    bytes.extend_from_slice(body);
    Ok(())
}

/// Where every step starts, and where the last one ends; no target changes that.
fn step_offsets(steps: &[Kernel<Place>], blocks: &[Range<usize>]) -> Result<Vec<u32>, EncodeError> {
    let mut bytes = Vec::new();
    let mut offsets = Vec::with_capacity(blocks.len() + 1);
    for block in blocks {
        offsets.push(u32::try_from(bytes.len()).map_err(|_| EncodeError::TooLarge)?);
        encode_block(steps.get(block.clone()).unwrap_or_default(), &mut bytes)?;
    }
    offsets.push(u32::try_from(bytes.len()).map_err(|_| EncodeError::TooLarge)?);
    Ok(offsets)
}

fn tensors(specs: &[TensorSpec]) -> Result<Vec<Tensor<'_>>, EncodeError> {
    let tensor = |spec: &'_ TensorSpec| {
        let rank = || EncodeError::Rank { name: spec.name.clone(), rank: spec.dims.len() };
        heapless::Vec::from_slice(&spec.dims).map_err(|_| rank())
    };
    specs
        .iter()
        .map(|spec| {
            let dims = tensor(spec)?;
            Ok(Tensor {
                name: spec.name.as_str().into(),
                dtype: spec.dtype,
                dims,
                place: spec.place,
            })
        })
        .collect()
}

fn encode_manifest(spec: &ArtifactSpec) -> Result<Vec<u8>, EncodeError> {
    let mut kernels = BTreeSet::new();
    let mut micro: BTreeSet<MicroId> = BTreeSet::new();
    let mut macs = 0u64;
    for step in &spec.steps {
        kernels.insert(step.id() as u16);
        step.micro_ops(&mut |id| {
            micro.insert(id);
        });
        macs = macs.saturating_add(step.macs());
    }
    let manifest = (
        (&spec.name, &spec.compiler),
        (spec.arena_lower_bound_bytes, macs),
        (tensors(&spec.inputs)?, tensors(&spec.outputs)?),
        (kernels, micro),
    );
    Ok(postcard::to_stdvec(&manifest)?)
}

/// Decodes a step and those that it runs.
fn decode_block(id: KernelId, body: &[u8], steps: &mut Vec<Kernel<Place>>) -> Option<()> {
    if id != KernelId::rows {
        steps.push(Kernel::decode(id, body).ok()?);
        return Some(());
    }
    let (params, chain) = Chain::params(body)?;
    let first = steps.len();
    steps.push(Kernel::decode(id, params).ok()?);
    let mut at = 0;
    while at < chain.steps.len() {
        let (id, body, next) = chain.step(at)?;
        steps.push(Kernel::decode(id, body).ok()?);
        at = next;
    }
    match steps.get(first) {
        Some(Kernel::rows(rows)) if rows.steps() == steps.len() - first - 1 => Some(()),
        _ => None,
    }
}

/// Decodes an artifact into owned data: the inverse of [`encode`], which fills in the offsets of
/// targets. See the example of [`encode`].
pub fn decode(bytes: &[u8]) -> Result<ArtifactSpec, ArtifactError> {
    let artifact = Artifact::parse(bytes)?;
    let manifest = artifact.manifest();
    let base = artifact.header().program_offset as usize;
    let mut steps: Vec<Kernel<Place>> = Vec::new();
    // The number of each step of the artifact among all, and that of the end.
    let mut numbers = Vec::new();
    for (i, step) in artifact.program().iter().enumerate() {
        let bad = ArtifactError::BadStep { step: i as u32, offset: base + step.offset };
        numbers.push(steps.len() as u32);
        decode_block(step.kernel, step.body, &mut steps).ok_or(bad)?;
    }
    numbers.push(steps.len() as u32);
    for target in steps.iter_mut().flat_map(Kernel::targets_mut) {
        let number = numbers.get(target.step as usize).copied();
        *target = Target::step(number.unwrap_or(target.step));
    }
    let tensor = |tensor: Tensor<'_>| TensorSpec {
        name: String::from(tensor.name.as_str()),
        dtype: tensor.dtype,
        dims: tensor.dims.to_vec(),
        place: tensor.place,
    };
    let implied = implied_features(&steps);
    Ok(ArtifactSpec {
        name: String::from(manifest.name.as_str()),
        compiler: String::from(manifest.compiler.as_str()),
        inputs: manifest.inputs.iter().map(tensor).collect(),
        outputs: manifest.outputs.iter().map(tensor).collect(),
        steps,
        constants: artifact.constants().to_vec(),
        arena_bytes: artifact.header().arena_bytes,
        arenas: match artifact.arenas().has_table() {
            true => artifact.arenas().iter().collect(),
            false => Vec::new(),
        },
        arena_lower_bound_bytes: manifest.arena_lower_bound_bytes,
        features: Features(artifact.header().features.0 & !implied.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Rows;

    #[test]
    fn readers_have_to_know_of_rows_that_wait() {
        for (settles, ends, feature) in [
            (true, true, Features::LATE_ROWS),
            (true, false, Features::default()),
            (false, true, Features::default()),
        ] {
            let stage = Stage {
                rows: 8,
                strip: 2,
                lead: 0,
                capacity: 4,
                operands: [255; 2],
                settles,
                ends,
            };
            let chain = Rows {
                stages: [stage].into_iter().collect(),
                state: Place::arena(0),
                sums: None,
                feed: None,
            };
            assert_eq!(implied_features(&[Kernel::rows(chain)]), feature);
        }
    }
}
