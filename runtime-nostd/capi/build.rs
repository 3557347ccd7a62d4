//! Picks the kernels to link: those of the list that `MICROHLO_KERNELS` names, which
//! `microhlo compile --emit rust` writes, or all.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The firmware's table of functions.
const FUNCTIONS: &str = "\
unsafe extern \"C\" {
    /// The first of the functions, defined by the firmware in C.
    safe static microhlo_functions: FirmwareFunctions;
}

/// A pointer that nothing writes.
#[repr(transparent)]
struct FirmwareFunctions(*const functions::Function);

// SAFETY: neither pointer nor table are written.
unsafe impl Sync for FirmwareFunctions {}

/// The table of the firmware.
struct FirmwareTable;

impl functions::Table for FirmwareTable {
    fn first() -> *const functions::Function {
        microhlo_functions.0
    }
}

type Linked = functions::Functions<FirmwareTable>;

";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed=MICROHLO_KERNELS");
    let source = match env::var_os("MICROHLO_KERNELS").filter(|path| !path.is_empty()) {
        None => "use microhlo::Kernels;\n\nstatic KERNELS: &Kernels = Kernels::ALL;\n".to_owned(),
        Some(path) => {
            let Ok(path) = fs::canonicalize(&path) else {
                let path = PathBuf::from(path);
                println!(
                    "cargo::error=MICROHLO_KERNELS names {}, which is not there; `microhlo compile \
                     MODEL --emit rust -o MODEL.mhlo` writes MODEL.rs",
                    path.display()
                );
                return Ok(());
            };
            println!("cargo::rerun-if-changed={}", path.display());
            // A list names the table of functions only if the model calls any.
            let text = fs::read_to_string(&path)?;
            let (functions, table) = match text.contains("<Externs>") {
                true => (FUNCTIONS, "    use super::Linked as Externs;\n"),
                false => ("", ""),
            };
            let file = path.display().to_string();
            format!("{functions}mod list {{\n{table}    include!({file:?});\n}}\n\n")
                + "static KERNELS: &microhlo::Kernels = &list::KERNELS;\n"
        }
    };
    let out = env::var_os("OUT_DIR").unwrap_or_default();
    fs::write(Path::new(&out).join("kernels.rs"), source)
}
