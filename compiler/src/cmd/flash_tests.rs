//! The command with a chip in memory at the other end of its probe.

use super::with_probes::flash_on;
use super::{Args, CmdError};
use crate::compile::{CompileOptions, Target, compile};
use clap::Parser;
use microhlo_probe::fake::FakeProbes;
use microhlo_probe::{Chip, Flash};
use microhlo_qemu::{Board, Registry};
use std::path::PathBuf;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

/// A board of this checkout with a chip that has 4 KiB sectors wherever the board has memory.
fn board() -> (Board, FakeProbes) {
    let mut board = Registry::find().unwrap().board("mps2-an386").unwrap().clone();
    board.probe = Some(microhlo_qemu::Probe { chip: "FAKE42".to_owned(), chip_description: None });
    let range = 0..0x3000_0000;
    let flash = Flash { range: range.clone(), sectors: vec![(0, 0x1000)] };
    let chip = Chip { name: "FAKE42".to_owned(), flash: vec![flash], ram: vec![range] };
    (board, FakeProbes::new(chip))
}

/// A folder with an artifact and the contents of a slot with version 5 of it.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Files {
        let folder = tempfile::tempdir().unwrap();
        let text = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> { \
                    %y = stablehlo.add %x, %x : tensor<4xf32> return %y : tensor<4xf32> }";
        let module =
            crate::front::mlir::parse_module(&crate::diag::Source::new("m", text)).unwrap();
        let options = CompileOptions { target: Target::Host, ..CompileOptions::default() };
        let artifact = compile(&module, &options).unwrap().artifact;
        std::fs::write(folder.path().join("m.mhlo"), &artifact).unwrap();
        let header = crate::slot_image::header(&artifact, 5, None);
        let image = crate::slot_image::image(&header, &artifact, microhlo_slots::Trial::Confirmed);
        std::fs::write(folder.path().join("slot.bin"), image).unwrap();
        Files(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the command with a file of the folder and further arguments.
    fn flash(
        &self,
        to: &(Board, FakeProbes),
        file: &str,
        more: &[&str],
    ) -> Result<String, CmdError> {
        let path = self.path(file);
        let mut arguments = vec!["flash", path.to_str().unwrap(), "--board", "mps2-an386"];
        arguments.extend(more);
        let command =
            Command::try_parse_from(arguments).map_err(|e| CmdError::BadInput(e.to_string()))?;
        flash_on(&command.args, &to.1, &to.0)
    }
}

#[test]
fn a_dry_run_says_what_would_be_written_and_needs_no_probe() {
    let (files, mut to) = (Files::new(), board());
    to.1.probes.clear();
    let json = files.path("plan.json");
    let text =
        files.flash(&to, "m.mhlo", &["--dry-run", "--json", json.to_str().unwrap()]).unwrap();
    assert!(text.starts_with("m.mhlo  0x21000000 to 0x2100"), "{text}");
    assert!(
        text.ends_with(
            "1 sector of 4096 bytes to erase on FAKE42\nnothing was written: --dry-run\n"
        )
    );
    assert!(to.1.memory.borrow().erased.is_empty());
    let plan: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let artifact = std::fs::read(files.path("m.mhlo")).unwrap();
    assert_eq!(plan["segments"][0]["address"], 0x2100_0000);
    assert_eq!(plan["segments"][0]["bytes"], artifact.len());
    assert_eq!((&plan["erased"][0]["bytes"], &plan["dry_run"]), (&4096.into(), &true.into()));

    let text = files.flash(&to, "m.mhlo", &[]).unwrap_err().to_string();
    assert!(text.starts_with("no debug probe found; plug one in"), "{text}");
}

#[test]
fn the_artifact_is_written_as_it_is() {
    let (files, to) = (Files::new(), board());
    let text = files.flash(&to, "m.mhlo", &["--probe"]).unwrap();
    assert!(text.ends_with("written and verified; mps2-an386 was reset\n"), "{text}");
    let artifact = std::fs::read(files.path("m.mhlo")).unwrap();
    assert_eq!(to.1.memory.borrow().bytes(0x2100_0000, artifact.len()), artifact);
    let text = files.flash(&to, "m.mhlo", &["--probe=0483:374b"]).unwrap_err().to_string();
    assert!(text.starts_with("no debug probe is 0483:374b; there are:\n  fake probe"), "{text}");
    let text = files.flash(&to, "m.mhlo", &["--probe=stlink"]).unwrap_err().to_string();
    assert!(text.starts_with("--probe: a probe is VID:PID"), "{text}");
}

#[test]
fn a_slot_takes_an_artifact_or_what_the_slot_command_made() {
    let (files, to) = (Files::new(), board());
    let text = files.flash(&to, "slot.bin", &[]).unwrap_err().to_string();
    assert!(text.contains("contents of a slot; say which with --slot A or --slot B"), "{text}");
    let text = files.flash(&to, "m.mhlo", &["--slot", "B"]).unwrap_err().to_string();
    assert!(text.starts_with("--slot needs --version N"), "{text}");

    files.flash(&to, "m.mhlo", &["--slot", "b", "--version", "5"]).unwrap();
    let image = std::fs::read(files.path("slot.bin")).unwrap();
    let second = 0x2100_0000 + 0x78_0000;
    assert_eq!(to.1.memory.borrow().bytes(second, image.len()), image);
    assert_eq!(to.1.memory.borrow().bytes(0x2100_0000, 4), [0xff; 4]);

    let text = files.flash(&to, "slot.bin", &["--slot", "A"]).unwrap();
    assert!(text.contains("warning: the other slot holds version 5"), "{text}");
    let text = files.flash(&to, "m.mhlo", &["--slot", "A", "--version", "6"]).unwrap();
    assert!(!text.contains("warning"), "{text}");
}

#[test]
fn what_is_no_artifact_is_refused() {
    let (files, to) = (Files::new(), board());
    std::fs::write(files.path("text"), "hello").unwrap();
    assert!(files.flash(&to, "text", &["--dry-run"]).is_err());
    assert!(files.flash(&to, "missing.mhlo", &["--dry-run"]).is_err());
    let mut cut = std::fs::read(files.path("m.mhlo")).unwrap();
    cut.truncate(cut.len() / 2);
    std::fs::write(files.path("cut.mhlo"), cut).unwrap();
    assert!(files.flash(&to, "cut.mhlo", &["--dry-run"]).is_err());
}
