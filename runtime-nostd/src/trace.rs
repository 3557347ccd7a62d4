//! Watching a run: when steps start and end, and the tensors that they compute.
//!
//! A [`Tracer`] is called around the steps that [`Run::step_traced`] runs. [`Run::step`] knows nothing of
//! it, so firmware that does not trace is the same machine code as without this module.

use microhlo_format::{DebugInfo, ListIter, Tap};

use crate::error::RunError;
use crate::model::{Model, Run, StepInfo};
use crate::tensor::Tensor;

/// Watches a run.
///
/// ```
/// use microhlo::{StepInfo, TensorTap, Tracer};
///
/// /// Finds the step that takes longest.
/// struct Longest(Option<(StepInfo, u32)>);
///
/// impl Tracer for Longest {
///     fn ticks(&mut self) -> u32 {
///         0 // Here the cycle counter is read.
///     }
///
///     fn step_end(&mut self, step: StepInfo, ticks: u32) {
///         if self.0.is_none_or(|(_, most)| most < ticks) {
///             self.0 = Some((step, ticks));
///         }
///     }
/// }
/// ```
pub trait Tracer {
    /// The time, of any clock that goes up and wraps around: cycles, instructions, microseconds.
    ///
    /// See the example of [`Tracer`].
    fn ticks(&mut self) -> u32;

    /// A step is about to run. One that waits for rows of an input starts again when there are more.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model, StepInfo, Tracer};
    ///
    /// struct Last(Option<StepInfo>); // the step that a crash was in
    ///
    /// impl Tracer for Last {
    ///     fn ticks(&mut self) -> u32 { 0 }
    ///
    ///     fn step_start(&mut self, step: StepInfo) {
    ///         self.0 = Some(step);
    ///     }
    /// }
    ///
    /// let (model, mut arena, mut last) = (Model::load(AFFINE)?, Arena::<64>::new(), Last(None));
    /// model.run_traced(&mut arena.0, &[&[0; 16]], &mut [&mut [0; 16]], None, &mut last)?;
    /// assert_eq!(last.0.map(|step| step.index), Some(0));
    /// # Ok(())
    /// # }
    /// ```
    fn step_start(&mut self, step: StepInfo) {
        let _ = step;
    }

    /// A step has run, in so many ticks of the clock.
    ///
    /// See the example of [`Tracer`].
    fn step_end(&mut self, step: StepInfo, ticks: u32) {
        let _ = (step, ticks);
    }

    /// The step that has just run completed a tensor, of which there is debug information.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/debug.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model, StepInfo, TensorTap, Tracer};
    ///
    /// struct Names(Vec<String>);
    ///
    /// impl Tracer for Names {
    ///     fn ticks(&mut self) -> u32 { 0 }
    ///
    ///     fn tensor(&mut self, _: StepInfo, tap: &TensorTap<'_>) {
    ///         self.0.push(tap.tensor().info().name().to_owned());
    ///     }
    /// }
    ///
    /// # let debug = debug_info();
    /// let (model, mut arena, mut names) = (Model::load(AFFINE)?, Arena::<64>::new(), Names(vec![]));
    /// model.run_traced(&mut arena.0, &[&[0; 16]], &mut [&mut [0; 16]], Some(&debug), &mut names)?;
    /// assert_eq!(names.0, ["%y"]);
    /// # Ok(())
    /// # }
    /// ```
    fn tensor(&mut self, step: StepInfo, tensor: &TensorTap<'_>) {
        let _ = (step, tensor);
    }
}

/// A tensor that a step has completed.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/debug.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use microhlo::{Arena, Model};
///
/// # let debug = debug_info();
/// // `debug` is parsed from such a file as `microhlo compile --debug-info` writes.
/// let model = Model::load(AFFINE)?; // y = 2x + 1
/// let mut arena = Arena::<64>::new();
/// let mut run = model.start(&mut arena.0)?;
/// run.set_input(0, &[0; 16])?;
/// let step = run.step()?.expect("a step");
/// for tap in run.taps(step, Some(&debug)) {
///     assert_eq!((tap.number(), tap.op(), tap.location()), (0, "stablehlo.add", "affine.mlir:7:10"));
///     assert_eq!(tap.tensor().as_f32(), Some(&[1.0; 4][..]));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TensorTap<'r> {
    number: u32,
    tap: Tap<'r>,
    tensor: Tensor<'r>,
}

