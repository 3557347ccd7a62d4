//! Matrix products of two computed tensors: both are widened, so that SMLAD multiplies what is loaded.

use core::arch::{asm, naked_asm};
use core::mem::offset_of;

use microhlo_format::kernels::Rounding;

use super::dsp_product::twice;
use crate::kernels::dot_i8::{COLUMNS, Pair, ROWS, Strip};

/// What [`products_4x2`] works on, which copies the first twelve words to the stack.
#[repr(C)]
struct Job {
    /// Factors of four rows.
    rows: *const Pair,
    /// Their end.
    rows_end: *const Pair,
    /// Where to enter the unrolled loop, in bytes, plus one for Thumb.
    entry: usize,
    /// The first row's first result, or where the sums go.
    output: *mut u8,
    row_step: usize,
    column_step: usize,
    multiplier: i32,
    /// The zero point doubled, plus one, shifted.
    offset: i32,
    /// What the shift exceeds 33 by.
    shift: u32,
    /// The end of the columns' factors.
    columns_end: *const Pair,
    /// Whether sums are stored.
    sums: u32,
    unused: u32,
    /// Factors of the columns.
    columns: *const Pair,
}

/// Steps of the unrolled loop.
const UNROLL: usize = 8;

/// Two products of four rows and two columns.
macro_rules! step {
    () => {
        "ldrd r12, lr, [r1], #8
        ldrd r2, r3, [r0], #8
        smlad r4, r2, r12, r4
        smlad r5, r2, lr, r5
        smlad r6, r3, r12, r6
        smlad r7, r3, lr, r7
        ldrd r2, r3, [r0], #8
        smlad r8, r2, r12, r8
        smlad r9, r2, lr, r9
        smlad r10, r3, r12, r10
        smlad r11, r3, lr, r11
        "
    };
}

/// Bytes of a step: 11 instructions of four.
const STEP: usize = 44;

