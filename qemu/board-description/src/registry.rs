//! Finding the boards of a checkout.

use crate::{Board, RegionKind};
use std::path::{Path, PathBuf};
use std::{env, fs, io};
use thiserror::Error;

/// Why a board cannot be used. See the example of [`Registry`].
#[derive(Debug, Error)]
pub enum RegistryError {
    /// No checkout was found.
    #[error(
        "no boards found from {from} upwards; run inside the project or set MICROHLO_ROOT to its folder"
    )]
    NoRoot {
        /// Where the search began.
        from: PathBuf,
    },
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A description is not what it must be.
    #[error("{path}: {source}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The reason, with its line.
        source: Box<toml::de::Error>,
    },
    /// A description lacks a memory region.
    #[error("{path}: no memory region of kind `{kind}`; add a [[memory]] entry for it")]
    MissingRegion {
        /// The file.
        path: PathBuf,
        /// The kind that is missing.
        kind: &'static str,
    },
    /// What a description says cannot be.
    #[error("{path}: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// No board has the name.
    #[error("unknown board `{name}`; known boards: {}", known.join(", "))]
    UnknownBoard {
        /// The name asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No board has the target triple.
    #[error("no board has the target `{target}`; set MICROHLO_BOARD to one of: {}", known.join(", "))]
    UnknownTarget {
        /// The target asked for.
        target: String,
        /// What there is.
        known: Vec<String>,
    },
}

/// The boards of one checkout, sorted by name.
///
/// ```
/// use microhlo_boards::{Registry, RegistryError};
/// use std::fs;
///
/// let description = r#"
///     description = "An emulated board"
///     target = "thumbv7m-none-eabi"
///     core = "cortex-m3"
///     memory = [
///         { name = "FLASH", kind = "flash", origin = 0x0, length = 0x40000 },
///         { name = "MODEL", kind = "model", origin = 0x40000, length = 0x40000 },
///         { name = "RAM", kind = "ram", origin = 0x20000000, length = 0x4000 },
///         { name = "STACK", kind = "stack", origin = 0x20004000, length = 0x4000 },
///     ]
///     qemu = { binary = "qemu-system-arm", machine = "mps2-an385", image = "raw", icount-shift = 0 }
///     counter = { kind = "cmsdk-timer" }
/// "#;
/// # let root = std::env::temp_dir().join(format!("microhlo-registry-{}", std::process::id()));
/// for name in ["first", "second"] {
///     fs::create_dir_all(root.join("boards").join(name))?;
///     fs::write(root.join("boards").join(name).join("board.toml"), description)?;
/// }
/// let registry = Registry::open(&root)?;
/// assert_eq!((registry.boards().len(), registry.emulated().count()), (2, 2));
/// let second = registry.board("second")?;
/// assert_eq!(second.core, "cortex-m3");
/// // Of two that are alike the first; builds for the other need a name of their own.
/// let first = registry.board_for_target("thumbv7m-none-eabi")?;
/// assert_eq!((first.name.as_str(), registry.variant(first)), ("first", None));
/// assert_eq!(registry.variant(second).as_deref(), Some("variant-1"));
/// assert!(registry.build_folder().starts_with(registry.root()));
/// assert!(matches!(registry.board("third"), Err(RegistryError::UnknownBoard { .. })));
/// # fs::remove_dir_all(&root)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Registry {
    root: PathBuf,
    boards: Vec<Board>,
}

impl Registry {
    /// Finds the checkout: the folder `MICROHLO_ROOT` names, else the nearest
    /// folder above the current one that has boards, else the one this crate
    /// was built from.
    ///
    /// ```
    /// use microhlo_boards::Registry;
    ///
    /// match Registry::find() {
    ///     Ok(registry) => assert!(!registry.boards().is_empty()),
    ///     // Outside of a checkout.
    ///     Err(error) => assert!(error.to_string().contains("MICROHLO_ROOT")),
    /// }
    /// ```
    pub fn find() -> Result<Self, RegistryError> {
        if let Some(root) = env::var_os("MICROHLO_ROOT") {
            return Self::open(Path::new(&root));
        }
        let here = env::current_dir()
            .map_err(|source| RegistryError::Io { path: PathBuf::from("."), source })?;
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        here.ancestors()
            .chain([built_from.as_path()])
            .find(|folder| is_root(folder))
            .ok_or_else(|| RegistryError::NoRoot { from: here.clone() })
            .and_then(Self::open)
    }

