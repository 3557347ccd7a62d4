//! What to compile and how.

use std::fmt;
use std::str::FromStr;

use crate::chains;
use crate::plan;
use crate::regions::{Memories, Others};
use crate::schedule;

/// The processor that kernels are chosen and constants are laid out for.
///
/// ```
/// use microhlo_compiler::compile::Target;
///
/// assert_eq!("cortex-m4f".parse(), Ok(Target::CortexM4f));
/// let error = "z80".parse::<Target>().unwrap_err();
/// assert!(error.contains("unknown target `z80`; known are host, cortex-m0"));
/// assert_eq!(Target::default(), Target::Host);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// This computer.
    #[default]
    Host,
    /// Arm Cortex-M0: no unaligned access, no division, no FPU.
    CortexM0,
    /// Arm Cortex-M3, no FPU.
    CortexM3,
    /// Arm Cortex-M4 with single-precision FPU.
    CortexM4f,
    /// Arm Cortex-M7 with FPU; kernels use its single precision.
    CortexM7,
    /// Arm Cortex-M33 with DSP extension and single-precision FPU.
    CortexM33,
    /// Arm Cortex-M55 with MVE and FPU.
    CortexM55,
    /// RISC-V RV32IMAC, no FPU.
    Rv32imac,
}

impl Target {
    /// All targets.
    pub const ALL: [Target; 8] = [
        Target::Host,
        Target::CortexM0,
        Target::CortexM3,
        Target::CortexM4f,
        Target::CortexM7,
        Target::CortexM33,
        Target::CortexM55,
        Target::Rv32imac,
    ];

    /// The name on the command line and in board files.
    ///
    /// ```
    /// use microhlo_compiler::compile::Target;
    ///
    /// let names = Target::ALL.map(Target::name);
    /// assert!(names.contains(&"cortex-m55") && names.contains(&"rv32imac"));
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Target::Host => "host",
            Target::CortexM0 => "cortex-m0",
            Target::CortexM3 => "cortex-m3",
            Target::CortexM4f => "cortex-m4f",
            Target::CortexM7 => "cortex-m7",
            Target::CortexM33 => "cortex-m33",
            Target::CortexM55 => "cortex-m55",
            Target::Rv32imac => "rv32imac",
        }
    }

    /// Whether the runtime has kernels in assembly with the DSP extension.
    pub(crate) const fn has_dsp(self) -> bool {
        matches!(self, Target::CortexM4f | Target::CortexM7 | Target::CortexM33)
    }
}

impl Target {
    /// Whether the processor computes with `f32`, rather than routines.
    pub(crate) const fn has_f32(self) -> bool {
        !matches!(self, Target::CortexM0 | Target::CortexM3 | Target::Rv32imac)
    }

    /// Whether the processor has M-profile Vector Extension (Helium), and the runtime its kernels.
    pub(crate) const fn has_mve(self) -> bool {
        matches!(self, Target::CortexM55)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(s: &str) -> Result<Target, String> {
        Target::ALL.into_iter().find(|t| t.name() == s).ok_or_else(|| {
            let known = Target::ALL.map(Target::name).join(", ");
            format!("unknown target `{s}`; known are {known}")
        })
    }
}

/// A way to need less memory, which can be left out to see what it saves.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, Technique, compile};
/// use microhlo_compiler::front;
///
/// let text = "func.func @main(%x: tensor<64xf32>) -> tensor<64xf32> {
///   %0 = stablehlo.exponential %x : tensor<64xf32>
///   %1 = stablehlo.reshape %0 : (tensor<64xf32>) -> tensor<8x8xf32>
///   %2 = stablehlo.transpose %1, dims = [1, 0] : (tensor<8x8xf32>) -> tensor<8x8xf32>
///   %3 = stablehlo.reshape %2 : (tensor<8x8xf32>) -> tensor<64xf32>
///   return %3 : tensor<64xf32>
/// }";
/// let (_, module) = front::parse("turn.mlir", text)?;
/// let arena = |without: &[Technique]| {
///     let options = CompileOptions { without: without.to_vec(), ..Default::default() };
///     compile(&module, &options).map(|compiled| compiled.report.arena_bytes)
/// };
/// // The exponential lies where the input does, unless results have memory of their own.
/// assert!(arena(&[])? < arena(&[Technique::Sharing, Technique::Overlap])?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Technique {
    /// Results that lie on operands, and copies that then have nothing to do.
    Sharing,
    /// Steps in the order that needs the least memory.
    Scheduling,
    /// Results that lie partly over operands that die.
    Overlap,
}

impl Technique {
    /// All techniques.
    pub const ALL: [Technique; 3] = [Technique::Sharing, Technique::Scheduling, Technique::Overlap];

