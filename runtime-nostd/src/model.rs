//! Loading and running models.

use microhlo_format::kernels::Chain;
use microhlo_format::{
    AccessKind, Arenas, Artifact, Cursor, KernelId, List, MAX_ARENAS, Place, Program, Region,
    Tensor as Declared, Text,
};

use crate::error::{LoadError, RunError};
use crate::kernels::{Feeding, Memory, Regions};
use crate::load::{is_aligned, verify};
use crate::registry::Kernels;
use crate::tensor::{Tensor, TensorInfo, TensorMut};

/// A proved model. It refers to the artifact's bytes and holds no state of a run.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use microhlo::{Arena, DType, Model};
///
/// let model = Model::load(AFFINE)?; // y = 2x + 1
/// assert_eq!((model.name(), model.input_count(), model.output_count()), ("affine", 1, 1));
/// let input = model.input(0).expect("the input");
/// assert_eq!((input.dtype(), input.dims(), input.byte_len()), (DType::F32, &[4][..], 16));
///
/// let mut arena = Arena::<64>::new();
/// assert!(model.arena_bytes() <= 64);
/// let input = [0.0_f32, 0.5, 1.0, 1.5].map(f32::to_le_bytes);
/// let mut output = [0; 16];
/// model.run(&mut arena.0, &[input.as_flattened()], &mut [&mut output])?;
/// let (elements, _) = output.as_chunks();
/// assert_eq!([1.0, 2.0, 3.0, 4.0].map(f32::to_le_bytes), elements);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    name: Text<'a>,
    /// Of the artifact, which debug information tells apart by it.
    pub(crate) checksum: u32,
    pub(crate) inputs: List<'a, Declared<'a>>,
    pub(crate) outputs: List<'a, Declared<'a>>,
    pub(crate) program: Program<'a>,
    pub(crate) constants: &'a [u8],
    pub(crate) memories: Arenas<'a>,
    pub(crate) kernels: &'a Kernels,
}