    /// Reads the boards of the checkout at `root`. See the example of [`Registry`].
    pub fn open(root: &Path) -> Result<Self, RegistryError> {
        let io_error = |source| RegistryError::Io { path: root.join("boards"), source };
        let root = root.canonicalize().map_err(io_error)?;
        let mut boards = Vec::new();
        for entry in fs::read_dir(root.join("boards")).map_err(io_error)? {
            let folder = entry.map_err(io_error)?.path();
            if folder.join("board.toml").is_file() {
                boards.push(read_board(&folder)?);
            }
        }
        boards.sort_by(|a, b| a.name.cmp(&b.name));
        if boards.is_empty() {
            return Err(RegistryError::NoRoot { from: root });
        }
        Ok(Self { root, boards })
    }

    /// The checkout's folder. See the example of [`Registry`].
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All boards, sorted by name. See the example of [`Registry`].
    pub fn boards(&self) -> &[Board] {
        &self.boards
    }

    /// The board of that name. See the example of [`Registry`].
    pub fn board(&self, name: &str) -> Result<&Board, RegistryError> {
        self.boards.iter().find(|board| board.name == name).ok_or_else(|| {
            RegistryError::UnknownBoard { name: name.to_owned(), known: self.names() }
        })
    }

    /// The emulated boards, sorted by name. See the example of [`Registry`].
    pub fn emulated(&self) -> impl DoubleEndedIterator<Item = &Board> {
        self.boards.iter().filter(|board| board.is_emulated())
    }

    /// Of the boards that have the target triple, the one with the most memory for models; an emulated
    /// one if there is any, and of equal ones the first by name. See the example of [`Registry`].
    pub fn board_for_target(&self, target: &str) -> Result<&Board, RegistryError> {
        let of_target = self.boards.iter().rev().filter(|board| board.target == target);
        of_target.max_by_key(|board| (board.is_emulated(), board.arena_bytes())).ok_or_else(|| {
            RegistryError::UnknownTarget { target: target.to_owned(), known: self.names() }
        })
    }

    /// The folder for what builds of firmware leave besides the binaries. All boards share it, as they
    /// share their build scripts, the largest part. See the example of [`Registry`].
    pub fn build_folder(&self) -> PathBuf {
        self.root.join("target/firmware/build")
    }

    /// The feature of the start-up crate `microhlo-board` that tells the builds for a board from those
    /// for the other emulated boards of its target, so that they do not undo each other; none for the
    /// first. See the example of [`Registry`].
    pub fn variant(&self, board: &Board) -> Option<String> {
        let same = self.emulated().take_while(|other| other.name != board.name);
        let before = same.filter(|other| other.target == board.target).count();
        (board.is_emulated() && before > 0).then(|| format!("variant-{before}"))
    }

    fn names(&self) -> Vec<String> {
        self.boards.iter().map(|board| board.name.clone()).collect()
    }
}

fn is_root(folder: &Path) -> bool {
    let boards = folder.join("boards");
    boards.join("Cargo.toml").is_file()
        && fs::read_dir(boards).is_ok_and(|entries| {
            entries.flatten().any(|entry| entry.path().join("board.toml").is_file())
        })
}

fn read_board(folder: &Path) -> Result<Board, RegistryError> {
    let path = folder.join("board.toml");
    let text = fs::read_to_string(&path)
        .map_err(|source| RegistryError::Io { path: path.clone(), source })?;
    let mut board: Board = toml::from_str(&text)
        .map_err(|source| RegistryError::Syntax { path: path.clone(), source: Box::new(source) })?;
    for (kind, name) in [
        (RegionKind::Flash, "flash"),
        (RegionKind::Ram, "ram"),
        (RegionKind::Stack, "stack"),
        (RegionKind::Model, "model"),
    ] {
        if board.region(kind).is_none() {
            return Err(RegistryError::MissingRegion { path, kind: name });
        }
    }
    board.name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    board.folder = folder.to_owned();
    match crate::check::check(&board) {
        Ok(()) => Ok(board),
        Err(reason) => Err(RegistryError::Invalid { path, reason }),
    }
}
