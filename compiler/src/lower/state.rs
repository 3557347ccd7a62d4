//! Inputs that are outputs of the run before: state that survives calls in the arena.

use std::collections::HashSet;

use microhlo_format::Kernel;
use microhlo_format::kernels::Move;

use super::program::{Buffer, Io, Program, Ref, Step, Storage};
use crate::compile::{CompileError, Kept};
use crate::diag::Span;

/// Makes each of these outputs lie in the memory of its input at the end of the program, and records the
/// inputs in `program.states`.
///
/// # Errors
/// An input or output does not exist, is named twice, or they differ in type.
pub fn keep(program: &mut Program, pairs: &[Kept]) -> Result<(), CompileError> {
    let mut found = Vec::new();
    let (mut inputs, mut outputs) = (HashSet::new(), HashSet::new());
    for pair in pairs {
        let input = position(&program.inputs, &pair.input, "input")?;
        let output = position(&program.outputs, &pair.output, "output")?;
        if !inputs.insert(input) || !outputs.insert(output) {
            let text =
                format!("--state {}={}: one of them is in another pair", pair.input, pair.output);
            return Err(refusal(text));
        }
        let (from, to) = (&program.outputs[output], &program.inputs[input]);
        if (from.dtype, &from.dims) != (to.dtype, &to.dims) {
            return Err(refusal(format!(
                "--state {}={}: the input is {:?} of {}, the output {:?} of {}; a state has one type",
                pair.input, pair.output, to.dims, to.dtype, from.dims, from.dtype
            )));
        }
        found.push((input, output));
    }
    program.states = found.iter().map(|&(input, _)| program.inputs[input].place.buffer).collect();
    save_old(program, &found);
    for (input, output) in found {
        let place = program.inputs[input].place;
        copy(program, output, place);
    }
    Ok(())
}

fn refusal(text: String) -> CompileError {
    CompileError::at(Span::default(), text)
}

fn position(list: &[Io], name: &str, what: &str) -> Result<usize, CompileError> {
    // `in1` and `out0` are numbers, too, as in files of test vectors.
    let number = name.strip_prefix(what.trim_end_matches("put")).unwrap_or(name);
    let number = number.parse().ok().filter(|&i: &usize| i < list.len());
    list.iter().position(|io| io.name == name).or(number).ok_or_else(|| {
        let known: Vec<&str> = list.iter().map(|io| io.name.as_str()).collect();
        refusal(format!("--state: there is no {what} `{name}`; known are {}", known.join(", ")))
    })
}

/// Copies outputs away that lie where a state is going to be overwritten with another value.
fn save_old(program: &mut Program, pairs: &[(usize, usize)]) {
    for output in 0..program.outputs.len() {
        let place = program.outputs[output].place;
        let own = pairs.iter().any(|&(i, o)| o == output && program.inputs[i].place == place);
        let overwritten = pairs.iter().any(|&(i, o)| {
            let stays = program.outputs[o].place == program.inputs[i].place;
            program.inputs[i].place.buffer == place.buffer && !stays
        });
        if own || !overwritten {
            continue;
        }
        let Buffer { bytes, align, .. } = program.buffers[place.buffer];
        let (name, born) = (format!("old {}", program.outputs[output].name), program.steps.len());
        let storage = Storage::Temp;
        let buffer = program.buffers.push(Buffer { name, bytes, align, storage, born });
        copy(program, output, Ref { buffer, offset: 0 });
    }
}

/// Moves an output, which is dense.
fn copy(program: &mut Program, output: usize, to: Ref) {
    let io = &mut program.outputs[output];
    let from = std::mem::replace(&mut io.place, to);
    if from == to {
        return;
    }
    let element = io.dtype.size() as u8;
    let list = |n: i64| heapless::Vec::from_iter([n as i32]);
    let kernel = Kernel::move_(Move {
        input: from,
        output: to,
        element,
        sizes: heapless::Vec::from_iter([io.dims.iter().product::<u32>()]),
        input_strides: list(element.into()),
        output_strides: list(element.into()),
    });
    program.steps.push(Step::new(kernel, "state"));
}
