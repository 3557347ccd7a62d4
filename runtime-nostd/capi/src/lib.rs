//! The C interface of the microhlo runtime; `include/microhlo.h` documents it for C.
//!
//! Nothing here allocates. The caller gives the memory for a model and for a run; each begins with a word that
//! tells whether it is one, so that a function refuses zeroed or foreign memory instead of using it.
//!
//! The static library for a target is built with
//!
//! ```sh
//! MICROHLO_KERNELS=model.rs cargo rustc --profile firmware --package microhlo-capi \
//!     --target thumbv7em-none-eabihf --crate-type staticlib
//! ```
//!
//! where `model.rs` is what `microhlo compile --emit rust` writes; without it, all kernels are linked.
#![no_std]

pub mod functions;
mod status;

use core::ffi::c_char;
use core::fmt::Write;
use core::mem::{align_of, size_of};
use core::slice;

use microhlo::{Arenas, Model, Run, RunError};

pub use status::Status;

include!(concat!(env!("OUT_DIR"), "/kernels.rs"));

/// Nothing in the runtime panics, so this is never linked; the compiler wants it.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Words of memory for a model, `microhlo_model` in C, with some to spare for later versions.
const MODEL_WORDS: usize = if size_of::<usize>() == 8 { 40 } else { 26 };

/// Words of memory for a run, `microhlo_run` in C.
const RUN_WORDS: usize = 16;

/// What the memory of a model and of a run begins with.
const MODEL_MARK: u64 = u64::from_be_bytes(*b"mhlo-mod");
const RUN_MARK: u64 = u64::from_be_bytes(*b"mhlo-run");

/// Memory of the caller that holds a `T` behind a mark.
#[repr(C)]
struct Marked<T> {
    mark: u64,
    value: T,
}

/// A memory that a model works in, `microhlo_arena` in C. See the example of [`microhlo_infer_in`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ArenaMemory {
    /// Its first byte.
    pub bytes: *mut u8,
    /// How many there are.
    pub len: usize,
}

/// Memory for the name of an arena, which ends with a zero byte. See the example of [`microhlo_infer_in`].
pub type ArenaName = [c_char; 9];

/// Memory for a model. See the example of [`microhlo_infer`].
#[repr(C)]
#[derive(Debug)]
pub struct ModelMemory([u64; MODEL_WORDS]);

/// Memory for a run. See the example of [`microhlo_start`].
#[repr(C)]
#[derive(Debug)]
pub struct RunMemory([u64; RUN_WORDS]);

