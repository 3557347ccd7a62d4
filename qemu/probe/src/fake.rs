//! Probes and a chip in memory, to test what has no probe at hand.
//!
//! The chip's flash is erased in sectors and written in between, and it can fail in the ways that real
//! ones do. What its firmware would send over RTT comes from any [`microhlo_qemu::Line`]: an emulator that
//! runs what was flashed, for one.

use crate::chip::{Chip, Sector};
use crate::error::Error;
use crate::plan::Plan;
use crate::select::ProbeInfo;
use crate::target::{Attach, Phase, Probes, Progress, State, Target};
use microhlo_qemu::Line;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Makes the firmware's end of RTT from what the chip holds at a reset; none if nothing there would run.
/// See the example of [`listen`](crate::listen).
pub type Boot = dyn Fn(&Memory) -> Option<Box<dyn Line>>;

/// Probes that are said to be plugged in, all with one chip at their other end.
/// See the example of [`flash`](crate::flash()).
#[derive(Clone)]
pub struct FakeProbes {
    /// The probes.
    pub probes: Vec<ProbeInfo>,
    /// The chip that is known by its name.
    pub chip: Chip,
    /// What goes wrong.
    pub fault: Fault,
    /// What the chip holds.
    pub memory: Rc<RefCell<Memory>>,
    boot: Rc<Boot>,
}

/// What goes wrong.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/board.rs"));
/// use microhlo_probe::fake::{FakeProbes, Fault};
/// use microhlo_probe::{Attach, Error, Place, attach};
///
/// # fn main() -> Result<(), Error> {
/// let probes = FakeProbes::new(chip()).failing(Fault::Locked);
/// let place = Place::of(&board(), &probes)?;
/// let locked = attach(&probes, &place, None, &Attach::default());
/// assert!(matches!(locked, Err(Error::Locked { .. })));
/// let how = Attach { allow_erase_all: true, ..Attach::default() };
/// assert!(attach(&probes, &place, None, &how).is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The wire leads to this chip.
    OtherChip(String),
    /// The wire leads nowhere.
    NoAnswer,
    /// The chip is locked until all is erased.
    Locked,
    /// The cable comes off when so many sectors have been erased.
    Disconnect(usize),
    /// A bit of this byte stays as it is.
    StuckAt(u64),
    /// The firmware says this to people, and nothing else.
    Says(String),
}

/// What a chip's flash holds, and what was done to it. See the example of [`flash`](crate::flash()).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    sectors: BTreeMap<u64, Vec<u8>>,
    /// The sectors that were erased, in order.
    pub erased: Vec<Sector>,
    /// How often the chip was reset.
    pub resets: usize,
}

impl Memory {
    /// The bytes of a range; `0xff` where nothing was written. See the example of [`flash`](crate::flash()).
    pub fn bytes(&self, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0xff; length];
        for (start, sector) in &self.sectors {
            for (at, byte) in sector.iter().enumerate() {
                let offset = (start + at as u64).checked_sub(address);
                let slot = offset.and_then(|offset| bytes.get_mut(usize::try_from(offset).ok()?));
                if let Some(slot) = slot {
                    *slot = *byte;
                }
            }
        }
        bytes
    }

    fn erase(&mut self, sector: &Sector) {
        let length = usize::try_from(sector.end - sector.start).unwrap_or(0);
        self.sectors.insert(sector.start, vec![0xff; length]);
        self.erased.push(sector.clone());
    }

    /// Clears bits, as writing flash does.
    fn write(&mut self, address: u64, bytes: &[u8]) {
        for (start, sector) in &mut self.sectors {
            for (byte, at) in bytes.iter().zip(address..) {
                let offset = at.checked_sub(*start).and_then(|offset| usize::try_from(offset).ok());
                if let Some(cell) = offset.and_then(|offset| sector.get_mut(offset)) {
                    *cell &= byte;
                }
            }
        }
    }
}

impl FakeProbes {
    /// One probe and a chip whose flash is erased and whose firmware sends nothing.
    /// See the example of [`flash`](crate::flash()).
    pub fn new(chip: Chip) -> Self {
        let probe = ProbeInfo {
            name: "fake probe".to_owned(),
            vendor: 0x1209,
            product: 0x0001,
            serial: Some("1".to_owned()),
            allowed: true,
        };
        let boot: Rc<Boot> = Rc::new(|_| None);
        Self { probes: vec![probe], chip, fault: Fault::None, memory: Rc::default(), boot }
    }

    /// With a firmware. See the example of [`listen`](crate::listen).
    #[must_use]
    pub fn booting(mut self, boot: impl Fn(&Memory) -> Option<Box<dyn Line>> + 'static) -> Self {
        self.boot = Rc::new(boot);
        self
    }

    /// With something that goes wrong. See the example of [`Fault`].
    #[must_use]
    pub fn failing(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }
}

impl Probes for FakeProbes {
    fn list(&self) -> Vec<ProbeInfo> {
        self.probes.clone()
    }

    fn chip(&self, name: &str, _: Option<&Path>) -> Result<Chip, Error> {
        let unknown = || Error::UnknownChip { name: name.to_owned(), similar: Vec::new() };
        Some(self.chip.clone()).filter(|chip| chip.name == name).ok_or_else(unknown)
    }

