//! What the loader refuses of kernels that run the code of regions or read indices from memory.

mod common;

use common::{Aligned, Constants, one_step, regions};
use microhlo::{LoadError, Model, ParamError, StepError};
use microhlo_format::kernels::{
    Gather, MapInstr, ReduceAny, RegionCode, Scatter, ScatterAny, SelectAndScatter, Sort,
};
use microhlo_format::{DType, Kernel, MicroId, MicroOp, Place, encode};

/// What loading the `step`th step of the sample says after an edit; an arena of 416 bytes.
fn load(step: usize, edit: &dyn Fn(&mut Kernel<Place>)) -> Result<(), StepError> {
    let mut constants = Constants::default();
    let mut kernel = regions::steps(&mut constants).swap_remove(step);
    edit(&mut kernel);
    let spec = one_step(kernel, 100, (400, 16), constants.0);
    match Model::load(Aligned::new(&encode(&spec).unwrap()).bytes()) {
        Ok(_) => Ok(()),
        Err(LoadError::Step { step: 0, error, .. }) => Err(error),
        Err(other) => panic!("unexpected {other}"),
    }
}

macro_rules! edits {
    ($($name:ident: $step:literal $kernel:ident $params:ident;)*) => {
        $(fn $name(edit: impl Fn(&mut $params<Place>)) -> Result<(), StepError> {
            load($step, &|kernel| match kernel {
                Kernel::$kernel(params) => edit(params),
                other => panic!("step {} is {other:?}", $step),
            })
        })*
    };
}

edits! {
    gather: 0 gather Gather;
    scatter_any: 1 scatter_any ScatterAny;
    reduce_any: 2 reduce_any ReduceAny;
    sort: 3 sort Sort;
    select_and_scatter: 4 select_and_scatter SelectAndScatter;
    scatter: 5 scatter Scatter;
}

const BAD_CODE: Result<(), StepError> = Err(StepError::Params(ParamError::BadCode));
const MISMATCH: Result<(), StepError> = Err(StepError::Params(ParamError::Mismatch));
const ZERO: Result<(), StepError> = Err(StepError::Params(ParamError::Zero));
const OVERFLOW: Result<(), StepError> = Err(StepError::Params(ParamError::Overflow));
const OUTSIDE: Result<(), StepError> = Err(StepError::OutOfBounds);

#[test]
fn the_steps_load_as_they_are() {
    for step in 0..6 {
        assert_eq!(load(step, &|_| ()), Ok(()), "step {step}");
    }
}

#[test]
fn all_positions_that_an_index_can_lead_to_are_checked() {
    let overlap = Err(StepError::Overlap);
    assert_eq!(gather(|g| g.slices.starts[0].last = 5), overlap, "the output begins there");
    assert_eq!(gather(|g| g.slices.starts[0].last = 20), OUTSIDE, "the arena has 416 bytes");
    assert_eq!(gather(|g| g.slices.starts[0].stride = -5), OUTSIDE);
    assert_eq!(gather(|g| g.slices.starts[0].last = u32::MAX), OVERFLOW);
    assert_eq!(gather(|g| g.slices.starts[0].strides[0] = 3), MISMATCH, "misaligned indices");
    assert_eq!(gather(|g| g.slices.starts[0].strides[0] = 200), OUTSIDE, "indices outside");
    assert_eq!(gather(|g| g.slices.index = DType::F32), BAD_CODE, "indices are integers");
    assert_eq!(gather(|g| g.slices.starts[0].window = Some(0)), BAD_CODE, "gathers clamp");
    assert_eq!(gather(|g| g.element = 3), BAD_CODE);
    // What a scatter writes lies inside of the output, not only inside of the arena.
    assert_eq!(scatter(|s| s.slices.starts[0].last = 4), MISMATCH);
    assert_eq!(scatter(|s| s.slices.tensor_window[1] = 2), MISMATCH);
    assert_eq!(scatter_any(|s| s.slices.starts[0].last = 4), MISMATCH);
    assert_eq!(scatter_any(|s| s.count = 19), MISMATCH);
}

#[test]
fn windows_are_cut_along_their_own_strides() {
    let cut = |window| scatter_any(move |s| s.slices.starts[0].window = Some(window));
    assert_eq!(cut(0), Ok(()));
    assert_eq!(cut(1), MISMATCH, "another stride");
    assert_eq!(cut(2), BAD_CODE, "no such dimension");
    let twice = |s: &mut ScatterAny<Place>| {
        let start = s.slices.starts[0].clone();
        s.slices.starts.push(start).unwrap();
    };
    assert_eq!(scatter_any(twice), MISMATCH);
}

