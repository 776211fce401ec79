//! The folder of an index's segments, with syncs of its own: a refresh writes files and syncs none, a flush makes the last
//! commit durable.
//!
//! Tantivy's own folder syncs every file of a segment, and the list of files before each; with a commit every tenth of a
//! second the disk does nothing else. The translog has made the documents durable already, so that searches may find
//! segments that a crash would take along.
//!
//! # Crash behaviour
//! The small files that name segments (`meta.json`, `.managed.json`) change in memory only. [`Segments::flush`] syncs the
//! files of segments, then the folder, then replaces those two; only then are files removed that the names on disk
//! had meant until now. So what the names on disk mean is there, whole, after any crash; files that they do not mean are
//! what a crash left over, and [`Segments::tidy`] removes them.
//!
//! # Sealed disks
//! A file that is stored as it is is mapped into memory. One that the [`Disk`] keeps otherwise, because it seals it, is longer on the
//! machine's disk than its content, and is read through the [`Disk`].

use millrace_base::{Disk, DiskFile, NewFile, work_in_background};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tantivy::HasLen;
use tantivy::directory::error::{DeleteError, LockError, OpenDirectoryError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, MmapDirectory, OwnedBytes, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
};

/// What a file of a segment gathers before it is written: on a sealed disk one extent, which is sealed, read and opened whole.
const WRITE_BYTES: usize = 64 << 10;
/// How the names of tantivy's threads for merges begin.
const MERGES: &str = "merge_thread_";

/// Segments on the machine's disk. Clones are the same folder.
#[derive(Clone)]
pub struct Segments {
    mapped: MmapDirectory,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    pending: Arc<Mutex<Pending>>,
}

/// What the disk does not hold durably yet.
#[derive(Default)]
struct Pending {
    /// Small files as they are now.
    names: BTreeMap<PathBuf, Vec<u8>>,
    /// Files that are written and not synced, still open: what a sealed disk knows of a file that nobody has open is gone, and it
    /// would read all of it again.
    unsynced: BTreeMap<PathBuf, Arc<dyn DiskFile>>,
    /// Removed files that the names on disk may mean still.
    doomed: BTreeSet<PathBuf>,
}

impl Segments {
    /// Opens a folder that exists.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, OpenDirectoryError> {
        let mapped = MmapDirectory::open(dir)?;
        Ok(Self { mapped, disk, dir: dir.to_owned(), pending: Arc::default() })
    }

    /// Removes what a crash left over: the files of segments that no name means. Before anything is written.
    pub fn tidy(&self, living: &HashSet<PathBuf>) -> io::Result<()> {
        let of_segment = |name: &str| name.len() > 33 && name.as_bytes()[32] == b'.' && !name.starts_with('.');
        for name in self.disk.list(&self.dir)? {
            if of_segment(&name) && !living.contains(Path::new(&name)) {
                self.disk.remove(&self.dir.join(&name))?;
            }
        }
        Ok(())
    }

    /// What the folder takes on the disk, in bytes.
    pub fn bytes(&self) -> io::Result<u64> {
        // A file may be removed meanwhile.
        let len = |name: &String| self.disk.stamp(&self.dir.join(name)).map_or(0, |stamp| stamp.len);
        Ok(self.disk.list(&self.dir)?.iter().map(len).sum())
    }

    /// Makes the last commit durable; one at a time. After an error nothing is known of what the disk holds: the folder is to be opened again.
    pub fn flush(&self) -> io::Result<()> {
        // While this runs, commits and merges may name other files and remove some that the names taken here mean; those are
        // doomed till the next flush.
        let (names, unsynced, doomed) = {
            let mut pending = self.pending.lock();
            let (unsynced, doomed) = (std::mem::take(&mut pending.unsynced), std::mem::take(&mut pending.doomed));
            (pending.names.clone(), unsynced, doomed)
        };
        unsynced.values().try_for_each(|file| file.finish())?;
        self.disk.sync_dir(&self.dir)?;
        // `.managed.json` sorts before `meta.json`: what is meant is managed at any moment.
        for (path, content) in &names {
            self.disk.replace(&self.dir.join(path), content)?;
        }
        doomed.iter().try_for_each(|path| self.disk.remove(&self.dir.join(path)))
    }
}

impl fmt::Debug for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segments({})", self.dir.display())
    }
}

