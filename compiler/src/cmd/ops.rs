//! `microhlo ops`: which operations are supported.

use serde_json::{Value, json};

use super::{CmdError, JsonTarget, print_text};
use crate::coverage::{Coverage, Verdict, coverage, markdown, text};

/// List the operations: element types, input forms, and the kernels that execute them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the table as the document `docs/operations.md` has it.
    #[arg(long)]
    markdown: bool,
    #[command(flatten)]
    json: JsonTarget,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CmdError> {
    let rows = coverage();
    args.json.write(&json!({ "operations": rows.iter().map(json_of).collect::<Vec<_>>() }))?;
    if args.json.owns_stdout() {
        return Ok(());
    }
    print_text(&if args.markdown { markdown(&rows) } else { text(&rows) });
    Ok(())
}

fn json_of(row: &Coverage) -> Value {
    let types = |value: fn(&Verdict) -> Option<Value>| -> Value {
        let fits = row.verdicts.iter().filter_map(|(element, verdict)| {
            value(verdict).map(|value| (element.spelling().to_owned(), value))
        });
        Value::Object(fits.collect())
    };
    json!({
        "name": row.name,
        "spec": row.spec,
        "forms": row.forms,
        "kernels": types(|v| match v {
            Verdict::Compiles(kernels) => Some(json!(kernels)),
            _ => None,
        }),
        "refused": types(|v| match v {
            Verdict::Refused(reason) => Some(json!(reason)),
            _ => None,
        }),
    })
}
