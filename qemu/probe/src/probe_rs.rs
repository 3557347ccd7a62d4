//! The `probe-rs` library as [`Probes`] and [`Target`].

use crate::chip::{Chip, Flash};
use crate::error::{Error, chain};
use crate::plan::Plan;
use crate::select::ProbeInfo;
use crate::target::{Attach, Phase, Probes, Progress, State, Target};
use probe_rs::architecture::arm::ArmError;
use probe_rs::config::{MemoryRange, MemoryRegion, NvmRegion, Registry, TargetSelector};
use probe_rs::flashing::{
    DownloadOptions, FlashError, FlashLoader, FlashProgress, ProgressEvent, ProgressOperation,
};
use probe_rs::probe::DebugProbeInfo;
use probe_rs::probe::list::{Accessibility, Lister, ProbeListItem};
use probe_rs::rtt::{ChannelMode, Rtt, ScanRegion};
use probe_rs::{CoreStatus, MemoryInterface, Permissions, Session};
use std::path::Path;
use std::time::Duration;

/// How long a chip may take to reset and halt.
const RESET: Duration = Duration::from_secs(1);

/// The probes that the library finds.
///
/// ```
/// use microhlo_probe::{Error, ProbeRs, Probes};
///
/// // What the library knows of a chip, which need not be there.
/// let chip = ProbeRs.chip("nRF52840_xxAA", None)?;
/// assert_eq!(chip.flash[0].range, 0..0x10_0000);
/// assert!(matches!(ProbeRs.chip("Z80", None), Err(Error::UnknownChip { .. })));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ProbeRs;

impl Probes for ProbeRs {
    fn list(&self) -> Vec<ProbeInfo> {
        Lister::new().list_all_with_access().iter().map(info_of).collect()
    }

    fn chip(&self, name: &str, description: Option<&Path>) -> Result<Chip, Error> {
        chip_of(&target_of(&registry(description)?, name)?)
    }

    fn attach(
        &self,
        probe: &ProbeInfo,
        chip: &Chip,
        description: Option<&Path>,
        how: &Attach,
    ) -> Result<Box<dyn Target>, Error> {
        let registry = registry(description)?;
        let target = target_of(&registry, &chip.name)?;
        // It tells which chip answers before anything is done to it.
        if let Ok(session) = session(
            probe,
            TargetSelector::Auto,
            &Attach { allow_erase_all: false, ..*how },
            &registry,
        ) && !is_alike(&session.target().name, &chip.name)
        {
            return Err(Error::WrongChip {
                expected: chip.name.clone(),
                found: session.target().name.clone(),
                probe: probe.clone(),
            });
        }
        let session = session(probe, TargetSelector::Specified(target), how, &registry)?;
        Ok(Box::new(Attached { session, chip: chip.name.clone(), rtt: None }))
    }
}

/// Whether two names are of one chip, but for its package: they are equal up to the last digit, as in
/// `STM32F411RETx` and `STM32F411CEUx`.
fn is_alike(found: &str, wanted: &str) -> bool {
    let model = |name: &str| {
        let end = name.rfind(|c: char| c.is_ascii_digit()).map_or(name.len(), |at| at + 1);
        name.get(..end).unwrap_or(name).to_ascii_lowercase()
    };
    model(found) == model(wanted)
}

fn info_of(item: &ProbeListItem) -> ProbeInfo {
    let info = &item.info;
    ProbeInfo {
        name: info.identifier.clone(),
        vendor: info.vendor_id,
        product: info.product_id,
        serial: info.serial_number.clone(),
        allowed: item.accessibility == Accessibility::Accessible,
    }
}

/// The known chips, and those of a description.
fn registry(description: Option<&Path>) -> Result<Registry, Error> {
    let mut registry = Registry::from_builtin_families();
    if let Some(path) = description {
        let bad = |reason: String| Error::BadDescription { path: path.to_owned(), reason };
        let yaml = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        registry.add_target_family_from_yaml(&yaml).map_err(|error| bad(chain(&error)))?;
    }
    Ok(registry)
}

