//! Kernels with `i8` weights cost no more instructions than they are allowed to.
//!
//! `i8_costs/BOARD.txt` has the most instructions per multiply-accumulate of each shape on a board,
//! or per element of the result of programs without such, one a line. `MICROHLO_COSTS=BOARD` measures all shapes on this board only and writes its file anew;
//! limits that stand in it do not rise.

#[allow(dead_code, reason = "other tests use the rest")]
mod i8_shapes;
#[path = "i8_shapes/programs.rs"]
mod programs;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use i8_shapes::{Random, Shape};
use microhlo_compiler::cmd::exec::Executor;
use microhlo_compiler::compile::Target;
use microhlo_compiler::lower::costs_i8::depthwise_layout;
use microhlo_format::kernels::{DepthwiseLayout, Requant, Rounding};
use microhlo_qemu::{Job, Outcome};
use microhlo_tests::options;
use programs::{Program, programs};

/// A shape and what it is called.
type Named = (String, Shape);

fn size([h, w]: [u32; 2]) -> String {
    format!("{h}x{w}")
}

/// A convolution with as much padding as keeps the size, on `input`.
fn conv(input: [u32; 2], channels: [u32; 2], kernel: [u32; 2]) -> Named {
    let name = format!("{} {}-{} on {}", size(kernel), channels[0], channels[1], size(input));
    (name, Shape::same(input, channels, kernel))
}

/// A product of a row and a matrix.
fn product(depth: u32, columns: u32) -> Named {
    (format!("product {depth}-{columns}"), Shape::same([1, 1], [depth, columns], [1, 1]))
}

fn depthwise(input: [u32; 2], channels: u32, kernel: [u32; 2]) -> Named {
    let name = format!("depthwise {} {channels} on {}", size(kernel), size(input));
    (name, Shape::depthwise(input, channels, kernel))
}

/// A convolution of several groups of so many channels in and out.
fn grouped(groups: u32, input: [u32; 2], channels: [u32; 2], kernel: [u32; 2]) -> Named {
    let (name, shape) = conv(input, channels, kernel);
    (format!("{groups} groups, {name}"), Shape { groups, ..shape })
}

/// The same with a stride of two in both dimensions, which halves the size.
fn halving((name, shape): Named) -> Named {
    let pad = shape.kernel.map(|k| ((k - 1) / 2) as i32);
    let output = shape.input.map(|n| n.div_ceil(2));
    (format!("{name} stride 2"), Shape { pad, ..shape.strided([2, 2], output) })
}

/// The same without padding.
fn valid((name, shape): Named) -> Named {
    let reach = |d: usize| (shape.kernel[d] - 1) * shape.dilation[d];
    let output = [0, 1].map(|d| shape.input[d] - reach(d));
    (format!("{name} valid"), Shape { pad: [0, 0], output, ..shape })
}

/// The same with a distance of taps along the longer side of the kernel.
fn dilated((name, shape): Named, distance: u32) -> Named {
    let dilation = shape.kernel.map(|k| if k > 1 { distance } else { 1 });
    let pad = [0, 1].map(|d| ((shape.kernel[d] - 1) * dilation[d] / 2) as i32);
    (format!("{name} dilation {distance}"), Shape { dilation, pad, ..shape })
}

/// The same with results that are rounded twice, with shifts of channels, as LiteRT's are.
fn twice((name, shape): Named) -> Named {
    let requant = shape.requant.map(|r| Requant { rounding: Rounding::Double, ..r });
    (format!("{name} rounded twice"), Shape { requant, shifts: true, ..shape })
}

