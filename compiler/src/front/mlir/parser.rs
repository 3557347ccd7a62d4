//! The parser's state, and the module level: aliases, functions, resources.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::attrs::FUNCTION;
use super::cursor::{Cursor, PResult, advise, error, unsupported};
use super::locations::LocName;
use super::op::Scope;
use super::resources::Resources;
use super::types::AliasType;
use crate::diag::Diagnostic;
use crate::ir::{Attr, Dict, FuncId, Module};

/// After this many reports parsing stops.
const MAX_REPORTS: usize = 20;

/// Total size of what aliases may expand to.
const ALIAS_BUDGET: usize = 1 << 22;

/// State of a parse.
pub(crate) struct Parser<'a> {
    pub(crate) c: Cursor<'a>,
    pub(crate) attr_aliases: HashMap<&'a str, Attr>,
    pub(crate) type_aliases: HashMap<&'a str, AliasType>,
    pub(crate) loc_aliases: HashMap<&'a str, LocName<'a>>,
    pub(crate) resources: Option<Resources<'a>>,
    pub(crate) module: Module,
    /// Names of the functions so far.
    pub(crate) func_names: HashSet<Arc<str>>,
    /// Values of the function being parsed.
    pub(crate) scope: Scope<'a>,
    /// Argument locations, resolved when all aliases are known.
    pub(crate) arg_locations: Vec<(FuncId, usize, LocName<'a>)>,
    /// Reports about types that only other dialects have; they matter if nothing of another
    /// dialect explains them.
    pub(crate) foreign_types: Vec<Diagnostic>,
    /// Whether locations are printed for people, without `loc(...)`.
    pub(crate) pretty_locations: bool,
    /// Number of regions that are open.
    pub(crate) regions: usize,
    reports: Vec<Diagnostic>,
    alias_budget: usize,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str) -> Parser<'a> {
        Parser {
            c: Cursor::new(text),
            attr_aliases: HashMap::new(),
            type_aliases: HashMap::new(),
            loc_aliases: HashMap::new(),
            resources: None,
            module: Module::default(),
            func_names: HashSet::new(),
            scope: Scope::default(),
            arg_locations: Vec::new(),
            foreign_types: Vec::new(),
            pretty_locations: false,
            regions: 0,
            reports: Vec::new(),
            alias_budget: ALIAS_BUDGET,
        }
    }

    /// Parses the whole text. Beside the module, reports about types of other dialects.
    pub(crate) fn module(mut self) -> Result<(Module, Vec<Diagnostic>), Vec<Diagnostic>> {
        if let Err(Some(report)) = self.file() {
            self.reports.push(*report);
        }
        if self.reports.is_empty() {
            self.name_arguments();
            Ok((self.module, self.foreign_types))
        } else {
            Err(self.reports)
        }
    }

    /// Keeps a report; `false` when there are too many to go on.
    pub(crate) fn report(&mut self, report: Diagnostic) -> bool {
        self.reports.push(report);
        self.reports.len() < MAX_REPORTS
    }

    /// Counts what an alias expands to.
    pub(crate) fn spend(&mut self, size: usize, start: usize) -> PResult<()> {
        match self.alias_budget.checked_sub(size) {
            Some(rest) => {
                self.alias_budget = rest;
                Ok(())
            }
            None => Err(error(self.c.span_since(start), "aliases expand to too large a program")),
        }
    }

    /// Aliases, one module or bare functions, and the resource section.
    fn file(&mut self) -> PResult<()> {
        let mut wrapped = false;
        loop {
            match self.c.peek() {
                0 if self.c.rest().is_empty() => break,
                b'#' => self.attr_alias()?,
                b'!' => self.type_alias_definition()?,
                b'{' if self.c.at("{-#") => {
                    self.resource_section()?;
                }
                _ if wrapped => {
                    return Err(self.c.expected("the end of the file after the module"));
                }
                b'"' if self.c.at("\"builtin.module\"") => {
                    wrapped = true;
                    self.generic_module()?;
                }
                _ if matches!(self.c.peek_word(), "module" | "builtin.module") => {
                    if self.module.funcs.values().next().is_some() {
                        return Err(self.c.expected("a function, as the file began with one"));
                    }
                    wrapped = true;
                    self.pretty_module()?;
                }
                _ => self.top_level_op()?,
            }
        }
        Ok(())
    }

    /// `#name = attr` or `#name = loc(...)`.
    fn attr_alias(&mut self) -> PResult<()> {
        let start = self.c.pos();
        self.c.expect("#")?;
        let name = self.c.name("an alias name after `#`")?;
        self.c.expect("=")?;
        if self.c.eat_word("loc") {
            let location = self.location_in_parentheses()?;
            self.loc_aliases.insert(name, location);
            return Ok(());
        }
        if self.pretty_locations && name.starts_with("loc") || self.c.at("[unknown]") {
            self.pretty_locations = true;
            let location = self.pretty_location_alias()?;
            self.loc_aliases.insert(name, location);
            return Ok(());
        }
        let attr = self.parse_attr()?;
        if self.attr_aliases.insert(name, attr).is_some() {
            let message = format!("`#{name}` is defined twice");
            return Err(error(self.c.span_since(start), message));
        }
        Ok(())
    }

    /// `!name = type`.
    fn type_alias_definition(&mut self) -> PResult<()> {
        let start = self.c.pos();
        self.c.expect("!")?;
        let name = self.c.name("an alias name after `!`")?;
        self.c.expect("=")?;
        let ty = self.alias_type()?;
        if self.type_aliases.insert(name, ty).is_some() {
            let message = format!("`!{name}` is defined twice");
            return Err(error(self.c.span_since(start), message));
        }
        Ok(())
    }

    /// `module @name attributes {...} { ... } loc(...)`.
    fn pretty_module(&mut self) -> PResult<()> {
        self.c.word();
        if self.c.at("@") {
            self.module.name = Some(self.c.symbol()?.into());
        }
        if self.c.eat_word("attributes") {
            self.module.attrs = self.attr_dict()?;
        }
        self.module_body()?;
        self.optional_location()?;
        Ok(())
    }

    /// `"builtin.module"() <{sym_name = "x"}> ({ ... }) {...} : () -> ()`.
    fn generic_module(&mut self) -> PResult<()> {
        self.c.string()?;
        self.c.expect("(")?;
        self.c.expect(")")?;
        let mut attrs = Dict::default();
        if self.c.eat("<") {
            attrs = self.attr_dict()?;
            self.c.expect(">")?;
        }
        self.c.expect("(")?;
        self.module_body()?;
        self.c.expect(")")?;
        self.optional_dict(&mut attrs)?;
        self.c.expect(":")?;
        self.function_type()?;
        self.optional_location()?;
        for (key, value) in attrs.0 {
            match (&*key, value) {
                ("sym_name", Attr::String(name)) => self.module.name = Some(name),
                (_, value) => self.module.attrs.0.push((key, value)),
            }
        }
        Ok(())
    }

    fn module_body(&mut self) -> PResult<()> {
        self.c.expect("{")?;
        if self.c.at("^") {
            self.c.expect("^")?;
            self.c.name("a block label")?;
            self.c.expect(":")?;
        }
        while !self.c.eat("}") {
            self.top_level_op()?;
        }
        Ok(())
    }

    /// A function, or an operation of another dialect.
    fn top_level_op(&mut self) -> PResult<()> {
        if self.c.at("\"") {
            let start = self.c.pos();
            let name = self.c.string()?;
            let span = self.c.span_since(start);
            if name == "func.func" {
                return self.generic_func(start);
            }
            let dialect = name.split_once('.').map_or("", |(dialect, _)| dialect);
            if matches!(dialect, "" | "builtin" | "func" | "stablehlo" | "chlo" | "vhlo") {
                return Err(not_a_function(span, &name));
            }
            self.c.seek(start);
            return self.global();
        }
        let start = self.c.pos();
        match self.c.peek_word() {
            "func.func" | "func" => self.pretty_func(),
            "vhlo.func_v1" => self.vhlo_func(),
            "" => Err(self.c.expected("a function `func.func @name(...)`")),
            // A mesh of devices, for programs partitioned over several; here is one device.
            "sdy.mesh" => {
                self.c.word();
                self.c.symbol()?;
                self.c.expect("=")?;
                self.c.skip();
                self.skip_angle()?;
                self.optional_dict(&mut Dict::default())?;
                self.optional_location().map(|_| ())
            }
            word => {
                self.c.word();
                Err(not_a_function(self.c.span_since(start), word))
            }
        }
    }

    /// An operation of another dialect beside the functions: a variable, an initialiser.
    fn global(&mut self) -> PResult<()> {
        self.scope = Scope::default();
        self.scope.body = std::mem::take(&mut self.module.globals);
        let entry = self.scope.body.entry;
        let read = self.unnamed_op(entry);
        self.module.globals = std::mem::take(&mut self.scope).body;
        read.map(|_| ())
    }

    fn name_arguments(&mut self) {
        for (func, index, location) in std::mem::take(&mut self.arg_locations) {
            let name = self.location_name(location);
            let func = &mut self.module.funcs[func];
            let attr = func.arg_attrs.get(index).and_then(|d| d.get("tf_saved_model.index_path"));
            let path = match attr {
                Some(Attr::Array(items)) => items.first(),
                _ => None,
            };
            let from_attr = match path {
                Some(Attr::String(s)) => Some(s.clone()),
                _ => None,
            };
            if let Some(slot) = func.arg_names.get_mut(index) {
                *slot = name.or(from_attr);
            }
        }
    }
}

fn not_a_function(span: crate::diag::Span, name: &str) -> super::cursor::Stop {
    let stop = unsupported(span, format!("expected a function `func.func`, found `{name}`"));
    let help = "operations belong into a function; nested modules and other top-level operations \
                are not supported";
    advise(stop, help)
}

/// The types of a function-type attribute.
pub(crate) fn signature(attr: &Attr) -> Option<super::types::Signature> {
    let Attr::Struct(name, fields) = attr else { return None };
    if &**name != FUNCTION {
        return None;
    }
    let list = |key: &str| match fields.get(key)? {
        Attr::Array(items) => items
            .iter()
            .map(|a| match a {
                Attr::Type(ty) => Some(ty.clone()),
                _ => None,
            })
            .collect::<Option<Vec<_>>>(),
        _ => None,
    };
    Some((list("inputs")?, list("results")?))
}
