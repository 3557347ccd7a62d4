//! Operations, values, blocks and regions.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::cursor::{PResult, Stop, advise, error, mark_unsupported};
use super::func::Argument;
use super::parser::Parser;
use crate::diag::{Diagnostic, Span};
use crate::front::renames;
use crate::ir::{Attr, BlockId, Body, Dict, EntityId, OpId, Type, ValueId};
use crate::ops::foreign::Foreign;
use crate::ops::{AttrReader, OpError, OpKind};
use crate::verify::VerifyError;

/// What a name stands for.
#[derive(Clone, Copy)]
enum Binding {
    /// `count` values with consecutive ids.
    Values { first: ValueId, count: u32 },
    /// Results of an operation that did not parse; its report is enough.
    Unknown,
}

/// The function being parsed, and the names visible in it.
#[derive(Default)]
pub(crate) struct Scope<'a> {
    pub(crate) body: Body,
    names: HashMap<&'a str, Binding>,
    /// Names defined in open regions, to be forgotten at their ends.
    defined: Vec<&'a str>,
}

/// An operand with its place in the text.
#[derive(Clone, Copy)]
pub(crate) struct Operand {
    pub(crate) value: ValueId,
    pub(crate) span: Span,
}

/// An operation as written, before the operation table reads it.
pub(crate) struct RawOp<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) operands: Vec<Operand>,
    pub(crate) results: Vec<Type>,
    pub(crate) attrs: Dict,
    /// How many of the attributes, the first ones, are written as properties in `<{...}>`.
    pub(crate) properties: usize,
    pub(crate) regions: Vec<BlockId>,
    /// The operation's name.
    pub(crate) span: Span,
}

impl<'a> RawOp<'a> {
    fn new(name: Cow<'a, str>, span: Span) -> RawOp<'a> {
        RawOp {
            name,
            operands: Vec::new(),
            results: Vec::new(),
            attrs: Dict::default(),
            properties: 0,
            regions: Vec::new(),
            span,
        }
    }
}

/// Names on the left of `=`.
struct ResultName<'a> {
    name: &'a str,
    count: u32,
    span: Span,
}

static KNOWN: LazyLock<HashSet<&'static str>> = LazyLock::new(|| OpKind::known().collect());

/// Most results of one `%name:N`.
const MAX_RESULTS: i64 = 1 << 16;

/// Spellings that only stand inside of functions, without a dialect.
const SHORT: &[&str] = &["return", "call"];

