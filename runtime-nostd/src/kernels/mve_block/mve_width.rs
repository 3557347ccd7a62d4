//! Products of vectors in assembly for M-profile Vector Extension, for activations of 8 bits and of 16.

/// What differs with the bytes of an activation: how a vector of taps is loaded, that of weights, and a part of
/// one; where a row has the weights of its second block, as loads that widen take low registers only; how pointers
/// go on, what is multiplied, how taps become vectors, and how results are stored.
macro_rules! of {
    (byte, taps $q:literal, $p:literal) => {
        concat!("vldrb.u8 ", $q, ", [", $p, "], #16\n")
    };
    (half, taps $q:literal, $p:literal) => {
        concat!("vldrh.u16 ", $q, ", [", $p, "], #16\n")
    };
    (byte, weights $q:literal, $p:expr) => {
        concat!("vldrb.u8 ", $q, ", [", $p, "], #16\n")
    };
    (half, weights $q:literal, $p:expr) => {
        concat!("vldrb.s16 ", $q, ", [", $p, "], #8\n")
    };
    (byte, part $q:literal, $p:literal) => {
        concat!("vldrbt.u8 ", $q, ", [", $p, "]\n")
    };
    (half, part $q:literal, $p:literal) => {
        concat!("vldrht.u16 ", $q, ", [", $p, "]\n")
    };
    (byte, some $q:literal, $p:expr) => {
        concat!("vldrb.u8 ", $q, ", [", $p, "]\n")
    };
    (half, some $q:literal, $p:expr) => {
        concat!("vldrb.s16 ", $q, ", [", $p, "]\n")
    };
    (byte, second) => {
        "r11"
    };
    (half, second) => {
        "r7"
    };
    (byte, row) => {
        "ldr r11, [sp, #60]\nadd r11, r1\n"
    };
    (half, row) => {
        "mov r11, r7\nldr r7, [sp, #60]\nadd r7, r1\n"
    };
    (byte, row_end) => {
        "mov r1, r11\n"
    };
    (half, row_end) => {
        "mov r1, r7\nmov r7, r11\n"
    };
    (byte, count $n:literal) => {
        concat!("vctp.8 ", $n, "\n")
    };
    (half, count $n:literal) => {
        concat!("vctp.16 ", $n, "\n")
    };
    (byte, skip $p:literal, $n:literal) => {
        concat!("add ", $p, ", ", $n, "\n")
    };
    (half, skip $p:literal, $n:literal) => {
        concat!("add ", $p, ", ", $p, ", ", $n, ", lsl #1\n")
    };
    (byte, multiply $op:literal, $sum:literal, $a:literal, $b:literal) => {
        concat!($op, ".s8 ", $sum, ", ", $a, ", ", $b, "\n")
    };
    (half, multiply $op:literal, $sum:literal, $a:literal, $b:literal) => {
        concat!($op, ".s16 ", $sum, ", ", $a, ", ", $b, "\n")
    };
    (byte, vectors $n:literal) => {
        concat!("lsrs ", $n, ", ", $n, ", #4\n")
    };
    (half, vectors $n:literal) => {
        concat!("lsrs ", $n, ", ", $n, ", #3\n")
    };
    (byte, places $q:literal, $first:literal) => {
        concat!("vidup.u32 ", $q, ", ", $first, ", #1\n")
    };
    (half, places $q:literal, $first:literal) => {
        concat!("vidup.u32 ", $q, ", ", $first, ", #2\n")
    };
    (byte, store $q:literal, $p:literal) => {
        concat!("vstrb.32 ", $q, ", [", $p, "], #4\n")
    };
    (half, store $q:literal, $p:literal) => {
        concat!("vstrh.32 ", $q, ", [", $p, "], #8\n")
    };
    (byte, scatter $q:literal, $p:literal, $at:literal) => {
        concat!("vstrb.32 ", $q, ", [", $p, ", ", $at, "]\n")
    };
    (half, scatter $q:literal, $p:literal, $at:literal) => {
        concat!("vstrh.32 ", $q, ", [", $p, ", ", $at, "]\n")
    };
    (byte, store_rest $q:literal, $p:literal, $at:literal, $r:literal) => {
        concat!("vstrbt.32 ", $q, ", [", $p, ", ", $at, "]\nvstrbt.32 ", $r, ", [", $p, "]\n")
    };
    (half, store_rest $q:literal, $p:literal, $at:literal, $r:literal) => {
        concat!("vstrht.32 ", $q, ", [", $p, ", ", $at, "]\nvstrht.32 ", $r, ", [", $p, "]\n")
    };
}

