//! HLO text to the graph, in one pass.

mod attrs;
mod cursor;
mod literal;
mod shape;

pub(super) use literal::packed;
pub(super) use shape::{is_permutation, tensor};

use std::collections::HashMap;

use super::graph::{Attrs, Computation, Graph, Instruction, Res, Shape, error};
use crate::diag::Span;
use cursor::Cursor;

/// Whether a file's bytes are HLO text: the first word is `HloModule`.
/// See the example of [`parse_text`](super::parse_text).
pub fn looks_like_text(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    loop {
        rest = rest.trim_ascii_start();
        match rest {
            [b'/', b'/', tail @ ..] => {
                rest = memchr::memchr(b'\n', tail).map_or(&[], |end| &tail[end..]);
            }
            _ => return rest.strip_prefix(b"HloModule").is_some_and(|r| r.starts_with(b" ")),
        }
    }
}

/// A computation's name where an instruction calls it.
struct Call<'a> {
    computation: usize,
    instruction: usize,
    slot: usize,
    name: &'a str,
    span: Span,
}

/// State of a parse.
struct Parser<'a> {
    c: Cursor<'a>,
    graph: Graph,
    entry: Option<usize>,
    computations: HashMap<&'a str, usize>,
    /// Instructions of the computation being parsed.
    names: HashMap<&'a str, usize>,
    /// The instruction being parsed.
    current: usize,
    calls: Vec<Call<'a>>,
}

/// Parses a module.
pub(super) fn parse(text: &str) -> Res<Graph> {
    let mut parser = Parser {
        c: Cursor::new(text),
        graph: Graph::default(),
        entry: None,
        computations: HashMap::new(),
        names: HashMap::new(),
        current: 0,
        calls: Vec::new(),
    };
    parser.header()?;
    while !parser.c.at_end() {
        parser.section_or_computation()?;
    }
    parser.finish()
}

impl<'a> Parser<'a> {
    /// `HloModule name, key=value, ...`.
    fn header(&mut self) -> Res<()> {
        if !self.c.eat_word("HloModule") {
            return Err(self.c.expected("`HloModule`"));
        }
        self.graph.name = self.c.name("the module's name")?.0.to_string();
        while self.c.eat(",") {
            let key = self.c.word("an attribute of the module")?;
            self.c.expect("=")?;
            if key == "entry_computation_layout" {
                self.entry_layout()?;
            } else {
                self.c.raw_value()?;
            }
        }
        Ok(())
    }

    /// `{(f32[2]{0}, s32[])->f32[2]{0}}`.
    fn entry_layout(&mut self) -> Res<()> {
        self.c.expect("{")?;
        if let Shape::Tuple(parameters) = self.c.shape()? {
            self.graph.entry_parameters = parameters;
        }
        self.c.expect("->")?;
        self.graph.entry_result = Some(self.c.shape()?);
        self.c.expect("}")
    }

    /// A computation, or one of the tables of source locations that some printers put first.
    fn section_or_computation(&mut self) -> Res<()> {
        const TABLES: [&str; 4] = ["FileNames", "FunctionNames", "FileLocations", "StackFrames"];
        if !TABLES.contains(&self.c.peek_word()) {
            return self.computation();
        }
        self.c.word("a table")?;
        while self.c.peek().is_ascii_digit() {
            // One entry per line.
            let rest = self.c.rest();
            self.c.advance(memchr::memchr(b'\n', rest).unwrap_or(rest.len()));
        }
        Ok(())
    }

    /// `ENTRY %name (p: f32[]) -> f32[] { ... }`, the signature being optional.
    fn computation(&mut self) -> Res<()> {
        let is_entry = self.c.eat_word("ENTRY");
        let (name, span) = self.c.name("a computation")?;
        if self.c.peek() == b'(' {
            self.signature()?;
        }
        let index = self.graph.computations.len();
        if self.computations.insert(name, index).is_some() {
            return Err(error(span, format!("the computation `{name}` is defined twice")));
        }
        if is_entry && self.entry.replace(index).is_some() {
            return Err(error(span, "the module has two entry computations"));
        }
        self.c.expect("{")?;
        self.names.clear();
        let computation = Computation { name: name.to_string(), span, ..Computation::default() };
        self.graph.computations.push(computation);
        let mut root = None;
        while !self.c.eat("}") {
            let is_root = self.c.eat_word("ROOT");
            let instruction = self.instruction()?;
            let instructions = &mut self.graph.computations[index].instructions;
            if is_root && root.replace(instructions.len()).is_some() {
                return Err(error(instruction.span, "the computation has two roots"));
            }
            instructions.push(instruction);
        }
        let computation = &mut self.graph.computations[index];
        let last = computation.instructions.len().checked_sub(1);
        let Some(last) = last else {
            return Err(error(span, format!("the computation `{name}` has no instructions")));
        };
        computation.root = root.unwrap_or(last);
        while self.c.eat(",") {
            self.c.word("an attribute of the computation")?;
            self.c.expect("=")?;
            self.c.raw_value()?;
        }
        Ok(())
    }

