//! What the runner links: all kernels and micro-operations but those that the board's description
//! leaves out.

use microhlo::{DType, KernelEntry, KernelId, Kernels, Micro, MicroEntry, MicroOp};

// `WITHOUT_TYPES: &[DType]`, `WITHOUT_OPERATIONS: &[MicroOp]` and `WITHOUT_KERNELS: &[KernelId]`.
include!(concat!(env!("OUT_DIR"), "/without.rs"));

/// What the runner links.
pub static KERNELS: Kernels = Kernels { kernels: &KERNEL_ENTRIES, micro: &MICRO_ENTRIES };

const ALL: &[KernelEntry] = Kernels::ALL.kernels;
const ALL_MICRO: &[MicroEntry] = Kernels::ALL.micro;

static KERNEL_ENTRIES: [KernelEntry; count_kernels()] = {
    let mut entries = [ALL[0]; count_kernels()];
    let (mut from, mut to) = (0, 0);
    while from < ALL.len() {
        if has_kernel(&ALL[from]) {
            entries[to] = ALL[from];
            to += 1;
        }
        from += 1;
    }
    entries
};

static MICRO_ENTRIES: [MicroEntry; count_micro()] = {
    let mut entries = [ALL_MICRO[0]; count_micro()];
    let (mut from, mut to) = (0, 0);
    while from < ALL_MICRO.len() {
        if has_micro(&ALL_MICRO[from]) {
            entries[to] = ALL_MICRO[from];
            to += 1;
        }
        from += 1;
    }
    entries
};

const fn count_kernels() -> usize {
    let (mut count, mut at) = (0, 0);
    while at < ALL.len() {
        count += has_kernel(&ALL[at]) as usize;
        at += 1;
    }
    count
}

const fn count_micro() -> usize {
    let (mut count, mut at) = (0, 0);
    while at < ALL_MICRO.len() {
        count += has_micro(&ALL_MICRO[at]) as usize;
        at += 1;
    }
    count
}

const fn has_kernel(entry: &KernelEntry) -> bool {
    let mut at = 0;
    while at < WITHOUT_KERNELS.len() {
        if WITHOUT_KERNELS[at] as u16 == entry.id() as u16 {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether neither the operation nor the type of an operand or the result is left out.
const fn has_micro(entry: &MicroEntry) -> bool {
    let Some(micro) = entry.id().decode() else { return true };
    let types = match micro {
        Micro::Op(op, _) if is_without(op) => return false,
        Micro::Op(_, dtype) => [dtype, dtype],
        Micro::Convert(from, to) => [from, to],
    };
    let mut at = 0;
    while at < WITHOUT_TYPES.len() {
        let code = WITHOUT_TYPES[at].code();
        if types[0].code() == code || types[1].code() == code {
            return false;
        }
        at += 1;
    }
    true
}

const fn is_without(op: MicroOp) -> bool {
    let mut at = 0;
    while at < WITHOUT_OPERATIONS.len() {
        if WITHOUT_OPERATIONS[at] as u16 == op as u16 {
            return true;
        }
        at += 1;
    }
    false
}
