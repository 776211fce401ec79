//! Encryption at rest: the root key from outside, the key ring that it opens, and the sealed disk that all rooms write to.
//!
//! What was chosen is kept in the ring, as a tag of the server's own key, so that a start without `--encryption` goes on as the
//! last one did: nothing becomes plain because a flag was forgotten.

use crate::server::{StartError, room};
use clap::{Args, ValueEnum};
use millrace_access::keyring::{KeyError, KeyRingParts, RootKey, RootKeySource};
use millrace_access::{KeyRing, SealedDisk, SealedValues};
use millrace_base::{Clock, Dice, Disk, SystemDisk};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Where the root key lies when nobody gives one.
const ROOT_KEY: &str = "root.key";
const KEY_RING: &str = "keyring";
/// The variable that holds a root key.
const VARIABLE: &str = "MILLRACE_ROOT_KEY";
/// The tag of the server's own key that says whether everything is sealed.
const TAG: &str = "millrace:encryption";

/// Whether everything new is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Encryption {
    /// It is.
    On,
    /// Only streams with a key of their own are.
    Off,
}

/// Where the root key comes from. MILLRACE_ROOT_KEY may hold it, too; at most one of the three is used, in this order.
#[derive(Debug, Clone, Default, Args)]
pub struct RootKeyArgs {
    /// File with the root key that seals the key ring: 64 hexadecimal digits (openssl rand -hex 32) or 32 bytes.
    /// MILLRACE_ROOT_KEY may hold the digits instead
    #[arg(long, value_name = "FILE", env = "MILLRACE_ROOT_KEY_FILE")]
    pub root_key_file: Option<PathBuf>,
    /// Command that prints the root key, for those who have a vault; run by sh
    #[arg(long, value_name = "COMMAND", env = "MILLRACE_ROOT_KEY_COMMAND")]
    pub root_key_command: Option<String>,
}

/// What `millrace up` takes about encryption.
#[derive(Debug, Clone, Default, Args)]
pub struct EncryptionArgs {
    /// Seal everything that is written from now on (AES-256-GCM): streams, queues, index, checkpoints, lake objects, logs,
    /// definitions' values [default: as at the last start; at first off]
    #[arg(long, value_enum, value_name = "ON|OFF", env = "MILLRACE_ENCRYPTION")]
    pub encryption: Option<Encryption>,
    /// Short for --encryption on
    #[arg(long, conflicts_with = "encryption")]
    pub encrypt: bool,
    #[command(flatten)]
    pub root: RootKeyArgs,
}

impl EncryptionArgs {
    /// What is asked for.
    pub fn choice(&self) -> Option<Encryption> {
        if self.encrypt { Some(Encryption::On) } else { self.encryption }
    }
}

/// The ring and what it seals.
pub struct Vault {
    /// The keys.
    pub ring: KeyRing,
    /// The disk of all rooms.
    pub disk: SealedDisk,
    /// Seals the catalog's values.
    pub values: Arc<SealedValues>,
    is_on: bool,
    was_on: bool,
}

/// Opens the ring of a data folder.
pub fn ring(root: &RootKeyArgs, data: &Path, clock: Arc<dyn Clock>, dice: Arc<dyn Dice>) -> Result<KeyRing, KeyError> {
    let parts = KeyRingParts { disk: Arc::new(SystemDisk), dice, clock, path: data.join(KEY_RING) };
    KeyRing::open(parts, source(root.clone(), data.to_owned()))
}

impl Vault {
    /// Opens the vault of a data folder, before anything else of it.
    pub fn open(
        args: &EncryptionArgs,
        data: &Path,
        clock: Arc<dyn Clock>,
        dice: Arc<dyn Dice>,
    ) -> Result<Self, StartError> {
        let failed = room::<KeyError>("encryption");
        let ring = ring(&args.root, data, clock, dice.clone()).map_err(&failed)?;
        if ring.is_empty() && is_given(&args.root) {
            // Nothing asks for it yet; a mistake in it is told now, not when somebody makes the first key.
            source(args.root.clone(), data.to_owned())().map_err(&failed)?;
        }
        let was_on = ring.known_own_key().is_some_and(|key| key.tags.get(TAG).is_some_and(|tag| tag == "on"));
        let is_on = args.choice().map_or(was_on, |choice| choice == Encryption::On);
        let key = is_on.then(|| ring.own_key()).transpose().map_err(&failed)?;
        let disk = SealedDisk::new(Arc::new(SystemDisk), ring.clone(), dice.clone());
        // Not elsewhere: what a SQL job writes to a folder of its user's is for other programs.
        disk.seal_folder(data, key.clone());
        let values = SealedValues::new(ring.clone(), dice, key.as_ref()).map_err(&failed)?;
        Ok(Self { ring, disk, values: Arc::new(values), is_on, was_on })
    }

