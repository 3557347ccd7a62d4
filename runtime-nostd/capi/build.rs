//! Picks the kernels to link: those of the list that `MICROHLO_KERNELS` names, which
//! `microhlo compile --emit rust` writes, or all.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

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
            let list =
                format!("mod list {{\n    include!({:?});\n}}\n\n", path.display().to_string());
            list + "static KERNELS: &microhlo::Kernels = &list::KERNELS;\n"
        }
    };
    let out = env::var_os("OUT_DIR").unwrap_or_default();
    fs::write(Path::new(&out).join("kernels.rs"), source)
}
