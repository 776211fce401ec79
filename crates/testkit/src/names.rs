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
            self.make_durable(&path);
        }
    }

    /// Each change of a name is kept or lost; what lies in a lost folder is lost with it.
    pub(crate) fn crash(&mut self, dice: &SimDice) {
        let changed: BTreeSet<PathBuf> = self.changed().cloned().collect();
        for path in changed {
            if dice.one_in(2) {
                self.make_durable(&path);
            }
        }
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
