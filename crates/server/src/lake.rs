//! Where buckets lie: folders of this machine, or an S3 store.

use crate::resources::{BucketPort, PortError};
use crate::settings::SettingsError;
use millrace_base::{Clock, Disk, Scope};
use millrace_deliver::{Bucket, Buckets, DeliverError, LocalLake, ObjectStore, S3Settings, S3Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which store.
#[derive(Debug, Clone)]
pub enum StoreSettings {
    /// A folder: `BUCKET/KEY` below it.
    Folder(PathBuf),
    /// An S3 store.
    S3(S3Settings),
}

/// A store, and the lake on this machine if it is one.
pub type Opened = (Arc<dyn ObjectStore>, Option<Arc<LocalLake>>);

impl StoreSettings {
    /// The store that an endpoint names, else the folder.
    pub fn derive(endpoint: Option<&str>, folder: &Path) -> Result<Self, SettingsError> {
        let Some(endpoint) = endpoint else { return Ok(Self::Folder(folder.to_owned())) };
        let variable = |name: &'static str| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty());
            value.ok_or(SettingsError::S3 { endpoint: endpoint.to_owned(), missing: name })
        };
        let credentials = Some((variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?));
        Ok(Self::S3(S3Settings {
            endpoint: Some(endpoint.to_owned()),
            region: std::env::var("AWS_REGION").ok(),
            credentials,
        }))
    }

    /// Opens the store; the folder's also as itself, which is more than a store.
    pub fn open(&self, disk: &Arc<dyn Disk>, buckets: &Buckets) -> std::io::Result<Opened> {
        Ok(match self {
            Self::Folder(folder) => {
                let lake = Arc::new(LocalLake::open(disk.clone(), folder, buckets.clone())?);
                (lake.clone(), Some(lake))
            }
            Self::S3(settings) => (Arc::new(S3Store::new(settings.clone())), None),
        })
    }
}

/// The buckets that templates create.
pub struct LakeBuckets {
    /// Their names.
    pub buckets: Buckets,
    /// Their content.
    pub store: Arc<dyn ObjectStore>,
    /// When they were created.
    pub clock: Arc<dyn Clock>,
}

impl BucketPort for LakeBuckets {
    fn create(&self, scope: &Scope, name: &str) -> Result<(), PortError> {
        let bucket = Bucket { name: name.to_owned(), scope: scope.clone(), created: self.clock.now() };
        self.buckets.create(&bucket).map_err(port_error)
    }

    fn delete(&self, _: &Scope, name: &str) -> Result<(), PortError> {
        let objects = futures::executor::block_on(self.store.list(name, ""));
        let count = objects.map_err(|error| PortError::Failed(error.to_string()))?.len();
        if count > 0 {
            let reason = format!("bucket {name} holds {count} objects: remove them first, as S3 demands");
            return Err(PortError::Invalid(reason));
        }
        self.buckets.delete(name).map(|_| ()).map_err(port_error)
    }

    fn exists(&self, scope: &Scope, name: &str) -> Result<bool, PortError> {
        let found = self.buckets.get(name).map_err(port_error)?;
        Ok(found.is_some_and(|bucket| bucket.scope == *scope))
    }
}

fn port_error(error: DeliverError) -> PortError {
    PortError::Failed(error.to_string())
}
