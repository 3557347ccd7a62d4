//! How to reach a real board: options of all commands that use a debug probe.

/// The debug probe and how it attaches.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Wire {
    /// Use the real board, through a debug probe: the only one, or the one with these USB ids.
    #[arg(long, value_name = "VID:PID[:SERIAL]", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    probe: Option<String>,
    /// Hold the reset line while attaching: for firmware that sleeps or has taken the debug pins.
    #[arg(long)]
    connect_under_reset: bool,
    /// Unlock a locked chip, which erases all of it: firmware, models and keys.
    #[arg(long)]
    allow_erase_all: bool,
    /// Clock of the debug wire.
    #[arg(long, value_name = "KHZ", value_parser = clap::value_parser!(u32).range(1..))]
    speed: Option<u32>,
}

impl Wire {
    /// Whether a probe is asked for.
    pub fn is_asked_for(&self) -> bool {
        self.probe.is_some()
    }
}

/// What a command says that this build leaves out.
#[cfg(not(feature = "probe"))]
pub(super) const LEFT_OUT: &str = "this `microhlo` is built without debug probes; \
    build it with them: `cargo install microhlo-compiler --features probe`";

#[cfg(feature = "probe")]
pub(super) use with_probes::{Bars, attach, run_jobs};

#[cfg(feature = "probe")]
mod with_probes {
    use super::Wire;
    use crate::cmd::CmdError;
    use indicatif::{ProgressBar, ProgressStyle};
    use microhlo_probe::{Attach, Error, Phase, Place, Probes, Progress, Selector, Target};
    use microhlo_qemu::{Job, Options, Outcome};
    use std::path::Path;

    impl Wire {
        fn selector(&self) -> Result<Option<Selector>, CmdError> {
            let text = self.probe.as_ref().filter(|text| !text.is_empty());
            let selector = text.map(|text| text.parse()).transpose();
            selector.map_err(|error| CmdError::BadInput(format!("--probe: {error}")))
        }

        fn how(&self) -> Attach {
            Attach {
                under_reset: self.connect_under_reset,
                allow_erase_all: self.allow_erase_all,
                speed: self.speed,
            }
        }
    }

    impl From<Error> for CmdError {
        fn from(error: Error) -> CmdError {
            use Error::{BadDescription, BadFirmware, BadLogs, Disagree, NoChip, NoFlash, Nothing};
            match error {
                BadDescription { .. }
                | BadFirmware { .. }
                | BadLogs { .. }
                | Disagree { .. }
                | NoChip { .. }
                | NoFlash { .. }
                | Nothing => CmdError::BadInput(error.to_string()),
                error => CmdError::Failed(error.to_string()),
            }
        }
    }

    /// Attaches to the chip of a board.
    pub fn attach(
        probes: &dyn Probes,
        place: &Place,
        wire: &Wire,
    ) -> Result<Box<dyn Target>, CmdError> {
        Ok(microhlo_probe::attach(probes, place, wire.selector()?.as_ref(), &wire.how())?)
    }

    /// Executes jobs on a real board.
    ///
    /// # Errors
    /// What concerns all jobs: a runner that does not fit, a chip that is gone.
    pub fn run_jobs(
        target: &mut dyn Target,
        place: &Place,
        runner: &Path,
        jobs: &[Job],
        options: &Options,
    ) -> Result<Vec<Outcome>, CmdError> {
        let mut bars = Bars::default();
        let mut show = |progress| bars.show(progress);
        Ok(microhlo_probe::run_jobs(target, place, runner, jobs, options, &mut show)?)
    }

    /// A progress bar per phase, one after the other. Nothing unless standard error is a terminal.
    #[derive(Default)]
    pub(in crate::cmd) struct Bars {
        bars: Vec<(Phase, ProgressBar)>,
    }

    impl Bars {
        /// Shows how far writing is.
        pub fn show(&mut self, progress: Progress) {
            match progress {
                Progress::Started(phase, total) => {
                    let bar = ProgressBar::new(total.unwrap_or(0)).with_message(phase.name());
                    let style = "{msg:9} [{bar:40}] {bytes}/{total_bytes} {eta}";
                    let style = ProgressStyle::with_template(style);
                    self.bars
                        .push((phase, style.map_or(bar.clone(), |style| bar.with_style(style))));
                }
                Progress::Advanced(phase, bytes) => self.bar(phase, |bar| bar.inc(bytes)),
                Progress::Finished(phase) => self.bar(phase, ProgressBar::finish_and_clear),
            }
        }

        fn bar(&self, phase: Phase, work: impl FnOnce(&ProgressBar)) {
            if let Some((_, bar)) = self.bars.iter().rfind(|(of, _)| *of == phase) {
                work(bar);
            }
        }
    }
}
