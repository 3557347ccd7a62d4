//! Scalar code of StableHLO regions, and the parameters of the kernels that run it.

use serde::Serialize;

use super::check::{Extent, dense, micro, nonzero, product, strided};
use super::{MAX_RANK, MapInstr, Params, Slices, Strides, WindowDim};
use crate::{Access, AccessKind, DType, MicroId, Overlap, ParamError};

/// Most tensors that one region combines.
pub const MAX_REGION_OPERANDS: usize = 4;
/// Most scalars from outside that the code of a region reads.
pub const MAX_REGION_SCALARS: usize = 8;
/// Most temporaries of the code of a region.
pub const MAX_REGION_TEMPS: u8 = 16;
/// Most instructions of the code of a region.
pub const MAX_REGION_CODE: usize = 48;

/// A scalar that the code of a region reads: a constant, or a value computed before.
/// See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RegionScalar<P> {
    /// The one element.
    pub place: P,
    /// Its type.
    pub dtype: DType,
}

/// What a region computes: micro-operations on registers of up to `lanes` independent elements.
///
/// Registers number the operands that the kernel gives, in its order, then the scalars, then the
/// temporaries. Each instruction runs over all lanes before the next. Temporaries lie in `scratch`,
/// `temps` times `lanes * temp_size` bytes. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionCode<P> {
    /// Scalars from outside, the same for every lane.
    pub scalars: heapless::Vec<RegionScalar<P>, MAX_REGION_SCALARS>,
    /// Working memory for temporaries, absent when there are none.
    pub scratch: Option<P>,
    /// Number of temporaries, at most [`MAX_REGION_TEMPS`].
    pub temps: u8,
    /// Bytes per element of a temporary.
    pub temp_size: u8,
    /// Most elements that one execution computes together.
    pub lanes: u32,
    /// Instructions.
    pub code: heapless::Vec<MapInstr, MAX_REGION_CODE>,
}

/// One of the tensors that a [`ReduceAny`] reduces together. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReduceOperand<P> {
    /// Operand.
    pub input: P,
    /// Initial value of the accumulator.
    pub init: P,
    /// Result.
    pub output: P,
    /// Type of the operand's elements.
    pub element: DType,
    /// Type of initial value and result.
    pub accumulator: DType,
    /// Byte strides of the operand along the dimensions.
    pub strides: Strides,
    /// Byte stride of the operand along the lanes.
    pub lane_stride: i32,
}

/// `reduce` and `reduce_window` of several tensors together, by the code of a region.
///
/// Every result, one per output position of `dims` and lane, starts as the initial values. The
/// elements of the window then follow, ascending row-major: each time the code replaces the
/// accumulators. A dimension that is reduced has a window of its size and one output, one that is
/// kept has windows of one. Registers are the accumulators, then the elements.
/// See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReduceAny<P> {
    /// The tensors.
    pub operands: heapless::Vec<ReduceOperand<P>, MAX_REGION_OPERANDS>,
    /// Dimensions, outermost first.
    pub dims: heapless::Vec<WindowDim, MAX_RANK>,
    /// Strides of the results along the dimensions, in elements.
    pub output_strides: Strides,
    /// Size of a further kept dimension, whose elements the code computes together.
    pub lanes: u32,
    /// Stride of the results along the lanes, in elements.
    pub lane_output_stride: i32,
    /// Whether elements in the padding count: they are the initial values then, and accumulators
    /// have the elements' types.
    pub padding_counts: bool,
    /// What replaces the accumulators.
    pub body: RegionCode<P>,
}

/// One of the tensors that a [`ScatterAny`] updates together. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ScatterOperand<P> {
    /// The tensor before, dense.
    pub operand: P,
    /// The updates: slices of [`Slices`].
    pub updates: P,
    /// The tensor after, dense.
    pub output: P,
    /// Element type of all three.
    pub dtype: DType,
}

/// `scatter` by the code of a region.
///
/// The outputs are the operands, of `count` elements; then the code replaces each element that
/// [`Slices`] pairs with an update, in its order. Registers are the elements, then the updates. In
/// place where an output is its operand. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScatterAny<P> {
    /// The tensors.
    pub operands: heapless::Vec<ScatterOperand<P>, MAX_REGION_OPERANDS>,
    /// Elements of each operand and output.
    pub count: u32,
    /// What is updated.
    pub slices: Slices<P>,
    /// What replaces the elements.
    pub body: RegionCode<P>,
}

/// One of the tensors that a [`Sort`] sorts together. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SortOperand<P> {
    /// The tensor before, dense.
    pub input: P,
    /// The tensor after, dense.
    pub output: P,
    /// Working memory for `n` elements.
    pub scratch: P,
    /// Element type.
    pub dtype: DType,
}

