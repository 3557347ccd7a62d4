//! Decoding of parameters by tables.
//!
//! What [`decode_exact`] does in code of its own for each struct is half of a kernel's share of the loader. Here
//! it is one function for all, and eight bytes for each field, or for several of a type one behind the other. It
//! takes some 80 instructions more for each step, so only kernels have it whose steps take thousands, on the cores
//! whose firmware is to be smallest: Cortex-M with the DSP extension.

use core::mem::{MaybeUninit, offset_of};

use microhlo_format::kernels::*;
use microhlo_format::{Fields, Place, for_each_struct};

use crate::StepError;
use crate::registry::{Undecodable, Visitor};

/// Decodes some adjacent values of a type where there is room for them.
type Take = unsafe fn(at: *mut u8, count: usize, fields: &mut Fields<'_>);

/// Fields of a type that lie one behind the other, in the order of the encoding.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    take: Take,
    offset: u16,
    count: u16,
}

/// Parameters with a table of their fields.
///
/// # Safety
/// The table has each field of the type once, with its type and where it lies.
pub(crate) unsafe trait Table: Decode {
    /// All fields in the order of the encoding.
    const RUNS: &'static [Run];

    /// Whether parameters are decoded by the table.
    const USED: bool = false;
}

/// Decodes a value that must fill `bytes` exactly; left-over bytes are an error.
#[inline(always)]
pub(crate) fn decode<'v, T: Table>(
    value: &'v mut MaybeUninit<T>,
    bytes: &[u8],
) -> Result<&'v mut T, Undecodable> {
    if !T::USED {
        return decode_often(value, bytes);
    }
    // SAFETY: the table is that of the type, whose fields have all been written then.
    unsafe {
        decode_runs(value.as_mut_ptr().cast(), T::RUNS, bytes)?;
        Ok(value.assume_init_mut())
    }
}

/// Decodes the parameters of a step for the loader, and tells it what they access and call.
#[inline(always)]
pub(crate) fn checked<'v, T: Table + Params<Place>>(
    value: &'v mut MaybeUninit<T>,
    bytes: &[u8],
    visitor: &mut dyn Visitor,
) -> Result<&'v mut T, StepError> {
    let params = decode(value, bytes).map_err(|_| StepError::Encoding)?;
    params.accesses(&mut |access| visitor.access(access)).map_err(StepError::Params)?;
    params.micro_ops(&mut |id| visitor.micro(id));
    Ok(params)
}

/// As [`decode`], by code of the type's own, for stages of chains, which decode for every few rows.
#[inline(always)]
pub(crate) fn decode_often<'v, T: Decode>(
    value: &'v mut MaybeUninit<T>,
    bytes: &[u8],
) -> Result<&'v mut T, Undecodable> {
    let value = value.write(T::empty());
    decode_exact(value, bytes)?;
    Ok(value)
}

/// # Safety
/// `runs` are those of a type, and `value` has room for one.
#[inline(never)]
unsafe fn decode_runs(value: *mut u8, runs: &[Run], bytes: &[u8]) -> Result<(), Undecodable> {
    let mut fields = Fields::new(bytes);
    for run in runs {
        // SAFETY: a run of the type.
        unsafe { (run.take)(value.add(run.offset.into()), run.count.into(), &mut fields) };
    }
    let all = fields.good() && fields.rest().is_empty();
    if all { Ok(()) } else { Err(Undecodable) }
}

/// # Safety
/// There is room for so many.
unsafe fn words(at: *mut u8, count: usize, fields: &mut Fields<'_>) {
    // SAFETY: the caller's promise.
    fields.words(unsafe { core::slice::from_raw_parts_mut(at.cast(), count) });
}

/// # Safety
/// There is room for so many `i32`.
unsafe fn signed(at: *mut u8, count: usize, fields: &mut Fields<'_>) {
    // SAFETY: the caller's promise; `u32` have the same size and alignment, and are written first.
    unsafe {
        words(at, count, fields);
        for value in core::slice::from_raw_parts_mut(at.cast::<u32>(), count) {
            // The lowest bit is the sign.
            *value = (*value >> 1) ^ (*value & 1).wrapping_neg();
        }
    }
}

