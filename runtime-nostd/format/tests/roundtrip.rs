//! `decode(encode(x)) == x`, and every malformation its own error.

use microhlo_format::kernels::{
    Activation, Branch, Chain, ConvF32, ConvI8, ConvI8Mve, DepthwiseI8, DepthwiseI8Mve,
    DepthwiseLayout, DepthwiseTapsI8, DepthwiseThreeI8, DequantizeI8, DotI8, Feed, Fill, Gather,
    HybridF32, Map, MapInstr, MapOperand, Move, Post, ProductI8, QuantizeF32, Reduce, ReduceAny,
    ReduceOperand, RegionCode, RegionScalar, Requant, Rounding, Rows, ScaleI8, Scatter, ScatterAny,
    ScatterOperand, SelectAndScatter, Slices, SoftmaxF32, SoftmaxI8, Sort, SortOperand, Start,
    Sums, Switch, TableI8, Window, WindowDim,
};
use microhlo_format::rows::Stage;
use microhlo_format::{
    ArenaEntry, Artifact, ArtifactError, ArtifactSpec, Cursor, DType, EncodeError, Features,
    HEADER_BYTES, Kernel, MAX_ARENAS, MicroId, MicroOp, Place, Region, Section, Target, TensorSpec,
    decode, encode, seal,
};
use proptest::prelude::*;

fn places() -> impl Strategy<Value = Place> {
    let far = (0..Region::ARENAS.len(), any::<u32>());
    prop_oneof![
        any::<u32>().prop_map(Place::arena),
        any::<u32>().prop_map(Place::constant),
        far.prop_map(|(arena, offset)| Place { region: Region::ARENAS[arena], offset }),
    ]
}

/// A table of arenas, the first of a given size, or none.
fn arenas(first: u32) -> impl Strategy<Value = Vec<ArenaEntry>> {
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

fn kernels() -> impl Strategy<Value = Kernel<Place>> {
    let operand = || {
        (places(), list(any::<i32>())).prop_map(|(place, strides)| MapOperand { place, strides })
    };
    let post =
        || prop::option::of((micro(), places()).prop_map(|(op, operand)| Post { op, operand }));
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
                let (sizes, reduce) = (sizes, reduce);
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
    let moves = (places(), places(), any::<u8>(), list(any::<u32>()), list(any::<i32>())).prop_map(
        |(input, output, element, sizes, strides)| {
            let (input_strides, output_strides) = (strides.clone(), strides);
            Kernel::move_(Move { input, output, element, sizes, input_strides, output_strides })
        },
    );
    let fill = (places(), places(), any::<u8>(), any::<u32>()).prop_map(
        |(value, output, element, count)| Kernel::fill(Fill { value, output, element, count }),
    );
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
    let softmax = prop_oneof![softmax, softmax_i8, quantize, dequantize];
    let conv =
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
            });
    let branch = (prop::option::of(places()), any::<bool>()).prop_map(|(predicate, when)| {
        Kernel::branch(Branch { predicate, when, target: Target::step(0) })
    });
    let switch = (places(), any::<u32>(), 0..=16u32).prop_map(|(index, first, n)| {
        let targets = (0..n).map(Target::step).collect();
        Kernel::switch(Switch { index, first, targets })
    });
    let regions = prop_oneof![indexed(), combining(), bytes(), mixed(), products()];
    prop_oneof![map, reduce, window, moves, fill, softmax, conv, branch, switch, regions]
}

/// Makes targets steps of the program or its end.
fn retarget(mut steps: Vec<Kernel<Place>>) -> Vec<Kernel<Place>> {
    let n = steps.len() as u32;
    for (i, step) in steps.iter_mut().enumerate() {
        for (k, target) in step.targets_mut().iter_mut().enumerate() {
            *target = Target::step((3 * i + k) as u32 % (n + 1));
        }
    }
    steps
}

