//! The writing end of a stream's journal: one frame, one write, one sync; segments that follow each other.

use crate::LogError;
use crate::error::{disk, is_full};
use crate::format::{
    self, ByShard, Entry, Frame, FramePlan, FrameSite, PRODUCERS_MAX, Points, ProducerMark, SegmentHeader,
};
use crate::scan::{NO_ARRIVALS, widen};
use crate::stream::Env;
use crate::view::{Active, Cached, Life, Mark, Place, SegmentMeta, ShardView, View};
use ahash::AHashMap;
use millrace_base::{Disk, DiskFile, Millis};
use parking_lot::{RwLock, RwLockWriteGuard};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Frames below it are not worth the call.
const FORGET_BYTES_MIN: u64 = 64 << 10;

/// The state of a journal's end. Changed only after the disk has followed.
pub(crate) struct Writer {
    pub(crate) dir: PathBuf,
    pub(crate) incarnation: u64,
    pub(crate) path: Arc<Path>,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) segment: u64,
    /// Where the segment's first frame begins.
    pub(crate) start: u64,
    /// Where the next frame goes.
    pub(crate) offset: u64,
    /// The next frame's number.
    pub(crate) frame: u64,
    /// The next index of each shard.
    pub(crate) next: ByShard<u64>,
    /// The oldest shard that the catalog lists: those before it are left out from the next segment on.
    pub(crate) oldest: u32,
    /// Least and greatest arrival in the segment.
    pub(crate) arrivals: (Millis, Millis),
    pub(crate) producers: Producers,
}

/// The last epochs of a stream's producers.
#[derive(Default)]
pub(crate) struct Producers {
    /// By id: epoch, and the frame it came in.
    marks: AHashMap<Arc<str>, (u64, u64)>,
}

impl Producers {
    /// The last epoch of a producer.
    pub(crate) fn epoch(&self, id: &str) -> Option<u64> {
        self.marks.get(id).map(|(epoch, _)| *epoch)
    }

    /// Remembers an epoch; forgets the producer that was silent for longest when there are too many.
    pub(crate) fn note(&mut self, id: Arc<str>, epoch: u64, frame: u64) {
        self.marks.insert(id, (epoch, frame));
        if self.marks.len() > PRODUCERS_MAX {
            let oldest = self.marks.iter().min_by_key(|(id, (_, frame))| (*frame, (*id).clone()));
            if let Some(id) = oldest.map(|(id, _)| id.clone()) {
                self.marks.remove(&id);
            }
        }
    }

    fn list(&self) -> Vec<ProducerMark> {
        let mark = |(id, (epoch, frame)): (&Arc<str>, &(u64, u64))| ProducerMark {
            id: id.clone(),
            epoch: *epoch,
            frame: *frame,
        };
        let mut marks: Vec<_> = self.marks.iter().map(mark).collect();
        marks.sort_by(|a, b| (a.frame, &a.id).cmp(&(b.frame, &b.id)));
        marks
    }
}

