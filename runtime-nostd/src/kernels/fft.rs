//! Fourier transforms, one kernel per precision.

use microhlo_format::Place;
use microhlo_format::algorithms::fft::{Kind, line};
use microhlo_format::algorithms::{Array, Real};
use microhlo_format::kernels::Fft;

use super::Memory;
use super::numbers::Elements;
use super::odometer::Odometer;
use crate::registry::Undecodable;

typed_entries! {
    Fft;
    fft_f32 = f32, F32;
    fft_f64 = f64, F64;
}

/// # Safety
/// The loader has accepted the parameters, with real numbers of type `T`, for this memory.
unsafe fn execute<T: Real>(p: &Fft<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    if p.sizes.contains(&0) {
        return Ok(());
    }
    let plan = p.plan().map_err(|_| Undecodable)?;
    // SAFETY: the table is of the plan's length and only read, the scratch twice that of its
    // stages.
    let (table, scratch) = unsafe {
        (
            Elements::<[T; 2]>::new(memory.read(p.table).cast_mut()),
            Elements::<[T; 2]>::new(memory.write(p.scratch)),
        )
    };
    let (x, y) = (scratch, scratch.from(plan.stages_len() as usize));
    let mut at = Odometer::new(&p.sizes, [&p.input_strides, &p.output_strides]);
    loop {
        let from = memory.read(p.input).wrapping_offset(at.offset[0] as isize);
        let to = memory.write(p.output).wrapping_offset(at.offset[1] as isize);
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
        line(&plan, &table, x, y, input, output);
        if !at.advance() {
            return Ok(());
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
