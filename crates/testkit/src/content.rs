//! A file's bytes, and what a crash may do to those that were not synced.

use crate::SimDice;

/// The unit that a disk writes whole.
const SECTOR: usize = 512;

/// The content of a file. Changes since the last sync can be taken back.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    unsynced: Vec<Change>,
    /// After a failed sync: what is really on disk. The system takes the bytes in its memory for written, so a later sync,
    /// even one that succeeds, brings only what is written again.
    stale: Option<Vec<u8>>,
    /// How often it was changed.
    pub(crate) changes: u64,
    /// Set by a failed sync until the process is replaced: no sync succeeds.
    pub(crate) broken: bool,
}

/// A write or a change of length, with what was there before.
#[derive(Debug)]
struct Change {
    offset: usize,
    old_len: usize,
    /// What lay from `offset` on and was overwritten or cut off.
    old: Vec<u8>,
    /// `None`: the file was cut or grown to `offset`.
    new: Option<Vec<u8>>,
}

impl Content {
    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        let old = self.bytes.get(offset..end.min(self.bytes.len())).unwrap_or_default().to_vec();
        let change = Change { offset, old_len: self.bytes.len(), old, new: Some(bytes.to_vec()) };
        self.unsynced.push(change);
        self.changes += 1;
        put(&mut self.bytes, offset, bytes);
    }

    pub(crate) fn set_len(&mut self, len: usize) {
        let old = self.bytes.get(len..).unwrap_or_default().to_vec();
        self.unsynced.push(Change { offset: len, old_len: self.bytes.len(), old, new: None });
        self.changes += 1;
        self.bytes.resize(len, 0);
    }

    pub(crate) fn sync(&mut self) {
        let changes = std::mem::take(&mut self.unsynced);
        if let Some(stale) = &mut self.stale {
            changes.iter().for_each(|change| change.redo(stale));
        }
        self.stale.take_if(|stale| *stale == self.bytes);
    }

    pub(crate) fn fail_sync(&mut self) {
        self.broken = true;
        let changes = std::mem::take(&mut self.unsynced);
        self.stale.get_or_insert_with(|| {
            let mut durable = self.bytes.clone();
            changes.iter().rev().for_each(|change| change.undo(&mut durable));
            durable
        });
    }

    /// Each unsynced change is kept, lost or torn.
    pub(crate) fn crash(&mut self, dice: &SimDice) {
        let changes = self.take_back();
        for change in changes {
            match (&change.new, dice.below(4)) {
                (_, 0) => {}
                (Some(new), 1) => {
                    let kept = dice.below(new.len() as u64 + 1) as usize;
                    put(&mut self.bytes, change.offset, &new[..kept]);
                }
                (Some(new), 2) => self.put_sectors(change.offset, new, dice),
                _ => change.redo(&mut self.bytes),
            }
        }
        self.broken = false;
    }

    /// Goes back to what is on disk; the changes since, in their order.
    fn take_back(&mut self) -> Vec<Change> {
        let changes = std::mem::take(&mut self.unsynced);
        match self.stale.take() {
            Some(stale) => self.bytes = stale,
            None => changes.iter().rev().for_each(|change| change.undo(&mut self.bytes)),
        }
        changes
    }

    fn put_sectors(&mut self, offset: usize, new: &[u8], dice: &SimDice) {
        let mut at = 0;
        while at < new.len() {
            let sector_end = ((offset + at) / SECTOR + 1) * SECTOR - offset;
            let end = sector_end.min(new.len());
            if dice.one_in(2) {
                put(&mut self.bytes, offset + at, &new[at..end]);
            }
            at = end;
        }
    }
}

impl Change {
    fn undo(&self, bytes: &mut Vec<u8>) {
        bytes.resize(self.old_len.max(self.offset), 0);
        let end = (self.offset + self.old.len()).min(self.old_len);
        if self.offset < end {
            bytes[self.offset..end].copy_from_slice(&self.old[..end - self.offset]);
        }
        bytes.truncate(self.old_len);
    }

    fn redo(&self, bytes: &mut Vec<u8>) {
        match &self.new {
            Some(new) => put(bytes, self.offset, new),
            None => bytes.resize(self.offset, 0),
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, new: &[u8]) {
    let end = offset + new.len();
    if !new.is_empty() {
        bytes.resize(bytes.len().max(end), 0);
        bytes[offset..end].copy_from_slice(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_survives_and_the_rest_is_old_or_new() {
        for seed in 0..500 {
            let dice = SimDice::new(seed);
            let mut content = Content::default();
            content.write(0, &[1; 2000]);
            content.sync();
            content.write(1500, &[2; 1000]);
            content.set_len(1800);
            content.write(1900, &[3; 50]);
            content.crash(&dice);
            assert!(content.bytes.len() >= 1500, "seed {seed}");
            assert!(content.bytes[..1500].iter().all(|b| *b == 1), "seed {seed}");
            assert!(content.bytes[1500..].iter().all(|b| *b <= 3), "seed {seed}");
        }
    }

    #[test]
    fn taking_everything_back_gives_what_was_synced() {
        let mut content = Content::default();
        content.write(0, b"hello world");
        content.sync();
        content.write(6, b"there, all");
        content.set_len(3);
        content.write(30, b"far");
        content.set_len(100);
        assert_eq!(content.take_back().len(), 4);
        assert_eq!(content.bytes, b"hello world");
    }

    #[test]
    fn what_a_failed_sync_lost_comes_only_by_writing_it_again() {
        let mut content = Content::default();
        content.write(0, b"hello");
        content.sync();
        content.write(5, b" world");
        content.fail_sync();
        content.write(11, b"!");
        content.sync();
        assert_eq!(content.bytes, b"hello world!", "the system shows what it has in memory");
        content.take_back();
        assert_eq!(content.bytes, b"hello\0\0\0\0\0\0!");
    }
}
