//! The kernel table and the parameters of every kernel.
//!
//! Parameters are generic over `P`, the type of an operand: the compiler's buffer references
//! before memory planning, [`Place`] in the artifact. A step of a program is the kernel's id and
//! its postcard-encoded parameters; the field order of each struct is part of the format.

mod check;
mod control;
mod conv;
mod conv_i16;
mod conv_i8;
mod data;
mod decode;
mod extern_call;
mod hybrid;
mod linear;
mod map;
mod mve_i16;
mod mve_i8;
mod overlap;
mod parts;
mod pointwise_i8;
mod product_i8;
mod quantize;
mod reduce;
mod region;
mod requant;
mod rows;
mod slices;
mod strips;

pub use control::{Branch, MAX_TARGETS, Switch};
pub use conv::{Activation, ConvAny, ConvDim, ConvF32, DepthwiseF32, DotAny, DotF32};
pub use conv_i8::{ConvI8, DepthwiseI8, DepthwiseLayout, DepthwiseTapsI8, DepthwiseThreeI8};
pub use conv_i16::{ConvI16, DepthwiseI16, SumI16};
pub use data::{Fill, Move, SoftmaxF32, SoftmaxI8};
#[doc(hidden)]
pub use decode::{Decode, Repeated, decode_exact, empty};
pub use extern_call::{
    Call, ExternCall, ExternTensor, MAX_EXTERN_NAME, MAX_EXTERN_OPERANDS, MAX_EXTERN_RESULTS,
    MAX_EXTERN_SETTINGS, Setting, Settings,
};
pub use hybrid::HybridF32;
pub use linear::{Cholesky, Fft, TriangularSolve};
pub use map::{Map, MapInstr, MapOperand};
pub use mve_i8::{ConvI8Mve, DepthwiseI8Mve};
#[doc(hidden)]
pub use mve_i8::{DepthwiseWords, Vectors};
pub use mve_i16::ConvI16Mve;
pub use parts::Parts;
pub use pointwise_i8::{PoolI8, ScaleI8, SumI8, TableI8, TableMoveI8};
pub use product_i8::{DotI8, ProductI8};
pub use quantize::{DequantizeI8, QuantizeF32, THRESHOLDS};
#[doc(hidden)]
pub use quantize::{INFINITE_KEYS, key};
pub use reduce::{Post, Reduce, Window, WindowDim};
pub use region::{
    MAX_REGION_CODE, MAX_REGION_OPERANDS, MAX_REGION_SCALARS, MAX_REGION_TEMPS, ReduceAny,
    ReduceOperand, RegionCode, RegionScalar, ScatterAny, ScatterOperand, SelectAndScatter, Sort,
    SortOperand,
};
pub use requant::{Requant, Rounding};
#[doc(hidden)]
pub use rows::Chain;
pub use rows::{Feed, Rows, STATE_BYTES, Sums};
pub use slices::{Gather, Scatter, Slices, Start};
#[doc(hidden)]
pub use strips::{ByRows, RowTensor, Strip, Strips};

use crate::place::{Access, ParamError, Place};
use crate::program::Target;

/// Largest number of loop dimensions of a kernel, after the compiler has merged adjacent ones.
pub const MAX_RANK: usize = 8;
/// Most operands that one `map` reads.
pub const MAX_MAP_INPUTS: usize = 8;
/// Most tensors that one `map` writes.
pub const MAX_MAP_OUTPUTS: usize = 4;
/// Most temporaries of one `map`.
pub const MAX_MAP_TEMPS: u8 = 16;
/// Most instructions of one `map`.
pub const MAX_MAP_CODE: usize = 24;

/// Sizes of loop dimensions, outermost first. See the example of [`Kernel`].
pub type Sizes = heapless::Vec<u32, MAX_RANK>;
/// Strides in bytes, one per loop dimension; 0 repeats an element. See the example of [`Kernel`].
pub type Strides = heapless::Vec<i32, MAX_RANK>;

/// What every kernel's parameters offer to compiler and loader. See the example of [`Kernel`].
pub trait Params<P: Copy>: Sized {
    /// The parameters with every operand replaced, in declaration order.
    type With<Q: Copy>;

    /// Replaces every operand.
    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Self::With<Q>;

    /// Checks the parameters on their own and reports all memory that the kernel touches.
    ///
    /// After `Ok`, a kernel given memory for every reported access stays inside it.
    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError>;

