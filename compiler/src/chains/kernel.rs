//! Kernels as stages of a chain.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use microhlo_format::kernels::{
    ByRows, ConvI8Mve, DepthwiseI8Mve, DepthwiseTapsI8, DepthwiseThreeI8, Move, PoolI8, Strip,
};
use microhlo_format::rows::{OUTSIDE, Stage};
use microhlo_format::{AccessKind, Kernel, Overlap};

use super::cost::Costs;
use crate::lower::program::Ref;

/// The rows that a kernel's parameters say: those of the result, or of the operand if it adds up
/// all of them. One, for kernels that do not know.
fn own_rows(kernel: &Kernel<Ref>) -> Option<u32> {
    match kernel {
        Kernel::conv_i8(c) | Kernel::conv_i8_mve(ConvI8Mve { conv: c }) => Some(c.out_h),
        Kernel::depthwise_i8(c)
        | Kernel::depthwise_three_i8(DepthwiseThreeI8 { conv: c })
        | Kernel::depthwise_taps_i8(DepthwiseTapsI8 { conv: c })
        | Kernel::depthwise_i8_mve(DepthwiseI8Mve { conv: c }) => Some(c.out_h),
        Kernel::conv_f32(c) => Some(c.out_h),
        Kernel::depthwise_f32(c) => Some(c.out_h),
        Kernel::pool_i8(p) => Some(if p.gathers(p.in_h) { p.in_h } else { p.out_h }),
        Kernel::move_(m) if takes_columns(m) => m.sizes.first().copied(),
        Kernel::sum_i8(_) | Kernel::table_i8(_) | Kernel::scale_i8(_) => Some(1),
        _ => None,
    }
}

/// Whether a copy is one of some columns of each row, from or to a value that has more.
fn takes_columns(copy: &Move<Ref>) -> bool {
    let ([_, columns], [from, 1], [to, 1]) =
        (copy.sizes.as_slice(), copy.input_strides.as_slice(), copy.output_strides.as_slice())
    else {
        return false;
    };
    let columns = i64::from(*columns);
    let pitches = [i64::from(*from), i64::from(*to)];
    let [least, most] = [pitches[0].min(pitches[1]), pitches[0].max(pitches[1])];
    copy.element == 1 && least == columns && columns < most
}

/// Whether a stage writes some columns of its result, others the rest.
pub fn writes_columns(kernel: &Kernel<Ref>) -> bool {
    let Kernel::move_(m) = kernel else { return false };
    let pitch = m.output_strides.first().map_or(0, |&stride| i64::from(stride));
    takes_columns(m) && m.sizes.last().is_some_and(|&columns| i64::from(columns) < pitch)
}

/// A kernel's operands and result as rows. `height` says how many an operand has, where an earlier
/// stage makes it.
pub fn by_rows(kernel: &Kernel<Ref>, height: &dyn Fn(Ref) -> Option<u32>) -> Option<ByRows<Ref>> {
    let by = kernel.by_rows(own_rows(kernel)?).ok()?;
    let made = by.operands.into_iter().flatten().find_map(|operand| height(operand.place));
    match made {
        // Elementwise ones, and layers that see a pixel at a time, have any rows.
        Some(rows) if rows != by.shape.in_rows => folded(kernel, rows).by_rows(rows).ok(),
        _ => Some(by),
    }
}

/// The kernel of a stage whose operand has so many rows: a pool over all pixels, which is made of one row
/// where they are adjacent, sees them.
pub fn folded(kernel: &Kernel<Ref>, rows: u32) -> Cow<'_, Kernel<Ref>> {
    match kernel {
        Kernel::pool_i8(p)
            if (p.in_h, p.kernel_h, p.out_h, p.out_w) == (1, 1, 1, 1)
                && (p.kernel_w, p.pad_top, p.pad_left) == (p.in_w, 0, 0)
                && rows > 1
                && p.in_w.is_multiple_of(rows) =>
        {
            let (in_w, kernel_w) = (p.in_w / rows, p.in_w / rows);
            let pool = PoolI8 { in_h: rows, kernel_h: rows, in_w, kernel_w, ..*p };
            Cow::Owned(Kernel::pool_i8(pool))
        }
        _ => Cow::Borrowed(kernel),
    }
}