/// Stable sort of dense tensors `[outer, n, inner]` along the middle dimension, by a comparator.
///
/// Merges runs of 1, 2, 4, ... elements from the left: the later run's element `b` comes before
/// the earlier run's `a` if the comparator holds for `(b, a)`. Registers are, for each tensor, the
/// element of `b` and that of `a`. In place where an output is its input.
/// See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sort<P> {
    /// The tensors.
    pub operands: heapless::Vec<SortOperand<P>, MAX_REGION_OPERANDS>,
    /// Lines apart.
    pub outer: u32,
    /// Elements of a line.
    pub n: u32,
    /// Lines side by side.
    pub inner: u32,
    /// The comparator, executed on one lane.
    pub less: RegionCode<P>,
    /// The register of its result, a boolean.
    pub result: u8,
}

/// `select_and_scatter` of dense tensors.
///
/// The output starts as the initial value everywhere. For every window, row-major, `select`
/// compares the element selected so far with the next one, ascending row-major without padding;
/// the next one takes its place where the result is false. Then `scatter` combines the output at
/// the place selected with the window's element of the source. Registers are the two elements
/// compared; the output's element and the source's. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SelectAndScatter<P> {
    /// Operand, its sizes the inputs of `dims`.
    pub operand: P,
    /// Source, its sizes the outputs of `dims`.
    pub source: P,
    /// Initial value.
    pub init: P,
    /// Result, with the operand's sizes.
    pub output: P,
    /// Element type of the operand.
    pub element: DType,
    /// Element type of source, initial value and result.
    pub accumulator: DType,
    /// All dimensions, outermost first.
    pub dims: heapless::Vec<WindowDim, MAX_RANK>,
    /// The comparison, executed on one lane.
    pub select: RegionCode<P>,
    /// The register of its result, a boolean.
    pub selected: u8,
    /// What replaces the output's element.
    pub scatter: RegionCode<P>,
}

/// Element types of the operand registers, and how many of them, the first ones, may be written.
struct Operands<'t> {
    types: &'t [DType],
    written: usize,
}

impl<P: Copy> RegionCode<P> {
    fn with<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> RegionCode<Q> {
        let scalar = |s: &RegionScalar<P>, f: &mut dyn FnMut(P) -> Q| RegionScalar {
            place: f(s.place),
            dtype: s.dtype,
        };
        RegionCode {
            scalars: self.scalars.iter().map(|s| scalar(s, f)).collect(),
            scratch: self.scratch.map(&mut *f),
            temps: self.temps,
            temp_size: self.temp_size,
            lanes: self.lanes,
            code: self.code.clone(),
        }
    }

    /// Checks all instructions, and reports the reads of scalars and the scratch memory.
    fn accesses(
        &self,
        operands: &Operands<'_>,
        visit: &mut dyn FnMut(Access<P>),
    ) -> Result<(), ParamError> {
        nonzero(&[self.lanes])?;
        for instr in &self.code {
            let op = micro(instr.op)?;
            for (a, &arg) in instr.args.iter().enumerate() {
                if a < op.arity() {
                    self.register(operands, arg, op.operand(a))?;
                } else if arg != 0 {
                    return Err(ParamError::BadCode);
                }
            }
            self.register(operands, instr.dst, op.result())?;
            let dst = usize::from(instr.dst);
            let outside = operands.types.len() + self.scalars.len();
            if dst >= operands.written && dst < outside {
                return Err(ParamError::BadCode);
            }
        }
        for scalar in &self.scalars {
            let extent = dense(&[scalar.dtype.size() as u32])?;
            visit(extent.access(AccessKind::Read, scalar.place, scalar.dtype.align()));
        }
        match (self.scratch, self.temps) {
            (None, 0) => Ok(()),
            (Some(place), 1..=MAX_REGION_TEMPS) => {
                if !matches!(self.temp_size, 1 | 2 | 4 | 8 | 16) {
                    return Err(ParamError::BadCode);
                }
                let bytes = [u32::from(self.temps), self.lanes, u32::from(self.temp_size)];
                let align = usize::from(self.temp_size).min(8);
                visit(dense(&bytes)?.access(AccessKind::Scratch, place, align));
                Ok(())
            }
            _ => Err(ParamError::Mismatch),
        }
    }

