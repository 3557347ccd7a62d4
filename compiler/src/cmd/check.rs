//! `microhlo check`
use super::CmdError;
/// x
#[derive(Debug, clap::Args)]
pub struct Args {}
/// x
pub fn run(_args: &Args) -> Result<(), CmdError> { Ok(()) }
