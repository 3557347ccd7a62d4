//! Cuts layers into stripes of columns, so that of the rows in between only a part is there at a time.
//!
//! Each stripe computes the columns that it needs: next to its borders, some that its neighbour computes, too.
//! Its first layers read their columns where the whole value lies, its last rows are copied to their columns
//! of the whole result.

use std::collections::HashMap;
use std::ops::Range;

use microhlo_format::kernels::{
    ConvI8Mve, DepthwiseI8Mve, DepthwiseTapsI8, DepthwiseThreeI8, Move,
};
use microhlo_format::{Kernel, Target};

use super::kernel::{by_rows, scratch};
use crate::lower::program::{Buffer, BufferId, Program, Ref, Step, Storage};

/// Layers that are computed in stripes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stripes {
    /// The first of the layers; they reach to the end of their chain.
    pub from: usize,
    /// Number of stripes.
    pub count: u32,
}

/// A program with some of its steps in stripes, and where its steps went: those in stripes to the first of
/// these. `None` if some steps cannot be cut.
pub fn expand(program: &Program, stripes: &[(Range<usize>, u32)]) -> Option<(Program, Vec<usize>)> {
    let mut expanded = program.clone();
    let mut steps = Vec::with_capacity(program.steps.len());
    let mut places = Vec::with_capacity(program.steps.len() + 1);
    let mut stripes = stripes.iter().peekable();
    let mut at = 0;
    while at < program.steps.len() {
        match stripes.next_if(|(range, _)| range.start == at) {
            Some((range, count)) => {
                places.resize(range.end, steps.len());
                steps.extend(cut(program, &mut expanded, range, *count)?);
                at = range.end;
            }
            None => {
                places.push(steps.len());
                steps.push(program.steps[at].clone());
                at += 1;
            }
        }
    }
    places.push(steps.len());
    let place = |step: usize| places.get(step).copied().unwrap_or(usize::MAX);
    for target in steps.iter_mut().flat_map(|step: &mut Step| step.kernel.targets_mut()) {
        *target = Target::step(u32::try_from(place(target.step as usize)).unwrap_or(u32::MAX));
    }
    for buffer in expanded.buffers.values_mut() {
        buffer.born = place(buffer.born);
    }
    expanded.steps = steps;
    Some((expanded, places))
}

/// How columns of a layer's result depend on those of its operand.
#[derive(Clone, Copy)]
struct Slide {
    input: u32,
    output: u32,
    kernel: u32,
    stride: u32,
    pad: i32,
    dilation: u32,
}

impl Slide {
    /// The columns of the operand that some of the result read; `None` if they read padding alone.
    fn demand(&self, columns: &Range<u32>) -> Option<Range<u32>> {
        let origin = |column: u32| i64::from(column) * i64::from(self.stride) - i64::from(self.pad);
        let reach = i64::from(self.kernel.checked_sub(1)?) * i64::from(self.dilation);
        let from = origin(columns.start).max(0);
        let end = (origin(columns.end.checked_sub(1)?) + reach + 1).min(self.input.into());
        (from < end).then_some(from as u32..end as u32)
    }
}

/// The columns of a layer whose windows slide.
fn slide(kernel: &Kernel<Ref>) -> Option<Slide> {
    macro_rules! of {
        ($p:expr, $dilation:expr) => {
            Some(Slide {
                input: $p.in_w,
                output: $p.out_w,
                kernel: $p.kernel_w,
                stride: $p.stride_w,
                pad: $p.pad_left,
                dilation: $dilation,
            })
        };
    }
    match kernel {
        Kernel::conv_i8(p) | Kernel::conv_i8_mve(ConvI8Mve { conv: p }) => of!(p, p.dilation_w),
        Kernel::depthwise_i8(p)
        | Kernel::depthwise_three_i8(DepthwiseThreeI8 { conv: p })
        | Kernel::depthwise_taps_i8(DepthwiseTapsI8 { conv: p })
        | Kernel::depthwise_i8_mve(DepthwiseI8Mve { conv: p }) => of!(p, p.dilation_w),
        Kernel::conv_f32(p) => of!(p, p.dilation_w),
        Kernel::depthwise_f32(p) => of!(p, p.dilation_w),
        Kernel::pool_i8(p) => of!(p, 1),
        _ => None,
    }
}

