//! Conformance programs of dynamic shapes, at sizes given by name.

use std::path::Path;

use microhlo_compiler::cmd::load;
use microhlo_compiler::compile::{CompileOptions, specialised};
use microhlo_compiler::ir::Module;
use microhlo_compiler::verify::verify;
use microhlo_tests::{shared, sizes};

/// How many of the programs get static shapes, at least.
const REFINED: usize = 180;

fn refine(path: &Path, size: u64) -> Result<(), String> {
    let program = load::open_program(path).map_err(|e| e.to_string())?;
    let module = &program.module;
    let entry = module.entry().ok_or("no entry")?;
    let sizes = sizes(&module.funcs[entry], size);
    let verified = verify(module).map_err(|e| e[0].to_string())?;
    let options = CompileOptions { sizes, ..CompileOptions::default() };
    let func = specialised(verified, &options).map_err(|e| e.to_string())?;
    let mut refined = Module::default();
    refined.funcs.push(func);
    verify(&refined).map(|_| ()).map_err(|e| format!("refined wrongly: {}", e[0]))
}

#[test]
fn conformance_programs_resolve_at_given_sizes() {
    let Some(shared) = shared() else {
        eprintln!("not tested: there is no ../shared");
        return;
    };
    let folder = shared.join("conformance/stablehlo/compile-dynamic");
    let (mut refined, mut total) = (0, 0);
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        total += 1;
        // Sizes that suit one program do not fit another's windows or concatenations.
        let mut failures = Vec::new();
        for size in [8, 4, 3, 2, 16, 5, 6, 1] {
            match refine(&path, size) {
                Ok(()) => {
                    failures.clear();
                    refined += 1;
                    break;
                }
                Err(why) => failures.push(why),
            }
        }
        if let Some(why) = failures.first() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            eprintln!("{name}: {}", why.lines().next().unwrap_or_default());
            assert!(!why.contains("refined wrongly"), "{name}: {why}");
        }
    }
    eprintln!("{refined} of {total} programs have static shapes");
    assert!(refined >= REFINED, "{refined} of {total}");
}