/// What a step was.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use microhlo::{Arena, KernelId, Model};
///
/// let model = Model::load(AFFINE)?;
/// let mut arena = Arena::<64>::new();
/// let step = model.start(&mut arena.0)?.step()?.expect("a step");
/// assert_eq!((step.index, step.kernel), (0, KernelId::map));
/// # Ok(())
/// # }
/// ```
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
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{LoadError, Model};
    ///
    /// let model = Model::load(AFFINE)?; // in flash, aligned
    /// assert_eq!(model.name(), "affine");
    /// assert_eq!(Model::load(&AFFINE[1..]).err(), Some(LoadError::Misaligned));
    /// # Ok(())
    /// # }
    /// ```
    pub fn load(bytes: &'a [u8]) -> Result<Model<'a>, LoadError> {
        Model::load_with(bytes, Kernels::ALL)
    }

    /// Proves an artifact for a set of kernels; only those are linked.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Kernels, LoadError, Model, StepError};
    ///
    /// // The compiler writes such a list for a model: `microhlo compile --emit rust`.
    /// static KERNELS: Kernels = Kernels {
    ///     kernels: &[microhlo::kernels::map::ENTRY],
    ///     micro: &[microhlo::micro::add::F32, microhlo::micro::multiply::F32],
    /// };
    /// Model::load_with(AFFINE, &KERNELS)?;
    ///
    /// // What is not linked is missed at once, and by name.
    /// static TOO_FEW: Kernels = Kernels { kernels: KERNELS.kernels, micro: &[] };
    /// let refused = Model::load_with(AFFINE, &TOO_FEW);
    /// assert!(matches!(
    ///     refused,
    ///     Err(LoadError::Step { step: 0, error: StepError::MissingMicro(_), .. })
    /// ));
    /// # Ok(())
    /// # }
    /// ```
    pub fn load_with(bytes: &'a [u8], kernels: &'a Kernels) -> Result<Model<'a>, LoadError> {
        if !is_aligned(bytes) {
            return Err(LoadError::Misaligned);
        }
        let artifact = Artifact::parse(bytes)?;
        // What runs need: the rest of the artifact's description is several times as large.
        let manifest = artifact.manifest();
        let loaded = Ok(Model {
            name: manifest.name,
            checksum: artifact.header().checksum,
            inputs: manifest.inputs,
            outputs: manifest.outputs,
            program: *artifact.program(),
            constants: artifact.constants(),
            memories: artifact.arenas(),
            kernels,
        });
        // Looked at where the result is: a model is large to move.
        if let Ok(model) = &loaded
            && let Err(error) = verify(model, artifact.header().program_offset)
        {
            return Err(error);
        }
        loaded
    }

    /// Name of the model.
    ///
    /// See the example of [`Model`].
    pub fn name(&self) -> &'a str {
        self.name.as_str()
    }

    /// Size of the arena that a run needs; of the first, if the model has [several](Model::arena).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model};
    ///
    /// let model = Model::load(AFFINE)?;
    /// let mut arena = Arena::<64>::new();
    /// assert!(model.arena_bytes() <= 64);
    /// let used = &mut arena.0[..model.arena_bytes()]; // the rest is free for other things
    /// assert!(model.start(used).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn arena_bytes(&self) -> usize {
        self.memories.first().bytes as usize
    }

    /// Number of steps of the program. A run takes as many, unless the program has control flow.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::Model;
    ///
    /// // The compiler has made one step of a multiplication and an addition.
    /// assert_eq!(Model::load(AFFINE)?.step_count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn step_count(&self) -> usize {
        self.program.len() as usize
    }

    /// Number of inputs.
    ///
    /// See the example of [`Model`].
    pub fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// Number of outputs.
    ///
    /// See the example of [`Model`].
    pub fn output_count(&self) -> usize {
        self.outputs.len()
    }

    /// Input `i`.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{DType, Model};
    ///
    /// let model = Model::load(AFFINE)?;
    /// assert_eq!(model.input(0).map(|input| input.dtype()), Some(DType::F32));
    /// assert_eq!(model.input(1), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn input(&self, i: usize) -> Option<TensorInfo<'a>> {
        self.inputs.get(i).map(info)
    }

    /// Output `i`.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::Model;
    ///
    /// let model = Model::load(AFFINE)?;
    /// assert_eq!(model.output(0).map(|output| output.byte_len()), Some(16));
    /// assert_eq!(model.output(1), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn output(&self, i: usize) -> Option<TensorInfo<'a>> {
        self.outputs.get(i).map(info)
    }

    /// The number of the input with this name.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::Model;
    ///
    /// let model = Model::load(TOTAL)?;
    /// assert_eq!(model.input_index("in1"), Some(1)); // the compiler's name, where the program gives none
    /// assert_eq!(model.input_index("before"), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn input_index(&self, name: &str) -> Option<usize> {
        position(&self.inputs, name)
    }

    /// The number of the output with this name.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::Model;
    ///
    /// let model = Model::load(AFFINE)?;
    /// assert_eq!(model.output_index("out0"), Some(0));
    /// assert_eq!(model.output_index("in0"), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn output_index(&self, name: &str) -> Option<usize> {
        position(&self.outputs, name)
    }

    /// Runs the model: one slice per input and output, of exactly its length.
    ///
    /// The slice of an input or output that is a [state](TensorInfo::is_state) may be empty instead:
    /// the input then is what the last run left.
    ///
    /// A model that loops for ever keeps the caller here; [`Model::start`] lets it bound a run.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model, RunError};
    ///
    /// let model = Model::load(AFFINE)?; // y = 2x + 1
    /// let (mut arena, mut y) = (Arena::<64>::new(), [0; 16]);
    /// model.run(&mut arena.0, &[&[0; 16]], &mut [&mut y])?;
    /// assert_eq!(y, *[1.0_f32; 4].map(f32::to_le_bytes).as_flattened());
    ///
    /// let short = model.run(&mut arena.0, &[&[0; 12]], &mut [&mut y]);
    /// assert_eq!(short, Err(RunError::InputSize { index: 0, needed: 16, given: 12 }));
    /// # Ok(())
    /// # }
    /// ```
    pub fn run(
        &self,
        arena: &mut [u8],
        inputs: &[&[u8]],
        outputs: &mut [&mut [u8]],
    ) -> Result<(), RunError> {
        self.complete(self.start(arena), inputs, outputs, Run::step_fed)
    }

    /// Takes a run that has just begun to its end, by `step`.
    pub(crate) fn complete<'m>(
        &self,
        run: Result<Run<'m>, RunError>,
        inputs: &[&[u8]],
        outputs: &mut [&mut [u8]],
        mut step: impl FnMut(&mut Run<'m>, &[u8]) -> Result<Option<StepInfo>, RunError>,
    ) -> Result<(), RunError> {
        let (needed, given) = (self.input_count(), inputs.len());
        if needed != given {
            return Err(RunError::InputCount { needed, given });
        }
        let (needed, given) = (self.output_count(), outputs.len());
        if needed != given {
            return Err(RunError::OutputCount { needed, given });
        }
        let mut run = run?;
        let mut rows: &[u8] = &[];
        for (index, input) in inputs.iter().enumerate() {
            if input.is_empty() && self.input(index).is_some_and(|info| info.is_state()) {
                continue;
            }
            match run.set_input(index, input) {
                Err(RunError::Streamed { .. }) => rows = self.whole(index, input)?,
                result => result?,
            }
        }
        while step(&mut run, rows)?.is_some() {}
        for (index, output) in outputs.iter_mut().enumerate() {
            if output.is_empty() && self.is_kept(index) {
                continue;
            }
            let tensor = run.output(index)?;
            let (needed, given) = (tensor.bytes.len(), output.len());
            if !copy(output, tensor.bytes) {
                return Err(RunError::OutputSize { index, needed, given });
            }
        }
        Ok(())
    }

    /// All bytes of an input that is fed.
    fn whole<'b>(&self, index: usize, input: &'b [u8]) -> Result<&'b [u8], RunError> {
        let (needed, given) = (self.input(index).map_or(0, |info| info.bytes), input.len());
        if needed == given { Ok(input) } else { Err(RunError::InputSize { index, needed, given }) }
    }

    /// Whether an output is what a state will be in the next run.
    fn is_kept(&self, output: usize) -> bool {
        let place = self.outputs.get(output).map(|tensor| tensor.place);
        let state = |input: Declared<'_>| Some(Place::arena(input.place.offset)) == place;
        self.inputs.iter().any(|input| input.place.region == Region::State && state(input))
    }

    /// Makes every state of the model zero: what it needs before its first run, unless the inputs are set
    /// then. Other bytes of the arena stay as they are.
    ///
    /// # Errors
    /// The arena is too small or not aligned.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model};
    ///
    /// let model = Model::load(TOTAL)?; // adds its input to a state
    /// assert!(model.input(1).expect("the state").is_state());
    /// let mut arena = Arena::<64>::new();
    /// model.reset(&mut arena.0)?;
    /// let (one, mut total) = ([1.0_f32; 4].map(f32::to_le_bytes), [0; 16]);
    /// for run in 1..=3 {
    ///     // Without bytes the state is what the last run left.
    ///     model.run(&mut arena.0, &[one.as_flattened(), &[]], &mut [&mut total])?;
    ///     assert_eq!(total[..4], (run as f32).to_le_bytes());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn reset(&self, arena: &mut [u8]) -> Result<(), RunError> {
        self.start(arena)?.reset()
    }

    /// Begins a run. The arena's contents do not matter, but for the model's states, if it has any: these
    /// are what the last run in this arena left. Models that were compiled to share an arena leave each
    /// other's states alone.
    ///
    /// # Errors
    /// The arena is too small or not aligned, or the model lies in [several](Model::arenas).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model, RunError};
    ///
    /// let model = Model::load(AFFINE)?;
    /// let mut arena = Arena::<64>::new();
    /// let run = model.start(&mut arena.0)?;
    /// assert!(!run.is_finished());
    /// let error = model.start(&mut arena.0[1..]).err(); // not aligned
    /// assert!(matches!(error, Some(RunError::ArenaMisaligned { .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn start<'m>(&'m self, arena: &'m mut [u8]) -> Result<Run<'m>, RunError> {
        if self.memories.has_table() {
            return Err(RunError::ArenaCount { needed: self.arena_count(), given: 1 });
        }
        let (needed, given) = (self.arena_bytes(), arena.len());
        let align = self.memories.first().align as usize;
        if needed != 0 && arena.as_ptr().addr() & align.wrapping_sub(1) != 0 {
            return Err(RunError::ArenaMisaligned { align });
        }
        match arena.get_mut(..needed) {
            Some(arena) => Ok(Run::new(self, [arena, &mut [], &mut [], &mut []])),
            None => Err(RunError::ArenaTooSmall { needed, given }),
        }
    }
}

