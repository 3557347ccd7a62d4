//! The sender's side of `examples/model-update`: a board whose firmware takes models over its serial line.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use microhlo_compiler::cmd::exec::run_on_host;
use microhlo_compiler::cmd::load::open_program;
use microhlo_compiler::compile::{CompileOptions, Target};
use microhlo_compiler::slot_image::{header, image, secret_key};
use microhlo_qemu::{Error, Job, Registry, Serial, build};
use microhlo_slots::frame::{Kind, MAX_FRAME, Received, Receiver, encode};
use microhlo_slots::{CORE_BYTES, HEADER_BYTES, Header, Trial};

// A link to the example's file: a package holds what lies in its folder alone.
pub mod shared;

/// Longest time that a firmware takes for an answer: to check a signature and the kernels of a model.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of an artifact in one frame.
const PIECE: usize = 256;

/// The secret half of the example's key, which is no secret: the first test of RFC 8032.
pub const KEY: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";

/// An input of the example's models.
pub fn input() -> Vec<u8> {
    [0.5f32, -1.0, 0.25, 2.0, -0.125, 1.0].iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// What a firmware says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It expects the bytes at this offset.
    Ready(u32),
    /// It does not go on, for this reason.
    Refused(String),
    /// It was reset and runs this version, or none; and why not another.
    Hello(u32, String),
    /// What the model gives.
    Output(Vec<u8>),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Ready(offset) => write!(f, "ready for offset {offset}"),
            Answer::Refused(text) => write!(f, "refused: {text}"),
            Answer::Hello(0, text) => write!(f, "reset; {text}"),
            Answer::Hello(version, text) if text.is_empty() => {
                write!(f, "reset; version {version} runs")
            }
            Answer::Hello(version, text) => write!(f, "reset; version {version} runs, as {text}"),
            Answer::Output(bytes) => {
                let values = bytes.as_chunks().0.iter().map(|v| f32::from_le_bytes(*v));
                write!(f, "output {:?}", values.collect::<Vec<_>>())
            }
        }
    }
}

/// A model that the example's firmware may be sent.
pub struct Candidate {
    /// The artifact for the board.
    pub artifact: Vec<u8>,
    /// What it gives for [`input`], as computed on this computer.
    pub output: Vec<u8>,
}

impl Candidate {
    /// Compiles a text; runs it here if `run`.
    fn new(text: &str, target: Target, run: bool) -> Candidate {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.stablehlo.mlir");
        std::fs::write(&path, text).expect("the model");
        let options = CompileOptions { target, ..CompileOptions::default() };
        let program = open_program(&path).unwrap_or_else(|error| panic!("{error}"));
        let compiled = program.compile(&options).unwrap_or_else(|error| panic!("{error}"));
        let artifact = compiled.artifact;
        let mut output = Vec::new();
        if run {
            let job =
                Job { artifact: artifact.clone(), cases: vec![vec![input()]], profile: false };
            let outcome = run_on_host(&job, &crate::options());
            let report = outcome.unwrap_or_else(|error| panic!("{error}"));
            let case = report.cases.into_iter().next().expect("a case").expect("it runs");
            output = case.outputs.into_iter().next().expect("an output");
        }
        Candidate { artifact, output }
    }

    /// The contents of a slot, signed with the example's key.
    pub fn image(&self, version: u32) -> Vec<u8> {
        let key = secret_key(KEY.as_bytes());
        image(&header(&self.artifact, version, key.as_ref()), &self.artifact, Trial::Pending)
    }
}

/// Two models of the kernels that the firmware links, and one that needs others.
pub struct Candidates {
    /// `examples/models/mlp_tanh`.
    pub first: Candidate,
    /// The same with another weight.
    pub second: Candidate,
    /// `examples/models/dsconv_softmax`.
    pub foreign: Candidate,
}

/// A board that runs the firmware.
pub struct Device {
    serial: Serial,
    receiver: Receiver,
}

impl Device {
    /// Builds and starts the firmware on a board; its first hello is yet to come.
    ///
    /// # Errors
    /// It does not build or start.
    pub fn start(board: &str) -> Result<(Device, Candidates), Error> {
        let registry = Registry::find()?;
        let board = registry.board(board)?;
        let target: Target = board.core.parse().unwrap_or_else(|error| panic!("{error}"));
        let models = registry.root().join("examples/models");
        let read = |name: &str| read(&models.join(name));
        let first = read("mlp_tanh.stablehlo.mlir");
        let second = first.replacen("0.0513291471", "2.5", 1);
        assert_ne!(first, second, "the weight is in the model");
        let candidates = Candidates {
            first: Candidate::new(&first, target, true),
            second: Candidate::new(&second, target, true),
            foreign: Candidate::new(&read("dsconv_softmax.stablehlo.mlir"), target, false),
        };
        let firmware = build(&registry, board, "model-update")?.join("model-update");
        let serial = Serial::start(board, &firmware)?;
        Ok((Device { serial, receiver: Receiver::new() }, candidates))
    }

