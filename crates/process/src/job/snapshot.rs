//! Snapshots: what a checkpoint says without its job, and how it becomes the beginning of another run.
//!
//! A job that is opened from a checkpoint repeats its commit. Under another id, whose sinks have names of their own, that would
//! write the epoch's rows once more; so a run that begins anew from an old checkpoint begins without what was prepared.

use super::{JobError, hash};
use crate::checkpoint::Checkpoint;
use crate::codec::{CodecError, Reader, Writer};
use crate::connect::Position;
use crate::graph::{JobGraph, NodeId};

/// Where a split of a source stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedPosition {
    /// The source's node in the graph.
    pub source: NodeId,
    /// The split: a shard's or a file's id.
    pub split: String,
    /// What is read next.
    pub position: Position,
    /// It has ended, and what follows it was still waited for.
    pub ended: bool,
}

impl Checkpoint {
    /// Where every split of a job's sources stood.
    ///
    /// # Errors
    /// [`JobError::OtherGraph`] when it was taken of another query, [`JobError::State`] when it is damaged.
    pub fn positions(&self, graph: &JobGraph) -> Result<Vec<SavedPosition>, JobError> {
        let saved = peek(&self.body).map_err(JobError::State)?;
        match saved.hash == hash(graph)? {
            true => Ok(saved.positions),
            false => Err(JobError::OtherGraph { dir: format!("the snapshot of epoch {}", self.epoch) }),
        }
    }

    /// The same state without what was prepared: the beginning of a run under another id.
    ///
    /// # Errors
    /// [`JobError::State`] when it is damaged.
    pub fn without_commits(&self) -> Result<Self, JobError> {
        let saved = peek(&self.body).map_err(JobError::State)?;
        let mut none = Writer::default();
        none.list(std::iter::empty::<()>(), |_, ()| {});
        Ok(Self { epoch: self.epoch, body: [&self.body[..saved.prepared_at], &none.into_bytes()].concat() })
    }
}

struct Peeked {
    hash: u64,
    positions: Vec<SavedPosition>,
    /// Where in the body the list of what was prepared begins.
    prepared_at: usize,
}

fn peek(body: &[u8]) -> Result<Peeked, CodecError> {
    let mut from = Reader(body);
    let version = from.u32()?;
    if !(1..=super::STATE_VERSION).contains(&version) {
        return Err(CodecError("a version of another release"));
    }
    let (hash, _incarnation, _finished) = (from.u64()?, from.u64()?, from.u8()?);
    let positions = from.list(|from| {
        let (source, split) = (from.u64()? as NodeId, from.text()?);
        let ended = match version {
            1 => false,
            _ => {
                from.u32()?;
                from.u8()? == 1
            }
        };
        let position = from.u64()?;
        from.bytes()?;
        Ok(SavedPosition { source, split, position, ended })
    })?;
    from.bytes()?;
    let prepared_at = body.len() - from.0.len();
    // What follows is not needed, but must be there.
    from.list(|from| from.bytes().map(|_| ()))?;
    Ok(Peeked { hash, positions, prepared_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Vec<u8> {
        let mut out = Writer::default();
        out.u32(super::super::STATE_VERSION);
        out.u64(7);
        out.u64(8);
        out.u8(0);
        out.list([(0_u64, "shardId-000000000001", 42_u64)].into_iter(), |out, (source, split, position)| {
            out.u64(source);
            out.bytes(split.as_bytes());
            out.u32(3);
            out.u8(1);
            out.u64(position);
            out.bytes(b"watermark");
        });
        out.bytes(b"state");
        out.list([&b"rows"[..], b"more"].into_iter(), |out, bytes| out.bytes(bytes));
        out.into_bytes()
    }

    #[test]
    fn a_snapshot_begins_another_run_without_its_commits() {
        let checkpoint = Checkpoint { epoch: 9, body: body() };
        let begun = checkpoint.without_commits().unwrap();
        let (before, after) = (peek(&checkpoint.body).unwrap(), peek(&begun.body).unwrap());
        assert_eq!((begun.epoch, after.hash, &after.positions), (9, 7, &before.positions));
        assert_eq!(after.positions[0].position, 42);
        assert!(after.positions[0].ended);
        assert_eq!(begun.body[..after.prepared_at], checkpoint.body[..before.prepared_at]);
        assert_eq!(begun.body[after.prepared_at..], 0_u64.to_le_bytes());
        assert!(peek(&checkpoint.body[..checkpoint.body.len() - 1]).is_err());
    }
}
