//! The key ring: KMS's keys and aliases, in one file that a root key from outside seals.
//!
//! ```text
//! root key (file, variable, command) ─► DATA/keyring ─► keys, in versions ─► data keys in the headers of files
//!                                                                       └─► what KMS's callers encrypt
//! ```
//!
//! A rotation adds a version to a key: what is encrypted from then on uses it, what was encrypted before names its own
//! version and can be read for as long as the key exists. So nothing is written again, and nobody waits.
//!
//! `crypto` is the one use of AES-GCM, `store` the file, `envelope` what a key does with bytes, `manage` and
//! `aliases` what owners do with keys.

mod aliases;
pub(crate) mod crypto;
mod envelope;
mod error;
mod key;
mod manage;
mod root;
mod store;
#[cfg(test)]
mod tests;

pub use aliases::KeyName;
pub use envelope::{Context, Encrypted};
pub use error::KeyError;
pub use key::{Key, KeyState, Manager, Rotation, RotationType};
pub use manage::NewKey;
pub use root::RootKey;
pub use store::Alias;

use millrace_base::{Clock, Dice, Disk, Scope};
use parking_lot::{Mutex, RwLock};
use std::path::PathBuf;
use std::sync::Arc;
use store::Content;

/// The alias of the key that seals this server's own files. It is in [`Scope::default`].
pub(crate) const OWN_ALIAS: &str = "alias/aws/millrace";

/// What a ring is made of.
pub struct KeyRingParts {
    /// Holds the file: the bare disk, never a sealed one.
    pub disk: Arc<dyn Disk>,
    /// Makes keys and nonces.
    pub dice: Arc<dyn Dice>,
    /// Decides what is due.
    pub clock: Arc<dyn Clock>,
    /// The file.
    pub path: PathBuf,
}

/// Finds or makes the root key when the first key of a ring is made.
pub type RootKeySource = Box<dyn Fn() -> Result<RootKey, KeyError> + Send + Sync>;

/// Keys and aliases. Cheap to clone; all clones are one ring.
#[derive(Clone)]
pub struct KeyRing {
    shared: Arc<Shared>,
}

struct Shared {
    parts: KeyRingParts,
    source: RootKeySource,
    /// Changed only after the file was.
    content: RwLock<Arc<Content>>,
    /// Who changes the ring holds it; the root key once it is known.
    root: Mutex<Option<RootKey>>,
}

impl KeyRing {
    /// Opens the ring. A ring that is absent is made when its first key is; only then `source` is asked.
    pub fn open(parts: KeyRingParts, source: RootKeySource) -> Result<Self, KeyError> {
        let (content, root) = if store::exists(&*parts.disk, &parts.path)? {
            let root = source()?;
            (store::read(&*parts.disk, &parts.path, &root)?, Some(root))
        } else {
            (Content::default(), None)
        };
        let content = RwLock::new(Arc::new(content));
        Ok(Self { shared: Arc::new(Shared { parts, source, content, root: Mutex::new(root) }) })
    }

    /// Seals the ring by another root key. Keys and what they encrypted stay as they are.
    pub fn rotate_root(&self, fresh: RootKey) -> Result<(), KeyError> {
        let mut root = self.shared.root.lock();
        let content = self.content();
        self.save(&fresh, &content)?;
        *root = Some(fresh);
        Ok(())
    }

    /// The key that seals this server's own files; made when it is asked for first.
    pub fn own_key(&self) -> Result<KeyName, KeyError> {
        let key = self.find(&Scope::default(), OWN_ALIAS)?;
        Ok(KeyName(key.id.as_str().into()))
    }

    /// The key that seals this server's own files, if it was ever asked for.
    pub fn known_own_key(&self) -> Option<Arc<Key>> {
        let content = self.content();
        let own = content.aliases.iter().find(|alias| alias.name == OWN_ALIAS && alias.scope == Scope::default())?;
        content.keys.get(&own.key).cloned()
    }

    /// True when there is no key yet, and so no file.
    pub fn is_empty(&self) -> bool {
        self.content().keys.is_empty()
    }

    fn content(&self) -> Arc<Content> {
        self.shared.content.read().clone()
    }

    fn now(&self) -> millrace_base::Millis {
        self.shared.parts.clock.now()
    }

    fn save(&self, root: &RootKey, content: &Content) -> Result<(), KeyError> {
        let parts = &self.shared.parts;
        store::write(&*parts.disk, &*parts.dice, &parts.path, root, content)
    }

    /// Changes the ring: durable when `Ok` returns, without trace when it fails. Changes wait for each other.
    fn change<R>(&self, change: impl FnOnce(&mut Content) -> Result<R, KeyError>) -> Result<R, KeyError> {
        let mut root = self.shared.root.lock();
        let mut content = self.content().as_ref().clone();
        let result = change(&mut content)?;
        if root.is_none() {
            *root = Some((self.shared.source)()?);
        }
        let known = root.as_ref().expect("it was found just now");
        self.save(known, &content)?;
        *self.shared.content.write() = Arc::new(content);
        Ok(result)
    }
}