/// Restricts a layer to some columns.
fn narrow(kernel: &mut Kernel<Ref>, slide: &Slide, operand: Ref, result: Ref) -> Option<()> {
    macro_rules! set {
        ($p:expr) => {{
            ($p.in_w, $p.out_w, $p.pad_left) = (slide.input, slide.output, slide.pad);
            ($p.input, $p.output) = (operand, result);
        }};
    }
    match kernel {
        Kernel::conv_i8(p) => {
            let lanes = p.lanes();
            set!(p);
            // Weights are laid out for so many pixels.
            return (p.lanes() == lanes).then_some(());
        }
        Kernel::conv_i8_mve(ConvI8Mve { conv }) => set!(conv),
        Kernel::depthwise_i8(conv)
        | Kernel::depthwise_three_i8(DepthwiseThreeI8 { conv })
        | Kernel::depthwise_taps_i8(DepthwiseTapsI8 { conv })
        | Kernel::depthwise_i8_mve(DepthwiseI8Mve { conv }) => {
            set!(conv);
            conv.fit_lines();
        }
        Kernel::conv_f32(p) => set!(p),
        Kernel::depthwise_f32(p) => set!(p),
        Kernel::pool_i8(p) => set!(p),
        _ => return None,
    }
    Some(())
}

/// The operands of an elementwise layer.
fn operands(kernel: &Kernel<Ref>) -> Option<Vec<Ref>> {
    match kernel {
        Kernel::sum_i8(p) => Some(vec![p.lhs, p.rhs]),
        Kernel::table_i8(p) => Some(vec![p.input]),
        Kernel::scale_i8(p) => Some(vec![p.input]),
        _ => None,
    }
}

/// Restricts an elementwise layer to an image of so many pixels.
fn shrink(
    kernel: &mut Kernel<Ref>,
    pixels: u32,
    image: &Image,
    from: &[Ref],
    to: Ref,
) -> Option<()> {
    let elements = pixels.checked_mul(image.pixel)?;
    match (kernel, from) {
        (Kernel::sum_i8(p), &[lhs, rhs]) => {
            (p.lhs, p.rhs, p.output, p.count) = (lhs, rhs, to, elements);
        }
        (Kernel::table_i8(p), &[input]) => (p.input, p.output, p.count) = (input, to, elements),
        (Kernel::scale_i8(p), &[input]) => (p.input, p.output, p.rows) = (input, to, pixels),
        _ => return None,
    }
    Some(())
}

/// A dense value of rows of pixels.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Image {
    rows: u32,
    width: u32,
    /// Bytes of a pixel.
    pixel: u32,
}

impl Image {
    fn bytes(&self) -> u64 {
        u64::from(self.rows) * u64::from(self.width) * u64::from(self.pixel)
    }
}

/// Values as images.
#[derive(Default)]
struct Images(HashMap<BufferId, Image>);

impl Images {
    /// Notes what a value is; `None` if it is not that.
    fn note(
        &mut self,
        program: &Program,
        place: Ref,
        rows: u32,
        width: u32,
        row: u32,
    ) -> Option<()> {
        let pixel = if row.checked_rem(width)? == 0 { row / width } else { return None };
        let image = Image { rows, width, pixel };
        let dense = image.bytes() == u64::from(program.buffers[place.buffer].bytes);
        let same = *self.0.entry(place.buffer).or_insert(image) == image;
        (place.offset == 0 && dense && same).then_some(())
    }

    /// The values that some layers read and make.
    fn of(program: &Program, layers: &[Step]) -> Option<Images> {
        let mut images = Images::default();
        for step in layers {
            match slide(&step.kernel) {
                Some(slide) => {
                    let by = by_rows(&step.kernel, &|_| None)?;
                    let (from, to) = (by.operands[0]?, by.output);
                    images.note(program, from.place, by.shape.in_rows, slide.input, from.bytes)?;
                    images.note(program, to.place, by.shape.out_rows, slide.output, to.bytes)?;
                }
                None => {
                    let from = operands(&step.kernel)?;
                    let known = from.iter().find_map(|place| images.0.get(&place.buffer));
                    let Image { rows, width, pixel } = *known?;
                    for place in from.into_iter().chain([result(&step.kernel)?]) {
                        images.note(program, place, rows, width, width * pixel)?;
                    }
                }
            }
        }
        Some(images)
    }
}