/// Number of sums that a kernel keeps from row to row if it makes so many rows.
pub fn sums(kernel: &Kernel<Ref>, rows: u32) -> u32 {
    match folded(kernel, rows).as_ref() {
        Kernel::pool_i8(p) if p.gathers(rows) => p.sums(),
        _ => 0,
    }
}

/// Bytes of working memory that a kernel needs.
pub fn scratch(kernel: &Kernel<Ref>) -> u64 {
    let mut bytes = 0;
    let _ = kernel.accesses(&mut |access| {
        if access.kind == AccessKind::Scratch {
            bytes += (access.end - access.start).unsigned_abs();
        }
    });
    bytes
}

/// What all firings of a stage need.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Firings {
    /// Rows at a time.
    pub strip: u32,
    /// Bytes of working memory.
    pub scratch: u64,
    /// Instructions, about.
    pub cost: f64,
    /// How rows that are computed may lie over those that are read of each operand; see [`strips`].
    pub over: [Option<Over>; 2],
}

/// How rows that are computed may lie over those that they are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The latter start at least so many bytes behind the former.
    Behind(u64),
    /// Both start at the same byte, or the latter a row of so many bytes behind.
    InRows(u64),
}

impl Over {
    /// How a kernel's result may lie over an operand that it reads from its first byte on.
    fn of(overlap: Overlap) -> Option<Over> {
        match (overlap.least()?, overlap.row()) {
            ((_, true), row) => row.map(|row| Over::InRows(row.into())),
            ((bytes, false), _) => Some(Over::Behind(bytes.into())),
        }
    }

    /// What both allow.
    fn and(self, other: Over) -> Option<Over> {
        match (self, other) {
            (Over::Behind(one), Over::Behind(two)) => Some(Over::Behind(one.max(two))),
            _ => (self == other).then_some(self),
        }
    }
}

/// Bytes of working memory, and how rows may lie over each other; see [`strips`].
pub type Touched = (u64, [Option<Over>; 2]);

/// A step, the rows that it makes, and those of a strip and of the first one.
type Led = (usize, u32, [u32; 2]);

/// What a step touches whose first strip has another number of rows, and about how many instructions all take.
type LedFirings = (Touched, f64);

/// What stages need, worked out once for each step and number of rows at a time.
pub struct Stages {
    costs: Costs,
    known: RefCell<HashMap<(usize, u32, u32), Option<Firings>>>,
    led: RefCell<HashMap<Led, Option<LedFirings>>>,
}

impl Stages {
    /// For kernels of such costs.
    pub fn new(costs: Costs) -> Stages {
        Stages { costs, known: RefCell::default(), led: RefCell::default() }
    }

    /// What a step needs that makes `rows` rows, about `wanted` at a time: the least number that its
    /// constants allow, if there is one.
    pub fn firings(
        &self,
        (step, kernel): (usize, &Kernel<Ref>),
        rows: u32,
        wanted: u32,
    ) -> Option<Firings> {
        let key = (step, rows, wanted.clamp(1, rows));
        if let Some(known) = self.known.borrow().get(&key) {
            return *known;
        }
        let kernel = folded(kernel, rows);
        let kernel = kernel.as_ref();
        let found = (key.2..=rows).find_map(|strip| {
            let cost = self.cost(kernel, rows, [strip, 0])?;
            let (scratch, over) = strips(kernel, rows, [strip, 0])?;
            Some(Firings { strip, scratch, cost, over })
        });
        self.known.borrow_mut().insert(key, found);
        found
    }

