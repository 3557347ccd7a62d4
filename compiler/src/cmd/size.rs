//! `microhlo size`: where the flash and RAM of a firmware go.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::text::{Table, grouped};
use super::{CmdError, JsonTarget, print_text};
use crate::image::Image;

/// Split the flash and RAM of a linked firmware into model, runtime, kernels by family, and the rest.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ELF file that the linker wrote, with symbols.
    #[arg(value_name = "ELF")]
    firmware: PathBuf,
    /// How the names of the static variables end that are arenas; capitals do not matter.
    #[arg(long, value_name = "NAME", default_value = "arena")]
    arena: String,
    #[command(flatten)]
    json: JsonTarget,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CmdError> {
    let fail = |error: &dyn std::fmt::Display| {
        CmdError::BadInput(format!("{}: {error}", args.firmware.display()))
    };
    let bytes = std::fs::read(&args.firmware).map_err(|e| fail(&e))?;
    let image = Image::read(&bytes, &args.arena).map_err(|e| fail(&e))?;
    args.json.write(&json_of(&image))?;
    if !args.json.owns_stdout() {
        print_text(&text(&image));
    }
    Ok(())
}

/// Bytes of flash that no part has: constants, vectors, padding.
fn rest(image: &Image) -> u64 {
    image.flash.saturating_sub(image.parts.iter().map(|(_, bytes)| bytes).sum())
}

/// Bytes of RAM between variables.
fn padding(image: &Image) -> u64 {
    image.ram.saturating_sub(image.variables.iter().map(|(_, bytes)| bytes).sum())
}

fn json_of(image: &Image) -> Value {
    let by_part = |parts: &[(&str, u64)]| -> serde_json::Map<String, Value> {
        parts.iter().map(|(part, bytes)| ((*part).to_owned(), json!(bytes))).collect()
    };
    json!({
        "flash_bytes": image.flash + image.model,
        "model_bytes": image.model,
        "code_bytes": by_part(&image.parts),
        "kernel_bytes": image.families,
        "constant_bytes": rest(image),
        "ram_bytes": image.ram + image.arena,
        "arena_bytes": image.arena,
        "variable_bytes": by_part(&image.variables),
    })
}

fn text(image: &Image) -> String {
    let mut table = Table::new(1);
    table.row(["flash", &grouped(image.flash + image.model)]);
    table.row(["  model", &grouped(image.model)]);
    for (part, bytes) in &image.parts {
        table.row([&format!("  {part}"), &grouped(*bytes)]);
        if *part == crate::image::KERNELS {
            let mut families: Vec<_> = image.families.iter().collect();
            families.sort_by_key(|(_, bytes)| std::cmp::Reverse(**bytes));
            for (family, bytes) in families {
                table.row([&format!("    {family}"), &grouped(*bytes)]);
            }
        }
    }
    table.row(["  constants, vectors, padding", &grouped(rest(image))]);
    table.row(["RAM, without stack and heap", &grouped(image.ram + image.arena)]);
    table.row(["  model: arena", &grouped(image.arena)]);
    for (part, bytes) in &image.variables {
        table.row([&format!("  {part}"), &grouped(*bytes)]);
    }
    table.row(["  padding", &grouped(padding(image))]);
    format!("bytes\n{}", table.render())
}
