//! Whether an audit is whole: the first line that breaks the chain.

use super::chain::{self, Link};
use super::{CEILING, Ceiling};
use millrace_base::Disk;
use std::io;
use std::ops::ControlFlow;
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

/// Hands over what was written, file by file, the oldest first; `Break` ends it.
pub fn contents(
    disk: &dyn Disk,
    dir: &Path,
    mut take: impl FnMut(&[u8]) -> io::Result<ControlFlow<()>>,
) -> io::Result<()> {
    for name in files(disk, dir)? {
        if take(&disk.read(&dir.join(name))?)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Reads a whole audit: `Ok(Err(…))` is the first break, none of an audit that is empty.
pub fn verify(disk: &dyn Disk, dir: &Path) -> io::Result<Result<Option<Verified>, Broken>> {
    verify_within(disk, dir, CEILING)
}

/// [`verify`] for an audit of which this much is kept.
pub(super) fn verify_within(
    disk: &dyn Disk,
    dir: &Path,
    ceiling: Ceiling,
) -> io::Result<Result<Option<Verified>, Broken>> {
    let mut end: Option<(u64, Link)> = None;
    let names = files(disk, dir)?;
    // The first line, when lines before it are gone; nothing yet proves that they had to go.
    let mut beheaded: Option<(PathBuf, u64)> = None;
    for (file, name) in names.iter().enumerate() {
        let path = dir.join(name);
        let content = disk.read(&path)?;
        let text = String::from_utf8_lossy(&content);
        for (at, line) in text.lines().enumerate() {
            let follows = follows(line, end.as_ref().map(|(_, link)| link));
            match follows.and_then(|link| if at == 0 { is_named(name, link) } else { Ok(link) }) {
                Ok(link) if end.is_none() && link.number > 1 => {
                    beheaded = Some((path.clone(), link.number));
                    end = Some((link.number, link));
                }
                Ok(link) => end = Some((end.map_or(link.number, |(first, _)| first), link)),
                Err(why) => return Ok(Err(Broken { file: path, line: at + 1, why })),
            }
        }
        let is_full = content.len() as u64 >= ceiling.file_bytes || file + 1 == names.len();
        if let Some((first, number)) = beheaded.take_if(|_| !is_full || names.len() < ceiling.files) {
            return Ok(Err(cut_off(first, number, names.len(), ceiling)));
        }
    }
    Ok(Ok(end.map(|(first, link)| Verified { first, last: link.number, hash: link.hash })))
}

/// The link of a file's first line, if the file is named by it.
fn is_named(name: &str, link: Link) -> Result<Link, String> {
    let number = name.trim_start_matches("audit-").trim_end_matches(".jsonl").parse::<u64>();
    match number {
        Ok(number) if number == link.number => Ok(link),
        _ => Err(format!(
            "has number {}, which is not that of the file's name: lines before it were cut off",
            link.number
        )),
    }
}

/// What is wrong with an audit that begins late though no file had to go.
fn cut_off(file: PathBuf, number: u64, files: usize, ceiling: Ceiling) -> Broken {
    let Ceiling { files: kept, file_bytes } = ceiling;
    let why = format!(
        "is number {number}, and none before it is there. Older files go only when {kept} others, of {file_bytes} bytes each, \
         are kept; here are {files} files, or one of them is shorter: what stood before was taken away"
    );
    Broken { file, line: 1, why }
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
