//! Names in artifacts.

use core::fmt;

use serde::{Serialize, Serializer};

use crate::{Field, Fields};

/// A name in an artifact. That it is UTF-8 is checked when it is asked for: firmware that asks for no
/// name links no decoder of it. See the example of [`Artifact`](crate::Artifact).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// The text, which is empty if the bytes are not UTF-8. See the example of [`Artifact`](crate::Artifact).
    pub fn as_str(self) -> &'a str {
        core::str::from_utf8(self.0).unwrap_or_default()
    }

    /// Its bytes. See the example of [`Artifact`](crate::Artifact).
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Text<'a> {
        Text(text.as_bytes())
    }
}

impl<'b> Field<'b> for Text<'b> {
    #[inline(never)]
    fn take(fields: &mut Fields<'b>) -> Text<'b> {
        let count: u32 = fields.take();
        Text(fields.bytes(count as usize))
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.as_str().serialize(s)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}
