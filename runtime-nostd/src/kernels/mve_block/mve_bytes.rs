//! Kernels of bytes without weights, in assembly for M-profile Vector Extension.

use core::arch::naked_asm;
use core::mem::offset_of;

use microhlo_format::Place;
use microhlo_format::kernels::{PoolI8, Rounding, SumI8};

/// Two tensors of bytes to be added, each times a constant.
#[repr(C)]
struct Sums {
    pub lhs: *const i8,
    pub rhs: *const i8,
    pub output: *mut i8,
    pub count: usize,
    pub lhs_multiplier: i32,
    pub rhs_multiplier: i32,
    pub offset: i32,
    /// The shift to the right, negative.
    pub shift: i32,
    pub min: i32,
    pub max: i32,
}

/// Adds two tensors.
///
/// # Safety
/// `count` elements are readable at the operands and writable at the output, which may lie on an
/// operand.
#[unsafe(naked)]
unsafe extern "C" fn sums(sums: &Sums) {
    naked_asm!(
        ".cpu cortex-m55
        push {{r4-r10, lr}}
        ldm r0!, {{r1-r8}}
        ldrd r9, r10, [r0]
        vdup.32 q2, r9
        vdup.32 q3, r10
        wlstp.32 lr, r4, 3f
        2:
        vldrb.s32 q0, [r1], #4
        vldrb.s32 q1, [r2], #4
        vmul.i32 q0, q0, r5
        vmla.s32 q0, q1, r6
        vadd.i32 q0, q0, r7
        vshl.s32 q0, r8
        vmax.s32 q0, q0, q2
        vmin.s32 q0, q0, q3
        vstrb.32 q0, [r3], #4
        letp lr, 2b
        3:
        pop {{r4-r10, pc}}"
    )
}

/// Adds two tensors as parameters say.
///
/// # Safety
/// As for [`sums`].
pub(in crate::kernels) unsafe fn add(
    p: &SumI8<Place>,
    lhs: *const i8,
    rhs: *const i8,
    output: *mut i8,
) {
    let job = Sums {
        lhs,
        rhs,
        output,
        count: p.count as usize,
        lhs_multiplier: p.lhs_multiplier,
        rhs_multiplier: p.rhs_multiplier,
        offset: p.offset,
        shift: -i32::from(p.shift & 31),
        min: i32::from(p.min),
        max: i32::from(p.max),
    };
    // SAFETY: the caller's promise.
    unsafe { sums(&job) };
}

/// Looks up `count` bytes.
///
/// # Safety
/// They are readable at `input` and writable at `output`, which may lie on it; the table has 256.
#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn look_up(
    output: *mut u8,
    input: *const u8,
    table: *const u8,
    count: usize,
) {
    naked_asm!(
        ".cpu cortex-m55
        push {{r4, lr}}
        wlstp.8 lr, r3, 3f
        2:
        vldrb.u8 q0, [r1], #16
        vldrb.u8 q1, [r2, q0]
        vstrb.8 q1, [r0], #16
        letp lr, 2b
        3:
        pop {{r4, pc}}"
    )
}

/// Most columns of a [`Pool`]: sums of so many bytes fit 16 bits.
const MAX_COLUMNS: usize = 256;

/// A window's taps inside the image.
#[repr(C)]
struct Pool {
    /// The first tap.
    pub first: *const u8,
    /// Rows, at least one.
    pub rows: usize,
    /// Bytes from one row to the next.
    pub row: usize,
    pub columns: usize,
    /// Channels, which are as many bytes as from one tap of a row to the next.
    pub channels: usize,
    pub output: *mut u8,
    /// What sums begin with.
    pub start: i32,
    /// Sums are shifted to the left by this.
    pub left: i32,
    pub multiplier: i32,
    /// Distance of 32 from the shift to the right, negative.
    pub shift: i32,
    pub zero: i32,
    pub min: i32,
    pub max: i32,
}

/// One vector of four sums becomes results.
macro_rules! pool_results {
    ($q:literal) => {
        concat!(
            "vadd.i32 ",
            $q,
            ", ",
            $q,
            ", r0\nvshl.s32 ",
            $q,
            ", r7\n",
            "vmulh.s32 ",
            $q,
            ", ",
            $q,
            ", q4\nvrshl.s32 ",
            $q,
            ", r8\n",
            "vadd.i32 ",
            $q,
            ", ",
            $q,
            ", r9\n",
            "vmax.s32 ",
            $q,
            ", ",
            $q,
            ", q5\nvmin.s32 ",
            $q,
            ", ",
            $q,
            ", q6\n",
        )
    };
}

const _: () = assert!(
    offset_of!(Pool, columns) == 12
        && offset_of!(Pool, output) == 20
        && offset_of!(Pool, start) == 24
        && offset_of!(Pool, shift) == 36
        && offset_of!(Pool, max) == 48
);

/// Sums the channels of a window, eight at a time, and rescales them, rounding halves up.
///
/// # Safety
/// All taps are readable, and the channels' results writable.
#[unsafe(naked)]
unsafe extern "C" fn pool(pool: &Pool) {
    naked_asm!(
        ".cpu cortex-m55
        push {{r3-r11, lr}}
        vpush {{d8-d13}}
        mov r11, r0
        ldm r0, {{r1-r6}}
        ldr r7, [r11, #32]
        vdup.32 q4, r7
        ldrd r7, r8, [r11, #44]
        vdup.32 q5, r7
        vdup.32 q6, r8
        mov r10, r5",
        // Eight channels.
        "20:
        vctp.16 r10
        vmov.i32 q2, #0
        vmov.i32 q3, #0
        mov r9, r1
        mov r8, r2
        21:
        mov r7, r9
        vmov.i32 q1, #0
        wls lr, r4, 23f
        22:
        vpst
        vldrbt.s16 q0, [r7]
        add r7, r5
        vadd.i16 q1, q1, q0
        le lr, 22b
        23:
        vmovlb.s16 q0, q1
        vadd.i32 q2, q2, q0
        vmovlt.s16 q0, q1
        vadd.i32 q3, q3, q0
        add r9, r3
        subs r8, #1
        bne 21b
        ldrd r0, r7, [r11, #24]
        ldrd r8, r9, [r11, #36]",
        pool_results!("q2"),
        pool_results!("q3"),
        "vmovnt.i32 q2, q3
        vpst
        vstrbt.16 q2, [r6]
        adds r6, #8
        adds r1, #8
        subs r10, #8
        bgt 20b
        vpop {{d8-d13}}
        pop {{r3-r11, pc}}",
    )
}

/// Sums all channels of a window as parameters say, from `start` on; false if the kernel does not have
/// such a window.
///
/// # Safety
/// As many rows and columns of taps are readable from `first` on; `output` is the place of a pixel.
pub(in crate::kernels) unsafe fn pool_pixel(
    p: &PoolI8<Place>,
    first: *const u8,
    [rows, columns]: [usize; 2],
    output: *mut u8,
    start: i32,
) -> bool {
    if rows == 0 || columns > MAX_COLUMNS || p.requant.rounding != Rounding::Up {
        return false;
    }
    let channels = p.channels as usize;
    let job = Pool {
        first,
        rows,
        row: (p.in_w as usize).wrapping_mul(channels),
        columns,
        channels,
        output,
        start,
        left: i32::from(p.left),
        multiplier: p.multiplier,
        shift: 32 - i32::from(p.requant.shift),
        zero: p.requant.zero,
        min: i32::from(p.requant.min),
        max: i32::from(p.requant.max),
    };
    // SAFETY: the caller's promise.
    unsafe { pool(&job) };
    true
}
