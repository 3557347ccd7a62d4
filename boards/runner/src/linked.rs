//! What the runner links: all kernels and micro-operations but those that the board's description
//! leaves out.

use microhlo::{DType, KernelEntry, KernelId, Kernels, Micro, MicroEntry, MicroOp};

// `WITHOUT_TYPES: &[DType]`, `WITHOUT_OPERATIONS: &[MicroOp]` and `WITHOUT_KERNELS: &[KernelId]`.
include!(concat!(env!("OUT_DIR"), "/without.rs"));

/// What the runner links.
pub static KERNELS: Kernels = Kernels { kernels: &KERNEL_ENTRIES, micro: &MICRO_ENTRIES };

const ALL: &[KernelEntry] = Kernels::ALL.kernels;
const ALL_MICRO: &[MicroEntry] = Kernels::ALL.micro;

/// A table of the entries of another that a function accepts.
macro_rules! table {
    ($name:ident: $entry:ty, $all:ident, $has:ident) => {
static $name: [$entry; table!(@each $all, entry, n => n += $has(entry) as usize)] = {
            let mut entries = [$all[0]; _];
            table!(@each $all, entry, n => if $has(entry) {
                entries[n] = *entry;
                n += 1;
            });
            entries
        };
    };
    (@each $all:ident, $entry:ident, $n:ident => $body:expr) => {{
        let (mut $n, mut at) = (0, 0);
        while at < $all.len() {
            let $entry = &$all[at];
            $body;
            at += 1;
        }
        $n
    }};
}

table!(KERNEL_ENTRIES: KernelEntry, ALL, has_kernel);
table!(MICRO_ENTRIES: MicroEntry, ALL_MICRO, has_micro);

const fn has_kernel(entry: &KernelEntry) -> bool {
    // It has no functions that models could call.
    if entry.id() as u16 == KernelId::extern_call as u16 {
        return false;
    }
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
