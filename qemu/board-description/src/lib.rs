//! Board descriptions: one folder with a `board.toml` per board.
//!
//! The host reads them to know how to build for a board and how to start its
//! emulator; the firmware's build script reads them to lay out memory. A board
//! is named by its folder and listed nowhere else.

mod check;
mod registry;

use serde::Deserialize;
use std::path::PathBuf;

pub use registry::{Registry, RegistryError};

/// One board, as its `board.toml` describes it.
///
/// ```
/// use microhlo_boards::{Board, CounterKind, ImageFormat, RegionKind};
///
/// let mut board: Board = toml::from_str(r#"
///     description = "An emulated board with flash that a programmer sees elsewhere"
///     target = "riscv32imac-unknown-none-elf"
///     core = "rv32imac"
///     memory = [
///         { name = "FLASH", kind = "flash", origin = 0x0, length = 0x80000, programmed-at = 0x42000000 },
///         { name = "RAM", kind = "ram", origin = 0x20000000, length = 0x8000 },
///         { name = "SRAM", kind = "arena", origin = 0x20008000, length = 0x8000, cost = 2 },
///         { name = "TCM", kind = "arena", origin = 0x10000000, length = 0x1000 },
///     ]
///     qemu = { binary = "qemu-system-riscv32", machine = "virt", image = "raw", icount-shift = 0 }
///     counter = { kind = "minstret" }
///     runner = { without-types = ["f64"] }
/// "#)?;
/// assert!(board.is_emulated() && board.chip_description().is_none());
/// let flash = board.region(RegionKind::Flash).expect("flash");
/// assert_eq!((flash.origin, flash.programmer_address()), (0, 0x4200_0000));
/// let arenas: Vec<&str> = board.arenas().map(|region| region.name.as_str()).collect();
/// assert_eq!((arenas.as_slice(), board.arena_bytes()), (&["SRAM", "TCM"][..], 0x9000));
/// assert!(board.linker_script().contains("SRAM : ORIGIN = 0x20008000, LENGTH = 0x8000"));
/// assert!(matches!(board.qemu, Some(ref qemu) if qemu.image == ImageFormat::Raw));
/// assert_eq!((board.counter.kind, board.counter.kind.unit()), (CounterKind::Minstret, "instructions"));
/// assert_eq!(board.runner.without_types, ["f64"]);
/// // Only a folder with a workspace has firmware of its own.
/// board.folder = "boards/none".into();
/// assert!(!board.has_own_firmware());
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Board {
    /// The folder's name.
    #[serde(skip)]
    pub name: String,
    /// The folder that holds `board.toml` and `board.rs`.
    #[serde(skip)]
    pub folder: PathBuf,
    /// One line for people.
    pub description: String,
    /// Rust target triple.
    pub target: String,
    /// Processor core, as in `--target cortex-m4f`.
    pub core: String,
    /// What an artifact may need from the core, such as `fpu-f32`.
    #[serde(default)]
    pub features: Vec<String>,
    /// Memory regions.
    pub memory: Vec<Region>,
    /// How to emulate the board, if QEMU can.
    #[serde(default)]
    pub qemu: Option<Qemu>,
    /// How to reach the real board's chip, where there is one.
    #[serde(default)]
    pub probe: Option<Probe>,
    /// Frequency in Hz at which the core runs once its firmware has started; it turns counted cycles
    /// into time.
    #[serde(default)]
    pub clock_hz: Option<u64>,
    /// How instructions, or cycles on real boards, are counted.
    pub counter: Counter,
    /// How the runner firmware is built.
    #[serde(default)]
    pub runner: Runner,
}

/// A range of addresses with one purpose. See the example of [`Board`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Region {
    /// Name in the linker script.
    pub name: String,
    /// What it is for.
    pub kind: RegionKind,
    /// First address.
    pub origin: u64,
    /// Size in bytes.
    pub length: u64,
    /// What an access costs, relative to the other regions.
    #[serde(default = "Region::usual_cost")]
    pub cost: u32,
    /// Where a programmer writes what firmware reads at `origin`, if that is another address.
    #[serde(default)]
    pub programmed_at: Option<u64>,
}

