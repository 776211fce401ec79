//! The disk, injected so that a simulation can tear writes, fail syncs and lose what was never synced.
//!
//! # Contract
//! - [`DiskFile::write_at`] may be torn by a crash at any byte until [`DiskFile::sync`] returned `Ok`.
//! - After a failed `sync` nothing is known about the bytes written since the last good one: the writer gives up its file
//!   (is *poisoned*) and never retries the sync.
//! - A created or renamed name survives a crash only after [`Disk::sync_dir`] of its folder.
//! - Paths are absolute or relative to the process; every call is blocking.

use crate::Millis;
use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

/// See [`NewFile`].
const SYNC_EVERY_BYTES: usize = 16 << 20;

/// Takes the pieces of a content, one after the other.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;

/// What is known of a name on the disk without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// When its content was last written, in milliseconds since 1970.
    pub modified: Millis,
    /// Another number for another file, and for one that was written to since.
    pub version: u64,
    /// What it takes on the disk, in bytes; a disk that seals its files takes more than they hold.
    pub len: u64,
    /// True for a folder.
    pub is_dir: bool,
}

/// A folder tree with explicit durability.
pub trait Disk: Send + Sync + 'static {
    /// Opens `path` for reading and writing; creates it empty when it is absent and `create` is true.
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>>;
    /// The names (not paths) in a folder, sorted. An absent folder is empty.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates a folder and its parents; succeeds when it exists.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Moves a file over another, atomically.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file; an absent one is no error.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder and all in it; an absent one is no error.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// What is known of a file or folder without opening it; `NotFound` when it is absent.
    fn stamp(&self, path: &Path) -> io::Result<Stamp>;

    /// Writes a whole file so that after a crash either the old or the new content is there.
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.replace_with(path, &mut |sink| sink(content))
    }

    /// As [`Self::replace`], with a content that `write` hands to its sink piece by piece.
    fn replace_with(&self, path: &Path, write: &mut dyn FnMut(Sink<'_>) -> io::Result<()>) -> io::Result<()> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".tmp");
        let fresh = path.with_file_name(name);
        self.remove(&fresh)?;
        let mut file = NewFile::new(self.open(&fresh, true)?);
        write(&mut |piece| file.write(piece))?;
        file.finish()?;
        self.rename(&fresh, path)?;
        match path.parent() {
            Some(dir) => self.sync_dir(dir),
            None => Ok(()),
        }
    }

    /// The whole content of a file; `NotFound` when it is absent.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path, false)?;
        let mut content = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
        file.read_exact_at(&mut content, 0)?;
        Ok(content)
    }
}

/// An open file, addressed by offset so that readers and the writer share it.
pub trait DiskFile: Send + Sync {
    /// Fills `buffer` from `offset`; `UnexpectedEof` when the file ends before it is full.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`, growing the file as needed.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes content and length durable (`fdatasync`).
    fn sync(&self) -> io::Result<()>;
    /// As [`Self::sync`], when nothing more is going to be written: a file that is kept otherwise than it reads may be prepared
    /// for whoever opens it next.
    fn finish(&self) -> io::Result<()> {
        self.sync()
    }
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Cuts or grows (with zeros) to `len` bytes.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Tells that synced bytes will not be read soon, so that the system need not keep them in memory. Only a hint.
    fn forget(&self, offset: u64, len: u64) {
        let _ = (offset, len);
    }
    /// True when the file holds nothing.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// A file that is written from its beginning on. What is large becomes durable in pieces: whoever syncs another file meanwhile need
/// not wait until the disk has taken all of it.
pub struct NewFile {
    file: Arc<dyn DiskFile>,
    len: u64,
    unsynced: usize,
}

impl NewFile {
    /// Over an open file that is empty.
    pub fn new(file: Arc<dyn DiskFile>) -> Self {
        Self { file, len: 0, unsynced: 0 }
    }

    /// Writes what comes next.
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(SYNC_EVERY_BYTES - self.unsynced));
            self.file.write_at(piece, self.len)?;
            self.len += piece.len() as u64;
            self.unsynced += piece.len();
            if self.unsynced == SYNC_EVERY_BYTES {
                self.file.sync()?;
                self.unsynced = 0;
            }
            bytes = rest;
        }
        Ok(())
    }

    /// How much was written, in bytes.
    pub fn written(&self) -> u64 {
        self.len
    }

    /// See [`DiskFile::finish`].
    pub fn finish(&self) -> io::Result<()> {
        self.file.finish()
    }

    /// The file itself.
    pub fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }
}

/// The operating system's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisk;

#[allow(clippy::disallowed_methods, reason = "this is the one place that touches std::fs")]
impl Disk for SystemDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create(create).truncate(false).open(path)?;
        Ok(Arc::new(file))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = entries
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        absent_is_fine(std::fs::remove_file(path))
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        absent_is_fine(std::fs::remove_dir_all(dir))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        let found = std::fs::metadata(path)?;
        // A file system's clock may stand still for some milliseconds; a file that replaces another has another number.
        let version = found.ino().rotate_left(40) ^ found.mtime().cast_unsigned().rotate_left(20);
        let version = version ^ found.mtime_nsec().cast_unsigned();
        let modified = found.mtime() * 1000 + found.mtime_nsec() / 1_000_000;
        Ok(Stamp { modified, version, len: found.len(), is_dir: found.is_dir() })
    }
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl DiskFile for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn forget(&self, offset: u64, len: u64) {
        // A refused hint changes nothing but speed.
        let _ = rustix::fs::fadvise(self, offset, NonZeroU64::new(len), rustix::fs::Advice::DontNeed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Counts what is written and not synced.
    #[derive(Default)]
    struct Counted {
        written: AtomicU64,
        synced: AtomicU64,
    }

    impl DiskFile for Counted {
        fn read_exact_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
        fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
            assert_eq!(offset, self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed));
            assert!(self.len()? - self.synced.load(Ordering::Relaxed) <= SYNC_EVERY_BYTES as u64);
            Ok(())
        }
        fn sync(&self) -> io::Result<()> {
            self.synced.store(self.len()?, Ordering::Relaxed);
            Ok(())
        }
        fn len(&self) -> io::Result<u64> {
            Ok(self.written.load(Ordering::Relaxed))
        }
        fn set_len(&self, _: u64) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    #[test]
    fn a_large_file_is_synced_in_pieces() {
        let counted = Arc::new(Counted::default());
        let mut file = NewFile::new(counted.clone());
        let bytes = vec![0; 2 * SYNC_EVERY_BYTES + 10];
        for piece in [&bytes[..7], &bytes, &[], &bytes[..SYNC_EVERY_BYTES]] {
            file.write(piece).unwrap();
        }
        assert_eq!((file.written(), counted.len().unwrap()), (50_331_665, 50_331_665));
        assert_eq!(counted.synced.load(Ordering::Relaxed), 3 * SYNC_EVERY_BYTES as u64);
    }
}
