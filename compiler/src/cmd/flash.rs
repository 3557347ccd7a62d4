//! `microhlo flash`: a model and a firmware into the flash of a real board.

use std::path::PathBuf;

use super::wire::Wire;
use super::{CmdError, JsonTarget};

/// Write a model, a firmware or both into the flash of a real board, verify them, and reset it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The artifact, for the model partition; or the contents of a slot, which `microhlo slot` has made.
    #[arg(value_name = "ARTIFACT", required_unless_present = "firmware")]
    artifact: Option<PathBuf>,
    /// The board; by default the one that the firmware is built for.
    #[arg(long, value_name = "BOARD", required_unless_present = "firmware")]
    board: Option<String>,
    /// Write this firmware too: the ELF file that the linker wrote.
    #[arg(long, value_name = "ELF")]
    firmware: Option<PathBuf>,
    /// The model partition is two slots: write this one, and leave the other.
    #[arg(long, value_name = "A|B", requires = "artifact")]
    slot: Option<SlotName>,
    /// The model's version, for a slot: the newer one of two runs.
    #[arg(long, value_name = "N", requires = "slot")]
    version: Option<u32>,
    /// Sign for a slot with this Ed25519 secret key, as for `microhlo slot`.
    #[arg(long, value_name = "FILE", requires = "slot")]
    key: Option<PathBuf>,
    /// In a slot, the firmware is to confirm the model before it has run a few times.
    #[arg(long, requires = "slot")]
    trial: bool,
    /// Say what would be written where, and end: needs no probe.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wire: Wire,
    #[command(flatten)]
    json: JsonTarget,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SlotName {
    #[value(name = "A", alias = "a")]
    A,
    #[value(name = "B", alias = "b")]
    B,
}

/// Runs the command.
#[cfg(not(feature = "probe"))]
pub fn run(_: &Args) -> Result<(), CmdError> {
    Err(CmdError::BadInput(super::wire::LEFT_OUT.to_owned()))
}

/// Runs the command.
#[cfg(feature = "probe")]
pub fn run(args: &Args) -> Result<(), CmdError> {
    let text = with_probes::flash(args, &microhlo_probe::ProbeRs)?;
    if !args.json.owns_stdout() {
        super::print_text(&text);
    }
    Ok(())
}

#[cfg(feature = "probe")]
mod with_probes {
    use super::{Args, SlotName};
    use crate::cmd::wire::{Bars, attach};
    use crate::cmd::{CmdError, load, slot};
    use crate::slot_image;
    use microhlo_probe::{Place, Plan, Probes, Segment, Target};
    use microhlo_qemu::{Board, Registry, board_name};
    use microhlo_slots::{CORE_BYTES, Header, Slot, Trial};
    use serde_json::{Value, json};

    /// Plans, and unless it is a dry run writes. Returns what to print.
    pub fn flash(args: &Args, probes: &dyn Probes) -> Result<String, CmdError> {
        let registry = Registry::find().map_err(|e| CmdError::BadInput(e.to_string()))?;
        let name = match (&args.board, &args.firmware) {
            (Some(name), _) => name.clone(),
            (None, Some(firmware)) => board_name(firmware)
                .map_err(|e| CmdError::BadInput(format!("{e}; or name the board with --board")))?,
            (None, None) => return Err(microhlo_probe::Error::Nothing.into()),
        };
        let board = registry.board(&name).map_err(|e| CmdError::BadInput(e.to_string()))?;
        flash_on(args, probes, board)
    }

