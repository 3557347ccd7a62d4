//! Where the values of a program lie whole in memory, and after which step: what can be looked at while it
//! runs.
//!
//! A value between fused operations has no memory, and one that only steps of a chain use never lies there
//! whole. Of values in regions there is one for each time that the region runs; they, and what operations
//! with regions of control flow return, are left out.

use std::collections::{HashMap, HashSet};

use microhlo_format::{AccessKind, ArtifactError, DType, Place, Tap, Tensor, encode_debug};

use crate::diag::{Source, Span};
use crate::ir::{Func, OpId, ValueId};
use crate::lower::program::{BufferId, Program};
use crate::ops::OpKind;

/// The values of a compiled program that lie whole in memory at some time.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, compile};
/// use microhlo_compiler::front;
/// use microhlo_format::DebugInfo;
///
/// let text = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
///   %0 = stablehlo.sine %x : tensor<4xf32>
///   return %0 : tensor<4xf32>
/// }";
/// let (source, module) = front::parse("sine.mlir", text)?;
/// let compiled = compile(&module, &CompileOptions::default())?;
/// let tap = &compiled.taps.values[0];
/// assert_eq!((tap.kind, tap.step, tap.ty().as_str()), ("stablehlo.sine", 0, "4xf32"));
/// assert_eq!(tap.location(&source), "sine.mlir:2:8");
/// // For firmware that shows the values while it runs.
/// let bytes = compiled.taps.debug_info(&source, &compiled.artifact)?;
/// assert!(DebugInfo::parse(&bytes).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Taps {
    /// The values, in the order of the steps that complete them.
    pub values: Vec<ValueTap>,
    /// How many values steps compute that run row by row, none of which is ever whole.
    pub by_rows: usize,
}

/// A value of the optimised function that lies whole in memory once a step has run. See the example of [`Taps`].
#[derive(Clone, Debug)]
pub struct ValueTap {
    /// The value.
    pub value: ValueId,
    /// The operation that defines it.
    pub op: OpId,
    /// Name of the operation, such as `stablehlo.add`.
    pub kind: &'static str,
    /// Where it is written.
    pub span: Span,
    /// Number of the step in the artifact.
    pub step: u32,
    /// The same among all steps that run, those of chains too: a position in [`Report::kernels`].
    ///
    /// [`Report::kernels`]: crate::compile::Report::kernels
    pub listed: u32,
    /// Element type.
    pub dtype: DType,
    /// Shape.
    pub dims: Vec<u32>,
    /// Where it lies.
    pub place: Place,
}

impl Taps {
    /// The taps of a program, of which `places` tells where its buffers lie.
    pub(crate) fn new(func: &Func, program: &Program, places: &HashMap<BufferId, Place>) -> Taps {
        let defined = straight(func);
        let uses = Uses::new(program);
        let mut taps = Taps::default();
        for &(buffer, value) in &program.values {
            let (Some(&op), Some(&place)) = (defined.get(&value), places.get(&buffer)) else {
                continue;
            };
            match uses.completed(program, buffer) {
                Completed::After(steps) => taps.values.extend(tap(func, (value, op), steps, place)),
                Completed::ByRows => taps.by_rows += 1,
                Completed::Unknown => {}
            }
        }
        taps.values.sort_by_key(|tap| tap.step);
        taps
    }

    /// The debug information of an artifact of the program, whose operations are written in `source`.
    /// See the example of [`Taps`].
    ///
    /// # Errors
    /// The bytes are no artifact.
    pub fn debug_info(&self, source: &Source, artifact: &[u8]) -> Result<Vec<u8>, ArtifactError> {
        let named = |tap: &ValueTap| (tap.value.to_string(), tap.location(source));
        let texts: Vec<(String, String)> = self.values.iter().map(named).collect();
        let taps = self.values.iter().zip(&texts);
        let taps: Vec<Tap<'_>> =
            taps.map(|(tap, (name, location))| tap.described(name, location)).collect();
        encode_debug(artifact, &taps)
    }
}

impl ValueTap {
    fn described<'a>(&self, name: &'a str, location: &'a str) -> Tap<'a> {
        Tap {
            step: self.step,
            op: self.kind.into(),
            location: location.into(),
            tensor: Tensor {
                name: name.into(),
                dtype: self.dtype,
                dims: self.dims.iter().copied().collect(),
                place: self.place,
            },
        }
    }

