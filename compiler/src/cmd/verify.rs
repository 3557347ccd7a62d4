//! `microhlo verify`: whether programs are valid, and every reason why one is not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::files::{chunks, files};
use super::{CmdError, JsonTarget, load, print_text};
use crate::diag::{Diagnostic, Diagnostics, Source};
use crate::front::{bytecode, hlo};
use crate::vhlo_version::Version;

/// Check programs against the StableHLO specification and report every violation.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Programs in any form, or folders of them. A text may hold several, apart by `// -----`.
    #[arg(value_name = "FILE|DIR", required = true)]
    paths: Vec<PathBuf>,
    /// Also check that the programs can be written in this version of VHLO, for example 1.4.0.
    #[arg(long, value_name = "X.Y.Z")]
    vhlo_version: Option<Version>,
    #[command(flatten)]
    json: JsonTarget,
}

/// Extensions of the programs in a folder.
const EXTENSIONS: [&str; 5] = [".mlir", ".mlirbc", ".mlir.bc", ".hlo.txt", ".hlo.pb"];

/// What a program is found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    /// It violates the specification or the syntax of its form.
    Rejected,
    /// It holds something that this version does not know, so nothing is said about the rest.
    Unsupported,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Verdict::Accepted => "accepted",
            Verdict::Rejected => "rejected",
            Verdict::Unsupported => "unsupported",
        }
    }

    fn of(reports: &Diagnostics) -> Verdict {
        match (reports.has_errors(), reports.unsupported()) {
            (false, _) => Verdict::Accepted,
            (true, None) => Verdict::Rejected,
            (true, Some(_)) => Verdict::Unsupported,
        }
    }
}

/// One program and what was found.
struct Verified {
    file: PathBuf,
    /// Its first line, from 1.
    line: usize,
    verdict: Verdict,
    reports: Diagnostics,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CmdError> {
    let files = files(&args.paths, &EXTENSIONS)?;
    let mut all = Vec::new();
    for file in &files {
        all.extend(file_verdicts(file, args.vhlo_version)?);
    }
    args.json.write(&json_of(&all))?;
    if !args.json.owns_stdout() {
        print_text(&text_of(&all));
    }
    let failed = all.iter().filter(|v| v.verdict != Verdict::Accepted).count();
    match failed {
        0 => Ok(()),
        1 => Err(CmdError::Failed("1 program was not accepted".to_owned())),
        n => Err(CmdError::Failed(format!("{n} programs were not accepted"))),
    }
}

fn file_verdicts(file: &Path, version: Option<Version>) -> Result<Vec<Verified>, CmdError> {
    let bytes = std::fs::read(file)
        .map_err(|e| CmdError::BadInput(format!("cannot read {}: {e}", file.display())))?;
    let name = file.display().to_string();
    let one = |line, reports| Verified {
        file: file.to_owned(),
        line,
        verdict: Verdict::of(&reports),
        reports,
    };
    if bytecode::is_bytecode(&bytes) || hlo::looks_like_proto(&bytes) {
        return Ok(vec![one(1, guarded(&name, || load::check_bytes(&name, bytes, version)))]);
    }
    let source = match Source::from_bytes(&name, bytes) {
        Ok(source) => source,
        Err(reports) => return Ok(vec![one(1, reports)]),
    };
    let verified = |chunk: &Source| {
        let text = chunk.text();
        let blank = text.len() - text.trim_start_matches('\n').len();
        one(blank + 1, guarded(&name, || load::check_text(chunk, version)))
    };
    Ok(chunks(&source).iter().map(verified).collect())
}

/// What is found, or a report that finding it failed, which is a defect.
fn guarded(name: &str, check: impl FnOnce() -> Diagnostics) -> Diagnostics {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|_| {
        let report = Diagnostic::unsupported("the verifier panicked; this is a defect of it");
        Diagnostics::one(&Source::new(name, ""), report)
    })
}

fn count(all: &[Verified], verdict: Verdict) -> usize {
    all.iter().filter(|v| v.verdict == verdict).count()
}

fn text_of(all: &[Verified]) -> String {
    let mut text = String::new();
    for v in all.iter().filter(|v| v.verdict != Verdict::Accepted) {
        text += &format!("{} {}:{}\n{}\n\n", v.verdict.name(), v.file.display(), v.line, v.reports);
    }
    let [accepted, rejected, unsupported] =
        [Verdict::Accepted, Verdict::Rejected, Verdict::Unsupported].map(|v| count(all, v));
    text + &format!("{accepted} accepted, {rejected} rejected, {unsupported} unsupported\n")
}

fn json_of(all: &[Verified]) -> serde_json::Value {
    let report = |v: &Verified, d: &Diagnostic| {
        let place = d.span.map(|s| v.reports.source().line_column(s.range().start));
        json!({
            "message": d.message,
            "line": place.map(|p| p.0), "column": place.map(|p| p.1),
            "notes": d.notes, "help": d.help, "unsupported": d.unsupported,
        })
    };
    let program = |v: &Verified| {
        let reports: Vec<_> = v.reports.items().iter().map(|d| report(v, d)).collect();
        json!({
            "file": v.file, "line": v.line, "verdict": v.verdict.name(), "reports": reports,
        })
    };
    json!({
        "accepted": count(all, Verdict::Accepted),
        "rejected": count(all, Verdict::Rejected),
        "unsupported": count(all, Verdict::Unsupported),
        "programs": all.iter().map(program).collect::<Vec<_>>(),
    })
}
