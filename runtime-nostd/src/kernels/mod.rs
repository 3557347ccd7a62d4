//! Kernels. Every module has one constant `ENTRY`, which links it.
//!
//! A kernel's `execute` trusts its parameters: the loader has checked every access that they
//! report. Sizes, strides and extents fit in an `i32` (see `microhlo_format::kernels`).
#![allow(unsafe_code, reason = "kernels address memory that the loader has checked")]

use core::cell::Cell;
use core::marker::PhantomData;

use microhlo_format::kernels::{Parts, Requant, Rounding};
use microhlo_format::{Cursor, MAX_ARENAS, MicroId, Place, Region, Target};

use crate::error::{RunError, StepError};
use crate::micro::{Dst, Row, Src};
use crate::registry::{KernelEntry, Kernels, MicroEntry, Undecodable, Visitor};
pub(crate) use rows::Turn;

mod decode;
mod f32_block;
mod i16_block;
mod i8_block;
#[cfg(mve_kernels)]
mod mve_block;
mod numbers;
mod odometer;
mod region;
mod slices;

/// The memories of a run: artifact and arenas.
#[derive(Debug)]
pub(crate) struct Regions<'m> {
    /// Where each region starts, by its code.
    bases: [*mut u8; Region::COUNT],
    borrow: PhantomData<(&'m [u8], &'m mut [u8])>,
}

// SAFETY: it stands for a shared and some exclusive slices of bytes, which may go to other threads.
unsafe impl Send for Regions<'_> {}
// SAFETY: as above; nothing is written through a shared reference to it, but by `Memory`, which has the
// only one.
unsafe impl Sync for Regions<'_> {}

impl<'m> Regions<'m> {
    /// The memories of a run. The arenas are those that the model needs, in size and alignment.
    pub(crate) fn new(constants: &'m [u8], arenas: [&'m mut [u8]; MAX_ARENAS]) -> Regions<'m> {
        let [arena, second, third, fourth] = arenas.map(<[u8]>::as_mut_ptr);
        // Nothing is written there: the loader has made sure of it.
        let constants = constants.as_ptr().cast_mut();
        // The manifest names regions 2 and 3 for places in the arena.
        let bases = [constants, arena, arena, arena, second, third, fourth];
        Regions { bases, borrow: PhantomData }
    }

    /// Where a place starts.
    fn at(&self, place: Place) -> *mut u8 {
        // SAFETY: there are as many as regions.
        let base = unsafe { *self.bases.get_unchecked(place.region as usize) };
        base.wrapping_add(place.offset as usize)
    }

    /// The bytes of an output.
    pub(crate) fn output(&self, place: Place, bytes: usize) -> &[u8] {
        if bytes == 0 {
            // The loader has not looked at the place.
            return &[];
        }
        // SAFETY: the callers give outputs of a loaded model, which the loader has proved to lie in their
        // memories, or tensors of which they have asked the loader; and the memories are borrowed for as
        // long as this is.
        unsafe { core::slice::from_raw_parts(self.at(place), bytes) }
    }

    /// The bytes of an input.
    pub(crate) fn input(&mut self, place: Place, bytes: usize) -> &mut [u8] {
        if bytes == 0 {
            return &mut [];
        }
        // SAFETY: as for outputs; an input lies in an arena, where the run has exclusive access.
        unsafe { core::slice::from_raw_parts_mut(self.at(place), bytes) }
    }
}

/// The memories that places refer to, the micro-operations to call, and the step to go on with.
pub(crate) struct Memory<'r> {
    regions: &'r Regions<'r>,
    kernels: &'r Kernels,
    next: Cell<Cursor>,
    feeding: &'r Feeding<'r>,
}

