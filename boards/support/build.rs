//! Picks the board and lays out its memory.
//!
//! The board is the one `MICROHLO_BOARD` names, else the first that has the
//! target triple of this build.

use microhlo_boards::{Board, CounterKind, RegionKind, Registry, RegistryError};
use std::path::Path;
use std::{env, error::Error, fs};

/// The counters that this crate has code for, or must know.
const COUNTERS: [(CounterKind, &str); 6] = [
    (CounterKind::CmsdkTimer, "cmsdk-timer"),
    (CounterKind::Minstret, "minstret"),
    (CounterKind::Mcycle, "mcycle"),
    (CounterKind::Dwt, "dwt"),
    (CounterKind::SysTick, "sys-tick"),
    (CounterKind::EspCycles, "esp-cycles"),
];

fn main() {
    if let Err(error) = lay_out() {
        println!("cargo::error={error}");
    }
}

fn lay_out() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=MICROHLO_BOARD");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = env::var("TARGET")?;
    let registry = Registry::open(&root)?;
    let board = pick(&registry, &target)?;
    if board.target != target {
        return Err(format!(
            "board `{}` needs `--target {}`, but this build is for `{target}`",
            board.name, board.target
        )
        .into());
    }
    println!("cargo::rerun-if-changed={}", board.folder.join("board.toml").display());

    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    write_scripts(board, out)?;
    configure(board);
    fs::write(out.join("board.rs"), source(board))?;
    println!("cargo::rustc-link-search={}", out.display());
    // For a firmware's build script: DEP_MICROHLO_BOARD_NAME and so on.
    println!("cargo::metadata=name={}", board.name);
    println!("cargo::metadata=core={}", board.core);
    let arenas =
        board.arenas().map(|arena| format!("{}={}:{}", arena.name, arena.length, arena.cost));
    println!("cargo::metadata=arenas={}", arenas.collect::<Vec<_>>().join(","));
    println!("cargo::metadata=features={}", board.features.join(","));
    println!("cargo::metadata=without_types={}", board.runner.without_types.join(","));
    println!("cargo::metadata=without_operations={}", board.runner.without_operations.join(","));
    println!("cargo::metadata=without_kernels={}", board.runner.without_kernels.join(","));
    Ok(())
}

/// Writes the linker script of the board's memory, with what a `board.x` in its folder adds. A `link.x` there
/// takes the place of the start-up crate's, and includes that of the memory as `board-memory.x`.
fn write_scripts(board: &Board, out: &Path) -> Result<(), Box<dyn Error>> {
    let mut memory = board.linker_script();
    let own = board.folder.join("board.x");
    println!("cargo::rerun-if-changed={}", board.folder.display());
    if own.is_file() {
        memory += &fs::read_to_string(own)?;
    }
    let link = board.folder.join("link.x");
    if link.is_file() {
        fs::copy(link, out.join("link.x"))?;
        fs::write(out.join("board-memory.x"), memory)?;
    } else {
        fs::write(out.join("memory.x"), memory)?;
    }
    Ok(())
}

/// Tells the code what the board has: the counter, and by `arm` the version of the architecture.
fn configure(board: &Board) {
    let known = COUNTERS.map(|(_, name)| format!("{name:?}")).join(", ");
    println!("cargo::rustc-check-cfg=cfg(counter, values({known}))");
    println!("cargo::rustc-check-cfg=cfg(arm, values(\"v6m\", \"v7m\", \"v8m\"))");
    for (_, name) in COUNTERS.iter().filter(|(kind, _)| *kind == board.counter.kind) {
        println!("cargo::rustc-cfg=counter={name:?}");
    }
    let versions = [("thumbv6m", "v6m"), ("thumbv7", "v7m"), ("thumbv8m.main", "v8m")];
    for (_, version) in versions.iter().filter(|(start, _)| board.target.starts_with(start)) {
        println!("cargo::rustc-cfg=arm=\"{version}\"");
    }
}

fn pick<'r>(registry: &'r Registry, target: &str) -> Result<&'r Board, RegistryError> {
    match env::var("MICROHLO_BOARD") {
        Ok(name) if !name.is_empty() => registry.board(&name),
        _ => registry.board_for_target(target),
    }
}

/// Rust source with the board's constants and its own module.
fn source(board: &Board) -> String {
    let region = |kind| {
        let region = board.region(kind);
        let (origin, length) = region.map_or((0, 0), |r| (r.origin, r.length));
        format!("Region {{ origin: {origin:#x}, length: {length:#x} }}")
    };
    let arena = |r: &microhlo_boards::Region| {
        let (name, origin, length) = (&r.name, r.origin, r.length);
        format!("({name:?}, Region {{ origin: {origin:#x}, length: {length:#x} }}), ")
    };
    let arenas: Vec<String> = board.arenas().map(arena).collect();
    let own = match board.is_emulated() {
        true => format!("#[path = {:?}]\nmod board;\n", board.folder.join("board.rs")),
        false => format!("const CLOCK_HZ: u64 = {};\n", board.clock_hz.unwrap_or_default()),
    };
    format!(
        "{own}\
         /// The board's name.\npub const NAME: &str = {name:?};\n\
         #[used]\n#[unsafe(link_section = \".microhlo.board\")]\n\
         static NAME_IN_ELF: [u8; {length}] = *b{name:?};\n\
         const STACK: Region = {stack};\n\
         const ARENAS: [(&str, Region); {count}] = [{arenas}];\n\
         const MODEL: Region = {model};\n",
        name = board.name,
        length = board.name.len(),
        stack = region(RegionKind::Stack),
        count = arenas.len(),
        arenas = arenas.concat(),
        model = region(RegionKind::Model),
    )
}
