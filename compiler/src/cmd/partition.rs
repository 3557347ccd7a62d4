//! `microhlo partition`: what can be compiled of a program of several dialects is cut out.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::text::Table;
use super::{CmdError, JsonTarget, load, print_text, write_file};
use crate::partition::{Cluster, Live, partition};

/// Cut the largest convex parts that can be compiled out of a program that mixes StableHLO with
/// other dialects.
///
/// Writes each part as StableHLO text, `cluster_0.mlir`, `cluster_1.mlir`, ..., beside the
/// program that remains for the host, `host.mlir`, which calls them as
/// `stablehlo.custom_call @microhlo.cluster_0`, and `partition.json`, which names what goes in
/// and out of each part.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The program, as MLIR text or bytecode.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Write the parts to this folder.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    json: JsonTarget,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CmdError> {
    let program = load::open_mixed(&args.model)?;
    let parts = partition(&program.module);
    std::fs::create_dir_all(&args.output)
        .map_err(|e| CmdError::BadInput(format!("cannot create {}: {e}", args.output.display())))?;
    let write = |name: &str, text: String| write_file(&args.output.join(name), text.as_bytes());
    for (i, cluster) in parts.clusters.iter().enumerate() {
        write(&format!("cluster_{i}.mlir"), cluster.module.to_string())?;
    }
    write("host.mlir", parts.host.to_string())?;
    let host_ops = parts.host.foreign_ops().len();
    let value = json!({
        "clusters": parts.clusters.iter().enumerate().map(json_of).collect::<Vec<_>>(),
        "host": "host.mlir",
        "foreign_ops": host_ops,
    });
    write("partition.json", format!("{value:#}\n"))?;
    args.json.write(&value)?;
    if !args.json.owns_stdout() {
        let mut table = Table::new(1);
        for (i, cluster) in parts.clusters.iter().enumerate() {
            table.row([
                format!("cluster_{i}"),
                format!("{} operations", cluster.ops.len()),
                format!("in: {}", names(&cluster.inputs)),
                format!("out: {}", names(&cluster.outputs)),
                match &cluster.refused {
                    None => "compiles".to_owned(),
                    Some(reason) => format!("does not compile: {reason}"),
                },
            ]);
        }
        let left = format!("{host_ops} operations of other dialects stay with the host\n");
        print_text(&(table.render() + &left));
    }
    Ok(())
}

fn names(values: &[Live]) -> String {
    values.iter().map(|v| v.name.to_string()).collect::<Vec<_>>().join(", ")
}

fn json_of((i, cluster): (usize, &Cluster)) -> Value {
    let live = |l: &Live| json!({"name": &*l.name, "type": l.ty.to_string()});
    json!({
        "file": format!("cluster_{i}.mlir"),
        "target": format!("{}{i}", crate::partition::TARGET),
        "operations": cluster.ops.len(),
        "inputs": cluster.inputs.iter().map(live).collect::<Vec<_>>(),
        "outputs": cluster.outputs.iter().map(live).collect::<Vec<_>>(),
        "refused": cluster.refused.as_ref().map(ToString::to_string),
    })
}