/// The operation's name in the table.
pub(crate) fn canonical(name: Cow<'_, str>) -> Cow<'_, str> {
    renames::renamed(name, |known| KNOWN.contains(known))
}

/// The name of a block's end: in functions, which `top` says, JAX ends some with
/// `stablehlo.return`, and that means the same there.
pub(crate) fn terminator(name: Cow<'_, str>, top: bool) -> Cow<'_, str> {
    match top && name == "stablehlo.return" {
        true => Cow::Borrowed("func.return"),
        false => name,
    }
}

/// Whether the operation table has an operation of this name.
pub(crate) fn is_known(name: &str) -> bool {
    KNOWN.contains(name)
}

impl<'a> Parser<'a> {
    /// Operations up to the block's end. An operation that does not parse is reported and skipped.
    pub(crate) fn block_ops(&mut self, block: BlockId) -> PResult<()> {
        loop {
            match self.c.peek() {
                b'}' => return Ok(()),
                b'^' => {
                    let stop = mark_unsupported(self.c.expected("one block per region"));
                    return Err(advise(
                        stop,
                        "control flow between blocks is not supported; use \
                        `stablehlo.if`, `stablehlo.case` or `stablehlo.while`",
                    ));
                }
                0 if self.c.rest().is_empty() => return Err(self.c.expected("`}`")),
                _ => {}
            }
            let (start, depth, regions) = (self.c.pos(), self.c.depth(), self.regions);
            let Err(stop) = self.op(block) else { continue };
            self.regions = regions;
            if let Some(report) = stop
                && !self.report(*report)
            {
                return Err(None);
            }
            self.c.set_depth(depth);
            self.skip_op(start)?;
        }
    }

    /// Skips the operation that began at `start` and failed here.
    fn skip_op(&mut self, start: usize) -> PResult<()> {
        let failed = self.c.pos();
        self.c.seek(start);
        let mut depth = 0usize;
        loop {
            match self.c.rest() {
                [] => return Err(None),
                [b'"', ..] => {
                    self.c.raw_string().map_err(|_| None)?;
                    continue;
                }
                [b'/', b'/', ..] => {
                    let rest = self.c.rest();
                    let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                    self.c.seek(self.c.pos() + end);
                    continue;
                }
                [b'{' | b'(' | b'[', ..] => depth += 1,
                [b'}', ..] if depth == 0 => {
                    // The end of the block; a failure beyond it cannot be recovered from.
                    return if self.c.pos() >= failed { Ok(()) } else { Err(None) };
                }
                [b'}' | b')' | b']', ..] => depth = depth.saturating_sub(1),
                [b'\n', ..] if depth == 0 && self.c.pos() >= failed && self.op_ended(start) => {
                    return Ok(());
                }
                _ => {}
            }
            self.c.seek(self.c.pos() + 1);
        }
    }

    /// Whether this line end ends the operation that began at `start`: what stands before it can
    /// end one, and what follows can begin one.
    fn op_ended(&mut self, start: usize) -> bool {
        let back = self.c.pos();
        let before = self.c.since(start).trim_ascii_end();
        let first = self.c.peek();
        let word = self.c.peek_word();
        self.c.seek(back);
        let open =
            before.ends_with(b"->") || matches!(before.last(), Some(b',' | b'=' | b'<' | b':'));
        let begins = matches!(first, b'%' | b'"' | b'}' | b'^')
            || word.contains('.')
            || SHORT.contains(&word);
        begins && !open
    }

    /// One operation, appended to `block`.
    fn op(&mut self, block: BlockId) -> PResult<()> {
        self.c.enter(self.c.pos())?;
        let names = self.result_names()?;
        let mark = self.scope.defined.len();
        let parsed = self.raw_op(true).and_then(|raw| self.build(block, raw, &names));
        if parsed.is_err() {
            self.forget(mark);
            // Uses of the results would only repeat the report.
            for result in &names {
                self.bind(result.name, Binding::Unknown);
            }
        }
        self.c.leave();
        parsed.map(|_| ())
    }

    /// `%a, %b:2 =`; empty for operations without results.
    fn result_names(&mut self) -> PResult<Vec<ResultName<'a>>> {
        let mut names = Vec::new();
        if !self.c.at("%") {
            return Ok(names);
        }
        loop {
            self.c.skip();
            let start = self.c.pos();
            self.c.expect("%")?;
            let name = self.c.name("a value name after `%`")?;
            let mut count = 1;
            if self.c.eat(":") {
                let n = self.c.int64()?;
                if !(1..=MAX_RESULTS).contains(&n) {
                    let message =
                        format!("the number of results must be 1 to {MAX_RESULTS}, is {n}");
                    return Err(error(self.c.span_since(start), message));
                }
                count = n as u32;
            }
            names.push(ResultName { name, count, span: self.c.span_since(start) });
            if !self.c.eat(",") {
                break;
            }
        }
        self.c.expect("=")?;
        Ok(names)
    }

    /// An operation without its result names. With `known_only`, names of StableHLO that are missing
    /// from the operation table are refused before their syntax is looked at.
    pub(crate) fn raw_op(&mut self, known_only: bool) -> PResult<RawOp<'a>> {
        self.c.skip();
        let start = self.c.pos();
        let generic = self.c.at("\"");
        let name = match generic {
            true => self.c.string()?,
            false => Cow::Borrowed(self.c.word()),
        };
        let span = self.c.span_since(start);
        if name.is_empty() {
            let stop =
                self.c.expected("an operation such as `stablehlo.add` or `\"stablehlo.add\"`");
            return Err(stop);
        }
        if name.starts_with("vhlo.") && generic {
            let top = self.regions == 0;
            let mut raw = self.vhlo_op(RawOp::new(name, span), top)?;
            if known_only && !KNOWN.contains(&*raw.name) {
                return Err(unknown_op(&raw.name, span));
            }
            raw.properties = 0;
            self.optional_location()?;
            return Ok(raw);
        }
        let name = terminator(canonical(name), self.regions == 0);
        let own = KNOWN.contains(&*name) || own_dialect(&name);
        if own && known_only && !KNOWN.contains(&*name) {
            return Err(unknown_op(&name, span));
        }
        let mut raw = RawOp::new(name, span);
        match (generic, own) {
            (true, _) => self.generic_op(&mut raw)?,
            (false, true) => self.pretty_op(&mut raw)?,
            (false, false) => {
                if !self.pretty_foreign(&mut raw)? {
                    return Err(unknown_op(&raw.name, span));
                }
            }
        }
        if raw.name == "chlo.top_k" {
            largest_only(&mut raw)?;
        }
        self.optional_location()?;
        Ok(raw)
    }

    /// `(%a, %b) <{..}> ({..}, {..}) {..} : (A, B) -> C`.
    pub(crate) fn generic_op(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        self.operand_list(raw)?;
        if self.c.at("[") {
            let stop = mark_unsupported(self.c.expected("no successor blocks"));
            return Err(advise(stop, "control flow between blocks is not supported"));
        }
        if self.c.eat("<") {
            raw.attrs.0.extend(self.attr_dict()?.0);
            raw.properties = raw.attrs.0.len();
            self.c.expect(">")?;
        }
        if self.c.eat("(") {
            loop {
                let block = self.region(&[])?;
                raw.regions.push(block);
                if !self.c.eat(",") {
                    break;
                }
            }
            self.c.expect(")")?;
        }
        self.optional_dict(&mut raw.attrs)?;
        self.functional_type(raw)
    }

    /// `: (A, B) -> C`.
    pub(crate) fn functional_type(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        self.c.expect(":")?;
        let (inputs, results) = self.function_type()?;
        self.check_operands(raw, &inputs)?;
        raw.results = results;
        Ok(())
    }

    /// `(%a, %b)`.
    pub(crate) fn operand_list(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        self.c.expect("(")?;
        while !self.c.eat(")") {
            let operand = self.operand()?;
            raw.operands.push(operand);
            if !self.c.at(")") {
                self.c.expect(",")?;
            }
        }
        Ok(())
    }

    /// `%a` or `%a#1`.
    pub(crate) fn operand(&mut self) -> PResult<Operand> {
        self.c.skip();
        let start = self.c.pos();
        if !self.c.eat("%") {
            return Err(self.c.expected("a value `%...`"));
        }
        let name = self.c.name("a value name after `%`")?;
        let index = if self.c.rest().first() == Some(&b'#') {
            self.c.expect("#")?;
            Some(self.c.int64()?)
        } else {
            None
        };
        let span = self.c.span_since(start);
        match self.scope.names.get(name) {
            None => {
                let stop = error(span, format!("`%{name}` is not defined here"));
                let help = "values are defined before their use, in the same or an enclosing block";
                Err(advise(stop, help))
            }
            Some(Binding::Unknown) => Err(None),
            Some(&Binding::Values { first, count }) => {
                // As in MLIR, the bare name of several values is the first.
                let index = index.unwrap_or(0);
                if !(0..i64::from(count)).contains(&index) {
                    let message = format!("`%{name}` has {count} values, there is no `#{index}`");
                    return Err(error(span, message));
                }
                Ok(Operand { value: ValueId::new(first.index() + index as usize), span })
            }
        }
    }

    /// Compares the operands' types with those written at the operation's end.
    pub(crate) fn check_operands(&mut self, raw: &RawOp<'_>, types: &[Type]) -> PResult<()> {
        if raw.operands.len() != types.len() {
            let (have, want) = (raw.operands.len(), types.len());
            let message = format!("`{}` has {have} operands, its type lists {want}", raw.name);
            return Err(error(raw.span, message));
        }
        for (operand, ty) in raw.operands.iter().zip(types) {
            let actual = self.scope.body.ty(operand.value);
            if actual != ty {
                let message =
                    format!("expected an operand of type {ty}, found one of type {actual}");
                return Err(error(operand.span, message));
            }
        }
        Ok(())
    }

    /// `{ ^bb0(%x: T): ... }` as a new block. `args` are arguments that the operation's short form
    /// names.
    pub(crate) fn region(&mut self, args: &[(&'a str, Span, Type)]) -> PResult<BlockId> {
        self.c.skip();
        self.c.enter(self.c.pos())?;
        self.c.expect("{")?;
        let mark = self.scope.defined.len();
        self.regions += 1;
        let block = self.scope.body.add_block();
        for (name, span, ty) in args {
            let value = self.scope.body.add_arg(block, ty.clone());
            self.define(name, *span, value, 1)?;
        }
        if self.c.at("^") {
            self.block_label(block)?;
        }
        self.block_ops(block)?;
        self.c.expect("}")?;
        self.forget(mark);
        self.regions -= 1;
        self.c.leave();
        Ok(block)
    }

    /// Forgets the names defined after the first `mark` ones.
    fn forget(&mut self, mark: usize) {
        for name in self.scope.defined.drain(mark..) {
            self.scope.names.remove(name);
        }
    }

    /// `^bb0(%x: T, %y: U):`.
    pub(crate) fn block_label(&mut self, block: BlockId) -> PResult<Vec<Argument<'a>>> {
        self.c.expect("^")?;
        self.c.name("a block label after `^`")?;
        let args = if self.c.at("(") { self.argument_list()? } else { Vec::new() };
        self.c.expect(":")?;
        for arg in &args {
            let Some((name, span)) = arg.name else {
                return Err(self.c.expected("named block arguments `%x: T`"));
            };
            let value = self.scope.body.add_arg(block, arg.ty.clone());
            self.define(name, span, value, 1)?;
        }
        Ok(args)
    }

    /// Names `count` values from `first`.
    pub(crate) fn define(
        &mut self,
        name: &'a str,
        span: Span,
        first: ValueId,
        count: u32,
    ) -> PResult<()> {
        if let Some(Binding::Values { .. }) = self.scope.names.get(name) {
            return Err(error(span, format!("`%{name}` is defined twice")));
        }
        self.bind(name, Binding::Values { first, count });
        Ok(())
    }

    fn bind(&mut self, name: &'a str, binding: Binding) {
        if self.scope.names.insert(name, binding).is_none() {
            self.scope.defined.push(name);
        }
    }

    /// Reads the attributes and appends the operation.
    fn build(&mut self, block: BlockId, raw: RawOp<'a>, names: &[ResultName<'a>]) -> PResult<OpId> {
        let have = raw.results.len();
        let named: usize = names.iter().map(|n| n.count as usize).sum();
        if named != have && !names.is_empty() {
            let span = names.first().map_or(raw.span, |n| n.span);
            let message = format!("`{}` has {have} results, {named} are named", raw.name);
            return Err(error(span, message));
        }
        let operands: Vec<ValueId> = raw.operands.iter().map(|o| o.value).collect();
        let (kind, attrs) = match KNOWN.contains(&*raw.name) {
            true => {
                let ty = |&v: &ValueId| self.scope.body.ty(v).clone();
                let types: Vec<Type> = operands.iter().map(ty).collect();
                read_op(&raw.name, raw.span, raw.attrs, &types, &raw.results)?
            }
            false => foreign(&raw.name, raw.attrs, raw.properties),
        };
        let body = &mut self.scope.body;
        let id = body.make_op(kind, operands, raw.results, raw.regions, raw.span);
        body.ops[id].attrs = attrs;
        body.blocks[block].ops.push(id);
        let mut at = 0;
        for result in names {
            let first = self.scope.body.ops[id].results[at];
            at += result.count as usize;
            self.define(result.name, result.span, first, result.count)?;
        }
        Ok(id)
    }

    /// An operation without result names, appended to `block`.
    pub(crate) fn unnamed_op(&mut self, block: BlockId) -> PResult<OpId> {
        let raw = self.raw_op(true)?;
        self.build(block, raw, &[])
    }
}

