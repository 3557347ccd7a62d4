//! A model as a Rust type: inputs and outputs as arrays, so that their shapes are checked when firmware is
//! compiled.

use std::collections::HashSet;

use microhlo_format::{Artifact, DType, Place, Region};

use super::arenas::{self, Arena};
use super::{UNUSED, put};
use crate::compile::{Report, TensorReport};

/// Whose memory a model works in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The model, for as long as it is loaded.
    Model,
    /// Several models, each during its runs.
    All,
}

/// What memory a model works in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory<'a> {
    /// Whose it is.
    pub owner: Owner,
    /// The memories that the model was compiled for; none if it has one arena.
    pub arenas: &'a [Arena],
}

/// Appends types for all inputs and outputs and, unless an input is fed row by row, the type `Network`.
pub(super) fn network(
    out: &mut String,
    report: &Report,
    artifact: &Artifact<'_>,
    memory: Memory<'_>,
) {
    types(out, "Input", &report.inputs);
    types(out, "Output", &report.outputs);
    match (memory.arenas.is_empty(), memory.owner) {
        (true, Owner::Model) => alias(
            out,
            "The memory that the model works in, for a static variable",
            "Arena = ::microhlo::Arena<ARENA_BYTES>",
        ),
        (true, Owner::All) => {
            alias(out, "The memory that all models work in", "Arena = super::Arena");
        }
        (false, Owner::Model) => arenas::declare(out, memory.arenas, ["the model", "needs"]),
        (false, Owner::All) => {
            alias(out, "All memories that the models work in", "Arenas<'m> = super::Arenas<'m>");
        }
    }
    let inputs = &artifact.manifest().inputs;
    if (0..inputs.len()).filter_map(|i| inputs.get(i)).all(|i| i.place.region != Region::Stream) {
        put(out, format_args!("{}", structure(&methods(report, artifact), report, memory)));
    }
}

/// Appends another name of a type.
fn alias(out: &mut String, what: &str, alias: &str) {
    put(out, format_args!("\n/// {what}.\n{UNUSED}pub type {alias};\n"));
}

/// What differs between the models' structs.
struct Methods {
    /// Parameters of `run`, each behind a comma.
    parameters: String,
    /// Slices of the inputs' bytes.
    read: String,
    /// Slices of the outputs' bytes.
    written: String,
    /// Whether the model has states.
    states: bool,
}

fn methods(report: &Report, artifact: &Artifact<'_>) -> Methods {
    let manifest = artifact.manifest();
    let place = |i| manifest.inputs.get(i).map(|input| input.place);
    let states: Vec<bool> = (0..report.inputs.len())
        .map(|i| place(i).is_some_and(|place| place.region == Region::State))
        .collect();
    let kept: HashSet<u32> =
        (0..states.len()).filter(|&i| states[i]).filter_map(|i| Some(place(i)?.offset)).collect();
    let stays = |place: Place| place.region == Region::Arena && kept.contains(&place.offset);
    let stays: Vec<bool> = (0..report.outputs.len())
        .map(|i| manifest.outputs.get(i).is_some_and(|output| stays(output.place)))
        .collect();
    let mut names = HashSet::new();
    let inputs = arguments(&report.inputs, &states, "input", &mut names);
    let outputs = arguments(&report.outputs, &stays, "output", &mut names);
    let parameter = |(what, name): &(String, Option<String>)| {
        name.as_ref().map(|name| format!(", {name}: {what}")).unwrap_or_default()
    };
    let parameters: String = inputs.iter().chain(&outputs).map(parameter).collect();
    let given = |arguments: &[(String, Option<String>)], function: &str, empty: &str| {
        let bytes = |(_, name): &(String, Option<String>)| match name {
            Some(name) => format!("::microhlo::bytemuck::{function}({name})"),
            None => empty.to_owned(),
        };
        arguments.iter().map(bytes).collect::<Vec<_>>().join(", ")
    };
    let (read, written) =
        (given(&inputs, "bytes_of", "&[]"), given(&outputs, "bytes_of_mut", "&mut []"));
    Methods { parameters, read, written, states: !kept.is_empty() }
}

/// How the struct of a model is written for its memory.
struct Form {
    /// Parameters of the type.
    generics: &'static str,
    /// The field for the memory.
    field: String,
    /// The parameter of `load`, what it gives the struct, and the result.
    load: [String; 3],
    /// The first parameters of `run`, and those of `reset`.
    own: String,
    /// What these are called on, and the memory as an argument.
    call: [String; 2],
}

