//! `microhlo inspect`: what an artifact holds.

use std::path::PathBuf;

use microhlo_format::{ArenaEntry, Artifact, Region};
use serde_json::{Value, json};

use super::externs::{self, Called};
use super::listing::{self, StepListing};
use super::load;
use super::text::{Table, size};
use super::vectors::Port;
use super::{CmdError, print_text};

/// Show an artifact's signature, program and memory map.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The artifact.
    #[arg(value_name = "ARTIFACT")]
    artifact: PathBuf,
    /// Print JSON in place of the text.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CmdError> {
    let bytes = load::open_artifact(&args.artifact)?;
    let artifact = load::parse_artifact(&args.artifact, &bytes)?;
    if args.json {
        print_text(&format!("{:#}\n", json_of(&artifact, &[])));
    } else {
        print_text(&text(&artifact));
    }
    Ok(())
}

/// Everything about an artifact for machines. `names` are those that the compiler gave to the
/// steps, if known.
pub fn json_of(artifact: &Artifact<'_>, names: &[String]) -> Value {
    let (header, manifest) = (artifact.header(), artifact.manifest());
    let (inputs, outputs) = load::ports(artifact);
    let steps = listing::steps(artifact, names);
    let port = |p: &Port| json!({ "name": p.name, "dtype": p.dtype.name(), "dims": p.dims, "bytes": p.byte_len() });
    json!({
        "name": manifest.name,
        "compiler": manifest.compiler,
        "format": format!("{}.{}", header.major, header.minor),
        "features": header.features.0,
        "arena_bytes": header.arena_bytes,
        "arenas": arenas(artifact),
        "arena_lower_bound_bytes": manifest.arena_lower_bound_bytes,
        "const_bytes": artifact.constants().len(),
        "program_bytes": header.program_bytes,
        "artifact_bytes": header.total_bytes,
        "macs": manifest.macs,
        "inputs": inputs.iter().map(port).collect::<Vec<_>>(),
        "outputs": outputs.iter().map(port).collect::<Vec<_>>(),
        "kernels": steps.iter().map(StepListing::json).collect::<Vec<_>>(),
        "externs": externs::called(artifact).iter().map(Called::json).collect::<Vec<_>>(),
        "micro_ops": manifest.micro.iter().map(listing::micro_name).collect::<Vec<_>>(),
    })
}

fn text(artifact: &Artifact<'_>) -> String {
    let (header, manifest) = (artifact.header(), artifact.manifest());
    let mut facts = Table::new(2);
    facts.row(["artifact", &size(u64::from(header.total_bytes))]);
    facts.row(["constants", &size(u64::from(header.constants_bytes))]);
    facts.row(["program", &size(u64::from(header.program_bytes))]);
    arena_rows(artifact, &mut facts);
    facts.row(["MACs", &super::text::grouped(manifest.macs)]);
    facts.row(["format", &format!("{}.{}", header.major, header.minor)]);
    facts.row(["compiler", manifest.compiler.as_str()]);
    extern_rows(artifact, &mut facts);
    let steps = listing::steps(artifact, &[]);
    format!(
        "{}\n{}\nsignature\n{}\nprogram: {}\n{}\nmicro-operations\n  {}\n\nmemory map\n{}",
        manifest.name,
        facts.render(),
        signature(artifact).render(),
        listing::counts_text(steps.iter().map(|s| s.op)),
        listing::table(&steps).render(),
        listing::counts_text(listing::micro(&steps)),
        memory_map(artifact, &steps),
    )
}

/// The table of arenas, if the artifact has one.
fn arenas(artifact: &Artifact<'_>) -> Value {
    let arena = |entry: ArenaEntry| {
        json!({
            "name": entry.name(),
            "bytes": entry.bytes,
            "constant_bytes": entry.constants_bytes,
        })
    };
    let has_table = artifact.arenas().has_table();
    artifact.arenas().iter().filter(|_| has_table).map(arena).collect()
}

/// A line for each arena, if the artifact has a table of them.
fn arena_rows(artifact: &Artifact<'_>, table: &mut Table) {
    let arenas = artifact.arenas();
    if !arenas.has_table() {
        return table.row(["arena", &arena(artifact)]);
    }
    for (entry, region) in arenas.iter().zip(Region::ARENAS) {
        let name = format!("{} {}", listing::region_name(region), entry.name());
        let constants = match entry.constants_bytes {
            0 => String::new(),
            bytes => format!(", {} of them constants", size(bytes.into())),
        };
        table.row([&name, &(size(entry.bytes.into()) + &constants)]);
    }
}

/// A line for each function of the firmware that the artifact calls.
pub fn extern_rows(artifact: &Artifact<'_>, table: &mut Table) {
    for called in externs::called(artifact) {
        table.row(["calls of firmware", &called.text()]);
    }
}

/// The arena's size beside its lower bound.
pub fn arena(artifact: &Artifact<'_>) -> String {
    let bytes = artifact.header().arena_bytes;
    let bound = artifact.manifest().arena_lower_bound_bytes;
    match bytes == bound {
        true => format!("{}, the least this schedule can use", size(u64::from(bytes))),
        false => format!("{}, lower bound {}", size(u64::from(bytes)), size(u64::from(bound))),
    }
}

fn signature(artifact: &Artifact<'_>) -> Table {
    let (inputs, outputs) = load::ports(artifact);
    let mut table = Table::new(3);
    for (kind, ports) in [("in", inputs), ("out", outputs)] {
        for (i, p) in ports.iter().enumerate() {
            table.row([&format!("{kind}{i}"), &p.name, &p.shape(), &size(p.byte_len() as u64)]);
        }
    }
    table
}

/// What lies where: the file's sections and, per arena range, when it is in use.
fn memory_map(artifact: &Artifact<'_>, steps: &[StepListing]) -> String {
    let h = artifact.header();
    let mut sections = Table::new(1);
    for (name, offset, bytes) in [
        ("header", 0, microhlo_format::HEADER_BYTES as u32),
        ("program", h.program_offset, h.program_bytes),
        ("manifest", h.manifest_offset, h.manifest_bytes),
        ("constants", h.constants_offset, h.constants_bytes),
    ] {
        let end = u64::from(offset) + u64::from(bytes);
        sections.row([name, &format!("file[{offset}..{end}]"), &size(u64::from(bytes))]);
    }
    let mut ranges: Vec<(Region, u32, u64, usize, usize)> = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        for (_, place, length) in &step.operands {
            if place.region.arena().is_none() {
                continue;
            }
            let same = |r: &&mut (Region, u32, u64, usize, usize)| {
                (r.0, r.1, r.2) == (place.region, place.offset, *length)
            };
            match ranges.iter_mut().find(same) {
                Some(range) => range.4 = i,
                None => ranges.push((place.region, place.offset, *length, i, i)),
            }
        }
    }
    ranges.sort_unstable();
    let mut arena = Table::new(1);
    for (region, offset, length, first, last) in ranges {
        let region = listing::region_name(region);
        let span = format!("{region}[{offset}..{}]", u64::from(offset) + length);
        let used = if first == last {
            format!("step {first}")
        } else {
            format!("steps {first} to {last}")
        };
        arena.row([&span, &size(length), &used]);
    }
    sections.render() + &arena.render()
}
