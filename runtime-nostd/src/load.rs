//! The proof that a program touches only memory it may touch.

use microhlo_format::{
    ALIGN, Access, AccessKind, Artifact, Cursor, List, Overlap, Place, Program, Region, Tensor,
};

use crate::error::{LoadError, StepError};
use crate::registry::{Kernels, Visitor};

/// Most operands of one step: those of a `scatter_any` with all its indices and scalars.
const MAX_OPERANDS: usize = 32;

/// Sizes of the memories that places refer to, by the code of the region.
#[derive(Clone, Copy)]
struct Memories {
    /// Bytes that may be read.
    bytes: [u32; 8],
    /// Bytes that may be written: those in front of the constants that an arena ends with.
    writable: [u32; 8],
}

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
    memories: Memories,
    kernels: &'a Kernels,
    program: &'a Program<'a>,
    next: Cursor,
    ranges: heapless::Vec<Range, MAX_OPERANDS>,
    error: Option<StepError>,
}

impl Visitor for StepProof<'_> {
    fn access(&mut self, access: Access<Place>) {
        let result = self.memories.range(&access).and_then(|range| match range {
            Some(range) => self.add(range),
            None => Ok(()),
        });
        if let Err(error) = result {
            self.refuse(error);
        }
    }

    fn program(&self) -> (&Program<'_>, Cursor) {
        (self.program, self.next)
    }

    fn linked(&self) -> &Kernels {
        self.kernels
    }

    fn refuse(&mut self, error: StepError) {
        self.error.get_or_insert(error);
    }

    fn forget(&mut self, all_but: usize) {
        self.ranges.truncate(all_but);
    }
}

impl Memories {
    fn of(artifact: &Artifact<'_>) -> Memories {
        // Only inputs have places in streams and states.
        let mut memories = Memories { bytes: [0; 8], writable: [0; 8] };
        memories.bytes[Region::Const as usize] = artifact.constants().len() as u32;
        for (arena, region) in artifact.arenas().iter().zip(Region::ARENAS) {
            memories.bytes[region as usize & 7] = arena.bytes;
            memories.writable[region as usize & 7] = arena.writable_bytes();
        }
        memories
    }

    /// The bytes that an access touches, inside its memory and aligned; `None` if it has none.
    fn range(self, access: &Access<Place>) -> Result<Option<Range>, StepError> {
        if access.start >= access.end {
            return Ok(None);
        }
        let Place { region, offset } = access.place;
        let limit = i64::from(self.bytes[region as usize & 7]);
        let start = i64::from(offset).saturating_add(access.start);
        let end = i64::from(offset).saturating_add(access.end);
        if start < 0 || end > limit || i64::from(offset) > limit {
            return Err(StepError::OutOfBounds);
        }
        if offset & u32::from(access.align).saturating_sub(1) != 0 {
            return Err(StepError::Misaligned);
        }
        let writable = i64::from(self.writable[region as usize & 7]);
        if access.kind != AccessKind::Read && end > writable {
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

/// Proves that every step of the artifact is safe to run with these kernels.
pub(crate) fn verify(artifact: &Artifact<'_>, kernels: &Kernels) -> Result<(), LoadError> {
    let memories = Memories::of(artifact);
    let base = artifact.header().program_offset;
    let program = artifact.program();
    let mut next = Cursor::default();
    loop {
        let index = next.index();
        let Some(step) = program.next(&mut next) else { break };
        let offset = base.saturating_add(step.offset as u32);
        let fail = |error| LoadError::Step { step: index, offset, error };
        let missing = fail(StepError::MissingKernel(step.kernel));
        let entry = kernels.kernel(step.kernel).ok_or(missing)?;
        let ranges = heapless::Vec::new();
        let mut proof = StepProof { memories, kernels, program, next, ranges, error: None };
        (entry.check)(step.body, &mut proof).map_err(fail)?;
        if let Some(error) = proof.error {
            return Err(fail(error));
        }
    }
    let manifest = artifact.manifest();
    if let Some(index) = memories.outside(manifest.inputs, AccessKind::Write) {
        return Err(LoadError::Input { index });
    }
    match memories.outside(manifest.outputs, AccessKind::Read) {
        Some(index) => Err(LoadError::Output { index }),
        None => Ok(()),
    }
}

impl Memories {
    /// The number of the first input or output that does not lie in memory.
    #[inline(never)]
    fn outside(self, tensors: List<'_, Tensor<'_>>, kind: AccessKind) -> Option<usize> {
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
    fn holds(self, tensor: &Tensor<'_>, kind: AccessKind) -> bool {
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

/// Whether a tensor that the artifact does not name lies in the memories of its model.
pub(crate) fn holds(artifact: &Artifact<'_>, tensor: &Tensor<'_>) -> bool {
    Memories::of(artifact).holds(tensor, AccessKind::Read)
}

/// Whether the bytes start at an address that keeps the constants aligned.
pub(crate) fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(ALIGN)
}
