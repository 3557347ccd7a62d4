//! The report as one page: well-formed, with everything in it, and nothing to fetch.

use std::fmt::Write as _;

use super::Contents;
use crate::cmd::text::grouped;
use crate::memory_map::{Block, Role};
use crate::stack;

/// Height of the map in pixels, and what is left of it and below for labels.
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 84.0;
const BELOW: f64 = 26.0;

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1b1f24; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #e3e6ea; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.map { overflow-x: auto; } svg text { font: 11px system-ui, sans-serif; fill: #4a5058; }
rect.block { stroke: #fff; stroke-width: .5; } rect.block:hover, rect.step:hover { stroke: #000; stroke-width: 1.5; }
.value { fill: #5b8def; background: #5b8def; } .input { fill: #4fae7b; background: #4fae7b; }
.output { fill: #e0913a; background: #e0913a; } .scratch { fill: #b3b9c2; background: #b3b9c2; }
rect.step { fill: #d5dae1; } rect.peak { fill: #d64545; }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em; }
";

/// The page.
pub fn page(contents: &Contents<'_>) -> String {
    let name = escape(&contents.report.name);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <title>{name}: memory and flash</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>{name} for {}</h1>\n",
        escape(contents.target)
    );
    out += &summary(contents);
    out += &map(contents);
    out += &memories(contents);
    out += &peak(contents);
    out += &savings(contents);
    out += &steps(contents);
    out += &flash(contents);
    out += "</body>\n</html>\n";
    out
}

/// Text as it stands in an element or an attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            // Nothing else is allowed below the space.
            c if c < ' ' && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A table with a heading; cells that start with a digit are numbers.
fn table(id: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let mut out = format!("<table id=\"{id}\">\n<tr>");
    head.iter().for_each(|cell| out += &format!("<th>{}</th>", escape(cell)));
    out += "</tr>\n";
    for row in rows {
        out += "<tr>";
        for cell in row {
            let number =
                cell.ends_with(" B") || cell.bytes().all(|b| b.is_ascii_digit() || b == b' ');
            let class = if number { " class=\"n\"" } else { "" };
            let _ = write!(out, "<td{class}>{}</td>", escape(cell));
        }
        out += "</tr>\n";
    }
    out + "</table>\n"
}

fn bytes(n: impl Into<u64>) -> String {
    format!("{} B", grouped(n.into()))
}

fn summary(contents: &Contents<'_>) -> String {
    let report = contents.report;
    let schedule = &report.schedule;
    let order = match (schedule.reordered, schedule.repeated) {
        (false, _) => "the steps run in the order of the program".to_owned(),
        (true, 0) => "the steps run in another order than that of the program".to_owned(),
        (true, n) => format!("the steps run in another order, {n} of them twice"),
    };
    let rows = [
        vec!["arena".into(), bytes(report.arena_bytes), contents.bound()],
        vec!["alive at most".into(), format!("{} B", grouped(schedule.peak_bytes)), order],
        vec!["stack".into(), most_stack(contents), stack::text(contents.stack.as_ref())],
        vec!["flash of the model".into(), bytes(report.artifact_bytes), String::new()],
        vec!["multiply-accumulates".into(), grouped(report.macs), String::new()],
    ];
    table("summary", &["", "", ""], &rows)
}

/// The bytes of stack that loading and running take, if all is known.
fn most_stack(contents: &Contents<'_>) -> String {
    let known = contents.stack.as_ref().filter(|stack| stack.not_measured.is_empty());
    known.map_or_else(String::new, |stack| bytes(stack.run_bytes.max(stack.load_bytes)))
}

/// Bytes against steps.
fn map(contents: &Contents<'_>) -> String {
    let memory = contents.memory;
    let (steps, arena) = (memory.reserved.len(), contents.report.arena_bytes);
    let mut out = String::from("<h2>Memory map</h2>\n");
    if steps == 0 || arena == 0 {
        return out + "<p>No memory is used.</p>\n";
    }
    let width = (960.0 / steps as f64).clamp(6.0, 60.0);
    let (full, height) = (LEFT + width * steps as f64 + 8.0, HEIGHT + BELOW);
    out += &legend();
    let _ = writeln!(
        out,
        "<div class=\"map\"><svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{full:.0}\" \
         height=\"{height:.0}\" role=\"img\">"
    );
    out += &axis(arena, full);
    let scale = HEIGHT / f64::from(arena);
    for block in &memory.blocks {
        out += &rect(contents, block, width, scale);
    }
    for region in memory.regions.iter().skip(1) {
        let y = HEIGHT - scale * f64::from(region.start);
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{full:.0}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#c00\" \
             stroke-width=\"2\"/>"
        );
    }
    for step in 0..steps as u32 {
        out += &mark(contents, step, width);
    }
    out + "</svg></div>\n"
}

/// What the colours mean.
fn legend() -> String {
    let mut out = String::from("<p>Steps from left to right, bytes from bottom to top.");
    for role in [Role::Value, Role::Input, Role::Output, Role::Scratch] {
        let name = role.name();
        let _ = write!(out, "<span class=\"key {name}\"></span>{name}");
    }
    out + "</p>\n"
}

/// Lines across the map, with bytes.
fn axis(arena: u32, full: f64) -> String {
    let mut out = String::new();
    for line in 0..=4u64 {
        let value = u64::from(arena) * line / 4;
        let y = HEIGHT - HEIGHT * line as f64 / 4.0;
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{full:.0}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#e3e6ea\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            (y + 4.0).max(11.0),
            bytes(value)
        );
    }
    out
}

/// The mark of a step below the map.
fn mark(contents: &Contents<'_>, step: u32, width: f64) -> String {
    let class = if Some(step) == contents.memory.peak() { "step peak" } else { "step" };
    let reserved = contents.memory.reserved[step as usize];
    let title = format!("{}: {} reserved", contents.step(step), bytes(reserved));
    format!(
        "<rect class=\"{class}\" x=\"{:.2}\" y=\"{:.0}\" width=\"{:.2}\" height=\"12\">\
         <title>{}</title></rect>\n",
        LEFT + width * f64::from(step),
        HEIGHT + 4.0,
        width - 1.0,
        escape(&title)
    )
}

/// A block of the map.
fn rect(contents: &Contents<'_>, block: &Block, width: f64, scale: f64) -> String {
    let (first, last) = (contents.step(block.first), contents.step(block.last));
    let steps = if first == last { first.to_owned() } else { format!("{first} to {last}") };
    let title = format!(
        "{}\n{} at {}\nduring {steps}",
        contents.held(block),
        bytes(block.bytes),
        grouped(block.offset.into())
    );
    format!(
        "<rect class=\"block {}\" x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{:.2}\" \
         data-offset=\"{}\" data-bytes=\"{}\" data-first=\"{}\" data-last=\"{}\"><title>{}</title></rect>\n",
        block.role.name(),
        LEFT + width * f64::from(block.first),
        HEIGHT - scale * f64::from(block.offset + block.bytes),
        width * f64::from(block.last - block.first + 1),
        (scale * f64::from(block.bytes)).max(0.5),
        block.offset,
        block.bytes,
        block.first,
        block.last,
        escape(&title)
    )
}

/// Which bytes of the map are which memory, if there are several.
fn memories(contents: &Contents<'_>) -> String {
    let rows = contents.memories();
    if rows.is_empty() {
        return String::new();
    }
    let head = ["memory", "offsets", "size", "constants", "accesses of an inference, about"];
    format!("<p>The memories lie one above the other.</p>\n{}", table("memories", &head, &rows))
}

fn peak(contents: &Contents<'_>) -> String {
    let Some(peak) = contents.memory.peak() else { return String::new() };
    let reserved = contents.memory.reserved[peak as usize];
    let rows: Vec<Vec<String>> = contents
        .memory
        .during(peak)
        .into_iter()
        .rev()
        .map(|b| {
            let role = b.role.name().to_owned();
            vec![bytes(b.offset), bytes(b.bytes), role, contents.held(b)]
        })
        .collect();
    format!(
        "<h2>What holds the peak</h2>\n<p>During <b>{}</b>, {} are reserved.</p>\n{}",
        escape(contents.step(peak)),
        bytes(reserved),
        table("peak", &["offset", "size", "role", "holds"], &rows)
    )
}

fn savings(contents: &Contents<'_>) -> String {
    let row = |saving: &super::Saving| {
        vec![saving.name.to_owned(), bytes(saving.arena_bytes), contents.saved(saving)]
    };
    let rows: Vec<Vec<String>> = contents.savings.iter().map(row).collect();
    let head = ["technique", "arena without it", "saves"];
    format!("<h2>What saves memory</h2>\n{}", table("savings", &head, &rows))
}

fn steps(contents: &Contents<'_>) -> String {
    let kernels = &contents.report.kernels;
    let rows: Vec<Vec<String>> = kernels
        .iter()
        .zip(contents.memory.reserved.iter().map(Some).chain(std::iter::repeat(None)))
        .map(|(kernel, reserved)| {
            let macs = if kernel.macs == 0 { String::new() } else { grouped(kernel.macs) };
            let estimate = kernel.estimated_instructions.map_or(String::new(), grouped);
            let reserved = reserved.map_or(String::new(), |&b| bytes(b));
            vec![
                kernel.name.clone(),
                kernel.op.clone(),
                macs,
                estimate,
                reserved,
                kernel.reason.clone(),
            ]
        })
        .collect();
    let head =
        ["step", "kernel", "MACs", "instructions, estimated", "arena in use", "why this kernel"];
    format!("<h2>Steps</h2>\n{}", table("steps", &head, &rows))
}

fn flash(contents: &Contents<'_>) -> String {
    let mut rows: Vec<Vec<String>> =
        contents.flash.iter().map(|(name, n)| vec![(*name).to_owned(), bytes(*n)]).collect();
    rows.push(vec!["all of the artifact".into(), bytes(contents.report.artifact_bytes)]);
    let mut kernels: Vec<&str> = contents.report.kernels.iter().map(|k| k.op.as_str()).collect();
    kernels.sort_unstable();
    kernels.dedup();
    format!(
        "<h2>Flash</h2>\n{}<p>Firmware links the loader, {} kernels ({}) and {} micro-operations.</p>\n",
        table("flash", &["section", "size"], &rows),
        kernels.len(),
        escape(&kernels.join(", ")),
        contents.report.micro_ops.len()
    )
}
