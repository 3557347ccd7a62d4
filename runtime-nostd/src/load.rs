//! The proof that a program touches only memory it may touch.

use microhlo_format::{
    ALIGN, Access, AccessKind, Cursor, List, Overlap, Place, Program, Region, Tensor,
};

use crate::error::{LoadError, StepError};
use crate::model::Model;
use crate::registry::{Kernels, Visitor};

/// Most operands of one step: those of a `scatter_any` with all its indices and scalars.
const MAX_OPERANDS: usize = 32;

/// A checked byte range of one operand.
#[derive(Clone, Copy)]
struct Range {
    region: Region,
    kind: AccessKind,
    overlap: Overlap,
    start: u32,
    end: u32,
}

/// Collects and checks the operands of one step.
struct StepProof<'a> {
    model: &'a Model<'a>,
    next: Cursor,
    ranges: heapless::Vec<Range, MAX_OPERANDS>,
    error: Option<StepError>,
}

impl Visitor for StepProof<'_> {
    fn access(&mut self, access: Access<Place>) {
        let result = self.model.range(&access).and_then(|range| match range {
            Some(range) => self.add(range),
            None => Ok(()),
        });
        if let Err(error) = result {
            self.refuse(error);
        }
    }

    fn program(&self) -> (&Program<'_>, Cursor) {
        (&self.model.program, self.next)
    }

    fn linked(&self) -> &Kernels {
        self.model.kernels
    }

    fn refuse(&mut self, error: StepError) {
        self.error.get_or_insert(error);
    }

    fn forget(&mut self, all_but: usize) {
        self.ranges.truncate(all_but);
    }
}

impl Model<'_> {
    /// Bytes of a memory that may be read, and those of them that may be written: none behind which an
    /// arena ends with constants.
    fn limits(&self, region: Region) -> (u32, u32) {
        let arena = match region {
            Region::Const => return (self.constants.len() as u32, 0),
            // Only inputs have places in streams and states.
            Region::Stream | Region::State => None,
            _ => region.arena(),
        };
        let entry = arena.and_then(|arena| self.memories.get(arena));
        entry.map_or((0, 0), |entry| (entry.bytes, entry.writable_bytes()))
    }

    /// The bytes that an access touches, inside its memory and aligned; `None` if it has none.
    fn range(&self, access: &Access<Place>) -> Result<Option<Range>, StepError> {
        if access.start >= access.end {
            return Ok(None);
        }
        let Place { region, offset } = access.place;
        let (readable, writable) = self.limits(region);
        let limit = i64::from(readable);
        // Extents are of 32 bits, so that sums are far from those that wrap.
        let start = i64::from(offset).wrapping_add(access.start);
        let end = i64::from(offset).wrapping_add(access.end);
        if start < 0 || end > limit || i64::from(offset) > limit {
            return Err(StepError::OutOfBounds);
        }
        if offset & u32::from(access.align).saturating_sub(1) != 0 {
            return Err(StepError::Misaligned);
        }
        if access.kind != AccessKind::Read && end > i64::from(writable) {
            return Err(StepError::WritesConstant);
        }
        let (kind, overlap) = (access.kind, access.overlap);
        // Both fit: they lie between 0 and a section or arena size.
        Ok(Some(Range { region, kind, overlap, start: start as u32, end: end as u32 }))
    }
}

impl Range {
    /// Whether both may be operands of the same step.
    fn compatible(&self, other: &Range) -> bool {
        let disjoint =
            self.region != other.region || self.end <= other.start || other.end <= self.start;
        let reads = |range: &Range| range.kind == AccessKind::Read;
        let writes = |range: &Range| range.kind == AccessKind::Write;
        let (input, output) = if reads(self) { (self, other) } else { (other, self) };
        // Both start below 2^31.
        let behind = input.start.wrapping_sub(output.start) as i32;
        disjoint
            || (reads(input) && reads(output))
            || (reads(input)
                && writes(output)
                && output.overlap != Overlap::NEVER
                && input.overlap.allows(behind))
    }
}

impl StepProof<'_> {
    fn add(&mut self, range: Range) -> Result<(), StepError> {
        if !self.ranges.iter().all(|other| range.compatible(other)) {
            return Err(StepError::Overlap);
        }
        self.ranges.push(range).map_err(|_| StepError::TooManyOperands)
    }
}

/// Proves that every step of the model, the first of which is at `base` in the artifact, is safe to run
/// with its kernels.
pub(crate) fn verify(model: &Model<'_>, base: u32) -> Result<(), LoadError> {
    let program = &model.program;
    let mut next = Cursor::default();
    loop {
        let index = next.index();
        let Some(step) = program.next(&mut next) else { break };
        let offset = base.saturating_add(step.offset as u32);
        let fail = |error| LoadError::Step { step: index, offset, error };
        let Some(entry) = model.kernels.kernel(step.kernel) else {
            return Err(fail(StepError::MissingKernel(step.kernel)));
        };
        let ranges = heapless::Vec::new();
        let mut proof = StepProof { model, next, ranges, error: None };
        (entry.check)(step.body, &mut proof).map_err(fail)?;
        if let Some(error) = proof.error {
            return Err(fail(error));
        }
    }
    if let Some(index) = model.outside(model.inputs, AccessKind::Write) {
        return Err(LoadError::Input { index });
    }
    match model.outside(model.outputs, AccessKind::Read) {
        Some(index) => Err(LoadError::Output { index }),
        None => Ok(()),
    }
}

impl Model<'_> {
    /// The number of the first input or output that does not lie in memory.
    #[inline(never)]
    fn outside(&self, tensors: List<'_, Tensor<'_>>, kind: AccessKind) -> Option<usize> {
        let mut tensors = tensors.iter();
        let mut index = 0;
        // Looked at where they are decoded: moving each would take a copy.
        while let Some(tensor) = &tensors.next() {
            if !self.holds(tensor, kind) {
                return Some(index);
            }
            index += 1;
        }
        None
    }

    /// Whether an input or output lies in memory.
    pub(crate) fn holds(&self, tensor: &Tensor<'_>, kind: AccessKind) -> bool {
        let Some(bytes) = tensor.byte_len() else { return false };
        if (tensor.place.region, kind) == (Region::Stream, AccessKind::Write) {
            // Its rows go to a window, which is part of a step.
            return true;
        }
        let kept = (tensor.place.region, kind) == (Region::State, AccessKind::Write);
        let place = if kept { Place::arena(tensor.place.offset) } else { tensor.place };
        let access = Access {
            kind,
            place,
            start: 0,
            end: bytes as i64,
            align: tensor.dtype.align() as u8,
            overlap: Overlap::NEVER,
        };
        self.range(&access).is_ok()
    }
}

/// Whether the bytes start at an address that keeps the constants aligned.
pub(crate) fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(ALIGN)
}
