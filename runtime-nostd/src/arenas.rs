//! Models that lie in several memories.

use microhlo_format::{ArenaEntry, MAX_ARENAS};

use crate::error::RunError;
use crate::model::{Model, Run, copy};

/// One of the arenas of a model: a memory that it needs, such as tightly coupled RAM.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use microhlo::Model;
///
/// let model = Model::load(AFFINE)?;
/// let arena = model.arena(0).expect("the only one");
/// assert_eq!(arena.name(), ""); // that of `microhlo compile --region DTCM=...` is "DTCM"
/// assert!(arena.byte_len() <= 64 && arena.align() <= 16);
/// assert_eq!(arena.constant_bytes(), 0); // they stay in flash
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArenaInfo {
    entry: ArenaEntry,
}

impl ArenaInfo {
    /// Name of the memory, as the compiler was told; empty for the arena of a model that has only one.
    ///
    /// See the example of [`ArenaInfo`].
    pub fn name(&self) -> &str {
        self.entry.name()
    }

    /// Size in bytes.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::Model;
    ///
    /// let model = Model::load(AFFINE)?;
    /// let total: usize = (0..model.arena_count()).filter_map(|i| model.arena(i)).map(|a| a.byte_len()).sum();
    /// assert_eq!(total, model.arena_bytes());
    /// # Ok(())
    /// # }
    /// ```
    pub fn byte_len(&self) -> usize {
        self.entry.bytes as usize
    }

    /// Alignment of its first byte.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model};
    ///
    /// let model = Model::load(AFFINE)?;
    /// assert!(model.arena(0).is_some_and(|arena| arena.align() <= align_of::<Arena<64>>()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn align(&self) -> usize {
        self.entry.align as usize
    }

    /// Bytes of constants at its end that [`Model::arenas`] copies there.
    ///
    /// See the example of [`ArenaInfo`].
    pub fn constant_bytes(&self) -> usize {
        self.entry.constants_bytes as usize
    }
}

/// The memories of a model that lies in several, with the constants that it has there. The model runs in
/// them as often as wanted.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use microhlo::{Arena, Model};
///
/// let model = Model::load(AFFINE)?;
/// // This model has one arena. One that was compiled with `--region DTCM=...` names what it needs where.
/// for index in 0..model.arena_count() {
///     let arena = model.arena(index).expect("it has so many");
///     println!("{}: {} bytes", arena.name(), arena.byte_len());
/// }
/// let mut memory = Arena::<64>::new();
/// let mut arenas = model.arenas([&mut memory.0[..]])?; // one per arena, in their order
/// for input in [[0_u8; 16], [1; 16]] {
///     let mut output = [0; 16];
///     arenas.run(&[&input], &mut [&mut output])?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Arenas<'m> {
    model: &'m Model<'m>,
    arenas: [&'m mut [u8]; MAX_ARENAS],
}

impl Model<'_> {
    /// Number of arenas; one, unless the model was compiled for several memories.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::Model;
    ///
    /// assert_eq!(Model::load(AFFINE)?.arena_count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn arena_count(&self) -> usize {
        self.memories.len()
    }

    /// What the model needs of arena `i`.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::Model;
    ///
    /// let model = Model::load(AFFINE)?;
    /// assert_eq!(model.arena(0).map(|arena| arena.byte_len()), Some(model.arena_bytes()));
    /// assert_eq!(model.arena(1), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn arena(&self, i: usize) -> Option<ArenaInfo> {
        self.memories.get(i).map(|entry| ArenaInfo { entry })
    }

    /// Takes the memories of the model, one slice per [arena](Model::arena) in their order, and copies the
    /// constants there that it keeps in them. Whatever else is in the arenas does not matter, but for
    /// states, see [`Model::start`].
    ///
    /// # Errors
    /// A memory is missing, too small or not aligned.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model, RunError};
    ///
    /// let model = Model::load(AFFINE)?;
    /// let (mut fast, mut large) = (Arena::<64>::new(), Arena::<64>::new());
    /// assert!(model.arenas([&mut fast.0[..]]).is_ok());
    /// let error = model.arenas([&mut fast.0[..], &mut large.0[..]]).err();
    /// assert_eq!(error, Some(RunError::ArenaCount { needed: 1, given: 2 }));
    /// # Ok(())
    /// # }
    /// ```
    pub fn arenas<'m>(
        &'m self,
        memories: impl IntoIterator<Item = &'m mut [u8]>,
    ) -> Result<Arenas<'m>, RunError> {
        let mut taken = self.filled_arenas(memories)?;
        taken.fill();
        Ok(taken)
    }

    /// Takes the memories as [`Model::arenas`] does, but copies nothing: that has copied the constants before.
    /// With it the memories need not stay borrowed between runs, as where models of one firmware run by turns.
    /// If the constants are not there any more, outputs are of no use; nothing worse comes of it.
    ///
    /// # Errors
    /// A memory is missing, too small or not aligned.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model};
    ///
    /// let model = Model::load(AFFINE)?;
    /// let (mut memory, mut output) = (Arena::<64>::new(), [0; 16]);
    /// model.arenas([&mut memory.0[..]])?; // copies the constants
    /// for input in [[0_u8; 16], [1; 16]] {
    ///     model.filled_arenas([&mut memory.0[..]])?.run(&[&input], &mut [&mut output])?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn filled_arenas<'m>(
        &'m self,
        memories: impl IntoIterator<Item = &'m mut [u8]>,
    ) -> Result<Arenas<'m>, RunError> {
        let count = self.arena_count();
        let mut given = 0_usize;
        let mut taken = Arenas { model: self, arenas: [&mut [], &mut [], &mut [], &mut []] };
        for arena in memories {
            let index = given;
            given = given.wrapping_add(1);
            let (Some(info), Some(slot)) = (self.arena(index), taken.arenas.get_mut(index)) else {
                continue;
            };
            let (needed, given, align) = (info.byte_len(), arena.len(), info.align());
            if needed != 0 && arena.as_ptr().addr() & align.wrapping_sub(1) != 0 {
                return Err(RunError::RegionMisaligned { index, align });
            }
            let small = RunError::RegionTooSmall { index, needed, given };
            *slot = arena.get_mut(..needed).ok_or(small)?;
        }
        if given == count { Ok(taken) } else { Err(RunError::ArenaCount { needed: count, given }) }
    }
}

