//! A disk in memory that loses what it may lose.

use crate::SimDice;
use crate::content::Content;
use crate::faults::{Call, Faults};
use crate::names::{Entry, Names, Node};
use millrace_base::{Disk, DiskFile, Stamp};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A simulated disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    dice: SimDice,
    names: Names,
    files: BTreeMap<Node, Content>,
    next_node: Node,
    /// Handles of an earlier process are dead.
    process: u64,
    faults: Faults,
    bytes_read: u64,
}

struct SimFile {
    disk: SimDisk,
    node: Node,
    process: u64,
    path: PathBuf,
}

impl SimDisk {
    /// An empty disk whose misfortunes follow from `seed`.
    pub fn new(seed: u64) -> Self {
        let state = State {
            dice: SimDice::new(seed),
            names: Names::default(),
            files: BTreeMap::new(),
            next_node: 1,
            process: 0,
            faults: Faults::default(),
            bytes_read: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The power fails: every write, length and name that was not synced is kept, lost or torn as the dice fall. Open files
    /// stop working, planned failures are forgotten, and the disk is ready for the next process.
    pub fn crash(&self) {
        let state = &mut *self.state.lock();
        state.names.crash(&state.dice);
        let linked: Vec<Node> = state.names.current.values().filter_map(Entry::node).collect();
        state.files.retain(|node, _| linked.contains(node));
        for content in state.files.values_mut() {
            content.crash(&state.dice);
        }
        state.process += 1;
        state.faults.clear();
    }

    /// The process is killed, but the machine goes on: nothing is lost yet, open files stop working, planned failures are
    /// forgotten. What a failed sync did not bring to disk still shows, but only writing it again saves it.
    pub fn kill(&self) {
        let state = &mut *self.state.lock();
        state.files.values_mut().for_each(|content| content.broken = false);
        state.process += 1;
        state.faults.clear();
    }

    /// From the `calls`-th call on that changes something, every call fails as if the process were dead; a write in which
    /// it dies is half done. Ends with [`Self::crash`] or [`Self::kill`].
    pub fn die_after(&self, calls: u64) {
        self.state.lock().faults.dies_after = Some(calls.max(1));
    }

    /// The `nth` such call from now on (1 is the next) fails once, of those whose path contains a text. A failed write may
    /// have written a part; a file whose sync failed never syncs again before a crash.
    pub fn fail(&self, call: Call, nth: u64, path_contains: &str) {
        self.state.lock().faults.plan(call, nth, path_contains);
    }

    /// All files together hold at most so many bytes; `None` takes the limit away. A write that does not fit is half done
    /// and fails with `StorageFull`.
    pub fn set_capacity(&self, bytes_max: Option<u64>) {
        self.state.lock().faults.capacity = bytes_max;
    }

    /// Bytes in all files.
    pub fn used(&self) -> u64 {
        self.state.lock().used()
    }

    /// Bytes that were read so far, by whatever process.
    pub fn bytes_read(&self) -> u64 {
        self.state.lock().bytes_read
    }

    /// Turns bits of one stored byte over, as a failing disk does.
    ///
    /// # Panics
    /// When there is no such byte.
    pub fn corrupt(&self, path: &Path, offset: u64, bits: u8) {
        let mut state = self.state.lock();
        let node = state.names.file(path).expect("the file to be corrupted exists");
        let content = state.files.get_mut(&node).expect("every name has its content");
        content.bytes[offset as usize] ^= bits;
    }

    /// Every file's path and length.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let state = self.state.lock();
        let files = state.names.current.iter().filter_map(|(path, entry)| Some((path.clone(), entry.node()?)));
        files.map(|(path, node)| (path, state.files[&node].bytes.len() as u64)).collect()
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> io::Result<R>) -> io::Result<R> {
        let mut state = self.state.lock();
        if state.faults.dies() {
            return Err(dead());
        }
        change(&mut state)
    }
}

impl Entry {
    fn node(&self) -> Option<Node> {
        match self {
            Self::File(node) => Some(*node),
            Self::Dir => None,
        }
    }
}

impl State {
    fn used(&self) -> u64 {
        let linked = self.names.current.values().filter_map(Entry::node);
        linked.map(|node| self.files[&node].bytes.len() as u64).sum()
    }

    fn check(&mut self, call: Call, path: &Path) -> io::Result<()> {
        if self.faults.fails(call, &path.to_string_lossy()) {
            return Err(io::Error::other(format!("simulated failure of {call:?}")));
        }
        Ok(())
    }

    fn parent_exists(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(dir) if !self.names.has_dir(dir) => Err(not_found(dir)),
            _ => Ok(()),
        }
    }

