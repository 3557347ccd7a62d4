//! Binary HLO to the graph.

mod attrs;
mod literal;
mod messages;
mod shape;

use std::collections::HashMap;
use std::fmt::Write as _;

use prost::Message;
use prost::bytes::Bytes;

use super::graph::{Computation, Graph, Instruction, Res, Shape, error};
use crate::diag::{Diagnostic, Span};
use messages::{HloComputationProto, HloInstructionProto, HloModuleProto, HloProto, HloSnapshot};

/// Whether a file's bytes are one of the protocol buffers that [`super::read_proto`] decodes:
/// their fields follow each other up to the end, or their beginning is that of one and no text.
/// See the example of [`parse_text`](super::parse_text).
pub fn looks_like_proto(bytes: &[u8]) -> bool {
    let begins = matches!(bytes.first(), Some(0x0a | 0x12 | 0x1a));
    let head = &bytes[..bytes.len().min(4096)];
    let control = |b: &u8| *b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c);
    begins && (head.iter().any(control) || fields_fit(bytes))
}

/// Whether length-delimited fields and varints fill the bytes exactly.
fn fields_fit(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let Ok(tag) = prost::encoding::decode_varint(&mut rest) else { return false };
        let skip = match tag & 7 {
            0 => prost::encoding::decode_varint(&mut rest).map(|_| 0),
            1 => Ok(8),
            2 => prost::encoding::decode_varint(&mut rest),
            5 => Ok(4),
            _ => return false,
        };
        let tail = skip.ok().and_then(|n| usize::try_from(n).ok()).and_then(|n| rest.get(n..));
        let Some(tail) = tail.filter(|_| tag >> 3 != 0) else { return false };
        rest = tail;
    }
    !bytes.is_empty()
}

/// Decodes a module. The listing is text that has one line per instruction; spans point into it.
pub(super) fn read(bytes: Vec<u8>) -> (String, Res<Graph>) {
    let mut reader = Reader { listing: String::new() };
    let graph = decode(bytes).and_then(|module| reader.module(module));
    (reader.listing, graph)
}

fn decode(bytes: Vec<u8>) -> Res<HloModuleProto> {
    let bytes = Bytes::from(bytes);
    // In the messages around a module, field 1 is a message; in the module it is the name.
    let reason = match HloModuleProto::decode(bytes.clone()) {
        Ok(module) if !module.computations.is_empty() => return Ok(module),
        Ok(_) => "the module has no computations".to_string(),
        Err(reason) => reason.to_string(),
    };
    let filled = |module: &HloModuleProto| !module.computations.is_empty();
    let inner = HloProto::decode(bytes.clone()).ok().and_then(|p| p.hlo_module).filter(filled);
    let inner = inner
        .or_else(|| HloSnapshot::decode(bytes).ok().and_then(|s| s.hlo?.hlo_module).filter(filled));
    inner.ok_or_else(|| {
        let message = format!("the file is no complete HloModuleProto or HloProto: {reason}");
        Box::new(Diagnostic::error(message).help("export the module again, or pass it as text"))
    })
}

/// Indices of instructions or computations by their ids.
type Ids = HashMap<i64, usize>;

struct Reader {
    listing: String,
}

impl Reader {
    fn module(&mut self, module: HloModuleProto) -> Res<Graph> {
        let mut ids = Ids::new();
        for (index, computation) in module.computations.iter().enumerate() {
            if ids.insert(computation.id, index).is_some() {
                let message = format!("two computations have the id {}", computation.id);
                return Err(error(Span::default(), message));
            }
        }
        let _ = writeln!(self.listing, "HloModule {}", module.name);
        let entry = ids.get(&module.entry_computation_id).copied().ok_or_else(|| {
            let message =
                format!("the entry computation {} does not exist", module.entry_computation_id);
            error(Span::default(), message)
        })?;
        let mut computations = Vec::new();
        for computation in module.computations {
            computations.push(self.computation(computation, &ids)?);
        }
        let mut graph = Graph { name: module.name, computations, entry, ..Graph::default() };
        if let Some(program) = module.host_program_shape {
            let shapes = program.parameters.iter().map(shape::shape);
            graph.entry_parameters = shapes.collect::<Result<_, _>>().map_err(bare)?;
            graph.entry_result =
                program.result.as_ref().map(shape::shape).transpose().map_err(bare)?;
        }
        Ok(graph)
    }

    fn computation(&mut self, proto: HloComputationProto, ids: &Ids) -> Res<Computation> {
        let start = self.listing.len() + 1;
        let _ = writeln!(self.listing, "\n{} {{", proto.name);
        let span = Span::new(start, start + proto.name.len());
        let mut known = Ids::new();
        let mut instructions = Vec::new();
        for instruction in proto.instructions {
            let id = instruction.id;
            let instruction = self.instruction(instruction, &known, &instructions, ids)?;
            if known.insert(id, instructions.len()).is_some() {
                let message = format!("two instructions have the id {id}");
                return Err(error(instruction.span, message));
            }
            instructions.push(instruction);
        }
        let _ = writeln!(self.listing, "}}");
        let root = known.get(&proto.root_id).copied().ok_or_else(|| {
            error(span, format!("the root {} of `{}` does not exist", proto.root_id, proto.name))
        })?;
        Ok(Computation { name: proto.name, instructions, root, span })
    }

    fn instruction(
        &mut self,
        mut proto: HloInstructionProto,
        known: &Ids,
        before: &[Instruction],
        ids: &Ids,
    ) -> Res<Instruction> {
        let name = std::mem::take(&mut proto.name);
        let shape = proto.shape.take().ok_or_else(|| "it has no shape".to_string());
        let shape = shape.and_then(|s| shape::shape(&s));
        let operands = resolve(&proto.operand_ids, known, "operand");
        let span = self.line(&name, &proto, shape.as_ref().ok(), operands.as_deref(), before);
        let at = |message: String| error(span, format!("instruction `{name}`: {message}"));
        let (shape, operands) = (shape.map_err(at)?, operands.map_err(at)?);
        let called = resolve(&proto.called_computation_ids, ids, "computation").map_err(at)?;
        let opcode = std::mem::take(&mut proto.opcode);
        let attrs = attrs::attributes(proto, &opcode, &shape, called).map_err(at)?;
        Ok(Instruction { name, opcode, shape, operands, attrs: Box::new(attrs), span })
    }

    /// Writes the line of the listing that stands for an instruction.
    fn line(
        &mut self,
        name: &str,
        proto: &HloInstructionProto,
        shape: Option<&Shape>,
        operands: Result<&[usize], &String>,
        before: &[Instruction],
    ) -> Span {
        let start = self.listing.len() + 2;
        let names = |&i: &usize| before.get(i).map_or("?", |o| o.name.as_str());
        let operands: Vec<&str> = operands.unwrap_or_default().iter().map(names).collect();
        let shape = shape.map_or_else(|| "?".to_string(), ToString::to_string);
        let (opcode, operands) = (&proto.opcode, operands.join(", "));
        let _ = writeln!(self.listing, "  {name} = {shape} {opcode}({operands})");
        Span::new(start, start + name.len().max(1))
    }
}

fn bare(message: String) -> Box<Diagnostic> {
    error(Span::default(), format!("the entry computation's signature: {message}"))
}

/// Indices of ids.
fn resolve(ids: &[i64], known: &Ids, what: &str) -> Result<Vec<usize>, String> {
    let one = |id: &i64| {
        known.get(id).copied().ok_or_else(|| format!("the {what} with the id {id} does not exist"))
    };
    ids.iter().map(one).collect()
}
