//! Functions of the firmware that models call, written in C. They are in a table that the firmware defines under the
//! name `microhlo_functions`; only a library for a model that calls functions asks for it.

use core::ffi::{CStr, c_char, c_void};
use core::marker::PhantomData;
use core::ptr::{null, null_mut};

use microhlo::{Extern, ExternCall, ExternError, ExternSignature, Externs, TensorInfo};
use microhlo_format::kernels::MAX_RANK;

/// A function of the firmware, `microhlo_function` in C. See the example of [`Call`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// The name that models call it by; null ends a table.
    pub name: *const c_char,
    /// Whether the function is for a call, which has no operands and results yet.
    pub accepts: Option<unsafe extern "C" fn(*const Call<'_, '_>) -> bool>,
    /// Computes the results of a call. Not zero if it cannot.
    pub compute: Option<unsafe extern "C" fn(*mut Call<'_, '_>) -> u32>,
}

/// Where the functions are. See the example of [`Call`].
pub trait Table {
    /// The first of the functions, which stay as they are; the last is followed by one without a name. Null for none.
    fn first() -> *const Function;
}

/// The functions of a table, for the loader. See the example of [`Call`].
#[derive(Debug)]
pub struct Functions<T>(PhantomData<T>);

impl<T: Table> Functions<T> {
    /// The function of this name.
    fn named(name: &[u8]) -> Option<Function> {
        let mut next = T::first();
        while !next.is_null() {
            // SAFETY: a table goes on up to a function without a name.
            let function = unsafe { next.read() };
            if function.name.is_null() {
                break;
            }
            // SAFETY: names end with a zero byte.
            if unsafe { CStr::from_ptr(function.name) }.to_bytes() == name {
                return Some(function);
            }
            next = next.wrapping_add(1);
        }
        None
    }

    fn accepts(signature: &ExternSignature<'_>) -> bool {
        let Some(function) = Self::named(signature.name().as_bytes()) else { return false };
        let Some(accepts) = function.accepts else { return function.compute.is_some() };
        let call = Call { signature: *signature, tensors: None };
        // SAFETY: the function in C looks at the call by the functions below.
        function.compute.is_some() && unsafe { accepts(&call) }
    }

    fn compute(tensors: &mut ExternCall<'_>) -> Result<(), ExternError> {
        let signature = tensors.signature();
        let function = Self::named(signature.name().as_bytes());
        // The loader has found it.
        let compute = function.and_then(|function| function.compute).ok_or(ExternError(0))?;
        let mut call = Call { signature, tensors: Some(tensors) };
        // SAFETY: the function in C takes what is in the call by the functions below.
        match unsafe { compute(&mut call) } {
            0 => Ok(()),
            code => Err(ExternError(code)),
        }
    }
}

impl<T: Table> Externs for Functions<T> {
    /// They are in the table.
    const FUNCTIONS: &'static [Extern] =
        &[Extern::of_any_types("a function in C", Self::compute).accepting(Self::accepts)];

    fn find(name: &[u8]) -> Option<&'static Extern> {
        Self::named(name).and_then(|_| Self::FUNCTIONS.first())
    }
}

/// A call of a function, `microhlo_call` in C.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/../doc/calls.rs"));
/// use microhlo::{Arena, Kernels, Model, kernels::extern_call};
/// use microhlo_capi::functions::*;
/// use std::ptr::null;
///
/// /// As C would look at a call when the model is loaded.
/// unsafe extern "C" fn accepts(call: *const Call<'_, '_>) -> bool {
///     let (mut input, mut output) = (TensorShape::default(), TensorShape::default());
///     let (mut wraps, mut window, mut gain, mut rate) = (false, 0, 0.0, 0.0);
///     let (mut taps, mut length) = ([0; 3], 0);
///     // SAFETY: the pointers are to values of these types, names end with a zero byte.
///     let mode = unsafe {
///         assert_eq!((microhlo_operand_count(call), microhlo_result_count(call)), (1, 1));
///         assert!(microhlo_operand_shape(call, 0, &mut input));
///         assert!(microhlo_result_shape(call, 0, &mut output));
///         assert!(microhlo_setting_boolean(call, c"wraps".as_ptr(), &mut wraps));
///         assert!(microhlo_setting_integer(call, c"window".as_ptr(), &mut window));
///         assert!(microhlo_setting_float(call, c"gain".as_ptr(), &mut gain));
///         assert!(microhlo_setting_double(call, c"rate".as_ptr(), &mut rate));
///         assert_eq!(microhlo_setting_integers(call, c"taps".as_ptr(), taps.as_mut_ptr(), 3), 3);
///         let mode = microhlo_setting_text(call, c"mode".as_ptr(), &mut length);
///         std::slice::from_raw_parts(mode.cast::<u8>(), length)
///     };
///     assert_eq!((input.rank, input.dims[0], output.bytes), (1, 4, 16));
///     (wraps, window, gain, rate, taps, mode) == (true, 3, 0.5, 0.1, [1, 2, 1], b"edge")
/// }
///
/// /// Half of every element.
/// unsafe extern "C" fn compute(call: *mut Call<'_, '_>) -> u32 {
///     let mut length = 0;
///     // SAFETY: operand and result are floats, as many as `length` says.
///     unsafe {
///         let input = microhlo_operand(call, 0, &mut length).cast::<f32>();
///         let output = microhlo_next_result(call, &mut length).cast::<f32>();
///         (0..length / 4).for_each(|i| output.add(i).write(0.5 * input.add(i).read()));
///     }
///     0
/// }
///
/// struct Firmware;
///
/// impl Table for Firmware {
///     fn first() -> *const Function {
///         let function = Function {
///             name: c"board.filter".as_ptr(),
///             accepts: Some(accepts),
///             compute: Some(compute),
///         };
///         let end = Function { name: null(), accepts: None, compute: None };
///         vec![function, end].leak().as_ptr()
///     }
/// }
///
/// static KERNELS: Kernels =
///     Kernels { kernels: &[extern_call::entry::<Functions<Firmware>>()], micro: &[] };
///
/// # fn main() -> Result<(), microhlo::RunError> {
/// // A model that calls `board.filter`.
/// let model = Model::load_with(artifact(), &KERNELS).expect("the function accepts the call");
/// let mut arena = Arena::<32>::new();
/// let mut run = model.start(&mut arena.0)?;
/// run.input_mut(0)?.as_f32_mut().expect("floats").copy_from_slice(&[1.0, 2.0, 3.0, 4.0]);
/// while run.step()?.is_some() {}
/// assert_eq!(run.output(0)?.as_f32(), Some(&[0.5, 1.0, 1.5, 2.0][..]));
/// # Ok(())
/// # }
/// ```
pub struct Call<'a, 'c> {
    signature: ExternSignature<'c>,
    /// None while a model is loaded.
    tensors: Option<&'a mut ExternCall<'c>>,
}

