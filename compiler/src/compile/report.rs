//! What a compiled model needs and consists of.

use microhlo_format::DType;
use serde::Serialize;

use crate::regions::RegionReport;
use crate::stored::Stored;

/// What a model needs, known before flashing.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, compile};
/// use microhlo_compiler::front;
///
/// let text = "func.func @main(%x: tensor<2x3xf32>) -> tensor<2x2xf32> {
///   %w = stablehlo.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
///   %0 = stablehlo.dot %x, %w : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
///   return %0 : tensor<2x2xf32>
/// }";
/// let (_, module) = front::parse("product.mlir", text)?;
/// let options = CompileOptions { name: "product".to_owned(), ..Default::default() };
/// let report = compile(&module, &options)?.report;
/// assert_eq!((report.name.as_str(), report.macs), ("product", 2 * 3 * 2));
/// // The weights are in flash, input and output in the arena.
/// assert!(report.const_bytes >= 24 && report.arena_bytes >= 24);
/// assert!(report.arena_proven_optimal);
/// let [kernel] = &report.kernels[..] else { panic!("one kernel") };
/// assert_eq!((kernel.macs, report.outputs[0].bytes()), (12, 16));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the model.
    pub name: String,
    /// Working memory in bytes; of all memories together, with the constants that are copied there.
    pub arena_bytes: u32,
    /// What lies in which memory; empty for a model with one arena and nothing else.
    pub regions: Vec<RegionReport>,
    /// Of several memories that were given, the only one that anything lies in, if that has no constants.
    pub memory: Option<RegionReport>,
    /// Largest live set of inputs, outputs and values between kernels, in bytes.
    pub activation_bytes: u64,
    /// Largest working memory that kernels use at once, in bytes; it is in the arena.
    pub scratch_bytes: u64,
    /// Largest live set of the schedule in bytes.
    pub arena_lower_bound_bytes: u32,
    /// Whether no smaller arena exists for the schedule.
    pub arena_proven_optimal: bool,
    /// What the order of the steps is worth.
    pub schedule: ScheduleReport,
    /// Weights and tables in flash, in bytes.
    pub const_bytes: u32,
    /// The whole artifact in flash, in bytes.
    pub artifact_bytes: u32,
    /// Multiply-accumulates of one inference.
    pub macs: u64,
    /// Those of them that compute again what is computed elsewhere, so that less memory is needed.
    pub recomputed_macs: u64,
    /// Bytes of the arena, from its start, that states of this model, and of others that share it, take.
    pub state_bytes: u32,
    /// Kernels in execution order.
    pub kernels: Vec<KernelReport>,
    /// Micro-operations that the kernels call.
    pub micro_ops: Vec<String>,
    /// Inputs in order.
    pub inputs: Vec<TensorReport>,
    /// Outputs in order.
    pub outputs: Vec<TensorReport>,
}

impl Report {
    /// Bytes of the arena, or of the first memory of several. See the example of
    /// [`Memories`](crate::regions::Memories).
    pub fn first_arena_bytes(&self) -> u32 {
        self.regions.first().map_or(self.arena_bytes, |region| region.bytes)
    }

    /// The memories that something lies in, if memories were given. See the example of
    /// [`Memories`](crate::regions::Memories).
    pub fn memories(&self) -> &[RegionReport] {
        match &self.memory {
            Some(memory) => std::slice::from_ref(memory),
            None => &self.regions,
        }
    }
}

/// One kernel execution. See the example of [`Report`].
#[derive(Clone, Debug, Serialize)]
pub struct KernelReport {
    /// Position and origin, for example `0:convolution+bias+max`.
    pub name: String,
    /// The kernel.
    pub op: String,
    /// Its multiply-accumulates.
    pub macs: u64,
    /// Bits of the parts of the kernel that it needs.
    pub parts: u32,
    /// About how many instructions it takes, if that is known.
    pub estimated_instructions: Option<u64>,
    /// Why it is this kernel.
    pub reason: String,
}