const _: () = assert!(size_of::<Marked<Model<'static>>>() <= size_of::<ModelMemory>());
const _: () = assert!(align_of::<Marked<Model<'static>>>() <= align_of::<u64>());
const _: () = assert!(size_of::<Marked<Run<'static>>>() <= size_of::<RunMemory>());
const _: () = assert!(align_of::<Marked<Run<'static>>>() <= align_of::<u64>());

impl<T> Marked<T> {
    /// The value in the caller's memory.
    ///
    /// # Safety
    /// `memory` is null or points to memory of this size and alignment, in which only [`Marked::put`] has written
    /// this mark.
    unsafe fn get(memory: *mut Marked<T>, mark: u64) -> Result<*mut T, Status> {
        if memory.is_null() {
            return Err(Status::Null);
        }
        // SAFETY: the contract of this function; a mark is a number, for which any bytes will do.
        match unsafe { (*memory).mark } == mark {
            // SAFETY: as above.
            true => Ok(unsafe { &raw mut (*memory).value }),
            false => Err(Status::NotLoaded),
        }
    }

    /// Writes a value to the caller's memory, which is not null, or that there is none.
    ///
    /// # Safety
    /// `memory` points to memory of this size and alignment.
    unsafe fn put(memory: *mut Marked<T>, mark: u64, value: Result<T, Status>) -> Status {
        match value {
            // SAFETY: the contract of this function; what was there needs no destructor.
            Ok(value) => unsafe {
                memory.write(Marked { mark, value });
                Status::Ok
            },
            // SAFETY: as above.
            Err(status) => unsafe {
                (*memory).mark = 0;
                status
            },
        }
    }
}

/// The model in the caller's memory.
///
/// # Safety
/// `memory` is null or points to memory for a model that nothing writes while the result is used.
unsafe fn model<'m>(memory: *const ModelMemory) -> Result<&'m Model<'static>, Status> {
    // SAFETY: the contract of this function; only `microhlo_load` writes this mark, and a model behind it.
    unsafe { Marked::get(memory.cast_mut().cast(), MODEL_MARK).map(|model| &*model) }
}

/// The run in the caller's memory.
///
/// # Safety
/// `memory` is null or points to memory for a run that nothing else uses while the result is used.
unsafe fn run<'m>(memory: *mut RunMemory) -> Result<&'m mut Run<'static>, Status> {
    // SAFETY: the contract of this function; only `microhlo_start` writes this mark, and a run behind it.
    unsafe { Marked::get(memory.cast(), RUN_MARK).map(|run| &mut *run) }
}

/// Bytes of the caller.
///
/// # Safety
/// `bytes` is null or points to `len` bytes that nothing writes while the result is used.
unsafe fn bytes<'b>(bytes: *const u8, len: usize) -> Result<&'b [u8], Status> {
    match bytes.is_null() {
        true if len > 0 => Err(Status::Null),
        true => Ok(&[]),
        // SAFETY: the contract of this function.
        false => Ok(unsafe { slice::from_raw_parts(bytes, len) }),
    }
}

/// The status of a result.
fn status(result: Result<(), Status>) -> Status {
    result.err().unwrap_or(Status::Ok)
}

/// Proves an artifact and writes the model to `memory`. See the example of [`microhlo_infer`].
///
/// # Safety
/// `memory` is null or points to memory for a model; `artifact` is null or points to `len` bytes. The artifact must
/// stay as it is for as long as the model is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_load(
    memory: *mut ModelMemory,
    artifact: *const u8,
    len: usize,
) -> Status {
    if memory.is_null() {
        return Status::Null;
    }
    // SAFETY: the contract of this function.
    let loaded = unsafe { bytes(artifact, len) }
        .and_then(|bytes| Model::load_with(bytes, KERNELS).map_err(Status::from));
    // SAFETY: the memory is the caller's, large enough and aligned.
    unsafe { Marked::put(memory.cast(), MODEL_MARK, loaded) }
}

/// Writes why an artifact does not load, as text with a zero byte at its end: which step, and what it lacks, by name.
/// Returns the length of the whole text, of which as much is written as there is room for; zero, and an empty text, if
/// the artifact loads.
///
/// ```
/// use microhlo_capi::microhlo_explain;
/// use std::ffi::CStr;
///
/// #[repr(align(16))]
/// struct Artifact([u8; 64]);
///
/// let (zeros, mut text) = (Artifact([0; 64]), [0_u8; 200]);
/// // SAFETY: the pointers are to as many bytes as is said.
/// let length = unsafe { microhlo_explain(zeros.0.as_ptr(), 64, text.as_mut_ptr().cast(), 200) };
/// let text = CStr::from_bytes_until_nul(&text)?.to_str()?;
/// assert!(text.len() == length && text.contains("artifact"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Safety
/// `artifact` is null or points to `len` bytes, `text` is null or points to memory for `room` characters.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_explain(
    artifact: *const u8,
    len: usize,
    text: *mut c_char,
    room: usize,
) -> usize {
    let mut out = Text { text, room, len: 0 };
    // SAFETY: the contract of this function.
    match unsafe { bytes(artifact, len) } {
        Err(status) => status.name().to_bytes().iter().for_each(|&byte| out.push(byte)),
        Ok(bytes) => {
            if let Err(error) = Model::load_with(bytes, KERNELS) {
                // Text of the caller takes what there is room for.
                let _ = write!(out, "{}", error.explain(bytes));
            }
        }
    }
    out.end();
    out.len
}

/// Text in memory of the caller.
struct Text {
    text: *mut c_char,
    room: usize,
    /// Characters so far, those without room too.
    len: usize,
}

impl Text {
    fn push(&mut self, byte: u8) {
        // The last character is the zero byte.
        if self.len + 1 < self.room {
            self.put(self.len, byte);
        }
        self.len += 1;
    }

    fn end(&mut self) {
        if let Some(last) = self.room.checked_sub(1) {
            self.put(self.len.min(last), 0);
        }
    }