/// Where a layer's result is.
fn result(kernel: &Kernel<Ref>) -> Option<Ref> {
    match kernel {
        Kernel::sum_i8(p) => Some(p.output),
        Kernel::table_i8(p) => Some(p.output),
        Kernel::scale_i8(p) => Some(p.output),
        _ => Some(by_rows(kernel, &|_| None)?.output.place),
    }
}

/// The steps of all stripes, one stripe after the other.
fn cut(
    program: &Program,
    expanded: &mut Program,
    range: &Range<usize>,
    count: u32,
) -> Option<Vec<Step>> {
    let layers = program.steps.get(range.clone())?;
    let whole = result(&layers.last()?.kernel)?;
    let images = Images::of(program, layers)?.0;
    if !is_closed(program, range, whole.buffer)? {
        return None;
    }
    let mut steps = Vec::new();
    let width = images.get(&whole.buffer)?.width;
    if count < 2 || width < count {
        return None;
    }
    let border = |i: u32| (u64::from(width) * u64::from(i) / u64::from(count)) as u32;
    for i in 0..count {
        let columns = border(i)..border(i + 1);
        let demands = demands(layers, whole.buffer, &columns)?;
        let mut stripe = Stripe {
            images: &images,
            demands,
            made: HashMap::new(),
            program: &mut *expanded,
            born: range.start,
            steps: Vec::new(),
        };
        for step in layers {
            stripe.layer(step)?;
        }
        let (made, _) = stripe.made.get(&whole.buffer)?.clone();
        stripe.copy(
            Ref { buffer: made, offset: 0 },
            whole,
            &images[&whole.buffer],
            &columns,
            false,
        )?;
        steps.append(&mut stripe.steps);
    }
    Some(steps)
}

/// Whether of what some steps make, each value once, nothing but the last is used by others.
fn is_closed(program: &Program, range: &Range<usize>, whole: BufferId) -> Option<bool> {
    let mut inner = Vec::new();
    for step in &program.steps[range.clone()] {
        let made = result(&step.kernel)?.buffer;
        let temporary = matches!(program.buffers[made].storage, Storage::Temp);
        if inner.contains(&made) || !temporary {
            return Some(false);
        }
        inner.push(made);
    }
    inner.pop();
    let others = program.steps.iter().enumerate().filter(|(at, _)| !range.contains(at));
    let used = others.flat_map(|(_, step)| Program::touched(step)).any(|(_, b)| inner.contains(&b));
    let given = program.outputs.iter().any(|io| inner.contains(&io.place.buffer));
    Some(!used && !given && !inner.contains(&whole))
}

/// The columns of each value that some of the last one need.
fn demands(
    layers: &[Step],
    whole: BufferId,
    columns: &Range<u32>,
) -> Option<HashMap<BufferId, Range<u32>>> {
    let mut demands = HashMap::from([(whole, columns.clone())]);
    for step in layers.iter().rev() {
        let wanted = demands.get(&result(&step.kernel)?.buffer)?.clone();
        let (from, wanted) = match slide(&step.kernel) {
            Some(slide) => {
                let by = by_rows(&step.kernel, &|_| None)?;
                (vec![by.operands[0]?.place], slide.demand(&wanted)?)
            }
            None => (operands(&step.kernel)?, wanted),
        };
        for place in from {
            let known = demands.entry(place.buffer).or_insert(wanted.clone());
            *known = known.start.min(wanted.start)..known.end.max(wanted.end);
        }
    }
    Some(demands)
}

/// One stripe, as it grows.
struct Stripe<'a> {
    images: &'a HashMap<BufferId, Image>,
    /// The columns of each value that are needed.
    demands: HashMap<BufferId, Range<u32>>,
    /// Where those are that layers of the stripe make, and which they are.
    made: HashMap<BufferId, (BufferId, Range<u32>)>,
    program: &'a mut Program,
    born: usize,
    steps: Vec<Step>,
}