    /// Fails unless a register exists and can hold elements of this type.
    fn register(
        &self,
        operands: &Operands<'_>,
        register: u8,
        dtype: DType,
    ) -> Result<(), ParamError> {
        let register = usize::from(register);
        let scalars = self.scalars.iter().map(|s| s.dtype);
        let mut outside = operands.types.iter().copied().chain(scalars);
        let fits = match outside.nth(register) {
            Some(own) => own.size() == dtype.size() && own.align() >= dtype.align(),
            None => {
                let outside = operands.types.len() + self.scalars.len();
                let size = usize::from(self.temp_size);
                register - outside < usize::from(self.temps)
                    && dtype.size() <= size
                    && size % dtype.align() == 0
            }
        };
        if fits { Ok(()) } else { Err(ParamError::BadCode) }
    }

    fn micro_ops(&self, visit: &mut dyn FnMut(MicroId)) {
        self.code.iter().for_each(|instr| visit(instr.op));
    }
}

/// Alignment of elements that are copied whole, also those of two parts.
fn copy_align(dtype: DType) -> usize {
    dtype.size().min(8)
}

/// A read of one element.
fn element<P>(dtype: DType, place: P) -> Result<Access<P>, ParamError> {
    elements(1, dtype, AccessKind::Read, place)
}

/// An access of `count` adjacent elements.
fn elements<P>(
    count: u32,
    dtype: DType,
    kind: AccessKind,
    place: P,
) -> Result<Access<P>, ParamError> {
    Ok(dense(&[count, dtype.size() as u32])?.access(kind, place, copy_align(dtype)))
}

/// Element types of the registers `a` and then `b` of up to [`MAX_REGION_OPERANDS`] tensors.
type Types = heapless::Vec<DType, { 2 * MAX_REGION_OPERANDS }>;

fn types(list: impl Iterator<Item = DType>) -> Types {
    list.take(2 * MAX_REGION_OPERANDS).collect()
}

impl<P: Copy> ReduceAny<P> {
    /// Bytes of an operand that the windows cover.
    fn input(&self, operand: &ReduceOperand<P>) -> Result<Extent, ParamError> {
        if operand.strides.len() != self.dims.len() {
            return Err(ParamError::Mismatch);
        }
        let (size, align) = (operand.element.size(), operand.element.align());
        let sizes = self.dims.iter().map(|dim| dim.input).collect();
        let lanes =
            ([self.lanes].into_iter().collect(), [operand.lane_stride].into_iter().collect());
        strided(&[(&sizes, &operand.strides), (&lanes.0, &lanes.1)], size, align)
    }

    /// Bytes of a result.
    fn output(&self, operand: &ReduceOperand<P>) -> Result<Extent, ParamError> {
        let sizes = self.dims.iter().map(|dim| dim.output).collect();
        let lanes =
            ([self.lanes].into_iter().collect(), [self.lane_output_stride].into_iter().collect());
        let parts = [(&sizes, &self.output_strides), (&lanes.0, &lanes.1)];
        strided(&parts, 1, 1)?.scaled(operand.accumulator.size())
    }
}

