//! The board's median filter: what a model calls `board.median3`.
//!
//! It stands for whatever only this firmware can do: a filter in hardware, or a table of its own.

use microhlo::{DType, Extern, ExternCall, ExternError, ExternSignature, Externs};

/// The functions that models of this firmware may call.
pub struct Functions;

impl Externs for Functions {
    const FUNCTIONS: &'static [Extern] =
        &[Extern::new("board.median3", &[DType::F32], &[DType::F32], median)
            .accepting(takes_three)];
}

/// The filter knows one window, and signals alone. A model that wants another one does not load.
fn takes_three(call: &ExternSignature<'_>) -> bool {
    let signal = |info: microhlo::TensorInfo<'_>| info.dims().len() == 1 && info.byte_len() >= 4;
    let same = call.operand(0).zip(call.result(0)).is_some_and(|(x, y)| x.dims() == y.dims());
    call.integer("window") == Some(3) && call.operand(0).is_some_and(signal) && same
}

/// The median of each sample and its neighbours; the ends are repeated.
fn median(call: &mut ExternCall<'_>) -> Result<(), ExternError> {
    let (from, to) = (call.operand::<f32>(0)?, call.result::<f32>()?);
    let &[first, .., last] = from else {
        to.copy_from_slice(from);
        return Ok(());
    };
    let behind = from.iter().skip(1).chain([&last]);
    let before = [&first].into_iter().chain(from);
    for (to, ((a, b), c)) in to.iter_mut().zip(before.zip(from).zip(behind)) {
        *to = larger(smaller(*a, *b), smaller(larger(*a, *b), *c));
    }
    Ok(())
}

fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}