/// What a tensor is, `microhlo_tensor` in C. See the example of [`Call`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TensorShape {
    /// Code of the element type, as `microhlo_type` in C has it.
    pub dtype: i32,
    /// Number of dimensions.
    pub rank: u32,
    /// Sizes of the dimensions, outermost first, of which C has `MICROHLO_MAX_RANK`.
    pub dims: [u32; MAX_RANK],
    /// Size in bytes.
    pub bytes: usize,
}

impl TensorShape {
    fn new(info: &TensorInfo<'_>) -> TensorShape {
        let mut dims = [0; MAX_RANK];
        dims.iter_mut().zip(info.dims()).for_each(|(to, from)| *to = *from);
        let rank = info.dims().len() as u32;
        TensorShape { dtype: info.dtype().code().into(), rank, dims, bytes: info.byte_len() }
    }
}

/// The signature of a call.
///
/// # Safety
/// `call` is null or what a function was called with.
unsafe fn signature<'c>(call: *const Call<'_, 'c>) -> Option<ExternSignature<'c>> {
    // SAFETY: the contract of this function.
    unsafe { call.as_ref() }.map(|call| call.signature)
}

/// The setting of a call that `read` finds by its name.
///
/// # Safety
/// `call` is null or what a function was called with, `name` null or a string that ends with a zero byte.
unsafe fn setting<'c, V>(
    call: *const Call<'_, 'c>,
    name: *const c_char,
    read: impl FnOnce(ExternSignature<'c>, &str) -> Option<V>,
) -> Option<V> {
    if name.is_null() {
        return None;
    }
    // SAFETY: the contract of this function.
    let (signature, name) = unsafe { (signature(call)?, CStr::from_ptr(name)) };
    read(signature, name.to_str().ok()?)
}

/// Writes a value for the caller, if there is one; whether there is.
///
/// # Safety
/// `to` is null or points to memory for a value.
unsafe fn give<V>(to: *mut V, value: Option<V>) -> bool {
    match value {
        Some(value) if !to.is_null() => {
            // SAFETY: the contract of this function.
            unsafe { to.write(value) };
            true
        }
        value => value.is_some(),
    }
}

/// Number of operands of a call. See the example of [`Call`].
///
/// # Safety
/// `call` is null or what a function was called with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_operand_count(call: *const Call<'_, '_>) -> usize {
    // SAFETY: the contract of this function.
    unsafe { signature(call) }.map_or(0, |call| call.operand_count())
}

/// Number of results of a call. See the example of [`Call`].
///
/// # Safety
/// `call` is null or what a function was called with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_result_count(call: *const Call<'_, '_>) -> usize {
    // SAFETY: the contract of this function.
    unsafe { signature(call) }.map_or(0, |call| call.result_count())
}

/// Writes what operand `index` is; false if there is none. See the example of [`Call`].
///
/// # Safety
/// `call` is null or what a function was called with, `shape` null or to memory for a shape.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_operand_shape(
    call: *const Call<'_, '_>,
    index: usize,
    shape: *mut TensorShape,
) -> bool {
    // SAFETY: the contract of this function.
    let info = unsafe { signature(call) }.and_then(|call| call.operand(index));
    // SAFETY: as above.
    unsafe { give(shape, info.map(|info| TensorShape::new(&info))) }
}

