//! Locations: `loc(...)` after operations, arguments and functions.
//!
//! Diagnostics point into the text itself, so a location only matters where it names an argument.

use std::sync::Arc;

use super::cursor::PResult;
use super::parser::Parser;

/// The name that a location gives.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LocName<'a> {
    /// None: unknown, or a place in a file.
    None,
    /// `"name"`, or a named part of a fused or call-site location.
    Name(Arc<str>),
    /// That of `#alias`, which may be defined later.
    Alias(&'a str),
}

impl LocName<'_> {
    fn or(self, other: Self) -> Self {
        if self == LocName::None { other } else { self }
    }
}

impl<'a> Parser<'a> {
    /// A trailing `loc(...)`, if there is one.
    pub(crate) fn optional_location(&mut self) -> PResult<LocName<'a>> {
        if !self.c.eat_word("loc") {
            return Ok(LocName::None);
        }
        self.location_in_parentheses()
    }

    /// `(...)` after `loc`.
    pub(crate) fn location_in_parentheses(&mut self) -> PResult<LocName<'a>> {
        self.c.expect("(")?;
        let name = self.location()?;
        self.c.expect(")")?;
        Ok(name)
    }

    fn location(&mut self) -> PResult<LocName<'a>> {
        self.c.skip();
        self.c.enter(self.c.pos())?;
        let name = match self.c.peek() {
            b'#' => {
                self.c.expect("#")?;
                LocName::Alias(self.c.name("a location alias after `#`")?)
            }
            b'"' => self.named_or_file()?,
            _ => match self.c.word() {
                "unknown" => LocName::None,
                "loc" => self.location_in_parentheses()?,
                "callsite" => self.call_site()?,
                "fused" => self.fused()?,
                _ => {
                    let what = "a location: a string, `#alias`, `unknown`, `callsite` or `fused`";
                    return Err(self.c.expected(what));
                }
            },
        };
        self.c.leave();
        Ok(name)
    }

    /// `"file":1:2`, `"file":1:2 to 3:4`, `"name"`, `"name"(child)`.
    fn named_or_file(&mut self) -> PResult<LocName<'a>> {
        let text = self.c.string()?;
        if self.c.eat(":") {
            self.c.integer()?;
            self.c.expect(":")?;
            self.c.integer()?;
            if self.c.eat_word("to") {
                if !self.c.at(":") {
                    self.c.integer()?;
                }
                self.c.expect(":")?;
                self.c.integer()?;
            }
            return Ok(LocName::None);
        }
        if self.c.eat("(") {
            self.location()?;
            self.c.expect(")")?;
        }
        Ok(LocName::Name(text.into()))
    }

    fn call_site(&mut self) -> PResult<LocName<'a>> {
        self.c.expect("(")?;
        let callee = self.location()?;
        self.c.expect_word("at")?;
        let caller = self.location()?;
        self.c.expect(")")?;
        Ok(callee.or(caller))
    }

    fn fused(&mut self) -> PResult<LocName<'a>> {
        if self.c.eat("<") {
            self.parse_attr()?;
            self.c.expect(">")?;
        }
        self.c.expect("[")?;
        let mut name = LocName::None;
        while !self.c.eat("]") {
            name = name.or(self.location()?);
            if !self.c.at("]") {
                self.c.expect(",")?;
            }
        }
        Ok(name)
    }

    /// The name that a location finally has, aliases followed.
    pub(crate) fn location_name(&self, mut name: LocName<'a>) -> Option<Arc<str>> {
        // Aliases may be cyclic in malformed input; real chains are short.
        for _ in 0..16 {
            match name {
                LocName::None => return None,
                LocName::Name(text) => return Some(text),
                LocName::Alias(alias) => name = self.loc_aliases.get(alias)?.clone(),
            }
        }
        None
    }
}
