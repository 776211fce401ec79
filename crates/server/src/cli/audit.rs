//! `millrace audit`: what was written down of who did what, and whether it is whole.

use super::client::CliError;
use crate::vault::{self, RootKeyArgs};
use clap::{Args, Subcommand};
use millrace_access::SealedDisk;
use millrace_access::audit::{contents, verify};
use millrace_base::{Disk, SystemClock, SystemDice, SystemDisk};
use std::io::{ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What `millrace audit` takes.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum AuditCommand {
    /// Follow the chain of hashes from the first line to the last, and name the first line that breaks it
    Verify(AuditDir),
    /// Print it, the oldest first: one record of CloudTrail's shape a line, also where the disk is sealed
    Show(AuditDir),
}

/// Where an audit is.
#[derive(Debug, Clone, Args)]
struct AuditDir {
    /// The audit's folder, or the data folder that it is in
    #[arg(default_value = "millrace-data", env = "MILLRACE_DATA", value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    root: RootKeyArgs,
}

/// Carries a command out.
pub fn run(args: &AuditArgs) -> Result<(), CliError> {
    let (AuditCommand::Verify(place) | AuditCommand::Show(place)) = &args.command;
    let inner = place.dir.join("audit");
    let dir = if inner.is_dir() { inner } else { place.dir.clone() };
    let disk = disk(&place.root, dir.parent()).map_err(CliError::Input)?;
    match args.command {
        AuditCommand::Verify(_) => follow(&*disk, &dir),
        AuditCommand::Show(_) => contents(&*disk, &dir, print).map_err(failed),
    }
}

fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::Input(error.to_string())
}

/// Prints lines; who reads them may have enough.
fn print(lines: &[u8]) -> std::io::Result<ControlFlow<()>> {
    match std::io::stdout().write_all(lines) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        written => written.map(ControlFlow::Continue),
    }
}

/// Follows the chain, and says what it comes to.
fn follow(disk: &dyn Disk, dir: &Path) -> Result<(), CliError> {
    match verify(disk, dir).map_err(failed)? {
        Ok(None) => Err(CliError::Input(format!("{} holds no audit", dir.display()))),
        Ok(Some(whole)) => {
            println!("{}: whole, lines {} to {}", dir.display(), whole.first, whole.last);
            if whole.first > 1 {
                println!("older lines have been removed to save room");
            }
            println!("last hash {}   keep it elsewhere: it shows later that nothing was cut off", whole.hash);
            Ok(())
        }
        Err(broken) => Err(CliError::Input(broken.to_string())),
    }
}

/// The disk that reads the audit: through the data folder's key ring, if there is one.
fn disk(root: &RootKeyArgs, data: Option<&Path>) -> Result<Arc<dyn Disk>, String> {
    let Some(data) = data.filter(|data| data.join("keyring").exists()) else { return Ok(Arc::new(SystemDisk)) };
    let dice = Arc::new(SystemDice);
    let ring = vault::ring(root, data, Arc::new(SystemClock), dice.clone()).map_err(|error| error.to_string())?;
    Ok(Arc::new(SealedDisk::new(Arc::new(SystemDisk), ring, dice)))
}