    fn put(&mut self, at: usize, byte: u8) {
        if !self.text.is_null() {
            // SAFETY: there is room for so many characters, by the contract of `microhlo_explain`.
            unsafe { self.text.add(at).write(byte as c_char) };
        }
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        text.bytes().for_each(|byte| self.push(byte));
        Ok(())
    }
}

/// Bytes of the arena that the model needs, of the first of several; zero if it is not loaded.
/// See the example of [`microhlo_infer`].
///
/// # Safety
/// `memory` is null or points to memory for a model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_arena_bytes(memory: *const ModelMemory) -> usize {
    // SAFETY: the contract of this function.
    unsafe { model(memory) }.map_or(0, Model::arena_bytes)
}

/// Number of arenas; zero if the model is not loaded. See the example of [`microhlo_infer_in`].
///
/// # Safety
/// `memory` is null or points to memory for a model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_arena_count(memory: *const ModelMemory) -> usize {
    // SAFETY: the contract of this function.
    unsafe { model(memory) }.map_or(0, Model::arena_count)
}

/// Bytes that the model needs of arena `index`; zero if there is none. See the example of [`microhlo_infer_in`].
///
/// # Safety
/// `memory` is null or points to memory for a model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_arena_bytes_of(
    memory: *const ModelMemory,
    index: usize,
) -> usize {
    // SAFETY: the contract of this function.
    let arena = unsafe { model(memory) }.ok().and_then(|model| model.arena(index));
    arena.map_or(0, |info| info.byte_len())
}

/// Writes the name of the memory that arena `index` is for; an empty one if there is none, or it has no name.
/// See the example of [`microhlo_infer_in`].
///
/// # Safety
/// `memory` is null or points to memory for a model, `name` is null or points to memory for a name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_arena_name(
    memory: *const ModelMemory,
    index: usize,
    name: *mut ArenaName,
) {
    // SAFETY: the contract of this function.
    let arena = unsafe { model(memory) }.ok().and_then(|model| model.arena(index));
    let mut text: ArenaName = [0; 9];
    let known = arena.as_ref().map_or("", |info| info.name());
    for (to, from) in text.iter_mut().zip(known.bytes().take(8)) {
        *to = from as c_char;
    }
    if !name.is_null() {
        // SAFETY: the pointer is not null, so by the contract it is to memory for a name.
        unsafe { name.write(text) };
    }
}

/// Number of inputs; zero if the model is not loaded. See the example of [`microhlo_infer`].
///
/// # Safety
/// `memory` is null or points to memory for a model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_input_count(memory: *const ModelMemory) -> usize {
    // SAFETY: the contract of this function.
    unsafe { model(memory) }.map_or(0, Model::input_count)
}

/// Number of outputs; zero if the model is not loaded. See the example of [`microhlo_infer`].
///
/// # Safety
/// `memory` is null or points to memory for a model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_output_count(memory: *const ModelMemory) -> usize {
    // SAFETY: the contract of this function.
    unsafe { model(memory) }.map_or(0, Model::output_count)
}

/// Bytes of input `index`; zero if there is none. See the example of [`microhlo_infer`].
///
/// # Safety
/// `memory` is null or points to memory for a model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_input_bytes(memory: *const ModelMemory, index: usize) -> usize {
    // SAFETY: the contract of this function.
    let input = unsafe { model(memory) }.ok().and_then(|model| model.input(index));
    input.map_or(0, |info| info.byte_len())
}

/// Bytes of output `index`; zero if there is none. See the example of [`microhlo_infer`].
///
/// # Safety
/// `memory` is null or points to memory for a model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_output_bytes(memory: *const ModelMemory, index: usize) -> usize {
    // SAFETY: the contract of this function.
    let output = unsafe { model(memory) }.ok().and_then(|model| model.output(index));
    output.map_or(0, |info| info.byte_len())
}

/// Makes every state of the model zero. See the example of [`microhlo_start`].
///
/// # Safety
/// `memory` is null or points to memory for a model; `arena` is null or points to `arena_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_reset(
    memory: *const ModelMemory,
    arena: *mut u8,
    arena_len: usize,
) -> Status {
    // SAFETY: the contract of this function.
    let result =
        unsafe { model(memory).and_then(|model| Ok((model, arena_of(arena, arena_len)?))) };
    status(result.and_then(|(model, arena)| model.reset(arena).map_err(Status::from)))
}