/// Writes what result `index` is; false if there is none. See the example of [`Call`].
///
/// # Safety
/// `call` is null or what a function was called with, `shape` null or to memory for a shape.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_result_shape(
    call: *const Call<'_, '_>,
    index: usize,
    shape: *mut TensorShape,
) -> bool {
    // SAFETY: the contract of this function.
    let info = unsafe { signature(call) }.and_then(|call| call.result(index));
    // SAFETY: as above.
    unsafe { give(shape, info.map(|info| TensorShape::new(&info))) }
}

/// Writes the boolean setting `name`; false if there is none. See the example of [`Call`].
///
/// # Safety
/// `call` is null or what a function was called with, `name` null or a string that ends with a zero byte, `value` null or
/// to memory for a boolean.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_setting_boolean(
    call: *const Call<'_, '_>,
    name: *const c_char,
    value: *mut bool,
) -> bool {
    // SAFETY: the contract of this function.
    unsafe { give(value, setting(call, name, |call, name| call.boolean(name))) }
}

/// Writes the integer setting `name`; false if there is none. See the example of [`Call`].
///
/// # Safety
/// As for [`microhlo_setting_boolean`], of an integer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_setting_integer(
    call: *const Call<'_, '_>,
    name: *const c_char,
    value: *mut i64,
) -> bool {
    // SAFETY: the contract of this function.
    unsafe { give(value, setting(call, name, |call, name| call.integer(name))) }
}

/// Writes the setting `name` that is a float of 32 bits; false if there is none. See the example of [`Call`].
///
/// # Safety
/// As for [`microhlo_setting_boolean`], of a float.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_setting_float(
    call: *const Call<'_, '_>,
    name: *const c_char,
    value: *mut f32,
) -> bool {
    // SAFETY: the contract of this function.
    unsafe { give(value, setting(call, name, |call, name| call.float(name))) }
}

/// Writes the setting `name` that is a float of 64 bits; false if there is none. See the example of [`Call`].
///
/// # Safety
/// As for [`microhlo_setting_boolean`], of a double.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_setting_double(
    call: *const Call<'_, '_>,
    name: *const c_char,
    value: *mut f64,
) -> bool {
    // SAFETY: the contract of this function.
    unsafe { give(value, setting(call, name, |call, name| call.double(name))) }
}

/// The string setting `name`, which does not end with a zero byte, and its length; null if there is none.
/// See the example of [`Call`].
///
/// # Safety
/// As for [`microhlo_setting_boolean`]; `len` is null or points to a `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_setting_text(
    call: *const Call<'_, '_>,
    name: *const c_char,
    len: *mut usize,
) -> *const c_char {
    // SAFETY: the contract of this function.
    let text = unsafe { setting(call, name, |call, name| call.text(name)) };
    // SAFETY: as above.
    unsafe { give(len, text.map(str::len)) };
    text.map_or(null(), |text| text.as_ptr().cast())
}

/// Writes the first `room` integers of the setting `name` that is a list, and returns how many it has; zero if there
/// is none. See the example of [`Call`].
///
/// # Safety
/// As for [`microhlo_setting_boolean`]; `values` is null or points to memory for `room` integers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_setting_integers(
    call: *const Call<'_, '_>,
    name: *const c_char,
    values: *mut i64,
    room: usize,
) -> usize {
    // SAFETY: the contract of this function.
    let Some(all) = (unsafe { setting(call, name, |call, name| call.integers(name)) }) else {
        return 0;
    };
    let mut count = 0;
    for value in all {
        if count < room && !values.is_null() {
            // SAFETY: there is room for this one.
            unsafe { values.add(count).write(value) };
        }
        count += 1;
    }
    count
}

/// The bytes of operand `index`, and how many there are; null if there is no such operand, or the call is only
/// looked at. See the example of [`Call`].
///
/// # Safety
/// `call` is null or what a function was called with, `len` null or to a `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_operand(
    call: *const Call<'_, '_>,
    index: usize,
    len: *mut usize,
) -> *const c_void {
    // SAFETY: the contract of this function.
    let tensors = unsafe { call.as_ref() }.and_then(|call| call.tensors.as_ref());
    let bytes = tensors.and_then(|tensors| tensors.operand_bytes(index).ok());
    // SAFETY: as above.
    unsafe { give(len, bytes.map(<[u8]>::len)) };
    bytes.map_or(null(), |bytes| bytes.as_ptr().cast())
}

/// The bytes of the next result, the first one when called first, and how many there are; null if the function has
/// all, or the call is only looked at. See the example of [`Call`].
///
/// # Safety
/// `call` is null or what a function was called with, `len` null or to a `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn microhlo_next_result(
    call: *mut Call<'_, '_>,
    len: *mut usize,
) -> *mut c_void {
    // SAFETY: the contract of this function.
    let tensors = unsafe { call.as_mut() }.and_then(|call| call.tensors.as_mut());
    let bytes = tensors.and_then(|tensors| tensors.result_bytes().ok());
    // SAFETY: as above.
    unsafe { give(len, bytes.as_ref().map(|bytes| bytes.len())) };
    bytes.map_or(null_mut(), |bytes| bytes.as_mut_ptr().cast())
}
