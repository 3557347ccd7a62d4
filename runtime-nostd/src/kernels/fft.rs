//! Fourier transforms, one kernel per precision.

use core::ptr::{null, null_mut};

use microhlo_format::algorithms::fft::{Kind, Plan, Radices, line};
use microhlo_format::algorithms::{Array, Real};
use microhlo_format::kernels::{Decode, Sizes, Strides};
use microhlo_format::{DType, Fields};

use super::Memory;
use super::numbers::Elements;
use super::odometer::Odometer;
use crate::registry::Undecodable;

typed_entries! {
    by fields: Fft;
    fft_f32 = f32, F32;
    fft_f64 = f64, F64;
}

/// Lines that are transformed alike: what is needed of the parameters.
struct Lines {
    plan: Plan,
    table: *const u8,
    scratch: *mut u8,
    input: *const u8,
    output: *mut u8,
    /// Bytes between neighbours of a line.
    input_stride: i32,
    output_stride: i32,
    sizes: Sizes,
    input_strides: Strides,
    output_strides: Strides,
}

impl Lines {
    #[inline(never)]
    fn prepare(&mut self, body: &[u8], memory: &Memory<'_>) -> Result<(), Undecodable> {
        let fields = &mut Fields::new(body);
        self.input = memory.read(fields.take());
        self.output = memory.write(fields.take());
        self.table = memory.read(fields.take());
        self.scratch = memory.write(fields.take());
        let _dtype: DType = fields.take();
        let kind: u8 = fields.take();
        self.plan.kind = *Kind::ALL.get(usize::from(kind)).ok_or(Undecodable)?;
        self.plan.n = fields.take();
        self.plan.convolution = fields.take();
        self.plan.radices.decode(fields);
        self.input_stride = fields.take();
        self.output_stride = fields.take();
        self.sizes.decode(fields);
        self.input_strides.decode(fields);
        self.output_strides.decode(fields);
        if fields.good() { Ok(()) } else { Err(Undecodable) }
    }
}

/// # Safety
/// The loader has accepted the parameters, with real numbers of type `T`, for this memory.
unsafe fn execute<T: Real>(body: &[u8], memory: &Memory<'_>) -> Result<(), Undecodable> {
    let mut lines = Lines {
        plan: Plan { kind: Kind::Forward, n: 0, convolution: 0, radices: Radices::new() },
        table: null(),
        scratch: null_mut(),
        input: null(),
        output: null_mut(),
        input_stride: 0,
        output_stride: 0,
        sizes: Sizes::new(),
        input_strides: Strides::new(),
        output_strides: Strides::new(),
    };
    lines.prepare(body, memory)?;
    // SAFETY: the caller's promise.
    unsafe { transform::<T>(&lines) };
    Ok(())
}

/// # Safety
/// The lines are those of accepted parameters, of numbers of type `T`.
unsafe fn transform<T: Real>(p: &Lines) {
    if p.sizes.contains(&0) {
        return;
    }
    let plan = &p.plan;
    // SAFETY: the table is of the plan's length and only read, the scratch twice that of its
    // stages.
    let (table, scratch) = unsafe {
        (Elements::<[T; 2]>::new(p.table.cast_mut()), Elements::<[T; 2]>::new(p.scratch))
    };
    let (x, y) = (scratch, scratch.from(plan.stages_len() as usize));
    let mut at = Odometer::new(&p.sizes, [&p.input_strides, &p.output_strides]);
    loop {
        let from = p.input.wrapping_offset(at.offset[0] as isize);
        let to = p.output.wrapping_offset(at.offset[1] as isize);
        let input = |k: usize| {
            let from = from.wrapping_offset(k as isize * p.input_stride as isize).cast_mut();
            // SAFETY: element `k` of a checked line.
            unsafe { load::<T>(from, plan.kind != Kind::RealForward) }
        };
        let output = |k: usize, value: [T; 2]| {
            let to = to.wrapping_offset(k as isize * p.output_stride as isize);
            // SAFETY: element `k` of a checked line.
            unsafe { store(to, value, plan.kind != Kind::RealInverse) };
        };
        line(plan, &table, x, y, input, output);
        if !at.advance() {
            return;
        }
    }
}

/// # Safety
/// There is an aligned element to read.
unsafe fn load<T: Real>(from: *mut u8, complex: bool) -> [T; 2] {
    // SAFETY: the caller's promise.
    let parts = unsafe { Elements::<T>::new(from) };
    [parts.get(0), if complex { parts.get(1) } else { T::ZERO }]
}

/// # Safety
/// There is an aligned element to write.
unsafe fn store<T: Real>(to: *mut u8, value: [T; 2], complex: bool) {
    // SAFETY: the caller's promise.
    let mut parts = unsafe { Elements::<T>::new(to) };
    parts.set(0, value[0]);
    if complex {
        parts.set(1, value[1]);
    }
}