/// An operation of another dialect, of whose attributes the first `properties` are inherent.
fn foreign(name: &str, mut attrs: Dict, properties: usize) -> (OpKind, Dict) {
    let discardable = Dict(attrs.0.split_off(properties.min(attrs.0.len())));
    let name = name.into();
    (Foreign { name, properties: attrs, place: None }.into(), discardable)
}

/// MHLO's `topk` says whether it takes the largest values, which `top_k` always does.
fn largest_only(raw: &mut RawOp<'_>) -> PResult<()> {
    let found = raw.attrs.0.iter().position(|(name, _)| &**name == "largest");
    match found.map(|at| raw.attrs.0.remove(at).1) {
        Some(Attr::Bool(false)) => {
            let stop = error(raw.span, "`topk` of the smallest values is not supported");
            Err(advise(stop, "negate the operand, and take the largest values"))
        }
        _ => Ok(()),
    }
}

/// Whether the name belongs to a dialect whose operations are all known here: another one of them
/// is an error at once. Names without a dialect are one, too.
pub(crate) fn own_dialect(name: &str) -> bool {
    let dialect = name.split_once('.').map_or("", |(dialect, _)| dialect);
    matches!(dialect, "" | "stablehlo" | "chlo" | "vhlo")
}

/// What the operation table makes of an operation, and the attributes that it leaves.
pub(crate) fn read_op(
    name: &str,
    span: Span,
    attrs: Dict,
    operands: &[Type],
    results: &[Type],
) -> PResult<(OpKind, Dict)> {
    let mut reader = AttrReader::new(attrs, operands, results);
    match OpKind::read(name, &mut reader) {
        Some(Ok(kind)) => Ok((kind, reader.finish())),
        Some(Err(violation)) => Err(bad_attribute(name, span, violation)),
        None => Err(unknown_op(name, span)),
    }
}