fn target_of(registry: &Registry, name: &str) -> Result<probe_rs::Target, Error> {
    registry.get_target_by_name(name).map_err(|_| {
        // The longest beginning that other names have too.
        let starts = (3..=name.len()).rev().filter_map(|end| name.get(..end));
        let mut similar =
            starts.map(|start| registry.search_chips(start)).find(|all| !all.is_empty());
        let similar = similar.iter_mut().flat_map(std::mem::take).take(8).collect();
        Error::UnknownChip { name: name.to_owned(), similar }
    })
}

fn chip_of(target: &probe_rs::Target) -> Result<Chip, Error> {
    let nvm = target.memory_map.iter().filter_map(MemoryRegion::as_nvm_region);
    let mut flash: Vec<Flash> =
        nvm.filter(|r| !r.is_alias).filter_map(|r| flash_of(target, r)).collect();
    flash.sort_by_key(|flash| flash.range.start);
    let ram = target.memory_map.iter().filter_map(MemoryRegion::as_ram_region);
    let ram = ram.map(|region| region.range.clone()).collect();
    Ok(Chip { name: target.name.clone(), flash, ram })
}

/// A region that an algorithm programs: the default one, if several do.
fn flash_of(target: &probe_rs::Target, region: &NvmRegion) -> Option<Flash> {
    let fits = |a: &&probe_rs::config::RawFlashAlgorithm| {
        a.flash_properties.address_range.contains_range(&region.range)
    };
    let algorithms = || target.flash_algorithms.iter().filter(fits);
    let algorithm = algorithms().find(|a| a.default).or_else(|| algorithms().next())?;
    let properties = &algorithm.flash_properties;
    let start = properties.address_range.start;
    let mut sectors: Vec<(u64, u64)> =
        properties.sectors.iter().map(|sector| (start + sector.address, sector.size)).collect();
    sectors.sort_unstable();
    Some(Flash { range: region.range.clone(), sectors })
}

/// Opens a probe and attaches to its chip.
fn session(
    probe: &ProbeInfo,
    selector: TargetSelector,
    how: &Attach,
    registry: &Registry,
) -> Result<Session, Error> {
    let not_opened = |reason: String| Error::NotOpened { probe: probe.clone(), reason };
    let found = Lister::new().list_all().into_iter().find(|info| is_same(info, probe));
    let found = found.ok_or_else(|| not_opened("it is not there any more".to_owned()))?;
    let mut opened = found.open().map_err(|error| not_opened(chain(&error)))?;
    if let Some(speed) = how.speed {
        opened.set_speed(speed).map_err(|error| not_opened(chain(&error)))?;
    }
    let permissions = Permissions::new();
    let permissions = if how.allow_erase_all { permissions.allow_erase_all() } else { permissions };
    let name = match &selector {
        TargetSelector::Specified(target) => target.name.clone(),
        _ => "the chip".to_owned(),
    };
    let session = if how.under_reset {
        opened.attach_under_reset_with_registry(selector, permissions, registry)
    } else {
        opened.attach_with_registry(selector, permissions, registry)
    };
    session.map_err(|error| not_attached(&error, name, probe))
}

fn is_same(info: &DebugProbeInfo, probe: &ProbeInfo) -> bool {
    info.vendor_id == probe.vendor
        && info.product_id == probe.product
        && info.serial_number == probe.serial
}

fn not_attached(error: &probe_rs::Error, chip: String, probe: &ProbeInfo) -> Error {
    match error {
        probe_rs::Error::Arm(ArmError::MissingPermissions(_))
        | probe_rs::Error::MissingPermissions(_) => Error::Locked { chip },
        error => Error::NoAnswer { chip, probe: probe.clone(), reason: chain(error) },
    }
}

/// A chip that a probe is attached to.
struct Attached {
    session: Session,
    chip: String,
    rtt: Option<Rtt>,
}