    /// The micro-operations that the kernel calls.
    fn micro_ops(&self, _visit: &mut dyn FnMut(crate::MicroId)) {}

    /// Which parts of the kernel it needs, for kernels of which only some can be linked.
    fn parts(&self) -> Parts {
        Parts::NONE
    }

    /// Multiply-accumulate operations of one execution, padding taps included.
    fn macs(&self) -> u64 {
        0
    }

    /// The steps that the program may go on with in place of the next one.
    fn targets(&self) -> &[Target] {
        &[]
    }

    /// The same, to be changed.
    fn targets_mut(&mut self) -> &mut [Target] {
        &mut []
    }
}

/// Calls `$callback!` with one row per kernel: its documentation, then `code, name, Parameters;`.
///
/// ```
/// use microhlo_format::{KernelId, for_each_kernel};
///
/// macro_rules! names {
///     ($($(#[$doc:meta])* $code:literal, $name:ident, $params:ident;)*) => {
///         [$(stringify!($name)),*]
///     };
/// }
/// let names = for_each_kernel!(names);
/// assert!(KernelId::ALL.iter().map(|kernel| kernel.name()).eq(names));
/// ```
#[macro_export]
macro_rules! for_each_kernel {
    ($callback:ident) => {
        $callback! {
            /// `f32` convolution, NHWC, or a matrix product with constant right-hand side, with
            /// bias and activation.
            1, conv_f32, ConvF32;
            /// `f32` depthwise convolution, NHWC, with bias and activation.
            2, depthwise_f32, DepthwiseF32;
            /// `f32` batched matrix product of two activations.
            3, dot_f32, DotF32;
            /// Batched contraction of any element type by `multiply_add`.
            4, dot_any, DotAny;
            /// Convolution of any element type and rank by `multiply_add`.
            5, conv_any, ConvAny;
            /// A fused chain of elementwise, broadcast and convert operations.
            6, map, Map;
            /// Reduction over dimensions.
            7, reduce, Reduce;
            /// Reduction over a sliding window.
            8, window, Window;
            /// Strided copy: transpose, slice, reverse, concatenate, pad, broadcast.
            9, move_, Move;
            /// Fills a dense tensor with one element.
            10, fill, Fill;
            /// `f32` softmax over rows.
            11, softmax_f32, SoftmaxF32;
            /// Goes on with another step, always or if a predicate holds.
            12, branch, Branch;
            /// Goes on with one of several steps, chosen by an index.
            13, switch, Switch;
            /// Copies slices at run-time start indices.
            14, gather, Gather;
            /// Replaces slices at run-time start indices.
            15, scatter, Scatter;
            /// Reduction of several tensors, over dimensions or windows, by the code of a region.
            16, reduce_any, ReduceAny;
            /// Scatter by the code of a region.
            17, scatter_any, ScatterAny;
            /// Stable sort of several tensors by a comparator.
            18, sort, Sort;
            /// Scatters to the selected element of each window.
            19, select_and_scatter, SelectAndScatter;
            /// `f32` Fourier transforms.
            40, fft_f32, Fft;
            /// `f64` Fourier transforms.
            41, fft_f64, Fft;
            /// Cholesky factors of `f32` matrices.
            42, cholesky_f32, Cholesky;
            /// Cholesky factors of `f64` matrices.
            43, cholesky_f64, Cholesky;
            /// Cholesky factors of `complex<f32>` matrices.
            44, cholesky_c64, Cholesky;
            /// Cholesky factors of `complex<f64>` matrices.
            45, cholesky_c128, Cholesky;
            /// Triangular systems of `f32` matrices.
            46, triangular_solve_f32, TriangularSolve;
            /// Triangular systems of `f64` matrices.
            47, triangular_solve_f64, TriangularSolve;
            /// Triangular systems of `complex<f32>` matrices.
            48, triangular_solve_c64, TriangularSolve;
            /// Triangular systems of `complex<f64>` matrices.
            49, triangular_solve_c128, TriangularSolve;
            /// `i8` convolution, NHWC, or a matrix product with constant right-hand side, with bias
            /// and requantisation.
            60, conv_i8, ConvI8;
            /// `i8` depthwise convolution, NHWC, with bias and requantisation.
            61, depthwise_i8, DepthwiseI8;
            /// Sum of two `i8` tensors, each times a constant.
            62, sum_i8, SumI8;
            /// Function of single bytes by table.
            63, table_i8, TableI8;
            /// Sums of `i8` over windows, requantised.
            64, pool_i8, PoolI8;
            /// Each channel of an `i8` tensor times a constant, plus another.
            65, scale_i8, ScaleI8;
            /// `f32` convolution, NHWC, with `i8` weights, or depthwise, with bias and activation.
            66, hybrid_f32, HybridF32;
            /// Softmax over rows of `i8`.
            67, softmax_i8, SoftmaxI8;
            /// `depthwise_i8` of three by three adjacent taps.
            68, depthwise_three_i8, DepthwiseThreeI8;
            /// `depthwise_i8` tap by tap, for few results.
            69, depthwise_taps_i8, DepthwiseTapsI8;
            /// Conversion of `f32` to quantised 8-bit integers.
            72, quantize_f32, QuantizeF32;
            /// Conversion of quantised 8-bit integers to `f32`, or a function of them.
            73, dequantize_i8, DequantizeI8;
            /// `conv_i8` with constants laid out for M-profile Vector Extension.
            70, conv_i8_mve, ConvI8Mve;
            /// `depthwise_i8` for M-profile Vector Extension.
            71, depthwise_i8_mve, DepthwiseI8Mve;
            /// The steps of a chain, row by row.
            80, rows, Rows;
            /// Product of two `i8` tensors, element by element.
            81, product_i8, ProductI8;
            /// `i8` batched matrix product of two activations.
            82, dot_i8, DotI8;
            /// Calls a function of the firmware.
            95, extern_call, ExternCall;
            /// Strided copy of bytes through a table.
            98, table_move_i8, TableMoveI8;
            /// `conv_i8` of `i16` activations.
            83, conv_i16, ConvI16;
            /// `depthwise_i8` of `i16` activations, tap by tap.
            84, depthwise_i16, DepthwiseI16;
            /// Sum of two `i16` tensors, each times a constant.
            85, sum_i16, SumI16;
            /// `conv_i16` with constants laid out for M-profile Vector Extension.
            86, conv_i16_mve, ConvI16Mve;
        }
    };
}