    /// The same on a board that is known.
    pub fn flash_on(args: &Args, probes: &dyn Probes, board: &Board) -> Result<String, CmdError> {
        let place = Place::of(board, probes)?;
        let (mut segments, mut slotted) = (Vec::new(), None);
        if let Some(path) = &args.artifact {
            let (segment, header) = model(args, path, &place)?;
            segments.push(segment);
            slotted = header;
        }
        if let Some(path) = &args.firmware {
            segments.extend(microhlo_probe::firmware(board, path, &load::read(path)?)?);
        }
        let plan = Plan::new(&place.chip, segments)?;
        let mut text = plan.listing();
        args.json.write(&json_of(board, &plan, args.dry_run))?;
        if args.dry_run {
            return Ok(text + "nothing was written: --dry-run\n");
        }
        let mut target = attach(probes, &place, &args.wire)?;
        let mut bars = Bars::default();
        microhlo_probe::flash(&mut *target, &plan, &mut |progress| bars.show(progress))?;
        text += &format!("written and verified; {} was reset\n", board.name);
        if let Some((slot, header)) = slotted {
            text += &older(&mut *target, &place, slot, &header)?;
        }
        Ok(text)
    }

    /// The segment of the model, and for a slot its header.
    fn model(
        args: &Args,
        path: &std::path::Path,
        place: &Place,
    ) -> Result<(Segment, Option<(Slot, Header)>), CmdError> {
        let what = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = load::read(path)?;
        let made = file.first_chunk::<CORE_BYTES>().and_then(|core| Header::decode(core).ok());
        let Some(name) = args.slot else {
            if made.is_some() {
                return Err(CmdError::BadInput(format!(
                    "{} is the contents of a slot; say which with --slot A or --slot B",
                    path.display()
                )));
            }
            let artifact = load::open_artifact(path)?;
            load::parse_artifact(path, &artifact)?;
            return Ok((microhlo_probe::model(&place.board, &what, &artifact)?, None));
        };
        let (header, image) = match made {
            Some(header) => (header, file),
            None => slot_of(args, path)?,
        };
        let slot = if name == SlotName::A { Slot::A } else { Slot::B };
        let segment = microhlo_probe::slot(&place.board, &place.chip, slot, &what, &image)?;
        Ok((segment, Some((slot, header))))
    }

    /// The header and contents of a slot, as `microhlo slot` makes them.
    fn slot_of(args: &Args, path: &std::path::Path) -> Result<(Header, Vec<u8>), CmdError> {
        let artifact = load::open_artifact(path)?;
        load::parse_artifact(path, &artifact)?;
        let version = args.version.ok_or_else(|| {
            let text = "--slot needs --version N: of two slots the newer one runs";
            CmdError::BadInput(text.to_owned())
        })?;
        let key = args.key.as_deref().map(slot::read_key).transpose()?;
        let header = slot_image::header(&artifact, version, key.as_ref());
        let trial = if args.trial { Trial::Pending } else { Trial::Confirmed };
        let image = slot_image::image(&header, &artifact, trial);
        Ok((header, image))
    }

    /// A warning if the other slot holds a model that is not older, which then may run instead.
    fn older(
        target: &mut dyn Target,
        place: &Place,
        slot: Slot,
        written: &Header,
    ) -> Result<String, CmdError> {
        let other = microhlo_probe::other_slot(target, place, slot)?;
        Ok(match other.filter(|other| other.version >= written.version) {
            Some(other) => format!(
                "warning: the other slot holds version {}, and the newer of two runs, so version {} may \
                 not; give it a higher --version\n",
                other.version, written.version
            ),
            None => String::new(),
        })
    }

    fn json_of(board: &Board, plan: &Plan, dry_run: bool) -> Value {
        let segment = |segment: &Segment| {
            json!({
                "what": segment.what, "address": segment.address, "bytes": segment.bytes.len(),
                "crc32": segment.crc32(),
            })
        };
        let sectors = plan.sectors().iter();
        let sectors = sectors.map(|s| json!({ "address": s.start, "bytes": s.end - s.start }));
        json!({
            "board": board.name,
            "chip": plan.chip().name,
            "segments": plan.segments().iter().map(segment).collect::<Vec<_>>(),
            "erased": sectors.collect::<Vec<_>>(),
            "dry_run": dry_run,
        })
    }
}

#[cfg(all(test, feature = "probe"))]
#[path = "flash_tests.rs"]
mod tests;