#[inline(always)]
fn info(tensor: Declared<'_>) -> TensorInfo<'_> {
    let bytes = tensor.byte_len().unwrap_or(0);
    TensorInfo { tensor, bytes }
}

fn position<'a>(tensors: &List<'a, Declared<'a>>, name: &str) -> Option<usize> {
    tensors.iter().position(|tensor| tensor.name == name.into())
}

/// Copies when the lengths agree.
pub(crate) fn copy(to: &mut [u8], from: &[u8]) -> bool {
    if to.len() != from.len() {
        return false;
    }
    to.copy_from_slice(from);
    true
}

/// A run in progress.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use microhlo::{Arena, Model, RunError};
///
/// let model = Model::load(AFFINE)?; // y = 2x + 1
/// let mut arena = Arena::<64>::new();
/// let mut run = model.start(&mut arena.0)?;
/// run.input_mut(0)?.as_f32_mut().expect("floats").fill(3.0);
/// assert_eq!(run.output(0).err(), Some(RunError::NotFinished));
/// while let Some(step) = run.step()? {
///     // Other work may be done here.
///     println!("step {} ran {}", step.index, step.kernel.name());
/// }
/// assert_eq!(run.output(0)?.as_f32(), Some(&[7.0; 4][..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Run<'m> {
    model: &'m Model<'m>,
    regions: Regions<'m>,
    cursor: Cursor,
    /// Whether the step at the cursor has begun: rows of an input were fed to it, or its function failed.
    begun: bool,
    /// Bytes of it.
    fed: usize,
}

