//! The folder tree, and what a crash may do to names that were not synced.

use crate::SimDice;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file's number.
pub(crate) type Node = u64;

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    File(Node),
    Dir,
}

/// The names as the process sees them, and as they are on disk.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) current: BTreeMap<PathBuf, Entry>,
    durable: BTreeMap<PathBuf, Entry>,
    /// Renames that are not durable: the name that is new, and the one that was there on disk.
    moved: BTreeMap<PathBuf, PathBuf>,
}

impl Names {
    pub(crate) fn file(&self, path: &Path) -> Option<Node> {
        match self.current.get(path) {
            Some(Entry::File(node)) => Some(*node),
            _ => None,
        }
    }

    pub(crate) fn has_dir(&self, dir: &Path) -> bool {
        is_top(dir) || self.current.get(dir) == Some(&Entry::Dir)
    }

    pub(crate) fn create_dir(&mut self, dir: &Path) {
        for dir in dir.ancestors().filter(|dir| !is_top(dir)) {
            self.current.insert(dir.to_owned(), Entry::Dir);
        }
    }

    pub(crate) fn remove_tree(&mut self, dir: &Path) {
        self.current.retain(|path, _| !path.starts_with(dir));
    }

    /// The names in a folder.
    pub(crate) fn list(&self, dir: &Path) -> Vec<String> {
        let inside = self.current.keys().filter(|path| path.parent() == Some(dir));
        inside.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect()
    }

    /// Makes a folder's names durable, and the way to it.
    pub(crate) fn sync_dir(&mut self, dir: &Path) {
        for dir in dir.ancestors().filter(|dir| !is_top(dir)) {
            if let Some(entry) = self.current.get(dir) {
                self.durable.insert(dir.to_owned(), *entry);
            }
        }
        let changed: Vec<PathBuf> = self.changed().filter(|path| path.parent() == Some(dir)).cloned().collect();
        for path in changed {
            self.settle(&path);
        }
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> Option<()> {
        let entry = self.current.remove(from)?;
        self.current.insert(to.to_owned(), entry);
        let on_disk = self.moved.remove(from).unwrap_or_else(|| from.to_owned());
        self.moved.insert(to.to_owned(), on_disk);
        Some(())
    }

    pub(crate) fn remove(&mut self, path: &Path) {
        self.current.remove(path);
        self.moved.remove(path);
    }

    /// Each change of a name is kept or lost, a rename as one change (as file systems with a journal do); what lies in a
    /// lost folder is lost with it.
    pub(crate) fn crash(&mut self, dice: &SimDice) {
        let mut changed: BTreeSet<PathBuf> = self.changed().cloned().collect();
        while let Some(path) = changed.pop_first() {
            if let Some(other) = self.other_half(&path) {
                changed.remove(&other);
            }
            if dice.one_in(2) {
                self.settle(&path);
            }
        }
        self.moved.clear();
        let durable = self.durable.clone();
        let reachable = |path: &Path| path.ancestors().skip(1).all(|dir| is_top(dir) || durable.contains_key(dir));
        self.durable.retain(|path, _| reachable(path));
        self.current = self.durable.clone();
    }

    fn changed(&self) -> impl Iterator<Item = &PathBuf> {
        let gone = self.durable.keys().filter(|path| !self.current.contains_key(*path));
        let new = self.current.iter().filter(|(path, entry)| self.durable.get(*path) != Some(entry));
        gone.chain(new.map(|(path, _)| path))
    }

    /// Makes a change durable, a rename as a whole.
    fn settle(&mut self, path: &Path) {
        let other = self.other_half(path);
        self.make_durable(path);
        if let Some(other) = other {
            self.make_durable(&other);
        }
        self.moved.retain(|to, from| to != path && from != path);
    }

    /// The other name of a rename. One that was given anew since is a change of its own.
    fn other_half(&self, path: &Path) -> Option<PathBuf> {
        let is_gone = |path: &Path| !self.current.contains_key(path);
        match self.moved.get(path) {
            Some(from) => is_gone(from).then(|| from.clone()),
            None if is_gone(path) => self.moved.iter().find(|(_, from)| *from == path).map(|(to, _)| to.clone()),
            None => None,
        }
    }

    fn make_durable(&mut self, path: &Path) {
        match self.current.get(path) {
            Some(entry) => {
                self.durable.insert(path.to_owned(), *entry);
            }
            None => self.durable.retain(|other, _| !other.starts_with(path)),
        }
    }
}

fn is_top(dir: &Path) -> bool {
    dir.parent().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_is_kept_or_lost_as_a_whole() {
        let (old, new) = (Path::new("/d/old"), Path::new("/d/new"));
        let mut kept = 0;
        for seed in 0..64 {
            let mut names = Names::default();
            names.create_dir(Path::new("/d"));
            names.current.insert(old.to_owned(), Entry::File(1));
            names.sync_dir(Path::new("/d"));
            names.rename(old, Path::new("/d/between")).unwrap();
            names.rename(Path::new("/d/between"), new).unwrap();
            names.crash(&SimDice::new(seed));
            assert_eq!((names.file(old).is_some(), names.current.len()), (names.file(new).is_none(), 2), "seed {seed}");
            kept += u32::from(names.file(new).is_some());
        }
        assert!((16..48).contains(&kept), "{kept} of 64 were kept");
    }
}