impl<'r> Memory<'r> {
    pub(crate) fn new(
        regions: &'r mut Regions<'_>,
        kernels: &'r Kernels,
        next: Cursor,
        feeding: &'r Feeding<'r>,
    ) -> Memory<'r> {
        Memory { regions, kernels, next: Cell::new(next), feeding }
    }

    /// Where the program goes on after the step.
    pub(crate) fn next(&self) -> Cursor {
        self.next.get()
    }

    /// Runs a step of a loaded model in the memories that it was proved for.
    pub(crate) fn execute(&self, entry: &KernelEntry, body: &[u8]) -> Result<(), Undecodable> {
        // SAFETY: the only caller is a run of a model, and models exist only with a proof that
        // each step stays inside its memories, which the run's slices have the size and alignment
        // of.
        unsafe { (entry.execute)(body, self) }
    }

    /// Where a place starts, for reading.
    fn read(&self, place: Place) -> *const u8 {
        self.write(place).cast_const()
    }

    /// Where a place in an arena starts, for writing.
    fn write(&self, place: Place) -> *mut u8 {
        self.regions.at(place)
    }

    /// A micro-operation of the set.
    fn micro(&self, id: MicroId) -> Result<&'r MicroEntry, Undecodable> {
        crate::registry::find(self.kernels.micro, id).ok_or(Undecodable)
    }

    /// The row of a micro-operation.
    fn row(&self, id: MicroId) -> Result<Row, Undecodable> {
        self.micro(id).map(|entry| entry.row)
    }
}

/// Rows of an input that the caller gives while the model runs.
#[derive(Default)]
pub(crate) struct Feeding<'r> {
    /// The rows given.
    pub rows: &'r [u8],
    /// Bytes of them that were taken.
    pub taken: Cell<usize>,
    /// Whether the chain has had some before.
    pub resumes: bool,
    /// Why the step did not run to its end, if it did not: it waits for rows, or a function failed.
    pub stop: Cell<Option<RunError>>,
}

/// A source of `stride` bytes per element.
fn src(ptr: *const u8, stride: i32) -> Src {
    Src { ptr, stride }
}

/// A destination of `stride` bytes per element.
fn dst(ptr: *mut u8, stride: i32) -> Dst {
    Dst { ptr, stride }
}

/// Decodes parameters and runs a kernel's function `execute` on them.
///
/// If a type `Prepared` is named, the kernel runs on what its module's function
/// `prepare(to: &mut MaybeUninit<Prepared>, params: &Params<Place>, memory: &Memory) -> &mut Prepared` makes of
/// them, where it is to be: the parameters then take no stack while it runs, and nothing is copied.
macro_rules! decode_and_run {
    ($params:ident, $body:ident, $memory:ident, [$($execute:tt)*]) => {{
        let mut params = MaybeUninit::<$params<Place>>::uninit();
        let params = decode(&mut params, $body)?;
        // SAFETY: the caller's promise.
        unsafe { $($execute)*(params, $memory) }
    }};
    ($params:ident, $body:ident, $memory:ident, [$($execute:tt)*], $prepared:ident) => {{
        #[inline(never)]
        fn prepared<'v>(
            value: &'v mut MaybeUninit<$prepared>,
            body: &[u8],
            memory: &Memory<'_>,
        ) -> Result<&'v mut $prepared, Undecodable> {
            let mut params = MaybeUninit::<$params<Place>>::uninit();
            let params = decode(&mut params, body)?;
            Ok(prepare(value, params, memory))
        }

        let mut value = MaybeUninit::uninit();
        let value = prepared(&mut value, $body, $memory)?;
        // SAFETY: the caller's promise.
        unsafe { $($execute)*(value) }
    }};
}

/// As [`decode_and_run`], for the rows of a stage whose turn it is.
macro_rules! decode_and_fire {
    (@strip $value:ident, $params:ident, $body:ident, $turn:ident) => {
        let $value = decode_often(&mut $value, $body)?;
        let rows = $turn.rows();
        // Looked at where they are: moved, they would take the stack twice.
        let by = $value.by_rows(rows);
        let Ok(by) = &by else { return Err(Undecodable) };
        let strip = $turn.strip(by);
        let Ok(strip) = &strip else { return Err(Undecodable) };
        let Some(strip) = strip else { return Ok(Default::default()) };
        $value.restrict(rows, strip);
    };
    ($params:ident, $body:ident, $turn:ident, $memory:ident, [$($execute:tt)*]) => {{
        let mut params = MaybeUninit::<$params<Place>>::uninit();
        decode_and_fire!(@strip params, $params, $body, $turn);
        // SAFETY: the caller's promise.
        unsafe { $($execute)*(params, $memory) }
    }};
    ($params:ident, $body:ident, $turn:ident, $memory:ident, [$($execute:tt)*], $prepared:ident) => {{
        #[inline(never)]
        fn prepared<'v>(
            value: &'v mut MaybeUninit<$prepared>,
            body: &[u8],
            turn: &mut Turn<'_, '_, '_>,
            memory: &Memory<'_>,
        ) -> Result<Option<&'v mut $prepared>, Undecodable> {
            let mut params = MaybeUninit::<$params<Place>>::uninit();
            decode_and_fire!(@strip params, $params, body, turn);
            Ok(Some(prepare(value, params, memory)))
        }

        let mut value = MaybeUninit::uninit();
        let Some(value) = prepared(&mut value, $body, $turn, $memory)? else { return Ok(()) };
        // SAFETY: the caller's promise.
        unsafe { $($execute)*(value) }
    }};
}