impl<'m> Run<'m> {
    /// A run in arenas that are as long and aligned as the model needs.
    pub(crate) fn new(model: &'m Model<'m>, arenas: [&'m mut [u8]; MAX_ARENAS]) -> Run<'m> {
        let regions = Regions::new(model.constants, arenas);
        Run { model, regions, cursor: Cursor::default(), begun: false, fed: 0 }
    }

    /// Makes every state zero.
    pub(crate) fn reset(mut self) -> Result<(), RunError> {
        for i in 0..self.model.input_count() {
            if self.model.input(i).is_some_and(|info| info.is_state()) {
                self.input_mut(i)?.bytes.fill(0);
            }
        }
        Ok(())
    }

    /// Input `i` in the arena, to be written before the first step.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model, RunError};
    ///
    /// let model = Model::load(AFFINE)?;
    /// let mut arena = Arena::<64>::new();
    /// let mut run = model.start(&mut arena.0)?;
    /// run.input_mut(0)?.as_f32_mut().expect("floats").fill(3.0);
    /// assert_eq!(run.input_mut(1).err(), Some(RunError::NoSuchTensor { index: 1 }));
    /// run.step()?;
    /// assert_eq!(run.input_mut(0).err(), Some(RunError::AlreadyStarted));
    /// # Ok(())
    /// # }
    /// ```
    pub fn input_mut(&mut self, i: usize) -> Result<TensorMut<'_>, RunError> {
        if self.begun || self.cursor != Cursor::default() {
            return Err(RunError::AlreadyStarted);
        }
        let missing = RunError::NoSuchTensor { index: i };
        let tensor = self.model.inputs.get(i).ok_or(missing)?;
        if tensor.place.region == Region::Stream {
            return Err(RunError::Streamed { index: i });
        }
        let info = info(tensor);
        let bytes = self.regions.input(info.tensor.place, info.bytes);
        Ok(TensorMut { info, bytes })
    }

    /// Copies input `i` into the arena.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model, RunError};
    ///
    /// let model = Model::load(AFFINE)?;
    /// let mut arena = Arena::<64>::new();
    /// let mut run = model.start(&mut arena.0)?;
    /// run.set_input(0, [3.0_f32; 4].map(f32::to_le_bytes).as_flattened())?;
    /// assert_eq!(run.set_input(0, &[]), Err(RunError::InputSize { index: 0, needed: 16, given: 0 }));
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model};
    ///
    /// let model = Model::load(AFFINE)?;
    /// let mut arena = Arena::<64>::new();
    /// let mut run = model.start(&mut arena.0)?;
    /// run.set_input(0, &[0; 16])?;
    /// let mut steps = 0;
    /// while run.step()?.is_some() {
    ///     steps += 1;
    /// }
    /// assert_eq!(steps, model.step_count());
    /// # Ok(())
    /// # }
    /// ```
    pub fn step(&mut self) -> Result<Option<StepInfo>, RunError> {
        self.step_fed(&[])
    }

