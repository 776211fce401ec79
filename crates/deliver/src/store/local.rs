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
use millrace_base::{Disk, DiskFile, NewFile, Stamp};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const UPLOADS: &str = ".uploads";
/// How much of an object is in memory while it is copied.
const PIECE_BYTES: usize = 1024 * 1024;
/// The longest file name that common file systems keep.
const NAME_BYTES_MAX: usize = 255;

/// An object that is open for reading.
pub struct OpenObject {
    /// What is known of it.
    pub info: ObjectInfo,
    file: Arc<dyn DiskFile>,
}

/// Buckets as folders.
pub struct LocalLake {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) root: PathBuf,
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

    /// Writes an object from pieces: it is there as a whole, or (when a piece fails) as it was.
    pub fn write_object(
        &self,
        bucket: &str,
        key: &str,
        pieces: &mut dyn Iterator<Item = io::Result<Bytes>>,
    ) -> Result<ObjectInfo, StoreError> {
        self.known(bucket)?;
        let path = self.path(bucket, key)?;
        let written = self.write(&path, pieces).map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory | io::ErrorKind::AlreadyExists => {
                let reason = "objects are files here, so that none can lie both at a key and below it".to_owned();
                StoreError::BadKey { key: key.to_owned(), reason }
            }
            _ => failed(bucket, key, &error),
        });
        written.map(|(size, stamp)| info(key, size, stamp))
    }

    /// Opens an object for reading: what is read stays the same when the object is written again meanwhile.
    pub fn open_object(&self, bucket: &str, key: &str) -> Result<OpenObject, StoreError> {
        let path = self.path(bucket, key)?;
        self.open_file(&path, key).map_err(|error| missing(bucket, key, &error))
    }

    pub(super) fn open_file(&self, path: &Path, key: &str) -> io::Result<OpenObject> {
        loop {
            let before = self.disk.stamp(path)?;
            let file = self.disk.open(path, false)?;
            let stamp = self.disk.stamp(path)?;
            // Otherwise it was replaced at this moment, and nobody knows whose the stamp is.
            if stamp == before {
                return Ok(OpenObject { info: info(key, file.len()?, stamp), file });
            }
        }
    }

    /// At most `count` objects whose keys begin with `prefix` and come behind `after`, in order of key.
    pub fn list_after(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        count: usize,
    ) -> Result<Vec<ObjectInfo>, StoreError> {
        self.known(bucket)?;
        let mut walk = Walk { lake: self, prefix, after, count, found: Vec::new() };
        let walked = walk.walk(&self.root.join(encode(bucket)), "");
        walked.map_err(|error| failed(bucket, prefix, &error))?;
        Ok(walk.found)
    }

    pub(super) fn write(
        &self,
        path: &Path,
        pieces: &mut dyn Iterator<Item = io::Result<Bytes>>,
    ) -> io::Result<(u64, Stamp)> {
        let number = self.next_upload.fetch_add(1, Ordering::Relaxed);
        let upload = self.root.join(UPLOADS).join(number.to_string());
        let written = self.write_upload(&upload, pieces).and_then(|written| {
            let dir = path.parent().unwrap_or(&self.root);
            self.disk.create_dir(dir)?;
            self.disk.rename(&upload, path)?;
            self.disk.sync_dir(dir)?;
            self.sync_parents(dir)?;
            Ok(written)
        });
        if written.is_err() {
            // What stays is removed at the next start.
            let _ = self.disk.remove(&upload);
        }
        written
    }

    fn write_upload(
        &self,
        upload: &Path,
        pieces: &mut dyn Iterator<Item = io::Result<Bytes>>,
    ) -> io::Result<(u64, Stamp)> {
        self.disk.remove(upload)?;
        let mut file = NewFile::new(self.disk.open(upload, true)?);
        for piece in pieces {
            file.write(&piece?)?;
        }
        file.finish()?;
        Ok((file.written(), self.disk.stamp(upload)?))
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
}