/// The caller's arena.
///
/// # Safety
/// `arena` is null or points to `len` bytes that nothing else uses while the result is used.
unsafe fn arena_of<'b>(arena: *mut u8, len: usize) -> Result<&'b mut [u8], Status> {
    match arena.is_null() {
        true if len > 0 => Err(Status::Null),
        true => Ok(&mut []),
        // SAFETY: the contract of this function.
        false => Ok(unsafe { slice::from_raw_parts_mut(arena, len) }),
    }
}

/// The caller's arenas for a model, as they are.
///
/// # Safety
/// `arenas` is null or points to `count` arenas, each null or to as many bytes as it says, which are apart and which
/// nothing else uses while the result is used.
unsafe fn arenas_of<'m>(
    model: &'m Model<'static>,
    arenas: *const ArenaMemory,
    count: usize,
) -> Result<Arenas<'m>, Status> {
    if arenas.is_null() {
        return Err(Status::Null);
    }
    let mut null = false;
    let slices = (0..count).map(|i| {
        // SAFETY: there are `count` arenas.
        let arena = unsafe { arenas.add(i).read() };
        // SAFETY: the contract of this function.
        unsafe { arena_of(arena.bytes, arena.len) }.unwrap_or_else(|_| {
            null = true;
            &mut []
        })
    });
    let taken = model.filled_arenas(slices);
    if null { Err(Status::Null) } else { taken.map_err(Status::from) }
}

/// Copies the constants that the model keeps in its arenas, which have to be there for every run.
/// See the example of [`microhlo_infer_in`].
///
/// # Safety
/// `memory` is null or points to memory for a model; `arenas` is null or points to `count` arenas, each null or to as
/// many bytes as it says, all apart.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_fill(
    memory: *const ModelMemory,
    arenas: *const ArenaMemory,
    count: usize,
) -> Status {
    // SAFETY: the contract of this function.
    let taken = unsafe { model(memory).and_then(|model| arenas_of(model, arenas, count)) };
    status(taken.map(|mut arenas| arenas.fill()))
}

/// As [`microhlo_reset`], in several arenas. See the example of [`microhlo_infer_in`].
///
/// # Safety
/// As for [`microhlo_fill`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_reset_in(
    memory: *const ModelMemory,
    arenas: *const ArenaMemory,
    count: usize,
) -> Status {
    // SAFETY: the contract of this function.
    let taken = unsafe { model(memory).and_then(|model| arenas_of(model, arenas, count)) };
    status(taken.and_then(|mut arenas| arenas.reset().map_err(Status::from)))
}

