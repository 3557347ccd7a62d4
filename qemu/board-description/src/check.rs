//! What a description must hold beyond its syntax.

use crate::{Board, Region, RegionKind};

/// First address beyond a 32-bit core's memory.
const END_OF_MEMORY: u64 = 1 << 32;

/// Longest name of an arena: an artifact has no room for more.
const MAX_ARENA_NAME: usize = 8;

/// Says what is wrong, and what to do.
pub fn check(board: &Board) -> Result<(), String> {
    for region in &board.memory {
        check_region(region)?;
    }
    for (i, a) in board.memory.iter().enumerate() {
        for b in board.memory.iter().skip(i + 1) {
            check_pair(a, b)?;
        }
    }
    if board.qemu.is_none() && board.probe.is_none() {
        return Err("neither [qemu] nor [probe] says how to run firmware; add one of them".into());
    }
    if board.probe.is_some() && board.clock_hz.is_none_or(|hz| hz == 0) {
        return Err("a board with [probe] needs `clock-hz`, the frequency of its core".into());
    }
    match board.chip_description() {
        Some(file) if !file.is_file() => Err(format!(
            "`chip-description` names {}, which is no file; it is looked for in the board's folder",
            file.display()
        )),
        _ => Ok(()),
    }
}

fn check_region(region: &Region) -> Result<(), String> {
    let Region { name, origin, length, .. } = region;
    if *length == 0 {
        return Err(format!("memory region `{name}` has no length; leave it out or give it one"));
    }
    let starts = [*origin, region.programmer_address()];
    if starts.iter().any(|at| at.checked_add(*length).is_none_or(|end| end > END_OF_MEMORY)) {
        return Err(format!("memory region `{name}` ends beyond the 4 GiB that there can be"));
    }
    if region.kind == RegionKind::Arena && name.len() > MAX_ARENA_NAME {
        return Err(format!("arena `{name}` needs a name of at most {MAX_ARENA_NAME} characters"));
    }
    Ok(())
}

fn check_pair(a: &Region, b: &Region) -> Result<(), String> {
    if a.name == b.name {
        return Err(format!("two memory regions are called `{}`; rename one", a.name));
    }
    if a.origin < b.origin + b.length && b.origin < a.origin + a.length {
        return Err(format!(
            "memory regions `{}` and `{}` overlap from {:#x}; shorten or move one",
            a.name,
            b.name,
            a.origin.max(b.origin)
        ));
    }
    Ok(())
}
