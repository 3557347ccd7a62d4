//! What a linked firmware holds: bytes of flash and RAM, by part, and traces of panics.

use std::collections::BTreeMap;

use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind, elf};

/// Why the sizes of a firmware cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file does not parse.
    #[error("not an ELF file: {0}")]
    Elf(#[from] object::Error),
    /// Without names nothing can be told apart.
    #[error("the file has no symbols; read the one that the linker wrote, before it is stripped")]
    Stripped,
}

/// Sections of what a firmware includes: the model, and data to test it with.
const INCLUDED: [&str; 2] = [".microhlo.model", ".microhlo.data"];

/// Sections that start-up crates reserve for stack and heap.
const RESERVED: [&str; 2] = [".stack", ".heap"];

/// Sizes of a firmware, in bytes.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Flash, without models and test data: code, constants and the initial values of variables.
    pub flash: u64,
    /// Flash of loader, runtime, kernels and what they call: all but start-up code, vectors and the
    /// description of the board.
    pub runtime: u64,
    /// RAM of static variables, without arenas.
    pub ram: u64,
    /// RAM of arenas: static variables whose names end with what was said to be one.
    pub arena: u64,
    /// Models in flash: what is in the section of models, or has a name that `compile --emit` gives.
    pub model: u64,
    /// Code in flash by part; the rest is padding, vectors and constants.
    pub parts: Vec<(&'static str, u64)>,
    /// Static variables in RAM by part, without arenas; the rest is padding.
    pub variables: Vec<(&'static str, u64)>,
    /// Code of kernels by family: the module of the runtime that it is in.
    pub families: BTreeMap<String, u64>,
    /// Names of linked functions that panic or format panics.
    pub panics: Vec<String>,
    /// Texts in flash that only panics need: messages and source paths.
    pub texts: Vec<String>,
}

/// Sections of a board rather than of what runs on it.
const OF_BOARD: [&str; 2] = [".vector_table", ".microhlo.board"];

/// How the name of an artifact ends that is linked as an object or compiled from C.
const ARTIFACT: &str = "_artifact";

/// The part of a firmware that is kernels, and where in a path their family stands.
pub(crate) const KERNELS: &str = "kernels";
const FAMILY: [&str; 2] = ["microhlo::kernels::", "microhlo::micro::"];

/// The part of a firmware that brings the board up.
const START_UP: &str = "start-up and board";

/// Parts of a firmware by the start of a symbol's path; the first that fits counts.
const PARTS: [(&str, &[&str]); 5] = [
    (KERNELS, &["microhlo::kernels", "microhlo::micro", "libm"]),
    ("loader and runtime", &["microhlo::", "microhlo_format", "postcard", "serde", "heapless"]),
    ("library", &["core", "compiler_builtins", "mem", "__aeabi"]),
    (START_UP, &["microhlo_board", "semihosting", "cortex_m", "riscv", "Reset", "HardFault", "__"]),
    ("the firmware itself", &[""]),
];

impl Image {
    /// Reads a linked ELF file. `arena` ends the path of the static variable that holds the
    /// arena.
    ///
    /// # Errors
    /// The file is not a 32-bit ELF file, or has no symbols.
    pub fn read(bytes: &[u8], arena: &str) -> Result<Image, ImageError> {
        let file = object::read::elf::ElfFile32::<object::Endianness>::parse(bytes)?;
        if file.symbols().next().is_none() {
            return Err(ImageError::Stripped);
        }
        let mut image = Image::default();
        for section in file.sections() {
            image.add_section(&section)?;
        }
        image.parts = PARTS.map(|(part, _)| (part, 0)).to_vec();
        image.variables = image.parts.clone();
        for symbol in file.symbols() {
            image.add_symbol(&file, &symbol, arena)?;
        }
        let start_up = image.parts.iter().filter(|(part, _)| *part == START_UP);
        let start_up: u64 = start_up.map(|(_, bytes)| bytes).sum();
        image.runtime = image.runtime.saturating_sub(start_up);
        Ok(image)
    }

    fn add_section<'d>(&mut self, section: &impl ObjectSection<'d>) -> Result<(), object::Error> {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { return Ok(()) };
        let name = section.name()?;
        if !sh_flags.contains(elf::SHF_ALLOC) || RESERVED.contains(&name) {
            return Ok(());
        }
        match INCLUDED.iter().position(|included| name == *included) {
            Some(0) => self.model += section.size(),
            Some(_) => {}
            None => {
                let data = section.data()?;
                self.flash += data.len() as u64;
                if !OF_BOARD.contains(&name) {
                    self.runtime += data.len() as u64;
                }
                self.ram += if sh_flags.contains(elf::SHF_WRITE) { section.size() } else { 0 };
                self.texts.extend(panic_texts(data));
            }
        }
        Ok(())
    }

    fn add_symbol<'d>(
        &mut self,
        file: &impl Object<'d>,
        symbol: &impl ObjectSymbol<'d>,
        arena: &str,
    ) -> Result<(), object::Error> {
        let name = format!("{:#}", rustc_demangle::demangle(symbol.name()?));
        let is_arena = name.to_lowercase().ends_with(&arena.to_lowercase());
        if is_arena {
            self.arena += symbol.size();
            self.ram = self.ram.saturating_sub(symbol.size());
        }
        if name.contains("panicking") || name.contains("rust_begin_unwind") {
            self.panics.push(name.clone());
        }
        let index = symbol.section_index();
        let Some(section) = index.map(|index| file.section_by_index(index)).transpose()? else {
            return Ok(());
        };
        let part = part(path(&name));
        if is_variable(&section)? && symbol.kind() != SymbolKind::Text && !is_arena {
            self.variables[part].1 += symbol.size();
        }
        if INCLUDED.contains(&section.name()?) {
            return Ok(());
        }
        if name.ends_with(ARTIFACT) {
            self.model += symbol.size();
            self.flash = self.flash.saturating_sub(symbol.size());
            self.runtime = self.runtime.saturating_sub(symbol.size());
        }
        if symbol.kind() == SymbolKind::Text {
            self.parts[part].1 += symbol.size();
            if PARTS[part].0 == KERNELS {
                *self.families.entry(family(path(&name))).or_default() += symbol.size();
            }
        }
        Ok(())
    }

    /// The sizes as lines of text.
    pub fn text(&self) -> String {
        let named: u64 = self.parts.iter().map(|(_, bytes)| bytes).sum();
        let mut text = format!(
            "flash {} bytes without the model of {} bytes, of which runtime and kernels {}; RAM {} \
             bytes beside arena and stack\n",
            self.flash, self.model, self.runtime, self.ram
        );
        let rest = ("constants, vectors, padding", self.flash.saturating_sub(named));
        for (part, bytes) in self.parts.iter().chain([&rest]) {
            text += &format!("  {part:28}{bytes:6}\n");
        }
        text
    }
}