    /// The content behind a handle, unless the process that opened it is gone.
    fn content(&mut self, file: &SimFile) -> io::Result<&mut Content> {
        if self.process != file.process || self.faults.dead {
            return Err(dead());
        }
        self.files.get_mut(&file.node).ok_or_else(dead)
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        if state.faults.dead {
            return Err(dead());
        }
        state.check(Call::Open, path)?;
        let node = match state.names.file(path) {
            Some(node) => node,
            None if !create => return Err(not_found(path)),
            None => {
                state.parent_exists(path)?;
                if state.faults.dies() {
                    return Err(dead());
                }
                let node = state.next_node;
                state.next_node += 1;
                state.files.insert(node, Content::default());
                state.names.current.insert(path.to_owned(), Entry::File(node));
                node
            }
        };
        let process = state.process;
        drop(state);
        Ok(Arc::new(SimFile { disk: self.clone(), node, process, path: path.to_owned() }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state.lock();
        if state.faults.dead { Err(dead()) } else { Ok(state.names.list(dir)) }
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(|state| {
            state.names.create_dir(dir);
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|state| {
            state.parent_exists(to)?;
            state.names.rename(from, to).ok_or_else(|| not_found(from))
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(|state| {
            state.names.remove(path);
            Ok(())
        })
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(|state| {
            state.names.remove_tree(dir);
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(|state| {
            state.check(Call::SyncDir, dir)?;
            if !state.names.has_dir(dir) {
                return Err(not_found(dir));
            }
            state.names.sync_dir(dir);
            Ok(())
        })
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        let state = self.state.lock();
        if state.faults.dead {
            return Err(dead());
        }
        let Some(node) = state.names.file(path) else {
            let found = state.names.has_dir(path).then_some(Stamp { modified: 0, version: 0, len: 0, is_dir: true });
            return found.ok_or_else(|| not_found(path));
        };
        let (changes, len) = state.files.get(&node).map_or((0, 0), |file| (file.changes, file.bytes.len() as u64));
        // There is no clock here: moments are counted in changes.
        let modified = changes.cast_signed();
        Ok(Stamp { modified, version: node.rotate_left(32) ^ changes, len, is_dir: false })
    }
}

impl DiskFile for SimFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.check(Call::Read, &self.path)?;
        state.bytes_read += buffer.len() as u64;
        let bytes = &state.content(self)?.bytes;
        let range = offset as usize..offset as usize + buffer.len();
        let found = bytes.get(range).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(found);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        let was_dead = state.faults.dead;
        let dies = state.faults.dies();
        if was_dead || state.process != self.process {
            return Err(dead());
        }
        let fails = state.check(Call::Write, &self.path);
        let len = state.files.get(&self.node).map_or(0, |content| content.bytes.len() as u64);
        let room = state.faults.capacity.map_or(u64::MAX, |max| max.saturating_sub(state.used()));
        let fits = len.saturating_add(room).saturating_sub(offset).min(bytes.len() as u64);
        let part = state.dice.below(bytes.len() as u64 + 1).min(fits) as usize;
        let is_full = fits < bytes.len() as u64;
        let written = if dies || fails.is_err() { part } else { fits as usize };
        let content = state.files.get_mut(&self.node).ok_or_else(dead)?;
        content.write(offset as usize, &bytes[..written]);
        match fails {
            _ if dies => Err(dead()),
            Ok(()) if is_full => Err(io::ErrorKind::StorageFull.into()),
            other => other,
        }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        if state.faults.dies() {
            return Err(dead());
        }
        let failed = state.check(Call::Sync, &self.path);
        let content = state.content(self)?;
        if failed.is_err() || content.broken {
            content.fail_sync();
            return Err(io::Error::other("simulated failure of Sync"));
        }
        content.sync();
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state.lock().content(self)?.bytes.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        if state.faults.dies() {
            return Err(dead());
        }
        let grows = len.saturating_sub(state.content(self)?.bytes.len() as u64);
        if grows > 0 && state.faults.capacity.is_some_and(|max| state.used() + grows > max) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.content(self)?.set_len(len as usize);
        Ok(())
    }
}

fn dead() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the simulated process is dead")
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{} does not exist", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bytes_survive_once_they_are_synced() {
        for seed in 0..200 {
            let disk = SimDisk::new(seed);
            let dir = Path::new("/data/log");
            disk.create_dir(dir).unwrap();
            let kept = disk.open(&dir.join("kept"), true).unwrap();
            kept.write_at(b"safe", 0).unwrap();
            kept.sync().unwrap();
            disk.sync_dir(dir).unwrap();
            let loose = disk.open(&dir.join("loose"), true).unwrap();
            loose.write_at(b"maybe", 0).unwrap();
            disk.crash();
            assert_eq!(disk.read(&dir.join("kept")).unwrap(), b"safe");
            assert!(kept.len().is_err(), "handles of the dead process are dead");
            assert!(disk.list(dir).unwrap().len() <= 2);
        }
    }

    #[test]
    fn replacing_is_atomic() {
        for seed in 0..500 {
            let disk = SimDisk::new(seed);
            let path = Path::new("/d/config");
            disk.create_dir(Path::new("/d")).unwrap();
            disk.replace(path, b"old").unwrap();
            disk.die_after(1 + seed % 7);
            let done = disk.replace(path, b"new").is_ok();
            disk.crash();
            let content = disk.read(path).unwrap();
            assert!(content == b"new" || (content == b"old" && !done), "seed {seed}: {content:?}");
        }
    }

    #[test]
    fn a_full_disk_says_so_and_a_failed_sync_stays_failed() {
        let disk = SimDisk::new(1);
        disk.create_dir(Path::new("/d")).unwrap();
        let file = disk.open(Path::new("/d/f"), true).unwrap();
        disk.set_capacity(Some(10));
        assert_eq!(file.write_at(&[0; 20], 0).unwrap_err().kind(), io::ErrorKind::StorageFull);
        disk.set_capacity(None);
        file.write_at(&[0; 20], 0).unwrap();
        disk.fail(Call::Sync, 1, "f");
        assert!(file.sync().is_err());
        assert!(file.sync().is_err());
        disk.fail(Call::Write, 2, "f");
        file.write_at(b"a", 0).unwrap();
        assert!(file.write_at(b"a", 0).is_err());
        file.write_at(b"a", 0).unwrap();
    }
}
