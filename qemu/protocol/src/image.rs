//! The image of jobs in the model partition.
//!
//! All numbers are little-endian `u32`. Offsets count from the image's start.
//!
//! | at | content |
//! |---|---|
//! | 0 | [`MAGIC`] |
//! | 8 | [`VERSION`] |
//! | 12 | length of the image in bytes |
//! | 16 | number of jobs |
//! | 20 | number of inputs of all jobs |
//! | 24 | per job: artifact offset, artifact length, cases, inputs per case, index of its first input, flags, debug information offset, its length |
//! | then | per input: offset, length |
//! | then | the bytes, each artifact and input at a multiple of [`ALIGNMENT`] |
//!
//! The inputs of a job follow each other case by case.

use crate::VERSION;

/// First bytes of an image.
pub const MAGIC: [u8; 8] = *b"MHLOJOBS";

/// Alignment of every artifact and input in bytes.
pub const ALIGNMENT: usize = 16;

/// Size of the header in bytes.
pub const HEADER: usize = 24;

/// Size of a job's record in bytes.
pub const JOB_RECORD: usize = 32;

/// Size of an input's record in bytes.
pub const INPUT_RECORD: usize = 8;

/// Flag of a job whose kernels are counted one by one.
pub const FLAG_PROFILE: u32 = 1;

/// An image that is not what it must be. See the example of [`Image`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageError {
    /// It does not start with [`MAGIC`].
    BadMagic,
    /// It has another version than [`VERSION`].
    BadVersion(u32),
    /// A record or its bytes lie outside the image.
    OutOfBounds,
}

/// An image in memory.
///
/// ```
/// use microhlo_protocol::VERSION;
/// use microhlo_protocol::image::{Image, ImageError, MAGIC};
///
/// // One job with one case of one input: header, record of the job, record of the input, bytes.
/// let mut bytes = MAGIC.to_vec();
/// for word in [VERSION, 96, 1, 1, 64, 16, 1, 1, 0, 0, 0, 0, 80, 16] {
///     bytes.extend(word.to_le_bytes());
/// }
/// bytes.extend([[0xaa; 16], [0xbb; 16]].concat());
/// let image = Image::parse(&bytes).expect("an image");
/// assert_eq!(image.jobs(), 1);
/// let job = image.job(0).expect("a job");
/// assert_eq!((job.artifact, job.cases, job.profile), (&[0xaa; 16][..], 1, false));
/// assert_eq!(job.input(0, 0), Ok(&[0xbb; 16][..]));
/// assert_eq!(job.input(1, 0), Err(ImageError::OutOfBounds));
/// assert!(matches!(Image::parse(b"MHLO"), Err(ImageError::BadMagic)));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    bytes: &'a [u8],
    jobs: u32,
    inputs: u32,
}

/// One job of an image. See the example of [`Image`].
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    image: Image<'a>,
    /// The artifact.
    pub artifact: &'a [u8],
    /// Number of cases.
    pub cases: u32,
    /// Number of inputs of each case.
    pub inputs: u32,
    /// Whether to count each kernel.
    pub profile: bool,
    /// Debug information that says which tensors to report; empty if none are.
    pub debug: &'a [u8],
    first_input: u32,
}

impl<'a> Image<'a> {
    /// Reads the header of the image at the start of `partition`. See the example of [`Image`].
    pub fn parse(partition: &'a [u8]) -> Result<Self, ImageError> {
        if partition.get(..MAGIC.len()) != Some(&MAGIC) {
            return Err(ImageError::BadMagic);
        }
        let [version, length, jobs, inputs] = words(partition, MAGIC.len())?;
        if version != VERSION {
            return Err(ImageError::BadVersion(version));
        }
        let bytes = partition.get(..length as usize).ok_or(ImageError::OutOfBounds)?;
        Ok(Self { bytes, jobs, inputs })
    }

    /// Number of jobs. See the example of [`Image`].
    pub fn jobs(&self) -> u32 {
        self.jobs
    }

    /// The job of that index. See the example of [`Image`].
    pub fn job(&self, index: u32) -> Result<Job<'a>, ImageError> {
        if index >= self.jobs {
            return Err(ImageError::OutOfBounds);
        }
        let at = record(HEADER, index, JOB_RECORD)?;
        let [offset, length, cases, inputs, first_input, flags, debug, debug_length] =
            words(self.bytes, at)?;
        Ok(Job {
            image: *self,
            artifact: self.blob(offset, length)?,
            cases,
            inputs,
            profile: flags & FLAG_PROFILE != 0,
            debug: self.blob(debug, debug_length)?,
            first_input,
        })
    }

    fn blob(&self, offset: u32, length: u32) -> Result<&'a [u8], ImageError> {
        let start = offset as usize;
        let end = start.checked_add(length as usize).ok_or(ImageError::OutOfBounds)?;
        self.bytes.get(start..end).ok_or(ImageError::OutOfBounds)
    }
}

impl<'a> Job<'a> {
    /// Input `input` of case `case`, both counted from 0. See the example of [`Image`].
    pub fn input(&self, case: u32, input: u32) -> Result<&'a [u8], ImageError> {
        let index = case
            .checked_mul(self.inputs)
            .and_then(|n| n.checked_add(input))
            .and_then(|n| n.checked_add(self.first_input))
            .filter(|n| input < self.inputs && case < self.cases && *n < self.image.inputs)
            .ok_or(ImageError::OutOfBounds)?;
        let table = record(HEADER, self.image.jobs, JOB_RECORD)?;
        let [offset, length] = words(self.image.bytes, record(table, index, INPUT_RECORD)?)?;
        self.image.blob(offset, length)
    }
}

/// Where record `index` of a table at `base` starts.
fn record(base: usize, index: u32, size: usize) -> Result<usize, ImageError> {
    (index as usize)
        .checked_mul(size)
        .and_then(|n| n.checked_add(base))
        .ok_or(ImageError::OutOfBounds)
}

/// Reads `N` little-endian words.
fn words<const N: usize>(bytes: &[u8], at: usize) -> Result<[u32; N], ImageError> {
    let end = at.checked_add(N * 4).ok_or(ImageError::OutOfBounds)?;
    let source = bytes.get(at..end).ok_or(ImageError::OutOfBounds)?;
    let mut words = [0; N];
    for (word, chunk) in words.iter_mut().zip(source.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*chunk);
    }
    Ok(words)
}
