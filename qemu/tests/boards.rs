//! Firmware on the emulated boards. Needs QEMU and the boards' targets.

use microhlo_qemu::{
    Board, Error, ImageFormat, Job, JobError, Options, Outcome, Registry, Stage, board_name, build,
    build_runner, check_version, run_jobs, run_jobs_on,
};
use std::env;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// The boards of this checkout; none, with a note, where QEMU is not installed,
/// unless `MICROHLO_REQUIRE_QEMU=1` makes that an error.
fn boards() -> (Registry, Vec<Board>) {
    let registry = Registry::find().unwrap();
    let required = env::var("MICROHLO_REQUIRE_QEMU").is_ok_and(|value| value == "1");
    let mut boards: Vec<Board> = registry.emulated().cloned().collect();
    assert!(boards.len() >= 2);
    boards.retain(|board| match check_version(board) {
        Ok(_) => true,
        Err(error) if required => panic!("{}: {error}", board.name),
        Err(error) => {
            eprintln!("skipped on {}: {error}", board.name);
            false
        }
    });
    (registry, boards)
}

fn firmware(registry: &Registry, board: &Board, name: &str) -> PathBuf {
    build(registry, board, "microhlo-calibrate").unwrap().join(name)
}

/// Runs a firmware with the `microhlo-qemu` command.
fn run(registry: &Registry, board: &Board, name: &str, timeout: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_microhlo-qemu"))
        .arg(firmware(registry, board, name))
        .args(["--timeout", timeout])
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs a firmware that prints some lines of counted and known instructions.
fn assert_exact(registry: &Registry, board: &Board, name: &str, expected: usize) {
    let output = run(registry, board, name, "240");
    assert!(output.status.success(), "{}: {}", board.name, text(&output.stderr));
    let lines = text(&output.stdout);
    assert_eq!(lines.lines().count(), expected, "{}: {lines}", board.name);
    for line in lines.lines() {
        let [name, counted, known] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(counted, known, "{}: {name}", board.name);
    }
}

#[test]
fn instructions_are_counted_exactly() {
    let (registry, boards) = boards();
    for board in &boards {
        assert_exact(&registry, board, "calibrate", 4);
    }
}

/// One board of each kind of counter, as the loop takes some ten seconds.
#[test]
fn instructions_are_counted_exactly_when_a_timer_wraps() {
    let (registry, mut boards) = boards();
    boards.sort_by_key(|board| board.counter.kind as u8);
    boards.dedup_by_key(|board| board.counter.kind as u8);
    for board in &boards {
        assert_exact(&registry, board, "wrap", 1);
    }
}

#[test]
fn a_board_has_the_features_that_it_names() {
    let (registry, boards) = boards();
    assert!(boards.iter().any(|board| !board.features.is_empty()));
    for board in &boards {
        let output = run(&registry, board, "features", "10");
        assert!(output.status.success(), "{}: {}", board.name, text(&output.stderr));
        let want: String = board.features.iter().map(|name| format!("{name} right\n")).collect();
        assert_eq!(text(&output.stdout), want, "{}", board.name);
    }
}

#[test]
fn an_elf_file_names_its_board() {
    let (registry, boards) = boards();
    for board in &boards {
        let elf = firmware(&registry, board, "exit");
        assert_eq!(board_name(&elf).unwrap(), board.name);
    }
    let error = board_name(&env::current_exe().unwrap()).unwrap_err();
    assert!(matches!(error, Error::NotFirmware { .. }), "{error}");
}

#[test]
fn text_and_exit_code_pass_through() {
    let (registry, boards) = boards();
    for board in &boards {
        let output = run(&registry, board, "exit", "30");
        assert_eq!(output.status.code(), Some(7), "{}", board.name);
        assert_eq!(text(&output.stdout), "to standard output\n");
        // QEMU has something of its own to say of some machines.
        assert!(text(&output.stderr).ends_with("to standard error\n"), "{}", board.name);
    }
}

#[test]
fn failures_have_exit_codes_of_their_own() {
    let (registry, boards) = boards();
    for board in &boards {
        for (name, code, said, timeout) in [
            ("panic", 101, "index out of bounds", "30"),
            ("fault", 102, "fault at 0x", "30"),
            ("overflow", 102, "stack", "30"),
            ("hang", 124, "did not end within 1s", "1"),
        ] {
            let output = run(&registry, board, name, timeout);
            let errors = text(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{} {name}: {errors}", board.name);
            assert!(errors.contains(said), "{} {name}: {errors}", board.name);
        }
    }
}

/// Runs one job on a firmware that is no runner, and returns the error.
fn failure(registry: &Registry, board: &Board, name: &str) -> Error {
    // Ample, as the computer may be busy, but for the guest that never ends.
    let timeout = Duration::from_millis(if name == "hang" { 500 } else { 30_000 });
    let options = Options::within(timeout);
    let elf = firmware(registry, board, name);
    run_jobs_on(board, &elf, &[Job::default()], &options).unwrap_err()
}

#[test]
fn a_failing_guest_is_a_typed_error() {
    let (registry, boards) = boards();
    for board in &boards {
        let error = failure(&registry, board, "fault");
        assert!(matches!(&error, Error::Fault { report } if report.contains("0x")), "{error}");
        let error = failure(&registry, board, "overflow");
        assert!(matches!(error, Error::Fault { .. }), "{error}");
        let error = failure(&registry, board, "panic");
        assert!(matches!(&error, Error::Panic { report } if report.contains("bounds")), "{error}");
        let error = failure(&registry, board, "exit");
        assert!(matches!(error, Error::Protocol { .. }), "{error}");
        let error = failure(&registry, board, "empty");
        assert!(matches!(error, Error::Ended { .. }), "{error}");
    }
}

#[test]
fn a_hanging_guest_is_killed_in_time() {
    let (registry, boards) = boards();
    for board in &boards {
        firmware(&registry, board, "hang");
        let start = Instant::now();
        let error = failure(&registry, board, "hang");
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

/// A job that no runtime accepts.
fn bad_job(length: usize) -> Job {
    Job { artifact: vec![0xEE; length], cases: vec![vec![vec![1; 40]; 2]; 3], profile: false }
}

fn assert_load_error(outcome: &Outcome) {
    match outcome {
        Err(JobError::Rejected { stage: Stage::Load, text }) => assert!(!text.is_empty()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_error_in_one_job_does_not_stop_the_others() {
    let (registry, boards) = boards();
    for board in &boards {
        let uneven = Job { cases: vec![vec![], vec![vec![1]]], ..Job::default() };
        let huge = bad_job(1 << 28);
        let mut jobs: Vec<Job> = (0..300).map(bad_job).collect();
        jobs.insert(100, uneven);
        jobs.insert(200, huge);
        let outcomes = run_jobs(&registry, board, &jobs, &Options::default()).unwrap();
        assert_eq!(outcomes.len(), jobs.len());
        for (index, outcome) in outcomes.iter().enumerate() {
            match (index, outcome) {
                (100, Err(JobError::Rejected { stage: Stage::Job, .. })) => {}
                (200, Err(JobError::TooLarge { .. })) => {}
                _ => assert_load_error(outcome),
            }
        }
    }
}

#[test]
fn jobs_beyond_the_partition_take_further_starts() {
    let (registry, boards) = boards();
    for board in &boards {
        let size = board.region(microhlo_qemu::RegionKind::Model).unwrap().length as usize;
        let jobs = vec![bad_job(size / 2 - 4096), bad_job(size / 2 - 4096), bad_job(size / 4)];
        let outcomes = run_jobs(&registry, board, &jobs, &Options::default()).unwrap();
        assert_eq!(outcomes.len(), 3);
        outcomes.iter().for_each(assert_load_error);
    }
}

#[test]
fn an_image_wrapped_as_elf_arrives_too() {
    let (registry, boards) = boards();
    for mut board in boards {
        let runner = build_runner(&registry, &board).unwrap();
        board.qemu.as_mut().unwrap().image = ImageFormat::Elf;
        let outcomes =
            run_jobs_on(&board, &runner, &[bad_job(10), bad_job(20)], &Options::default()).unwrap();
        assert_eq!(outcomes.len(), 2);
        outcomes.iter().for_each(assert_load_error);
    }
}
