//! Windows of a tensor at indices that are read at run time.

use microhlo_format::kernels::{Decode, MAX_RANK, Sizes, Start, Strides};
use microhlo_format::{DType, Fields, Place};

use super::move_::copy_run;
use super::odometer::{Odometer, split_last};
use super::scatter::copy_operand;
use super::{Memory, dst, src};
use crate::registry::Undecodable;

/// Components of start indices whose parameters are decoded once: as many as most gathers have.
const DECODED: usize = 1;

/// The fields of a [`Slices`](microhlo_format::kernels::Slices). Most components of its starts are left as they are
/// encoded, and decoded for every window: all at once they would take most of the stack.
pub(super) struct Slices<'b> {
    index: DType,
    starts: heapless::Vec<Start<Place>, DECODED>,
    /// The encoded ones behind them, and their number.
    more: (&'b [u8], u32),
    batch: Sizes,
    tensor_batch: Strides,
    slice_batch: Strides,
    window: Sizes,
    pub tensor_window: Strides,
    pub slice_window: Strides,
}

impl<'b> Slices<'b> {
    /// None.
    pub const EMPTY: Slices<'b> = Slices {
        index: DType::I1,
        starts: heapless::Vec::new(),
        more: (&[], 0),
        batch: Sizes::new(),
        tensor_batch: Strides::new(),
        slice_batch: Strides::new(),
        window: Sizes::new(),
        tensor_window: Strides::new(),
        slice_window: Strides::new(),
    };

    /// Takes the next of the fields.
    #[inline(never)]
    pub fn prepare(&mut self, fields: &mut Fields<'b>) -> Result<(), Undecodable> {
        self.index = fields.take();
        let count: u32 = fields.take();
        for _ in 0..count.min(DECODED as u32) {
            self.starts.push(Start::empty()).map_err(|_| Undecodable)?;
            self.starts.last_mut().ok_or(Undecodable)?.decode(fields);
        }
        self.more = (fields.rest(), count.saturating_sub(DECODED as u32));
        for _ in 0..self.more.1 {
            take_start(fields, &mut |_| true);
        }
        self.batch.decode(fields);
        self.tensor_batch.decode(fields);
        self.slice_batch.decode(fields);
        self.window.decode(fields);
        self.tensor_window.decode(fields);
        self.slice_window.decode(fields);
        if fields.good() { Ok(()) } else { Err(Undecodable) }
    }
}

/// Takes a component of the start indices, and calls a function with it.
#[inline(never)]
fn take_start(fields: &mut Fields<'_>, call: &mut dyn FnMut(&Start<Place>) -> bool) -> bool {
    let mut start = Start::empty();
    start.decode(fields);
    call(&start)
}

/// Calls `visit` for every run of the innermost window dimension, in the order that `Slices`
/// say, with the offsets of its first element in the tensor and in the slices, in elements, and
/// its length.
///
/// # Safety
/// The loader has accepted the parameters for this memory.
pub(super) unsafe fn each_run(
    p: &Slices<'_>,
    memory: &Memory<'_>,
    visit: &mut dyn FnMut(i32, i32, usize),
) {
    if p.batch.contains(&0) || p.window.contains(&0) {
        return;
    }
    let mut batch = Odometer::new(&p.batch, [&p.tensor_batch, &p.slice_batch]);
    let mut window = Window { sizes: [0; MAX_RANK], tensor: 0, slice: 0 };
    loop {
        [window.tensor, window.slice] = batch.offset;
        for (size, whole) in window.sizes.iter_mut().zip(&p.window) {
            *size = *whole;
        }
        // SAFETY: the caller's promise, for an index of the batch.
        if unsafe { window.start(p, memory, &batch.index) } {
            window.runs(p, visit);
        }
        if !batch.advance() {
            return;
        }
    }
}

/// Runs a `Gather`, or a `Scatter` when `replace` is set, which has an operand and a number of elements more.
///
/// # Safety
/// The loader has accepted the parameters for this memory.
#[inline(never)]
pub(super) unsafe fn copy(
    body: &[u8],
    memory: &Memory<'_>,
    replace: bool,
) -> Result<(), Undecodable> {
    let fields = &mut Fields::new(body);
    let operand = memory.read(fields.take());
    let (mut tensor, slices) = (operand.cast_mut(), memory.write(fields.take()));
    if replace {
        tensor = memory.write(fields.take());
    }
    let element: u8 = fields.take();
    if replace {
        let bytes = fields.take::<u32>() as usize * usize::from(element);
        // SAFETY: operand and output are checked for these bytes, and the same or apart.
        unsafe { copy_operand(operand, tensor, bytes) };
    }
    let mut p = Slices::EMPTY;
    p.prepare(fields)?;
    // SAFETY: the caller's promise; what is copied from, operand or updates, is only read.
    unsafe { copy_slices(&p, memory, element, [tensor, slices], replace) };
    Ok(())
}