fn tensors() -> impl Strategy<Value = Vec<TensorSpec>> {
    let tensor =
        ("[a-z%_0-9]{0,12}", 0..DType::ALL.len(), prop::collection::vec(0u32..12, 0..=8), places())
            .prop_map(|(name, dtype, dims, place)| TensorSpec {
                name,
                dtype: DType::ALL[dtype],
                dims,
                place,
            });
    prop::collection::vec(tensor, 0..5).prop_filter(
        "tensors of 2 GiB and more are refused",
        |tensors| {
            tensors
                .iter()
                .all(|t| t.dims.iter().map(|&d| u64::from(d)).product::<u64>() * 16 < 1 << 31)
        },
    )
}

fn specs() -> impl Strategy<Value = ArtifactSpec> {
    (
        (".{0,20}", "[ -~]{0,20}", tensors(), tensors()),
        prop::collection::vec(kernels(), 0..6),
        prop::collection::vec(any::<u8>(), 0..80),
        (0..=i32::MAX as u32, any::<u32>()).prop_flat_map(|sizes| (Just(sizes), arenas(sizes.0))),
    )
        .prop_map(|((name, compiler, inputs, outputs), steps, constants, (sizes, arenas))| {
            ArtifactSpec {
                name,
                compiler,
                inputs,
                outputs,
                steps: retarget(steps),
                constants,
                arena_bytes: sizes.0,
                arenas,
                arena_lower_bound_bytes: sizes.1,
                features: Features::default(),
            }
        })
}

proptest! {
    #[test]
    fn decode_inverts_encode(spec in specs()) {
        let bytes = encode(&spec).unwrap();
        prop_assert_eq!(decode(&bytes), Ok(spec));
    }

    #[test]
    fn sections_are_where_the_specification_says(spec in specs()) {
        let bytes = encode(&spec).unwrap();
        let artifact = Artifact::parse(&bytes).unwrap();
        let header = artifact.header();
        let program = 64 + 24 * spec.arenas.len() as u32;
        prop_assert_eq!(header.program_offset, program);
        prop_assert_eq!(header.manifest_offset, program + header.program_bytes);
        prop_assert_eq!(header.constants_offset % 16, 0);
        prop_assert_eq!(artifact.constants(), &spec.constants[..]);
        prop_assert_eq!(artifact.manifest().inputs.len(), spec.inputs.len());
        prop_assert_eq!(artifact.program().iter().count(), spec.steps.len());
    }
}

/// A valid artifact with a byte of padding before its constants.
fn sample() -> Vec<u8> {
    for extra in 0..16 {
        let spec = ArtifactSpec {
            name: "n".repeat(extra),
            steps: vec![Kernel::fill(Fill {
                value: Place::constant(0),
                output: Place::arena(0),
                element: 4,
                count: 2,
            })],
            constants: vec![1; 20],
            arena_bytes: 8,
            ..ArtifactSpec::default()
        };
        let bytes = encode(&spec).unwrap();
        let artifact = Artifact::parse(&bytes).unwrap();
        let header = artifact.header();
        if header.manifest_offset + header.manifest_bytes + 1 == header.constants_offset {
            return bytes;
        }
    }
    unreachable!("one of sixteen lengths leaves one byte of padding")
}

