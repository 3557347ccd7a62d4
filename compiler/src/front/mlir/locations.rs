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
        if self.pretty_locations {
            return self.pretty_location();
        }
        if !self.c.eat_word("loc") {
            return Ok(LocName::None);
        }
        self.location_in_parentheses()
    }

    /// The right side of `#loc1 = ...` where locations are printed for people, without `loc(...)`:
    /// a line, and following ones that begin with `at`.
    pub(crate) fn pretty_location_alias(&mut self) -> PResult<LocName<'a>> {
        let name = match self.c.at("\"") {
            true => LocName::Name(self.c.string()?.into()),
            false => LocName::None,
        };
        loop {
            let rest = self.c.rest();
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |i| i + 1);
            self.c.seek(self.c.pos() + end);
            if self.c.peek_word() != "at" {
                return Ok(name);
            }
        }
    }

    /// A location printed for people, at the end of a line or before `,` or `)`: `[unknown]`,
    /// `"name"(#loc1)`, `#loc1`, `file.py:1:2 to :3`.
    fn pretty_location(&mut self) -> PResult<LocName<'a>> {
        let rest = self.c.rest();
        let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let here = &rest[blanks..];
        let taken = |this: &mut Self, len: usize| this.c.seek(this.c.pos() + blanks + len);
        if here.starts_with(b"[unknown]") {
            taken(self, b"[unknown]".len());
            return Ok(LocName::None);
        }
        if here.starts_with(b"#loc") {
            self.c.expect("#")?;
            return self.c.name("a location alias after `#`").map(LocName::Alias);
        }
        if here.starts_with(b"\"") {
            let name = self.c.string()?;
            if self.c.rest().starts_with(b"(") {
                let rest = self.c.rest();
                let end = memchr::memchr(b')', rest).map_or(rest.len(), |i| i + 1);
                self.c.seek(self.c.pos() + end);
            }
            return Ok(LocName::Name(name.into()));
        }
        // A path with a line and a column.
        let end = here.iter().position(|b| matches!(b, b' ' | b'\n' | b',' | b')' | b'{' | b'}'));
        let path = &here[..end.unwrap_or(here.len())];
        if memchr::memchr_iter(b':', path).count() >= 2 && path[0] != b'%' && path[0] != b':' {
            taken(self, path.len());
            if self.c.rest().starts_with(b" to ") {
                self.c.expect_word("to")?;
                let rest = self.c.rest();
                let stop = |b: &u8| !(b.is_ascii_digit() || matches!(b, b':' | b' '));
                let end = rest.iter().position(stop).unwrap_or(rest.len());
                self.c.seek(self.c.pos() + end);
            }
        }
        Ok(LocName::None)
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
