//! What is durable of a stream, as its readers see it.

use crate::Shard;
use crate::format::{ByShard, Frame, Points};
use crate::segments::{ClosedId, Segment};
use millrace_base::{DiskFile, Millis, ShardId};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// A frame's place in a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// How far a shard has come; what its readers wait on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) tail: u64,
    /// True when nothing will follow: the shard is closed or its stream deleted.
    pub(crate) over: bool,
}

/// A shard's durable state.
pub(crate) struct ShardView {
    pub(crate) trim: u64,
    pub(crate) tail: u64,
    pub(crate) life: Life,
    pub(crate) mark: watch::Sender<Mark>,
}

/// Whether a shard takes and gives records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Open,
    /// Its tail is its end.
    Closed,
    /// It has outlived the retention, or the change that would have created it was undone by a crash.
    Gone,
}

impl ShardView {
    /// A shard that begins.
    pub(crate) fn new(life: Life) -> Self {
        Self::standing(0, 0, life)
    }

    /// A shard that stands somewhere.
    pub(crate) fn standing(trim: u64, tail: u64, life: Life) -> Self {
        let mark = watch::Sender::new(Mark { tail, over: life != Life::Open });
        Self { trim, tail, life, mark }
    }

    fn end(&mut self, life: Life) {
        self.life = life;
        self.mark.send_modify(|mark| mark.over = true);
    }
}

/// What is known of a segment without reading it: about a hundred bytes and eight a shard.
#[derive(Debug, Clone)]
pub(crate) struct SegmentMeta {
    pub(crate) number: u64,
    /// Where its first frame begins.
    pub(crate) start: u64,
    /// Where its last durable frame ends.
    pub(crate) end: u64,
    pub(crate) arrivals: (Millis, Millis),
    /// The first index of each shard.
    pub(crate) bases: ByShard<u64>,
}

/// The segment that is written to.
pub(crate) struct Active {
    pub(crate) path: Arc<Path>,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) points: Arc<Points>,
}

/// A frame in the tail cache.
pub(crate) struct Cached {
    pub(crate) place: Place,
    pub(crate) frame: Arc<Frame>,
}

/// A stream's durable state.
pub(crate) struct View {
    pub(crate) dir: PathBuf,
    pub(crate) incarnation: u64,
    /// The last one is the active one; there is always one.
    pub(crate) segments: VecDeque<SegmentMeta>,
    pub(crate) active: Active,
    pub(crate) shards: ByShard<ShardView>,
    /// The newest frames, without holes.
    pub(crate) cached: VecDeque<Cached>,
    pub(crate) deleted: bool,
}

/// Where to look for a segment's content.
pub(crate) enum Located {
    /// The active one, as it is now.
    Active(Segment),
    /// A closed one, to be opened.
    Closed(ClosedId),
    /// None of this number is left.
    Gone,
}

impl View {
    /// The meta of the active segment.
    pub(crate) fn last(&self) -> &SegmentMeta {
        self.segments.back().expect("a journal has at least its active segment")
    }

    /// The same, to be changed.
    pub(crate) fn last_mut(&mut self) -> &mut SegmentMeta {
        self.segments.back_mut().expect("a journal has at least its active segment")
    }

    /// The segment that holds a shard's record at `index`, which is below the tail.
    pub(crate) fn segment_with(&self, shard: ShardId, index: u64) -> u64 {
        let after = self.segments.partition_point(|s| s.bases.stand(shard) <= index);
        self.segments[after.saturating_sub(1)].number
    }

    /// Where a segment is.
    pub(crate) fn segment(&self, number: u64) -> Located {
        let first = self.segments[0].number;
        let Some(meta) = number.checked_sub(first).and_then(|at| self.segments.get(at as usize)) else {
            return Located::Gone;
        };
        if number == self.last().number {
            Located::Active(Segment {
                path: self.active.path.clone(),
                file: self.active.file.clone(),
                incarnation: self.incarnation,
                number,
                end: meta.end,
                points: self.active.points.clone(),
            })
        } else {
            let (dir, incarnation) = (self.dir.clone(), self.incarnation);
            Located::Closed(ClosedId { dir, incarnation, number, end: meta.end })
        }
    }

    /// A frame that is in memory.
    pub(crate) fn cached(&self, place: Place) -> Option<Arc<Frame>> {
        let at = self.cached.binary_search_by_key(&place, |c| c.place).ok()?;
        Some(self.cached[at].frame.clone())
    }

    /// `place`, or the beginning of the next segment when it is the end of a closed one.
    pub(crate) fn forward(&self, mut place: Place) -> Place {
        let at = place.segment.saturating_sub(self.segments[0].number) as usize;
        // A segment is without frames where shards were changed twice.
        for pair in (at..).map_while(|at| Some((self.segments.get(at)?, self.segments.get(at + 1)?))) {
            let (here, next) = pair;
            if here.number != place.segment || place.offset < here.end {
                break;
            }
            place = Place { segment: next.number, offset: next.start };
        }
        place
    }

    /// Tells the waiting that nothing follows.
    pub(crate) fn end_all(&mut self) {
        self.deleted = true;
        self.cached.clear();
        for shard in self.shards.values() {
            shard.mark.send_modify(|mark| mark.over = true);
        }
    }

    /// What was trimmed of a shard.
    pub(crate) fn trim(&self, shard: ShardId) -> u64 {
        self.shards.get(shard).map_or(0, |shard| shard.trim)
    }

    /// Follows a new list of shards: opens the new ones, ends the closed ones.
    pub(crate) fn close(&mut self, shards: &[Shard]) {
        for shard in shards {
            let Some(view) = self.shards.get_mut(shard.id) else { continue };
            match (view.life, shard.closed.is_some()) {
                (Life::Open, true) => view.end(Life::Closed),
                (Life::Gone, closed) => *view = ShardView::new(if closed { Life::Closed } else { Life::Open }),
                _ => {}
            }
        }
    }

    /// Ends shards that have outlived the retention.
    pub(crate) fn forget(&mut self, gone: &[ShardId]) {
        for shard in gone {
            if let Some(shard) = self.shards.get_mut(*shard) {
                shard.end(Life::Gone);
            }
        }
    }
}
