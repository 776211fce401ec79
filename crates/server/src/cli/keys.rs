//! `millrace keys`: what the operator does with the root key.

use super::client::CliError;
use crate::lock::DataLock;
use crate::vault::{self, RootKeyArgs};
use clap::{Args, Subcommand};
use millrace_base::{SystemClock, SystemDice};
use std::path::PathBuf;
use std::sync::Arc;

/// What `millrace keys` takes.
#[derive(Debug, Clone, Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum KeysCommand {
    /// Seal the key ring by another root key. The server must be stopped; nothing but the ring is written
    RotateRoot(RotateRootArgs),
}

/// What `millrace keys rotate-root` takes.
#[derive(Debug, Clone, Args)]
struct RotateRootArgs {
    /// The data folder
    #[arg(long, default_value = "millrace-data", env = "MILLRACE_DATA", value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    root: RootKeyArgs,
    /// File with the new root key; made, with a random key, when it is absent
    #[arg(long, value_name = "FILE")]
    new_root_key_file: PathBuf,
}

/// Carries a command out.
pub fn run(args: &KeysArgs) -> Result<(), CliError> {
    let KeysCommand::RotateRoot(args) = &args.command;
    let failed = |error: &dyn std::fmt::Display| CliError::Input(error.to_string());
    if !args.data.join("keyring").exists() {
        let message = format!("{} has no key ring: encryption was never turned on there", args.data.display());
        return Err(CliError::Input(message));
    }
    let _lock = DataLock::take(&args.data).map_err(|error| failed(&error))?;
    let ring = vault::ring(&args.root, &args.data, Arc::new(SystemClock), Arc::new(SystemDice));
    let ring = ring.map_err(|error| failed(&error))?;
    let fresh = vault::of_file_or_new(&args.new_root_key_file).map_err(|error| failed(&error))?;
    ring.rotate_root(fresh).map_err(|error| failed(&error))?;
    let file = args.new_root_key_file.display();
    println!("the key ring of {} is sealed by the root key in {file}", args.data.display());
    println!("start with --root-key-file {file} from now on; the old root key opens nothing here any more");
    Ok(())
}
