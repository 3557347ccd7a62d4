//! Strips read and write what they should, tap by tap.

use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::AccessKind;
use crate::kernels::Rounding;

const ZERO: Place = Place::arena(0);

fn requant() -> Option<Requant> {
    Some(Requant { shift: 40, zero: 0, min: -128, max: 127, rounding: Rounding::Up })
}

fn conv() -> impl Strategy<Value = ConvI8<Place>> {
    (
        (1u32..12, 1u32..6, 1u32..5, 1u32..4),
        (1u32..5, 1u32..4, -2i32..4, 1u32..4),
        (1u32..12, 1u32..4, any::<bool>()),
    )
        .prop_map(
            |((in_h, in_w, in_c, out_c), (kernel_h, stride_h, pad_top, dilation_h), rest)| ConvI8 {
                input: ZERO,
                weights: Place::constant(0),
                channels: Place::constant(0),
                shifts: None,
                output: Place::arena(1 << 20),
                scratch: Place::arena(1 << 21),
                batch: 1,
                in_h,
                in_w,
                in_c,
                out_h: rest.0,
                out_w: in_w,
                out_c,
                groups: rest.1,
                kernel_h,
                kernel_w: 1,
                stride_h,
                stride_w: 1,
                pad_top,
                pad_left: 0,
                dilation_h,
                dilation_w: 1,
                input_zero: 0,
                requant: if rest.2 { requant() } else { None },
            },
        )
}

/// The strip of some rows, with operands and result as if whole.
fn strip(by: &ByRows<Place>, first: u16, count: u16) -> Option<Strip<Place>> {
    let demand = by.shape.demand(first, count)?;
    let at = |t: RowTensor<Place>, row: u16| Place {
        offset: t.place.offset + u32::from(row) * t.bytes,
        ..t.place
    };
    Some(Strip {
        count: count.into(),
        demand: u32::from(demand.end - demand.from),
        pad: by.shape.padding(first),
        operands: by.operands.map(|t| at(t.unwrap_or(by.output), demand.from)),
        output: at(by.output, first),
    })
}

/// First and last byte of an access of a kind.
fn extent(kernel: &Kernel<Place>, kind: AccessKind) -> Vec<(i64, i64)> {
    let mut extents = Vec::new();
    kernel
        .accesses(&mut |a| {
            if a.kind == kind && a.place.region == crate::Region::Arena {
                let at = i64::from(a.place.offset);
                extents.push((at + a.start, at + a.end));
            }
        })
        .unwrap();
    extents
}

/// Rows of the input that a row of the output multiplies, by the kernel's definition.
fn taps(p: &ConvI8<Place>, row: u32) -> Vec<i64> {
    let at = |k: u32| i64::from(row * p.stride_h + k * p.dilation_h) - i64::from(p.pad_top);
    (0..p.kernel_h).map(at).collect()
}

proptest! {
    #[test]
    fn strips_see_the_taps_of_the_whole(p in conv(), first in 0u16..12, count in 1u16..4) {
        let (rows, whole) = (p.out_h, Kernel::conv_i8(p));
        prop_assume!(u32::from(first + count) <= rows && whole.accesses(&mut |_| ()).is_ok());
        let by = whole.by_rows(rows).unwrap();
        let row = i64::from(by.operands[0].unwrap().bytes);
        let Some(strip) = strip(&by, first, count) else { return Ok(()) };
        let mut restricted = p;
        restricted.restrict(rows, &strip);
        let moved = i64::from(restricted.input.offset) / row;
        for y in 0..u32::from(count) {
            for (k, at) in taps(&p, u32::from(first) + y).into_iter().enumerate() {
                let inner = taps(&restricted, y)[k];
                let inside = (0..i64::from(p.in_h)).contains(&at);
                prop_assert_eq!(inside, (0..i64::from(restricted.in_h)).contains(&inner));
                prop_assert!(!inside || inner + moved == at);
            }
        }
        // Strips of all rows cover the output without overlap.
        let restricted = Kernel::conv_i8(restricted);
        let written = extent(&restricted, AccessKind::Write)[0];
        let out = i64::from(by.output.bytes);
        let start = i64::from(by.output.place.offset) + i64::from(first) * out;
        prop_assert_eq!(written, (start, start + i64::from(count) * out));
        let all = extent(&whole, AccessKind::Read)[0];
        let read = extent(&restricted, AccessKind::Read)[0];
        prop_assert!(all.0 <= read.0 && read.1 <= all.1);
    }
}

