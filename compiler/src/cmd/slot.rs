//! `microhlo slot`: the contents of a model slot, to be flashed or sent.

use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use microhlo_slots::{HEADER_BYTES, Trial};

use super::{CmdError, load, print_text, write_file};
use crate::slot_image::{header, image, secret_key};

/// Put an artifact into the contents of a model slot: a header with its version, checksum and signature,
/// and the artifact. Write it to the start of a slot, or send it to a firmware that updates itself.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The artifact.
    #[arg(value_name = "ARTIFACT")]
    artifact: PathBuf,
    /// The model's version: the newest of two slots runs, and an update must be newer than what runs.
    #[arg(long, value_name = "N")]
    version: u32,
    /// Sign with this Ed25519 secret key: PEM, as `openssl genpkey -algorithm ed25519` writes it, or a seed
    /// of 32 bytes or 64 hexadecimal digits.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Write the key's public half, 32 bytes for the firmware to include.
    #[arg(long, value_name = "FILE", requires = "key")]
    public_key: Option<PathBuf>,
    /// The firmware is to confirm the model before it has run a few times, as after an update.
    #[arg(long)]
    trial: bool,
    /// Size of a slot, half of the partition: what is larger is an error.
    #[arg(long, value_name = "BYTES")]
    slot_bytes: Option<usize>,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CmdError> {
    let artifact = load::open_artifact(&args.artifact)?;
    load::parse_artifact(&args.artifact, &artifact)?;
    let key = args.key.as_deref().map(read_key).transpose()?;
    let header = header(&artifact, args.version, key.as_ref());
    let trial = if args.trial { Trial::Pending } else { Trial::Confirmed };
    let image = image(&header, &artifact, trial);
    if let Some(slot) = args.slot_bytes.filter(|&slot| image.len() > slot) {
        return Err(CmdError::Failed(format!(
            "{} needs {} bytes of a slot, with the header, but a slot has {slot}; make the partition larger",
            args.artifact.display(),
            image.len()
        )));
    }
    write_file(&args.output, &image)?;
    if let (Some(path), Some(key)) = (&args.public_key, &key) {
        write_file(path, key.verifying_key().as_bytes())?;
    }
    let signed = match &key {
        Some(key) => {
            format!("signed, public key {}", const_hex::encode(key.verifying_key().as_bytes()))
        }
        None => "not signed".to_owned(),
    };
    print_text(&format!(
        "{}: version {}, {}, {signed}; artifact of {} bytes at {HEADER_BYTES}\n",
        args.output.display(),
        args.version,
        if args.trial { "on trial" } else { "confirmed" },
        artifact.len()
    ));
    Ok(())
}

/// Reads an Ed25519 secret key.
pub(super) fn read_key(path: &Path) -> Result<SigningKey, CmdError> {
    let file = load::read(path)?;
    secret_key(&file).ok_or_else(|| {
        CmdError::BadInput(format!(
            "{} is no Ed25519 secret key; make one with `openssl genpkey -algorithm ed25519 -out {}`",
            path.display(),
            path.display()
        ))
    })
}