/// # Safety
/// There is room for so many values of the type.
unsafe fn values<T: Decode>(at: *mut u8, count: usize, fields: &mut Fields<'_>) {
    // SAFETY: the caller's promise.
    for value in unsafe { core::slice::from_raw_parts_mut(at.cast::<MaybeUninit<T>>(), count) } {
        value.write(T::empty()).decode(fields);
    }
}

/// # Safety
/// There is room for a value of the type.
unsafe fn value<T: Decode>(at: *mut u8, _: usize, fields: &mut Fields<'_>) {
    // SAFETY: the caller's promise.
    unsafe { (*at.cast::<MaybeUninit<T>>()).write(T::empty()).decode(fields) };
}

/// A field, on its own.
#[derive(Clone, Copy)]
struct Entry {
    repeated: Option<Repeated>,
    run: Run,
}

/// The field that a function returns, which lies at this offset.
const fn entry<S, T: Decode>(_: fn(&S) -> &T, offset: usize) -> Entry {
    assert!(offset <= u16::MAX as usize);
    let take = match T::REPEATED {
        Some(Repeated::Word) => words,
        Some(Repeated::Signed) => signed,
        Some(Repeated::Place) => values::<T>,
        None => value::<T>,
    };
    Entry { repeated: T::REPEATED, run: Run { take, offset: offset as u16, count: 1 } }
}

/// Bytes of a value that may be repeated.
const fn size(repeated: Repeated) -> u16 {
    match repeated {
        Repeated::Word | Repeated::Signed => size_of::<u32>() as u16,
        Repeated::Place => size_of::<Place>() as u16,
    }
}

/// Runs of fields, and their number: those of a type that lie one behind the other are one.
#[allow(clippy::indexing_slicing, reason = "evaluated when it is compiled")]
const fn runs<const N: usize>(entries: [Entry; N]) -> ([Run; N], usize) {
    let (mut runs, mut count, mut i) = ([entries[0].run; N], 0, 0);
    while i < N {
        let (this, mut joined) = (entries[i], false);
        if i > 0
            && let (Some(a), Some(b)) = (entries[i - 1].repeated, this.repeated)
        {
            let last = runs[count - 1];
            joined = a as u8 == b as u8 && last.offset + last.count * size(a) == this.run.offset;
        }
        if joined {
            runs[count - 1].count += 1;
        } else {
            runs[count] = this.run;
            count += 1;
        }
        i += 1;
    }
    (runs, count)
}

/// The table of a value that the only field of another is, which a function returns.
const fn only<S, T: Table>(_: fn(&S) -> &T, offset: usize) -> &'static [Run] {
    assert!(offset == 0);
    T::RUNS
}

/// Whether parameters of this name are decoded by their table.
const fn used(name: &str) -> bool {
    let many =
        matches!(name.as_bytes(), b"ConvI8" | b"DepthwiseThreeI8" | b"PoolI8" | b"SoftmaxI8");
    cfg!(cortex_m_dsp) && many
}

/// The table of a type: of what is in it, if that is one convolution, which other parameters are, too.
macro_rules! table {
    ($value:ident, { conv }) => {
        only(|value: &$value| &value.conv, offset_of!($value, conv))
    };
    ($value:ident, { $($field:ident),* $(,)? }) => {{
        const ALL: ([Run; [$(stringify!($field)),*].len()], usize) =
            runs([$(entry(|value: &$value| &value.$field, offset_of!($value, $field))),*]);
        // Of its own, so that firmware has no others.
        const RUNS: [Run; ALL.1] = *ALL.0.first_chunk().expect("there are no more runs than fields");
        &RUNS
    }};
}

macro_rules! tables {
    ($($ty:ident $(<$place:ident>)? { $($field:ident),* $(,)? })*) => {$(
        const _: () = {
            type Value = $ty $(<$place>)?;

            // SAFETY: fields are listed with their types, by functions that return them, and where they lie;
            // the list is the one that `Decode` follows, where a pattern makes sure that all are in it.
            unsafe impl Table for Value {
                const RUNS: &'static [Run] = table!(Value, { $($field),* });
                const USED: bool = used(stringify!($ty));
            }
        };
    )*};
}

for_each_struct!(tables);