/// As [`microhlo_infer`], in several arenas.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/../doc/models.rs"));
/// use microhlo_capi::*;
/// use std::mem::MaybeUninit;
/// use std::ptr::null_mut;
///
/// # fn main() {
/// let (mut memory, mut run) = (MaybeUninit::<ModelMemory>::zeroed(), MaybeUninit::zeroed());
/// let (memory, run): (_, *mut RunMemory) = (memory.as_mut_ptr(), run.as_mut_ptr());
/// let mut arena = Aligned([0_u8; 64]);
/// let arenas = [ArenaMemory { bytes: arena.0.as_mut_ptr(), len: 64 }];
/// let arenas = arenas.as_ptr();
/// let (x, mut y) = ([1.0_f32, 2.0, 3.0, 4.0], [0.0_f32; 4]);
/// // SAFETY: all pointers are to memory of the size that is asked for.
/// unsafe {
///     assert_eq!(microhlo_load(memory, AFFINE.as_ptr(), AFFINE.len()), Status::Ok);
///     // A model in one arena is none of several.
///     assert_eq!(microhlo_arena_count(memory), 1);
///     assert!(microhlo_arena_bytes_of(memory, 0) <= 64 && microhlo_arena_bytes_of(memory, 1) == 0);
///     let mut name: ArenaName = [1; 9];
///     microhlo_arena_name(memory, 0, &mut name);
///     assert_eq!(name[0], 0);
///     assert_eq!(microhlo_fill(memory, arenas, 1), Status::Ok);
///     assert_eq!(microhlo_reset_in(memory, arenas, 1), Status::Ok);
///     let (inputs, outputs) = ([x.as_ptr().cast()], [y.as_mut_ptr().cast()]);
///     let status = microhlo_infer_in(memory, arenas, 1, inputs.as_ptr(), outputs.as_ptr());
///     assert_eq!(status, Status::Ok);
///     // Or step by step.
///     assert_eq!(microhlo_start_in(run, memory, arenas, 1), Status::Ok);
///     assert_eq!(microhlo_start_in(run, memory, arenas, 0), Status::ArenaCount);
///     assert_eq!(microhlo_start_in(null_mut(), memory, arenas, 1), Status::Null);
/// }
/// assert_eq!(y, [3.0, 5.0, 7.0, 9.0]);
/// # }
/// ```
///
/// # Safety
/// As for [`microhlo_fill`] and, with regard to inputs and outputs, [`microhlo_infer`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_infer_in(
    memory: *const ModelMemory,
    arenas: *const ArenaMemory,
    count: usize,
    inputs: *const *const u8,
    outputs: *const *mut u8,
) -> Status {
    // SAFETY: the contract of this function.
    let result = unsafe { model(memory) }.and_then(|model| {
        // SAFETY: as above.
        let taken = unsafe { arenas_of(model, arenas, count) };
        // SAFETY: as above.
        unsafe { infer(model, || Ok(taken?.into_run()), inputs, outputs) }
    });
    status(result)
}

/// As [`microhlo_start`], in several arenas. See the example of [`microhlo_infer_in`].
///
/// # Safety
/// As for [`microhlo_start`], for `count` arenas, all apart.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_start_in(
    memory: *mut RunMemory,
    of: *const ModelMemory,
    arenas: *const ArenaMemory,
    count: usize,
) -> Status {
    if memory.is_null() {
        return Status::Null;
    }
    // SAFETY: the contract of this function.
    let taken = unsafe { model(of).and_then(|model| arenas_of(model, arenas, count)) };
    // SAFETY: the memory is the caller's, large enough and aligned.
    unsafe { Marked::put(memory.cast(), RUN_MARK, taken.map(Arenas::into_run)) }
}

/// Runs the model once: `inputs` and `outputs` have a pointer for each, to as many bytes as it has. A pointer may be
/// null for an input or output that is a state.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/../doc/models.rs"));
/// use microhlo_capi::*;
/// use std::mem::MaybeUninit;
///
/// # fn main() {
/// let mut memory = MaybeUninit::<ModelMemory>::zeroed();
/// let memory = memory.as_mut_ptr();
/// let mut arena = Aligned([0_u8; 64]);
/// let (x, mut y) = ([1.0_f32, 2.0, 3.0, 4.0], [0.0_f32; 4]);
/// // SAFETY: all pointers are to memory of the size that is asked for.
/// unsafe {
///     assert_eq!(microhlo_load(memory, AFFINE.as_ptr(), AFFINE.len()), Status::Ok);
///     assert!(microhlo_arena_bytes(memory) <= 64);
///     assert_eq!((microhlo_input_count(memory), microhlo_output_count(memory)), (1, 1));
///     assert_eq!((microhlo_input_bytes(memory, 0), microhlo_output_bytes(memory, 0)), (16, 16));
///     let (inputs, outputs) = ([x.as_ptr().cast()], [y.as_mut_ptr().cast()]);
///     let arena = arena.0.as_mut_ptr();
///     let status = microhlo_infer(memory, arena, 64, inputs.as_ptr(), outputs.as_ptr());
///     assert_eq!(status, Status::Ok);
/// }
/// assert_eq!(y, [3.0, 5.0, 7.0, 9.0]);
/// # }
/// ```
///
/// # Safety
/// `memory` is null or points to memory for a model; `arena` is null or points to `arena_len` bytes; `inputs` and
/// `outputs` are null or point to as many pointers as the model has inputs and outputs, each of them null or to as
/// many bytes. Outputs overlap nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_infer(
    memory: *const ModelMemory,
    arena: *mut u8,
    arena_len: usize,
    inputs: *const *const u8,
    outputs: *const *mut u8,
) -> Status {
    // SAFETY: the contract of this function.
    let result = unsafe { model(memory) }.and_then(|model| {
        // SAFETY: as above.
        let arena = unsafe { arena_of(arena, arena_len) };
        // SAFETY: as above.
        unsafe { infer(model, || Ok(model.start(arena?)?), inputs, outputs) }
    });
    status(result)
}

