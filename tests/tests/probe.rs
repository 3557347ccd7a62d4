//! Models on a board behind a debug probe: a chip in memory whose firmware is this computer or QEMU.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[cfg(feature = "qemu-tests")]
use clap::Parser;
use microhlo_compiler::cmd::exec::run_on_host;
#[cfg(feature = "qemu-tests")]
use microhlo_compiler::cmd::monitor;
use microhlo_compiler::compile::{CompileOptions, compile};
use microhlo_compiler::diag::Source;
use microhlo_compiler::front::mlir::parse_module;
use microhlo_probe::fake::{FakeProbes, Fault, Memory};
use microhlo_probe::{Attach, Chip, Flash, Place, attach, run_jobs};
use microhlo_protocol::frame::{self, MAX_FRAME};
use microhlo_protocol::image::Image;
use microhlo_protocol::{Message, Stage, VERSION};
use microhlo_qemu::{Board, Error, Job, Line, Options, Outcome, Probe, RegionKind, Registry};

const MODEL: &str = "func.func @main(%x: tensor<8xf32>) -> tensor<8xf32> { \
    %y = stablehlo.multiply %x, %x : tensor<8xf32> return %y : tensor<8xf32> }";

/// A board whose chip is in memory: 4 KiB sectors wherever the board has flash or a model.
fn board(registry: &Registry) -> Board {
    let mut board = registry.board("mps2-an386").expect("the board").clone();
    board.probe = Some(Probe { chip: "FAKE42".to_owned(), chip_description: None });
    board
}

fn chip() -> Chip {
    let range = 0..0x1_0000_0000;
    let flash = Flash { range: range.clone(), sectors: vec![(0, 0x1000)] };
    Chip { name: "FAKE42".to_owned(), flash: vec![flash], ram: vec![range] }
}

/// What lies in the chip's model partition.
fn partition(board: &Board, memory: &Memory) -> Vec<u8> {
    let origin = board.region(RegionKind::Model).expect("a partition").origin;
    let length = memory.bytes(origin + 12, 4).try_into().map_or(0, u32::from_le_bytes);
    memory.bytes(origin, length as usize)
}

/// Jobs with two cases each, and one whose artifact is none.
fn jobs() -> Vec<Job> {
    let module = parse_module(&Source::new("model", MODEL)).expect("a program");
    let target = "cortex-m4f".parse().expect("a target");
    let options = CompileOptions { target, ..CompileOptions::default() };
    let artifact = compile(&module, &options).expect("it compiles").artifact;
    let case = |n: u8| vec![(0..8_u8).flat_map(|i| f32::from(n + i).to_le_bytes()).collect()];
    let job =
        |n| Job { artifact: artifact.clone(), cases: vec![case(n), case(n + 1)], profile: true };
    let broken = Job { artifact: vec![7; 64], cases: vec![vec![]], profile: false };
    vec![job(1), broken, job(40)]
}

fn on_host(jobs: &[Job]) -> Vec<Outcome> {
    jobs.iter().map(|job| run_on_host(job, &Options::default())).collect()
}

/// Runs jobs over a probe whose chip boots with `boot`, which also gets the chip's memory.
fn run(
    board: &Board,
    runner: &std::path::Path,
    probes: &FakeProbes,
    jobs: &[Job],
) -> Result<Vec<Outcome>, microhlo_probe::Error> {
    let place = Place::of(board, probes)?;
    let mut target = attach(probes, &place, None, &Attach::default())?;
    let options = Options::within(Duration::from_secs(120));
    run_jobs(&mut *target, &place, runner, jobs, &options, &mut |_| {})
}

/// The outputs of all cases must be those of the host, and the jobs that fail must be the same.
fn assert_same(outcomes: &[Outcome], jobs: &[Job]) {
    let expected = on_host(jobs);
    assert_eq!(outcomes.len(), expected.len());
    for (outcome, expected) in outcomes.iter().zip(expected) {
        match (outcome, expected) {
            (Ok(found), Ok(expected)) => {
                let outputs = |report: &microhlo_qemu::JobReport| {
                    report
                        .cases
                        .iter()
                        .map(|c| c.as_ref().expect("a case").outputs.clone())
                        .collect()
                };
                let (found, expected): (Vec<_>, Vec<_>) = (outputs(found), outputs(&expected));
                assert_eq!(found, expected);
            }
            (Err(_), Err(_)) => {}
            (found, expected) => panic!("{found:?}, but {expected:?}"),
        }
    }
}

/// A runner's end of the conversation, by this computer's runtime.
struct Peer(VecDeque<Vec<u8>>);

