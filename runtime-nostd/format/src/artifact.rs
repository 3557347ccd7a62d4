//! The checked view of a whole artifact.

use crate::{ARENA_ENTRY_BYTES, Arenas, ArtifactError, HEADER_BYTES, Header, Manifest, Program};

/// An artifact whose header, checksum, sections, manifest and step headers are well-formed.
///
/// Nothing is copied: all accessors refer to the bytes given to [`Artifact::parse`]. What the
/// parameters of the steps mean is not checked here; the runtime's loader does that.
///
/// ```
/// # #[cfg(not(feature = "std"))]
/// # fn main() {}
/// # #[cfg(feature = "std")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use microhlo_format::kernels::Fill;
/// use microhlo_format::{
///     Artifact, ArtifactSpec, Cursor, DType, HEADER_BYTES, Kernel, KernelId, Place, Target,
///     TensorSpec, VERSION_MAJOR, encode,
/// };
///
/// // A program of one step, which writes four times the constant 1.5.
/// let (value, output) = (Place::constant(0), Place::arena(0));
/// let y = TensorSpec { name: "y".to_owned(), dtype: DType::F32, dims: vec![4], place: output };
/// let bytes = encode(&ArtifactSpec {
///     name: "ones".to_owned(),
///     compiler: "by hand".to_owned(),
///     outputs: vec![y],
///     steps: vec![Kernel::fill(Fill { value, output, element: 4, count: 4 })],
///     constants: 1.5_f32.to_le_bytes().to_vec(),
///     arena_bytes: 16,
///     ..ArtifactSpec::default()
/// })?;
/// let artifact = Artifact::parse(&bytes)?;
///
/// let header = artifact.header();
/// assert_eq!((header.major, header.steps, header.arena_bytes), (VERSION_MAJOR, 1, 16));
/// assert_eq!(header.program_offset as usize, HEADER_BYTES);
/// assert_eq!(artifact.constants(), 1.5_f32.to_le_bytes());
///
/// // What goes in and comes out.
/// let manifest = artifact.manifest();
/// assert_eq!((manifest.name.as_str(), manifest.name.as_bytes()), ("ones", &b"ones"[..]));
/// assert!(manifest.inputs.is_empty() && manifest.outputs.len() == 1);
/// let output = manifest.outputs.get(0).expect("an output");
/// assert_eq!((output.dtype, &*output.dims, output.byte_len()), (DType::F32, &[4][..], Some(16)));
/// assert_eq!(manifest.outputs.iter().next(), Some(output));
/// assert_eq!(manifest.kernel_ids().collect::<Vec<_>>(), [KernelId::fill]);
///
/// // The steps, which are found one after another.
/// let program = artifact.program();
/// assert!(program.len() == 1 && !program.is_empty());
/// let mut cursor = Cursor::default();
/// let step = program.next(&mut cursor).expect("a step");
/// assert_eq!((step.kernel, step.offset, cursor.index()), (KernelId::fill, 0, 1));
/// assert!(matches!(Kernel::decode(step.kernel, step.body), Ok(Kernel::fill(fill)) if fill.count == 4));
/// assert_eq!((program.next(&mut cursor), program.iter().count()), (None, 1));
/// // No branch may lead to the first step, as that is where a run has not begun.
/// assert!(!program.has(Target::step(0), Cursor::default()));
///
/// // One arena without a name.
/// let arenas = artifact.arenas();
/// assert!(arenas.len() == 1 && !arenas.is_empty() && !arenas.has_table());
/// assert_eq!((arenas.first().bytes, arenas.first().name()), (16, ""));
/// assert_eq!((arenas.get(0), arenas.get(1)), (arenas.iter().next(), None));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Artifact<'a> {
    header: Header,
    manifest: Manifest<'a>,
    program: Program<'a>,
    constants: &'a [u8],
    table: &'a [[u8; ARENA_ENTRY_BYTES]],
}

impl<'a> Artifact<'a> {
    /// Checks the form of an artifact, which must fill `bytes` exactly. See the example of [`Artifact`].
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

    /// The header. See the example of [`Artifact`].
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The manifest. See the example of [`Artifact`].
    pub const fn manifest(&self) -> &Manifest<'a> {
        &self.manifest
    }

    /// The steps. See the example of [`Artifact`].
    pub const fn program(&self) -> &Program<'a> {
        &self.program
    }

    /// The arenas. See the example of [`Artifact`].
    pub fn arenas(&self) -> Arenas<'a> {
        Arenas::new(self.table, &self.header)
    }

    /// The constant section. See the example of [`Artifact`].
    pub const fn constants(&self) -> &'a [u8] {
        self.constants
    }
}