/// The form for a model's memory.
fn form(report: &Report, Memory { owner, arenas }: Memory<'_>) -> Form {
    let several = !arenas.is_empty();
    let (name, held, lent) = match several {
        true => ("arenas", "arenas: Arenas<'m>", "arenas: &mut Arenas<'_>"),
        false => ("arena", "arena: &'m mut Arena", "arena: &mut Arena"),
    };
    let (base, loaded) = match owner {
        Owner::Model => (format!("self.{name}"), format!("network.{name}")),
        Owner::All => (name.to_owned(), name.to_owned()),
    };
    let slices = |base: &str| arenas::slices(arenas, report, base);
    let call = match several {
        true => [format!("self.model.filled_arenas({})?", slices(&base)), String::new()],
        false => ["self.model".to_owned(), format!("&mut {base}.0")],
    };
    let done = match several {
        true => filling(&slices(&loaded)),
        false => "        Ok(network)\n".to_owned(),
    };
    let made = |given: &str| format!("        let network = Network {{ model{given} }};\n");
    match owner {
        Owner::Model => Form {
            generics: "<'m>",
            field: format!("    {held},\n"),
            load: [held.to_owned(), made(&format!(", {name}")), done],
            own: "&mut self".to_owned(),
            call,
        },
        Owner::All => Form {
            generics: "",
            field: String::new(),
            load: [if several { lent.to_owned() } else { String::new() }, made(""), done],
            own: format!("&self, {lent}"),
            call,
        },
    }
}

/// The end of `load` that copies constants. It fails only if the artifact is none any more: the memories are as
/// large as it needs.
fn filling(slices: &str) -> String {
    format!(
        "        match network.model.arenas({slices}).map(drop) {{
            Ok(()) => Ok(network),
            Err(_) => Err(::microhlo::ArtifactError::BadArena {{ index: 0 }}.into()),
        }}
"
    )
}

/// The struct that runs the model.
fn structure(methods: &Methods, report: &Report, memory: Memory<'_>) -> String {
    let Methods { parameters, read, written, states } = methods;
    let Form { generics, field, load: [parameter, made, done], own, call: [on, arena] } =
        &form(report, memory);
    let reset = if *states { reset(own, on, arena) } else { String::new() };
    let several = !memory.arenas.is_empty();
    let copies = if several { ", and copies its constants that lie in arenas" } else { "" };
    let first = match (states, several) {
        (true, true) => " Its states are what the arenas hold: zeros, in new ones.",
        (true, false) => " Its states are what the arena holds: zeros, in a new one.",
        (false, _) => "",
    };
    let where_ = match (memory.owner, several) {
        (Owner::Model, false) => "in its arena",
        (Owner::Model, true) => "in its arenas",
        (Owner::All, false) => "which runs in an arena that other models use in between",
        (Owner::All, true) => "which runs in arenas that other models use in between",
    };
    let before = if arena.is_empty() { String::new() } else { format!("{arena}, ") };
    format!(
        "
/// The model {where_}.
{UNUSED}#[derive(Debug)]
pub struct Network{generics} {{
    model: ::microhlo::Model<'static>,
{field}}}

{UNUSED}impl{generics} Network{generics} {{
    /// Proves the artifact{copies}.{first}
    ///
    /// # Errors
    /// The artifact has been damaged.
    pub fn load({parameter}) -> Result<Network{generics}, ::microhlo::LoadError> {{
        let model = ::microhlo::Model::load_with(ARTIFACT, &KERNELS)?;
{made}{done}    }}

    /// Runs the model.
    ///
    /// # Errors
    /// The artifact has been damaged since it was loaded.
    pub fn run({own}{parameters}) -> Result<(), ::microhlo::RunError> {{
        {on}.run({before}&[{read}], &mut [{written}])
    }}

    /// The model, for what its type does not offer.
    pub fn model(&self) -> &::microhlo::Model<'static> {{
        &self.model
    }}
{reset}}}
"
    )
}

/// The method that a model with states has.
fn reset(own: &str, on: &str, arena: &str) -> String {
    format!(
        "
    /// Makes all states of this model zero.
    ///
    /// # Errors
    /// None that can happen: the memory is as large as the model needs.
    pub fn reset({own}) -> Result<(), ::microhlo::RunError> {{
        {on}.reset({arena})
    }}
"
    )
}