macro_rules! kernel_table {
    ($($(#[$doc:meta])* $code:literal, $name:ident, $params:ident;)*) => {
        /// Which kernel a step runs. See the example of [`Kernel`].
        #[allow(non_camel_case_types, reason = "names are those of the runtime's kernel modules")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub enum KernelId { $($(#[$doc])* $name = $code,)* }

        impl KernelId {
            /// All kernels.
            pub const ALL: &'static [KernelId] = &[$(KernelId::$name,)*];

            /// The kernel with this code, or `None` for one of a later format. See the example of [`Kernel`].
            pub const fn from_code(code: u16) -> Option<KernelId> {
                match code { $($code => Some(KernelId::$name),)* _ => None }
            }

            /// The kernel's name, which is the identifier of its runtime module. See the example of [`Kernel`].
            pub const fn name(self) -> &'static str {
                match self { $(KernelId::$name => stringify!($name),)* }
            }
        }

        /// A kernel with its parameters.
        ///
        /// ```
        /// use microhlo_format::kernels::{Branch, Move, Params, Parts, Sizes, Strides};
        /// use microhlo_format::{AccessKind, Kernel, KernelId, Place, Target};
        ///
        /// // Turns a matrix of two by three floats.
        /// let turn = Move {
        ///     input: Place::arena(0),
        ///     output: Place::arena(32),
        ///     element: 4,
        ///     sizes: Sizes::from_slice(&[3, 2]).expect("few dimensions"),
        ///     input_strides: Strides::from_slice(&[4, 12]).expect("few dimensions"),
        ///     output_strides: Strides::from_slice(&[8, 4]).expect("few dimensions"),
        /// };
        /// let mut kernel = Kernel::move_(turn.clone());
        /// assert_eq!((kernel.id(), kernel.id().name(), kernel.macs()), (KernelId::move_, "move_", 0));
        /// assert_eq!(KernelId::from_code(KernelId::move_ as u16), Some(KernelId::move_));
        ///
        /// // The memory that it touches, in bytes from its places on.
        /// let mut touched = Vec::new();
        /// kernel.accesses(&mut |a| touched.push((a.kind, a.place, a.start..a.end)))?;
        /// let [read, written] = [(AccessKind::Read, turn.input), (AccessKind::Write, turn.output)];
        /// assert_eq!(touched, [(read.0, read.1, 0..24), (written.0, written.1, 0..24)]);
        /// // The same is asked of parameters alone.
        /// assert!(turn.accesses(&mut |access| assert_eq!(access.align, 4)).is_ok());
        ///
        /// // Operands may be anything while a compiler has no places for them yet.
        /// let named: Kernel<&str> = kernel.map_places(&mut |p| if p.offset == 0 { "x" } else { "y" });
        /// assert!(matches!(named, Kernel::move_(Move { input: "x", output: "y", .. })));
        ///
        /// // What firmware has to link for it, and where the program may go on.
        /// let mut called = 0;
        /// kernel.micro_ops(&mut |_| called += 1);
        /// assert_eq!((called, kernel.parts(), kernel.targets_mut().len()), (0, Parts::NONE, 0));
        /// let branch = Branch { predicate: None, when: true, target: Target::step(2) };
        /// assert_eq!(Kernel::<Place>::branch(branch).targets(), [Target::step(2)]);
        ///
        /// # #[cfg(feature = "std")] {
        /// // As the artifact has it.
        /// let body = kernel.encode().expect("it encodes");
        /// assert_eq!(Kernel::decode(KernelId::move_, &body), Ok(kernel));
        /// assert!(Kernel::decode(KernelId::fill, &body).is_err());
        /// # }
        /// # Ok::<(), microhlo_format::ParamError>(())
        /// ```
        #[allow(non_camel_case_types, reason = "names are those of the runtime's kernel modules")]
        #[allow(clippy::large_enum_variant, reason = "there is no allocator to box a variant with")]
        #[derive(Clone, Debug, PartialEq)]
        pub enum Kernel<P> { $($(#[$doc])* $name($params<P>),)* }

        impl<P: Copy> Kernel<P> {
            /// Which kernel it is. See the example of [`Kernel`].
            pub const fn id(&self) -> KernelId {
                match self { $(Kernel::$name(_) => KernelId::$name,)* }
            }

            /// See [`Params::map_places`]. See the example of [`Kernel`].
            pub fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Kernel<Q> {
                match self { $(Kernel::$name(p) => Kernel::$name(p.map_places(f)),)* }
            }

            /// See [`Params::accesses`]. See the example of [`Kernel`].
            pub fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
                match self { $(Kernel::$name(p) => p.accesses(visit),)* }
            }

            /// See [`Params::micro_ops`]. See the example of [`Kernel`].
            pub fn micro_ops(&self, visit: &mut dyn FnMut(crate::MicroId)) {
                match self { $(Kernel::$name(p) => p.micro_ops(visit),)* }
            }

            /// See [`Params::parts`]. See the example of [`Kernel`].
            pub fn parts(&self) -> Parts {
                match self { $(Kernel::$name(p) => p.parts(),)* }
            }

            /// See [`Params::macs`]. See the example of [`Kernel`].
            pub fn macs(&self) -> u64 {
                match self { $(Kernel::$name(p) => p.macs(),)* }
            }

            /// See [`Params::targets`]. See the example of [`Kernel`].
            pub fn targets(&self) -> &[Target] {
                match self { $(Kernel::$name(p) => Params::<P>::targets(p),)* }
            }

            /// See [`Params::targets_mut`]. See the example of [`Kernel`].
            pub fn targets_mut(&mut self) -> &mut [Target] {
                match self { $(Kernel::$name(p) => Params::<P>::targets_mut(p),)* }
            }
        }

        impl Kernel<Place> {
            /// Decodes the parameters of kernel `id`, which must fill `body`. See the example of [`Kernel`].
            pub fn decode(id: KernelId, body: &[u8]) -> Result<Self, postcard::Error> {
                match id {
                    $(KernelId::$name => {
                        let mut params: $params<Place> = Decode::empty();
                        decode_exact(&mut params, body).map(|()| Kernel::$name(params))
                    })*
                }
            }

            /// Encodes the parameters. See the example of [`Kernel`].
            #[cfg(feature = "std")]
            pub fn encode(&self) -> Result<std::vec::Vec<u8>, postcard::Error> {
                match self { $(Kernel::$name(p) => postcard::to_stdvec(p),)* }
            }
        }
    };
}

for_each_kernel!(kernel_table);