/// Computes pairs of columns of four rows. From sp: rows (0), their end (4), entry (8), output (12), row
/// step (16), column step (20), multiplier (24), offset (28), shift (32), end of columns (36), sums (40).
///
/// # Safety
/// The job is one of accepted parameters, with at least one pair of columns.
#[unsafe(naked)]
unsafe extern "C" fn products_4x2(job: &Job) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}
        mov lr, r0
        ldm lr, {{r1-r12}}
        push {{r1-r12}}
        ldr r1, [lr, #{columns}]
        ldr r3, [sp, #8]
        adr.w r2, 4f
        add r2, r2, r3
        str r2, [sp, #8]
        2:
        movs r4, #0
        movs r5, #0
        movs r6, #0
        movs r7, #0
        mov r8, r4
        mov r9, r4
        mov r10, r4
        mov r11, r4
        ldr r0, [sp]
        ldr pc, [sp, #8]
        4:
        ",
        concat!(step!(), step!(), step!(), step!(), step!(), step!(), step!(), step!()),
        "ldr r2, [sp, #4]
        cmp r0, r2
        bne.w 4b
        ldr r2, [sp, #40]
        cmp r2, #0
        bne 7f
        ldrd r0, r2, [sp, #24]
        ldr r3, [sp, #32]
        smmla r4, r4, r0, r2
        smmla r5, r5, r0, r2
        smmla r6, r6, r0, r2
        smmla r7, r7, r0, r2
        smmla r8, r8, r0, r2
        smmla r9, r9, r0, r2
        smmla r10, r10, r0, r2
        smmla r11, r11, r0, r2
        cmp r3, #0
        beq 8f
        asr r4, r4, r3
        asr r5, r5, r3
        asr r6, r6, r3
        asr r7, r7, r3
        asr r8, r8, r3
        asr r9, r9, r3
        asr r10, r10, r3
        asr r11, r11, r3
        8:
        ldr r0, [sp, #12]
        ldrd r2, r3, [sp, #16]
        add r12, r0, r3, lsl #1
        str r12, [sp, #12]
        ssat r4, #8, r4, asr #1
        strb r4, [r0]
        ssat r5, #8, r5, asr #1
        strb r5, [r0, r3]
        add r0, r2
        ssat r6, #8, r6, asr #1
        strb r6, [r0]
        ssat r7, #8, r7, asr #1
        strb r7, [r0, r3]
        add r0, r2
        ssat r8, #8, r8, asr #1
        strb r8, [r0]
        ssat r9, #8, r9, asr #1
        strb r9, [r0, r3]
        add r0, r2
        ssat r10, #8, r10, asr #1
        strb r10, [r0]
        ssat r11, #8, r11, asr #1
        strb r11, [r0, r3]
        9:
        ldr r2, [sp, #36]
        cmp r1, r2
        bne.w 2b
        add sp, #48
        pop {{r4-r11, pc}}
        7:
        ldr r0, [sp, #12]
        ldrd r2, r3, [sp, #16]
        add r12, r0, r3, lsl #1
        str r12, [sp, #12]
        str r4, [r0]
        str r5, [r0, r3]
        add r0, r2
        str r6, [r0]
        str r7, [r0, r3]
        add r0, r2
        str r8, [r0]
        str r9, [r0, r3]
        add r0, r2
        str r10, [r0]
        str r11, [r0, r3]
        b 9b",
        columns = const offset_of!(Job, columns),
    )
}

impl Job {
    /// The job of `count` columns from `columns` on, whose sums are stored.
    fn new(strip: &Strip<'_>, columns: *const Pair, count: usize) -> Job {
        Job {
            rows: strip.rows,
            rows_end: strip.rows.wrapping_add(strip.pairs * ROWS),
            entry: (strip.pairs.wrapping_neg() & (UNROLL - 1)) * STEP + 1,
            output: strip.output,
            row_step: strip.row_step,
            column_step: strip.column_step,
            multiplier: strip.params.multiplier,
            offset: 0,
            shift: 0,
            columns_end: columns.wrapping_add(count * strip.pairs),
            sums: 1,
            unused: 0,
            columns,
        }
    }
}

/// Computes all whole pairs of columns, saturated only; returns their number, or none if results are
/// rounded in another way.
///
/// # Safety
/// The factors and the results of four rows lie there.
pub(in crate::kernels) unsafe fn dot_columns(strip: &Strip<'_>) -> usize {
    let count = strip.count & !(COLUMNS - 1);
    let mut job = Job::new(strip, strip.columns, count);
    match &strip.params.requant {
        Some(requant) if requant.rounding != Rounding::Up => return 0,
        Some(requant) => {
            let shift = u32::from(requant.shift);
            job.offset = requant.offset(shift);
            (job.shift, job.sums) = (shift.wrapping_sub(33) & 31, 0);
        }
        None => {}
    }
    if count > 0 {
        // SAFETY: the caller's promise.
        unsafe { products_4x2(&job) };
    }
    count
}

/// The sums of four rows and two columns.
///
/// # Safety
/// Their factors lie there.
pub(in crate::kernels) unsafe fn dot_sums(
    strip: &Strip<'_>,
    columns: *const Pair,
) -> [i32; ROWS * COLUMNS] {
    let mut sums = [0; ROWS * COLUMNS];
    let mut job = Job::new(strip, columns, COLUMNS);
    job.output = sums.as_mut_ptr().cast();
    (job.row_step, job.column_step) = (COLUMNS * size_of::<i32>(), size_of::<i32>());
    // SAFETY: the caller's promise.
    unsafe { products_4x2(&job) };
    sums
}

/// Widens adjacent factors four by four, and moves on. Returns how many are left.
///
/// # Safety
/// They are readable, and there is room for them.
pub(in crate::kernels) unsafe fn widened(
    from: &mut *const i8,
    to: &mut *mut Pair,
    lanes: usize,
    depth: usize,
    zero: i32,
) -> usize {
    let zeros = twice(-zero);
    for _ in 0..depth / 4 {
        // SAFETY: the caller's promise.
        unsafe {
            let word = from.cast::<u32>().read_unaligned();
            let (even, odd): (u32, u32);
            asm!(
                dsp!(),
                "sxtab16 {even}, {zeros}, {word}",
                "sxtab16 {odd}, {zeros}, {word}, ror #8",
                even = out(reg) even,
                odd = lateout(reg) odd,
                zeros = in(reg) zeros,
                word = in(reg) word,
                options(pure, nomem, nostack),
            );
            to.cast::<u32>().write(even);
            to.wrapping_add(lanes).cast::<u32>().write(odd);
        }
        *from = from.wrapping_add(4);
        *to = to.wrapping_add(2 * lanes);
    }
    depth % 4
}
