//! The journal's end: one frame, one write, one sync; segments that follow each other.

use crate::sqs::error::{disk, is_full};
use crate::sqs::format::{self, FrameBuilder, SEGMENT_HEADER, SegmentHeader, Site};
use crate::sqs::library::{Library, Segment};
use crate::sqs::{Env, QueueError};
use bytes::Bytes;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A frame that is on disk.
pub(crate) struct Written {
    pub(crate) site: Site,
    pub(crate) bytes: Bytes,
}

/// The state of the journal's end. Changed only after the disk has followed.
pub(crate) struct Journal {
    pub(crate) segment: Arc<Segment>,
    /// Where the next frame goes.
    pub(crate) offset: u64,
    /// The next frame's number.
    pub(crate) frame: u64,
}

impl Journal {
    /// Makes a frame durable. `next_no`: of the next message, for the header of a new segment.
    pub(crate) fn write(
        &mut self,
        env: &Env,
        library: &Library,
        frame: FrameBuilder,
        next_no: u64,
    ) -> Result<Written, QueueError> {
        env.healthy()?;
        let has_frames = self.offset > SEGMENT_HEADER as u64;
        if has_frames && self.offset + frame.len() as u64 > env.options.segment_bytes {
            self.roll(env, library, next_no)?;
        }
        let site = Site { stamp: self.segment.stamp, segment: self.segment.number, offset: self.offset };
        let bytes = frame.seal(site, self.frame);
        self.put(env, &bytes)?;
        self.offset += bytes.len() as u64;
        self.frame += 1;
        library.remember(site, &bytes);
        Ok(Written { site, bytes })
    }

    /// Writes and syncs. A disk that is full before the sync is as if nothing had happened; any other failure shuts the
    /// journal.
    fn put(&self, env: &Env, bytes: &[u8]) -> Result<(), QueueError> {
        let (file, path) = (&self.segment.file, &self.segment.path);
        if let Err(error) = file.write_at(bytes, self.offset) {
            let failed = disk(path, &error);
            let cut_back = is_full(&error) && file.set_len(self.offset).is_ok();
            return Err(if cut_back { failed } else { env.poisoned(failed) });
        }
        file.sync().map_err(|error| env.poisoned(disk(path, &error)))
    }

    /// Begins the next segment.
    fn roll(&mut self, env: &Env, library: &Library, next_no: u64) -> Result<(), QueueError> {
        let number = self.segment.number + 1;
        let path = env.dir.join(format::segment_name(number));
        match create_segment(env, number, next_no, self.offset) {
            Ok(segment) => {
                self.segment = Arc::new(segment);
                self.offset = SEGMENT_HEADER as u64;
                library.add(self.segment.clone());
                Ok(())
            }
            Err(error) => {
                // A half-made segment must not come back after a crash, when frames were added to the one before.
                let undone =
                    is_full(&error) && env.disk.remove(&path).and_then(|()| env.disk.sync_dir(&env.dir)).is_ok();
                let failed = disk(&path, &error);
                Err(if undone { failed } else { env.poisoned(failed) })
            }
        }
    }
}

/// Makes a segment without frames, durable with its name.
pub(crate) fn create_segment(env: &Env, number: u64, next_no: u64, previous_len: u64) -> io::Result<Segment> {
    let path: Arc<Path> = env.dir.join(format::segment_name(number)).into();
    env.disk.remove(&path)?;
    let file = env.disk.open(&path, true)?;
    let header = SegmentHeader { segment: number, stamp: env.dice.roll(), next_no, previous_len };
    file.write_at(&header.encode(), 0)?;
    file.sync()?;
    env.disk.sync_dir(&env.dir)?;
    Ok(Segment { number, stamp: header.stamp, path, file })
}
