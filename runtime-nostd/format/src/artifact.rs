//! The checked view of a whole artifact.

use crate::{ARENA_ENTRY_BYTES, Arenas, ArtifactError, HEADER_BYTES, Header, Manifest, Program};

/// An artifact whose header, checksum, sections, manifest and step headers are well-formed.
///
/// Nothing is copied: all accessors refer to the bytes given to [`Artifact::parse`]. What the
/// parameters of the steps mean is not checked here; the runtime's loader does that.
#[derive(Clone, Copy, Debug)]
pub struct Artifact<'a> {
    header: Header,
    manifest: Manifest<'a>,
    program: Program<'a>,
    constants: &'a [u8],
    table: &'a [[u8; ARENA_ENTRY_BYTES]],
}

impl<'a> Artifact<'a> {
    /// Checks the form of an artifact, which must fill `bytes` exactly.
    pub fn parse(bytes: &'a [u8]) -> Result<Artifact<'a>, ArtifactError> {
        let header = Header::check(bytes)?;
        let sections = header.sections(bytes)?;
        let program =
            Program::parse(sections.program, header.program_offset as usize, header.steps)?;
        let manifest = Manifest::parse(sections.manifest, header.manifest_offset as usize)?;
        let constants = sections.constants;
        let table = bytes.get(HEADER_BYTES..header.program_start()).unwrap_or(&[]);
        let (table, _) = table.as_chunks();
        Arenas::new(table, &header).check(constants.len())?;
        Ok(Artifact { header, manifest, program, constants, table })
    }

    /// The header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The manifest.
    pub const fn manifest(&self) -> &Manifest<'a> {
        &self.manifest
    }

    /// The steps.
    pub const fn program(&self) -> &Program<'a> {
        &self.program
    }

    /// The arenas.
    pub fn arenas(&self) -> Arenas<'a> {
        Arenas::new(self.table, &self.header)
    }

    /// The constant section.
    pub const fn constants(&self) -> &'a [u8] {
        self.constants
    }
}