/// Layers of keyword spotting, image classification and anomaly detection.
fn benchmark() -> Vec<Named> {
    let (name, stem) = conv([49, 10], [1, 64], [10, 4]);
    let stem = Shape { pad: [4, 1], ..stem.strided([2, 2], [25, 5]) };
    vec![
        conv([25, 5], [64, 64], [1, 1]),
        conv([32, 32], [16, 16], [3, 3]),
        conv([8, 8], [64, 64], [3, 3]),
        conv([32, 32], [3, 16], [3, 3]),
        (format!("{name} stride 2"), stem),
        conv([3, 3], [128, 128], [1, 1]),
        product(640, 128),
        product(128, 128),
        depthwise([25, 5], 64, [3, 3]),
    ]
}

/// Layers of MobileNets at 96 and 144 pixels.
fn mobile() -> Vec<Named> {
    vec![
        halving(conv([96, 96], [3, 8], [3, 3])),
        halving(conv([144, 144], [3, 16], [3, 3])),
        conv([48, 48], [8, 16], [1, 1]),
        conv([24, 24], [16, 32], [1, 1]),
        conv([12, 12], [32, 64], [1, 1]),
        conv([6, 6], [64, 128], [1, 1]),
        conv([3, 3], [256, 256], [1, 1]),
        conv([36, 36], [8, 48], [1, 1]),
        conv([36, 36], [48, 8], [1, 1]),
        conv([18, 18], [96, 16], [1, 1]),
        conv([9, 9], [24, 144], [1, 1]),
        conv([5, 5], [336, 112], [1, 1]),
        product(256, 2),
        product(1280, 10),
        depthwise([48, 48], 8, [3, 3]),
        halving(depthwise([48, 48], 16, [3, 3])),
        depthwise([24, 24], 32, [3, 3]),
        halving(depthwise([24, 24], 32, [3, 3])),
        depthwise([12, 12], 64, [3, 3]),
        depthwise([6, 6], 128, [3, 3]),
        halving(depthwise([6, 6], 128, [3, 3])),
        depthwise([3, 3], 256, [3, 3]),
        depthwise([36, 36], 48, [3, 3]),
        depthwise([9, 9], 144, [3, 3]),
        depthwise([5, 5], 336, [3, 3]),
    ]
}

/// Convolutions over time, of whole windows and of one step of a stream.
fn streams() -> Vec<Named> {
    vec![
        conv([1, 98], [40, 16], [1, 3]),
        conv([1, 49], [32, 32], [1, 3]),
        conv([49, 1], [32, 32], [3, 1]),
        dilated(conv([1, 49], [16, 16], [1, 5]), 2),
        dilated(conv([49, 1], [64, 64], [9, 1]), 8),
        valid(conv([1, 3], [32, 32], [1, 3])),
        valid(conv([9, 1], [16, 64], [9, 1])),
        valid(dilated(conv([1, 17], [16, 16], [1, 9]), 2)),
        conv([1, 1], [64, 64], [1, 1]),
        depthwise([1, 49], 40, [1, 9]),
        depthwise([49, 1], 64, [5, 1]),
        depthwise([28, 1], 128, [5, 1]),
        valid(depthwise([28, 1], 128, [5, 1])),
        dilated(depthwise([1, 98], 32, [1, 3]), 4),
        valid(depthwise([9, 1], 64, [9, 1])),
        valid(dilated(depthwise([1, 17], 64, [1, 5]), 4)),
    ]
}

/// Depthwise kernels of other sizes, groups, and several results of each channel.
fn others() -> Vec<Named> {
    vec![
        depthwise([12, 12], 32, [5, 5]),
        halving(depthwise([24, 24], 32, [5, 5])),
        depthwise([12, 12], 16, [7, 7]),
        depthwise([16, 16], 16, [2, 2]),
        dilated(depthwise([16, 16], 32, [3, 3]), 2),
        valid(depthwise([25, 5], 64, [25, 5])),
        depthwise([25, 5], 64, [5, 3]),
        depthwise([16, 16], 30, [3, 3]),
        dilated(conv([16, 16], [16, 16], [3, 3]), 2),
        conv([16, 16], [30, 30], [1, 1]),
        conv([16, 16], [17, 31], [1, 1]),
        halving(conv([16, 16], [16, 32], [1, 1])),
        grouped(2, [12, 12], [16, 16], [3, 3]),
        grouped(4, [12, 12], [8, 8], [3, 3]),
        grouped(4, [12, 12], [16, 16], [1, 1]),
        grouped(16, [12, 12], [1, 2], [3, 3]),
        grouped(8, [25, 5], [1, 4], [5, 3]),
        twice(conv([25, 5], [64, 64], [1, 1])),
        twice(depthwise([25, 5], 64, [3, 3])),
    ]
}