impl Writer {
    /// Makes a frame of `entries` (sorted by shard and index) and `producers` durable, and shows it to the readers. True
    /// when it is kept in memory.
    pub(crate) fn write(
        &mut self,
        env: &Env,
        view: &RwLock<View>,
        entries: &[Entry<'_>],
        producers: &[(Arc<str>, u64)],
        arrival: Millis,
    ) -> Result<Option<usize>, LogError> {
        env.healthy()?;
        let plan = FramePlan::new(entries, producers);
        if self.offset > self.start && self.offset + plan.len() as u64 > env.options.segment_bytes {
            self.roll(env, view, self.next.ids().end)?;
        }
        let site = FrameSite { incarnation: self.incarnation, segment: self.segment, offset: self.offset };
        let frame = plan.encode(site, self.frame, arrival);
        self.put(env, &frame.head)?;
        Ok(self.publish(env, view, frame))
    }

    /// Writes and syncs. A disk that is full before the sync is as if nothing had happened; any other failure shuts the log.
    fn put(&self, env: &Env, bytes: &[u8]) -> Result<(), LogError> {
        if let Err(error) = self.file.write_at(bytes, self.offset) {
            let failed = disk(&self.path, &error);
            let cut_back = is_full(&error) && self.file.set_len(self.offset).is_ok();
            return Err(if cut_back { failed } else { env.poisoned(failed) });
        }
        self.file.sync().map_err(|error| env.poisoned(disk(&self.path, &error)))
    }

    fn publish(&mut self, env: &Env, view: &RwLock<View>, frame: Frame) -> Option<usize> {
        let place = Place { segment: self.segment, offset: self.offset };
        let mut view = view.write();
        if view.active.points.wants(place.offset) {
            Arc::make_mut(&mut view.active.points).push(place.offset, self.arrivals.1, &self.next);
        }
        self.offset += u64::from(frame.header.len);
        self.frame += 1;
        self.arrivals = widen(self.arrivals, frame.header.arrival);
        for (id, epoch) in &frame.producers {
            self.producers.note(id.clone(), *epoch, frame.header.number);
        }
        let last = view.last_mut();
        last.end = self.offset;
        last.arrivals = self.arrivals;
        for block in &frame.blocks {
            self.next[block.shard] = block.end();
            view.shards[block.shard].tail = block.end();
        }
        let frame = Arc::new(frame);
        // One giant frame must not push out everything else.
        let weight = frame.head.len() + frame.blocks.len() * 32 + 256;
        let keep = weight <= env.options.cache_bytes / 4;
        if keep {
            view.cached.push_back(Cached { place, frame: frame.clone() });
        } else {
            // The cache has no holes, so what is older goes, too; its accounting follows as it is evicted.
            view.cached.clear();
        }
        let view = RwLockWriteGuard::downgrade(view);
        for block in &frame.blocks {
            let mark = Mark { tail: block.end(), over: false };
            view.shards[block.shard].mark.send_modify(|old| *old = Mark { over: old.over, ..mark });
        }
        drop(view);
        let len = u64::from(frame.header.len);
        if keep && len >= FORGET_BYTES_MIN {
            // Readers find the frame in the cache. Page cache that is never given back is filled ever anew, which was
            // measured to cost three times the write itself.
            self.file.forget(place.offset, len);
        }
        keep.then_some(weight)
    }

    /// Begins the next segment, which lists the shards up to `end`, exclusive, or more.
    pub(crate) fn roll(&mut self, env: &Env, view: &RwLock<View>, end: u32) -> Result<(), LogError> {
        env.healthy()?;
        let mut bases = self.next.clone();
        bases.reach(self.oldest..end, || 0);
        let header = SegmentHeader {
            incarnation: self.incarnation,
            segment: self.segment + 1,
            first_frame: self.frame,
            previous_len: self.offset,
            previous_arrivals: self.arrivals,
            bases,
            producers: self.producers.list(),
        };
        let path: Arc<Path> = self.dir.join(format::segment_name(header.segment)).into();
        let (file, start) = match create_segment(&*env.disk, &self.dir, &path, &header) {
            Ok(created) => created,
            Err(error) => {
                // A half-made segment must not come back after a crash, when frames were added to the one before.
                let undone =
                    is_full(&error) && env.disk.remove(&path).and_then(|()| env.disk.sync_dir(&self.dir)).is_ok();
                let failed = disk(&path, &error);
                return Err(if undone { failed } else { env.poisoned(failed) });
            }
        };
        // Whoever opens the old one next need not read through it; if this fails he does. What it holds is durable already.
        let _ = self.file.finish();
        let mut points = view.read().active.points.as_ref().clone();
        points.push(self.offset, self.arrivals.1, &self.next);
        self.next = header.bases;
        let index = self.dir.join(format::index_name(self.segment));
        // Neither synced nor needed: an index that is missing or torn is built again from its segment.
        let _ = write_index(&*env.disk, &index, &points.encode(self.incarnation, self.segment));
        let mut view = view.write();
        view.active =
            Active { path: path.clone(), file: file.clone(), points: Arc::new(Points::new(start, &self.next)) };
        view.segments.push_back(SegmentMeta {
            number: header.segment,
            start,
            end: start,
            arrivals: NO_ARRIVALS,
            bases: self.next.clone(),
        });
        // Until the catalog knows the new ones, they are not there.
        view.shards.reach(self.next.ids(), || ShardView::new(Life::Gone));
        (self.path, self.file, self.segment) = (path, file, header.segment);
        (self.start, self.offset, self.arrivals) = (start, start, NO_ARRIVALS);
        Ok(())
    }
}

/// Creates a segment's file with its header, durable with its name; also where its first frame goes.
pub(crate) fn create_segment(
    disk: &dyn Disk,
    dir: &Path,
    path: &Path,
    header: &SegmentHeader,
) -> io::Result<(Arc<dyn DiskFile>, u64)> {
    let bytes = header.encode();
    let file = disk.open(path, true)?;
    file.set_len(0)?;
    file.write_at(&bytes, 0)?;
    file.sync()?;
    disk.sync_dir(dir)?;
    Ok((file, bytes.len() as u64))
}

fn write_index(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = disk.open(path, true)?;
    file.set_len(0)?;
    file.write_at(bytes, 0)
}