/// A type for each tensor.
fn types(out: &mut String, what: &str, tensors: &[TensorReport]) {
    for (i, tensor) in tensors.iter().enumerate() {
        let (name, ty, rust) = (&tensor.name, tensor.ty(), array(tensor));
        put(
            out,
            format_args!(
                "\n/// {what} {i}, {name:?}: {ty}.\n{UNUSED}pub type {what}{i} = {rust};\n"
            ),
        );
    }
}

/// A tensor as nested arrays, dense and row-major.
fn array(tensor: &TensorReport) -> String {
    let element = tensor.element().map_or("u8", element).to_owned();
    tensor.dims.iter().rev().fold(element, |inner, dim| format!("[{inner}; {dim}]"))
}

/// The Rust type with the bytes of an element; floats that Rust does not have are their bits, and a boolean is
/// a byte of 0 or 1.
fn element(dtype: DType) -> &'static str {
    match dtype {
        DType::I2 | DType::I4 | DType::I8 => "i8",
        DType::I16 => "i16",
        DType::I32 => "i32",
        DType::I64 => "i64",
        DType::U16 | DType::BF16 | DType::F16 => "u16",
        DType::U32 => "u32",
        DType::U64 => "u64",
        DType::F32 => "f32",
        DType::F64 => "f64",
        DType::C64 => "[f32; 2]",
        DType::C128 => "[f64; 2]",
        _ => "u8",
    }
}

/// For each tensor the type of an argument, and its name unless there is none for it.
fn arguments(
    tensors: &[TensorReport],
    without: &[bool],
    what: &str,
    names: &mut HashSet<String>,
) -> Vec<(String, Option<String>)> {
    let (reference, kind) = match what {
        "input" => ("&", "Input"),
        _ => ("&mut ", "Output"),
    };
    let mut argument = |(i, tensor): (usize, &TensorReport)| {
        let rust = format!("{reference}{kind}{i}");
        if without[i] {
            return (rust, None);
        }
        let plain = is_identifier(&tensor.name) && names.insert(tensor.name.clone());
        (rust, Some(if plain { tensor.name.clone() } else { format!("{what}{i}_") }))
    };
    tensors.iter().enumerate().map(&mut argument).collect()
}

/// Whether a name can be that of an argument as it is: lower case, no keyword, and none that is made here.
pub(super) fn is_identifier(name: &str) -> bool {
    const KEYWORDS: [&str; 47] = [
        "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum",
        "extern", "false", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "match", "mod",
        "move", "mut", "pub", "ref", "return", "self", "static", "struct", "super", "trait",
        "true", "type", "unsafe", "use", "where", "while", "abstract", "become", "box", "do",
        "final", "macro", "override", "try", "yield",
    ];
    let first = name.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let reserved = ["priv", "typeof", "unsized", "virtual"];
    first && rest && !name.ends_with('_') && !KEYWORDS.contains(&name) && !reserved.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, dtype: &str, dims: &[u32]) -> TensorReport {
        let (name, dtype, dims) = (name.to_owned(), dtype.to_owned(), dims.to_vec());
        TensorReport { name, dtype, dims, stored: None }
    }

    #[test]
    fn tensors_are_nested_arrays() {
        assert_eq!(array(&tensor("x", "f32", &[1, 8, 3])), "[[[f32; 3]; 8]; 1]");
        assert_eq!(array(&tensor("x", "i4", &[])), "i8");
        assert_eq!(array(&tensor("x", "complex<f32>", &[2])), "[[f32; 2]; 2]");
        for &dtype in DType::ALL {
            let sizes = [("8", 1), ("16", 2), ("32", 4), ("64", 8)];
            let (name, parts) = match element(dtype).strip_prefix('[') {
                Some(pair) => (pair.trim_end_matches("; 2]"), 2),
                None => (element(dtype), 1),
            };
            let size =
                sizes.iter().find(|(bits, _)| name.ends_with(bits)).map(|(_, size)| size * parts);
            assert_eq!(size, Some(dtype.size()), "{dtype:?}");
        }
    }

    #[test]
    fn arguments_have_names_that_compile() {
        let tensors = ["audio", "in", "audio", "Audio", "a.b"].map(|name| tensor(name, "i8", &[1]));
        let without = [false, false, false, false, true];
        let arguments = arguments(&tensors, &without, "input", &mut HashSet::new());
        let names: Vec<Option<&str>> = arguments.iter().map(|(_, name)| name.as_deref()).collect();
        assert_eq!(names, [Some("audio"), Some("input1_"), Some("input2_"), Some("input3_"), None]);
        assert_eq!(arguments[4].0, "&Input4");
    }
}