impl Peer {
    fn start(partition: &[u8]) -> Option<Self> {
        let image = Image::parse(partition).ok()?;
        let mut peer = Self(VecDeque::new());
        peer.say(&Message::Hello { version: VERSION, board: "b", arena_bytes: 0 });
        for job in 0..image.jobs() {
            peer.say(&Message::JobStarted { job });
            let job = image.job(job).ok()?;
            let inputs =
                |case| (0..job.inputs).filter_map(move |i| Some(job.input(case, i).ok()?.to_vec()));
            let cases = (0..job.cases).map(|case| inputs(case).collect()).collect();
            let job = Job { artifact: job.artifact.to_vec(), cases, profile: job.profile };
            peer.run(&job);
            peer.say(&Message::JobDone { stack_bytes: 100, run_stack_bytes: 10 });
        }
        peer.say(&Message::Finished);
        Some(peer)
    }

    fn run(&mut self, job: &Job) {
        let report = match run_on_host(job, &Options::default()) {
            Ok(report) => report,
            Err(error) => {
                let text = error.to_string();
                return self.say(&Message::Failed { stage: Stage::Load, case: 0, text: &text });
            }
        };
        let (arena_bytes, steps) = (report.arena_bytes, report.steps);
        self.say(&Message::Loaded { arena_bytes, steps, inputs: 1, outputs: 1, stack_bytes: 0 });
        for (case, number) in report.cases.iter().flatten().zip(0..) {
            for (output, index) in case.outputs.iter().zip(0..) {
                let length = output.len() as u32;
                self.say(&Message::Output { index, length });
                self.0.push_back(output.clone());
            }
            self.say(&Message::CaseDone { case: number, instructions: 1234 });
        }
    }

    fn say(&mut self, message: &Message<'_>) {
        let mut buffer = [0; MAX_FRAME];
        let bytes = frame::encode(message, &mut buffer).expect("a frame").to_vec();
        self.0.push_back(bytes);
    }
}