/// Code edits that every kernel refuses. Registers of `operands` operands come first, of which
/// the first `written` may be written; the sample's code has one temporary after its scalars.
fn refused_code(
    load: impl Fn(&dyn Fn(&mut RegionCode<Place>)) -> Result<(), StepError>,
    operands: u8,
    written: u8,
) {
    let add = |dst, args| MapInstr { op: MicroId::op(MicroOp::add, DType::F32), dst, args };
    let only = |instr: MapInstr| {
        load(&move |code: &mut RegionCode<Place>| code.code = [instr].into_iter().collect())
    };
    assert_eq!(only(add(written, [0, 0, 0])), BAD_CODE, "an element is written");
    assert_eq!(only(add(operands + 9, [0, 0, 0])), BAD_CODE, "no such register");
    assert_eq!(only(add(operands, [0, 30, 0])), BAD_CODE, "no such argument");
    assert_eq!(only(add(operands, [0, 0, 1])), BAD_CODE, "an argument too many");
    let wide = MicroId::op(MicroOp::add, DType::F64);
    let wide = MapInstr { op: wide, dst: operands, args: [0, 0, 0] };
    assert_eq!(only(wide), BAD_CODE, "elements of another size");
    let unknown = MapInstr { op: MicroId(0x7fff), dst: operands, args: [0; 3] };
    assert_eq!(only(unknown), BAD_CODE, "no such operation");
    assert_eq!(load(&|code| code.lanes = 0), ZERO);
    assert_eq!(load(&|code| code.scratch = None), MISMATCH, "temporaries without memory");
    assert_eq!(load(&|code| code.temp_size = 3), BAD_CODE);
    assert_eq!(load(&|code| code.scratch = Some(Place::arena(4096))), OUTSIDE);
}

#[test]
fn code_stays_in_its_registers() {
    refused_code(|edit| reduce_any(|r| edit(&mut r.body)), 4, 2);
    refused_code(|edit| sort(|s| edit(&mut s.less)), 4, 0);
    refused_code(|edit| select_and_scatter(|s| edit(&mut s.select)), 2, 0);
    let written = |s: &mut ScatterAny<Place>| s.body.code[1].dst = 2;
    assert_eq!(scatter_any(written), BAD_CODE, "a scalar is written");
    assert_eq!(scatter_any(|s| s.body.scalars[0].dtype = DType::F64), BAD_CODE);
    assert_eq!(scatter_any(|s| s.body.scalars[0].place = Place::constant(4096)), OUTSIDE);
    let added = |s: &mut SelectAndScatter<Place>| s.scatter.code[0].dst = 1;
    assert_eq!(select_and_scatter(added), BAD_CODE, "the source is written");
}

#[test]
fn results_of_comparators_are_registers() {
    assert_eq!(sort(|s| s.result = 5), BAD_CODE, "no such register");
    assert_eq!(sort(|s| s.result = 0), BAD_CODE, "an element of four bytes");
    assert_eq!(select_and_scatter(|s| s.selected = 3), BAD_CODE);
}

#[test]
fn shapes_must_make_sense() {
    assert_eq!(sort(|s| s.n = 0), ZERO);
    assert_eq!(sort(|s| s.outer = u32::MAX), OVERFLOW);
    assert_eq!(sort(|s| s.operands.clear()), ZERO);
    assert_eq!(sort(|s| s.outer = 2), Err(StepError::Overlap), "both tensors are longer");
    assert_eq!(reduce_any(|r| r.lanes = 0), ZERO);
    assert_eq!(reduce_any(|r| r.dims[0].window = 0), ZERO);
    assert_eq!(reduce_any(|r| r.operands[0].strides.clear()), MISMATCH);
    assert_eq!(reduce_any(|r| r.output_strides.clear()), MISMATCH);
    assert_eq!(reduce_any(|r| r.operands[0].lane_stride = 2), MISMATCH, "alignment");
    assert_eq!(reduce_any(|r| r.operands[0].strides[0] = 80), OUTSIDE);
    assert_eq!(select_and_scatter(|s| s.dims[0].input = 1 << 20), OUTSIDE);
    let promoted = |r: &mut ReduceAny<Place>| {
        r.padding_counts = true;
        r.operands[1].element = DType::U32;
    };
    assert_eq!(reduce_any(promoted), MISMATCH, "padding has the accumulators' types");
}