impl Attached {
    fn loader(&self, plan: &Plan) -> Result<FlashLoader, Error> {
        let mut loader = self.session.target().flash_loader();
        for segment in plan.segments() {
            loader
                .add_data(segment.address, &segment.bytes)
                .map_err(|error| self.refused(&error))?;
        }
        Ok(loader)
    }

    fn refused(&self, error: &FlashError) -> Error {
        Error::FlashFailed { chip: self.chip.clone(), reason: chain(error) }
    }

    /// The first byte of a plan that flash does not hold, if the core can read it.
    fn first_wrong(&mut self, plan: &Plan) -> (String, Option<u64>) {
        for segment in plan.segments() {
            let mut found = vec![0; segment.bytes.len()];
            if self.read(segment.address, &mut found).is_err() {
                continue;
            }
            let at = found.iter().zip(&segment.bytes).position(|(found, byte)| found != byte);
            if let Some(at) = at {
                return (segment.what.clone(), Some(segment.address + at as u64));
            }
        }
        (plan.segments().first().map_or(String::new(), |segment| segment.what.clone()), None)
    }
}

impl Target for Attached {
    fn write(&mut self, plan: &Plan, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
        let loader = self.loader(plan)?;
        let mut options = DownloadOptions::default();
        options.keep_unwritten_bytes = true;
        options.progress = FlashProgress::new(|event| report(&event, progress));
        loader.commit(&mut self.session, options).map_err(|error| self.refused(&error))
    }

    fn verify(&mut self, plan: &Plan, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
        let loader = self.loader(plan)?;
        let mut events = FlashProgress::new(|event| report(&event, progress));
        let result = loader.verify(&mut self.session, &mut events);
        drop(events);
        match result {
            Ok(()) => Ok(()),
            Err(FlashError::Verify) => {
                let (what, address) = self.first_wrong(plan);
                Err(Error::Verify { what, address })
            }
            Err(error) => Err(self.refused(&error)),
        }
    }

    fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let mut core = self.session.core(0).map_err(lost("reading memory"))?;
        core.read(address, bytes).map_err(lost("reading memory"))
    }

    fn reset(&mut self, control_block: Option<u64>) -> Result<(), Error> {
        self.rtt = None;
        let lost = lost("resetting the chip");
        let mut core = self.session.core(0).map_err(&lost)?;
        core.reset_and_halt(RESET).map_err(&lost)?;
        if let Some(address) = control_block {
            let cleared = Rtt::clear_control_block(&mut core, &ScanRegion::Exact(address));
            cleared.map_err(|error| Error::Lost {
                during: "resetting the chip",
                reason: chain(&error),
            })?;
        }
        core.run().map_err(&lost)
    }

    fn channels(&mut self, control_block: Option<u64>) -> Result<Vec<String>, Error> {
        let region = match control_block {
            Some(address) => ScanRegion::Exact(address),
            None => self.session.target().rtt_scan_regions.clone(),
        };
        let mut core = self.session.core(0).map_err(lost("looking for RTT"))?;
        match Rtt::attach_region(&mut core, &region) {
            Ok(mut rtt) => {
                let name = |channel: &probe_rs::rtt::UpChannel| {
                    channel.name().unwrap_or_default().to_owned()
                };
                let names = rtt.up_channels().iter().map(name).collect();
                self.rtt = Some(rtt);
                Ok(names)
            }
            Err(probe_rs::rtt::Error::Probe(error)) => Err(lost("looking for RTT")(error)),
            // Not there yet, or half of it.
            Err(_) => Ok(Vec::new()),
        }
    }

    fn receive(&mut self, channel: usize, buffer: &mut [u8]) -> Result<usize, Error> {
        let failed =
            |error: &dyn std::error::Error| Error::Lost { during: LISTENING, reason: chain(error) };
        let mut core = self.session.core(0).map_err(|error| failed(&error))?;
        let channels = self.rtt.as_mut().map(Rtt::up_channels).unwrap_or_default();
        let Some(channel) = channels.iter_mut().find(|up| up.number() == channel) else {
            return Ok(0);
        };
        // The firmware is to wait for this host rather than drop what does not fit.
        if channel.mode(&mut core).map_err(|error| failed(&error))? != ChannelMode::BlockIfFull {
            channel
                .set_mode(&mut core, ChannelMode::BlockIfFull)
                .map_err(|error| failed(&error))?;
        }
        channel.read(&mut core, buffer).map_err(|error| failed(&error))
    }

    fn state(&mut self) -> Result<State, Error> {
        let mut core = self.session.core(0).map_err(lost(LISTENING))?;
        Ok(match core.status().map_err(lost(LISTENING))? {
            CoreStatus::Halted(reason) => State::Stopped(format!("the core halted ({reason:?})")),
            CoreStatus::LockedUp => State::Stopped(
                "the core locked up: it took a fault while it handled one, as when the stack is used up".to_owned(),
            ),
            CoreStatus::Running | CoreStatus::Sleeping | CoreStatus::Unknown => State::Running,
        })
    }
}

