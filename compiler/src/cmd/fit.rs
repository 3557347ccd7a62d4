//! Whether a model fits into the memories that the description of a board has for it.

use microhlo_qemu::{RegionKind, Registry};
use serde::Serialize;

use super::text::size;
use crate::compile::Report;

/// What a model takes of a board.
#[derive(Debug, Serialize)]
pub struct Fit {
    name: String,
    fits: bool,
    memories: Vec<Taken>,
}

/// What a part of a model takes of the memory that is for it.
#[derive(Debug, Serialize)]
struct Taken {
    part: &'static str,
    memory: String,
    bytes: u64,
    limit_bytes: u64,
}

impl Taken {
    fn fits(&self) -> bool {
        self.bytes <= self.limit_bytes
    }

    fn text(&self) -> String {
        let Taken { part, memory, bytes, limit_bytes } = self;
        match self.fits() {
            true => format!("{part} {} of {} in {memory}", size(*bytes), size(*limit_bytes)),
            false => {
                format!("{part} needs {}, but {memory} has {}", size(*bytes), size(*limit_bytes))
            }
        }
    }
}

impl Fit {
    /// What a model takes of the board that is its target; nothing if that is a core, or `host`.
    pub fn of(target: &str, report: &Report) -> Option<Fit> {
        let registry = Registry::find().ok()?;
        let board = registry.board(target).ok()?;
        let taken = |part, kind, bytes: u32| {
            let region = board.region(kind)?;
            let (memory, limit_bytes) = (region.name.clone(), region.length);
            Some(Taken { part, memory, bytes: bytes.into(), limit_bytes })
        };
        let artifact = taken("artifact", RegionKind::Model, report.artifact_bytes);
        // Memories that were given are kept to by the plan.
        let arena = match report.memories() {
            [] => taken("arena", RegionKind::Arena, report.arena_bytes),
            _ => None,
        };
        let memories: Vec<Taken> = artifact.into_iter().chain(arena).collect();
        let fits = memories.iter().all(Taken::fits);
        Some(Fit { name: board.name.clone(), fits, memories })
    }

    /// The verdict, and what it is of.
    pub fn text(&self) -> String {
        match self.fits {
            true => format!("fits: {}", self.parts(true)),
            false => format!("does not fit: {}", self.parts(false)),
        }
    }

    /// The parts that fit, or those that do not.
    fn parts(&self, fits: bool) -> String {
        let parts = self.memories.iter().filter(|taken| taken.fits() == fits);
        parts.map(Taken::text).collect::<Vec<_>>().join("; ")
    }

    /// A warning if the model does not fit.
    pub fn warning(&self) -> Option<String> {
        let advice = "`--arena-limit BYTES` keeps an arena below a size, `--quantize` makes weights and \
                      activations a quarter as large";
        let warn = || {
            format!(
                "warning: the model does not fit on {}: {}\n  {advice}",
                self.name,
                self.parts(false)
            )
        };
        (!self.fits).then(warn)
    }
}
