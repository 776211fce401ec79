//! Checkpoints on disk.
//!
//! # Format (version 1, little endian)
//! ```text
//! file := magic "MILLCHK1"(8) epoch(8) len(8) body(len) crc32c of all before(4)
//! ```
//! Files are named `chk-EPOCH` with twenty digits, written to a temporary name and renamed, so that a crash leaves either
//! the whole file or none. The last [`KEPT`] are kept. A damaged newest one is reported, not passed over: its commits may
//! have been made, and the one before it would make them again, otherwise cut.
//!
//! # Limits
//! A body is at most [`BODY_BYTES_MAX`].

use millrace_base::{Disk, Sink};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"MILLCHK1";
const HEADER: usize = 24;
/// How many checkpoints are kept.
const KEPT: usize = 3;
/// A greater length is damage, not state.
const BODY_BYTES_MAX: u64 = 1 << 36;

/// Where the checkpoints of one job lie.
#[derive(Clone)]
pub struct CheckpointStore {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

/// A failed read or write of a checkpoint.
#[derive(Debug, thiserror::Error)]
#[error("checkpoint in {dir}: {error}")]
pub struct CheckpointError {
    dir: String,
    error: io::Error,
}

/// A checkpoint as it was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Greater at each checkpoint of a job.
    pub epoch: u64,
    /// The job's state.
    pub body: Vec<u8>,
}

impl CheckpointStore {
    /// In a folder of its own, created at the first save.
    pub fn new(disk: Arc<dyn Disk>, dir: impl Into<PathBuf>) -> Self {
        Self { disk, dir: dir.into() }
    }

    fn failed(&self, error: io::Error) -> CheckpointError {
        CheckpointError { dir: self.dir.display().to_string(), error }
    }

    /// Saves a checkpoint durably, then drops the oldest.
    ///
    /// # Errors
    /// The disk's. The checkpoint is then not taken, and the one before it still holds.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        self.save_pieces(checkpoint.epoch, checkpoint.body.len() as u64, &mut |sink| sink(&checkpoint.body))
    }

    /// As [`Self::save`], with a body of `len` bytes that `body` hands on piece by piece: large state never stands in memory twice.
    pub(crate) fn save_pieces(
        &self,
        epoch: u64,
        len: u64,
        body: &mut dyn FnMut(Sink<'_>) -> io::Result<()>,
    ) -> Result<(), CheckpointError> {
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&epoch.to_le_bytes());
        header.extend_from_slice(&len.to_le_bytes());
        let mut write = |sink: Sink<'_>| {
            let mut crc = crc32c::crc32c(&header);
            sink(&header)?;
            body(&mut |piece| {
                crc = crc32c::crc32c_append(crc, piece);
                sink(piece)
            })?;
            sink(&crc.to_le_bytes())
        };
        let mut write = || -> io::Result<()> {
            crate::durable::create_dir(&*self.disk, &self.dir)?;
            self.disk.replace_with(&self.path(epoch), &mut write)?;
            let names = self.names()?;
            names.iter().rev().skip(KEPT).try_for_each(|(_, name)| self.disk.remove(&self.dir.join(name)))
        };
        write().map_err(|error| self.failed(error))
    }

    /// The newest checkpoint; none when there is none.
    ///
    /// # Errors
    /// The disk's, or that it is damaged.
    pub fn latest(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        let names = self.names().map_err(|error| self.failed(error))?;
        let Some((_, name)) = names.last() else { return Ok(None) };
        let content = self.disk.read(&self.dir.join(name)).map_err(|error| self.failed(error))?;
        decode(content).map(Some).ok_or_else(|| {
            let reason = format!("{name} is damaged; remove the folder to start the job from where its sources say");
            self.failed(io::Error::new(io::ErrorKind::InvalidData, reason))
        })
    }

    /// Removes all checkpoints: the job starts from the beginning.
    ///
    /// # Errors
    /// The disk's.
    pub fn clear(&self) -> Result<(), CheckpointError> {
        self.disk.remove_dir(&self.dir).map_err(|error| self.failed(error))
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, epoch: u64) -> PathBuf {
        self.dir.join(format!("chk-{epoch:020}"))
    }

    fn names(&self) -> io::Result<Vec<(u64, String)>> {
        let epoch = |name: String| {
            let digits = name.strip_prefix("chk-").filter(|digits| digits.len() == 20)?;
            Some((digits.parse().ok()?, name))
        };
        let mut names: Vec<_> = self.disk.list(&self.dir)?.into_iter().filter_map(epoch).collect();
        names.sort();
        Ok(names)
    }
}

fn decode(mut content: Vec<u8>) -> Option<Checkpoint> {
    let (covered, crc) = content.split_at_checked(content.len().checked_sub(4)?)?;
    let crc = u32::from_le_bytes(crc.try_into().ok()?);
    if covered.len() < HEADER || !covered.starts_with(MAGIC) || crc32c::crc32c(covered) != crc {
        return None;
    }
    let number = |at: usize| Some(u64::from_le_bytes(covered.get(at..at + 8)?.try_into().ok()?));
    let (epoch, len, body) = (number(8)?, number(16)?, HEADER..covered.len());
    if len > BODY_BYTES_MAX || len != body.len() as u64 {
        return None;
    }
    content.truncate(body.end);
    content.drain(..body.start);
    Some(Checkpoint { epoch, body: content })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_seen() {
        let body = vec![7; 100];
        let mut file = MAGIC.to_vec();
        file.extend_from_slice(&5u64.to_le_bytes());
        file.extend_from_slice(&100u64.to_le_bytes());
        file.extend_from_slice(&body);
        file.extend_from_slice(&crc32c::crc32c(&file).to_le_bytes());
        assert_eq!(decode(file.clone()), Some(Checkpoint { epoch: 5, body }));
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(damaged), None, "byte {at}");
            assert_eq!(decode(file[..at].to_vec()), None, "cut at {at}");
        }
    }
}
