//! Loading and running models.

use microhlo_format::{Artifact, Cursor, KernelId, List, Place, Region, Tensor as Declared};

use crate::error::{LoadError, RunError};
use crate::kernels::Memory;
use crate::load::{is_aligned, verify};
use crate::registry::Kernels;
use crate::tensor::{Tensor, TensorInfo, TensorMut};

/// A proved model. It refers to the artifact's bytes and holds no state of a run.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    artifact: Artifact<'a>,
    kernels: &'a Kernels,
}

/// What a step was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StepInfo {
    /// Number of the step.
    pub index: u32,
    /// The kernel that ran.
    pub kernel: KernelId,
}

impl<'a> Model<'a> {
    /// Proves an artifact with all kernels linked.
    ///
    /// `bytes` must start at a multiple of 16 and end with the artifact; see
    /// [`artifact_len`](crate::artifact_len) to cut it out of a flash partition.
    pub fn load(bytes: &'a [u8]) -> Result<Model<'a>, LoadError> {
        Model::load_with(bytes, Kernels::ALL)
    }

    /// Proves an artifact for a set of kernels; only those are linked.
    pub fn load_with(bytes: &'a [u8], kernels: &'a Kernels) -> Result<Model<'a>, LoadError> {
        if !is_aligned(bytes) {
            return Err(LoadError::Misaligned);
        }
        let artifact = Artifact::parse(bytes)?;
        verify(&artifact, kernels)?;
        Ok(Model { artifact, kernels })
    }

    /// Name of the model.
    pub fn name(&self) -> &'a str {
        self.artifact.manifest().name
    }

    /// Size of the arena that a run needs.
    pub fn arena_bytes(&self) -> usize {
        self.artifact.header().arena_bytes as usize
    }

    /// Number of steps of the program. A run takes as many, unless the program has control flow.
    pub fn step_count(&self) -> usize {
        self.artifact.program().len() as usize
    }

    /// Number of inputs.
    pub fn input_count(&self) -> usize {
        self.artifact.manifest().inputs.len()
    }

    /// Number of outputs.
    pub fn output_count(&self) -> usize {
        self.artifact.manifest().outputs.len()
    }

    /// Input `i`.
    pub fn input(&self, i: usize) -> Option<TensorInfo<'a>> {
        self.artifact.manifest().inputs.get(i).as_ref().map(info)
    }

    /// Output `i`.
    pub fn output(&self, i: usize) -> Option<TensorInfo<'a>> {
        self.artifact.manifest().outputs.get(i).as_ref().map(info)
    }

    /// The number of the input with this name.
    pub fn input_index(&self, name: &str) -> Option<usize> {
        position(&self.artifact.manifest().inputs, name)
    }

    /// The number of the output with this name.
    pub fn output_index(&self, name: &str) -> Option<usize> {
        position(&self.artifact.manifest().outputs, name)
    }

    /// Runs the model: one slice per input and output, of exactly its length.
    ///
    /// A model that loops for ever keeps the caller here; [`Model::start`] lets it bound a run.
    pub fn run(
        &self,
        arena: &mut [u8],
        inputs: &[&[u8]],
        outputs: &mut [&mut [u8]],
    ) -> Result<(), RunError> {
        let (needed, given) = (self.input_count(), inputs.len());
        if needed != given {
            return Err(RunError::InputCount { needed, given });
        }
        let (needed, given) = (self.output_count(), outputs.len());
        if needed != given {
            return Err(RunError::OutputCount { needed, given });
        }
        let mut run = self.start(arena)?;
        for (index, input) in inputs.iter().enumerate() {
            run.set_input(index, input)?;
        }
        while run.step()?.is_some() {}
        for (index, output) in outputs.iter_mut().enumerate() {
            let tensor = run.output(index)?;
            let (needed, given) = (tensor.bytes.len(), output.len());
            if !copy(output, tensor.bytes) {
                return Err(RunError::OutputSize { index, needed, given });
            }
        }
        Ok(())
    }

    /// Begins a run. The arena's contents do not matter.
    pub fn start<'m>(&'m self, arena: &'m mut [u8]) -> Result<Run<'m>, RunError> {
        let (needed, given) = (self.arena_bytes(), arena.len());
        let align = self.artifact.header().arena_align as usize;
        if needed != 0 && arena.as_ptr().addr() & align.wrapping_sub(1) != 0 {
            return Err(RunError::ArenaMisaligned { align });
        }
        match arena.get_mut(..needed) {
            Some(arena) => Ok(Run { model: self, arena, cursor: Cursor::default() }),
            None => Err(RunError::ArenaTooSmall { needed, given }),
        }
    }
}

