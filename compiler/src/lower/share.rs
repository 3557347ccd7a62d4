//! In-place execution: which results lie on an operand that dies.

use std::collections::HashMap;

use microhlo_format::{AccessKind, Kernel};

use super::program::{BufferId, Program, Ref, Storage};

/// Records in `program.shared` every result that can take over the memory of an operand.
///
/// That is legal when the kernel declares the result as in-place capable, the operand is read
/// there for the last time, is not itself an output, and has the same extent; and for a map, when
/// no instruction reads the operand after the result's first write.
pub fn share_buffers(program: &mut Program) {
    let last_use = last_uses(program);
    let mut shared: Vec<(BufferId, BufferId)> = Vec::new();
    for (i, step) in program.steps.iter().enumerate() {
        let mut taken: Vec<BufferId> = Vec::new();
        let mut accesses = Vec::new();
        if step.kernel.accesses(&mut |a| accesses.push(a)).is_err() {
            continue;
        }
        for out in accesses.iter().filter(|a| a.kind == AccessKind::Write && a.in_place) {
            let candidate = accesses.iter().find(|input| {
                let b = input.place.buffer;
                input.kind == AccessKind::Read
                    && input.in_place
                    && !matches!(program.buffers[b].storage, Storage::Const(_))
                    && last_use.get(&b) == Some(&i)
                    && !taken.contains(&b)
                    && whole(program, input) == whole(program, out)
                    && (input.start, input.end) == (out.start, out.end)
                    && reads_once(&accesses, b)
                    && legal(&step.kernel, out.place, input.place)
            });
            if let Some(input) = candidate {
                taken.push(input.place.buffer);
                shared.push((out.place.buffer, input.place.buffer));
            }
        }
    }
    program.shared = shared;
}

/// Size of the buffer, if the access covers it from its first to its last byte.
fn whole(program: &Program, access: &microhlo_format::Access<Ref>) -> Option<u32> {
    let bytes = program.buffers[access.place.buffer].bytes;
    let all = access.place.offset == 0 && (access.start, access.end) == (0, i64::from(bytes));
    all.then_some(bytes)
}

/// Whether a buffer is read through exactly one operand.
fn reads_once(accesses: &[microhlo_format::Access<Ref>], buffer: BufferId) -> bool {
    accesses.iter().filter(|a| a.place.buffer == buffer).count() == 1
}

/// The last step that touches each buffer; outputs are touched after the last step.
fn last_uses(program: &Program) -> HashMap<BufferId, usize> {
    let mut last = HashMap::new();
    for (i, step) in program.steps.iter().enumerate() {
        for (_, buffer) in Program::touched(step) {
            last.insert(buffer, i);
        }
    }
    for io in &program.outputs {
        last.insert(io.place.buffer, program.steps.len());
    }
    last
}

fn legal(kernel: &Kernel<Ref>, out: Ref, input: Ref) -> bool {
    let map = match kernel {
        Kernel::map(map) => map,
        // Kernels that copy their operands before they begin: each may only lie on its own.
        Kernel::sort(s) => return s.operands.iter().any(|o| (o.output, o.input) == (out, input)),
        Kernel::scatter_any(s) => {
            return s.operands.iter().any(|o| (o.output, o.operand) == (out, input));
        }
        _ => return true,
    };
    let ins = map.inputs.len();
    let (Some(o), Some(i)) = (
        map.outputs.iter().position(|x| x.place == out),
        map.inputs.iter().position(|x| x.place == input),
    ) else {
        return false;
    };
    if map.outputs[o].strides != map.inputs[i].strides {
        return false;
    }
    let (o, i) = ((ins + o) as u8, i as u8);
    let arity = |op: microhlo_format::MicroId| op.decode().map_or(3, |m| m.arity());
    let first_write = map.code.iter().position(|c| c.dst == o);
    let last_read = map.code.iter().rposition(|c| c.args[..arity(c.op)].contains(&i));
    // Element sizes must agree as well: the reading and the writing instruction tell.
    let sizes = || {
        let read = last_read.and_then(|r| {
            let at = map.code[r].args.iter().position(|&a| a == i)?;
            Some(map.code[r].op.decode()?.operand(at).size())
        });
        let written = first_write.and_then(|w| Some(map.code[w].op.decode()?.result().size()));
        read.is_some() && read == written
    };
    first_write >= last_read && sizes()
}
