//! The IR section: operations, regions and value numbers, to a module.

use std::collections::HashSet;
use std::sync::Arc;

use super::container::{File, OpName, version};
use super::entries::{Entries, Location};
use super::reader::{Failure, Reader, Res, advise, fail, section, unsupported};
use crate::diag::Diagnostic;
use crate::ir::{Attr, BlockId, Body, Dict, Module, ValueId};

/// Number of reports that are kept.
const MAX_REPORTS: usize = 20;

/// Deepest nesting of regions, as in the text front end.
const MAX_DEPTH: usize = 128;

/// What a value number stands for.
#[derive(Clone, Copy)]
pub(super) enum Slot {
    /// Nothing yet.
    Undefined,
    Value(ValueId),
    /// A result of an operation that could not be read; its report is enough.
    Unknown,
}

/// Value numbers of an isolated operation's regions.
#[derive(Default)]
struct Scope {
    slots: Vec<Slot>,
    next: usize,
}

/// An operation as stored, before its regions.
pub(super) struct Head<'a> {
    pub(super) at: usize,
    pub(super) name: OpName<'a>,
    /// Number of the location attribute.
    pub(super) location: usize,
    pub(super) attrs: Option<usize>,
    pub(super) properties: Option<usize>,
    /// Numbers of the result types.
    pub(super) results: Vec<usize>,
    pub(super) operands: Vec<Slot>,
    regions: usize,
    isolated: bool,
}

/// State of reading a module.
pub(super) struct Builder<'c, 'a> {
    pub(super) entries: Entries<'a>,
    pub(super) body: Body,
    pub(super) module: Module,
    pub(super) func_names: HashSet<Arc<str>>,
    scopes: Vec<Scope>,
    /// Value numbers in all scopes.
    live: usize,
    depth: usize,
    reports: Vec<Diagnostic>,
    reported: HashSet<String>,
    /// Number of operations that could not be read.
    pub(super) failed: usize,
    name: &'c str,
}

/// Reads the module of a file of `len` bytes: the functions that can be read, and the reports
/// about all others.
pub(super) fn read(file: &File<'_>, len: usize, name: &str) -> (Module, Vec<Diagnostic>) {
    let mut builder = Builder {
        entries: Entries::new(file, len),
        body: Body::new(),
        module: Module::default(),
        func_names: HashSet::new(),
        scopes: Vec::new(),
        live: 0,
        depth: 0,
        reports: Vec::new(),
        reported: HashSet::new(),
        failed: 0,
        name,
    };
    if let Err(failure) = builder.file() {
        builder.reports.push(super::diagnostic(&failure, name, file.producer));
    }
    (builder.module, builder.reports)
}

