//! The file section that holds the data of `dense_resource` constants:
//! `{-# dialect_resources: { builtin: { name: "0x..." } } #-}`.

use std::collections::HashMap;

use super::cursor::PResult;
use super::parser::Parser;

/// Hexadecimal digits of every blob by name, with their place in the source.
pub(crate) type Resources<'a> = HashMap<String, (&'a [u8], usize)>;

impl<'a> Parser<'a> {
    /// Digits of the resource called `name`, and where they begin.
    pub(crate) fn resource(&mut self, name: &str) -> PResult<Option<(&'a [u8], usize)>> {
        if self.resources.is_none() {
            let back = self.c.pos();
            let found = memchr::memmem::find(self.c.rest(), b"{-#");
            let resources = match found {
                Some(offset) => {
                    self.c.seek(back + offset);
                    self.resource_section()?
                }
                None => Resources::new(),
            };
            self.c.seek(back);
            self.resources = Some(resources);
        }
        Ok(self.resources.as_ref().and_then(|r| r.get(name)).copied())
    }

    /// `{-# ... #-}`.
    pub(crate) fn resource_section(&mut self) -> PResult<Resources<'a>> {
        let mut resources = Resources::new();
        self.c.expect("{-#")?;
        while !self.c.eat("#-}") {
            self.c.word();
            self.c.expect(":")?;
            self.resource_dict(&mut resources)?;
            if !self.c.at("#-}") {
                self.c.expect(",")?;
            }
        }
        Ok(resources)
    }

    fn resource_dict(&mut self, resources: &mut Resources<'a>) -> PResult<()> {
        self.c.expect("{")?;
        self.c.enter(self.c.pos())?;
        while !self.c.eat("}") {
            let key = match self.c.peek() {
                b'"' => self.c.string()?.into_owned(),
                _ => self.c.name("a resource name")?.to_owned(),
            };
            self.c.expect(":")?;
            match self.c.peek() {
                b'{' => self.resource_dict(resources)?,
                b'"' => {
                    let text = self.c.raw_string()?;
                    let end = self.c.pos() - 1;
                    if let Some(hex) = text.strip_prefix(b"0x") {
                        resources.insert(key, (hex, end - hex.len()));
                    }
                }
                _ => {
                    self.parse_attr()?;
                }
            }
            if !self.c.at("}") {
                self.c.expect(",")?;
            }
        }
        self.c.leave();
        Ok(())
    }
}
