//! The report as text for a terminal.

use std::fmt::Write as _;

use super::Contents;
use crate::cmd::text::{Table, grouped};
use crate::memory_map::{Block, Role};

/// Most columns and rows of the map, and most columns of one step.
const COLUMNS: u32 = 96;
const WIDEST: u32 = 4;
const ROWS: u32 = 24;

const LETTERS: &[u8; 52] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The map, what is alive at the peak, and what each way to save memory saves.
pub fn text(contents: &Contents<'_>) -> String {
    let mut out = map(contents);
    out += &memories(contents);
    out += &peak(contents);
    let mut table = Table::new(1);
    for saving in &contents.savings {
        let without = format!("{} B without it", grouped(saving.arena_bytes));
        table.row([saving.name.to_owned(), without, format!("saves {}", contents.saved(saving))]);
    }
    let _ = write!(out, "what saves memory\n{}", table.render());
    out
}

/// Which bytes of the map are which memory, if there are several.
fn memories(contents: &Contents<'_>) -> String {
    let rows = contents.memories();
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new(5);
    rows.into_iter().for_each(|row| table.row(row));
    format!("memories, one behind the other\n{}", table.render())
}

/// The letter of a block, by its number.
fn letter(number: usize) -> char {
    char::from(LETTERS[number % LETTERS.len()])
}

/// Bytes from bottom to top, steps from left to right; each cell has the letter of what lies in its
/// middle at its first step.
fn map(contents: &Contents<'_>) -> String {
    let memory = contents.memory;
    let steps = memory.reserved.len() as u32;
    let arena = contents.report.arena_bytes;
    if steps == 0 || arena == 0 {
        return "no memory is used\n".to_owned();
    }
    let columns = (steps * (COLUMNS / steps).clamp(1, WIDEST)).min(COLUMNS);
    let rows = arena.min(ROWS);
    let margin = grouped(arena.into()).len();
    let mut out = format!("memory map: {steps} steps, {} B of arena\n", grouped(arena.into()));
    for row in (0..rows).rev() {
        let at = |part: u64| (u64::from(arena) * part / (2 * u64::from(rows))) as u32;
        let top = at(2 * u64::from(row) + 2);
        let byte = at(2 * u64::from(row) + 1);
        let _ = write!(out, "  {:>margin$} |", grouped(top.into()));
        for column in 0..columns {
            let step = (u64::from(column) * u64::from(steps) / u64::from(columns)) as u32;
            out.push(cell(&memory.blocks, step, byte));
        }
        out.push('\n');
    }
    let _ = writeln!(out, "  {:>margin$} +{}", 0, "-".repeat(columns as usize));
    out
}

fn cell(blocks: &[Block], step: u32, byte: u32) -> char {
    let here = |b: &Block| {
        (b.first..=b.last).contains(&step) && (b.offset..b.offset + b.bytes).contains(&byte)
    };
    // Where a result lies over an operand, the result is what will be there.
    blocks.iter().rposition(here).map_or(' ', letter)
}

/// The step that needs most, and what is reserved then.
fn peak(contents: &Contents<'_>) -> String {
    let Some(peak) = contents.memory.peak() else { return String::new() };
    let bytes = contents.memory.reserved[peak as usize];
    let mut out =
        format!("at the peak, {} needs {} B\n", contents.step(peak), grouped(bytes.into()));
    let mut table = Table::new(2).ragged();
    for (number, block) in contents.memory.blocks.iter().enumerate().rev() {
        if !(block.first..=block.last).contains(&peak) {
            continue;
        }
        let role = if block.role == Role::Value { "" } else { block.role.name() };
        table.row([
            letter(number).to_string(),
            role.to_owned(),
            format!("{} B", grouped(block.bytes.into())),
            format!("at {}", grouped(block.offset.into())),
            contents.held(block),
        ]);
    }
    out += &table.render();
    out
}