impl Region {
    /// The address at which a programmer writes the region. See the example of [`Board`].
    pub fn programmer_address(&self) -> u64 {
        self.programmed_at.unwrap_or(self.origin)
    }

    const fn usual_cost() -> u32 {
        1
    }
}

/// What a memory region is for. See the example of [`Board`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegionKind {
    /// Code and constants.
    Flash,
    /// Variables.
    Ram,
    /// The call stack.
    Stack,
    /// Memory the linker leaves alone, for the arena of a model. A model may lie in several; one that does
    /// not lies in the first.
    Arena,
    /// The partition that holds a model or the jobs of the runner.
    Model,
}

/// How QEMU emulates a board. See the example of [`Board`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Qemu {
    /// Name of the emulator, such as `qemu-system-arm`.
    pub binary: String,
    /// Value of `-machine`.
    pub machine: String,
    /// Value of `-cpu`, if not the machine's own.
    #[serde(default)]
    pub cpu: Option<String>,
    /// Further arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// How the model partition's content is handed to the loader device.
    pub image: ImageFormat,
    /// Value of `-icount shift=`: an instruction takes 2^shift ns.
    pub icount_shift: u8,
}

/// How a debug probe reaches a real board's chip.
///
/// ```
/// use microhlo_boards::Probe;
///
/// let probe: Probe = toml::from_str(r#"chip = "nRF52840_xxAA""#)?;
/// assert_eq!((probe.chip.as_str(), probe.chip_description), ("nRF52840_xxAA", None));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Probe {
    /// The chip's name for probe-rs, such as `nRF52840_xxAA`.
    pub chip: String,
    /// File in the board's folder that describes the chip's family, where probe-rs does not know it.
    #[serde(default)]
    pub chip_description: Option<PathBuf>,
}

/// File format for the loader device. See the example of [`Board`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageFormat {
    /// The bytes as they are.
    Raw,
    /// Wrapped as an ELF file, for machines that refuse raw bytes.
    Elf,
}

/// How the runner firmware is built: what the runtime may use of the core, and what is left out on a
/// board whose flash does not hold all of it. Artifacts that need it are reported as not on this board.
/// See the example of [`Board`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Runner {
    /// Cargo features of the runtime, for what the target triple does not say of the core.
    #[serde(default)]
    pub runtime_features: Vec<String>,
    /// Element types, such as `f64`, whose micro-operations and conversions are left out.
    #[serde(default)]
    pub without_types: Vec<String>,
    /// Micro-operations, such as `zeta`, that are left out in every type.
    #[serde(default)]
    pub without_operations: Vec<String>,
    /// Kernels that are left out.
    #[serde(default)]
    pub without_kernels: Vec<String>,
}

/// How a board counts instructions. See the example of [`Board`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Counter {
    /// The means.
    pub kind: CounterKind,
}

/// The hardware that counts. See the example of [`Board`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CounterKind {
    /// A CMSDK timer of an MPS2 FPGA image, extended by its 100 Hz counter.
    CmsdkTimer,
    /// The system counter of an SSE-300.
    SseCounter,
    /// Timers 0 and 1 of an nRF51.
    Nrf51Timer,
    /// Timers 2 and 5 of an STM32.
    Stm32Timer,
    /// The watchdog of a Stellaris LM3S, and a timer of it that counts seconds.
    StellarisWatchdog,
    /// The RISC-V `minstret` counter.
    Minstret,
    /// Cycles: the counter of the debug watchpoint and trace unit of Armv7-M and Armv8-M.
    Dwt,
    /// Cycles: the system timer of the core, and a slower timer that tells how often it has wrapped.
    SysTick,
    /// Cycles: the RISC-V `mcycle` counter.
    Mcycle,
    /// Cycles: the counter of an ESP32-C3, which has neither `mcycle` nor `minstret`.
    EspCycles,
}

