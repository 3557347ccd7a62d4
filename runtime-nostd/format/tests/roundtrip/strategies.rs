//! Programs of random steps.

use microhlo_format::kernels::{
    Activation, Branch, ConvF32, ConvI8, ConvI8Mve, ConvI16, ConvI16Mve, DepthwiseI8,
    DepthwiseI8Mve, DepthwiseI16, DepthwiseLayout, DepthwiseTapsI8, DepthwiseThreeI8, DequantizeI8,
    DotI8, ExternCall, ExternTensor, Fill, Gather, HybridF32, Map, MapInstr, MapOperand, Move,
    Post, ProductI8, QuantizeF32, Reduce, ReduceAny, ReduceOperand, RegionCode, RegionScalar,
    Requant, Rounding, ScaleI8, Scatter, ScatterAny, ScatterOperand, SelectAndScatter, Slices,
    SoftmaxF32, SoftmaxI8, Sort, SortOperand, Start, SumI16, Switch, TableMoveI8, Window,
    WindowDim,
};
use microhlo_format::{
    ArenaEntry, DType, Kernel, MAX_ARENAS, MicroId, MicroOp, Place, Region, Target,
};
use proptest::prelude::*;

pub fn places() -> impl Strategy<Value = Place> {
    let far = (0..Region::ARENAS.len(), any::<u32>());
    prop_oneof![
        any::<u32>().prop_map(Place::arena),
        any::<u32>().prop_map(Place::constant),
        far.prop_map(|(arena, offset)| Place { region: Region::ARENAS[arena], offset }),
    ]
}

/// A table of arenas, the first of a given size, or none.
pub fn arenas(first: u32) -> impl Strategy<Value = Vec<ArenaEntry>> {
    let entry = (any::<[u8; 8]>(), 0..=i32::MAX as u32);
    prop::collection::vec(entry, 0..=MAX_ARENAS).prop_map(move |entries| {
        let entry = |(i, (name, bytes)): (usize, ([u8; 8], u32))| {
            let bytes = if i == 0 { first } else { bytes };
            ArenaEntry { name, bytes, align: 16, ..ArenaEntry::default() }
        };
        entries.into_iter().enumerate().map(entry).collect()
    })
}

fn micro() -> impl Strategy<Value = MicroId> {
    prop_oneof![
        (0..MicroOp::ALL.len(), 0..DType::ALL.len())
            .prop_map(|(op, dtype)| MicroId::op(MicroOp::ALL[op], DType::ALL[dtype])),
        (0..DType::ALL.len(), 0..DType::ALL.len())
            .prop_map(|(from, to)| MicroId::convert(DType::ALL[from], DType::ALL[to])),
    ]
}

fn list<T: std::fmt::Debug + Clone, const N: usize>(
    element: impl Strategy<Value = T>,
) -> impl Strategy<Value = heapless::Vec<T, N>> {
    prop::collection::vec(element, 0..=N).prop_map(|v| v.into_iter().collect())
}

fn instr() -> impl Strategy<Value = MapInstr> {
    (micro(), any::<u8>(), any::<[u8; 3]>()).prop_map(|(op, dst, args)| MapInstr { op, dst, args })
}

fn dim() -> impl Strategy<Value = WindowDim> {
    (any::<[u32; 6]>(), any::<i32>()).prop_map(|(n, pad)| WindowDim {
        input: n[0],
        output: n[1],
        window: n[2],
        stride: n[3],
        pad,
        base_dilation: n[4],
        window_dilation: n[5],
    })
}

fn dtype() -> impl Strategy<Value = DType> {
    (0..DType::ALL.len()).prop_map(|i| DType::ALL[i])
}

fn slices() -> impl Strategy<Value = Slices<Place>> {
    let start =
        (places(), list(any::<i32>()), any::<u32>(), any::<i32>(), any::<Option<u8>>()).prop_map(
            |(index, strides, last, stride, window)| Start { index, strides, last, stride, window },
        );
    let strides = || list(any::<i32>());
    (
        dtype(),
        list(start),
        [list(any::<u32>()), list(any::<u32>())],
        [strides(), strides(), strides(), strides()],
    )
        .prop_map(|(index, starts, [batch, window], strides)| {
            let [tensor_batch, slice_batch, tensor_window, slice_window] = strides;
            Slices {
                index,
                starts,
                batch,
                tensor_batch,
                slice_batch,
                window,
                tensor_window,
                slice_window,
            }
        })
}

