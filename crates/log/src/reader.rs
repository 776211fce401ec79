//! Reading one shard: from memory near the tail, from segments behind it.

use crate::segments::Chunk;
use crate::stream::{Found, Stream};
use crate::view::{Mark, Place};
use crate::{Batch, Bounds, LogError, Record, ShardReader};
use async_trait::async_trait;
use bytes::Bytes;
use millrace_base::ShardId;
use std::sync::Arc;
use tokio::sync::watch;

/// What a record counts for beside its bytes, so that empty records do not make an endless batch.
const RECORD_OVERHEAD: usize = 16;

/// A position in a shard of a local log.
pub(crate) struct LocalReader {
    stream: Arc<Stream>,
    shard: ShardId,
    position: u64,
    /// Where the search goes on: no unread record lies before it.
    place: Option<Place>,
    mark: watch::Receiver<Mark>,
}

impl LocalReader {
    pub(crate) fn new(stream: Arc<Stream>, shard: ShardId, index: u64) -> Result<Self, LogError> {
        let bounds = stream.bounds(shard)?;
        let mark = stream.view.read().shards.get(shard).map(|shard| shard.mark.subscribe());
        let mark = mark.ok_or_else(|| LogError::NoShard(stream.key.clone(), shard))?;
        Ok(Self { stream, shard, position: index.max(bounds.trim), place: None, mark })
    }

    /// The place to search from: where the last read stopped, or further on if the index knows better.
    fn seek(&mut self) -> Result<Option<Place>, LogError> {
        let Some(indexed) = self.stream.locate(self.shard, self.position)? else { return Ok(None) };
        Ok(Some(self.place.map_or(indexed, |place| place.max(indexed))))
    }

    /// Takes what fits of one frame. False when the batch is full.
    fn take(&mut self, found: &Found, place: Place, fill: &mut Fill) -> Result<bool, LogError> {
        let arrival = found.frame.header.arrival;
        for block in found.frame.blocks_of(self.shard) {
            if block.end() <= self.position {
                continue;
            }
            if fill.is_full() {
                fill.batch.next_arrival = Some(arrival);
                return Ok(false);
            }
            let bytes = match &found.segment {
                Some(segment) => segment.block(place.offset, &found.frame, block)?,
                None => found.frame.block_bytes(block).unwrap_or_default(),
            };
            let position = &mut self.position;
            let whole = block.scan(&bytes, arrival, *position, |record| {
                if fill.is_full() {
                    fill.batch.next_arrival = Some(arrival);
                    return false;
                }
                *position = record.index + 1;
                fill.add(record);
                true
            });
            if !whole {
                return Err(self.damaged(place, &bytes));
            }
            if fill.batch.next_arrival.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn damaged(&self, place: Place, bytes: &Bytes) -> LogError {
        let view = self.stream.view.read();
        let path = view.dir.join(crate::format::segment_name(place.segment));
        crate::error::corrupt(
            &path,
            place.offset,
            format!("a block of {} bytes does not hold its records", bytes.len()),
        )
    }

    fn walk(&mut self, bounds: Bounds, fill: &mut Fill) -> Result<(), LogError> {
        let mut chunk = Chunk::default();
        let mut place = self.seek()?;
        while let Some(here) = place {
            let Some(found) = self.stream.frame(here, &mut chunk)? else { break };
            let before = self.position;
            if !self.take(&found, here, fill)? {
                self.place = Some(here);
                return Ok(());
            }
            let after = Place { offset: here.offset + u64::from(found.frame.header.len), ..here };
            self.place = Some(self.stream.view.read().forward(after));
            if self.position >= bounds.tail {
                return Ok(());
            }
            // Other shards' frames in between are stepped over by the index.
            place = if self.position == before { self.seek()? } else { self.place };
        }
        // The segment was trimmed under the reader: it stands before what is left.
        let trim = self.stream.extent(self.shard)?.map_or(bounds.tail, |(bounds, _)| bounds.trim);
        self.place = None;
        if fill.batch.records.is_empty() && trim > self.position {
            self.position = trim;
        }
        Ok(())
    }
}

/// A batch in the making.
struct Fill {
    batch: Batch,
    records_left: usize,
    bytes_left: usize,
}

impl Fill {
    fn is_full(&self) -> bool {
        self.records_left == 0 || (self.bytes_left == 0 && !self.batch.records.is_empty())
    }

    fn add(&mut self, record: Record) {
        let len = record.partition_key.len() + record.data.len() + RECORD_OVERHEAD;
        self.records_left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(len);
        self.batch.records.push(record);
    }
}

#[async_trait]
impl ShardReader for LocalReader {
    fn position(&self) -> u64 {
        self.position
    }

    fn read(&mut self, records_max: usize, bytes_max: usize) -> Result<Batch, LogError> {
        let Some((bounds, closed)) = self.stream.extent(self.shard)? else {
            // It was closed, and all that was left of it has expired.
            return Ok(Batch { next: self.position, ended: true, ..Batch::default() });
        };
        self.position = self.position.max(bounds.trim);
        let mut fill = Fill { batch: Batch::default(), records_left: records_max.max(1), bytes_left: bytes_max.max(1) };
        if self.position < bounds.tail {
            self.walk(bounds, &mut fill)?;
        }
        let mut batch = fill.batch;
        batch.next = self.position;
        batch.ended = closed && self.position >= bounds.tail;
        Ok(batch)
    }

    async fn wait(&mut self) -> Result<(), LogError> {
        let position = self.position;
        // The sender lives in the view as long as the shard is listed; without it nothing follows.
        let _ = self.mark.wait_for(|mark| mark.over || mark.tail > position).await;
        self.stream.extent(self.shard).map(|_| ())
    }
}