    /// What a step touches that makes `rows` rows in such strips, the first of them shorter or longer, and
    /// about how many instructions it takes.
    pub fn led(
        &self,
        (step, kernel): (usize, &Kernel<Ref>),
        rows: u32,
        strips: [u32; 2],
    ) -> Option<LedFirings> {
        let mut led = self.led.borrow_mut();
        let find = || {
            let kernel = folded(kernel, rows);
            let touched = self::strips(kernel.as_ref(), rows, strips)?;
            Some((touched, self.cost(kernel.as_ref(), rows, strips)?))
        };
        *led.entry((step, rows, strips)).or_insert_with(find)
    }

    /// Instructions of all firings, if their sizes are possible: of strips of so many rows, and so many the
    /// first time if that is not 0.
    fn cost(&self, kernel: &Kernel<Ref>, rows: u32, [strip, lead]: [u32; 2]) -> Option<f64> {
        let lead = if lead == 0 { strip } else { lead }.min(rows);
        let each = |first: u32, count: u32| {
            let kernel = restricted(kernel, rows, first, count.min(rows - first))?;
            Some(self.costs.firing(&kernel))
        };
        let (first, firings) = (each(0, lead)?, (rows - lead).div_ceil(strip));
        let last = |index: u32| each(lead + index * strip, strip);
        Some(match firings {
            0 => first,
            1 => first + last(0)?,
            _ => first + last(firings - 1)? + f64::from(firings - 1) * last(0)?,
        })
    }
}

/// The kernel as it computes only `count` rows from `first` on.
fn restricted(kernel: &Kernel<Ref>, rows: u32, first: u32, count: u32) -> Option<Kernel<Ref>> {
    let by = kernel.by_rows(rows).ok()?;
    let first = u16::try_from(first).ok()?;
    let demand = by.shape.demand(first, count.try_into().ok()?)?;
    let pad = by.shape.padding(first);
    let operands = by.operands.map(|operand| operand.unwrap_or(by.output).place);
    let demand = u32::from(demand.end - demand.from);
    let strip = Strip { count, demand, pad, operands, output: by.output.place };
    kernel.restricted(rows, &strip).ok()
}

/// Of strips of so many rows, and so many the first time if that is not 0, if they are possible: bytes of
/// working memory, and for each operand how rows that are computed may lie over those that they are made of,
/// if they may.
pub fn strips(kernel: &Kernel<Ref>, rows: u32, [strip, lead]: [u32; 2]) -> Option<Touched> {
    let by = kernel.by_rows(rows).ok()?;
    let (rows, strip) = (u16::try_from(rows).ok()?, u16::try_from(strip).ok()?);
    let lead = u8::try_from(lead).ok()?;
    let operands = [OUTSIDE; 2];
    let stage = Stage { rows, strip, lead, capacity: rows, operands, settles: false, ends: false };
    let places = by.operands.map(|operand| operand.map(|operand| operand.place));
    let (mut scratch, mut apart) = (0, false);
    let (mut over, mut read) = ([None; 2], [false; 2]);
    let visit = &mut |access: microhlo_format::Access<Ref>| match access.kind {
        AccessKind::Scratch => scratch = scratch.max((access.end - access.start).unsigned_abs()),
        AccessKind::Write => apart |= access.overlap == Overlap::NEVER,
        AccessKind::Read => {
            let may = Over::of(access.overlap).filter(|_| access.start == 0);
            let operands = over.iter_mut().zip(&mut read).zip(places);
            for ((over, read), _) in operands.filter(|(_, p)| *p == Some(access.place)) {
                *over = match std::mem::replace(read, true) {
                    false => may,
                    true => over.zip(may).and_then(|(over, may)| over.and(may)),
                };
            }
        }
    };
    kernel.strips(&stage, visit).ok()?;
    Some((scratch, if apart { [None; 2] } else { over }))
}