fn with_word(offset: usize, word: u32) -> Vec<u8> {
    let mut bytes = sample();
    bytes[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
    seal(&mut bytes);
    bytes
}

fn word(offset: usize) -> u32 {
    u32::from_le_bytes(sample()[offset..offset + 4].try_into().unwrap())
}

fn error(bytes: &[u8]) -> ArtifactError {
    Artifact::parse(bytes).expect_err("the artifact is malformed")
}

#[test]
fn lengths_are_exact() {
    let bytes = sample();
    for len in 0..bytes.len() {
        assert!(
            matches!(error(&bytes[..len]), ArtifactError::Truncated { given, .. } if given == len)
        );
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(
        error(&longer),
        ArtifactError::TrailingBytes { stated: bytes.len(), given: bytes.len() + 1 }
    );
    assert_eq!(microhlo_format::artifact_len(&longer), Ok(bytes.len()));
}

#[test]
fn every_malformation_has_its_error() {
    let mut bytes = sample();
    bytes[0] ^= 1;
    assert_eq!(error(&bytes), ArtifactError::BadMagic);
    let newer = error(&with_word(8, 2));
    assert_eq!(newer, ArtifactError::UnsupportedVersion { major: 2, minor: 0 });
    assert_eq!(Artifact::parse(&with_word(8, 0x0007_0001)).unwrap().header().minor, 7);
    let mut bytes = sample();
    bytes[70] ^= 1;
    assert!(matches!(error(&bytes), ArtifactError::BadChecksum { .. }));
    assert_eq!(
        error(&with_word(20, 0x8000_0000)),
        ArtifactError::UnknownFeatures { bits: 0x8000_0000 }
    );
    assert_eq!(error(&with_word(24, 1 << 31)), ArtifactError::ArenaTooLarge { bytes: 1 << 31 });
    for align in [0, 3, 32] {
        assert_eq!(error(&with_word(28, align)), ArtifactError::BadArenaAlignment { align });
    }
    let program = Section::Program;
    let far = error(&with_word(32, u32::MAX));
    assert_eq!(far, ArtifactError::SectionOutOfBounds { section: program });
    assert_eq!(error(&with_word(32, 60)), ArtifactError::SectionOverlap { section: program });
    assert_eq!(error(&with_word(32, 65)), ArtifactError::SectionMisplaced { section: program });
    let constants = word(48);
    let section = Section::Constants;
    assert_eq!(error(&with_word(48, constants - 16)), ArtifactError::SectionOverlap { section });
    assert_eq!(error(&with_word(52, 19)), ArtifactError::SectionMisplaced { section });
    assert_eq!(error(&with_word(52, 21)), ArtifactError::SectionOutOfBounds { section });
    assert_eq!(
        error(&with_word(56, 2)),
        ArtifactError::StepCount { stated: 2, offset: word(40) as usize }
    );
    assert_eq!(
        error(&with_word(56, 0)),
        ArtifactError::StepCount { stated: 0, offset: HEADER_BYTES }
    );
    assert_eq!(error(&with_word(60, 1)), ArtifactError::SectionOverlap { section: program });
    assert_eq!(error(&with_word(60, 5)), ArtifactError::TooManyArenas { given: 5 });
}

#[test]
fn program_manifest_and_padding_are_checked() {
    let edit = |offset: usize, value: u8| {
        let mut bytes = sample();
        bytes[offset] = value;
        seal(&mut bytes);
        error(&bytes)
    };
    let padding = word(48) as usize - 1;
    assert_eq!(edit(padding, 1), ArtifactError::NonzeroPadding { offset: padding });
    assert_eq!(edit(64, 99), ArtifactError::UnknownKernel { step: 0, code: 99 });
    assert_eq!(edit(65, 0x7f), ArtifactError::BadStep { step: 0, offset: 64 });
    let manifest = word(40) as usize;
    assert!(matches!(edit(manifest, 0x7f), ArtifactError::BadManifest { .. }));
    let last = manifest + word(44) as usize - 1;
    assert!(matches!(edit(last, 5), ArtifactError::BadManifest { .. }));
}

#[test]
fn targets_are_the_starts_of_steps() {
    let jump = |step| {
        let target = Target::step(step);
        Kernel::branch(Branch { predicate: None, when: false, target })
    };
    let far = Place::arena(1 << 20);
    let fill = Kernel::fill(Fill { value: far, output: far, element: 4, count: 1 });
    let steps = vec![jump(2), fill, jump(1), jump(4)];
    let spec = ArtifactSpec { steps, ..ArtifactSpec::default() };
    let bytes = encode(&spec).unwrap();
    let artifact = Artifact::parse(&bytes).unwrap();
    let program = artifact.program();
    let targets: Vec<Target> = program
        .iter()
        .filter_map(|step| match Kernel::decode(step.kernel, step.body).unwrap() {
            Kernel::branch(branch) => Some(branch.target),
            _ => None,
        })
        .collect();
    let mut offsets: Vec<u32> = program.iter().map(|step| step.offset as u32).collect();
    offsets.push(artifact.header().program_bytes);
    let at = |step: u32| Target { step, offset: offsets[step as usize] };
    assert_eq!(targets, [at(2), at(1), at(4)]);
    let mut cursor = Cursor::default();
    program.next(&mut cursor);
    program.next(&mut cursor);
    for step in 1..=4 {
        assert!(program.has(at(step), Cursor::default()) && program.has(at(step), cursor));
        let shifted = Target { offset: at(step).offset + 1, ..at(step) };
        let other = Target { step: step - 1, ..at(step) };
        assert!(!program.has(shifted, cursor) && !program.has(other, cursor));
    }
    assert!(!program.has(at(0), cursor), "a run does not return to its first step");
    assert!(!program.has(Target { step: 5, ..at(4) }, cursor));
    let spec = ArtifactSpec { steps: vec![jump(2)], ..ArtifactSpec::default() };
    assert_eq!(encode(&spec), Err(EncodeError::Target { step: 2 }));
}

#[test]
fn parameters_with_trailing_bytes_do_not_decode() {
    let step = Kernel::softmax_f32(SoftmaxF32 {
        input: Place::arena(0),
        output: Place::arena(0),
        rows: 1,
        n: 1,
    });
    let mut body = step.encode().unwrap();
    assert_eq!(Kernel::decode(step.id(), &body), Ok(step.clone()));
    body.push(0);
    assert!(Kernel::decode(step.id(), &body).is_err());
}

/// A chain of two steps on a fed input, between other steps.
fn chain_spec() -> ArtifactSpec {
    let table = |at: u32, count| {
        let (input, output) = (Place::arena(at), Place::arena(at + 100));
        Kernel::table_i8(TableI8 { input, table: Place::constant(0), output, count })
    };
    let stage = |operands| Stage { rows: 4, strip: 1, capacity: 4, operands };
    let rows = Rows {
        stages: [stage([255; 2]), stage([0, 255]), stage([1, 255])].into_iter().collect(),
        state: Place::arena(400),
        sums: Some(Sums { place: Place::arena(500), count: 3 }),
        feed: Some(Feed { place: Place::arena(0), row_bytes: 5 }),
    };
    let jump = |step| {
        let target = Target::step(step);
        Kernel::branch(Branch { predicate: None, when: false, target })
    };
    let steps = vec![
        jump(1),
        Kernel::rows(rows),
        table(0, 20),
        table(100, 20),
        jump(5),
        table(200, 20),
        jump(7),
    ];
    ArtifactSpec { steps, ..ArtifactSpec::default() }
}

#[test]
fn chains_contain_their_steps() {
    let spec = chain_spec();
    let bytes = encode(&spec).unwrap();
    assert_eq!(decode(&bytes), Ok(spec.clone()));
    let artifact = Artifact::parse(&bytes).unwrap();
    let program = artifact.program();
    let steps: Vec<_> = program.iter().collect();
    assert_eq!(steps.len(), 5, "two steps of seven lie in the chain");
    let chain = Chain::parse(steps[1].body).unwrap();
    assert_eq!(Stage::from_bytes(chain.table[2]).operands, [1, 255]);
    let (id, body, next) = chain.step(0).unwrap();
    assert_eq!(Kernel::decode(id, body), Ok(spec.steps[2].clone()));
    let (id, body, end) = chain.step(next).unwrap();
    assert_eq!(Kernel::decode(id, body), Ok(spec.steps[3].clone()));
    assert_eq!(end, chain.steps.len());
    assert!(chain.step(end).is_none());
}

#[test]
fn nothing_jumps_into_a_chain() {
    let mut spec = chain_spec();
    if let Some(target) = spec.steps[0].targets_mut().first_mut() {
        *target = Target::step(2);
    }
    assert_eq!(encode(&spec), Err(EncodeError::Target { step: 2 }));
    let mut spec = chain_spec();
    spec.steps.swap(3, 4);
    assert_eq!(encode(&spec), Err(EncodeError::Chain { step: 1 }), "a step of it branches");
    let mut spec = chain_spec();
    spec.steps.truncate(3);
    assert_eq!(encode(&spec), Err(EncodeError::Chain { step: 1 }), "a step is missing");
}

#[test]
fn damaged_chains_do_not_decode() {
    let bytes = encode(&chain_spec()).unwrap();
    for i in 64..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[i] = value;
            seal(&mut bytes);
            // No value panics or makes a program of more steps than there are.
            if let Ok(spec) = decode(&bytes) {
                assert!(spec.steps.len() <= 7);
            }
        }
    }
}