impl OpenObject {
    /// Reads a part of it, which must lie within it.
    pub fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let len = range.end.saturating_sub(range.start);
        let mut part = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut part, range.start)?;
        Ok(part.into())
    }

    /// The bytes of a part of it, in pieces that memory has room for.
    pub fn pieces(&self, range: Range<u64>) -> impl Iterator<Item = io::Result<Bytes>> {
        let starts = range.clone().step_by(PIECE_BYTES);
        starts.map(move |start| self.read(start..range.end.min(start + PIECE_BYTES as u64)))
    }
}

/// A walk through a bucket's folders, in order of key.
struct Walk<'a> {
    lake: &'a LocalLake,
    prefix: &'a str,
    after: &'a str,
    count: usize,
    found: Vec<ObjectInfo>,
}

impl Walk<'_> {
    fn walk(&mut self, dir: &Path, key: &str) -> io::Result<()> {
        for (name, path, stamp) in self.entries(dir)? {
            if self.found.len() >= self.count {
                return Ok(());
            }
            let key = format!("{key}{name}");
            if stamp.is_dir {
                // What comes behind all that lies in the folder leaves nothing of it.
                let is_within = self.after.strip_prefix(&key).is_some_and(|rest| !rest.starts_with(char::MAX));
                let is_behind = key.as_str() > self.after || is_within;
                if is_behind && (key.starts_with(self.prefix) || self.prefix.starts_with(&key)) {
                    self.walk(&path, &key)?;
                }
            } else if key.starts_with(self.prefix) && key.as_str() > self.after {
                match self.lake.disk.open(&path, false).and_then(|file| file.len()) {
                    Ok(size) => self.found.push(info(&key, size, stamp)),
                    // Somebody has removed it meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// What lies in a folder, in order of key: folders end with a slash.
    fn entries(&self, dir: &Path) -> io::Result<Vec<(String, PathBuf, Stamp)>> {
        let mut entries = Vec::new();
        for name in self.lake.disk.list(dir)? {
            let path = dir.join(&name);
            match self.lake.disk.stamp(&path) {
                Ok(stamp) => {
                    let name = decode(&name);
                    entries.push((if stamp.is_dir { format!("{name}/") } else { name }, path, stamp));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(entries)
    }
}

pub(super) fn info(key: &str, size: u64, stamp: Stamp) -> ObjectInfo {
    let Stamp { modified, version, .. } = stamp;
    // Nobody shall take it for an MD5, which many clients compare when there is no dash.
    ObjectInfo { key: key.to_owned(), size, modified, etag: format!("{version:016x}{size:016x}-1") }
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

pub(super) fn failed(bucket: &str, key: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Failed { bucket: bucket.to_owned(), key: key.to_owned(), reason: error.to_string() }
}

fn missing(bucket: &str, key: &str, error: &io::Error) -> StoreError {
    // A folder is no object, and nothing lies below one.
    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory) {
        return StoreError::NoSuchKey { bucket: bucket.to_owned(), key: key.to_owned() };
    }
    failed(bucket, key, error)
}

#[async_trait]
impl ObjectStore for LocalLake {
    async fn put(&self, bucket: &str, key: &str, content: Bytes) -> Result<(), StoreError> {
        self.write_object(bucket, key, &mut std::iter::once(Ok(content))).map(drop)
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Bytes, StoreError> {
        let path = self.path(bucket, key)?;
        self.disk.read(&path).map(Bytes::from).map_err(|error| missing(bucket, key, &error))
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<ObjectInfo, StoreError> {
        self.open_object(bucket, key).map(|object| object.info)
    }

    async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        self.list_after(bucket, prefix, "", usize::MAX)
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        let path = self.path(bucket, key)?;
        let is_object = match self.disk.stamp(&path) {
            Ok(stamp) => !stamp.is_dir,
            Err(error) => match missing(bucket, key, &error) {
                StoreError::NoSuchKey { .. } => false,
                other => return Err(other),
            },
        };
        if !is_object {
            return Ok(());
        }
        let removed = self.disk.remove(&path);
        // Until its folder is on disk, a crash would bring the object back.
        let removed = removed.and_then(|()| path.parent().map_or(Ok(()), |dir| self.disk.sync_dir(dir)));
        removed.map_err(|error| failed(bucket, key, &error))
    }
}