fn code() -> impl Strategy<Value = RegionCode<Place>> {
    let scalar = (places(), dtype()).prop_map(|(place, dtype)| RegionScalar { place, dtype });
    let scratch = prop::option::of(places());
    (list(scalar), scratch, any::<[u8; 2]>(), any::<u32>(), list(instr())).prop_map(
        |(scalars, scratch, [temps, temp_size], lanes, code)| RegionCode {
            scalars,
            scratch,
            temps,
            temp_size,
            lanes,
            code,
        },
    )
}

/// Kernels that read indices from memory.
fn indexed() -> impl Strategy<Value = Kernel<Place>> {
    let operand = ([places(), places(), places()], dtype()).prop_map(
        |([operand, updates, output], dtype)| ScatterOperand { operand, updates, output, dtype },
    );
    let three = [places(), places(), places()];
    (three, any::<u8>(), any::<u32>(), slices(), (0..3, list(operand), code())).prop_map(
        |([operand, updates, output], element, count, slices, (kind, operands, body))| match kind {
            0 => Kernel::gather(Gather { operand, output, element, slices }),
            1 => Kernel::scatter(Scatter { operand, updates, output, element, count, slices }),
            _ => Kernel::scatter_any(ScatterAny { operands, count, slices, body }),
        },
    )
}

/// Kernels that run the code of regions.
fn combining() -> impl Strategy<Value = Kernel<Place>> {
    let reduced =
        ([places(), places(), places()], [dtype(), dtype()], list(any::<i32>()), any::<i32>())
            .prop_map(|([input, init, output], [element, accumulator], strides, lane_stride)| {
                ReduceOperand { input, init, output, element, accumulator, strides, lane_stride }
            });
    let reduce = (
        (list(reduced), list(dim()), list(any::<i32>())),
        (any::<u32>(), any::<i32>(), any::<bool>(), code()),
    )
        .prop_map(
            |((operands, dims, output_strides), (lanes, stride, padding_counts, body))| {
                let lane_output_stride = stride;
                Kernel::reduce_any(ReduceAny {
                    operands,
                    dims,
                    output_strides,
                    lanes,
                    lane_output_stride,
                    padding_counts,
                    body,
                })
            },
        );
    let sorted =
        ([places(), places(), places()], dtype()).prop_map(|([input, output, scratch], dtype)| {
            SortOperand { input, output, scratch, dtype }
        });
    let sort = (list(sorted), any::<[u32; 3]>(), code(), any::<u8>()).prop_map(
        |(operands, [outer, n, inner], less, result)| {
            Kernel::sort(Sort { operands, outer, n, inner, less, result })
        },
    );
    let select = (
        ([places(), places(), places(), places()], [dtype(), dtype()], list(dim())),
        (code(), any::<u8>(), code()),
    )
        .prop_map(|((places, [element, accumulator], dims), (select, selected, scatter))| {
            let [operand, source, init, output] = places;
            Kernel::select_and_scatter(SelectAndScatter {
                operand,
                source,
                init,
                output,
                element,
                accumulator,
                dims,
                select,
                selected,
                scatter,
            })
        });
    prop_oneof![reduce, sort, select]
}

/// Products of two computed tensors of bytes.
fn products() -> impl Strategy<Value = Kernel<Place>> {
    let requant = || {
        (any::<u8>(), any::<i32>(), any::<[i8; 2]>()).prop_map(|(shift, zero, [min, max])| {
            Requant { shift, zero, min, max, rounding: Rounding::Single }
        })
    };
    let lists = (list(any::<u32>()), list(any::<i32>()), list(any::<i32>()));
    let numbers = (any::<[i8; 2]>(), any::<u8>(), any::<i32>());
    let product = ([places(), places(), places()], lists, numbers, requant()).prop_map(
        |([lhs, rhs, output], lists, ([lhs_zero, rhs_zero], left, multiplier), requant)| {
            let (sizes, lhs_strides, rhs_strides) = lists;
            Kernel::product_i8(ProductI8 {
                lhs,
                rhs,
                output,
                sizes,
                lhs_strides,
                rhs_strides,
                lhs_zero,
                rhs_zero,
                left,
                multiplier,
                requant,
            })
        },
    );
    let places = [places(), places(), places(), places()];
    let numbers = (any::<[u32; 4]>(), any::<[i32; 7]>(), any::<[i8; 2]>());
    let dot = (places, numbers, prop::option::of(requant())).prop_map(
        |([lhs, rhs, output, scratch], (n, i, [lhs_zero, rhs_zero]), requant)| {
            Kernel::dot_i8(DotI8 {
                lhs,
                rhs,
                output,
                scratch,
                batch: n[0],
                rows: n[1],
                columns: n[2],
                depth: n[3],
                lhs_batch_stride: i[0],
                lhs_row_stride: i[1],
                lhs_depth_stride: i[2],
                rhs_batch_stride: i[3],
                rhs_column_stride: i[4],
                rhs_depth_stride: i[5],
                lhs_zero,
                rhs_zero,
                multiplier: i[6],
                requant,
            })
        },
    );
    prop_oneof![product, dot]
}

