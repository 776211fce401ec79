//! The translog of an index: what was acknowledged, until tantivy has it on disk.
//!
//! # Format (v1, little endian)
//! ```text
//! file   := header record*            named translog-NNNNNNNNNN.log, NNNNNNNNNN its generation
//! header := "MRTLOG\0\x01"            8 bytes, the last one is the version
//! record := len(4) crc32c(4) body     len = bytes of body, crc of body
//! body   := seq(8) version(8) kind(1) id_len(4) id source
//! kind   := 0 index (source follows) | 1 delete (no source)
//! ```
//!
//! # Limits
//! A body is at most [`BODY_BYTES_MAX`]; a longer length is damage. A generation that is longer than [`ROLL_BYTES`] gets a
//! successor; it is removed once tantivy's durable commit holds everything in it.
//!
//! # Crash behaviour
//! A record is acknowledged after the sync that follows its write; one sync serves all the writers that wait. After a crash
//! the newest generation is cut at its first bad record; a bad record in an older generation is damage and is reported.
//! Replay applies only records whose sequence number is above the one in tantivy's last commit, so that it is idempotent.
//! After a failed write or sync the log takes nothing more (it is poisoned) until the index is opened again.

use bytes::Bytes;
use millrace_base::{Disk, DiskFile};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"MRTLOG\0\x01";
const FRAME_BYTES: usize = 8;
const BODY_FIXED_BYTES: usize = 8 + 8 + 1 + 4;
/// Requests are at most 100 MiB (OpenSearch's `http.max_content_length`), so no document is longer.
const BODY_BYTES_MAX: usize = 128 << 20;
/// How much replay a crash may cost: about a second's worth.
pub const ROLL_BYTES: u64 = 16 << 20;

/// One acknowledged operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the order of the index's operations.
    pub seq: u64,
    /// The document's version after it.
    pub version: u64,
    /// The document's id.
    pub id: String,
    /// The whole document; `None` for a deletion.
    pub source: Option<Bytes>,
}

/// An open translog.
pub struct Translog {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    tail: Mutex<Tail>,
    synced: Mutex<Synced>,
    wake: Condvar,
}

struct Tail {
    file: Arc<dyn DiskFile>,
    generation: u64,
    len: u64,
    /// Bytes appended since the log was opened, over all generations: what waiters wait for.
    position: u64,
    poisoned: bool,
}

#[derive(Default)]
struct Synced {
    position: u64,
    running: bool,
    poisoned: bool,
}

impl Entry {
    /// Appends the record of this entry.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let source: &[u8] = self.source.as_deref().unwrap_or_default();
        let len = BODY_FIXED_BYTES + self.id.len() + source.len();
        let start = out.len();
        out.extend_from_slice(&(len as u32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.version.to_le_bytes());
        out.push(u8::from(self.source.is_none()));
        out.extend_from_slice(&(self.id.len() as u32).to_le_bytes());
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(source);
        let crc = crc32c::crc32c(&out[start + FRAME_BYTES..]);
        out[start + 4..start + FRAME_BYTES].copy_from_slice(&crc.to_le_bytes());
    }

    fn decode(body: &Bytes) -> Option<Self> {
        let word = |at: usize| body.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        let (seq, version) = (word(0)?, word(8)?);
        let deleted = match body.get(16)? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let id_len = u32::from_le_bytes(body.get(17..BODY_FIXED_BYTES)?.try_into().ok()?) as usize;
        let id =
            std::str::from_utf8(body.get(BODY_FIXED_BYTES..BODY_FIXED_BYTES.checked_add(id_len)?)?).ok()?.to_owned();
        let source = (!deleted).then(|| body.slice(BODY_FIXED_BYTES + id_len..));
        Some(Self { seq, version, id, source })
    }
}

