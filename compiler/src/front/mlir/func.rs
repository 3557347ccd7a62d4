//! Functions, in the short and in the generic form.

use std::sync::Arc;

use super::cursor::{PResult, error};
use super::locations::LocName;
use super::op::Scope;
use super::parser::{Parser, signature};
use crate::diag::Span;
use crate::ir::{Attr, Body, Dict, Func, Type};

/// The parts of a function before its body.
#[derive(Default)]
pub(crate) struct Header<'a> {
    pub(crate) name: Arc<str>,
    pub(crate) public: bool,
    pub(crate) args: Vec<Argument<'a>>,
    pub(crate) results: Vec<Type>,
    pub(crate) result_attrs: Vec<Dict>,
    pub(crate) attrs: Dict,
    pub(crate) span: Span,
}

/// An argument of a function or block.
pub(crate) struct Argument<'a> {
    /// Name without `%`; `None` in declarations.
    pub(crate) name: Option<(&'a str, Span)>,
    pub(crate) ty: Type,
    pub(crate) attrs: Dict,
    pub(crate) location: LocName<'a>,
}

impl<'a> Parser<'a> {
    /// `func.func public @f(%a: T {..}) -> (T {..}) attributes {..} { ... }`.
    pub(crate) fn pretty_func(&mut self) -> PResult<()> {
        self.c.word();
        let mut header = Header { public: true, ..Header::default() };
        match self.c.peek_word() {
            "public" => {
                self.c.word();
            }
            "private" | "nested" => {
                self.c.word();
                header.public = false;
            }
            _ => {}
        }
        self.c.skip();
        let start = self.c.pos();
        header.name = self.c.symbol()?.into();
        header.span = self.c.span_since(start);
        self.check_new_function(&header)?;
        header.args = self.argument_list()?;
        if self.c.eat("->") {
            self.function_results(&mut header)?;
        }
        if self.c.eat_word("attributes") {
            header.attrs = self.attr_dict()?;
        }
        let has_body = self.c.at("{") && !self.c.at("{-#");
        if has_body && let Some(unnamed) = header.args.iter().position(|a| a.name.is_none()) {
            let message = format!("argument {unnamed} of a function with a body has no name");
            return Err(error(header.span, message));
        }
        self.function_body(header, has_body)?;
        self.optional_location()?;
        Ok(())
    }

    pub(crate) fn check_new_function(&mut self, header: &Header<'_>) -> PResult<()> {
        if self.func_names.insert(header.name.clone()) {
            return Ok(());
        }
        Err(error(header.span, format!("function `@{}` is defined twice", header.name)))
    }

