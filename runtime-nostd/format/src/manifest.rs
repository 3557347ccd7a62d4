//! The manifest: what an artifact computes, for callers and tools.
//!
//! It is one postcard-encoded structure. The reader walks it in place, so that its lists need no
//! memory.

use serde::Serialize;

use crate::kernels::Decode;
use crate::{ArtifactError, DType, Field, Fields, KernelId, MicroId, Place, Text};

/// Largest number of dimensions of an input or output.
pub const MAX_TENSOR_RANK: usize = 8;

/// An input or output of the model. See the example of [`Artifact`](crate::Artifact).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tensor<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// Element type.
    pub dtype: DType,
    /// Sizes of its dimensions, outermost first; the layout is dense row-major.
    pub dims: heapless::Vec<u32, MAX_TENSOR_RANK>,
    /// Where it lies: an input before the first step, an output after the last.
    pub place: Place,
}

impl Tensor<'_> {
    /// Size in bytes, or `None` when it exceeds 2^31 - 1. See the example of [`Artifact`](crate::Artifact).
    pub fn byte_len(&self) -> Option<usize> {
        let mut bytes = self.dtype.size() as u64;
        for &dim in &self.dims {
            bytes = bytes.checked_mul(u64::from(dim)).filter(|&b| b <= i32::MAX as u64)?;
        }
        Some(bytes as usize)
    }
}

/// A list in the manifest, decoded while iterating. See the example of [`Artifact`](crate::Artifact).
#[derive(Debug)]
pub struct List<'a, T> {
    count: usize,
    bytes: &'a [u8],
    element: core::marker::PhantomData<fn() -> T>,
}

// Not derived: a list is copied without copying elements.
impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<'_, T> {}

impl<'a, T: Field<'a>> List<'a, T> {
    /// A list of elements that have been decoded once.
    pub(crate) fn new(count: usize, bytes: &'a [u8]) -> List<'a, T> {
        List { count, bytes, element: core::marker::PhantomData }
    }

    /// Number of elements. See the example of [`Artifact`](crate::Artifact).
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none. See the example of [`Artifact`](crate::Artifact).
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The elements in order. See the example of [`Artifact`](crate::Artifact).
    pub fn iter(&self) -> ListIter<'a, T> {
        ListIter(*self)
    }

    /// Element `i`, found by decoding those before it. See the example of [`Artifact`](crate::Artifact).
    pub fn get(&self, i: usize) -> Option<T> {
        self.iter().nth(i)
    }
}

impl<'a, T: Field<'a>> IntoIterator for List<'a, T> {
    type Item = T;
    type IntoIter = ListIter<'a, T>;

    fn into_iter(self) -> ListIter<'a, T> {
        ListIter(self)
    }
}

/// Iterator over a [`List`]. See the example of [`Artifact`](crate::Artifact).
#[derive(Clone, Debug)]
pub struct ListIter<'a, T>(List<'a, T>);

impl<'a, T: Field<'a>> Iterator for ListIter<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let rest = self.0.count.checked_sub(1)?;
        // The parser has decoded every element once, so the bytes are known to be well-formed.
        let mut fields = Fields::new(self.0.bytes);
        let element = fields.take();
        (self.0.count, self.0.bytes) = (rest, fields.rest());
        fields.good().then_some(element)
    }
}

/// A checked manifest. See the example of [`Artifact`](crate::Artifact).
#[derive(Clone, Copy, Debug)]
pub struct Manifest<'a> {
    /// Name of the model.
    pub name: Text<'a>,
    /// Name and version of the compiler.
    pub compiler: Text<'a>,
    /// Largest sum of the sizes of live buffers at any step: no plan of this schedule is smaller.
    pub arena_lower_bound_bytes: u32,
    /// Multiply-accumulate operations of one inference, padding taps included.
    pub macs: u64,
    /// Inputs in order.
    pub inputs: List<'a, Tensor<'a>>,
    /// Outputs in order.
    pub outputs: List<'a, Tensor<'a>>,
    /// Codes of the kernels that the program runs, ascending, see [`KernelId`].
    pub kernels: List<'a, u16>,
    /// Micro-operations that the kernels call, ascending.
    pub micro: List<'a, MicroId>,
}

impl<'a> Field<'a> for Tensor<'a> {
    #[inline(never)]
    fn take(fields: &mut Fields<'a>) -> Tensor<'a> {
        let (name, dtype) = (fields.take(), fields.take());
        let mut dims = heapless::Vec::new();
        dims.decode(fields);
        Tensor { name, dtype, dims, place: fields.take() }
    }
}

/// Reads values from the manifest section one after another.
struct Reader<'a> {
    section: &'a [u8],
    fields: Fields<'a>,
    base: usize,
}

impl<'a> Reader<'a> {
    fn offset(&self) -> usize {
        self.base + self.section.len().saturating_sub(self.fields.left())
    }

    /// A list whose elements pass a check. Nothing but where it starts is kept of one that does not.
    fn list<T: Field<'a>>(
        &mut self,
        check: impl Fn(&T) -> bool,
    ) -> Result<List<'a, T>, ArtifactError> {
        let count: u32 = self.fields.take();
        let start = self.fields.rest();
        for _ in 0..count {
            let offset = self.offset();
            let element = self.fields.take();
            if !self.fields.good() {
                return Err(ArtifactError::BadManifest { offset });
            }
            if !check(&element) {
                return Err(ArtifactError::TensorTooLarge { offset });
            }
        }
        let bytes = start.get(..start.len().saturating_sub(self.fields.left())).unwrap_or(&[]);
        Ok(List::new(count as usize, bytes))
    }
}

impl<'a> Manifest<'a> {
    /// Decodes and checks the manifest section, which starts at `base` in the file.
    pub(crate) fn parse(section: &'a [u8], base: usize) -> Result<Manifest<'a>, ArtifactError> {
        let mut reader = Reader { section, fields: Fields::new(section), base };
        let fits = |tensor: &Tensor<'a>| tensor.byte_len().is_some();
        let manifest = Manifest {
            name: reader.fields.take(),
            compiler: reader.fields.take(),
            arena_lower_bound_bytes: reader.fields.take(),
            macs: reader.fields.take(),
            inputs: reader.list(fits)?,
            outputs: reader.list(fits)?,
            kernels: reader.list(|_| true)?,
            micro: reader.list(|_| true)?,
        };
        if reader.fields.good() && reader.fields.rest().is_empty() {
            Ok(manifest)
        } else {
            Err(ArtifactError::BadManifest { offset: reader.offset() })
        }
    }

    /// The kernels that the program runs, without those that this build does not know.
    /// See the example of [`Artifact`](crate::Artifact).
    pub fn kernel_ids(&self) -> impl Iterator<Item = KernelId> + 'a {
        self.kernels.iter().filter_map(KernelId::from_code)
    }
}