    /// The name on the command line.
    ///
    /// ```
    /// use microhlo_compiler::compile::Technique;
    ///
    /// assert_eq!(Technique::Overlap.name(), "overlap");
    /// assert_eq!("sharing".parse(), Ok(Technique::Sharing));
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Technique::Sharing => "sharing",
            Technique::Scheduling => "scheduling",
            Technique::Overlap => "overlap",
        }
    }
}

impl fmt::Display for Technique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Technique {
    type Err = String;

    fn from_str(s: &str) -> Result<Technique, String> {
        Technique::ALL.into_iter().find(|t| t.name() == s).ok_or_else(|| {
            let known = Technique::ALL.map(Technique::name).join(", ");
            format!("unknown technique `{s}`; known are {known}")
        })
    }
}

/// What to compile and how. See the example of [`compile`](super::compile()).
#[derive(Clone, Debug, Default)]
pub struct CompileOptions {
    /// Name of the model, stored in the artifact.
    pub name: String,
    /// Processor, for which 8-bit kernels and the layout of their weights are chosen.
    pub target: Target,
    /// Entry function; by default `main` or the only public one.
    pub entry: Option<String>,
    /// Sizes of symbolic dimensions, or shapes of arguments.
    pub sizes: Vec<Size>,
    /// Names of custom calls and composites that are left to the firmware.
    pub externs: Vec<String>,
    /// Passes after which the program is printed to [`Compiled::dumps`](super::Compiled::dumps); `lower` prints kernels.
    pub dump_after: Vec<String>,
    /// Inputs that are outputs of the run before, and keep them in the arena.
    pub states: Vec<Kept>,
    /// Where in the arena they lie, if other models use it too.
    #[doc(hidden)]
    pub room: plan::Room,
    /// Limits of the memory planner.
    pub plan: plan::Options,
    /// Limits of the scheduler.
    pub schedule: schedule::Options,
    /// Ways to save memory that are not taken.
    pub without: Vec<Technique>,
    /// How much memory the program may use, and when it runs row by row.
    pub memory: chains::Options,
    /// The memories that it may use.
    pub memories: Memories,
    /// What other models have in each of these memories, if they use them too.
    #[doc(hidden)]
    pub others: Vec<Others>,
}

/// An input with the output that it is in the next run, each by name or number: `in1=out0`, `1=0`.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, compile};
/// use microhlo_compiler::front;
///
/// let text = "func.func @main(%x: tensor<4xf32>, %sum: tensor<4xf32>) -> tensor<4xf32> {
///   %0 = stablehlo.add %x, %sum : tensor<4xf32>
///   return %0 : tensor<4xf32>
/// }";
/// let (_, module) = front::parse("sum.mlir", text)?;
/// let options = CompileOptions { states: vec!["1=0".parse()?], ..Default::default() };
/// // The sum stays in the arena from one run to the next.
/// assert_eq!(compile(&module, &options)?.report.state_bytes, 16);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The input.
    pub input: String,
    /// The output.
    pub output: String,
}

impl FromStr for Kept {
    type Err = String;

    fn from_str(text: &str) -> Result<Kept, String> {
        let usage = "expected INPUT=OUTPUT, by name or number, such as `in1=out0`";
        let (input, output) = text.split_once('=').ok_or(usage)?;
        match (input.trim(), output.trim()) {
            ("", _) | (_, "") => Err(usage.to_owned()),
            (input, output) => Ok(Kept { input: input.to_owned(), output: output.to_owned() }),
        }
    }
}

/// The size of a symbolic dimension or the shape of an argument, by name: `m=8`, `arg0=8x16`.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, Size, compile};
/// use microhlo_compiler::front;
///
/// let text = "func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
///   %0 = stablehlo.add %x, %x : tensor<?xf32>
///   return %0 : tensor<?xf32>
/// }";
/// let (_, module) = front::parse("twice.mlir", text)?;
/// assert!(compile(&module, &CompileOptions::default()).is_err());
/// let size: Size = "arg0=6".parse()?;
/// let options = CompileOptions { sizes: vec![size], ..Default::default() };
/// assert_eq!(compile(&module, &options)?.report.inputs[0].dims, [6]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// A symbolic dimension, or an argument.
    pub name: String,
    /// One size, or a whole shape.
    pub dims: Vec<u64>,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let usage = "expected NAME=SIZE such as `m=8`, or ARGUMENT=SHAPE such as `arg0=8x16`";
        let (name, shape) = text.split_once('=').ok_or(usage)?;
        let dims = shape.split('x').map(|n| n.trim().parse::<u64>().ok());
        let dims = dims.collect::<Option<Vec<u64>>>().ok_or(usage)?;
        match name.trim() {
            "" => Err(usage.to_owned()),
            name => Ok(Size { name: name.to_owned(), dims }),
        }
    }
}
