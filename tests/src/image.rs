//! What a linked firmware holds: bytes of flash and RAM, by part, and traces of panics.

use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind, elf};

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
    /// RAM of static variables, without the symbol that was named as the arena.
    pub ram: u64,
    /// Models in flash.
    pub model: u64,
    /// Flash by part; the rest is padding, vectors and unnamed constants.
    pub parts: Vec<(&'static str, u64)>,
    /// Names of linked functions that panic or format panics.
    pub panics: Vec<String>,
    /// Texts in flash that only panics need: messages and source paths.
    pub texts: Vec<String>,
}

/// Sections of a board rather than of what runs on it.
const OF_BOARD: [&str; 2] = [".vector_table", ".microhlo.board"];

/// The part of a firmware that brings the board up.
const START_UP: &str = "start-up and board";

/// Parts of a firmware by the start of a symbol's path; the first that fits counts.
const PARTS: [(&str, &[&str]); 5] = [
    ("kernels", &["microhlo::kernels", "microhlo::micro", "libm"]),
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
    /// The file is not a 32-bit ELF file with symbols.
    pub fn read(bytes: &[u8], arena: &str) -> Result<Image, object::Error> {
        let file = object::read::elf::ElfFile32::<object::Endianness>::parse(bytes)?;
        let mut image = Image::default();
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
            if !sh_flags.contains(elf::SHF_ALLOC) {
                continue;
            }
            let writable = sh_flags.contains(elf::SHF_WRITE);
            let data = section.data()?;
            let name = section.name()?;
            if RESERVED.contains(&name) {
                continue;
            }
            match INCLUDED.iter().position(|included| name == *included) {
                Some(0) => image.model += section.size(),
                Some(_) => {}
                None => {
                    image.flash += data.len() as u64;
                    if !OF_BOARD.contains(&name) {
                        image.runtime += data.len() as u64;
                    }
                    image.ram += if writable { section.size() } else { 0 };
                    image.texts.extend(panic_texts(data));
                }
            }
        }
        image.parts = PARTS.map(|(part, _)| (part, 0)).to_vec();
        for symbol in file.symbols() {
            image.add(&file, &symbol, arena)?;
        }
        let start_up = image.parts.iter().filter(|(part, _)| *part == START_UP);
        let start_up: u64 = start_up.map(|(_, bytes)| bytes).sum();
        image.runtime = image.runtime.saturating_sub(start_up);
        Ok(image)
    }

    fn add<'d>(
        &mut self,
        file: &impl Object<'d>,
        symbol: &impl ObjectSymbol<'d>,
        arena: &str,
    ) -> Result<(), object::Error> {
        let name = format!("{:#}", rustc_demangle::demangle(symbol.name()?));
        if name.ends_with(arena) {
            self.ram = self.ram.saturating_sub(symbol.size());
        }
        if name.contains("panicking") || name.contains("rust_begin_unwind") {
            self.panics.push(name.clone());
        }
        let section = symbol.section_index().map(|index| file.section_by_index(index));
        let in_flash = match section {
            Some(section) => !INCLUDED.contains(&section?.name()?),
            None => false,
        };
        let path = name.trim_start_matches(['<', '&']).trim_start_matches("mut ");
        let fits = |prefixes: &&[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        let part = PARTS.iter().position(|(_, prefixes)| fits(prefixes));
        if let Some(part) = part.filter(|_| in_flash && symbol.kind() == SymbolKind::Text) {
            self.parts[part].1 += symbol.size();
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
}