impl<'r> TensorTap<'r> {
    /// Name, type, shape, elements and their range. The name is that of the value in the program after
    /// all passes.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/debug.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use microhlo::{Arena, Model};
    /// # let (model, mut arena, debug) = (Model::load(AFFINE)?, Arena::<64>::new(), debug_info());
    /// # let mut run = model.start(&mut arena.0)?;
    /// # run.set_input(0, &[0; 16])?;
    /// let step = run.step()?.expect("a step");
    /// let tap = run.taps(step, Some(&debug)).next().expect("the tensor that it computes");
    /// assert_eq!(tap.tensor().info().name(), "%y");
    /// assert_eq!(tap.tensor().as_f32(), Some(&[1.0; 4][..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn tensor(&self) -> &Tensor<'r> {
        &self.tensor
    }

    /// Its position among the taps of the debug information.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/debug.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use microhlo::{Arena, Model};
    /// # let (model, mut arena, debug) = (Model::load(AFFINE)?, Arena::<64>::new(), debug_info());
    /// # let mut run = model.start(&mut arena.0)?;
    /// # run.set_input(0, &[0; 16])?;
    /// let step = run.step()?.expect("a step");
    /// let tap = run.taps(step, Some(&debug)).next().expect("the tensor that it computes");
    /// assert_eq!(tap.number(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The operation that defines it, such as `stablehlo.convolution`.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/debug.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use microhlo::{Arena, Model};
    /// # let (model, mut arena, debug) = (Model::load(AFFINE)?, Arena::<64>::new(), debug_info());
    /// # let mut run = model.start(&mut arena.0)?;
    /// # run.set_input(0, &[0; 16])?;
    /// let step = run.step()?.expect("a step");
    /// let tap = run.taps(step, Some(&debug)).next().expect("the tensor that it computes");
    /// assert_eq!(tap.op(), "stablehlo.add");
    /// # Ok(())
    /// # }
    /// ```
    pub fn op(&self) -> &'r str {
        self.tap.op.as_str()
    }

    /// Where that is written, such as `model.mlir:14:10`; empty if it is not known.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/debug.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use microhlo::{Arena, Model};
    /// # let (model, mut arena, debug) = (Model::load(AFFINE)?, Arena::<64>::new(), debug_info());
    /// # let mut run = model.start(&mut arena.0)?;
    /// # run.set_input(0, &[0; 16])?;
    /// let step = run.step()?.expect("a step");
    /// let tap = run.taps(step, Some(&debug)).next().expect("the tensor that it computes");
    /// assert_eq!(tap.location(), "affine.mlir:7:10");
    /// # Ok(())
    /// # }
    /// ```
    pub fn location(&self) -> &'r str {
        self.tap.location.as_str()
    }
}

/// The tensors that a step has completed.
struct Taps<'r> {
    run: &'r Run<'r>,
    step: u32,
    taps: Option<ListIter<'r, Tap<'r>>>,
    /// How many of them have been looked at.
    seen: u32,
}

impl<'r> Iterator for Taps<'r> {
    type Item = TensorTap<'r>;

    fn next(&mut self) -> Option<TensorTap<'r>> {
        loop {
            let tap = self.taps.as_mut()?.next()?;
            let number = self.seen;
            self.seen = number.saturating_add(1);
            if tap.step != self.step {
                continue;
            }
            // Others may follow one that lies nowhere.
            if let Some(tensor) = self.run.tapped(&tap.tensor) {
                return Some(TensorTap { number, tap, tensor });
            }
        }
    }
}