/// An input or output.
///
/// ```
/// use microhlo_compiler::compile::TensorReport;
/// use microhlo_format::DType;
///
/// let tensor = TensorReport {
///     name: "image".to_owned(),
///     dtype: "f32".to_owned(),
///     dims: vec![1, 8, 8],
///     stored: None,
/// };
/// assert_eq!(tensor.element(), Some(DType::F32));
/// assert_eq!((tensor.bytes(), tensor.ty().as_str()), (256, "1x8x8xf32"));
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct TensorReport {
    /// Its name.
    pub name: String,
    /// Element type, as StableHLO spells it.
    pub dtype: String,
    /// Shape.
    pub dims: Vec<u32>,
    /// What its integers stand for, if it is quantised.
    #[serde(rename = "quantization", skip_serializing_if = "Option::is_none")]
    pub stored: Option<Stored>,
}

impl TensorReport {
    /// Its element type; `None` if it is not one of the artifact format. See the example of [`TensorReport`].
    pub fn element(&self) -> Option<DType> {
        DType::ALL.iter().copied().find(|dtype| dtype.name() == self.dtype)
    }

    /// Its size in bytes. See the example of [`TensorReport`].
    pub fn bytes(&self) -> usize {
        let elements: usize = self.dims.iter().map(|&dim| dim as usize).product();
        elements * self.element().map_or(0, DType::size)
    }

    /// Shape and element type as in StableHLO's tensor types. See the example of [`TensorReport`].
    pub fn ty(&self) -> String {
        let dims: String = self.dims.iter().map(|dim| format!("{dim}x")).collect();
        dims + &self.dtype
    }
}

/// What an order of steps needs. A step may need less than is alive before and after it: operands and
/// results that lie on each other count once.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, compile};
/// use microhlo_compiler::front;
///
/// let text = "func.func @main(%x: tensor<64xf32>) -> tensor<64xf32> {
///   %0 = stablehlo.sine %x : tensor<64xf32>
///   return %0 : tensor<64xf32>
/// }";
/// let (_, module) = front::parse("sine.mlir", text)?;
/// let schedule = compile(&module, &CompileOptions::default())?.report.schedule;
/// // There is one order of one step.
/// assert!(schedule.proven_optimal() && !schedule.reordered);
/// assert_eq!(schedule.peak_bytes, schedule.given_peak_bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScheduleReport {
    /// Most bytes that are alive at once in the order of the program.
    pub given_peak_bytes: u64,
    /// The same in the chosen order.
    pub peak_bytes: u64,
    /// Bytes below which no order of these steps comes.
    pub lower_bound_bytes: u64,
    /// Whether the steps run in another order than that of the program.
    pub reordered: bool,
    /// Steps that run twice rather than that their results are kept.
    pub repeated: usize,
    /// Steps that the searches tried, each as the next one after others.
    pub tries: u64,
}

impl ScheduleReport {
    /// Whether no order has a lower peak. See the example of [`ScheduleReport`].
    pub fn proven_optimal(&self) -> bool {
        self.peak_bytes <= self.lower_bound_bytes
    }

    /// What is left of it when the order of the program stays.
    pub(crate) fn keep_given(&mut self) {
        self.peak_bytes = self.given_peak_bytes;
        (self.reordered, self.repeated) = (false, 0);
    }
}

/// A program of which no other is both smaller and faster. See the example of [`pareto`](super::pareto).
#[derive(Clone, Debug, Serialize)]
pub struct ParetoPoint {
    /// Working memory in bytes.
    pub arena_bytes: u32,
    /// See [`Report::activation_bytes`].
    pub activation_bytes: u64,
    /// See [`Report::scratch_bytes`].
    pub scratch_bytes: u64,
    /// What lies in which memory, if memories were given. Constants stay where the artifact lies.
    pub regions: Vec<RegionReport>,
    /// Instructions of an inference, about; good for comparisons alone.
    pub cost: f64,
    /// Multiply-accumulates of an inference.
    pub macs: u64,
    /// Those of them that compute again what is computed elsewhere.
    pub recomputed_macs: u64,
    /// The steps that run row by row, as ranges.
    pub chains: Vec<String>,
}