impl CounterKind {
    /// What is counted, in the plural. See the example of [`Board`].
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Dwt | Self::SysTick | Self::Mcycle | Self::EspCycles => "cycles",
            _ => "instructions",
        }
    }
}

impl Board {
    /// Whether QEMU can emulate the board. See the example of [`Board`].
    pub fn is_emulated(&self) -> bool {
        self.qemu.is_some()
    }

    /// Whether the board's folder is a cargo workspace with firmware around the crates of its chip, rather
    /// than code that the start-up crate includes. See the example of [`Board`].
    pub fn has_own_firmware(&self) -> bool {
        self.folder.join("Cargo.toml").is_file()
    }

    /// The file that describes the chip to probe-rs, for a chip that probe-rs does not know.
    /// See the example of [`Board`].
    pub fn chip_description(&self) -> Option<PathBuf> {
        let probe = self.probe.as_ref()?;
        Some(self.folder.join(probe.chip_description.as_ref()?))
    }

    /// The first region of a kind. See the example of [`Board`].
    pub fn region(&self, kind: RegionKind) -> Option<&Region> {
        self.memory.iter().find(|region| region.kind == kind)
    }

    /// The regions for arenas of models, in the order of the description. See the example of [`Board`].
    pub fn arenas(&self) -> impl Iterator<Item = &Region> {
        self.memory.iter().filter(|region| region.kind == RegionKind::Arena)
    }

    /// Bytes of memory for arenas of models. See the example of [`Board`].
    pub fn arena_bytes(&self) -> u64 {
        self.arenas().map(|arena| arena.length).sum()
    }

    /// The linker script with the memory regions, for cortex-m-rt and riscv-rt.
    ///
    /// The name of the board is kept in a section of its own that is not
    /// loaded, so that the cargo runner knows which board an ELF file is for. Models and test data
    /// that firmware includes stay apart from its own code and constants, so that sizes can be
    /// told apart. See the example of [`Board`].
    pub fn linker_script(&self) -> String {
        let mut script = String::from("MEMORY\n{\n");
        for region in &self.memory {
            script += &format!(
                "  {} : ORIGIN = {:#x}, LENGTH = {:#x}\n",
                region.name, region.origin, region.length
            );
        }
        script += "}\n";
        for (alias, kind) in LINKER_ALIASES {
            if let Some(region) = self.region(*kind)
                && region.name != *alias
            {
                script += &format!("REGION_ALIAS(\"{alias}\", {});\n", region.name);
            }
        }
        if let Some(stack) = self.region(RegionKind::Stack) {
            script += &format!(
                "_stack_start = ORIGIN({0}) + LENGTH({0});\n_stack_end = ORIGIN({0});\n",
                stack.name
            );
        }
        script += "SECTIONS\n{\n  .microhlo.board 0 (INFO) : { KEEP(*(.microhlo.board)) }\n}\n";
        script += MODEL_SECTIONS;
        script
    }
}

/// Sections for what a firmware includes: artifacts, and data to test with.
const MODEL_SECTIONS: &str = "\
SECTIONS
{
  .microhlo.model : ALIGN(16) { *(.microhlo.model) } > REGION_RODATA
  .microhlo.data : ALIGN(16) { *(.microhlo.data) } > REGION_RODATA
}
INSERT AFTER .rodata;
";

/// The regions the start-up crates ask for by name.
const LINKER_ALIASES: &[(&str, RegionKind)] = &[
    ("FLASH", RegionKind::Flash),
    ("RAM", RegionKind::Ram),
    ("REGION_TEXT", RegionKind::Flash),
    ("REGION_RODATA", RegionKind::Flash),
    ("REGION_DATA", RegionKind::Ram),
    ("REGION_BSS", RegionKind::Ram),
    ("REGION_HEAP", RegionKind::Ram),
    ("REGION_STACK", RegionKind::Stack),
];

// So that the example on the package's front page is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
