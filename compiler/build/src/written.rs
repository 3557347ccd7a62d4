//! Which files lie in `OUT_DIR`: those of a model that is not compiled any more would be included still.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Once;

use microhlo_compiler::cmd::CmdError;

/// The names of the files that the last build wrote, one a line.
const LIST: &str = "microhlo.files";

/// Removes what a former build wrote, once in a process: a build script may compile several models.
pub fn forget_former(folder: &Path) -> Result<(), CmdError> {
    static ONCE: Once = Once::new();
    let mut result = Ok(());
    ONCE.call_once(|| result = remove_listed(folder));
    result
}

/// Removes the files that are listed, and the list.
pub fn remove_listed(folder: &Path) -> Result<(), CmdError> {
    for name in listed(folder)?.iter().map(String::as_str).chain([LIST]) {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let text = format!("cannot remove {}: {error}", path.display());
                return Err(CmdError::BadInput(text));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Adds files to the list.
pub fn note(folder: &Path, files: Vec<PathBuf>) -> Result<(), CmdError> {
    let mut names = listed(folder)?;
    let name = |file: &PathBuf| file.file_name().map(|name| name.to_string_lossy().into_owned());
    names.extend(files.iter().filter_map(name));
    let text: String = names.iter().map(|name| format!("{name}\n")).collect();
    let path = folder.join(LIST);
    fs::write(&path, text)
        .map_err(|e| CmdError::BadInput(format!("cannot write {}: {e}", path.display())))
}

/// The names in the list; none without it. Only names of files in the folder itself count.
fn listed(folder: &Path) -> Result<BTreeSet<String>, CmdError> {
    let path = folder.join(LIST);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => {
            let text = format!("cannot read {}: {error}", path.display());
            return Err(CmdError::BadInput(text));
        }
    };
    let plain = |name: &&str| Path::new(name).file_name().is_some_and(|file| file == *name);
    Ok(text.lines().filter(plain).map(str::to_owned).collect())
}
