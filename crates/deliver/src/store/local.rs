//! A lake in a folder: the object `2026/01/x.parquet` of the bucket `lake` is the file `<root>/lake/2026/01/x.parquet`, so
//! that every tool that reads files reads the lake.
//!
//! Parts of a key that mean something to a file system are written otherwise: `%` is `%25`, `.` is `%2E`, `..` is `%2E%2E`,
//! an empty part is `%00` and a NUL `%01`; so no key leaves its bucket's folder.
//!
//! # Crash behaviour
//! An object is written under `<root>/.uploads/`, synced, renamed to its place, and the folders of its path are synced. A
//! crash leaves the old object or the new one; what is left in `.uploads` is removed at the next start.

use super::{Buckets, ObjectInfo, ObjectStore, StoreError};
use async_trait::async_trait;
use bytes::Bytes;
use millrace_base::Disk;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const UPLOADS: &str = ".uploads";
/// The longest file name that common file systems keep.
const NAME_BYTES_MAX: usize = 255;

/// Buckets as folders.
pub struct LocalLake {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    buckets: Buckets,
    /// Folders whose own names are known to be durable.
    synced: Mutex<HashSet<PathBuf>>,
    next_upload: AtomicU64,
}

impl LocalLake {
    /// Opens the lake in `root`.
    pub fn open(disk: Arc<dyn Disk>, root: &Path, buckets: Buckets) -> io::Result<Self> {
        disk.remove_dir(&root.join(UPLOADS))?;
        disk.create_dir(&root.join(UPLOADS))?;
        Ok(Self { disk, root: root.to_owned(), buckets, synced: Mutex::default(), next_upload: AtomicU64::new(0) })
    }

    /// The file that holds an object.
    pub fn path(&self, bucket: &str, key: &str) -> Result<PathBuf, StoreError> {
        let mut path = self.root.join(encode(bucket));
        if key.is_empty() {
            return Err(StoreError::BadKey { key: key.to_owned(), reason: "it is empty".to_owned() });
        }
        for part in key.split('/') {
            let name = encode(part);
            if name.len() > NAME_BYTES_MAX {
                let reason = format!("a part of it is longer than {NAME_BYTES_MAX} bytes, which no file name may be");
                return Err(StoreError::BadKey { key: key.to_owned(), reason });
            }
            path.push(name);
        }
        Ok(path)
    }

    /// Removes a bucket's folder with all its objects.
    pub fn remove_bucket(&self, bucket: &str) -> io::Result<()> {
        let path = self.root.join(encode(bucket));
        self.synced.lock().retain(|dir| !dir.starts_with(&path));
        self.disk.remove_dir(&path)
    }

    fn known(&self, bucket: &str) -> Result<(), StoreError> {
        match self.buckets.get(bucket) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(StoreError::NoSuchBucket(bucket.to_owned())),
            Err(error) => Err(failed(bucket, "", &error)),
        }
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let number = self.next_upload.fetch_add(1, Ordering::Relaxed);
        let upload = self.root.join(UPLOADS).join(number.to_string());
        self.disk.remove(&upload)?;
        let file = self.disk.open(&upload, true)?;
        file.write_at(content, 0)?;
        file.sync()?;
        let dir = path.parent().unwrap_or(&self.root);
        self.disk.create_dir(dir)?;
        self.disk.rename(&upload, path)?;
        self.disk.sync_dir(dir)?;
        self.sync_parents(dir)
    }

    /// Makes the folder's own name durable, and its parents' up to the root.
    fn sync_parents(&self, dir: &Path) -> io::Result<()> {
        let mut dir = dir;
        while dir != self.root && !self.synced.lock().contains(dir) {
            let Some(parent) = dir.parent() else { break };
            self.disk.sync_dir(parent)?;
            self.synced.lock().insert(dir.to_owned());
            dir = parent;
        }
        Ok(())
    }

    fn walk(&self, dir: &Path, key: &str, prefix: &str, found: &mut Vec<ObjectInfo>) -> io::Result<()> {
        for name in self.disk.list(dir)? {
            let path = dir.join(&name);
            let key = format!("{key}{}", decode(&name));
            // A folder does not open as a file.
            match self.disk.open(&path, false) {
                Ok(file) if key.starts_with(prefix) => found.push(ObjectInfo { key, size: file.len()? }),
                Ok(_) => {}
                Err(_) => {
                    let inner = format!("{key}/");
                    if inner.starts_with(prefix) || prefix.starts_with(&inner) {
                        self.walk(&path, &inner, prefix, found)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn encode(part: &str) -> String {
    match part {
        "" => "%00".to_owned(),
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => part.replace('%', "%25").replace('\0', "%01"),
    }
}

fn decode(name: &str) -> String {
    match name {
        "%00" => String::new(),
        _ => name.replace("%2E", ".").replace("%01", "\0").replace("%25", "%"),
    }
}

fn failed(bucket: &str, key: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Failed { bucket: bucket.to_owned(), key: key.to_owned(), reason: error.to_string() }
}

fn missing(bucket: &str, key: &str, error: &io::Error) -> StoreError {
    if error.kind() == io::ErrorKind::NotFound {
        return StoreError::NoSuchKey { bucket: bucket.to_owned(), key: key.to_owned() };
    }
    failed(bucket, key, error)
}

#[async_trait]
impl ObjectStore for LocalLake {
    async fn put(&self, bucket: &str, key: &str, content: Bytes) -> Result<(), StoreError> {
        self.known(bucket)?;
        let path = self.path(bucket, key)?;
        self.write(&path, &content).map_err(|error| failed(bucket, key, &error))
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Bytes, StoreError> {
        let path = self.path(bucket, key)?;
        self.disk.read(&path).map(Bytes::from).map_err(|error| missing(bucket, key, &error))
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<ObjectInfo, StoreError> {
        let path = self.path(bucket, key)?;
        let size = self.disk.open(&path, false).and_then(|file| file.len());
        size.map(|size| ObjectInfo { key: key.to_owned(), size }).map_err(|error| missing(bucket, key, &error))
    }

    async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        self.known(bucket)?;
        let mut found = Vec::new();
        let walked = self.walk(&self.root.join(encode(bucket)), "", prefix, &mut found);
        walked.map_err(|error| failed(bucket, prefix, &error))?;
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        let path = self.path(bucket, key)?;
        self.disk.remove(&path).map_err(|error| failed(bucket, key, &error))
    }
}