    /// `(%a: T {..} loc(..), ...)` or, in declarations, `(T {..}, ...)`.
    pub(crate) fn argument_list(&mut self) -> PResult<Vec<Argument<'a>>> {
        self.c.expect("(")?;
        let mut args = Vec::new();
        while !self.c.eat(")") {
            args.push(self.argument()?);
            if !self.c.at(")") {
                self.c.expect(",")?;
            }
        }
        Ok(args)
    }

    fn argument(&mut self) -> PResult<Argument<'a>> {
        let mut name = None;
        if self.c.at("%") {
            let start = self.c.pos();
            self.c.expect("%")?;
            let text = self.c.name("an argument name after `%`")?;
            name = Some((text, self.c.span_since(start)));
            self.c.expect(":")?;
        }
        let ty = self.parse_type()?;
        let mut attrs = Dict::default();
        // The location stands before the dictionary, after it, or without one.
        let before = self.optional_location()?;
        self.optional_dict(&mut attrs)?;
        let after = self.optional_location()?;
        let location = if before == LocName::None { after } else { before };
        Ok(Argument { name, ty, attrs, location })
    }

    /// `T`, `()` or `(T {..}, U)`.
    pub(crate) fn function_results(&mut self, header: &mut Header<'a>) -> PResult<()> {
        if !self.c.eat("(") {
            header.results.push(self.parse_type()?);
            header.result_attrs.push(Dict::default());
            return Ok(());
        }
        while !self.c.eat(")") {
            header.results.push(self.parse_type()?);
            let mut attrs = Dict::default();
            self.optional_dict(&mut attrs)?;
            header.result_attrs.push(attrs);
            if !self.c.at(")") {
                self.c.expect(",")?;
            }
        }
        Ok(())
    }

    /// The braces of a short-form function; a declaration has no operations.
    fn function_body(&mut self, header: Header<'a>, has_body: bool) -> PResult<()> {
        let mut header = header;
        match has_body {
            true => self.braced_body(&mut header)?,
            false => self.declare_arguments(&header)?,
        }
        self.finish_func(header);
        Ok(())
    }

    fn declare_arguments(&mut self, header: &Header<'a>) -> PResult<()> {
        self.scope = Scope::default();
        let entry = self.scope.body.entry;
        for arg in &header.args {
            let value = self.scope.body.add_arg(entry, arg.ty.clone());
            if let Some((name, span)) = arg.name {
                self.define(name, span, value, 1)?;
            }
        }
        Ok(())
    }

    /// `{ ... }` of a function whose arguments are known.
    pub(crate) fn braced_body(&mut self, header: &mut Header<'a>) -> PResult<()> {
        self.declare_arguments(header)?;
        let entry = self.scope.body.entry;
        self.c.expect("{")?;
        if self.c.at("^") && header.args.is_empty() {
            self.block_label(entry)?;
        }
        self.block_ops(entry)?;
        self.c.expect("}")
    }

    pub(crate) fn finish_func(&mut self, header: Header<'a>) {
        let body: Body = std::mem::take(&mut self.scope).body;
        let mut arg_attrs = Vec::with_capacity(header.args.len());
        let mut locations = Vec::with_capacity(header.args.len());
        for arg in header.args {
            arg_attrs.push(arg.attrs);
            locations.push(arg.location);
        }
        let id = self.module.funcs.push(Func {
            name: header.name,
            public: header.public,
            arg_names: vec![None; arg_attrs.len()],
            arg_attrs,
            results: header.results,
            result_attrs: header.result_attrs,
            attrs: header.attrs,
            body,
            span: header.span,
        });
        let numbered = locations.into_iter().enumerate();
        self.arg_locations.extend(numbered.map(|(i, location)| (id, i, location)));
    }

    /// `"func.func"() <{function_type = .., sym_name = ..}> ({ ^bb0(..): ... }) : () -> ()`; the
    /// name is consumed, `start` is where it began.
    pub(crate) fn generic_func(&mut self, start: usize) -> PResult<()> {
        let mut header = Header { public: true, ..Header::default() };
        header.span = self.c.span_since(start);
        self.c.expect("(")?;
        self.c.expect(")")?;
        let mut attrs = Dict::default();
        if self.c.eat("<") {
            attrs = self.attr_dict()?;
            self.c.expect(">")?;
        }
        self.c.expect("(")?;
        self.c.expect("{")?;
        self.scope = Scope::default();
        let entry = self.scope.body.entry;
        if self.c.at("^") {
            header.args = self.block_label(entry)?;
        }
        self.block_ops(entry)?;
        self.c.expect("}")?;
        self.c.expect(")")?;
        self.optional_dict(&mut attrs)?;
        self.c.expect(":")?;
        self.function_type()?;
        self.optional_location()?;
        self.header_from_attrs(&mut header, attrs)?;
        self.check_new_function(&header)?;
        self.finish_func(header);
        Ok(())
    }

    /// Takes what a dictionary says about a function whose signature is written otherwise.
    pub(crate) fn described_by(&mut self, header: &mut Header<'a>, attrs: Dict) {
        let (_, arg_attrs) = self.described_by_generic(header, attrs);
        for (arg, attrs) in header.args.iter_mut().zip(arg_attrs) {
            arg.attrs = attrs;
        }
        header.result_attrs.resize_with(header.results.len(), Dict::default);
    }

    /// Takes what a dictionary says; types of the arguments and their attributes are returned.
    fn described_by_generic(
        &mut self,
        header: &mut Header<'a>,
        attrs: Dict,
    ) -> (Option<Vec<Type>>, Vec<Dict>) {
        let mut inputs = None;
        let mut arg_attrs = Vec::new();
        for (key, value) in attrs.0 {
            match (&*key, value) {
                ("sym_name", Attr::String(name)) => header.name = name,
                ("sym_visibility", Attr::String(v)) => {
                    header.public = !matches!(&*v, "private" | "nested");
                }
                ("arg_attrs", value) => arg_attrs = dicts(&value),
                ("res_attrs", value) => header.result_attrs = dicts(&value),
                ("function_type", value) => {
                    if let Some((args, results)) = signature(&value) {
                        (inputs, header.results) = (Some(args), results);
                    }
                }
                (_, value) => header.attrs.0.push((key, value)),
            }
        }
        (inputs, arg_attrs)
    }

    fn header_from_attrs(&mut self, header: &mut Header<'a>, attrs: Dict) -> PResult<()> {
        let (inputs, arg_attrs) = self.described_by_generic(header, attrs);
        let Some(inputs) = inputs.filter(|_| !header.name.is_empty()) else {
            return Err(error(header.span, "a function needs `sym_name` and `function_type`"));
        };
        header.result_attrs.resize_with(header.results.len(), Dict::default);
        let entry = self.scope.body.entry;
        if header.args.is_empty() && self.scope.body.blocks[entry].ops.is_empty() {
            for ty in &inputs {
                self.scope.body.add_arg(entry, ty.clone());
                let (ty, attrs) = (ty.clone(), Dict::default());
                header.args.push(Argument { name: None, ty, attrs, location: LocName::None });
            }
        }
        if !header.args.iter().map(|a| &a.ty).eq(inputs.iter()) {
            let message = "the entry block's arguments differ from the inputs of `function_type`";
            return Err(error(header.span, message));
        }
        for (arg, attrs) in header.args.iter_mut().zip(arg_attrs) {
            arg.attrs = attrs;
        }
        Ok(())
    }
}

/// The dictionaries of a list.
fn dicts(attr: &Attr) -> Vec<Dict> {
    let Attr::Array(items) = attr else { return Vec::new() };
    let dict = |a: &Attr| match a {
        Attr::Dict(d) => d.clone(),
        _ => Dict::default(),
    };
    items.iter().map(dict).collect()
}