fn info<'a>(tensor: &Declared<'a>) -> TensorInfo<'a> {
    let bytes = tensor.byte_len().unwrap_or(0);
    TensorInfo { name: tensor.name, dtype: tensor.dtype, dims: tensor.dims.clone(), bytes }
}

fn position<'a>(tensors: &List<'a, Declared<'a>>, name: &str) -> Option<usize> {
    tensors.iter().position(|tensor| tensor.name == name)
}

/// Copies when the lengths agree.
fn copy(to: &mut [u8], from: &[u8]) -> bool {
    if to.len() != from.len() {
        return false;
    }
    to.copy_from_slice(from);
    true
}

/// A run in progress.
#[derive(Debug)]
pub struct Run<'m> {
    model: &'m Model<'m>,
    arena: &'m mut [u8],
    cursor: Cursor,
}

impl<'m> Run<'m> {
    /// Input `i` in the arena, to be written before the first step.
    pub fn input_mut(&mut self, i: usize) -> Result<TensorMut<'_>, RunError> {
        if self.cursor != Cursor::default() {
            return Err(RunError::AlreadyStarted);
        }
        let missing = RunError::NoSuchTensor { index: i };
        let tensor = self.model.artifact.manifest().inputs.get(i).ok_or(missing)?;
        let info = info(&tensor);
        let bytes = part_mut(self.arena, tensor.place, info.bytes).ok_or(missing)?;
        Ok(TensorMut { info, bytes })
    }

    /// Copies input `i` into the arena.
    pub fn set_input(&mut self, i: usize, bytes: &[u8]) -> Result<(), RunError> {
        let tensor = self.input_mut(i)?;
        let (needed, given) = (tensor.bytes.len(), bytes.len());
        if copy(tensor.bytes, bytes) {
            Ok(())
        } else {
            Err(RunError::InputSize { index: i, needed, given })
        }
    }

    /// Runs one step; `None` when none is left.
    ///
    /// A model with loops may take any number of steps, also without end if its condition never
    /// fails: a caller that needs a bound counts them.
    pub fn step(&mut self) -> Result<Option<StepInfo>, RunError> {
        let artifact = &self.model.artifact;
        let index = self.cursor.index();
        let mut next = self.cursor;
        let Some(step) = artifact.program().next(&mut next) else {
            let all = index == artifact.program().len();
            return if all { Ok(None) } else { Err(RunError::Corrupted { step: index }) };
        };
        let corrupted = RunError::Corrupted { step: index };
        let kernels = self.model.kernels;
        let entry = kernels.kernel(step.kernel).ok_or(corrupted)?;
        #[cfg(feature = "defmt")]
        defmt::trace!("step {=u32} {}", index, step.kernel);
        let memory = Memory::new(artifact.constants(), self.arena, kernels.micro, next);
        memory.execute(entry, step.body).map_err(|_| corrupted)?;
        self.cursor = memory.next();
        Ok(Some(StepInfo { index, kernel: step.kernel }))
    }

    /// Whether all steps have run.
    pub fn is_finished(&self) -> bool {
        self.cursor.index() == self.model.artifact.program().len()
    }

    /// Output `i`, after the last step.
    pub fn output(&self, i: usize) -> Result<Tensor<'_>, RunError> {
        if !self.is_finished() {
            return Err(RunError::NotFinished);
        }
        let missing = RunError::NoSuchTensor { index: i };
        let artifact = &self.model.artifact;
        let tensor = artifact.manifest().outputs.get(i).ok_or(missing)?;
        let memory = match tensor.place.region {
            Region::Const => artifact.constants(),
            Region::Arena => &*self.arena,
        };
        let info = info(&tensor);
        let bytes = part(memory, tensor.place, info.bytes).ok_or(missing)?;
        Ok(Tensor { info, bytes })
    }
}

fn part(memory: &[u8], place: Place, len: usize) -> Option<&[u8]> {
    if len == 0 {
        return Some(&[]);
    }
    memory.get(place.offset as usize..)?.get(..len)
}

fn part_mut(memory: &mut [u8], place: Place, len: usize) -> Option<&mut [u8]> {
    if len == 0 {
        return Some(&mut []);
    }
    memory.get_mut(place.offset as usize..)?.get_mut(..len)
}