impl<P: Copy> Params<P> for ReduceAny<P> {
    type With<Q: Copy> = ReduceAny<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> ReduceAny<Q> {
        let operand = |o: &ReduceOperand<P>, f: &mut dyn FnMut(P) -> Q| ReduceOperand {
            input: f(o.input),
            init: f(o.init),
            output: f(o.output),
            element: o.element,
            accumulator: o.accumulator,
            strides: o.strides.clone(),
            lane_stride: o.lane_stride,
        };
        ReduceAny {
            operands: self.operands.iter().map(|o| operand(o, f)).collect(),
            dims: self.dims.clone(),
            output_strides: self.output_strides.clone(),
            lanes: self.lanes,
            lane_output_stride: self.lane_output_stride,
            padding_counts: self.padding_counts,
            body: self.body.with(f),
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        nonzero(&[self.operands.len() as u32, self.lanes])?;
        let mut work = self.lanes;
        for dim in &self.dims {
            dim.slide().check()?;
            work = product(&[work, dim.output, dim.window])?;
        }
        for operand in &self.operands {
            if self.padding_counts && operand.element != operand.accumulator {
                return Err(ParamError::Mismatch);
            }
            let align = operand.element.align();
            visit(self.input(operand)?.access(AccessKind::Read, operand.input, align));
            visit(element(operand.accumulator, operand.init)?);
            let align = copy_align(operand.accumulator);
            visit(self.output(operand)?.access(AccessKind::Write, operand.output, align));
        }
        let accumulators = self.operands.iter().map(|o| o.accumulator);
        let types = types(accumulators.chain(self.operands.iter().map(|o| o.element)));
        self.body.accesses(&Operands { types: &types, written: self.operands.len() }, visit)
    }

    fn micro_ops(&self, visit: &mut dyn FnMut(MicroId)) {
        self.body.micro_ops(visit);
    }
}

impl<P: Copy> Params<P> for ScatterAny<P> {
    type With<Q: Copy> = ScatterAny<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> ScatterAny<Q> {
        let operand = |o: &ScatterOperand<P>, f: &mut dyn FnMut(P) -> Q| ScatterOperand {
            operand: f(o.operand),
            updates: f(o.updates),
            output: f(o.output),
            dtype: o.dtype,
        };
        ScatterAny {
            operands: self.operands.iter().map(|o| operand(o, f)).collect(),
            count: self.count,
            slices: self.slices.with(f),
            body: self.body.with(f),
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        nonzero(&[self.operands.len() as u32])?;
        let mark = |access: Access<P>| access.over(Overlap::IN_PLACE);
        for o in &self.operands {
            let (size, align) = (o.dtype.size(), o.dtype.align());
            let whole = dense(&[self.count, size as u32])?;
            whole.holds(self.slices.tensor_extent(size)?)?;
            visit(mark(whole.access(AccessKind::Read, o.operand, align)));
            let updates = self.slices.slice_extent(size)?;
            visit(updates.access(AccessKind::Read, o.updates, align));
            visit(mark(whole.access(AccessKind::Write, o.output, align)));
        }
        self.slices.starts(visit)?;
        let once = || self.operands.iter().map(|o| o.dtype);
        let types = types(once().chain(once()));
        self.body.accesses(&Operands { types: &types, written: self.operands.len() }, visit)
    }

    fn micro_ops(&self, visit: &mut dyn FnMut(MicroId)) {
        self.body.micro_ops(visit);
    }
}

impl<P: Copy> Params<P> for Sort<P> {
    type With<Q: Copy> = Sort<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Sort<Q> {
        let operand = |o: &SortOperand<P>, f: &mut dyn FnMut(P) -> Q| SortOperand {
            input: f(o.input),
            output: f(o.output),
            scratch: f(o.scratch),
            dtype: o.dtype,
        };
        Sort {
            operands: self.operands.iter().map(|o| operand(o, f)).collect(),
            outer: self.outer,
            n: self.n,
            inner: self.inner,
            less: self.less.with(f),
            result: self.result,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        nonzero(&[self.operands.len() as u32, self.outer, self.n, self.inner])?;
        let count = product(&[self.outer, self.n, self.inner])?;
        let mark = |access: Access<P>| access.over(Overlap::IN_PLACE);
        for o in &self.operands {
            visit(mark(elements(count, o.dtype, AccessKind::Read, o.input)?));
            visit(mark(elements(count, o.dtype, AccessKind::Write, o.output)?));
            visit(elements(self.n, o.dtype, AccessKind::Scratch, o.scratch)?);
        }
        let types = types(self.operands.iter().flat_map(|o| [o.dtype; 2]));
        let operands = Operands { types: &types, written: 0 };
        self.less.register(&operands, self.result, DType::I1)?;
        self.less.accesses(&operands, visit)
    }

    fn micro_ops(&self, visit: &mut dyn FnMut(MicroId)) {
        self.less.micro_ops(visit);
    }
}

impl<P: Copy> Params<P> for SelectAndScatter<P> {
    type With<Q: Copy> = SelectAndScatter<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> SelectAndScatter<Q> {
        SelectAndScatter {
            operand: f(self.operand),
            source: f(self.source),
            init: f(self.init),
            output: f(self.output),
            element: self.element,
            accumulator: self.accumulator,
            dims: self.dims.clone(),
            select: self.select.with(f),
            selected: self.selected,
            scatter: self.scatter.with(f),
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let (mut input, mut output, mut work) = (1, 1, 1);
        for dim in &self.dims {
            dim.slide().check()?;
            input = product(&[input, dim.input])?;
            output = product(&[output, dim.output])?;
            work = product(&[work, dim.output, dim.window])?;
        }
        visit(elements(input, self.element, AccessKind::Read, self.operand)?);
        visit(elements(output, self.accumulator, AccessKind::Read, self.source)?);
        visit(element(self.accumulator, self.init)?);
        visit(elements(input, self.accumulator, AccessKind::Write, self.output)?);
        let compared = Operands { types: &[self.element; 2], written: 0 };
        self.select.register(&compared, self.selected, DType::I1)?;
        self.select.accesses(&compared, visit)?;
        let combined = Operands { types: &[self.accumulator; 2], written: 1 };
        self.scatter.accesses(&combined, visit)
    }

    fn micro_ops(&self, visit: &mut dyn FnMut(MicroId)) {
        self.select.micro_ops(visit);
        self.scatter.micro_ops(visit);
    }
}
