//! The program of an artifact: kernels, the memory they touch and what they compute.

use microhlo_format::{AccessKind, Artifact, Kernel, Micro, MicroId, Place, Region};
use serde_json::{Value, json};

use super::text::{Table, grouped};

/// One step of a program.
#[derive(Clone, Debug)]
pub struct StepListing {
    /// Position and origin, such as `0:convolution+bias`; the kernel where the origin is unknown.
    pub name: String,
    /// The kernel.
    pub op: &'static str,
    /// Multiply-accumulate operations.
    pub macs: u64,
    /// The micro-operations that it calls, each as often as it occurs.
    pub micro: Vec<String>,
    /// Memory touched: kind, place and length in bytes.
    pub operands: Vec<(AccessKind, Place, u64)>,
    /// Steps that the program may go on with in place of the next one.
    pub targets: Vec<u32>,
}

/// The steps of an artifact. `names` are those that the compiler gave, if it is known.
pub fn steps(artifact: &Artifact<'_>, names: &[String]) -> Vec<StepListing> {
    let program = artifact.program().iter();
    program.enumerate().map(|(i, step)| listing(i, step, names.get(i))).collect()
}

fn listing(index: usize, step: microhlo_format::Step<'_>, name: Option<&String>) -> StepListing {
    let op = step.kernel.name();
    let mut listing = StepListing {
        name: name.cloned().unwrap_or_else(|| format!("{index}:{op}")),
        op,
        macs: 0,
        micro: Vec::new(),
        operands: Vec::new(),
        targets: Vec::new(),
    };
    if let Ok(kernel) = Kernel::<Place>::decode(step.kernel, step.body) {
        let operands = &mut listing.operands;
        let visited = kernel.accesses(&mut |access| {
            let start = i64::from(access.place.offset) + access.start;
            let offset = u32::try_from(start).unwrap_or(access.place.offset);
            let length = (access.end - access.start).max(0) as u64;
            operands.push((access.kind, Place { offset, ..access.place }, length));
        });
        let micro = &mut listing.micro;
        kernel.micro_ops(&mut |id| micro.push(micro_name(id)));
        if visited.is_ok() {
            listing.macs = kernel.macs();
        }
        listing.targets = kernel.targets().iter().map(|target| target.step).collect();
    }
    listing
}

impl StepListing {
    /// For machines.
    pub fn json(&self) -> Value {
        let operands: Vec<Value> = self
            .operands
            .iter()
            .map(|(kind, place, length)| {
                let region = region_name(place.region);
                json!({ "access": access_name(*kind), "region": region, "offset": place.offset,
                        "bytes": length })
            })
            .collect();
        json!({ "name": self.name, "op": self.op, "macs": self.macs, "operands": operands,
                "targets": self.targets })
    }

    fn operand_text(&self) -> String {
        let text = |(kind, place, length): &(AccessKind, Place, u64)| {
            let region = region_name(place.region);
            format!(
                "{} {region}[{}..{}]",
                access_name(*kind),
                place.offset,
                u64::from(place.offset) + length
            )
        };
        let targets = self.targets.iter().map(|step| format!("to step {step}"));
        self.operands.iter().map(text).chain(targets).collect::<Vec<_>>().join(", ")
    }
}

fn access_name(kind: AccessKind) -> &'static str {
    match kind {
        AccessKind::Read => "read",
        AccessKind::Write => "write",
        AccessKind::Scratch => "scratch",
    }
}

fn region_name(region: Region) -> &'static str {
    match region {
        Region::Const => "const",
        Region::Arena => "arena",
        Region::Stream => "stream",
    }
}

/// The listing as a table.
pub fn table(steps: &[StepListing]) -> Table {
    let mut table = Table::new(2).ragged();
    for step in steps {
        let macs = if step.macs == 0 { String::new() } else { grouped(step.macs) + " MACs" };
        table.row([&step.name, step.op, &macs, &step.operand_text()]);
    }
    table
}

/// How often each name occurs, the most frequent first.
pub fn counts<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(&'a str, usize)> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for name in names {
        match counts.iter_mut().find(|(n, _)| *n == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    counts
}

/// Counts as text, for example `3 map, 2 conv_f32`.
pub fn counts_text<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<String> = counts(names).iter().map(|(name, n)| format!("{n} {name}")).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

/// The micro-operations of all steps, each as often as it occurs.
pub fn micro(steps: &[StepListing]) -> impl Iterator<Item = &str> {
    steps.iter().flat_map(|step| step.micro.iter().map(String::as_str))
}

/// A micro-operation with its type, for example `add f32` or `convert i8 to f32`.
pub fn micro_name(id: MicroId) -> String {
    match id.decode() {
        Some(Micro::Op(op, dtype)) => format!("{} {dtype}", op.text()),
        Some(Micro::Convert(from, to)) => format!("convert {from} to {to}"),
        None => format!("unknown {}", id.0),
    }
}
