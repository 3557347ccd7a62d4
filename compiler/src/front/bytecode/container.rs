//! The file's outer structure: header, sections, strings, dialects, operation names, and where
//! attributes, types, properties and resources lie.

use super::reader::{Reader, Res, advise, fail, section};

/// First bytes of MLIR bytecode.
pub(super) const MAGIC: &[u8; 4] = b"ML\xefR";

/// Bytecode versions at which encodings change.
pub(super) mod version {
    /// Dialects may carry a version.
    pub(in super::super) const DIALECT_VERSIONS: u64 = 1;
    /// Isolated regions are sections of their own.
    pub(in super::super) const LAZY_REGIONS: u64 = 2;
    /// Use-list orders are stored.
    pub(in super::super) const USE_LISTS: u64 = 3;
    /// Unknown locations of block arguments are left out.
    pub(in super::super) const ELIDED_LOCATIONS: u64 = 4;
    /// Inherent attributes are properties.
    pub(in super::super) const PROPERTIES: u64 = 5;
    /// Newest version that can be read.
    pub(in super::super) const NEWEST: u64 = 6;
}

/// An attribute or type that was not decoded yet.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    /// Number of the dialect.
    pub(super) dialect: usize,
    /// Whether the dialect's own encoding is used; otherwise text.
    pub(super) custom: bool,
    pub(super) data: Reader<'a>,
}

/// The name of an operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpName<'a> {
    /// `vhlo`
    pub(super) dialect: &'a str,
    /// `add_v1`
    pub(super) name: &'a str,
    /// Whether the writer knew the operation. Properties of others are one dictionary.
    pub(super) registered: bool,
}

/// Longest name of a dialect or an operation. Real ones have tens of letters; names are joined,
/// so that longer ones would cost memory out of proportion to the input.
const MAX_NAME: usize = 512;

/// A named blob of a dialect.
#[derive(Clone, Debug)]
pub(super) struct Resource<'a> {
    pub(super) name: &'a str,
    /// The data; `None` if the resource is no blob or was left out.
    pub(super) data: Option<&'a [u8]>,
}

/// The indexed file.
#[derive(Debug)]
pub(super) struct File<'a> {
    pub(super) version: u64,
    pub(super) producer: &'a str,
    pub(super) strings: Vec<&'a [u8]>,
    pub(super) dialects: Vec<&'a str>,
    pub(super) op_names: Vec<OpName<'a>>,
    pub(super) attrs: Vec<Entry<'a>>,
    pub(super) types: Vec<Entry<'a>>,
    pub(super) properties: Vec<Reader<'a>>,
    pub(super) resources: Vec<Resource<'a>>,
    pub(super) ir: Reader<'a>,
}

/// The header: version and producer. Split off so that later failures can name the producer.
pub(super) fn header<'a>(r: &mut Reader<'a>) -> Res<(u64, &'a str)> {
    if !r.rest().starts_with(MAGIC) {
        return fail(0, "expected MLIR bytecode, which begins with `ML\\xefR`");
    }
    r.take(MAGIC.len())?;
    let at = r.at();
    let version = r.varint()?;
    let producer = std::str::from_utf8(r.c_string()?).unwrap_or("an unnamed program");
    if version > version::NEWEST {
        let newest = version::NEWEST;
        let message = format!("bytecode version {version} is newer than {newest}");
        return advise(at, message, "export for an older version, or as text");
    }
    Ok((version, producer))
}

/// The sections by id.
struct Sections<'a>([Option<Reader<'a>>; section::COUNT]);

impl<'a> Sections<'a> {
    fn read(r: &mut Reader<'a>) -> Res<Sections<'a>> {
        let mut found = Sections([const { None }; section::COUNT]);
        while !r.is_empty() {
            let at = r.at();
            let (id, data) = r.section()?;
            match found.0.get_mut(usize::from(id)) {
                None => return fail(at, format!("unknown section {id}")),
                Some(Some(_)) => return fail(at, format!("section {id} occurs twice")),
                Some(slot) => *slot = Some(data),
            }
        }
        Ok(found)
    }

    fn optional(&self, id: u8) -> Option<Reader<'a>> {
        self.0.get(usize::from(id)).cloned().flatten()
    }

    fn required(&self, id: u8, what: &str) -> Res<Reader<'a>> {
        match self.optional(id) {
            Some(data) => Ok(data),
            None => fail(0, format!("the {what} section is missing")),
        }
    }
}

impl<'a> File<'a> {
    /// Indexes everything after the header.
    pub(super) fn read(mut r: Reader<'a>, version: u64, producer: &'a str) -> Res<File<'a>> {
        let sections = Sections::read(&mut r)?;
        let strings = strings(sections.required(section::STRING, "string")?)?;
        let dialects = sections.required(section::DIALECT, "dialect")?;
        let (dialects, op_names) = dialect_names(dialects, version, &strings)?;
        let data = sections.required(section::ATTR_TYPE, "attribute and type")?;
        let offsets = sections.required(section::ATTR_TYPE_OFFSET, "attribute and type offset")?;
        let (attrs, types) = entries(data, offsets, dialects.len())?;
        let properties = match sections.optional(section::PROPERTIES) {
            Some(data) => properties(data)?,
            None => Vec::new(),
        };
        let resources = match sections.optional(section::RESOURCE_OFFSET) {
            Some(offsets) => {
                let data = sections.required(section::RESOURCE, "resource")?;
                resources(data, offsets, &strings, dialects.len())?
            }
            None => Vec::new(),
        };
        let ir = sections.required(section::IR, "IR")?;
        Ok(File {
            version,
            producer,
            strings,
            dialects,
            op_names,
            attrs,
            types,
            properties,
            resources,
            ir,
        })
    }
}