/// Copies elements of `element` bytes from the tensor to the slices, or the other way when
/// `replace` is set.
///
/// # Safety
/// As for [`each_run`]; tensor and slices hold elements of this size and do not overlap, and the
/// side that is copied to is writable.
unsafe fn copy_slices(
    p: &Slices<'_>,
    memory: &Memory<'_>,
    element: u8,
    [tensor, slices]: [*mut u8; 2],
    replace: bool,
) {
    let bytes = |elements: i32| elements.wrapping_mul(i32::from(element));
    let tensor_stride = bytes(split_last(&p.tensor_window, 0).1);
    let slice_stride = bytes(split_last(&p.slice_window, 0).1);
    let mut copy = |at_tensor: i32, at_slice: i32, n: usize| {
        let tensor = tensor.wrapping_offset(bytes(at_tensor) as isize);
        let slice = slices.wrapping_offset(bytes(at_slice) as isize);
        // SAFETY: the run lies inside the checked extents.
        unsafe {
            match replace {
                true => copy_run(element, dst(tensor, tensor_stride), src(slice, slice_stride), n),
                false => copy_run(element, dst(slice, slice_stride), src(tensor, tensor_stride), n),
            }
        }
    };
    // SAFETY: the caller's promise.
    unsafe { each_run(p, memory, &mut copy) };
}

/// One window, cut to what lies inside of the tensor.
struct Window {
    sizes: [u32; MAX_RANK],
    /// Offset of the first element in the tensor.
    tensor: i32,
    /// Offset of the first element in the slices.
    slice: i32,
}

impl Window {
    /// Moves to the start index; false when nothing of the window lies inside.
    ///
    /// # Safety
    /// As for [`each_run`], and `batch` is an index of the batch.
    #[inline(never)]
    unsafe fn start(
        &mut self,
        p: &Slices<'_>,
        memory: &Memory<'_>,
        batch: &[u32; MAX_RANK],
    ) -> bool {
        let mut add = |start: &Start<Place>| {
            // SAFETY: the caller's promise.
            let at = unsafe { read_start(start, p.index, memory, batch) };
            self.add(p, start, at)
        };
        let (code, count) = p.more;
        let more = &mut Fields::new(code);
        p.starts.iter().all(&mut add) && (0..count).all(|_| take_start(more, &mut add))
    }

    /// Moves along one component of the start index; false when nothing is left inside.
    fn add(&mut self, p: &Slices<'_>, start: &Start<Place>, at: i32) -> bool {
        let at = match start.window {
            None => Some(at.clamp(0, start.last as i32)),
            Some(window) => self.cut(p, usize::from(window), at, start.last),
        };
        let steps = at.unwrap_or(0).wrapping_mul(start.stride);
        self.tensor = self.tensor.wrapping_add(steps);
        at.is_some()
    }

    /// Cuts a window dimension that begins at position `at` to `0..=last`; its first position
    /// then, if any is left.
    fn cut(&mut self, p: &Slices<'_>, dimension: usize, at: i32, last: u32) -> Option<i32> {
        let size = self.sizes.get_mut(dimension)?;
        let skipped = if at < 0 { at.unsigned_abs() } else { 0 };
        let first = at.max(0);
        let left = size.checked_sub(skipped)?.min((last + 1).checked_sub(first as u32)?);
        *size = left;
        let stride = p.slice_window.get(dimension).copied().unwrap_or(0);
        self.slice = self.slice.wrapping_add(stride.wrapping_mul(skipped as i32));
        (left > 0).then_some(first)
    }

    fn runs(&self, p: &Slices<'_>, visit: &mut dyn FnMut(i32, i32, usize)) {
        let sizes = self.sizes.get(..p.window.len()).unwrap_or_default();
        let (sizes, n) = split_last(sizes, 1);
        let (tensor, slice) = (split_last(&p.tensor_window, 0).0, split_last(&p.slice_window, 0).0);
        let mut at = Odometer::new(sizes, [tensor, slice]);
        loop {
            let [tensor, slice] = at.offset;
            visit(self.tensor.wrapping_add(tensor), self.slice.wrapping_add(slice), n as usize);
            if !at.advance() {
                return;
            }
        }
    }
}

/// One component of a start index, saturated to 32 bits. No position exceeds them.
///
/// # Safety
/// As for [`Window::start`].
unsafe fn read_start(
    start: &Start<Place>,
    index: DType,
    memory: &Memory<'_>,
    batch: &[u32; MAX_RANK],
) -> i32 {
    let steps = batch.iter().zip(&start.strides);
    let offset = steps.fold(0i32, |at, (&i, s)| at.wrapping_add(s.wrapping_mul(i as i32)));
    let at = memory.read(start.index).wrapping_offset(offset as isize);
    let signed = index.is_signed_integer();
    // SAFETY: the loader has checked the reads for every index of the batch, for an integer type
    // of this size and alignment.
    unsafe {
        match index.size() {
            1 if signed => at.cast::<i8>().read().into(),
            1 => at.read().into(),
            2 if signed => at.cast::<i16>().read().into(),
            2 => at.cast::<u16>().read().into(),
            4 if signed => at.cast::<i32>().read(),
            4 => at.cast::<u32>().read().min(i32::MAX as u32) as i32,
            _ if signed => at.cast::<i64>().read().clamp(i32::MIN.into(), i32::MAX.into()) as i32,
            _ => at.cast::<u64>().read().min(i32::MAX as u64) as i32,
        }
    }
}
