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
    fn ticks(&mut self) -> u32;

    /// A step is about to run. One that waits for rows of an input starts again when there are more.
    fn step_start(&mut self, step: StepInfo) {
        let _ = step;
    }

    /// A step has run, in so many ticks of the clock.
    fn step_end(&mut self, step: StepInfo, ticks: u32) {
        let _ = (step, ticks);
    }

    /// The step that has just run completed a tensor, of which there is debug information.
    fn tensor(&mut self, step: StepInfo, tensor: &TensorTap<'_>) {
        let _ = (step, tensor);
    }
}

/// A tensor that a step has completed.
#[derive(Clone, Debug)]
pub struct TensorTap<'r> {
    number: u32,
    tap: Tap<'r>,
    tensor: Tensor<'r>,
}

impl<'r> TensorTap<'r> {
    /// Name, type, shape, elements and their range. The name is that of the value in the program after
    /// all passes.
    pub fn tensor(&self) -> &Tensor<'r> {
        &self.tensor
    }

    /// Its position among the taps of the debug information.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The operation that defines it, such as `stablehlo.convolution`.
    pub fn op(&self) -> &'r str {
        self.tap.op.as_str()
    }

    /// Where that is written, such as `model.mlir:14:10`; empty if it is not known.
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
