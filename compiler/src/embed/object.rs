//! The artifact as a relocatable ELF object.

use object::elf::{self, FileFlags as ElfFlags};
use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, FileFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope,
};

use crate::compile::{Compiled, Target};
use crate::embed::{identifier, symbol};

/// Alignment of an artifact, in bytes.
const ALIGN: u64 = 16;

/// No object can be written. See the example of [`object`](super::object()).
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// Objects of this computer are not ELF, or for a processor that is not known.
    #[error(
        "objects for this computer ({arch} with {os}) are not supported; name a core with --target, or \
         use --emit c"
    )]
    Host {
        /// Its processor.
        arch: &'static str,
        /// Its operating system.
        os: &'static str,
    },
    /// The artifact does not fit into the format.
    #[error("cannot write the object: {0}")]
    Write(#[from] object::write::Error),
}

/// What an object says of its processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Machine {
    architecture: Architecture,
    flags: ElfFlags,
}

/// An ELF object for `target` (ELF32, little endian, for a microcontroller) with the artifact in a read-only
/// section `.rodata.microhlo.NAME`, under the symbol that [`header`](super::header()) declares.
///
/// The ELF header's flags are those of the processor supplements of Arm (EABI version 5, for either
/// floating-point ABI: there is no code) and RISC-V (compressed instructions, soft-float ABI).
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, Target, compile};
/// use microhlo_compiler::embed::{ObjectError, object};
/// use microhlo_compiler::front;
///
/// let text = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
///   %0 = stablehlo.add %x, %x : tensor<4xf32>
///   return %0 : tensor<4xf32>
/// }";
/// let (_, module) = front::parse("twice.mlir", text)?;
/// let target = Target::CortexM33;
/// let compiled = compile(&module, &CompileOptions { target, ..CompileOptions::default() })?;
/// assert!(object(&compiled, target)?.starts_with(b"\x7fELF"));
/// // Objects of this computer may be of another format.
/// let native = object(&compiled, Target::Host);
/// assert!(matches!(native, Ok(_) | Err(ObjectError::Host { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The target is a computer whose objects are not ELF.
pub fn object(compiled: &Compiled, target: Target) -> Result<Vec<u8>, ObjectError> {
    let machine = machine(target)?;
    let name = &compiled.report.name;
    let mut object = Object::new(BinaryFormat::Elf, machine.architecture, Endianness::Little);
    object.flags =
        FileFlags::Elf { os_abi: elf::ELFOSABI_NONE, abi_version: 0, e_flags: machine.flags };
    let section = format!(".rodata.microhlo.{}", identifier(name)).into_bytes();
    let section = object.add_section(Vec::new(), section, SectionKind::ReadOnlyData);
    let symbol = object.add_symbol(Symbol {
        name: symbol(name).into_bytes(),
        value: 0,
        size: 0,
        kind: SymbolKind::Data,
        scope: SymbolScope::Linkage,
        weak: false,
        section: SymbolSection::Undefined,
        flags: SymbolFlags::None,
    });
    object.add_symbol_data(symbol, section, &compiled.artifact, ALIGN);
    // Without this mark GNU ld takes the object for one that wants an executable stack.
    object.add_section(Vec::new(), b".note.GNU-stack".to_vec(), SectionKind::Other);
    Ok(object.write()?)
}

fn machine(target: Target) -> Result<Machine, ObjectError> {
    let (architecture, flags) = match target {
        Target::CortexM0
        | Target::CortexM3
        | Target::CortexM4f
        | Target::CortexM7
        | Target::CortexM33
        | Target::CortexM55 => (Architecture::Arm, elf::EF_ARM_EABI_VER5),
        Target::Rv32imac => (Architecture::Riscv32, elf::EF_RISCV_RVC),
        Target::Host => (host(std::env::consts::ARCH, std::env::consts::OS)?, ElfFlags(0)),
    };
    Ok(Machine { architecture, flags })
}

fn host(arch: &'static str, os: &'static str) -> Result<Architecture, ObjectError> {
    match (arch, os) {
        ("x86_64", "linux") => Ok(Architecture::X86_64),
        ("aarch64", "linux") => Ok(Architecture::Aarch64),
        _ => Err(ObjectError::Host { arch, os }),
    }
}

#[cfg(test)]
mod tests {
    use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

    use super::*;
    use crate::compile::{CompileOptions, compile};
    use crate::diag::Source;
    use crate::front::mlir::parse_module;

    const PROGRAM: &str = "func.func public @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {\n  \
        %0 = stablehlo.tanh %x : tensor<2x3xf32>\n  return %0 : tensor<2x3xf32>\n}\n";

    #[test]
    fn the_symbol_is_the_artifact() {
        for target in Target::ALL {
            let options =
                CompileOptions { name: "a-model".to_owned(), target, ..CompileOptions::default() };
            let module = parse_module(&Source::new("a-model.mlir", PROGRAM)).unwrap();
            let compiled = compile(&module, &options).unwrap();
            let bytes = match object(&compiled, target) {
                Err(ObjectError::Host { .. }) if target == Target::Host => continue,
                result => result.unwrap(),
            };
            let file = object::File::parse(&*bytes).unwrap();
            let symbol = file.symbols().find(|s| s.name() == Ok("a_model_artifact")).unwrap();
            assert!(symbol.is_global() && symbol.is_definition());
            let section = file.section_by_index(symbol.section_index().unwrap()).unwrap();
            assert_eq!((section.align(), section.kind()), (16, SectionKind::ReadOnlyData));
            assert_eq!(section.data().unwrap(), compiled.artifact, "{}", target.name());
            assert_eq!(symbol.size(), compiled.artifact.len() as u64);
            assert_eq!(file.is_64(), target == Target::Host);
        }
    }

    #[test]
    fn other_computers_are_refused_by_name() {
        let error = host("m68k", "linux").unwrap_err().to_string();
        assert!(error.contains("m68k") && error.contains("--emit c"), "{error}");
        assert!(host("aarch64", "macos").is_err());
    }
}