impl<'a> Builder<'_, 'a> {
    fn version(&self) -> u64 {
        self.entries.file.version
    }

    /// The top level: one module.
    fn file(&mut self) -> Res<()> {
        let mut r = self.entries.file.ir.clone();
        let (ops, has_args) = r.count_with_flag("operations")?;
        if ops != 1 || has_args {
            return fail(r.at(), "expected one module at the top level");
        }
        let head = self.head(&mut r)?;
        if (head.name.dialect, head.name.name) != ("builtin", "module") {
            let OpName { dialect, name, .. } = head.name;
            return fail(head.at, format!("expected a module, found `{dialect}.{name}`"));
        }
        let mut attrs = Dict::default();
        for (key, value) in self.all_attrs(&head)?.0 {
            match (&*key, value) {
                ("sym_name", Attr::String(text)) => self.module.name = Some(text),
                ("sym_visibility", _) => {}
                (_, value) => attrs.0.push((key, value)),
            }
        }
        self.module.attrs = attrs;
        self.regions(&mut r, &head, |this, r| this.module_region(r))
    }

    fn module_region(&mut self, r: &mut Reader<'a>) -> Res<()> {
        let (ops, has_args) = r.count_with_flag("operations")?;
        if has_args {
            return fail(r.at(), "a module's block has arguments");
        }
        for _ in 0..ops {
            let head = self.head(r)?;
            let OpName { dialect, name, .. } = head.name;
            let is_func = matches!((dialect, name), ("vhlo", "func_v1") | ("func", "func"));
            let other = !matches!(dialect, "builtin" | "func" | "stablehlo" | "chlo" | "vhlo");
            if other && !is_func {
                self.global(r, head)?;
                continue;
            }
            if !is_func {
                let help = "operations belong into a function; nested modules and other \
                            top-level operations are not supported";
                let message = format!("expected a function, found `{dialect}.{name}`");
                return unsupported(advise(head.at, message, help));
            }
            self.function(r, &head)?;
        }
        Ok(())
    }

    /// Everything of an operation before its regions.
    pub(super) fn head(&mut self, r: &mut Reader<'a>) -> Res<Head<'a>> {
        let file = self.entries.file;
        let at = r.at();
        let name = file.op_names[r.index(file.op_names.len(), "operation name")?];
        let mask = r.byte()?;
        let has = |bit: u8| mask & bit != 0;
        let location = r.index(file.attrs.len(), "attribute")?;
        let attrs = match has(0x01) {
            true => Some(r.index(file.attrs.len(), "attribute")?),
            false => None,
        };
        let properties = match has(0x40) {
            true => Some(r.index(file.properties.len(), "properties")?),
            false => None,
        };
        let mut results = Vec::new();
        if has(0x02) {
            for _ in 0..r.count("results")? {
                results.push(r.index(file.types.len(), "type")?);
            }
        }
        let mut operands = Vec::new();
        if has(0x04) {
            for _ in 0..r.count("operands")? {
                operands.push(self.operand(r)?);
            }
        }
        if has(0x08) && r.count("successors")? > 0 {
            let help = "use `stablehlo.if`, `stablehlo.case` or `stablehlo.while`";
            return unsupported(advise(at, "control flow between blocks is not supported", help));
        }
        if has(0x20) {
            use_lists(r, results.len())?;
        }
        let (regions, isolated) = match has(0x10) {
            true => r.count_with_flag("regions")?,
            false => (0, false),
        };
        Ok(Head { at, name, location, attrs, properties, results, operands, regions, isolated })
    }

    fn operand(&mut self, r: &mut Reader<'a>) -> Res<Slot> {
        let at = r.at();
        let number = r.varint()?;
        let slots = self.scopes.last().map_or(&[][..], |s| &s.slots);
        match usize::try_from(number).ok().and_then(|n| slots.get(n)) {
            Some(Slot::Undefined) | None => {
                fail(at, format!("value number {number} is used before it is defined"))
            }
            Some(slot) => Ok(*slot),
        }
    }

    /// Gives the next value number a meaning.
    pub(super) fn define(&mut self, slot: Slot, at: usize) -> Res<()> {
        if let Some(scope) = self.scopes.last_mut()
            && let Some(place) = scope.slots.get_mut(scope.next)
        {
            *place = slot;
            scope.next += 1;
            return Ok(());
        }
        fail(at, "a region defines more values than it announces")
    }

    /// Reads the regions of an operation, each by `block` if it has a block.
    pub(super) fn regions(
        &mut self,
        r: &mut Reader<'a>,
        head: &Head<'a>,
        mut block: impl FnMut(&mut Self, &mut Reader<'a>) -> Res<()>,
    ) -> Res<()> {
        if head.regions == 0 {
            return Ok(());
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return fail(head.at, format!("regions are nested deeper than {MAX_DEPTH}"));
        }
        if !head.isolated {
            self.region_list(r, head, &mut block)?;
        } else {
            self.scopes.push(Scope::default());
            if self.version() >= version::LAZY_REGIONS {
                let at = r.at();
                let (id, mut data) = r.section()?;
                if id != section::IR {
                    return fail(at, format!("expected a section of operations, found {id}"));
                }
                self.region_list(&mut data, head, &mut block)?;
            } else {
                self.region_list(r, head, &mut block)?;
            }
            self.scopes.pop();
        }
        self.depth -= 1;
        Ok(())
    }

    fn region_list(
        &mut self,
        r: &mut Reader<'a>,
        head: &Head<'a>,
        block: &mut impl FnMut(&mut Self, &mut Reader<'a>) -> Res<()>,
    ) -> Res<()> {
        for _ in 0..head.regions {
            let at = r.at();
            match r.varint()? {
                0 => continue,
                1 => {}
                n => {
                    let help = "use `stablehlo.if`, `stablehlo.case` or `stablehlo.while`";
                    let message = format!("a region of {n} blocks is not supported");
                    return unsupported(advise(at, message, help));
                }
            }
            let count = r.count("values")?;
            let limit = self.entries.file.ir.rest().len();
            if self.live + count > limit {
                return fail(at, format!("{count} values cannot fit in the file"));
            }
            self.live += count;
            let Some(scope) = self.scopes.last_mut() else {
                return fail(at, "a region outside of an isolated operation");
            };
            let (start, next) = (scope.slots.len(), scope.next);
            scope.slots.resize(start + count, Slot::Undefined);
            scope.next = start;
            block(self, r)?;
            if let Some(scope) = self.scopes.last_mut() {
                scope.slots.truncate(start);
                scope.next = next;
            }
            self.live -= count;
        }
        Ok(())
    }

    /// The arguments of a block, then its number of operations is returned. Arguments are added
    /// to `block`; names are those of their locations.
    pub(super) fn block_head(
        &mut self,
        r: &mut Reader<'a>,
        block: BlockId,
    ) -> Res<(usize, Vec<Option<Arc<str>>>)> {
        let (ops, has_args) = r.count_with_flag("operations")?;
        let mut names = Vec::new();
        if !has_args {
            return Ok((ops, names));
        }
        let file = self.entries.file;
        let count = r.count("arguments")?;
        for _ in 0..count {
            let at = r.at();
            let (ty, located) = match self.version() >= version::ELIDED_LOCATIONS {
                true => r.index_with_flag(file.types.len(), "type")?,
                false => (r.index(file.types.len(), "type")?, true),
            };
            let location = match located {
                true => {
                    let index = r.index(file.attrs.len(), "attribute")?;
                    self.entries.location(index)?
                }
                false => Location::default(),
            };
            let slot = match self.entries.value_type(ty, at) {
                Ok(ty) => Slot::Value(self.body.add_arg(block, ty)),
                Err(failure) => {
                    self.report_failure(&failure);
                    Slot::Unknown
                }
            };
            self.define(slot, at)?;
            names.push(location.name);
        }
        if self.version() >= version::USE_LISTS && r.byte()? != 0 {
            use_lists(r, count)?;
        }
        Ok((ops, names))
    }

    /// One operation, appended to `block`, which is a function's own if `top` is set.
    pub(super) fn op(&mut self, r: &mut Reader<'a>, block: BlockId, top: bool) -> Res<()> {
        let head = self.head(r)?;
        self.op_after_head(r, head, block, top)
    }

    fn op_after_head(
        &mut self,
        r: &mut Reader<'a>,
        head: Head<'a>,
        block: BlockId,
        top: bool,
    ) -> Res<()> {
        // Results are numbered before the values in the regions.
        let first = self.scopes.last().map_or(0, |s| s.next);
        for _ in &head.results {
            self.define(Slot::Undefined, head.at)?;
        }
        let mut regions = Vec::new();
        let mut read = 0;
        self.regions(r, &head, |this, r| {
            let inner = this.body.add_block();
            regions.push(inner);
            read += 1;
            let (ops, _) = this.block_head(r, inner)?;
            for _ in 0..ops {
                this.op(r, inner, false)?;
            }
            Ok(())
        })?;
        for _ in read..head.regions {
            regions.push(self.body.add_block());
        }
        let built = self.build(&head, block, regions, top);
        let Some(scope) = self.scopes.last_mut() else { return Ok(()) };
        let places = scope.slots.iter_mut().skip(first).take(head.results.len());
        match built {
            Ok(op) => {
                let values = self.body.ops[op].results.iter();
                places.zip(values).for_each(|(place, &value)| *place = Slot::Value(value));
            }
            Err(report) => {
                places.for_each(|place| *place = Slot::Unknown);
                if let Some(report) = report {
                    self.report(*report);
                }
            }
        }
        Ok(())
    }

    /// The report of a failure in an operation.
    pub(super) fn explain(&mut self, head: &Head<'a>, failure: &Failure) -> Diagnostic {
        let report = super::diagnostic(failure, self.name, self.entries.file.producer);
        self.located(head, report)
    }

    /// Adds an operation's place to a report.
    pub(super) fn placed(&mut self, head: &Head<'a>, report: Diagnostic) -> Diagnostic {
        let place = super::place(head.at, self.name, self.entries.file.producer);
        let report = report.note(place);
        self.located(head, report)
    }

    fn located(&mut self, head: &Head<'a>, report: Diagnostic) -> Diagnostic {
        match self.written_at(head) {
            Some(text) => report.note(format!("from {text}")),
            None => report,
        }
    }

    /// Where the program's author wrote an operation.
    fn written_at(&mut self, head: &Head<'a>) -> Option<String> {
        let location = self.entries.location(head.location).ok()?;
        let place = location.place.map(|(file, line, column)| format!("{file}:{line}:{column}"));
        match (place, location.name) {
            (Some(place), Some(name)) => Some(format!("{place} ({name})")),
            (Some(text), None) => Some(text),
            (None, name) => name.map(|n| n.to_string()),
        }
    }

    /// The place of an operation, for lists.
    pub(super) fn place_of(&mut self, head: &Head<'a>) -> String {
        match self.written_at(head) {
            Some(text) => format!("byte {} ({text})", head.at),
            None => format!("byte {}", head.at),
        }
    }

    /// An operation of another dialect beside the functions.
    fn global(&mut self, r: &mut Reader<'a>, head: Head<'a>) -> Res<()> {
        self.body = std::mem::take(&mut self.module.globals);
        let entry = self.body.entry;
        let read = self.op_after_head(r, head, entry, false);
        self.module.globals = std::mem::take(&mut self.body);
        read
    }

    /// Reports a failure after which reading can go on.
    pub(super) fn report_failure(&mut self, failure: &Failure) {
        let report = super::diagnostic(failure, self.name, self.entries.file.producer);
        self.report(report);
    }

    /// Keeps a report, unless the same was made before or there are many already.
    fn report(&mut self, report: Diagnostic) {
        self.failed += 1;
        if self.reports.len() < MAX_REPORTS && self.reported.insert(report.message.clone()) {
            self.reports.push(report);
        }
    }
}

/// Skips the use-list orders of an operation's results or a block's arguments: the order in which
/// uses are stored has no meaning.
fn use_lists(r: &mut Reader<'_>, values: usize) -> Res<()> {
    let lists = if values == 1 { 1 } else { r.count("use lists")? };
    for _ in 0..lists {
        if values != 1 {
            r.varint()?;
        }
        let (indices, _) = r.count_with_flag("uses")?;
        for _ in 0..indices {
            r.varint()?;
        }
    }
    Ok(())
}
