//! Which streams are sealed by which key, as `StartStreamEncryption` says.

use crate::SealedDisk;
use crate::keyring::{KeyError, KeyName, KeyRing};
use millrace_base::Scope;
use millrace_catalog::{Catalog, CatalogError};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The catalog's table; keys are `account/region/name`.
const TABLE: &str = "stream-encryption";

/// How a stream is sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StreamSeal {
    /// Of which stream of that name.
    pub incarnation: u64,
    /// The key as its owner named it: id, ARN, alias or alias ARN.
    pub key_id: String,
    /// The id of the key that this meant.
    key: String,
    /// The stream's folder, below the log's.
    folder: PathBuf,
}

/// Why a stream's encryption was not changed.
#[derive(Debug, thiserror::Error)]
pub enum StreamSealError {
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// The streams that are sealed by keys of their own. Cheap to clone.
#[derive(Clone)]
pub struct StreamSeals {
    shared: Arc<Shared>,
}

struct Shared {
    catalog: Catalog,
    ring: KeyRing,
    disk: SealedDisk,
    dir: PathBuf,
    known: RwLock<HashMap<String, Arc<StreamSeal>>>,
}

impl StreamSeals {
    /// Those of a catalog; `dir` is the log's folder on `disk`.
    pub fn open(catalog: Catalog, ring: KeyRing, disk: SealedDisk, dir: PathBuf) -> Result<Self, CatalogError> {
        let mut known = HashMap::new();
        for (name, seal) in catalog.list::<StreamSeal>(TABLE, "")? {
            disk.seal_folder(&dir.join(&seal.folder), Some(KeyName(seal.key.as_str().into())));
            known.insert(name, Arc::new(seal));
        }
        let known = RwLock::new(known);
        Ok(Self { shared: Arc::new(Shared { catalog, ring, disk, dir, known }) })
    }

    /// How a stream is sealed; `None`: as everything is.
    pub fn of(&self, scope: &Scope, stream: &str, incarnation: u64) -> Option<Arc<StreamSeal>> {
        let known = self.shared.known.read();
        if known.is_empty() {
            return None;
        }
        known.get(&place(scope, stream)).filter(|seal| seal.incarnation == incarnation).cloned()
    }

    /// An error when the key of a stream may not be used now.
    pub fn check(&self, scope: &Scope, stream: &str, incarnation: u64) -> Result<(), KeyError> {
        match self.of(scope, stream, incarnation) {
            Some(seal) => self.shared.ring.key(&KeyName(seal.key.as_str().into()))?.usable(),
            None => Ok(()),
        }
    }

    /// New files of a stream are sealed by a key from now on; `folder` is the stream's, below the log's.
    pub fn start(
        &self,
        scope: &Scope,
        stream: &str,
        incarnation: u64,
        folder: PathBuf,
        key_id: &str,
    ) -> Result<(), StreamSealError> {
        let key = self.shared.ring.find(scope, key_id)?;
        key.usable()?;
        let seal = StreamSeal { incarnation, key_id: key_id.to_owned(), key: key.id.clone(), folder };
        let mut known = self.shared.known.write();
        self.shared.catalog.put(TABLE, &place(scope, stream), &seal)?;
        let name = KeyName(key.id.as_str().into());
        self.shared.disk.seal_folder(&self.shared.dir.join(&seal.folder), Some(name));
        known.insert(place(scope, stream), Arc::new(seal));
        Ok(())
    }

    /// New files of a stream are sealed as everything is from now on.
    pub fn stop(&self, scope: &Scope, stream: &str) -> Result<(), CatalogError> {
        let mut known = self.shared.known.write();
        let place = place(scope, stream);
        self.shared.catalog.delete(TABLE, &place)?;
        if let Some(seal) = known.remove(&place) {
            self.shared.disk.seal_folder(&self.shared.dir.join(&seal.folder), None);
        }
        Ok(())
    }
}

fn place(scope: &Scope, stream: &str) -> String {
    format!("{scope}/{stream}")
}
