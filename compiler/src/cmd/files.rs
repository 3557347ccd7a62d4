//! The programs that a command is given: files, folders of files, and files of several programs.

use std::path::{Path, PathBuf};

use super::CmdError;
use crate::diag::Source;

/// The files named, and all files in the folders named whose names end in one of `extensions`,
/// sorted.
pub(super) fn files(paths: &[PathBuf], extensions: &[&str]) -> Result<Vec<PathBuf>, CmdError> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        collect(path, true, extensions, &mut files)
            .map_err(|e| CmdError::BadInput(format!("cannot read {}: {e}", path.display())))?;
        if files.len() == before {
            let kinds = extensions.join(", ");
            return Err(CmdError::BadInput(format!("{} has no files {kinds}", path.display())));
        }
        files[before..].sort();
    }
    Ok(files)
}

fn collect(
    path: &Path,
    named: bool,
    extensions: &[&str],
    files: &mut Vec<PathBuf>,
) -> std::io::Result<()> {
    if !std::fs::metadata(path)?.is_dir() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if named || extensions.iter().any(|e| name.ends_with(e)) {
            files.push(path.to_owned());
        }
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        collect(&entry?.path(), false, extensions, files)?;
    }
    Ok(())
}

/// The parts of a text between lines `// -----`, at their own line numbers.
pub(super) fn chunks(source: &Source) -> Vec<Source> {
    const SEPARATOR: &str = "\n// -----";
    if !source.text().contains(SEPARATOR) {
        return vec![source.clone()];
    }
    let mut lines = 0;
    let mut chunks = Vec::new();
    for part in source.text().split(SEPARATOR) {
        if !part.trim().is_empty() {
            let padded = "\n".repeat(lines) + part;
            chunks.push(Source::new(source.name(), padded));
        }
        lines += part.matches('\n').count() + 1;
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_lines() {
        let source = Source::new("m.mlir", "a\n// -----\nb\n\n// -----\n\n// -----\nc\n");
        let parts: Vec<String> = chunks(&source).iter().map(|c| c.text().to_owned()).collect();
        assert_eq!(parts, ["a", "\n\nb\n", "\n\n\n\n\n\n\nc\n"]);
        for (part, line) in parts.iter().zip([1, 3, 8]) {
            assert_eq!(part.lines().count(), line);
        }
    }
}