    /// Gives the next rows of an input that the model was compiled to take row by row, and computes what
    /// they make possible. Returns how many rows there is room for then; none once the input is complete,
    /// and [`step`](Run::step) goes on.
    ///
    /// Any number of rows may be given, up to those that are left; with more than there was room for, the
    /// call takes longer.
    ///
    /// # Errors
    /// The next step does not take rows, or these are not whole rows or too many.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model, Run, RunError};
    ///
    /// // Feeds rows of 64 bytes as a camera has them, until the image is complete.
    /// fn take(run: &mut Run<'_>, mut camera: impl FnMut() -> [u8; 64]) -> Result<(), RunError> {
    ///     while run.feed(&camera())? > 0 {}
    ///     Ok(())
    /// }
    ///
    /// let model = Model::load(AFFINE)?; // was not compiled to take rows
    /// let mut arena = Arena::<64>::new();
    /// assert_eq!(take(&mut model.start(&mut arena.0)?, || [0; 64]), Err(RunError::NotFed));
    /// # Ok(())
    /// # }
    /// ```
    pub fn feed(&mut self, rows: &[u8]) -> Result<u32, RunError> {
        let mut next = self.cursor;
        let step = self.model.program.next(&mut next);
        let chain = step.filter(|step| step.kernel == KernelId::rows);
        let chain = chain.and_then(|step| Chain::parse(step.body)).ok_or(RunError::NotFed)?;
        let feed = chain.feed.ok_or(RunError::NotFed)?;
        let (row, given) = (feed.row_bytes as usize, rows.len());
        let fed = if self.begun { self.fed } else { 0 };
        let left = row.wrapping_mul(chain.fed_rows() as usize).saturating_sub(fed);
        if given > left || given.checked_rem(row) != Some(0) {
            return Err(RunError::RowSize { row, left, given });
        }
        match self.step_fed(rows) {
            Err(RunError::Unfed { rows }) => {
                self.fed = fed.wrapping_add(given);
                Ok(rows)
            }
            result => result.map(|_| 0),
        }
    }