/// Kernels of bytes and constants per channel.
fn mixed() -> impl Strategy<Value = Kernel<Place>> {
    let scale = ([places(), places(), places()], any::<[u32; 2]>(), any::<(u8, [i8; 2])>())
        .prop_map(|(places, [rows, channels_count], (shift, [min, max]))| {
            let [input, channels, output] = places;
            Kernel::scale_i8(ScaleI8 {
                input,
                channels,
                output,
                rows,
                channels_count,
                shift,
                min,
                max,
            })
        });
    let places = [places(), places(), places(), places(), places()];
    let hybrid = (places, any::<[u32; 13]>(), any::<[i32; 2]>(), any::<bool>()).prop_map(
        |([input, weights, output, scales, scratch], n, [pad_top, pad_left], depthwise)| {
            let [batch, in_h, in_w, in_c, out_h, out_w, out_c, ..] = n;
            let [.., kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w] = n;
            let conv = ConvF32 {
                input,
                weights,
                bias: depthwise.then_some(scales),
                output,
                batch,
                in_h,
                in_w,
                in_c,
                out_h,
                out_w,
                out_c,
                kernel_h,
                kernel_w,
                stride_h,
                stride_w,
                pad_top,
                pad_left,
                dilation_h,
                dilation_w,
                activation: Activation::None,
            };
            Kernel::hybrid_f32(HybridF32 { conv, scales, scratch, depthwise })
        },
    );
    prop_oneof![scale, hybrid]
}

/// Convolutions of bytes.
fn bytes() -> impl Strategy<Value = Kernel<Place>> {
    let roundings = [Rounding::Up, Rounding::Even, Rounding::Double, Rounding::Single];
    let rounding = prop::sample::select(roundings.to_vec());
    let requant = (any::<u8>(), any::<i32>(), any::<[i8; 2]>(), rounding).prop_map(
        |(shift, zero, [min, max], rounding)| Requant { shift, zero, min, max, rounding },
    );
    (
        [places(), places(), places(), places(), places()],
        prop::option::of(places()),
        (any::<[u32; 14]>(), any::<[i32; 2]>(), any::<i8>()),
        prop::option::of(requant),
        any::<[bool; 2]>(),
    )
        .prop_map(|(places, shifts, (n, pad, input_zero), requant, [depthwise, mve])| {
            let [input, weights, channels, output, scratch] = places;
            let [batch, in_h, in_w, in_c, out_h, out_w, out_c, groups, ..] = n;
            let [.., kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w] = n;
            let [pad_top, pad_left] = pad;
            if depthwise {
                let depthwise = DepthwiseI8 {
                    input,
                    weights,
                    channels,
                    shifts,
                    output,
                    scratch: (groups > 1 << 31).then_some(scratch),
                    batch,
                    in_h,
                    in_w,
                    channels_count: in_c,
                    multiplier: out_c,
                    out_h,
                    out_w,
                    kernel_h,
                    kernel_w,
                    stride_h,
                    stride_w,
                    pad_top,
                    pad_left,
                    dilation_h,
                    dilation_w,
                    input_zero,
                    requant,
                    layout: match groups % 2 {
                        0 => DepthwiseLayout::Lines(groups | 1),
                        _ => DepthwiseLayout::Taps,
                    },
                };
                return match batch % 3 {
                    _ if mve => Kernel::depthwise_i8_mve(DepthwiseI8Mve { conv: depthwise }),
                    0 => Kernel::depthwise_i8(depthwise),
                    1 => Kernel::depthwise_three_i8(DepthwiseThreeI8 { conv: depthwise }),
                    _ => Kernel::depthwise_taps_i8(DepthwiseTapsI8 { conv: depthwise }),
                };
            }
            let conv = ConvI8 {
                input,
                weights,
                channels,
                shifts,
                output,
                scratch,
                batch,
                in_h,
                in_w,
                in_c,
                out_h,
                out_w,
                out_c,
                groups,
                kernel_h,
                kernel_w,
                stride_h,
                stride_w,
                pad_top,
                pad_left,
                dilation_h,
                dilation_w,
                input_zero,
                requant,
            };
            if mve { Kernel::conv_i8_mve(ConvI8Mve { conv }) } else { Kernel::conv_i8(conv) }
        })
}