    fn attach(
        &self,
        probe: &ProbeInfo,
        chip: &Chip,
        _: Option<&Path>,
        how: &Attach,
    ) -> Result<Box<dyn Target>, Error> {
        let (name, probe) = (chip.name.clone(), probe.clone());
        match &self.fault {
            Fault::OtherChip(found) => {
                return Err(Error::WrongChip { expected: name, found: found.clone(), probe });
            }
            Fault::NoAnswer if !how.under_reset => {
                return Err(Error::NoAnswer { chip: name, probe, reason: "no answer".to_owned() });
            }
            Fault::Locked if !how.allow_erase_all => return Err(Error::Locked { chip: name }),
            Fault::Locked => *self.memory.borrow_mut() = Memory::default(),
            _ => {}
        }
        Ok(Box::new(FakeTarget {
            probes: self.clone(),
            line: None,
            got: Vec::new(),
            stopped: None,
            looks: 0,
        }))
    }
}

/// Bytes that RTT holds at once: its contents seldom end where a message does.
const RING: usize = 61;

struct FakeTarget {
    probes: FakeProbes,
    line: Option<Box<dyn Line>>,
    got: Vec<u8>,
    stopped: Option<String>,
    looks: usize,
}

impl FakeTarget {
    fn taken(&mut self, buffer: &mut [u8]) -> usize {
        let taken = self.got.len().min(buffer.len()).min(RING);
        for (slot, byte) in buffer.iter_mut().zip(self.got.drain(..taken)) {
            *slot = byte;
        }
        taken
    }
}

impl Target for FakeTarget {
    fn write(&mut self, plan: &Plan, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
        self.line = None;
        let mut memory = self.probes.memory.borrow_mut();
        let total = plan.sectors().iter().map(|sector| sector.end - sector.start).sum();
        progress(Progress::Started(Phase::Erase, Some(total)));
        let mut kept = Vec::new();
        for (count, sector) in plan.sectors().iter().enumerate() {
            if self.probes.fault == Fault::Disconnect(count) {
                let reason = "the probe does not answer".to_owned();
                return Err(Error::Lost { during: "erasing", reason });
            }
            let length = sector.end - sector.start;
            kept.push((
                sector.start,
                memory.bytes(sector.start, usize::try_from(length).unwrap_or(0)),
            ));
            memory.erase(sector);
            progress(Progress::Advanced(Phase::Erase, length));
        }
        progress(Progress::Finished(Phase::Erase));
        progress(Progress::Started(Phase::Write, Some(plan.bytes())));
        for segment in plan.segments() {
            let range = segment.range();
            for (start, bytes) in &mut kept {
                for (byte, at) in bytes.iter_mut().zip(*start..) {
                    if range.contains(&at) {
                        *byte = 0xff;
                    }
                }
            }
            memory.write(segment.address, &segment.bytes);
            progress(Progress::Advanced(Phase::Write, segment.bytes.len() as u64));
        }
        for (start, bytes) in &kept {
            memory.write(*start, bytes);
        }
        if let Fault::StuckAt(address) = self.probes.fault {
            memory.write(address, &[0xfe]);
        }
        progress(Progress::Finished(Phase::Write));
        Ok(())
    }

    fn verify(&mut self, plan: &Plan, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
        let memory = self.probes.memory.borrow();
        progress(Progress::Started(Phase::Verify, Some(plan.bytes())));
        for segment in plan.segments() {
            let found = memory.bytes(segment.address, segment.bytes.len());
            let wrong = found.iter().zip(&segment.bytes).position(|(found, byte)| found != byte);
            if let Some(at) = wrong {
                let address = Some(segment.address + at as u64);
                return Err(Error::Verify { what: segment.what.clone(), address });
            }
            progress(Progress::Advanced(Phase::Verify, segment.bytes.len() as u64));
        }
        progress(Progress::Finished(Phase::Verify));
        Ok(())
    }

    fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), Error> {
        bytes.copy_from_slice(&self.probes.memory.borrow().bytes(address, bytes.len()));
        Ok(())
    }

    fn reset(&mut self, _: Option<u64>) -> Result<(), Error> {
        self.probes.memory.borrow_mut().resets += 1;
        (self.got, self.stopped, self.looks) = (Vec::new(), None, 0);
        self.line = (self.probes.boot)(&self.probes.memory.borrow());
        Ok(())
    }

    fn channels(&mut self, _: Option<u64>) -> Result<Vec<String>, Error> {
        // The first look is too early.
        self.looks += 1;
        let names = ["messages", "microhlo", "defmt"].map(str::to_owned);
        Ok(if self.line.is_some() && self.looks > 1 { names.to_vec() } else { Vec::new() })
    }

    fn receive(&mut self, channel: usize, buffer: &mut [u8]) -> Result<usize, Error> {
        if let Fault::Says(text) = &self.probes.fault {
            if channel == 0 && self.looks < 3 {
                self.looks = 3;
                self.got = text.clone().into_bytes();
            }
            return Ok(if channel == 0 { self.taken(buffer) } else { 0 });
        }
        let Some(line) = self.line.as_mut().filter(|_| channel > 0) else { return Ok(0) };
        if self.got.is_empty() && self.stopped.is_none() {
            match line.receive(Instant::now() + Duration::from_millis(20)) {
                Ok(bytes) => self.got = bytes.unwrap_or_default(),
                Err(error) => self.stopped = Some(error.to_string()),
            }
        }
        Ok(self.taken(buffer))
    }

    fn state(&mut self) -> Result<State, Error> {
        Ok(self.stopped.clone().map_or(State::Running, State::Stopped))
    }
}
