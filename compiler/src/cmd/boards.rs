//! `microhlo boards`: what is known and how each runs.

use microhlo_qemu::{Board, RegionKind, Registry};
use serde_json::{Value, json};

use super::text::{Table, size};
use super::{CmdError, JsonTarget, print_text};

/// List the known boards and how each runs.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    json: JsonTarget,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CmdError> {
    let registry = Registry::find().map_err(|e| CmdError::BadInput(e.to_string()))?;
    let boards: Vec<Value> = registry.boards().iter().map(json_of).collect();
    args.json.write(&json!({ "boards": boards }))?;
    if args.json.owns_stdout() {
        return Ok(());
    }
    let mut text = String::new();
    for board in registry.boards() {
        text += &format!("{}: {}\n{}\n", board.name, board.description, table(board).render());
    }
    text += "host: this computer, with the same portable kernels\n";
    print_text(&text);
    Ok(())
}

fn table(board: &Board) -> Table {
    let length = |kind| board.region(kind).map_or("none".to_owned(), |r| size(r.length));
    let mut table = Table::new(2);
    table.row(["core", &board.core]);
    table.row(["target", &board.target]);
    table.row(["features", &board.features.join(", ")]);
    if let Some(qemu) = &board.qemu {
        let version = match microhlo_qemu::check_version(board) {
            Ok(version) => format!("version {version}"),
            Err(error) => error.to_string(),
        };
        table.row(["runs in", &format!("{} -machine {}", qemu.binary, qemu.machine)]);
        table.row(["emulator", &version]);
    }
    if let Some(probe) = &board.probe {
        table.row(["probe-rs chip", &probe.chip]);
    }
    if let Some(hz) = board.clock_hz {
        table.row(["clock", &format!("{} MHz", hz as f64 / 1e6)]);
    }
    table.row(["counts", board.counter.kind.unit()]);
    table.row(["flash", &length(RegionKind::Flash)]);
    table.row(["ram", &length(RegionKind::Ram)]);
    table.row(["arena", &length(RegionKind::Arena)]);
    table.row(["model partition", &length(RegionKind::Model)]);
    let left_out = left_out(board);
    if !left_out.is_empty() {
        table.row(["runner is without", &left_out.join(", ")]);
    }
    table
}

/// What the runner firmware leaves out.
fn left_out(board: &Board) -> Vec<String> {
    let runner = &board.runner;
    [&runner.without_types, &runner.without_operations, &runner.without_kernels]
        .into_iter()
        .flatten()
        .cloned()
        .collect()
}

fn json_of(board: &Board) -> Value {
    let length = |kind| board.region(kind).map(|r| r.length);
    json!({
        "name": board.name,
        "description": board.description,
        "core": board.core,
        "runner_without": left_out(board),
        "target": board.target,
        "features": board.features,
        "qemu": board.qemu.as_ref().map(|q| json!({ "binary": q.binary, "machine": q.machine })),
        "installed": microhlo_qemu::check_version(board).is_ok(),
        "flash_bytes": length(RegionKind::Flash),
        "ram_bytes": length(RegionKind::Ram),
        "arena_bytes": length(RegionKind::Arena),
        "model_bytes": length(RegionKind::Model),
        "probe_rs_chip": board.probe.as_ref().map(|probe| &probe.chip),
        "clock_hz": board.clock_hz,
        "counts": board.counter.kind.unit(),
    })
}