/// Layers with activations of 16 bits.
fn words() -> Vec<Named> {
    let wide =
        |(name, shape): Named| (format!("16 bits, {name}"), Shape { wide: true, zero: 0, ..shape });
    let pointwise = [conv([36, 36], [8, 48], [1, 1]), conv([16, 16], [17, 31], [1, 1])];
    let channels = [depthwise([6, 6], 128, [3, 3]), depthwise([16, 16], 30, [3, 3])];
    let groups = [grouped(4, [12, 12], [8, 8], [3, 3]), twice(conv([25, 5], [64, 64], [1, 1]))];
    let layers = benchmark().into_iter().chain(pointwise).chain(channels).chain(groups);
    layers.map(wide).collect()
}

/// All shapes.
fn shapes() -> Vec<Named> {
    [benchmark(), mobile(), streams(), others(), words()].into_iter().flatten().collect()
}

/// Makes depthwise convolutions as the compiler does for a board.
fn compiled(board: &str, mut shapes: Vec<Named>) -> Vec<Named> {
    let target = Executor::find(board).and_then(|e| e.target()).expect("the board's processor");
    let mve = target == Target::CortexM55;
    for (_, shape) in &mut shapes {
        if shape.wide {
            shape.depthwise = shape.groups > 1 && shape.channels == [1, 1];
            shape.mve = mve && !shape.depthwise;
            continue;
        }
        shape.mve = mve;
        if shape.channels[0] == 1 && shape.groups > 1 && (shape.channels[1] == 1 || !mve) {
            shape.depthwise = true;
            shape.layout = depthwise_layout(&shape.depthwise_params(shape.layout), target);
        }
    }
    shapes
}

/// Those of some shapes that a board holds, with their instructions per multiply-accumulate.
fn count(board: &str, shapes: Vec<Named>) -> Vec<(String, f64)> {
    let mut random = Random(3);
    let jobs: Vec<Job> = shapes.iter().map(|(_, s)| s.job(&mut random, true)).collect();
    let named = shapes.into_iter().map(|(name, shape)| (name, shape.macs()));
    measured(board, &jobs, named)
}

/// The same of programs, by what they are counted by.
fn count_programs(board: &str, programs: Vec<Program>) -> Vec<(String, f64)> {
    let mut random = Random(3);
    let target = Executor::find(board).and_then(|e| e.target()).expect("the board's processor");
    let jobs: Vec<Job> = programs.iter().map(|p| p.job(&mut random, target)).collect();
    measured(board, &jobs, programs.into_iter().map(|p| (p.name, p.work)))
}

/// The instructions of jobs' kernels by their work, of those that a board holds.
fn measured(
    board: &str,
    jobs: &[Job],
    named: impl Iterator<Item = (String, u64)>,
) -> Vec<(String, f64)> {
    let executor = Executor::find(board).expect("the board exists");
    let outcomes = executor.run(jobs, &options()).expect("the board runs");
    let of_each = |((name, work), outcome): ((String, u64), Outcome)| {
        let mut report = match outcome {
            Err(error) if error.is_not_on_board() => return None,
            outcome => outcome.expect("the job runs"),
        };
        let case = report.cases.remove(0).expect("the case runs");
        let all: u64 = case.kernels.iter().map(|k| k.instructions).sum();
        Some((name, all as f64 / work as f64))
    };
    named.zip(outcomes).filter_map(of_each).collect()
}