impl Run<'_> {
    /// The tensors that step `step` has completed, if it was the last one that ran, going by `debug`. There
    /// are none in debug information of another artifact.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/debug.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model};
    ///
    /// # let debug = debug_info();
    /// let model = Model::load(AFFINE)?;
    /// let mut arena = Arena::<64>::new();
    /// let mut run = model.start(&mut arena.0)?;
    /// let step = run.step()?.expect("a step");
    /// assert_eq!(run.taps(step, Some(&debug)).count(), 1);
    /// assert_eq!(run.taps(step, None).count(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn taps<'r>(
        &'r self,
        step: StepInfo,
        debug: Option<&DebugInfo<'r>>,
    ) -> impl Iterator<Item = TensorTap<'r>> {
        let debug = debug.filter(|debug| debug.describes(self.model().checksum));
        Taps { run: self, step: step.index, taps: debug.map(DebugInfo::taps), seen: 0 }
    }

    /// Runs one step as [`step_fed`](Run::step_fed) does, and tells a tracer of it: of the tensors that it
    /// computes, too, if there is debug information of the artifact.
    ///
    /// # Errors
    /// As [`step_fed`](Run::step_fed).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model, StepInfo, Tracer};
    ///
    /// struct Steps(usize);
    ///
    /// impl Tracer for Steps {
    ///     fn ticks(&mut self) -> u32 { 0 }
    ///
    ///     fn step_end(&mut self, _: StepInfo, _: u32) {
    ///         self.0 += 1;
    ///     }
    /// }
    ///
    /// let (model, mut arena, mut steps) = (Model::load(AFFINE)?, Arena::<64>::new(), Steps(0));
    /// let mut run = model.start(&mut arena.0)?;
    /// while run.step_traced(&[], None, &mut steps)?.is_some() {}
    /// assert_eq!(steps.0, model.step_count());
    /// # Ok(())
    /// # }
    /// ```
    pub fn step_traced<T: Tracer>(
        &mut self,
        rows: &[u8],
        debug: Option<&DebugInfo<'_>>,
        tracer: &mut T,
    ) -> Result<Option<StepInfo>, RunError> {
        if let Some(step) = self.next_step() {
            tracer.step_start(step);
        }
        let start = tracer.ticks();
        let result = self.step_fed(rows);
        let ticks = tracer.ticks().wrapping_sub(start);
        if let Ok(Some(step)) = result {
            tracer.step_end(step, ticks);
            for tensor in self.taps(step, debug) {
                tracer.tensor(step, &tensor);
            }
        }
        result
    }
}

impl Model<'_> {
    /// Runs the model as [`run`](Model::run) does, and tells a tracer of it.
    ///
    /// # Errors
    /// As [`run`](Model::run).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use microhlo::{Arena, Model, StepInfo, Tracer};
    ///
    /// struct Steps(usize);
    ///
    /// impl Tracer for Steps {
    ///     fn ticks(&mut self) -> u32 { 0 }
    ///
    ///     fn step_end(&mut self, _: StepInfo, _: u32) {
    ///         self.0 += 1;
    ///     }
    /// }
    ///
    /// let (model, mut arena, mut steps) = (Model::load(AFFINE)?, Arena::<64>::new(), Steps(0));
    /// model.run_traced(&mut arena.0, &[&[0; 16]], &mut [&mut [0; 16]], None, &mut steps)?;
    /// assert_eq!(steps.0, model.step_count());
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_traced<T: Tracer>(
        &self,
        arena: &mut [u8],
        inputs: &[&[u8]],
        outputs: &mut [&mut [u8]],
        debug: Option<&DebugInfo<'_>>,
        tracer: &mut T,
    ) -> Result<(), RunError> {
        let step = |run: &mut Run<'_>, rows: &[u8]| run.step_traced(rows, debug, tracer);
        self.complete(self.start(arena), inputs, outputs, step)
    }
}

/// A tracer that logs with `defmt`: steps with their ticks, and tensors with their ranges.
///
/// `clock` is read around every step, see [`Tracer::ticks`].
///
/// ```no_run
/// use microhlo::{DefmtTracer, Model, RunError};
///
/// fn logged(model: &Model, arena: &mut [u8], input: &[u8], scores: &mut [u8]) -> Result<(), RunError> {
///     // On a Cortex-M: `|| cortex_m::peripheral::DWT::cycle_count()`.
///     let mut tracer = DefmtTracer { clock: || 0 };
///     model.run_traced(arena, &[input], &mut [scores], None, &mut tracer)
/// }
/// ```
#[cfg(feature = "defmt")]
#[derive(Clone, Debug)]
pub struct DefmtTracer<C> {
    /// The clock.
    pub clock: C,
}

#[cfg(feature = "defmt")]
impl<C: FnMut() -> u32> Tracer for DefmtTracer<C> {
    fn ticks(&mut self) -> u32 {
        (self.clock)()
    }

    fn step_start(&mut self, step: StepInfo) {
        defmt::trace!("step {=u32} {} starts", step.index, step.kernel);
    }

    fn step_end(&mut self, step: StepInfo, ticks: u32) {
        defmt::debug!("step {=u32} {}: {=u32} ticks", step.index, step.kernel, ticks);
    }

    fn tensor(&mut self, step: StepInfo, tap: &TensorTap<'_>) {
        let tensor = tap.tensor();
        defmt::debug!(
            "step {=u32} {=str} {=str} {=[?]} {}: {}, {=str}",
            step.index,
            tensor.info().name(),
            tap.op(),
            tensor.dims(),
            tensor.dtype(),
            tensor.range(),
            tap.location()
        );
    }
}
