//! Several memories of a model in its module: a type for each, and a struct of all.

use std::collections::HashSet;

use microhlo_format::ALIGN;

use super::typed::is_identifier;
use super::{UNUSED, put};
use crate::cmd::CmdError;
use crate::compile::{CompileOptions, Report};

/// One of the memories that a model was compiled for, whether or not anything lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arena {
    /// Name of the memory.
    memory: String,
    /// Name of its field in the struct of all.
    field: String,
    /// Name of its type.
    ty: String,
    /// Bytes that are needed, a multiple of the alignment.
    bytes: u32,
}

/// The memories of these options, with what a model needs of each; none if it has one arena.
///
/// # Errors
/// Two names are the same in Rust.
pub(super) fn of_model(options: &CompileOptions, report: &Report) -> Result<Vec<Arena>, CmdError> {
    let sizes = options.memories.arenas.iter().map(|memory| {
        let used = report.memories().iter().find(|region| region.name == memory.name);
        (memory.name.clone(), used.map_or(0, |region| region.bytes))
    });
    named(&sizes.collect::<Vec<_>>())
}

/// Memories of these names and sizes.
///
/// # Errors
/// Two names are the same in Rust.
pub(super) fn named(sizes: &[(String, u32)]) -> Result<Vec<Arena>, CmdError> {
    let mut taken = HashSet::new();
    let mut arena = |(memory, bytes): &(String, u32)| {
        let (field, ty) = (field(memory), format!("{}Arena", title(memory)));
        match taken.insert(field.clone()) & taken.insert(ty.clone()) {
            true => {
                let bytes = bytes.next_multiple_of(ALIGN as u32);
                Ok(Arena { memory: memory.clone(), field, ty, bytes })
            }
            false => Err(CmdError::BadInput(format!(
                "memory `{memory}`: another one is called `{ty}` in Rust, too; rename it"
            ))),
        }
    };
    sizes.iter().map(&mut arena).collect()
}

/// A name of a memory as that of a field, for example `dtcm`.
fn field(memory: &str) -> String {
    let name = memory.to_ascii_lowercase().replace('-', "_");
    if is_identifier(&name) { name } else { format!("memory_{}", name.trim_end_matches('_')) }
}

/// A name of a memory as the start of a type's, for example `Dtcm`.
fn title(memory: &str) -> String {
    let words = memory.split(['-', '_']).map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    });
    let name: String = words.collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("M{name}") }
}

/// Appends a type for each memory, and the struct of all, for `who` needs it.
pub(super) fn declare(out: &mut String, arenas: &[Arena], [who, needs]: [&str; 2]) {
    for Arena { memory, ty, bytes, .. } in arenas {
        put(
            out,
            format_args!(
                "\n/// What {who} {needs} of the memory `{memory}`, for a static variable there.\n{UNUSED}\
                 pub type {ty} = ::microhlo::Arena<{bytes}>;\n"
            ),
        );
    }
    put(
        out,
        format_args!(
            "\n/// All memories that {who} may use.\n{UNUSED}#[derive(Debug)]\npub struct Arenas<'m> {{\n"
        ),
    );
    for Arena { memory, field, ty, .. } in arenas {
        put(out, format_args!("    /// In `{memory}`.\n    pub {field}: &'m mut {ty},\n"));
    }
    out.push_str("}\n");
}

/// An array of the slices that a model's artifact asks for, of the struct `base`.
pub(super) fn slices(arenas: &[Arena], report: &Report, base: &str) -> String {
    let slice = |memory: &str| {
        let arena = arenas.iter().find(|arena| arena.memory == memory);
        arena.map(|arena| format!("&mut {base}.{}.0[..]", arena.field))
    };
    let used: Vec<String> = report.memories().iter().filter_map(|r| slice(&r.name)).collect();
    match used.is_empty() {
        // There is always an arena, which may have no bytes.
        true => "[&mut [][..]]".to_owned(),
        false => format!("[{}]", used.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_have_names_that_compile() {
        let names = [
            ("DTCM", "dtcm", "Dtcm"),
            ("A_1-b", "a_1_b", "A1B"),
            ("8MB", "memory_8mb", "M8mb"),
            ("-", "memory_", "M"),
            ("MOD", "memory_mod", "Mod"),
        ];
        for (memory, field_name, type_name) in names {
            assert_eq!((field(memory).as_str(), title(memory).as_str()), (field_name, type_name));
        }
    }

    #[test]
    fn names_that_are_the_same_in_rust_are_refused() {
        let sizes = |names: [&str; 2]| names.map(|name| (name.to_owned(), 20));
        let two = named(&sizes(["DTCM", "D-TCM"])).expect("other names");
        assert_eq!(two.iter().map(|a| a.bytes).collect::<Vec<_>>(), [32, 32]);
        for names in [["DTCM", "dtcm"], ["A-B", "A_B"], ["AB", "Ab"], ["A-1", "A1"]] {
            let error = named(&sizes(names)).expect_err("one name");
            assert!(error.to_string().contains("rename it"), "{names:?}: {error}");
        }
    }
}
