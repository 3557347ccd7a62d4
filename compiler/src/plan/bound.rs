//! The least height of plans, as far as a look at each step tells.

use std::collections::BTreeMap;

use super::problem::{Buffer, Problem};

impl Problem {
    /// Bytes that no plan goes below: the largest live set, or what its buffers need for their alignment.
    /// Buffers that start at multiples of `a` share no block of `a` bytes, so they need whole blocks, but
    /// for what the last of them leaves of its own.
    ///
    /// # Panics
    /// If an overlap is none, see [`Problem::is_overlap`].
    pub(crate) fn least_height(&self) -> u64 {
        let mut buffers = self.buffers.clone();
        // In the step in which a result may lie over an operand, the result counts.
        for overlap in &self.overlaps {
            let input = &self.buffers[overlap.input];
            buffers[overlap.input].upper = input.upper - 1;
        }
        buffers.retain(|b| b.lower < b.upper && b.size > 0);
        let mut units: Vec<u32> = buffers.iter().map(|b| b.align).filter(|a| *a > 1).collect();
        units.sort_unstable();
        units.dedup();
        let blocks = units.into_iter().map(|unit| in_blocks(&buffers, unit)).max();
        self.lower_bound().bytes.max(blocks.unwrap_or(0))
    }
}

/// The most that those buffers alive at one step need that start at multiples of `unit`, if none share
/// bytes.
fn in_blocks(buffers: &[Buffer], unit: u32) -> u64 {
    let mut events: Vec<(u32, bool, u64)> = Vec::new();
    for b in buffers.iter().filter(|b| b.align >= unit) {
        events.extend([(b.lower, true, u64::from(b.size)), (b.upper, false, u64::from(b.size))]);
    }
    // At equal steps ends come first: lifetimes are half open.
    events.sort_unstable();
    let (mut blocks, mut most) = (0, 0);
    // How many of those alive leave so many bytes of their last block.
    let mut left: BTreeMap<u64, usize> = BTreeMap::new();
    for (_, starts, size) in events {
        let whole = size.next_multiple_of(unit.into());
        let count = left.entry(whole - size).or_default();
        if starts {
            *count += 1;
            blocks += whole;
            let last = left.last_key_value().map_or(0, |(bytes, _)| *bytes);
            most = most.max(blocks - last);
        } else {
            *count -= 1;
            if *count == 0 {
                left.remove(&(whole - size));
            }
            blocks -= whole;
        }
    }
    most
}
