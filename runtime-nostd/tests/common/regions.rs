//! An artifact of the kernels that run the code of regions and read indices from memory.

use microhlo_format::kernels::{
    Gather, MapInstr, ReduceAny, ReduceOperand, RegionCode, RegionScalar, Scatter, ScatterAny,
    ScatterOperand, SelectAndScatter, Slices, Sort, SortOperand, Start, WindowDim,
};
use microhlo_format::{ArtifactSpec, DType, Kernel, MicroId, MicroOp, Place, encode};

use super::{Constants, f32_tensor};

fn list<T: Clone, const N: usize>(values: &[T]) -> heapless::Vec<T, N> {
    values.iter().cloned().collect()
}

fn code(
    scalars: &[RegionScalar<Place>],
    scratch: Option<Place>,
    temps: u8,
    lanes: u32,
    code: &[MapInstr],
) -> RegionCode<Place> {
    RegionCode { scalars: list(scalars), scratch, temps, temp_size: 4, lanes, code: list(code) }
}

fn instr(op: MicroOp, dtype: DType, dst: u8, args: [u8; 3]) -> MapInstr {
    MapInstr { op: MicroId::op(op, dtype), dst, args }
}

/// Rows of five elements, one per index read at `index`; `cut` skips what lies outside.
pub fn rows(index: Place, batch: u32, last: u32, cut: bool) -> Slices<Place> {
    let start = Start { index, strides: list(&[4]), last, stride: 5, window: cut.then_some(0) };
    Slices {
        index: DType::I32,
        starts: list(&[start]),
        batch: list(&[batch]),
        tensor_batch: list(&[0]),
        slice_batch: list(&[5]),
        window: list(&[1, 5]),
        tensor_window: list(&[5, 1]),
        slice_window: list(&[0, 1]),
    }
}

fn dim(input: u32, output: u32, window: u32, stride: u32) -> WindowDim {
    WindowDim { input, output, window, stride, pad: 0, base_dilation: 1, window_dilation: 1 }
}

/// The maximum of each column of four rows with its position.
fn argmax(input: Place, table: Place, [lowest, zero]: [Place; 2]) -> Kernel<Place> {
    let operand = |input, init, output, dtype, strides: &[i32], lane_stride| ReduceOperand {
        input,
        init,
        output,
        element: dtype,
        accumulator: dtype,
        strides: list(strides),
        lane_stride,
    };
    let (max, at) = (Place::arena(272), Place::arena(304));
    Kernel::reduce_any(ReduceAny {
        operands: list(&[
            operand(input, lowest, max, DType::F32, &[20], 4),
            operand(table, zero, at, DType::I32, &[4], 0),
        ]),
        dims: list(&[dim(4, 1, 4, 1)]),
        output_strides: list(&[0]),
        lanes: 5,
        lane_output_stride: 1,
        padding_counts: false,
        body: code(
            &[],
            Some(Place::arena(336)),
            1,
            3,
            &[
                instr(MicroOp::ge, DType::F32, 4, [0, 2, 0]),
                instr(MicroOp::select, DType::I32, 1, [4, 1, 3]),
                instr(MicroOp::select, DType::F32, 0, [4, 0, 2]),
            ],
        ),
    })
}

/// Rows gathered, updated and reduced; the maxima sorted with their positions; what is left is
/// scattered and cut into.
pub fn steps(constants: &mut Constants) -> Vec<Kernel<Place>> {
    let table: Vec<u8> = (0..4i32).flat_map(i32::to_le_bytes).collect();
    let (table, indices) = (constants.add(&table), constants.add(&[2, 0, 0, 0, 9, 0, 0, 0]));
    let (lowest, zero) = (constants.add_f32(&[f32::NEG_INFINITY]), constants.add(&[0; 4]));
    let two = constants.add_f32(&[2.0]);
    let (image, gathered, result) = (Place::arena(0), Place::arena(112), Place::arena(192));
    let (max, at, temporary) = (Place::arena(272), Place::arena(304), Place::arena(336));
    let scalar = RegionScalar { place: two, dtype: DType::F32 };
    let scaled = [
        instr(MicroOp::multiply, DType::F32, 3, [1, 2, 0]),
        instr(MicroOp::add, DType::F32, 0, [0, 3, 0]),
    ];
    let updated =
        ScatterOperand { operand: gathered, updates: image, output: result, dtype: DType::F32 };
    let sorted =
        |place, scratch, dtype| SortOperand { input: place, output: place, scratch, dtype };
    let compared =
        code(&[], Some(Place::arena(400)), 1, 1, &[instr(MicroOp::gt, DType::F32, 4, [0, 1, 0])]);
    let selected =
        code(&[], Some(temporary), 1, 1, &[instr(MicroOp::ge, DType::F32, 2, [0, 1, 0])]);
    let added = code(&[], None, 0, 1, &[instr(MicroOp::add, DType::F32, 0, [0, 1, 0])]);
    vec![
        Kernel::gather(Gather {
            operand: image,
            output: gathered,
            element: 4,
            slices: rows(image, 4, 4, false),
        }),
        Kernel::scatter_any(ScatterAny {
            operands: list(&[updated]),
            count: 20,
            slices: rows(indices, 2, 3, true),
            body: code(&[scalar], Some(temporary), 1, 4, &scaled),
        }),
        argmax(result, table, [lowest, zero]),
        Kernel::sort(Sort {
            operands: list(&[
                sorted(max, Place::arena(336), DType::F32),
                sorted(at, Place::arena(368), DType::I32),
            ]),
            outer: 1,
            n: 5,
            inner: 1,
            less: compared,
            result: 4,
        }),
        Kernel::select_and_scatter(SelectAndScatter {
            operand: result,
            source: max,
            init: two,
            output: gathered,
            element: DType::F32,
            accumulator: DType::F32,
            dims: list(&[dim(4, 2, 2, 2), dim(5, 2, 2, 3)]),
            select: selected,
            selected: 2,
            scatter: added,
        }),
        Kernel::scatter(Scatter {
            operand: gathered,
            updates: max,
            output: gathered,
            element: 4,
            count: 20,
            slices: rows(at, 1, 3, false),
        }),
    ]
}

/// The artifact.
pub fn sample() -> Vec<u8> {
    let mut constants = Constants::default();
    let steps = steps(&mut constants);
    let spec = ArtifactSpec {
        name: "regions".into(),
        compiler: "test".into(),
        inputs: vec![f32_tensor("image", &[5, 5], Place::arena(0))],
        outputs: vec![f32_tensor("rows", &[4, 5], Place::arena(112))],
        steps,
        constants: constants.0,
        arena_bytes: 416,
        arena_lower_bound_bytes: 416,
        ..ArtifactSpec::default()
    };
    encode(&spec).unwrap()
}