/// Makes the `ENTRY` of a kernel module from its parameter type and its function
/// `unsafe fn execute(params: &Params<Place>, memory: &Memory) -> Result<(), Undecodable>`.
///
/// With `targets`, those of the parameters are proved to be steps of the program; with a type that it
/// prepares, as [`decode_and_run`] says, it is `unsafe fn execute(prepared: &Prepared)`.
macro_rules! entry {
    ($kernel:ident, $params:ident $(, $targets:ident)? $(; $dtype:ident)? $(=> $prepared:ident)?) => {
        #[doc = concat!("Links `", stringify!($kernel), "`.")]
        pub const ENTRY: $crate::KernelEntry = {
            use core::mem::MaybeUninit;

            use microhlo_format::kernels::$params;
            use microhlo_format::{KernelId, Place};

            use $crate::kernels::Memory;
            use $crate::kernels::decode::{checked, decode};
            use $crate::registry::{Undecodable, Visitor};
            use $crate::{KernelEntry, StepError};

            fn check(body: &[u8], visitor: &mut dyn Visitor) -> Result<(), StepError> {
                let mut params = MaybeUninit::<$params<Place>>::uninit();
                #[allow(unused_variables, reason = "some have targets or an element type")]
                let params = checked(&mut params, body, visitor)?;
                $(if params.dtype != microhlo_format::DType::$dtype {
                    return Err(StepError::Params(microhlo_format::ParamError::BadCode));
                })?
                $($crate::kernels::$targets(microhlo_format::kernels::Params::targets(params), visitor)?;)?
                Ok(())
            }

            unsafe fn decode_and_execute(
                body: &[u8],
                memory: &Memory<'_>,
            ) -> Result<(), Undecodable> {
                decode_and_run!($params, body, memory, [execute] $(, $prepared)?)
            }

            KernelEntry { id: KernelId::$kernel, check, execute: decode_and_execute, stage: None }
        };
    };
}

/// Makes the `ENTRY` of a kernel module from its parameter type and its function
/// `unsafe fn execute(body: &[u8], memory: &Memory) -> Result<(), Undecodable>`, which takes the parameters field
/// by field: decoded all at once they would take two to three times the stack.
macro_rules! entry_by_fields {
    ($kernel:ident, $params:ident $(; $dtype:ident)?) => {
        #[doc = concat!("Links `", stringify!($kernel), "`.")]
        pub const ENTRY: $crate::KernelEntry = {
            use core::mem::MaybeUninit;

            use microhlo_format::kernels::$params;
            use microhlo_format::{KernelId, Place};

            use $crate::kernels::decode::checked;
            use $crate::registry::Visitor;
            use $crate::{KernelEntry, StepError};

            fn check(body: &[u8], visitor: &mut dyn Visitor) -> Result<(), StepError> {
                let mut params = MaybeUninit::<$params<Place>>::uninit();
                #[allow(unused_variables, reason = "some have an element type")]
                let params = checked(&mut params, body, visitor)?;
                $(if params.dtype != microhlo_format::DType::$dtype {
                    return Err(StepError::Params(microhlo_format::ParamError::BadCode));
                })?
                Ok(())
            }

            KernelEntry { id: KernelId::$kernel, check, execute, stage: None }
        };
    };
}