    /// The next thing that the firmware says.
    ///
    /// # Errors
    /// It says nothing, or nothing that can be understood.
    pub fn hear(&mut self) -> Result<Answer, Error> {
        let bad = |reason: &str| Error::Protocol { reason: reason.to_owned() };
        loop {
            match self.receiver.push(self.serial.receive(PATIENCE)?) {
                Received::More => continue,
                Received::Damaged => return Err(bad("a damaged frame")),
                Received::Frame => {}
            }
            let frame = self.receiver.frame();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let number = frame.payload.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
            return match (frame.kind, number) {
                (Kind::READY, Some(offset)) => Ok(Answer::Ready(offset)),
                (Kind::REFUSED, _) => Ok(Answer::Refused(text(frame.payload))),
                (shared::HELLO, Some(version)) => {
                    Ok(Answer::Hello(version, text(frame.payload.get(4..).unwrap_or_default())))
                }
                (shared::OUTPUT, _) => Ok(Answer::Output(frame.payload.to_vec())),
                _ => Err(bad("an unknown frame")),
            };
        }
    }

    /// Sends a frame and hears what comes of it.
    ///
    /// # Errors
    /// As [`hear`](Device::hear).
    ///
    /// # Panics
    /// The payload is too long for a frame.
    pub fn ask(&mut self, kind: Kind, payload: &[&[u8]]) -> Result<Answer, Error> {
        let mut buffer = [0; MAX_FRAME];
        let frame = encode(kind, payload, &mut buffer).expect("a payload that fits");
        self.serial.send(frame)?;
        self.hear()
    }

    /// Sends a frame with a wrong bit.
    ///
    /// # Errors
    /// As [`hear`](Device::hear).
    ///
    /// # Panics
    /// The payload is too long for a frame.
    pub fn mumble(&mut self, kind: Kind, payload: &[&[u8]]) -> Result<Answer, Error> {
        let mut buffer = [0; MAX_FRAME];
        let mut frame = encode(kind, payload, &mut buffer).expect("a payload that fits").to_vec();
        *frame.last_mut().expect("a checksum") ^= 1;
        self.serial.send(&frame)?;
        self.hear()
    }

    /// Sends the contents of a slot until the firmware has reset itself, refuses, or loses power.
    ///
    /// # Errors
    /// As [`hear`](Device::hear).
    ///
    /// # Panics
    /// The image has no header.
    pub fn update(&mut self, image: &[u8]) -> Result<Answer, Error> {
        let core: &[u8; CORE_BYTES] = image.first_chunk().expect("a header");
        let length = Header::decode(core).expect("a header").length as usize;
        let artifact = image.get(HEADER_BYTES..HEADER_BYTES + length).expect("an artifact");
        let mut answer = self.ask(Kind::BEGIN, &[core])?;
        while let Answer::Ready(offset) = answer {
            let rest = artifact.get(offset as usize..).unwrap_or_default();
            if rest.is_empty() {
                answer = self.ask(Kind::COMMIT, &[])?;
                return match answer {
                    Answer::Ready(_) => self.hear(),
                    other => Ok(other),
                };
            }
            let piece = rest.get(..PIECE).unwrap_or(rest);
            answer = self.ask(Kind::DATA, &[&offset.to_le_bytes(), piece])?;
        }
        Ok(answer)
    }

    /// Runs the model on [`input`], which confirms it.
    ///
    /// # Errors
    /// As [`hear`](Device::hear).
    pub fn run(&mut self) -> Result<Answer, Error> {
        self.ask(shared::RUN, &[&input()])
    }

    /// Lets power be lost so many writes and erases from now; 0 for never. The answer has what was left of the
    /// number before.
    ///
    /// # Errors
    /// As [`hear`](Device::hear).
    pub fn cut(&mut self, operations: u32) -> Result<Answer, Error> {
        self.ask(shared::CUT, &[&operations.to_le_bytes()])
    }
}

/// The contents of a slot with another version in its header, which was not signed.
///
/// # Panics
/// The image has no header.
pub fn forged(mut image: Vec<u8>, version: u32) -> Vec<u8> {
    let core = image.first_chunk_mut::<CORE_BYTES>().expect("a header");
    let header = Header::decode(core).expect("a header");
    *core = Header { version, ..header }.encode();
    image
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
