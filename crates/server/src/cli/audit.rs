//! `millrace audit`: whether what was written down of who did what is whole.

use super::client::CliError;
use crate::vault::{self, RootKeyArgs};
use clap::{Args, Subcommand};
use millrace_access::SealedDisk;
use millrace_access::audit::verify;
use millrace_base::{Disk, SystemClock, SystemDice, SystemDisk};
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
    Verify(VerifyArgs),
}

/// What `millrace audit verify` takes.
#[derive(Debug, Clone, Args)]
struct VerifyArgs {
    /// The audit's folder, or the data folder that it is in
    #[arg(default_value = "millrace-data", env = "MILLRACE_DATA", value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    root: RootKeyArgs,
}

/// Carries a command out.
pub fn run(args: &AuditArgs) -> Result<(), CliError> {
    let AuditCommand::Verify(args) = &args.command;
    let inner = args.dir.join("audit");
    let dir = if inner.is_dir() { inner } else { args.dir.clone() };
    let failed = |error: &dyn std::fmt::Display| CliError::Input(error.to_string());
    let disk = disk(&args.root, dir.parent()).map_err(|error| failed(&error))?;
    match verify(&*disk, &dir).map_err(|error| failed(&error))? {
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