    /// True when everything new is sealed.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// True when what was written until now may be plain and is to be from now on what it was not.
    pub fn has_changed(&self) -> bool {
        self.is_on != self.was_on
    }

    /// Remembers the choice, after every room has begun new files.
    pub fn remember(&self) -> Result<(), StartError> {
        let Some(key) = self.ring.known_own_key().filter(|_| self.has_changed()) else { return Ok(()) };
        let word = if self.is_on { "on" } else { "off" };
        let remembered = self.ring.edit(&key.id, |key| {
            key.tags.insert(TAG.to_owned(), word.to_owned());
            Ok(())
        });
        remembered.map_err(room("encryption"))
    }

    /// What whoever starts the server should know.
    pub fn notice(&self, args: &RootKeyArgs, data: &Path) -> Option<String> {
        if !self.is_on {
            return is_given(args).then(|| {
                format!(
                    "encryption OFF, though a root key is given: it seals the key ring, that is KMS's keys and by them the \
                     streams, queues and topics that name one. Everything else below {} is written as it is; --encrypt seals \
                     that, too",
                    data.display()
                )
            });
        }
        let own = data.join(ROOT_KEY);
        Some(if is_given(args) {
            format!(
                "encryption on: everything new below {} is sealed. Keep a copy of the root key elsewhere: without it \
                     nothing can be read",
                data.display()
            )
        } else {
            format!(
                "encryption on, by the root key in {}. That protects copies, backups and disks that go without this file; \
                 it does not protect from whoever can read the folder. For that, keep the key elsewhere: --root-key-file, \
                 {VARIABLE} or --root-key-command. Without it nothing can be read",
                own.display()
            )
        })
    }
}

fn is_given(args: &RootKeyArgs) -> bool {
    args.root_key_file.is_some() || args.root_key_command.is_some() || variable().is_some()
}

fn variable() -> Option<String> {
    std::env::var(VARIABLE).ok().filter(|value| !value.is_empty())
}

/// Where the root key comes from: file, variable, command, else the data folder's own.
fn source(args: RootKeyArgs, data: PathBuf) -> RootKeySource {
    Box::new(move || {
        if let Some(path) = &args.root_key_file {
            return of_file(path);
        }
        if let Some(digits) = variable() {
            return RootKey::parse(digits.as_bytes(), format!("the variable {VARIABLE}"));
        }
        if let Some(command) = &args.root_key_command {
            return of_command(command);
        }
        own(&data)
    })
}

fn absent(path: &Path, why: &str) -> KeyError {
    KeyError::Root(format!("the root key cannot be read from {}: {why}", path.display()))
}

/// The root key in a file.
#[allow(clippy::disallowed_methods, reason = "the root key lies outside of what is sealed and simulated")]
fn of_file(path: &Path) -> Result<RootKey, KeyError> {
    let content = std::fs::read(path).map_err(|error| absent(path, &error.to_string()))?;
    RootKey::parse(&content, format!("the file {}", path.display()))
}

fn of_command(command: &str) -> Result<RootKey, KeyError> {
    let failed = |why: String| KeyError::Root(format!("the root key command '{command}' gave no key: {why}"));
    let output = Command::new("sh").arg("-c").arg(command).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(format!("{}, {}", output.status, String::from_utf8_lossy(&output.stderr).trim())));
    }
    RootKey::parse(&output.stdout, format!("the command '{command}'"))
}

/// The data folder's own root key; made when there is neither one nor a ring.
#[allow(clippy::disallowed_methods, reason = "the root key lies outside of what is sealed and simulated")]
fn own(data: &Path) -> Result<RootKey, KeyError> {
    let path = data.join(ROOT_KEY);
    if path.exists() {
        return of_file(&path);
    }
    if data.join(KEY_RING).exists() {
        return Err(KeyError::Root(format!(
            "the key ring {} is sealed by a root key that is not here: {} does not exist, and none was given. Give it with \
             --root-key-file FILE, {VARIABLE} or --root-key-command COMMAND; without it nothing that was sealed can be read",
            data.join(KEY_RING).display(),
            path.display()
        )));
    }
    make(&path)
}

/// Makes a root key file that only its owner reads.
#[allow(clippy::disallowed_methods, reason = "the root key lies outside of what is sealed and simulated")]
pub fn make(path: &Path) -> Result<RootKey, KeyError> {
    let key = RootKey::random(&millrace_base::SystemDice, format!("the file {}", path.display()));
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(key.file_content().as_bytes())?;
        file.sync_all()?;
        match path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            Some(dir) => SystemDisk.sync_dir(dir),
            None => Ok(()),
        }
    };
    write().map_err(|error| KeyError::Root(format!("{} cannot be made: {error}", path.display())))?;
    Ok(key)
}

/// The root key in a file, which is made when it is absent.
pub fn of_file_or_new(path: &Path) -> Result<RootKey, KeyError> {
    if path.exists() { of_file(path) } else { make(path) }
}
