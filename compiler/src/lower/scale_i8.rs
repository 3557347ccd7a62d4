//! Elementwise clusters of one 8-bit tensor and constants per channel, such as a batch norm between
//! quantised layers, as a product and a shift per channel.
//!
//! Whatever a program computes with, a channel's result is a function of a byte: if a line, rounded
//! down, gives all 256 results, it is that function.

use microhlo_format::kernels::ScaleI8;
use microhlo_format::{DType, Kernel};

use super::facts::Facts;
use super::{Lowered, Lowerer, cluster, table};
use crate::ir::{OpId, ValueId};

/// Least operations that the kernel replaces.
const MIN_OPS: usize = 3;

/// Most results of operations that are tabulated: compilation ends soon.
const MAX_RESULTS: usize = 4 << 20;

/// Each channel times a constant, plus another, shifted right and limited.
#[derive(Clone, Debug)]
pub struct Scale {
    input: ValueId,
    result: ValueId,
    /// Multiplier and offset of each channel.
    lines: Vec<(i32, i32)>,
    shift: u8,
    min: i8,
    max: i8,
}

/// The scaling that ends with `last`, and the elementwise operations that it replaces. `order` sorts
/// them as the program does.
pub fn find(
    facts: &Facts<'_>,
    last: OpId,
    order: impl Fn(&mut Vec<OpId>),
) -> Option<(Scale, Vec<OpId>)> {
    let body = facts.body;
    let is_i8 = |v: ValueId| cluster::dtype(body, v) == Some(DType::I8);
    let result = body.result(last).filter(|&v| is_i8(v))?;
    let ty = body.ty(result).tensor()?;
    let dim = ty.rank().checked_sub(1)?;
    let channels = usize::try_from(ty.dims[dim].size()?).ok()?;
    let known =
        |v: ValueId| facts.splat(v).is_some() || facts.channel_bytes(v, dim, channels).is_some();
    let found =
        [true, false].into_iter().find_map(|through| table::grown(facts, last, through, known));
    let (input, mut ops) = found.filter(|(v, ops)| is_i8(*v) && ops.len() >= MIN_OPS)?;
    // What is the same for all channels is a table, if it is worth one.
    let operands = ops.iter().flat_map(|&op| &body.ops[op].operands);
    let mut constants = operands.filter(|&&v| v != input && known(v));
    if !constants.any(|&v| facts.splat(v).is_none()) {
        return None;
    }
    if ops.len().checked_mul(256)?.checked_mul(channels)? > MAX_RESULTS || channels == 0 {
        return None;
    }
    order(&mut ops);
    let bytes = table::tabulated(facts, &ops, input, result, Some(channels))?;
    let results: Vec<i64> = bytes.iter().map(|&b| i64::from(b as i8)).collect();
    let (min, max) = (*results.iter().min()?, *results.iter().max()?);
    // The table is that of unsigned bytes.
    let of_channel = |c: usize| -> Vec<i64> {
        (0..256).filter_map(|x| results.get((x ^ 128) * channels + c)).copied().collect()
    };
    let rows: Vec<Vec<i64>> = (0..channels).map(of_channel).collect();
    let (shift, lines) = (8..=24).rev().find_map(|shift| {
        let lines = rows.iter().map(|row| line(row, shift, [min, max]));
        lines.collect::<Option<Vec<_>>>().map(|lines| (shift, lines))
    })?;
    let (min, max) = (min as i8, max as i8);
    Some((Scale { input, result, lines, shift, min, max }, ops))
}

/// Multiplier and offset that give these results of -128 to 127.
fn line(results: &[i64], shift: u8, range: [i64; 2]) -> Option<(i32, i32)> {
    let first = *results.first()?;
    if results.iter().all(|&y| y == first) {
        return Some((0, (first << shift) as i32));
    }
    // The room for the offset is a concave function of the multiplier: look where it is largest.
    let (mut low, mut high) = (-(1i64 << 23), 1i64 << 23);
    while high - low > 2 {
        let third = (high - low) / 3;
        let (a, b) = (low + third, high - third);
        if room(results, shift, range, a).1 < room(results, shift, range, b).1 {
            low = a;
        } else {
            high = b;
        }
    }
    (low..=high).find_map(|multiplier| {
        let (least, room) = room(results, shift, range, multiplier);
        let offset = least + room / 2;
        let fits = room >= 0 && offset.abs() + 128 * multiplier.abs() < 1 << 31;
        fits.then_some((multiplier as i32, offset as i32))
    })
}

/// The least offset that gives these results with a multiplier, and how much greater it may be:
/// negative if there is none.
fn room(results: &[i64], shift: u8, range: [i64; 2], multiplier: i64) -> (i64, i64) {
    let points = (-128i64..).zip(results).map(|(x, &y)| (multiplier * x, y));
    let (least, most) = offsets(points, shift, range, 1 << 36);
    (least, most - least)
}

/// The least and the most that may be added to sums, within `wide`, so that shifted right and limited
/// they give the results that they are paired with.
pub fn offsets(
    points: impl Iterator<Item = (i64, i64)>,
    shift: u8,
    [min, max]: [i64; 2],
    wide: i64,
) -> (i64, i64) {
    let (mut least, mut most) = (-wide, wide);
    for (sum, y) in points {
        if y > min {
            least = least.max((y << shift) - sum);
        }
        if y < max {
            most = most.min(((y + 1) << shift) - 1 - sum);
        }
    }
    (least, most)
}

impl Lowerer<'_> {
    /// The step of a scaling that replaces operations of which `op` is the first.
    pub(super) fn scale_i8(&mut self, scale: &Scale, op: OpId) -> Lowered<()> {
        let input = self.dense(scale.input, self.span(op))?;
        let (output, _, dims) = self.result(scale.result, op)?;
        let channels_count = scale.lines.len() as u32;
        let rows = dims.iter().rev().skip(1).product();
        let records: Vec<u8> = scale
            .lines
            .iter()
            .flat_map(|(multiplier, offset)| [multiplier.to_le_bytes(), offset.to_le_bytes()])
            .flatten()
            .collect();
        let channels = self.constant(records.into(), 4);
        let Scale { shift, min, max, .. } = *scale;
        let params = ScaleI8 { input, channels, output, rows, channels_count, shift, min, max };
        self.step(Kernel::scale_i8(params), op);
        self.name_step("scale+requantize");
        Ok(())
    }
}