/// Makes the `STAGE` of a kernel module that has an [`entry`] and whose parameters have strips. Of one
/// that has parts, the bits of all of them are given; and the type that it prepares, if it does.
macro_rules! stage {
    ($params:ident $(, $parts:literal)? $(=> $prepared:ident)?) => {
        /// Links the kernel, also as a stage of chains.
        pub const STAGE: $crate::KernelEntry = {
            use core::mem::MaybeUninit;

            use microhlo_format::Place;
            use microhlo_format::kernels::{Params, Strips, $params};

            use $crate::StepError;
            use $crate::kernels::decode::{decode, decode_often};
            use $crate::kernels::{Memory, Turn};
            use $crate::registry::{StageEntry, Undecodable, Visitor};

            fn check(
                body: &[u8],
                turn: &mut Turn<'_, '_, '_>,
                visitor: &mut dyn Visitor,
            ) -> Result<(), StepError> {
                let mut params = MaybeUninit::<$params<Place>>::uninit();
                let params = decode(&mut params, body).map_err(|_| StepError::Encoding)?;
                params.accesses(&mut |_| ()).map_err(StepError::Params)?;
                let by = params.by_rows(turn.rows()).map_err(StepError::Params)?;
                let Some(strip) = turn.prove(&by, visitor)? else { return Ok(()) };
                params.restrict(turn.rows(), &strip);
                params.accesses(&mut |access| visitor.access(access)).map_err(StepError::Params)
            }

            unsafe fn fire(
                body: &[u8],
                turn: &mut Turn<'_, '_, '_>,
                memory: &Memory<'_>,
            ) -> Result<(), Undecodable> {
                decode_and_fire!(
                    $params, body, turn, memory, [execute $(::<$parts>)?] $(, $prepared)?
                )
            }

            $crate::KernelEntry { stage: Some(&StageEntry { check, fire }), ..ENTRY }
        };
    };
}

/// As [`entry`], for kernels of which some parts can be left out. They run
/// `unsafe fn execute::<PARTS>`, where `PARTS` are the bits of the `Parts` that are linked.
macro_rules! parted_entry {
    ($kernel:ident, $params:ident $(=> $prepared:ident)?) => {
        #[doc = concat!("Links `", stringify!($kernel), "`.")]
        pub const ENTRY: $crate::KernelEntry = entry::<{ u32::MAX }>();

        #[doc = concat!("Links parts of `", stringify!($kernel), "`. Steps that need others are refused.")]
        pub const fn entry<const PARTS: u32>() -> $crate::KernelEntry {
            use core::mem::MaybeUninit;

            use microhlo_format::kernels::{Params, Parts, $params};
            use microhlo_format::{KernelId, Place};

            use $crate::kernels::Memory;
            use $crate::kernels::decode::{checked, decode};
            use $crate::registry::{Undecodable, Visitor};
            use $crate::{KernelEntry, StepError};

            fn check<const PARTS: u32>(
                body: &[u8],
                visitor: &mut dyn Visitor,
            ) -> Result<(), StepError> {
                let mut params = MaybeUninit::<$params<Place>>::uninit();
                let params = checked(&mut params, body, visitor)?;
                let missing = params.parts().without(Parts(PARTS));
                if missing != Parts::NONE {
                    return Err(StepError::MissingParts(missing));
                }
                Ok(())
            }

            unsafe fn decode_and_execute<const PARTS: u32>(
                body: &[u8],
                memory: &Memory<'_>,
            ) -> Result<(), Undecodable> {
                decode_and_run!($params, body, memory, [execute::<PARTS>] $(, $prepared)?)
            }

            KernelEntry {
                id: KernelId::$kernel,
                check: check::<PARTS>,
                execute: decode_and_execute::<PARTS>,
                stage: None,
            }
        }
    };
}

/// Whether kernels with these parts linked can do something.
const fn has(parts: u32, part: Parts) -> bool {
    Parts(parts).has(part)
}

/// How results are rounded, if only [`Rounding::Up`] may be linked.
fn rounded<const PARTS: u32>(requant: &Requant) -> Requant {
    let up = Requant { rounding: Rounding::Up, ..*requant };
    if has(PARTS, Parts::ROUNDINGS) { *requant } else { up }
}