/// Convolutions of 16-bit activations, and sums.
fn words() -> impl Strategy<Value = Kernel<Place>> {
    let convs = (bytes(), any::<i32>(), any::<i32>()).prop_map(|(kernel, min, max)| match kernel {
        Kernel::conv_i8(conv) => Kernel::conv_i16(ConvI16 { conv, min, max }),
        Kernel::conv_i8_mve(ConvI8Mve { conv }) => {
            Kernel::conv_i16_mve(ConvI16Mve { conv, min, max })
        }
        Kernel::depthwise_i8(conv) => Kernel::depthwise_i16(DepthwiseI16 { conv, min, max }),
        other => other,
    });
    let sums = ([places(), places(), places()], any::<u32>(), any::<[i32; 4]>(), any::<u8>())
        .prop_map(|([lhs, rhs, output], count, numbers, shift)| {
            let [lhs_multiplier, rhs_multiplier, min, max] = numbers;
            Kernel::sum_i16(SumI16 {
                lhs,
                rhs,
                output,
                count,
                lhs_multiplier,
                rhs_multiplier,
                shift,
                min,
                max,
            })
        });
    prop_oneof![3 => convs, 1 => sums]
}

/// Kernels of any operation.
fn general() -> impl Strategy<Value = Kernel<Place>> {
    let post =
        || prop::option::of((micro(), places()).prop_map(|(op, operand)| Post { op, operand }));
    let operand = || {
        (places(), list(any::<i32>())).prop_map(|(place, strides)| MapOperand { place, strides })
    };
    let map = (
        (list(any::<u32>()), list(operand()), list(operand()), list(instr())),
        (prop::option::of(places()), any::<u8>(), any::<u8>(), any::<u32>()),
    )
        .prop_map(|((sizes, inputs, outputs, code), (scratch, temps, temp_size, tile))| {
            Kernel::map(Map { sizes, inputs, outputs, scratch, temps, temp_size, tile, code })
        });
    let reduce = (
        (micro(), places(), places(), places(), post()),
        (list(any::<u32>()), list(any::<i32>()), list(any::<u32>()), list(any::<i32>())),
    )
        .prop_map(
            |((op, input, init, output, post), (sizes, strides, reduce, reduce_strides))| {
                Kernel::reduce(Reduce {
                    op,
                    input,
                    init,
                    output,
                    post,
                    sizes,
                    strides,
                    reduce,
                    reduce_strides,
                })
            },
        );
    let window = (
        (micro(), places(), places(), places(), post()),
        (list(dim()), any::<u32>(), any::<bool>()),
    )
        .prop_map(|((op, input, init, output, post), (dims, inner, padding_counts))| {
            Kernel::window(Window { op, input, init, output, post, dims, inner, padding_counts })
        });
    let copy = (places(), places(), any::<u8>(), list(any::<u32>()), list(any::<i32>()));
    let moves = (copy, prop::option::of(places())).prop_map(
        |((input, output, element, sizes, strides), table)| {
            let (input_strides, output_strides) = (strides.clone(), strides);
            let copy = Move { input, output, element, sizes, input_strides, output_strides };
            match table {
                Some(table) => Kernel::table_move_i8(TableMoveI8::new(copy, table)),
                None => Kernel::move_(copy),
            }
        },
    );
    let fill = (places(), places(), any::<u8>(), any::<u32>()).prop_map(
        |(value, output, element, count)| Kernel::fill(Fill { value, output, element, count }),
    );
    prop_oneof![map, reduce, window, moves, fill]
}