    /// Runs one step as [`step`](Run::step) does. If it takes rows of an input, these are the ones that it
    /// has not been fed yet, as for [`feed`](Run::feed).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model, Run, RunError};
    ///
    /// // Ends a run, of which the rows `left` of an image have not been fed yet.
    /// fn finish(run: &mut Run<'_>, left: &[u8]) -> Result<(), RunError> {
    ///     while run.step_fed(left)?.is_some() {}
    ///     Ok(())
    /// }
    ///
    /// let model = Model::load(AFFINE)?;
    /// let mut arena = Arena::<64>::new();
    /// let mut run = model.start(&mut arena.0)?;
    /// finish(&mut run, &[])?; // no input of this model is fed
    /// assert!(run.is_finished());
    /// # Ok(())
    /// # }
    /// ```
    pub fn step_fed(&mut self, rows: &[u8]) -> Result<Option<StepInfo>, RunError> {
        let program = &self.model.program;
        let index = self.cursor.index();
        let mut next = self.cursor;
        let Some(step) = program.next(&mut next) else {
            let all = index == program.len();
            return if all { Ok(None) } else { Err(RunError::Corrupted { step: index }) };
        };
        let corrupted = RunError::Corrupted { step: index };
        let kernels = self.model.kernels;
        let entry = kernels.kernel(step.kernel).ok_or(corrupted)?;
        let feeding = Feeding { rows, resumes: self.begun, ..Feeding::default() };
        let memory = Memory::new(&mut self.regions, kernels, next, &feeding);
        memory.execute(entry, step.body).map_err(|_| corrupted)?;
        let next = memory.next();
        if let Some(error) = feeding.stop.into_inner() {
            self.begun = true;
            return Err(error);
        }
        self.begun = false;
        self.cursor = next;
        Ok(Some(StepInfo { index, kernel: step.kernel }))
    }

    /// The model.
    pub(crate) fn model(&self) -> &'m Model<'m> {
        self.model
    }

    /// The step that is next; none if there is none, or it does not decode any more.
    pub(crate) fn next_step(&self) -> Option<StepInfo> {
        let index = self.cursor.index();
        let mut next = self.cursor;
        let step = self.model.program.next(&mut next)?;
        Some(StepInfo { index, kernel: step.kernel })
    }

    /// A tensor of debug information; none if it does not lie in memory.
    pub(crate) fn tapped<'r>(&'r self, tensor: &Declared<'r>) -> Option<Tensor<'r>> {
        let info = info(tensor.clone());
        let bytes = match info.bytes {
            0 => &[],
            _ if self.model.holds(tensor, AccessKind::Read) => {
                self.regions.output(tensor.place, info.bytes)
            }
            _ => return None,
        };
        Some(Tensor { info, bytes })
    }

    /// Whether all steps have run.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model};
    ///
    /// let model = Model::load(AFFINE)?; // has one step
    /// let mut arena = Arena::<64>::new();
    /// let mut run = model.start(&mut arena.0)?;
    /// assert!(!run.is_finished());
    /// run.step()?;
    /// assert!(run.is_finished());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_finished(&self) -> bool {
        self.cursor.index() == self.model.program.len()
    }

    /// Output `i`, after the last step.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model, RunError};
    ///
    /// let model = Model::load(AFFINE)?; // y = 2x + 1
    /// let mut arena = Arena::<64>::new();
    /// let mut run = model.start(&mut arena.0)?;
    /// run.set_input(0, &[0; 16])?;
    /// while run.step()?.is_some() {}
    /// assert_eq!(run.output(0)?.as_f32(), Some(&[1.0; 4][..]));
    /// assert_eq!(run.output(1).err(), Some(RunError::NoSuchTensor { index: 1 }));
    /// # Ok(())
    /// # }
    /// ```
    pub fn output(&self, i: usize) -> Result<Tensor<'_>, RunError> {
        if !self.is_finished() {
            return Err(RunError::NotFinished);
        }
        let Some(tensor) = self.model.outputs.get(i) else {
            return Err(RunError::NoSuchTensor { index: i });
        };
        let info = info(tensor);
        let bytes = self.regions.output(info.tensor.place, info.bytes);
        Ok(Tensor { info, bytes })
    }
}