/// Products of a vector of taps of two pixels and of four channels' weights.
macro_rules! pair_block {
    ($kind:ident, $multiply:literal) => {
        concat!(
            of!($kind, taps "q0", "r9"),
            of!($kind, weights "q2", "r1"),
            of!($kind, multiply $multiply, "r0", "q0", "q2"),
            of!($kind, taps "q1", "r11"),
            of!($kind, multiply $multiply, "r8", "q1", "q2"),
            of!($kind, weights "q3", "r1"),
            of!($kind, multiply $multiply, "r2", "q0", "q3"),
            of!($kind, multiply $multiply, "r10", "q1", "q3"),
            of!($kind, weights "q2", "r1"),
            of!($kind, multiply $multiply, "r4", "q0", "q2"),
            of!($kind, multiply $multiply, "r12", "q1", "q2"),
            of!($kind, weights "q3", "r1"),
            of!($kind, multiply $multiply, "r6", "q0", "q3"),
            of!($kind, multiply $multiply, "lr", "q1", "q3"),
        )
    };
}

/// The same with the part of a vector, r3 taps.
macro_rules! pair_part {
    ($kind:ident) => {
        concat!(
            of!($kind, count "r3"),
            "vpstt\n",
            of!($kind, part "q0", "r9"),
            of!($kind, part "q1", "r11"),
            of!($kind, skip "r9", "r3"),
            of!($kind, skip "r11", "r3"),
            pair_part!($kind, "r0", "r8"),
            pair_part!($kind, "r2", "r10"),
            pair_part!($kind, "r4", "r12"),
            pair_part!($kind, "r6", "lr"),
        )
    };
    ($kind:ident, $first:literal, $second:literal) => {
        concat!(
            of!($kind, some "q2", "r1"),
            "add r1, r3\n",
            of!($kind, multiply "vmladav", $first, "q0", "q2"),
            of!($kind, multiply "vmladav", $second, "q1", "q2"),
        )
    };
}

/// Products of a vector of taps and of eight channels' weights, in two blocks.
macro_rules! row_block {
    ($kind:ident, $multiply:literal) => {
        concat!(
            of!($kind, taps "q0", "r9"),
            row_block!($kind, $multiply, "r0", "r8"),
            row_block!($kind, $multiply, "r2", "r10"),
            row_block!($kind, $multiply, "r4", "r12"),
            row_block!($kind, $multiply, "r6", "lr"),
        )
    };
    ($kind:ident, $multiply:literal, $first:literal, $second:literal) => {
        concat!(
            of!($kind, weights "q2", "r1"),
            of!($kind, multiply $multiply, $first, "q0", "q2"),
            of!($kind, weights "q3", of!($kind, second)),
            of!($kind, multiply $multiply, $second, "q0", "q3"),
        )
    };
}

/// The same with the part of a vector, r3 taps.
macro_rules! row_part {
    ($kind:ident) => {
        concat!(
            of!($kind, count "r3"),
            "vpst\n",
            of!($kind, part "q0", "r9"),
            of!($kind, skip "r9", "r3"),
            row_part!($kind, "r0", "r8"),
            row_part!($kind, "r2", "r10"),
            row_part!($kind, "r4", "r12"),
            row_part!($kind, "r6", "lr"),
        )
    };
    ($kind:ident, $first:literal, $second:literal) => {
        concat!(
            of!($kind, some "q2", "r1"),
            "add r1, r3\n",
            of!($kind, multiply "vmladav", $first, "q0", "q2"),
            of!($kind, some "q3", of!($kind, second)),
            concat!("add ", of!($kind, second), ", r3\n"),
            of!($kind, multiply "vmladav", $second, "q0", "q3"),
        )
    };
}