/// All strings. Their lengths come first, that of the last string before the others.
pub(super) fn strings(mut r: Reader<'_>) -> Res<Vec<&[u8]>> {
    let count = r.count("strings")?;
    let mut lengths = Vec::with_capacity(count);
    for _ in 0..count {
        lengths.push(r.count("bytes of a string")?);
    }
    let mut strings = Vec::with_capacity(count);
    for len in lengths.into_iter().rev() {
        let at = r.at();
        match r.take(len)?.split_last() {
            Some((0, text)) => strings.push(text),
            _ => return fail(at, "a string is not terminated"),
        }
    }
    Ok(strings)
}

/// A name among the strings.
fn name<'a>(strings: &[&'a [u8]], index: usize, at: usize) -> Res<&'a str> {
    match strings.get(index).map(|s| std::str::from_utf8(s)) {
        Some(Ok(text)) if text.len() <= MAX_NAME => Ok(text),
        _ => fail(at, format!("a name is not UTF-8, or longer than {MAX_NAME} bytes")),
    }
}

fn dialect_names<'a>(
    mut r: Reader<'a>,
    version: u64,
    strings: &[&'a [u8]],
) -> Res<(Vec<&'a str>, Vec<OpName<'a>>)> {
    let count = r.count("dialects")?;
    let mut dialects = Vec::with_capacity(count);
    for _ in 0..count {
        let at = r.at();
        let index = if version < version::DIALECT_VERSIONS {
            r.index(strings.len(), "string")?
        } else {
            let (index, versioned) = r.index_with_flag(strings.len(), "string")?;
            if versioned && r.section()?.0 != section::DIALECT_VERSIONS {
                return fail(at, "expected the version of a dialect");
            }
            index
        };
        dialects.push(name(strings, index, at)?);
    }
    if version >= version::ELIDED_LOCATIONS {
        r.varint()?;
    }
    let mut op_names = Vec::new();
    while !r.is_empty() {
        let dialect = dialects[r.index(dialects.len(), "dialect")?];
        for _ in 0..r.count("operation names")? {
            let at = r.at();
            let (index, registered) = match version < version::PROPERTIES {
                true => (r.index(strings.len(), "string")?, true),
                false => r.index_with_flag(strings.len(), "string")?,
            };
            op_names.push(OpName { dialect, name: name(strings, index, at)?, registered });
        }
    }
    Ok((dialects, op_names))
}

/// Attributes and types: their sizes are listed by dialect, attributes first.
fn entries<'a>(
    mut data: Reader<'a>,
    mut r: Reader<'a>,
    dialects: usize,
) -> Res<(Vec<Entry<'a>>, Vec<Entry<'a>>)> {
    let attrs = r.count("attributes")?;
    let types = r.count("types")?;
    let mut lists = [Vec::with_capacity(attrs), Vec::with_capacity(types)];
    for (list, total) in lists.iter_mut().zip([attrs, types]) {
        while list.len() < total {
            let dialect = r.index(dialects, "dialect")?;
            let at = r.at();
            let count = r.count("entries")?;
            if count > total - list.len() {
                return fail(at, "more attributes or types are listed than announced");
            }
            for _ in 0..count {
                let size = r.varint()?;
                let custom = size & 1 == 1;
                let size = usize::try_from(size >> 1).unwrap_or(usize::MAX);
                list.push(Entry { dialect, custom, data: data.part(size)? });
            }
        }
    }
    let [attrs, types] = lists;
    Ok((attrs, types))
}

fn properties(mut r: Reader<'_>) -> Res<Vec<Reader<'_>>> {
    let count = r.count("properties")?;
    let mut found = Vec::with_capacity(count);
    for _ in 0..count {
        let size = r.count("bytes of properties")?;
        found.push(r.part(size)?);
    }
    Ok(found)
}

/// Kind of a resource that holds a blob.
const BLOB: u8 = 0;

/// The dialects' resources, in the order that handles count them. Those of the tool that wrote
/// the file come first and are skipped.
fn resources<'a>(
    mut data: Reader<'a>,
    mut r: Reader<'a>,
    strings: &[&'a [u8]],
    dialects: usize,
) -> Res<Vec<Resource<'a>>> {
    let mut found = Vec::new();
    let external = r.count("resource groups")?;
    for _ in 0..external {
        r.index(strings.len(), "string")?;
        resource_group(&mut data, &mut r, strings)?;
    }
    while !r.is_empty() {
        r.index(dialects, "dialect")?;
        found.extend(resource_group(&mut data, &mut r, strings)?);
    }
    Ok(found)
}

fn resource_group<'a>(
    data: &mut Reader<'a>,
    r: &mut Reader<'a>,
    strings: &[&'a [u8]],
) -> Res<Vec<Resource<'a>>> {
    let count = r.count("resources")?;
    let mut found = Vec::with_capacity(count);
    for _ in 0..count {
        let at = r.at();
        let key = r.index(strings.len(), "string")?;
        let name = name(strings, key, at)?;
        let size = usize::try_from(r.varint()?).unwrap_or(usize::MAX);
        let kind = r.byte()?;
        let mut part = data.part(size)?;
        let blob = if kind == BLOB && size > 0 { Some(aligned_blob(&mut part)?) } else { None };
        found.push(Resource { name, data: blob });
    }
    Ok(found)
}

/// Alignment, size, padding, data.
fn aligned_blob<'a>(r: &mut Reader<'a>) -> Res<&'a [u8]> {
    let alignment = r.varint()?;
    let size = r.count("bytes of a resource")?;
    r.align(alignment)?;
    r.take(size)
}
