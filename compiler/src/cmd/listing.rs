//! The program of an artifact: kernels, the memory they touch and what they compute.

use microhlo_format::kernels::Chain;
use microhlo_format::{
    Access, AccessKind, Artifact, Kernel, KernelId, Micro, MicroId, Place, Region,
};
use serde_json::{Value, json};

use super::text::{Table, grouped};

/// One step of a program.
#[derive(Clone, Debug)]
pub struct StepListing {
    /// Position and origin, such as `0:convolution+bias`; the kernel where the origin is unknown.
    pub name: String,
    /// The kernel.
    pub op: &'static str,
    /// Its number in the artifact; a step of a chain has none.
    pub number: Option<usize>,
    /// Multiply-accumulate operations.
    pub macs: u64,
    /// The micro-operations that it calls, each as often as it occurs.
    pub micro: Vec<String>,
    /// Memory touched: kind, place and length in bytes.
    pub operands: Vec<(AccessKind, Place, u64)>,
    /// Steps that the program may go on with in place of the next one.
    pub targets: Vec<u32>,
}

/// The steps of an artifact, those of chains behind the step that runs them. `names` are those that the
/// compiler gave, if it is known.
pub fn steps(artifact: &Artifact<'_>, names: &[String]) -> Vec<StepListing> {
    let mut steps = Vec::new();
    for (number, step) in artifact.program().iter().enumerate() {
        let at = steps.len();
        steps.push(listing(at, step.kernel, step.body, names));
        let chain = Chain::parse(step.body).filter(|_| step.kernel == KernelId::rows);
        if let Some(chain) = chain {
            let _ = chain.accesses(&mut |access| steps[at].touch(&access));
            let mut next = 0;
            while let Some((kernel, body, after)) = chain.step(next) {
                steps.push(listing(steps.len(), kernel, body, names));
                next = after;
            }
            steps[at].macs = steps[at + 1..].iter().map(|stage| stage.macs).sum();
        }
        steps[at].number = Some(number);
    }
    steps
}

fn listing(index: usize, kernel: KernelId, body: &[u8], names: &[String]) -> StepListing {
    let op = kernel.name();
    let mut listing = StepListing {
        name: names.get(index).cloned().unwrap_or_else(|| format!("{index}:{op}")),
        op,
        number: None,
        macs: 0,
        micro: Vec::new(),
        operands: Vec::new(),
        targets: Vec::new(),
    };
    if let Ok(kernel) = Kernel::<Place>::decode(kernel, body) {
        let visited = kernel.accesses(&mut |access| listing.touch(&access));
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
    /// Adds memory that the step touches.
    fn touch(&mut self, access: &Access<Place>) {
        let start = i64::from(access.place.offset) + access.start;
        let offset = u32::try_from(start).unwrap_or(access.place.offset);
        let length = (access.end - access.start).max(0) as u64;
        self.operands.push((access.kind, Place { offset, ..access.place }, length));
    }

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

/// The name of a region in listings.
pub fn region_name(region: Region) -> &'static str {
    match region {
        Region::Const => "const",
        Region::Arena => "arena",
        Region::Stream => "stream",
        Region::State => "state",
        Region::Arena1 => "arena1",
        Region::Arena2 => "arena2",
        Region::Arena3 => "arena3",
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

#[cfg(test)]
mod tests {
    use microhlo_format::kernels::{Rows, TableI8};
    use microhlo_format::rows::{OUTSIDE, Stage};
    use microhlo_format::{ArtifactSpec, encode};

    use super::*;

    #[test]
    fn the_steps_of_a_chain_follow_it_without_numbers() {
        let table = |from, to| {
            let (input, output) = (Place::arena(from), Place::arena(to));
            Kernel::table_i8(TableI8 { input, table: Place::constant(0), output, count: 8 })
        };
        let stage = |of| Stage {
            rows: 4,
            strip: 1,
            capacity: 4,
            operands: [of, OUTSIDE],
            lead: 0,
            settles: false,
            ends: false,
        };
        let stages = [stage(OUTSIDE), stage(0)].into_iter().collect();
        let rows = Rows { stages, state: Place::arena(64), sums: None, feed: None };
        let steps = vec![Kernel::rows(rows), table(0, 16), table(16, 32), table(32, 48)];
        let spec = ArtifactSpec { steps, ..ArtifactSpec::default() };
        let bytes = encode(&spec).expect("the chain is encodable");
        let listed = super::steps(&Artifact::parse(&bytes).expect("an artifact"), &[]);
        let numbers: Vec<Option<usize>> = listed.iter().map(|step| step.number).collect();
        assert_eq!(numbers, [Some(0), None, None, Some(1)]);
        assert_eq!(listed[0].operands, [(AccessKind::Scratch, Place::arena(64), 32)]);
        assert_eq!((listed[2].name.as_str(), listed[2].operands.len()), ("2:table_i8", 3));
    }
}