fn bad_attribute(name: &str, span: Span, violation: OpError) -> Stop {
    let op = KNOWN.get(name).copied().unwrap_or("operation");
    let OpError { constraint, message } = violation;
    Some(Box::new(Diagnostic::from(&VerifyError { span, op, constraint, message })))
}

/// An operation that the table lacks.
fn unknown_op(name: &str, span: Span) -> Stop {
    let dialect = name.split_once('.').map_or("", |(d, _)| d);
    let report = Diagnostic::unsupported(format!("operation `{name}` is not supported")).at(span);
    let report = match dialect {
        "vhlo" => report.help("operations of VHLO are written in the generic form"),
        "stablehlo" => report.help(similar(name)),
        "chlo" => report.help("legalise it to StableHLO before compiling, or change the model"),
        "" => report.help("operations carry their dialect: `stablehlo.add`"),
        _ => report.help(
            "its short form cannot be read; print the program in the generic form \
             (`--mlir-print-op-generic`), or legalise it to StableHLO",
        ),
    };
    Some(Box::new(report))
}

/// Known operations whose names resemble `name`.
fn similar(name: &str) -> String {
    let base = name.split_once('.').map_or(name, |(_, b)| b);
    let close = |known: &&&str| {
        let other = known.split_once('.').map_or(**known, |(_, b)| b);
        other.contains(base) || base.contains(other) || shared_prefix(base, other) >= 4
    };
    let mut found: Vec<&str> =
        KNOWN.iter().filter(|k| k.starts_with("stablehlo.")).filter(close).copied().collect();
    found.sort_unstable();
    found.truncate(6);
    if found.is_empty() {
        let count = KNOWN.len();
        return format!("none of the {count} supported operations resembles it");
    }
    format!("supported operations with similar names: {}", found.join(", "))
}

fn shared_prefix(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count()
}