#[test]
fn elementwise_rows_are_equal_parts() {
    let sum = SumI8 {
        lhs: ZERO,
        rhs: Place::arena(60),
        output: Place::arena(120),
        count: 60,
        lhs_multiplier: 1,
        rhs_multiplier: 1,
        offset: 0,
        shift: 0,
        min: -128,
        max: 127,
    };
    let by = sum.by_rows(5).unwrap();
    assert_eq!(by.operands.map(|t| t.unwrap().bytes), [12, 12]);
    assert_eq!(sum.by_rows(7), Err(ParamError::Mismatch));
    let mut two = sum;
    two.restrict(5, &strip(&by, 3, 2).unwrap());
    assert_eq!((two.count, two.lhs.offset, two.rhs.offset, two.output.offset), (24, 36, 96, 156));
    let scale = ScaleI8 {
        input: ZERO,
        channels: Place::constant(0),
        output: ZERO,
        rows: 20,
        channels_count: 3,
        shift: 0,
        min: 0,
        max: 1,
    };
    assert_eq!(scale.by_rows(5).unwrap().output.bytes, 12);
    assert_eq!(scale.by_rows(3), Err(ParamError::Mismatch), "20 pixels are not 3 rows");
}

#[test]
fn pools_over_everything_gather() {
    let pool = PoolI8 {
        input: ZERO,
        output: Place::arena(1000),
        batch: 1,
        in_h: 25,
        in_w: 5,
        channels: 4,
        out_h: 1,
        out_w: 1,
        kernel_h: 25,
        kernel_w: 5,
        stride_h: 1,
        stride_w: 1,
        pad_top: 0,
        pad_left: 0,
        input_zero: 0,
        bias: 0,
        left: 0,
        multiplier: 1,
        requant: requant().unwrap(),
    };
    assert_eq!((pool.gathers(25), pool.gathers(1), pool.sums()), (true, false, 4));
    let by = pool.by_rows(25).unwrap();
    assert_eq!((by.output.bytes, by.operands[0].unwrap().bytes), (0, 20));
    let mut row = pool;
    row.restrict(25, &strip(&by, 24, 1).unwrap());
    assert_eq!((row.in_h, row.kernel_h, row.input.offset), (1, 1, 480));
    assert_eq!(pool.by_rows(1).unwrap().shape.demand(0, 1).unwrap().end, 25);
}

#[test]
fn few_pixels_need_other_constants() {
    let stage = |strip| Stage {
        rows: 4,
        strip,
        capacity: 4,
        operands: [0; 2],
        lead: 0,
        settles: false,
        ends: false,
    };
    let whole = ConvI8 {
        input: ZERO,
        weights: Place::constant(0),
        channels: Place::constant(0),
        shifts: None,
        output: Place::arena(1000),
        scratch: Place::arena(2000),
        batch: 1,
        in_h: 4,
        in_w: 3,
        in_c: 32,
        out_h: 4,
        out_w: 3,
        out_c: 32,
        groups: 1,
        kernel_h: 1,
        kernel_w: 1,
        stride_h: 1,
        stride_w: 1,
        pad_top: 0,
        pad_left: 0,
        dilation_h: 1,
        dilation_w: 1,
        input_zero: 0,
        requant: requant(),
    };
    let kernel = Kernel::conv_i8(whole);
    assert_eq!(kernel.strips(&stage(1), &mut |_| ()), Err(ParamError::Mismatch));
    assert_eq!(kernel.strips(&stage(3), &mut |_| ()), Err(ParamError::Mismatch), "3 rows and 1");
    let mut scratch = 0;
    kernel
        .strips(&stage(2), &mut |a| {
            if a.kind == AccessKind::Scratch {
                scratch = scratch.max(a.end);
            }
        })
        .unwrap();
    assert_eq!(scratch, 256);
    // So few products are always stored as those of four pixels.
    let small = Kernel::conv_i8(ConvI8 { in_c: 31, ..whole });
    assert_eq!(small.strips(&stage(1), &mut |_| ()), Ok(()));
    // The same pixels as one row: a matrix product.
    let line = ConvI8 { in_h: 1, out_h: 1, in_w: 12, out_w: 12, ..whole };
    let by = Kernel::conv_i8(line).by_rows(4).unwrap();
    assert_eq!(by.output.bytes, 96);
    let padded = ConvI8 { out_w: 13, pad_left: 1, ..line };
    assert!(Kernel::conv_i8(padded).by_rows(4).is_err(), "pixels at the edge are of more than one");
}

/// Columns 2 to 5 of five rows of eight bytes, copied to a dense value.
#[test]
fn copies_of_columns_have_rows() {
    let dense = |bytes: &[i32]| heapless::Vec::from_slice(bytes).unwrap();
    let mut copy = Move {
        input: Place::arena(2),
        output: Place::arena(100),
        element: 1,
        sizes: heapless::Vec::from_slice(&[5, 3]).unwrap(),
        input_strides: dense(&[8, 1]),
        output_strides: dense(&[3, 1]),
    };
    let by = copy.by_rows(5).unwrap();
    assert_eq!((by.operands[0].unwrap().bytes, by.output.bytes), (8, 3));
    assert_eq!(copy.by_rows(4), Err(ParamError::Mismatch));
    copy.restrict(5, &strip(&by, 3, 2).unwrap());
    assert_eq!((copy.sizes[0], copy.input.offset, copy.output.offset), (2, 26, 109));
    copy.input_strides = dense(&[0, 1]);
    assert_eq!(copy.by_rows(2), Err(ParamError::Mismatch), "a row that is repeated is none");
}