impl Translog {
    /// Opens the log of a folder; `replay` gets every whole record, in order.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, mut replay: impl FnMut(Entry) -> io::Result<()>) -> io::Result<Self> {
        let mut generations: Vec<u64> = disk.list(dir)?.iter().filter_map(|name| generation_of(name)).collect();
        generations.sort_unstable();
        let newest = generations.last().copied();
        let mut tail = None;
        for generation in generations {
            let path = dir.join(file_name(generation));
            let content = Bytes::from(disk.read(&path)?);
            let good = read(&content, &mut replay)?;
            if Some(generation) != newest {
                if good != content.len() {
                    let what = format!("{}: damaged at byte {good}; restore the index from its source", path.display());
                    return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                }
                continue;
            }
            let file = disk.open(&path, false)?;
            if good != content.len() || good == 0 {
                file.set_len(good as u64)?;
                if good == 0 {
                    file.write_at(MAGIC, 0)?;
                }
                file.sync()?;
            }
            tail = Some((file, generation, good.max(MAGIC.len()) as u64));
        }
        let (file, generation, len) = match tail {
            Some(tail) => tail,
            None => (create(&*disk, dir, 1)?, 1, MAGIC.len() as u64),
        };
        let tail = Tail { file, generation, len, position: 0, poisoned: false };
        let (tail, synced) = (Mutex::new(tail), Mutex::new(Synced::default()));
        Ok(Self { disk, dir: dir.to_owned(), tail, synced, wake: Condvar::new() })
    }

    /// Writes records; they are durable once [`Self::sync`] of the returned position has succeeded.
    pub fn append(&self, records: &[u8]) -> io::Result<u64> {
        let mut tail = self.tail.lock();
        if tail.poisoned {
            return Err(poisoned());
        }
        if let Err(error) = tail.file.write_at(records, tail.len) {
            tail.poisoned = true;
            return Err(error);
        }
        tail.len += records.len() as u64;
        tail.position += records.len() as u64;
        Ok(tail.position)
    }

    /// Returns when everything up to a position is durable. One caller syncs for all who wait.
    pub fn sync(&self, position: u64) -> io::Result<()> {
        loop {
            let mut synced = self.synced.lock();
            while synced.running && synced.position < position && !synced.poisoned {
                self.wake.wait(&mut synced);
            }
            if synced.position >= position {
                return Ok(());
            }
            if synced.poisoned {
                return Err(poisoned());
            }
            synced.running = true;
            drop(synced);
            let (file, written) = {
                let tail = self.tail.lock();
                (tail.file.clone(), tail.position)
            };
            let result = file.sync();
            let mut synced = self.synced.lock();
            synced.running = false;
            match &result {
                Ok(()) => synced.position = synced.position.max(written),
                Err(_) => synced.poisoned = true,
            }
            drop(synced);
            self.wake.notify_all();
            if result.is_err() {
                self.tail.lock().poisoned = true;
            }
            result?;
        }
    }

    /// Bytes in the newest generation.
    pub fn len(&self) -> u64 {
        self.tail.lock().len
    }

    /// Starts a new generation, after everything in the present one is durable; the number of the present one.
    pub fn roll(&self) -> io::Result<u64> {
        let mut tail = self.tail.lock();
        if tail.poisoned {
            return Err(poisoned());
        }
        let old = tail.generation;
        let rolled = tail.file.sync().and_then(|()| create(&*self.disk, &self.dir, old + 1));
        tail.file = rolled.inspect_err(|_| tail.poisoned = true)?;
        tail.generation = old + 1;
        tail.len = MAGIC.len() as u64;
        let mut synced = self.synced.lock();
        synced.position = synced.position.max(tail.position);
        drop(synced);
        self.wake.notify_all();
        Ok(old)
    }

    /// Removes generations up to `last`. To be called only when tantivy's durable commit holds every record of them.
    pub fn forget(&self, last: u64) -> io::Result<()> {
        for name in self.disk.list(&self.dir)? {
            if generation_of(&name).is_some_and(|generation| generation <= last) {
                self.disk.remove(&self.dir.join(name))?;
            }
        }
        Ok(())
    }
}