/// The folder with the limits.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/i8_costs")
}

/// The limits of a board, by shape.
fn limits(board: &str) -> BTreeMap<String, f64> {
    let text = fs::read_to_string(folder().join(board).with_extension("txt")).unwrap_or_default();
    let line = |line: &str| {
        let (most, name) = line.split_once("  ").expect("a number and a name");
        (name.to_owned(), most.parse().expect("a number"))
    };
    text.lines().map(line).collect()
}

/// Writes the limits of a board: what was measured, but no more than what stands.
fn write(board: &str) {
    let old = limits(board);
    let line = |(name, figure): (String, f64)| {
        // Timers tick every few instructions.
        let figure = (figure * 100.2).ceil() / 100.0;
        format!("{:.2}  {name}\n", old.get(&name).map_or(figure, |old| old.min(figure)))
    };
    let mut all = count(board, compiled(board, shapes()));
    all.extend(count_programs(board, programs()));
    let text: String = all.into_iter().map(line).collect();
    fs::write(folder().join(board).with_extension("txt"), text).expect("a writable folder");
}

/// Boards that have limits.
fn boards() -> Vec<String> {
    let files = fs::read_dir(folder()).expect("the folder");
    let name = |file: PathBuf| file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    files.filter_map(|entry| name(entry.expect("an entry").path())).collect()
}

#[test]
fn kernels_are_as_fast_as_they_shall_be() {
    let only = std::env::var("MICROHLO_COSTS").ok();
    if let Some(board) = &only {
        write(board);
    }
    let mut slow = Vec::new();
    for board in only.map_or_else(boards, |board| vec![board]) {
        let limits = limits(&board);
        let (mut shapes, mut programs) = (shapes(), programs());
        for name in limits.keys() {
            let known = shapes.iter().any(|s| s.0 == *name);
            let known = known || programs.iter().any(|p| p.name == *name);
            assert!(known, "{board} limits no shape: {name}");
        }
        shapes.retain(|(name, _)| limits.contains_key(name));
        programs.retain(|program| limits.contains_key(&program.name));
        println!("{board}:");
        let mut all = count(&board, compiled(&board, shapes));
        all.extend(count_programs(&board, programs));
        for (name, figure) in all {
            println!("{figure:.3}  {name}");
            if figure > limits[&name] {
                slow.push(format!("{name} on {board}: {figure:.3} of {}", limits[&name]));
            }
        }
    }
    assert!(slow.is_empty(), "more instructions per multiply-accumulate: {slow:#?}");
}

/// Whether a depthwise convolution is computed by lines or by taps as the cost model says.
fn has_choice(shape: &Shape) -> bool {
    shape.depthwise && shape.channels[1] == 1 && !shape.mve && !shape.wide
}

/// The cost model's choices are the better ones, or nearly so.
#[test]
fn layouts_are_chosen_well() {
    let mut bad = Vec::new();
    for board in boards() {
        let all = compiled(&board, shapes());
        let chosen: Vec<Named> = all.into_iter().filter(|(_, s)| has_choice(s)).collect();
        let other = |(name, shape): &Named| {
            let layout = match shape.layout {
                DepthwiseLayout::Lines(_) => DepthwiseLayout::Taps,
                DepthwiseLayout::Taps => {
                    DepthwiseLayout::Lines(shape.kernel[0].max(shape.kernel[1]))
                }
            };
            (name.clone(), Shape { layout, ..shape.clone() })
        };
        let others: BTreeMap<_, _> =
            count(&board, chosen.iter().map(other).collect()).into_iter().collect();
        for (name, figure) in count(&board, chosen) {
            if let Some(other) = others.get(&name).filter(|other| figure > 1.1 * **other) {
                bad.push(format!("{name} on {board}: {figure:.2} instead of {other:.2}"));
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}