    /// `(p: f32[2], q: s32[]) -> f32[2]`.
    fn signature(&mut self) -> Res<()> {
        self.c.expect("(")?;
        while !self.c.eat(")") {
            self.c.name("a parameter")?;
            self.c.expect(":")?;
            self.c.shape()?;
            if self.c.peek() != b')' {
                self.c.expect(",")?;
            }
        }
        self.c.expect("->")?;
        self.c.shape()?;
        Ok(())
    }

    /// `%name = f32[2]{0} add(f32[2]{0} %x, f32[2]{0} %y), key=value`.
    fn instruction(&mut self) -> Res<Instruction> {
        let (name, span) = self.c.name("an instruction or `}`")?;
        self.current = self.names.len();
        self.c.expect("=")?;
        let shape = self.c.shape()?;
        let opcode = self.c.word("an opcode")?;
        let mut attrs = Box::new(Attrs::default());
        let mut operands = Vec::new();
        self.c.expect("(")?;
        match opcode {
            "parameter" => {
                let number = self.c.int()?;
                attrs.parameter = u64::try_from(number).ok();
                self.c.expect(")")?;
            }
            "constant" => {
                attrs.literal = Some(self.c.literal(&shape)?);
                self.c.expect(")")?;
            }
            _ => self.operands(&mut operands)?,
        }
        // The printer always writes it; XLA's own parser takes it as true where it is missing.
        attrs.largest = opcode == "topk";
        self.attributes(&mut attrs)?;
        if self.names.insert(name, self.current).is_some() {
            return Err(error(span, format!("the instruction `{name}` is defined twice")));
        }
        let opcode = opcode.to_string();
        Ok(Instruction { name: name.to_string(), opcode, shape, operands, attrs, span })
    }

    /// Operands up to the `)`, each with or without its shape.
    fn operands(&mut self, operands: &mut Vec<usize>) -> Res<()> {
        while !self.c.eat(")") {
            if self.has_shape() {
                self.c.shape()?;
            }
            let (name, span) = self.c.name("an operand")?;
            let Some(&index) = self.names.get(name) else {
                let message = format!("no instruction before this one is called `{name}`");
                return Err(error(span, message));
            };
            operands.push(index);
            if self.c.peek() != b')' {
                self.c.expect(",")?;
            }
        }
        Ok(())
    }

    fn has_shape(&mut self) -> bool {
        let word = self.c.peek_word().len();
        match self.c.rest().get(word) {
            Some(b'[') => word > 0,
            Some(b'(') => word == 0,
            _ => false,
        }
    }

    /// Notes that the current instruction calls a computation.
    fn call(&mut self, slot: usize, name: &'a str, span: Span) {
        let computation = self.graph.computations.len().saturating_sub(1);
        self.calls.push(Call { computation, instruction: self.current, slot, name, span });
    }

    /// Resolves names that may stand before their definition.
    fn finish(mut self) -> Res<Graph> {
        for call in &self.calls {
            let Some(&callee) = self.computations.get(call.name) else {
                let message = format!("there is no computation `{}`", call.name);
                return Err(error(call.span, message));
            };
            let computation = &mut self.graph.computations[call.computation];
            let called = &mut computation.instructions[call.instruction].attrs.called;
            if called.len() <= call.slot {
                called.resize(call.slot + 1, usize::MAX);
            }
            called[call.slot] = callee;
        }
        let only = (self.graph.computations.len() == 1).then_some(0);
        self.graph.entry = self.entry.or(only).ok_or_else(|| {
            error(Span::default(), "the module has no computation marked `ENTRY`")
        })?;
        Ok(self.graph)
    }
}
