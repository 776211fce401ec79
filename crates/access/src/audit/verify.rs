//! Whether an audit is whole: the first line that breaks the chain.

use super::chain::{self, Link};
use millrace_base::Disk;
use std::io;
use std::path::{Path, PathBuf};

/// A chain without a break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The number of the first line that is there: 1, unless older files have been removed.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    /// The hash of the last: whoever keeps it elsewhere knows later that nothing was cut off.
    pub hash: String,
}

/// The first break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: this line {why}", file.display())]
pub struct Broken {
    /// The file.
    pub file: PathBuf,
    /// The line in the file, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// The names of an audit's files, oldest first.
pub(super) fn files(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<String>> {
    let mut names = disk.list(dir)?;
    names.retain(|name| name.starts_with("audit-") && name.ends_with(".jsonl"));
    names.sort();
    Ok(names)
}

/// Reads a whole audit: `Ok(Err(…))` is the first break, none of an audit that is empty.
pub fn verify(disk: &dyn Disk, dir: &Path) -> io::Result<Result<Option<Verified>, Broken>> {
    let mut end: Option<(u64, Link)> = None;
    for name in files(disk, dir)? {
        let path = dir.join(&name);
        let content = disk.read(&path)?;
        let text = String::from_utf8_lossy(&content);
        for (at, line) in text.lines().enumerate() {
            match follows(line, end.as_ref().map(|(_, link)| link)) {
                Ok(link) => end = Some((end.map_or(link.number, |(first, _)| first), link)),
                Err(why) => return Ok(Err(Broken { file: path, line: at + 1, why })),
            }
        }
    }
    Ok(Ok(end.map(|(first, link)| Verified { first, last: link.number, hash: link.hash })))
}

/// The link of a line, if it follows `before`.
fn follows(line: &str, before: Option<&Link>) -> Result<Link, String> {
    let (link, previous) = chain::read(line)?;
    match before {
        Some(before) if link.number != before.number + 1 => {
            Err(format!("has number {} where {} was to be: lines are missing or moved", link.number, before.number + 1))
        }
        Some(before) if previous != before.hash => Err("does not follow the line before it".to_owned()),
        None if link.number == 1 && previous != chain::BEGINNING => Err("is not the first that was written".to_owned()),
        _ => Ok(link),
    }
}