/// Calls of the firmware. What their settings say is not looked at here.
fn calls() -> impl Strategy<Value = Kernel<Place>> {
    let tensor = || {
        let dtype = (0..DType::ALL.len()).prop_map(|i| DType::ALL[i]);
        (dtype, list(any::<u32>()), places()).prop_map(|(dtype, dims, place)| ExternTensor {
            dtype,
            dims,
            place,
        })
    };
    (list(any::<u8>()), list(any::<u8>()), list(tensor()), list(tensor())).prop_map(
        |(name, settings, operands, results)| {
            Kernel::extern_call(ExternCall { name, settings, operands, results })
        },
    )
}

/// Softmax, and what turns floats into 8-bit integers and back.
fn elementwise() -> impl Strategy<Value = Kernel<Place>> {
    let softmax =
        (places(), places(), any::<u32>(), any::<u32>()).prop_map(|(input, output, rows, n)| {
            Kernel::softmax_f32(SoftmaxF32 { input, output, rows, n })
        });
    let softmax_i8 = (places(), any::<[u32; 2]>(), any::<i32>(), any::<[i16; 5]>()).prop_map(
        |(place, n, zero, f)| {
            let [input_scale, output_scale, output_zero, min, max] = f.map(f32::from);
            Kernel::softmax_i8(SoftmaxI8 {
                input: place,
                output: place,
                scratch: place,
                rows: n[0],
                n: n[1],
                input_zero: zero,
                input_scale,
                output_scale,
                output_zero,
                min,
                max,
            })
        },
    );
    let quantize =
        (places(), prop::option::of(places()), any::<u32>(), any::<[i16; 2]>(), any::<[i8; 2]>())
            .prop_map(|(place, thresholds, count, f, bounds)| {
                let ([scale, zero], [min, max]) = (f.map(f32::from), bounds);
                let (input, output) = (place, place);
                Kernel::quantize_f32(QuantizeF32 {
                    input,
                    thresholds,
                    output,
                    count,
                    scale,
                    zero,
                    min,
                    max,
                })
            });
    let dequantize = (places(), prop::option::of(places()), any::<u32>(), any::<i32>(), -9f32..9.0)
        .prop_map(|(place, table, count, zero, scale)| {
            let (input, output) = (place, place);
            Kernel::dequantize_i8(DequantizeI8 { input, table, output, count, zero, scale })
        });
    prop_oneof![softmax, softmax_i8, quantize, dequantize]
}

/// Convolutions of floats.
fn convolutions() -> impl Strategy<Value = Kernel<Place>> {
    (places(), prop::option::of(places()), any::<[u32; 13]>(), any::<[i32; 2]>(), -9f32..9.0)
        .prop_map(|(place, bias, n, pad, min)| {
            Kernel::conv_f32(ConvF32 {
                input: place,
                weights: place,
                bias,
                output: place,
                batch: n[0],
                in_h: n[1],
                in_w: n[2],
                in_c: n[3],
                out_h: n[4],
                out_w: n[5],
                out_c: n[6],
                kernel_h: n[7],
                kernel_w: n[8],
                stride_h: n[9],
                stride_w: n[10],
                pad_top: pad[0],
                pad_left: pad[1],
                dilation_h: n[11],
                dilation_w: n[12],
                activation: Activation::Max { min },
            })
        })
}

/// Kernels of all kinds.
pub fn kernels() -> impl Strategy<Value = Kernel<Place>> {
    let branch = (prop::option::of(places()), any::<bool>()).prop_map(|(predicate, when)| {
        Kernel::branch(Branch { predicate, when, target: Target::step(0) })
    });
    let switch = (places(), any::<u32>(), 0..=16u32).prop_map(|(index, first, n)| {
        let targets = (0..n).map(Target::step).collect();
        Kernel::switch(Switch { index, first, targets })
    });
    let regions = prop_oneof![indexed(), combining(), bytes(), words(), mixed(), products()];
    let others = prop_oneof![4 => general(), 3 => elementwise(), 1 => convolutions()];
    prop_oneof![6 => others, 1 => branch, 1 => switch, 2 => regions, 1 => calls()]
}
