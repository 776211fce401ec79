//! Compaction: the oldest segment's live messages are copied to the journal's end, then the segment is removed.
//!
//! Always the oldest, so that what ends a message (a remove, a purge) never goes before the message itself. It begins when
//! less than half of all bytes is live, so that the disk holds at most about twice what is live and each byte is copied
//! about once for each byte that is written.

use crate::sqs::QueueError;
use crate::sqs::commit::Committer;
use crate::sqs::error::{corrupt, disk};
use crate::sqs::format::{
    self, FRAME_HEADER, FrameBuilder, FrameHeader, RawRecord, SEGMENT_HEADER, Site, StoredMessage, kind,
};
use crate::sqs::library::Segment;
use crate::sqs::state::{Place, Usage};
use std::sync::Arc;

/// Fewer segments than these are left alone while something in them is live.
const SEGMENTS_MIN: u64 = 2;
/// Deduplication ids are copied so many in one frame.
const DEDUPS_PER_FRAME: usize = 10_000;

/// A segment that is being emptied.
pub(crate) struct Cleaning {
    segment: Arc<Segment>,
    offset: u64,
    end: u64,
}

impl Committer {
    /// True when there is something to gain.
    pub(crate) fn wants_cleaning(&self) -> bool {
        self.chores.cleaning.is_some() || self.victim().is_some()
    }

    /// One step: a frame is copied, or a segment removed. False: there is nothing to do.
    pub(crate) fn clean(&mut self) -> Result<bool, QueueError> {
        self.env.healthy()?;
        let Some(cleaning) = self.chores.cleaning.take() else {
            let Some((number, usage)) = self.victim() else { return Ok(false) };
            if usage.live == 0 {
                self.remove_segment(number)?;
                return Ok(true);
            }
            let segment = self.library.segment(&self.env, number)?;
            let missing = || corrupt(&self.env.dir.join(format::segment_name(number)), 0, "the segment is missing");
            let segment = segment.ok_or_else(missing)?;
            self.chores.cleaning = Some(Cleaning { segment, offset: SEGMENT_HEADER as u64, end: usage.bytes });
            return Ok(true);
        };
        if cleaning.offset < cleaning.end && self.live(cleaning.segment.number) > 0 {
            let offset = self.copy_frame(&cleaning)?;
            self.chores.cleaning = Some(Cleaning { offset, ..cleaning });
        } else {
            self.copy_dedups(cleaning.segment.number)?;
            self.remove_segment(cleaning.segment.number)?;
        }
        Ok(true)
    }

    /// The oldest segment, when it is worth it.
    fn victim(&self) -> Option<(u64, Usage)> {
        let state = self.state.lock();
        let (number, oldest) = state.segments.first_key_value().map(|(number, usage)| (*number, *usage))?;
        if number == self.journal.segment.number {
            return None;
        }
        let (bytes, live) = state.segments.values().fold((0, 0), |(b, l), usage| (b + usage.bytes, l + usage.live));
        let is_large = bytes > SEGMENTS_MIN * self.env.options.segment_bytes;
        (oldest.live == 0 || (is_large && live * 2 < bytes)).then_some((number, oldest))
    }

    fn live(&self, segment: u64) -> u64 {
        self.state.lock().segments.get(&segment).map_or(0, |usage| usage.live)
    }

    /// Copies what is live of one frame; the offset of the next.
    fn copy_frame(&mut self, cleaning: &Cleaning) -> Result<u64, QueueError> {
        let Cleaning { segment, offset, .. } = cleaning;
        let bad = || corrupt(&segment.path, *offset, "a commit is not as it was written");
        let failed = |error| disk(&segment.path, &error);
        let site = Site { stamp: segment.stamp, segment: segment.number, offset: *offset };
        let mut head = [0; FRAME_HEADER];
        segment.file.read_exact_at(&mut head, *offset).map_err(failed)?;
        let header = FrameHeader::decode(&head, site).ok_or_else(bad)?;
        let mut bytes = vec![0; header.len as usize];
        segment.file.read_exact_at(&mut bytes, *offset).map_err(failed)?;
        let records = format::records(&bytes.into(), header, site).ok_or_else(bad)?;
        let mut frame = FrameBuilder::default();
        let with_messages = records.iter().filter(|raw| matches!(raw.kind, kind::PUT | kind::MOVED));
        for raw in with_messages {
            let message = StoredMessage::decode(raw).ok_or_else(bad)?;
            let place = place_of(site, raw);
            if let Some(message) = self.as_it_is_now(message, place) {
                frame.push(kind::PUT, |bytes| message.write(bytes));
            }
        }
        if !frame.is_empty() {
            self.write_now(frame)?;
        }
        Ok(offset + u64::from(header.len))
    }

    /// The message with what is known of it now. `None`: it is gone, or lies elsewhere.
    fn as_it_is_now(&self, mut stored: StoredMessage, place: Place) -> Option<StoredMessage> {
        let state = self.state.lock();
        let message = state.queues.get(&stored.head.queue)?.messages.get(&stored.head.no)?;
        if message.place != place {
            return None;
        }
        stored.head.visible_at = message.visible_at;
        stored.head.first_received = message.first_received;
        stored.head.received = message.received;
        stored.head.nonce = message.nonce;
        Some(stored)
    }

    fn copy_dedups(&mut self, segment: u64) -> Result<(), QueueError> {
        loop {
            let mut frame = FrameBuilder::default();
            {
                let mut state = self.state.lock();
                state.expire_dedups(self.env.clock.now());
                let kept = state.queues.values().flat_map(|queue| queue.dedups.kept_in(segment));
                for dedup in kept.take(DEDUPS_PER_FRAME) {
                    frame.push(kind::DEDUP, |bytes| dedup.write(bytes));
                }
            }
            if frame.is_empty() {
                return Ok(());
            }
            self.write_now(frame)?;
        }
    }

    /// Removes the oldest segment, durably, before the next one may go.
    fn remove_segment(&mut self, number: u64) -> Result<(), QueueError> {
        let path = self.env.dir.join(format::segment_name(number));
        self.library.close(number);
        let removed = self.env.disk.remove(&path).and_then(|()| self.env.disk.sync_dir(&self.env.dir));
        // What it came to is not known, and a hole must never be.
        removed.map_err(|error| self.env.poisoned(disk(&path, &error)))?;
        self.state.lock().segments.remove(&number);
        Ok(())
    }
}

fn place_of(site: Site, raw: &RawRecord) -> Place {
    Place { segment: site.segment, offset: (site.offset as usize + raw.offset) as u32, len: raw.len as u32 }
}