/// Takes a run that `start` begins to its end.
///
/// # Safety
/// As for [`microhlo_infer`], with regard to inputs and outputs.
unsafe fn infer<'m>(
    model: &'m Model<'static>,
    start: impl FnOnce() -> Result<Run<'m>, Status>,
    inputs: *const *const u8,
    outputs: *const *mut u8,
) -> Result<(), Status> {
    let missing =
        |count: usize, null: bool| if null && count > 0 { Err(Status::Null) } else { Ok(()) };
    missing(model.input_count(), inputs.is_null())?;
    missing(model.output_count(), outputs.is_null())?;
    let mut run = start()?;
    let mut rows: &[u8] = &[];
    for i in 0..model.input_count() {
        let info = model.input(i).ok_or(Status::NoSuchTensor)?;
        // SAFETY: the array has a pointer for each input.
        let input = unsafe { *inputs.add(i) };
        if input.is_null() && info.is_state() {
            continue;
        }
        // SAFETY: the pointer is null or to as many bytes as the input has.
        let input = unsafe { bytes(input, info.byte_len()) }?;
        match run.set_input(i, input) {
            Err(RunError::Streamed { .. }) => rows = input,
            result => result?,
        }
    }
    while run.step_fed(rows)?.is_some() {}
    for i in 0..model.output_count() {
        // SAFETY: the array has a pointer for each output.
        let output = unsafe { *outputs.add(i) };
        let result = run.output(i)?;
        if !output.is_null() {
            // SAFETY: the pointer is to as many bytes as the output has, apart from all else.
            unsafe {
                output.copy_from_nonoverlapping(result.bytes().as_ptr(), result.bytes().len())
            };
        }
    }
    Ok(())
}

/// Begins a run in `arena` and writes it to `memory`. It uses model and arena until the caller drops it, which
/// needs no call.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/../doc/models.rs"));
/// use microhlo_capi::*;
/// use std::mem::MaybeUninit;
///
/// # fn main() {
/// let (mut memory, mut run) = (MaybeUninit::<ModelMemory>::zeroed(), MaybeUninit::zeroed());
/// let (memory, run): (_, *mut RunMemory) = (memory.as_mut_ptr(), run.as_mut_ptr());
/// let mut arena = Aligned([0_u8; 64]);
/// let arena = arena.0.as_mut_ptr();
/// let (x, mut y) = ([1.0_f32; 4], [0.0_f32; 4]);
/// let (mut finished, mut wanted, mut len) = (false, 0, 0);
/// // SAFETY: all pointers are to memory of the size that is asked for.
/// unsafe {
///     assert_eq!(microhlo_load(memory, TOTAL.as_ptr(), TOTAL.len()), Status::Ok);
///     assert_eq!(microhlo_reset(memory, arena, 64), Status::Ok);
///     // The sum of all inputs so far is a state in the arena.
///     for _ in 0..3 {
///         assert_eq!(microhlo_start(run, memory, arena, 64), Status::Ok);
///         assert_eq!(microhlo_set_input(run, 0, x.as_ptr().cast(), 16), Status::Ok);
///         // This model takes its input whole.
///         assert_eq!(microhlo_feed(run, x.as_ptr().cast(), 16, &mut wanted), Status::NotFed);
///         finished = false;
///         while !finished {
///             assert_eq!(microhlo_step(run, &mut finished), Status::Ok);
///         }
///         let output = microhlo_output(run, 0, &mut len).cast::<[f32; 4]>();
///         y = output.read();
///     }
/// }
/// assert_eq!((y, len), ([3.0; 4], 16));
/// # }
/// ```
///
/// # Safety
/// `memory` is null or points to memory for a run; `of` is null or points to memory for a model; `arena` is null or
/// points to `arena_len` bytes. Model and arena must not be used otherwise while the run is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_start(
    memory: *mut RunMemory,
    of: *const ModelMemory,
    arena: *mut u8,
    arena_len: usize,
) -> Status {
    if memory.is_null() {
        return Status::Null;
    }
    // SAFETY: the contract of this function.
    let parts = unsafe { model(of).and_then(|model| Ok((model, arena_of(arena, arena_len)?))) };
    let started = parts.and_then(|(model, arena)| model.start(arena).map_err(Status::from));
    // SAFETY: the memory is the caller's, large enough and aligned.
    unsafe { Marked::put(memory.cast(), RUN_MARK, started) }
}