impl Directory for Segments {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let mapped = self.mapped.get_file_handle(path)?;
        let failed = |error| OpenReadError::wrap_io_error(error, path.to_owned());
        let file = self.disk.open(&self.dir.join(path), false).map_err(failed)?;
        let len = usize::try_from(file.len().map_err(failed)?).map_err(|error| failed(io::Error::other(error)))?;
        Ok(if len == mapped.len() { mapped } else { Arc::new(Sealed { file, len }) })
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        let mut pending = self.pending.lock();
        if pending.unsynced.remove(path).is_some() {
            // No name on disk ever meant it.
            let removed = self.disk.remove(&self.dir.join(path));
            return removed
                .map_err(|error| DeleteError::IoError { io_error: Arc::new(error), filepath: path.to_owned() });
        }
        pending.doomed.insert(path.to_owned());
        Ok(())
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        if self.pending.lock().names.contains_key(path) {
            return Ok(true);
        }
        self.mapped.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        // Merges may wait. Tantivy tells nobody which of its threads they have, but that they write.
        if std::thread::current().name().is_some_and(|name| name.starts_with(MERGES)) {
            work_in_background();
        }
        let wrap = |error| OpenWriteError::wrap_io_error(error, path.to_owned());
        if self.mapped.exists(path).map_err(|error| wrap(io::Error::other(error)))? {
            return Err(OpenWriteError::FileAlreadyExists(path.to_owned()));
        }
        let file = self.disk.open(&self.dir.join(path), true).map_err(wrap)?;
        let fresh = Fresh { file: NewFile::new(file), path: path.to_owned(), pending: self.pending.clone() };
        Ok(BufWriter::with_capacity(WRITE_BYTES, Box::new(fresh)))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        if let Some(content) = self.pending.lock().names.get(path) {
            return Ok(content.clone());
        }
        self.disk.read(&self.dir.join(path)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => OpenReadError::FileDoesNotExist(path.to_owned()),
            _ => OpenReadError::wrap_io_error(error, path.to_owned()),
        })
    }

    fn atomic_write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.pending.lock().names.insert(path.to_owned(), content.to_vec());
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(()) // A flush does.
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.mapped.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.mapped.watch(callback)
    }
}

/// A file that is not stored as it is.
struct Sealed {
    file: Arc<dyn DiskFile>,
    len: usize,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.len)
    }
}

impl HasLen for Sealed {
    fn len(&self) -> usize {
        self.len
    }
}

impl FileHandle for Sealed {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        let mut bytes = vec![0; range.len()];
        self.file.read_exact_at(&mut bytes, range.start as u64)?;
        Ok(OwnedBytes::new(bytes))
    }
}

/// A file that is being written.
struct Fresh {
    file: NewFile,
    path: PathBuf,
    pending: Arc<Mutex<Pending>>,
}

impl Write for Fresh {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for Fresh {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.pending.lock().unsynced.insert(std::mem::take(&mut self.path), self.file.file().clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::SystemDisk;

    fn put(segments: &Segments, name: &str) {
        let mut file = segments.open_write(Path::new(name)).unwrap();
        file.write_all(name.as_bytes()).unwrap();
        file.terminate().unwrap();
    }

    #[test]
    fn what_the_names_on_disk_mean_is_there_until_the_next_flush() {
        let home = tempfile::tempdir().unwrap();
        let segments = Segments::open(Arc::new(SystemDisk), home.path()).unwrap();
        let [old, new, short] = ["a", "b", "c"].map(|letter| format!("{}.idx", letter.repeat(32)));
        let meta = Path::new("meta.json");
        put(&segments, &old);
        segments.atomic_write(meta, b"old").unwrap();
        assert!(segments.exists(meta).unwrap() && !home.path().join(meta).exists());
        segments.flush().unwrap();
        assert_eq!(SystemDisk.read(&home.path().join(meta)).unwrap(), b"old");

        put(&segments, &new);
        put(&segments, &short);
        segments.atomic_write(meta, b"new").unwrap();
        segments.delete(Path::new(&old)).unwrap();
        segments.delete(Path::new(&short)).unwrap();
        assert_eq!(segments.atomic_read(meta).unwrap(), b"new");
        assert_eq!(SystemDisk.read(&home.path().join(meta)).unwrap(), b"old", "what a crash would leave");
        assert!(home.path().join(&old).exists(), "the old name means it");
        assert!(!home.path().join(&short).exists(), "no name on disk ever meant it");
        segments.flush().unwrap();
        assert_eq!(SystemDisk.read(&home.path().join(meta)).unwrap(), b"new");
        assert!(!home.path().join(&old).exists() && home.path().join(&new).exists());
    }

    #[test]
    fn what_a_crash_left_over_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let segments = Segments::open(Arc::new(SystemDisk), home.path()).unwrap();
        let [living, rest] = ["a", "b"].map(|letter| format!("{}.idx", letter.repeat(32)));
        put(&segments, &living);
        put(&segments, &rest);
        SystemDisk.replace(&home.path().join("meta.json"), b"{}").unwrap();
        segments.tidy(&HashSet::from([PathBuf::from(&living)])).unwrap();
        let left = |name: &str| home.path().join(name).exists();
        assert!(left(&living) && left("meta.json") && !left(&rest));
    }
}