/// A symbol's path, of a method that of its type.
fn path(name: &str) -> &str {
    name.trim_start_matches(['<', '&']).trim_start_matches("mut ")
}

/// The number of the part that a path belongs to: the last one takes all.
fn part(path: &str) -> usize {
    let fits = |prefixes: &&[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
    PARTS.iter().position(|(_, prefixes)| fits(prefixes)).unwrap_or(PARTS.len() - 1)
}

/// Whether a section is of static variables: what start-up crates reserve is not.
fn is_variable<'d>(section: &impl ObjectSection<'d>) -> Result<bool, object::Error> {
    let SectionFlags::Elf { sh_flags, .. } = section.flags() else { return Ok(false) };
    let variable = sh_flags.contains(elf::SHF_ALLOC | elf::SHF_WRITE);
    Ok(variable && !RESERVED.contains(&section.name()?))
}

/// The family of a kernel's code: the module below the runtime's kernels, or what else it is.
fn family(path: &str) -> String {
    let inside = FAMILY.iter().find_map(|start| Some((start, path.strip_prefix(start)?)));
    match inside {
        Some((start, rest)) if *start == FAMILY[0] => {
            rest.split(['>', ':', ' ', '<']).next().unwrap_or_default().to_owned()
        }
        Some(_) => "micro-operations".to_owned(),
        None => "libm".to_owned(),
    }
}

/// Texts in a section that only panics need.
fn panic_texts(data: &[u8]) -> Vec<String> {
    let printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let runs = data.split(|byte| !printable(byte)).map(String::from_utf8_lossy);
    let suspicious = |text: &str| {
        ["panicked", ".rs", "unwrap()", "out of bounds", "out of range"]
            .iter()
            .any(|trace| text.contains(trace))
    };
    runs.filter(|text| suspicious(text)).map(|text| text.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_of_panics_are_found_among_other_bytes() {
        let data = b"\0\x01panicked at \0src/lib.rs\0\xffindex out of bounds: \0the model\0";
        assert_eq!(panic_texts(data).len(), 3);
        assert_eq!(panic_texts(b"step at offset\0r.s\0"), Vec::<String>::new());
    }

    #[test]
    fn kernels_have_families() {
        for (path, name) in [
            ("microhlo::kernels::conv_f32::ENTRY::check", "conv_f32"),
            ("microhlo::kernels::i8_block::dsp::f", "i8_block"),
            ("microhlo::kernels::Memory>::next", "Memory"),
            ("microhlo::micro::table::tanh::F32", "micro-operations"),
            ("libm::math::expf", "libm"),
        ] {
            assert_eq!(family(path), name);
        }
    }

    #[test]
    fn what_is_no_firmware_is_refused() {
        assert!(matches!(Image::read(b"artifact", "arena"), Err(ImageError::Elf(_))));
    }
}