/// Copies an input into the arena of a run, before its first step. See the example of [`microhlo_start`].
///
/// # Safety
/// `memory` is null or points to memory for a run; `input` is null or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_set_input(
    memory: *mut RunMemory,
    index: usize,
    input: *const u8,
    len: usize,
) -> Status {
    // SAFETY: the contract of this function.
    let parts = unsafe { run(memory).and_then(|run| Ok((run, bytes(input, len)?))) };
    status(parts.and_then(|(run, input)| run.set_input(index, input).map_err(Status::from)))
}

/// Runs one step and sets `*finished` to whether there was none left. See the example of [`microhlo_start`].
///
/// # Safety
/// `memory` is null or points to memory for a run; `finished` is null or points to a `bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_step(memory: *mut RunMemory, finished: *mut bool) -> Status {
    if finished.is_null() {
        return Status::Null;
    }
    // SAFETY: the contract of this function.
    match unsafe { run(memory) }.and_then(|run| run.step().map_err(Status::from)) {
        Err(status) => status,
        Ok(step) => {
            // SAFETY: the pointer is not null, so by the contract it is to a `bool`.
            unsafe { finished.write(step.is_none()) };
            Status::Ok
        }
    }
}

/// Gives the next rows of an input that is fed, computes what they make possible, and sets `*wanted` to the number
/// of rows that there is room for then; zero once the input is complete. See the example of [`microhlo_start`].
///
/// # Safety
/// `memory` is null or points to memory for a run; `rows` is null or points to `len` bytes; `wanted` is null or points
/// to a `uint32_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_feed(
    memory: *mut RunMemory,
    rows: *const u8,
    len: usize,
    wanted: *mut u32,
) -> Status {
    if wanted.is_null() {
        return Status::Null;
    }
    // SAFETY: the contract of this function.
    let parts = unsafe { run(memory).and_then(|run| Ok((run, bytes(rows, len)?))) };
    match parts.and_then(|(run, rows)| run.feed(rows).map_err(Status::from)) {
        Err(status) => status,
        Ok(rows) => {
            // SAFETY: the pointer is not null, so by the contract it is to a `uint32_t`.
            unsafe { wanted.write(rows) };
            Status::Ok
        }
    }
}

/// Where output `index` lies after the last step, and how long it is; null if there is none yet. It is there until the
/// arena is used again. See the example of [`microhlo_start`].
///
/// # Safety
/// `memory` is null or points to memory for a run; `len` is null or points to a `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_output(
    memory: *mut RunMemory,
    index: usize,
    len: *mut usize,
) -> *const u8 {
    // SAFETY: the contract of this function.
    let Some(tensor) = unsafe { run(memory) }.ok().and_then(|run| run.output(index).ok()) else {
        return core::ptr::null();
    };
    if !len.is_null() {
        // SAFETY: the pointer is not null, so by the contract it is to a `size_t`.
        unsafe { len.write(tensor.bytes().len()) };
    }
    tensor.bytes().as_ptr()
}

/// The name of a status, for example `MICROHLO_ARENA_TOO_SMALL`; never null.
///
/// ```
/// use microhlo_capi::{Status, microhlo_status_name};
/// use std::ffi::CStr;
///
/// let name = microhlo_status_name(Status::ArenaTooSmall as i32);
/// // SAFETY: the name is never null and ends with a zero byte.
/// assert_eq!(unsafe { CStr::from_ptr(name) }, c"MICROHLO_ARENA_TOO_SMALL");
/// ```
#[unsafe(no_mangle)]
pub extern "C" fn microhlo_status_name(status: i32) -> *const c_char {
    let named = Status::ALL.iter().find(|known| **known as i32 == status);
    named.map_or(c"an unknown status", |status| status.name()).as_ptr()
}