impl Line for Peer {
    fn receive(&mut self, _: Instant) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.pop_front())
    }

    fn end(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// A file with a firmware of two bytes, and the folder that holds it.
fn small_firmware() -> (tempfile::TempDir, PathBuf) {
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x28\0".to_vec();
    let words = [1_u32, 0, 52, 0, 0, 0x0020_0034, 0x0028_0001, 0, 1, 84, 0x100, 0x100, 2, 2, 5, 4];
    file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    file.extend(b"go");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("runner");
    fs::write(&path, file).expect("a file");
    (folder, path)
}

#[test]
fn jobs_run_over_rtt_as_in_an_emulator() {
    let registry = Registry::find().expect("boards");
    let (board, (_folder, runner)) = (board(&registry), small_firmware());
    let of = board.clone();
    let probes = FakeProbes::new(chip()).booting(move |memory| {
        let runs = memory.bytes(0x100, 2) == b"go";
        let peer = Peer::start(&partition(&of, memory)).filter(|_| runs)?;
        Some(Box::new(peer))
    });
    let outcomes = run(&board, &runner, &probes, &jobs()).expect("outcomes");
    assert_same(&outcomes, &jobs());
    let report = outcomes[2].as_ref().expect("a report");
    assert_eq!(report.cases[1].as_ref().expect("a case").instructions, 1234);

    // The firmware is there now, and is not written again.
    let erased = |probes: &FakeProbes| {
        let memory = probes.memory.borrow();
        memory.erased.iter().filter(|sector| sector.start == 0).count()
    };
    assert_eq!(erased(&probes), 1);
    run(&board, &runner, &probes, &jobs()).expect("outcomes");
    assert_eq!(erased(&probes), 1);
}

#[test]
fn a_runner_that_says_nothing_or_ends_is_told_apart() {
    let registry = Registry::find().expect("boards");
    let (board, (_folder, runner)) = (board(&registry), small_firmware());
    let failed =
        |probes: FakeProbes| run(&board, &runner, &probes, &jobs()).unwrap_err().to_string();
    let silent = failed(FakeProbes::new(chip()));
    assert!(silent.contains("opened no RTT channel within 5 s"), "{silent}");
    let peer = || FakeProbes::new(chip()).booting(|_| Some(Box::new(Peer(VecDeque::new()))));
    let text = "panicked at src/main.rs:5\nexit 101\n".to_owned();
    let ended = failed(peer().failing(Fault::Says(text)));
    assert!(ended.ends_with("it ended with exit code 101: panicked at src/main.rs:5"), "{ended}");
    let lost = failed(peer().failing(Fault::Disconnect(0)));
    assert!(lost.contains("the connection was lost while erasing"), "{lost}");
}

/// The runner firmware in QEMU: what runs is what was flashed.
#[cfg(feature = "qemu-tests")]
#[test]
fn the_runner_firmware_speaks_over_a_probe() {
    let registry = Registry::find().expect("boards");
    let board = board(&registry);
    let runner = microhlo_qemu::build_runner(&registry, &board).expect("a firmware");
    let (of, elf) = (board.clone(), runner.clone());
    let file = fs::read(&runner).expect("the firmware");
    let code = microhlo_probe::firmware(&board, &runner, &file).expect("its segments");
    let probes = FakeProbes::new(chip()).booting(move |memory| {
        for segment in &code {
            assert!(memory.bytes(segment.address, segment.bytes.len()) == segment.bytes);
        }
        microhlo_qemu::start_runner(&of, &elf, &partition(&of, memory)).ok()
    });
    let outcomes = run(&board, &runner, &probes, &jobs()).expect("outcomes");
    assert_same(&outcomes, &jobs());
    let direct = microhlo_qemu::run_jobs_on(&board, &runner, &jobs(), &Options::default());
    let counts = |outcomes: &[Outcome]| -> Vec<u64> {
        let cases = outcomes.iter().flatten().flat_map(|report| report.cases.iter().flatten());
        cases.map(|case| case.instructions).collect()
    };
    assert_eq!(counts(&outcomes), counts(&direct.expect("outcomes")));
}

/// The lines that `microhlo monitor` prints for a firmware that logs, without their times.
#[cfg(feature = "qemu-tests")]
fn without_time(line: &str) -> &str {
    line.split_once(' ').map_or("", |(time, rest)| {
        assert!(time.parse::<u64>().is_ok(), "{line}");
        rest
    })
}

#[cfg(feature = "qemu-tests")]
#[test]
fn logs_are_decoded_with_their_levels_and_places() {
    let registry = Registry::find().expect("boards");
    for name in ["mps2-an386", "virt-rv32"] {
        let board = registry.board(name).expect("the board");
        let arguments = ["--features", "logs", "--bin", "logs"];
        let folder = microhlo_qemu::build_with(&registry, board, "microhlo-calibrate", &arguments);
        let elf = folder.expect("a firmware").join("logs");
        let path = elf.to_str().expect("a path");
        let command = env!("CARGO_BIN_EXE_microhlo-under-test");
        let output = microhlo_tests::microhlo(command, &["monitor", "--elf", path]);
        assert!(output.status.success(), "{}", microhlo_tests::stderr(&output));
        let text = microhlo_tests::stdout(&output);
        let lines: Vec<&str> = text.lines().map(without_time).collect();
        let expected = [
            (format!("board {name}  ("), "logs.rs:12)"),
            ("ERROR -1.5 is no probability  (".to_owned(), "logs.rs:13)"),
            ("WARN  arena 91 % full  (".to_owned(), "logs.rs:14)"),
            ("INFO  class 7, Some(true)  (".to_owned(), "logs.rs:15)"),
        ];
        assert_eq!(lines.len(), expected.len(), "{text}");
        for (line, (start, end)) in lines.iter().zip(&expected) {
            assert!(line.starts_with(start) && line.ends_with(end), "{line}");
        }
        assert_same_over_rtt(board, &elf, &text);
    }
}

/// The command's arguments.
#[cfg(feature = "qemu-tests")]
#[derive(clap::Parser)]
struct Monitor {
    #[command(flatten)]
    args: monitor::Args,
}

/// `microhlo monitor --probe` prints the same lines over RTT, in pieces that do not end where frames do.
#[cfg(feature = "qemu-tests")]
fn assert_same_over_rtt(board: &Board, elf: &std::path::Path, text: &str) {
    let mut sent = Vec::new();
    let timeout = Duration::from_secs(60);
    let mut keep = |bytes: &[u8]| {
        sent.extend_from_slice(bytes);
        Ok(())
    };
    microhlo_qemu::read_firmware(board, elf, timeout, &mut keep).expect("it ends");
    let pieces: VecDeque<Vec<u8>> = sent.chunks(7).map(<[u8]>::to_vec).collect();
    let probes = FakeProbes::new(chip()).booting(move |_| Some(Box::new(Peer(pieces.clone()))));
    let mut chip_board = board.clone();
    chip_board.probe = Some(Probe { chip: "FAKE42".to_owned(), chip_description: None });
    let file = fs::read(elf).expect("the firmware");
    let logs = microhlo_probe::Logs::of(elf, &file).expect("formats");
    let path = elf.to_str().expect("a path");
    let command = Monitor::parse_from(["monitor", "--elf", path, "--probe", "--timeout", "1"]);
    let mut lines = String::new();
    let mut print = |line: String| lines += &line;
    let all = (&command.args, &probes, &chip_board, &file, &logs);
    monitor::on_probe(all.0, all.1, all.2, all.3, all.4, &mut print).expect("it listens");
    // The counters of some boards start anywhere.
    let without_times =
        |text: &str| text.lines().map(without_time).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(without_times(&lines), without_times(text));
}

#[test]
fn firmware_that_does_not_log_has_no_formats() {
    let (_folder, path) = small_firmware();
    let file = fs::read(&path).expect("the firmware");
    let text = microhlo_probe::Logs::of(&path, &file).unwrap_err().to_string();
    assert!(text.contains("does not log with defmt"), "{text}");
    assert!(microhlo_probe::Logs::of(&path, b"no ELF file").is_err());
}