const LISTENING: &str = "listening to the firmware";

fn lost(during: &'static str) -> impl Fn(probe_rs::Error) -> Error {
    move |error| Error::Lost { during, reason: chain(&error) }
}

fn report(event: &ProgressEvent, progress: &mut dyn FnMut(Progress)) {
    let phase = |operation: &ProgressOperation| match operation {
        ProgressOperation::Fill => Phase::Read,
        ProgressOperation::Erase => Phase::Erase,
        ProgressOperation::Program => Phase::Write,
        ProgressOperation::Verify => Phase::Verify,
    };
    match event {
        ProgressEvent::AddProgressBar { operation, total } => {
            progress(Progress::Started(phase(operation), *total));
        }
        ProgressEvent::Progress { operation, size, .. } => {
            progress(Progress::Advanced(phase(operation), *size));
        }
        ProgressEvent::Finished(operation) | ProgressEvent::Failed(operation) => {
            progress(Progress::Finished(phase(operation)));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_compared_up_to_the_package() {
        assert!(is_alike("STM32F411CEUx", "STM32F411RETx"));
        assert!(is_alike("nRF52840_xxAA", "nRF52840_xxAA"));
        assert!(is_alike("rp2040", "RP2040"));
        assert!(!is_alike("STM32F407VGTx", "STM32F411RETx"));
        assert!(!is_alike("nRF52832_xxAA", "nRF52840_xxAA"));
        assert!(!is_alike("RP2040", "RP235x"));
    }

    #[test]
    fn chips_are_looked_up_by_name() {
        let chip = ProbeRs.chip("nRF52840_xxAA", None).unwrap();
        assert_eq!(chip.name, "nRF52840_xxAA");
        assert_eq!(chip.flash[0].range, 0..0x10_0000);
        assert_eq!(chip.flash[0].sectors, [(0, 0x1000)]);
        assert!(chip.ram.contains(&(0x2000_0000..0x2004_0000)));
        let chip = ProbeRs.chip("STM32F411RETx", None).unwrap();
        let sizes: Vec<u64> =
            chip.sectors(&(0x0800_0000..0x0808_0000)).iter().map(|s| s.end - s.start).collect();
        let kib: Vec<u64> = sizes.iter().map(|size| size >> 10).collect();
        assert_eq!(kib, [16, 16, 16, 16, 64, 128, 128, 128]);
    }

    #[test]
    fn an_unknown_chip_names_similar_ones() {
        let text = ProbeRs.chip("nRF52849_xxAA", None).unwrap_err().to_string();
        assert!(
            text.starts_with("unknown chip `nRF52849_xxAA`; similar ones are nRF52840"),
            "{text}"
        );
        let text = ProbeRs.chip("quartz", None).unwrap_err().to_string();
        assert!(text.contains("probe.rs/targets"), "{text}");
    }
}