impl Stripe<'_> {
    /// Adds a layer.
    fn layer(&mut self, step: &Step) -> Option<()> {
        let of = result(&step.kernel)?.buffer;
        let image = *self.images.get(&of)?;
        let columns = self.demands.get(&of)?.clone();
        let count = columns.end - columns.start;
        let to = self.buffer(of, image, count)?;
        let mut kernel = step.kernel.clone();
        match slide(&step.kernel) {
            Some(whole) => {
                let operand = by_rows(&step.kernel, &|_| None)?.operands[0]?.place;
                let made = self.made.get(&operand.buffer).cloned();
                // What lies outside is read where it is.
                let (from, there) = made.unwrap_or((operand.buffer, 0..whole.input));
                let first = i64::from(columns.start) * i64::from(whole.stride);
                let pad = i64::from(whole.pad) - first + i64::from(there.start);
                let (input, pad) = (there.end - there.start, i32::try_from(pad).ok()?);
                let narrower = Slide { input, output: count, pad, ..whole };
                narrow(&mut kernel, &narrower, Ref { buffer: from, offset: 0 }, to)?;
            }
            None => {
                let from = operands(&step.kernel)?;
                let from: Option<Vec<Ref>> =
                    from.iter().map(|place| self.columns(place.buffer, &columns)).collect();
                shrink(&mut kernel, image.rows.checked_mul(count)?, &image, &from?, to)?;
            }
        }
        let kernel = self.with_scratch(step, kernel)?;
        self.made.insert(of, (to.buffer, columns));
        self.steps.push(Step::new(kernel, step.name.clone()));
        Some(())
    }

    /// Gives a layer working memory of its own.
    fn with_scratch(&mut self, step: &Step, kernel: Kernel<Ref>) -> Option<Kernel<Ref>> {
        kernel.accesses(&mut |_| ()).ok()?;
        let own: Vec<BufferId> = Program::scratch(step).collect();
        let &[old] = own.as_slice() else { return own.is_empty().then_some(kernel) };
        let bytes = u32::try_from(scratch(&kernel)).ok()?;
        let buffer = Buffer { bytes, born: self.born, ..self.program.buffers[old].clone() };
        let place = Ref { buffer: self.program.buffers.push(buffer), offset: 0 };
        Some(kernel.map_places(&mut |p| if p.buffer == old { place } else { p }))
    }

    /// A buffer for some columns of a value.
    fn buffer(&mut self, of: BufferId, image: Image, columns: u32) -> Option<Ref> {
        let bytes = u32::try_from(Image { width: columns, ..image }.bytes()).ok()?;
        let whole = self.program.buffers[of].clone();
        let name = format!("stripe of {}", whole.name);
        let buffer = Buffer { name, bytes, storage: Storage::Temp, born: self.born, ..whole };
        Some(Ref { buffer: self.program.buffers.push(buffer), offset: 0 })
    }

    /// Where exactly these columns of a value are: copied, if there are more.
    fn columns(&mut self, of: BufferId, columns: &Range<u32>) -> Option<Ref> {
        let image = *self.images.get(&of)?;
        let (from, there) = self.made.get(&of).cloned().unwrap_or((of, 0..image.width));
        let from = Ref { buffer: from, offset: 0 };
        if there == *columns {
            return Some(from);
        }
        let to = self.buffer(of, image, columns.end - columns.start)?;
        let image = Image { width: there.end - there.start, ..image };
        let inside = columns.start - there.start..columns.end - there.start;
        self.copy(from, to, &image, &inside, true)?;
        Some(to)
    }

    /// Copies some columns of an image to a dense value, or back.
    fn copy(
        &mut self,
        input: Ref,
        output: Ref,
        image: &Image,
        columns: &Range<u32>,
        out_of: bool,
    ) -> Option<()> {
        let skipped = columns.start.checked_mul(image.pixel)?;
        let narrow = (columns.end - columns.start).checked_mul(image.pixel)?;
        let strides = |bytes: u32| heapless::Vec::from_slice(&[i32::try_from(bytes).ok()?, 1]).ok();
        let (wide, dense) = (strides(image.width.checked_mul(image.pixel)?)?, strides(narrow)?);
        let within = |place: Ref| Some(Ref { offset: place.offset.checked_add(skipped)?, ..place });
        let sizes = heapless::Vec::from_slice(&[image.rows, narrow]).ok()?;
        let copy = match out_of {
            true => {
                let (input_strides, output_strides) = (wide, dense);
                let input = within(input)?;
                Move { input, output, element: 1, sizes, input_strides, output_strides }
            }
            false => {
                let (input_strides, output_strides) = (dense, wide);
                let output = within(output)?;
                Move { input, output, element: 1, sizes, input_strides, output_strides }
            }
        };
        self.steps.push(Step::new(Kernel::move_(copy), "stripe"));
        Some(())
    }
}
