//! Adapter to the runtime: everything the runner needs of a model.
//!
//! Without a runtime linked, loading an artifact is an error.

use core::fmt;
use core::marker::PhantomData;
use microhlo_protocol::Message;
use microhlo_protocol::image::ImageError;

/// A loaded artifact.
pub struct Model<'a>(PhantomData<&'a [u8]>);

/// A run in progress.
pub struct Run<'m>(PhantomData<&'m ()>);

/// Why a job fails.
#[derive(Debug)]
pub enum Error {
    /// The runner has no runtime.
    NoRuntime,
    /// The job's inputs are not in the image.
    Image(ImageError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuntime => f.write_str("this runner is built without the runtime"),
            Self::Image(error) => write!(f, "{error:?}"),
        }
    }
}

pub fn load(_artifact: &[u8]) -> Result<Model<'_>, Error> {
    Err(Error::NoRuntime)
}

pub fn describe(_model: &Model<'_>) -> Message<'static> {
    Message::Loaded { arena_bytes: 0, steps: 0, inputs: 0, outputs: 0 }
}

pub fn start<'m>(
    _model: &'m Model<'_>,
    _arena: &'m mut [u8],
    _inputs: u32,
) -> Result<Run<'m>, Error> {
    Err(Error::NoRuntime)
}

impl Run<'_> {
    pub fn set_input(&mut self, _index: u32, _bytes: &[u8]) -> Result<(), Error> {
        Err(Error::NoRuntime)
    }

    pub fn step(&mut self) -> Result<Option<(u32, u32)>, Error> {
        Err(Error::NoRuntime)
    }

    pub fn outputs(&self, _each: impl FnMut(u32, &[u8])) -> Result<(), Error> {
        Err(Error::NoRuntime)
    }
}