    /// Where the operation is written, as `FILE:LINE:COLUMN`; empty if that is not known.
    /// See the example of [`Taps`].
    pub fn location(&self, source: &Source) -> String {
        if self.span == Span::default() || source.text().is_empty() {
            return String::new();
        }
        let (line, column) = source.line_column(self.span.range().start);
        format!("{}:{line}:{column}", source.name())
    }

    /// Shape and element type as in StableHLO's tensor types, for example `1x8x8x1xf32`. See the example of [`Taps`].
    pub fn ty(&self) -> String {
        let dims: String = self.dims.iter().map(|dim| format!("{dim}x")).collect();
        dims + self.dtype.name()
    }
}

/// The results of operations that run exactly once, but for those of control flow.
fn straight(func: &Func) -> HashMap<ValueId, OpId> {
    let body = &func.body;
    let control =
        |op: OpId| matches!(body.ops[op].kind, OpKind::While(_) | OpKind::If(_) | OpKind::Case(_));
    let ops = body.blocks[body.entry].ops.iter().copied().filter(|&op| !control(op));
    ops.flat_map(|op| body.ops[op].results.iter().map(move |&value| (value, op))).collect()
}

fn tap(
    func: &Func,
    (value, op): (ValueId, OpId),
    [step, listed]: [u32; 2],
    place: Place,
) -> Option<ValueTap> {
    let ty = func.body.ty(value).tensor()?;
    let dims = ty.static_dims()?.into_iter().map(|dim| u32::try_from(dim).ok());
    let dims = dims.collect::<Option<Vec<u32>>>()?;
    if dims.len() > microhlo_format::MAX_TENSOR_RANK {
        return None;
    }
    let written = &func.body.ops[op];
    let (kind, span) = (written.kind.name(), written.span);
    Some(ValueTap { value, op, kind, span, step, listed, dtype: ty.dtype()?, dims, place })
}

/// When a buffer holds all of its value.
enum Completed {
    /// After this step of the artifact, and of all that run.
    After([u32; 2]),
    /// Never.
    ByRows,
    /// No step writes it: it lies where another buffer does.
    Unknown,
}

/// Which steps use buffers.
struct Uses {
    /// The last step that writes each buffer.
    written: HashMap<BufferId, usize>,
    /// The chain of each step, if it is in one.
    chains: Vec<Option<usize>>,
    /// Buffers that steps outside of the chain that writes them read.
    kept: HashSet<BufferId>,
    /// Number of each step in the artifact, and among all that run.
    numbers: Vec<[u32; 2]>,
}

impl Uses {
    fn new(program: &Program) -> Uses {
        let mut chains = vec![None; program.steps.len()];
        for (number, chain) in program.chains().enumerate() {
            chains[chain].fill(Some(number));
        }
        let mut written: HashMap<BufferId, usize> = HashMap::new();
        for (at, step) in program.steps.iter().enumerate() {
            for (kind, buffer) in Program::touched(step) {
                if kind == AccessKind::Write {
                    written.insert(buffer, at);
                }
            }
        }
        let mut kept: HashSet<BufferId> =
            program.outputs.iter().map(|output| output.place.buffer).collect();
        for (at, step) in program.steps.iter().enumerate() {
            for (_, buffer) in Program::touched(step) {
                let own = written.get(&buffer).is_some_and(|&last| chains[last] == chains[at]);
                if !own {
                    kept.insert(buffer);
                }
            }
        }
        Uses { written, numbers: numbers(program, &chains), chains, kept }
    }

    fn completed(&self, program: &Program, buffer: BufferId) -> Completed {
        let Some(&last) = self.written.get(&buffer) else { return Completed::Unknown };
        if program.steps[last].elided {
            return Completed::Unknown;
        }
        match self.chains[last].is_some() && !self.kept.contains(&buffer) {
            true => Completed::ByRows,
            false => Completed::After(self.numbers[last]),
        }
    }
}

/// Number of each step in the artifact, where a chain is one, and among all that run.
fn numbers(program: &Program, chains: &[Option<usize>]) -> Vec<[u32; 2]> {
    let [mut next, mut listed] = [0, 0];
    let mut numbers = Vec::with_capacity(chains.len());
    for (at, step) in program.steps.iter().enumerate() {
        let goes_on = at > 0 && chains[at].is_some() && chains[at] == chains[at - 1];
        if goes_on {
            numbers.push([next - 1, listed]);
        } else {
            numbers.push([next, listed]);
            next += u32::from(!step.elided);
        }
        listed += u32::from(!step.elided);
    }
    numbers
}
