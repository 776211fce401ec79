//! The sealed disk: which files are sealed by which key, and who has them open.

use super::file::{self, SealedFile, Sealer};
use crate::keyring::{KeyName, KeyRing};
use millrace_base::{Dice, Disk, DiskFile, Stamp};
use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// Files that were written and not synced when their last handle was dropped: whoever opens one to sync it finds it as it was,
/// and need not write it again.
const LINGERING_MAX: usize = 32;
/// Open files below which nobody looks for those that were closed.
const OPEN_MIN: usize = 256;

/// A disk that seals new files. Clones are the same disk.
#[derive(Clone)]
pub struct SealedDisk {
    shared: Arc<Shared>,
}

struct Shared {
    inner: Arc<dyn Disk>,
    sealer: Sealer,
    rules: RwLock<Rules>,
    open: Mutex<Open>,
    /// Something is no longer being opened.
    opened: Condvar,
}

#[derive(Default)]
struct Rules {
    default: Option<KeyName>,
    folders: BTreeMap<PathBuf, KeyName>,
}

#[derive(Default)]
struct Open {
    files: HashMap<PathBuf, Weak<SealedFile>>,
    /// What somebody is reading through, to open it. Until then nobody else opens, moves or removes it.
    opening: HashSet<PathBuf>,
    lingering: VecDeque<(PathBuf, Arc<SealedFile>)>,
    /// When `files` is that long, closed ones are forgotten.
    look_at: usize,
}

impl SealedDisk {
    /// A disk over `inner` that seals nothing new until it is told to, and reads what is sealed.
    pub fn new(inner: Arc<dyn Disk>, ring: KeyRing, dice: Arc<dyn Dice>) -> Self {
        let sealer = Sealer { ring, dice };
        let (rules, open, opened) = (RwLock::default(), Mutex::default(), Condvar::new());
        Self { shared: Arc::new(Shared { inner, sealer, rules, open, opened }) }
    }

    /// Seals new files everywhere by a key, or nowhere.
    pub fn seal_all(&self, key: Option<KeyName>) {
        self.shared.rules.write().default = key;
    }

    /// Seals new files below a folder by a key, whatever holds elsewhere; `None` takes the rule away.
    pub fn seal_folder(&self, folder: &Path, key: Option<KeyName>) {
        let folders = &mut self.shared.rules.write().folders;
        match key {
            Some(key) => folders.insert(folder.to_owned(), key),
            None => folders.remove(folder),
        };
    }

    fn key_for(&self, path: &Path) -> Option<KeyName> {
        let rules = self.shared.rules.read();
        let own = path.ancestors().find_map(|folder| rules.folders.get(folder));
        own.or(rules.default.as_ref()).cloned()
    }

    /// Who has what open, once nothing at or below these paths is being opened.
    fn settled(&self, paths: &[&Path]) -> MutexGuard<'_, Open> {
        let mut open = self.shared.open.lock();
        while open.opening.iter().any(|opening| paths.iter().any(|path| opening.starts_with(path))) {
            self.shared.opened.wait(&mut open);
        }
        open
    }
}

impl Open {
    fn get(&self, path: &Path) -> Option<Arc<SealedFile>> {
        self.files.get(path).and_then(Weak::upgrade)
    }

    fn insert(&mut self, path: &Path, file: &Arc<SealedFile>, may_linger: bool) {
        if self.files.len() >= self.look_at.max(OPEN_MIN) {
            self.files.retain(|_, file| file.strong_count() > 0);
            self.look_at = self.files.len() * 2;
        }
        self.files.insert(path.to_owned(), Arc::downgrade(file));
        if may_linger {
            self.lingering.retain(|(_, file)| Arc::strong_count(file) > 1 || file.is_dirty());
            if self.lingering.len() >= LINGERING_MAX {
                self.lingering.pop_front();
            }
            self.lingering.push_back((path.to_owned(), file.clone()));
        }
    }

    /// The files at and below a path are no longer there; who has them open keeps them.
    fn detach(&mut self, path: &Path) -> Vec<(PathBuf, Weak<SealedFile>)> {
        self.lingering.retain(|(other, _)| !other.starts_with(path));
        let gone: Vec<_> = self.files.keys().filter(|other| other.starts_with(path)).cloned().collect();
        gone.into_iter().filter_map(|path| self.files.remove_entry(&path)).collect()
    }
}

impl Disk for SealedDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut open = self.settled(&[path]);
        // The disk beneath is asked in any case: a file that somebody has open may have been removed by its own hand.
        let inner = self.shared.inner.open(path, create)?;
        if let Some(file) = open.get(path) {
            return Ok(file);
        }
        open.opening.insert(path.to_owned());
        // It may be large, and its disk slow: everybody else goes on meanwhile.
        let opened = MutexGuard::unlocked(&mut open, || {
            file::open(inner.clone(), path, &self.shared.sealer, self.key_for(path))
        });
        open.opening.remove(path);
        self.shared.opened.notify_all();
        match opened? {
            Some(file) => {
                let file = Arc::new(file);
                open.insert(path, &file, create);
                Ok(file)
            }
            None => Ok(inner),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.shared.inner.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.shared.inner.create_dir(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut open = self.settled(&[from, to]);
        self.shared.inner.rename(from, to)?;
        open.detach(to);
        for (path, file) in open.detach(from) {
            let path = path.strip_prefix(from).map_or_else(|_| to.to_owned(), |rest| to.join(rest));
            // Joined with nothing, a path would end in a slash.
            let path = if path.ends_with(to) { to.to_owned() } else { path };
            open.files.insert(path, file);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut open = self.settled(&[path]);
        self.shared.inner.remove(path)?;
        open.detach(path);
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        let mut open = self.settled(&[dir]);
        self.shared.inner.remove_dir(dir)?;
        open.detach(dir);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.shared.inner.sync_dir(dir)
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        self.shared.inner.stamp(path)
    }
}