fn poisoned() -> io::Error {
    io::Error::other("the translog failed before and takes no more writes; restart Millrace once the disk is well")
}

fn create(disk: &dyn Disk, dir: &Path, generation: u64) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.open(&dir.join(file_name(generation)), true)?;
    file.set_len(0)?;
    file.write_at(MAGIC, 0)?;
    file.sync()?;
    disk.sync_dir(dir)?;
    Ok(file)
}

fn file_name(generation: u64) -> String {
    format!("translog-{generation:010}.log")
}

fn generation_of(name: &str) -> Option<u64> {
    name.strip_prefix("translog-")?.strip_suffix(".log")?.parse().ok()
}

/// Gives every whole record to `replay`; how many bytes were good.
fn read(content: &Bytes, replay: &mut impl FnMut(Entry) -> io::Result<()>) -> io::Result<usize> {
    if !content.starts_with(MAGIC) {
        return Ok(0);
    }
    let mut at = MAGIC.len();
    while let Some(frame) = content.get(at..at + FRAME_BYTES) {
        let len = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
        let crc = u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]]);
        let start = at + FRAME_BYTES;
        if !(BODY_FIXED_BYTES..=BODY_BYTES_MAX).contains(&len) || start + len > content.len() {
            break;
        }
        let body = content.slice(start..start + len);
        if crc32c::crc32c(&body) != crc {
            break;
        }
        let Some(entry) = Entry::decode(&body) else { break };
        replay(entry)?;
        at = start + len;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::SystemDisk;

    fn entry(seq: u64) -> Entry {
        let source = (!seq.is_multiple_of(3)).then(|| Bytes::from(format!("{{\"n\":{seq}}}")));
        Entry { seq, version: 1, id: format!("id-{seq}"), source }
    }

    fn replayed(dir: &Path) -> (Translog, Vec<Entry>) {
        let mut entries = Vec::new();
        let log = Translog::open(Arc::new(SystemDisk), dir, |entry| {
            entries.push(entry);
            Ok(())
        });
        (log.unwrap(), entries)
    }

    #[test]
    fn a_torn_tail_is_cut_wherever_it_tears() {
        let dir = tempfile::tempdir().unwrap();
        let (log, _) = replayed(dir.path());
        let mut records = Vec::new();
        let mut ends = vec![0];
        for seq in 0..5 {
            entry(seq).encode(&mut records);
            ends.push(records.len());
        }
        let position = log.append(&records).unwrap();
        log.sync(position).unwrap();
        drop(log);
        let path = dir.path().join(file_name(1));
        let whole = SystemDisk.read(&path).unwrap();
        for cut in 0..=whole.len() {
            SystemDisk.replace(&path, &whole[..cut]).unwrap();
            let (log, entries) = replayed(dir.path());
            let expected = ends.iter().filter(|end| MAGIC.len() + **end <= cut).count().saturating_sub(1);
            assert_eq!(entries, (0..expected as u64).map(entry).collect::<Vec<_>>(), "cut at {cut}");
            let mut more = Vec::new();
            entry(9).encode(&mut more);
            log.sync(log.append(&more).unwrap()).unwrap();
            drop(log);
            assert_eq!(replayed(dir.path()).1.last(), Some(&entry(9)));
        }
    }

    #[test]
    fn rolling_forgets_and_damage_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let (log, _) = replayed(dir.path());
        let mut records = Vec::new();
        entry(1).encode(&mut records);
        log.append(&records).unwrap();
        let old = log.roll().unwrap();
        log.append(&records).unwrap();
        drop(log);
        let (log, entries) = replayed(dir.path());
        assert_eq!(entries.len(), 2, "what is not forgotten yet is repeated");
        log.forget(old).unwrap();
        drop(log);
        assert_eq!(replayed(dir.path()).1.len(), 1);
        SystemDisk.replace(&dir.path().join(file_name(1)), b"MRTLOG\0\x01garbage").unwrap();
        assert!(Translog::open(Arc::new(SystemDisk), dir.path(), |_| Ok(())).is_err());
    }
}