impl<'m> Arenas<'m> {
    /// Copies the constants that the model keeps in its arenas, as [`Model::arenas`] has done.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model};
    ///
    /// let model = Model::load(AFFINE)?;
    /// let mut memory = Arena::<64>::new();
    /// // For memories that lose what they hold while the firmware sleeps.
    /// model.filled_arenas([&mut memory.0[..]])?.fill();
    /// # Ok(())
    /// # }
    /// ```
    pub fn fill(&mut self) {
        for (entry, arena) in self.model.memories.iter().zip(&mut self.arenas) {
            let start = entry.constants_offset as usize;
            let end = start.wrapping_add(entry.constants_bytes as usize);
            let constants = self.model.constants.get(start..end).unwrap_or(&[]);
            // The loader has made sure that they are as long as what is left of the arena.
            if let Some(to) = arena.get_mut(entry.writable_bytes() as usize..) {
                copy(to, constants);
            }
        }
    }

    /// Runs the model as [`Model::run`] does.
    ///
    /// # Errors
    /// An input or output is missing or has another length.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model};
    ///
    /// let model = Model::load(AFFINE)?; // y = 2x + 1
    /// let (mut memory, mut y) = (Arena::<64>::new(), [0; 16]);
    /// model.arenas([&mut memory.0[..]])?.run(&[&[0; 16]], &mut [&mut y])?;
    /// assert_eq!(y[..4], 1.0_f32.to_le_bytes());
    /// # Ok(())
    /// # }
    /// ```
    pub fn run(&mut self, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) -> Result<(), RunError> {
        let model = self.model;
        model.complete(Ok(self.start()), inputs, outputs, Run::step_fed)
    }

    /// Begins a run as [`Model::start`] does.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model};
    ///
    /// let model = Model::load(AFFINE)?; // y = 2x + 1
    /// let mut memory = Arena::<64>::new();
    /// let mut arenas = model.arenas([&mut memory.0[..]])?;
    /// let mut run = arenas.start();
    /// run.set_input(0, &[0; 16])?;
    /// while run.step()?.is_some() {}
    /// assert_eq!(run.output(0)?.as_f32(), Some(&[1.0; 4][..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn start(&mut self) -> Run<'_> {
        Run::new(self.model, self.arenas.each_mut().map(|arena| &mut **arena))
    }

    /// Begins a run that takes the memories along, for as long as they were given.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model, Run, RunError};
    ///
    /// fn begin<'m>(model: &'m Model<'m>, memory: &'m mut [u8]) -> Result<Run<'m>, RunError> {
    ///     Ok(model.arenas([memory])?.into_run())
    /// }
    /// let model = Model::load(AFFINE)?; // y = 2x + 1
    /// let mut memory = Arena::<64>::new();
    /// let mut run = begin(&model, &mut memory.0)?;
    /// run.set_input(0, &[0; 16])?;
    /// while run.step()?.is_some() {}
    /// assert_eq!(run.output(0)?.as_f32(), Some(&[1.0; 4][..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_run(self) -> Run<'m> {
        Run::new(self.model, self.arenas)
    }

    /// Makes every state of the model zero, as [`Model::reset`] does.
    ///
    /// # Errors
    /// None, if the model was loaded.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model};
    ///
    /// let model = Model::load(TOTAL)?; // adds its input to a state
    /// let (mut memory, mut total) = (Arena([0xff; 64]), [0; 16]);
    /// let mut arenas = model.arenas([&mut memory.0[..]])?;
    /// arenas.reset()?;
    /// arenas.run(&[&[0; 16], &[]], &mut [&mut total])?;
    /// assert_eq!(total, [0; 16]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn reset(&mut self) -> Result<(), RunError> {
        self.start().reset()
    }
}