/// What a condition is that chooses between two parts, at least one of which is linked.
#[allow(dead_code, reason = "targets without assembly do not need it")]
const fn either(parts: u32, [yes, no]: [Parts; 2], condition: bool) -> bool {
    !has(parts, no) || (has(parts, yes) && condition)
}

/// Proves that the program has the targets.
fn targets(targets: &[Target], visitor: &dyn Visitor) -> Result<(), StepError> {
    let (program, next) = visitor.program();
    let proved = targets.iter().all(|&target| program.has(target, next));
    if proved { Ok(()) } else { Err(StepError::BadTarget) }
}

/// Makes modules `NAME` with an `ENTRY` for kernels of one parameter type that exist once per
/// element type. They run `unsafe fn execute::<Type>`, as [`entry`] says.
///
/// If they are `by fields`, as [`entry_by_fields`] says.
macro_rules! typed_entries {
    (by fields: $params:ident; $($name:ident = $ty:ty, $dtype:ident;)*) => {$(
        #[doc = concat!("`", stringify!($params), "` of elements of type `", stringify!($ty), "`.")]
        pub mod $name {
            entry_by_fields!($name, $params; $dtype);

            /// # Safety
            /// The loader has accepted the parameters for this memory.
            unsafe fn execute(
                body: &[u8],
                memory: &$crate::kernels::Memory<'_>,
            ) -> Result<(), $crate::registry::Undecodable> {
                // SAFETY: the caller's promise; the loader has compared the element type.
                unsafe { super::execute::<$ty>(body, memory) }
            }
        }
    )*};
    ($params:ident; $($name:ident = $ty:ty, $dtype:ident;)*) => {$(
        #[doc = concat!("`", stringify!($params), "` of elements of type `", stringify!($ty), "`.")]
        pub mod $name {
            entry!($name, $params; $dtype);

            /// # Safety
            /// The loader has accepted the parameters for this memory.
            unsafe fn execute(
                params: &microhlo_format::kernels::$params<microhlo_format::Place>,
                memory: &$crate::kernels::Memory<'_>,
            ) -> Result<(), $crate::registry::Undecodable> {
                // SAFETY: the caller's promise; the loader has compared the element type.
                unsafe { super::execute::<$ty>(params, memory) }
            }
        }
    )*};
}

macro_rules! modules {
    (
        $($(#[$cfg:meta])? $name:ident,)*
        ; stages: $($(#[$stage_cfg:meta])? $stage:ident,)*
        $(; $file:ident: $($typed:ident),*)*
    ) => {
        $($(#[$cfg])? pub mod $name;)*
        $($(#[$stage_cfg])? pub mod $stage;)*
        $(mod $file;
        pub use $file::{$($typed),*};)*

        /// All kernels, those first that steps run most often.
        pub static ALL: &[KernelEntry] = &[
            $($(#[$stage_cfg])? $stage::STAGE,)*
            $($(#[$cfg])? $name::ENTRY,)*
            $($($typed::ENTRY,)*)*
        ];
    };
}

modules! {
    branch,
    conv_any,
    dequantize_i8,
    dot_any,
    dot_f32,
    dot_i8,
    extern_call,
    fill,
    gather,
    hybrid_f32,
    map,
    product_i8,
    quantize_f32,
    reduce,
    reduce_any,
    rows,
    scatter,
    scatter_any,
    select_and_scatter,
    softmax_f32,
    softmax_i8,
    sort,
    switch,
    window,
    table_move_i8,
    conv_i16,
    #[cfg(mve_kernels)]
    conv_i16_mve,
    depthwise_i16,
    sum_i16,
    ; stages:
    conv_f32,
    conv_i8,
    #[cfg(mve_kernels)]
    conv_i8_mve,
    depthwise_f32,
    depthwise_i8,
    #[cfg(mve_kernels)]
    depthwise_i8_mve,
    depthwise_taps_i8,
    depthwise_three_i8,
    move_,
    pool_i8,
    scale_i8,
    sum_i8,
    table_i8,
    ; cholesky: cholesky_f32, cholesky_f64, cholesky_c64, cholesky_c128
    ; fft: fft_f32, fft_f64
    ; triangular_solve:
        triangular_solve_f32, triangular_solve_f64, triangular_solve_c64, triangular_solve_c128
}
